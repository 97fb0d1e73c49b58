"""Whether it is told who looks at a face, and at which: the looking-at-face rate."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.boxes import iou
from mien.core.faces import Faces
from mien.datasets.readers.gaze_csv import GazeRow, GazeTable
from mien.engine import Engine, default_engine
from mien.evaluation.gaze import Report, of_kind
from mien.evaluation.intervals import Interval, wilson
from mien.location.looking import UNKNOWN, Cone, looks_at

__all__ = ["LookReport", "evaluate_looks"]

OVERLAP = 0.2  # of a found box with an annotated one, from which it is that face


@dataclass(frozen=True)
class LookReport(Report):
    """Whether faces that look at faces are told from others.

    Parameters
    ----------
    faces : int
        Annotated and found.
    missed, unknown : int
        Not found, and found with a gaze that abstained.
    at_faces : int
        Of the annotated ones, those whose target lies in the box of another face that was found.
    found, found_interval
        Part of those that are told to look at a face (the looking-at-face rate), and its 95 % interval (Wilson).
    right, right_interval
        Part of those that are told to look at the very face.
    false, false_interval
        Part of all others that are told to look at a face.
    """

    faces: int
    missed: int
    unknown: int
    at_faces: int
    found: float
    found_interval: Interval
    right: float
    right_interval: Interval
    false: float
    false_interval: Interval


def evaluate_looks(table: GazeTable, *, cone: Cone | None = None, engine: Engine | None = None) -> LookReport:
    """Measure how well looking at a face is told, on faces whose target in the picture is known.

    Raises
    ------
    UsageError
        If the table holds no targets.
    """
    engine = engine or default_engine()
    of_kind(table, "target")
    counts = dict.fromkeys(("faces", "missed", "unknown", "at_faces", "found", "right", "others", "false"), 0)
    by_picture: dict[Path, list[GazeRow]] = {}
    for row in table.rows:
        by_picture.setdefault(row.picture, []).append(row)
    for picture, rows in by_picture.items():
        faces = engine.analyze(picture, want={"gaze", "head", "alignment"})
        looks = looks_at(faces, cone=cone)
        for row in rows:
            _count(counts, faces, looks.target, row)
    return LookReport(
        **{name: counts[name] for name in ("faces", "missed", "unknown", "at_faces")},
        found=_rate(counts["found"], counts["at_faces"]),
        found_interval=wilson(counts["found"], counts["at_faces"]),
        right=_rate(counts["right"], counts["at_faces"]),
        right_interval=wilson(counts["right"], counts["at_faces"]),
        false=_rate(counts["false"], counts["others"]),
        false_interval=wilson(counts["false"], counts["others"]),
    )


def _count(counts: dict[str, int], faces: Faces, target: NDArray[np.intp], row: GazeRow) -> None:
    """Add one annotated face to the counts."""
    box, (x, y) = np.array(row.values[:4], np.float32), row.values[4:]
    overlaps = iou(box[None], faces.boxes)[0]
    if not len(faces) or overlaps.max() < OVERLAP:
        counts["missed"] += 1
        return
    counts["faces"] += 1
    me = int(overlaps.argmax())
    there = (faces.boxes[:, 0] <= x) & (x <= faces.boxes[:, 2]) & (faces.boxes[:, 1] <= y) & (y <= faces.boxes[:, 3])
    there[me] = False
    told = int(target[me])
    counts["unknown"] += told == UNKNOWN
    counts["at_faces" if there.any() else "others"] += 1
    if there.any():
        counts["found"] += told >= 0
        counts["right"] += told >= 0 and bool(there[told])
    else:
        counts["false"] += told >= 0


def _rate(part: int, whole: int) -> float:
    return part / whole if whole else float("nan")
