"""How well action units agree with a coder's labels: presence as F1 and AUC, intensities as ICC and its like."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Scores
from mien.core.errors import UsageError
from mien.datasets.readers.labels_csv import Labels
from mien.engine import Engine
from mien.evaluation.action_units import find_units
from mien.evaluation.agreement import agreement, area_under_curve, f1_score
from mien.evaluation.intervals import Interval, bootstrap
from mien.media.openface import PRESENT, STRONGEST

__all__ = ["LabelRow", "LabelsReport", "evaluate_labels", "score_labels"]

Doubles: TypeAlias = NDArray[np.float64]


@dataclass(frozen=True)
class LabelRow:
    """How well one unit agrees with its labels.

    Parameters
    ----------
    unit : str
    pictures, subjects, present : int
        With label and number; those in which it is labelled as present.
    f1, f1_interval, auc, auc_interval
        Of presence: `mien.media.openface.PRESENT` or more counts as present; 95 % over subjects.
    icc, pcc, ccc, mse : float
        Of intensities from 0 to 5 (`mien.evaluation.agreement`); NaN where the labels are 0 and 1.
    icc_interval : (low, high)
    """

    unit: str
    pictures: int
    subjects: int
    present: int
    f1: float
    f1_interval: Interval
    auc: float
    auc_interval: Interval
    icc: float
    icc_interval: Interval
    pcc: float
    ccc: float
    mse: float


@dataclass(frozen=True)
class LabelsReport:
    """The result of `evaluate_labels`.

    Parameters
    ----------
    pictures, subjects : int
    unjudged : int
        Pictures without a face, or with one that abstained.
    rows : tuple of LabelRow
    missing : tuple of str
        Units with labels that the model does not give.
    """

    pictures: int
    subjects: int
    unjudged: int
    rows: tuple[LabelRow, ...]
    missing: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_labels(labels: Labels, *, engine: Engine | None = None, seed: int = 0) -> LabelsReport:
    """Measure the engine's ``action_units`` against labels; see `score_labels`."""
    _truths(labels)  # before the long way through the pictures
    return score_labels(labels, find_units(labels.pictures, engine=engine), seed=seed)


def score_labels(labels: Labels, units: Scores, *, seed: int = 0) -> LabelsReport:
    """Hold units against a coder's labels.

    Parameters
    ----------
    labels : Labels
        With columns named like the units (``AU12``, ``AU12_left``; ``AU01`` counts as ``AU1``): 0 and 1 for presence,
        or intensities from 0 to 5, of which 1 and more is present; empty where nobody looked.
    units : Scores
        One row for each picture; from 0 to 1, which stands for 5.
    seed : int
        Of the bootstrap.

    Raises
    ------
    UsageError
        If there is no picture or label, not one row for each, a label is outside of 0 to 5, or two columns are of one
        unit.
    InputError
        If a label is no number.
    """
    truths = _truths(labels)
    if not labels.pictures or len(labels.pictures) != len(units):
        raise UsageError(
            f"{len(labels.pictures)} pictures and {len(units)} results: at least one is needed, and one for each."
        )
    rows, missing = [], []
    for unit, truth in truths.items():
        if unit in units.names:
            rows.append(_label_row(unit, truth, units.named(unit) * STRONGEST, labels.subjects, seed))
        else:
            missing.append(unit)
    return LabelsReport(
        len(labels.pictures), len(set(labels.subjects)), int(units.abstained.sum()), tuple(rows), tuple(missing)
    )


def _truths(labels: Labels) -> dict[str, Doubles]:
    """Labels (N,) by unit; NaN where nobody looked."""
    truths: dict[str, Doubles] = {}
    for name in labels.columns:
        unit = _unit_name(name)
        if not unit:
            continue
        truth = labels.numbers(name)
        if unit in truths:
            raise UsageError(f"two columns of the labels are of {unit}.")
        if np.nanmin(truth, initial=0) < 0 or np.nanmax(truth, initial=0) > STRONGEST:
            raise UsageError(f"labels of {name} are from 0 to 5.")
        truths[unit] = truth
    if not truths:
        raise UsageError("the labels have no column of an action unit, such as AU12.")
    return truths


def _unit_name(column: str) -> str:
    """``AU1`` of ``AU01``; nothing of what is no unit."""
    number, _, side = column.removeprefix("AU").partition("_")
    if not column.startswith("AU") or not number.isdecimal() or side not in {"", "right", "left"}:
        return ""
    return f"AU{int(number)}{'_' if side else ''}{side}"


def _label_row(unit: str, truth: Doubles, found: Doubles, subjects: Sequence[str], seed: int) -> LabelRow:
    people: dict[str, list[tuple[float, float]]] = {}
    for subject, label, value in zip(subjects, truth.tolist(), found.tolist(), strict=True):
        if not (np.isnan(label) or np.isnan(value)):
            people.setdefault(subject, []).append((label, value))
    parts = list(people.values())

    def both(drawn: Sequence[list[tuple[float, float]]]) -> tuple[Doubles, Doubles]:
        pairs = np.array([pair for part in drawn for pair in part], np.float64).reshape(-1, 2)
        return pairs[:, 0], pairs[:, 1]

    def f1(drawn: Sequence[list[tuple[float, float]]]) -> float:
        label, value = both(drawn)
        return f1_score(label >= 1, value >= PRESENT)

    def auc(drawn: Sequence[list[tuple[float, float]]]) -> float:
        label, value = both(drawn)
        return area_under_curve(value[label >= 1], value[label < 1])

    def icc(drawn: Sequence[list[tuple[float, float]]]) -> float:
        return agreement(*both(drawn)).icc

    label, value = both(parts)
    graded = bool((label > 1).any())
    agreed = agreement(label, value)
    nothing = (np.nan, np.nan)
    return LabelRow(
        unit=unit,
        pictures=len(label),
        subjects=len(parts),
        present=int((label >= 1).sum()),
        f1=f1(parts),
        f1_interval=bootstrap(f1, parts, seed=seed),
        auc=auc(parts),
        auc_interval=bootstrap(auc, parts, seed=seed),
        icc=agreed.icc if graded else np.nan,
        icc_interval=bootstrap(icc, parts, seed=seed) if graded else nothing,
        pcc=agreed.pcc if graded else np.nan,
        ccc=agreed.ccc if graded else np.nan,
        mse=agreed.mse if graded else np.nan,
    )
