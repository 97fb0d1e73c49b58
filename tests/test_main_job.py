"""The main job on real photos, through the public verbs: what the README promises."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import mien
from mien.core.boxes import iou
from mien.core.faces import Faces
from tests.shared import DATA, marked_faces, noses

pytestmark = [pytest.mark.weights, pytest.mark.data]

TOLERANCE = 45  # pixels between nose and annotation, in a picture 1,000 pixels wide


@pytest.fixture(scope="module")
def found(shared_data: Path) -> dict[str, Faces]:
    items = list(mien.scan(shared_data / "detect_noses", want={"landmarks", "presence"}))
    assert [item.failure for item in items] == [None] * 10
    return {Path(item.source).name: item.faces for item in items if item.faces is not None}


def test_all_28_noses_are_found(found: dict[str, Faces]) -> None:
    truth = noses()
    hits = 0
    for name, faces in found.items():
        tips = faces.keypoints[:, faces.keypoint_names.index("nose_tip")]
        for nose in truth[name]:
            hits += bool((np.linalg.norm(tips - nose, axis=1) * 1000 / faces.image_size[0] < TOLERANCE).any())
    assert sum(map(len, truth.values())) == 28
    assert hits == 28


def test_nothing_else_is_found(found: dict[str, Faces]) -> None:
    assert {name: len(faces) for name, faces in found.items()} == {
        name: len(points) for name, points in noses().items()
    }
    assert len(found["017_0.jpg"]) == 0
    portraits = [faces for faces in found.values() if np.prod(faces.image_size) > 12e6]
    assert len(portraits) == 3
    assert all(len(faces) == 1 for faces in portraits)


def test_the_mesh_confirms_them(found: dict[str, Faces]) -> None:
    assert min(float(faces.presence.values.min()) for faces in found.values() if len(faces)) > 0.9


def test_no_face_in_the_video_without_faces(shared_data: Path) -> None:
    items = list(mien.scan(shared_data / "video/no_face.mp4"))
    assert len(items) > 50
    assert {len(item.faces) if item.faces is not None else None for item in items} == {0}


def test_annotated_boxes_are_found() -> None:
    found = [
        iou(boxes, mien.detect(DATA / "landmarks68_boxes" / name).boxes).max(axis=1, initial=0) > 0.5
        for name, (boxes, _) in marked_faces().items()
    ]
    assert sum(map(len, found)) == 43
    assert sum(part.sum() for part in found) == 43


@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_a_face_is_described_alike_alone_and_with_others(shared_data: Path, degrees: int) -> None:
    picture = np.rot90(mien.load_image(shared_data / "detect_noses/010_2.jpg"), degrees // 90).copy()
    faces = mien.analyze(picture, want={"embedding", "pose", "landmarks", "blendshapes", "age"})
    for row in range(len(faces)):
        alone = mien.analyze(picture, faces=faces[[row]].only(frozenset()), want={"pose", "embedding", "age"})
        np.testing.assert_allclose(alone.pose.values[0], faces.pose.values[row], atol=1e-3)
        np.testing.assert_allclose(alone.embedding.values[0], faces.embedding.values[row], atol=1e-5)
        np.testing.assert_allclose(alone.age.mean[0], faces.age.mean[row], atol=1e-2)
    if degrees == 0:
        assert len(faces) == 2


def test_own_boxes_give_nearly_the_same_embedding(shared_data: Path) -> None:
    picture = shared_data / "detect_noses/010_2.jpg"
    detected = mien.analyze(picture, want={"embedding"})
    mine = mien.analyze(picture, faces=Faces.from_boxes(detected.boxes), want={"embedding"})
    assert np.diag(mine.embedding @ detected.embedding).min() > 0.95


@pytest.mark.parametrize("degrees", [-30, 15, 30])
def test_a_tilted_head_is_the_same_person(shared_data: Path, degrees: int) -> None:
    import cv2

    picture = mien.load_image(shared_data / "detect_noses/008_B.jpg")
    height, width = picture.shape[:2]
    turn = cv2.getRotationMatrix2D((width / 2, height / 2), degrees, 1.0)
    tilted = np.asarray(cv2.warpAffine(picture, turn, (width, height), borderMode=cv2.BORDER_REFLECT), np.uint8)
    upright, turned = (mien.analyze(image, want={"embedding", "pose"}).top(1) for image in (picture, tilted))
    assert float(upright[0].embedding @ turned[0].embedding) > 0.9
    assert float(turned.pose.roll[0] - upright.pose.roll[0]) == pytest.approx(-degrees, abs=4)


@pytest.mark.parametrize("size", [(1, 1), (3, 500), (700, 2)])
def test_pictures_too_small_for_a_face(size: tuple[int, int]) -> None:
    faces = mien.analyze(np.zeros((*size, 3), np.uint8), want={"embedding", "pose", "age", "blendshapes"})
    assert len(faces) == 0
    assert faces.embedding.shape[0] == 0
