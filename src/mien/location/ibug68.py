"""The 68 points of iBUG's annotation (300-W) from the mesh.

Each of the 68 has a mesh point that stands nearest to it, but the two annotations mean different things: where a brow
ends, how high the jaw begins, whether the jaw is the edge of the head as seen. How far a person's mark is from the
nearest mesh point depends on the face; a linear function of the 68 mesh points tells most of it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import IO, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MIRRORED", "NEAREST", "Correction", "upright_shapes"]

Doubles = NDArray[np.float64]

#: The mesh point nearest to each of the 68, as published correspondences have it, the same on both sides of the face.
# fmt: off
NEAREST: Final = np.array([
    127, 234, 93, 132, 58, 136, 150, 176, 152, 400, 379, 365, 288, 361, 323, 454, 356,
    70, 63, 105, 66, 107, 336, 296, 334, 293, 300,
    168, 197, 5, 4, 98, 97, 2, 326, 327,
    33, 160, 158, 133, 153, 144, 362, 385, 387, 263, 373, 380,
    61, 39, 37, 0, 267, 269, 291, 405, 314, 17, 84, 181,
    78, 82, 13, 312, 308, 317, 14, 87,
])

#: Which of the 68 each becomes in a mirror.
MIRRORED: Final = np.array([
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31,
    45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40,
    54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
])
# fmt: on
_RIGHT_EYE, _LEFT_EYE = 36, 45  # outer corners


def upright_shapes(points: ArrayLike) -> tuple[Doubles, Doubles, Doubles]:
    """Faces about their middle, their eyes level, at one size.

    Parameters
    ----------
    points : (N, 68, 3) array-like
        In pixels.

    Returns
    -------
    shapes : (N, 68, 3) float64
        With a root mean square distance of 1 from the middle.
    maps : (N, 2, 2) float64
        Turn and size that lead back to the picture: ``shapes[..., :2] @ maps + middles``.
    middles : (N, 1, 2) float64
    """
    points = np.asarray(points, np.float64)
    middles = points.mean(axis=1, keepdims=True)
    around = points - middles
    sizes = np.sqrt((around**2).sum(axis=2).mean(axis=1))
    across = points[:, _LEFT_EYE] - points[:, _RIGHT_EYE]
    angles = np.arctan2(across[:, 1], across[:, 0])
    cos, sin = np.cos(angles), np.sin(angles)
    turns = np.stack([cos, sin, -sin, cos], axis=1).reshape(-1, 2, 2)
    with np.errstate(invalid="ignore"):  # all points in one place: no shape, so NaN
        flat = around[..., :2] @ np.swapaxes(turns, 1, 2) / sizes[:, None, None]
        shapes = np.concatenate([flat, around[..., 2:] / sizes[:, None, None]], axis=2)
    return shapes, turns * sizes[:, None, None], middles[..., :2]


@dataclass(frozen=True, eq=False)
class Correction:
    """How far people's marks are from the nearest mesh points: linear in the shape of the face.

    Attributes
    ----------
    mean : (68, 3) float64
        The shape that it was fitted around.
    reach : float
        How far from it the faces were that it was fitted to: it is not stretched beyond them.
    bias : (68, 2) float64
    weights : (204, 136) float64
        From the difference to `mean`, point by point, to the shift of each point.
    """

    mean: Doubles
    reach: float
    bias: Doubles
    weights: Doubles

    @classmethod
    def read(cls, file: IO[bytes]) -> Correction:
        """Read what `write` wrote."""
        with np.load(file, allow_pickle=False) as table:
            mean, bias, weights = (table[name].astype(np.float64) for name in ("mean", "bias", "weights"))
            return cls(mean, float(table["reach"]), bias, weights)

    def write(self, file: Any) -> None:
        """Write it to a path or open file; half precision is enough for shifts of a few per cent of a face."""
        half = {name: getattr(self, name).astype(np.float16) for name in ("mean", "bias", "weights")}
        np.savez_compressed(file, reach=np.float32(self.reach), **half)

    @classmethod
    @cache
    def shipped(cls) -> Correction:
        """The one that ships; ``tools/fit_landmarks68.py`` makes it."""
        with resources.files("mien.location").joinpath("ibug68.npz").open("rb") as file:
            return cls.read(file)

    def __call__(self, nearest: ArrayLike) -> Doubles:
        """The 68 points, where people would mark them.

        Parameters
        ----------
        nearest : (N, 68, 3) array-like
            The mesh points `NEAREST`.

        Returns
        -------
        (N, 68, 3) float64
            z stays as it is.
        """
        points = np.asarray(nearest, np.float64)
        shapes, maps, middles = upright_shapes(points)
        away = (shapes - self.mean).reshape(len(shapes), -1)
        length = np.linalg.norm(away, axis=1, keepdims=True)
        away = away * np.minimum(1, self.reach / np.maximum(length, 1e-12))
        moved = shapes[..., :2] + (away @ self.weights).reshape(-1, 68, 2) + self.bias
        return np.concatenate([moved @ maps + middles, points[..., 2:]], axis=2)
