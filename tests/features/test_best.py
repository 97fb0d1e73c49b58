"""The best shots of a clip, of made-up frames and of a real one."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.core.columns import Scalar, Tracks
from mien.core.errors import FieldNotComputed, UsageError, WeightsUnavailable
from mien.core.faces import Faces
from mien.engine import Engine
from mien.engine.scanning import Item
from mien.features.fit.best import best_shots

NAN = float("nan")


def frame(number: int, *rows: tuple[int, bool, float]) -> Item:
    """Ten frames a second; of each face the person, whether it was seen, and its quality."""
    faces = Faces.from_boxes([[0, 0, 9, 9]] * len(rows))
    table = np.array(rows, np.float32).reshape(-1, 3)
    columns = {"track": Tracks(table[:, :2]), "quality": Scalar(table[:, 2])}
    return Item("clip", faces.with_columns(columns), time=number / 10, frame=number)


def test_the_best_of_each_stretch_and_person() -> None:
    items = [
        frame(0, (1, True, 0.3), (2, True, 0.9)),
        frame(1, (1, True, 0.8)),
        frame(2, (1, True, 0.7)),
        frame(6, (1, True, 0.75), (2, True, 0.2)),
        frame(11, (1, True, 0.1), (3, True, NAN)),
        Item("clip", Faces.empty(), time=1.2, frame=12),
    ]
    found = best_shots(items, count=2)
    assert {who: [shot.frame for shot in shots] for who, shots in found.items()} == {1: [1, 6], 2: [0, 6]}
    assert found[1][0].quality == pytest.approx(0.8)
    assert found[1][0].time == pytest.approx(0.1)
    assert len(found[1][0].faces) == 1
    assert {who: len(shots) for who, shots in best_shots(items).items()} == {1: 1, 2: 1}


def test_faces_that_were_filled_in_do_not_count() -> None:
    (shot,) = best_shots([frame(0, (1, False, 0.9)), frame(1, (1, True, 0.4))])[1]
    assert shot.frame == 1
    assert best_shots([]) == {}
    assert best_shots([frame(0, (1, False, 0.9))]) == {}


def test_what_cannot_be_told() -> None:
    with pytest.raises(FieldNotComputed, match="recognizability"):
        best_shots([frame(0, (1, True, 0.5))], field="recognizability")
    for count, apart in ((0, 1.0), (1, 0.0), (1, NAN)):
        with pytest.raises(UsageError, match="best shots"):
            best_shots([], count=count, apart=apart)


@pytest.mark.weights
@pytest.mark.data
def test_a_real_clip(shared_data: Path) -> None:
    clip = shared_data / "video" / "single_face.mp4"
    with Engine(threads=1, models={"quality": "lightqnet-dm050"}) as engine:
        try:
            with mien.track(clip, want={"quality"}, reidentify=False, engine=engine) as tracking:
                items = list(itertools.islice(tracking, 30))
        except WeightsUnavailable as error:
            pytest.skip(str(error))
    found = best_shots(items)
    for who, (shot,) in found.items():
        values = [
            float(value)
            for item in items
            if item.faces is not None
            for value, own, seen in zip(
                item.faces.quality.values, item.faces.track.ids, item.faces.track.observed, strict=True
            )
            if own == who and seen
        ]
        assert shot.quality == pytest.approx(max(values))
    assert found
