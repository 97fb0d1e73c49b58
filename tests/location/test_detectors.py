"""Detectors without weights: decoders against loops, and the pipeline around a network that sees white rectangles."""

from __future__ import annotations

import math
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import CardError, ShapeMismatch
from mien.core.faces import ALIGNMENT_NAMES
from mien.location.detectors.base import Candidates, FaceDetector, Floats
from mien.location.detectors.blazeface import BlazeFace
from mien.location.detectors.centerface import CenterFace
from mien.location.detectors.looks import Look
from mien.location.detectors.mtcnn import MTCNN
from mien.location.detectors.scrfd import SCRFD
from mien.location.detectors.yunet import YuNet
from mien.models.card import ImageInput
from mien.runtime.bundle import Bundle

Size = tuple[int, int]


def input_of(size: Size | None, multiple: int = 32) -> ImageInput:
    return ImageInput(layout="NCHW", color="RGB", size=size, multiple=multiple, mean=(0, 0, 0), std=(1, 1, 1))


class Mirror:
    """A session whose outputs are the pictures themselves; it remembers the shapes that it was shown."""

    def __init__(self, outputs: int = 1) -> None:
        self.outputs = tuple(str(index) for index in range(outputs))
        self.shown: list[tuple[int, ...]] = []

    def run(self, pictures: NDArray[np.uint8]) -> tuple[NDArray[Any], ...]:
        self.shown.append(pictures.shape)
        return (pictures,) * len(self.outputs)


def bundle_of(params: dict[str, Any], spec: ImageInput | None, session: Mirror) -> Bundle:
    card = SimpleNamespace(id="fake", params=params, files={"model": SimpleNamespace(input=spec)})
    return cast("Bundle", SimpleNamespace(card=card, session=lambda _: session))


class Rectangles(FaceDetector):
    """Takes the extent of everything bright as one face; its score is the brightness, its point the middle."""

    keypoint_names = ("middle",)
    outputs = 1

    def decode(self, rows: Sequence[Floats], size: Size, min_score: float) -> Candidates:
        assert rows[0].shape == (*size, 3)
        y, x = np.nonzero(rows[0][..., 0] > 127)
        score = float(rows[0].max()) / 255
        if not len(x) or score < min_score:
            return Candidates(*(np.zeros(shape, np.float32) for shape in ((0, 4), 0, (0, 1, 2))))
        box = np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]], np.float32)
        return Candidates(box, np.array([score], np.float32), (box[:, None, :2] + box[:, None, 2:]) / 2)


def rectangles(
    looks: list[dict[str, Any]], *, size: Size | None = None, session: Mirror | None = None
) -> tuple[Rectangles, Mirror]:
    session = session or Mirror()
    params = {"min_score": 0.5, "max_overlap": 0.3, "looks": looks}
    return Rectangles(bundle_of(params, input_of(size), session)), session


def picture(height: int, width: int, box: tuple[int, int, int, int] | None = None) -> NDArray[np.uint8]:
    image = np.zeros((height, width, 3), np.uint8)
    if box:
        image[box[1] : box[3], box[0] : box[2]] = 255
    return image


# --- the pipeline ---------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(st.integers(40, 900), st.integers(40, 900), st.sampled_from([None, (128, 128), (96, 160)]), st.data())
def test_boxes_return_to_the_picture(height: int, width: int, size: Size | None, data: st.DataObject) -> None:
    x1 = data.draw(st.integers(0, width // 2))
    y1 = data.draw(st.integers(0, height // 2))
    box = (x1, y1, data.draw(st.integers(x1 + width // 4, width)), data.draw(st.integers(y1 + height // 4, height)))
    detector, _ = rectangles([{"side": 160}], size=size)
    (faces,) = detector.detect([picture(height, width, box)])
    # Once resized, the rectangle's edges are known to a pixel of the network.
    tolerance = 1.5 * max(1, max(height, width) / (96 if size else 160), height / 96 if size else 0)
    assert faces.image_size == (width, height)
    np.testing.assert_allclose(faces.boxes, [box], atol=tolerance)
    middle = [(box[0] + box[2] - 1) / 2, (box[1] + box[3] - 1) / 2]
    np.testing.assert_allclose(faces.keypoints[0, 0], middle, atol=tolerance)


def test_boxes_count_from_the_edges_and_points_from_the_first_pixels_centre() -> None:
    detector, _ = rectangles([{"side": 160}])
    (faces,) = detector.detect([picture(160, 320, (80, 40, 240, 120))])  # shown at half of its size
    np.testing.assert_array_equal(faces.boxes, [[80, 40, 240, 120]])
    np.testing.assert_array_equal(faces.keypoints, [[[159.5, 79.5]]])


@pytest.mark.parametrize("shape", [(1, 1), (1, 4000), (4000, 1), (3, 17)])
@pytest.mark.parametrize("size", [None, (128, 128)])
def test_pictures_of_any_shape(shape: Size, size: Size | None) -> None:
    detector, session = rectangles([{"side": 160}, {"side": 640, "when_below": 32}], size=size)
    (faces,) = detector.detect([np.full((*shape, 3), 255, np.uint8)])
    np.testing.assert_allclose(faces.boxes, [[0, 0, shape[1], shape[0]]], rtol=1e-5)
    if size is None:
        assert all(side % 32 == 0 and side > 0 for shown in session.shown for side in shown[1:3])


def test_no_picture_and_no_face() -> None:
    detector, session = rectangles([{"side": 160}])
    assert detector.detect([]) == []
    assert session.shown == []
    (faces,) = detector.detect([picture(50, 60)])
    assert len(faces) == 0
    assert faces.keypoint_names == ("middle",)
    assert faces.image_size == (60, 50)
    assert [a.dtype for a in (faces.boxes, faces.scores, faces.keypoints)] == [np.float32] * 3


def test_pictures_of_one_canvas_go_together_and_do_not_mix() -> None:
    detector, session = rectangles([{"side": 160}])
    images = [picture(300, 400, (10, 20, 100 + 3 * n, 200)) for n in range(20)] + [picture(400, 200, (0, 0, 90, 90))]
    together = detector.detect(images)
    assert sorted(session.shown) == [(1, 160, 96, 3), (4, 128, 160, 3), (16, 128, 160, 3)]
    for image, faces in zip(images, together, strict=True):
        (alone,) = detector.detect([image])
        np.testing.assert_array_equal(faces.boxes, alone.boxes)
        np.testing.assert_array_equal(faces.scores, alone.scores)


@pytest.mark.parametrize(
    "image", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 5, 3), "u1")]
)
def test_what_is_no_picture_is_refused(image: NDArray[Any]) -> None:
    detector, _ = rectangles([{"side": 160}])
    with pytest.raises(ShapeMismatch, match="a picture is uint8"):
        detector.detect([image])


def test_min_score() -> None:
    detector, _ = rectangles([{"side": 160}])
    grey = picture(80, 80, (20, 20, 60, 60)) // 255 * 200  # scores 0.78
    assert [len(detector.detect([grey], min_score=score)[0]) for score in (0.5, 0.7, 0.8)] == [1, 1, 0]
    assert len(detector.detect([grey])[0]) == 1


def test_boxes_are_clipped_to_the_picture() -> None:
    class Outside(Rectangles):
        def decode(self, rows: Sequence[Floats], size: Size, min_score: float) -> Candidates:
            boxes = np.array([[-9, -9, 30, 40], [70, 70, 200, 200], [90, 10, 95, 20]], np.float32)
            return Candidates(boxes, np.array([0.9, 0.8, 0.7], np.float32), np.full((3, 1, 2), -7, np.float32))

    outside = Outside(
        bundle_of({"min_score": 0.5, "max_overlap": 0.3, "looks": [{"side": 80}]}, input_of(None), Mirror())
    )
    (faces,) = outside.detect([picture(80, 80)])  # 80 wide in a canvas of 96: the third box is in the empty part
    assert faces.boxes.tolist() == [[0, 0, 30, 40], [70, 70, 80, 80]]
    assert (faces.keypoints == -7.5).all()


# --- looks ----------------------------------------------------------------------------------------------------------


def test_each_look_takes_the_faces_of_its_widths() -> None:
    detector, _ = rectangles([{"side": 160, "faces": [64, 1000]}, {"side": 640, "faces": [0, 320]}])
    for side in (20, 200, 500):  # of 640: the main look's, then both looks', then the far look's
        (faces,) = detector.detect([picture(640, 640, (40, 40, 40 + side, 40 + side))])
        assert len(faces) == 1
        np.testing.assert_allclose(faces.boxes, [[40, 40, 40 + side, 40 + side]], atol=4)


@pytest.mark.parametrize(
    ("side", "closer"),
    [(None, True), (120, True), (140, False)],  # of 2,560 pixels, a quarter of it in the main look
)
def test_closer_look_only_at_small_faces_or_none(side: int | None, closer: bool) -> None:
    detector, session = rectangles([{"side": 640}, {"side": 1280, "when_below": 32}])
    detector.detect([picture(2560, 2560, (400, 400, 400 + side, 400 + side) if side else None)])
    assert session.shown == [(1, 640, 640, 3), *([(1, 1280, 1280, 3)] if closer else [])]


def test_closer_look_does_not_enlarge() -> None:
    detector, session = rectangles([{"side": 640}, {"side": 1280, "when_below": 32}])
    detector.detect([picture(600, 600), picture(800, 800)])
    assert session.shown == [(2, 640, 640, 3), (1, 960, 960, 3)]


@pytest.mark.parametrize(
    ("size", "scale", "canvas"),
    [
        ((512, 512), 1, (512, 512)),  # large enough: what enlarging adds is work
        ((500, 500), 1.28, (640, 640)),
        ((200, 150), 2, (512, 320)),  # 400 x 300
        ((3000, 4000), 0.16, (480, 640)),
        ((1080, 1920), 1 / 3, (384, 640)),
    ],
)
def test_fit_of_usual_pictures(size: tuple[int, int], scale: float, canvas: tuple[int, int]) -> None:
    fit = Look(side=640).fit(np.broadcast_to(np.uint8(0), (*size, 3)), input_of(None, 32))
    assert fit.scale == pytest.approx((scale, scale))
    assert fit.canvas == canvas


@given(st.integers(1, 6000), st.integers(1, 6000), st.sampled_from([160, 640, 1280]), st.sampled_from([1, 32]))
def test_fit(height: int, width: int, side: int, multiple: int) -> None:
    image = np.broadcast_to(np.uint8(0), (height, width, 3))
    fit = Look(side=side).fit(image, input_of(None, multiple))
    assert all(1 <= have <= room for have, room in zip(fit.content, fit.canvas, strict=True))
    assert all(room % multiple == 0 for room in fit.canvas)
    assert max(fit.canvas) <= math.ceil(side / multiple) * multiple
    assert fit.scale == (fit.content[1] / width, fit.content[0] / height)
    assert max(fit.content) <= 2 * max(height, width)
    fixed = Look(side=side).fit(image, input_of((96, 128), multiple))
    assert fixed.canvas == (96, 128)
    assert all(1 <= have <= room for have, room in zip(fixed.content, fixed.canvas, strict=True))


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"min_score": 0.5, "looks": []}, "lacks params.max_overlap"),
        ({"min_score": 0.5, "max_overlap": 0.3, "looks": [{"sides": 640}]}, "is not a look"),
        ({"min_score": 0.5, "max_overlap": 0.3, "looks": [{"side": 640, "faces": [3]}]}, "is not a look"),
        ({"min_score": 0.5, "max_overlap": 0.3, "looks": [640]}, "is not a look"),
        ({"min_score": 0.5, "max_overlap": 0.3, "looks": [{"faces": [0, 9]}]}, "is not a look"),
        ({"min_score": 0.5, "max_overlap": 0.3, "looks": [{"side": 0}]}, "is none"),
    ],
)
def test_incomplete_card(params: dict[str, Any], message: str) -> None:
    with pytest.raises(CardError, match=message):
        Rectangles(bundle_of(params, input_of(None), Mirror()))


def test_a_network_of_another_kind_is_refused() -> None:
    params = {"min_score": 0.5, "max_overlap": 0.3, "looks": [{"side": 640}], "strides": [8, 16, 32], "anchors": 2}
    with pytest.raises(CardError, match="has 7 outputs; SCRFD reads 9"):
        SCRFD(bundle_of(params, input_of(None), Mirror(7)))
    with pytest.raises(CardError, match="how its network takes a picture"):
        SCRFD(bundle_of(params, None, Mirror(9)))


class Cascade:
    """Sessions of MTCNN's three networks, which get pictures by columns. The first proposes every square; the others
    take a square for a face where its upper left is bright, and move nothing."""

    def __init__(self) -> None:
        self.outputs = ("corrections", "chances")
        self.judged: list[int] = []

    def __call__(self, name: str) -> Any:
        run = self.propose if name == "model" else self.judge
        return SimpleNamespace(outputs=self.outputs, run=lambda pictures: run(pictures, points=name == "output"))

    def propose(self, pictures: NDArray[np.uint8], *, points: bool) -> tuple[NDArray[Any], ...]:
        columns, rows = ((side - 12) // 2 + 1 for side in pictures.shape[1:3])
        chances = np.zeros((len(pictures), columns, rows, 2), np.float32)
        bright = pictures[:, : 2 * columns : 2, : 2 * rows : 2, 0] / np.float32(255)
        chances[..., 1] = bright
        return np.zeros((len(pictures), columns, rows, 4), np.float32), chances

    def judge(self, pictures: NDArray[np.uint8], *, points: bool) -> tuple[NDArray[Any], ...]:
        self.judged.append(len(pictures))
        near = slice(pictures.shape[1] // 8, pictures.shape[1] // 4)
        bright = pictures[:, near, near, 0].mean(axis=(1, 2)) / 255
        chances = np.stack((1 - bright, bright), axis=1).astype(np.float32)
        still = np.zeros((len(pictures), 4), np.float32)
        # Points: x as a fifth of the square each, then y a tenth each.
        where = np.tile(np.concatenate((np.arange(5) / 5, np.arange(5) / 10)), (len(pictures), 1)).astype(np.float32)
        return (still, where, chances) if points else (still, chances)


def mtcnn(cascade: Cascade) -> MTCNN:
    params = {
        "min_score": 0.9, "max_overlap": 0.5, "proposal_score": 0.6, "refine_score": 0.7, "proposals": 100,
        "looks": [{"side": 48, "when_below": 1e4}],
    }  # fmt: skip
    card = SimpleNamespace(id="fake", params=params, files={"model": SimpleNamespace(input=input_of(None, 12))})
    return MTCNN(cast("Bundle", SimpleNamespace(card=card, session=cascade)))


def test_mtcnn_passes_what_its_first_network_sees_through_the_others() -> None:
    cascade = Cascade()
    image = picture(48, 36)
    image[20:24, 10:14] = 255  # the upper left of a square of 12 at (10, 20)
    blank, there = mtcnn(cascade).detect([picture(48, 36), image])
    assert len(blank) == 0
    np.testing.assert_allclose(there.boxes, [[10, 20, 22, 32]], atol=1e-3)
    np.testing.assert_allclose(there.keypoints[0, 1], [10 + 12 / 5 - 0.5, 20 + 12 / 10 - 0.5], atol=1e-3)
    assert cascade.judged  # one call a network, whatever the number of pictures
    assert len(cascade.judged) == 2
    assert mtcnn(Cascade()).detect([]) == []


def test_mtcnn_keeps_pictures_apart() -> None:
    one, two = picture(48, 36), picture(48, 36)
    one[20:24, 10:14] = two[20:24, 12:16] = 255  # squares that would overlap, were they in one picture
    found = mtcnn(Cascade()).detect([one, two, one])
    assert [faces.boxes[0, 0] for faces in found] == pytest.approx([10, 12, 10], abs=1e-3)


# --- decoders, against loops over all cells -------------------------------------------------------------------------


def decoder(kind: type[FaceDetector], outputs: int, size: Size | None = None, **params: Any) -> FaceDetector:
    common = {"min_score": 0.5, "max_overlap": 0.3, "looks": [{"side": 64}]}
    return kind(bundle_of({**common, **params}, input_of(size), Mirror(outputs)))


def noise(seed: int, *shapes: tuple[int, ...]) -> list[Floats]:
    generator = np.random.default_rng(seed)
    return [generator.normal(0, 1, shape).astype(np.float32) for shape in shapes]


def check(candidates: Candidates, expected: list[tuple[list[float], float, list[list[float]]]]) -> None:
    assert len(candidates) == len(expected)
    if expected:
        boxes, scores, points = (np.array(part) for part in zip(*expected, strict=True))
        np.testing.assert_allclose(candidates.boxes, boxes, rtol=1e-5, atol=1e-3)
        np.testing.assert_allclose(candidates.scores, scores, rtol=1e-5)
        np.testing.assert_allclose(candidates.points, points, rtol=1e-5, atol=1e-3)
    assert [a.dtype for a in (candidates.boxes, candidates.scores, candidates.points)] == [np.float32] * 3


sizes = st.sampled_from([(32, 32), (64, 32), (32, 96)])
thresholds = st.sampled_from([0.0, 0.5, 0.9, 2.0])


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), sizes, thresholds)
def test_yunet_decodes(seed: int, size: Size, threshold: float) -> None:
    cells = [(size[0] // stride) * (size[1] // stride) for stride in (8, 16, 32)]
    rows = noise(seed, *[(count, width) for width in (1, 1, 4, 10) for count in cells])
    expected = []
    for level, stride in enumerate((8, 16, 32)):
        for index in range(cells[level]):
            y, x = divmod(index, size[1] // stride)
            face, thing = (min(max(float(rows[level + k][index, 0]), 0), 1) for k in (0, 3))
            dx, dy, w, h = (float(v) for v in rows[6 + level][index])
            cx, cy, w, h = (x + dx) * stride, (y + dy) * stride, math.exp(w) * stride, math.exp(h) * stride
            points = [
                [(x + float(px)) * stride, (y + float(py)) * stride] for px, py in rows[9 + level][index].reshape(5, 2)
            ]
            if math.sqrt(face * thing) >= threshold:
                expected.append(([cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2], math.sqrt(face * thing), points))
    check(decoder(YuNet, 12, strides=[8, 16, 32]).decode(rows, size, threshold), expected)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), sizes, thresholds, st.sampled_from([1, 2]))
def test_scrfd_decodes(seed: int, size: Size, threshold: float, anchors: int) -> None:
    cells = [(size[0] // stride) * (size[1] // stride) * anchors for stride in (8, 16, 32)]
    rows = noise(seed, *[(count, width) for width in (1, 4, 10) for count in cells])
    expected = []
    for level, stride in enumerate((8, 16, 32)):
        index = 0
        for y in range(0, size[0], stride):
            for x in range(0, size[1], stride):
                for _ in range(anchors):
                    score, box, points = (rows[level + 3 * kind][index] for kind in range(3))
                    left, up, right, down = (float(v) * stride for v in box)
                    where = [[x + float(px) * stride, y + float(py) * stride] for px, py in points.reshape(5, 2)]
                    if score[0] >= threshold:
                        expected.append(([x - left, y - up, x + right, y + down], float(score[0]), where))
                    index += 1
    check(decoder(SCRFD, 9, strides=[8, 16, 32], anchors=anchors).decode(rows, size, threshold), expected)
    # Networks that were trained without points.
    pointless = decoder(SCRFD, 6, strides=[8, 16, 32], anchors=anchors)
    found = pointless.decode(rows[:6], size, threshold)
    np.testing.assert_allclose(
        found.boxes, np.array([box for box, *_ in expected]).reshape(-1, 4), rtol=1e-3, atol=1e-3
    )
    assert pointless.keypoint_names == ()
    assert found.points.shape == (len(expected), 0, 2)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), sizes, thresholds)
def test_centerface_decodes(seed: int, size: Size, threshold: float) -> None:
    h, w = size[0] // 4, size[1] // 4
    heat, log_sizes, offsets, points = rows = noise(seed, *[(count, h, w) for count in (1, 2, 2, 10)])
    expected = []
    for y in range(h):
        for x in range(w):
            high, wide = (math.exp(float(log_sizes[axis, y, x])) * 4 for axis in (0, 1))
            left = (x + float(offsets[1, y, x]) + 0.5) * 4 - wide / 2
            top = (y + float(offsets[0, y, x]) + 0.5) * 4 - high / 2
            where = [
                [left + float(points[2 * k + 1, y, x]) * wide, top + float(points[2 * k, y, x]) * high]
                for k in range(5)
            ]
            if heat[0, y, x] >= threshold:
                expected.append(([left, top, left + wide, top + high], float(heat[0, y, x]), where))
    check(decoder(CenterFace, 4).decode(rows, size, threshold), expected)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 2**32 - 1), thresholds, st.sampled_from([((8, 2), (16, 6)), ((4, 1),)]))
def test_blazeface_decodes(seed: int, threshold: float, grids: tuple[tuple[int, int], ...]) -> None:
    size = (64, 32)
    count = sum(size[0] // stride * size[1] // stride * anchors for stride, anchors in grids)
    values, logits = noise(seed, (count, 16), (count, 1))
    logits *= 100  # as extreme as the real ones
    expected, index = [], 0
    for stride, anchors in grids:
        for y in range(size[0] // stride):
            for x in range(size[1] // stride):
                for _ in range(anchors):
                    ax, ay = (x + 0.5) * stride, (y + 0.5) * stride
                    cx, cy, w, h = (float(v) for v in values[index, :4])
                    score = 1 / (1 + math.exp(-min(max(float(logits[index, 0]), -80), 80)))
                    where = [[ax + float(px), ay + float(py)] for px, py in values[index, 4:].reshape(6, 2)]
                    box = [ax + cx - w / 2, ay + cy - h / 2, ax + cx + w / 2, ay + cy + h / 2]
                    if score >= threshold:
                        expected.append((box, score, where))
                    index += 1
    blaze = decoder(BlazeFace, 2, size=size, grids=grids)
    check(blaze.decode([values, logits], size, threshold), expected)


def test_blazeface_blends_where_the_others_choose() -> None:
    boxes = np.array([[0, 0, 10, 10], [2, 0, 12, 10], [50, 50, 60, 60]], np.float32)
    scores = np.array([0.6, 0.9, 0.7], np.float32)
    five, six = (np.arange(3 * count * 2, dtype=np.float32).reshape(3, count, 2) for count in (5, 6))
    blended = decoder(BlazeFace, 2, size=(64, 64), grids=[(4, 1)]).suppress(Candidates(boxes, scores, six))
    chosen = decoder(CenterFace, 4).suppress(Candidates(boxes, scores, five))
    np.testing.assert_allclose(blended.boxes, [[1.2, 0, 11.2, 10], [50, 50, 60, 60]], rtol=1e-5)
    np.testing.assert_allclose(blended.points[0], 0.4 * six[0] + 0.6 * six[1], rtol=1e-5)
    np.testing.assert_array_equal(chosen.boxes, boxes[[1, 2]])
    np.testing.assert_array_equal(chosen.scores, scores[[1, 2]])


def test_points_that_align() -> None:
    assert YuNet.keypoint_names == SCRFD.keypoint_names == CenterFace.keypoint_names == ALIGNMENT_NAMES
    assert BlazeFace.keypoint_names == ("right_eye", "left_eye", "nose_tip", "mouth", "right_ear", "left_ear")
