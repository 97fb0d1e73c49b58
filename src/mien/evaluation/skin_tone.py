"""Apparent skin tone on the Monk scale, to group the people of an evaluation by: no field, and not for anything else.

Error rates differ with skin tone, so whoever measures must be able to group by it (Buolamwini & Gebru, *Gender
Shades*, 2018; Hazirbas et al., *Casual Conversations v2*, 2022, which has Monk's scale). It is the tone *in the
picture*. Light and camera move it: between pictures of one person it deviates by 0.4 of the ten steps (10 people), as
much as from most of them to the next. Cheeks are photographed darker than the patches of the scale, so that hardly
anybody gets a step below 4, where human judges give many. Where people judged the tones, take theirs. It says nothing
of who a person is; that is why it stands here, and a face has no such field.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Face, Faces
from mien.core.image import Image

__all__ = ["BANDS", "MONK", "NEEDED", "Tones", "apparent_tones", "lab_of", "rgb_of", "tone_band"]

Doubles = NDArray[np.float64]

#: The ten tones from light to dark, sRGB (Monk, *The Monk Skin Tone Scale*, 2019; skintone.google, CC BY 4.0).
MONK = np.array(
    [
        (246, 237, 228), (243, 231, 219), (247, 234, 208), (234, 218, 186), (215, 189, 150),
        (160, 126, 86), (130, 92, 67), (96, 65, 52), (58, 49, 42), (41, 36, 32),
    ],
    np.uint8,
)  # fmt: skip

#: Names of the groups, with the step at which each ends; as pictures have them, not as the scale is divided for judges.
BANDS = {"lighter": 5.0, "medium": 6.0, "darker": 10.0}

NEEDED = frozenset({"landmarks", "parse"})  #: the fields that a tone is taken from
SURE = 0.8  # probability of skin from which a pixel counts
FEWEST = 200  # pixels of skin
MIDDLE = (0.4, 0.8)  # quantiles of lightness between which skin counts: neither in the shade nor shining
COLOURLESS = 2.0  # median chroma in CIELAB below which a picture is taken for a grey one
# Points of the mesh on both cheeks and the forehead: between them there is skin, and seldom hair or glasses.
_PATCHES = (
    (50, 101, 118, 117, 123, 187, 205, 36),
    (280, 330, 347, 346, 352, 411, 425, 266),
    (109, 10, 338, 337, 9, 108),
)


@dataclass(frozen=True)
class Tones:
    """Tones of N faces.

    Parameters
    ----------
    steps : (N,) float64
        From 1 to 10, between the scale's tones too; NaN where there is no reading.
    lab : (N, 3) float64
        The skin's colour in CIELAB (D65).
    reasons : tuple of (str or None)
        Why there is none.
    """

    steps: Doubles
    lab: Doubles
    reasons: tuple[str | None, ...]


def lab_of(rgb: NDArray[np.uint8]) -> Doubles:
    """CIELAB (D65) of sRGB colours (..., 3)."""
    import cv2

    flat = rgb.reshape(1, -1, 3).astype(np.float32) / 255
    return np.asarray(cv2.cvtColor(flat, cv2.COLOR_RGB2LAB), np.float64).reshape(rgb.shape)


def rgb_of(lab: Doubles) -> NDArray[np.uint8]:
    """The nearest sRGB colours (..., 3) of CIELAB."""
    import cv2

    flat = cv2.cvtColor(lab.reshape(1, -1, 3).astype(np.float32), cv2.COLOR_LAB2RGB)
    return np.asarray(np.rint(flat.reshape(lab.shape) * 255).clip(0, 255), np.uint8)


def apparent_tones(faces: Faces) -> Tones:
    """Where on the scale the skin of each face is: the colour of its cheeks and forehead, between the tones.

    Parameters
    ----------
    faces : Faces
        With ``landmarks``, ``parse`` and their picture.

    Raises
    ------
    FieldNotComputed
        If a field is missing.
    ImageNotKept
        If the picture is.
    """
    image = faces.require_image()
    found = [_colour(image, face) for face in faces]
    lab = np.array([np.full(3, np.nan) if isinstance(one, str) else one for one in found]).reshape(-1, 3)
    reasons = tuple(one if isinstance(one, str) else None for one in found)
    return Tones(_on_scale(lab), lab, reasons)


def tone_band(step: float) -> str:
    """The group that a step is in; "" for NaN."""
    return next((name for name, end in BANDS.items() if step <= end), "")


def _colour(image: Image, face: Face) -> Doubles | str:
    """CIELAB of a face's skin, or why it cannot be told."""
    if bool(face.landmarks.abstained):
        return face.landmarks.reason or "the face has no mesh"
    if bool(face.parse.abstained):
        return face.parse.reason or "the face was not parsed"
    pixels = image[_patches(face.landmarks.xy, image.shape) & (face.parse.region("skin").to_array() >= SURE)]
    if len(pixels) < FEWEST:
        return f"only {len(pixels)} pixels of skin are seen"
    lab = lab_of(pixels)
    low, high = np.quantile(lab[:, 0], MIDDLE)
    colour = np.asarray(np.median(lab[(lab[:, 0] >= low) & (lab[:, 0] <= high)], axis=0))
    return "the picture has no colour" if np.hypot(*colour[1:]) < COLOURLESS else colour


def _patches(xy: NDArray[np.float32], shape: Sequence[int]) -> NDArray[np.bool_]:
    """Pixels between the points of the patches."""
    import cv2

    drawn = np.zeros(shape[:2], np.uint8)
    for points in _PATCHES:
        cv2.fillConvexPoly(drawn, cv2.convexHull(np.rint(xy[list(points)]).astype(np.int32)), 1)
    return np.asarray(drawn > 0)


def _on_scale(lab: Doubles) -> Doubles:
    """The place (N,) of colours (N, 3) between the tones of the next lightness.

    By lightness alone: the light of a room moves the hue of skin further than the scale's tones are apart. Measures
    with hue in them (the nearest colour, the typology angle) scatter twice as much between pictures of one person.
    """
    lightness = np.minimum.accumulate(lab_of(MONK)[:, 0])  # the third tone is a shade lighter than the second
    return np.asarray(np.interp(-lab[:, 0], -lightness, np.arange(1.0, 1 + len(MONK))))
