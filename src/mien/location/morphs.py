"""What moves in a clip of a face, as a few shapes that are added to it by weights: for files that animate that way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError

__all__ = ["MORPHS", "Morphs", "MorphsName", "by_blendshapes", "principal"]

Doubles = NDArray[np.float64]
MorphsName: TypeAlias = Literal["principal", "blendshapes"]

TOLERANCE = 0.2  # mm: what principal morphs may leave of the motion, root mean square
MOST = 40  # of them
RIDGE = 0.02  # of a coefficient's whole range in every frame: what the clip shows too little of moves little


@dataclass(frozen=True, eq=False)
class Morphs:
    """A face at rest, and what is added to it: ``rest + weights @ targets`` is each frame, nearly.

    Attributes
    ----------
    rest : (V, 3) float64
        mm.
    targets : (K, V, 3) float64
        mm.
    names : tuple of K str
    weights : (T, K) float64
    error : float
        What is left of the frames: mm, root mean square over vertices and frames.
    """

    rest: Doubles
    targets: Doubles
    names: tuple[str, ...]
    weights: Doubles
    error: float

    def frames(self) -> Doubles:
        """The vertices of each frame, (T, V, 3)."""
        return np.asarray(self.rest + np.tensordot(self.weights, self.targets, axes=1))


def principal(
    points: ArrayLike, coefficients: ArrayLike, names: tuple[str, ...], *, tolerance: float = TOLERANCE
) -> Morphs:
    """The fewest morphs that leave no more than the tolerance: principal components of the clip.

    They mean nothing by themselves, and are called ``motion_01``, ``motion_02``, ..., the largest first. A weight is 1
    where the clip shows most of one.

    Parameters
    ----------
    points : (T, V, 3) array-like
        The face's vertices in each frame, in its own axes: mm.
    coefficients, names
        Not looked at.
    tolerance : float
        mm, root mean square; more than 40 morphs are not made.
    """
    del coefficients, names
    frames = _checked(points)
    rest = frames.mean(axis=0)
    size, right = _components((frames - rest).reshape(len(frames), -1))
    # What is left of the motion with the first k of them.
    rests = np.sqrt(np.append(np.cumsum((size**2)[::-1])[::-1], 0.0) / (frames[..., 0].size))
    count = min(int((rests > tolerance).sum()), MOST)
    weights = (frames - rest).reshape(len(frames), -1) @ right[:count].T
    most = np.abs(weights).max(axis=0, initial=1e-12)
    targets = (right[:count] * most[:, None]).reshape(count, *rest.shape)
    titles = tuple(f"motion_{number:02}" for number in range(1, count + 1))
    return _made(frames, rest, targets, titles, weights / most)


def by_blendshapes(points: ArrayLike, coefficients: ArrayLike, names: tuple[str, ...]) -> Morphs:
    """One morph for each coefficient of expression, as this face moves with it: ridge regression.

    The names are ARKit's, so that other recordings can drive the face. A clip shows few expressions by themselves:
    those that always come together share their motion, and what it never shows has a target that hardly moves.

    Parameters
    ----------
    points : (T, V, 3) array-like
        The face's vertices in each frame, in its own axes: mm.
    coefficients : (T, K) array-like
        In [0, 1].
    names : tuple of K str
    """
    frames, given = _checked(points), np.asarray(coefficients, np.float64)
    if given.shape != (len(frames), len(names)):
        raise ShapeMismatch(f"{len(names)} coefficients in {len(frames)} frames, not {given.shape}.")
    kept = [place for place, name in enumerate(names) if not name.startswith("_")]
    given = given[:, kept]
    mean, middle = frames.mean(axis=0), given.mean(axis=0)
    apart, moved = given - middle, (frames - mean).reshape(len(frames), -1)
    normal = apart.T @ apart + RIDGE**2 * len(frames) * np.eye(len(kept))
    targets = np.linalg.solve(normal, apart.T @ moved).reshape(len(kept), *mean.shape)
    rest = mean - np.tensordot(middle, targets, axes=1)
    return _made(frames, rest, targets, tuple(names[place] for place in kept), given)


def _components(moved: Doubles) -> tuple[Doubles, Doubles]:
    """Singular values, the largest first, and right singular vectors of a matrix (T, D), in memory of min(T, D)^2."""
    frames, numbers = moved.shape
    if frames <= numbers:
        _, size, right = np.linalg.svd(moved, full_matrices=False)
        return size, right
    squares, vectors = np.linalg.eigh(moved.T @ moved)  # of a long clip
    return np.sqrt(squares[::-1].clip(min=0)), vectors.T[::-1]


#: Ways to make morphs, by name.
MORPHS: Final[Mapping[str, Callable[[ArrayLike, ArrayLike, tuple[str, ...]], Morphs]]] = MappingProxyType(
    {"principal": principal, "blendshapes": by_blendshapes}
)


def _checked(points: ArrayLike) -> Doubles:
    frames = np.asarray(points, np.float64)
    if frames.ndim != 3 or frames.shape[2] != 3:
        raise ShapeMismatch(f"frames of vertices have the shape (T, V, 3), not {frames.shape}.")
    if not len(frames) or not np.isfinite(frames).all():
        raise UsageError("morphs are made of one or more frames, all of them finite.")
    return frames


def _made(frames: Doubles, rest: Doubles, targets: Doubles, names: tuple[str, ...], weights: Doubles) -> Morphs:
    left: Any = frames - rest - np.tensordot(weights, targets, axes=1)
    return Morphs(rest, targets, names, weights, float(np.sqrt((left**2).sum(axis=2).mean())))
