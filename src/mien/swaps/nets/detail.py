"""How much detail and noise a picture of a face has: what a restoration starts from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST", "coarseness", "noise"]

Floats = NDArray[np.float32]

MOST = 4  # a face is never taken for more than so many times too large
LEAST = 24  # pixels of a side of which bands can be compared

# Strength of a band of detail in that of the next coarser one, below which it is missing. Of sharp faces of 120 to 400
# pixels it is 0.6 to 0.9, with noise and after JPEG at 50 too; of faces that were drawn at 2 or 4 times their size 0.15
# to 0.24 in the band where their detail ends, and the same after a blur as wide.
MISSING = {2: 0.35, 4: 0.3}


def noise(grey: Floats) -> float:
    """Standard deviation of white noise in a picture (h, w), in its levels.

    It is the median absolute difference across the diagonals of 2 x 2 pixels, as in Donoho & Johnstone, *Ideal spatial
    adaptation by wavelet shrinkage*, Biometrika 1994. Skin at full sharpness has 1 to 2.5 of 255 levels by itself.
    """
    height, width = (size // 2 * 2 for size in grey.shape)
    if not height or not width:
        return 0.0
    even = grey[:height, :width]
    diagonal = even[::2, ::2] - even[1::2, ::2] - even[::2, 1::2] + even[1::2, 1::2]
    return float(np.median(np.abs(diagonal)) / 2 / 0.6745)


def coarseness(grey: Floats) -> int:
    """How many times larger a picture of a face (h, w) is than its detail needs: 1, 2 or 4."""
    strengths = _bands(grey)
    for factor in sorted(MISSING, reverse=True):
        place = factor // 2 - 1
        if place + 1 < len(strengths) and strengths[place] < MISSING[factor] * strengths[place + 1]:
            return factor
    return 1


def _bands(grey: Floats) -> list[float]:
    """Root mean square of what each halving takes away, less its noise; from fine to coarse."""
    import cv2

    found: list[float] = []
    while min(grey.shape) >= LEAST and len(found) < 4:
        half = cv2.resize(grey, (grey.shape[1] // 2, grey.shape[0] // 2), interpolation=cv2.INTER_AREA)
        again = cv2.resize(half, grey.shape[::-1], interpolation=cv2.INTER_CUBIC)
        square = float(np.mean((grey - again) ** 2))
        # Three of four parts of white noise are in the band that a halving takes away.
        found.append(max(square - 0.75 * noise(grey) ** 2, 0.01) ** 0.5)
        grey = np.asarray(half, np.float32)
    return found
