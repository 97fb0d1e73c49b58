"""Average precision against hand-made cases and its definition; matching; the command on real pictures."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from mien import assets
from mien.cli import app
from mien.core.errors import ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.datasets.readers.boxes import BoxedPicture
from mien.evaluation.detection import evaluate_detection, read_boxes
from mien.evaluation.matching import average_precision, judge
from tests.engine import fakes
from tests.engine.test_engine import make, picture
from tests.shared import DATA

SCORES = st.lists(st.tuples(st.sampled_from([0.1, 0.2, 0.3, 0.4, 0.5, 0.9]), st.booleans()), max_size=30)


def faces(*rows: tuple[float, float, float, float, float]) -> Faces:
    values = np.array(rows, np.float32).reshape(-1, 5)
    return Faces.from_boxes(values[:, :4], scores=values[:, 4])


def boxes(*rows: tuple[float, float, float, float]) -> NDArray[np.float64]:
    return np.array(rows, np.float64).reshape(-1, 4)


# -- average precision ---------------------------------------------------------------------------------------------


def test_average_precision_by_hand() -> None:
    # Precision at the three hits: 1/1, 2/3, 3/4; the second takes the better one beyond it. One of four is not found.
    assert average_precision([0.9, 0.8, 0.7, 0.6, 0.5], [1, 0, 1, 1, 0], 4) == pytest.approx((1 + 3 / 4 + 3 / 4) / 4)
    assert average_precision([0.5, 0.9], [1, 1], 2) == 1
    assert average_precision([0.9, 0.8], [0, 1], 1) == 0.5
    assert average_precision([], [], 3) == 0
    assert average_precision([0.5, 0.5], [1, 0], 1) == 0.5  # equal scores are accepted together
    assert np.isnan(average_precision([0.5], [0], 0))
    with pytest.raises(ShapeMismatch):
        average_precision([0.5], [1, 0], 1)


def by_definition(rows: list[tuple[float, bool]], total: int) -> float:
    """For each face that could be found: the best precision at any threshold that finds at least so many."""
    points = []
    for threshold in {score for score, _ in rows}:
        taken = [hit for score, hit in rows if score >= threshold]
        points.append((sum(taken), sum(taken) / len(taken)))
    return sum(max((p for hits, p in points if hits >= k), default=0.0) for k in range(1, total + 1)) / total


@given(SCORES, st.integers(0, 10))
def test_average_precision_is_its_definition(rows: list[tuple[float, bool]], missed: int) -> None:
    total = sum(hit for _, hit in rows) + missed
    if total:
        scores, right = [score for score, _ in rows], [hit for _, hit in rows]
        assert average_precision(scores, right, total) == pytest.approx(by_definition(rows, total))


@given(SCORES, st.integers(1, 5), st.randoms(use_true_random=False))
def test_average_precision_knows_no_order_and_only_ranks(
    rows: list[tuple[float, bool]], missed: int, random: Any
) -> None:
    total = sum(hit for _, hit in rows) + missed
    before = average_precision([s for s, _ in rows], [h for _, h in rows], total)
    assert 0 <= before <= 1
    random.shuffle(rows)
    assert average_precision([s**3 for s, _ in rows], [h for _, h in rows], total) == pytest.approx(before)


# -- which detection is of which face ----------------------------------------------------------------------------------


def test_a_face_is_found_once_by_the_surest() -> None:
    truth = boxes((0, 0, 10, 10), (100, 0, 110, 10))
    judged = judge(faces((0, 0, 10, 9, 0.6), (0, 0, 10, 10, 0.8), (50, 0, 60, 10, 0.7)), truth)
    assert judged.scores.tolist() == pytest.approx([0.8, 0.7, 0.6])
    assert judged.right.tolist() == [True, False, False]
    assert judged.found.tolist() == [True, False]
    assert judged.heights.tolist() == [10, 10]


def test_half_of_the_union_is_enough() -> None:
    truth = boxes((0, 0, 10, 10))
    assert judge(faces((0, 0, 10, 5, 0.9)), truth).right.tolist() == [True]
    assert judge(faces((0, 0, 10, 4.9, 0.9)), truth).right.tolist() == [False]


def test_faces_that_do_not_count_make_neither_hits_nor_mistakes() -> None:
    truth = boxes((0, 0, 10, 10), (100, 0, 110, 10))
    judged = judge(
        faces((0, 0, 10, 10, 0.9), (0, 0, 10, 9, 0.8), (100, 0, 110, 10, 0.7)), truth, np.array([False, True])
    )
    assert judged.scores.tolist() == pytest.approx([0.7])
    assert judged.right.tolist() == [True]


def test_noses_in_boxes() -> None:
    noses = boxes((5, 5, 5, 5), (8, 5, 8, 5), (50, 5, 50, 5))
    judged = judge(faces((0, 0, 10, 10, 0.9), (0, 0, 11, 10, 0.8), (0, 0, 12, 10, 0.7), (60, 0, 70, 9, 0.6)), noses)
    assert judged.right.tolist() == [True, True, False, False]  # two boxes share two noses, the third has none left
    assert judged.found.tolist() == [True, True, False]


def test_nothing_to_find_and_nothing_found() -> None:
    assert judge(faces((0, 0, 1, 1, 0.5)), boxes()).right.tolist() == [False]
    judged = judge(faces(), boxes((0, 0, 1, 1)))
    assert (len(judged.scores), judged.found.tolist()) == (0, [False])
    with pytest.raises(ShapeMismatch):
        judge(faces(), np.zeros((3, 2)))


@given(
    st.lists(st.tuples(*[st.integers(0, 8)] * 4), max_size=8), st.lists(st.tuples(*[st.integers(0, 8)] * 4), max_size=6)
)
def test_hits_are_as_many_as_faces_found(found: list[tuple[int, ...]], truth: list[tuple[int, ...]]) -> None:
    rows = [(x, y, x + w + 1, y + h + 1, 0.5 + i / 100) for i, (x, y, w, h) in enumerate(found)]
    judged = judge(faces(*rows), boxes(*((x, y, x + w + 1, y + h + 1) for x, y, w, h in truth)))
    assert judged.right.sum() == judged.found.sum()
    assert len(judged.right) == len(rows)


# -- whole evaluations -------------------------------------------------------------------------------------------------


def test_a_report(tmp_path: Any) -> None:
    from mien.core.image import save_image

    fakes.made.clear()
    save_image(picture(250, 200), tmp_path / "two.png")  # at 5 and 25, 20 to 30 in y
    save_image(picture(100), tmp_path / "one.png")
    marked = [
        BoxedPicture(tmp_path / "two.png", boxes((5, 20, 15, 30), (60, 60, 90, 90)).astype(np.float32)),
        BoxedPicture(tmp_path / "one.png", boxes((5, 20, 15, 30)).astype(np.float32)),
    ]
    with make() as engine:
        report = evaluate_detection(marked, negatives=[tmp_path / "two.png"], engine=engine)
        (subset,) = report.subsets
        assert (report.pictures, subset.faces, subset.found, subset.false) == (2, 3, 2, 1)
        assert subset.ap == pytest.approx((1 + 2 / 3) / 3)
        assert subset.precision == pytest.approx(2 / 3)
        assert [(row.heights, row.faces, row.found) for row in subset.sizes] == [("below 16", 2, 2), ("16 to 32", 1, 0)]
        assert (report.negatives, report.false_faces, report.false_per_picture) == (1, 2, 2.0)
        assert subset.recall_interval[0] < 2 / 3 < subset.recall_interval[1]
        json.dumps(report.to_dict())
        with pytest.raises(UsageError, match="no picture"):
            evaluate_detection([], engine=engine)


def test_sources_that_are_none(tmp_path: Any) -> None:
    with pytest.raises(UsageError, match="boxes are read from"):
        read_boxes(tmp_path / "boxes.csv")
    (tmp_path / "empty.txt").write_text("")
    with pytest.raises(UsageError, match="lists no picture"):
        read_boxes(tmp_path / "empty.txt")
    with pytest.raises(UsageError, match="WIDER"):
        read_boxes(tmp_path / "x.json", levels=tmp_path)


@pytest.mark.weights
@pytest.mark.data
def test_the_command_on_marked_pictures() -> None:
    source = DATA / "landmarks68_boxes" / "training_with_face_landmarks.xml"
    result = CliRunner().invoke(
        app, ["evaluate", "detection", str(source), "--threads", "1", "--negatives", str(assets.LANDSCAPE), "--json"]
    )
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["model"] == "yunet"
    assert (report["subsets"][0]["faces"], report["subsets"][0]["found"], report["false_faces"]) == (18, 18, 0)
    assert report["subsets"][0]["ap"] == 1
