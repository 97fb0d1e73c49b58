"""The One Euro filter: takes the jitter out of what stands still, and lags little behind what moves.

Casiez, Roussel, Vogel, *1€ Filter: a simple speed-based low-pass filter for noisy input in interactive systems*, CHI
2012. A first-order low-pass whose cutoff grows with the speed of what it follows: ``cutoff + beta * speed``.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError

__all__ = ["OneEuro", "nearest_rotations", "unit_vectors"]

Doubles = NDArray[np.float64]

SHORTEST_STEP = 1e-3  # seconds: two frames that claim the same time are this far apart


class OneEuro:
    """Follows a block of vectors through time.

    Each vector has one speed (the length of its velocity), so that the result does not depend on which way the axes
    point. Steps of time may be irregular. A vector with NaN gives NaN and changes nothing; when it comes back within
    `longest_gap` it is followed on, later, or where time runs backwards, it starts anew as it is.

    Parameters
    ----------
    cutoff : float
        Hz, above 0: of what stands still. Lower: less jitter.
    beta : float
        Hz more for each unit of speed, 0 or more. Higher: less lag.
    speed_cutoff : float
        Hz, above 0: of the speed itself, which is noisier than the values.
    longest_gap : float
        Seconds for which a vector may be missing and still be followed on.
    project : callable, optional
        Brings a blend of two values, (..., D), back to where values live: `unit_vectors`, `nearest_rotations`.

    Raises
    ------
    UsageError
        If a number is out of range.
    """

    def __init__(
        self,
        *,
        cutoff: float,
        beta: float,
        speed_cutoff: float = 1.0,
        longest_gap: float = 0.5,
        project: Callable[[Doubles], Doubles] | None = None,
    ) -> None:
        if not (cutoff > 0 and beta >= 0 and speed_cutoff > 0 and longest_gap > 0):
            raise UsageError("a One Euro filter takes cutoffs and a longest gap above 0, and a beta of 0 or more.")
        self._cutoff, self._beta, self._speed_cutoff = cutoff, beta, speed_cutoff
        self._longest_gap, self._project = longest_gap, project
        self.reset()

    def reset(self) -> None:
        """Forget what was followed."""
        self._value: Doubles | None = None
        self._velocity = self._time = np.zeros(0)

    def __call__(self, time: float, values: ArrayLike, *, unit: float = 1.0) -> Doubles:
        """Take the values at `time` seconds and return them smoothed.

        Parameters
        ----------
        time : float
            Seconds, on any clock.
        values : (..., D) array-like
            Vectors; the same shape each time.
        unit : float
            The length that counts as 1 in speeds, such as the size of the face whose points these are: then large and
            small faces are smoothed alike.

        Returns
        -------
        (..., D) float64

        Raises
        ------
        ShapeMismatch
            If the shape is not that of the values before.
        """
        new = np.asarray(values, dtype=np.float64)
        if self._value is None:
            self._value, self._velocity = np.full(new.shape, np.nan), np.zeros(new.shape)
            self._time = np.full(new.shape[:-1], -np.inf)
        if new.ndim == 0 or new.shape != self._value.shape:
            raise ShapeMismatch(f"values of shape {new.shape} do not go on from those of shape {self._value.shape}.")
        given = np.asarray(np.isfinite(new).all(axis=-1))
        passed = np.asarray(time - self._time)
        followed = given & (passed >= 0) & (passed <= self._longest_gap)
        step = np.where(followed, passed, 1.0).clip(min=SHORTEST_STEP)[..., None]

        with np.errstate(invalid="ignore"):  # NaN stays NaN, and is not stored
            velocity = (new - self._value) / step
            velocity = self._velocity + _share(self._speed_cutoff, step) * (velocity - self._velocity)
            speed = np.linalg.norm(velocity, axis=-1, keepdims=True) / max(unit, 1e-12)
            value = self._value + _share(self._cutoff + self._beta * speed, step) * (new - self._value)
        value = np.where(followed[..., None], value, new)
        if self._project is not None:
            value = self._project(value)
        kept = given[..., None]
        self._value = np.where(kept, value, self._value)
        self._velocity = np.where(kept, np.where(followed[..., None], velocity, 0.0), self._velocity)
        self._time = np.where(given, time, self._time)
        return np.where(kept, value, np.nan)


def _share(cutoff: float | Doubles, step: Doubles) -> Doubles:
    """How much of the new value a low-pass takes over in a step of time."""
    return np.asarray(1 / (1 + 1 / (2 * np.pi * cutoff * step)))


def unit_vectors(vectors: Doubles) -> Doubles:
    """Vectors (..., D) at a length of 1; those of length 0 stay."""
    lengths = np.linalg.norm(vectors, axis=-1, keepdims=True)
    return np.asarray(vectors / np.where(lengths > 0, lengths, 1.0))


def nearest_rotations(matrices: Doubles) -> Doubles:
    """The rotation nearest to each matrix, both as rows of nine numbers (..., 9); NaN stays NaN."""
    given = np.isfinite(matrices).all(axis=-1, keepdims=True)
    square = np.where(given, matrices, np.eye(3).ravel()).reshape(*matrices.shape[:-1], 3, 3)
    left, _, right = np.linalg.svd(square)
    # Where the closest orthogonal matrix is a reflection, the closest rotation has the last axis the other way.
    left[..., 2] *= np.sign(np.linalg.det(left @ right))[..., None]
    return np.where(given, (left @ right).reshape(matrices.shape), np.nan)
