"""Sharpness and noise of one face brought to those of the picture that it is laid into."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["match_grain"]

Floats = NDArray[np.float32]
LEAST = 200  # pixels that must count
SOFTEST = 6.0  # pixels: the widest blur that is given


def match_grain(front: Floats, back: Floats, weight: Floats, *, seed: int = 0) -> Floats:
    """Give a face the sharpness and the noise of another.

    Parameters
    ----------
    front, back : (h, w, 3) float32
        0 to 255; laid over each other.
    weight : (h, w) float32
        Where both are skin, in [0, 1].
    seed : int
        Of the noise: one for each frame of a video.

    Returns
    -------
    (h, w, 3) float32
        `front` itself where there is too little skin to compare.
    """
    import cv2

    sure = weight > 0.5
    if np.count_nonzero(sure) < LEAST:
        return front
    have, want = (_details(one, sure) for one in (front, back))
    if want[1] < 0.8 * have[1]:
        ratio = max(want[1] / have[1], 0.02)
        sigma = min(float(np.sqrt(-np.log(ratio))), SOFTEST)
        front = np.asarray(cv2.GaussianBlur(front, (0, 0), sigma), np.float32)
        have = _details(front, sure)
    missing = want[0] ** 2 - have[0] ** 2
    if missing <= 0.25:
        return front
    noise = np.random.default_rng(seed).standard_normal(front.shape[:2], np.float32)
    return np.asarray(front + np.float32(np.sqrt(missing)) * noise[..., None], np.float32)


def _details(image: Floats, sure: NDArray[np.bool_]) -> tuple[float, float]:
    """Noise, and detail of a band coarser than it: robust deviations in brightness."""
    import cv2

    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    smooth = cv2.GaussianBlur(grey, (0, 0), 1)
    band = smooth - cv2.GaussianBlur(grey, (0, 0), 2)
    return tuple(float(np.median(np.abs(one[sure]))) / 0.6745 for one in (grey - smooth, band))  # type: ignore[return-value]
