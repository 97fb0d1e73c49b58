"""Parquet files and OpenFace's CSV files of tracked faces."""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import Angles, Directions, Distribution, Placement, Points, Tracks, Vectors
from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.engine.scanning import Failure, Item
from mien.media import parquet
from mien.media.openface import euler_angles
from mien.media.sinks import open_sink


def frame(number: int, count: int, *, seen: bool = True) -> Item:
    """A frame of a followed clip: `count` faces with one field of each kind, the last of them abstaining."""
    boxes = [[10.0 * i, 5, 10.0 * i + 8, 15] for i in range(count)]
    faces = Faces.from_boxes(boxes, scores=np.full(count, 0.9), image_size=(640, 480))

    def block(*shape: int) -> Any:
        values = np.arange(count * int(np.prod(shape)), dtype=np.float32).reshape(count, *shape) / 10
        if count:
            values[-1] = np.nan
        return values

    ids = np.stack([np.arange(count) + 4.0, np.full(count, float(seen))], axis=1).reshape(count, 2)
    columns = {
        "track": Tracks(ids),
        "pose": Angles(block(3)),
        "head": Placement(block(7)),
        "gaze": Directions(block(2)),
        "landmarks68": Points(block(68, 2), layout="ibug68"),
        "embedding": Vectors(block(4), space="toy/1"),
        "age": Distribution(block(2), support=(0, 1)),
    }
    return Item("clip.mp4", faces.with_columns(columns, model="toy"), time=number / 25, frame=number)


ITEMS = [
    Item("clip.mp4", failure=Failure("ImageError", "broken."), time=0.0, frame=0),
    frame(1, 0),
    frame(2, 3),
    frame(3, 1, seen=False),
]


def write(path: Path, items: list[Item], **options: Any) -> Path:
    with open_sink(path, **options) as sink:
        for item in items:
            sink.write(item.to_dict(), item.faces)
    return path


# --- Parquet ------------------------------------------------------------------------------------------------------


def test_an_error_after_rows_were_written_leaves_nothing_and_no_complaint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    complaints: list[Any] = []
    monkeypatch.setattr(sys, "unraisablehook", complaints.append)
    monkeypatch.setattr(parquet, "_GROUP", 2)
    with pytest.raises(ZeroDivisionError), open_sink(tmp_path / "a.parquet") as sink:
        for item in ITEMS:
            sink.write(item.to_dict(), item.faces)
        raise ZeroDivisionError
    del sink
    gc.collect()
    assert list(tmp_path.iterdir()) == []
    assert not complaints


def test_parquet_has_a_row_per_face_and_per_failure(tmp_path: Path) -> None:
    table = pd.read_parquet(write(tmp_path / "a.parquet", ITEMS))
    assert table["frame"].tolist() == [0, 2, 2, 2, 3]
    assert table["failure"].fillna("").tolist() == ["broken.", "", "", "", ""]
    assert table["track.id"].tolist()[1:] == [4, 5, 6, 4]
    assert table["track.observed"].tolist()[1:] == [True, True, True, False]
    assert table["pose.pitch"][1] == pytest.approx(0.1)
    assert np.isnan(table["pose.pitch"][3])
    assert table["embedding"][2].tolist() == pytest.approx([0.4, 0.5, 0.6, 0.7])
    points = np.stack(list(table["landmarks68"][1]))
    assert points.shape == (68, 2)
    assert points[67].tolist() == pytest.approx([13.4, 13.5])
    assert table["landmarks68"][3] is None


def test_parquet_says_which_model_made_what(tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    about = parquet.read_schema(write(tmp_path / "a.parquet", ITEMS)).metadata
    assert about[b"mien.schema"] == b"1"
    assert json.loads(about[b"mien.models"])["pose"] == "toy"


@pytest.mark.slow
def test_parquet_is_written_in_groups(tmp_path: Path) -> None:
    import pyarrow.parquet as parquet

    path = write(tmp_path / "a.parquet", [frame(number, 2) for number in range(2100)])
    file = parquet.ParquetFile(path)
    assert file.metadata.num_rows == 4200
    assert file.num_row_groups == 2
    assert not file.close()


@pytest.mark.parametrize("items", [[], ITEMS[:1], ITEMS[1:2]])
def test_parquet_without_faces_is_valid(tmp_path: Path, items: list[Item]) -> None:
    table = pd.read_parquet(write(tmp_path / "a.parquet", items))
    assert list(table.columns)[:5] == ["source", "frame", "time", "face", "failure"]
    assert len(table) == sum(item.faces is None for item in items)


def test_parquet_of_pictures_has_no_frames(tmp_path: Path) -> None:
    item = frame(1, 1)
    table = pd.read_parquet(write(tmp_path / "a.parquet", [Item("a.jpg", item.faces)]))
    assert table["source"].tolist() == ["a.jpg"]
    assert table["frame"].isna().all()


def test_parquet_without_its_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match=r"pip install 'mien\[parquet\]'"):
        open_sink(tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


def test_ctrl_c_leaves_a_part_that_can_be_read(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), open_sink(tmp_path / "a.parquet") as sink:
        sink.write(ITEMS[2].to_dict(), ITEMS[2].faces)
        raise KeyboardInterrupt
    (part,) = tmp_path.iterdir()
    assert len(pd.read_parquet(part)) == 3


# --- OpenFace -----------------------------------------------------------------------------------------------------


def test_openface_columns_and_units(tmp_path: Path) -> None:
    table = pd.read_csv(write(tmp_path / "a.csv", ITEMS, style="openface"))
    assert list(table.columns[:16]) == [
        "frame", "face_id", "timestamp", "confidence", "success", "gaze_0_x", "gaze_0_y", "gaze_0_z", "gaze_1_x",
        "gaze_1_y", "gaze_1_z", "gaze_angle_x", "gaze_angle_y", "pose_Tx", "pose_Ty", "pose_Tz",
    ]  # fmt: skip
    assert list(table.columns[16:21]) == ["pose_Rx", "pose_Ry", "pose_Rz", "x_0", "x_1"]
    assert list(table.columns[-2:]) == ["y_66", "y_67"]
    assert table.columns.is_unique
    assert table["frame"].tolist() == [3, 3, 3, 4]
    assert table["face_id"].tolist() == [4, 5, 6, 4]
    assert table["success"].tolist() == [1, 1, 1, 0]
    assert table["timestamp"].tolist() == [0.08, 0.08, 0.08, 0.12]
    assert table["pose_Tz"][0] == pytest.approx(5.0)  # 0.5 cm
    assert table["x_67"][0] == pytest.approx(13.4)
    assert table["y_67"][0] == pytest.approx(13.5)
    assert table.loc[2, "gaze_0_x":].isna().all()


def one_face(**columns: Any) -> Item:
    return Item("a.jpg", Faces.from_boxes([[0, 0, 9, 9]]).with_columns(columns))


@pytest.mark.parametrize(
    ("angles", "expected"),
    [((30, 0, 0), (0, -30, 0)), ((0, 30, 0), (-30, 0, 0)), ((0, 0, 30), (0, 0, 30))],
)
def test_openface_turns_are_positive_down_to_the_left_and_clockwise(
    tmp_path: Path, angles: tuple[float, ...], expected: tuple[float, ...]
) -> None:
    path = write(tmp_path / "a.csv", [one_face(pose=Angles([list(angles)]))], style="openface")
    row = pd.read_csv(path).iloc[0]
    np.testing.assert_allclose(np.rad2deg([row.pose_Rx, row.pose_Ry, row.pose_Rz]), expected, atol=1e-2)
    assert row.frame == 1
    assert row.confidence == 0
    assert row.success == 1


def test_openface_gaze_is_positive_to_the_right_and_down(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [one_face(gaze=Directions([[20, -10]]))], style="openface")
    row = pd.read_csv(path).iloc[0]
    assert row.gaze_0_x > 0
    assert row.gaze_0_y > 0
    assert row.gaze_0_z < 0
    assert np.rad2deg(row.gaze_angle_x) == pytest.approx(20, abs=0.01)
    assert row.gaze_angle_y > 0


@given(angles=st.tuples(st.floats(-80, 80), st.floats(-170, 170), st.floats(-170, 170)))
def test_euler_angles_rebuild_the_rotation(angles: tuple[float, float, float]) -> None:
    rotation = rotation_matrix([angles]).astype(float)
    a, b, c = euler_angles(rotation)[0]
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    np.testing.assert_allclose(about_x @ about_y @ about_z, rotation[0], atol=1e-5)


@pytest.mark.parametrize("items", [[], ITEMS[:1]])
def test_openface_without_faces_has_its_first_columns(tmp_path: Path, items: list[Item]) -> None:
    table = pd.read_csv(write(tmp_path / "a.csv", items, style="openface"))
    assert list(table.columns) == ["frame", "face_id", "timestamp", "confidence", "success"]
    assert not len(table)
