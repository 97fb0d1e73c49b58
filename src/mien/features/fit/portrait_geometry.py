"""Where the head stands in a portrait, and what eyes and mouth do: what is measured on the mesh and other fields."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from mien.core.columns import Scores
    from mien.core.faces import Faces

__all__ = ["HeadPlace", "measure_head", "measure_state", "place_heads"]

Doubles = NDArray[np.float64]

# Of the 478 mesh points: the corners of each eye, the chin, the sides of the face before the ears, the inner edges of
# the lips in their middle and the lower edge of the lower lip.
_EYE_CORNERS = np.array([[33, 133], [263, 362]])
_CHIN, _SIDES = 152, (234, 454)
_INNER_UPPER, _INNER_LOWER, _LOWER = 13, 14, 17

#: Crown to chin, in distances of the chin from the eyes. Of eleven bald heads of a photo (dlib's ``bald_guys``) that
#: face the camera, the median is 1.88, from 1.73 to 1.99; hair stands above (`benchmarks.portrait_faces`).
CROWN: Final = 1.9

#: The mesh's pitch, degrees, of people who look more or less straight ahead: the median of 40 generated people is -3.6,
#: of 50 photos of LFW -5.3. Of three networks two agree, the third says 2.0 and -5.3 (`benchmarks.portrait_faces`). The
#: standards count from there.
LEVEL: Final = -4.0

#: Coefficients that an expression without a smile and an open mouth moves, in groups: of each the mean of both sides.
#: Those that are high in many faces at rest (brows that are low, eyes that are narrow, pressed lips) are left out.
MOVED: Final = (
    ("browInnerUp",),
    ("browOuterUpLeft", "browOuterUpRight"),
    ("eyeWideLeft", "eyeWideRight"),
    ("cheekPuff",),
    ("noseSneerLeft", "noseSneerRight"),
    ("mouthFrownLeft", "mouthFrownRight"),
    ("mouthFunnel",),
    ("mouthLeft",),
    ("mouthRight",),
    ("jawLeft",),
    ("jawRight",),
)


@dataclass(frozen=True)
class HeadPlace:
    """Where N heads stand, in pixels of their pictures; NaN where a face has no mesh.

    Parameters
    ----------
    eyes : (N, 2, 2)
        Centre of the right and the left eye.
    up : (N, 2)
        Unit vectors from the chin to the crown.
    chin : (N, 2)
    height, width : (N,)
        From the chin to the crown, with the hair pressed flat; between the ears.
    """

    eyes: Doubles
    up: Doubles
    chin: Doubles
    height: Doubles
    width: Doubles

    @property
    def middle(self) -> Doubles:
        """Middle between the eyes, (N, 2)."""
        return np.asarray(self.eyes.mean(axis=1))

    @property
    def eye_distance(self) -> Doubles:
        """Between the centres of the eyes, (N,)."""
        return np.asarray(np.linalg.norm(self.eyes[:, 1] - self.eyes[:, 0], axis=1))

    @property
    def crown(self) -> Doubles:
        """Top of the head, (N, 2): above the chin along `up`, in the middle of the face."""
        foot = self.middle + self.up * ((self.chin - self.middle) * self.up).sum(axis=1, keepdims=True)
        return np.asarray(foot + self.up * self.height[:, None])


def place_heads(landmarks: NDArray[np.floating[Any]]) -> HeadPlace:
    """Where heads stand by their mesh (N, 478, 3).

    The crown, which no mesh has, is almost as far above the eyes as the chin is below them (`CROWN`).
    """
    xy = np.asarray(landmarks[..., :2], np.float64)
    eyes = xy[:, _EYE_CORNERS].mean(axis=2)
    across = eyes[:, 1] - eyes[:, 0]
    length = np.linalg.norm(across, axis=1, keepdims=True)
    across = np.divide(across, length, out=np.full_like(across, np.nan), where=length > 0)
    up = np.stack([across[:, 1], -across[:, 0]], axis=1)  # y grows downwards
    drop = ((eyes.mean(axis=1) - xy[:, _CHIN]) * up).sum(axis=1)
    width = np.abs(((xy[:, _SIDES[1]] - xy[:, _SIDES[0]]) * across).sum(axis=1))
    return HeadPlace(eyes, up, xy[:, _CHIN], CROWN * drop, width)


def measure_head(
    head: HeadPlace, sizes: NDArray[np.floating[Any]], counts: NDArray[np.integer[Any]]
) -> dict[str, Doubles]:
    """What is measured of the head's place in pictures of `sizes` (N, 2: width, height) with `counts` (N,) faces each.

    Points count from the middle of the first pixel; shares of a picture from its edge.
    """
    width, height = np.asarray(sizes, np.float64).T
    middle, half = head.middle + 0.5, head.width[:, None] / 2 * np.array([1.0, 0.0])
    ends = np.stack([head.crown + 0.5, head.chin + 0.5, middle - half, middle + half], axis=1)
    beside = np.stack([ends[..., 0], ends[..., 1], width[:, None] - ends[..., 0], height[:, None] - ends[..., 1]])
    return {
        "picture_shape": height / width,
        "picture_side": np.minimum(width, height),
        "one_face": np.asarray(counts, np.float64),
        "head_inside": beside.min(axis=(0, 2)) / head.height,
        "head_height": head.height / height,
        "head_width": head.width / width,
        "horizontal": middle[:, 0] / width,
        "vertical": middle[:, 1] / height,
        "eye_distance": head.eye_distance,
    }


def measure_state(faces: Faces) -> dict[str, Doubles]:
    """What is measured of eyes, mouth and expression, by fields: pose, gaze, eyes, blendshapes, visible, landmarks."""
    points = np.asarray(faces.landmarks.values, np.float64)
    gap = np.linalg.norm(points[:, _INNER_LOWER] - points[:, _INNER_UPPER], axis=1)
    lip = np.linalg.norm(points[:, _LOWER] - points[:, _INNER_LOWER], axis=1)
    shapes, visible = faces.blendshapes, faces.visible
    moved = np.stack([_mean(shapes, group) for group in MOVED], axis=1)
    pose = np.asarray(faces.pose.values, np.float64)
    return {
        "yaw": pose[:, 0],
        "pitch": pose[:, 1] - LEVEL,
        "roll": pose[:, 2],
        "eyes_open": np.asarray(faces.eyes.values, np.float64).min(axis=1),
        "looking": np.asarray(faces.gaze.off_axis, np.float64),
        "mouth_closed": np.divide(gap, lip, out=np.full_like(gap, np.nan), where=lip > 0),
        "smile": _mean(shapes, ("mouthSmileLeft", "mouthSmileRight")),
        "expression": moved.max(axis=1),
        "eyes_visible": _least(visible, ("right_eye", "left_eye")),
        "face_visible": _least(visible, ("nose", "right_cheek", "left_cheek", "mouth", "chin")),
    }


def _named(scores: Scores, name: str) -> Doubles:
    """One name's values (N,); NaN where a set read from JSON, in which every face abstained, has no names."""
    if name not in scores:
        return np.full(len(scores), np.nan)
    return np.asarray(scores.named(name), np.float64).reshape(-1)


def _least(scores: Scores, names: tuple[str, ...]) -> Doubles:
    return np.asarray(np.min([_named(scores, name) for name in names], axis=0))


def _mean(scores: Scores, names: tuple[str, ...]) -> Doubles:
    return np.asarray(np.mean([_named(scores, name) for name in names], axis=0))
