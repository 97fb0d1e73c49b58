"""Oklab: colours in which equal distances look about equal, and lightness is apart from tint.

Björn Ottosson, *A perceptual color space for image processing*, 2020: matrices and cube root are from there. Lightness
is 0 to 1; a runs from green to red and b from blue to yellow, 0.3 at most for what a screen can show.
"""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["from_oklab", "to_oklab"]

Floats = NDArray[np.float32]

_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)
_FROM_LAB, _FROM_CONES = np.linalg.inv(_LAB), np.linalg.inv(_CONES)
STEPS = 4096  # of the table that light becomes levels by: finer than a level where levels are finest


@cache
def _light() -> Floats:
    """Linear light of each level, by sRGB's curve (IEC 61966-2-1): (256,) float32."""
    level = np.arange(256) / 255
    table = np.where(level <= 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).astype(np.float32)
    table.flags.writeable = False
    return table


@cache
def _levels() -> Floats:
    """Levels, 0 to 255, of the fourth root of light, from 0 to 1 in `STEPS`: where it is dark, steps are finer."""
    light = (np.arange(STEPS + 1) / STEPS) ** 4
    table = 255 * np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)
    table = table.astype(np.float32)
    table.flags.writeable = False
    return table


def _light_of(levels: Floats) -> Floats:
    """Linear light of levels, 0 to 255, that are no bytes."""
    import cv2

    level = (levels * np.float32(1 / 255)).clip(0, 1)
    light = np.asarray(cv2.pow((level + np.float32(0.055)) * np.float32(1 / 1.055), 2.4), np.float32)
    np.multiply(level, np.float32(1 / 12.92), out=light, where=level <= np.float32(0.04045))
    return light


def to_oklab(colors: ArrayLike) -> Floats:
    """Colours of a screen (sRGB) in Oklab.

    Parameters
    ----------
    colors : (..., 3) array-like
        0 to 255: bytes, or numbers, between which there may be others.

    Returns
    -------
    (..., 3) float32
    """
    import cv2

    given = np.asarray(colors)
    flat = np.ascontiguousarray(given, None if given.dtype == np.uint8 else np.float32).reshape(-1, 1, 3)
    if not flat.size:
        return np.zeros(given.shape, np.float32)
    cones = cv2.transform(cv2.LUT(flat, _light()) if flat.dtype == np.uint8 else _light_of(flat), _CONES)
    return np.asarray(cv2.transform(cv2.pow(cones, 1 / 3), _LAB), np.float32).reshape(given.shape)


def from_oklab(colors: ArrayLike) -> Floats:
    """Colours in Oklab as levels of a screen.

    What no screen can show is cut off at each channel's ends.

    Parameters
    ----------
    colors : (..., 3) array-like

    Returns
    -------
    (..., 3) float32
        0 to 255, not rounded.
    """
    import cv2

    given = np.asarray(colors, np.float32)
    flat = np.ascontiguousarray(given).reshape(-1, 1, 3)
    if not flat.size:
        return np.zeros(given.shape, np.float32)
    cones = np.asarray(cv2.transform(flat, _FROM_LAB), np.float32)
    light = np.asarray(cv2.transform(cones * cones * cones, _FROM_CONES), np.float32).clip(0, 1)
    places = (np.sqrt(np.sqrt(light)) * np.float32(STEPS) + np.float32(0.5)).astype(np.int32)
    return np.asarray(_levels()[places], np.float32).reshape(given.shape)
