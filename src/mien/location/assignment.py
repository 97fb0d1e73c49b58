"""Which detection is whose: one cost out of place and likeness, and the cheapest assignment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.boxes import iou
from mien.core.columns import Vectors

__all__ = ["Appearance", "Embeddings", "Likeness", "assign", "place_cost"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_NEAR: Final = 0.7  # sizes of a face: how far from where it is expected it may be found at least
_FAR: Final = 2.5  # ... and at most, however much doubt there is
_GROWN: Final = 2.2  # the most that the size of a face may be off, as a factor


def place_cost(expected: NDArray[Any], doubts: NDArray[Any], boxes: NDArray[Any]) -> Doubles:
    """How ill each box lies for each face that is expected.

    Overlap and distance in one number: half of one minus the distance-IoU (Zheng et al., *Distance-IoU loss*, 2020),
    which still orders boxes that do not touch.

    Parameters
    ----------
    expected : (T, 4) array
        Boxes, xyxy in pixels.
    doubts : (T,) array
        Standard deviations of their centres, in sizes of the face.
    boxes : (N, 4) array

    Returns
    -------
    (T, N) float64
        In [0, 1]; infinite out of reach.
    """
    one, other = np.asarray(expected, np.float64)[:, None], np.asarray(boxes, np.float64)[None]
    away = np.linalg.norm((one[..., :2] + one[..., 2:] - other[..., :2] - other[..., 2:]) / 2, axis=-1)
    around = np.maximum(one[..., 2:], other[..., 2:]) - np.minimum(one[..., :2], other[..., :2])
    cost = (1 - iou(expected, boxes) + (away / np.maximum(np.linalg.norm(around, axis=-1), 1e-6)) ** 2) / 2
    sizes, others = ((b[..., 2:] - b[..., :2]).mean(axis=-1).clip(1e-6) for b in (one, other))
    reach = np.minimum(_NEAR + 3 * np.asarray(doubts, np.float64), _FAR)[:, None]
    possible = (away <= reach * sizes) & (np.abs(np.log(sizes / others)) <= np.log(_GROWN))
    return np.where(possible, cost, np.inf)


def assign(cost: NDArray[Any]) -> list[tuple[int, int]]:
    """Pairs of a row and a column, each in one pair at most: as many as possible, then the cheapest in sum.

    Parameters
    ----------
    cost : (T, N) array
        Infinite where a pair is impossible.
    """
    from scipy.optimize import linear_sum_assignment

    possible = np.isfinite(cost)
    if not possible.any():
        return []
    # An impossible pair costs more than all possible ones together, so that it is never taken instead of one.
    filler = 1.0 + 2 * float(np.abs(cost[possible]).sum())
    rows, columns = linear_sum_assignment(np.where(possible, cost, filler))
    return [(int(t), int(n)) for t, n in zip(rows, columns, strict=True) if possible[t, n]]


@dataclass(frozen=True)
class Likeness:
    """What cosines of one embedding space mean.

    Parameters
    ----------
    different : float
        Half of the pairs of two people score lower.
    same : float
        Hardly a pair of two people scores higher.
    """

    different: float
    same: float

    def unlike(self, cosines: NDArray[Any]) -> Doubles:
        """From 0, surely the same person, to 1, another."""
        return ((self.same - np.asarray(cosines, np.float64)) / (self.same - self.different)).clip(0, 1)


class Appearance:
    """How one person looks: the mean of the embeddings, and a few that differ from each other.

    Parameters
    ----------
    exemplars : int
        How many are kept; of more, those stay that are least alike.
    """

    def __init__(self, exemplars: int) -> None:
        self._most = exemplars
        self._sum: Floats | None = None
        self._kept: list[Floats] = []
        self.count = 0

    def add(self, vector: Floats) -> None:
        """Take another embedding of the person, (D,)."""
        self._sum = vector.copy() if self._sum is None else self._sum + vector
        self.count += 1
        self._kept.append(vector)
        if len(self._kept) > self._most:
            alike = np.stack(self._kept) @ np.stack(self._kept).T
            np.fill_diagonal(alike, -1)
            del self._kept[int(alike.max(axis=1).argmax())]

    def take(self, other: Appearance) -> None:
        """Take all that is known of another, who is the same person."""
        for vector in other._kept:
            self.add(vector)

    def cosines(self, vectors: Floats) -> Floats:
        """The best cosine of each vector (N, D) with the mean or with one that was kept, (N,)."""
        if self._sum is None:
            return np.full(len(vectors), np.nan, np.float32)
        mean = self._sum / max(float(np.linalg.norm(self._sum)), 1e-6)
        best: Floats = (np.stack([mean, *self._kept]) @ vectors.T).max(axis=0)
        return best


class Embeddings:
    """How the faces of one frame look, as far as it is known.

    Parameters
    ----------
    column : Vectors or None
        Of the faces; abstaining where it was not asked for.
    count : int
        How many faces there are.
    likeness : Likeness
        Of the column's space.
    """

    def __init__(self, column: Vectors | None, count: int, likeness: Likeness) -> None:
        lost = np.ones(count, bool) if column is None else column.abstained
        self._count = count
        self._there = np.flatnonzero(~lost)
        self._vectors = np.zeros((0, 0), np.float32) if column is None else column.values[self._there]
        self._likeness = likeness
        #: The embedding of each face (D,), or None.
        self.rows: list[Floats | None] = [None] * count
        for row, vector in zip(self._there, self._vectors, strict=True):
            self.rows[row] = vector

    def cosines(self, looks: Sequence[Appearance]) -> Doubles:
        """How like each person each face is, (P, N); NaN where either is not known."""
        values = np.full((len(looks), self._count), np.nan)
        for row, look in zip(values, looks, strict=True):
            if len(self._there):
                row[self._there] = look.cosines(self._vectors)
        return values

    def unlike(self, looks: Sequence[Appearance]) -> Doubles:
        """From 0, surely the person, to 1, surely another, (P, N); NaN where either is not known."""
        return self._likeness.unlike(self.cosines(looks))
