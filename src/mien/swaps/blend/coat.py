"""``Coat``: which place of the face's texture each pixel of a plate shows: what is drawn on one lies on the other.

Layers are drawn once, on the texture in which all faces lie alike, and follow pose and expression with the mesh. They
are numbers of any kind: colours, differences of colours, shares.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mien.core.layouts import indices_of
from mien.core.mesh import Topology
from mien.core.raster import rasterize

__all__ = ["SIDE", "Coat", "opened", "region_layer", "ring_layer"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SIDE = 512  #: of layers that are drawn here
OPENINGS = ("right_eye", "left_eye", "lips_inner")


def opened(topology: Topology) -> Topology:
    """The mesh with its eyes and mouth open: what is seen in them is not on the surface."""
    return topology.without(*(indices_of("mesh478", name) for name in OPENINGS))


@dataclass(frozen=True, eq=False)
class Coat:
    """Places of the texture in a plate.

    Attributes
    ----------
    shape : (h, w)
        Of the plate.
    window : (slice, slice)
        Rows and columns of the plate that the mesh is in.
    depth : (h', w') float64
        Of the surface, within the window: z away from the camera; infinite where there is none.
    """

    shape: tuple[int, int]
    window: tuple[slice, slice]
    depth: Doubles
    _places: Floats = field(repr=False)  # (h', w', 2) u and v, -1 where there is no surface
    _size: float = 0.0

    @classmethod
    def over(cls, points: Doubles, topology: Topology, shape: tuple[int, int]) -> Coat:
        """The places that a mesh (V, 3), in pixels, has in a picture of `shape` (height, width)."""
        raster = rasterize(points, topology.triangles, shape)
        if raster.triangle.size:
            places = np.nan_to_num(raster.interpolate(topology.uv), nan=-1)
        else:
            places = np.zeros((*raster.triangle.shape, 2), np.float32)
        return cls(shape, raster.window, raster.depth, places, float(np.ptp(points[:, :2], axis=0).max()))

    @cached_property
    def inside(self) -> Floats:
        """Where the surface is seen, (h, w): 1, else 0."""
        out = np.zeros(self.shape, np.float32)
        out[self.window] = self._places[..., 0] >= 0
        return out

    def show(self, layer: Floats) -> Floats:
        """A layer (S, S, C) or (S, S) as the plate shows it, (h, w, C) or (h, w); 0 where there is no surface."""
        import cv2

        out = np.zeros((*self.shape, *layer.shape[2:]), np.float32)
        if not self._places.size:
            return out
        # A texture that is drawn much smaller would flicker where it is fine.
        factor = int(layer.shape[0] / max(1.5 * self._size, 1))
        if factor >= 2:
            side = max(layer.shape[0] // factor, 4)
            layer = np.asarray(cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA), np.float32)
        x, y = cv2.split(self._places * np.float32(layer.shape[0]) - np.float32(0.5))
        out[self.window] = cv2.remap(layer, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT)
        return out


def ring_layer(topology: Topology, rings: Sequence[Sequence[int]], *, soft: float = 0.0, side: int = SIDE) -> Floats:
    """What lines through vertices enclose on the texture, (side, side) in [0, 1].

    Parameters
    ----------
    topology : Topology
    rings : sequence of sequences of int
        Each closed; where two overlap, the second is a hole in the first.
    soft : float
        Width over which the edge fades, in parts of the side.
    """
    import cv2

    fine = 4  # OpenCV's own soft edges are a pixel wide: drawn larger, they are even
    layer = np.zeros((side * fine, side * fine), np.uint8)
    outlines = [np.rint(topology.uv[list(ring)] * (side * fine) - 0.5).astype(np.int32) for ring in rings]
    cv2.fillPoly(layer, outlines, (255,))
    small = np.asarray(cv2.resize(layer, (side, side), interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
    return np.asarray(cv2.GaussianBlur(small, (0, 0), soft * side), np.float32) if soft > 0 else small


#: Rings of mesh points by the part of the face that they bound; a second one is a hole.
_PARTS: Mapping[str, tuple[tuple[str, ...], ...]] = MappingProxyType(
    {
        "lips": (("lips_outer", "lips_inner"),),
        "brows": (("right_brow",), ("left_brow",)),
    }
)


def region_layer(topology: Topology, name: str, *, soft: float = 0.0, side: int = SIDE) -> Floats:
    """A part of the face on the texture, (side, side) in [0, 1]: "lips" or "brows"."""
    layers = [
        ring_layer(topology, [indices_of("mesh478", ring).tolist() for ring in rings], soft=soft, side=side)
        for rings in _PARTS[name]
    ]
    return np.asarray(np.max(layers, axis=0), np.float32)
