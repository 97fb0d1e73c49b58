"""Poor pictures made of good ones: what cameras, light, things before the face and a turned head do, simulated.

What quality says of a picture is judged by whether the picture is still recognised. Sets of good pictures have too few
poor ones for that; these are as poor as the draw has it, from hardly visibly to beyond recognition. They are like real
poor pictures in kind, not in how often which kind occurs.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.geometry import rotation_matrix
from mien.core.image import Image
from mien.core.mesh import Topology, warp_mesh
from mien.evaluation.obstacles import HARMLESS, OBSTACLES, draw_obstacle

__all__ = ["CAPTURES", "spoil"]

Pixels = NDArray[np.float32]
Doubles = NDArray[np.float64]
Way = Callable[[Image, Doubles, float, Topology, np.random.Generator], Image]

MOST = 2  # ways that one picture is spoiled in


def spoil(image: Image, mesh: ArrayLike, topology: Topology, *, seed: int = 0, ways: tuple[str, ...] = ()) -> Image:
    """Spoil a picture of one face.

    Parameters
    ----------
    image : (H, W, 3) uint8
    mesh : (478, 3) array-like
        The face's mesh in pixels of that picture.
    topology : Topology
        Of the mesh: `mien.location.topology.face_topology`.
    seed : int
        Of ways and strengths; equal seeds give equal pictures.
    ways : tuple of str
        Names of `CAPTURES`, in the order in which they are done; by default one or two are drawn.

    Returns
    -------
    (H, W, 3) uint8
        A new picture.

    Raises
    ------
    ShapeMismatch
        If the mesh is no such array.
    UsageError
        If there is no such way.
    """
    points = np.asarray(mesh, np.float64)
    if points.shape != (478, 3) or not np.isfinite(points).all():
        raise ShapeMismatch(f"a mesh is (478, 3), all finite, not {points.shape}.")
    for name in ways:
        if name not in CAPTURES:
            raise UsageError(f"no way to spoil a picture is called {name!r}; there are {', '.join(CAPTURES)}.")
    draw = np.random.default_rng(seed)
    # What is before the camera comes first, then light, then the lens, the sensor and the file.
    drawn = np.sort(draw.permutation(len(CAPTURES))[: draw.integers(1, MOST + 1)])
    height = float(np.ptp(points[:, 1]))
    out = image
    for name in ways or [list(CAPTURES)[place] for place in drawn]:
        out = CAPTURES[name](out, points, height, topology, draw)
    return out


def _turned(image: Image, points: Doubles, _height: float, topology: Topology, draw: np.random.Generator) -> Image:
    """The face's surface, with its picture on it, turned to the side, up or down; hair and ears stay where they are."""
    surface = points[: len(topology.vertices)]
    yaw, pitch = draw.uniform(15, 55) * draw.choice([-1, 1]), draw.uniform(-25, 25)
    middle = surface.mean(axis=0)
    turned = (surface - middle) @ rotation_matrix((yaw, pitch, 0)).astype(np.float64).T + middle
    drawn, mask = warp_mesh(image, surface, turned, topology.triangles, image.shape[:2])
    return np.where(mask[..., None], drawn, image)


def _covered(image: Image, points: Doubles, _height: float, _topology: Topology, draw: np.random.Generator) -> Image:
    kinds = [kind for kind in OBSTACLES if kind not in HARMLESS]
    return draw_obstacle(image, points, kinds[draw.integers(len(kinds))], seed=int(draw.integers(1 << 30)))[0]


def _lit(image: Image, points: Doubles, height: float, _topology: Topology, draw: np.random.Generator) -> Image:
    """Dark to one side of the face, more or less suddenly."""
    way, strength = draw.uniform(0, 2 * np.pi), draw.uniform(0.4, 0.97)
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]]
    x, y = points[:, :2].mean(axis=0)
    across = ((columns - x) * np.cos(way) + (rows - y) * np.sin(way)) / (height * draw.uniform(0.08, 0.3))
    return _bytes(image * (1 - strength / (1 + np.exp(-across.clip(-30, 30))))[..., None])


def _dark(image: Image, _points: Doubles, _height: float, _topology: Topology, draw: np.random.Generator) -> Image:
    return _bytes(image * _strength(draw, 0.4, 0.015) + draw.normal(0, 2, image.shape))


def _bright(image: Image, _points: Doubles, _height: float, _topology: Topology, draw: np.random.Generator) -> Image:
    return _bytes(image * _strength(draw, 1.5, 8) + draw.uniform(0, 60))


def _blurred(image: Image, _points: Doubles, height: float, _topology: Topology, draw: np.random.Generator) -> Image:
    import cv2

    return _bytes(cv2.GaussianBlur(image, (0, 0), _strength(draw, 0.01, 0.12) * height))


def _shaken(image: Image, _points: Doubles, height: float, _topology: Topology, draw: np.random.Generator) -> Image:
    import cv2

    side = max(3, round(_strength(draw, 0.04, 0.4) * height) | 1)
    line = np.zeros((side, side), np.float32)
    line[side // 2] = 1
    turn = cv2.getRotationMatrix2D((side // 2, side // 2), draw.uniform(0, 180), 1)
    turned = np.asarray(cv2.warpAffine(line, turn, (side, side)))
    return _bytes(cv2.filter2D(image, -1, turned / turned.sum()))


def _coarse(image: Image, _points: Doubles, height: float, _topology: Topology, draw: np.random.Generator) -> Image:
    """Far away: as few pixels as a face of 50 to 6 pixels in height has, enlarged again."""
    import cv2

    factor = min(1.0, _strength(draw, 50, 6) / height)
    size = [max(round(side * factor), 1) for side in image.shape[1::-1]]
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return _bytes(cv2.resize(small, image.shape[1::-1], interpolation=cv2.INTER_LINEAR))


def _noisy(image: Image, _points: Doubles, _height: float, _topology: Topology, draw: np.random.Generator) -> Image:
    return _bytes(image + draw.normal(0, _strength(draw, 8, 120), image.shape))


def _compressed(
    image: Image, _points: Doubles, _height: float, _topology: Topology, draw: np.random.Generator
) -> Image:
    import cv2

    quality = round(_strength(draw, 40, 2))
    written = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(np.asarray(cv2.imdecode(written, cv2.IMREAD_COLOR), np.uint8)[..., ::-1])


#: What can befall a picture, in the order in which it does.
CAPTURES: Final[Mapping[str, Way]] = MappingProxyType(
    {
        "turned": _turned,
        "covered": _covered,
        "lit": _lit,
        "dark": _dark,
        "bright": _bright,
        "blurred": _blurred,
        "shaken": _shaken,
        "coarse": _coarse,
        "noisy": _noisy,
        "compressed": _compressed,
    }
)


def _strength(draw: np.random.Generator, weak: float, strong: float) -> float:
    return float(np.exp(draw.uniform(*sorted((np.log(weak), np.log(strong))))))


def _bytes(values: ArrayLike) -> Image:
    return np.clip(np.rint(np.asarray(values, np.float32)), 0, 255).astype(np.uint8)
