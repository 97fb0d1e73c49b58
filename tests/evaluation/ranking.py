"""Measures of rankings by their definitions, slowly: what those of the package are held against."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["area_by_pairs", "precision_by_steps"]


def area_by_pairs(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Share of the pairs of a positive and a negative in which the positive is ahead; half of those that are level."""
    gaps = scores[positive][:, None] - scores[~positive]
    return float(((gaps > 0) + 0.5 * (gaps == 0)).mean())


def precision_by_steps(positive: NDArray[np.bool_], scores: NDArray[np.float64]) -> float:
    """Precision at each threshold, weighed by the recall that is won at it."""
    total, recall = 0.0, 0.0
    for limit in sorted(set(scores.tolist()), reverse=True):
        taken = scores >= limit
        now = float(positive[taken].sum() / positive.sum())
        total += (now - recall) * float(positive[taken].mean())
        recall = now
    return total
