"""Fine relief of a face from its shading: wrinkles and folds that the mesh is too coarse for, as a normal map.

It is shading, not geometry: whatever is darker than its surroundings is taken for a surface that is turned from the
light, be it a fold, a freckle, a shadow or make-up. The light is a low order of spherical harmonics of the mesh's
normals (Ramamoorthi, Hanrahan, SIGGRAPH 2001), fitted to the texture; what is left of the brightness, at fine scales,
is explained by the smallest tilt of the surface that explains it. So only tilts towards or away from the light are
found, and under light that comes from the camera hardly any. Networks that learn such maps from scans, as HRN (Lei,
Ren, Feng, Cui, Xie, CVPR 2023) does, know what wrinkles look like; this does not.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.layouts import indices_of
from mien.core.mesh import Topology
from mien.core.shading import fit_light, harmonics
from mien.location.unwrapping import Texture, over_texture

__all__ = ["Relief", "relief"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

FINE = 1 / 70  # of the texture's side: coarser changes of brightness are the mesh's and the light's
GRAIN = 1 / 700  # finer ones are the picture's noise
STEEPEST = 0.7  # tangent of the largest tilt
WEAK = 0.25  # of the mean brightness: a light whose change with the normal is smaller says little
PAINTED = ("right_eye", "left_eye", "right_brow", "left_brow", "lips_outer")  # dark for another reason than shape


@dataclass(frozen=True, eq=False)
class Relief:
    """Fine relief as far as shading tells it: see the module.

    Attributes
    ----------
    tilts : (S, S, 2) float32
        Tangents of the surface's tilt against the mesh: x of the normal to the texture's right, y down; 0 is none.
    seen : (S, S) float32
        How well it can be told, in [0, 1]: what the picture shows, in light that would tell.
    light : (9,) float64
        Of the spherical harmonics up to the second order, in the axes of the camera.
    """

    tilts: Floats
    seen: Floats
    light: Doubles

    @property
    def normals(self) -> NDArray[np.uint8]:
        """A normal map in tangent space as glTF has it, (S, S, 3) uint8: 128, 128, 255 is no tilt; green is up."""
        x, y = np.moveaxis(self.tilts, -1, 0)
        vectors = np.stack([x, -y, np.ones_like(x)], axis=-1)
        vectors /= np.linalg.norm(vectors, axis=-1, keepdims=True)
        return np.asarray(vectors * 127.5 + 128, np.float32).clip(0, 255).astype(np.uint8)


def relief(texture: Texture, points: NDArray[np.floating], topology: Topology) -> Relief:
    """Find a face's fine relief.

    Parameters
    ----------
    texture : Texture
        Of the face, from one picture.
    points : (V, 3) array
        The mesh in that picture, z away.
    topology : Topology

    Returns
    -------
    Relief
        No tilt where nothing is seen, and all over where the face has too little to fit a light to.
    """
    import cv2

    size = len(texture.image)
    mesh = np.asarray(points, np.float64)[: len(topology.vertices)]
    linear = (texture.image.astype(np.float32) / 255) ** np.float32(2.2)
    level = (linear @ np.array([0.2126, 0.7152, 0.0722])).astype(np.float32)
    over = over_texture(topology, np.concatenate([topology.normals(mesh), *_tangents(mesh, topology)], axis=1), size)
    normals, right, down = (_unit(over[..., part]) for part in (slice(0, 3), slice(3, 6), slice(6, 9)))
    seen = np.where(np.isfinite(normals).all(axis=2), texture.seen, np.float32(0)) * _unpainted(topology, size)
    seen = seen.astype(np.float32)
    normals, right, down = np.nan_to_num(normals), np.nan_to_num(right), np.nan_to_num(down)
    light = fit_light(normals, level, seen)
    nothing = np.zeros((size, size), np.float32)
    if light is None:
        return Relief(np.stack([nothing] * 2, axis=-1), nothing, np.zeros(9))
    shade = np.maximum(harmonics(normals) @ light, 1e-3).astype(np.float32)
    # What is brighter or darker than around it, in parts of it.
    log = np.log(np.maximum(level, 1e-3))
    near = [_mean(log, seen, max(sigma * size, 0.3)) for sigma in (GRAIN, FINE)]
    rest = (near[0] - near[1]) * shade
    slope = _slope(normals, light)
    along = np.stack([(slope * right).sum(axis=2), (slope * down).sum(axis=2)], axis=-1)
    strength = (along**2).sum(axis=2)
    weak = (WEAK * float((shade * seen).sum() / seen.sum())) ** 2
    tilts = along * (rest / (strength + weak))[..., None] * seen[..., None]
    steep = np.linalg.norm(tilts, axis=2, keepdims=True)
    tilts *= np.minimum(1, STEEPEST / np.maximum(steep, 1e-6))
    known = seen * strength / (strength + weak)
    return Relief(cv2.GaussianBlur(tilts, (0, 0), 0.6).astype(np.float32), known.astype(np.float32), light)


def _slope(n: Floats, light: Doubles) -> Floats:
    """How the brightness changes with the normal, (..., 3)."""
    x, y, z = np.moveaxis(n, -1, 0)
    _, a, b, c, xy, xz, yz, xx, zz = light
    rows = [a + xy * y + xz * z + 2 * xx * x, b + xy * x + yz * z - 2 * xx * y, c + xz * x + yz * y + 6 * zz * z]
    return np.stack(rows, axis=-1).astype(np.float32)


def _tangents(mesh: Doubles, topology: Topology) -> Doubles:
    """Vectors in camera axes along which the texture's right and its down go at the vertices, (2, V, 3)."""
    a, b, c = np.moveaxis(mesh[topology.triangles], 1, 0)
    p, q, r = np.moveaxis(topology.uv.astype(np.float64)[topology.triangles], 1, 0)
    (e, f), (s, t) = (b - a, c - a), (q - p, r - p)
    area = s[:, 0] * t[:, 1] - s[:, 1] * t[:, 0]
    area = np.where(np.abs(area) < 1e-12, np.inf, area)[:, None]
    along = [(t[:, 1:] * e - s[:, 1:] * f) / area, (s[:, :1] * f - t[:, :1] * e) / area]
    smooth = np.zeros((2, len(mesh), 3))
    for corner in topology.triangles.T:
        for kind in (0, 1):
            np.add.at(smooth[kind], corner, along[kind] * np.abs(area))
    return smooth


def _unpainted(topology: Topology, size: int) -> Floats:
    """1 where a face is skin, softly 0 on eyes, brows and lips."""
    import cv2

    mask = np.ones((size, size), np.float32)
    for name in PAINTED:
        hull = cv2.convexHull(topology.uv[indices_of("mesh478", name)] * np.float32(size))
        cv2.fillConvexPoly(mask, hull.astype(np.int32), 0.0)
    width = max(size // 100, 1)
    shrunk = cv2.erode(mask, np.ones((2 * width + 1, 2 * width + 1), np.uint8))
    return np.asarray(cv2.GaussianBlur(shrunk, (0, 0), width), np.float32)


def _mean(values: Floats, weight: Floats, sigma: float) -> Floats:
    """Gaussian means of what counts."""
    import cv2

    return np.asarray(
        cv2.GaussianBlur(values * weight, (0, 0), sigma) / (cv2.GaussianBlur(weight, (0, 0), sigma) + np.float32(1e-6))
    )


def _unit(vectors: Floats) -> Floats:
    with np.errstate(invalid="ignore"):
        return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-9), np.float32)
