"""Where things are drawn before a face: its pixels in centimetres, and distances from outlines."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.layouts import indices_of

__all__ = ["Stage", "box", "capsule"]

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class Stage:
    """A face in the pixels that things are drawn on.

    Attributes
    ----------
    u, v : (h, w) float32
        Place of each pixel in cm, the face upright: right and down of its middle.
    mesh : (478, 2) float64
        The face's points in those cm.
    part : (h, w, 3) float32
        The picture.
    donor : (h, w, 3) float32 or None
        Another person's face in the same place.
    draw : Generator
    """

    u: Floats
    v: Floats
    mesh: NDArray[np.float64]
    part: Floats
    donor: Floats | None
    draw: np.random.Generator

    def target(self, *names: str) -> NDArray[np.float64]:
        """The middle of one of some parts of the face, a little off."""
        name = names[self.draw.integers(len(names))]
        return np.asarray(self.mesh[indices_of("mesh478", name)].mean(axis=0) + self.draw.normal(0, 0.7, 2))

    def skin(self) -> Floats:
        """A colour near the face's own skin, (3,)."""
        inside = self.mesh[indices_of("mesh478", ("right_cheek", "left_cheek")[self.draw.integers(2)])].mean(axis=0)
        near = np.hypot(self.u - inside[0], self.v - inside[1]) < 2
        own = np.median(self.part[near], axis=0) if near.any() else np.array([180, 140, 120])
        return np.asarray(own * self.draw.uniform(0.8, 1.2) * self.draw.normal(1, 0.04, 3), np.float32)

    def color(self) -> Floats:
        """Any colour, most of them muted, (3,)."""
        own = self.draw.uniform(10, 245, 3)
        return np.asarray(own.mean() + (own - own.mean()) * self.draw.uniform(0, 1) ** 1.5, np.float32)

    def grain(self, size: float, strength: float) -> Floats:
        """Noise whose grains are `size` cm, (h, w)."""
        import cv2

        h, w = self.u.shape
        pixels = max(size / max(float(self.u[0, 1] - self.u[0, 0]), 1e-3), 1.0)
        small = self.draw.normal(0, strength, (max(int(h / pixels), 2), max(int(w / pixels), 2))).astype(np.float32)
        return np.asarray(cv2.resize(small, (w, h), interpolation=cv2.INTER_CUBIC), np.float32)

    def plain(self, color: ArrayLike) -> Floats:
        """A colour everywhere, (h, w, 3)."""
        out = np.empty((*self.u.shape, 3), np.float32)
        out[:] = np.asarray(color, np.float32)
        return out

    def cover(self, outside: NDArray[np.floating[Any]]) -> Floats:
        """1 inside an outline, 0 from the picture's next pixel on; by the distance from it in cm."""
        pixel = float(self.u[0, 1] - self.u[0, 0])
        return np.asarray(np.clip(0.5 - outside / (1.5 * pixel), 0, 1), np.float32)


def capsule(stage: Stage, a: ArrayLike, b: ArrayLike, radius: float) -> Floats:
    """Distance from a rod with round ends."""
    start, way = np.asarray(a, np.float64), np.subtract(b, a)
    x, y = stage.u - start[0], stage.v - start[1]
    along = np.clip((x * way[0] + y * way[1]) / max(float(way @ way), 1e-9), 0, 1)
    return np.asarray(np.hypot(x - along * way[0], y - along * way[1]) - radius, np.float32)


def box(stage: Stage, middle: ArrayLike, half: tuple[float, float], turn: float) -> Floats:
    """Distance from a turned rectangle."""
    x, y = stage.u - np.asarray(middle)[0], stage.v - np.asarray(middle)[1]
    along, across = np.abs(x * np.cos(turn) + y * np.sin(turn)), np.abs(y * np.cos(turn) - x * np.sin(turn))
    return np.asarray(np.maximum(along - half[0], across - half[1]), np.float32)
