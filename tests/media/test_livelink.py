"""Live Link Face's CSV: its columns in its order, one person, radians in its signs."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.core.columns import Angles, Directions, Scores, Tracks
from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.media.livelink import LiveLink
from mien.media.sinks import open_sink

NAMES = ("_neutral", "jawOpen", "eyeBlinkLeft", "mouthSmileRight")


def faces(ids: list[int], *, sizes: list[int], jaw: float = 0.5, observed: bool = True, **columns: Any) -> Faces:
    boxes = [[0, 0, size, size] for size in sizes]
    shapes = np.tile([0.9, jaw, 0.25, 0.125], (len(ids), 1))
    tracks = np.array([[i if i >= 0 else np.nan, observed] for i in ids]).reshape(-1, 2)
    found = Faces.from_boxes(boxes).with_columns({"blendshapes": Scores(shapes, names=NAMES), "track": Tracks(tracks)})
    return found.with_columns(columns)


def write(path: Path, frames: list[tuple[float, Faces | None]]) -> list[dict[str, str]]:
    with open_sink(path, style="livelink") as sink:
        for time, found in frames:
            sink.write({"source": "a.mp4", "time": time}, found)
    with path.open(newline="") as stream:
        return list(csv.DictReader(stream))


def test_columns_are_those_of_recordings() -> None:
    assert len(LiveLink.HEAD) == 63
    assert len(set(LiveLink.HEAD)) == 63
    # Places of columns in a recording of the app.
    # fmt: off
    for place, name in {0: "Timecode", 1: "BlendShapeCount", 2: "EyeBlinkLeft", 4: "EyeLookInLeft", 9: "EyeBlinkRight",
                        16: "JawForward", 17: "JawRight", 18: "JawLeft", 22: "MouthPucker", 23: "MouthRight",
                        25: "MouthSmileLeft", 33: "MouthRollLower", 38: "MouthPressRight", 43: "BrowDownLeft",
                        48: "CheekPuff", 53: "TongueOut", 54: "HeadYaw", 57: "LeftEyeYaw", 62: "RightEyeRoll"}.items():
        assert LiveLink.HEAD[place] == name
    # fmt: on


def test_rows_are_of_one_person_and_of_frames_that_show_it(tmp_path: Path) -> None:
    rows = write(
        tmp_path / "a.csv",
        [
            (0.0, faces([], sizes=[])),
            (0.2, faces([-1], sizes=[90])),
            (0.5, faces([7, 3, -1], sizes=[20, 40, 90])),
            (1.0, faces([7, -1], sizes=[90, 90])),
            (1.5, None),
            (2.0, faces([3], sizes=[40], observed=False)),
            (3725.25, faces([7, 3], sizes=[90, 40], jaw=0.75)),
        ],
    )
    assert [row["Timecode"] for row in rows] == ["00:00:00:30.000", "01:02:05:15.000"]
    assert [row["JawOpen"] for row in rows] == ["0.5000000000", "0.7500000000"]
    assert rows[0]["BlendShapeCount"] == "61"
    assert {name: float(rows[0][name]) for name in ("EyeBlinkLeft", "MouthSmileRight", "TongueOut", "HeadYaw")} == {
        "EyeBlinkLeft": 0.25,
        "MouthSmileRight": 0.125,
        "TongueOut": 0.0,
        "HeadYaw": 0.0,
    }


def test_turns_are_radians_to_the_pictures_left_down_and_clockwise(tmp_path: Path) -> None:
    turn = (20.0, -10.0, 5.0)
    # Eyes that look 12 degrees to the picture's right and 8 up, as seen from the head.
    eyes = Directions(np.float32([[12, 8]])).vector @ rotation_matrix(turn).T
    seen = faces([1], sizes=[30], pose=Angles(np.float32([turn])), gaze=Directions.from_vectors(eyes))
    (row,) = write(tmp_path / "a.csv", [(0.0, seen)])
    degrees = [
        np.rad2deg(float(row[f"{what}{axis}"])) for what in ("Head", "LeftEye") for axis in ("Yaw", "Pitch", "Roll")
    ]
    np.testing.assert_allclose(degrees, [-20, 10, 5, -12, -8, 0], atol=1e-3)
    assert row["LeftEyeYaw"] == row["RightEyeYaw"]


def test_a_file_needs_blendshapes_and_is_none_without(tmp_path: Path) -> None:
    with (
        pytest.raises(UsageError, match="need the field blendshapes"),
        open_sink(tmp_path / "a.csv", style="livelink") as sink,
    ):
        sink.write({"source": "a", "time": 0.0}, Faces.empty())
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UsageError, match=r"written as \.csv"):
        open_sink(tmp_path / "a.json", style="livelink")


def test_a_face_without_a_mesh_has_no_row(tmp_path: Path) -> None:
    lost = Faces.from_boxes([[0, 0, 9, 9]]).with_columns({"blendshapes": Scores(np.full((1, 4), np.nan), names=NAMES)})
    assert write(tmp_path / "a.csv", [(0.0, lost), (0.1, lost[:0])]) == []
