"""Results as the CSV file that OpenFace writes, so that what reads its files reads ours.

Baltrusaitis et al., *OpenFace 2.0: Facial Behavior Analysis Toolkit*, FG 2018; the columns are those of the page
"Output Format" of its wiki. They stand in its units and signs, not in ours:

- ``frame`` counts from 1; ``face_id`` is the track; ``confidence`` the score; ``success`` whether it was seen.
- ``gaze_0_*`` (the eye on the picture's left) and ``gaze_1_*``: a unit vector in camera axes, x right, y down, z away.
  mien has one direction for both eyes, so that the two are equal. ``gaze_angle_x``, ``gaze_angle_y``: radians, > 0 to
  the picture's right and down.
- ``pose_T*``: millimetres; ``pose_R*``: radians, R = Rx Ry Rz: > 0 is down, to the picture's left, clockwise.
- ``x_0`` to ``y_67``: the 68 iBUG points in pixels.
- ``AU01_r`` to ``AU45_r``: from 0 to 5, by the field ``activation`` where there is one, which stands above the person's
  own rest as OpenFace's numbers do, and else by ``action_units``; five times as much, which is a scaling and no
  intensity that coders gave. ``AU01_c`` to ``AU45_c``: 1 where that is `PRESENT` or more; OpenFace has classifiers of
  their own for these. Units that mien does not give are empty cells, never 0. ``AU45`` is unit 43, a closed eye.

Columns of a field that was not computed are left out, as OpenFace leaves out what it is not asked for; a value that
abstained is an empty cell. What mien has no counterpart of is left out, too: ``eye_lmk_*``, ``X_0`` to ``Z_67``,
``p_*``.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import IO, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Angles, Directions, Placement, Points, Scores, Tracks
from mien.core.faces import Faces

__all__ = ["PRESENT", "STRONGEST", "OpenFace", "euler_angles", "named_units", "whose"]

Floats: TypeAlias = NDArray[np.float64]

STRONGEST: Final = 5.0  #: intensity of a unit at its full strength: FACS's letter E
PRESENT: Final = 1.0  #: intensity from which a unit counts as present: FACS's letter A, a trace


def euler_angles(rotation: Floats) -> Floats:
    """Angles of R = Rx(a) Ry(b) Rz(c), in radians.

    Parameters
    ----------
    rotation : (N, 3, 3)

    Returns
    -------
    (N, 3) float64
        a, b, c with b in [-pi/2, pi/2].
    """
    R = np.asarray(rotation, np.float64)
    a = np.arctan2(-R[:, 1, 2], R[:, 2, 2])
    b = np.arcsin(R[:, 0, 2].clip(-1, 1))
    c = np.arctan2(-R[:, 0, 1], R[:, 0, 0])
    return np.stack([a, b, c], axis=1)


def _gaze(gaze: Directions) -> Floats:
    vector = gaze.vector.astype(np.float64)
    x, y, z = vector.T
    angles = np.stack([np.arctan2(x, -z), np.arctan2(y, -z)], axis=1)
    return np.concatenate([vector, vector, angles], axis=1)


def _place(head: Placement) -> Floats:
    return head.position.astype(np.float64) * 10  # cm to mm


def _turn(turned: Angles | Placement) -> Floats:
    return euler_angles(turned.matrix.astype(np.float64))


def _points(points: Points) -> Floats:
    return np.concatenate([points.xy[..., 0], points.xy[..., 1]], axis=1).astype(np.float64)


def named_units(units: Scores, numbers: tuple[int, ...]) -> Floats:
    """Action units by their numbers: (N, K) in [0, 1], NaN throughout for one that is not given."""
    known = {number: units.names.index(f"AU{number}") for number in numbers if f"AU{number}" in units.names}
    values = np.full((len(units), len(numbers)), np.nan)
    for place, number in enumerate(numbers):
        if number in known:
            values[:, place] = units.values[:, known[number]]
    return values


def whose(faces: Faces) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """The track of each face (N,), and whether it was seen; without tracks, its number in the picture, and yes."""
    tracks = faces.columns.get("track")
    if isinstance(tracks, Tracks):
        return tracks.ids, tracks.observed
    return np.arange(len(faces)), np.ones(len(faces), np.bool_)


def _units(units: Scores) -> Floats:
    intensities = STRONGEST * named_units(units, tuple(_SAME.get(number, number) for number in _INTENSITIES))
    graded = STRONGEST * named_units(units, tuple(_SAME.get(number, number) for number in _PRESENCES))
    present = np.where(np.isnan(graded), np.nan, graded >= PRESENT)
    return np.concatenate([intensities, present], axis=1)


def _names(*patterns: str, each: Any = "xyz") -> tuple[str, ...]:
    return tuple(pattern.format(part) for pattern in patterns for part in each)


_INTENSITIES: Final = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
_PRESENCES: Final = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)
_SAME: Final = MappingProxyType({45: 43})  # a blink is a closed eye that opens again
_UNITS: Final = (*_names("AU{:02d}_r", each=_INTENSITIES), *_names("AU{:02d}_c", each=_PRESENCES))
_GAZE: Final = (*_names("gaze_0_{}", "gaze_1_{}"), "gaze_angle_x", "gaze_angle_y")

#: Fields in OpenFace's order, with the columns that they fill. Of two that fill the same, the first that is there does.
_PARTS: Final[tuple[tuple[str, tuple[str, ...], Callable[[Any], Floats]], ...]] = (
    ("gaze", _GAZE, _gaze),
    ("head", _names("pose_T{}"), _place),
    ("head", _names("pose_R{}"), _turn),
    ("pose", _names("pose_R{}"), _turn),
    ("landmarks68", _names("x_{}", "y_{}", each=range(68)), _points),
    ("activation", _UNITS, _units),
    ("action_units", _UNITS, _units),
)


class OpenFace:
    """A row per face of each frame; none for a frame without faces, or one that failed.

    Parameters
    ----------
    stream : text file
        To write to.
    """

    HEAD: Final = ("frame", "face_id", "timestamp", "confidence", "success")

    def __init__(self, stream: IO[str]) -> None:
        self._writer = csv.writer(stream)
        self._parts: Mapping[tuple[str, ...], tuple[str, Callable[[Any], Floats]]] | None = None
        self._frame = 0  # of pictures that have no number

    def record(self, record: Mapping[str, Any], faces: Faces | None) -> None:
        """Add one picture; see `mien.media.sinks.Format`."""
        self._frame += 1
        if faces is None:
            return
        if self._parts is None:
            self._begin(faces)
        frame = record["frame"] + 1 if record.get("frame") is not None else self._frame
        time = record.get("time") or 0.0
        ids, seen = whose(faces)
        parts = (self._parts or {}).values()
        values = [np.zeros((len(faces), 0)), *(of(faces.columns[name]) for name, of in parts)]
        numbers = np.concatenate(values, axis=1)
        scores = np.nan_to_num(faces.scores)
        for row in range(len(faces)):
            cells = ["" if np.isnan(number) else round(float(number), 5) for number in numbers[row]]
            head = [frame, int(ids[row]), round(time, 4), round(float(scores[row]), 3), int(seen[row])]
            self._writer.writerow([*head, *cells])

    def end(self) -> None:
        """Complete the file: one without faces has its first columns."""
        if self._parts is None:
            self._begin(None)

    def drop(self) -> None:
        """Give the file up; see `mien.media.sinks.Format`."""

    def _begin(self, faces: Faces | None) -> None:
        parts: dict[tuple[str, ...], tuple[str, Callable[[Any], Floats]]] = {}
        for name, columns, of in _PARTS:
            if faces is not None and name in faces.columns and columns not in parts:
                parts[columns] = (name, of)
        self._parts = MappingProxyType(parts)
        self._writer.writerow([*self.HEAD, *(title for columns in parts for title in columns)])
