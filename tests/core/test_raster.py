"""The rasterizer against a slow one that asks every pixel of every triangle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core import raster as module
from mien.core.errors import ShapeMismatch
from mien.core.raster import rasterize

SIZE = (24, 30)  # height, width

triangle_soups = st.integers(0, 10_000)


def soup(seed: int, count: int = 12) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Triangles that overlap anyhow, also outside of the picture."""
    points = np.random.default_rng(seed).uniform([-10, -10, -20], [40, 34, 20], size=(3 * count, 3))
    return points, np.arange(3 * count, dtype=np.int32).reshape(-1, 3)


def grid(seed: int) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """A sheet without gaps or folds over all of the picture, some of its points on centres of pixels."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[-2:30:4, -2:38:4].astype(float)
    jitter = rng.integers(-1, 2, size=(2, *x.shape)) / rng.choice([1.5, 2.0, 4.0])
    points = np.stack([x + jitter[0], y + jitter[1], rng.uniform(-1, 1, x.shape)], axis=-1).reshape(-1, 3)
    corner = (np.arange(x.shape[0] - 1)[:, None] * x.shape[1] + np.arange(x.shape[1] - 1)).ravel()
    a, b, c, d = corner, corner + 1, corner + x.shape[1], corner + x.shape[1] + 1
    return points, np.concatenate([np.stack([a, c, b], 1), np.stack([b, c, d], 1)]).astype(np.int32)


def weights_everywhere(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    """Barycentric weights of one triangle in all pixels, (H, W, 3); NaN for one without area."""
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    place = np.stack([x, y, np.ones_like(x)], axis=-1)
    system = np.column_stack([corners[:, :2], np.ones(3)]).T
    if abs(np.linalg.det(system)) < 1e-9:
        return np.full((*SIZE, 3), np.nan)
    return np.asarray(place @ np.linalg.inv(system).T)


@given(triangle_soups)
def test_each_pixel_belongs_to_its_nearest_triangle(seed: int) -> None:
    points, triangles = soup(seed)
    raster = rasterize(points, triangles, SIZE, cull=False)
    depth, weights = np.full(SIZE, np.inf), np.stack([weights_everywhere(points[t]) for t in triangles])
    inside = (weights > 1e-9).all(axis=3)
    z = np.where(inside, np.einsum("thwc,tc->thw", weights, points[triangles][..., 2]), np.inf)
    depth[raster.window] = raster.depth
    np.testing.assert_allclose(depth, z.min(axis=0), atol=1e-6)
    nearest = np.full(SIZE, -1)
    nearest[raster.window] = raster.triangle
    covered = inside.any(axis=0)
    assert (nearest[covered] == z.argmin(axis=0)[covered]).all()
    assert (nearest[~covered] == -1).all()
    np.testing.assert_array_equal(raster.drawn, inside.sum(axis=(1, 2)))


@given(triangle_soups, st.permutations(range(12)))
def test_the_order_of_listing_does_not_matter(seed: int, order: list[int]) -> None:
    points, triangles = soup(seed)
    one = rasterize(points, triangles, SIZE)
    other = rasterize(points, triangles[order], SIZE)
    np.testing.assert_array_equal(one.depth, other.depth)
    some = other.triangle >= 0
    np.testing.assert_array_equal(np.array(order)[other.triangle[some]], one.triangle[some])


@given(triangle_soups)
def test_barycentric_weights_sum_to_one(seed: int) -> None:
    points, triangles = soup(seed)
    raster = rasterize(points, triangles, SIZE, cull=False)
    weights = raster.weights()[raster.triangle >= 0]
    np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-4)
    assert ((weights > -1e-4) & (weights < 1 + 1e-4)).all()
    y, x = np.nonzero(raster.triangle >= 0)
    found = np.einsum("pc,pcd->pd", weights.astype(float), points[triangles[raster.shown]])
    np.testing.assert_allclose(found[:, 0], x + raster.window[1].start, atol=1e-2)
    np.testing.assert_allclose(found[:, 1], y + raster.window[0].start, atol=1e-2)


@given(triangle_soups)
def test_a_sheet_has_each_pixel_exactly_once(seed: int) -> None:
    points, triangles = grid(seed)
    raster = rasterize(points, triangles, SIZE)
    assert raster.facing.all()
    assert (raster.triangle >= 0).all()
    assert raster.window == (slice(0, SIZE[0]), slice(0, SIZE[1]))
    assert raster.drawn.sum() == SIZE[0] * SIZE[1]


def test_the_nearer_of_two_is_in_front() -> None:
    square = np.array([[2, 2], [2, 12], [12, 2], [12, 12]])
    points = np.concatenate([np.column_stack([square, np.full(4, z)]) for z in (5.0, -5.0)])
    far = np.array([[0, 1, 2], [2, 1, 3]], np.int32)
    for triangles, first in ((np.concatenate([far, far + 4]), 2), (np.concatenate([far + 4, far]), 0)):
        assert set(rasterize(points, triangles, SIZE).shown.tolist()) == {first, first + 1}


def test_what_turns_its_back_is_left_out() -> None:
    points = np.array([[2.0, 2, 0], [2, 12, 0], [12, 2, 0]])
    front, back = np.array([[0, 1, 2]], np.int32), np.array([[0, 2, 1]], np.int32)
    assert rasterize(points, front, SIZE).drawn[0] == 55
    assert rasterize(points, back, SIZE).drawn[0] == 0
    assert rasterize(points, back, SIZE, cull=False).drawn[0] == 55


@given(triangle_soups)
def test_harmless_triangles_change_nothing(seed: int) -> None:
    points, triangles = soup(seed)
    unknown, far = [[np.nan, 3, 1], [3, np.inf, 1]], [[1e300, 0, 0], [-1e9, 7, 0]]
    flat = [[5, 5, 1], [5, 5, 1], [9, 5, -50]]
    worse = np.concatenate([points, unknown, flat, far])
    n = len(points)
    more = [[0, 1, n], [n + 1, 3, 4], [n + 2, n + 3, n + 4], [n + 2, n + 2, n + 2], [n + 5, 2, 1], [n + 6, 0, 1]]
    plain = rasterize(points, triangles, SIZE)
    raster = rasterize(worse, np.concatenate([triangles, more]).astype(np.int32), SIZE)
    np.testing.assert_array_equal(raster.shown[raster.shown < len(triangles)], raster.shown)
    np.testing.assert_array_equal(raster.depth[raster.triangle >= 0], plain.depth[plain.triangle >= 0])


@pytest.mark.parametrize(
    ("points", "triangles"),
    [
        (np.zeros((0, 3)), np.zeros((0, 3), np.int32)),
        (np.full((3, 3), np.nan), np.array([[0, 1, 2]], np.int32)),
        (np.array([[100.0, 100, 0], [100, 120, 0], [120, 100, 0]]), np.array([[0, 1, 2]], np.int32)),
        (np.array([[-30.0, -30, 0], [-30, -20, 0], [-20, -30, 0]]), np.array([[0, 1, 2]], np.int32)),
    ],
    ids=["no triangles", "NaN", "right of it", "left of it"],
)
def test_nothing_to_draw(points: NDArray[np.float64], triangles: NDArray[np.int32]) -> None:
    raster = rasterize(points, triangles, SIZE)
    assert raster.triangle.size == 0
    assert raster.shown.size == 0
    assert raster.weights().shape == (*raster.triangle.shape, 3)


def test_blocks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    points, triangles = soup(5, count=30)
    whole = rasterize(points, triangles, SIZE, cull=False)
    monkeypatch.setattr(module, "BLOCK", 50)
    parts = rasterize(points, triangles, SIZE, cull=False)
    np.testing.assert_array_equal(whole.triangle, parts.triangle)
    np.testing.assert_array_equal(whole.drawn, parts.drawn)


def test_shapes_that_do_not_fit() -> None:
    with pytest.raises(ShapeMismatch, match=r"not \(4, 2\), \(1, 3\)"):
        rasterize(np.zeros((4, 2)), np.zeros((1, 3), np.int32), SIZE)
    with pytest.raises(ShapeMismatch, match="none of 2 points"):
        rasterize(np.zeros((2, 3)), np.array([[0, 1, 2]], np.int32), SIZE)
