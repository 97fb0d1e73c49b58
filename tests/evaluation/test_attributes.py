"""Attributes held against labels: known scores, ties, readers, the command."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mien.cli.app import app
from mien.core.errors import InputError, ShapeMismatch, SourceError, UsageError
from mien.datasets.readers.attribute_sets import CELEBA_COLOURS, CELEBA_FLAGS, read_attributes, read_celeba
from mien.datasets.readers.labels_csv import Labels
from mien.engine import Engine
from mien.evaluation.attributes import FLAGS, _area, _average_precision, evaluate_attributes, score_attribute
from mien.features.shown.hair import HAIR_NAMES
from tests.evaluation.ranking import area_by_pairs, precision_by_steps
from tests.shared import DATA, open_bundle


def names(count: int) -> list[str]:
    return [str(row) for row in range(count)]


def test_known_scores() -> None:
    yes = np.array([0.9, 0.8, 0.3, 0.6, 0.2, np.nan])
    report = score_attribute("glasses", [1, 1, 1, 0, 0, 0], np.stack([1 - yes, yes], axis=1), FLAGS, names(6), missed=3)
    assert (report.faces, report.people, report.missed, report.counts) == (5, 5, 3, {"0": 2, "1": 3})
    assert report.abstained.value == pytest.approx(1 / 6)
    assert report.accuracy.value == pytest.approx(3 / 5)
    assert report.recalls["1"].value == pytest.approx(2 / 3)
    assert report.recalls["0"].value == pytest.approx(1 / 2)
    assert report.balanced.value == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert report.auc.value == pytest.approx(5 / 6)
    low, high = report.accuracy.interval
    assert low < report.accuracy.value < high


@settings(max_examples=20)
@given(st.lists(st.tuples(st.integers(0, 5), st.booleans()), min_size=2, max_size=30))
def test_areas_and_precisions_are_those_of_their_definitions(rows: list[tuple[int, bool]]) -> None:
    scores, positive = np.array([row[0] for row in rows], np.float64), np.array([row[1] for row in rows])
    if positive.all() or not positive.any():
        assert np.isnan(_area(scores, positive))
    else:
        assert _area(scores, positive) == pytest.approx(area_by_pairs(positive, scores))
        assert _average_precision(scores, positive) == pytest.approx(precision_by_steps(positive, scores))


def test_more_than_two_classes_have_no_curve() -> None:
    report = score_attribute("hair", [0, 1, 2], np.eye(3), ("black", "brown", "blond"), names(3))
    assert report.accuracy.value == report.balanced.value == 1
    assert report.accuracy.interval[0] < 1
    assert np.isnan(report.auc.value)


def test_all_abstained() -> None:
    report = score_attribute("hair", [0, 1], np.full((2, 3), np.nan), ("a", "b", "c"), names(2))
    assert report.faces == 0
    assert report.abstained.value == 1
    assert np.isnan(report.accuracy.value)


def test_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeMismatch):
        score_attribute("hair", [0, 1], np.eye(3), ("a", "b", "c"), names(2))
    with pytest.raises(UsageError):
        score_attribute("hair", [], np.empty((0, 3)), ("a", "b", "c"), [])


CELEBA = """2
Bald Black_Hair Blond_Hair Eyeglasses Male Pale_Skin Smiling
000001.jpg -1  1 -1 -1  1  1 -1
000002.jpg -1  1  1  1 -1 -1  1
"""


def test_celeba_by_our_names(tmp_path: Path) -> None:
    path = tmp_path / "list_attr_celeba.txt"
    path.write_text(CELEBA)
    labels = read_attributes(path, pictures=tmp_path / "img")
    assert labels.pictures[1] == tmp_path / "img" / "000002.jpg"
    assert labels.columns == {
        "glasses": ("0", "1"),
        "gender": ("masculine", "feminine"),
        "mouth.smile": ("0", "1"),
        "hair": ("black", ""),
    }
    assert set(CELEBA_COLOURS.values()) < set(HAIR_NAMES)
    assert len(CELEBA_FLAGS) + len(CELEBA_COLOURS) == 10


@pytest.mark.parametrize(
    "text", ["", "2\nPale_Skin\n1.jpg 1\n", "1\nMale\n1.jpg 0\n", "1\nMale Bald\n1.jpg 1\n", "1\nMale\n"]
)
def test_other_lists_are_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.txt"
    path.write_text(text)
    with pytest.raises(InputError):
        read_celeba(path)
    with pytest.raises(SourceError):
        read_celeba(tmp_path / "missing.txt")


def test_columns_must_be_fields(tmp_path: Path) -> None:
    labels = Labels((tmp_path / "a.jpg",), ("a",), {"mood": ("good",), "glasses": ("1",)})
    with Engine(threads=1) as engine:
        for fields in (["mood"], ["hats"]):
            with pytest.raises(UsageError):
                evaluate_attributes(labels, fields=fields, engine=engine)
        with pytest.raises(UsageError, match="mood"):
            evaluate_attributes(Labels(labels.pictures, ("a",), {"mood": ("good",)}), engine=engine)


MARKED = Path(__file__).parent / "attributes_by_eye.csv"


def test_labels_by_eye_are_of_our_fields() -> None:
    labels = read_attributes(MARKED)
    assert set(labels.columns) == {"glasses", "mouth.open", "mouth.smile", "headwear", "hair"}
    flags = [column for name, column in labels.columns.items() if name != "hair"]
    assert all(cell in {"", "0", "1"} for column in flags for cell in column)
    assert len(labels.pictures) == 509


@pytest.mark.weights
@pytest.mark.data
def test_the_command(tmp_path: Path) -> None:
    open_bundle("blendshapes")
    with MARKED.open(newline="") as file:
        rows = list(csv.reader(file))
    kept = [row for row in rows[1:] if row[0].startswith("identities/")]
    path = tmp_path / "labels.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([rows[0], *kept])
    options = ["--pictures", str(DATA), "--field", "glasses", "--field", "mouth.open", "--threads", "1"]
    out = tmp_path / "report.json"
    run = CliRunner().invoke(app, ["evaluate", "attributes", str(path), *options, "--json", "--out", str(out)])
    assert run.exit_code == 0, run.output
    said = json.loads(run.output)
    glasses, opened = said["rows"]
    assert said["model"] == "glasses-edges, mouth-mesh"
    assert (glasses["field"], glasses["people"], opened["field"]) == ("glasses", 5, "mouth.open")
    assert glasses["auc"]["value"] > 0.9
    assert opened["auc"]["value"] > 0.9
    assert json.loads(out.read_text())["rows"] == said["rows"]
    (tmp_path / "bad.csv").write_text("file,glasses\nidentities/George_W_Bush/George_W_Bush_0001.jpg,maybe\n")
    run = CliRunner().invoke(app, ["evaluate", "attributes", str(tmp_path / "bad.csv"), "--pictures", str(DATA)])
    assert isinstance(run.exception, InputError)
    assert "'maybe' is no value of glasses" in str(run.exception)
