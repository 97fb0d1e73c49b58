from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.testing import CliRunner

from mien.cli.app import app
from mien.core.columns import Labels
from mien.core.errors import SourceError, UsageError
from mien.core.faces import Faces
from mien.engine import Engine
from mien.evaluation.expression import NAMES, Judged, evaluate_expression, labelled, summarize
from mien.features.shown.expression import EXPRESSIONS
from tests.shared import DATA

SHORT = ("happiness", "neutral", "sadness", "unknown")


def judged(rows: list[tuple[str, str, str, float]], names: tuple[str, ...] = SHORT) -> Judged:
    """Truth, subject, what was told ("" if nothing, "-" if no face), and with which probability."""
    values = np.full((len(rows), len(names)), np.nan, np.float32)
    for row, (_, _, told, sure) in zip(values, rows, strict=True):
        if told in names:
            row[:] = (1 - sure) / (len(names) - 1)
            row[names.index(told)] = sure
    return Judged(
        [row[0] for row in rows],
        [row[1] for row in rows],
        Labels(values, names=names),
        [row[2] == "-" for row in rows],
        {},
        "made-up",
    )


ROWS = [
    ("happiness", "a", "happiness", 0.95),
    ("happiness", "a", "happiness", 0.95),
    ("happiness", "b", "neutral", 0.55),
    ("happiness", "b", "happiness", 0.75),
    ("sadness", "b", "sadness", 0.95),
    ("sadness", "c", "unknown", 0.65),
    ("sadness", "c", "", 0.0),
    ("happiness", "d", "-", 0.0),
]


def test_numbers_by_hand() -> None:
    report = summarize(judged(ROWS))
    assert (report.faces, report.subjects, report.missed, report.abstained) == (6, 3, 1, 1)
    assert report.accuracy.value == pytest.approx(4 / 6)
    assert report.uar.value == pytest.approx((3 / 4 + 1 / 2) / 2)
    assert report.f1.value == pytest.approx((6 / 7 + 2 / 3) / 2)
    happy, sad = report.rows
    assert (happy.name, happy.faces, happy.subjects, happy.precision) == ("happiness", 4, 2, 1.0)
    assert happy.called == {"happiness": 3, "neutral": 1, "sadness": 0, "unknown": 0}
    assert sad.called["unknown"] == 1
    # Bins: 0.95 (three, all right), 0.75 (right), 0.65 (wrong) and 0.55 (wrong).
    assert report.ece.value == pytest.approx((3 * 0.05 + 0.25 + 0.65 + 0.55) / 6, abs=1e-6)
    assert report.unknown is None
    for number in (report.accuracy, report.uar, happy.recall):
        assert number.interval[0] <= number.value <= number.interval[1]
    assert json.loads(json.dumps(report.to_dict()))["model"] == "made-up"


def test_intervals_are_over_subjects() -> None:
    one_each = [("happiness", str(k), "happiness" if k % 2 else "neutral", 0.8) for k in range(40)]
    few = [(truth, str(int(who) % 2), told, sure) for truth, who, told, sure in one_each]
    wide, narrow = (summarize(judged(rows)).accuracy.interval for rows in (few, one_each))
    assert wide == pytest.approx((0, 1))
    assert narrow[1] - narrow[0] < 0.4


def test_classes_that_the_model_lacks_count_as_wrong() -> None:
    report = summarize(judged([*ROWS[:2], ("contempt", "a", "neutral", 0.9)]))
    assert report.lacking == ("contempt",)
    assert report.accuracy.value == pytest.approx(2 / 3)
    assert report.uar.value == pytest.approx(1 / 2)
    assert "contempt" not in report.left_out


def test_unknown_faces_count_for_their_own_measure_only() -> None:
    rows = [*ROWS[:5], ("unknown", "e", "unknown", 0.6), ("unknown", "f", "happiness", 0.9)]
    report = summarize(judged(rows))
    assert report.faces == 5
    assert report.unknown is not None
    # P(unknown) of the others: 1/60 three times, 0.15, 1/12; of the odd ones: 0.6, and 1/30, above three of the others.
    assert report.unknown.value == pytest.approx((5 + 3) / 10, abs=1e-3)


def test_a_class_that_is_left_out_is_told_by_doubt() -> None:
    rows = [("happiness", str(k), "happiness", 0.95) for k in range(5)]
    rows += [("sadness", str(k + 5), "sadness", 0.95) for k in range(5)]
    report = summarize(judged(rows))
    # Without sadness, what is left of a sad face is divided evenly; that of a happy one is happiness.
    assert report.left_out["sadness"].value == 1
    assert report.left_out["happiness"].value == 1


def test_nothing_to_measure() -> None:
    with pytest.raises(UsageError, match="no face"):
        summarize(judged([("happiness", "a", "-", 0)]))


# -- folders -------------------------------------------------------------------------------------------------------


def folder(path: Path, *names: str) -> Path:
    for name in names:
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(b"x")
    return path


def test_pictures_of_a_folder(tmp_path: Path) -> None:
    root = folder(tmp_path, "Happy/S1_2.png", "sad/S2_1.JPG", "sad/notes.txt", "boredom/S1_9.png", ".cache/x.png")
    found = [(path.name, name, who) for path, name, who in labelled(root, unknown=["boredom"])]
    assert found == [("S1_2.png", "happiness", "S1"), ("S1_9.png", "unknown", "S1"), ("S2_1.JPG", "sadness", "S2")]
    assert [who for *_, who in labelled(root, subject=r"S(\d)", unknown=["boredom"])] == ["1", "1", "2"]


def test_every_usual_name_is_an_expression() -> None:
    assert set(NAMES.values()) == set(EXPRESSIONS)


def test_folders_that_cannot_be_evaluated(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="not a folder"):
        list(labelled(tmp_path / "none"))
    with pytest.raises(SourceError, match="no pictures"):
        list(labelled(tmp_path))
    root = folder(tmp_path, "happy/a_1.png", "boredom/a_2.png")
    with pytest.raises(UsageError, match="'boredom' is no expression"):
        list(labelled(root))
    with pytest.raises(UsageError, match="no folder 'rage'"):
        list(labelled(root, unknown=["rage"]))
    with pytest.raises(UsageError, match="regular expression"):
        list(labelled(root, subject="("))
    with pytest.raises(UsageError, match="does not begin with"):
        list(labelled(root, subject="S", unknown=["boredom"]))


class Reader:
    """An engine that finds a face in each picture but black ones, happy where it is bright."""

    def analyze(self, image: NDArray[np.uint8], *, want: object) -> Faces:
        light = float(image.mean()) / 255
        values = np.array([[light, 1 - light, 0, 0]], np.float32)[: int(light > 0)]
        faces = Faces.from_boxes([[0, 0, 8, 8]] * len(values))
        return faces.with_columns({"expression": Labels(values, names=SHORT)})

    def choose(self, _name: str) -> Any:
        return type("Card", (), {"id": "reader"})


def test_a_folder_is_read_and_judged(tmp_path: Path) -> None:
    import cv2

    for name, light in {
        "happy/a_1.png": 250,
        "happy/b_1.png": 0,
        "neutral/a_2.png": 20,
        "neutral/c_1.png": 240,
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        cv2.imwrite(str(tmp_path / name), np.full((8, 8, 3), light, np.uint8))
    (tmp_path / "happy" / "d_1.png").write_bytes(b"no picture")
    report = evaluate_expression(tmp_path, engine=cast("Engine", Reader()))
    assert (report.model, report.faces, report.subjects, report.missed) == ("reader", 3, 2, 1)
    assert report.accuracy.value == pytest.approx(2 / 3)
    assert [Path(path).name for path in report.failed] == ["d_1.png"]


@pytest.mark.weights
@pytest.mark.data
def test_the_command_on_real_faces(tmp_path: Path) -> None:
    """A few pictures of CK+, for the network that was not fitted on it."""
    for name in ("happy", "surprise", "contempt"):
        (tmp_path / name).mkdir()
        for path in sorted((DATA / "expression" / name).glob("*.png"))[::9]:
            (tmp_path / name / path.name).symlink_to(path)
    arguments = ["evaluate", "expression", str(tmp_path), "--unknown", "contempt", "--model", "expression=fer-xception"]
    done = CliRunner().invoke(app, [*arguments, "--threads", "1"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["model"] == "fer-xception"
    assert report["missed"] == 0
    assert report["accuracy"]["value"] > 0.8
    assert report["unknown"]["value"] > 0.3
    assert {row["name"] for row in report["rows"]} == {"happiness", "surprise"}
