"""Triangles to pixels, with a z-buffer: the one rasterizer.

No loop over triangles or pixels: each triangle is cut into the rows of pixels that it crosses, each row into pixels,
and where several triangles have a pixel, the nearest keeps it. A pixel belongs to a triangle if its centre does; of the
two triangles at an edge, exactly one has the centres on it, so that a closed mesh has neither gaps nor doubles.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch

__all__ = ["Raster", "rasterize"]

Ints: TypeAlias = NDArray[np.int32]
Doubles: TypeAlias = NDArray[np.float64]
BLOCK = 1 << 14  # pixels worked on at a time: what stays in the cache is twice as fast, and memory is bounded


@dataclass(frozen=True, eq=False)
class Raster:
    """Which triangle is nearest in each pixel, for the part of the picture that the mesh is in.

    Attributes
    ----------
    window : (slice, slice)
        Rows and columns of the picture that the arrays cover; empty where nothing was drawn.
    triangle : (h, w) int32
        The nearest triangle; -1 where there is none.
    depth : (h, w) float64
        Its z; infinite where there is none.
    drawn : (T,) int64
        Pixels that each triangle has, whether or not another is before it.
    facing : (T,) bool
        Which triangles face the camera.
    """

    window: tuple[slice, slice]
    triangle: Ints
    depth: Doubles
    drawn: NDArray[np.int64]
    facing: NDArray[np.bool_]
    _corners: Doubles  # (T, 3, 3)
    _triangles: Ints  # (T, 3)

    @property
    def shown(self) -> Ints:
        """The triangle of each pixel that has one, row by row."""
        return self.triangle[self.triangle >= 0]

    def weights(self) -> NDArray[np.float32]:
        """Barycentric weights of the three corners in each pixel, (h, w, 3): they sum to 1; NaN where nothing is."""
        return self.interpolate(None)

    def interpolate(self, values: ArrayLike | None) -> NDArray[np.float32]:
        """What the vertices have, (V, C), between them: (h, w, C); NaN where nothing is. None: see `weights`."""
        if values is None:
            corners = np.broadcast_to(np.eye(3), (len(self._corners), 3, 3))
        else:
            corners = np.asarray(values, np.float64)[self._triangles]
        out = np.empty((*self.triangle.shape, corners.shape[2]), np.float32)
        rows, columns = (np.arange(part.start, part.stop, dtype=np.float64) for part in self.window)
        step = max(BLOCK // max(len(columns), 1), 1)
        # One row more, of NaN: the last one is what -1 takes.
        planes = np.pad(_planes(self._corners, corners), ((0, 1), (0, 0), (0, 0)), constant_values=np.nan)
        planes = np.ascontiguousarray(np.moveaxis(planes, (1, 2), (0, 1)))
        for top in range(0, len(rows), step):
            some = slice(top, top + step)
            owner = self.triangle[some]
            for channel, (x, y, level) in enumerate(planes):
                out[some, :, channel] = x[owner] * columns + y[owner] * rows[some, None] + level[owner]
        return out


def rasterize(points: ArrayLike, triangles: Ints, size: tuple[int, int], *, cull: bool = True) -> Raster:
    """Find the nearest triangle of each pixel.

    Parameters
    ----------
    points : (V, 3) array-like
        x right, y down, z away, in pixels. Triangles with a NaN or infinite corner are left out.
    triangles : (T, 3) int32
        Vertex numbers. Where two are as near, the first has the pixel.
    size : (height, width)
        Of the picture; what is outside of it is cut off.
    cull : bool
        Leave out triangles that do not face the camera.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    """
    vertices, triangles = np.asarray(points, np.float64), np.asarray(triangles, np.int32)
    if vertices.ndim != 2 or vertices.shape[1] != 3 or triangles.ndim != 2 or triangles.shape[1] != 3:
        raise ShapeMismatch(
            f"points of shape (V, 3) and triangles of shape (T, 3) are needed, not {vertices.shape}, {triangles.shape}."
        )
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < len(vertices):
        raise ShapeMismatch(f"a triangle has a corner that is none of {len(vertices)} points.")
    corners = vertices[triangles]
    # Farther than this nobody sees, and products of such numbers would not be exact.
    usable = (np.abs(corners) < 1e7).all(axis=(1, 2), keepdims=True)
    corners = np.where(usable, corners, 0.0)
    facing = _signed_areas(corners) < 0
    wanted = np.flatnonzero(facing if cull else _signed_areas(corners) != 0)
    window = _window(corners[wanted, :, :2], size)
    height, width = (part.stop - part.start for part in window)
    depth = np.full(height * width, np.inf)
    nearest = np.full(height * width, -1, np.int32)
    drawn = np.zeros(len(triangles), np.int64)
    planes = _planes(corners, corners[..., 2:])[:, 0]
    for row, count, first, y in _spans(corners[wanted], window):
        triangle = wanted[row]
        np.add.at(drawn, triangle, count)
        owner = np.repeat(np.arange(len(row)), count)
        x = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count - first, count)
        slope, level = planes[triangle, 0], planes[triangle, 1] * y + planes[triangle, 2]
        z = slope[owner] * x + level[owner]
        pixel = ((y - window[0].start) * width - window[1].start)[owner] + x
        before = depth[pixel]
        np.minimum.at(depth, pixel, z)
        best = (z == depth[pixel]) & (z < before)  # not where an earlier block is as near
        # Backwards: of several that are as near, the first is written last.
        nearest[pixel[best][::-1]] = triangle[owner[best][::-1]]
    shape = (height, width)
    return Raster(window, nearest.reshape(shape), depth.reshape(shape), drawn, facing, corners, triangles)


def _signed_areas(corners: Doubles) -> Doubles:
    """Twice the areas of triangles (T, 3, 2 or more), below 0 where they face the camera."""
    a, b, c = np.moveaxis(corners[..., :2], 1, 0)
    return np.asarray((b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0])


def _planes(corners: Doubles, values: Doubles) -> Doubles:
    """Slopes in x and y and the value at (0, 0) of what is linear on each triangle: (T, C, 3) of (T, 3, C).

    Of triangles without area, all are 0.
    """
    a, b, c = np.moveaxis(corners[..., :2], 1, 0)
    p, q = np.moveaxis(values[:, 1:] - values[:, :1], 1, 0)  # (T, C) each
    area = _signed_areas(corners)[:, None]
    area = np.where(area == 0, np.inf, area)
    x = (p * (c - a)[:, 1:] - q * (b - a)[:, 1:]) / area
    y = (q * (b - a)[:, :1] - p * (c - a)[:, :1]) / area
    return np.stack([x, y, values[:, 0] - x * a[:, :1] - y * a[:, 1:]], axis=2)


def _window(corners: Doubles, size: tuple[int, int]) -> tuple[slice, slice]:
    """Rows and columns of the picture that triangles (T, 3, 2) may have pixels in."""
    if not len(corners):
        return slice(0, 0), slice(0, 0)
    low, high = np.ceil(corners.min(axis=(0, 1))), np.ceil(corners.max(axis=(0, 1)))
    limits = np.array([size[1], size[0]])
    first, last = low.clip(0, limits).astype(int), high.clip(0, limits).astype(int)
    return slice(int(first[1]), int(max(first[1], last[1]))), slice(int(first[0]), int(max(first[0], last[0])))


def _spans(
    corners: Doubles, window: tuple[slice, slice]
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]]:
    """Rows of pixels of the triangles (T, 3, 3): triangle, number of pixels, first x, and y; in blocks."""
    order = np.lexsort((corners[..., 0], corners[..., 1]), axis=1)[..., None]
    # From top to bottom, so that both triangles at an edge compute the same crossings to the last bit.
    (ax, ay), (bx, by), (cx, cy) = np.moveaxis(np.take_along_axis(corners[..., :2], order, axis=1), (1, 2), (0, 1))
    top, bottom = (np.ceil(y).clip(window[0].start, window[0].stop).astype(np.int64) for y in (ay, cy))
    heights = np.maximum(bottom - top, 0)
    triangle = np.repeat(np.arange(len(corners)), heights)
    y = np.arange(len(triangle)) - np.repeat(np.cumsum(heights) - heights - top, heights)
    upper = y < by[triangle]
    long = _crossings(ax, ay, cx, cy)(triangle, y)
    short = np.where(upper, _crossings(ax, ay, bx, by)(triangle, y), _crossings(bx, by, cx, cy)(triangle, y))
    ends = np.ceil([np.minimum(long, short), np.maximum(long, short)]).clip(window[1].start, window[1].stop)
    first, last = ends.astype(np.int64)
    count = last - first
    some = count > 0
    triangle, y, first, count = triangle[some], y[some], first[some], count[some]
    blocks = np.cumsum(count) // BLOCK
    for part in np.split(np.arange(len(count)), np.flatnonzero(np.diff(blocks)) + 1):
        if len(part):
            yield triangle[part], count[part], first[part], y[part]


def _crossings(x0: Doubles, y0: Doubles, x1: Doubles, y1: Doubles) -> Any:
    """Where edges, each from its upper end (x0, y0) to its lower one, cross rows of pixels."""
    slope = np.divide(x1 - x0, y1 - y0, out=np.zeros_like(x0), where=y1 > y0)
    return lambda edge, y: x0[edge] + slope[edge] * (y - y0[edge])
