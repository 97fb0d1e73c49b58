"""What searches of a gallery found, and the measures of identification on it.

A *mated* probe is of somebody who is in the gallery, a *non-mated* one of a stranger. Closed set: how often the right
person is among the first so many (cumulative match characteristic, CMC). Open set: at the threshold that lets so many
strangers have a hit (false positive identification rate, FPIR), how often the right person is missed (false negative
identification rate, FNIR). Grother, Ngan, Hanaoka, *FRVT part 2: identification*, NISTIR 8271, 2019; ISO/IEC 19795-1.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.evaluation.intervals import ENDS, Interval, widen
from mien.evaluation.scores import REJECTED, check_rates, threshold_at

__all__ = ["FPIR", "FpirPoint", "RankPoint", "Searches", "check_ranks", "match_ranks", "open_set"]

Doubles = NDArray[np.float64]
Indices = NDArray[np.intp]

FPIR = "false positive identification rates"  # in messages


@dataclass(frozen=True)
class Searches:
    """What was found for M mated and S non-mated probes in a gallery of G people.

    Parameters
    ----------
    gallery : int
        People in the gallery.
    mated : (M,) integers
        Who each mated probe is of.
    mates : (M,) float64
        The score of that person; `REJECTED` where the search did not give it.
    ranks : (M,) integers
        The person's place, from 1: one more than the others that score as high or higher.
    strangers : (S,) integers
        Who each non-mated probe is of.
    tops : (S,) float64
        The highest score of anybody.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit.
    """

    gallery: int
    mated: Indices
    mates: Doubles
    ranks: Indices
    strangers: Indices
    tops: Doubles

    def __post_init__(self) -> None:
        mated = {self.mated.shape, self.mates.shape, self.ranks.shape}
        if len(mated) > 1 or self.strangers.shape != self.tops.shape or self.mates.ndim != 1 or self.tops.ndim != 1:
            raise ShapeMismatch("each mated probe has a person, a score and a rank, each other a person and a score.")

    @classmethod
    def of_scores(cls, scores: NDArray[np.floating], people: Indices) -> Searches:
        """From the score of each probe with each person of the gallery.

        Parameters
        ----------
        scores : (Q, G) float
            NaN where a probe, or a person, cannot be compared, or a search did not give the person.
        people : (Q,) integers
            Who each probe is of: 0 to G - 1 in the gallery, anything else: a stranger of that number.
        """
        if scores.ndim != 2 or people.shape != scores.shape[:1] or not scores.shape[1]:
            raise ShapeMismatch(f"scores {scores.shape} and people {people.shape} do not fit: (Q, G) and (Q,).")
        known = np.nan_to_num(scores.astype(np.float64), nan=REJECTED)
        inside = (people >= 0) & (people < scores.shape[1])
        mates = known[inside][np.arange(int(inside.sum())), people[inside]]
        # The person itself is one of those that score as high.
        ranks = (known[inside] >= mates[:, None]).sum(axis=1)
        return cls(scores.shape[1], people[inside], mates, ranks, people[~inside], known[~inside].max(axis=1))


@dataclass(frozen=True)
class RankPoint:
    """How many mated probes have their person among the first `rank`; the interval is 95 % over people."""

    rank: int
    rate: float
    interval: Interval
    found: int


@dataclass(frozen=True)
class FpirPoint:
    """One operating point of open-set search; intervals are 95 % over people.

    Parameters
    ----------
    fpir : float
        The rate asked for.
    threshold, fnir : float or None
        None where so few strangers were searched for that none of them may have a hit.
    interval : (low, high)
        Of `fnir`, with the threshold drawn anew.
    false : int
        Strangers with a hit.
    realised : (low, high)
        The rates that so many hits among so many strangers may stand for.
    reason : str
        Why there is no answer.
    """

    fpir: float
    threshold: float | None
    fnir: float | None
    interval: Interval
    false: int
    realised: Interval
    reason: str = ""


def check_ranks(ranks: Sequence[int]) -> None:
    """Refuse what is no rank, UsageError."""
    if any(rank < 1 for rank in ranks):
        raise UsageError(f"ranks count from 1; got {list(ranks)}.")


def match_ranks(
    searches: Searches, ranks: Sequence[int] = (1, 5, 10, 20), *, resamples: int = 200, seed: int = 0
) -> tuple[RankPoint, ...]:
    """Closed-set identification rates at some ranks, from 1; ranks beyond the gallery's people are left out.

    Raises
    ------
    UsageError
        If a rank is none, or there are no mated probes.
    """
    check_ranks(ranks)
    if not len(searches.mated):
        raise UsageError("there is no probe of anybody in the gallery.")
    wanted = [rank for rank in ranks if rank <= searches.gallery]
    # A probe that could not be compared has the last rank only because all tie: it is not found.
    hits = [(searches.ranks <= rank) & (searches.mates > REJECTED) for rank in wanted]
    draw = np.random.default_rng(seed)
    draws = [_drawn(searches.mated, draw) for _ in range(resamples)]
    points = []
    for rank, hit in zip(wanted, hits, strict=True):
        rate = float(hit.mean())
        low, high = np.quantile([float(hit[rows].mean()) for rows in draws], ENDS).tolist()
        points.append(RankPoint(rank, rate, widen((low, high), rate, len(hit)), int(hit.sum())))
    return tuple(points)


def open_set(
    searches: Searches, rates: Sequence[float] = (0.003, 0.01, 0.1), *, resamples: int = 200, seed: int = 0
) -> tuple[FpirPoint, ...]:
    """FNIR at some FPIR: the right person is not found, or below the threshold.

    Raises
    ------
    UsageError
        If a rate is none, or there are no mated probes.
    """
    check_rates(rates, FPIR)
    if not len(searches.mated):
        raise UsageError("there is no probe of anybody in the gallery.")
    draw = np.random.default_rng(seed)
    draws = [(_drawn(searches.mated, draw), _drawn(searches.strangers, draw)) for _ in range(resamples)]
    return tuple(_open_point(searches, rate, draws) for rate in rates)


def _open_point(searches: Searches, rate: float, draws: Sequence[tuple[Indices, Indices]]) -> FpirPoint:
    strangers = len(searches.tops)
    if rate * strangers < 1 - 1e-9:
        reason = f"{strangers} probes of strangers cannot show a rate of {rate:g}: {int(np.ceil(1 / rate))} are needed."
        return FpirPoint(rate, None, None, (0.0, 1.0), 0, (0.0, 1.0), reason)
    threshold = threshold_at(searches.tops, rate)
    fnir = float((searches.mates < threshold).mean())
    found = [
        float((searches.mates[mated] < threshold_at(searches.tops[others], rate)).mean()) for mated, others in draws
    ]
    low, high = np.quantile(found, ENDS).tolist()
    hits = searches.tops >= threshold
    least, most = np.quantile([float(hits[others].mean()) for _, others in draws], ENDS).tolist()
    return FpirPoint(
        fpir=rate,
        threshold=threshold,
        fnir=fnir,
        interval=widen((low, high), fnir, len(searches.mated)),
        false=int(hits.sum()),
        realised=widen((least, most), float(hits.mean()), strangers),
    )


def _drawn(people: Indices, draw: np.random.Generator) -> Indices:
    """Rows of as many people, drawn with replacement: all rows of each, as often as the person was drawn."""
    names, owners = np.unique(people, return_inverse=True)
    if not len(names):
        return np.zeros(0, np.intp)
    times = np.bincount(draw.integers(len(names), size=len(names)), minlength=len(names))
    return np.repeat(np.arange(len(people)), times[owners])
