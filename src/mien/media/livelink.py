"""One face's expression as the CSV file that the Live Link Face app records, so that what reads its files reads ours.

The columns, their order and their ten decimals are those of recordings of the app (Epic Games; no description of the
format is published). They stand in its units and signs, not in ours:

- ``Timecode`` is hours:minutes:seconds:frames, sixty of these a second, from the clip's start.
- 52 coefficients from 0 to 1, named as ARKit does with a capital. ``TongueOut`` is always 0: the mesh's blendshapes do
  not know it, and readers of the format take no empty cell.
- ``HeadYaw``, ``HeadPitch``, ``HeadRoll`` and the eyes': radians, > 0 to the picture's left, down and clockwise. The
  eyes' are read off recordings, where they go with the coefficients of looking (20 degrees are 0.35); recordings with
  head rotation were not at hand, and the head's follow the eyes'. 0 where ``pose`` or ``gaze`` was not computed. Eyes
  are relative to the head; mien has one direction for both, and no torsion.

The format has one face and no column for whose it is: the file is of one track, that of the largest face in the first
frame that has any (without tracks, the largest of each frame). Frames in which it was not seen have no row.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Angles, Directions, Scores, Tracks
from mien.core.errors import UsageError
from mien.core.faces import Faces

__all__ = ["LiveLink"]

FRAMES: Final = 60  # of a timecode's second

_SIDES = ("Left", "Right")
_EYES = [
    f"Eye{what}{side}"
    for side in _SIDES
    for what in ("Blink", "LookDown", "LookIn", "LookOut", "LookUp", "Squint", "Wide")
]
_JAW = ["JawForward", "JawRight", "JawLeft", "JawOpen"]
_MOUTH = [
    *("MouthClose", "MouthFunnel", "MouthPucker", "MouthRight", "MouthLeft"),
    *(f"Mouth{what}{side}" for what in ("Smile", "Frown", "Dimple", "Stretch") for side in _SIDES),
    *("MouthRollLower", "MouthRollUpper", "MouthShrugLower", "MouthShrugUpper"),
    *(f"Mouth{what}{side}" for what in ("Press", "LowerDown", "UpperUp") for side in _SIDES),
]
_REST = [
    *("BrowDownLeft", "BrowDownRight", "BrowInnerUp", "BrowOuterUpLeft", "BrowOuterUpRight", "CheekPuff"),
    *("CheekSquintLeft", "CheekSquintRight", "NoseSneerLeft", "NoseSneerRight", "TongueOut"),
]
_SHAPES: Final = (*_EYES, *_JAW, *_MOUTH, *_REST)
_TURNS: Final = tuple(f"{what}{axis}" for what in ("Head", "LeftEye", "RightEye") for axis in ("Yaw", "Pitch", "Roll"))


class LiveLink:
    """A row for each frame in which one face is seen.

    Parameters
    ----------
    stream : text file
        To write to.
    """

    HEAD: Final = ("Timecode", "BlendShapeCount", *_SHAPES, *_TURNS)

    def __init__(self, stream: IO[str]) -> None:
        self._writer = csv.writer(stream, lineterminator="\n")
        self._writer.writerow(self.HEAD)
        self._who: int | None = None
        self._frame = 0  # of pictures that have no time

    def record(self, record: Mapping[str, Any], faces: Faces | None) -> None:
        """Add one picture; see `mien.media.sinks.Format`.

        Raises
        ------
        UsageError
            If the faces have no blendshapes: by the first picture, which may have no face at all.
        """
        time = record.get("time")
        time = self._frame / FRAMES if time is None else time
        self._frame += 1
        row = None if faces is None else self._row(faces)
        if faces is None or row is None:
            return
        shapes = faces.blendshapes
        values = {
            name[0].upper() + name[1:]: value for name, value in zip(shapes.names, shapes.values[row], strict=True)
        }
        if np.isnan(shapes.values[row]).any():
            return
        numbers = [float(values.get(name, 0.0)) for name in _SHAPES] + self._turns(faces[[row]]).tolist()
        self._writer.writerow([_timecode(time), len(numbers), *(f"{number:.10f}" for number in numbers)])

    def end(self) -> None:
        """Complete the file."""

    def drop(self) -> None:
        """Give the file up; see `mien.media.sinks.Format`."""

    def _row(self, faces: Faces) -> int | None:
        """Where the one face is, if it was seen."""
        if not isinstance(faces.columns.get("blendshapes"), Scores):
            raise UsageError("results in the style of livelink need the field blendshapes.")
        tracks = faces.columns.get("track")
        if not isinstance(tracks, Tracks):
            return int(faces.heights.argmax()) if len(faces) else None
        known = np.flatnonzero(tracks.ids >= 0)  # -1: nobody knows whose face that is
        if self._who is None and len(known):
            self._who = int(tracks.ids[known[faces.heights[known].argmax()]])
        rows = known[(tracks.ids[known] == self._who) & tracks.observed[known]]
        return int(rows[0]) if len(rows) else None

    @staticmethod
    def _turns(face: Faces) -> NDArray[np.float64]:
        """The nine angles, in radians."""
        pose, gaze = face.columns.get("pose"), face.columns.get("gaze")
        head, eye = np.zeros(3), np.zeros(3)
        if isinstance(pose, Angles):
            head = pose.values[0] * (-1.0, -1.0, 1.0)
            if isinstance(gaze, Directions):
                # Row times matrix is the transpose's product: from camera axes to those of the head.
                eye[:2] = -Directions.from_vectors(gaze.vector @ pose.matrix[0]).values[0]
        return np.asarray(np.nan_to_num(np.deg2rad(np.concatenate([head, eye, eye]))))


def _timecode(time: float) -> str:
    ticks = round(time * FRAMES * 1000)
    seconds, ticks = divmod(ticks, FRAMES * 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}:{ticks // 1000:02}.{ticks % 1000:03}"
