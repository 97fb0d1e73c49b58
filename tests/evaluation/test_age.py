"""Errors of ages: known ones, bands, minors, people, the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mien.cli.app import app
from mien.core.errors import InputError, NoFace, ShapeMismatch, SourceError, UsageError
from mien.core.image import load_image, save_image
from mien.datasets.readers.attribute_sets import read_utkface
from mien.engine import Engine
from mien.evaluation.age import BANDS, AgeReport, evaluate_age, score_ages
from mien.evaluation.portraits import look_at
from tests.shared import DATA, open_bundle


def scored(truth: list[float], found: list[float], **options: Any) -> AgeReport:
    around = [[one - 5, one + 5] for one in found]
    return score_ages(truth, found, around, [str(row) for row in range(len(truth))], **options)


def test_known_errors() -> None:
    report = scored([10, 16, 30, 70], [12, 20, 29, 60], missed=2, abstained=1)
    assert (report.faces, report.people, report.missed, report.abstained) == (4, 4, 2, 1)
    assert report.error.value == pytest.approx((2 + 4 + 1 + 10) / 4)
    assert report.bias.value == pytest.approx((2 + 4 - 1 - 10) / 4)
    assert {k: one.value for k, one in report.within.items()} == {3: 0.5, 5: 0.75, 10: 1.0}
    assert report.covered.value == 0.75
    assert (report.minors, report.minors_as_adults.value) == (2, 0.5)
    assert report.minors_error.value == pytest.approx(3)
    assert report.adults_as_minors.value == 0
    low, high = report.error.interval
    assert low < report.error.value < high
    assert report.within[10].interval[0] < 1  # all right is no certainty


def test_bands_hold_their_own() -> None:
    report = scored([2, 3, 59, 60], [3, 3, 50, 70])
    assert [(b.first, b.last, b.faces, b.error.value, b.bias.value) for b in report.bands] == [
        (0, 2, 1, 1.0, 1.0),
        (3, 7, 1, 0.0, 0.0),
        (45, 59, 1, 9.0, -9.0),
        (60, 120, 1, 10.0, 10.0),
    ]


@settings(max_examples=10)
@given(st.lists(st.floats(0, 120), min_size=1, max_size=8))
def test_every_face_is_in_one_band(ages: list[float]) -> None:
    report = scored(ages, ages)
    assert sum(band.faces for band in report.bands) == len(ages)
    assert report.error.value == 0
    assert (BANDS[0], BANDS[-1]) == (0, 121)


def test_pictures_of_one_person_are_not_independent() -> None:
    truth, found = [20.0] * 40, [20.0] * 20 + [30.0] * 20
    ends = [[0, 99]] * 40
    many = score_ages(truth, found, ends, [str(row) for row in range(40)])
    two = score_ages(truth, found, ends, ["a"] * 20 + ["b"] * 20)
    assert two.people == 2
    assert np.ptp(two.error.interval) > 2 * np.ptp(many.error.interval)


def test_without_minors_there_is_no_rate() -> None:
    report = scored([30], [30])
    assert np.isnan(report.minors_as_adults.value)
    assert report.minors == 0


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeMismatch):
        score_ages([1, 2], [1], [[0, 1]], ["a"])
    with pytest.raises(UsageError):
        scored([], [])
    with pytest.raises(UsageError):
        scored([np.nan], [1])
    with Engine(threads=1) as engine, pytest.raises(UsageError, match="margin"):
        list(look_at([], {"age"}, engine, margin=-1))


def test_names_of_utkface(tmp_path: Path) -> None:
    for name in ("26_1_0_20170104.jpg.chip.jpg", "5_0_3_2016.png", "notes.txt", "100_1_2016.jpg"):
        (tmp_path / name).touch()
    labels = read_utkface(tmp_path)
    assert labels.columns == {"age": ("100", "26", "5"), "gender": ("feminine", "feminine", "masculine")}
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="UTKFace"):
        read_utkface(empty)
    with pytest.raises(SourceError):
        read_utkface(tmp_path / "missing")


@pytest.mark.weights
@pytest.mark.data
def test_the_command(tmp_path: Path) -> None:
    open_bundle("age-dlib")
    for file in sorted((DATA / "age_gender").glob("*.jpg"))[::20]:
        save_image(load_image(file), tmp_path / f"{file.name.split('.')[0]}.png")
    run = CliRunner().invoke(app, ["evaluate", "age", str(tmp_path), "--margin", "0.3", "--threads", "1", "--json"])
    assert run.exit_code == 0, run.output
    said = json.loads(run.output)
    assert said["model"] == "age-dlib"
    assert said["faces"] == 20
    assert 2 < said["error"]["value"] < 9
    (tmp_path / "40_0_0_broken.png").write_bytes(b"no picture")
    out = tmp_path / "report.md"
    run = CliRunner().invoke(app, ["evaluate", "age", str(tmp_path), "--threads", "1", "--out", str(out)])
    assert run.exit_code == 1
    assert "## By true age" in out.read_text()


@pytest.mark.weights
def test_pictures_without_faces(tmp_path: Path) -> None:
    open_bundle("age-dlib")
    save_image(np.full((60, 60, 3), 128, np.uint8), tmp_path / "40_0_0_2017.png")
    with Engine(threads=1) as engine, pytest.raises(NoFace, match="1 pictures"):
        evaluate_age(tmp_path, engine=engine)
