from __future__ import annotations

import json
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mien.cli.app import app
from mien.core.columns import Scores
from mien.core.errors import InputError, ShapeMismatch, UsageError
from mien.datasets.readers.labels_csv import Labels
from mien.evaluation.action_unit_labels import evaluate_labels, score_labels
from mien.evaluation.action_units import Posed, read_posed, score_prototypes
from mien.evaluation.agreement import agreement, area_under_curve, f1_score


def posed(*rows: tuple[str, str]) -> list[Posed]:
    return [Posed(Path(f"{number}.png"), expression, subject) for number, (expression, subject) in enumerate(rows)]


def labels(columns: dict[str, tuple[str, ...]], subjects: str) -> Labels:
    paths = tuple(Path(f"{number}.png") for number in range(len(subjects)))
    return Labels(paths, tuple(subjects), MappingProxyType(columns))


# -- agreement ---------------------------------------------------------------------------------------------------------


def test_icc_by_an_analysis_of_variance() -> None:
    x, y = np.array([0.0, 1, 3, 5, 2]), np.array([1.0, 1, 4, 4, 0])
    table = np.stack([x, y], axis=1)
    grand = table.mean()
    rows = 2 * ((table.mean(axis=1) - grand) ** 2).sum() / 4
    rest = table - table.mean(axis=1, keepdims=True) - table.mean(axis=0, keepdims=True) + grand
    error = (rest**2).sum() / 4
    found = agreement(x, y)
    assert found.icc == pytest.approx((rows - error) / (rows + error))
    assert found.pcc == pytest.approx(np.corrcoef(x, y)[0, 1])
    assert found.mse == pytest.approx(1.4)


@given(st.lists(st.integers(0, 5), min_size=3, max_size=20), st.floats(0.5, 3))
def test_what_counts_against_whom(values: list[int], offset: float) -> None:
    x = np.array(values, np.float64)
    if np.ptp(x):
        assert agreement(x, x).to_dict() == pytest.approx({"icc": 1, "pcc": 1, "ccc": 1, "mse": 0})
        moved = agreement(x, x + offset)
        assert moved.icc == pytest.approx(1)
        assert moved.pcc == pytest.approx(1)
        assert moved.ccc < 1
        assert agreement(x, 2 * x).icc < 1


def test_numbers_that_do_not_vary_have_no_agreement() -> None:
    assert np.isnan(agreement([1, 1], [2, 2]).pcc)
    assert np.isnan(agreement([1], [1]).icc)
    assert np.isnan(agreement([], []).mse)
    with pytest.raises(ShapeMismatch):
        agreement([1, 2], [1])


def test_areas_and_f1() -> None:
    assert area_under_curve([2, 3], [1, 2]) == pytest.approx(0.875)
    assert np.isnan(area_under_curve([], [1]))
    assert f1_score(np.array([True, True, False]), np.array([True, False, True])) == pytest.approx(0.5)
    assert np.isnan(f1_score(np.array([False]), np.array([False])))


# -- expressions -------------------------------------------------------------------------------------------------------


def test_a_unit_that_follows_its_expression() -> None:
    pictures = posed(("happiness", "a"), ("happiness", "b"), ("anger", "a"), ("sadness", "c"))
    units = Scores([[0.9, 0.1], [0.8, 0.2], [0.1, 0.9], [0.2, 0.8]], names=("AU12", "AU4"))
    report = score_prototypes(pictures, units)
    rows = {(row.expression, row.unit): row for row in report.rows}
    assert set(rows) == {("happiness", "AU12"), ("anger", "AU4"), ("sadness", "AU4")}
    assert rows["happiness", "AU12"].auc == 1
    assert rows["happiness", "AU12"].subjects == 2
    assert rows["anger", "AU4"].auc == 1
    assert rows["sadness", "AU4"].auc == pytest.approx(2 / 3)
    assert rows["sadness", "AU4"].auc_without == 1  # anger has it, too
    assert (report.pictures, report.subjects, report.unjudged) == (4, 3, 0)


def test_two_units_together_and_faces_that_were_not_found() -> None:
    pictures = posed(("surprise", "a"), ("surprise", "b"), ("neutral", "c"))
    units = Scores([[0.1, 0.9], [np.nan, np.nan], [0.4, 0.1]], names=("AU1", "AU2"))
    report = score_prototypes(pictures, units)
    rows = {row.unit: row for row in report.rows}
    assert rows["AU1+AU2"].auc == 1
    assert rows["AU1"].auc == 0
    assert rows["AU1"].pictures == 1
    assert report.unjudged == 1
    with pytest.raises(UsageError):
        score_prototypes([], units)


def test_folders_are_expressions_and_names_begin_with_the_subject(tmp_path: Path) -> None:
    pictures = {"Happy": "S1_002.png", "anger": "x.jpg", "masks": "a.png", "neutral": "S1_1.png"}
    for folder, name in (pictures | {"fearful": "S2_1.png", "unknown": "S3_1.png"}).items():
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_bytes(b"")
    (tmp_path / "anger" / "notes.txt").write_text("")
    found = {(one.expression, one.subject) for one in read_posed(tmp_path)}
    assert found == {("happiness", "S1"), ("anger", "x"), ("neutral", "S1"), ("fear", "S2")}
    with pytest.raises(UsageError, match="no folder of an expression"):
        read_posed(tmp_path / "masks")


# -- labels ------------------------------------------------------------------------------------------------------------


def test_presence_and_intensity() -> None:
    given = labels({"AU12": ("0", "5", "3", ""), "AU04": ("1", "0", "1", "0"), "AU6": ("1", "0", "0", "0")}, "aabb")
    units = Scores([[0.1, 0.9], [1.0, 0.1], [0.5, 0.0], [0.3, 0.2]], names=("AU12", "AU4"))
    report = score_labels(given, units)
    rows = {row.unit: row for row in report.rows}
    assert report.missing == ("AU6",)
    assert (rows["AU12"].pictures, rows["AU12"].present, rows["AU12"].auc, rows["AU12"].f1) == (3, 2, 1, 1)
    assert rows["AU12"].mse == pytest.approx((0.5**2 + 0 + 0.5**2) / 3)
    assert rows["AU12"].icc > 0.9
    assert np.isnan(rows["AU4"].icc)  # labels of presence have no intensity
    assert rows["AU4"].f1 == pytest.approx(0.5)
    assert rows["AU4"].auc == pytest.approx(0.5)


def test_labels_that_are_none() -> None:
    units = Scores([[0.5]], names=("AU12",))
    with pytest.raises(UsageError, match="from 0 to 5"):
        score_labels(labels({"AU12": ("6",)}, "a"), units)
    with pytest.raises(UsageError, match="no column of an action unit"):
        score_labels(labels({"age": ("6",)}, "a"), units)
    with pytest.raises(InputError):
        score_labels(labels({"AU12": ("much",)}, "a"), units)
    with pytest.raises(UsageError, match="one for each"):
        score_labels(labels({"AU12": ("1", "0")}, "ab"), units)
    with pytest.raises(UsageError, match="two columns of the labels are of AU1"):
        score_labels(labels({"AU01": ("1",), "AU1": ("0",)}, "a"), units)


def test_wrong_labels_are_told_before_the_pictures_are_read() -> None:
    with pytest.raises(UsageError, match="from 0 to 5"):
        evaluate_labels(labels({"AU12": ("6",)}, "a"))  # 0.png is not there


# -- the command -------------------------------------------------------------------------------------------------------


@pytest.mark.weights
@pytest.mark.data
def test_the_command_on_labels(tmp_path: Path, shared_data: Path) -> None:
    pictures = [sorted((shared_data / "expression" / name).glob("*.png"))[0] for name in ("happy", "anger", "surprise")]
    rows = ["file,subject,AU12,AU26", *(f"{p},{p.name[:4]},{i == 0:d},{i == 2:d}" for i, p in enumerate(pictures))]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    result = CliRunner().invoke(app, ["evaluate", "au", str(tmp_path / "labels.csv"), "--threads", "1"])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert {row["unit"]: row["auc"] for row in report["rows"]} == {"AU12": 1, "AU26": 1}
