"""What the tests of mesh, pose and blendshapes share: real faces, what the models say of them, marked points."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.boxes import iou
from mien.core.faces import Faces
from mien.core.image import Image
from mien.engine.steps import Batch
from tests.shared import marked_faces, open_bundle, runner

Test = TypeVar("Test", bound=Callable[..., None])


def real_test(test: Test) -> Test:
    """Mark a test that needs weights and real pictures."""
    marked: Test = pytest.mark.weights(pytest.mark.data(test))
    return marked


#: The mesh points nearest to the iBUG points 17 to 67: brows, nose, eyes, lips (the jaw has no counterpart).
INNER_POINTS = [
    *(70, 63, 105, 66, 107, 336, 296, 334, 293, 300),
    *(168, 197, 5, 4, 98, 97, 2, 326, 327),
    *(33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380),
    *(61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181),
    *(78, 82, 13, 312, 308, 317, 14, 87),
]


def canonical_path() -> Path:
    return open_bundle("pose-canonical").path("geometry")


def found(image: Image, **options: Any) -> Faces:
    faces: Faces = runner("yunet").detect([image], **options)[0]
    return faces


def described(images: list[Image], faces: list[Faces], *models: str) -> Faces:
    """The faces of all pictures with what the models say of them."""
    joined = Faces.concat(faces)
    owner = np.repeat(np.arange(len(images)), [len(part) for part in faces])
    for model in models or ("facemesh", "pose-canonical", "blendshapes"):
        joined = joined.with_columns(runner(model).describe(Batch(images, owner, joined)))
    return joined


def boxes_only(faces: Faces) -> Faces:
    return Faces.from_boxes(faces.boxes, image_size=faces.image_size)


def at_marks(faces_of: Mapping[str, Faces]) -> list[tuple[str, Faces, NDArray[np.float64]]]:
    """Each marked face: its picture, the one that the detector found there, and its 68 points."""
    return [
        (file, faces_of[file][[int(iou(box[None], faces_of[file].boxes)[0].argmax())]], marks)
        for file, (boxes, points) in marked_faces().items()
        for box, marks in zip(boxes, points, strict=True)
    ]


def errors(landmarks: NDArray[np.float32], marks: NDArray[np.float64]) -> NDArray[np.float64]:
    """Distance of each inner point from its mark, in distances between the outer corners of the eyes."""
    eyes = np.linalg.norm(marks[36] - marks[45])
    return np.asarray(np.linalg.norm(landmarks[INNER_POINTS, :2] - marks[17:], axis=1) / eyes)


def mirrored(image: Image, faces: Faces) -> tuple[Image, Faces]:
    """Picture and faces as in a mirror; the points change sides, so that names stay the subject's."""
    width = image.shape[1]
    boxes = np.stack(
        [width - faces.boxes[:, 2], faces.boxes[:, 1], width - faces.boxes[:, 0], faces.boxes[:, 3]], axis=1
    )
    swap = {"right": "left", "left": "right"}
    names = [name.replace(s, swap[s]) if (s := name.split("_")[0]) in swap else name for name in faces.keypoint_names]
    points = faces.keypoints * np.array([-1, 1], np.float32) + np.array([width - 1, 0], np.float32)
    flipped = Faces.from_boxes(boxes, keypoints=points, keypoint_names=names, image_size=faces.image_size)
    return np.ascontiguousarray(image[:, ::-1]), flipped


def rotated(image: Image, faces: Faces, degrees: float) -> tuple[Image, Faces, NDArray[np.float64]]:
    """Picture turned clockwise on a larger canvas, its faces with boxes of the same size, and the map there."""
    import cv2

    height, width = image.shape[:2]
    side = int(np.ceil(np.hypot(width, height)))
    m = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), -degrees, 1.0)
    m[:, 2] += (side - width) / 2, (side - height) / 2
    canvas = cv2.warpAffine(image, m, (side, side), flags=cv2.INTER_LINEAR)
    centers = (faces.centers - 0.5) @ m[:, :2].T + m[:, 2] + 0.5
    half = (faces.boxes[:, 2:] - faces.boxes[:, :2]) / 2
    turned = Faces.from_boxes(
        np.concatenate([centers - half, centers + half], axis=1),
        keypoints=faces.keypoints @ m[:, :2].T + m[:, 2],
        keypoint_names=faces.keypoint_names,
        image_size=(side, side),
    )
    return canvas.astype(np.uint8), turned, np.asarray(m)
