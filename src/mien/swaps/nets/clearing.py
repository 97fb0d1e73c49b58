"""What is wrong with a face, and the face drawn anew without it: the heart of a restoration."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.swaps.nets.detail import coarseness, noise
from mien.swaps.nets.enlarging import Enlarger
from mien.swaps.plate import Plate

__all__ = ["Finding", "Original", "clearer", "look"]

Floats = NDArray[np.float32]

#: Noise, in levels of 255, from which on all of it is taken out. Skin itself has 1 to 2.5; a picture without noise
#: loses 2.6 dB that way, and one with 8 levels of it gains 4.6.
NOISY: Final = 2.6
#: Pixels of a face below which its own detail looks like noise, the more the smaller it is.
DENSE: Final = 120.0
#: Pixels of a face below which recognisers may lose by what a network makes of it (docs/restore.md).
TINY: Final = 60.0


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What is wrong with a face.

    Attributes
    ----------
    coarse : int
        How many times larger it is than its detail needs.
    noise : float
        Of the picture at the size that its detail needs, in levels of 255.
    size : float
        Of the face at that size, in pixels.
    """

    coarse: int
    noise: float
    size: float

    @property
    def noisy(self) -> bool:
        """Whether there is more noise than skin has by itself."""
        return self.noise > NOISY * max(DENSE / max(self.size, 1), 1)

    @property
    def tiny(self) -> bool:
        """Whether recognisers may do worse with what a network makes of it."""
        return self.size < TINY


@dataclass(frozen=True, eq=False)
class Original:
    """The picture of which the one that is restored was made, larger.

    Attributes
    ----------
    image : (h, w, 3) uint8
    factor : int
        How many times larger the other one is.
    """

    image: Image
    factor: int


def look(plate: Plate, *, enlarged: int = 1) -> Finding:
    """What is wrong with the face in a plate, of a picture that was drawn `enlarged` times larger."""
    import cv2

    grey = cv2.cvtColor(plate.image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    (x1, y1), (x2, y2) = (edge(plate.points[:, :2], axis=0).astype(int) for edge in (np.min, np.max))
    grey = grey[max(y1, 0) : y2 + 1, max(x1, 0) : x2 + 1]
    if not grey.size:
        return Finding(coarse=enlarged, noise=0.0, size=plate.size)
    coarse = enlarged * coarseness(_smaller(grey, enlarged))
    return Finding(coarse=coarse, noise=noise(_smaller(grey, coarse)), size=plate.size / coarse)


def clearer(net: Enlarger, plate: Plate, found: Finding, original: Original | None = None) -> Floats:
    """A plate drawn anew by a network that enlarges: made as small as its detail, and large again.

    Parameters
    ----------
    net : Enlarger
    plate : Plate
    found : Finding
        Of `look`.
    original : Original, optional
        Whose own pixels are taken where the face's detail is as coarse as they are.

    Returns
    -------
    (h, w, 3) float32
        0 to 255.
    """
    height, width = plate.image.shape[:2]
    if original is not None and found.coarse == original.factor:
        return _from_original(net, plate, original, found)
    small = _smaller(np.asarray(plate.image, np.float32), found.coarse)
    return _sized(_drawn(net, small, found.coarse, found), width, height)


def _from_original(net: Enlarger, plate: Plate, original: Original, found: Finding) -> Floats:
    """The same of a picture that was enlarged, from its own pixels."""
    factor = original.factor
    (rows, columns), (height, width) = plate.window, plate.image.shape[:2]
    y, x = rows.start // factor, columns.start // factor
    part = original.image[y : -(-rows.stop // factor), x : -(-columns.stop // factor)]
    larger = _sized(_drawn(net, part, factor, found), part.shape[1] * factor, part.shape[0] * factor)
    y, x = rows.start - y * factor, columns.start - x * factor
    return larger[y : y + height, x : x + width]


def _drawn(net: Enlarger, image: NDArray[np.generic], factor: int, found: Finding) -> Floats:
    """A picture at `factor` times its size, without the noise; at 1, it is drawn larger as well, and reduced."""
    drawn = net.enlarge(image, net.levels - 1 if found.noisy else 0, reduced=max(net.factor // factor, 1))
    done = net.factor
    while done < factor:
        drawn, done = net.enlarge(drawn), done * net.factor
    return drawn


def _sized(image: Floats, width: int, height: int) -> Floats:
    import cv2

    if image.shape[:2] == (height, width):
        return image
    way = cv2.INTER_AREA if image.shape[0] > height else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(image, (width, height), interpolation=way).clip(0, 255), np.float32)


def _smaller(image: Floats, factor: int) -> Floats:
    import cv2

    if factor == 1:
        return image
    size = max(round(image.shape[1] / factor), 1), max(round(image.shape[0] / factor), 1)
    return np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.float32)
