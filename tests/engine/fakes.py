"""Runners without weights: they find bright squares and measure them, so that the engine is tested by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from mien.core.columns import Angles, Column, Distribution, Points, Scalar, Vectors
from mien.core.errors import ImageError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.image import Image
from mien.engine import Batch
from mien.models.card import Card
from mien.models.catalogue import Catalogue
from mien.runtime.bundle import Bundle

made: list[str] = []  # ids of the cards that runners were made of, in order
_lock = threading.Lock()

HOSTILE = 66  # a picture of this grey makes the detector fail


class Runner:
    def __init__(self, bundle: Bundle) -> None:
        time.sleep(0.01)  # long enough for a second thread to make another, were there no lock
        with _lock:
            made.append(bundle.card.id)


class Detector(Runner):
    """A face for each of the colours 100, 200 and 250 that the picture holds; the colour is its score."""

    names: tuple[str, ...] = ALIGNMENT_NAMES

    def detect(self, images: Sequence[Image], *, min_score: float | None = None) -> list[Faces]:
        return [self._one(image, 0.1 if min_score is None else min_score) for image in images]

    def _one(self, image: Image, min_score: float) -> Faces:
        if (image == HOSTILE).all():
            raise ImageError("the detector does not like this picture.")
        boxes, scores = [], []
        for grey in (250, 200, 100):
            rows, columns = np.nonzero(image[..., 0] == grey)
            if len(rows) and grey / 255 >= min_score:
                boxes.append([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
                scores.append(grey / 255)
        points = np.array([[[box[0] + i, box[1] + i] for i in range(len(self.names))] for box in boxes], np.float32)
        return Faces.from_boxes(boxes, scores=scores, keypoints=points, keypoint_names=self.names)


class PointlessDetector(Detector):
    names = ("nose_tip",)


class Mesh(Runner):
    def describe(self, batch: Batch) -> Mapping[str, Column]:
        boxes = batch.faces.boxes
        corners = np.repeat(boxes[:, None, :2], 478, axis=1)
        points = np.concatenate([corners, np.zeros((len(boxes), 478, 1), np.float32)], axis=2)
        return {
            "landmarks": Points(points),
            "presence": Scalar(batch.faces.scores),
            "alignment": Points(np.repeat(boxes[:, None, :2], 5, axis=1), names=ALIGNMENT_NAMES),
        }


class Pose(Runner):
    """Yaw is the brightness of the face's own picture at its box: wrong owners give wrong angles."""

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        corners = batch.faces.landmarks.xy[:, 0].astype(int)
        picked = [batch.images[owner][y, x] for owner, (x, y) in zip(batch.owner, corners, strict=True)]
        return {"pose": Angles(np.asarray(picked, np.float32).reshape(len(corners), 3))}


class Embedder(Runner):
    def describe(self, batch: Batch) -> Mapping[str, Column]:
        first = batch.faces.alignment.xy[:, 0]
        return {"embedding": Vectors(np.hstack([first, np.ones_like(first)]), space="fake/1")}


class Age(Runner):
    def describe(self, batch: Batch) -> Mapping[str, Column]:
        return {"age": Distribution(np.tile([0.5, 0.5], (len(batch.faces), 1)), support=(20, 40))}


def card(model_id: str, runner: str, gives: tuple[str, ...], needs: tuple[str, ...] = (), **changes: object) -> Card:
    values: dict[str, object] = {
        "id": model_id,
        "title": model_id,
        "runner": f"tests.engine.fakes:{runner}",
        "gives": gives,
        "needs": needs,
        "priority": 10,
        "weights_license": "MIT",
        "license_source": "-",
        "data_terms": "free",
        "data_source": "-",
        "origin": "-",
        "paper": "",
        "space": None,
        "precision": "f32",
        "params": {},
        "files": {},
    }
    return Card(**{**values, **changes})


def catalogue() -> Catalogue:
    return Catalogue(
        [
            card("squares", "Detector", ("detect",), weights_license="LicenseRef-non-commercial"),
            card("noses", "PointlessDetector", ("detect",), priority=20, data_terms="research"),
            card("mesh", "Mesh", ("landmarks", "presence", "alignment")),
            replace(card("points", "", ("alignment",), priority=20), runner="mien.location.keypoints:DetectorPoints"),
            card("pose", "Pose", ("pose",), ("landmarks",)),
            card("embedder", "Embedder", ("embedding",), ("alignment",)),
            card("age", "Age", ("age",), ("alignment",)),
        ]
    )
