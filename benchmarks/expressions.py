"""Made-up clips of a face that moves and makes expressions, with the skull's motion known."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.geometry import rotation_matrix
from mien.location.canonical import CanonicalFace

Doubles = NDArray[np.float64]

#: Mesh points that no expression moves far: bridge of the nose, corners of the eyes, middle of the forehead.
SKULL = [168, 6, 197, 33, 263, 133, 362]
PIXELS = 20.0  # per cm


@dataclass(frozen=True, eq=False)
class Acted:
    """A clip with what made it.

    Attributes
    ----------
    meshes : (T, V, 3) float64
        In pixels.
    rotation : (T, 3, 3) float64
        The skull's.
    person : (V, 3) float64
        At rest, cm.
    expression : (T, V, 3) float64
        Added to the person, cm.
    """

    meshes: Doubles
    rotation: Doubles
    person: Doubles
    expression: Doubles

    def left_over(self, points: Doubles) -> float:
        """How far points of the skull still move in stabilized meshes once the expression is gone: RMS, mm."""
        rest = points[:, SKULL] - self.expression[:, SKULL]
        return float(10 * np.sqrt(((rest - rest.mean(axis=0)) ** 2).sum(axis=2).mean()))


def acted(face: CanonicalFace, *, frames: int = 120, noise: float = 0.3, seed: int = 0) -> Acted:
    """A person unlike the canonical face who nods, opens the mouth, smiles and raises the brows.

    Parameters
    ----------
    face : CanonicalFace
        MediaPipe's, whose point numbers these expressions are made for.
    frames : int
        25 a second.
    noise : float
        Standard deviation of each coordinate in pixels.
    seed : int
        Of the person and the noise.
    """
    draw, neutral = np.random.default_rng(seed), face.vertices.astype(np.float64)

    def around(point: int, radius: float, shift: list[float]) -> Doubles:
        nearness = np.exp(-((neutral - neutral[point]) ** 2).sum(axis=1) / (2 * radius**2))
        return np.asarray(nearness[:, None] * np.asarray(shift))

    person = neutral + sum(around(int(p), 2.5, list(draw.normal(size=3) * 0.25)) for p in draw.choice(468, 30))
    jaw = around(152, 3.5, [0, 2.5, 0.5])
    smile = around(61, 1.5, [-0.8, -0.6, 0.3]) + around(291, 1.5, [0.8, -0.6, 0.3])
    brows = around(105, 1.3, [0, -0.8, 0]) + around(334, 1.3, [0, -0.8, 0])
    times = np.arange(frames) / 25
    strengths = np.sin(times[:, None] * [2.0, 1.3, 1.7] + [0.0, 1.0, 2.0]).clip(0, 1)
    expression = np.einsum("te,evk->tvk", strengths, np.stack([jaw, smile, brows]))
    pose = np.stack([20 * np.sin(0.7 * times), 10 * np.sin(0.9 * times), 8 * np.sin(0.5 * times)], axis=1)
    rotation = rotation_matrix(pose).astype(np.float64)
    meshes = PIXELS * (person + expression) @ np.swapaxes(rotation, 1, 2) + [300.0, 200.0, 0.0]
    return Acted(meshes + noise * draw.normal(size=meshes.shape), rotation, np.asarray(person), expression)
