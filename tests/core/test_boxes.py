from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from mien.core.boxes import iou, nms, weighted_box_fusion, weighted_nms
from mien.core.errors import ShapeMismatch


@st.composite
def scored_boxes(draw: st.DrawFn) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    count = draw(st.integers(0, 12))
    whole = st.integers(0, 40)  # whole pixels, few of them: many boxes overlap, touch, coincide or are empty
    corner = draw(hnp.arrays(np.float32, (count, 2), elements=whole))
    side = draw(hnp.arrays(np.float32, (count, 2), elements=whole))
    scores = draw(hnp.arrays(np.float32, count, elements=st.integers(0, 8).map(lambda n: n / 8)))
    return np.concatenate([corner, corner + side], axis=1), scores


def pixels_iou(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The same by counting pixels."""
    masks = np.zeros((2, 90, 90), dtype=bool)
    for mask, box in zip(masks, (a, b), strict=True):
        x1, y1, x2, y2 = box.astype(int)
        mask[y1:y2, x1:x2] = True
    union = (masks[0] | masks[1]).sum()
    return float((masks[0] & masks[1]).sum() / union) if union else 0.0


def test_iou_of_known_boxes() -> None:
    a = np.array([[0, 0, 10, 10]], dtype=np.float32)
    b = np.array([[0, 0, 10, 10], [5, 0, 15, 10], [10, 0, 20, 10], [3, 3, 3, 3], [8, 8, 2, 2]], dtype=np.float32)
    np.testing.assert_allclose(iou(a, b), [[1, 1 / 3, 0, 0, 0]], rtol=1e-6)
    assert iou(a, b).dtype == np.float32


@given(scored_boxes(), scored_boxes())
def test_iou_counts_pixels(a: tuple[NDArray[np.float32], ...], b: tuple[NDArray[np.float32], ...]) -> None:
    expected = np.array([[pixels_iou(x, y) for y in b[0]] for x in a[0]]).reshape(len(a[0]), len(b[0]))
    np.testing.assert_allclose(iou(a[0], b[0]), expected, atol=1e-6)


def test_iou_of_no_boxes() -> None:
    assert iou(np.zeros((0, 4)), np.zeros((3, 4))).shape == (0, 3)


@given(scored_boxes(), st.sampled_from([0.0, 0.3, 0.5, 1.0]))
def test_nms_keeps_what_it_should(boxes_scores: tuple[NDArray[np.float32], ...], threshold: float) -> None:
    boxes, scores = boxes_scores
    kept = nms(boxes, scores, threshold)
    assert kept.dtype == np.intp
    assert len(set(kept.tolist())) == len(kept)
    assert (np.diff(scores[kept]) <= 0).all()
    overlaps = iou(boxes[kept], boxes[kept])
    np.fill_diagonal(overlaps, 0)
    assert (overlaps <= threshold).all()  # no two of the kept are the same thing
    for dropped in set(range(len(boxes))) - set(kept.tolist()):  # and nothing was dropped without a better one
        better = kept[scores[kept] >= scores[dropped]]
        assert (iou(boxes[dropped : dropped + 1], boxes[better]) > threshold).any()
    assert nms(boxes[kept], scores[kept], threshold).tolist() == list(range(len(kept)))  # twice changes nothing


def test_nms_of_many_boxes_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    corner = rng.uniform(0, 300, (900, 2))
    boxes = np.concatenate([corner, corner + rng.uniform(5, 60, (900, 2))], axis=1)
    scores = rng.random(900).round(2)
    queue, kept = np.argsort(-scores, kind="stable").tolist(), []
    overlaps = iou(boxes, boxes)
    while queue:
        kept.append(queue[0])
        queue = [i for i in queue[1:] if overlaps[kept[-1], i] <= 0.3]
    assert 256 < len(kept) < 800
    assert nms(boxes, scores, 0.3).tolist() == kept


def test_nms_of_equal_scores_keeps_the_first() -> None:
    boxes = np.tile(np.array([[0, 0, 4, 4]], dtype=np.float32), (3, 1))
    assert nms(boxes, np.full(3, 0.5), 0.5).tolist() == [0]


@given(scored_boxes(), st.sampled_from([0.0, 0.3, 0.5]))
def test_weighted_nms_has_the_groups_of_nms(boxes_scores: tuple[NDArray[np.float32], ...], threshold: float) -> None:
    boxes, scores = boxes_scores
    points = boxes.reshape(-1, 2, 2)
    merged, kept_scores, merged_points = weighted_nms(boxes, scores, points, threshold)
    np.testing.assert_array_equal(kept_scores, scores[nms(boxes, scores, threshold)])
    np.testing.assert_allclose(merged_points.reshape(-1, 4), merged, atol=1e-4)  # points are blended as the boxes are
    assert merged.dtype == merged_points.dtype == kept_scores.dtype == np.float32
    if len(boxes):
        assert (merged >= boxes.min(axis=0) - 1e-4).all()
        assert (merged <= boxes.max(axis=0) + 1e-4).all()


def test_weighted_nms_blends_by_score() -> None:
    boxes = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [100, 100, 110, 110]], dtype=np.float32)
    points = np.array([[[5, 5]], [[7, 5]], [[105, 105]]], dtype=np.float32)
    merged, scores, merged_points = weighted_nms(boxes, np.array([0.9, 0.3, 0.5]), points, 0.3)
    np.testing.assert_allclose(merged, [[0.5, 0, 10.5, 10], [100, 100, 110, 110]], atol=1e-5)
    np.testing.assert_allclose(scores, [0.9, 0.5], atol=1e-6)
    np.testing.assert_allclose(merged_points, [[[5.5, 5]], [[105, 105]]], atol=1e-5)


def test_weighted_nms_of_no_boxes_keeps_the_shapes() -> None:
    merged, scores, points = weighted_nms(np.zeros((0, 4)), np.zeros(0), np.zeros((0, 6, 2)), 0.3)
    assert (merged.shape, scores.shape, points.shape) == ((0, 4), (0,), (0, 6, 2))


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeMismatch, match=r"\(N, 4\)"):
        iou(np.zeros((3, 5)), np.zeros((0, 4)))
    with pytest.raises(ShapeMismatch, match="scores"):
        nms(np.zeros((3, 4)), np.zeros(2), 0.5)
    with pytest.raises(ShapeMismatch, match="points"):
        weighted_nms(np.zeros((3, 4)), np.zeros(3), np.zeros((2, 5, 2)), 0.5)


# -- a part of another one ---------------------------------------------------------------------------------------------


def test_a_box_inside_of_a_surer_one_goes() -> None:
    boxes = np.array([[0, 0, 100, 100], [10, 10, 20, 20], [95, 95, 115, 115], [300, 0, 310, 10]], np.float32)
    scores = np.array([0.9, 0.8, 0.7, 0.6], np.float32)
    assert nms(boxes, scores, 0.3).tolist() == [0, 1, 2, 3]
    assert nms(boxes, scores, 0.7, of="smaller").tolist() == [0, 2, 3]
    assert nms(boxes, scores[::-1], 0.7, of="smaller").tolist() == [
        3,
        2,
        1,
    ]  # the larger one goes where it is less sure


@given(scored_boxes())
def test_what_overlaps_of_the_union_overlaps_of_the_smaller(
    data: tuple[NDArray[np.float32], NDArray[np.float32]],
) -> None:
    boxes, scores = data
    kept = boxes[nms(boxes, scores, 0.5, of="smaller")]
    kept = kept[(kept[:, 2:] > kept[:, :2]).all(axis=1)]
    overlaps = iou(kept, kept)
    np.fill_diagonal(overlaps, 0)
    assert (overlaps <= 0.5 + 1e-6).all()


# -- boxes of several detectors ----------------------------------------------------------------------------------------


def test_fused_boxes_by_hand() -> None:
    first = np.array([[0, 0, 10, 10], [50, 50, 60, 60]], np.float32), np.array([0.8, 0.6], np.float32)
    second = np.array([[2, 0, 12, 10]], np.float32), np.array([0.4], np.float32)
    boxes, scores, best = weighted_box_fusion([first, second], 0.5)
    # (0.8 * 0 + 0.4 * 2) / 1.2; seen by both: the mean score. The other by one of two: half of its score.
    np.testing.assert_allclose(boxes, [[2 / 3, 0, 10 + 2 / 3, 10], [50, 50, 60, 60]], atol=1e-5)
    np.testing.assert_allclose(scores, [0.6, 0.3])
    assert best.tolist() == [0, 1]
    boxes, scores, best = weighted_box_fusion([second, first], 0.5)
    assert best.tolist() == [1, 2]


def test_fusing_nothing() -> None:
    nothing = np.zeros((0, 4)), np.zeros(0)
    for parts in ([], [nothing], [nothing, nothing]):
        boxes, scores, best = weighted_box_fusion(parts, 0.5)
        assert (boxes.shape, scores.shape, best.shape) == ((0, 4), (0,), (0,))
    boxes, scores, _ = weighted_box_fusion([(np.array([[0, 0, 1, 1]]), np.zeros(1)), nothing], 0.5)
    assert (boxes.tolist(), scores.tolist()) == ([[0, 0, 1, 1]], [0])
    with pytest.raises(ShapeMismatch):
        weighted_box_fusion([(np.zeros((1, 4)), np.zeros(2))], 0.5)


@given(scored_boxes())
def test_fusing_a_result_with_itself_changes_nothing(data: tuple[NDArray[np.float32], NDArray[np.float32]]) -> None:
    boxes, scores = data
    there = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    boxes, scores = boxes[there], scores[there]
    rows = nms(boxes, scores, 0.0)  # boxes that are apart
    apart, sure = boxes[rows], scores[rows]
    fused, fused_scores, _ = weighted_box_fusion([(apart, sure)] * 3, 0.5)
    np.testing.assert_allclose(fused, apart, atol=1e-4)
    np.testing.assert_allclose(fused_scores, sure, atol=1e-6)
