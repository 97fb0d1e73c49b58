"""At which sizes a picture is shown to a detector's network.

A network trained on photos of many people finds faces of about 16 to 320 of its own pixels; a portrait shows larger
ones, a stadium smaller ones. So a picture is looked at more than once, and the detector's card says how::

    [params]
    looks = [
        { side = 160, faces = [64, 10000] },                 # from afar: faces that fill the picture
        { side = 640, faces = [0, 320] },                    # the main look
        { side = 1280, faces = [0, 320], when_below = 32 },  # closer, where that may find more
    ]

The looks share the work (`faces`), since the same face found at two sizes gets two boxes of unequal precision.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import CardError
from mien.core.image import Image
from mien.core.warping import resize
from mien.models.card import ImageInput

__all__ = ["Fit", "Look"]

# Small pictures are enlarged, but not beyond this: it adds no detail, only pixels to compute. For the same reason one
# that nearly fills the look is not.
_ENLARGE = 2.0
_LARGE_ENOUGH = 0.8
# Parts of a look's side that the sides of the input are; 3/5 holds the 9/16 of films, which are looked at the most.
_PARTS = (1 / 4, 1 / 2, 3 / 5, 3 / 4, 1)


@dataclass(frozen=True, kw_only=True)
class Fit:
    """How one picture stands in the network's input: top left, with zeros right and below.

    Attributes
    ----------
    content : (height, width)
        Of the picture in the input, in pixels of the network.
    canvas : (height, width)
        Of the whole input.
    scale : (x, y)
        Pixels of the network per pixel of the picture.
    """

    content: tuple[int, int]
    canvas: tuple[int, int]
    scale: tuple[float, float]

    def draw(self, image: Image, canvas: NDArray[np.uint8]) -> None:
        """Put the picture into an empty canvas."""
        height, width = self.content
        canvas[:height, :width] = resize(image, self.content)


@dataclass(frozen=True, kw_only=True)
class Look:
    """One size at which pictures are shown.

    Attributes
    ----------
    side : int
        Length of the picture's long side, in pixels of the network.
    faces : (low, high)
        Widths of the faces that are taken from this look, in pixels of the network.
    when_below : float
        0: always look. Else a closer look at large pictures, taken where the look before found no face or one narrower
        than this (in pixels of that look): then there may be others that were too small for it.
    """

    side: int
    faces: tuple[float, float] = (0.0, math.inf)
    when_below: float = 0.0

    @classmethod
    def from_card(cls, entry: Mapping[str, Any], card: str) -> Look:
        """Read one entry of a card's list.

        Raises
        ------
        CardError
            A key that is missing, unknown or of the wrong kind.
        """
        try:
            low, high = entry.get("faces", (0.0, math.inf))
            look = cls(**{**entry, "side": int(entry["side"]), "faces": (float(low), float(high))})
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise CardError(f"the card of {card}: params.looks: {entry!r} is not a look ({error}).") from error
        if look.side < 1:
            raise CardError(f"the card of {card}: params.looks: a side of {look.side} pixels is none.")
        return look

    def fit(self, image: Image, spec: ImageInput) -> Fit:
        """Place a picture in the network's input.

        Any size could be had from a network that takes any, but each one is compiled and takes memory. So the input's
        sides are one of a few parts of the look's: photos of usual proportions share a few sizes, and go through the
        network together. A picture that is not enlarged to the look's side gets parts of what is just large enough.
        """
        height, width = image.shape[:2]
        enough = self.side if self.when_below else _LARGE_ENOUGH * self.side
        enlarge = 1.0 if self.when_below or max(height, width) >= enough else _ENLARGE
        scale = min(self.side / max(height, width), enlarge)
        if spec.size is not None:
            scale = min(scale, spec.size[0] / height, spec.size[1] / width)
        content = max(1, round(height * scale)), max(1, round(width * scale))
        whole = enough if max(content) <= enough else self.side
        canvas = spec.size or (_canvas(content[0], whole, spec.multiple), _canvas(content[1], whole, spec.multiple))
        return Fit(content=content, canvas=canvas, scale=(content[1] / width, content[0] / height))


def _canvas(content: int, whole: float, multiple: int) -> int:
    """The side of an input that holds so many pixels: a part of the look's, in whole multiples."""
    # 3/5 of 640 is not exactly 384 in binary.
    side = next((math.ceil(round(part * whole, 6)) for part in _PARTS if round(part * whole, 6) >= content), content)
    return math.ceil(side / multiple) * multiple
