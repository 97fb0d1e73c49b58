"""Scores of label maps: numbers worked out by hand, faces that are missed, and the shipped networks on real maps."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mien.cli import app
from mien.core.errors import InputError, ShapeMismatch, SourceError, UsageError
from mien.core.image import save_image
from mien.datasets.readers.label_maps import Labels
from mien.engine import Engine
from mien.evaluation.intervals import bootstrap
from mien.evaluation.label_scores import compare_labels, summarize
from mien.evaluation.label_tables import parsing_tables
from mien.evaluation.parsing import evaluate_parsing
from mien.evaluation.report import Report
from tests.engine.test_engine import make, picture
from tests.shared import DATA

NAMES = ("background", "skin", "hat")


def square(x: int, y: int, side: int, value: int = 1, size: int = 100) -> Labels:
    found = np.zeros((size, size), np.uint8)
    found[y : y + side, x : x + side] = value
    return found


def scores(report: Any, kind: str) -> dict[str, float]:
    return {row.name: getattr(row, kind).value for row in report.rows}


# -- by hand -------------------------------------------------------------------------------------------------------


def test_what_is_right_and_wrong_by_hand() -> None:
    # Two squares of 40 pixels a side that overlap in half of each.
    report = summarize([compare_labels(square(0, 10, 40), square(20, 10, 40), 3)], NAMES)
    np.testing.assert_allclose(scores(report, "iou")["skin"], 800 / 2400)
    np.testing.assert_allclose(scores(report, "f1")["skin"], 2 * 800 / 3200)
    np.testing.assert_allclose(scores(report, "iou")["background"], 7600 / 9200)
    assert np.isnan(scores(report, "f1")["hat"])  # in no map: neither 0 nor 1
    np.testing.assert_allclose(report.means["accuracy"].value, 8400 / 10000)
    np.testing.assert_allclose(report.means["iou"].value, 1 / 3)
    np.testing.assert_allclose(report.means["iou_all"].value, (1 / 3 + 7600 / 9200) / 2)
    assert np.isnan(report.means["f1_tail"].value)
    assert report.means["f1_head"] == report.means["f1"]


def test_what_is_right_is_1() -> None:
    truth = square(10, 10, 30) + square(60, 60, 10, 2)
    report = summarize([compare_labels(truth, truth, 3)] * 2, NAMES)
    for row in report.rows:
        assert (row.iou.value, row.f1.value, row.boundary.value, row.pictures) == (1, 1, 1, 2)
        assert row.iou.interval == (1, 1)
    assert report.rows[2].long_tail
    assert report.means["f1_tail"].value == 1


@pytest.mark.parametrize(("off", "near"), [(0, True), (1, True), (2, False)])
def test_a_boundary_may_be_off_by_a_part_of_the_diagonal(off: int, near: bool) -> None:
    truth, found = square(20, 20, 40), square(20 + off, 20, 40)
    counts = compare_labels(truth, found, 2, tolerance=1 / np.hypot(100, 100))  # one pixel
    report = summarize([counts], NAMES[:2])
    boundary = scores(report, "boundary")["skin"]
    assert (boundary == 1) == near
    if not near:  # all of the lower and upper edge is still near, but for its ends
        found_near, total = 2 * 40 - 4 + 4, 4 * 39
        np.testing.assert_allclose(boundary, found_near / total, atol=0.03)


def test_the_pictures_border_is_no_boundary() -> None:
    counts = compare_labels(square(0, 0, 50), square(0, 0, 50), 2)
    assert counts.edges[1].tolist() == [99] * 4
    whole = summarize([compare_labels(square(0, 0, 100), square(0, 0, 100), 2)], NAMES[:2])
    assert np.isnan(scores(whole, "boundary")["skin"])  # there is none


def test_what_is_invented_counts_against_what_is_there() -> None:
    nothing = np.zeros((100, 100), np.uint8)
    invented = compare_labels(nothing, square(10, 10, 20), 3)
    there = compare_labels(square(10, 10, 20), square(10, 10, 20), 3)
    report = summarize([invented, there], NAMES)
    np.testing.assert_allclose(scores(report, "iou")["skin"], 1 / 2)
    np.testing.assert_allclose(scores(report, "boundary")["skin"], 2 * 0.5 / 1.5)  # precision 1/2, recall 1
    assert report.rows[1].pictures == 1


def test_missed_faces_count_and_are_told_apart() -> None:
    truth = square(10, 10, 40)
    parts = [compare_labels(truth, truth, 3), compare_labels(truth, np.zeros_like(truth), 3)]
    report = summarize(parts, NAMES, missed=[False, True])
    assert (report.pictures, report.missed) == (2, 1)
    np.testing.assert_allclose(report.means["f1"].value, 2 / 3)
    assert report.without_missed["f1"].value == 1
    lost = summarize(parts[1:], NAMES, missed=[True])
    assert lost.means["f1"].value == 0
    assert np.isnan(lost.without_missed["f1"].value)
    assert np.isnan(lost.without_missed["accuracy"].value)
    text = Report.of("t", source="s", model="m", results=lost.to_dict(), tables=parsing_tables({"m": lost}))
    assert "F1 of found faces" in text.to_text()
    json.dumps(text.to_dict(), allow_nan=False)


def test_classes_that_a_model_has_not_count_as_0_and_are_named() -> None:
    truth = square(10, 10, 30) + square(60, 60, 10, 2)
    report = summarize(
        [compare_labels(truth, np.where(truth == 2, 0, truth).astype(np.uint8), 3)], NAMES, unknown=["hat"]
    )
    assert (report.means["f1"].value, report.means["f1_known"].value, report.unknown) == (0.5, 1, ("hat",))
    means, classes = parsing_tables({"m": report})
    assert ("F1 of classes that the model has", "1.000 (1.000 to 1.000)") in means.rows
    assert "m has no such class, which counts as 0: hat." in classes.notes


def test_what_cannot_be_compared() -> None:
    with pytest.raises(ShapeMismatch, match="of one size"):
        compare_labels(square(0, 0, 1), square(0, 0, 1, size=50), 2)
    for labels in ((square(0, 0, 1, 2), square(0, 0, 1)), (square(0, 0, 1), square(0, 0, 1, 2))):
        with pytest.raises(ShapeMismatch, match="below 2"):
            compare_labels(*labels, 2)
    with pytest.raises(UsageError, match="no picture to evaluate"):
        summarize([], NAMES)


@given(st.integers(0, 1000))
@settings(max_examples=8)
def test_scores_are_what_they_are_defined_as(seed: int) -> None:
    drawn = np.random.default_rng(seed)
    pairs = drawn.integers(0, 3, (4, 2, 12, 15)).astype(np.uint8)
    parts = [compare_labels(truth, found, 3) for truth, found in pairs]
    report = summarize(parts, NAMES)
    truth, found = pairs[:, 0], pairs[:, 1]
    for place, name in enumerate(NAMES):
        both = np.sum((truth == place) & (found == place))
        either = np.sum((truth == place) | (found == place))
        np.testing.assert_allclose(scores(report, "iou")[name], both / either)
        np.testing.assert_allclose(scores(report, "f1")[name], 2 * both / (both + either))


def test_intervals_are_those_of_the_bootstrap() -> None:
    drawn = np.random.default_rng(1)
    truths = [square(10, 10, int(side)) for side in drawn.integers(5, 60, 9)]
    parts = [compare_labels(truth, square(12, 10, 30), 2) for truth in truths]

    def iou(some: Any) -> float:
        pixels = sum(part.pixels for part in some)
        return float(pixels[1, 1] / (pixels.sum() - pixels[0, 0]))

    row = summarize(parts, NAMES[:2]).rows[1]
    np.testing.assert_allclose(row.iou.interval, bootstrap(iou, parts), atol=0.02)
    assert row.iou.interval[0] < row.iou.value < row.iou.interval[1]


def test_a_class_that_a_draw_has_not_is_left_out_of_it() -> None:
    with_hat = compare_labels(square(0, 0, 20, 2), square(0, 0, 20, 2), 3)
    others = [compare_labels(square(0, 0, 20), square(0, 0, 20), 3)] * 5
    hat = summarize([with_hat, *others], NAMES).rows[2]
    assert (hat.pictures, hat.f1.value, hat.f1.interval) == (1, 1, (1, 1))


# -- pictures, parsed by a network that calls the upper half of a box skin and the lower half hair -------------------


def lapa(folder: Path, **maps: Labels) -> Path:
    for name, labels in maps.items():
        (folder / "images").mkdir(exist_ok=True)
        (folder / "labels").mkdir(exist_ok=True)
        save_image(picture(250, 200), folder / "images" / f"{name}.png")  # faces at 5, 20 and at 25, 20 of 10 pixels
        save_image(labels, folder / "labels" / f"{name}.png")
    return folder


def face(x: int, size: int = 100) -> Labels:
    found = np.zeros((size, size), np.uint8)
    found[20:25, x : x + 10], found[25:30, x : x + 10] = 1, 10  # LaPa's skin and hair
    return found


def test_a_map_is_of_the_face_that_it_lies_on(tmp_path: Path) -> None:
    folder = lapa(tmp_path, first=face(5), second=face(25), third=face(70))
    with make() as engine:
        found = evaluate_parsing(folder, engines=[engine])
    (report,) = found.reports.values()
    assert found.kind.title == "LaPa"
    assert (report.pictures, report.missed) == (3, 1)
    assert report.without_missed["f1"].value > 0.75  # pixels at the edge of a grid may be lost
    assert report.means["f1"].value < report.without_missed["f1"].value
    assert report.unknown == tuple(name for name in found.kind.classes if name not in {"background", "skin", "hair"})


def test_a_map_may_be_smaller_than_its_picture(tmp_path: Path) -> None:
    small = np.ascontiguousarray(face(5)[1::2, 1::2])
    with make() as engine:
        report = next(iter(evaluate_parsing(lapa(tmp_path, a=small), engines=[engine]).reports.values()))
    assert report.means["iou"].value > 0.6
    with make() as engine, pytest.raises(InputError, match=r"100x100 and its label map 100x50: not of one shape"):
        evaluate_parsing(lapa(tmp_path, a=face(5)[:50]), engines=[engine])


def test_sides_of_the_picture_become_the_subjects(tmp_path: Path) -> None:
    labels = face(5)
    labels[22, 7], labels[22, 12] = 4, 5  # LaPa's left eye is to the left
    with make() as engine:
        found = evaluate_parsing(lapa(tmp_path, a=labels), engines=[engine])
    assert (found.picture_sides, found.sides) == (True, (1, 1))
    assert "the picture's, as 1 of 1 maps say" in found.notes[1]


def test_a_picture_without_a_labelled_face(tmp_path: Path) -> None:
    with make() as engine:
        (report,) = evaluate_parsing(
            lapa(tmp_path, a=np.zeros((100, 100), np.uint8)), engines=[engine]
        ).reports.values()
    assert report.missed == 0
    np.testing.assert_allclose(report.means["accuracy"].value, 0.99, atol=0.005)  # the largest face was called one
    assert np.isnan(report.means["f1"].value)


def test_crops_are_square(tmp_path: Path) -> None:
    folder = lapa(tmp_path, a=face(5)[:50])
    save_image(picture(250, 200)[:50], folder / "images" / "a.png")
    with make() as engine, pytest.raises(UsageError, match="an aligned crop is square, not 100x50"):
        evaluate_parsing(folder, aligned=True, engines=[engine])


# -- the shipped networks ------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.weights
def test_the_networks_on_real_maps(tmp_path: Path) -> None:
    folder = DATA / "parsing" / "maskgan"
    with Engine(threads=1) as engine:
        engines = [engine.with_models(parse=model) for model in ("bisenet-fine", "bisenet")]
        found = evaluate_parsing(folder, layout="celebamask", engines=engines)
        aligned = evaluate_parsing(folder, layout="celebamask", aligned=True, engines=engines[:1])
    fine, balanced = (found.reports[model] for model in ("bisenet-fine", "bisenet"))
    assert (fine.pictures, fine.missed) == (4, 0)
    assert fine.means["f1"].value > 0.9
    assert fine.means["boundary"].value > 0.9
    assert balanced.means["f1"].value > 0.88
    assert aligned.reports["bisenet-fine"].means["f1"].value > 0.9
    absent = {row.name for row in fine.rows if np.isnan(row.f1.value)}
    assert absent == {"eye_g", "mouth", "hat", "ear_r", "neck_l"}
    assert fine.unknown == ()


@pytest.mark.data
@pytest.mark.weights
def test_the_command(tmp_path: Path) -> None:
    out = tmp_path / "report.md"
    asked = ["evaluate", "parsing", str(DATA / "parsing" / "maskgan"), "--layout", "celebamask", "--out", str(out)]
    result = CliRunner().invoke(app, [*asked, "--model", "parse=bisenet", "--threads", "1"])
    assert result.exit_code == 0, result.output
    content = json.loads(result.stdout)
    assert content["set"] == "CelebAMask-HQ"
    assert content["models"]["bisenet"]["means"]["f1"]["value"] > 0.88
    assert "no order of models is claimed" in out.read_text()
    assert "In no map, so without a score: eye_g" in out.read_text()


def test_the_command_refuses(tmp_path: Path) -> None:
    for wrong in ([str(tmp_path), "--layout", "helen"], [str(tmp_path / "missing")], [str(tmp_path), "--out", "a.txt"]):
        result = CliRunner().invoke(app, ["evaluate", "parsing", *wrong])
        assert isinstance(result.exception, UsageError | SourceError)
