"""Runners without weights: they find bright squares and measure them, so that the engine is tested by itself."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mien.core.clip import Event, Events, Track
from mien.core.columns import Angles, Column, Distribution, Points, Regions, Scalar, Tracks, Vectors
from mien.core.errors import ImageError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.image import Image
from mien.engine import Batch
from mien.media.video import Frame
from mien.models.card import Card
from mien.models.catalogue import Catalogue
from mien.runtime.bundle import Bundle

made: list[str] = []  # ids of the cards that runners were made of, in order
_lock = threading.Lock()

HOSTILE = 66  # a picture of this grey makes the detector fail
CUT = 77  # the grey of the first pixel of another shot


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


class OtherDetector(Detector):
    """Does not see the darkest faces, and takes for one the colour 150 too; its boxes are two pixels wider."""

    def _one(self, image: Image, min_score: float) -> Faces:
        faces = super()._one(np.where(image == 100, 0, np.where(image == 150, 200, image)), min_score)
        return replace(faces, boxes=faces.boxes + np.array([0, 0, 2, 0], np.float32), scores=faces.scores * 0.9)


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


class Parser(Runner):
    """The face is the upper half of its box, the lower half is hair; `params.softness` divides the scores."""

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self.softness = float(bundle.card.params.get("softness", 1))

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        count = len(batch.faces)
        scores = np.full((count, 3, 8, 8), -20 / self.softness, np.float32)
        scores[:, 1, :4] = scores[:, 2, 4:] = 20 / self.softness
        boxes = batch.faces.boxes
        scale = 8 / (boxes[:, 2:] - boxes[:, :2])  # cells of a pixel
        zero = np.zeros(count)
        x, y = (-boxes[:, axis] * scale[:, axis] + 0.5 * scale[:, axis] - 0.5 for axis in (0, 1))
        grids = np.stack([scale[:, 0], zero, x, zero, scale[:, 1], y], axis=1)
        sizes = np.array([batch.images[place].shape[1::-1] for place in batch.owner]).reshape(-1, 2)
        return {"parse": Regions(scores, names=("background", "skin", "hair"), grids=grids, sizes=sizes)}


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
            card("others", "OtherDetector", ("detect",), priority=30, weights_license="LicenseRef-non-commercial"),
            card("noses", "PointlessDetector", ("detect",), priority=20, data_terms="research"),
            card("mesh", "Mesh", ("landmarks", "presence", "alignment")),
            replace(card("points", "", ("alignment",), priority=20), runner="mien.location.keypoints:DetectorPoints"),
            card("pose", "Pose", ("pose",), ("landmarks",)),
            card("embedder", "Embedder", ("embedding",), ("alignment",)),
            card("age", "Age", ("age",), ("alignment",)),
            card("parser", "Parser", ("parse",), params={"sizes": {"fast": "soft-parser", "fine": "parser"}}),
            card("soft-parser", "Parser", ("parse",), priority=20, params={"softness": 20}),
        ]
    )


class OneTrack:
    """Tracks for one clip: the n-th face of each frame is person n + 1; one frame is held back."""

    def __init__(self, min_score: float | None) -> None:
        self.min_score = min_score
        self.asked: list[int] = []
        self.pushed: list[Faces | None] = []
        self._held: list[tuple[Frame, Faces]] = []
        self._last = Faces.empty()
        self._ids: dict[int, list[float]] = {}

    def cut(self, frame: Frame) -> bool:
        return bool(frame.image[0, 0, 0] == CUT)

    def asks(self, frame: Frame, faces: Faces) -> NDArray[np.bool_]:
        self.asked.append(frame.index)
        return np.asarray(np.arange(len(faces)) == 0)

    def push(self, frame: Frame, faces: Faces | None) -> list[tuple[Frame, Faces]]:
        self.pushed.append(faces)
        self._last = self._last if faces is None else faces
        ids = np.arange(1, len(self._last) + 1)
        tracks = Tracks(np.stack([ids, np.full(len(ids), faces is not None)], axis=1))
        for person in ids.tolist():
            self._ids.setdefault(person, []).append(frame.time)
        self._held.append((frame, self._last.with_columns({"track": tracks}, model="tracker")))
        return [self._held.pop(0)] if len(self._held) > 1 else []

    def finish(self) -> tuple[list[tuple[Frame, Faces]], tuple[Track, ...]]:
        return self._held, tuple(Track(i, times[0], times[-1], len(times)) for i, times in self._ids.items())


class TrackerMaker(Runner):
    trackers: ClassVar[list[OneTrack]] = []

    def start(self, *, min_score: float | None = None) -> OneTrack:
        self.trackers.append(OneTrack(min_score))
        return self.trackers[-1]


class Yawning:
    """An event while yaw is above 150; the faces' yaw is smoothed away by the step before it."""

    def __init__(self) -> None:
        self.times: dict[int, list[float]] = {}

    def update(self, time: float, faces: Faces) -> Faces:
        for face in faces:
            if face.pose.yaw > 150:
                self.times.setdefault(face.track.ids, []).append(time)
        return faces.with_columns({"perclos": Scalar(np.full(len(faces), 0.25))}, model="yawning")

    def finish(self) -> Events:
        return Events(tuple(Event("blink", who, times[0], times[-1]) for who, times in self.times.items()))


class YawningMaker(Runner):
    def follow(self) -> Yawning:
        return Yawning()


class Halving:
    def update(self, time: float, faces: Faces) -> Faces:
        return faces.with_columns({"pose": Angles(faces.pose.values / 1.5)}) if "pose" in faces.fields else faces

    def finish(self) -> Events:
        return Events()


class HalvingMaker(Runner):
    def follow(self) -> Halving:
        return Halving()


def clip_catalogue() -> Catalogue:
    """The same with what a video needs."""
    return Catalogue(
        [
            *catalogue(),
            card("tracker", "TrackerMaker", ("track",)),
            card("yawning", "YawningMaker", ("blink", "perclos"), ("pose",)),
            card("halving", "HalvingMaker", ("smooth",)),
        ]
    )
