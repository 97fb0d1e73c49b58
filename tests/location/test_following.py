"""The parts of the tracker: what pixels say, how a box moves, and how faces are given out."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien import assets
from mien.core.columns import Vectors
from mien.core.image import Image, load_image
from mien.location.assignment import Appearance, Embeddings, Likeness, assign, place_cost
from mien.location.flow import CUT, DOUBT, Sight, alike, clipped, follow
from mien.location.motion import Motion, box_of, numbers_of
from tests import clips

BOX = np.array([110, 60, 190, 170], np.float32)
RIGHT = np.array([60, 0, 60, 0], np.float32)


def texture(seed: int = 0) -> NDArray[np.float32]:
    field = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, (240, 320, 3)), (0, 0), 2)
    return np.asarray(((field - field.min()) / np.ptp(field) * 255), np.float32)


def moved(image: NDArray[np.float32], x: float, y: float, scale: float = 1) -> Image:
    """Scaled about the middle of `BOX`, then shifted."""
    cx, cy = (BOX[:2] + BOX[2:]) / 2
    matrix = np.array([[scale, 0, cx + x - scale * cx], [0, scale, cy + y - scale * cy]], np.float32)
    return np.asarray(cv2.warpAffine(image, matrix, (320, 240)), np.uint8)


# -- pixels ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("x", "y", "scale"), [(0, 0, 1), (7, -4, 1), (-3.5, 2.25, 1.04), (20, 10, 0.95)])
def test_pixels_lead_the_box(x: float, y: float, scale: float) -> None:
    field = texture()
    found = follow(Sight(moved(field, 0, 0)), Sight(moved(field, x, y, scale)), BOX, BOX)
    assert found is not None
    expected = numbers_of(BOX) + np.array([x, y, np.log(scale), np.log(scale)])
    np.testing.assert_allclose(found[:2], expected[:2], atol=0.3)
    np.testing.assert_allclose(found[2:], expected[2:], atol=0.01)


def test_a_far_way_is_found_from_a_guess() -> None:
    field = texture()
    before, now = Sight(moved(field, 0, 0)), Sight(moved(field, 60, 0))
    found = follow(before, now, BOX, BOX + RIGHT)
    assert found is not None
    np.testing.assert_allclose(found, numbers_of(BOX + RIGHT), atol=0.3)


def test_pixels_that_say_nothing() -> None:
    before = Sight(moved(texture(), 0, 0))
    assert follow(before, Sight(moved(texture(1), 0, 0)), BOX, BOX) is None, "another picture"
    assert follow(before, Sight(np.zeros((120, 160, 3), np.uint8)), BOX, BOX) is None, "another size"
    tiny = np.array([100, 100, 104, 104], np.float32)
    assert follow(before, before, tiny, tiny) is None
    outside = np.array([-200, -200, -100, -100], np.float32)
    assert follow(before, before, outside, outside) is None
    assert follow(before, before, BOX, BOX + 2000) is None


def test_cuts_and_what_is_none() -> None:
    field = texture()
    one = Sight(moved(field, 0, 0))
    assert alike(one, one) == 1
    assert alike(one, Sight(np.asarray(field * 0.7, np.uint8))) > DOUBT, "the light goes down"
    portraits = [load_image(path) for path in assets.PEOPLE]
    for first, second in itertools.pairwise(portraits):
        assert alike(Sight(first), Sight(second)) < CUT
    swing = clips.pan()
    for index in range(0, 70, 7):
        assert alike(*(Sight(swing.frame(at)[0].image) for at in (index, index + 1))) > CUT


def test_pictures_of_one_pixel() -> None:
    one = Sight(np.zeros((1, 1, 3), np.uint8))
    assert alike(one, one) == 1
    assert follow(one, one, BOX, BOX) is None


def test_what_is_inside_of_the_picture() -> None:
    box, part = clipped(numbers_of(np.array([-50, 0, 50, 100])), (320, 240))
    assert box.tolist() == [0, 0, 50, 100]
    assert part == pytest.approx(0.5)
    assert clipped(numbers_of(np.array([-50, 0, -10, 100])), (320, 240))[1] == 0


# -- motion ------------------------------------------------------------------------------------------------------------


def test_a_steady_way_is_learned_and_goes_on() -> None:
    motion = Motion(BOX)
    for step in range(1, 20):
        motion.predict(0.04)
        motion.correct(BOX + np.float32(4 * step) * np.array([1, 0, 1, 0], np.float32))
    known = motion.doubt
    for _ in range(5):
        motion.predict(0.04)
    np.testing.assert_allclose(motion.box, BOX + np.array([96, 0, 96, 0]), atol=4)
    assert motion.doubt > 2 * known


@given(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(1, 5e3), st.floats(1, 5e3))
def test_boxes_and_their_numbers(x: float, y: float, width: float, height: float) -> None:
    box = np.array([x, y, x + width, y + height])
    np.testing.assert_allclose(box_of(numbers_of(box)), box, rtol=1e-4, atol=0.01)


@given(st.lists(st.tuples(st.floats(0.001, 1), st.booleans(), st.floats(-40, 40)), max_size=30))
def test_motion_stays_finite(steps: list[tuple[float, bool, float]]) -> None:
    motion = Motion(BOX)
    for seconds, detected, shift in steps:
        motion.predict(seconds)
        if detected:
            motion.correct(BOX + np.float32(shift))
        else:
            motion.follow(numbers_of(BOX + np.float32(shift)), motion.numbers, seconds)
        assert np.isfinite(motion.box).all()
        assert motion.doubt >= 0


# -- who is who --------------------------------------------------------------------------------------------------------


@given(st.integers(0, 4), st.integers(0, 4), st.randoms(use_true_random=False))
def test_as_many_pairs_as_possible_and_the_cheapest(rows: int, columns: int, draw: object) -> None:
    table = np.random.default_rng(draw.randint(0, 2**31))  # type: ignore[attr-defined]
    cost = np.where(table.random((rows, columns)) < 0.4, np.inf, table.normal(size=(rows, columns)).round(2))
    pairs = assign(cost)
    assert len({t for t, _ in pairs}) == len({n for _, n in pairs}) == len(pairs)
    best = (0, 0.0)
    for count in range(1, min(rows, columns) + 1):
        for chosen in itertools.combinations(range(rows), count):
            for order in itertools.permutations(range(columns), count):
                total = float(cost[list(chosen), list(order)].sum())
                if np.isfinite(total):
                    best = min(best, (-count, total))
    assert -len(pairs) == best[0]
    assert sum(float(cost[pair]) for pair in pairs) == pytest.approx(best[1])


def test_nearer_is_cheaper_and_too_far_is_impossible() -> None:
    boxes = BOX + np.array([[0], [20], [50], [400]]) * np.array([[1, 0, 1, 0]])
    cost = place_cost(BOX[None], np.array([0.1]), boxes)[0]
    assert cost[0] == pytest.approx(0, abs=1e-6)
    assert cost[0] < cost[1] < cost[2] < cost[3] == np.inf
    twice = np.array([[70, 5, 230, 225], [-50, -160, 350, 390]], np.float32)
    assert np.isfinite(place_cost(BOX[None], np.array([0.1]), twice)[0]).tolist() == [True, False]
    assert place_cost(np.zeros((0, 4)), np.zeros(0), boxes).shape == (0, 4)


def test_how_somebody_looks() -> None:
    known = Appearance(2)
    assert np.isnan(known.cosines(np.eye(3, dtype=np.float32))).all()
    for vector in np.eye(3, dtype=np.float32)[[0, 0, 1]]:
        known.add(vector)
    np.testing.assert_allclose(known.cosines(np.eye(3, dtype=np.float32)), [1, 1, 0], atol=1e-6)
    faces = Vectors(np.array([[1, 0, 0], [np.nan] * 3, [0, 0, 1]], np.float32), space="test/1")
    unlike = Embeddings(faces, 3, Likeness(0.1, 0.5)).unlike([known, Appearance(2)])
    np.testing.assert_array_equal(unlike, [[0, np.nan, 1], [np.nan] * 3])
    assert np.isnan(Embeddings(None, 3, Likeness(0.1, 0.5)).unlike([known])).all()
