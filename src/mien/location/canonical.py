"""The canonical face: an average head as a mesh, and how a measured mesh is laid over it.

MediaPipe ships it beside its face mesh network, as a protocol buffer (``GeometryPipelineMetadata`` in its source).
Its vertices have the numbers of the network's first 468 points.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ModelError, ShapeMismatch
from mien.core.mesh import Topology
from mien.core.protobuf import ProtobufError, fields

__all__ = ["CanonicalFace", "Fit"]

_LARGEST_FILE = 1 << 20  # bytes; the real one has 19,376


@dataclass(frozen=True, eq=False)
class Fit:
    """The turn, scale and misfit of N meshes against the canonical face.

    Attributes
    ----------
    rotation : (N, 3, 3) float64
        From the axes of the face to those of the camera (x right, y down, z away).
    scale : (N,) float64
        Pixels per centimetre of the canonical face; 0 where all points coincide.
    misfit : (N,) float64
        Root mean square distance of the points from the canonical face laid over them, in its centimetres. Faces of
        people have 0.3 to 0.9: they are not the average one. Infinite where all points coincide.
    """

    rotation: NDArray[np.float64]
    scale: NDArray[np.float64]
    misfit: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class CanonicalFace:
    """An average face that looks into the camera, with the point numbers of the mesh network.

    Attributes
    ----------
    vertices : (V, 3) float32
        Centimetres in our axes: x right, y down, z away from the camera.
    uv : (V, 2) float32
        Place in a texture, in [0, 1]: u to the picture's right, v down.
    triangles : (T, 3) int32
        Vertex numbers; by the right hand rule the normals point out of the head.
    weights : (V,) float32
        How much a vertex tells of the head's pose rather than of its expression; most are 0.
    """

    vertices: NDArray[np.float32]
    uv: NDArray[np.float32]
    triangles: NDArray[np.int32]
    weights: NDArray[np.float32]

    @cached_property
    def topology(self) -> Topology:
        """How the points of a mesh without irises hang together: for warps, textures and visibility."""
        return Topology(self.vertices, self.triangles, self.uv)

    @classmethod
    def read(cls, path: Path) -> CanonicalFace:
        """Read MediaPipe's ``geometry_pipeline_metadata_landmarks.binarypb``.

        Raises
        ------
        ModelError
            If the file is not such a buffer, or its parts do not fit each other.
        """
        try:
            if path.stat().st_size > _LARGEST_FILE:
                raise ModelError(f"{path.name} is too large for a canonical face.")
            data = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path.name} cannot be read: {error.strerror}.") from error
        return cls.from_bytes(data)

    @classmethod
    def from_bytes(cls, data: bytes) -> CanonicalFace:
        """Read the bytes of that file; see `read`."""
        mesh, basis = [], []
        for number, value in _message(data):
            if number == 1:
                mesh.append(_message_of(value))
            elif number == 2:
                basis.append(dict(_message_of(value)))
        if len(mesh) != 1:
            raise _malformed(f"{len(mesh)} meshes instead of one")
        rows = np.array([_real(value) for number, value in mesh[0] if number == 3], dtype=np.float32)
        corners = [_whole(value) for number, value in mesh[0] if number == 4]
        if not len(rows) or len(rows) % 5 or len(corners) % 3:
            raise _malformed("vertices are five numbers each, triangles three")
        rows = rows.reshape(-1, 5)
        weights = np.zeros(len(rows), np.float32)
        for entry in basis:
            index = _whole(entry.get(1, 0))
            if index >= len(rows):
                raise _malformed(f"a weight for vertex {index} of {len(rows)}")
            weights[index] = _real(entry.get(2, 0.0))
        if not np.isfinite(rows).all() or not np.isfinite(weights).all() or weights.min() < 0 or weights.max() <= 0:
            raise _malformed("numbers that are not finite, or no weights")
        if corners and max(corners) >= len(rows):
            raise _malformed(f"a triangle at vertex {max(corners)} of {len(rows)}")
        return cls(
            vertices=rows[:, :3] * np.array([1, -1, -1], np.float32),  # there y is up and z towards the camera
            uv=rows[:, 3:].copy(),
            triangles=np.array(corners, dtype=np.int32).reshape(-1, 3),
            weights=weights,
        )

    def fit(self, points: ArrayLike) -> Fit:
        """Turn, scale and shift that lay this face over measured ones, by weighted least squares in all three axes.

        The solution is Umeyama's (TPAMI 1991): the rotation is read from a singular value decomposition.

        Parameters
        ----------
        points : (N, K, 3) array-like
            Points of meshes in any unit; the first V of each are used. Rows with NaN give NaN.

        Raises
        ------
        ShapeMismatch
            If there are fewer points than vertices.
        """
        measured = np.asarray(points, dtype=np.float64)
        count = len(self.vertices)
        if measured.ndim != 3 or measured.shape[1] < count or measured.shape[2] != 3:
            raise ShapeMismatch(f"points of shape (N, {count} or more, 3) are needed, not {measured.shape}.")
        measured = measured[:, :count]
        given = np.isfinite(measured).all(axis=(1, 2), keepdims=True)
        measured = np.where(given, measured, 0.0)
        weights = (self.weights / self.weights.sum(dtype=np.float64))[:, None]
        face = self.vertices - (weights * self.vertices).sum(axis=0)
        measured = measured - (weights * measured).sum(axis=1, keepdims=True)

        left, _, right = np.linalg.svd(np.swapaxes(measured, 1, 2) @ (weights * face))
        # Where the closest orthogonal map is a reflection, the closest rotation has the last axis the other way.
        left[:, :, 2] *= np.sign(np.linalg.det(left @ right))[:, None]
        rotation = left @ right

        turned = face @ np.swapaxes(rotation, 1, 2)
        scale = (weights * turned * measured).sum(axis=(1, 2)) / (weights * face**2).sum()
        rest = np.sqrt(((measured - scale[:, None, None] * turned) ** 2).sum(axis=2).mean(axis=1))
        scale = np.where(scale > 1e-9, scale, 0.0)  # rounding leaves a trace of scale where all points coincide
        misfit = np.divide(rest, scale, out=np.full(len(rest), np.inf), where=scale > 0)
        nothing = np.where(given, 0.0, np.nan)
        return Fit(rotation + nothing, scale + nothing[:, 0, 0], misfit + nothing[:, 0, 0])


# --- what this file needs of protocol buffers ---------------------------------------------------------


def _malformed(what: str) -> ModelError:
    return ModelError(f"the canonical face's file is malformed: {what}.")


def _message(data: bytes) -> Iterator[tuple[int, Any]]:
    """Fields of a message in order: number, and an int, a float, bytes or None (of no use here)."""
    try:
        for number, value in fields(data):
            yield number, data[value] if isinstance(value, slice) else value
    except ProtobufError as error:
        raise _malformed(str(error)) from error


def _message_of(value: Any) -> list[tuple[int, Any]]:
    if not isinstance(value, bytes):
        raise _malformed("a number in place of a message")
    return list(_message(value))


def _real(value: Any) -> float:
    if not isinstance(value, float):
        raise _malformed("no real number where one belongs")
    return value


def _whole(value: Any) -> int:
    if not isinstance(value, int):
        raise _malformed("no whole number where one belongs")
    return value
