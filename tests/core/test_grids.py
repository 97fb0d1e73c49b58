"""From scores on a grid to regions and labels of a picture, where shapes are known."""

from __future__ import annotations

import base64
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.errors import ShapeMismatch, UsageError
from mien.core.geometry import invert, transform
from mien.core.grids import label_map, render
from mien.core.region import Region

Floats = NDArray[np.float32]
CELLS, SIZE = 24, (120, 100)


def grid(pitch: float, turn: float, middle: tuple[float, float] = (60, 50)) -> Floats:
    """A grid whose middle lies there, with cells so many pixels wide, turned by degrees."""
    turn = np.deg2rad(turn)
    m = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / pitch
    return np.column_stack([m, (CELLS - 1) / 2 - m @ middle]).astype(np.float32).ravel()


def rings(at: Floats, steep: float = 3.0) -> Floats:
    """Scores of nothing, a ring of 20 to 30 pixels and a disc of 20 within, about the picture's middle, (3, h, w)."""
    rows, columns = np.indices((CELLS, CELLS))
    points = transform(np.stack([columns, rows], axis=-1), invert(at.reshape(2, 3)))
    pitch = 1 / np.sqrt(np.abs(np.linalg.det(at.reshape(2, 3)[:, :2])))
    radius = np.hypot(points[..., 0] - 60, points[..., 1] - 50) / pitch
    inner, outer = steep * (20 / pitch - radius), steep * (30 / pitch - radius)
    return np.stack([-outer, outer * 0, inner]).astype(np.float32)


def radius() -> NDArray[np.float64]:
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    return np.asarray(np.hypot(x - 60, y - 50))


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


@settings(max_examples=15)
@given(st.floats(3, 6), st.floats(-180, 180))
def test_shapes_come_back_at_any_scale_and_turn(pitch: float, turn: float) -> None:
    at = grid(pitch, turn)
    scores = rings(at)
    disc, ring, both = (render(scores, classes, at, SIZE) for classes in ([2], [1], [1, 2]))
    assert overlap(disc.to_mask(), radius() < 20) > 0.95
    assert overlap(both.to_mask(), radius() < 30) > 0.95
    assert disc.area == pytest.approx(np.pi * 400, rel=0.05)
    window, labels = label_map(scores, at, SIZE)
    whole = np.zeros(SIZE[::-1], np.uint8)
    whole[window[1] : window[3], window[0] : window[2]] = labels
    for index, region in ((1, ring), (2, disc)):
        assert overlap(region.to_mask(), whole == index) > 0.97
    assert render(scores, [0], at, SIZE) == ~both
    assert render(scores, [0, 1], at, SIZE) == ~disc


def test_classes_share_the_picture_out() -> None:
    at = grid(4.3, 20)
    total = sum(render(rings(at), [index], at, SIZE).to_levels().astype(int) for index in range(3))
    assert (np.abs(total - 255) <= 8).mean() > 0.98
    assert np.abs(total - 255).max() < 130  # where three meet, or two edges in one pixel


@pytest.mark.parametrize("steep", [0.1, 1.0, 30.0])
def test_edges_are_as_soft_as_a_pixel_however_sure_the_scores(steep: float) -> None:
    at = grid(4.3, 20)
    levels = render(rings(at, steep), [1, 2], at, SIZE).to_levels()
    assert (levels[radius() < 28] == 255).all()
    assert (levels[radius() > 32] == 0).all()
    edge = (levels > 0) & (levels < 255)
    assert 1.0 < edge.sum() / (2 * np.pi * 30) < 2.8  # pixels across


def test_what_leads_only_between_two_cells() -> None:
    """A thin line of which neither of the cells beside it is the best."""
    x = np.arange(CELLS, dtype=np.float32)
    flat = np.broadcast_to(np.stack([11 - x, np.full_like(x, 0), x - 12])[:, None], (3, CELLS, CELLS)).copy()
    flat[1] -= 0.3
    at = grid(4, 0)
    assert not (flat.argmax(axis=0) == 1).any()
    line = render(flat, [1], at, SIZE)
    assert 0 < line.bbox[2] - line.bbox[0] < 5
    assert (label_map(flat, at, SIZE)[1] == 1).any()


def test_cells_smaller_than_pixels() -> None:
    """Of a tiny face no more than its place and its size."""
    at = grid(0.3, 0)
    scores = np.zeros((2, CELLS, CELLS), np.float32)
    scores[1] = 5
    region = render(scores, [1], at, SIZE)
    assert region.area == pytest.approx((0.3 * CELLS) ** 2, rel=0.35)
    assert region.to_levels().max() == 255


def test_beyond_the_grid_and_beyond_the_picture() -> None:
    at = grid(4, 0, middle=(10, 10))
    scores = np.stack([np.zeros((CELLS, CELLS)), np.ones((CELLS, CELLS))]).astype(np.float32)
    region = render(scores, [1], at, SIZE)
    assert region.bbox[:2] == (0, 0)
    assert region.bbox[2] == pytest.approx(10 + 4 * CELLS / 2, abs=2)
    assert (region.to_levels()[:50, :50] == 255).all()
    far = grid(4, 0, middle=(-500, 10))
    assert render(scores, [1], far, SIZE) == Region.empty(SIZE)
    assert render(scores, [0], far, SIZE) == Region.full(SIZE)
    assert label_map(scores, far, SIZE)[1].size == 0
    assert render(scores, [0, 1], at, SIZE) == Region.full(SIZE)
    assert render(scores[::-1], [1], at, SIZE) == Region.empty(SIZE)
    assert render(scores * 0, [1], at, SIZE) == Region.empty(SIZE)  # a tie


def test_labels_of_a_column() -> None:
    near, far = grid(4, 0, middle=(50, 50)), grid(1, 0, middle=(75, 50))
    scores = np.stack([rings(near), np.full((3, CELLS, CELLS), 0, np.float32), np.full((3, CELLS, CELLS), np.nan)])
    scores[1, 1] = 5
    grids = np.stack([near, far, np.full(6, np.nan)])
    column = Regions(
        scores,
        names=("background", "ring", "disc"),
        grids=grids,
        sizes=np.array([SIZE] * 3),
        reasons=(None, None, "no"),
    )
    first, second, none = (column[row].labels() for row in range(3))
    assert none.max() == 0
    assert (second == 1).sum() == pytest.approx(CELLS**2, rel=0.1)
    assert np.array_equal(column.labels(), np.where(first > 0, first, second))  # the larger is the nearer
    with pytest.raises(UsageError, match="of no face does not know its picture"):
        column[[]].labels()


def test_no_such_warp_or_scores() -> None:
    at = grid(4, 0)
    for call in (lambda s, w: render(s, [1], at, SIZE, warp=w), lambda s, w: label_map(s, at, SIZE, warp=w)):
        with pytest.raises(UsageError, match=r"no warp of grids is called 'round'; there are affine, tanh-polar\."):
            call(rings(at), "round")
        with pytest.raises(ShapeMismatch, match=r"scores have the shape \(K, h, w\), not \(24, 24\)\."):
            call(rings(at)[0], "affine")


def written(**changed: Any) -> list[dict[str, Any]]:
    """A column of one face as JSON, with some of it changed."""
    column = Regions(
        np.zeros((1, 2, 3, 3)), names=("background", "skin"), grids=grid(9, 0)[None], sizes=np.array([SIZE])
    )
    return [{**column[0].to_json(), **changed}]


NO_REGIONS = "these are no regions"


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"cells": [10**6, 10**6]}, NO_REGIONS),  # before there is memory for them
        ({"cells": [-3, -3]}, NO_REGIONS),
        ({"classes": [1, 2]}, NO_REGIONS),
        ({"classes": ["skin", "skin"]}, "names of classes are different"),
        ({"size": [10**9, 10**9]}, NO_REGIONS),
        ({"size": [np.inf, 1]}, NO_REGIONS),
        ({"size": [-5, -5]}, "sizes are the pixels of pictures"),
        ({"warp": "fish"}, "no warp of grids is called 'fish'"),
        ({"warp": ["affine"]}, "no warp of grids is called"),
        ({"grid": [0] * 6}, "no affine grid has the numbers"),
        ({"grid": [np.nan] * 6}, "no affine grid has the numbers"),
        ({"grid": [1e40] * 6}, "no affine grid has the numbers"),
        ({"grid": [1] * 5}, "a grid has 6 numbers"),
        ({"grid": [5, 5, -1, 1, 0, 1], "warp": "tanh-polar"}, "no tanh-polar grid has the numbers"),
        ({"scores": base64.b64encode(zlib.compress(bytes(10**6))).decode()}, "are 18 bytes, not 19"),
    ],
)
def test_json_that_nobody_wrote(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Regions.from_json(written(**changed))


def test_faces_that_abstained_come_back_from_json() -> None:
    rows: list[dict[str, Any]] = [{"reason": "small"}, *written()]
    column = Regions.from_json(rows)
    assert column.abstained.tolist() == [True, False]
    assert column.region("skin").size == column.labels().shape[::-1] == column[0].region("skin").size == SIZE
    alone = Regions.from_json(rows[:1])
    assert alone.flat() == {}
    assert alone.shares().shape == (1, 0)
    with pytest.raises(UsageError, match="none of these faces was parsed"):
        alone.region("skin")


def test_columns_of_other_cells_are_not_joined() -> None:
    small, large = (
        Regions(
            np.zeros((1, 2, side, side)), names=("background", "skin"), grids=grid(9, 0)[None], sizes=np.array([SIZE])
        )
        for side in (3, 4)
    )
    assert len(Regions.concat([small, small])) == 2
    with pytest.raises(UsageError, match=r"cannot join regions columns of \(2, 3, 3\) and \(2, 4, 4\) values"):
        Regions.concat([small, large])
