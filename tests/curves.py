"""Curves of eyes that open and close, drawn: what is true of them is known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Lids", "clock", "film"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Lids:
    """One motion of the lids: when it begins, and the seconds and depth of its parts."""

    at: float
    closing: float = 0.08
    hold: float = 0.04
    opening: float = 0.16
    depth: float = 1.0
    eyes: tuple[float, float] = (1.0, 1.0)  # right, left: how much each of them takes part

    @property
    def end(self) -> float:
        return self.at + self.closing + self.hold + self.opening

    def closed(self, times: Doubles) -> Doubles:
        corners = np.cumsum([self.at, self.closing, self.hold, self.opening])
        return self.depth * np.interp(times, corners, [0.0, 1.0, 1.0, 0.0])


def film(times: Doubles, motions: Sequence[Lids], *, wide: float = 0.28, noise: float = 0.0, seed: int = 0) -> Doubles:
    """Probabilities of open eyes (T, 2) of lids that are `wide` open (0.06: closed) but for these motions."""
    shut = np.zeros((len(times), 2))
    for motion in motions:
        shut = np.maximum(shut, motion.closed(times)[:, None] * motion.eyes)
    opening = wide - (wide - 0.06) * shut + noise * np.random.default_rng(seed).normal(size=shut.shape)
    return np.asarray(1 / (1 + np.exp(-(32 * opening - 3.9))))


def clock(rate: float, seconds: float, start: float = 0.0) -> Doubles:
    return start + np.arange(round(rate * seconds)) / rate
