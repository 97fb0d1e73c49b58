"""RetinaFace: its decoder against loops, and what all detectors are held to on real pictures."""

from __future__ import annotations

import math
from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.faces import ALIGNMENT_NAMES
from mien.location.detectors.retinaface import RetinaFace
from tests.location import test_detectors_real as real
from tests.location.test_detectors import check, decoder, noise, sizes, thresholds
from tests.shared import marked_faces, photo, runner

NAME = "retinaface-mnet"
GRIDS = [[8, [16, 32]], [16, [64, 128]], [32, [256, 512]]]


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), sizes, thresholds)
def test_decodes(seed: int, size: tuple[int, int], threshold: float) -> None:
    count = sum(2 * (size[0] // stride) * (size[1] // stride) for stride in (8, 16, 32))
    boxes, scores, points = rows = noise(seed, (count, 4), (count, 2), (count, 10))
    expected, index = [], 0
    for stride, sides in ((8, (16, 32)), (16, (64, 128)), (32, (256, 512))):
        for y in range(stride // 2, size[0], stride):
            for x in range(stride // 2, size[1], stride):
                for side in sides:
                    shift_x, shift_y, wide, high = (float(v) for v in boxes[index])
                    cx, cy = x + 0.1 * shift_x * side, y + 0.1 * shift_y * side
                    w, h = side * math.exp(0.2 * wide), side * math.exp(0.2 * high)
                    where = [
                        [x + 0.1 * float(px) * side, y + 0.1 * float(py) * side]
                        for px, py in points[index].reshape(5, 2)
                    ]
                    if scores[index, 1] >= threshold:
                        box = [cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2]
                        expected.append((box, float(scores[index, 1]), where))
                    index += 1
    detector = decoder(RetinaFace, 3, grids=GRIDS, variances=[0.1, 0.2])
    check(detector.decode(rows, size, threshold), expected)
    assert detector.keypoint_names == ALIGNMENT_NAMES


def test_a_box_of_any_size_is_finite() -> None:
    detector = decoder(RetinaFace, 3, grids=[[32, [512]]], variances=[0.1, 0.2])
    rows = [np.full((1, width), 1e6, np.float32) for width in (4, 2, 10)]
    found = detector.decode(rows, (32, 32), 0.5)
    assert np.isfinite(found.boxes).all()


@pytest.mark.weights
@pytest.mark.data
@pytest.mark.parametrize(
    "rule",
    [
        real.test_finds_all_noses_and_nothing_else,
        real.test_finds_the_marked_boxes,
        real.test_finds_nothing_where_nobody_is,
        real.test_finds_faces_that_fill_the_picture,
        real.test_points_stand_where_their_names_say,
        real.test_nothing_shifts_in_a_mirror,
        real.test_a_picture_alone_and_among_others,
        real.test_least_and_longest_pictures,
    ],
    ids=lambda rule: rule.__name__.removeprefix("test_"),
)
def test_is_held_to_what_all_detectors_are(rule: Callable[[str], None]) -> None:
    rule(NAME)


@pytest.mark.weights
@pytest.mark.data
def test_agrees_with_yunet() -> None:
    """Two networks of other makers, the same 43 faces, and points that are close by."""
    images = [photo(f"landmarks68_boxes/{file}") for file in marked_faces()]
    distances = []
    found = runner(NAME).detect(images, min_score=0.8)  # the two below it are people far behind
    for ours, others in zip(found, runner("yunet").detect(images), strict=True):
        assert len(ours) == len(others)
        apart = np.linalg.norm(ours.keypoints[:, None] - others.keypoints[None], axis=3).mean(axis=2).min(axis=1)
        distances.extend(apart / ours.widths)
    assert len(distances) == 43
    assert max(distances) < 0.15
    assert np.median(distances) < 0.05


# What the program of those who publish the weights finds, with PyTorch 2.13 in float32: boxes, best first, and the
# first face's points, which count from the pixels' edges there.
BOXES = [
    [38.83, 213.63, 96.65, 290.04],
    [308.90, 136.08, 338.38, 175.81],
    [527.74, 234.42, 581.58, 304.12],
    [143.73, 212.59, 178.57, 257.90],
    [466.40, 212.13, 505.17, 264.44],
]
SCORES = [0.9995, 0.9995, 0.9992, 0.9974, 0.9959]
POINTS = [[67.3, 241.6], [89.4, 247.3], [80.7, 260.1], [61.1, 268.4], [79.2, 273.4]]


@pytest.mark.weights
@pytest.mark.data
@pytest.mark.parametrize(("precision", "pixels"), [("f32", 0.1), (None, 0.5)])
def test_equals_pytorch(precision: str | None, pixels: float) -> None:
    image = cv2.resize(photo("detect_noses/014_5.jpg"), (640, 480)).astype(np.uint8)
    (faces,) = runner(NAME, precision=precision).detect([image])
    np.testing.assert_allclose(faces.boxes, BOXES, atol=pixels)
    np.testing.assert_allclose(faces.scores, SCORES, atol=1e-3)
    np.testing.assert_allclose(faces.keypoints[0] + 0.5, POINTS, atol=pixels)
