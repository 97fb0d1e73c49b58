"""Gaze by geometry: two eyeballs behind the corners of the eyes, turned until the irises stand where they are seen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Column, Directions
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = [
    "EYES",
    "Eye",
    "IrisGeometry",
    "eye_openness",
    "in_camera",
    "iris_diameters",
    "reasons_without",
    "view_rotation",
]

Doubles = NDArray[np.float64]

CLOSED = "both eyes are closed, or turned too far away"


@dataclass(frozen=True)
class Eye:
    """Numbers of one eye's points in the mesh of 478.

    Attributes
    ----------
    side : int
        1 for the subject's right eye, -1 for the left: its own "outwards" is x times -side in the face's axes.
    corners : (outer, inner)
    lids : (upper, lower)
        The middle of each lid's edge.
    iris : int
        Centre of the iris.
    rim : tuple of 4 int
        The iris' edge; each is opposite to the next but one.
    """

    side: int
    corners: tuple[int, int]
    lids: tuple[int, int]
    iris: int
    rim: tuple[int, int, int, int]


#: The subject's right eye and left eye.
EYES: Final = (
    Eye(1, (33, 133), (159, 145), 468, (469, 470, 471, 472)),
    Eye(-1, (263, 362), (386, 374), 473, (474, 475, 476, 477)),
)


class IrisGeometry:
    """Gives ``gaze`` to faces that have ``landmarks`` (the mesh with irises) and ``pose``.

    The eyeball is a sphere, and the iris a disc whose edge lies on it: so the iris' centre turns about the sphere's, at
    a distance that the two diameters fix. That of irises hardly differs between people, so each picture's irises are
    its ruler. The mesh's own depth of the iris is not used: it is a guess of the network.

    Where the sphere's centre lies, behind the middle between the corners of the eye, is fitted on people who do not
    exist and look into the camera (``tools/fit_gaze.py``), so that every real picture can judge it; it takes in that
    people look a few degrees beside the axis of their eyes. The irises of the mesh follow those of the picture less far
    than these move, so large turns of the eyes are told too small; see the manual for how much.

    Both eyes count by the area of their opening in the picture: a closed one, or one behind the nose, does not. Where
    both are closed, the face abstains.

    Parameters
    ----------
    bundle : Bundle
        A card without files, whose params are ``eyeball`` and ``iris`` (radius and diameter in mm), ``center`` (of the
        eyeball, from the middle between the corners: outwards, up and inwards, in mm) and ``closed`` (lids'
        distance in iris diameters).

    Raises
    ------
    CardError
        If the card lacks one of its params.

    References
    ----------
    A sphere of 12 mm radius: Le Grand & El Hage, *Physiological Optics*, 1980. Visible irises of 11.7 (0.4) mm: Rüfer,
    Schröder & Erb, *White-to-white corneal diameter*, Cornea 24, 2005. Gaze of a model eyeball from the iris' outline:
    Wang, Sung & Venkateswarlu, *Eye gaze estimation from a single image of one eye*, ICCV 2003.
    """

    def __init__(self, bundle: Bundle) -> None:
        params = bundle.card.params
        if missing := [name for name in ("eyeball", "iris", "center", "closed") if name not in params]:
            raise CardError(f"the card of {bundle.card.id} lacks params.{missing[0]}.")
        outwards, up, inwards = params["center"]
        self._center = np.array([-outwards, -up, inwards], np.float64)  # of the right eye, in the face's axes
        self._iris = float(params["iris"])
        self._lever = float(np.sqrt(params["eyeball"] ** 2 - (self._iris / 2) ** 2))
        self._closed = float(params["closed"])

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        landmarks, pose = batch.faces.landmarks, batch.faces.pose
        gaze, weights = self._eyes(landmarks.values.astype(np.float64), pose.matrix.astype(np.float64))
        seen = np.isfinite(gaze).all(axis=2) & (weights > 0)
        total = np.where(seen[..., None], gaze * weights[..., None], 0.0).sum(axis=0)
        vectors = np.where(np.any(seen, axis=0, keepdims=True).T, total, np.nan)
        return {"gaze": Directions.from_vectors(vectors, reasons=reasons_without(vectors, landmarks, pose))}

    def _eyes(self, points: Doubles, rotation: Doubles) -> tuple[Doubles, Doubles]:
        """Each eye's direction as seen from the camera (2, N, 3), unit vectors or NaN, and its weight (2, N)."""
        millimetre = np.mean([iris_diameters(points, eye) for eye in EYES], axis=0) / self._iris  # in pixels
        gaze, weights = [], []
        with np.errstate(invalid="ignore", divide="ignore"):  # NaN in, NaN out
            for eye in EYES:
                center = points[:, eye.corners, :2].mean(axis=1)
                center += millimetre[:, None] * (rotation @ (self._center * [eye.side, 1, 1]))[:, :2]
                aside = (points[:, eye.iris, :2] - center) / (millimetre * self._lever)[:, None]
                toward = np.sqrt(1 - (aside**2).sum(axis=1))  # NaN: the iris is where no turn of the eye brings it
                gaze.append(np.column_stack([aside, -toward]))
                gap, width = _distance(points, *eye.lids), _distance(points, *eye.corners)
                weights.append(np.where(gap > self._closed * self._iris * millimetre, gap * width, 0.0))
        return np.stack(gaze), np.stack(weights)


def reasons_without(
    vectors: NDArray[np.floating[Any]], landmarks: Column, pose: Column, otherwise: str = CLOSED
) -> tuple[str | None, ...]:
    """Why there is no gaze where its vectors (N, 3) are NaN: the mesh's reason, the pose's, or `otherwise`."""
    no_mesh = landmarks.reasons_for(landmarks.abstained, "the face has no mesh")
    no_pose = pose.reasons_for(pose.abstained, "the face has no pose")
    lost = np.isnan(vectors[:, 0])
    return tuple((m or p or otherwise) if gone else None for m, p, gone in zip(no_mesh, no_pose, lost, strict=True))


def in_camera(faces: Faces) -> NDArray[np.float32]:
    """Where faces look in the camera's own axes.

    ``gaze`` is as seen along the ray from the camera to the face, so that 0, 0 looks into the camera from everywhere.
    Here the ray is taken into account: two people who look into the camera from both sides look in two directions.

    Parameters
    ----------
    faces : Faces
        With ``gaze`` and ``head``.

    Returns
    -------
    float32 array of shape (N, 3)
        Unit vectors (x right, y down, z away from the camera); NaN where gaze or head abstained.

    Raises
    ------
    FieldNotComputed
        If a field is missing.
    """
    turned = view_rotation(faces.head.position) @ faces.gaze.vector[..., None]
    return np.asarray(turned[..., 0], np.float32)


def eye_openness(points: ArrayLike) -> NDArray[np.float32]:
    """Distance of the lids in diameters of the iris, by the mesh: about 0.8 in open eyes, below 0.25 in closed ones.

    Parameters
    ----------
    points : (N, 478, 2 or 3) array-like
        Meshes.

    Returns
    -------
    float32 array of shape (N, 2)
        The subject's right eye and left eye; NaN where there is no mesh.
    """
    points = np.asarray(points, np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        columns = [_distance(points, *eye.lids) / iris_diameters(points, eye) for eye in EYES]
    return np.stack(columns, axis=1).astype(np.float32)


def view_rotation(positions: ArrayLike) -> Doubles:
    """The shortest turn from the camera's axis to the rays from the camera to points.

    A face beside the picture's middle is seen along such a ray: ``pose`` and ``gaze`` are in the ray's axes, and these
    matrices turn them into the camera's.

    Parameters
    ----------
    positions : (N, 3) array-like
        In camera axes (x right, y down, z away), in front of the camera.

    Returns
    -------
    float64 array of shape (N, 3, 3)
        From the ray's axes (z along it) to the camera's; NaN where a position is.
    """
    rays = np.asarray(positions, np.float64).reshape(-1, 3)
    with np.errstate(invalid="ignore", divide="ignore"):
        x, y, z = (rays / np.linalg.norm(rays, axis=1, keepdims=True)).T
        # Rodrigues' formula about the axis (0, 0, 1) x ray = (-y, x, 0), by the angle whose cosine is z.
        k = 1 / (1 + z)
    rows = [1 - k * x * x, -k * x * y, x, -k * x * y, 1 - k * y * y, y, -x, -y, z]
    return np.stack(rows, axis=-1).reshape(-1, 3, 3)


def _distance(points: NDArray[Any], one: int, other: int) -> Doubles:
    """Distance of two points in the picture, (N,)."""
    return np.asarray(np.linalg.norm(points[:, one, :2] - points[:, other, :2], axis=1))


def iris_diameters(points: NDArray[Any], eye: Eye) -> Doubles:
    """Diameter of one eye's iris in pixels, (N,), by meshes (N, 478, 2 or 3).

    A tilted disc is seen as an ellipse whose long axis is the disc's diameter. Of two conjugate diameters of an
    ellipse, as the rim's four points give them, that axis is the largest singular value.
    """
    a, b, c, d = (points[:, index, :2] for index in eye.rim)
    (one_x, one_y), (other_x, other_y) = (a - c).T, (b - d).T
    return np.asarray((np.hypot(one_x + other_y, one_y - other_x) + np.hypot(one_x - other_y, one_y + other_x)) / 2)
