"""Gaze by networks that look at crops of the eyes or of the face."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Directions
from mien.core.errors import CardError
from mien.core.geometry import rotation_matrix, square_crops
from mien.core.warping import warp_batch
from mien.location.canonical import CanonicalFace
from mien.location.gaze import EYES, eye_openness, reasons_without
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["IntelGaze", "MPIIGaze", "XGaze"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]


class _GazeNet:
    """What the networks have in common: upright crops about points of the mesh, and the way back from them.

    Their cards say in params what distance of the lids, in iris diameters, is a closed eye: where both are closed, a
    network still answers, but there is nothing to see.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._session = bundle.session("model")
        if "closed" not in bundle.card.params:
            raise CardError(f"the card of {bundle.card.id} lacks params.closed.")
        self._closed = float(bundle.card.params["closed"])

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        landmarks, pose = batch.faces.landmarks, batch.faces.pose
        open_enough = np.nan_to_num(eye_openness(landmarks.values)).max(axis=1, initial=0.0) > self._closed
        rows = np.flatnonzero(open_enough & ~landmarks.abstained & ~pose.abstained)
        vectors = np.full((len(landmarks), 3), np.nan)
        if len(rows):
            angles = pose.values[rows].astype(np.float64)
            upright = self._look(batch, rows, landmarks.values[rows].astype(np.float64), angles)
            tilt = rotation_matrix(angles * [0, 0, 1])
            vectors[rows] = (tilt @ upright[..., None])[..., 0]
        return {"gaze": Directions.from_vectors(vectors, reasons=reasons_without(vectors, landmarks, pose))}

    def _look(self, batch: Batch, rows: NDArray[np.intp], points: Doubles, pose: Doubles) -> Doubles:
        """Directions (n, 3) of the faces `rows`, as seen in crops in which their heads have no roll."""
        raise NotImplementedError


class IntelGaze(_GazeNet):
    """Gives ``gaze`` by Intel's gaze-estimation-adas-0002: two crops of eyes and the angles of the head.

    Each crop is 1.8 times as wide as its eye, and the head's roll is taken out of it, as in the demo that comes with
    the network. What the network calls the left eye is the one on the picture's left, as comparing both ways with two
    other estimates shows; its pitch counts downwards. It looks at the eyes and at their mirror image, and the mean
    counts: by itself it answers to a mirror with a yaw that is 7 degrees off.

    Parameters
    ----------
    bundle : Bundle
        Card and files of ``intel-gaze``.

    References
    ----------
    Intel, *gaze-estimation-adas-0002*, Open Model Zoo: 6.95 degrees on two held-out people of a set of its own.
    """

    SIZE = 60
    WIDTH = 1.8

    def _look(self, batch: Batch, rows: NDArray[np.intp], points: Doubles, pose: Doubles) -> Doubles:
        crops = []
        for eye in EYES:
            corners = points[:, eye.corners, :2]
            sides = self.WIDTH * np.linalg.norm(corners[:, 0] - corners[:, 1], axis=1)
            maps = square_crops(corners.mean(axis=1) + 0.5, sides, pose[:, 2], self.SIZE)
            eyes = warp_batch(batch.images, batch.owner[rows], maps, self.SIZE, border="replicate")
            crops.append(eyes[..., ::-1].transpose(0, 3, 1, 2).astype(np.float32))  # blue first
        right, left = crops
        head = (pose * [1, -1, 0]).astype(np.float32)
        plain = self._run(right, left, head)
        mirrored = self._run(left[..., ::-1], right[..., ::-1], head * np.array([-1, 1, 1], np.float32))
        return plain + mirrored * [-1, 1, 1]

    def _run(self, on_the_left: Floats, on_the_right: Floats, head: Floats) -> Doubles:
        """Unit vectors (n, 3) of eyes on the picture's left and right (n, 3, 60, 60) and the head's angles (n, 3)."""
        given = {"left_eye_image": on_the_left, "right_eye_image": on_the_right}
        inputs = [np.ascontiguousarray(given.get(name, head)) for name in self._session.inputs]
        (out,) = self._session.run(*inputs)
        vectors = out.reshape(len(head), 3) * np.array([1.0, -1.0, 1.0])  # the network's y is up
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


class _Normalized(_GazeNet):
    """For networks that look through a virtual camera at a fixed distance (Zhang, Sugano & Bulling, ETRA 2018).

    That camera looks straight at the face and has its x axis level with the face's, so that its picture is the given
    one turned and scaled. (Beside the picture's middle a perspective stretch remains, for which one would have to know
    the true focal length. It is small in all but wide-angle pictures, and left out.) The scale is that of the canonical
    face laid over the mesh.
    """

    PIXELS = 960 / 60  # per centimetre: the focal length over the distance, of all networks here

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self._canonical = CanonicalFace.read(bundle.path("geometry"))

    def _crops(
        self, batch: Batch, rows: NDArray[np.intp], points: Doubles, around: Any, roll: Doubles, size: int
    ) -> NDArray[np.uint8]:
        """Square crops about the middle of the points `around`, with the picture's edge continued."""
        sides = size / self.PIXELS * self._canonical.fit(points).scale
        maps = square_crops(points[:, around, :2].mean(axis=1) + 0.5, sides, roll, size)
        return warp_batch(batch.images, batch.owner[rows], maps, size)

    @staticmethod
    def _directions(angles: Floats) -> Doubles:
        """Directions (n, 3) of pitch and yaw in radians (n, 2), where yaw counts to the picture's left."""
        pitch, yaw = angles.astype(np.float64).T
        return -np.stack([np.cos(pitch) * np.sin(yaw), np.sin(pitch), np.cos(pitch) * np.cos(yaw)], axis=1)


class XGaze(_Normalized):
    """Gives ``gaze`` by a ResNet-18 trained on ETH-XGaze, which looks at the whole face.

    It looks at the face and at its mirror image, and the mean counts.

    Parameters
    ----------
    bundle : Bundle
        Card and files of ``xgaze-r18``.

    References
    ----------
    Zhang, Park, Beeler, Bradley, Tang & Hilliges, *ETH-XGaze: a large scale dataset for gaze estimation under extreme
    head pose and gaze variation*, ECCV 2020. Weights: hysts, *pytorch_mpiigaze_demo*.
    """

    SIZE = 224
    AROUND = (33, 133, 362, 263, 240, 460)  # corners of the eyes, wings of the nose

    def _look(self, batch: Batch, rows: NDArray[np.intp], points: Doubles, pose: Doubles) -> Doubles:
        crops = self._crops(batch, rows, points, self.AROUND, pose[:, 2], self.SIZE)
        (plain,) = self._session.run(crops)
        (mirrored,) = self._session.run(np.ascontiguousarray(crops[:, :, ::-1]))
        return self._directions((plain + mirrored * np.array([1, -1], np.float32)) / 2)


class MPIIGaze(_Normalized):
    """Gives ``gaze`` by a small network trained on MPIIGaze: one grey eye at a time, and the angles of the head.

    It knows left eyes; right ones are mirrored. The mean of both counts.

    Parameters
    ----------
    bundle : Bundle
        Card and files of ``mpiigaze``.

    References
    ----------
    Zhang, Sugano, Fritz & Bulling, *MPIIGaze: real-world dataset and deep appearance-based gaze estimation*, TPAMI
    2019. Weights: hysts, *pytorch_mpiigaze_demo*.
    """

    SIZE = 60  # width; the height is 36

    def _look(self, batch: Batch, rows: NDArray[np.intp], points: Doubles, pose: Doubles) -> Doubles:
        # Where the face's z axis points, which is away from the camera, in the crop.
        x, y, z = rotation_matrix(pose * [1, 1, 0])[:, :, 2].T
        head = np.stack([np.arcsin(y.clip(-1, 1)), np.arctan2(x, z)], axis=1).astype(np.float32)
        found = []
        for eye in EYES:
            crops = self._crops(batch, rows, points, eye.corners, pose[:, 2], self.SIZE)[:, 12:48]
            mirror = np.array([1, -eye.side], np.float32)
            (out,) = self._session.run(_equalized(crops[:, :, :: -eye.side]), head * mirror)
            found.append(out * mirror)
        return self._directions(np.mean(found, axis=0))


def _equalized(crops: NDArray[np.uint8]) -> Floats:
    """Grey pictures (n, 1, H, W) in [0, 1], each with its histogram made level."""
    import cv2

    grey = [cv2.equalizeHist(cv2.cvtColor(np.ascontiguousarray(crop), cv2.COLOR_RGB2GRAY)) for crop in crops]
    return np.asarray(np.stack(grey)[:, None], np.float32) / np.float32(255)
