"""How well an embedder tells people apart: AUC, equal error rate, true accepts at false accept rates.

Every number comes with its counts and an interval over *people*: pairs that share a person are not independent, so
people are drawn with replacement (bootstrap), not pairs. Where every pair was accepted the bootstrap has nothing to
vary, so that no interval is narrower than Wilson's for independent pairs.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.engine import Engine
from mien.evaluation.embedding import Alter, embed_pictures
from mien.evaluation.folds import FoldReport, evaluate_folds
from mien.evaluation.intervals import ENDS, Interval, widen
from mien.evaluation.pairs import Pairs, read_pairs
from mien.evaluation.scores import REJECTED, Scores, check_rates, curve, threshold_at

__all__ = [
    "REJECTED",
    "OperatingPoint",
    "VerificationReport",
    "embed_pictures",
    "evaluate_pairs",
    "evaluate_scores",
    "evaluate_verification",
]

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class OperatingPoint:
    """What is accepted at one false accept rate.

    Parameters
    ----------
    far : float
        The rate asked for.
    threshold : float
        The lowest score at which not more than this part of the impostor pairs is accepted.
    tar : float
        Part of the genuine pairs that is accepted.
    interval : (low, high)
        95 % interval of `tar` over people, with the threshold drawn anew.
    accepted, false_accepts : int
        Genuine and impostor pairs accepted.
    """

    far: float
    threshold: float
    tar: float
    interval: Interval
    accepted: int
    false_accepts: int


@dataclass(frozen=True)
class VerificationReport:
    """The result of an evaluation; intervals are 95 % over people.

    Parameters
    ----------
    people, pictures, without_face : int
        What was looked at. Pairs with a picture without a face count as rejected.
    genuine, impostor : int
        Pairs of one person, and of two.
    auc, auc_interval
        Area under the ROC curve: the chance that a genuine pair scores higher than an impostor pair.
    eer, eer_interval
        The rate at which false accepts and false rejects are equal.
    points : tuple of OperatingPoint
    folds : FoldReport, optional
        Accuracy by folds, where the pairs have them.
    named : bool
        False where the data does not tell who is who: `people` then counts them anew in each pair.
    """

    people: int
    pictures: int
    without_face: int
    genuine: int
    impostor: int
    auc: float
    auc_interval: Interval
    eer: float
    eer_interval: Interval
    points: tuple[OperatingPoint, ...]
    folds: FoldReport | None = None
    named: bool = True

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_verification(
    source: Pairs | str | os.PathLike[str],
    *,
    pictures: str | os.PathLike[str] | None = None,
    rates: Sequence[float] = (1e-2, 1e-3),
    alter: Alter | None = None,
    engine: Engine | None = None,
) -> VerificationReport:
    """Measure the engine's embedder on labelled pictures.

    Parameters
    ----------
    source : Pairs or path
        What `mien.evaluation.pairs.read_pairs` takes: a folder with one folder of pictures per person (all pairs are
        used), or the pairs of LFW, CALFW, CPLFW, CFP or a packed ``.bin`` file.
    pictures : path, optional
        The folder of pictures, where the pairs do not lie as their set is published.
    rates : sequence of float
        False accept rates to report at.
    alter : callable, optional
        Changes each aligned crop, (112, 112, 3) uint8, before it is embedded: to measure what blur or masks cost.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Raises
    ------
    SourceError
        If there is nothing to read.
    InputError
        If a file is malformed.
    UsageError
        If there are no genuine or no impostor pairs.
    """
    check_rates(rates)
    pairs = source if isinstance(source, Pairs) else read_pairs(source, pictures=pictures)
    vectors = embed_pictures(pairs.pictures, alter=alter, aligned=pairs.aligned, engine=engine)
    return evaluate_pairs(pairs, vectors, rates=rates)


def evaluate_pairs(
    pairs: Pairs,
    vectors: NDArray[np.float32],
    *,
    seconds: NDArray[np.float32] | None = None,
    rates: Sequence[float] = (1e-2, 1e-3),
) -> VerificationReport:
    """The same of pictures that were embedded already; see `mien.evaluation.scores.Scores.of_pairs`."""
    scores = Scores.of_pairs(pairs, vectors, seconds=seconds)
    return evaluate_scores(
        scores.values,
        scores.first,
        scores.second,
        folds=scores.folds,
        rates=rates,
        pictures=len(pairs.pictures),
        without_face=int(np.isnan(vectors[:, 0]).sum()),
        named=pairs.named,
    )


def evaluate_scores(
    scores: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    folds: ArrayLike | None = None,
    rates: Sequence[float] = (1e-2, 1e-3),
    pictures: int = 0,
    without_face: int = 0,
    named: bool = True,
    resamples: int = 200,
    seed: int = 0,
) -> VerificationReport:
    """Measure scores of pairs.

    Parameters
    ----------
    scores : (P,) array-like
    first, second : (P,) integers
        The person on each side, from 0; the pair is genuine where they are equal.
    folds : (P,) integers, optional
        The part of the protocol that each pair belongs to.
    rates : sequence of float
        False accept rates to report at.
    pictures, without_face, named
        Carried into the report.
    resamples, seed : int
        Of the bootstrap over people.

    Raises
    ------
    ShapeMismatch
        If the arrays differ in length.
    UsageError
        If there are no genuine or no impostor pairs, or a rate is none.
    """
    parts = None if folds is None else np.asarray(folds, np.intp)
    found = Scores(np.asarray(scores, np.float64), np.asarray(first, np.intp), np.asarray(second, np.intp), parts)
    check_rates(rates)
    curve(found)  # refuses pairs of one kind only
    genuine, people = found.genuine, found.people
    thresholds = [threshold_at(found.values[~genuine], rate) for rate in rates]

    draw = np.random.default_rng(seed)
    ordered = found.where(np.argsort(-found.values, kind="stable"))  # sorted once is sorted for every draw
    resampled = []
    for _ in range(resamples):
        weights = pair_weights(ordered, draw.choice(people, len(people)))
        if weights[ordered.genuine].any() and weights[~ordered.genuine].any():
            resampled.append(_measure(ordered, weights, rates))
    (auc, eer, *tars) = _measure(ordered, np.ones(len(ordered)), rates)
    ends = np.quantile(resampled, ENDS, axis=0).T.tolist()
    intervals = [(low, high) for low, high in ends]
    points = tuple(
        OperatingPoint(
            far=rate,
            threshold=threshold,
            tar=tar,
            interval=widen(interval, tar, int(genuine.sum())),
            accepted=int((found.values[genuine] >= threshold).sum()),
            false_accepts=int((found.values[~genuine] >= threshold).sum()),
        )
        for rate, threshold, tar, interval in zip(rates, thresholds, tars, intervals[2:], strict=True)
    )
    # A mean of so many values in [0, 1] varies no more than a rate of so many independent trials.
    fewer = int(min(genuine.sum(), (~genuine).sum()))
    return VerificationReport(
        people=len(people),
        pictures=pictures,
        without_face=without_face,
        genuine=int(genuine.sum()),
        impostor=int((~genuine).sum()),
        auc=auc,
        auc_interval=widen(intervals[0], auc, fewer),
        eer=eer,
        eer_interval=widen(intervals[1], eer, fewer),
        points=points,
        folds=evaluate_folds(found) if parts is not None and len(np.unique(parts)) > 1 else None,
        named=named,
    )


def pair_weights(scores: Scores, drawn: NDArray[np.intp]) -> Doubles:
    """How often each pair (P,) is in a sample of these people, drawn with replacement.

    A person drawn twice counts as two people: their pairs with themselves stay genuine.
    """
    last = int(max(scores.first.max(), scores.second.max()))
    count = np.bincount(drawn, minlength=last + 1).astype(np.float64)
    return np.where(scores.genuine, count[scores.first], count[scores.first] * count[scores.second])


def _measure(scores: Scores, weights: Doubles, rates: Sequence[float]) -> list[float]:
    """AUC, EER and the TAR at each false accept rate of weighted pairs, at the threshold that *they* have there."""
    found = curve(scores, weights=weights)
    auc = float(np.trapezoid(1 - found.fnmr, found.fmr))
    crossing = int(np.argmax(found.fmr >= found.fnmr))
    gap = found.fnmr - found.fmr  # falls from 1 to -1: the error rates are equal where it is 0
    part = gap[crossing - 1] / (gap[crossing - 1] - gap[crossing])
    eer = float(found.fmr[crossing - 1] + part * (found.fmr[crossing] - found.fmr[crossing - 1]))
    places = [int(np.searchsorted(found.fmr, rate * (1 + 1e-9), side="right")) - 1 for rate in rates]
    return [auc, eer, *(float(1 - found.fnmr[place]) for place in places)]
