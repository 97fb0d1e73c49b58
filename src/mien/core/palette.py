"""A colour for each region of a face: the same in every picture, drawing and file."""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, TypeAlias

from mien.core.parts import REGIONS

__all__ = ["Color", "hex_color", "region_color"]

Color: TypeAlias = tuple[int, int, int]

# By class of CelebAMask-HQ, then by other regions; neighbours are far from each other, what comes in pairs is of one
# hue.
_COLORS: Final[Mapping[str, Color]] = MappingProxyType(
    {
        "background": (0, 0, 0),
        "skin": (96, 165, 250),
        "nose": (52, 211, 120),
        "eye_g": (235, 240, 245),
        "l_eye": (40, 225, 240),
        "r_eye": (15, 120, 150),
        "l_brow": (255, 160, 70),
        "r_brow": (200, 80, 20),
        "l_ear": (175, 235, 60),
        "r_ear": (90, 135, 20),
        "mouth": (120, 15, 25),
        "u_lip": (225, 30, 75),
        "l_lip": (255, 130, 170),
        "hair": (165, 85, 245),
        "hat": (240, 105, 250),
        "ear_r": (255, 225, 60),
        "neck_l": (215, 165, 10),
        "neck": (0, 165, 160),
        "cloth": (190, 180, 70),
        "occluded": (255, 70, 40),
        "oval": (255, 200, 150),
        "teeth": (250, 250, 220),
        "irises": (30, 80, 255),
        "left_iris": (70, 130, 255),
        "right_iris": (0, 40, 200),
        "sclera": (190, 245, 255),
        "left_sclera": (215, 255, 255),
        "right_sclera": (150, 215, 235),
        "forehead": (200, 215, 110),
        "left_cheek": (250, 160, 130),
        "right_cheek": (215, 110, 90),
        "chin": (150, 200, 170),
    }
)


def region_color(name: str) -> Color:
    """The colour of a class, a region or an expression of regions: red, green and blue."""
    classes = (name, *REGIONS.get(name, ()))
    known = next((one for one in classes if one in _COLORS), None)
    if known:
        return _COLORS[known]
    number = zlib.crc32(name.encode())  # unlike hash(), the same in every process
    color = colorsys.hsv_to_rgb(number % 997 / 997, 0.55 + number % 7 / 15, 1.0)
    red, green, blue = (round(255 * part) for part in color)
    return red, green, blue


def hex_color(name: str) -> str:
    """The same as in HTML: ``#60a5fa``."""
    return "#{:02x}{:02x}{:02x}".format(*region_color(name))
