"""A smooth displacement: what is asked to move moves, what is far stays, and nothing folds."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import ShapeMismatch, UsageError
from mien.swaps.shape.warpfield import displace, displacement

SIZE = (120, 100)
SHIFT = np.array([3, -2])
RING = np.column_stack([50 + 22 * np.cos(np.arange(40) / 40 * 2 * np.pi), 60 + 25 * np.sin(np.arange(40) / 6.4)])


def test_points_move_and_the_edge_stays() -> None:
    field = displacement(RING, RING + SHIFT, SIZE, still=0.4)
    x, y = (RING + SHIFT).round().astype(int).T
    np.testing.assert_allclose(field[y, x], np.full((40, 2), -SHIFT), atol=0.8)
    assert not np.any(field[[0, -1]])
    assert not np.any(field[:, [0, -1]])


def test_nothing_to_move_changes_no_bit() -> None:
    image = np.random.default_rng(0).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    for points in (RING, RING[:0], np.full((3, 2), np.nan)):
        assert (displace(image, points, points, still=0.3) == image).all()
    assert displace(image[:1, :1], RING, RING + 5, still=0.3).shape == (1, 1, 3)


@given(st.floats(-60, 60), st.floats(-60, 60), st.floats(0.2, 3), st.floats(0.05, 1))
def test_nothing_folds(x: float, y: float, stretch: float, still: float) -> None:
    middle = RING.mean(axis=0)
    field = displacement(RING, (RING - middle) * stretch + middle + [x, y], SIZE, still=still)
    assert np.isfinite(field).all()
    assert (np.diff(field[..., 0], axis=1) > -1).all()
    assert (np.diff(field[..., 1], axis=0) > -1).all()


def test_misuse_is_told() -> None:
    with pytest.raises(ShapeMismatch):
        displacement(RING, RING[:3], SIZE, still=0.3)
    with pytest.raises(UsageError, match="above 0"):
        displacement(RING, RING, SIZE, still=0)
