"""Scores of pairs, and who is on each side: what every measure of verification is a function of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.datasets.readers.pairs import Pairs

__all__ = ["REJECTED", "Curve", "Scores", "check_rates", "cosines", "curve", "threshold_at"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

REJECTED = -2.0  # below every cosine: the score of a pair with a picture in which no face was found
CHUNK = 100_000  # pairs that are multiplied at once


@dataclass(frozen=True)
class Scores:
    """Scores of P pairs.

    Parameters
    ----------
    values : (P,) float64
        Higher = more alike.
    first, second : (P,) integers
        The person on each side, from 0; a pair is genuine where they are equal.
    folds : (P,) integers, optional
        The part of the protocol that each pair belongs to.

    Raises
    ------
    ShapeMismatch
        If the arrays differ in length.
    UsageError
        If a score is no number.
    """

    values: Doubles
    first: Indices
    second: Indices
    folds: Indices | None = None

    def __post_init__(self) -> None:
        rows = [self.first, self.second, *([] if self.folds is None else [self.folds])]
        if self.values.ndim != 1 or any(row.shape != self.values.shape for row in rows):
            shapes = ", ".join(str(row.shape) for row in rows)
            raise ShapeMismatch(f"scores {self.values.shape} and people {shapes} do not fit: all are (P,).")
        if np.isnan(self.values).any():
            raise UsageError(f"a score is no number; a pair that cannot be compared has {REJECTED:g}.")

    def __len__(self) -> int:
        return len(self.values)

    @property
    def genuine(self) -> NDArray[np.bool_]:
        """Which pairs are of one person."""
        return np.asarray(self.first == self.second)

    @property
    def people(self) -> Indices:
        """Everybody who is in a pair, once."""
        return np.unique(np.concatenate([self.first, self.second]))

    def where(self, kept: NDArray[np.bool_] | Indices) -> Scores:
        """Some of the pairs, by a mask or by their numbers."""
        folds = None if self.folds is None else self.folds[kept]
        return replace(self, values=self.values[kept], first=self.first[kept], second=self.second[kept], folds=folds)

    @classmethod
    def of_pairs(cls, pairs: Pairs, vectors: Floats, *, seconds: Floats | None = None) -> Scores:
        """Cosines of pairs.

        Parameters
        ----------
        pairs : Pairs
        vectors : (N, D) float32
            Of the pictures; rows of NaN are rejected by every threshold.
        seconds : (N, D) float32, optional
            Those of the pictures as the second of a pair, where that side was altered.

        Raises
        ------
        ShapeMismatch
            If there is not one vector for each picture.
        """
        others = vectors if seconds is None else seconds
        if len(vectors) != len(pairs.pictures) or others.shape != vectors.shape:
            raise ShapeMismatch(f"vectors {vectors.shape}, {others.shape} for {len(pairs.pictures)} pictures.")
        _, people = np.unique(pairs.people, return_inverse=True)
        values = _products(vectors, pairs.first, others, pairs.second)
        return cls(values, people[pairs.first], people[pairs.second], pairs.folds)


def cosines(vectors: Floats, first: Indices, second: Indices) -> Doubles:
    """Cosine of each pair of rows (P,); `REJECTED` where a row is NaN."""
    return _products(vectors, first, vectors, second)


def _products(vectors: Floats, first: Indices, others: Floats, second: Indices) -> Doubles:
    starts = range(0, len(first), CHUNK)
    parts = [(vectors[first[at : at + CHUNK]] * others[second[at : at + CHUNK]]).sum(axis=1) for at in starts]
    found = np.concatenate([np.zeros(0, np.float32), *parts])
    return np.nan_to_num(found.astype(np.float64), nan=REJECTED)


@dataclass(frozen=True)
class Curve:
    """Error rates at every threshold (T,), from the strictest on: `fmr` rises from 0 to 1, `fnmr` falls from 1 to 0."""

    thresholds: Doubles
    fmr: Doubles
    fnmr: Doubles


def curve(scores: Scores, *, weights: Doubles | None = None) -> Curve:
    """False matches and false non-matches at each score; a pair is accepted from the threshold on.

    Parameters
    ----------
    scores : Scores
    weights : (P,) float64, optional
        How much each pair counts, 1 by default.

    Raises
    ------
    UsageError
        If there are no genuine or no impostor pairs.
    """
    genuine = scores.genuine
    if not genuine.any() or genuine.all():
        raise UsageError("genuine and impostor pairs are both needed: two people, and one with two pictures.")
    share = np.ones(len(scores)) if weights is None else weights
    order = np.argsort(-scores.values, kind="stable")
    values, right = scores.values[order], (share * genuine)[order]
    wrong = (share * ~genuine)[order]
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # equal scores are accepted together
    accepted, false = np.cumsum(right)[ends] / right.sum(), np.cumsum(wrong)[ends] / wrong.sum()
    return Curve(
        np.concatenate([[np.inf], values[ends]]), np.concatenate([[0.0], false]), np.concatenate([[1.0], 1 - accepted])
    )


def check_rates(rates: Sequence[float], name: str = "false accept rates") -> None:
    """Refuse what is no rate, UsageError: before pictures are embedded, which takes long."""
    if any(not 0 < rate < 1 for rate in rates):
        raise UsageError(f"{name} are between 0 and 1; got {list(rates)}.")


def threshold_at(impostors: Doubles, rate: float) -> float:
    """The lowest score at which at most this part of the impostor scores (P,), in any order, is accepted."""
    allowed = int(np.floor(rate * len(impostors) + 1e-9))
    highest = np.partition(impostors, len(impostors) - 1 - allowed)
    return float(np.nextafter(highest[len(impostors) - 1 - allowed], np.inf))
