"""How well what a face shows is told: glasses, a smile, the colour of the hair ..., by labels of any kind."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Column, Flag, Scores
from mien.core.columns import Labels as Named
from mien.core.errors import InputError, ShapeMismatch, UsageError
from mien.core.fields import all_fields
from mien.datasets.readers.attribute_sets import read_attributes
from mien.datasets.readers.labels_csv import Labels, yes_or_no
from mien.engine import Engine, default_engine
from mien.evaluation.agreement import area_under_curve
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import bootstrap, widen
from mien.evaluation.portraits import look_at, require_some

__all__ = ["AttributeReport", "AttributesReport", "evaluate_attributes", "score_attribute"]

Doubles = NDArray[np.float64]

_TYPES = frozenset({"flag", "scores", "labels"})
FLAGS = ("0", "1")  # the names of a flag's classes
DRAWS = 300  # of the bootstrap


@dataclass(frozen=True)
class AttributeReport:
    """One attribute; intervals are 95 % over people.

    Parameters
    ----------
    field : str
        As it is labelled: "glasses", "mouth.open".
    people, faces : int
        With label and answer.
    missed : int
        Labelled faces that were not found.
    counts : mapping of str to int
        Faces of each class.
    abstained : Measured
        Share of the labelled faces that were found of which the model said nothing.
    accuracy : Measured
        Share of the answers whose most probable class is right.
    balanced : Measured
        Mean over classes of the share of each that is called so.
    recalls : mapping of str to Measured
        That share for each class.
    auc, precision : Measured
        Of two classes, for the second: area under the ROC curve, and average precision. NaN of more.
    """

    field: str
    people: int
    faces: int
    missed: int
    counts: Mapping[str, int]
    abstained: Measured
    accuracy: Measured
    balanced: Measured
    recalls: Mapping[str, Measured]
    auc: Measured
    precision: Measured


@dataclass(frozen=True)
class AttributesReport:
    """The result of an evaluation.

    Parameters
    ----------
    rows : tuple of AttributeReport
    failed : tuple of str
        Files that could not be read, with the reason.
    """

    rows: tuple[AttributeReport, ...]
    failed: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_attributes(
    source: str | os.PathLike[str] | Labels,
    *,
    fields: Sequence[str] = (),
    pictures: str | os.PathLike[str] | None = None,
    margin: float = 0.0,
    engine: Engine | None = None,
) -> AttributesReport:
    """Measure attributes on labelled pictures; in each, the largest face counts.

    Parameters
    ----------
    source : path or Labels
        See `mien.datasets.readers.attribute_sets.read_attributes`. Columns are called as our fields, or as one of the
        scores of a field: ``glasses``, ``mouth.open``. Flags and scores are 0 or 1, others named; empty cells are left
        out.
    fields : sequence of str
        Columns to measure; by default all that are fields.
    pictures : path, optional
        The folder that files count from.
    margin : float
        See `mien.evaluation.portraits.look_at`: 0.3 for UTKFace's crops.
    engine : Engine, optional

    Raises
    ------
    SourceError, InputError
        If the labels cannot be read, or one is no class of its field.
    UsageError
        If no column is a field.
    """
    engine = engine or default_engine()
    labels = source if isinstance(source, Labels) else read_attributes(source, pictures=pictures)
    known = {name for name, spec in all_fields().items() if spec.column in _TYPES and not spec.temporal}
    wanted = tuple(fields) or tuple(name for name in labels.columns if name.partition(".")[0] in known)
    if not wanted:
        raise UsageError(f"none of the columns {', '.join(labels.columns)} is a field that has classes.")
    for name in wanted:
        labels.column(name)
        if name.partition(".")[0] not in known:
            raise UsageError(f"{name} is no field with classes; such are {', '.join(sorted(known))}.")
    rows = [row for row in range(len(labels.pictures)) if any(labels.columns[name][row] for name in wanted)]
    want, failed = {name.partition(".")[0] for name in wanted}, list[str]()
    seen: dict[str, list[tuple[int, Column | None]]] = {name: [] for name in wanted}
    found = look_at([labels.pictures[row] for row in rows], want, engine, margin=margin)
    for row, faces in zip(rows, found, strict=True):
        if isinstance(faces, InputError):
            failed.append(f"{labels.pictures[row].name}: {faces}")
            continue
        for name in [one for one in wanted if labels.columns[one][row]]:
            seen[name].append((row, getattr(faces, name.partition(".")[0]) if len(faces) else None))
    require_some(len(rows), failed)
    return AttributesReport(
        tuple(_report(name, labels, answers) for name, answers in seen.items() if answers), tuple(failed)
    )


def _report(name: str, labels: Labels, answers: Sequence[tuple[int, Column | None]]) -> AttributeReport:
    given = [(row, column) for row, column in answers if column is not None]
    if not given:
        raise UsageError(f"no face was found in any picture with a label of {name}.")
    parts = [_probabilities(name, column) for _, column in given]
    classes = parts[0][0]
    truth = [_place(name, labels.columns[name][row], classes) for row, _ in given]
    return score_attribute(
        name,
        truth,
        np.stack([values for _, values in parts]),
        classes,
        [labels.subjects[row] for row, _ in given],
        missed=len(answers) - len(given),
    )


def _probabilities(name: str, column: Column) -> tuple[tuple[str, ...], Doubles]:
    """Names of the classes and their probabilities (K,), of one face."""
    part = name.partition(".")[2]
    if isinstance(column, Named) and not part:
        return column.names, np.asarray(column.values[0], np.float64)
    if isinstance(column, Scores) and part:
        yes = float(column.named(part)[0])
    elif isinstance(column, Flag) and not part:
        yes = float(column.values[0])
    else:
        raise UsageError(f"{name} has no classes: a field of scores is labelled one by one, as in mouth.open.")
    return FLAGS, np.array([1 - yes, yes])


def _place(name: str, label: str, classes: Sequence[str]) -> int:
    if classes == FLAGS and (flag := yes_or_no(label)) is not None:
        return int(flag)
    if label not in classes:
        raise InputError(f"{label!r} is no value of {name}; such are {', '.join(classes)}.")
    return classes.index(label)


def score_attribute(
    field: str,
    truth: Sequence[int],
    probabilities: ArrayLike,
    classes: Sequence[str],
    subjects: Sequence[str],
    *,
    missed: int = 0,
) -> AttributeReport:
    """Hold answers against labels.

    Parameters
    ----------
    field : str
    truth : sequence of N int
        The class of each face.
    probabilities : (N, K) array-like
        NaN where the model abstained.
    classes : sequence of K str
    subjects : sequence of N str
        Who it is: pictures of one person are not independent.
    missed : int
        Labelled faces that were not found.

    Raises
    ------
    ShapeMismatch
        If they are not as many.
    UsageError
        If there are none.
    """
    values, true = np.asarray(probabilities, np.float64), np.asarray(truth, np.intp)
    if values.shape != (len(true), len(classes)) or len(subjects) != len(true):
        raise ShapeMismatch(f"probabilities {values.shape} do not fit {len(true)} faces of {len(classes)} classes.")
    if not len(true):
        raise UsageError(f"there is no labelled face to measure {field} on.")
    told = np.asarray(np.isfinite(values).all(axis=1))
    people = np.unique(np.asarray(subjects), return_inverse=True)[1]
    lost = _measured(lambda rows: float((~told[rows]).mean()), people, rate=True)
    values, true, whose = values[told], true[told], people[told]
    right = values.argmax(axis=1) == true if len(true) else np.zeros(0, np.bool_)
    present = [place for place in range(len(classes)) if (true == place).any()]

    def recall(place: int) -> Callable[[NDArray[np.intp]], float]:
        return lambda rows: _share(right[rows][true[rows] == place])

    def ranked(score: Callable[[Doubles, NDArray[np.bool_]], float]) -> Measured:
        if len(classes) != 2:
            return Measured(np.nan, (np.nan, np.nan))
        return _measured(lambda rows: score(values[rows, 1], true[rows] == 1), whose)

    return AttributeReport(
        field=field,
        people=len(np.unique(whose)),
        faces=len(true),
        missed=missed,
        counts={name: int((true == place).sum()) for place, name in enumerate(classes)},
        abstained=lost,
        accuracy=_measured(lambda rows: _share(right[rows]), whose, rate=True),
        balanced=_measured(lambda rows: float(np.mean([recall(place)(rows) for place in present])), whose),
        recalls={classes[place]: _measured(recall(place), whose[true == place], true == place) for place in present},
        auc=ranked(_area),
        precision=ranked(_average_precision),
    )


def _measured(
    score: Callable[[NDArray[np.intp]], float],
    people: NDArray[np.intp],
    among: NDArray[np.bool_] | None = None,
    *,
    rate: bool = False,
) -> Measured:
    """A score of rows, with its interval over the people whose they are; `among` which of all rows these are."""
    rows = np.arange(len(people)) if among is None else np.flatnonzero(among)
    if not len(rows):
        return Measured(np.nan, (np.nan, np.nan))
    order = np.argsort(people, kind="stable")
    parts = np.split(rows[order], np.flatnonzero(np.diff(people[order])) + 1)
    value = score(rows)
    interval = bootstrap(lambda drawn: score(np.concatenate(drawn)), parts, repeats=DRAWS)
    return Measured(value, widen(interval, value, len(parts)) if rate or among is not None else interval)


def _share(right: NDArray[np.bool_]) -> float:
    return float(right.mean()) if len(right) else np.nan


def _area(scores: Doubles, positive: NDArray[np.bool_]) -> float:
    return area_under_curve(scores[positive], scores[~positive])


def _average_precision(scores: Doubles, positive: NDArray[np.bool_]) -> float:
    """Mean over positives of the share of positives among what has their score or more; NaN without any."""
    if not positive.any():
        return np.nan
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(positive[order])
    last = np.searchsorted(-ranked, -scores[positive], side="right")  # equal scores are taken together
    return float((hits[last - 1] / last).mean())
