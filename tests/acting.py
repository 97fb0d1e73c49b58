"""People who do not exist, and twitch: brows and corners of the mouth of a portrait are moved by its mesh for a moment.

When they do so is known to the frame; meanwhile the head moves, too, and the camera makes noise. Skin is drawn along
without wrinkles, so that these motions are easier than filmed ones.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.core.mesh import warp_mesh
from mien.engine import Engine
from mien.location.topology import face_topology

__all__ = ["MOTIONS", "Actor", "Twitch", "head_path", "schedule"]

Doubles = NDArray[np.float64]

#: Points in the middle of what moves, which way (x to the subject's side, y down), and how far around, in widths of the
#: eyes.
MOTIONS: Mapping[str, tuple[tuple[int, ...], tuple[float, float], float]] = MappingProxyType(
    {
        "inner brows up": ((55, 285, 107, 336), (0.0, -1.0), 0.22),
        "outer brows up": ((70, 300, 105, 334), (0.0, -1.0), 0.25),
        "brows down": ((66, 296, 55, 285), (0.0, 1.0), 0.28),
        "right brow up": ((105, 66), (0.0, -1.0), 0.25),
        "corners up": ((61, 291), (0.5, -0.85), 0.25),
        "left corner up": ((291,), (0.5, -0.85), 0.25),
        "corners down": ((61, 291), (0.0, 1.0), 0.25),
    }
)


@dataclass(frozen=True)
class Twitch:
    """One motion: which, when in seconds, and how far in widths of the eyes."""

    kind: str
    start: float
    apex: float
    end: float
    size: float

    def level(self, time: float) -> float:
        """How much of it there is at a time: a raised cosine up to the apex, and down."""
        if not self.start < time < self.end:
            return 0.0
        part = (time - self.start) / (self.apex - self.start)
        part = part if time <= self.apex else (self.end - time) / (self.end - self.apex)
        return float(0.5 - 0.5 * np.cos(np.pi * part))


@dataclass(frozen=True, eq=False)
class Actor:
    """A portrait whose face and head move.

    Attributes
    ----------
    image : (H, W, 3) uint8
    mesh : (468, 3) float32
    triangles : (T, 3) int32
    """

    image: Image
    mesh: NDArray[np.float32]
    triangles: NDArray[np.int32]

    @classmethod
    def of(cls, image: Image, engine: Engine) -> Actor:
        """The largest face of a picture."""
        topology = face_topology(engine=engine)
        face = engine.analyze(image, want={"landmarks"}).top(1)[0]
        return cls(image, face.landmarks.values[: len(topology.vertices)], topology.triangles)

    def show(
        self,
        time: float,
        twitches: Sequence[Twitch],
        head: Doubles | None = None,
        noise: float = 0.0,
        draw: np.random.Generator | None = None,
    ) -> Image:
        """The frame at a time.

        Parameters
        ----------
        head : (4,) float64, optional
            Shift x, y in widths of the eyes, turn in degrees, growth.
        noise : float
            Standard deviation, in levels of grey.
        """
        width = float(np.linalg.norm(self.mesh[263] - self.mesh[33]))
        moved = displaced(self.mesh, width, time, twitches)
        picture: NDArray[Any] = self.image
        if not np.array_equal(moved, self.mesh):
            drawn, mask = warp_mesh(self.image, self.mesh, moved, self.triangles, self.image.shape[:2])
            picture = np.where(mask[..., None], drawn, self.image)
        if head is not None:
            middle = self.mesh[168, :2].astype(float)
            map_ = cv2.getRotationMatrix2D((middle[0], middle[1]), -float(head[2]), float(head[3]))
            map_[:, 2] += head[:2] * width
            size = picture.shape[1], picture.shape[0]
            picture = cv2.warpAffine(picture, map_, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        if noise and draw is not None:
            picture = (picture + draw.normal(0, noise, picture.shape)).clip(0, 255).astype(np.uint8)
        return np.asarray(picture, np.uint8)


def displaced(mesh: NDArray[np.float32], width: float, time: float, twitches: Sequence[Twitch]) -> NDArray[np.float32]:
    """The mesh at a time; what lies on the rim of the face stays."""
    moved = mesh.astype(np.float64).copy()
    for twitch in twitches:
        level = twitch.level(time)
        if not level:
            continue
        points, (x, y), reach = MOTIONS[twitch.kind]
        centers = mesh[list(points), :2].astype(np.float64)
        away = np.linalg.norm(mesh[:, None, :2] - centers[None], axis=2) / (reach * width)
        weights = np.exp(-(away**2))
        near = weights.argmax(axis=1)
        # The subject's right is the picture's left.
        sides = np.sign(centers[near, 0] - float(mesh[168, 0]))
        amount = weights.max(axis=1) * level * twitch.size * width
        moved[:, 0] += amount * x * sides
        moved[:, 1] += amount * y
    return moved.astype(np.float32)


def schedule(draw: np.random.Generator, seconds: float, *, size: tuple[float, float] = (0.02, 0.06)) -> list[Twitch]:
    """Twitches of 0.12 to 0.48 seconds, some two seconds apart."""
    twitches, time = [], 1.5
    while time < seconds - 1.5:
        length, rise = draw.uniform(0.12, 0.48), draw.uniform(0.3, 0.6)
        kind = str(draw.choice(list(MOTIONS)))
        twitches.append(Twitch(kind, time, time + rise * length, time + length, float(draw.uniform(*size))))
        time += length + draw.uniform(1.2, 3.0)
    return twitches


def head_path(draw: np.random.Generator, times: Doubles) -> Doubles:
    """A head that sways: (T, 4) shift in widths of the eyes, turn in degrees, growth; of a few slow waves."""
    path = np.zeros((len(times), 4))
    for place, size in enumerate((0.15, 0.1, 3.0, 0.03)):
        for rate in (0.15, 0.4, 0.9):
            path[:, place] += (
                size
                * (0.15 / rate) ** 0.5
                * draw.normal()
                * np.sin(2 * np.pi * (rate * draw.uniform(0.7, 1.3) * times + draw.uniform()))
            )
    path[:, 3] += 1
    return path
