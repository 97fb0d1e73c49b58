"""The verb ``edit``: its table of options, their order, effects that move the face, several faces, videos and marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from mien import assets
from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.core.region import Region
from mien.engine import Engine
from mien.media.provenance import Provenance, provenance
from mien.media.video import open_video
from mien.swaps.editing import KINDS, Chain, EditOptions, edit, edit_effect
from mien.swaps.effects import Changed, Shot
from tests.media.films import film


class Note:
    """An effect that paints a corner and notes in what order it was called, and on which faces."""

    needs = frozenset({"landmarks"})

    def __init__(self, name: str, log: list[tuple[str, Faces]]) -> None:
        self.report = {"name": name}
        self._name, self._log = name, log

    def mark(self, source: Provenance) -> Provenance:
        return Provenance.manipulated(source)

    def start(self) -> Note:
        return self

    def apply(self, shot: Shot) -> Changed:
        self._log.append((self._name, shot.faces))
        image = shot.image.copy()
        place = len(self._log)
        image[place, place] = 255 - image[place, place]
        mask = np.zeros(image.shape[:2], np.uint8)
        mask[place, place] = 255
        skipped = [{"face": 0, "reason": "as a test"}] if self._name == "gaze" else []
        return Changed(image=image, mask=Region.from_mask(mask), report={"done": place, "skipped": skipped})


class Looks:
    """An engine that only counts how often it looks again."""

    def __init__(self, faces: Faces) -> None:
        self.faces, self.count = faces, 0

    def analyze(self, image: Image, **options: Any) -> Faces:
        self.count += 1
        assert options["want"] == Note.needs
        return self.faces


def test_the_table_knows_every_option_and_no_other() -> None:
    listed = {option for kind in KINDS.values() for option in (*kind.options, *kind.along)}
    assert listed == set(EditOptions.__annotations__)
    assert list(KINDS).index("recolor") < list(KINDS).index("retarget") < list(KINDS).index("filter")


@pytest.mark.parametrize("moved", [True, False])
def test_a_chain_looks_again_only_after_what_moves(*, moved: bool) -> None:
    first, again = Faces.empty(), Faces.empty()
    log: list[tuple[str, Faces]] = []
    names = ["gaze", "retarget" if moved else "relight", "filter"]
    looks: Any = Looks(again)
    chain = Chain({name: Note(name, log) for name in names}, looks)
    image = np.zeros((8, 8, 3), np.uint8)
    done = chain.start().apply(Shot(image=image, faces=first, rows=np.array([0]), time=0.0))
    assert [name for name, _ in log] == names
    assert looks.count == int(moved)
    assert log[1][1] is first
    assert (log[2][1] is again) == moved
    assert not image.any()
    assert ((done.image != 0).any(axis=2) == done.mask.to_mask()).all()
    assert done.mask.to_mask().sum() == 3
    assert done.report["skipped"] == [{"face": 0, "reason": "as a test", "edit": "gaze"}]
    assert done.report["filter"] == {"name": "filter", "done": 3}


@pytest.mark.weights
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "say what to change"),
        ({"smile": None, "frontal": False}, "say what to change"),
        ({"nose": 1}, "no option 'nose'"),
        ({"hair": "red", "area": "head"}, "area does nothing without one of: style"),
        ({"smile": 0.3, "finish": "gloss"}, "finish does nothing without one of: hair, lips"),
        ({"smile": 0.3, "level": True}, "level does nothing without one of: frontal"),
        ({"makeup_parts": ["lips"]}, "say what to change"),
        ({"makeup": "natural", "makeup_parts": ["ears"]}, "not on 'ears'"),
        ({"style": "ink", "area": "nose"}, "not 'nose'"),
        ({"style": "ink", "strength": 2}, "strength is a number"),
        ({"smile": 9}, "smile"),
    ],
    ids=range(11),
)
def test_what_makes_no_sense_is_refused(engine: Engine, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        edit_effect(engine=engine, **options)


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.fixture(scope="module")
def person() -> Image:
    return np.ascontiguousarray(load_image(assets.PEOPLE[1])[::2, ::2])


@pytest.mark.weights
def test_make_up_of_a_part_and_a_style_of_an_area(engine: Engine, person: Image) -> None:
    lips = edit(person, makeup="bold", makeup_parts=["lips"], engine=engine)
    every = edit(person, makeup="bold", engine=engine)
    drawn = edit(person, style="ink", area="face", engine=engine)
    few, more, face = (int((one.image != person).any(axis=2).sum()) for one in (lips, every, drawn))
    assert 0 < few < 0.5 * more
    assert face < 0.6 * person.shape[0] * person.shape[1]
    assert lips.report["makeup"]["parts"] == ["lips"]
    assert drawn.report["stylize"]["area"] == "face"


@pytest.mark.weights
def test_what_comes_after_a_turn_is_put_on_the_turned_face(engine: Engine, person: Image, tmp_path: Path) -> None:
    turned = edit(person, yaw=8, engine=engine)
    both = edit(person, yaw=8, filter="hearts", engine=engine)
    alone = edit(turned.image, filter="hearts", engine=engine)
    assert np.abs(both.image.astype(int) - alone.image).mean() < 0.3
    assert np.abs(both.image.astype(int) - edit(person, filter="hearts", engine=engine).image).mean() > 1
    outside = both.layers["mask"] == 0
    assert (both.image[outside] == person[outside]).all()
    path = both.save(tmp_path / "a.png")
    assert provenance(path).synthetic
    assert isinstance(both, mien.Edit)


@pytest.mark.weights
def test_of_several_faces_only_those_that_are_meant(engine: Engine) -> None:
    pair = np.concatenate([load_image(assets.PEOPLE[0])[::2, ::2], load_image(assets.PEOPLE[1])[::2, ::2]], axis=1)
    half = pair.shape[1] // 2
    with pytest.raises(UsageError, match="who="):
        edit(pair, lips="red", engine=engine)
    left = edit(pair, lips="red", who="leftmost", engine=engine)
    assert (left.image != pair)[:, :half].any()
    assert not (left.image != pair)[:, half:].any()
    every = edit(pair, lips="red", filter="hearts", who="all", engine=engine)
    assert (every.image != pair)[:, half:].any()
    assert {one["face"] for one in every.report["recolor"]["faces"]} == {0, 1}


@pytest.mark.weights
def test_a_video_is_edited_and_marked_and_may_lose_its_face(engine: Engine, person: Image, tmp_path: Path) -> None:
    clip = film(tmp_path / "in.mkv", [person] * 4 + [np.zeros_like(person)], rate=25, codec="ffv1", pixels="bgr0")
    done = edit(clip, yaw=5, hair="#a01818", out=tmp_path / "out.mp4", engine=engine)
    assert done.report["frames"] == 5
    frames = [frame.image for frame in open_video(tmp_path / "out.mp4")]
    assert np.abs(frames[2].astype(int) - person).mean() > 2
    assert frames[4].max() < 30  # nobody there
    assert provenance(tmp_path / "out.mp4").synthetic
