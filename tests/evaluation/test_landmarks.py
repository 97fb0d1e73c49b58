"""Errors of points: numbers worked out by hand, faces that were missed, and the shipped models on marked photos."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from mien.cli.app import app
from mien.core.errors import ShapeMismatch, SourceError, UsageError
from mien.datasets.readers.marks import MarkedPicture
from mien.engine import Engine
from mien.evaluation.landmarks import POINT_SETS, evaluate_landmarks, evaluate_points, read_marks
from tests.shared import DATA

MARKED = DATA / "landmarks68_boxes" / "testing_with_face_landmarks.xml"
Doubles = NDArray[np.float64]


def marks(count: int = 68, faces: int = 4, seed: int = 0) -> Doubles:
    points = np.random.default_rng(seed).uniform(0, 100, (faces, count, 2))
    points[:, POINT_SETS[count].eyes[0]], points[:, POINT_SETS[count].eyes[1]] = (20, 40), (80, 40)  # 60 pixels apart
    return points


def boxes(faces: int = 4) -> Doubles:
    return np.tile([0.0, 0, 50, 200], (faces, 1))  # sides of 100 pixels


@pytest.mark.parametrize("count", list(POINT_SETS))
def test_an_offset_is_measured_in_eye_distances_and_box_sides(count: int) -> None:
    truth = marks(count)
    report = evaluate_points(truth + np.array([3, 0]), truth, boxes(), [0, 0, 1, 2])
    assert (report.pictures, report.faces, report.found, report.points) == (3, 4, 4, count)
    np.testing.assert_allclose([report.nme, report.nme_median], 3 / 60)
    np.testing.assert_allclose(report.nme_box, 3 / 100)
    np.testing.assert_allclose(report.nme_interval, (3 / 60, 3 / 60))
    np.testing.assert_allclose(report.auc, 1 - 0.05 / 0.08)
    np.testing.assert_allclose(report.auc_box, 1 - 0.03 / 0.07)
    assert report.failures == report.failures_box == 0
    np.testing.assert_allclose(list(report.regions.values()), 0.05)
    assert bool(report.regions) == (count != 5)


def test_a_missed_face_is_a_failure_and_not_an_error() -> None:
    truth = marks()
    found = truth + np.array([0, 1.2])
    found[1] = np.nan
    found[2, 7] = np.nan  # half a face is none
    report = evaluate_points(found, truth, boxes(), np.arange(4))
    assert report.found == 2
    np.testing.assert_allclose(report.nme, 0.02)
    np.testing.assert_allclose(report.auc, (1 - 0.25) / 2)
    assert report.failures == report.failures_box == 0.5
    nothing = evaluate_points(np.full_like(truth, np.nan), truth, boxes(), np.arange(4))
    assert np.isnan([nothing.nme, nothing.nme_median, *nothing.nme_interval]).all()
    assert (nothing.auc, nothing.failures) == (0, 1)
    assert "NaN" not in json.dumps(nothing.to_dict())


def test_points_that_nobody_marked_do_not_count() -> None:
    truth = marks()
    found = truth + np.array([3, 0])
    found[:, :17] += 50
    truth[:, :17] = np.nan
    report = evaluate_points(found, truth, boxes(), np.zeros(4))
    np.testing.assert_allclose(report.nme, 0.05)
    assert np.isnan(report.regions["jaw"])


@given(st.integers(0, 100), st.floats(0.1, 100))
@settings(max_examples=10)  # each draws two bootstraps
def test_the_size_of_the_picture_does_not_matter(seed: int, scale: float) -> None:
    truth = marks(seed=seed)
    found = truth + np.random.default_rng(seed).normal(size=truth.shape)
    one = evaluate_points(found, truth, boxes(), np.arange(4))
    other = evaluate_points(found * scale, truth * scale, boxes() * scale, np.arange(4))
    for name in ("nme", "nme_box", "auc", "auc_box"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"found": marks()[:3]}, ShapeMismatch, "do not fit"),
        ({"boxes": boxes()[:3]}, ShapeMismatch, "of 4 faces"),
        ({"photos": [0]}, ShapeMismatch, "of 4 faces"),
        ({"found": marks()[:, :7], "marks": marks()[:, :7]}, UsageError, "faces with 5, 68, 106 points"),
        ({"marks": np.zeros((4, 68, 2))}, UsageError, "both eyes in two places"),
        ({"boxes": np.zeros((4, 4))}, UsageError, "a box with an area"),
    ],
)
def test_numbers_that_do_not_fit(change: dict[str, Any], error: type[Exception], message: str) -> None:
    values: dict[str, Any] = {"found": marks(), "marks": marks(), "boxes": boxes(), "photos": np.arange(4)}
    with pytest.raises(error, match=message):
        evaluate_points(**{**values, **change})


def test_nothing_that_can_be_measured() -> None:
    with Engine(offline=True) as engine:
        for source in ([], [MarkedPicture(Path("a"), boxes(1).astype(np.float32), np.zeros((1, 9, 2)))]):
            with pytest.raises(UsageError, match="5, 68, 106 points are needed; these have"):
                evaluate_landmarks(source, engine=engine)


@pytest.mark.data
@pytest.mark.weights
def test_the_command_measures_marked_photos() -> None:
    result = CliRunner().invoke(app, ["evaluate", "landmarks", str(MARKED), "--threads", "1", "--given-boxes"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert (report["model"], report["pictures"], report["faces"], report["found"]) == ("landmarks68", 5, 25, 25)
    assert report["nme"] < 0.045
    assert report["nme_interval"][0] < report["nme"] < report["nme_interval"][1]
    assert set(report["regions"]) > {"jaw", "right_eye"}


@pytest.mark.data
@pytest.mark.weights
def test_found_faces_are_matched_to_marked_ones() -> None:
    with Engine(threads=1) as engine:
        found = evaluate_landmarks(MARKED, engine=engine)
        given = evaluate_landmarks(MARKED, given_boxes=True, engine=engine)
    assert found.found >= 24
    assert abs(found.nme - given.nme) < 0.004


def test_pictures_that_are_marked_differently() -> None:
    marked = [MarkedPicture(Path("a.jpg"), np.ones((1, 4), np.float32), np.ones((1, count, 2))) for count in (68, 106)]
    with Engine(threads=1) as engine, pytest.raises(UsageError, match="these have 68, 106"):
        evaluate_landmarks(marked, engine=engine)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["evaluate", "landmarks", str(tmp_path / "none.xml"), "--offline"])
    assert result.exit_code != 0
    with pytest.raises(SourceError, match=r"neither \.pts nor \.mat files"):
        read_marks(tmp_path)


@pytest.mark.data
@pytest.mark.weights
def test_the_five_points_that_crops_are_aligned_by() -> None:
    reports = {}
    for model in ("facemesh", "detector-points"):
        with Engine(threads=1, models={"alignment": model}) as engine:
            reports[model] = evaluate_landmarks(MARKED, five=True, engine=engine)
    for report in reports.values():
        assert (report.points, report.faces) == (5, 25)
        assert report.found >= 24
    assert reports["facemesh"].nme < 0.06 < reports["detector-points"].nme
    with pytest.raises(UsageError, match="68 marks a face; these have 5"):
        evaluate_landmarks([MarkedPicture(Path("a"), boxes(1).astype(np.float32), marks(5, 1))], five=True)
