"""How well scores tell two kinds of things apart: AUC, equal error rate, average precision, error rates at rates.

Each measure is a function of how many positives and negatives have each score, from the lowest score on; for many
samples at once, so that an interval takes no longer than a table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import ENDS

__all__ = ["Measure", "auc", "average_precision", "bpcer_at", "equal_error", "measured", "value_of"]

Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]
#: From counts of positives (R, L) and of negatives (R, L) by score, R samples, to R numbers.
Measure: TypeAlias = Callable[[Doubles, Doubles], Doubles]

REPEATS = 1000


def auc(positive: Doubles, negative: Doubles) -> Doubles:
    """How often a positive has a higher score than a negative, ties counting half."""
    below = np.cumsum(negative, axis=1) - negative
    won = (positive * (below + negative / 2)).sum(axis=1)
    return _share(won, positive.sum(axis=1) * negative.sum(axis=1))


def equal_error(positive: Doubles, negative: Doubles) -> Doubles:
    """The rate at which as large a share of positives is missed as of negatives is raised (D-EER in ISO/IEC 30107-3).

    Between thresholds, the mean of both where they are closest.
    """
    none = np.zeros((len(positive), 1))
    missed = np.hstack([none, np.cumsum(positive, axis=1)]) / np.maximum(positive.sum(axis=1, keepdims=True), 1)
    raised = 1 - np.hstack([none, np.cumsum(negative, axis=1)]) / np.maximum(negative.sum(axis=1, keepdims=True), 1)
    place = np.abs(missed - raised).argmin(axis=1)[:, None]
    both = np.take_along_axis(missed + raised, place, axis=1)[:, 0] / 2
    return np.where((positive.sum(axis=1) > 0) & (negative.sum(axis=1) > 0), both, np.nan)


def average_precision(positive: Doubles, negative: Doubles) -> Doubles:
    """Mean over the positives of the share of positives among what scores as high; ties are taken together."""
    hits = np.cumsum(positive[:, ::-1], axis=1)[:, ::-1]
    taken = hits + np.cumsum(negative[:, ::-1], axis=1)[:, ::-1]
    return _share((positive * hits / np.maximum(taken, 1)).sum(axis=1), positive.sum(axis=1))


def bpcer_at(apcer: float) -> Measure:
    """Share of negatives, bona fide ones, that are refused where at most this share of attacks passes."""

    def measure(positive: Doubles, negative: Doubles) -> Doubles:
        allowed = np.floor(apcer * positive.sum(axis=1, keepdims=True) + 1e-9)
        refused = np.cumsum(positive, axis=1) > allowed
        share = _share((negative * refused).sum(axis=1), negative.sum(axis=1))
        return np.where(positive.sum(axis=1) > 0, share, np.nan)

    return measure


def value_of(measure: Measure, scores: Doubles, positive: Mask) -> float:
    """A measure of scores (N,); NaN where there are not both kinds."""
    return float(_counted(measure, scores, positive, np.ones((1, len(scores))))[0])


def measured(measure: Measure, scores: Doubles, positive: Mask, groups: Sequence[str]) -> Measured:
    """A measure with its 95 % interval over groups, as `mien.evaluation.intervals.bootstrap` draws them.

    Scores that are NaN are left out.
    """
    known = np.isfinite(scores)
    if not known.any():
        return Measured(np.nan, (np.nan, np.nan))
    _, group = np.unique(np.asarray(groups)[known], return_inverse=True)
    count = int(group.max()) + 1
    draws = np.random.default_rng(0).integers(count, size=(REPEATS, count))
    times = np.stack([np.bincount(draw, minlength=count) for draw in draws]).astype(np.float64)
    values = _counted(measure, scores[known], positive[known], times[:, group])
    values = values[np.isfinite(values)]
    ends = np.quantile(values, ENDS) if len(values) else (np.nan, np.nan)
    return Measured(value_of(measure, scores[known], positive[known]), (float(ends[0]), float(ends[1])))


def _counted(measure: Measure, scores: Doubles, positive: Mask, times: Doubles) -> Doubles:
    """A measure of samples in which each score stands so many times (R, N)."""
    if not len(scores):
        return np.full(len(times), np.nan)
    levels, place = np.unique(scores, return_inverse=True)
    spread = np.zeros((len(scores), len(levels)))
    spread[np.arange(len(scores)), place] = 1
    return measure(times[:, positive] @ spread[positive], times[:, ~positive] @ spread[~positive])


def _share(part: Doubles, whole: Doubles) -> Doubles:
    return np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
