"""From a grid of class scores over a face to a region of the picture.

The margin by which a region's classes lead, divided by how steep it is there, is about the distance to the region's
edge. It is computed on a grid that is a few times finer than the scores, interpolated to the picture's pixels, and only
there made a level. So the picture's size costs one channel, not one for each class; edges run between the cells; and
they are as soft as a pixel is large, however sure the network is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.geometry import affine_maps, affine_scales, invert, transform
from mien.core.polar import TanhPolar
from mien.core.region import FULL, Region

__all__ = ["WARPS", "Affine", "GridWarp", "Window", "check_grid", "label_map", "render"]

Floats = NDArray[np.float32]
Window: TypeAlias = tuple[int, int, int, int]  # x1, y1, x2, y2, in whole pixels of a picture or cells of a grid
SOFT_PIXELS = 1.5  # over which an edge fades, so that it has no stairs
FINER = 4  # times as fine as the grid, at most, is what regions are made of: finer ones are the same to half a percent
CLOSE = 2.0  # log odds behind the best class at which one may still lead between this cell and the next
FAR = 3.0  # cells from an edge that count as far: there the distance need not be right
LEAST_SLOPE = 1e-6  # log odds a cell: where nothing changes, no edge is near
LEAST_AREA = 1e-18  # cells that a pixel covers: with fewer, a cell would be larger than any picture
TIE = 1e-3  # log odds that are no lead
BEYOND = 1e4  # log odds that a pixel beyond the grid is of the first class, and cells that it is away from all others


class GridWarp(Protocol):
    """How the cells of a grid and the pixels of a picture hang together, by the six numbers of a face's grid."""

    def fits(self, grid: Floats) -> bool:
        """Whether six finite numbers are a grid, that is, whether each of its cells has a place."""
        ...

    def window(self, grid: Floats, cells: tuple[int, int], size: tuple[int, int], part: Window | None = None) -> Window:
        """The part of a picture of `size` (width, height) that the grid of (rows, columns) covers.

        With a `part` of the grid, x1, y1, x2, y2 in cells, no more than what those cells cover.
        """
        ...

    def points(self, grid: Floats, cells: tuple[int, int]) -> Floats:
        """Where in the picture the middle of each cell of a grid of (rows, columns) is: (rows, columns, 2)."""
        ...

    def pitch(self, grid: Floats, cells: tuple[int, int]) -> Floats:
        """How many pixels of the picture each cell of a grid of (rows, columns) is wide: (rows, columns)."""
        ...

    def finer(self, grid: Floats, times: int) -> Floats:
        """The same with `times` - 1 more cells between any two; the first and the last stay where they are."""
        ...

    def sample(self, values: Floats, grid: Floats, window: Window, outside: float) -> Floats:
        """Values (h, w) at the pixels of a window, interpolated; `outside` where the grid does not reach."""
        ...


class Affine:
    """Grid cells are an affine map of the picture's pixels."""

    def fits(self, grid: Floats) -> bool:
        """See `GridWarp`."""
        a, b, _, c, d, _ = grid.astype(np.float64)
        return bool(abs(a * d - b * c) > LEAST_AREA)

    def window(self, grid: Floats, cells: tuple[int, int], size: tuple[int, int], part: Window | None = None) -> Window:
        """See `GridWarp`."""
        left, top, right, bottom = part or (0, 0, cells[1], cells[0])
        corners = np.array([(x - 0.5, y - 0.5) for x in (left, right) for y in (top, bottom)])
        seen = transform(corners[None], invert(grid.reshape(1, 2, 3)))[0]
        low = np.floor(seen.min(axis=0)).clip(0, size).astype(int)
        high = np.ceil(seen.max(axis=0) + 1).clip(low, size).astype(int)
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def points(self, grid: Floats, cells: tuple[int, int]) -> Floats:
        """See `GridWarp`."""
        rows, columns = np.indices(cells)
        return transform(np.stack([columns, rows], axis=-1), invert(grid.reshape(2, 3)))

    def pitch(self, grid: Floats, cells: tuple[int, int]) -> Floats:
        """See `GridWarp`."""
        return np.full(cells, 1 / affine_scales(affine_maps(grid.reshape(2, 3))), np.float32)

    def finer(self, grid: Floats, times: int) -> Floats:
        """See `GridWarp`."""
        return grid * np.float32(times)

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
WARPS: Mapping[str, GridWarp] = MappingProxyType({"affine": Affine(), "tanh-polar": TanhPolar()})


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
        If there is no such warp, or `grid` is none of it.
    ShapeMismatch
        If `scores` do not have three axes, or `grid` has not six numbers.
    """
    import cv2

    values, numbers = np.asarray(scores, np.float32), np.asarray(grid, np.float32)
    kind = _warp(warp, values, numbers)
    if 0 in classes:  # what is not the others, which all lie on the grid
        return ~render(values, [index for index in range(len(values)) if index not in classes], grid, size, warp=warp)
    cells = values.shape[1], values.shape[2]
    near = _near(values, classes)
    if not near.any():  # none of the classes, perhaps as there are none
        return Region.empty(size)
    pitch = kind.pitch(numbers, cells)
    usual = float(np.median(pitch[near]))
    part = _around(near, 1 + int(np.ceil(SOFT_PIXELS / max(usual, 0.1))))  # with the cells in which its edge fades
    window = kind.window(numbers, cells, size, part)
    x1, y1, x2, y2 = window
    if x2 <= x1 or y2 <= y1:
        return Region.empty(size)
    finer = int(np.clip(np.ceil(usual / SOFT_PIXELS), 1, FINER))
    pitch = _enlarged(pitch, finer)
    limit = np.maximum(FAR * pitch, np.float32(SOFT_PIXELS))  # of tiny faces, all cells are near in pixels
    distance = (_distance(values, classes, part, finer) * pitch).clip(-limit, limit) * np.float32(FULL / SOFT_PIXELS)
    levels = kind.sample(distance, kind.finer(numbers, finer), window, float(limit.max()) * -FULL / SOFT_PIXELS)
    bytes_ = cv2.add(levels, FULL / 2, dtype=cv2.CV_8U)  # type: ignore[call-overload] # rounds, and stops at 0 and 255
    return Region(np.asarray(bytes_, np.uint8), (x1, y1), size)


def _distance(values: Floats, classes: Sequence[int], part: Window, finer: int) -> Floats:
    """How far inside a region each place is, in cells, about: of a grid that is finer, and far outside beyond a part.

    The scores are enlarged one by one, and only then compared: between two cells a region's margin is larger than that
    of its cells lets expect, by so much that eyes would lose a fifth.
    """
    x1, y1, x2, y2 = part
    shape = (values.shape[1] - 1) * finer + 1, (values.shape[2] - 1) * finer + 1
    cut = values[:, y1:y2, x1:x2]
    best: dict[bool, float | Floats] = {True: -BEYOND, False: -BEYOND}
    for index in _leading(cut):
        inside = index in classes
        best[inside] = np.maximum(best[inside], _enlarged(cut[index], finer))
    lead = np.asarray(best[True], np.float32) - np.asarray(best[False], np.float32) - np.float32(TIE)
    distance = np.full(shape, -BEYOND, np.float32)
    y, x = y1 * finer, x1 * finer
    distance[y : y + lead.shape[0], x : x + lead.shape[1]] = lead / _slope(lead, finer)
    return distance


def _enlarged(values: Floats, finer: int) -> Floats:
    """A grid (h, w) with `finer` - 1 interpolated values between any two: the first and last stay where they are."""
    import cv2

    if finer == 1 or 0 in values.shape:
        return values
    h, w = values.shape
    m = np.array([(1 / finer, 0, 0), (0, 1 / finer, 0)])
    flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    size = (w - 1) * finer + 1, (h - 1) * finer + 1
    return np.asarray(cv2.warpAffine(np.ascontiguousarray(values), m, size, flags=flags, borderMode=border), np.float32)


def _slope(lead: Floats, finer: int) -> Floats:
    """By how much a margin changes in a cell: of the change around each place, the range, smoothed."""
    import cv2

    side = max(finer // 2 * 2 + 1, 3)
    around = np.ones((side, side), np.uint8)
    change = (cv2.dilate(lead, around) - cv2.erode(lead, around)) * (finer / (side - 1))
    return np.maximum(np.asarray(cv2.blur(change, (side, side)), np.float32), np.float32(LEAST_SLOPE))


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
        If there is no such warp, or `grid` is none of it.
    ShapeMismatch
        If `scores` do not have three axes, or `grid` has not six numbers.
    """
    values, numbers = np.asarray(scores, np.float32), np.asarray(grid, np.float32)
    kind = _warp(warp, values, numbers)
    cells = values.shape[1], values.shape[2]
    window = kind.window(numbers, cells, size)
    x1, y1, x2, y2 = window
    labels = np.zeros((y2 - y1, x2 - x1), np.uint8)
    if not labels.size:
        return window, labels
    best = kind.sample(values[0], numbers, window, BEYOND)
    for index in _leading(values)[1:]:
        left, top, right, bottom = kind.window(numbers, cells, size, _around(_near(values, [index]), 1))
        if right <= left or bottom <= top:
            continue
        score = kind.sample(values[index], numbers, (left, top, right, bottom), -BEYOND)
        here = slice(top - y1, bottom - y1), slice(left - x1, right - x1)
        labels[here][score > best[here]] = index
        np.maximum(best[here], score, out=best[here])
    return window, labels


def _near(values: Floats, classes: Sequence[int]) -> NDArray[np.bool_]:
    """Cells in which some classes lead, or nearly: thin lips may lead between two cells, and in neither."""
    best = values[list(classes)].max(axis=0, initial=-np.inf)
    return np.asarray(best > values.max(axis=0) - CLOSE)


def _around(cells: NDArray[np.bool_], margin: int) -> Window:
    """The part of a grid that holds all cells that are true, if there are any, and some more around them."""
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    low = max(int(columns[0]) - margin, 0), max(int(rows[0]) - margin, 0)
    return *low, min(int(columns[-1]) + 1 + margin, cells.shape[1]), min(int(rows[-1]) + 1 + margin, cells.shape[0])


def _leading(values: Floats) -> list[int]:
    """Classes that are the best or the second best of any cell: no other leads between cells."""
    order = np.argpartition(values, len(values) - 2, axis=0)[-2:] if len(values) > 2 else np.arange(len(values))
    return sorted({0, *np.unique(order).tolist()})


def check_grid(warp: str, grid: ArrayLike) -> GridWarp:
    """The warp of a name, if these are numbers of it, (6,).

    Raises
    ------
    UsageError
        If there is no such warp, or a grid of these numbers would have no place in a picture.
    ShapeMismatch
        If they are not six.
    """
    kind = WARPS.get(warp) if isinstance(warp, str) else None
    if kind is None:
        raise UsageError(f"no warp of grids is called {warp!r}; there are {', '.join(WARPS)}.")
    with np.errstate(over="ignore"):  # of numbers that float32 does not hold
        numbers = np.asarray(grid, np.float32)
    if numbers.shape != (6,):
        raise ShapeMismatch(f"a grid has 6 numbers, not the shape {numbers.shape}.")
    if not np.isfinite(numbers).all() or not kind.fits(numbers):
        raise UsageError(f"no {warp} grid has the numbers {numbers.tolist()}.")
    return kind


def _warp(name: str, scores: Floats, grid: Floats) -> GridWarp:
    if scores.ndim != 3:
        raise ShapeMismatch(f"scores have the shape (K, h, w), not {scores.shape}.")
    return check_grid(name, grid)
