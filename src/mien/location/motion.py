"""How one face moves: a Kalman filter on its box."""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["Motion", "box_of", "numbers_of"]

Doubles = NDArray[np.float64]

# All in units of the face's size (the mean of its sides), or of its logarithm for the sides.
_DETECTION: Final = np.array([0.05, 0.05, 0.07, 0.07])  # how far a detector's box is off
_ACCELERATION: Final = np.array([12.0, 12.0, 1.5, 1.5])  # per second squared: heads start and stop within 0.2 s
_SPEED: Final = np.array([2.0, 2.0, 0.5, 0.5])  # per second, of a face that was seen once
_HUGE: Final = 12.0  # logarithm of the longest side that is believed, in pixels
_PIXELS: Final = np.array([0.02, 0.02, 0.02, 0.02])  # what following the pixels by one frame adds


def numbers_of(boxes: NDArray[Any]) -> Doubles:
    """Centre and logarithms of the sides, (..., 4), of boxes (..., 4) xyxy: what moves evenly."""
    corners = np.asarray(boxes, np.float64)
    sides = np.maximum(corners[..., 2:] - corners[..., :2], 1.0)
    return np.concatenate([(corners[..., :2] + corners[..., 2:]) / 2, np.log(sides)], axis=-1)


def box_of(numbers: NDArray[Any]) -> NDArray[np.float32]:
    """Boxes (..., 4) xyxy from what `numbers_of` makes of them."""
    half = np.exp(np.minimum(numbers[..., 2:], _HUGE)) / 2
    return np.concatenate([numbers[..., :2] - half, numbers[..., :2] + half], axis=-1).astype(np.float32)


class Motion:
    """Where a face is, how fast it moves, and how sure that is.

    Constant velocity with random acceleration, on the centre and the logarithms of the sides, each by itself (Bewley et
    al., *Simple Online and Realtime Tracking*, 2016, with the scale free). All noise grows with the face's size.

    Parameters
    ----------
    box : (4,) array
        xyxy in pixels, of the first detection.
    """

    def __init__(self, box: NDArray[Any]) -> None:
        self._place = numbers_of(box)
        self._speed = np.zeros(4)
        # The covariance of place and speed, each number by itself: variances and what they share, (4,) each.
        self._place_var = (_DETECTION * self._units) ** 2
        self._shared = np.zeros(4)
        self._speed_var = (_SPEED * self._units) ** 2

    @property
    def _units(self) -> Doubles:
        return np.array([self.size, self.size, 1.0, 1.0])

    @property
    def size(self) -> float:
        """Mean of the box's sides in pixels."""
        width, height = self._place[2:].tolist()
        return (math.exp(min(width, _HUGE)) + math.exp(min(height, _HUGE))) / 2

    @property
    def numbers(self) -> Doubles:
        """As `numbers_of` the box, (4,)."""
        return self._place.copy()

    @property
    def box(self) -> NDArray[np.float32]:
        """Where the face is now, (4,) xyxy in pixels."""
        return box_of(self._place)

    @property
    def doubt(self) -> float:
        """Standard deviation of the centre, in sizes of the face."""
        return float(np.sqrt(self._place_var[:2].mean()) / self.size)

    def predict(self, seconds: float) -> None:
        """Let time pass."""
        noise = (_ACCELERATION * self._units) ** 2
        self._place = self._place + self._speed * seconds
        self._place_var = self._place_var + 2 * seconds * self._shared + seconds**2 * self._speed_var
        self._place_var = self._place_var + noise * seconds**4 / 4
        self._shared = self._shared + seconds * self._speed_var + noise * seconds**3 / 2
        self._speed_var = self._speed_var + noise * seconds**2
        # A face does not keep growing or shrinking while nobody looks at it.
        self._speed[2:] *= np.exp(-2 * seconds)

    def follow(self, numbers: NDArray[Any], before: NDArray[Any], seconds: float) -> None:
        """Take the place that the pixels led to: from `before`, (4,), to `numbers`, (4,), in this time.

        It is called after `predict`. The way that the pixels went is a measurement of the speed; the place keeps the
        doubt that it had, and a little is added, as small errors of many frames add up.
        """
        noise = _PIXELS * self._units
        self._place = np.asarray(numbers, np.float64).copy()
        speed_noise = (noise / seconds) ** 2 + (0.3 * _ACCELERATION * self._units * seconds) ** 2
        gain = self._speed_var / (self._speed_var + speed_noise)
        self._speed = self._speed + gain * ((np.asarray(numbers) - before) / seconds - self._speed)
        self._place_var = np.minimum(self._place_var, (_DETECTION * self._units) ** 2) + noise**2
        self._speed_var = (1 - gain) * self._speed_var
        self._shared = np.zeros(4)

    def correct(self, box: NDArray[Any]) -> None:
        """Take a detection."""
        noise = (_DETECTION * self._units) ** 2
        total = self._place_var + noise
        off = numbers_of(box) - self._place
        self._speed = self._speed + self._shared / total * off
        self._place = self._place + self._place_var / total * off
        self._speed_var = self._speed_var - self._shared**2 / total
        self._shared = self._shared * noise / total
        self._place_var = self._place_var * noise / total

    def rescale(self, x: float, y: float) -> None:
        """The picture has changed its size by these factors."""
        factor = np.array([x, y])
        self._place = np.concatenate([self._place[:2] * factor, self._place[2:] + np.log(factor)])
        self._speed[:2] *= factor
        self._place_var[:2] *= factor**2
        self._shared[:2] *= factor**2
        self._speed_var[:2] *= factor**2
