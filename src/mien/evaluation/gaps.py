"""Error rates of groups of people, the largest gap between any two, and the gap that chance alone would make.

The largest gap between any two of several groups is never 0: chance alone makes one. So it stands beside the gap that
the same errors make when people are dealt to the groups at random (a permutation test; Good, *Permutation, Parametric
and Bootstrap Tests of Hypotheses*, 2005).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import ENDS, RANKED, Interval, draw_sums, widen

__all__ = ["BELOW", "Gap", "GroupErrors", "Sample", "compare_groups"]

Doubles: TypeAlias = NDArray[np.float64]

BELOW = "below "  #: begins the name of the lowest band of a number
DRAWS = 500  # of the bootstrap and of the permutation test


@dataclass(frozen=True)
class Sample:
    """N pictures of people and what a head said of each.

    Parameters
    ----------
    errors : (N,) float64
        0 is right; NaN where the head abstained or no face was found.
    found : (N,) bool
        Whether the face was.
    groups : tuple of N str
        "" for none.
    subjects : tuple of N str
        Who it is: pictures of one subject are not independent.
    """

    errors: Doubles
    found: NDArray[np.bool_]
    groups: tuple[str, ...]
    subjects: tuple[str, ...]

    def __post_init__(self) -> None:
        counts = {len(self.errors), len(self.found), len(self.groups), len(self.subjects)}
        if len(counts) > 1:
            raise ShapeMismatch(f"errors, faces found, groups and subjects are as many, not {sorted(counts)}.")


@dataclass(frozen=True)
class GroupErrors:
    """One group; intervals are 95 % over its subjects.

    Parameters
    ----------
    name : str
    subjects, pictures : int
    error : Measured
        Mean where something was said; NaN where nothing was.
    abstained : Measured
        Share of the faces that were found of which nothing was said.
    missed : Measured
        Share of the pictures in which no face was found.
    """

    name: str
    subjects: int
    pictures: int
    error: Measured
    abstained: Measured
    missed: Measured


@dataclass(frozen=True)
class Gap:
    """Between the groups with the most and with the least.

    Parameters
    ----------
    most, least : str
    size : float
    interval
        95 %, over subjects.
    chance : float
        The gap that 19 of 20 random deals of the subjects to groups of these sizes stay below.
    """

    most: str
    least: str
    size: float
    interval: Interval
    chance: float

    @property
    def beyond_chance(self) -> bool:
        """Whether it is larger than `chance`."""
        return self.size > self.chance


def compare_groups(
    sample: Sample, *, seed: int = 0
) -> tuple[tuple[GroupErrors, ...], Mapping[str, Gap], tuple[str, ...]]:
    """Errors of each group, the gaps, and what forbids to rank them: for the errors of any program.

    Raises
    ------
    UsageError
        If nobody is in a group.
    """
    names = sorted({*sample.groups} - {""}, key=_in_order)
    if not names:
        raise UsageError("no picture is in a group with a known truth.")
    people = [_people(sample, name) for name in names]
    share = bool(np.isin(sample.errors[~np.isnan(sample.errors)], (0, 1)).all())
    rows = tuple(_row(name, one, share, seed) for name, one in zip(names, people, strict=True))
    gaps = {what: gap for what in _RATES if (gap := _gap(what, names, people, seed)) is not None}
    few = [f"{row.name} ({row.subjects})" for row in rows if row.subjects < RANKED]
    notes = (f"fewer than {RANKED} subjects in {', '.join(few)}: no ranking is claimed.",) if few else ()
    return rows, gaps, notes


#: Each rate, of sums over subjects: pictures, found, answered, and the errors.
_RATES: Mapping[str, Callable[[Doubles], float]] = {
    "error": lambda s: float(s[3] / s[2]) if s[2] else np.nan,
    "abstained": lambda s: float(1 - s[2] / s[1]) if s[1] else np.nan,
    "missed": lambda s: float(1 - s[1] / s[0]) if s[0] else np.nan,
}


def _in_order(name: str) -> list[tuple[bool, float, str]]:
    """Names with numbers in them by the numbers: "age below 18", "age 18 to 60"."""
    parts = re.split(r"(\d+)", name.replace(BELOW, ""))
    return [(part.isdigit(), float(part) if part.isdigit() else 0.0, part) for part in parts]


def _people(sample: Sample, group: str) -> Doubles:
    """Sums over the pictures of each subject of a group, (S, 4), as `_RATES` takes them."""
    sums: dict[str, list[float]] = {}
    for error, found, one, subject in zip(sample.errors, sample.found, sample.groups, sample.subjects, strict=True):
        if one == group:
            answered = found and not np.isnan(error)
            own = sums.setdefault(subject, [0, 0, 0, 0.0])
            for place, value in enumerate((1, found, answered, error if answered else 0.0)):
                own[place] += float(value)
    return np.array(list(sums.values()))


def _row(name: str, people: Doubles, share: bool, seed: int) -> GroupErrors:
    rates = {what: rate(people.sum(axis=0)) for what, rate in _RATES.items()}
    sums = draw_sums(people, repeats=DRAWS, seed=seed)
    spans = {what: _span(np.array([rate(one) for one in sums])) for what, rate in _RATES.items()}
    for what in [name for name, value in rates.items() if value in {0, 1}]:  # where a bootstrap promises certainty
        if share or what != "error":
            spans[what] = widen(spans[what], rates[what], len(people))
    measured = {what: Measured(rates[what], spans[what]) for what in _RATES}
    return GroupErrors(name, len(people), int(people[:, 0].sum()), **measured)


def _span(values: Doubles) -> Interval:
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, ENDS).tolist() if len(known) else (np.nan, np.nan)
    return low, high


def _gap(what: str, names: Sequence[str], people: Sequence[Doubles], seed: int) -> Gap | None:
    rate = _RATES[what]
    values = np.array([rate(one.sum(axis=0)) for one in people])
    if np.isfinite(values).sum() < 2:
        return None
    drawn = np.stack([draw_sums(one, repeats=DRAWS, seed=seed + place) for place, one in enumerate(people)], axis=1)
    random, every, ends = np.random.default_rng(seed), np.concatenate(people), np.cumsum([len(one) for one in people])
    orders = (random.permutation(len(every)) for _ in range(DRAWS))
    dealt = [[part.sum(axis=0) for part in np.split(every[order], ends[:-1])] for order in orders]
    interval = _span(np.array([_range(rate, one) for one in drawn]))
    chance = float(np.nanquantile([_range(rate, one) for one in dealt], 0.95))
    most, least = names[int(np.nanargmax(values))], names[int(np.nanargmin(values))]
    return Gap(most, least, float(np.nanmax(values) - np.nanmin(values)), interval, chance)


def _range(rate: Callable[[Doubles], float], sums: Sequence[Doubles] | Doubles) -> float:
    values = np.array([rate(one) for one in sums])
    known = values[np.isfinite(values)]
    return float(known.max() - known.min()) if len(known) > 1 else np.nan
