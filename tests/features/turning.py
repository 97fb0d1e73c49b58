"""Clips of a person who does not exist: the head turns as a mesh does, or the whole picture as a flat print does.

`acted_face` is what an attacker makes of one photograph: it turns, blinks, smiles and opens its mouth when asked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.geometry import rotation_matrix
from mien.core.image import Image, ImageSource, load_image
from mien.core.layouts import indices_of
from mien.core.mesh import warp_mesh
from mien.engine import Engine
from mien.location.topology import face_topology

Angles = Callable[[float], tuple[float, float]]  # yaw and pitch in degrees, by seconds
Acts = Callable[[float], Mapping[str, float]]  # yaw, pitch in degrees; blink, smile, mouth in [0, 1], by seconds
CORNERS = [61, 291]  # of the mouth: the subject's right and left
FOCAL = 6.0  # of the camera, in widths of a head: its distance


def turned_head(
    source: ImageSource, angles: Angles, times: NDArray[np.float64], engine: Engine
) -> Iterator[tuple[float, Image]]:
    """The face's mesh turns about a point within the head; what is not face stands still."""
    return acted_face(source, lambda t: dict(zip(("yaw", "pitch"), angles(t), strict=True)), times, engine)


def acted_face(
    source: ImageSource, acts: Acts, times: NDArray[np.float64], engine: Engine
) -> Iterator[tuple[float, Image]]:
    """The same, with lids and lips that move."""
    image = load_image(source)
    points = engine.analyze(image, want={"landmarks"}, max_faces=1).landmarks.values[0, :468].astype(np.float64)
    mouth = indices_of("mesh478", "lips_inner")
    topology = face_topology(engine=engine)
    moving = topology.without(mouth, *_lids()).triangles
    width = float(np.ptp(points[:, 0]))
    pivot = points.mean(axis=0) + np.array([0, 0, 0.35 * width])
    for number, time in enumerate(times):
        do = acts(float(time))
        moves = [do.get(name, 0.0) for name in ("blink", "smile", "mouth")]
        turn = rotation_matrix([do.get("yaw", 0.0), do.get("pitch", 0.0), 0]).astype(np.float64)
        there = (_moved(points, *moves) - pivot) @ turn.T
        there = there / (1 + there[:, 2:] / (FOCAL * width)) + pivot
        drawn, mask = warp_mesh(image, points, there, moving if any(moves) else topology.triangles, image.shape[:2])
        shown = np.where(mask[..., None], drawn, image)
        if do.get("mouth", 0.0) > 0:
            hole = np.zeros(mask.shape, np.uint8)
            cv2.fillConvexPoly(hole, cv2.convexHull(there[mouth, :2].astype(np.float32)).astype(np.int32), 255)
            shown[(hole > 0) & ~mask] = (40, 15, 15)
        yield float(time), grainy(shown, number)


def _lids() -> list[NDArray[np.intp]]:
    rings = [indices_of("mesh478", f"{side}_eye") for side in ("right", "left")]
    return [ring[ring < 468] for ring in rings]


def _moved(points: NDArray[np.float64], blink: float, smile: float, mouth: float) -> NDArray[np.float64]:
    """Points (468, 3) of a face with its lids down, its mouth's corners out and up, and its jaw down."""
    moved, x, y = points.copy(), points[:, 0], points[:, 1]
    width, height = np.ptp(x), np.ptp(y)
    for ring in _lids():
        ring = ring[np.argsort(x[ring])]
        low = y[ring] >= np.interp(x[ring], x[ring[[0, -1]]], y[ring[[0, -1]]])
        upper, lower = ring[~low], ring[low]
        moved[upper, 1] += 1.05 * blink * (np.interp(x[upper], x[lower], y[lower]) - y[upper])
    lips = indices_of("mesh478", "lips_inner")
    lips = lips[np.argsort(x[lips])]
    middle, half = points[lips, :2].mean(axis=0), np.ptp(x[CORNERS]) / 2
    near, wide = (np.clip(1 - ((x - middle[0]) / (reach * half)) ** 2, 0, 1) for reach in (1, 2))
    below = np.maximum(near, wide * np.clip((y - middle[1]) / (0.12 * height), 0, 1))
    moved[:, 1] += mouth * 0.16 * height * np.where(y > np.interp(x, x[lips], y[lips]), below, 0)
    for corner, way in zip(CORNERS, (-1, 1), strict=True):
        pull = np.exp(-np.square(points[:, :2] - points[corner, :2]).sum(axis=1) / (0.13 * width) ** 2)
        moved[:, 0] += way * width * (0.07 * smile - 0.045 * mouth) * pull
        moved[:, 1] += height * (0.03 * mouth - 0.055 * smile) * pull
    return moved


def turned_print(source: ImageSource, angles: Angles, times: NDArray[np.float64]) -> Iterator[tuple[float, Image]]:
    """The picture as a plane turns about its middle."""
    image = cv2.copyMakeBorder(load_image(source), 60, 60, 60, 60, cv2.BORDER_REPLICATE)
    height, width = image.shape[:2]
    corners = np.array([(0, 0), (width, 0), (width, height), (0, height)], np.float64)
    flat = np.column_stack([corners - (width / 2, height / 2), np.zeros(4)])
    for number, time in enumerate(times):
        there = flat @ rotation_matrix([*angles(float(time)), 0]).astype(np.float64).T
        seen = there[:, :2] / (1 + there[:, 2:] / (1.5 * width)) + (width / 2, height / 2)
        m = cv2.getPerspectiveTransform(corners.astype(np.float32), seen.astype(np.float32))
        moved = cv2.warpPerspective(image, m, (width, height), borderMode=cv2.BORDER_REPLICATE)
        yield float(time), grainy(np.asarray(moved, np.uint8), number)


def grainy(image: NDArray[np.uint8], seed: int, level: float = 2.0) -> Image:
    """With the noise of a camera: no two frames are the same."""
    noise = np.random.default_rng(seed).normal(0, level, image.shape)
    return np.asarray(np.clip(image + noise, 0, 255), np.uint8)


def bump(time: float, start: float, end: float, height: float) -> float:
    """Up and down again within a span."""
    part = (time - start) / (end - start)
    return height * np.sin(np.pi * part) ** 2 if 0 < part < 1 else 0.0
