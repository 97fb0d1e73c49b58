"""Textured meshes that may move, in mien's own axes and millimetres: x right, y down, z away from the camera.

Files have y up and z towards the viewer, as glTF prescribes and most programs expect: a turn of 180 degrees about x, so
that left stays left and triangles keep their outer side.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.image import Image
from mien.media.provenance import Provenance

__all__ = ["FLIP", "Motion", "Surface"]

Floats = NDArray[np.float32]

#: From mien's axes to those of files.
FLIP: Final = np.array([1, -1, -1], np.float32)


@dataclass(frozen=True, eq=False)
class Motion:
    """How a surface moves: as a whole, and by how much of each of its targets is added.

    Attributes
    ----------
    times : (T,) float32
        Seconds, rising.
    targets : (K, V, 3) float32
        What a whole target adds to the vertices, mm.
    names : tuple of K str
        Of the targets.
    weights : (T, K) float32
        How much of each is added in each frame.
    rotations : (T, 3, 3) float32
        From the axes of the surface to those of the camera.
    positions : (T, 3) float32
        Of the surface's origin in camera axes, mm.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    UsageError
        If there is no frame, a number is not finite, or time does not rise.
    """

    times: Floats
    targets: Floats
    names: tuple[str, ...]
    weights: Floats
    rotations: Floats
    positions: Floats

    def __post_init__(self) -> None:
        frames, count = len(self.times), len(self.names)
        shapes = {"times": (frames,), "weights": (frames, count), "rotations": (frames, 3, 3), "positions": (frames, 3)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ShapeMismatch(f"{name} of {frames} frames have the shape {getattr(self, name).shape}.")
        if self.targets.shape[:1] + self.targets.shape[2:] != (count, 3):
            raise ShapeMismatch(f"{count} names for targets of shape {self.targets.shape}.")
        arrays = [self.times, self.targets, self.weights, self.rotations, self.positions]
        if not frames or not all(np.isfinite(array).all() for array in arrays) or (np.diff(self.times) <= 0).any():
            raise UsageError("a motion has frames at rising times, and finite numbers.")


@dataclass(frozen=True, eq=False)
class Surface:
    """A textured mesh.

    Attributes
    ----------
    vertices : (V, 3) float32
        Millimetres: x right, y down, z away.
    triangles : (T, 3) int32
        By the right hand rule their normals point outwards.
    uv : (V, 2) float32
        Place in the texture, in [0, 1]: u to the right, v down.
    normals : (V, 3) float32
        Of length 1; NaN where there is none.
    texture : (H, W, 3) uint8
    provenance : Provenance
        What the files say of their making.
    relief : (H, W, 3) uint8, optional
        A normal map in tangent space, as glTF has it: 128, 128, 255 is no tilt; red grows to the right of the texture,
        green up.
    motion : Motion, optional
        Only glTF keeps it.
    about : mapping
        More for glTF's ``asset.extras``: JSON types.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    UsageError
        If there is no triangle, or a vertex is not finite.
    """

    vertices: Floats
    triangles: NDArray[np.int32]
    uv: Floats
    normals: Floats
    texture: Image
    provenance: Provenance
    relief: Image | None = None
    motion: Motion | None = None
    about: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))

    def __post_init__(self) -> None:
        count = len(self.vertices)
        shapes = {"vertices": (count, 3), "uv": (count, 2), "normals": (count, 3)}
        for name, shape in shapes.items():
            if getattr(self, name).shape != shape:
                raise ShapeMismatch(f"{name} of {count} vertices have the shape {getattr(self, name).shape}.")
        if self.triangles.ndim != 2 or self.triangles.shape[1] != 3 or self.texture.shape[2:] != (3,):
            raise ShapeMismatch(f"triangles {self.triangles.shape} or the texture {self.texture.shape} are none.")
        if not len(self.triangles) or not 0 <= self.triangles.min() <= self.triangles.max() < count:
            raise UsageError("a surface has triangles, whose corners are vertices.")
        if not np.isfinite(self.vertices).all() or not np.isfinite(self.uv).all():
            raise UsageError("a surface whose vertices are not finite cannot be written.")
        if self.motion is not None and self.motion.targets.shape[1] != count:
            raise ShapeMismatch(f"targets of {self.motion.targets.shape[1]} vertices for a surface of {count}.")

    @property
    def outward(self) -> Floats:
        """The normals in the axes of files; where there is none, towards the viewer."""
        lost = ~np.isfinite(self.normals).all(axis=1, keepdims=True)
        return np.where(lost, np.array([0, 0, 1], np.float32), self.normals * FLIP)

    def colors(self) -> NDArray[np.uint8]:
        """What the texture has at the vertices, (V, 3)."""
        height, width = self.texture.shape[:2]
        x, y = (self.uv * (width, height)).astype(np.int64).T
        return np.asarray(self.texture[y.clip(0, height - 1), x.clip(0, width - 1)])
