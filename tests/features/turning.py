"""Clips of a person who does not exist: the head turns as a mesh does, or the whole picture as a flat print does."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.geometry import rotation_matrix
from mien.core.image import Image, ImageSource, load_image
from mien.core.mesh import warp_mesh
from mien.engine import Engine
from mien.location.topology import face_topology

Angles = Callable[[float], tuple[float, float]]  # yaw and pitch in degrees, by seconds
FOCAL = 6.0  # of the camera, in widths of a head: its distance


def turned_head(
    source: ImageSource, angles: Angles, times: NDArray[np.float64], engine: Engine
) -> Iterator[tuple[float, Image]]:
    """The face's mesh turns about a point within the head; what is not face stands still."""
    image = load_image(source)
    points = engine.analyze(image, want={"landmarks"}, max_faces=1).landmarks.values[0, :468].astype(np.float64)
    triangles = face_topology(engine=engine).triangles
    width = float(np.ptp(points[:, 0]))
    pivot = points.mean(axis=0) + np.array([0, 0, 0.35 * width])
    for number, time in enumerate(times):
        turn = rotation_matrix([*angles(float(time)), 0]).astype(np.float64)
        there = (points - pivot) @ turn.T
        there = there / (1 + there[:, 2:] / (FOCAL * width)) + pivot
        drawn, mask = warp_mesh(image, points, there, triangles, image.shape[:2])
        yield float(time), grainy(np.where(mask[..., None], drawn, image), number)


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
