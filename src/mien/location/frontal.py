"""A face turned to the camera: its textured mesh drawn from the front, its surroundings on a plane behind it.

Geometry only, after Hassner, Harel, Paz, Enbar (*Effective face frontalization in unconstrained images*, CVPR 2015) and
Zhu, Lei, Yan, Yi, Li (*High-fidelity pose and expression normalization for face recognition in the wild*, CVPR 2015):
what the picture does not show is taken from the other half of the face. Nothing is learned, and nothing is known of the
person beyond the picture.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.core.mesh import Topology, warp_mesh
from mien.location.stabilization import similarities
from mien.location.unwrapping import mirrored_fill
from mien.media.marking import mark_image
from mien.media.provenance import Provenance

__all__ = ["Frontal", "View", "draw_frontal"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

FACE = 0.58  # of the picture's side: the height of the face in it
MIDDLE = 0.55  # of the picture's height: where the middle of the face stands
RINGS = (1.12, 1.35, 1.8, 2.6)  # how far the plane of the surroundings reaches from the middle, in outlines of the face
SOFT = 1 / 60  # of the picture's side: how softly the face ends in its surroundings


@dataclass(frozen=True, eq=False)
class View:
    """How a picture shows a face.

    Attributes
    ----------
    image : (H, W, 3) uint8
    points : (V, 3) float64
        The mesh in it: pixels, z away.
    rotation : (3, 3) float64
        From the head's axes to those of the picture.
    scale : float
        Pixels per millimetre.
    position : (3,) float64
        Of the head's origin, pixels.
    """

    image: Image
    points: Doubles
    rotation: Doubles
    scale: float
    position: Doubles

    @classmethod
    def of(cls, image: Image, points: NDArray[Any], vertices: NDArray[Any]) -> View:
        """The view in which points in millimetres are seen at points in pixels, by least squares."""
        seen, model = np.asarray(points, np.float64), np.asarray(vertices, np.float64)
        fit = similarities(model, seen[None], np.ones((1, len(seen))))
        return cls(image, seen, fit.rotation[0], float(fit.scale[0]), fit.position[0])

    @property
    def framed(self) -> Image:
        """The picture and a fourth channel, which is 255 but for 0 at its edge.

        What lies outside is drawn in the colours of the edge: so that channel tells it apart.
        """
        framed = np.dstack([self.image, np.zeros(self.image.shape[:2], np.uint8)])
        framed[1:-1, 1:-1, 3] = 255
        return framed

    def place(self, points: Doubles) -> Doubles:
        """Where points (K, 3) in millimetres of the head's axes are seen."""
        return np.asarray(self.scale * points @ self.rotation.T + self.position)


@dataclass(frozen=True, eq=False)
class Frontal:
    """A face turned to the camera.

    Attributes
    ----------
    image : (S, S, 3) uint8
    seen : (S, S) float32
        How much of each pixel the picture showed, in [0, 1]; the rest is a guess.
    face : (S, S) float32
        How much of each pixel is face, in [0, 1].
    provenance : Provenance
        Written into each file of it.
    """

    image: Image
    seen: Floats
    face: Floats
    provenance: Provenance

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the picture with its marks; its suffix says the format, as for `mien.save_image`.

        Raises
        ------
        UsageError
            If the format is unknown or cannot carry the marks.
        StorageError
            If it cannot be signed or written.
        """
        return mark_image(self.image, path, self.provenance)


def draw_frontal(
    vertices: NDArray[Any],
    topology: Topology,
    texture: Image,
    seen: Floats,
    *,
    size: int,
    view: View | None = None,
    background: tuple[int, int, int] | None = None,
) -> tuple[Image, Floats, Floats]:
    """Draw a face from the front.

    Parameters
    ----------
    vertices : (V, 3) array
        Millimetres in the head's axes.
    topology : Topology
    texture : (T, T, 3) uint8
        Complete.
    seen : (T, T) float32
        How well each texel was seen, in [0, 1].
    size : int
        Side of the picture.
    view : View, optional
        The picture from which the inside of the mouth is drawn, for which the texture has next to no room, and what
        stands around the face.
    background : (red, green, blue), optional
        What stands around the face instead; without it and a view, grey does.

    Returns
    -------
    image : (S, S, 3) uint8
    seen, face : (S, S) float32
        In [0, 1].
    """
    import cv2

    mesh = np.asarray(vertices, np.float64)
    low, high = mesh.min(axis=0), mesh.max(axis=0)
    scale = FACE * size / (high[1] - low[1])
    shift = np.array([size / 2, MIDDLE * size, 0]) - scale * (low + high) / 2 - 0.5
    target = scale * mesh + shift
    uv = topology.uv * np.float32(len(texture)) - np.float32(0.5)
    drawn, inside = warp_mesh(texture, uv, target, topology.triangles, (size, size))
    levels = np.repeat((seen * 255).astype(np.uint8)[..., None], 3, axis=2)
    shown = warp_mesh(levels, uv, target, topology.triangles, (size, size))[0][..., 0] / np.float32(255)
    if view is not None:
        mouth = topology.triangles[np.isin(topology.triangles, indices_of("mesh478", "lips_inner")).all(axis=1)]
        teeth = warp_mesh(view.framed, view.points, target, mouth, (size, size))[0]
        open_ = teeth[..., 3] == 255
        drawn, shown = np.where(open_[..., None], teeth[..., :3], drawn), np.where(open_, np.float32(1), shown)
    softly = 1.5
    if view is None or background is not None:
        around = np.full((size, size, 3), (127, 127, 127) if background is None else background, np.uint8)
        known = np.ones((size, size), np.float32)
    else:
        around, known = _surroundings(mesh, topology, view, scale, shift, size)
        softly = max(size * SOFT, 1.0)
    depth = cv2.distanceTransform(np.pad(inside, 1).astype(np.uint8), cv2.DIST_L2, 5)[1:-1, 1:-1]
    face = (depth / softly).clip(0, 1).astype(np.float32)
    mixed = around + face[..., None] * (drawn.astype(np.float32) - around)
    seen_here = (known + face * (shown - known)).astype(np.float32)
    return np.asarray(mixed + np.float32(0.5), np.uint8), seen_here, face


def _surroundings(
    mesh: Doubles,
    topology: Topology,
    view: View,
    scale: float,
    shift: Doubles,
    size: int,
) -> tuple[Image, Floats]:
    """What stands around the head, as if it were on rings about its outline, from the front; and what of it is seen."""
    import cv2

    outline = mesh[topology.boundary_loops[0]]
    middle = outline.mean(axis=0)
    # At the depth of the outline's back: of the ears and the hair beside them.
    rings = [outline]
    for reach in RINGS:
        ring = middle + reach * (outline - middle)
        ring[:, 2] = outline[:, 2] + min((reach - 1) / (RINGS[1] - 1), 1.0) * (outline[:, 2].max() - outline[:, 2])
        rings.append(ring)
    count = len(outline)
    points = np.concatenate([mesh, *rings])
    first = len(mesh) + count * np.arange(len(rings) - 1)[:, None] + np.arange(count)
    after = np.roll(first, -1, axis=1)
    quads = np.stack([first, after, first + count, after, after + count, first + count], axis=-1).reshape(-1, 3)
    quads = _facing(points, quads)
    triangles = np.concatenate([topology.triangles, quads]).astype(np.int32)
    places = view.place(points)
    places[: len(mesh)] = view.points[: len(mesh)]
    drawn = warp_mesh(view.framed, places, scale * points + shift, triangles, (size, size), visible_only=True)[0]
    shown = (drawn[..., 3] == 255).astype(np.uint8)
    known = cv2.erode(shown, np.ones((5, 5), np.uint8)).astype(np.float32)
    base = np.where(known[..., None] > 0, drawn[..., :3], np.uint8(127))
    filled = mirrored_fill(base, cv2.GaussianBlur(known, (0, 0), 2) * known)
    return filled, known


def _facing(points: Doubles, triangles: NDArray[Any]) -> NDArray[Any]:
    """The triangles with corners in the order in which they face the viewer."""
    a, b, c = np.moveaxis(points[triangles][..., :2], 1, 0)
    away = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0] > 0
    return np.where(away[:, None], triangles[:, ::-1], triangles)
