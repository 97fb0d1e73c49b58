"""Where faces of a video lie between what was seen of them: at the picture's edge, and where a camera swings."""

from __future__ import annotations

import numpy as np

from mien.swaps.hidden.sightings import EDGE, Sightings, completed
from mien.swaps.hidden.spots import Spot

SIZE, RATE = (400, 300), 25.0


def leaving(frames: int, *, seen: int, step: float = 8.0, cuts: set[int] | None = None) -> Sightings:
    """A face of 80 x 100 that moves out to the left; boxes end at the picture's edge, as detectors give them."""
    rows: list[list[Spot]] = []
    for number in range(frames):
        x = 120 - step * number
        box = np.array([max(x, 0.0), 100.0, x + 80, 200.0])
        rows.append([Spot(box=box, score=0.9, source="detected", track=1)] if number < seen else [])
    return Sightings(SIZE, RATE, rows, cuts or set())


def test_a_face_that_leaves_is_hidden_until_it_has_left() -> None:
    plan = completed(leaving(40, seen=20))
    for number in range(20, 40):
        right = 200 - 8 * number  # of the face
        if right > 4:
            (spot,) = plan[number]
            assert spot.source == "interpolated"
            assert spot.box[2] >= right
            assert spot.box[2] - spot.box[0] >= 80  # as wide as it was: not what the edge leaves of it
        elif right < -40:
            assert not plan[number]


def test_a_face_that_stays_cut_by_the_edge_is_hidden_for_a_while() -> None:
    sightings = leaving(120, seen=20)
    for number in range(16, 20):
        sightings.frames[number] = sightings.frames[15]
    plan = completed(sightings)
    assert all(plan[number] for number in range(20, 19 + round(EDGE * RATE)))


def test_a_swinging_camera_is_no_cut_and_another_shot_is() -> None:
    sightings = leaving(30, seen=20, cuts={3, 4, 5, 25})
    sightings.forget_false_cuts()
    assert sightings.cuts == {25}
    jump = leaving(30, seen=20, cuts={10})
    for number in range(10, 20):  # the same person, elsewhere: followed over a cut
        (spot,) = jump.frames[number]
        jump.frames[number] = [Spot(box=spot.box + np.array([200.0, 0, 200, 0]), score=0.9, source="detected", track=1)]
    jump.forget_false_cuts()
    assert jump.cuts == {10}
