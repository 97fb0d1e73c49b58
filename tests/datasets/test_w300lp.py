"""300W-LP's annotations: angles, points, and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.io import savemat

from mien.core.errors import InputError, SourceError
from mien.core.geometry import angles, rotation_matrix
from mien.datasets.readers.w300lp import find_w300lp, read_w300lp, rotation_of_300w_lp
from tests.shared import DATA

POINTS = np.array([[10, 50, 30, 20], [15, 20, 60, 80], [0, 1, 2, 3.0]])


def annotation(**changes: Any) -> dict[str, Any]:
    whole = {"Pose_Para": np.array([[0.1, -0.5, 0.2, 1, 2, 3, 0.001]]), "pt3d_68": POINTS, "Shape_Para": np.ones(199)}
    return {name: value for name, value in (whole | changes).items() if value is not None}


def written(path: Path, **changes: Any) -> Path:
    savemat(path, annotation(**changes), do_compression=True)
    path.with_suffix(".jpg").write_bytes(b"")
    return path


def test_single_angles_are_ours() -> None:
    for radians, expected in (
        ((0.5, 0, 0), [0, 28.65, 0]),
        ((0, 0.5, 0), [-28.65, 0, 0]),  # theirs turns the other way
        ((0, 0, 0.5), [0, 0, 28.65]),
    ):
        np.testing.assert_allclose(angles(rotation_of_300w_lp(*radians)), expected, atol=0.01)


@given(st.floats(-1.5, 1.5), st.floats(-1.5, 1.5), st.floats(-3, 3))
def test_turns_are_multiplied_in_their_order(pitch: float, yaw: float, roll: float) -> None:
    # In their axes (x right, y up, z towards the camera) with left-handed turns: R = Rx Ry Rz.
    (cx, cy, cz), (sx, sy, sz) = np.cos([pitch, yaw, roll]), np.sin([pitch, yaw, roll])
    rx = np.array([[1, 0, 0], [0, cx, sx], [0, -sx, cx]])
    ry = np.array([[cy, 0, -sy], [0, 1, 0], [sy, 0, cy]])
    rz = np.array([[cz, sz, 0], [-sz, cz, 0], [0, 0, 1]])
    half = np.diag([1.0, -1.0, -1.0])
    np.testing.assert_allclose(rotation_of_300w_lp(pitch, yaw, roll), half @ rx @ ry @ rz @ half, atol=1e-6)


def test_a_folder_and_its_folders(tmp_path: Path) -> None:
    (tmp_path / "AFW").mkdir()
    written(tmp_path / "AFW" / "b.mat")
    written(tmp_path / "a.mat", pt3d_68=None, pt2d=np.array([[5, -1, 9.0], [6, -1, 7]]))
    written(tmp_path / "c.mat").with_suffix(".jpg").unlink()  # no picture: not a photo
    first, second = find_w300lp(tmp_path)
    assert [first.picture.name, second.picture.name] == ["b.jpg", "a.jpg"]
    np.testing.assert_allclose(first.box, [10, 15, 50, 80])
    np.testing.assert_allclose(second.box, [5, 6, 9, 7])
    np.testing.assert_allclose(first.rotation, rotation_of_300w_lp(0.1, -0.5, 0.2))


def test_folders_without_photos(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="holds no"):
        list(find_w300lp(tmp_path))
    with pytest.raises(SourceError, match="not a folder"):
        list(find_w300lp(tmp_path / "missing"))


@pytest.mark.parametrize(
    "changes",
    [
        {"Pose_Para": None},
        {"Pose_Para": np.array([1.0, 2.0])},
        {"Pose_Para": np.array([1.0, np.nan, 0.0])},
        {"Pose_Para": np.array([40.0, 3.0, 0.0])},  # degrees
        {"Pose_Para": "left"},
        {"Pose_Para": np.zeros((100, 100))},
        {"Pose_Para": np.array([[{"a": 1}]], dtype=object)},
        {"pt3d_68": None},
        {"pt3d_68": np.zeros((68, 3))},
        {"pt3d_68": np.full((3, 68), np.nan)},
        {"pt3d_68": np.full((2, 68), -1.0)},
    ],
)
def test_annotations_that_are_not_as_published(tmp_path: Path, changes: dict[str, Any]) -> None:
    path = written(tmp_path / "a.mat", **changes)
    with pytest.raises(InputError, match=r"a\.mat"):
        read_w300lp(path, path.with_suffix(".jpg"))


@pytest.mark.data
def test_real_annotations() -> None:
    photos = list(find_w300lp(DATA / "pose"))
    assert len(photos) == 8
    for photo in photos:
        np.testing.assert_allclose(photo.rotation @ photo.rotation.T, np.eye(3), atol=1e-5)
        assert (photo.box[2:] - photo.box[:2] > 50).all()
    rounded = {photo.picture.stem: angles(photo.rotation).round() for photo in photos}
    np.testing.assert_allclose(rounded["image00251"], [55, -9, -15])
    np.testing.assert_allclose(rotation_matrix(angles(photos[0].rotation)), photos[0].rotation, atol=1e-5)
