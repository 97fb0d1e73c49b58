"""Action units in CSV files as OpenFace and py-feat write them, read as their users read them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mien.core.columns import Angles, Directions, Labels, Points, Scores, Tracks
from mien.core.faces import Faces
from mien.engine.scanning import Failure, Item
from mien.media.pyfeat import PyFeat
from mien.media.sinks import open_sink

UNITS = ("AU1", "AU12", "AU12_left", "AU28", "AU43")
#: OpenFace 2's, from the page "Output Format" of its wiki.
INTENSITIES = [f"AU{n:02d}_r" for n in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)]
PRESENCES = [f"AU{n:02d}_c" for n in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 28, 45)]


def item(number: int = 0, **columns: Any) -> Item:
    faces = Faces.from_boxes([[10, 20, 40, 60]], scores=[0.75], image_size=(640, 480)).with_columns(columns)
    return Item("clip.mp4", faces, time=number / 25, frame=number)


def units(*values: float) -> Scores:
    return Scores([list(values)], names=UNITS)


def written(folder: Path, style: str, *items: Item) -> pd.DataFrame:
    with open_sink(folder / "a.csv", style=style) as sink:
        for one in items:
            sink.write(one.to_dict(), one.faces)
    return pd.read_csv(folder / "a.csv")


def test_openface_units_are_in_order_and_from_0_to_5(tmp_path: Path) -> None:
    table = written(tmp_path, "openface", item(action_units=units(0.1, 0.9, 0.5, 0.3, np.nan)))
    assert list(table.columns) == [
        "frame",
        "face_id",
        "timestamp",
        "confidence",
        "success",
        *INTENSITIES,
        *PRESENCES,
    ]
    row = table.iloc[0]
    assert row.AU01_r == pytest.approx(0.5)
    assert row.AU12_r == pytest.approx(4.5)
    assert (row.AU01_c, row.AU12_c, row.AU28_c) == (0, 1, 1)


def test_what_is_not_given_is_empty_and_never_zero(tmp_path: Path) -> None:
    table = written(tmp_path, "openface", item(action_units=units(0, 0, 0, 0, np.nan)))
    given = {"AU01_r", "AU12_r", "AU01_c", "AU12_c", "AU28_c"}
    for name in (*INTENSITIES, *PRESENCES):
        assert table[name].isna().all() == (name not in given)
    assert ",,," in (tmp_path / "a.csv").read_text()


def test_activation_is_preferred(tmp_path: Path) -> None:
    one = item(action_units=units(0.9, 0.9, 0.9, 0.9, 0.9), activation=units(0.2, 0.4, 0, 0, 0.6))
    row = written(tmp_path, "openface", one).iloc[0]
    assert (row.AU01_r, row.AU12_r, row.AU45_r) == pytest.approx((1.0, 2.0, 3.0))
    assert (row.AU01_c, row.AU28_c) == (1, 0)
    assert written(tmp_path, "pyfeat", one).AU12[0] == pytest.approx(0.4)


def test_pyfeat_has_all_of_its_columns(tmp_path: Path) -> None:
    table = written(tmp_path, "pyfeat", item())
    assert list(table.columns) == list(PyFeat.HEAD)
    assert [name for name in table.columns if name.startswith("AU")] == [
        f"AU{n:02d}" for n in (1, 2, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 17, 20, 23, 24, 25, 26, 28, 43)
    ]
    row = table.iloc[0]
    rect = (row.FaceRectX, row.FaceRectY, row.FaceRectWidth, row.FaceRectHeight, row.FaceScore)
    assert rect == pytest.approx((10, 20, 30, 40, 0.75))
    assert (row.FrameHeight, row.FrameWidth, row["frame"]) == (480, 640, 0)
    assert table.loc[0, "x_0":"gaze_angle"].isna().all()


def test_pyfeat_units_and_signs(tmp_path: Path) -> None:
    expression = Labels([[0.7, 0.2, 0.1]], names=("happiness", "neutral", "unknown"))
    points = Points(np.arange(136, dtype=np.float32).reshape(1, 68, 2), layout="ibug68")
    one = item(
        1600,
        pose=Angles([[30, 20, 10]]),
        gaze=Directions([[10, -5]]),
        action_units=units(0.1, 0.9, 0, 0, 0.25),
        expression=expression,
        landmarks68=points,
        track=Tracks([[7, 1]]),
    )
    row = written(tmp_path, "pyfeat", one).iloc[0]
    # Up; what turns to the picture's right turns to the subject's left; so does what tilts clockwise.
    np.testing.assert_allclose(np.rad2deg([row.Pitch, row.Yaw, row.Roll]), [20, -30, -10], atol=0.01)
    np.testing.assert_allclose(np.rad2deg([row.gaze_pitch, row.gaze_yaw]), [-5, -10], atol=0.01)
    assert np.rad2deg(row.gaze_angle) == pytest.approx(11.17, abs=0.01)
    assert pytest.approx((0.9, 0.25)) == (row.AU12, row.AU43)
    assert (row.happiness, row.neutral) == pytest.approx((0.7, 0.2))
    assert np.isnan(row.anger)
    assert (row.x_0, row.y_0, row.x_67) == (0, 1, 134)
    assert (row.Identity, row.approx_time, row["frame"], row["input"]) == ("Person_7", "01:04", 1600, "clip.mp4")


def test_pyfeat_frames_without_faces_have_a_row_and_failures_none(tmp_path: Path) -> None:
    empty = Item("clip.mp4", Faces.empty(image_size=(640, 480)), time=0.04, frame=1)
    broken = Item("clip.mp4", failure=Failure("ImageError", "broken."), time=0.08, frame=2)
    table = written(tmp_path, "pyfeat", empty, broken, item(3))
    assert table["frame"].tolist() == [1, 3]
    assert table.loc[0, "FaceRectX":"gaze_angle"].isna().all()
    assert table.FrameWidth.tolist() == [640, 640]
    assert not len(written(tmp_path, "pyfeat"))


def test_pictures_without_numbers_are_counted(tmp_path: Path) -> None:
    faces = Faces.from_boxes([[0, 0, 9, 9]])
    table = written(tmp_path, "pyfeat", Item("a.jpg", faces), Item("b.jpg", faces))
    assert table["frame"].tolist() == [0, 1]
    assert table.approx_time.isna().all()
    assert table.FaceScore.isna().all()
