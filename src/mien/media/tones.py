"""High dynamic range on an ordinary screen: from the numbers of HDR video to those of every other picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image

__all__ = ["CURVES", "to_ordinary"]

Floats = NDArray[np.float64]

_WHITE: Final = 203.0  # nits of a white page in HDR (ITU-R BT.2408): it becomes the white of an ordinary picture
_KNEE: Final = 0.85  # of it; above, brightness is pressed together, so that highlights keep a shape
_PEAK: Final = 1000.0  # nits that come out as white

# BT.2020's primaries in those of BT.709 (ITU-R BT.2087). It is meant for light; on the finished numbers skin comes out
# within 2 % of that, and a frame takes a tenth of the time.
_PRIMARIES: Final = ((1.6605, -0.5877, -0.0728), (-0.1246, 1.1330, -0.0084), (-0.0182, -0.1006, 1.1188))


def _pq(code: Floats) -> Floats:
    """Nits of PQ's numbers in [0, 1] (SMPTE ST 2084, ITU-R BT.2100)."""
    m1, m2, c1, c2, c3 = 2610 / 16384, 2523 / 32, 3424 / 4096, 2413 / 128, 2392 / 128
    power = code ** (1 / m2)
    return np.asarray(10_000 * ((power - c1).clip(min=0) / (c2 - c3 * power)) ** (1 / m1))


def _hlg(code: Floats) -> Floats:
    """Nits of HLG's numbers in [0, 1] on a screen of 1000 nits (ARIB STD-B67, ITU-R BT.2100)."""
    a, b, c = 0.17883277, 0.28466892, 0.55991073
    scene = np.where(code <= 0.5, code**2 / 3, (np.exp((code - c) / a) + b) / 12)
    return np.asarray(1000 * scene**1.2)


#: By FFmpeg's number of the transfer characteristic.
CURVES: Final[Mapping[int, Callable[[Floats], Floats]]] = MappingProxyType({16: _pq, 18: _hlg})


@cache
def _table(curve: int) -> Image:
    light = CURVES[curve](np.arange(256) / 255) / _WHITE
    peak = _PEAK / _WHITE
    over = (light.clip(_KNEE, peak) - _KNEE) / (peak - _KNEE)
    # From the knee to white with the slope that the line below has: a bend that cannot be seen.
    steep = (peak - _KNEE) / (1 - _KNEE)
    bent = _KNEE + (1 - _KNEE) * over * steep / (1 + over * (steep - 1))
    shown = np.where(light > _KNEE, bent, light)
    encoded = np.where(shown <= 0.0031308, 12.92 * shown, 1.055 * shown ** (1 / 2.4) - 0.055)  # sRGB
    return np.asarray(np.rint(255 * encoded.clip(0, 1)), dtype=np.uint8)


def to_ordinary(image: Image, curve: int) -> Image:
    """Show a picture of HDR video as an ordinary one.

    Parameters
    ----------
    image : (H, W, 3) uint8
        RGB by BT.2020's primaries.
    curve : int
        Which of `CURVES` its numbers follow.

    Returns
    -------
    (H, W, 3) uint8
    """
    import cv2

    shown = cv2.LUT(image, _table(curve))
    return np.asarray(cv2.transform(shown, np.array(_PRIMARIES)), dtype=np.uint8)
