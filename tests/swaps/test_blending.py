"""A changed face laid into a picture: bits outside, no seam, broad differences over a long way."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.swaps.blend.blending import gradient, multiband

Floats = NDArray[np.float32]
Way = Callable[[Floats, Floats, Floats], Floats]
both = pytest.mark.parametrize("way", [multiband, gradient], ids=lambda way: way.__name__)


def disc(side: int, radius: float, soft: float) -> Floats:
    y, x = np.indices((side, side)) - (side - 1) / 2
    return np.asarray(((radius - np.hypot(x, y)) / soft).clip(0, 1), np.float32)


@pytest.mark.full
@both
@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 40), width=st.integers(1, 40))
def test_where_alpha_is_0_the_bits_are_the_backs(way: Way, seed: int, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    front, back = random.uniform(0, 255, (2, height, width, 3)).astype(np.float32)
    alpha = (random.random((height, width)) * (random.random((height, width)) < random.random())).astype(np.float32)
    before = back.copy()
    out = way(front, back, alpha)
    assert out.dtype == np.float32
    assert np.isfinite(out).all()
    assert np.array_equal(out[alpha == 0], back[alpha == 0])
    assert np.array_equal(back, before)
    assert out is not back


@both
def test_an_equal_front_changes_nothing(way: Way) -> None:
    back = np.random.default_rng(0).uniform(0, 255, (60, 60, 3)).astype(np.float32)
    assert np.allclose(way(back, back, disc(60, 20, 6)), back, atol=1e-3)


@both
def test_what_the_front_is_outside_does_not_matter(way: Way) -> None:
    random = np.random.default_rng(1)
    front, back = random.uniform(0, 255, (2, 60, 60, 3)).astype(np.float32)
    alpha = disc(60, 20, 6)
    other = np.where(alpha[..., None] > 0, front, np.float32(0))
    assert np.allclose(way(front, back, alpha), way(other, back, alpha), atol=1e-3)


@pytest.mark.full
def test_broad_differences_pass_over_slowly_and_fine_ones_at_once() -> None:
    back = np.full((128, 128, 3), 100, np.float32)
    front = back + 60
    stripes = 20 * (np.arange(128) % 2).astype(np.float32)
    alpha = disc(128, 50, 6)
    plain = multiband(front, back, alpha)[64, :, 0]
    striped = multiband(front + stripes[None, :, None], back, alpha)[64, :, 0]
    steepest = np.abs(np.diff(plain)).max()
    assert steepest < 0.7 * np.abs(np.diff(alpha[64])).max() * 60  # less of a step than the alpha alone makes
    assert plain[64] == pytest.approx(160, abs=4)
    seen = np.abs(np.diff(striped - plain))[20:108]  # just inside the edge the detail is all there
    assert seen.mean() == pytest.approx(20, abs=1.5)


def test_gradients_take_the_backs_level() -> None:
    random = np.random.default_rng(2)
    back = np.full((96, 96, 3), 100, np.float32)
    detail = random.normal(0, 5, (96, 96, 1)).astype(np.float32)
    out = gradient(back + 60 + detail, back, disc(96, 36, 6))
    assert out[40:56, 40:56].mean() == pytest.approx(100, abs=3)
    assert out[40:56, 40:56].std() == pytest.approx(5, abs=1)
