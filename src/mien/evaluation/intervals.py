"""Intervals for what was counted or measured on a sample: every number that an evaluation prints has one.

What is drawn with replacement are the *independent* parts of the sample (people, clips, pictures), never the faces,
frames or pairs inside of one: those are alike, and an interval over them would promise too much.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import NormalDist
from typing import TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError

__all__ = ["COVERAGE", "ENDS", "RANKED", "Interval", "bootstrap", "draw_sums", "widen", "wilson"]

Interval: TypeAlias = tuple[float, float]
T = TypeVar("T")

COVERAGE = 0.95  #: of the intervals that are printed
ENDS = ((1 - COVERAGE) / 2, (1 + COVERAGE) / 2)  #: the quantiles at their ends
RANKED = 200  #: independent people, below which no order of models or of groups is claimed
_AT_ONCE = 50  # draws of sums


def bootstrap(
    statistic: Callable[[Sequence[T]], float],
    samples: Sequence[T],
    *,
    repeats: int = 1000,
    seed: int = 0,
    level: float = 0.95,
) -> Interval:
    """Percentile interval of a statistic by drawing the independent parts of the sample with replacement.

    Efron's bootstrap (*Bootstrap methods: another look at the jackknife*, 1979) over clusters. Where the statistic
    cannot vary (every part agrees, or there is one part), the interval is a point: say the count beside it, and for a
    rate `widen` it.

    Parameters
    ----------
    statistic : callable
        Takes parts of the sample, gives a number; NaN where these parts allow none (such draws are left out).
    samples : sequence of N
        The independent parts, one entry each: all scores of a person, all events of a clip ...
    repeats : int
        How often N parts are drawn.
    seed : int
        Of the draw: equal seeds give equal intervals.
    level : float
        Share of the draws inside of the interval, between 0 and 1.

    Returns
    -------
    (low, high)
        NaN, NaN for an empty sample, or where no draw allows the statistic.

    Raises
    ------
    UsageError
        If `level` or `repeats` is none.
    """
    _check(level)
    if repeats < 1:
        raise UsageError(f"repeats is 1 or more, not {repeats}.")
    count = len(samples)
    if not count:
        return np.nan, np.nan
    draws = np.random.default_rng(seed).integers(count, size=(repeats, count))
    values = np.array([statistic([samples[index] for index in draw]) for draw in draws], np.float64)
    values = values[~np.isnan(values)]
    if not len(values):
        return np.nan, np.nan
    low, high = np.quantile(values, [(1 - level) / 2, (1 + level) / 2]).tolist()
    return low, high


def draw_sums(sums: NDArray[np.float64], *, repeats: int = 1000, seed: int = 0) -> NDArray[np.float64]:
    """What the independent parts of a sample add up to, drawn with replacement: `bootstrap` for ratios of sums, fast.

    Parameters
    ----------
    sums : (N, K) float64
        Of each part, such as a person's errors and how many these are; N is 1 or more.
    repeats, seed : int
        As those of `bootstrap`.

    Returns
    -------
    (repeats, K) float64
    """
    random, count = np.random.default_rng(seed), len(sums)
    shares, sizes = np.full(count, 1 / count), [min(_AT_ONCE, repeats - n) for n in range(0, repeats, _AT_ONCE)]
    return np.concatenate([random.multinomial(count, shares, size) @ sums for size in sizes])


def wilson(successes: float, trials: float, *, level: float = 0.95) -> Interval:
    """Interval of a rate from independent trials (Wilson, *Probable inference*, 1927): never empty, inside of [0, 1].

    Parameters
    ----------
    successes, trials : float
        Counts, ``0 <= successes <= trials``; without trials nothing is known: (0, 1).
    level : float
        Between 0 and 1.

    Raises
    ------
    UsageError
        If the counts or the level are none.
    """
    _check(level)
    if not 0 <= successes <= trials:
        raise UsageError(f"{successes:g} of {trials:g} is no rate.")
    if not trials:
        return 0.0, 1.0
    rate, z2 = successes / trials, NormalDist().inv_cdf((1 + level) / 2) ** 2 / trials
    middle, half = rate + z2 / 2, (rate * (1 - rate) * z2 + z2**2 / 4) ** 0.5
    # At 0 and at 1 the end is the rate itself, which rounding would miss by a hair.
    return min(max((middle - half) / (1 + z2), 0.0), rate), max(min((middle + half) / (1 + z2), 1.0), rate)


def widen(interval: Interval, rate: float, trials: int) -> Interval:
    """A 95 % interval of a mean of values in [0, 1], or `wilson`'s at the ends where that one is wider.

    For a bootstrap has nothing to vary where all values agree, and would promise certainty.

    Parameters
    ----------
    interval : (low, high)
        Of the bootstrap; NaN where it gives none.
    rate : float
        The mean.
    trials : int
        How many values it is of: independent ones would scatter at least as much as Wilson's interval allows for.
    """
    low, high = wilson(rate * trials, trials, level=COVERAGE)
    return float(np.fmin(interval[0], low)), float(np.fmax(interval[1], high))


def _check(level: float) -> None:
    if not 0 < level < 1:
        raise UsageError(f"level is between 0 and 1, not {level:g}.")
