"""Regions as outlines: polygons to levels, levels to polygons, and drawings of them.

Points count from the centre of the first pixel.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch
from mien.core.patches import FULL, Levels
from mien.core.region import Region

__all__ = ["draw_svg", "fill_polygons", "trace_polygons"]

Points: TypeAlias = NDArray[np.float64]

SCANS: Final = 16  # lines in which a row of pixels is looked at; along them, what is enclosed is exact
FARTHEST: Final = 1e6  # pixels that a point may be away
MOST: Final = (
    1 << 26
)  # crossings of edges and lines; of what would have more, fewer lines are looked at, at least one a row
MOST_IN_A_ROW: Final = 1 << 21  # of these in one row of pixels: each takes a hundred bytes
BLOCK: Final = 1 << 18  # numbers that are worked on at a time
HALF: Final = FULL / 2


# --- polygons to levels ---------------------------------------------------------------------------


def fill_polygons(polygons: Iterable[ArrayLike], size: tuple[int, int]) -> Region:
    """See `Region.from_polygons`."""
    rings = [ring for ring in map(_ring, polygons) if len(ring) > 2]
    if not rings:
        return Region.empty(size)
    starts = np.concatenate(rings) + 0.5  # from the first pixel's corner
    ends = np.concatenate([np.roll(ring, -1, axis=0) for ring in rings]) + 0.5
    left, top = np.floor(starts.min(axis=0)).clip(0, size).astype(int).tolist()
    right, bottom = np.ceil(starts.max(axis=0)).clip(0, size).astype(int).tolist()
    if right <= left or bottom <= top:
        return Region.empty(size)
    levels = np.zeros((bottom - top, right - left), np.uint8)
    edges = np.concatenate([starts, ends], axis=1) - (left, top, left, top)
    edges = np.where(edges[:, 1:2] <= edges[:, 3:], edges, edges[:, [2, 3, 0, 1]])  # downwards
    edges = edges[np.argsort(edges[:, 1])]
    # How often edges cross rows of pixels: all of them, and the one that is crossed most.
    spans = edges[:, [1, 3]].clip(0, bottom - top)
    begin, end = (np.bincount(y.astype(int), minlength=bottom - top + 1) for y in (spans[:, 0], np.ceil(spans[:, 1])))
    crossed, densest = np.diff(spans).sum(), int(np.cumsum(begin - end).max())
    scans = int(min(MOST // max(crossed, 1), MOST_IN_A_ROW // max(densest, 1), SCANS))
    if not scans:
        raise ShapeMismatch(
            f"these polygons are too tangled: their edges cross rows of pixels {crossed:,.0f} times, "
            f"one of them {densest:,} times, over {MOST:,} or {MOST_IN_A_ROW:,}."
        )
    rows = max(BLOCK // max(right - left, scans * densest), 1)
    begun, ahead = np.searchsorted(edges[:, 1], np.arange(rows, len(levels) + rows, rows)).tolist(), 0
    here = edges[:0]
    for first, behind in zip(range(0, len(levels), rows), begun, strict=True):
        here = np.concatenate([here[here[:, 3] > first], edges[ahead:behind]])
        ahead = behind
        _fill_rows(levels[first : first + rows], here - (0, first, 0, first), scans)
    return Region(levels, (left, top), size)


def _ring(polygon: ArrayLike) -> Points:
    try:
        ring = np.asarray(polygon, np.float64)
    except (TypeError, ValueError) as error:
        raise ShapeMismatch(f"a polygon is an array of points: {error}.") from error
    if ring.ndim != 2 or ring.shape[1] != 2:
        raise ShapeMismatch(f"polygons are a list of points x, y each, (P, 2); one of them is of shape {ring.shape}.")
    if not (np.abs(ring) <= FARTHEST).all():
        raise ShapeMismatch(f"the points of a polygon are numbers up to {FARTHEST:,.0f}.")
    return ring


def _fill_rows(levels: Levels, edges: Points, scans: int) -> None:
    """Fill rows of pixels with what edges (x1, y1, x2, y2), all downwards, enclose by the even-odd rule."""
    height, width = levels.shape
    # The scan lines between the ends of each edge, one after the other.
    begin, end = np.ceil(edges[:, [1, 3]].T * scans - 0.5).clip(0, height * scans).astype(np.int64)
    begin, number, edges = begin[begin < end], (end - begin)[begin < end], edges[begin < end]
    before = np.cumsum(number) - number
    scan = np.arange(number.sum()) + np.repeat(begin - before, number)
    x1, y1, x2, y2 = edges.T
    x1, y1, slope = np.repeat([x1, y1, (x2 - x1) / (y2 - y1)], number, axis=1)
    x = (x1 + ((scan + 0.5) / scans - y1) * slope).clip(0, width)
    # In order, line by line; then each of them is crossed an even number of times: in at one crossing, out at the next.
    x = np.sort(scan * (width + 1) + x)
    scan = np.repeat(np.arange(height * scans), np.bincount(scan, minlength=height * scans))
    x -= scan * (width + 1)
    # What lies to the right of a crossing is the rest of its pixel and all pixels behind.
    sign = np.full(len(x), FULL / scans)
    sign[1::2] *= -1
    column = x.astype(np.int64)
    behind = sign * (x - column)
    place = scan // scans * (width + 2) + column
    change = np.bincount(
        np.concatenate([place, place + 1]), np.concatenate([sign - behind, behind]), height * (width + 2)
    )
    # Between crossings nothing changes, and there are far fewer of them than pixels.
    changed = np.flatnonzero(change != 0)
    inside = np.concatenate([[0], np.rint(np.cumsum(change[changed]))]).astype(np.uint8)
    lengths = np.diff(changed, prepend=0, append=len(change))
    levels[:] = np.repeat(inside, lengths).reshape(height, width + 2)[:, :width]


# --- levels to polygons: marching squares (Lorensen and Cline's cubes of 1987, in the plane) -------------------------

# A cell has the centres of four pixels as its corners: upper left, upper right, lower right, lower left, the bits 1, 2,
# 4 and 8 of its code where they are inside; and four sides: top, right, bottom, left. An outline enters through one
# side and leaves through another, with what is inside at its right hand. Two lines cross a cell with opposite corners
# inside: with codes 5 and 10 they part these corners, with 16 and 17, where the middle is inside, the other two.
_CROSSINGS: Final = {
    1: ((0, 3),), 2: ((1, 0),), 3: ((1, 3),), 4: ((2, 1),), 6: ((2, 0),), 7: ((2, 3),), 8: ((3, 2),), 9: ((0, 2),),
    11: ((1, 2),), 12: ((3, 1),), 13: ((0, 1),), 14: ((3, 0),), 5: ((0, 3), (2, 1)), 10: ((1, 0), (3, 2)),
    16: ((0, 1), (2, 3)), 17: ((1, 2), (3, 0)),
}  # fmt: skip


def trace_polygons(region: Region, tolerance: float) -> list[NDArray[np.float32]]:
    """See `Region.to_polygons`."""
    box = region.bbox
    rings = _trace(np.pad(region.levels_in(box), 1))  # outside of the picture nothing is inside
    rings = [ring + np.subtract(box[:2], 1) for ring in sorted(rings, key=len, reverse=True)]
    return [_simplified(ring.astype(np.float32), tolerance) for ring in rings]


def _trace(levels: Levels) -> list[Points]:
    """Closed lines between what is inside and what is not; the border is outside."""
    starts, ends = _segments(levels)
    if not len(starts):
        return []
    order = np.argsort(starts)
    points = _points(levels, starts[order])
    following = np.searchsorted(starts[order], ends[order]).tolist()
    rings, seen = [], bytearray(len(following))
    for first in range(len(following)):
        ring, at = [], first
        while not seen[at]:
            seen[at] = 1
            ring.append(at)
            at = following[at]
        if ring:
            rings.append(points[ring])
    return rings


def _segments(levels: Levels) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lines across cells: the numbers of the sides at which they start and end.

    The pixel at row r and column c of W has the number n = r W + c; the side from it to the right is 2 n, the one down
    is 2 n + 1.
    """
    inside = (levels > HALF).view(np.uint8)
    code = inside[:-1, :-1] | inside[:-1, 1:] << 1 | inside[1:, 1:] << 2 | inside[1:, :-1] << 3
    row, column = np.nonzero((code > 0) & (code < 15))
    code = code[row, column]
    for saddle, joined in ((5, 16), (10, 17)):
        at = np.flatnonzero(code == saddle)
        corners = [levels[row[at] + down, column[at] + right].astype(int) for down in (0, 1) for right in (0, 1)]
        code[at[np.sum(corners, axis=0) > 4 * HALF]] = joined
    width = levels.shape[1]
    pixel = row.astype(np.int64) * width + column
    sides = np.stack([2 * pixel, 2 * (pixel + 1) + 1, 2 * (pixel + width), 2 * pixel + 1])
    starts, ends = [], []
    for wanted, lines in _CROSSINGS.items():
        at = np.flatnonzero(code == wanted)
        for start, end in lines:
            starts.append(sides[start, at])
            ends.append(sides[end, at])
    return np.concatenate(starts), np.concatenate(ends)


def _points(levels: Levels, sides: NDArray[np.int64]) -> Points:
    """Where on their sides of cells the level is a half."""
    row, column = np.divmod(sides // 2, levels.shape[1])
    down = sides % 2
    here = levels[row, column].astype(np.float64)
    there = levels[row + down, column + 1 - down]
    share = (HALF - here) / (there - here)
    return np.stack([column + share * (1 - down), row + share * down], axis=1)


def _simplified(ring: NDArray[np.float32], tolerance: float) -> NDArray[np.float32]:
    """Fewer points, but three at least: a ring that is smaller than the tolerance is kept more exactly."""
    import cv2

    while tolerance > 0.01:
        fewer = np.asarray(cv2.approxPolyDP(ring[:, None], tolerance, closed=True), np.float32)[:, 0]
        if len(fewer) > 2:
            return fewer
        tolerance /= 2
    return ring


# --- drawings -------------------------------------------------------------------------------------


def draw_svg(region: Region, color: str, tolerance: float) -> str:
    """See `Region.to_svg`."""
    from xml.sax.saxutils import quoteattr

    width, height = region.size
    paths = [
        "M" + "L".join(f"{x:.2f},{y:.2f}" for x, y in (outline + 0.5).tolist()) + "Z"
        for outline in trace_polygons(region, tolerance)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<path fill={quoteattr(color)} fill-rule="evenodd" d="{"".join(paths)}"/></svg>\n'
    )
