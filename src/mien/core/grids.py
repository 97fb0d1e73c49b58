"""From a grid of class scores over a face to a region of the picture.

The margin by which a region's classes lead is smooth from cell to cell, much like the distance to the region's edge:
it is interpolated to the picture's pixels, and only there made a level. So one channel is enlarged, not one for each
class, and edges run between the cells.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.geometry import invert, transform
from mien.core.region import FULL, Region

__all__ = ["WARPS", "Affine", "GridWarp", "Window", "label_map", "margin", "render"]

Floats = NDArray[np.float32]
Window: TypeAlias = tuple[int, int, int, int]  # x1, y1, x2, y2 in whole pixels of a picture
SOFT_PIXELS = 1.0  # over which an edge fades at least, so that it has no stairs
BEYOND = 1e4  # log odds that a pixel beyond the grid is of the first class
STEEPEST = 12.0  # log odds that count as sure: beyond, a level is 0 or 255


class GridWarp(Protocol):
    """How the cells of a grid and the pixels of a picture hang together, by the six numbers of a face's grid."""

    def window(self, grid: Floats, cells: tuple[int, int], size: tuple[int, int]) -> Window:
        """The part of a picture of `size` (width, height) that the grid of (rows, columns) covers: x1, y1, x2, y2."""
        ...

    def sample(self, values: Floats, grid: Floats, window: Window, outside: float) -> Floats:
        """Values (h, w) at the pixels of a window, interpolated; `outside` where the grid does not reach."""
        ...


class Affine:
    """Grid cells are an affine map of the picture's pixels."""

    def window(self, grid: Floats, cells: tuple[int, int], size: tuple[int, int]) -> Window:
        """See `GridWarp`."""
        h, w = cells
        corners = np.array([(-0.5, -0.5), (w - 0.5, -0.5), (-0.5, h - 0.5), (w - 0.5, h - 0.5)])
        seen = transform(corners[None], invert(grid.reshape(1, 2, 3)))[0]
        low = np.floor(seen.min(axis=0)).clip(0, size).astype(int)
        high = np.ceil(seen.max(axis=0) + 1).clip(0, size).astype(int)
        return int(low[0]), int(low[1]), int(max(high[0], low[0])), int(max(high[1], low[1]))

    def sample(self, values: Floats, grid: Floats, window: Window, outside: float) -> Floats:
        """See `GridWarp`."""
        import cv2

        x1, y1, x2, y2 = window
        m = grid.reshape(2, 3).astype(np.float64)
        m = np.column_stack([m[:, :2], m[:, 2] + m[:, :2] @ (x1, y1)])  # from the window's pixels
        return np.asarray(
            cv2.warpAffine(
                values,
                m,
                (x2 - x1, y2 - y1),
                flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
                borderMode=cv2.BORDER_CONSTANT,
                borderValue=outside,
            ),
            np.float32,
        )


#: Warps by the name that a column gives.
WARPS: Mapping[str, GridWarp] = MappingProxyType({"affine": Affine()})


def margin(scores: ArrayLike, classes: Sequence[int]) -> Floats:
    """By how much the best of some classes leads the best of the others, in each cell.

    Parameters
    ----------
    scores : (K, h, w) array-like
        Logits.
    classes : sequence of int

    Returns
    -------
    (h, w) float32
    """
    values = np.asarray(scores, np.float32)
    inside = np.isin(np.arange(len(values)), classes)
    if inside.all() or not inside.any():
        return np.full(values.shape[1:], STEEPEST if inside.any() else -STEEPEST, np.float32)
    return np.asarray(values[inside].max(axis=0) - values[~inside].max(axis=0), np.float32)


def render(
    scores: ArrayLike, classes: Sequence[int], grid: ArrayLike, size: tuple[int, int], *, warp: str = "affine"
) -> Region:
    """The region of a picture that some classes have.

    Parameters
    ----------
    scores : (K, h, w) array-like
        Logits; beyond the grid all is of the first class.
    classes : sequence of int
        Which of the K classes belong to it.
    grid : (6,) array-like
        Numbers of the warp.
    size : (width, height)
        Of the picture.
    warp : str
        A name in `WARPS`.

    Raises
    ------
    UsageError
        If there is no such warp.
    ShapeMismatch
        If `scores` do not have three axes.
    """
    numbers = np.asarray(grid, np.float32)
    window = _window(np.shape(scores), numbers, size, warp)
    lead = margin(scores, classes)
    beyond = FULL if 0 in classes else 0
    x1, y1, x2, y2 = window
    if x2 <= x1 or y2 <= y1:
        return Region(np.zeros((0, 0), np.uint8), (0, 0), size, beyond)
    outside = STEEPEST if beyond else -STEEPEST
    levels = _levels(WARPS[warp].sample(lead.clip(-STEEPEST, STEEPEST), numbers, window, outside))
    return Region(levels, (x1, y1), size, beyond).trimmed()


def label_map(
    scores: ArrayLike, grid: ArrayLike, size: tuple[int, int], *, warp: str = "affine"
) -> tuple[Window, NDArray[np.uint8]]:
    """Which class each pixel of a picture has: the best one, of scores interpolated to the pixel.

    Parameters
    ----------
    scores : (K, h, w) array-like
        Logits of at most 256 classes; beyond the grid all is of the first class.
    grid : (6,) array-like
        Numbers of the warp.
    size : (width, height)
        Of the picture.
    warp : str
        A name in `WARPS`.

    Returns
    -------
    window : x1, y1, x2, y2
        The part of the picture that the grid covers.
    labels : (y2 - y1, x2 - x1) uint8
        Indices of classes.

    Raises
    ------
    UsageError
        If there is no such warp.
    ShapeMismatch
        If `scores` do not have three axes.
    """
    values, numbers = np.asarray(scores, np.float32), np.asarray(grid, np.float32)
    window = _window(values.shape, numbers, size, warp)
    x1, y1, x2, y2 = window
    labels = np.zeros((y2 - y1, x2 - x1), np.uint8)
    if not labels.size:
        return window, labels
    best = np.full(labels.shape, -np.inf, np.float32)
    for index in _leading(values):
        outside = BEYOND if index == 0 else -BEYOND
        score = WARPS[warp].sample(values[index], numbers, window, outside)
        better = score > best
        labels[better] = index
        np.maximum(best, score, out=best)
    return window, labels


def _leading(values: Floats) -> list[int]:
    """Classes that are the best or the second best of any cell: no other leads between cells."""
    order = np.argpartition(values, len(values) - 2, axis=0)[-2:] if len(values) > 2 else np.arange(len(values))
    return sorted({0, *np.unique(order).tolist()})


def _window(shape: tuple[int, ...], grid: Floats, size: tuple[int, int], warp: str) -> Window:
    if warp not in WARPS:
        raise UsageError(f"no warp of grids is called {warp!r}; there are {', '.join(WARPS)}.")
    if len(shape) != 3:
        raise ShapeMismatch(f"scores have the shape (K, h, w), not {shape}.")
    return WARPS[warp].window(grid, (shape[1], shape[2]), size)


def _levels(lead: Floats) -> NDArray[np.uint8]:
    """Log odds to levels: the logistic function, by a table."""
    table = FULL / (1 + np.exp(-np.linspace(-STEEPEST, STEEPEST, 256)))
    table[0], table[-1] = 0, FULL
    steps = ((lead + STEEPEST) * (255 / (2 * STEEPEST))).round().astype(np.uint8)
    return np.asarray(table.round().astype(np.uint8)[steps])
