"""How well scores tell two kinds of things apart: AUC, equal error rate, average precision, error rates at rates."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import bootstrap

__all__ = ["auc", "average_precision", "bpcer_at", "equal_error", "measured"]

Doubles = NDArray[np.float64]
Mask = NDArray[np.bool_]


def auc(scores: Doubles, positive: Mask) -> float:
    """How often a positive has a higher score than a negative, ties counting half; NaN where there are not both."""
    from scipy.stats import rankdata

    many, few = int(positive.sum()), int((~positive).sum())
    if not many or not few:
        return np.nan
    ranks = rankdata(scores)
    return float((ranks[positive].sum() - many * (many + 1) / 2) / (many * few))


def equal_error(scores: Doubles, positive: Mask) -> float:
    """The rate at which as large a share of positives is missed as of negatives is raised (D-EER in ISO/IEC 30107-3).

    Between thresholds, the mean of both where they are closest.
    """
    if not positive.any() or positive.all():
        return np.nan
    limits = np.unique(scores)
    missed = np.searchsorted(np.sort(scores[positive]), limits) / positive.sum()
    raised = 1 - np.searchsorted(np.sort(scores[~positive]), limits) / (~positive).sum()
    missed, raised = np.append(missed, 1.0), np.append(raised, 0.0)
    place = int(np.abs(missed - raised).argmin())
    return float((missed[place] + raised[place]) / 2)


def average_precision(scores: Doubles, positive: Mask) -> float:
    """Mean over the positives of the share of positives among what scores as high; ties are taken together."""
    if not positive.any():
        return np.nan
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits, taken = np.cumsum(positive[order])[ends], ends + 1
    gained = np.diff(hits, prepend=0)
    return float((gained * hits / taken).sum() / positive.sum())


def bpcer_at(scores: Doubles, attack: Mask, apcer: float) -> float:
    """Share of bona fide ones refused where at most so many attacks pass: refused is what scores the limit or more."""
    if not attack.any() or attack.all():
        return np.nan
    allowed = int(np.floor(apcer * attack.sum() + 1e-9))
    limit = np.sort(scores[attack])[allowed]
    return float((scores[~attack] >= limit).mean())


def measured(
    statistic: Callable[[Doubles, Mask], float],
    scores: Doubles,
    positive: Mask,
    groups: Sequence[str],
    *,
    repeats: int = 1000,
) -> Measured:
    """A statistic with its 95 % interval over groups; scores that are NaN are left out."""
    known = np.isfinite(scores)
    parts: Mapping[str, list[int]] = {}
    parts = dict(parts)
    for row in np.flatnonzero(known).tolist():
        parts.setdefault(groups[row], []).append(row)

    def of(some: Sequence[list[int]]) -> float:
        rows = np.array([row for part in some for row in part], np.intp)
        return statistic(scores[rows], positive[rows]) if len(rows) else np.nan

    together = list(parts.values())
    return Measured(of(together), bootstrap(of, together, repeats=repeats))
