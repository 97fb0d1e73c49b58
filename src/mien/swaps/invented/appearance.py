"""How a face looks in its picture: tone of the skin, side of the light, shade of a beard, and hair.

Small patches of skin at points of the mesh are compared, in Oklab; of the hair, what the parsing says. That is no
pigment and no lamp, only how the picture shows them: a dim picture has darker skin, a tan is a tone, and whoever is
shaved badly has a little beard.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Face
from mien.core.image import Image
from mien.features.shown.crown import CROWN, look
from mien.swaps.blend.oklab import to_oklab

__all__ = ["Appearance", "Hair", "appearance_of", "hair_of"]

Doubles = NDArray[np.float64]

#: Points of the mesh on bare skin; right and left are the subject's.
RIGHT_CHEEK = (50, 101, 36, 205, 187, 123, 117, 118)
LEFT_CHEEK = (280, 330, 266, 425, 411, 352, 346, 347)
FOREHEAD = (151, 9, 108, 337, 69, 299)
NOSE = (195, 5, 4, 6)
#: Points where a beard grows: above the upper lip, on the chin, and along the jaw.
BEARD = (164, 167, 393, 92, 322, 199, 200, 201, 421, 208, 428, 171, 396, 135, 364)
SURE = 0.5  # probability of a cell that is hair
LEAST = 12  # cells of hair that have a colour
LOW, SIDE = 2.0, 2.0  # how far below and beside the eyes hair counts as long, in distances from eyes to mouth
PATCH = 1 / 25  # of the face's width: side of the patch of skin that is averaged at a point


@dataclass(frozen=True, kw_only=True)
class Appearance:
    """How a face looks in its picture; NaN where the face is outside of it.

    Attributes
    ----------
    tone : (3,) float64
        Median colour of the skin, in Oklab.
    light : float
        How much lighter the cheek on the picture's right is, in Oklab's lightness: the light's side.
    beard : float
        How much darker the skin is where a beard grows than on the cheeks, in Oklab's lightness.
    """

    tone: Doubles
    light: float
    beard: float


def appearance_of(image: Image, face: Face) -> Appearance:
    """Read off a face that has ``landmarks``.

    Parameters
    ----------
    image : (H, W, 3) uint8
        Its picture.
    face : Face
    """
    points = np.asarray(face.landmarks.values, np.float64)[:, :2]
    colors = {place: _colors(image, points, place) for place in (RIGHT_CHEEK, LEFT_CHEEK, FOREHEAD, NOSE, BEARD)}
    right, left = (np.nanmedian(colors[place][:, 0]) for place in (RIGHT_CHEEK, LEFT_CHEEK))
    skin = np.concatenate([colors[place] for place in (RIGHT_CHEEK, LEFT_CHEEK, FOREHEAD, NOSE)])
    cheeks = np.concatenate([colors[RIGHT_CHEEK], colors[LEFT_CHEEK]])
    return Appearance(
        tone=np.asarray(np.median(skin, axis=0), np.float64),
        light=float(left - right),
        beard=float(np.median(cheeks[:, 0]) - np.median(colors[BEARD][:, 0])),
    )


@dataclass(frozen=True, kw_only=True)
class Hair:
    """How the hair looks; NaN where there is none.

    Attributes
    ----------
    amount : float
        Share of the head above the eyes, and beside them, that is hair, in [0, 1]: 0 is bald.
    length : float
        The same of what is beside and below the eyes.
    lightness : float
        Median, in Oklab.
    warmth : float
        How far it is from grey to red and yellow, in Oklab.
    """

    amount: float
    length: float
    lightness: float
    warmth: float


def hair_of(image: Image, face: Face) -> Hair:
    """Read off a face that has ``parse`` and ``alignment``.

    Parameters
    ----------
    image : (H, W, 3) uint8
    face : Face
    """
    nothing = Hair(amount=np.nan, length=np.nan, lightness=np.nan, warmth=np.nan)
    points = np.asarray(face.alignment.values, np.float32)
    if np.isnan(face.parse.values).any() or np.isnan(points).any() or "hair" not in face.parse.names:
        return nothing
    head = look(face.parse, points, image)
    hair = head.inside & (head.shares["hair"] > SURE)
    below = (head.above < 0) & (head.above > -LOW) & (head.aside < SIDE) & head.inside
    amount = head.share("hair", CROWN)
    length = float(head.shares["hair"][below].mean()) if below.any() else np.nan
    if hair.sum() < LEAST:
        return Hair(amount=amount, length=length, lightness=np.nan, warmth=np.nan)
    x, y = np.rint(head.points[hair]).astype(int).T
    tints = np.median(to_oklab(image[y, x]), axis=0)
    return Hair(amount=amount, length=length, lightness=float(tints[0]), warmth=float(tints[1] + tints[2]))


def _colors(image: Image, points: Doubles, places: tuple[int, ...]) -> Doubles:
    """Mean colours (P, 3) of patches at points of the mesh, in Oklab; NaN outside of the picture."""
    extent = float(np.ptp(points[:, 0]))
    reach = max(round(extent * PATCH / 2), 0) if np.isfinite(extent) else 0
    height, width = image.shape[:2]
    found = np.full((len(places), 3), np.nan)
    for row, place in enumerate(places):
        if not np.isfinite(points[place]).all():
            continue
        x, y = (round(float(value)) for value in points[place])
        if 0 <= x < width and 0 <= y < height:
            patch = image[max(y - reach, 0) : y + reach + 1, max(x - reach, 0) : x + reach + 1]
            found[row] = patch.reshape(-1, 3).mean(axis=0)
    return _oklab(found)


def _oklab(colors: Doubles) -> Doubles:
    known = np.isfinite(colors).all(axis=1)
    result = np.full(colors.shape, np.nan)
    result[known] = to_oklab(colors[known])
    return result
