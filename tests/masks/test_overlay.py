"""Regions in colours over a picture, and the place of their legend."""

from __future__ import annotations

import numpy as np
import pytest

from mien.core.palette import region_color
from mien.core.region import Region
from mien.masks.overlay import draw_legend, draw_numbers, overlay

SIZE = (300, 200)
GREY = np.full((200, 300, 3), 128, np.uint8)


def test_the_smaller_lie_above_the_larger() -> None:
    skin, nose = Region.from_box((10, 10, 90, 90), SIZE), Region.from_box((40, 40, 60, 60), SIZE)
    painted = overlay(GREY, {"nose": nose, "skin": skin})
    half = {name: (128 + np.array(region_color(name), float)) / 2 for name in ("nose", "skin")}
    assert np.abs(painted[20, 20] - half["skin"]).max() <= 1
    assert np.abs(painted[50, 50] - (half["skin"] + region_color("nose")) / 2).max() <= 2
    assert (painted[100:] == GREY[100:]).all()
    assert (overlay(GREY, {}) == GREY).all()


@pytest.mark.parametrize("free", [(0, 100, 150, 200), (150, 100, 300, 200), (0, 0, 150, 100), (150, 0, 300, 100)])
def test_the_legend_lies_where_least_is(free: tuple[int, int, int, int]) -> None:
    x1, y1, x2, y2 = free
    changed = (draw_legend(GREY, {"hair": ~Region.from_box(free, SIZE)}) != GREY).any(axis=2)
    assert changed.any()
    assert changed.sum() == changed[y1:y2, x1:x2].sum()


def test_no_room_and_nothing_to_name() -> None:
    small = GREY[:10, :10]
    assert (draw_legend(small, {"hair": Region.full((10, 10))}) == small).all()
    assert (draw_legend(GREY, {}) == GREY).all()


def test_numbers_stand_below_their_faces() -> None:
    boxes = np.array([[20, 60, 80, 120], [200, 140, 260, 200]], np.float32)
    changed = (draw_numbers(GREY, boxes, [0, 12]) != GREY).any(axis=2)
    assert changed[115:135, 35:65].any()
    assert changed[185:, 215:245].any(), "within the picture"
    assert not changed[:110].any()
    assert (draw_numbers(GREY, boxes[:0], []) == GREY).all()
