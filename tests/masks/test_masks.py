"""``mien.mask``: regions by name and by expression, of one face and of all, computed when they are asked for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import mien
from mien import assets
from mien.core.errors import ImageNotKept, ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.core.palette import region_color
from mien.core.region import Region
from mien.engine import Engine
from mien.masks.view import Masks
from tests.engine import fakes
from tests.engine.test_engine import make, picture
from tests.shared import DATA, photo


@pytest.fixture
def engine() -> Iterator[Engine]:
    with make() as engine:
        yield engine


def levels(region: Region) -> list[int]:
    """Of the picture's column through the first face, that one's ten pixels."""
    return [int(level) for level in region.to_levels()[20:30, 10]]


def middle(region: Region) -> tuple[float, float]:
    """Its centre of mass, x and y."""
    mask = region.to_mask()
    rows, columns = np.nonzero(mask)
    return float(columns.mean()), float(rows.mean())


# -- on a parser that calls the upper half of each box skin, and the lower hair ----------------------------------------


def test_regions_of_one_face_and_of_all(engine: Engine) -> None:
    m = mien.mask(picture(250, 200), engine=engine)
    assert len(m) == 2
    assert levels(m[0].skin) == [255] * 5 + [0] * 5
    assert levels(m[0].hair) == [0] * 5 + [255] * 5
    assert m[0].hair.bbox == (5, 25, 15, 30)
    assert m[-1].hair.bbox == (25, 25, 35, 30)
    assert m.hair == m[0].hair | m[1].hair
    assert m.face == m.skin
    assert m.background == ~m.person
    assert m.person.area == 200
    assert [one.hair for one in m] == [m[0].hair, m[1].hair]


def test_what_a_notebook_shows(engine: Engine) -> None:
    m = mien.mask(picture(250, 200), engine=engine)
    shown, one = m._repr_png_(), m[1]._repr_png_()
    assert shown
    assert one
    hair = (250 + np.array(region_color("hair"))) / 2
    assert np.abs(mien.load_image(shown)[25:30, 5:15] - hair).max() <= 1
    assert mien.load_image(one).shape == (10, 10, 3)
    assert mien.mask(picture(), engine=engine)._repr_png_()
    gone = Masks(m.faces.with_image(None), engine)
    assert gone._repr_png_() is gone[0]._repr_png_() is None


def test_expressions(engine: Engine) -> None:
    m = mien.mask(picture(250, 200), engine=engine)
    assert m.region(" person - hair ") == m.skin
    assert m[1].region("~(skin | hair) & skin").area == 0
    assert m.region("person & ~skin") == m.hair
    assert m.region("skin + hair").area == 200
    for wrong in (
        "",
        "skin +",
        "skin * hair",
        "skin.area",
        "skin()",
        "1",
        "skin if hair else skin",
        "(" * 500,
        "skin\0",
        "skin|" * 5000 + "skin",
        5,
    ):
        with pytest.raises(UsageError, match="is no expression of regions") as error:
            m.region(wrong)
        assert len(str(error.value)) < 200
    assert m.region("~" * 400 + "skin") == m.skin


def test_a_name_that_is_not_there_says_which_are(engine: Engine) -> None:
    m = mien.mask(picture(250), engine=engine)
    for one in (m, m[0]):
        with pytest.raises(AttributeError, match=r"no region is called 'hiar'.*did you mean hair"):
            _ = one.hiar
        with pytest.raises(UsageError, match=r"no region is called 'lips'.*skin"):
            one.region("skin | lips")
        assert {"hair", "skin", "face", "region"} <= set(dir(one))
    assert "lips" not in m.names
    assert not hasattr(m, "_repr_html_")


def test_no_face_has_empty_regions_of_the_picture(engine: Engine) -> None:
    m = mien.mask(picture(), engine=engine)
    assert len(m) == 0
    assert m.hair == Region.empty((100, 100))
    assert m.background == Region.full((100, 100))
    with pytest.raises(IndexError, match="no face 0"):
        m[0]
    with pytest.raises(AttributeError):
        _ = m.hiar


def test_sizes_are_those_of_the_model(engine: Engine) -> None:
    assert levels(mien.mask(picture(250), size="fine", engine=engine).skin)[0] == 255
    assert mien.mask(picture(250), size="fast", engine=engine).faces.models["parse"] == "soft-parser"
    with pytest.raises(UsageError, match="has fast, fine: 'balanced' is none"):
        mien.mask(picture(250), size="balanced", engine=engine)
    with pytest.raises(UsageError, match="one size only"):
        mien.mask(picture(250), size="fast", engine=engine.with_models(parse="soft-parser"))


def test_own_faces_and_options_of_the_search(engine: Engine) -> None:
    own = Faces.from_boxes([[40, 40, 60, 60]])
    m = mien.mask(picture(250), faces=own, engine=engine)
    assert np.abs(np.subtract(m.hair.bbox, (40, 50, 60, 60))).max() <= 1
    assert len(mien.mask(picture(250, 200), max_faces=1, engine=engine)) == 1
    with pytest.raises(ShapeMismatch):
        mien.mask(picture(250, size=120), faces=m.faces, engine=engine)


def test_a_field_is_computed_when_it_is_first_needed(engine: Engine) -> None:
    m = mien.mask(picture(250), engine=engine)
    assert set(m.faces.fields) == {"parse", "landmarks"}
    fakes.made.clear()
    assert m.require("pose").pose.yaw[0] == 250
    m.require("pose")
    assert fakes.made == ["pose"]
    assert set(m.faces.fields) == {"parse", "landmarks", "pose"}
    dropped = Masks(m.faces.with_image(None), engine)
    assert dropped.hair == m.hair  # rendered from numbers alone
    with pytest.raises(ImageNotKept):
        dropped.require("age")


def test_a_region_that_cannot_be_had_says_why(engine: Engine) -> None:
    m = mien.mask(picture(250), engine=engine.with_models(parse="soft-parser"))
    engine.close()
    assert m.hair
    for one in (m, m[0]):
        with pytest.raises(UsageError):  # no AttributeError: there is such a region
            _ = one.occluded


# -- on pictures -------------------------------------------------------------------------------------------------------


@pytest.mark.weights
def test_the_shipped_group() -> None:
    m = mien.mask(assets.GROUP)
    width, height = m.size
    assert len(m) == 8
    assert m.size == m.faces.image_size
    for one, face in zip(m, m.faces, strict=True):
        x1, y1, x2, y2 = face.box
        x, y = middle(one.lips)
        assert x1 < x < x2
        assert (y1 + y2) / 2 < y < y2
        assert 0.3 < one.face.area / ((x2 - x1) * (y2 - y1)) < 1.3
        if one.left_brow and one.right_brow:  # not behind glasses
            assert middle(one.left_brow)[0] > middle(one.right_brow)[0]  # the subject's left
    assert m.hair.area > 0.05 * width * height
    assert (m.face & m.hair).area < 0.02 * m.face.area


@pytest.mark.weights
@pytest.mark.data
def test_iou_with_marked_regions() -> None:
    import PIL.Image

    folder = DATA / "parsing" / "maskgan"
    marked = {"skin": 1, "nose": 2, "hair": 13, "l_eye": 4, "r_eye": 5, "u_lip": 11, "l_lip": 12, "l_brow": 6}
    found: dict[str, list[float]] = {name: [] for name in marked}
    for number in range(4):
        m = mien.mask(photo(f"parsing/maskgan/{number}.jpg"), size="fine")
        truth = np.asarray(PIL.Image.open(folder / f"{number}.png").resize((1024, 1024), PIL.Image.Resampling.NEAREST))
        for name, label in marked.items():
            mask = m.region(name).to_mask()
            found[name].append((mask & (truth == label)).sum() / (mask | (truth == label)).sum())
    means = {name: float(np.mean(values)) for name, values in found.items()}
    assert means["skin"] > 0.9
    assert means["hair"] > 0.85
    assert min(means.values()) > 0.65, means
