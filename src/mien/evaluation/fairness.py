"""What a head gets wrong about the people of one group and of another, and whether the gap may be chance.

For any field: the share of faces that are not found, the share of which it abstains, and its error where it answers.
Groups are columns of a table that people filled in; or the tone of the skin as the picture shows it
(`mien.evaluation.skin_tone`), which nothing else in the package looks at. Recognition has its own rates by group:
`mien.evaluation.groups`.

The largest gap between any two of several groups is never 0: chance alone makes one. So it stands beside the gap that
the same errors make when people are dealt to the groups at random (a permutation test; Good, *Permutation, Parametric
and Bootstrap Tests of Hypotheses*, 2005).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Distribution, Flag, Labels, Scalar, Scores
from mien.core.errors import InputError, ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.core.fields import all_fields
from mien.datasets.readers import labels_csv
from mien.engine import Engine, default_engine
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import ENDS, Interval, widen
from mien.evaluation.skin_tone import NEEDED, apparent_tones, tone_band

__all__ = ["ENOUGH", "TONE", "FairnessReport", "Gap", "GroupErrors", "Sample", "compare_groups", "evaluate_fairness"]

Doubles: TypeAlias = NDArray[np.float64]

ENOUGH = 200  # subjects, below which groups are not ranked
TONE = "tone"  # the group that is measured and not read
TRUE = frozenset({"1", "true", "yes"})
BELOW = "below "
BETWEEN = " & "  # of the names of groups that are crossed
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


@dataclass(frozen=True)
class FairnessReport:
    """Errors by group.

    Parameters
    ----------
    field, unit : str
        What was measured, and in what: "share wrong", or the field's unit.
    by : tuple of str
        What the groups are made of.
    rows : tuple of GroupErrors
    gaps : dict of str to Gap
        Of ``error``, ``abstained`` and ``missed``; without those that fewer than two groups have.
    ungrouped : int
        Pictures in no group, which are left out.
    failed : tuple of str
        Files that could not be read.
    notes : tuple of str
        What must be known to read the numbers.
    """

    field: str
    unit: str
    by: tuple[str, ...]
    rows: tuple[GroupErrors, ...]
    gaps: Mapping[str, Gap]
    ungrouped: int
    failed: tuple[str, ...]
    notes: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


# --- what an error is, by the type of the column --------------------------------------------------------------------


def _distance(column: Column, truth: str) -> float:
    value = column.mean if isinstance(column, Distribution) else float(column.values)
    try:
        return abs(float(value) - float(truth))
    except ValueError:
        raise UsageError(f"the truth of a number is a number, not {truth[:40]!r}.") from None


def _other_label(column: Column, truth: str) -> float:
    names = cast("Labels", column).names
    if truth not in names:
        raise UsageError(f"the truth is one of {', '.join(names)}, not {truth[:40]!r}.")
    return float(cast("Labels", column).labels != truth)


def _wrong_flag(column: Column, truth: str) -> float:
    return float((float(column.values) >= 0.5) != (truth.lower() in TRUE))


_WRONG = "share wrong"

#: The error of one face's column against a cell of the table, by the column's type, with its unit ("": the field's).
_ERRORS: Mapping[type[Column], tuple[Callable[[Column, str], float], str]] = {
    Distribution: (_distance, ""),
    Scalar: (_distance, ""),
    Flag: (_wrong_flag, _WRONG),
    Labels: (_other_label, _WRONG),
}


def _judge(field: str) -> tuple[str, str, Callable[[Column, str], float], str]:
    """Of "mouth.open": the field, the name in it, the error of its column, and the unit."""
    name, _, part = field.partition(".")
    rows = all_fields()
    if name not in rows or rows[name].always or rows[name].temporal:
        raise UsageError(f"{name!r} is no field of a picture.")
    kind = Flag if part and rows[name].column_type is Scores else rows[name].column_type
    if kind not in _ERRORS or (part and kind is not Flag):
        known = ", ".join(n for n, row in rows.items() if not row.always and row.column_type in _ERRORS)
        raise UsageError(f"{field} has no error that could be compared; there are {known}, and the scores of a field.")
    error, unit = _ERRORS[kind]
    return name, part, error, unit or rows[name].unit


# --- measuring ------------------------------------------------------------------------------------------------------


def evaluate_fairness(
    labels: labels_csv.Labels,
    field: str,
    *,
    by: Sequence[str],
    truth: str | None = None,
    seed: int = 0,
    engine: Engine | None = None,
) -> FairnessReport:
    """Analyze the pictures, the largest face of each, and compare groups.

    Parameters
    ----------
    labels : Labels
        The pictures with the truth and the groups.
    field : str
        A field with one number or label a face, or a score of one, as in "mouth.open".
    by : sequence of str
        Columns whose values are the groups, or "tone"; of several, groups are crossed. A column of numbers is cut where
        one says, as in "age:18,60".
    truth : str, optional
        The column of the truth; by default the one that is called as the field.
    seed : int
        Of bootstrap and random deals.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Raises
    ------
    UsageError
        If a field or column is none, or the truth is not of the field's kind.
    """
    engine = engine or default_engine()
    name, part, error, unit = _judge(field)
    true = labels.column(truth or field)
    known = {one: _values(labels, one) for one in by if one != TONE}
    if not by:
        raise UsageError("groups are made of at least one column, or of the tone.")
    want = {name} | (NEEDED if TONE in by else set())
    count = len(labels.pictures)
    errors, found = np.full(count, np.nan), np.zeros(count, bool)
    groups, failed = [""] * count, list[str]()
    for row, picture in enumerate(labels.pictures):
        faces = _largest(engine, picture, want, failed)
        if faces is None:
            continue
        found[row] = len(faces) > 0
        groups[row] = _group(by, known, row, faces)
        if found[row]:
            column = getattr(faces[0], name)
            column = column if not part else Flag(np.array(column.named(part), np.float32), single=True)
            if true[row] and not bool(column.abstained):
                errors[row] = error(column, true[row])
    # A picture without truth says nothing of errors, nor of whether the head was right to abstain.
    told = np.array([bool(cell) and bool(group) for cell, group in zip(true, groups, strict=True)])
    kept = np.flatnonzero(told)
    sample = Sample(errors[kept], found[kept], tuple(groups[i] for i in kept), tuple(labels.subjects[i] for i in kept))
    rows, gaps, notes = compare_groups(sample, seed=seed)
    if TONE in by:
        notes = (*notes, "the tone is that of the pictures, uncertain by half a step; faces not found have none.")
    left = count - len(kept) - len(failed)
    return FairnessReport(field, unit, tuple(by), rows, gaps, left, tuple(failed), notes)


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
    few = [f"{row.name} ({row.subjects})" for row in rows if row.subjects < ENOUGH]
    notes = (f"fewer than {ENOUGH} subjects in {', '.join(few)}: no ranking is claimed.",) if few else ()
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
    sums = _draws(people, seed)
    spans = {what: _span(np.array([rate(one) for one in sums])) for what, rate in _RATES.items()}
    for what in [name for name, value in rates.items() if value in {0, 1}]:  # where a bootstrap promises certainty
        if share or what != "error":
            spans[what] = widen(spans[what], rates[what], len(people))
    measured = {what: Measured(rates[what], spans[what]) for what in _RATES}
    return GroupErrors(name, len(people), int(people[:, 0].sum()), **measured)


def _draws(people: Doubles, seed: int) -> Doubles:
    """Sums over subjects who are drawn with replacement, (DRAWS, 4): what `bootstrap` does, for sums in one product."""
    count = len(people)
    return np.asarray(np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), DRAWS) @ people)


def _span(values: Doubles) -> Interval:
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, ENDS).tolist() if len(known) else (np.nan, np.nan)
    return low, high


def _gap(what: str, names: Sequence[str], people: Sequence[Doubles], seed: int) -> Gap | None:
    rate = _RATES[what]
    values = np.array([rate(one.sum(axis=0)) for one in people])
    if np.isfinite(values).sum() < 2:
        return None
    drawn = np.stack([_draws(one, seed + place) for place, one in enumerate(people)], axis=1)
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


def _largest(engine: Engine, picture: Path, want: set[str], failed: list[str]) -> Faces | None:
    """The largest face, or none; None for a file that cannot be read."""
    try:
        return engine.analyze(picture, want=want).top(1)
    except InputError as error:
        failed.append(f"{picture}: {error}")
        return None


def _values(labels: labels_csv.Labels, by: str) -> tuple[str, ...]:
    """The group of each picture by one column: its values, or the bands between the edges of "age:18,60"."""
    name, _, cuts = by.partition(":")
    if not cuts:
        return labels.column(name)
    try:
        edges = [float(cut) for cut in cuts.split(",")]
    except ValueError:
        raise UsageError(f"a column is cut at numbers, as in {name}:18,60; not {by!r}.") from None
    if not np.isfinite(edges).all() or (np.diff(edges) <= 0).any():
        raise UsageError(f"a column is cut at rising numbers, not {by!r}.")
    ends = [f"{BELOW}{edges[0]:g}", *(f"{a:g} to {b:g}" for a, b in pairwise(edges)), f"{edges[-1]:g} and above"]
    values = labels.numbers(name)
    bands = np.searchsorted(edges, values, side="right")
    return tuple("" if np.isnan(value) else f"{name} {ends[band]}" for value, band in zip(values, bands, strict=True))


def _group(by: Sequence[str], known: Mapping[str, Sequence[str]], row: int, faces: Faces) -> str:
    """The name of a picture's group; "" where a part of it is not known."""
    parts = [known[one][row] if one in known else _tone(faces) for one in by]
    return BETWEEN.join(parts) if all(parts) else ""


def _tone(faces: Faces) -> str:
    return tone_band(float(apparent_tones(faces).steps[0])) if len(faces) else ""
