"""Doubles are tried one after the other, compared, and given up where they do not do: on fakes."""

from __future__ import annotations

from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mien.core.columns import Scalar
from mien.core.errors import UsageError
from mien.core.region import Region
from mien.media.provenance import Provenance
from mien.swaps.hidden import synthetic
from mien.swaps.hidden.disguise import ATTEMPTS
from mien.swaps.hidden.spots import Spot
from mien.swaps.hidden.strength import Likeness
from mien.swaps.hidden.synthetic import HELD, TRIALS, Synthetic

IMAGE = np.zeros((8, 8, 3), np.uint8)


class Engine:
    """Sees a face wherever it is told that one is."""

    def analyze(self, image: Any, *, faces: Any, want: Any) -> Any:
        del image, want
        return faces.with_columns({"presence": Scalar(np.ones(len(faces), np.float32))})

    def choose(self, field: str) -> Any:
        return SimpleNamespace(id=field)


@dataclass
class Stage:
    """What doubles look like: the margin of each attempt, which is drawn as its number; and what cannot be drawn."""

    margins: list[float] = field(default_factory=lambda: [-0.2] * len(ATTEMPTS))
    fault: str | None = None
    tried: list[int] = field(default_factory=list)

    def compare(self, before: Any, after: Any, spots: Any) -> list[Likeness | None]:
        del before
        margin = self.margins[int(after[0, 0, 0]) - 1]
        return [Likeness(cosine=0.3 + margin, threshold=0.3, embedder="e") for _ in spots]


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Stage:
    stage = Stage()

    class Take:
        def __init__(self, number: int) -> None:
            self.number = number

        def apply(self, shot: Any) -> Any:
            stage.tried.append(self.number)
            if stage.fault is not None:
                raise UsageError(f"{stage.fault}.")
            mask = Region.from_mask(np.full((8, 8), 255, np.uint8))
            return SimpleNamespace(image=np.full_like(shot.image, self.number + 1), mask=mask, report={})

    def disguise(role: Any, **_: Any) -> Any:
        return SimpleNamespace(start=lambda: Take(role.attempt), needs=frozenset())

    monkeypatch.setattr(synthetic, "Doubles", lambda **_: SimpleNamespace(begin=lambda: None))
    monkeypatch.setattr(synthetic, "Disguise", disguise)
    return stage


def spot(track: int | None = None, source: Any = "detected") -> Spot:
    return Spot(box=np.array([1.0, 1, 6, 6]), track=track, source=source)


def test_the_first_double_that_does_is_shown(stage: Stage) -> None:
    stage.margins[0] = 0.1
    change = Synthetic(Engine(), stage)
    regions: list[Region] = []
    image, left = change.apply(IMAGE, [spot()], time=None, regions=regions)
    assert (image == 2).all()
    assert (left, stage.tried, len(regions)) == ([], [0, 1], 1)
    assert change.mark(Provenance()).synthetic


def test_of_several_that_hardly_do_the_least_alike_is_shown(stage: Stage) -> None:
    stage.margins[:] = [-0.01, 0.2, -0.03, 0.1]
    change = Synthetic(Engine(), stage)
    assert (change.apply(IMAGE, [spot()], time=None)[0] == 3).all()
    assert change.likeness[0].margin == pytest.approx(-0.03)


@pytest.mark.parametrize("fault", [None, "turned away"])
def test_where_none_does_the_face_is_left_to_be_blurred_and_it_is_told(stage: Stage, fault: str | None) -> None:
    stage.margins[:] = [0.1] * len(ATTEMPTS)
    stage.fault = fault
    change = Synthetic(Engine(), stage)
    image, left = change.apply(IMAGE, [spot()], time=None)
    assert (image == IMAGE).all()
    assert len(left) == 1
    assert change.refused == {0: fault or synthetic.ALIKE}
    assert not change.mark(Provenance()).synthetic  # nobody is in it who does not exist


def test_a_track_keeps_its_double_and_is_blurred_while_that_does_not_do(stage: Stage) -> None:
    change = Synthetic(Engine(), stage)

    def shown(time: float, **kw: Any) -> bool:
        return not change.apply(IMAGE, [spot(track=7, **kw)], time=time)[1]

    assert not shown(0.0, source="interpolated")  # nobody is cast by a guess
    assert shown(0.1)
    stage.margins[0] = 0.1
    assert not shown(0.2)
    stage.margins[0] = -0.2
    assert not shown(0.3)
    assert shown(0.3 + HELD)
    assert set(stage.tried) == {0}


def test_a_face_of_a_video_is_tried_again_later_but_not_for_ever(stage: Stage) -> None:
    stage.fault = "turned away"
    change = Synthetic(Engine(), stage)
    for second in range(2 * TRIALS):
        assert change.apply(IMAGE, [spot(track=7)], time=second * HELD)[1]
    assert len(stage.tried) == TRIALS * len(ATTEMPTS)
    assert change.refused == {7: "turned away"}
