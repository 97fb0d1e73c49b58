"""How far apparent ages are from true ones, by band of age, and whether minors are taken for adults."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import InputError, NoFace, ShapeMismatch, UsageError
from mien.datasets.readers.attribute_sets import read_attributes
from mien.datasets.readers.labels_csv import Labels
from mien.engine import Engine, default_engine
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import ENDS, draw_sums, widen
from mien.evaluation.portraits import look_at, require_some

__all__ = ["ADULT", "BANDS", "AgeReport", "BandReport", "evaluate_age", "score_ages"]

Doubles = NDArray[np.float64]

ADULT = 18  #: years
BANDS = (0, 3, 8, 13, 18, 30, 45, 60, 121)  #: years at which bands begin; the last one is where they end


@dataclass(frozen=True)
class BandReport:
    """Faces of one band of true ages; intervals are 95 % over people.

    Parameters
    ----------
    first, last : int
        Years, both of them inside.
    faces : int
    error, bias : Measured
        Mean absolute error, and mean error: above 0 are people who are taken for older ones.
    covered : Measured
        Share of true ages inside of the estimate's own 80 % interval.
    """

    first: int
    last: int
    faces: int
    error: Measured
    bias: Measured
    covered: Measured


@dataclass(frozen=True)
class AgeReport:
    """The result of an evaluation; intervals are 95 % over people.

    Parameters
    ----------
    people, faces : int
        With an estimate.
    missed, abstained : int
        Faces that were not found, and of which the model said nothing.
    failed : tuple of str
        Files that could not be read, with the reason.
    error, bias : Measured
        Mean absolute error in years, and mean error.
    within : mapping of int to Measured
        Cumulative score CS(k): share of faces whose error is k years at most.
    covered : Measured
        Share of true ages inside of the estimate's own 80 % interval.
    minors : int
        Faces of people under 18.
    minors_error : Measured
        Their mean absolute error.
    minors_as_adults, adults_as_minors : Measured
        Share of those whose mean age is on the other side of 18.
    bands : tuple of BandReport
        Those that have faces.
    """

    people: int
    faces: int
    missed: int
    abstained: int
    failed: tuple[str, ...]
    error: Measured
    bias: Measured
    within: dict[int, Measured]
    covered: Measured
    minors: int
    minors_error: Measured
    minors_as_adults: Measured
    adults_as_minors: Measured
    bands: tuple[BandReport, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_age(
    source: str | os.PathLike[str] | Labels,
    *,
    pictures: str | os.PathLike[str] | None = None,
    margin: float = 0.0,
    within: Sequence[int] = (3, 5, 10),
    engine: Engine | None = None,
) -> AgeReport:
    """Measure the engine's ``age`` on pictures of people whose age is known; in each, the largest face counts.

    Parameters
    ----------
    source : path or Labels
        See `mien.datasets.readers.attribute_sets.read_attributes`; the column ``age`` holds years.
    pictures : path, optional
        The folder that files count from.
    margin : float
        See `mien.evaluation.portraits.look_at`: 0.3 for UTKFace's crops.
    within : sequence of int
        Years k of the cumulative scores.
    engine : Engine, optional

    Raises
    ------
    SourceError, InputError
        If the labels cannot be read.
    UsageError
        If they have no ages.
    NoFace
        If there is no estimate at all.
    """
    engine = engine or default_engine()
    labels = source if isinstance(source, Labels) else read_attributes(source, pictures=pictures)
    years = labels.numbers("age")
    known = np.flatnonzero(np.isfinite(years))
    found = look_at([labels.pictures[row] for row in known], {"age"}, engine, margin=margin)
    rows, means, intervals, missed, failed = list[int](), list[float](), list[Doubles](), 0, list[str]()
    for row, faces in zip(known.tolist(), found, strict=True):
        if isinstance(faces, InputError):
            failed.append(f"{labels.pictures[row].name}: {faces}")
        elif not len(faces):
            missed += 1
        else:
            rows.append(row)
            means.append(float(faces.age.mean[0]))
            intervals.append(np.asarray(faces.age.interval[0], np.float64))
    require_some(len(known), failed)
    told = np.isfinite(means)
    if not told.any():
        raise NoFace(f"no age of a face in any of {len(known)} pictures.")
    kept = [row for row, one in zip(rows, told, strict=True) if one]
    return score_ages(
        years[kept],
        np.array(means)[told],
        np.array(intervals)[told],
        [labels.subjects[row] for row in kept],
        within=within,
        missed=missed,
        abstained=int((~told).sum()),
        failed=failed,
    )


def score_ages(
    truth: ArrayLike,
    estimates: ArrayLike,
    intervals: ArrayLike,
    subjects: Sequence[str],
    *,
    within: Sequence[int] = (3, 5, 10),
    missed: int = 0,
    abstained: int = 0,
    failed: Sequence[str] = (),
) -> AgeReport:
    """Measure ages.

    Parameters
    ----------
    truth, estimates : (N,) array-like
        Years.
    intervals : (N, 2) array-like
        What the estimates take for likely.
    subjects : sequence of N str
        Who it is: pictures of one person are not independent.
    within, missed, abstained, failed
        See `AgeReport`.

    Raises
    ------
    ShapeMismatch
        If they are not as many.
    UsageError
        If there are none, or one is no number.
    """
    true, found, ends = (np.asarray(part, np.float64) for part in (truth, estimates, intervals))
    if true.shape != found.shape or ends.shape != (len(true), 2) or len(subjects) != len(true):
        raise ShapeMismatch(f"ages of shapes {true.shape} and {found.shape} do not fit intervals {ends.shape}.")
    if not len(true) or not (np.isfinite(true).all() and np.isfinite(found).all()):
        raise UsageError("ages to compare are finite, and one at least.")
    inside = ((ends[:, 0] <= true) & (true <= ends[:, 1])).astype(np.float64)
    errors, people = found - true, np.unique(np.asarray(subjects), return_inverse=True)[1]

    def mean(values: NDArray[Any], rows: NDArray[np.bool_], *, rate: bool = False) -> Measured:
        return _mean(np.asarray(values, np.float64)[rows], people[rows], rate=rate)

    every, minors = np.ones(len(true), np.bool_), true < ADULT
    bands = []
    for first, end in pairwise(BANDS):
        rows = (true >= first) & (true < end)
        if rows.any():
            parts = mean(np.abs(errors), rows), mean(errors, rows), mean(inside, rows, rate=True)
            bands.append(BandReport(first, end - 1, int(rows.sum()), *parts))
    return AgeReport(
        people=len(np.unique(people)),
        faces=len(true),
        missed=missed,
        abstained=abstained,
        failed=tuple(failed),
        error=mean(np.abs(errors), every),
        bias=mean(errors, every),
        within={k: mean(np.abs(errors) <= k, every, rate=True) for k in within},
        covered=mean(inside, every, rate=True),
        minors=int(minors.sum()),
        minors_error=mean(np.abs(errors), minors),
        minors_as_adults=mean(found >= ADULT, minors, rate=True),
        adults_as_minors=mean(found < ADULT, ~minors, rate=True),
        bands=tuple(bands),
    )


def _mean(values: Doubles, people: NDArray[np.intp], *, rate: bool) -> Measured:
    """Mean of values, with its interval over the people whose they are."""
    if not len(values):
        return Measured(float("nan"), (float("nan"), float("nan")))
    whose = np.unique(people, return_inverse=True)[1]
    sums: Doubles = np.stack([np.bincount(whose, values), np.bincount(whose)], axis=1, dtype=np.float64)
    value = float(values.mean())
    totals, faces = draw_sums(sums).T
    low, high = np.quantile(totals / faces, ENDS).tolist()
    return Measured(value, widen((low, high), value, len(sums)) if rate else (low, high))
