"""The kinds of pairs that a calibration tells apart, and the curve of one kind: strangers' rates by score."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import CardError, NotCalibrated

__all__ = ["ANY", "EMPIRICAL_PAIRS", "Genuine", "Range", "Stratum", "Traits", "higher"]

Range = tuple[float, float]  # from, up to but not including
Doubles = NDArray[np.float64]

EMPIRICAL_PAIRS = 10  # a rate is counted, not extrapolated, where it means at least this many pairs


@dataclass(frozen=True)
class Traits:
    """What is known of a face, for choosing the strata that it may belong to.

    Parameters
    ----------
    ages : (low, high)
        Years between which the person's age is.
    size : (low, high)
        Pixels between which the height of the face's box in its picture is.
    quality : (low, high)
        Numbers in [0, 1] between which its recognizability is.
    """

    ages: Range = (0.0, 150.0)
    size: Range = (0.0, math.inf)
    quality: Range = (0.0, 1.0)


ANY = Traits()  #: nothing is known


@dataclass(frozen=True)
class Genuine:
    """Scores of pairs of one person, as a normal distribution: what a likelihood ratio needs beside the strangers'.

    Parameters
    ----------
    people, pairs : int
        What it was measured on; each person counts once, however many pairs there are of them.
    mean, deviation : float
        Of their cosines.
    """

    people: int
    pairs: int
    mean: float
    deviation: float

    def __post_init__(self) -> None:
        if self.people < 1 or not self.deviation > 0 or not -1 <= self.mean <= 1:
            raise CardError("genuine scores are cosines of one person or more, and vary.")


@dataclass(frozen=True)
class Stratum:
    """The curve of one kind of pairs.

    Parameters
    ----------
    name : str
    ages : two of (from, up to)
        Ages of the one and of the other person, in years.
    size : (from, up to)
        Height in pixels of the *larger* face of the pair. The smaller one does no harm: two faces are confused when
        both lack detail.
    people, pairs : int
        What it was measured on.
    rates, scores : tuple of float
        False accept rates, falling, and the score that has each.
    quality : (from, up to)
        Recognizability of the *better* face of the pair: as with size, one that can be recognised is enough.
    genuine : Genuine, optional
        Scores of one person's pairs of this kind, where some were measured.
    """

    name: str
    ages: tuple[Range, Range]
    size: Range
    people: int
    pairs: int
    rates: tuple[float, ...]
    scores: tuple[float, ...]
    quality: Range = (0.0, math.inf)
    genuine: Genuine | None = None

    def __post_init__(self) -> None:
        if len(self.rates) != len(self.scores) or len(self.rates) < 2:
            raise CardError(f"stratum {self.name!r}: one score for each of at least two rates is needed.")
        # Written so that NaN passes none of these.
        if not all(1 > high > low > 0 for high, low in itertools.pairwise(self.rates)):
            raise CardError(f"stratum {self.name!r}: the rates must fall, and lie between 0 and 1.")
        if not all(-math.inf < low < high < math.inf for low, high in itertools.pairwise(self.scores)):
            raise CardError(f"stratum {self.name!r}: the scores must rise.")
        if self.people < 1 or self.pairs < 1:
            raise CardError(f"stratum {self.name!r}: a curve is of one pair of people or more.")

    @property
    def counted_down_to(self) -> float:
        """The lowest rate that was counted; lower ones are extrapolated."""
        return EMPIRICAL_PAIRS / self.pairs

    def may_hold(self, one: Traits, other: Traits) -> bool:
        """Whether a pair of faces of which this is known may belong here."""
        ages = (_overlap(one.ages, a) and _overlap(other.ages, b) for a, b in (self.ages, self.ages[::-1]))
        size, quality = higher(one.size, other.size), higher(one.quality, other.quality)
        return _overlap(size, self.size) and _overlap(quality, self.quality) and any(ages)

    def threshold(self, far: float) -> float:
        """The score that strangers of this stratum reach with probability `far`.

        Raises
        ------
        NotCalibrated
            If the rate is lower than the curve carries.
        """
        if far < self.rates[-1] * (1 - 1e-9):
            raise NotCalibrated(
                f"a FAR of {far:g} cannot be told from {self.pairs:,} pairs of {self.people} people "
                f"(stratum {self.name}); the lowest is {self.rates[-1]:g}."
            )
        return float(np.interp(-math.log(far), -np.log(self.rates), self.scores))

    def far(self, score: float) -> float:
        """The rate at which strangers of this stratum reach `score`; at most the lowest one known, at least 0."""
        if score < self.scores[0]:
            return 1.0  # not resolved: above the highest rate of the curve
        rate = np.exp(-np.interp(score, self.scores, -np.log(self.rates)))
        return float(f"{rate:.9g}")  # 1e-05, not 9.999999999999997e-06

    def likelihood_ratio(self, score: float) -> float | None:
        """How much more often one person's pairs have such a score than strangers'; see `Calibration`."""
        if self.genuine is None:
            return None
        grid, logarithms = self._ratios
        # Ten people cannot show that one pair in a hundred of theirs scores so low, nor 1,000 pairs of strangers that
        # one in a million scores so high: the ratio ends where the counts do.
        lowest, highest = 1 / (self.genuine.people + 1), 1 / self.counted_down_to
        logarithm = float(np.interp(score, grid, logarithms))  # which may be too large for exp
        ratio = math.exp(min(max(logarithm, math.log(lowest)), math.log(highest)))
        return float(f"{ratio:.4g}")

    @cached_property
    def _ratios(self) -> tuple[Doubles, Doubles]:
        """Logarithms of the ratio of densities on a grid of scores, never falling."""
        assert self.genuine is not None  # noqa: S101 - the one caller has looked
        knots, falls = np.asarray(self.scores), -np.log(self.rates)
        slopes = np.diff(falls) / np.diff(knots)
        grid = np.linspace(knots[0], max(knots[-1], self.genuine.mean), 256)
        steepness = np.interp(grid, (knots[1:] + knots[:-1]) / 2, slopes)
        # The tail goes on as it ends; the ratio is bounded long before that matters.
        strangers = np.log(steepness) - np.interp(grid, knots, falls) - slopes[-1] * np.maximum(grid - knots[-1], 0)
        distance = (grid - self.genuine.mean) / self.genuine.deviation
        # Beyond the mean of one person's pairs a higher score speaks for one person no less.
        own = -(np.minimum(distance, 0) ** 2) / 2 - math.log(self.genuine.deviation * math.sqrt(2 * math.pi))
        return grid, np.maximum.accumulate(own - strangers)


def higher(one: Range, other: Range) -> Range:
    """Between which numbers the higher one of two is."""
    return max(one[0], other[0]), max(one[1], other[1])


def _overlap(known: Range, place: Range) -> bool:
    """Whether a value within `known` (both ends included) may lie in `place` (its end excluded)."""
    return known[0] < place[1] and known[1] >= place[0]
