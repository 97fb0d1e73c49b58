"""What changes the form of a region's levels: arrays of bytes in, arrays of bytes out.

All are monotone (more levels give more), stay within 0 to 255, and look no farther than they say.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.patches import FULL, Levels

Whole: TypeAlias = NDArray[np.integer[Any]]

__all__ = ["fill", "grow", "largest", "parts", "smooth", "soften"]

# Lines in these directions, added to each other (Minkowski), make a polygon of 16 sides, as good as a disc: its radius
# is within 3 % everywhere, and each line takes only the logarithm of its length (Adams, "Radial decomposition of discs
# and spheres", 1993; van den Boomgaard and van Balen, "Methods for fast morphological image transforms", 1992).
_DIRECTIONS: Final = ((1, 0), (2, 1), (1, 1), (1, 2), (0, 1), (-1, 2), (-1, 1), (-2, 1))
_DISC: Final = 12.0  # pixels: up to this radius a disc is taken as it is
_CORE: Final = 4.0  # about the radius of the disc that is added to lines: it rounds the corners
_BLOCK: Final = 1 << 21  # pixels that are counted at a time: counting takes eight bytes of each


# --- larger ---------------------------------------------------------------------------------------


def grow(levels: Levels, px: float) -> Levels:
    """Each pixel gets the highest level within `px` pixels: grey dilation by a disc.

    To be exact, the mean of what it gets from discs with all radii from `px` to a pixel more: so soft edges stay soft,
    hard ones get no stairs, and fractions of a pixel count.

    Parameters
    ----------
    levels : (h, w) uint8
        With a margin of `px` pixels around all that may grow.
    px : float
    """
    import cv2

    lines, core = ((), px) if px <= _DISC else _lines(px)
    for step, count in lines:
        levels = _along(levels, step, count)
    mean, counted = levels, 0.0
    for radius, share in _radii(core):
        counted += share
        grown = cv2.dilate(levels, _disc(radius))
        mean = np.asarray(cv2.addWeighted(mean, 1 - share / counted, grown, share / counted, 0), np.uint8)
    return mean


def _lines(px: float) -> tuple[tuple[tuple[tuple[int, int], int], ...], float]:
    """Steps (dx, dy) and how many of them to each side; and the radius of the disc that makes them `px` wide."""
    steps = np.array(_DIRECTIONS, np.float64)
    lengths, angles = np.hypot(*steps.T), np.arctan2(steps[:, 1], steps[:, 0])
    # How much of all directions is nearest to each. A polygon of such lines, all together as long as half the
    # circle, is as wide as the circle in all directions.
    gaps = np.diff(angles, prepend=angles[-1] - np.pi, append=np.pi)
    share = (gaps[1:] + gaps[:-1]) / 2
    counts = np.rint(share * (px - _CORE) / 2 / lengths)
    around = np.linspace(0, np.pi, 180)
    width = np.abs(np.outer(np.cos(around), steps[:, 0]) + np.outer(np.sin(around), steps[:, 1])) @ counts
    core = px - (width.max() + width.min()) / 2
    return tuple((step, int(n)) for step, n in zip(_DIRECTIONS, counts, strict=True) if n), max(float(core), 0.0)


def _along(levels: Levels, step: tuple[int, int], count: int) -> Levels:
    """Each pixel gets the highest level of the `count` steps before and after it."""
    dx, dy = step
    reached = 0
    while reached < count:  # what reaches n steps to each side reaches 3 n + 1 together with its copies
        jump = min(2 * reached + 1, count - reached)
        levels, source = levels.copy(), levels
        for sign in (1, -1):
            here, there = _overlap(sign * dx * jump, sign * dy * jump)
            np.maximum(levels[there], source[here], out=levels[there])
        reached += jump
    return levels


def _overlap(dx: int, dy: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Where an array stands, and where it comes to stand moved by (dx, dy), as far as both are within it."""

    def both(by: int) -> tuple[slice, slice]:
        kept, gone = slice(None, -abs(by) or None), slice(abs(by), None)
        return (kept, gone) if by > 0 else (gone, kept)

    (x_here, x_there), (y_here, y_there) = both(dx), both(dy)
    return (y_here, x_here), (y_there, x_there)


def _disc(radius: float) -> Levels:
    return np.asarray(_distances(int(radius)) <= radius + 1e-9, np.uint8)


def _radii(px: float) -> list[tuple[float, float]]:
    """Discs with radii from `px` to a pixel more that differ, and the share of these radii that each stands for."""
    radii = np.unique(_distances(int(px) + 1))
    radii = np.append(px, radii[(radii > px + 1e-9) & (radii < px + 1)])
    if len(radii) > 6:  # of a large disc, four say enough
        return [(px + part, 0.25) for part in (0.125, 0.375, 0.625, 0.875)]
    shares = np.diff(radii, append=px + 1)
    return list(zip(radii.tolist(), shares.tolist(), strict=True))


def _distances(reach: int) -> NDArray[np.float64]:
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(np.hypot(x, y))


# --- softer ---------------------------------------------------------------------------------------


def soften(levels: Levels, px: float) -> Levels:
    """Edges fade from `px` pixels within to `px` pixels without: three running means, which are nearly a Gaussian.

    (Wells, "Efficient synthesis of Gaussian filters by cascaded uniform filters", 1986.) What is beyond the array is
    like its border.
    """
    return np.asarray(_between(px, lambda whole: _means(levels, whole)), np.uint8)


def smooth(levels: Levels, px: float) -> Levels:
    """Each pixel becomes what most of its surroundings are, out to `px` pixels; edges are a pixel wide then."""
    soft = _between(px, lambda whole: _means(levels.astype(np.uint16) * 257, whole))
    deviation = np.sqrt(px * px / 9 + px / 3)  # of three running means
    gain = max(deviation * np.sqrt(2 * np.pi), 1.0)  # an edge becomes as steep as 1 a pixel
    table = (np.linspace(-0.5, 0.5, 65536) * gain + 0.5).clip(0, 1) * FULL
    return np.asarray(np.rint(table).astype(np.uint8)[soft])


def _means(values: Whole, reach: int) -> Whole:
    """Three running means that look `reach` pixels far together."""
    import cv2

    for radius in (reach // 3, (reach + 1) // 3, (reach + 2) // 3):
        if radius:
            side = 2 * radius + 1
            values = np.asarray(cv2.blur(values, (side, side), borderType=cv2.BORDER_REPLICATE))
    return values


def _between(px: float, change: Callable[[int], Whole]) -> Whole:
    """What a change does between two whole numbers of pixels."""
    import cv2

    whole = int(px)
    if whole == px:
        return change(whole)
    return np.asarray(cv2.addWeighted(change(whole), whole + 1 - px, change(whole + 1), px - whole, 0))


# --- connected parts ------------------------------------------------------------------------------


def parts(levels: Levels) -> list[tuple[Levels, tuple[int, int]]]:
    """The connected parts, the largest first: levels, and where (x, y) they begin."""
    from scipy.ndimage import find_objects

    labels, order = _nearest_parts(levels)
    places = find_objects(labels) if order else []
    found = []
    for label in order:
        rows, columns = places[label - 1]
        mine = labels[rows, columns] == label
        found.append((levels[rows, columns] * mine.view(np.uint8), (columns.start, rows.start)))
    return found


def largest(levels: Levels, count: int) -> Levels:
    """Only the `count` largest connected parts."""
    labels, order = _nearest_parts(levels)
    kept = np.zeros(max(order, default=0) + 1, np.uint8)
    kept[order[:count]] = 1
    return levels * kept[labels]


def _nearest_parts(levels: Levels) -> tuple[NDArray[np.int32], list[int]]:
    """To which part (1, 2, ...) each pixel belongs: that of the nearest pixel that is at least half inside.

    And the parts, the largest first; none, and only zeros, where there are no such pixels.
    """
    import cv2

    inside = levels > FULL // 2
    number = cv2.connectedComponents(inside.view(np.uint8))[0] - 1 if levels.size else 0
    if number < 2:
        return np.full(levels.shape, number, np.int32), [1] * number
    _, labels = cv2.distanceTransformWithLabels((~inside).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_5)
    areas, rows = np.zeros(number + 1, np.int64), max(_BLOCK // levels.shape[1], 1)
    for top in range(0, len(levels), rows):
        here = slice(top, top + rows)
        areas += np.bincount(labels[here][inside[here]], minlength=number + 1)
    order = np.argsort(-areas, kind="stable")[: np.count_nonzero(areas)]
    return np.asarray(labels, np.int32), order.tolist()


def fill(levels: Levels, steps: int = 16) -> Levels:
    """Raise what is enclosed by higher levels to them: holes, and soft ones as far as what is around them.

    Beyond the array all is 0.
    """
    import cv2

    filled = levels.copy()
    walls = cv2.copyMakeBorder(levels, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=0)
    for level in np.ceil(np.linspace(FULL / steps, FULL, steps)).astype(int).tolist():
        open_ = np.asarray(walls < level).view(np.uint8)
        cv2.floodFill(open_, None, (0, 0), 2)  # what can be walked to from without
        np.maximum(filled, (open_[1:-1, 1:-1] == 1) * np.uint8(level), out=filled)
    return filled
