"""Dyes and Oklab: light and shade are kept, and limits are told."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.swaps.blend.oklab import from_oklab, to_oklab
from mien.swaps.look.dyeing import Dye, dyed, median_color

LEVELS = st.tuples(*[st.integers(0, 255)] * 3)


@pytest.mark.slow
@given(LEVELS)
def test_colors_come_back(color: tuple[int, int, int]) -> None:
    levels = np.array([color], np.uint8)
    assert np.abs(from_oklab(to_oklab(levels)) - levels).max() < 0.25


def test_greys_have_no_tint_and_white_is_1() -> None:
    lab = to_oklab(np.repeat(np.arange(0, 256, 5, dtype=np.uint8)[:, None], 3, axis=1))
    assert np.abs(lab[:, 1:]).max() < 1e-3
    assert (np.diff(lab[:, 0]) > 0).all()
    assert abs(float(lab[-1, 0]) - 1) < 1e-3


@pytest.mark.slow
@given(LEVELS, LEVELS)
def test_dye_keeps_the_order_of_light_and_dark(color: tuple[int, int, int], dye: tuple[int, int, int]) -> None:
    lab = to_oklab(np.array([[color]], np.uint8)).repeat(9, axis=1)
    lab[0, :, 0] = np.linspace(0.05, 0.95, 9)
    done = dyed(lab, lab[0, 4], Dye(dye))
    assert (np.diff(done.lab[0, :, 0]) >= -1e-6).all()
    assert np.isfinite(done.lab).all()


def test_black_hair_does_not_get_as_light_as_straw_and_says_so() -> None:
    lab = to_oklab(np.full((4, 4, 3), 20, np.uint8))
    done = dyed(lab, lab[0, 0], Dye((230, 200, 140)))
    assert done.limited
    assert max(done.after) < 150
    assert not dyed(lab, lab[0, 0], Dye((30, 10, 10))).limited


def test_the_middle_of_a_few_pixels_is_not_told() -> None:
    lab = np.zeros((5, 5, 3), np.float32)
    mask = np.zeros((5, 5), np.float32)
    assert median_color(lab, mask) is None
