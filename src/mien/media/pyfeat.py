"""Results as the CSV file that py-feat writes, so that what reads its files reads ours (``feat.utils.io.read_feat``).

Cheong et al., *Py-Feat: Python Facial Expression Analysis Toolbox*, Affective Science 2023; the columns, units and
signs are those that ``Detectorv1`` of version 2.1.5 writes:

- ``FaceRectX``, ``FaceRectY``, ``FaceRectWidth``, ``FaceRectHeight``: pixels; ``FaceScore``: the detector's.
- ``x_0`` to ``y_67``: 68 points in pixels.
- ``Pitch``, ``Roll``, ``Yaw``: radians, > 0 is up, tilted to the subject's right, turned to the subject's right.
  ``X``, ``Y``, ``Z`` are in a unit of its own network's and stay empty.
- ``AU01`` to ``AU43``: in [0, 1], by ``activation`` where there is one, else ``action_units``.
- ``anger`` ... ``neutral``: probabilities; those of contempt and of something unknown have no column, so that the
  seven may sum to less than 1.
- ``gaze_pitch``, ``gaze_yaw``, ``gaze_angle``: radians, > 0 is up, to the subject's right; the angle to straight ahead.
- ``FrameHeight``, ``FrameWidth``, ``input``, ``frame`` (from 0), ``approx_time`` (minutes:seconds), ``Identity``.

Unlike ours, its columns are always all there: what was not computed, and units that mien does not give, are empty. A
frame without faces has a row, too, with no face in it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import IO, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.media.openface import named_units, whose

__all__ = ["PyFeat"]

Floats: TypeAlias = NDArray[np.float64]

_RECT: Final = ("FaceRectX", "FaceRectY", "FaceRectWidth", "FaceRectHeight", "FaceScore")
_POINTS: Final = (*(f"x_{i}" for i in range(68)), *(f"y_{i}" for i in range(68)))
_POSE: Final = ("Pitch", "Roll", "Yaw", "X", "Y", "Z")
_UNITS: Final = (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
_EXPRESSIONS: Final = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_GAZE: Final = ("gaze_pitch", "gaze_yaw", "gaze_angle")
_FRAME: Final = ("FrameHeight", "FrameWidth")


class PyFeat:
    """A row per face of each frame, and one for a frame without faces; none for one that failed.

    Parameters
    ----------
    stream : text file
        To write to.
    """

    HEAD: Final = (
        *_RECT,
        *_POINTS,
        *_POSE,
        *(f"AU{number:02d}" for number in _UNITS),
        *_EXPRESSIONS,
        *_GAZE,
        *_FRAME,
        "input",
        "frame",
        "approx_time",
        "Identity",
    )

    def __init__(self, stream: IO[str]) -> None:
        self._writer = csv.writer(stream)
        self._writer.writerow(self.HEAD)
        self._frame = -1  # of pictures that have no number

    def record(self, record: Mapping[str, Any], faces: Faces | None) -> None:
        """Add one picture; see `mien.media.sinks.Format`."""
        self._frame += 1
        if faces is None:
            return
        given = record.get("frame")
        time = record.get("time")
        moment = "" if time is None else f"{int(time) // 60:02d}:{int(time) % 60:02d}"
        place = [record["source"], self._frame if given is None else given, moment]
        if not len(faces):
            size = [float(side) for side in faces.image_size[::-1]]
            blank = len(self.HEAD) - len(size) - len(place) - 1
            self._writer.writerow([*[""] * blank, *size, *place, ""])
            return
        ids, _ = whose(faces)
        for row, numbers in enumerate(_numbers(faces)):
            cells = ["" if np.isnan(number) else round(float(number), 5) for number in numbers]
            self._writer.writerow([*cells, *place, f"Person_{int(ids[row])}" if ids[row] >= 0 else ""])

    def end(self) -> None:
        """Complete the file."""

    def drop(self) -> None:
        """Give the file up; see `mien.media.sinks.Format`."""


def _numbers(faces: Faces) -> Floats:
    """The numeric columns, in order."""
    boxes = faces.boxes.astype(np.float64)
    sizes = np.broadcast_to(np.array(faces.image_size[::-1], np.float64), (len(faces), 2))
    parts: list[Floats] = [
        boxes[:, :2],
        boxes[:, 2:] - boxes[:, :2],
        faces.scores[:, None].astype(np.float64),
        _points(faces),
        _pose(faces),
        _units(faces),
        _expressions(faces),
        _gaze(faces),
        np.asarray(sizes),
    ]
    return np.concatenate(parts, axis=1)


def _blank(faces: Faces, count: int) -> Floats:
    return np.full((len(faces), count), np.nan)


def _points(faces: Faces) -> Floats:
    if "landmarks68" not in faces.columns:
        return _blank(faces, len(_POINTS))
    xy = faces.landmarks68.xy.astype(np.float64)
    return np.concatenate([xy[..., 0], xy[..., 1]], axis=1)


def _pose(faces: Faces) -> Floats:
    pose = _blank(faces, len(_POSE))
    if "pose" in faces.columns:
        yaw, pitch, roll = np.deg2rad(faces.pose.values.astype(np.float64)).T
        # Ours are as seen: the subject's right is the picture's left.
        pose[:, :3] = np.stack([pitch, -roll, -yaw], axis=1)
    return pose


def _units(faces: Faces) -> Floats:
    if "activation" in faces.columns:
        return named_units(faces.activation, _UNITS)
    return named_units(faces.action_units, _UNITS) if "action_units" in faces.columns else _blank(faces, len(_UNITS))


def _expressions(faces: Faces) -> Floats:
    found = _blank(faces, len(_EXPRESSIONS))
    if "expression" in faces.columns:
        for place, name in enumerate(_EXPRESSIONS):
            if name in faces.expression.names:
                found[:, place] = faces.expression.named(name)
    return found


def _gaze(faces: Faces) -> Floats:
    if "gaze" not in faces.columns:
        return _blank(faces, len(_GAZE))
    yaw, pitch = np.deg2rad(faces.gaze.values.astype(np.float64)).T
    return np.stack([pitch, -yaw, np.arccos(np.cos(pitch) * np.cos(yaw))], axis=1)
