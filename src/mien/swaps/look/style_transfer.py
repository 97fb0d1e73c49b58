"""``Manner``: the colours and the texture of a picture, taken on by another.

Colours by the linear map that moves one distribution to the other with least effort (Pitié, Kokaram, *The linear
Monge-Kantorovitch linear colour mapping for example-based colour transfer*, CVMP 2007), in Oklab; texture by the
strength of each octave of detail (the statistics of Heeger, Bergen, *Pyramid-based texture analysis/synthesis*,
SIGGRAPH 1995, no more than their spread, so that no structure is made up).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.masks.refining import shrink
from mien.swaps.blend.oklab import to_oklab

__all__ = ["Manner"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

OCTAVES = 4
GAIN = (0.5, 2.2)  # of an octave of detail
SIDE = 512  # pixels that a picture is looked at in
LEAST = 2e-4  # variance of colours in each direction, below which there is nothing to stretch
STRETCH = 2.5  # by how much colours are spread at most
SETTLE = 0.8  # seconds over which the map of a video is averaged


@dataclass(frozen=True, eq=False)
class _Colors:
    mean: Doubles
    spread: Doubles

    @classmethod
    def of(cls, lab: Floats) -> _Colors:
        few = lab[::4, ::4].reshape(-1, 3).astype(np.float64)
        return cls(few.mean(axis=0), np.cov(few, rowvar=False) + LEAST * np.eye(3))


@dataclass(eq=False)
class Manner:
    """The colours and the texture of a picture."""

    _colors: _Colors
    _octaves: tuple[float, ...]
    _tracks: dict[int, tuple[float, Doubles, Doubles, Doubles]] = field(default_factory=dict)

    @classmethod
    def of(cls, image: Image) -> Manner:
        """Those of a picture (H, W, 3)."""
        scale = min(SIDE / max(image.shape[:2]), 1.0)
        size = max(round(image.shape[1] * scale), 1), max(round(image.shape[0] * scale), 1)
        lab = to_oklab(shrink(image, size))
        return cls(_Colors.of(np.tile(lab, (8, 8, 1)) if min(size) < 8 else lab), tuple(_strengths(lab[..., 0])))

    def taken_on(self, lab: Floats, track: int | None, time: float | None) -> Floats:
        """A picture (h, w, 3) in Oklab, in this manner; frames of a track change it slowly."""
        matrix, shift, gains = self._map(lab)
        if time is not None and track is not None:
            then, *before = self._tracks.get(track, (time, matrix, shift, gains))
            share = 1 - float(np.exp(-max(time - then, 0) / SETTLE)) if 0 <= time - then < 2 else 1.0
            matrix, shift, gains = (
                old + share * (new - old) for old, new in zip(before, (matrix, shift, gains), strict=True)
            )
            self._tracks[track] = (time, matrix, shift, gains)
        out = (lab @ matrix.T.astype(np.float32) + shift.astype(np.float32)).astype(np.float32)
        out[..., 0] = _amplified(out[..., 0], gains)
        return out

    def _map(self, lab: Floats) -> tuple[Doubles, Doubles, Doubles]:
        own = _Colors.of(np.tile(lab, (8, 8, 1)) if min(lab.shape[:2]) < 8 else lab)
        root, inverse = _roots(own.spread)
        between, _ = _roots(root @ self._colors.spread @ root)
        matrix = inverse @ between @ inverse
        values, vectors = np.linalg.eigh(matrix)
        matrix = (vectors * values.clip(1 / STRETCH, STRETCH)) @ vectors.T
        shift = self._colors.mean - matrix @ own.mean
        strengths = _strengths(_looked_at(lab[..., 0]))
        stretched = float(np.abs(matrix[0, 0]))
        gains = [
            float(np.clip(goal / max(one * stretched, 1e-4), *GAIN))
            for goal, one in zip(self._octaves, strengths, strict=True)
        ]
        return matrix, shift, np.array(gains)


def _roots(matrix: Doubles) -> tuple[Doubles, Doubles]:
    """The root of a symmetric matrix, and its inverse."""
    values, vectors = np.linalg.eigh(matrix)
    root = np.sqrt(values.clip(1e-9))
    return (vectors * root) @ vectors.T, (vectors / root) @ vectors.T


def _looked_at(light: Floats) -> Floats:
    import cv2

    scale = min(SIDE / max(light.shape), 1.0)
    size = max(round(light.shape[1] * scale), 1), max(round(light.shape[0] * scale), 1)
    return np.asarray(cv2.resize(light, size, interpolation=cv2.INTER_AREA), np.float32)


def _octaves(light: Floats) -> list[Floats]:
    """Details of one octave each, the finest first; on a picture of `SIDE` the finest is a pixel."""
    import cv2

    unit = max(max(light.shape) / SIDE, 1.0)
    soft = [np.asarray(cv2.GaussianBlur(light, (0, 0), unit * 2**octave), np.float32) for octave in range(OCTAVES)]
    return [fine - coarse for fine, coarse in pairwise([light, *soft])]


def _strengths(light: Floats) -> list[float]:
    return [float(one.std()) for one in _octaves(light)]


def _amplified(light: Floats, gains: Doubles) -> Floats:
    out = light.copy()
    for detail, gain in zip(_octaves(light), gains.tolist(), strict=True):
        out += np.float32(gain - 1) * detail
    return out
