"""What a head gets wrong about the people of one group and of another, and whether the gap may be chance.

For any field: the share of faces that are not found, the share of which it abstains, and its error where it answers.
Groups are columns of a table that people filled in; or the tone of the skin as the picture shows it
(`mien.evaluation.skin_tone`), which nothing else in the package looks at. Recognition has its own rates by group:
`mien.evaluation.groups`. What is made of the errors: `mien.evaluation.gaps`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any, cast

import numpy as np

from mien.core.columns import Column, Distribution, Flag, Labels, Scalar, Scores
from mien.core.errors import InputError, UsageError
from mien.core.faces import Faces
from mien.core.fields import all_fields
from mien.datasets.readers import labels_csv
from mien.datasets.readers.attribute_sets import read_attributes
from mien.engine import Engine, default_engine
from mien.evaluation.gaps import BELOW, Gap, GroupErrors, Sample, compare_groups
from mien.evaluation.portraits import look_at, require_some
from mien.evaluation.skin_tone import NEEDED, apparent_tones, tone_band

__all__ = ["TONE", "FairnessReport", "Gap", "GroupErrors", "Sample", "compare_groups", "evaluate_fairness"]

TONE = "tone"  # the group that is measured and not read
BETWEEN = " & "  # of the names of groups that are crossed


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
        raise InputError(f"the truth of a number is a number, not {truth[:40]!r}.") from None


def _other_label(column: Column, truth: str) -> float:
    names = cast("Labels", column).names
    if truth not in names:
        raise InputError(f"the truth is one of {', '.join(names)}, not {truth[:40]!r}.")
    return float(cast("Labels", column).labels != truth)


def _wrong_flag(column: Column, truth: str) -> float:
    if (flag := labels_csv.yes_or_no(truth)) is None:
        raise InputError(f"the truth of a flag is 0 or 1, not {truth[:40]!r}.")
    return float((float(column.values) >= 0.5) != flag)


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
    source: str | os.PathLike[str] | labels_csv.Labels,
    field: str,
    *,
    by: Sequence[str],
    truth: str | None = None,
    pictures: str | os.PathLike[str] | None = None,
    margin: float = 0.0,
    seed: int = 0,
    engine: Engine | None = None,
) -> FairnessReport:
    """Analyze the pictures, the largest face of each, and compare groups.

    Parameters
    ----------
    source : path or Labels
        The pictures with the truth and the groups: see `mien.datasets.readers.attribute_sets.read_attributes`.
    field : str
        A field with one number or label a face, or a score of one, as in "mouth.open".
    by : sequence of str
        Columns whose values are the groups, or "tone"; of several, groups are crossed. A column of numbers is cut where
        one says, as in "age:18,60".
    truth : str, optional
        The column of the truth; by default the one that is called as the field.
    pictures : path, optional
        The folder that files count from.
    margin : float
        See `mien.evaluation.portraits.look_at`: 0.3 for UTKFace's crops.
    seed : int
        Of bootstrap and random deals.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Raises
    ------
    SourceError, InputError
        If the labels cannot be read, or the truth is not of the field's kind.
    UsageError
        If a field or column is none.
    """
    engine = engine or default_engine()
    labels = source if isinstance(source, labels_csv.Labels) else read_attributes(source, pictures=pictures)
    name, part, error, unit = _judge(field)
    true = labels.column(truth or field)
    known = {one: _values(labels, one) for one in by if one != TONE}
    if not by:
        raise UsageError("groups are made of at least one column, or of the tone.")
    want = {name} | (NEEDED if TONE in by else set())
    count = len(labels.pictures)
    errors, found = np.full(count, np.nan), np.zeros(count, bool)
    groups, failed = [""] * count, list[str]()
    for row, faces in enumerate(look_at(labels.pictures, want, engine, margin=margin)):
        if isinstance(faces, InputError):
            failed.append(f"{labels.pictures[row].name}: {faces}")
            continue
        found[row] = len(faces) > 0
        groups[row] = _group(by, known, row, faces)
        if found[row]:
            column = getattr(faces[0], name)
            column = column if not part else Flag(np.array(column.named(part), np.float32), single=True)
            if true[row] and not bool(column.abstained):
                errors[row] = error(column, true[row])
    require_some(count, failed)
    # A picture without truth says nothing of errors, nor of whether the head was right to abstain.
    told = np.array([bool(cell) and bool(group) for cell, group in zip(true, groups, strict=True)])
    kept = np.flatnonzero(told)
    sample = Sample(errors[kept], found[kept], tuple(groups[i] for i in kept), tuple(labels.subjects[i] for i in kept))
    rows, gaps, notes = compare_groups(sample, seed=seed)
    if TONE in by:
        notes = (*notes, "the tone is that of the pictures, uncertain by half a step; faces not found have none.")
    left = count - len(kept) - len(failed)
    return FairnessReport(field, unit, tuple(by), rows, gaps, left, tuple(failed), notes)


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
