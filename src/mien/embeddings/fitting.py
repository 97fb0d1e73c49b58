"""Making calibration tables: how often strangers reach a score, from vectors of people.

How a curve is made:

- Each person counts once, all pairs of two persons are impostor pairs.
- Down to 2 % the score of a rate is the quantile; below, the scores above the 2 % quantile are given an exponential
  tail, the limit law of exceedances (Pickands, *Statistical inference using extreme order statistics*, 1975) with its
  shape held at zero. Cosines are bounded, so the true tail is shorter: this errs to the safe side. Where at least ten
  pairs have a rate, the quantile is kept if it is higher.
- Pairs that share a person are not independent, so the uncertainty is taken over *people*: the score kept for each
  rate is the 90 % point of a bootstrap that draws people with replacement.
- A rate below 10 / pairs is extrapolated, and says so; one a hundred times lower still is not given at all, nor one
  whose score would be higher than 1.

Of many people only the highest scores are kept, so that 50 million pairs need no more memory than one million; rates
of 2 % and more then come from 1,000 of the people, drawn at random.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.embeddings.calibration import Calibration
from mien.embeddings.strata import EMPIRICAL_PAIRS, Genuine, Range, Stratum, Traits

__all__ = ["KINDS", "Kind", "fit_calibration", "fit_genuine", "fit_stratum"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

TAIL = 0.02  # the part of the scores that the tail is fitted to
CONFIDENCE = 0.9  # the point of the bootstrap distribution that is kept
REACH = 100.0  # how far below the counted rates the tail is believed
FEWEST_PAIRS = round(EMPIRICAL_PAIRS / TAIL)
RESAMPLES = 400

BULK_PEOPLE = 1000  # with more, the rates above the tail come from so many of them
BLOCK = 512  # rows of scores that are computed at a time

SMALL_HEIGHT, CLEAR_HEIGHT, TALLEST = 28.0, 64.0, 100_000.0  # pixels
POOR, CLEAR = 0.2, 0.6  # recognizability
OLDEST = 150.0  # years
GROWN, YOUNG, CHILD = (18.0, OLDEST), (0.0, 18.0), (0.0, 8.0)


@dataclass(frozen=True)
class Kind:
    """A kind of pairs; the parameters are those of `Stratum`."""

    name: str
    ages: tuple[Range, Range]
    size: Range
    quality: Range


_AGES = {"adult": (GROWN, GROWN), "mixed": (YOUNG, GROWN), "minor": (YOUNG, YOUNG), "child": (CHILD, CHILD)}
_LOOKS = {
    "": ((CLEAR_HEIGHT, TALLEST), (CLEAR, math.inf)),
    ", small": ((SMALL_HEIGHT, CLEAR_HEIGHT), (CLEAR, math.inf)),
    ", poor": ((SMALL_HEIGHT, TALLEST), (POOR, CLEAR)),
}
#: The kinds that tables distinguish: by age, each clear, small, or poor.
KINDS = tuple(Kind(name + look, ages, *kind) for look, kind in _LOOKS.items() for name, ages in _AGES.items())


def fit_stratum(
    scores: ArrayLike,
    first: ArrayLike,
    second: ArrayLike,
    *,
    name: str,
    ages: tuple[Range, Range],
    size: Range,
    quality: Range = (0.0, math.inf),
    genuine: Genuine | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Stratum:
    """Measure one curve from impostor pairs; the module's docstring says how.

    Parameters
    ----------
    scores : (P,) array-like
        Cosine similarities of pairs of different people.
    first, second : (P,) integers
        Which person each side is, from 0.
    name, ages, size, quality, genuine
        As in `Stratum`.
    resamples, seed : int
        Of the bootstrap over people.

    Raises
    ------
    ShapeMismatch
        If the arrays differ in length.
    UsageError
        If there are fewer than 500 pairs (10 in the fitted tail), or one with a single person.
    """
    values = np.asarray(scores, dtype=np.float64)
    one, two = np.asarray(first, dtype=np.intp), np.asarray(second, dtype=np.intp)
    if values.ndim != 1 or one.shape != values.shape or two.shape != values.shape:
        raise ShapeMismatch(f"scores {values.shape} and people {one.shape}, {two.shape} do not fit: all are (P,).")
    if len(values) < FEWEST_PAIRS or (one == two).any():
        raise UsageError(f"a curve needs 500 pairs or more of different people, got {len(values)}.")
    rates = _rates(EMPIRICAL_PAIRS / len(values) / REACH)
    people = np.unique(np.concatenate([one, two]))
    curve = _bootstrap(values, one, two, rates, people, resamples=resamples, seed=seed)
    return _stratum(Kind(name, ages, size, quality), len(people), len(values), rates, curve, genuine)


def fit_genuine(vectors: ArrayLike, people: ArrayLike) -> Genuine | None:
    """The scores of pairs of one person, each person counting once.

    Parameters
    ----------
    vectors : (N, D) array-like
        Of length 1; rows with NaN do not count.
    people : (N,) integers or names
        Who each is of.

    Returns
    -------
    Genuine or None
        None where fewer than two people have two vectors, or all scores are equal.
    """
    values, who = np.asarray(vectors, np.float32), np.asarray(people)
    scores = []
    for person in np.unique(who):
        own = values[who == person]
        own = own[np.isfinite(own).all(axis=1)]
        if len(own) > 1:
            scores.append((own @ own.T)[np.triu_indices(len(own), 1)].astype(np.float64))
    if len(scores) < 2:
        return None
    joined, weights = np.concatenate(scores), np.concatenate([np.full(len(part), 1 / len(part)) for part in scores])
    mean = float(np.average(joined, weights=weights))
    deviation = math.sqrt(float(np.average((joined - mean) ** 2, weights=weights)))
    if deviation < 1e-4:
        return None
    return Genuine(len(scores), len(joined), round(mean, 4), round(deviation, 4))


def fit_calibration(
    vectors: ArrayLike,
    people: Sequence[str] | ArrayLike,
    traits: Sequence[Traits] | None = None,
    *,
    space: str,
    name: str,
    data: str,
    data_terms: str = "unknown",
    resamples: int = RESAMPLES,
    seed: int = 0,
) -> Calibration:
    """Make a table from vectors of people; the module's docstring says how.

    10,000 people, 50 million pairs, take less than a minute on one core and a few hundred megabytes.

    Parameters
    ----------
    vectors : (N, D) array-like
        Embeddings of length 1; rows with NaN do not count.
    people : (N,) names or integers
        Who each is of. Of several of one person, one at random makes pairs with strangers; all make pairs of one
        person, for the likelihood ratio.
    traits : sequence of N Traits, optional
        What is known of the faces. Those strata of `KINDS` are made of which there are 500 pairs whose traits leave no
        doubt; where there are none, or without traits, all pairs are one stratum, "anyone", for the ages, sizes and
        recognizabilities that occur.
    space, name, data, data_terms
        As in `Calibration`; terms pass on to the table.
    resamples, seed : int
        Of the bootstrap over people.

    Raises
    ------
    ShapeMismatch
        If the arrays differ in length.
    UsageError
        If there are fewer than 500 pairs of different people: 33 people are enough.
    """
    values, who = np.asarray(vectors, np.float32), np.asarray(people)
    if values.ndim != 2 or who.shape != (len(values),) or (traits is not None and len(traits) != len(values)):
        raise ShapeMismatch(f"vectors {values.shape}, people {who.shape} and traits do not fit: (N, D), (N,) and N.")
    usable = np.flatnonzero(np.isfinite(values).all(axis=1))
    draw = np.random.default_rng(seed)
    _, firsts = np.unique(who[(order := draw.permutation(usable))], return_index=True)
    rows = np.sort(order[firsts])
    known = [Traits()] * len(values) if traits is None else list(traits)
    looks = _Looks.of([known[row] for row in rows])
    makers = [_Pairs(values[rows], looks, kind) for kind in KINDS] if traits is not None else []
    makers = [maker for maker in makers if maker.count >= FEWEST_PAIRS]
    makers = makers or [_Pairs(values[rows], looks, looks.anyone())]
    if makers[0].count < FEWEST_PAIRS:
        raise UsageError(
            f"a calibration needs {FEWEST_PAIRS} pairs of different people, such as 33 people; "
            f"{len(rows)} people with a face make {makers[0].count}."
        )
    every = _Looks.of([known[row] for row in usable])
    strata = []
    for maker in makers:
        inside = usable[every.inside(maker.kind)]
        genuine = fit_genuine(values[inside], who[inside])
        strata.append(maker.fit(genuine, resamples=resamples, seed=seed))
    return Calibration(name, space, dt.datetime.now(dt.UTC).date(), data, data_terms, tuple(strata))


@dataclass(frozen=True)
class _Looks:
    """Traits of N faces, each as lowest and highest (N, 2)."""

    ages: Doubles
    size: Doubles
    quality: Doubles

    @classmethod
    def of(cls, traits: Sequence[Traits]) -> _Looks:
        parts = ([getattr(t, part) for t in traits] for part in ("ages", "size", "quality"))
        return cls(*(np.array(part, np.float64).reshape(-1, 2) for part in parts))

    def anyone(self) -> Kind:
        """The kind that all of them are of: whatever occurs, and all of what is not known."""
        ages = float(self.ages[:, 0].min(initial=OLDEST)), float(self.ages[:, 1].max(initial=0)) + 1
        smallest, poorest = self.size[:, 0].min(initial=TALLEST), self.quality[:, 0].min(initial=1)
        return Kind(
            "anyone", (ages, ages), (math.floor(smallest), TALLEST), (math.floor(poorest * 100) / 100, math.inf)
        )

    def reach(self, part: str, place: Range) -> NDArray[np.bool_]:
        """Which of them surely lie at or above the start of a range (N,)."""
        return np.asarray(getattr(self, part)[:, 0] >= place[0])

    def stay(self, part: str, place: Range) -> NDArray[np.bool_]:
        """Which of them surely lie below its end (N,)."""
        top = {"ages": OLDEST, "size": TALLEST, "quality": math.inf}[part]
        return np.asarray((getattr(self, part)[:, 1] < place[1]) | (place[1] >= top))

    def aged(self, ages: Range) -> NDArray[np.bool_]:
        return self.reach("ages", ages) & self.stay("ages", ages)

    def inside(self, kind: Kind) -> NDArray[np.bool_]:
        """Which of them make pairs of this kind with themselves."""
        looks = (self.reach(p, getattr(kind, p)) & self.stay(p, getattr(kind, p)) for p in ("size", "quality"))
        return np.asarray(np.logical_and.reduce([*looks, self.aged(kind.ages[0]), self.aged(kind.ages[1])]))


class _Pairs:
    """The pairs of one kind among N people with one vector each."""

    def __init__(self, vectors: Floats, looks: _Looks, kind: Kind) -> None:
        self.kind = kind
        young, old = looks.aged(kind.ages[0]), looks.aged(kind.ages[1])
        stay = looks.stay("size", kind.size) & looks.stay("quality", kind.quality)
        rows = np.flatnonzero((young | old) & stay)
        # The larger, or better, face of a pair must reach the start of a range; both must stay below its end.
        self._young, self._old, self._tall, self._good = (
            mask[rows] for mask in (young, old, looks.reach("size", kind.size), looks.reach("quality", kind.quality))
        )
        self._vectors = vectors[rows]
        self._degrees = np.zeros(len(rows), np.int64)  # pairs of each person
        for start, valid in self._valid():
            self._degrees[start : start + len(valid)] += valid.sum(axis=1)
            self._degrees += valid.sum(axis=0)
        self.count = int(self._degrees.sum()) // 2

    def fit(self, genuine: Genuine | None, *, resamples: int, seed: int) -> Stratum:
        people = np.flatnonzero(self._degrees)
        rates = _rates(EMPIRICAL_PAIRS / self.count / REACH)
        if len(self._vectors) <= BULK_PEOPLE:
            curve = _bootstrap(*self._above(-np.inf), rates, people, resamples=resamples, seed=seed)
            return _stratum(self.kind, len(people), self.count, rates, curve, genuine)
        some = np.random.default_rng(seed).choice(len(self._vectors), BULK_PEOPLE, replace=False)
        values, one, two = self._above(-np.inf, np.sort(some))
        bulk = _bootstrap(values, one, two, rates, np.sort(some), resamples=resamples, seed=seed)
        # Half as many again as the tail needs: the draws of the bootstrap reach down unequally far.
        floor = float(np.quantile(values, 1 - 1.5 * TAIL))
        tail = _bootstrap(
            *self._above(floor), rates, people, resamples=resamples, seed=seed, degrees=self._degrees.astype(np.float64)
        )
        curve = np.where(rates > TAIL, bulk, tail)
        return _stratum(self.kind, len(people), self.count, rates, curve, genuine)

    def _valid(self, among: Indices | None = None) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Which pairs are of the kind: blocks of rows against all, each pair once."""
        masks = (self._young, self._old, self._tall, self._good)
        young, old, tall, good = masks if among is None else (mask[among] for mask in masks)
        for start in range(0, len(young), BLOCK):
            part = slice(start, start + BLOCK)
            valid = young[part, None] & old | old[part, None] & young
            valid &= tall[part, None] | tall
            valid &= good[part, None] | good
            yield start, np.triu(valid, start + 1)

    def _above(self, floor: float, among: Indices | None = None) -> tuple[Doubles, Indices, Indices]:
        """Scores above a number, and the rows of their two people."""
        rows = np.arange(len(self._vectors)) if among is None else among
        vectors = self._vectors[rows]
        found = []
        for start, valid in self._valid(among):
            scores = vectors[start : start + BLOCK] @ vectors.T
            i, j = np.nonzero(valid & (scores > floor))
            found.append((scores[i, j].astype(np.float64), rows[i + start], rows[j]))
        values, one, two = (np.concatenate(parts) for parts in zip(*found, strict=True))
        return values, one, two


def _stratum(kind: Kind, people: int, pairs: int, rates: Doubles, curve: Doubles, genuine: Genuine | None) -> Stratum:
    scores = np.round(curve, 4)
    for place in range(1, len(scores)):  # scores that are rounded to one still rise
        scores[place] = max(scores[place], round(scores[place - 1] + 1e-4, 4))
    # A rate that only a score beyond 1 would hold cannot be held: not even one picture compared with itself has it.
    kept = max(int((scores <= 1).sum()), 2)
    measured = tuple(rates[:kept].tolist()), tuple(scores[:kept].tolist())
    return Stratum(kind.name, kind.ages, kind.size, people, pairs, *measured, kind.quality, genuine)


def _rates(lowest: float) -> Doubles:
    """0.5, 0.2, 0.1, 0.05 ... down to the first that is not below `lowest`."""
    decades = range(1, 2 + math.ceil(-math.log10(lowest)))
    rates = [digit / 10**decade for decade in decades for digit in (5, 2, 1)]
    return np.array([rate for rate in rates if rate >= lowest])


def _bootstrap(
    values: Doubles,
    one: Indices,
    two: Indices,
    rates: Doubles,
    people: Indices,
    *,
    resamples: int,
    seed: int,
    degrees: Doubles | None = None,
) -> Doubles:
    """Score of each rate: the 90 % point over draws of people with replacement.

    Where `values` are but the highest scores, `degrees` are the pairs that each person is in: they tell how many pairs
    a draw has.
    """
    order = np.argsort(-values)
    values, one, two = values[order], one[order], two[order]
    draw = np.random.default_rng(seed)
    curves = []
    for _ in range(resamples):
        count = np.bincount(draw.choice(people, len(people)), minlength=people[-1] + 1)
        weights = (count[one] * count[two]).astype(np.float64)
        # The sum of count[i] count[j] over all pairs, to the first order in how far the counts are from 1.
        total = weights.sum() if degrees is None else degrees.sum() / 2 * (count @ degrees / degrees.sum()) ** 2
        curves.append(_curve(values, weights, total, rates))
    return np.asarray(np.quantile(curves, CONFIDENCE, axis=0))


def _curve(values: Doubles, weights: Doubles, total: float, rates: Doubles) -> Doubles:
    """Score of each rate; `values` fall, and each counts `weights` times, of `total` in all."""
    reached = np.cumsum(weights) / total
    counted = values[np.minimum(np.searchsorted(reached, rates), len(values) - 1)]
    start = min(int(np.searchsorted(reached, TAIL)), len(values) - 1)
    mean_excess = np.average(values[: start + 1] - values[start], weights=weights[: start + 1])
    tail = values[start] + mean_excess * np.log(TAIL / rates)
    # Pairs of poor faces are of many qualities at once, and their tail is heavier than an exponential one.
    countable = rates * total >= EMPIRICAL_PAIRS
    return np.where(rates >= TAIL, counted, np.where(countable, np.maximum(counted, tail), tail))
