"""How far gaze is off, as an angle; what the evaluations of gaze have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Directions
from mien.core.errors import NoFace, UsageError
from mien.core.faces import Faces
from mien.datasets.readers.gaze_csv import GazeRow, GazeTable
from mien.engine import Engine, default_engine
from mien.evaluation.intervals import Interval, bootstrap
from mien.location.gaze import in_camera

__all__ = ["AngleReport", "Measured", "Report", "evaluate_angles", "faces_of", "measured", "of_kind", "parts_of"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """A number with its 95 % interval over groups (people, or rows where there are no groups)."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class Report:
    """What all reports can do."""

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class AngleReport(Report):
    """Angles between estimated and true gaze, in degrees.

    Parameters
    ----------
    pictures, groups : int
        With an estimate, and how many independent parts they come from.
    missed : int
        Pictures without a face, or whose gaze abstained.
    error, median : Measured
        Mean and median angle.
    yaw, pitch : Measured
        Mean absolute errors.
    bias : (yaw, pitch)
        Mean errors, estimate less truth.
    gain : (yaw, pitch)
        Slope of the estimate over the truth; NaN where the truth does not vary.
    into_camera : float
        The mean angle if one always said: into the camera. A model that is not below this says nothing.
    """

    pictures: int
    groups: int
    missed: int
    error: Measured
    median: Measured
    yaw: Measured
    pitch: Measured
    bias: tuple[float, float]
    gain: tuple[float, float]
    into_camera: float


def faces_of(rows: Iterable[GazeRow], want: set[str], engine: Engine) -> tuple[Faces, NDArray[np.intp]]:
    """The largest face of each row's picture, and the numbers of the rows that have one.

    Raises
    ------
    NoFace
        If no picture has a face.
    """
    faces, numbers = [], []
    for number, row in enumerate(rows):
        found = engine.analyze(row.picture, want=want).with_image(None).top(1)
        if len(found):
            faces.append(found)
            numbers.append(number)
    if not faces:
        raise NoFace("no face in any of the pictures.")
    return Faces.concat(faces), np.array(numbers, np.intp)


def evaluate_angles(table: GazeTable, *, engine: Engine | None = None) -> AngleReport:
    """Measure angles of gaze on pictures with a known direction; the largest face of each counts.

    Raises
    ------
    UsageError
        If the table holds no directions, or a vector without length.
    NoFace
        If no picture has a face with a gaze.
    """
    engine = engine or default_engine()
    in_space = of_kind(table, "angles", "vector") == "vector"
    if in_space and not all(any(row.values) for row in table.rows):
        raise UsageError("a gaze of 0, 0, 0 points nowhere.")
    faces, numbers = faces_of(table.rows, {"gaze", "head"} if in_space else {"gaze"}, engine)
    truth = np.array([table.rows[number].values for number in numbers], np.float64)
    true = Directions.from_vectors(truth) if in_space else Directions(truth.astype(np.float32))
    told = Directions.from_vectors(in_camera(faces)) if in_space else faces.gaze
    seen = ~told.abstained
    if not seen.any():
        raise NoFace("no picture has a face whose gaze can be told.")
    difference = (told.values - true.values)[seen].astype(np.float64)
    difference[:, 0] = (difference[:, 0] + 180) % 360 - 180
    cosines = (told.vector * true.vector).sum(axis=1)[seen].astype(np.float64)
    degrees = np.rad2deg(np.arccos(cosines.clip(-1, 1)))
    samples = np.column_stack([degrees, np.abs(difference)])
    parts = parts_of([table.rows[number].group for number in numbers[seen]], samples)
    known = true.values[seen].astype(np.float64)
    yaw, pitch = (_slope(known[:, axis], known[:, axis] + difference[:, axis]) for axis in (0, 1))
    return AngleReport(
        pictures=int(seen.sum()),
        groups=len(parts),
        missed=len(table.rows) - int(seen.sum()),
        error=measured(parts, lambda rows: float(rows[:, 0].mean())),
        median=measured(parts, lambda rows: float(np.median(rows[:, 0]))),
        yaw=measured(parts, lambda rows: float(rows[:, 1].mean())),
        pitch=measured(parts, lambda rows: float(rows[:, 2].mean())),
        bias=(float(difference[:, 0].mean()), float(difference[:, 1].mean())),
        gain=(yaw, pitch),
        into_camera=float(true[seen].off_axis.mean()),
    )


def of_kind(table: GazeTable, *kinds: str) -> str:
    """The table's kind, if it is one of these; else UsageError."""
    if table.kind not in kinds:
        raise UsageError(f"this table is of the kind {table.kind!r}, not {' or '.join(kinds)}.")
    return table.kind


def parts_of(groups: Sequence[str], samples: Doubles) -> list[Doubles]:
    """Samples (n, k) by group; each its own part where there are no groups."""
    if not any(groups):
        return [samples[[row]] for row in range(len(samples))]
    return [samples[np.asarray(groups) == group] for group in sorted(set(groups))]


def measured(parts: Sequence[Doubles], statistic: Callable[[Doubles], float]) -> Measured:
    """A statistic of all parts together, with its interval over them; NaN without any."""
    if not parts:
        return Measured(float("nan"), (float("nan"), float("nan")))
    return Measured(statistic(np.concatenate(parts)), bootstrap(lambda drawn: statistic(np.concatenate(drawn)), parts))


def _slope(known: Doubles, told: Doubles) -> float:
    centered = known - known.mean()
    spread = float(centered @ centered)
    return float(centered @ told) / spread if spread > 1e-6 * len(known) else float("nan")
