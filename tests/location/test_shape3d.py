"""The face in millimetres: true sizes come back exactly, irises that cannot be read do not count."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mien
from mien import assets
from mien.core.columns import Points
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.engine.steps import Batch
from mien.location.shape3d import IrisShape, Ruler, iris_diameters
from mien.models.card import Card
from mien.models.catalogue import Catalogue
from tests.shared import runner

CARD = Catalogue.load()["shape-iris"]
RULER = CARD.settings(Ruler)


def face(*, iris: float = 11.7, size: float = 1.0, opening: float = 8.0) -> Any:
    """A mesh (478, 3) in cm in the head's axes: eyes 63 mm apart, with irises of `iris` mm on a head of `size`."""
    mesh = np.random.default_rng(0).normal(scale=3, size=(478, 3))
    for x, centre, outer, inner, above, below in ((-3.15, 468, 33, 133, 159, 145), (3.15, 473, 263, 362, 386, 374)):
        side = np.sign(x)
        mesh[centre : centre + 5] = [(x, 0, 0)]
        mesh[centre + 1 : centre + 5, :2] += np.array([(-1, 0), (0, -1), (1, 0), (0, 1)]) * iris / 20 / size
        mesh[[outer, inner]] = (x + 1.3 * side, 0, 0), (x - 1.3 * side, 0, 0)
        mesh[[above, below]] = (x, -opening / 20 / size, 0), (x, opening / 20 / size, 0)
    return mesh


def seen(mesh: Any, *, turn: tuple[float, float, float] = (0, 0, 0), scale: float = 40.0) -> Any:
    """The mesh as a camera sees it: pixels."""
    return (mesh @ rotation_matrix(turn).T.astype(np.float64) * scale + np.array([200, 150, 0]))[None]


def describe(landmarks: Any, stabilized: Any, card: Card = CARD) -> Points:
    count = len(landmarks)
    faces = Faces.from_boxes(np.tile([0, 0, 9, 9], (count, 1)))
    faces = faces.with_columns(
        {"landmarks": Points(landmarks, layout="mesh478"), "stabilized": Points(stabilized, layout="mesh478")}
    )
    step = IrisShape(cast("Any", SimpleNamespace(card=card)))
    return cast("Points", step.describe(Batch([], np.zeros(count, np.intp), faces))["shape"])


def test_the_long_axis_of_a_slanted_iris_is_its_diameter() -> None:
    mesh = face()
    for turn in ((0, 0, 0), (35, 0, 0), (0, 30, 0), (20, -15, 70)):
        np.testing.assert_allclose(iris_diameters(seen(mesh, turn=turn)), 11.7 * 4, rtol=1e-6)


@given(st.floats(0.6, 1.4), st.floats(10, 100), st.floats(-180, 180))
def test_what_irises_say_of_the_size_does_not_hang_on_the_picture(size: float, scale: float, roll: float) -> None:
    mesh = face(size=size)
    found = RULER.measure(seen(mesh, turn=(0, 0, roll), scale=scale), mesh[None])
    trust = found.trust[0]
    np.testing.assert_allclose(found.factor[0], size**trust * RULER.average ** (1 - trust), rtol=1e-5)
    assert 0.5 < trust < 0.7
    assert 0.03 < found.spread[0] < 0.05


def test_irises_count_less_at_a_slant_and_where_small_or_at_odds_and_nothing_behind_lids() -> None:
    mesh = face(size=0.8)
    frontal = RULER.measure(seen(mesh), mesh[None])
    for view in (seen(mesh, turn=(35, 0, 0)), seen(mesh, scale=2.5)):
        other = RULER.measure(view, mesh[None])
        assert 0 < other.trust[0] < frontal.trust[0] - 0.03
        assert other.spread[0] > frontal.spread[0]
        assert frontal.factor[0] < other.factor[0] < RULER.average
    odd = face(size=0.8)
    odd[474:478, :2] = odd[473, :2] + 1.5 * (odd[474:478, :2] - odd[473, :2])
    assert RULER.measure(seen(odd), odd[None]).trust[0] < frontal.trust[0] - 0.1
    for view, laid in ((seen(face(opening=3)), face(opening=3)), (seen(mesh, scale=1.0), mesh)):
        blind = RULER.measure(view, laid[None])
        assert blind.trust[0] == 0
        np.testing.assert_allclose([blind.factor[0], blind.spread[0]], [RULER.average, RULER.average_spread], rtol=1e-6)


def test_one_closed_eye_leaves_the_other() -> None:
    mesh = face(size=0.9)
    wink = mesh.copy()
    wink[[159, 145], 1] = 0
    one, both = (RULER.measure(seen(m), m[None]).trust[0] for m in (wink, mesh))
    assert one == pytest.approx(both)


def test_the_field_is_the_stabilized_mesh_in_millimetres_for_0_1_and_many_faces() -> None:
    mesh = face()
    shape = describe(np.concatenate([seen(mesh), np.full((1, 478, 3), np.nan)]), np.stack([mesh, mesh * np.nan]))
    factor = RULER.measure(seen(mesh), mesh[None]).factor[0]
    np.testing.assert_allclose(shape.values[0], 10 * factor * mesh, atol=1e-4)
    assert shape.layout == "mesh478"
    assert shape.abstained.tolist() == [False, True]
    assert shape.reasons == (None, "the face has no mesh")
    assert describe(np.zeros((0, 478, 3)), np.zeros((0, 478, 3))).values.shape == (0, 478, 3)


def test_numbers_of_a_card_are_above_0() -> None:
    from dataclasses import replace

    with pytest.raises(CardError, match="above 0"):
        IrisShape(cast("Any", SimpleNamespace(card=replace(CARD, params={**CARD.params, "noise": 0.0}))))
    with pytest.raises(CardError, match="lacks"):
        IrisShape(cast("Any", SimpleNamespace(card=replace(CARD, params={"iris": 11.7}))))


@pytest.mark.weights
def test_generated_adults_have_pupils_as_far_apart_as_people() -> None:
    assert isinstance(runner("shape-iris"), IrisShape)
    apart = []
    for path in assets.PEOPLE[:4]:
        shape = mien.analyze(path, want={"shape"}).top(1).shape.values[0]
        apart.append(np.linalg.norm(shape[468] - shape[473]))
        assert shape[4, 2] < shape[10, 2] < shape[234, 2]  # the nose is nearer than forehead and ear
        assert shape[152, 1] > shape[10, 1]
        assert shape[473, 0] > 0 > shape[468, 0]
    assert min(apart) > 55
    assert max(apart) < 72
    assert abs(np.mean(apart) - 63.4) < 4


@pytest.mark.data
@pytest.mark.weights
def test_children_are_smaller_than_adults(shared_data: Path) -> None:
    def widths(pattern: str) -> list[float]:
        found = []
        for path in sorted((shared_data / "age_gender").glob(pattern))[:8]:
            faces = mien.analyze(path, want={"shape"}).top(1)
            found += [float(np.linalg.norm(s[468] - s[473])) for s in faces.shape.values if np.isfinite(s).all()]
        return found

    assert np.median(widths("[12]_*.jpg")) < np.median(widths("4?_*.jpg")) - 3
