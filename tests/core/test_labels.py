"""Places for labels: in the picture, beside their faces, never one over another."""

from __future__ import annotations

from itertools import combinations, pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mien.core.labels import Place, place_labels

Box = tuple[float, float, float, float]
PICTURE = (640, 480)

numbers = st.floats(-100, 700)
faces = st.builds(lambda x, y, w, h: (x, y, x + w, y + h), numbers, numbers, st.floats(0, 300), st.floats(0, 300))
extents = st.tuples(st.floats(1, 200), st.floats(1, 100))


def overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return max(width, 0.0) * max(height, 0.0)


@given(people=st.lists(st.tuples(faces, st.lists(extents, min_size=0, max_size=3)), max_size=40))
def test_labels_are_in_the_picture_and_apart(people: list[tuple[Box, list[tuple[float, float]]]]) -> None:
    boxes, sizes = [box for box, _ in people], [sizes for _, sizes in people]
    places = place_labels(boxes, sizes, PICTURE)
    assert len(places) == len(people)
    for place, own in zip(places, sizes, strict=True):
        if place is not None:
            x1, y1, x2, y2 = place.box
            assert x1 >= 0
            assert y1 >= 0
            assert x2 <= PICTURE[0] + 1e-6
            assert y2 <= PICTURE[1] + 1e-6
            np.testing.assert_allclose((x2 - x1, y2 - y1), own[place.form], atol=1e-6)
    drawn = [place.box for place in places if place]
    assert all(overlap(one, other) < 1e-6 for one, other in combinations(drawn, 2))


def only(box: Box, *sizes: tuple[float, float], others: tuple[Box, ...] = ()) -> Place | None:
    return place_labels([box, *others], [list(sizes), *([] for _ in others)], PICTURE)[0]


def test_the_usual_place_is_below_at_the_left() -> None:
    place = only((100, 100, 200, 220), (80, 40))
    assert place
    assert place.box == (100, 222, 180, 262)


def test_in_a_video_it_stays_where_it_is_until_that_costs_much() -> None:
    size, place, spots, free = (80.0, 40.0), None, [], []
    for bottom in (425, *[436, 443] * 3, 470):  # the room below gets scarce
        box = (100, 330, 200, bottom)
        (place,) = place_labels([box], [[size]], PICTURE, before=[place])
        assert place
        assert place.box[3] <= PICTURE[1] + 1e-6
        spots.append(place.spot)
        alone = only(box, size)
        assert alone
        free.append(alone.spot)
    assert spots == [0] * 7 + [3], "once, where it would hide much"
    assert sum(one != other for one, other in pairwise(free)) == 5, "alone, each frame has its own"


def test_at_the_lower_edge_it_goes_above_and_in_a_corner_beside() -> None:
    above = only((100, 350, 200, 475), (80, 40))
    assert above
    assert above.box[3] <= 350
    tall = only((100, -5, 200, 485), (80, 40))
    assert tall
    assert tall.box[0] >= 200


def test_a_portrait_that_fills_the_picture_has_its_label_inside() -> None:
    place = only((0, 0, 640, 480), (160, 60))
    assert place
    assert overlap(place.box, (0, 0, 640, 480)) > 0


def test_it_keeps_off_the_others() -> None:
    below = (90.0, 225.0, 210.0, 330.0)
    place = only((100, 100, 200, 220), (80, 40), others=(below,))
    assert place
    assert overlap(place.box, below) == 0


def test_it_says_less_or_nothing_rather_than_hide_a_face() -> None:
    crowd: list[Box] = [(x, y, x + 40, y + 40) for x in range(0, 640, 44) for y in range(0, 480, 54)]
    full, head = (90.0, 60.0), (30.0, 12.0)
    places = place_labels(crowd, [[full, head]] * len(crowd), PICTURE)
    assert sum(place is not None and place.form == 1 for place in places) > 0.9 * len(crowd)
    for place in places:
        if place:
            assert max(overlap(place.box, face) for face in crowd) < 0.5 * 40 * 40
    assert place_labels(crowd[:1], [[(700.0, 20.0)]], PICTURE) == [None]
    assert place_labels([], [], PICTURE) == []
