"""A changed face laid into a picture so that no seam shows: by bands of detail, or by its gradients.

Both give back the picture to the bit wherever the alpha is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["gradient", "multiband"]

Floats = NDArray[np.float32]
LEVELS = 5  # of a pyramid, at most
SMALLEST = 8  # pixels that its last level has at least
ENTRY = 0.15  # alpha below which what the coarse bands give fades out, so that there is no step at 0


def multiband(front: Floats, back: Floats, alpha: Floats, *, levels: int = LEVELS) -> Floats:
    """Blend by bands: fine detail over a short way, broad differences over a long one.

    As in Burt and Adelson, *A multiresolution spline with application to image mosaics* (ACM TOG 1983), of the
    difference of both pictures, which is the same and half the work.

    Parameters
    ----------
    front, back : (h, w, 3) float32
        0 to 255. What the front is where alpha is 0 does not matter.
    alpha : (h, w) float32
        In [0, 1].
    levels : int
        Bands; more of them take broad differences over a longer way.

    Returns
    -------
    (h, w, 3) float32
        `back` to the bit where alpha is 0.
    """
    import cv2

    known = (alpha > 0).astype(np.float32)
    difference = (front - back) * known[..., None]
    pyramid = [(difference, alpha, known)]
    while len(pyramid) <= levels and min(pyramid[-1][1].shape) >= 2 * SMALLEST:
        d, a, k = (np.asarray(cv2.pyrDown(one), np.float32) for one in pyramid[-1])
        pyramid.append((d, a, k))
    # Beyond the front, the difference is what it is nearby.
    means = [d / np.maximum(k, 1e-3)[..., None] for d, _, k in pyramid]
    out = means[-1] * pyramid[-1][1][..., None]
    for fine, coarse, (_, a, _) in zip(means[-2::-1], means[:0:-1], pyramid[-2::-1], strict=True):
        size = fine.shape[1::-1]
        out = cv2.pyrUp(out, dstsize=size) + (fine - cv2.pyrUp(coarse, dstsize=size)) * a[..., None]
    entry = np.minimum(alpha * np.float32(1 / ENTRY), 1)[..., None]
    return np.where(alpha[..., None] > 0, back + entry * out, back).astype(np.float32)


def gradient(front: Floats, back: Floats, alpha: Floats) -> Floats:
    """Keep the front's gradients, and meet the back at its edge.

    The membrane of Pérez, Gangnet, Blake, *Poisson image editing* (SIGGRAPH 2003), solved from coarse to fine.

    Parameters
    ----------
    front, back : (h, w, 3) float32
        0 to 255.
    alpha : (h, w) float32
        In [0, 1]; the difference of both where it fades is what is spread over all of it.

    Returns
    -------
    (h, w, 3) float32
        `back` to the bit where alpha is 0.
    """
    inside = (alpha > 0).astype(np.float32)
    rim = alpha * (1 - alpha) * 4
    membrane = _spread((back - front) * rim[..., None], rim.astype(np.float32))
    mixed = back + alpha[..., None] * (front + membrane - back)
    return np.where(inside[..., None] > 0, mixed, back).astype(np.float32)


def _spread(weighted: Floats, known: Floats) -> Floats:
    """Values that are multiplied by how well they are known, made whole: halved until all is known."""
    import cv2

    height, width = known.shape
    if min(height, width) <= 4:
        return np.asarray(weighted + (weighted.sum(axis=(0, 1)) / max(float(known.sum()), 1e-6) - weighted), np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse = np.asarray(cv2.resize(known, half, interpolation=cv2.INTER_AREA), np.float32)
    fine = np.asarray(cv2.resize(weighted, half, interpolation=cv2.INTER_AREA), np.float32)
    more = (np.minimum(4 * coarse, 1) / np.maximum(coarse, 1e-6)).astype(np.float32)
    below = _spread(fine * more[..., None], coarse * more)
    up = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(weighted + (1 - known)[..., None] * up, np.float32)
