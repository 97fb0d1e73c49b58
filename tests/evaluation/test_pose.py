"""Errors of head poses: known turns, counts, folders, the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from typer.testing import CliRunner

from mien.cli.app import app
from mien.core.columns import Angles
from mien.core.errors import NoFace, ShapeMismatch, SourceError, UsageError
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.core.image import load_image, save_image
from mien.datasets.readers.w300lp import rotation_of_300w_lp
from mien.engine import Engine
from mien.evaluation.pose import compare_rotations, evaluate_pose, published_angles, turn_between
from tests.shared import DATA

angle = st.floats(-80, 80)
STILL = np.eye(3)[None]


def rotations(rows: Any) -> Any:
    return rotation_matrix(np.asarray(rows, np.float64)).astype(np.float64)


@pytest.mark.full
@settings(max_examples=20)
@given(st.lists(st.tuples(angle, angle, angle), min_size=1, max_size=5))
def test_no_error_is_none(rows: list[tuple[float, float, float]]) -> None:
    found = compare_rotations(rotations(rows), rotations(rows))
    assert found.faces == len(rows)
    assert found.turn.mean == pytest.approx(0, abs=1e-4)
    assert found.yaw.mean == pytest.approx(0, abs=1e-4)
    assert [row.share for row in found.within] == [1, 1, 1]


def test_errors_of_single_angles() -> None:
    found = compare_rotations(
        rotations([[10, 0, 0], [0, -4, 0], [0, 0, 7.0], [0, 0, 0]]), np.repeat(STILL, 4, axis=0), within=(3.9, 8)
    )
    assert (found.yaw.mean, found.pitch.mean, found.roll.mean) == pytest.approx((2.5, 1.0, 1.75), abs=1e-4)
    assert [part.mean for part in found.published] == pytest.approx([2.5, 1.0, 1.75], abs=1e-4)
    assert found.turn.mean == pytest.approx(21 / 4, abs=1e-4)
    assert found.turn_median.mean == pytest.approx(5.5, abs=1e-4)
    assert [row.share for row in found.within] == [0.25, 0.75]
    low, high = found.turn.interval
    assert low < found.turn.mean < high
    assert found.within[0].interval[0] < 0.25 < found.within[0].interval[1]


def test_angles_wrap_and_the_turn_does_not_depend_on_the_order() -> None:
    found = compare_rotations(rotations([[0, 0, 179.0]]), rotations([[0, 0, -179.0]]))
    assert found.roll.mean == pytest.approx(2, abs=1e-3)
    assert found.turn.mean == pytest.approx(2, abs=1e-3)
    assert turn_between(rotations([[0, 0, 90]]), STILL)[0] == pytest.approx(90)
    assert turn_between(rotations([[0, 0, 180]]), STILL)[0] == pytest.approx(180, abs=0.1)


@given(st.floats(-1.4, 1.4), st.floats(-1.4, 1.4), st.floats(-3, 3))
def test_published_angles_come_back(pitch: float, yaw: float, roll: float) -> None:
    expected = np.rad2deg([-yaw, pitch, roll])
    np.testing.assert_allclose(published_angles(rotation_of_300w_lp(pitch, yaw, roll)), expected, atol=2e-3)


def test_rotations_that_do_not_fit() -> None:
    with pytest.raises(ShapeMismatch, match=r"\(N, 3, 3\)"):
        compare_rotations(STILL, np.eye(3))
    with pytest.raises(UsageError, match="one at least"):
        compare_rotations(np.zeros((0, 3, 3)), np.zeros((0, 3, 3)))
    with pytest.raises(UsageError, match="finite"):
        compare_rotations(STILL * np.nan, STILL)


# --- photos -----------------------------------------------------------------------------------------------------------


class Greys:
    """An engine that finds one face per picture, whose yaw is its grey; 0 is no face, 255 a face without a pose."""

    def analyze(self, image: Any, *, want: set[str], faces: Faces | None = None) -> Faces:
        grey = int(load_image(image)[50, 50, 0])
        found = faces if faces is not None else Faces.from_boxes([] if grey == 0 else [[10, 10, 90, 90], [0, 0, 9, 9]])
        poses = np.array([[np.nan if grey == 255 else grey, 0, 0], [-50, 0, 0.0]])[: len(found)]
        return found.with_columns({"pose": Angles(poses.reshape(-1, 3))})

    @property
    def engine(self) -> Engine:
        return cast("Engine", self)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Photos of faces with yaws of 20, 40 and 60 degrees; one without a face, one without a pose, one of the back."""
    for grey, yaw in ((20, 20), (40, 43), (60, 60), (0, 0), (255, 0), (30, 150)):
        save_image(np.full((100, 100, 3), grey, np.uint8), tmp_path / f"{grey}.png")
        pose = np.array([[0.0, -np.deg2rad(yaw), 0, 0, 0, 0, 1]])
        points = np.array([[12.0, 88, 50, 12], [15, 30, 80, 88], [0, 0, 0, 0]])
        savemat(tmp_path / f"{grey}.mat", {"Pose_Para": pose, "pt3d_68": points})
    return tmp_path


def test_a_folder(folder: Path) -> None:
    found = evaluate_pose(folder, engine=Greys().engine)
    assert (found.faces, found.missed, found.abstained, found.left_out) == (3, 1, 1, 1)
    assert found.yaw.mean == pytest.approx(1, abs=1e-3)
    assert found.turn.mean == pytest.approx(1, abs=1e-3)
    assert json.loads(json.dumps(found.to_dict()))["faces"] == 3


def test_boxes_that_are_given_and_no_limit(folder: Path) -> None:
    found = evaluate_pose(folder, engine=Greys().engine, given_boxes=True, limit=np.inf)
    assert (found.faces, found.missed, found.left_out) == (5, 0, 0)


def test_nobody(tmp_path: Path, folder: Path) -> None:
    for path in folder.glob("*.mat"):
        if path.stem not in {"0", "255"}:
            path.unlink()
    with pytest.raises(NoFace, match="2 photos"):
        evaluate_pose(folder, engine=Greys().engine)
    with pytest.raises(SourceError):
        evaluate_pose(tmp_path / "missing", engine=Greys().engine)


@pytest.mark.weights
@pytest.mark.data
def test_models_side_by_side_on_the_command_line() -> None:
    command = ["evaluate", "pose", str(DATA / "pose"), "--threads", "1"]
    result = CliRunner().invoke(app, [*command, "--model", "pose=pose-canonical", "--model", "pose=whenet"])
    assert result.exit_code == 0, result.output
    rows = [json.loads(line) for line in result.stdout.splitlines() if line.startswith("{")]
    assert [row["model"] for row in rows] == ["pose-canonical", "whenet"]
    for row in rows:
        assert (row["faces"], row["missed"]) == (8, 0)
        assert 1 < row["turn"]["mean"] < 10
        assert row["turn"]["interval"][0] < row["turn"]["mean"] < row["turn"]["interval"][1]


def test_a_folder_without_photos_is_a_plain_error(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", "pose", str(tmp_path)])
    assert result.exit_code != 0
    assert isinstance(result.exception, SourceError)
