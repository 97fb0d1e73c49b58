"""Expressions held against the names that people gave them: how many are right, of which class, and how sure.

Recalls are averaged over classes (UAR), since the sets of expressions have five times as many smiles as frowns. All
intervals are over subjects: pictures of one person, often frames of one film, are alike.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Labels
from mien.core.errors import InputError, SourceError, UsageError
from mien.core.image import load_image
from mien.engine import Engine, default_engine
from mien.evaluation.agreement import area_under_curve
from mien.evaluation.gaze import Measured, Report
from mien.evaluation.intervals import bootstrap
from mien.features.shown.expression import EXPRESSIONS
from mien.media.scan import PICTURE_SUFFIXES

__all__ = ["NAMES", "ClassRow", "ExpressionReport", "Judged", "evaluate_expression", "summarize"]

Doubles = NDArray[np.float64]
Whole = NDArray[np.int64]

#: What the folders of published sets are called, and what it is here; case does not count.
NAMES: Mapping[str, str] = MappingProxyType(
    {name: name for name in EXPRESSIONS}
    | {"angry": "anger", "contemptuous": "contempt", "disgusted": "disgust", "fearful": "fear", "afraid": "fear"}
    | {"happy": "happiness", "joy": "happiness", "sad": "sadness", "surprised": "surprise", "calm": "neutral"}
)
SUBJECT = r"[^_]+"  # of a file's name: by default, what stands before the first underscore
BINS = 10  # of the calibration
UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Judged:
    """Faces with what they show and what was told of them.

    Parameters
    ----------
    truth : sequence of N str
        Names of `EXPRESSIONS`; "unknown" for a class that is none of the model's.
    subject : sequence of N str
        Whose face it is.
    told : Labels
        (N, K); where there is no face or the model abstained, NaN.
    missed : sequence of N bool
        Whether no face was found.
    failed : mapping of str to str
        Pictures that could not be read, and why.
    model : str
    """

    truth: Sequence[str]
    subject: Sequence[str]
    told: Labels
    missed: Sequence[bool]
    failed: Mapping[str, str]
    model: str = ""


@dataclass(frozen=True)
class ClassRow:
    """One class of the folder.

    Parameters
    ----------
    name : str
    faces, subjects : int
        That were judged.
    recall : Measured
        Of its faces, the share that was called so.
    precision : float
        Of the faces that were called so, the share that is; NaN where none was.
    called : mapping of str to int
        Its faces, by what they were called: a row of the confusion matrix.
    """

    name: str
    faces: int
    subjects: int
    recall: Measured
    precision: float
    called: Mapping[str, int]


@dataclass(frozen=True)
class ExpressionReport(Report):
    """The result of an evaluation.

    Parameters
    ----------
    model : str
    faces, subjects : int
        That were judged, of the classes that are not "unknown".
    missed, abstained : int
        Faces that were not found; that were found and not judged.
    failed : mapping of str to str
    accuracy, uar, f1 : Measured
        Share of faces that were called right; mean over classes of the recalls, and of the F1.
    ece : Measured
        Expected calibration error: how far the probability of what a face was called is from how often that is right,
        in ten bins of it (Guo et al., *On calibration of modern neural networks*, 2017).
    rows : tuple of ClassRow
    lacking : tuple of str
        Classes of the folder that the model cannot give; they count, with 0.
    unknown : Measured or None
        Area under the curve of P(unknown): faces of the classes named as unknown against all others.
    left_out : mapping of str to Measured
        For each class: were the model without it, how well would its lack of confidence tell its faces from the
        others'? The class is taken out of the probabilities, not out of the weights: it is kinder than the truth.
    """

    model: str
    faces: int
    subjects: int
    missed: int
    abstained: int
    failed: Mapping[str, str]
    accuracy: Measured
    uar: Measured
    f1: Measured
    ece: Measured
    rows: tuple[ClassRow, ...]
    lacking: tuple[str, ...]
    unknown: Measured | None
    left_out: Mapping[str, Measured]


def evaluate_expression(
    folder: str | os.PathLike[str],
    *,
    subject: str = SUBJECT,
    unknown: Sequence[str] = (),
    engine: Engine | None = None,
) -> ExpressionReport:
    """Evaluate the model for ``expression`` on a folder with a folder of pictures for each class.

    Parameters
    ----------
    folder : path
        Its folders are called as `NAMES` has it, or as in `unknown`. Of a picture with several faces the largest
        counts.
    subject : str
        Regular expression of whose face it is, looked for at the beginning of the file's name; its first group, if
        it has one.
    unknown : sequence of str
        Folders that hold what the model does not know: their faces count for the area under the curve of "unknown"
        only.
    engine : Engine, optional

    Raises
    ------
    SourceError
        If there is no such folder, or no picture in it.
    UsageError
        If a folder's name is no expression, the regular expression is none, or a file's name does not match it.
    """
    engine = engine or default_engine()
    return summarize(judge(list(labelled(folder, subject=subject, unknown=unknown)), engine=engine))


def labelled(
    folder: str | os.PathLike[str], *, subject: str = SUBJECT, unknown: Sequence[str] = ()
) -> Iterator[tuple[Path, str, str]]:
    """Path, class and subject of the pictures below a folder; see `evaluate_expression`."""
    root = Path(folder)
    if not root.is_dir():
        raise SourceError(f"{root} is not a folder.")
    try:
        pattern = re.compile(subject)
    except re.error as error:
        raise UsageError(f"{subject!r} is not a regular expression: {error}.") from error
    folders = sorted(path for path in root.iterdir() if path.is_dir() and not path.name.startswith("."))
    if strangers := set(unknown) - {path.name for path in folders}:
        raise UsageError(f"{root} has no folder {min(strangers)!r}.")
    count = 0
    for part in folders:
        name = UNKNOWN if part.name in unknown else NAMES.get(part.name.lower())
        if name is None:
            raise UsageError(
                f"{part.name!r} is no expression: folders are called {', '.join(NAMES)}, or named as unknown."
            )
        for path in sorted(path for path in part.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES):
            found = pattern.match(path.name)
            if found is None:
                raise UsageError(
                    f"the name of {path} does not begin with {subject!r}, so nobody knows whose face it is."
                )
            count += 1
            yield path, name, found[1] if pattern.groups else found[0]
    if not count:
        raise SourceError(f"{root} has no pictures in folders named after expressions.")


def judge(pictures: Sequence[tuple[Path, str, str]], *, engine: Engine) -> Judged:
    """Ask the engine what the faces of pictures show."""
    truth, people, missed, columns, failed = [], [], [], [], dict[str, str]()
    for path, name, person in pictures:
        try:
            faces = engine.analyze(load_image(path), want={"expression"}).top(1)
        except InputError as error:
            failed[str(path)] = str(error)
            continue
        truth.append(name)
        people.append(person)
        missed.append(not len(faces))
        columns.append(faces.expression)
    names = next((column.names for column in columns if len(column)), EXPRESSIONS)
    values = np.full((len(columns), len(names)), np.nan, np.float32)
    for row, column in enumerate(columns):
        values[row : row + len(column)] = column.values
    return Judged(truth, people, Labels(values, names=names), missed, failed, engine.choose("expression").id)


# -- measures ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Person:
    """One subject's faces: what they are (M,), what was told (M, K), and counts of both (C, K)."""

    truth: NDArray[np.intp]
    told: Doubles
    counts: Whole
    bins: Doubles  # (BINS, 3): faces, sum of their probabilities, those right


def summarize(judged: Judged) -> ExpressionReport:
    """Measures of what was told.

    Raises
    ------
    UsageError
        If no face was judged.
    """
    names, values = judged.told.names, judged.told.values.astype(np.float64)
    truth, subject, missed = np.array(judged.truth), np.array(judged.subject), np.array(judged.missed, np.bool_)
    seen = ~np.isnan(values).any(axis=1)
    if not seen.any():
        raise UsageError("there is no face whose expression was told.")
    known = seen & (truth != UNKNOWN)
    classes = tuple(name for name in EXPRESSIONS if (truth[known] == name).any())
    people = [_person(truth[rows], values[rows], classes, names) for rows in _by_subject(subject, known)]
    lacking = tuple(name for name in classes if name not in names)
    return ExpressionReport(
        model=judged.model,
        faces=int(known.sum()),
        subjects=len(people),
        missed=int(missed.sum()),
        abstained=int((~seen & ~missed).sum()),
        failed=judged.failed,
        accuracy=_measured(people, lambda some: _accuracy(_counts(some), classes, names)),
        uar=_measured(people, lambda some: float(np.nanmean(_recalls(_counts(some), classes, names)))),
        f1=_measured(people, lambda some: float(np.nanmean(_f1(_counts(some), classes, names)))),
        ece=_measured(people, _ece),
        rows=tuple(_row(place, people, classes, names) for place in range(len(classes))),
        lacking=lacking,
        unknown=_unknown(values[seen], truth[seen], subject[seen], names),
        left_out={name: _left_out(people, classes.index(name), names.index(name)) for name in classes if name in names},
    )


def _by_subject(subject: NDArray[np.str_], kept: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
    return [kept & (subject == person) for person in np.unique(subject[kept])]


def _person(truth: NDArray[np.str_], told: Doubles, classes: Sequence[str], names: Sequence[str]) -> _Person:
    places = np.array([classes.index(name) for name in truth])
    called, sure = told.argmax(axis=1), told.max(axis=1)
    counts = np.zeros((len(classes), len(names)), np.int64)
    np.add.at(counts, (places, called), 1)
    right = np.array(names)[called] == truth
    bins = np.zeros((BINS, 3))
    np.add.at(bins, np.minimum((sure * BINS).astype(int), BINS - 1), np.column_stack([np.ones(len(sure)), sure, right]))
    return _Person(places, told, counts, bins)


def _measured(people: Sequence[_Person], measure: Callable[[Sequence[_Person]], float]) -> Measured:
    if not people:
        return Measured(np.nan, (np.nan, np.nan))
    return Measured(measure(people), bootstrap(measure, people))


def _counts(people: Sequence[_Person]) -> Whole:
    return np.asarray(sum(person.counts for person in people))


def _right(counts: Whole, classes: Sequence[str], names: Sequence[str]) -> Doubles:
    """Faces of each class that were called so, (C,)."""
    return np.array(
        [counts[place, names.index(name)] if name in names else 0 for place, name in enumerate(classes)], float
    )


def _accuracy(counts: Whole, classes: Sequence[str], names: Sequence[str]) -> float:
    return float(_right(counts, classes, names).sum() / counts.sum())


def _recalls(counts: Whole, classes: Sequence[str], names: Sequence[str]) -> Doubles:
    """NaN for a class without faces, as draws of subjects may have."""
    faces = counts.sum(axis=1)
    right = _right(counts, classes, names)
    return np.asarray(np.divide(right, faces, out=np.full(len(classes), np.nan), where=faces > 0))


def _f1(counts: Whole, classes: Sequence[str], names: Sequence[str]) -> Doubles:
    right, faces = _right(counts, classes, names), counts.sum(axis=1)
    called = np.array([counts[:, names.index(name)].sum() if name in names else 0 for name in classes])
    return np.asarray(np.divide(2 * right, faces + called, out=np.full(len(classes), np.nan), where=faces > 0))


def _ece(people: Sequence[_Person]) -> float:
    faces, sure, right = np.sum([person.bins for person in people], axis=0).T
    return float(np.abs(sure - right).sum() / faces.sum())


def _row(place: int, people: Sequence[_Person], classes: Sequence[str], names: Sequence[str]) -> ClassRow:
    counts, name = _counts(people), classes[place]
    own = [person for person in people if person.counts[place].any()]
    called = counts[:, names.index(name)].sum() if name in names else 0
    return ClassRow(
        name=name,
        faces=int(counts[place].sum()),
        subjects=len(own),
        recall=_measured(own, lambda some: float(_recalls(_counts(some), classes, names)[place])),
        precision=float(counts[place, names.index(name)] / called) if called else np.nan,
        called={other: int(count) for other, count in zip(names, counts[place], strict=True)},
    )


def _left_out(people: Sequence[_Person], place: int, column: int) -> Measured:
    def area(some: Sequence[_Person]) -> float:
        told = np.concatenate([person.told for person in some])
        own = np.concatenate([person.truth for person in some]) == place
        rest = np.delete(told, column, axis=1)
        odd = 1 - rest[:, :-1].max(axis=1) / rest.sum(axis=1).clip(1e-9)  # "unknown" stands last
        return area_under_curve(odd[own], odd[~own])

    return _measured(people, area)


def _unknown(
    values: Doubles, truth: NDArray[np.str_], subject: NDArray[np.str_], names: Sequence[str]
) -> Measured | None:
    if UNKNOWN not in names or not (truth == UNKNOWN).any() or (truth == UNKNOWN).all():
        return None
    told, odd = values[:, names.index(UNKNOWN)], truth == UNKNOWN
    parts = [(told[rows], odd[rows]) for rows in _by_subject(subject, np.ones(len(truth), np.bool_))]

    def area(some: Sequence[tuple[Doubles, NDArray[np.bool_]]]) -> float:
        scores, odd_ones = (np.concatenate(side) for side in zip(*some, strict=True))
        return area_under_curve(scores[odd_ones], scores[~odd_ones])

    return Measured(area(parts), bootstrap(area, parts))
