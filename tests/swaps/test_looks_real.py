"""Colours, make-up, filters and styles on real and generated faces: what changes, what stays, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest

from mien import assets
from mien.core.columns.spatial import Tracks
from mien.core.errors import UsageError
from mien.core.image import Image, load_image
from mien.engine import Engine
from mien.swaps.blend.oklab import to_oklab
from mien.swaps.editor import Editor
from mien.swaps.effects import Effect, Shot
from mien.swaps.look.makeup import Makeup
from mien.swaps.look.overlays import Filter
from mien.swaps.look.recoloring import Recolor
from mien.swaps.look.stylizing import Stylize

pytestmark = pytest.mark.weights

EFFECTS: dict[str, Callable[[Engine], Effect]] = {
    "recolor": lambda engine: Recolor(hair="#3050c0", lips="#a01030", engine=engine),
    "makeup": lambda engine: Makeup("evening", engine=engine),
    "filter": lambda engine: Filter("sunglasses", engine=engine),
    "style": lambda engine: Stylize("cartoon", area="face", engine=engine),
}


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.fixture(scope="module")
def person() -> Image:
    return np.ascontiguousarray(load_image(assets.PEOPLE[1])[::2, ::2])


@pytest.mark.parametrize("name", EFFECTS)
def test_outside_of_the_mask_each_bit_stays(name: str, engine: Engine, person: Image) -> None:
    edit = Editor(EFFECTS[name](engine), engine=engine).picture(person)
    outside = edit.layers["mask"] == 0
    changed = (edit.image != person).any(axis=2)
    assert changed.mean() > 0.002
    assert not changed[outside].any()
    assert edit.provenance.synthetic


def test_hair_gets_the_color_and_keeps_its_strands(engine: Engine, person: Image) -> None:
    edit = Editor(Recolor(hair="#3050c0", engine=engine), engine=engine).picture(person)
    sure = edit.layers["mask"] > 200
    before, after = to_oklab(person)[sure], to_oklab(edit.image)[sure]
    blue = to_oklab(np.array([0x30, 0x50, 0xC0], np.uint8))
    assert np.median(after[:, 2]) < 0.5 * blue[2] < 0
    assert np.corrcoef(before[:, 0], after[:, 0])[0, 1] > 0.8
    told = edit.report["faces"][0]["hair"]
    assert set(told) == {"from", "to", "limited"}


def test_grey_pictures_are_left_grey(engine: Engine, person: Image) -> None:
    grey = np.repeat(person[..., 1:2], 3, axis=2)
    with pytest.raises(UsageError, match="no colour"):
        Editor(Recolor(hair="red", engine=engine), engine=engine).picture(grey)


def test_makeup_of_an_example_reddens_lips(engine: Engine, person: Image) -> None:
    example = Editor(Makeup("bold", engine=engine), engine=engine).picture(load_image(assets.PEOPLE[5]))
    effect = Makeup(example, parts=("lips",), engine=engine)
    edit = Editor(effect, engine=engine).picture(person)
    changed = (edit.image != person).any(axis=2)
    assert 0.0005 < changed.mean() < 0.05
    tint = to_oklab(edit.image)[changed] - to_oklab(person)[changed]
    assert tint[:, 1].mean() > 0.01
    assert effect.report["copied"] == ["lips"]


@pytest.mark.parametrize("strength", [0.0])
def test_no_strength_changes_nothing(strength: float, engine: Engine, person: Image) -> None:
    effect = Makeup("natural", strength=strength, engine=engine)
    assert (Editor(effect, engine=engine).picture(person).image == person).all()


def test_a_video_is_parsed_now_and_then_and_stands_still(engine: Engine, person: Image) -> None:
    """The same frame over and over: the result is the same, whether it was parsed or carried."""
    effect = Recolor(hair="#8a2f1c", lips="#b0122f", engine=engine)
    found = engine.analyze(person, want=effect.needs)
    tracks = Tracks(np.array([[3, 1]], np.float32))
    faces = found.with_columns({"track": tracks})
    take = effect.start()
    results = []
    for frame in range(6):
        shot = Shot(image=person, faces=faces, rows=np.array([0]), time=frame / 25)
        results.append(take.apply(shot).image.astype(int))
    assert max(float(np.abs(b - a).mean()) for a, b in pairwise(results)) < 0.3
    assert np.abs(results[-1] - person).mean() > 1


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: Recolor(),
        lambda: Recolor(hair="no colour"),
        lambda: Recolor(lips="red", finish="wet"),
        lambda: Recolor(lips="red", strength=2),
        lambda: Makeup("natural", parts=("ears",)),
        lambda: Makeup("brows", parts=("lips",)),
        lambda: Stylize("ink", area="nose"),
    ],
    ids=range(7),
)
def test_what_makes_no_sense_is_refused(wrong: Callable[[], Effect]) -> None:
    with pytest.raises(UsageError):
        wrong()


def test_tiny_and_cut_faces_do_not_break(engine: Engine, person: Image) -> None:
    cut = np.ascontiguousarray(person[: person.shape[0] // 2 + 20, : person.shape[1] // 2 + 20])
    for make in EFFECTS.values():
        for picture in (np.ascontiguousarray(person[::7, ::7]), cut):
            faces = engine.analyze(picture, want={"landmarks"})
            if not len(faces):
                continue
            shot = Shot(image=picture, faces=faces, rows=np.array([0]))
            try:
                done = make(engine).start().apply(shot)
            except UsageError:
                continue
            assert done.image.shape == picture.shape
