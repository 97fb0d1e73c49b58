"""How well an embedder tells people apart: AUC, equal error rate, true accepts at false accept rates.

Every number comes with its counts and an interval over *people*: pairs that share a person are not independent, so
people are drawn with replacement (bootstrap), not pairs. Where every pair was accepted the bootstrap has nothing to
vary, so that the interval of a rate is never narrower than Wilson's for independent pairs.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import NoFace, ShapeMismatch, UsageError
from mien.core.image import Image
from mien.engine import Engine, default_engine
from mien.evaluation.intervals import Interval, wilson
from mien.evaluation.pairs import Pairs

__all__ = [
    "OperatingPoint",
    "VerificationReport",
    "embed_pictures",
    "evaluate_scores",
    "evaluate_verification",
]

Doubles = NDArray[np.float64]
Indices = NDArray[np.intp]

COVERAGE = 0.95  # of the intervals
REJECTED = -2.0  # below every cosine: the score of a pair with a picture in which no face was found


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
        95 % interval of `tar` over people.
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

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_verification(
    source: Pairs | str | os.PathLike[str],
    *,
    rates: Sequence[float] = (1e-2, 1e-3),
    alter: Callable[[Image], Image] | None = None,
    engine: Engine | None = None,
) -> VerificationReport:
    """Measure the engine's embedder on labelled pictures.

    Parameters
    ----------
    source : Pairs or path
        A folder with one folder of pictures per person (all pairs are used), or a file like LFW's ``pairs.txt``.
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
    UsageError
        If there are no genuine or no impostor pairs.
    """
    pairs = (
        source
        if isinstance(source, Pairs)
        else (Pairs.of_folder(source) if Path(source).is_dir() else Pairs.of_file(source))
    )
    vectors = embed_pictures(pairs.pictures, alter=alter, engine=engine)
    scores = (vectors[pairs.first] * vectors[pairs.second]).sum(axis=1)
    _, people = np.unique(pairs.people, return_inverse=True)
    return evaluate_scores(
        np.nan_to_num(scores, nan=REJECTED),
        people[pairs.first],
        people[pairs.second],
        rates=rates,
        pictures=len(pairs.pictures),
        without_face=int(np.isnan(vectors[:, 0]).sum()),
    )


def embed_pictures(
    pictures: Sequence[Path], *, alter: Callable[[Image], Image] | None = None, engine: Engine | None = None
) -> NDArray[np.float32]:
    """The vector of the largest face of each picture, (N, D); NaN where no face was found.

    Raises
    ------
    NoFace
        If no picture has a face.
    """
    engine = engine or default_engine()
    rows: list[NDArray[np.float32] | None] = []
    for picture in pictures:
        faces = engine.analyze(picture, want={"embedding"} if alter is None else {"alignment"}).top(1)
        if len(faces) and alter is not None:
            faces = engine.analyze([alter(faces[0].crop(template="arcface112"))], aligned=True, want={"embedding"})
        rows.append(faces.embedding.values[0] if len(faces) else None)
    found = [row for row in rows if row is not None]
    if not found:
        raise NoFace(f"no face in any of {len(pictures)} pictures.")
    return np.stack([np.full_like(found[0], np.nan) if row is None else row for row in rows])


def evaluate_scores(
    scores: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    rates: Sequence[float] = (1e-2, 1e-3),
    pictures: int = 0,
    without_face: int = 0,
    resamples: int = 200,
    seed: int = 0,
) -> VerificationReport:
    """Measure scores of pairs.

    Parameters
    ----------
    scores : (P,) array-like
    first, second : (P,) integers
        The person on each side, from 0; the pair is genuine where they are equal.
    rates : sequence of float
        False accept rates to report at.
    pictures, without_face : int
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
    values = np.asarray(scores, np.float64)
    one, two = np.asarray(first, np.intp), np.asarray(second, np.intp)
    if values.ndim != 1 or one.shape != values.shape or two.shape != values.shape:
        raise ShapeMismatch(f"scores {values.shape} and people {one.shape}, {two.shape} do not fit: all are (P,).")
    if any(not 0 < rate < 1 for rate in rates):
        raise UsageError(f"false accept rates are between 0 and 1; got {list(rates)}.")
    order = np.argsort(-values, kind="stable")
    values, one, two = values[order], one[order], two[order]
    genuine = one == two
    if not genuine.any() or genuine.all():
        raise UsageError("genuine and impostor pairs are both needed: two people, and one with two pictures.")
    people = np.unique(np.concatenate([one, two]))
    thresholds = [_threshold(values[~genuine], rate) for rate in rates]

    draw = np.random.default_rng(seed)
    resampled = []
    for _ in range(resamples):
        count = np.bincount(draw.choice(people, len(people)), minlength=people[-1] + 1)
        # A person drawn twice counts as two people: their pairs with themselves stay genuine.
        weights = np.where(genuine, count[one], count[one] * count[two]).astype(np.float64)
        if weights[genuine].any() and weights[~genuine].any():
            resampled.append(_measure(values, genuine, weights, thresholds))
    (auc, eer, *tars) = _measure(values, genuine, np.ones(len(values)), thresholds)
    ends = np.quantile(resampled, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2], axis=0).T.tolist()
    intervals = [(low, high) for low, high in ends]
    points = tuple(
        OperatingPoint(
            far=rate,
            threshold=threshold,
            tar=tar,
            interval=_widen(interval, tar, int(genuine.sum())),
            accepted=int((values[genuine] >= threshold).sum()),
            false_accepts=int((values[~genuine] >= threshold).sum()),
        )
        for rate, threshold, tar, interval in zip(rates, thresholds, tars, intervals[2:], strict=True)
    )
    return VerificationReport(
        people=len(people),
        pictures=pictures,
        without_face=without_face,
        genuine=int(genuine.sum()),
        impostor=int((~genuine).sum()),
        auc=auc,
        auc_interval=intervals[0],
        eer=eer,
        eer_interval=intervals[1],
        points=points,
    )


def _threshold(falling: Doubles, rate: float) -> float:
    """The lowest score at which at most this part of the impostor scores, which fall, is accepted."""
    allowed = int(np.floor(rate * len(falling) + 1e-9))
    return float(np.nextafter(falling[allowed], np.inf))


def _widen(interval: Interval, rate: float, trials: int) -> Interval:
    """The interval, or Wilson's for a rate of independent trials at the ends where that one is wider."""
    low, high = wilson(rate * trials, trials, level=COVERAGE)
    return min(interval[0], low), max(interval[1], high)


def _measure(values: Doubles, genuine: NDArray[np.bool_], weights: Doubles, thresholds: Sequence[float]) -> list[float]:
    """AUC, EER and the TAR at each threshold of weighted pairs, whose scores fall."""
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True))  # equal scores are accepted together
    tpr = np.cumsum(weights * genuine)[ends] / (weights * genuine).sum()
    fpr = np.cumsum(weights * ~genuine)[ends] / (weights * ~genuine).sum()
    tpr, fpr = np.concatenate([[0.0], tpr]), np.concatenate([[0.0], fpr])
    auc = float(np.trapezoid(tpr, fpr))
    crossing = int(np.argmax(fpr >= 1 - tpr))
    gap = (1 - tpr) - fpr  # falls from 1 to -1: the error rates are equal where it is 0
    part = gap[crossing - 1] / (gap[crossing - 1] - gap[crossing])
    eer = float(fpr[crossing - 1] + part * (fpr[crossing] - fpr[crossing - 1]))
    accepted = [weights[genuine & (values >= threshold)].sum() for threshold in thresholds]
    return [auc, eer, *(float(part / weights[genuine].sum()) for part in accepted)]
