"""Meshes of 478 points of which the eyes are those of model eyeballs, turned to look where a test wants."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.geometry import rotation_matrix
from mien.location.gaze import EYES

EYEBALL, IRIS = 12.0, 11.7  # mm
CENTER = (1.4, 1.6, 3.2)  # mm outwards, up and inwards from the middle between an eye's corners
LEVER = float(np.sqrt(EYEBALL**2 - (IRIS / 2) ** 2))


def unit(directions: ArrayLike) -> NDArray[np.float64]:
    """Unit vectors (N, 3) of yaw and pitch in degrees (N, 2)."""
    yaw, pitch = np.deg2rad(np.asarray(directions, np.float64)).T
    return np.stack([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), -np.cos(yaw) * np.cos(pitch)], axis=1)


def meshes_looking(
    gaze: ArrayLike,
    poses: ArrayLike,
    *,
    pixels: float = 2.0,
    at: ArrayLike = (200.0, 150.0),
    openness: ArrayLike = (0.8, 0.8),
) -> NDArray[np.float32]:
    """Meshes (N, 478, 3) of faces with `poses` (N, 3) that look along `gaze` (N, 2) in degrees, seen from far away.

    Parameters
    ----------
    pixels : float
        Per millimetre.
    at : (2,) or (N, 2)
        Where the middle between the eyes is.
    openness : (2,)
        Distance of the lids of the right and the left eye, in iris diameters.
    """
    look, rotation = unit(gaze), rotation_matrix(poses).astype(np.float64)
    points = np.zeros((len(look), 478, 3))

    def place(index: int, in_face: ArrayLike) -> None:
        points[:, index] = rotation @ np.asarray(in_face, np.float64)

    # Two directions across the gaze, in which the rim of the iris lies.
    right = np.cross(np.array([0.0, 1.0, 0.0]), look)
    right /= np.linalg.norm(right, axis=1, keepdims=True)
    down = np.cross(look, right)
    for eye, open_by in zip(EYES, np.asarray(openness, np.float64), strict=True):
        middle = np.array([-32.0 * eye.side, 0, 0])
        place(eye.corners[0], middle + np.array([-14 * eye.side, 0, 2]))
        place(eye.corners[1], middle + np.array([14 * eye.side, 0, -2]))
        place(eye.lids[0], middle + np.array([0, -open_by * IRIS / 2, -4]))
        place(eye.lids[1], middle + np.array([0, open_by * IRIS / 2, -4]))
        center = rotation @ (middle + np.array([-CENTER[0] * eye.side, -CENTER[1], CENTER[2]]))
        points[:, eye.iris] = center + LEVER * look
        for index, across in zip(eye.rim, (right, -down, -right, down), strict=True):
            points[:, index] = center + LEVER * look + IRIS / 2 * across
    points *= pixels
    points[..., :2] += np.broadcast_to(np.asarray(at, np.float64), (len(look), 2))[:, None]
    return points.astype(np.float32)


def apart(one: NDArray[Any], other: NDArray[Any]) -> NDArray[np.float64]:
    """Degrees between unit vectors (N, 3)."""
    return np.asarray(np.rad2deg(np.arccos((one * other).sum(axis=1).clip(-1, 1))))
