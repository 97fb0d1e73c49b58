"""Where in a face and around it noise and colour are out of line: what a person should look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.features.genuine.cues import noise_map
from mien.features.genuine.window import Window

__all__ = ["Heat", "heat_of"]

Floats = NDArray[np.float32]

REACH, FADES = 1.15, 0.9  # radii of the outline: farther out nothing is told, and from where on less
ODD = 3.0  # deviations that are half hot
EVEN = 0.1  # of a colour's logarithm: how much it varies over skin in even light
SPREAD = 2.0  # deviations of a colour over the skin that count as much
PAINT = 0.65  # of the colour, where a place is hottest


@dataclass(frozen=True, eq=False)
class Heat:
    """How odd each place of a window is, in its picture.

    Attributes
    ----------
    values : (h, w) float32
        In [0, 1].
    box : (x1, y1, x2, y2)
        Where they lie in the picture, in whole pixels.
    """

    values: Floats
    box: tuple[int, int, int, int]

    def whole(self, size: tuple[int, int]) -> Floats:
        """As a map of the whole picture (height, width), 0 elsewhere."""
        import cv2

        x1, y1, x2, y2 = self.box
        full = np.zeros(size, np.float32)
        full[y1:y2, x1:x2] = cv2.resize(self.values, (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
        return full

    def draw(self, image: Image) -> Image:
        """A copy of the picture with the map over it, from clear to red."""
        level = self.whole((image.shape[0], image.shape[1]))[..., None]
        color = np.concatenate([np.full_like(level, 255), 220 * (1 - level), np.zeros_like(level)], axis=2)
        share = PAINT * level
        return np.asarray(np.rint(image * (1 - share) + color * share), np.uint8)


def heat_of(window: Window) -> Heat:
    """The map of a window: noise that its texture does not explain, and lines at which noise or colour changes."""
    import cv2

    wide = max(window.extent / 25, 1.5)
    apart = np.nan_to_num(noise_map(window))
    smooth = cv2.GaussianBlur(apart, (0, 0), wide)
    strange = np.abs(smooth) / ODD
    for values, scale in ((smooth, 1.0), *((c, _usual(c[window.face])) for c in window.chroma)):
        soft = cv2.GaussianBlur(values / np.float32(scale), (0, 0), wide / 2)
        slope = cv2.magnitude(cv2.Sobel(soft, cv2.CV_32F, 1, 0), cv2.Sobel(soft, cv2.CV_32F, 0, 1)) * wide / 8
        # The outline itself and the features are edges of every face.
        strange = strange + np.where(window.features | (window.radius > FADES), 0, slope) / ODD
    fade = np.clip((REACH - window.radius) / (REACH - FADES), 0, 1)
    hot = strange**2 / (1 + strange**2) * fade
    height, width = window.image.shape[:2]
    x, y = window.corner
    box = (x, y, x + round(width / window.scale), y + round(height / window.scale))
    return Heat(np.asarray(hot, np.float32), box)


def _usual(values: Floats) -> float:
    """How much a colour varies over the skin (N,), and at least `EVEN`: dark skin has more of highlights and shades."""
    spread = np.median(np.abs(values - np.median(values))) * 1.4826 if len(values) else 0.0
    return max(EVEN, SPREAD * float(spread))
