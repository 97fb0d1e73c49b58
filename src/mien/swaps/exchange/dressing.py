"""A face's texture drawn over another's mesh, with openings for what stays the target's: eyes, and the mouth inside."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.core.mesh import Topology, warp_mesh
from mien.swaps.exchange.identity import Identity

__all__ = ["OPENINGS", "dressed", "opened", "wires"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

#: Outlines of what can be left open, by name.
OPENINGS: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {"eyes": ("right_eye", "left_eye"), "mouth": ("lips_inner",)}
)
EDGE = 0.008  # of the face's extent, over which an opening's edge fades, inwards


def dressed(identity: Identity, points: Doubles, topology: Topology, size: tuple[int, int]) -> tuple[Image, Image]:
    """Draw somebody's face over a mesh.

    Parameters
    ----------
    identity : Identity
    points : (468, 3) float64
        Where the mesh is: pixels, z away.
    topology : Topology
    size : (height, width)

    Returns
    -------
    picture : (height, width, 3) uint8
    drawn : (height, width) uint8
        How much of each pixel is to be drawn: 0 beyond the mesh, and where the face is a guess.
    """
    texture = identity.painted
    uv = topology.uv * np.float32(len(texture)) - np.float32(0.5)
    picture, drawn = warp_mesh(texture, uv, points, topology.triangles, size)
    return np.ascontiguousarray(picture[..., :3]), picture[..., 3] * drawn


def opened(points: Doubles, size: tuple[int, int], names: Iterable[str]) -> Floats:
    """How far each pixel is within an opening.

    Parameters
    ----------
    points : (V, 2 or 3) float64
        The mesh, pixels.
    size : (height, width)
    names : iterable of str
        Of `OPENINGS`.

    Returns
    -------
    (height, width) float32
        In [0, 1].
    """
    import cv2

    mask = np.zeros(size, np.uint8)
    for region in (region for name in names for region in OPENINGS[name]):
        outline = points[indices_of("mesh478", region), :2]
        cv2.fillPoly(mask, [(outline * 16).round().astype(np.int32)], 255, shift=4, lineType=cv2.LINE_AA)
    sigma = max(EDGE * float(np.ptp(points[:, :2], axis=0).max()) / 2, 0.5)
    return np.asarray(cv2.GaussianBlur(mask, (0, 0), sigma), np.float32) / np.float32(255)


def wires(points: Doubles, topology: Topology, size: tuple[int, int]) -> Image:
    """A mesh's edges in green on black, (height, width, 3) uint8."""
    import cv2

    picture = np.zeros((*size, 3), np.uint8)
    lines = points[topology.edges, :2] * 16
    cv2.polylines(picture, list(lines.round().astype(np.int32)), False, (0, 255, 0), 1, cv2.LINE_AA, 4)
    return picture
