"""Dyeing: a part of a picture in another colour, its light and shade kept.

In Oklab, where lightness is apart from tint. Lightness goes through a power curve, which leaves black black and white
white: strands, folds and highlights stay what they are. Tint is the dye's, less of it where it is dark, and where a
highlight shows the light instead of the surface.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.swaps.blend.oklab import from_oklab, to_oklab

__all__ = ["Dye", "Dyed", "median_color"]

Floats = NDArray[np.float32]

SURE = 0.6  # of a mask: pixels by which the present colour is told
ENOUGH = 4000  # of such pixels: more say no more of the middle
DARKEST, LIGHTEST = 0.06, 0.94  # lightness: nearer to the ends the curve would be too steep
CONTRAST = 1.9  # of what is lifted far
STEEPEST = 3.0  # exponents of the curve: stronger ones show the noise of what was dark, or flatten
YELLOW, YELLOW_WIDTH = np.deg2rad(92), np.deg2rad(22)  # hue of what turns brown in the dark
BROWN = np.deg2rad(75)  # by how much it turns, towards orange, per share of lightness lost
HIGHLIGHT = 0.75  # of the tint that the brightest highlights lose


@dataclass(frozen=True)
class Dye:
    """A colour, and how it takes.

    Attributes
    ----------
    color : (red, green, blue)
        0 to 255.
    lift, drop : float
        By how much lightness may rise and fall at most, of the part's middle; in parts of white.
    own : float
        Share of the part's own variety of tint that stays.
    tint : float
        Share of the colour's tint that the part takes at most.
    """

    color: tuple[int, int, int]
    lift: float = 0.2
    drop: float = 0.5
    own: float = 0.3
    tint: float = 1.0


@dataclass(frozen=True, eq=False)
class Dyed:
    """What became of a part.

    Attributes
    ----------
    lab : (..., 3) float32
        In Oklab.
    before, after : (red, green, blue)
        The part's middle colour.
    limited : bool
        Whether the dye's lightness was out of reach.
    """

    lab: Floats
    before: tuple[int, int, int]
    after: tuple[int, int, int]
    limited: bool


def median_color(lab: Floats, mask: Floats) -> Floats | None:
    """The middle of a part's colours, (3,); None where a mask is sure of fewer than ten pixels."""
    sure = lab[mask >= SURE]
    few = sure[:: max(len(sure) // ENOUGH, 1)]
    return np.asarray(np.median(few, axis=0), np.float32) if len(few) >= 10 else None


def dyed(lab: Floats, middle: Floats, dye: Dye) -> Dyed:
    """Dye pixels of a part that has that middle colour.

    Parameters
    ----------
    lab : (..., 3) float32
        In Oklab.
    middle : (3,) float32
        The part's colour: see `median_color`.
    dye : Dye
    """
    goal = to_oklab(np.array(dye.color, np.uint8))
    now = float(np.clip(middle[0], DARKEST, LIGHTEST))
    asked = float(np.clip(goal[0], DARKEST, LIGHTEST))
    reach = float(np.clip(asked, now - dye.drop, now + dye.lift))
    power = float(np.clip(np.log(np.clip(reach, DARKEST, LIGHTEST)) / np.log(now), 1 / STEEPEST, STEEPEST))
    light = np.maximum(lab[..., 0], np.float32(1e-3)) ** np.float32(power)
    there = now**power
    if power < 1:  # what is lifted is flatter than hair of that colour would be
        light = np.maximum(there + CONTRAST ** (1 - power) * (light - there), light * 0.25)
    # As much tint as the dye has at its own lightness, less where it is darker, and none in highlights.
    dark = np.minimum(light / max(asked, there), 1) ** np.float32(0.8)
    bright = ((light - there) / max(1 - there, 0.05)).clip(0, 1) ** np.float32(1.5)
    share = np.float32(dye.tint) * dark * (1 - np.float32(HIGHLIGHT) * bright)
    tints = _browned(goal[1:], light / max(asked, 1e-3))
    own = np.float32(dye.own)
    tint = [share * tints[axis] + own * (lab[..., axis + 1] - middle[axis + 1]) for axis in (0, 1)]
    result = np.stack([light, *tint], axis=-1).astype(np.float32)
    share_there = dye.tint * min(there / max(asked, there), 1.0) ** 0.8
    tint_there = [float(one) for one in _browned(goal[1:], np.float32(there / max(asked, 1e-3)))]
    after = np.array([there, *(share_there * one for one in tint_there)], np.float32)
    return Dyed(result, _bytes(middle), _bytes(after), abs(there - asked) > 0.06)


def _browned(tint: Floats, share: Floats | np.float32) -> tuple[Floats, Floats]:
    """A tint where it is darker than its own colour, by that share of its lightness: yellow turns to brown.

    Dark yellow is olive, but shaded gold, straw and blond hair are brown.
    """
    hue, chroma = np.arctan2(tint[1], tint[0]), np.hypot(*tint)
    yellow = np.exp(-(((hue - YELLOW) / YELLOW_WIDTH) ** 2))
    turned = hue - np.float32(BROWN * yellow) * (1 - np.asarray(share, np.float32)).clip(0, 0.6)
    return chroma * np.cos(turned), chroma * np.sin(turned)


def _bytes(lab: Floats) -> tuple[int, int, int]:
    red, green, blue = (round(float(value)) for value in from_oklab(lab))
    return red, green, blue
