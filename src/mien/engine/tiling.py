"""Parts of a picture that are looked at one by one, and which of them a face that several show belongs to."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Span", "around", "owned", "spans"]

# Part of a box's side: one that ends so close to a part's edge is cut off by it.
_CUT = 0.05


@dataclass(frozen=True)
class Span:
    """One side of a tile: pixels from `start` to `stop`, of which those from `low` to `high` are its own."""

    start: int
    stop: int
    low: float
    high: float

    def owns(self, edges: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether faces that reach from one edge to the other (N, 2), in the tile, are this tile's to tell of.

        Their middle is in its own part, and they end before an edge behind which the picture goes on.
        """
        first, last = edges[:, 0] + self.start, edges[:, 1] + self.start
        middle, margin = (first + last) / 2, np.maximum(_CUT * (last - first), 1)
        inside: NDArray[np.bool_] = (self.low <= middle) & (middle <= self.high)
        if self.low > -math.inf:
            inside &= first >= self.start + margin
        if self.high < math.inf:
            inside &= last <= self.stop - margin
        return inside


def spans(length: int, side: int, overlap: int) -> list[Span]:
    """Cut one side of a picture into equal spans that overlap by so many pixels or more and end where it ends."""
    count = max(math.ceil((length - overlap) / (side - overlap)), 1)
    starts = [round(place * max(length - side, 0) / max(count - 1, 1)) for place in range(count)]
    stops = [min(start + side, length) for start in starts]
    # Neighbours part in the middle of what both see. Both may tell of a face there: rounding must not lose it.
    slack = overlap / 8
    parts = [(stop + start) / 2 for stop, start in zip(stops, starts[1:], strict=False)]
    lows = [-math.inf, *(part - slack for part in parts)]
    highs = [*(part + slack for part in parts), math.inf]
    return [Span(*span) for span in zip(starts, stops, lows, highs, strict=True)]


def around(middle: float, side: int, length: int) -> Span:
    """A span of this length about a place, moved into the picture; all that is whole in it is its own."""
    start = min(max(round(middle - side / 2), 0), max(length - side, 0))
    stop = min(start + side, length)
    return Span(start, stop, start if start else -math.inf, stop if stop < length else math.inf)


def owned(x: Span, y: Span, boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which boxes (N, 4), in pixels of a part of the picture, are that part's to tell of, (N,)."""
    mine: NDArray[np.bool_] = np.logical_and(x.owns(boxes[:, 0::2]), y.owns(boxes[:, 1::2]))
    return mine
