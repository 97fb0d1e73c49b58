"""What makes the picture of a face fit for recognition or not, part by part, each from 0 to 1 (best)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Points, Scores
from mien.core.geometry import TEMPLATES, similarity, transform
from mien.core.warping import warp_batch
from mien.engine import Batch
from mien.features.fit import measures
from mien.features.fit.quality import judgeable
from mien.location.blendshapes import BLENDSHAPE_NAMES
from mien.runtime.bundle import Bundle

__all__ = ["PART_NAMES", "QualityParts"]

#: The values of ``quality_parts``, in their order.
PART_NAMES: Final = (
    "sharpness",
    "exposure",
    "contrast",
    "illumination",
    "noise",
    "compression",
    "size",
    "pose",
    "expression",
    "occlusion",
)

SIDE: Final = 112  # pixels of the aligned crop: as embedders see the face
WINDOW: Final = 96  # pixels of the crop out of the picture as it is, in which noise and blocks still are
_EYES: Final = 35.2  # pixels between the eyes in the aligned crop
_REACH: Final = 1.6  # eye distances to each side of the nose that belong to the face

# The mesh's outer line, once around the face.
# fmt: off
_OVAL: Final = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150,
    136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
]
# fmt: on

# What moves the face away from rest. Left out are those that many faces at rest have: brows down, squints, the eyes'
# own directions.
_MOVED: Final = (
    "browInnerUp", "browOuterUpLeft", "browOuterUpRight", "cheekPuff", "eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft",
    "eyeWideRight", "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthFrownLeft", "mouthFrownRight", "mouthFunnel",
    "mouthLeft", "mouthLowerDownLeft", "mouthLowerDownRight", "mouthPucker", "mouthRight", "mouthSmileLeft",
    "mouthSmileRight", "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight",
    "noseSneerLeft", "noseSneerRight",
)  # fmt: skip
_MOVED_AT: Final = [BLENDSHAPE_NAMES.index(name) for name in _MOVED]


class QualityParts:
    """Gives ``quality_parts``: each part is one measure on a curve that is 1 for a good portrait.

    ``docs/quality.md`` has the formulas, their sources and how each answers to what it is about. A part that cannot be
    told of a face, such as the pose of one without a mesh, is missing (NaN). So is occlusion, unless the card asks for
    ``visible``: the face has to be parsed for it, which takes many times as long as all other parts.

    Parameters
    ----------
    bundle : Bundle
        Card of ``quality-parts``, without files.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._sees = "visible" in bundle.card.needs
        self._template = TEMPLATES["arcface112"].points_at(SIDE)

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """Compute ``quality_parts`` (N, 10); a face that cannot be aligned abstains with the reason.

        Parameters
        ----------
        batch : Batch
            Faces with ``alignment``, ``landmarks``, ``pose`` and ``blendshapes``, and what else the card needs.
        """
        points = judgeable(batch.faces.alignment)
        seen = ~points.abstained
        values = np.full((len(points), len(PART_NAMES)), np.nan)
        if seen.any():
            faces, owner = batch.faces[seen], batch.owner[seen]
            maps = similarity(points.values[seen], self._template)
            eyes = np.linalg.norm(points.values[seen, 0] - points.values[seen, 1], axis=1)
            crops = warp_batch(batch.images, owner, maps, SIDE, border="replicate")
            turns = np.deg2rad(_known(faces.pose.values, 3)[:, :2])
            parts = {
                **_of_crops(crops, _masks(faces.landmarks, maps)),
                **_of_windows(batch, owner, points.values[seen], eyes),
                "size": _size(eyes, turns[:, 0]),
                "pose": _pose(turns),
                "expression": _expression(_known(faces.blendshapes.values, len(BLENDSHAPE_NAMES))),
                "occlusion": faces.visible.named("face") if self._sees else np.full(len(faces), np.nan),
            }
            values[seen] = np.stack([parts[name] for name in PART_NAMES], axis=1)
        return {"quality_parts": Scores(values.astype(np.float32), names=PART_NAMES, reasons=points.reasons)}


def _of_crops(crops: NDArray[np.uint8], inside: NDArray[np.float32]) -> dict[str, NDArray[np.float64]]:
    """Parts that are told of the face at one size, in which wrinkles and pores of large pictures do not count."""
    luma = measures.luma_of(crops)
    right = np.arange(SIDE) < SIDE / 2  # the subject's right is on the left
    blur = measures.blur(luma, inside)
    clear = (1 - measures.crushed(luma, inside)) * (1 - measures.burnt(luma, inside))
    return {
        "sharpness": _logistic((0.72 - blur) / 0.05),
        "exposure": clear,
        "contrast": measures.entropy(measures.leveled(luma, inside), inside) / 8,
        "illumination": measures.evenness(luma, inside * right, inside * ~right) ** 0.3,
    }


def _of_windows(
    batch: Batch, owner: NDArray[np.intp], points: NDArray[np.float32], eyes: NDArray[np.float32]
) -> dict[str, NDArray[np.float64]]:
    """Parts that are told of the picture's own pixels: a change of size would hide them."""
    middles = np.round(points.mean(axis=1))
    maps = np.zeros((len(points), 2, 3), np.float32)
    maps[:, (0, 1), (0, 1)] = 1
    maps[:, :, 2] = WINDOW // 2 - middles
    windows = warp_batch(batch.images, owner, maps, WINDOW, border="reflect", interpolation="nearest")
    luma = measures.luma_of(windows)
    away = np.abs(np.arange(WINDOW) - WINDOW // 2)[None] <= np.maximum(_REACH * eyes, 8)[:, None]
    inside = (away[:, :, None] & away[:, None]).astype(np.float32)
    # Noise averages out where the picture shrinks to what is looked at.
    noise = measures.noise(luma, inside) * np.minimum(1, _EYES / eyes)
    return {"noise": _falling(noise, 20), "compression": _falling(measures.blockiness(luma) - 1, 4)}


def _size(eyes: NDArray[np.float32], yaw: NDArray[np.float64]) -> NDArray[np.float64]:
    """Half at 16 pixels between the eyes of a face that looks into the camera; embedders are made for 35."""
    straight = eyes / np.cos(np.nan_to_num(yaw)).clip(0.2)
    return np.asarray(1 - _falling(straight, 16))


def _pose(turns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Of yaw and pitch (N, 2): the squares of their cosines, as in ISO/IEC 29794-5; crops are aligned, so no roll."""
    return np.asarray((np.cos(turns).clip(0) ** 2).prod(axis=1))


def _expression(blendshapes: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 at rest; half where the movements together are as strong as one at half its strength."""
    moved = np.sqrt((blendshapes[:, _MOVED_AT] ** 2).sum(axis=1))
    return _falling(moved, 0.7)


def _masks(landmarks: Points, maps: NDArray[np.float32]) -> NDArray[np.float32]:
    """Which pixels of the aligned crops are of the face (N, SIDE, SIDE): in the mesh's outline, else in an ellipse."""
    import cv2

    masks = np.zeros((len(maps), SIDE, SIDE), np.uint8)
    lines = transform(landmarks.xy[:, _OVAL], maps) if landmarks.values.size else np.full((len(maps), 1, 2), np.nan)
    for mask, line in zip(masks, lines, strict=True):
        if np.isfinite(line).all():
            cv2.fillPoly(mask, [np.rint(line).astype(np.int32)], (1,))
        else:
            cv2.ellipse(
                mask, (SIDE // 2, round(0.6 * SIDE)), (round(0.36 * SIDE), round(0.5 * SIDE)), 0, 0, 360, (1,), -1
            )
    return masks.astype(np.float32)


def _known(values: NDArray[np.float32], width: int) -> NDArray[np.float64]:
    """Values (N, width); a column that was read from JSON in which every face abstained has no width."""
    return values.astype(np.float64) if values.size else np.full((len(values), width), np.nan)


def _logistic(odds: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(1 / (1 + np.exp(-odds.clip(-30, 30))))


def _falling(amount: NDArray[np.floating], half: float) -> NDArray[np.float64]:
    """1 without any, a half at `half`, and then falling with the square."""
    return np.asarray(1 / (1 + (np.maximum(amount, 0).astype(np.float64) / half) ** 2))
