"""A changed face laid into a picture so that no seam shows: by bands of detail, or by its gradients.

Both give back the picture to the bit wherever the alpha is 0.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.swaps.blend.facemask import window_of

__all__ = ["gradient", "multiband"]

Floats = NDArray[np.float32]
FARTHEST = 1 / 10  # of the mask's extent: over so long a way the broadest differences are blended
MOST_LEVELS = 8
MARGIN = 0.02  # of the mask's extent around it
ENTRY = 0.6  # alpha below which what the coarse bands give fades out, so that there is no step at 0


def multiband(front: Floats, back: Floats, alpha: Floats, *, levels: int | None = None) -> Floats:
    """Blend by bands: fine detail over a short way, broad differences over a long one.

    As in Burt and Adelson, *A multiresolution spline with application to image mosaics* (ACM TOG 1983), of the
    difference of both pictures, which is the same and half the work.

    Parameters
    ----------
    front, back : (h, w, 3) float32
        0 to 255. What the front is where alpha is 0 does not matter.
    alpha : (h, w) float32
        In [0, 1].
    levels : int, optional
        Bands; more of them take broad differences over a longer way. By default, over a tenth of the mask's extent.

    Returns
    -------
    (h, w, 3) float32
        `back` to the bit where alpha is 0.
    """
    import cv2

    window = window_of(alpha, MARGIN)
    if window is None:
        return back.copy()
    share, under = np.ascontiguousarray(alpha[window]), back[window]
    known = (share > 0).astype(np.float32)
    difference = (front[window] - under) * known[..., None]
    pyramid = [(difference, share, known)]
    for _ in range(_levels(share.shape) if levels is None else levels):
        pyramid.append(tuple(np.asarray(cv2.pyrDown(one), np.float32) for one in pyramid[-1]))  # type: ignore[arg-type]
    # Beyond the front, the difference is what it is nearby.
    means = [difference, *(d / np.maximum(k, 1e-3)[..., None] for d, _, k in pyramid[1:])]
    shares = [share, *(_inwards(a) for _, a, _ in pyramid[1:])]
    more = means[-1] * shares[-1][..., None]
    for fine, coarse, a in zip(means[-2::-1], means[:0:-1], shares[-2::-1], strict=True):
        size = fine.shape[1::-1]
        more = np.asarray(cv2.pyrUp(more, dstsize=size) + (fine - cv2.pyrUp(coarse, dstsize=size)) * a[..., None])
    more *= np.minimum(share * np.float32(1 / ENTRY), known)[..., None]
    out = back.copy()
    np.add(under, more, out=out[window], where=known[..., None] > 0)
    return out


def _inwards(alpha: Floats) -> Floats:
    """The share of a coarse band: 0 from the mask's edge on, so that its difference begins there, and not beyond."""
    t = (2.5 * alpha - 1.5).clip(0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _levels(shape: tuple[int, ...]) -> int:
    return int(np.clip(np.log2(max(min(shape) * FARTHEST, 1)), 0, MOST_LEVELS))


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
