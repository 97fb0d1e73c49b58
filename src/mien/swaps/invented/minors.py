"""How likely a face is that of a minor, by two judges: the age model, and the shape of the face.

The age model looks at skin and hair, in 64 pixels, and takes some boys for adults. A child's face is another shape:
eyes further down, the lower face and the nose smaller. That much a linear function of the mesh can tell.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.faces import Faces

__all__ = ["ChildlikeShape", "face_shapes", "minor_probability"]

SURFACE = 468  # points of the mesh before those of the irises

Doubles = NDArray[np.float64]


def face_shapes(landmarks: ArrayLike, rotations: ArrayLike) -> Doubles:
    """Meshes looking into the camera, about their middle, at one size.

    Parameters
    ----------
    landmarks : (N, 478, 3) array-like
        Meshes in any unit.
    rotations : (N, 3, 3) array-like
        From the face's axes to the camera's.

    Returns
    -------
    (N, 468, 3) float64
        With a root mean square distance of 1 from the middle. NaN where the mesh or its rotation is.
    """
    points: Doubles = np.asarray(landmarks, np.float64)[:, :SURFACE]
    points = points - points.mean(axis=1, keepdims=True)
    size = np.sqrt((points**2).sum(axis=2).mean(axis=1))[:, None, None]
    with np.errstate(invalid="ignore"):  # all points in one place: no shape, so NaN
        shapes: Doubles = points / size @ np.asarray(rotations, np.float64)
    return shapes


@dataclass(frozen=True, eq=False)
class ChildlikeShape:
    """How much more a face's shape is found on minors than on adults: a linear function of the mesh.

    Attributes
    ----------
    step : int
        It looks at every so many-th point.
    weights : (P, 3) float64
        Of each of them, in `face_shapes`.
    bias : float
    """

    step: int
    weights: Doubles
    bias: float

    @classmethod
    def from_toml(cls, text: str) -> ChildlikeShape:
        """Read the table that ships; ``tools/fit_minors.py`` writes it."""
        table = tomllib.loads(text)
        return cls(int(table["step"]), np.array(table["weights"], np.float64).reshape(-1, 3), float(table["bias"]))

    def log_odds(self, shapes: Doubles) -> Doubles:
        """Natural log odds (N,) that shapes (N, 468, 3) tell: what they multiply the odds of "minor" by."""
        said: Doubles = np.einsum("npc,pc->n", shapes[:, :: self.step], self.weights) + self.bias
        return said


@cache
def _shipped() -> ChildlikeShape:
    return ChildlikeShape.from_toml(
        resources.files("mien.swaps.invented").joinpath("minors.toml").read_text(encoding="utf-8")
    )


def minor_probability(faces: Faces) -> Doubles:
    """Probability (N,) that each face is taken for one under 18; NaN where a judge abstained.

    It is the age model's, with its odds raised where the shape is a child's. A grown shape does not lower them: the
    shape is the poorer judge of the two, and both must be content.

    Parameters
    ----------
    faces : Faces
        With ``age``, ``landmarks`` and ``pose``.
    """
    by_age: Doubles = faces.age.probabilities[:, np.asarray(faces.age.support) < 18].sum(axis=1).astype(np.float64)
    shapes = face_shapes(faces.landmarks.values, faces.pose.matrix)
    odds: Doubles = by_age * np.exp(np.maximum(_shipped().log_odds(shapes), 0))
    return odds / (1 - by_age + odds)
