"""Evaluation of blinks and of open eyes: labels, counts, intervals, and the commands."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mien.cli import app
from mien.core.clip import Clip, Event, Events
from mien.core.errors import InputError, MienError, SourceError, UsageError
from mien.engine import Engine
from mien.evaluation.blink import EyeLabel, evaluate_blinks, evaluate_eyes, read_eye_labels, score_eyes
from tests.location.meshes import real_test
from tests.shared import DATA

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
HEAD = "subject,file,frame,right,left\n"
NAN = float("nan")


def label(subject: str, right: str, left: str) -> EyeLabel:
    return EyeLabel(subject, Path(f"{subject}.jpg"), None, (right, left))


def test_eyes_are_counted_by_their_state() -> None:
    labels = [
        label("a", "open", "open"),
        label("a", "closed", "open"),
        label("b", "half", "closed"),
        label("c", "open", "open"),
        label("d", "open", "closed"),
    ]
    report = score_eyes(labels, [(0.9, 0.8), (0.1, 0.4), (0.2, 0.7), None, (NAN, 0.2)])
    assert (report.subjects, report.faces, report.without_face, report.abstained) == (4, 4, 1, 1)
    assert (report.open, report.open_right) == (3, 2)
    assert (report.closed, report.closed_right) == (3, 2)
    assert report.open_rate == pytest.approx(2 / 3)
    assert report.open_interval[0] < report.open_rate < report.open_interval[1]
    # open 0.9 0.8 0.4, closed 0.1 0.7 0.2: all pairs in order but (0.4, 0.7)
    assert report.auc == pytest.approx(8 / 9)


def test_many_frames_of_one_person_are_one_person() -> None:
    labels = [label("a", "open", "open")] * 500 + [label("b", "open", "closed")]
    report = score_eyes(labels, [(0.9, 0.9)] * 500 + [(0.9, 0.1)])
    assert report.open_rate == 1
    assert report.open_interval[0] < 0.5  # two people can say no more


def test_eyes_of_one_state_have_no_auc() -> None:
    report = score_eyes([label("a", "open", "open")], [(0.9, 0.4)])
    assert np.isnan([report.auc, report.closed_rate, *report.closed_interval]).all()
    assert report.open_rate == 0.5


def test_labels_and_answers_belong_together() -> None:
    with pytest.raises(UsageError, match="0 labels and 0 answers"):
        score_eyes([], [])
    with pytest.raises(UsageError, match="1 labels and 0 answers"):
        score_eyes([label("a", "open", "open")], [])


def test_labels_are_read(tmp_path: Path) -> None:
    path = tmp_path / "eyes.csv"
    path.write_text(HEAD + "ada,clips/a.mp4,12,Open,closed\nrex,b.jpg,,half,open\n")
    first, second = read_eye_labels(path)
    assert first == EyeLabel("ada", tmp_path / "clips" / "a.mp4", 12, ("open", "closed"))
    assert second.frame is None
    assert read_eye_labels(path, root="/else")[1].path == Path("/else/b.jpg")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subject,file,frame,right\n", "no column 'left'"),
        (HEAD + "a,b.mp4,-1,open,open\n", "line 2: a file, and the number of a frame"),
        (HEAD + "a,b.mp4,1e3,open,open\n", "the number of a frame"),
        (HEAD + "a,,1,open,open\n", "a file, and"),
        (HEAD + "a,b\0.mp4,1,open,open\n", "a file, and|not a CSV file"),
        (HEAD + 'a,"b\n', "not a CSV file"),
    ],
)
def test_what_is_no_table_of_labels(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "eyes.csv"
    path.write_text(text)
    with pytest.raises(InputError, match=message):
        read_eye_labels(path)
    with pytest.raises(SourceError, match="cannot be read"):
        read_eye_labels(tmp_path / "none.csv")


# --- events from files, without a model -------------------------------------------------------------------------------


def table(folder: Path, *, clip: str = "") -> Path:
    path = folder / "truth.csv"
    path.write_text(f"clip,track,start,end,kind\n{clip},0,1.0,1.2,blink\n{clip},0,3.0,3.2,blink\n")
    return path


def results(folder: Path, name: str = "a.json") -> Path:
    events = Events((Event("blink", 5, 1.02, 1.22, score=0.9), Event("blink", 5, 7.0, 7.2, score=0.4)))
    path = folder / name
    path.write_text(json.dumps(Clip("a.mp4", 9.0, (), events).to_dict()))
    return path


def test_what_was_found_may_come_from_a_file(tmp_path: Path) -> None:
    truth = {"a": Events((Event("blink", 0, 1.0, 1.2), Event("blink", 0, 3.0, 3.2)))}
    report = evaluate_blinks(truth, {"a": results(tmp_path)})
    assert (report.truth, report.found, report.matched) == (2, 2, 1)
    with pytest.raises(UsageError, match="truth of 'a', but no such clip"):
        evaluate_blinks(truth, {})


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments)])
    return result.exit_code, result.output


@pytest.mark.parametrize("clip", ["", "videos/a.mp4"])
def test_the_command_tells_what_was_found(tmp_path: Path, clip: str) -> None:
    code, output = run("blink", table(tmp_path, clip=clip), results(tmp_path))
    assert code == 0, output
    report = json.loads(output)
    assert report["matched"] == 1
    assert report["f1"] == 0.5
    assert report["models"] == {"eyes": "eyes-mesh", "blink": "blinks"}
    assert report["source"] == str(tmp_path / "truth.csv")
    assert report["truth"] == 2


def test_numbers_that_are_none_are_null(tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    truth.write_text("clip,track,start,end,kind\na.mp4,,,,\n")
    (tmp_path / "a.json").write_text("[]")
    code, output = run("blink", truth, tmp_path / "a.json")
    assert code == 0, output
    assert json.loads(output)["f1"] is None


def test_the_command_refuses_what_does_not_fit(tmp_path: Path) -> None:
    for arguments in (
        (table(tmp_path),),  # the truth does not name its clip
        (table(tmp_path, clip="b.mp4"), results(tmp_path), results(tmp_path, "c.json")),
        (table(tmp_path), results(tmp_path), "--iou", 0),
        (tmp_path / "none.csv", results(tmp_path)),
    ):
        result = CliRunner().invoke(app, ["evaluate", "blink", *map(str, arguments)])
        assert result.exit_code != 0
        assert isinstance(result.exception, MienError), result.exception


# --- with weights -----------------------------------------------------------------------------------------------------


@real_test
def test_a_clip_with_one_blink(tmp_path: Path) -> None:
    truth = tmp_path / "truth.csv"
    rows = (BENCHMARKS / "blinks.csv").read_text().splitlines()
    truth.write_text("\n".join([rows[0], *(row for row in rows if row.startswith("video/single_face"))]))
    code, output = run("blink", truth, "--root", DATA, "--threads", 1)
    assert code == 0, output
    report = json.loads(output)
    assert (report["truth"], report["found"], report["matched"]) == (1, 1, 1)
    assert abs(report["onset_bias"]) < 0.1


@real_test
def test_eyes_of_a_few_labels(tmp_path: Path) -> None:
    labels = tmp_path / "eyes.csv"
    rows = (BENCHMARKS / "eyes.csv").read_text().splitlines()
    few = [row for row in rows if ",video/single_face.mp4," in row][20:30] + [row for row in rows if "liveness/" in row]
    labels.write_text("\n".join([rows[0], *few]))
    code, output = run("eyes", labels, "--root", DATA, "--threads", 1)
    assert code == 0, output
    report = json.loads(output)
    assert report["model"] == "eyes-mesh"
    assert report["without_face"] == 0
    assert report["open_right"] == report["open"] > 10
    assert report["closed_right"] == report["closed"] > 0
    labels.write_text("\n".join([rows[0], few[0], few[0]]))
    assert json.loads(run("eyes", labels, "--root", DATA, "--threads", 1)[1])["faces"] == 2
    labels.write_text(f"{rows[0]}\nx,video/single_face.mp4,5000,open,open\n")
    with Engine(threads=1) as engine, pytest.raises(UsageError, match="has no frame 5000"):
        evaluate_eyes(read_eye_labels(labels, root=DATA), engine=engine)
