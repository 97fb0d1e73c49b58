"""Plates: what is put back touches nothing but where its alpha is, and the region covers all that was put."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import ShapeMismatch
from mien.swaps.plate import Plate, join

PICTURE = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)


@given(st.floats(-40, 100), st.floats(-40, 100), st.floats(1, 90), st.integers(0, 2**31))
def test_only_what_the_alpha_covers_changes(x: float, y: float, size: float, seed: int) -> None:
    draw = np.random.default_rng(seed)
    points = draw.uniform(0, size, (9, 3)) + np.array([x, y, 0])
    plate = Plate.around(PICTURE, points)
    if plate is None:  # beside the picture
        return
    np.testing.assert_array_equal(PICTURE[plate.window], plate.image)
    np.testing.assert_allclose(plate.points[:, :2] + plate.origin, points[:, :2])
    alpha = (draw.uniform(-1, 1, plate.image.shape[:2]).clip(0, 1) ** 3).astype(np.float32)
    front = draw.uniform(-20, 280, plate.image.shape).astype(np.float32)
    changed = PICTURE.copy()
    plate.put(changed, front, alpha)
    mask = plate.region(alpha, (80, 60))
    outside = mask.to_levels() == 0
    np.testing.assert_array_equal(changed[outside], PICTURE[outside])
    full = plate.whole(alpha, (80, 60)) == 1
    np.testing.assert_array_equal(
        changed[full], (plate.whole(front, (80, 60))[full] + 0.5).clip(0, 255).astype(np.uint8)
    )
    assert join([mask], (80, 60)) == mask


def test_there_is_no_plate_without_a_mesh_or_beside_the_picture() -> None:
    assert Plate.around(PICTURE, np.full((4, 3), np.nan)) is None
    assert Plate.around(PICTURE, np.array([(500, 500, 0), (510, 520, 0)])) is None


def test_what_does_not_fit_is_refused() -> None:
    plate = Plate.around(PICTURE, np.array([(10, 10, 0), (30, 40, 0)]))
    assert plate is not None
    with pytest.raises(ShapeMismatch, match="do not fit a plate"):
        plate.put(PICTURE.copy(), np.zeros((2, 2, 3), np.uint8), np.zeros((2, 2), np.float32))
