"""How far on-screen points are off after calibration, each group of pictures predicted from all others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.datasets.readers.gaze_csv import GazeTable
from mien.engine import Engine, default_engine
from mien.evaluation.gaze import Measured, Report, faces_of, measured, of_kind, parts_of
from mien.location.screen import Profile, Unit

__all__ = ["ScreenReport", "evaluate_points", "evaluate_screen"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class ScreenReport(Report):
    """Distances on a screen between estimate and truth, each group of pictures predicted by a profile of all others.

    Parameters
    ----------
    pictures, groups : int
        Used, and how many groups were left out in turn.
    missed : int
        Pictures without a face, a gaze or a head.
    error, median : Measured
        Mean and median distance, in `unit`.
    expected : float
        Mean of the errors that the profiles themselves expected.
    middle : float
        The mean distance if one always said: the middle of the points.
    unit : str
    """

    pictures: int
    groups: int
    missed: int
    error: Measured
    median: Measured
    expected: float
    middle: float
    unit: str


def evaluate_screen(table: GazeTable, *, unit: Unit = "cm", engine: Engine | None = None) -> ScreenReport:
    """Measure the on-screen error of one person: each group is predicted by a profile made from all others.

    Groups are those of the table, such as ways of holding the head; without, the pictures of one point are a group.

    Raises
    ------
    UsageError
        If the table holds no points on a screen, or too few to calibrate when a group is left out.
    NoFace
        If no picture has a face.
    """
    engine = engine or default_engine()
    of_kind(table, "screen")
    faces, numbers = faces_of(table.rows, {"gaze", "head"}, engine)
    where = np.array([table.rows[number].values for number in numbers], np.float64)
    return evaluate_points(faces, where, [table.rows[n].group for n in numbers], unit=unit, pictures=len(table.rows))


def evaluate_points(
    faces: Faces, where: Doubles, groups: Sequence[str], *, unit: Unit = "cm", pictures: int | None = None
) -> ScreenReport:
    """The same for faces that are there already, with the points (N, 2) that they look at."""
    given = any(groups)
    _, held = np.unique(np.asarray(groups) if given else where, axis=0, return_inverse=True)
    held = held.ravel()
    distances, of_group, expected = [], [], []
    for group in np.unique(held):
        out = held == group
        profile = Profile.calibrate(faces[~out], where[~out], unit=unit, groups=held[~out] if given else None)
        told = np.linalg.norm(profile.predict(faces[out]).xy - where[out], axis=1)
        seen = np.isfinite(told)
        distances += told[seen].tolist()
        of_group += [str(group)] * int(seen.sum())
        expected.append(profile.error)
    parts = parts_of(of_group, np.array(distances)[:, None])
    return ScreenReport(
        pictures=len(distances),
        groups=len(parts),
        missed=(pictures or len(faces)) - len(distances),
        error=measured(parts, lambda rows: float(rows.mean())),
        median=measured(parts, lambda rows: float(np.median(rows))),
        expected=float(np.mean(expected)),
        middle=float(np.linalg.norm(where - where.mean(axis=0), axis=1).mean()),
        unit=unit,
    )
