"""Accuracy by folds, as LFW's successors report it: the threshold of each fold is chosen on all others.

Huang et al., *Labeled Faces in the Wild*, 2007, view 2: the mean accuracy of ten folds, and the mean's standard error.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.evaluation.intervals import Interval, bootstrap, widen
from mien.evaluation.scores import Scores

__all__ = ["FoldReport", "best_threshold", "evaluate_folds"]


@dataclass(frozen=True)
class FoldReport:
    """Accuracy over folds.

    Parameters
    ----------
    folds, pairs : int
    accuracy : float
        Mean of the folds' accuracies: the part of pairs that is called rightly one person or two.
    std, error : float
        Their standard deviation (of a sample), and the standard error of the mean.
    interval : (low, high)
        95 %: over folds, and never narrower than that of independent pairs.
    accuracies, thresholds : tuple of float
        Of each fold.
    """

    folds: int
    pairs: int
    accuracy: float
    std: float
    error: float
    interval: Interval
    accuracies: tuple[float, ...]
    thresholds: tuple[float, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_folds(scores: Scores) -> FoldReport:
    """Accuracy of each fold at the threshold that is best on all others.

    Raises
    ------
    UsageError
        If the scores have no folds, or only one.
    """
    names = np.unique(scores.folds) if scores.folds is not None else np.zeros(0)
    if len(names) < 2:
        raise UsageError("accuracy by folds needs pairs in two folds or more, as a file of pairs gives them.")
    accuracies, thresholds = [], []
    for name in names:
        inside = np.asarray(scores.folds == name)
        threshold = best_threshold(scores.where(~inside))
        accuracies.append(float(((scores.values >= threshold) == scores.genuine)[inside].mean()))
        thresholds.append(threshold)
    mean, std = float(np.mean(accuracies)), float(np.std(accuracies, ddof=1))
    return FoldReport(
        folds=len(names),
        pairs=len(scores),
        accuracy=mean,
        std=std,
        error=std / len(names) ** 0.5,
        interval=widen(bootstrap(lambda part: float(np.mean(part)), accuracies), mean, len(scores)),
        accuracies=tuple(accuracies),
        thresholds=tuple(thresholds),
    )


def best_threshold(scores: Scores) -> float:
    """The threshold that calls most pairs rightly; in the middle of the scores between which that holds.

    Where several stretches of scores are equally good, the highest is taken.
    """
    order = np.argsort(-scores.values, kind="stable")
    values, genuine = scores.values[order], scores.genuine[order]
    ends = np.append(np.flatnonzero(values[1:] != values[:-1]) + 1, len(values))
    distinct = values[ends - 1]
    right: NDArray[np.intp] = np.concatenate([[0], np.cumsum(np.where(genuine, 1, -1))[ends - 1]])
    best = int(np.argmax(right))  # accept so many of the distinct scores: the threshold lies between it and the next
    edges = np.concatenate([distinct[:1] + 1e-6, distinct, distinct[-1:] - 1e-6])
    return float((edges[best] + edges[best + 1]) / 2)
