"""Errors by group, and what changes answers about generated people."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from mien.cli.app import app
from mien.core.errors import InputError, StorageError, UsageError
from mien.core.faces import Faces
from mien.datasets.readers.labels_csv import read_labels
from mien.engine import Engine
from mien.evaluation.fairness import Sample, compare_groups, evaluate_fairness
from mien.evaluation.fairness_tables import probe_report
from mien.evaluation.probes import _summary, evaluate_probe
from mien.evaluation.skin_tone import MONK, _on_scale, lab_of, rgb_of, tone_band
from tests.shared import DATA


def sample(*groups: tuple[str, list[float | None]], each: int = 1) -> Sample:
    """Errors by group, None for a face that was not found; `each` pictures a subject."""
    rows = [(name, error) for name, errors in groups for error in errors]
    errors = np.array([np.nan if error is None else error for _, error in rows])
    found = np.array([error is not None for _, error in rows], bool)
    subjects = tuple(f"{name}{place // each}" for place, (name, _) in enumerate(rows))
    return Sample(errors, found, tuple(name for name, _ in rows), subjects)


def test_errors_abstentions_and_missed_faces_are_counted_apart() -> None:
    rows, gaps, notes = compare_groups(sample(("a", [0.0, 1.0, np.nan, None]), ("b", [1.0, 1.0, 1.0, 1.0])))
    first, second = rows
    assert (first.name, first.subjects, first.pictures) == ("a", 4, 4)
    assert [first.missed.value, first.abstained.value, first.error.value] == pytest.approx([0.25, 1 / 3, 0.5])
    assert (second.missed.value, second.abstained.value, second.error.value) == (0, 0, 1)
    assert (gaps["error"].most, gaps["error"].least, gaps["error"].size) == ("b", "a", 0.5)
    assert "no ranking" in notes[0]


def test_a_gap_of_chance_is_not_beyond_it_and_a_large_one_is() -> None:
    random = np.random.default_rng(0)
    alike = sample(("a", random.random(60).tolist()), ("b", random.random(60).tolist()))
    apart = sample(("a", random.random(60).tolist()), ("b", (random.random(60) + 1).tolist()))
    assert not compare_groups(alike)[1]["error"].beyond_chance
    gap = compare_groups(apart)[1]["error"]
    assert gap.beyond_chance
    assert 0.8 < gap.interval[0] < gap.interval[1] < 1.2


def test_pictures_of_one_subject_are_no_independent_ones() -> None:
    errors = np.repeat(np.random.default_rng(1).random(10), 20).tolist()
    widths = []
    for each in (1, 20):
        (row, _), _, _ = compare_groups(sample(("a", errors), ("b", errors), each=each))
        widths.append(row.error.interval[1] - row.error.interval[0])
        assert row.subjects == 200 // each
    assert widths[1] > 3 * widths[0]


def test_groups_stand_in_order_and_rates_of_none_are_not_certain() -> None:
    names = ["age 100 and above", "age below 5", "age 5 to 18", "age 18 to 100"]
    rows, _, _ = compare_groups(sample(*((name, [0.0] * 5) for name in names)))
    assert [row.name for row in rows] == [names[1], names[2], names[3], names[0]]
    assert list(rows[0].error.interval) == pytest.approx([0, 0.434], abs=1e-3)  # Wilson's, of 0 in 5


def test_nobody_in_a_group_is_said() -> None:
    with pytest.raises(UsageError, match="no picture is in a group"):
        compare_groups(sample(("", [1.0])))
    assert compare_groups(sample(("a", [1.0])))[1] == {}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "no column file"),
        ("a,b\n", "no column file"),
        ("file,file\nx,y\n", "twice"),
        ("file,age\n", "no row"),
        ("file,age\nx\n", "1 cells for 2"),
        ('file,age\n"x,1\n', "not a CSV"),
        ("file,age\n,1\n", "no file is named"),
    ],
)
def test_tables_that_are_none(tmp_path: Path, text: str, problem: str) -> None:
    (tmp_path / "l.csv").write_text(text)
    with pytest.raises(InputError, match=problem):
        read_labels(tmp_path / "l.csv")


def test_a_table_is_read(tmp_path: Path) -> None:
    (tmp_path / "l.csv").write_text("file,subject,age\na/1.jpg,ada,30\nb.jpg,,\n")
    labels = read_labels(tmp_path / "l.csv")
    assert labels.pictures == (tmp_path / "a/1.jpg", tmp_path / "b.jpg")
    assert labels.subjects == ("ada", "b.jpg")
    assert np.array_equal(labels.numbers("age"), [30, np.nan], equal_nan=True)
    with pytest.raises(UsageError, match="no column 'gender'"):
        labels.column("gender")
    (tmp_path / "l.csv").write_text("file,age\na.jpg,old\n")
    with pytest.raises(InputError, match="no number"):
        read_labels(tmp_path / "l.csv").numbers("age")


@pytest.mark.parametrize(
    ("field", "by", "problem"),
    [
        ("nonsense", ["g"], "no field"),
        ("box", ["g"], "no field"),
        ("landmarks", ["g"], "no error that could be compared"),
        ("age.mean", ["g"], "no error that could be compared"),
        ("age", ["h"], "no column 'h'"),
        ("age", [], "at least one column"),
        ("age", ["age:x"], "cut at numbers"),
        ("age", ["age:60,18"], "rising numbers"),
    ],
)
def test_wrong_questions(tmp_path: Path, field: str, by: list[str], problem: str) -> None:
    (tmp_path / "l.csv").write_text("file,age,g,landmarks,age.mean\na.jpg,30,x,,\n")
    with pytest.raises(UsageError, match=problem):
        evaluate_fairness(read_labels(tmp_path / "l.csv"), field, by=by, engine=Engine())


def test_the_truth_is_of_the_fields_kind() -> None:
    from mien.core.columns import Flag, Labels
    from mien.evaluation.fairness import _judge

    worn, label = Flag(np.float32([0.9]))[0], Labels(np.float32([[0.9, 0.1]]), names=("feminine", "masculine"))[0]
    wrong = _judge("glasses")[2]
    assert [wrong(worn, cell) for cell in ("1", "yes", "0", "No", "-1")] == [0, 0, 1, 1, 1]
    assert _judge("gender")[2](label, "masculine") == 1
    for field, column, cell in (("glasses", worn, "maybe"), ("gender", label, "m"), ("age", worn, "old")):
        with pytest.raises(InputError, match="the truth"):
            _judge(field)[2](column, cell)


def test_a_report_that_cannot_be_written_is_refused_first(tmp_path: Path) -> None:
    asked = ["evaluate", "fairness", str(tmp_path / "none.csv"), "--field", "age", "--by", "gender", "--out"]
    for out, problem in ((tmp_path / "r.txt", UsageError), (tmp_path / "no" / "r.md", StorageError)):
        assert isinstance(CliRunner().invoke(app, [*asked, str(out)]).exception, problem)


def test_pictures_that_are_none_are_said(tmp_path: Path) -> None:
    (tmp_path / "30_0_broken.jpg").write_text("no picture")
    asked = {"fairness": ["--field", "age", "--by", "gender"], "age": [], "attributes": []}
    for command, options in asked.items():
        run = CliRunner().invoke(app, ["evaluate", command, str(tmp_path), *options])
        assert isinstance(run.exception, InputError)
        assert "none of 1 pictures can be read; 30_0_broken.jpg" in str(run.exception)


# --- the scale of tones -----------------------------------------------------------------------------------------------


def test_the_scale_finds_its_own_tones() -> None:
    steps = _on_scale(lab_of(MONK))
    assert steps[[0, 3]] == pytest.approx([1, 4], abs=0.01)
    assert sorted(steps[1:3].tolist()) == pytest.approx([1.6, 3], abs=0.1)  # the third is lighter than the second
    assert steps[4:] == pytest.approx(np.arange(5, 11), abs=0.01)
    assert np.isnan(_on_scale(np.full((1, 3), np.nan))).all()
    assert [tone_band(step) for step in (1.0, 5.5, 9.0, np.nan)] == ["lighter", "medium", "darker", ""]


@given(st.lists(st.tuples(*[st.integers(0, 255)] * 3), min_size=1, max_size=5))
def test_colours_come_back(colours: list[tuple[int, int, int]]) -> None:
    rgb = np.array(colours, np.uint8)
    assert np.abs(rgb_of(lab_of(rgb)).astype(int) - rgb).max() <= 1


# --- the probe --------------------------------------------------------------------------------------------------------


def test_effects_are_those_that_were_put_in() -> None:
    from mien.evaluation.probes import FACTORS

    random = np.random.default_rng(0)
    person = random.normal(40, 10, (30, 1, 1, 1, 1))
    tone = np.array([0, 2, 5]).reshape(1, 3, 1, 1, 1)
    light = np.array([0, -3, 0]).reshape(1, 1, 3, 1, 1)
    table = person + tone + light + np.zeros((1, 1, 1, 2, 1)) + random.normal(0, 0.1, (30, 3, 3, 2, 1))
    table[0, 1, 1, 1] = np.nan  # a face that was not found
    report = _summary(table, ["age"], FACTORS, 0)
    effect = {(factor, level): one.value for (_, factor, level), one in report.effects.items()}
    assert effect["skin tone", "Monk 6"] == pytest.approx(2, abs=0.1)
    assert effect["skin tone", "Monk 7"] == pytest.approx(5, abs=0.1)
    assert effect["light", "dim"] == pytest.approx(-3, abs=0.1)
    assert effect["light", "from one side"] == pytest.approx(0, abs=0.1)
    assert effect["focus", "blurred"] == pytest.approx(0, abs=0.1)
    assert all(one.interval[0] <= one.value <= one.interval[1] for one in report.effects.values())
    assert report.spreads["age"] == pytest.approx(person.std(), rel=0.05)
    assert report.silent["age", "light", "dim"] == pytest.approx(1 / (30 * 6))
    assert report.silent["age", "light", "as it is"] == 0
    report_text = probe_report(report, model="drawn").to_text()
    assert "0.00 / 0.01 / 0.00" in report_text


def test_a_probe_of_nothing() -> None:
    with pytest.raises(UsageError, match="2 people or more"):
        evaluate_probe({"age"}, people=1, engine=Engine())
    with pytest.raises(UsageError, match="no numbers"):
        evaluate_probe({"landmarks"}, people=2, engine=Engine())


# --- with networks ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


@pytest.mark.weights
def test_generated_people_get_the_tone_that_is_asked_for(engine: Engine) -> None:
    import mien
    from mien.evaluation.probes import recolored
    from mien.evaluation.skin_tone import NEEDED, apparent_tones

    image = mien.generate(seed=11, size=512, engine=engine).image
    face = engine.analyze(image, want=NEEDED).top(1)[0]
    for tone in (5, 7):
        faces = engine.analyze(recolored(image, face, tone), want=NEEDED).top(1)
        assert apparent_tones(faces).steps[0] == pytest.approx(tone, abs=0.25)
    grey = np.repeat(image.mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
    assert apparent_tones(engine.analyze(grey, want=NEEDED).top(1)).reasons == ("the picture has no colour",)
    nobody = engine.analyze(np.zeros((64, 64, 3), np.uint8), want=NEEDED)
    assert apparent_tones(nobody).steps.shape == (0,)


@pytest.mark.weights
@pytest.mark.data
def test_the_command_takes_a_folder_named_as_utkfaces(tmp_path: Path) -> None:
    for file in sorted((DATA / "age_gender").glob("*.jpg"))[150:166]:
        (tmp_path / file.name).write_bytes(file.read_bytes())
    asked = ["evaluate", "fairness", str(tmp_path), "--field", "age", "--by", "gender", "--by", "age:30"]
    told = {}
    for margin in ("0", "0.3"):
        run = CliRunner().invoke(app, [*asked, "--margin", margin, "--threads", "1", "--json"])
        assert run.exit_code == 0, run.output
        told[margin] = json.loads(run.output)
    assert {row["name"].split(" & ")[0] for row in told["0.3"]["rows"]} == {"feminine", "masculine"}
    assert sum(row["pictures"] for row in told["0.3"]["rows"]) == 16
    assert all(row["missed"]["value"] == 0 for row in told["0.3"]["rows"])
    errors = {margin: [row["error"]["value"] for row in one["rows"]] for margin, one in told.items()}
    assert errors["0"] != errors["0.3"]


@pytest.mark.weights
@pytest.mark.data
def test_age_by_gender_and_by_tone_on_real_pictures(engine: Engine, tmp_path: Path) -> None:
    pictures = sorted((DATA / "age_gender").glob("*.jpg"))[150:310:10]
    rows = [f"{p},{p.name.split('_')[0]},{'mf'[int(p.name.split('_')[1])]}" for p in pictures]
    text = "\n".join(["file,age,gender", *rows, f"{tmp_path / 'gone.jpg'},30,m"])
    (tmp_path / "l.csv").write_text(text)
    report = evaluate_fairness(read_labels(tmp_path / "l.csv"), "age", by=["gender"], engine=engine)
    assert [row.name for row in report.rows] == ["f", "m"]
    assert (sum(row.pictures for row in report.rows), len(report.failed), report.unit) == (16, 1, "years")
    assert all(1 < row.error.value < 20 for row in report.rows)
    tones = evaluate_fairness(read_labels(tmp_path / "l.csv"), "age", by=["age:30", "tone"], engine=engine)
    assert {row.name.split(" & ")[0] for row in tones.rows} <= {"age below 30", "age 30 and above"}
    assert tones.ungrouped + sum(row.pictures for row in tones.rows) == 16


def test_faces_without_the_fields_say_so() -> None:
    from mien.core.errors import MienError
    from mien.evaluation.skin_tone import apparent_tones

    faces = Faces.from_boxes([[0, 0, 9, 9]])
    with pytest.raises(MienError):
        apparent_tones(faces)
