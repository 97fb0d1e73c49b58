"""Detectors on real pictures, against what people marked in them, and against OpenCV's own YuNet."""

from __future__ import annotations

import functools
import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.boxes import iou
from mien.core.errors import WeightsUnavailable
from mien.core.image import Image, load_image
from mien.location.detectors.base import FaceDetector
from mien.models.card import Card
from mien.models.catalogue import Catalogue
from mien.models.store import Store
from mien.runtime.bundle import Bundle
from mien.runtime.session import SessionOptions

DATA = Path(__file__).resolve().parents[3] / "shared" / "data"
FIVE_POINTS = ["yunet", "scrfd-500m", "centerface"]
ALL = [*FIVE_POINTS, "blazeface-short", "blazeface-full"]

pytestmark = [
    pytest.mark.weights,
    pytest.mark.data,
    pytest.mark.skipif(not DATA.is_dir(), reason="needs the folder of real pictures beside the checkout"),
]


@functools.cache
def load(name: str, **options: Any) -> FaceDetector:
    card = Catalogue.load()[name]
    try:
        path = Store().fetch(card.files["model"])
    except WeightsUnavailable as error:
        pytest.skip(str(error))
    return runner(card)(Bundle(card, {"model": path}, SessionOptions(threads=1, **options)))


def runner(card: Card) -> type[FaceDetector]:
    module, name = card.runner.split(":")
    return cast("type[FaceDetector]", getattr(importlib.import_module(module), name))


def photo(name: str) -> Image:
    return load_image(DATA / name)


def frames(name: str) -> Iterator[Image]:
    video = cv2.VideoCapture(str(DATA / "video" / name))
    while (read := video.read())[0]:
        yield np.ascontiguousarray(read[1][:, :, ::-1].astype(np.uint8))


def noses() -> dict[str, NDArray[np.float32]]:
    """Nose of each face by picture; none for the picture without faces."""
    marked = json.loads((DATA / "detect_noses" / "annotations.json").read_text())["noses"]
    here = sorted(path.name for path in (DATA / "detect_noses").glob("*.jpg"))
    return {name: np.array(marked.get(name, []), np.float32).reshape(-1, 2) for name in here}


def marked_boxes() -> Iterator[tuple[str, NDArray[np.float32]]]:
    for part in ("training", "testing"):
        tree = ET.parse(DATA / "landmarks68_boxes" / f"{part}_with_face_landmarks.xml")
        for image in tree.iter("image"):
            sides = [[float(box.attrib[k]) for k in ("left", "top", "width", "height")] for box in image.iter("box")]
            left, top, width, height = np.array(sides, np.float32).T
            yield image.attrib["file"], np.stack((left, top, left + width, top + height), axis=1)


@pytest.mark.parametrize("name", FIVE_POINTS)
def test_finds_all_noses_and_nothing_else(name: str) -> None:
    total = 0
    for file, expected in noses().items():
        image = photo(f"detect_noses/{file}")
        (faces,) = load(name).detect([image])
        assert len(faces) == len(expected), file
        if not len(expected):
            continue
        tips = faces.keypoints[:, faces.keypoint_names.index("nose_tip")]
        distances = np.linalg.norm(tips[:, None] - expected[None], axis=2) * 1000 / image.shape[1]
        total += int((distances.min(axis=0) <= 45).sum())
    assert total == 28


@pytest.mark.parametrize("name", FIVE_POINTS)
def test_finds_the_marked_boxes(name: str) -> None:
    files, boxes = zip(*marked_boxes(), strict=True)
    results = load(name).detect([photo(f"landmarks68_boxes/{file}") for file in files])
    found = [
        int((iou(expected, faces.boxes).max(axis=1) >= 0.5).sum())
        for expected, faces in zip(boxes, results, strict=True)
    ]
    assert sum(len(expected) for expected in boxes) == 43
    assert sum(found) == 43


@pytest.mark.parametrize("name", FIVE_POINTS)
def test_finds_nothing_where_nobody_is(name: str) -> None:
    detector = load(name)
    still = [photo(f"video_frames/{path.name}") for path in sorted((DATA / "video_frames").glob("*.jpg"))[::4]]
    for start, part in enumerate([list(frames("no_face.mp4"))[::4], still]):
        assert part, start
        assert [len(faces) for faces in detector.detect(part)] == [0] * len(part)


@pytest.mark.parametrize("name", ALL)
def test_finds_faces_that_fill_the_picture(name: str) -> None:
    files = [path for path in sorted((DATA / "parsing").rglob("*.jpg")) if load_image(path).shape == (1024, 1024, 3)]
    files += sorted((DATA / "age_gender").glob("*.jpg"))[::20] + sorted((DATA / "expression").glob("*/*"))[::20]
    found = [len(faces) for faces in load(name).detect([load_image(path) for path in files])]
    assert found == [1] * len(files)


@pytest.mark.parametrize("name", ALL)
def test_points_stand_where_their_names_say(name: str) -> None:
    image = photo("pose/image00050.jpg")  # from the front
    for mirrored in (False, True):
        (faces,) = load(name).detect([np.ascontiguousarray(image[:, ::-1]) if mirrored else image])
        at = dict(zip(faces.keypoint_names, faces.keypoints[0], strict=True))
        pairs = [(side, side.replace("right", "left")) for side in at if side.startswith("right")]
        assert pairs
        assert all(at[right][0] < at[left][0] for right, left in pairs)  # the subject's right is on the picture's left
        mouth = at.get("mouth", (at.get("right_mouth", 0) + at.get("left_mouth", 0)) / 2)
        assert at["right_eye"][1] < at["nose_tip"][1] < mouth[1]


@pytest.mark.parametrize("name", ALL)
def test_a_picture_alone_and_among_others(name: str) -> None:
    detector = load(name)
    images = [photo(f"landmarks68_boxes/{file}") for file, _ in marked_boxes()] + [photo("detect_noses/016_8.jpg")]
    images.append(images[0])
    for image, faces in zip(images, detector.detect(images), strict=True):
        (alone,) = detector.detect([image])
        np.testing.assert_allclose(faces.boxes, alone.boxes, atol=1e-3)
        np.testing.assert_allclose(faces.scores, alone.scores, atol=1e-5)
        np.testing.assert_allclose(faces.keypoints, alone.keypoints, atol=1e-3)
        assert [a.dtype for a in (faces.boxes, faces.scores, faces.keypoints)] == [np.float32] * 3
    assert detector.detect([]) == []


@pytest.mark.parametrize("name", ALL)
def test_least_and_longest_pictures(name: str) -> None:
    shapes = [(1, 1), (2, 3000), (3000, 2), (7, 7)]
    for faces, (height, width) in zip(
        load(name).detect([np.zeros((*s, 3), "u1") for s in shapes]), shapes, strict=True
    ):
        assert (len(faces), faces.image_size) == (0, (width, height))


def test_equals_opencv() -> None:
    image = cv2.resize(photo("detect_noses/014_5.jpg"), (640, 480)).astype(np.uint8)
    detector = load("yunet", precision="f32")
    (faces,) = detector.detect([image], min_score=0.6)
    path = Store().fetch(Catalogue.load()["yunet"].files["model"])
    reference = cv2.FaceDetectorYN.create(str(path), "", (640, 480), 0.6, 0.3)
    rows = np.asarray(reference.detect(np.ascontiguousarray(image[:, :, ::-1]))[1])
    assert len(faces) == len(rows) == 5
    rows = rows[np.argsort(-rows[:, 14])]
    np.testing.assert_allclose(faces.boxes, np.hstack((rows[:, :2], rows[:, :2] + rows[:, 2:4])), atol=0.05)
    np.testing.assert_allclose(faces.keypoints, rows[:, 4:14].reshape(-1, 5, 2), atol=0.05)
    np.testing.assert_allclose(faces.scores, rows[:, 14], atol=1e-3)
