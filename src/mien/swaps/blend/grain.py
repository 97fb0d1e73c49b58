"""Sharpness and noise of one face brought to those of the picture that it is laid into.

How blurred a picture is, its strongest edges tell, by how much a further blur lowers them (Zhuo, Sim, *Defocus map
estimation from a single image*, Pattern Recognition 2011). Noise is what is left at fine scales where nothing else is.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from mien.swaps.blend.facemask import window_of

__all__ = ["GrainGap", "grain_gap", "match_grain"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

MOST = 12000  # of them that are counted
LEAST = 400  # pixels that must count
LOOKED_AT = 200  # pixels of the middle of a face that are measured, at most
NEAR, FAR = 0.8, 2.0  # sigmas, in pixels, of the two blurs that edges are compared under
EDGES = 0.99  # quantile of the gradient above which there are edges
QUIET = 0.25  # of the places, by their roughness: those that noise is measured in
LOCAL = 7  # pixels over which it is
SAME = 0.3  # pixels: blurs that differ by less (as the root of the difference of squares) are not told apart
SOFTEST = 8.0  # pixels: the widest blur that is given
SHARPENED = 0.6  # pixels of blur that are taken away, at most: more would show its traces
NOISIEST = 30.0  # levels
FAINTEST = 0.1  # levels: nobody sees that
TILE = 512  # pixels of noise that are drawn; beyond, it repeats


def match_grain(front: Floats, back: Floats, weight: Floats, *, seed: int = 0) -> Floats:
    """Give a face the sharpness and the noise of another.

    Parameters
    ----------
    front, back : (h, w, 3) float32
        0 to 255; laid over each other.
    weight : (h, w) float32
        Where both are face, in [0, 1]; eyes, brows and lips as well: their edges tell how sharp it is.
    seed : int
        Of the noise: another one for each frame of a video.

    Returns
    -------
    (h, w, 3) float32
        `front` itself where there is too little face to compare. A front that is softer than the back is sharpened only
        a little: detail that is not there cannot be given.
    """
    gap = grain_gap(front, back, weight)
    return front if gap is None else gap.closed(front, weight, seed=seed)


@dataclass(frozen=True, eq=False)
class GrainGap:
    """What one face lacks of another's sharpness and noise: of a video, the same for many frames.

    Attributes
    ----------
    blur : float
        Sigma in pixels that is added; below 0, taken away.
    noise : (2, 3, 3) float64
        Covariances of the colours that are missing, at two scales.
    """

    blur: float
    noise: Doubles

    def closed(self, front: Floats, weight: Floats, *, seed: int = 0) -> Floats:
        """A face (h, w, 3) with it, where `weight` is above 0; see `match_grain`."""
        window = window_of(weight)
        if window is None:
            return front
        out = front.copy()
        part = out[window]
        _blur(part, self.blur)
        part += _noise(self.noise, part.shape[:2], seed)
        return out


def grain_gap(front: Floats, back: Floats, weight: Floats) -> GrainGap | None:
    """What `front` lacks of the sharpness and noise of `back`; None where there is too little face to compare.

    Parameters are those of `match_grain`.
    """
    window = window_of(weight)
    if window is None:
        return None
    sure = weight[window] > 0.5
    if np.count_nonzero(sure) < LEAST:
        return None
    middle = tuple(_middle(part, LOOKED_AT) for part in window)
    looked = sure[tuple(slice(m.start - w.start, m.stop - w.start) for m, w in zip(middle, window, strict=True))]
    want, have = (_measure(one[middle], looked) for one in (back, front))
    if want is None or have is None:
        return None
    blur = want.blur**2 - have.blur**2
    if abs(blur) <= SAME**2:
        return GrainGap(0.0, want.noise - have.noise)
    sigma = float(min(np.sqrt(blur), SOFTEST) if blur > 0 else -min(np.sqrt(-blur), SHARPENED))
    part = front[middle].copy()
    _blur(part, sigma)
    have = _measure(part, looked) or have
    return GrainGap(sigma, want.noise - have.noise)


def _blur(image: Floats, sigma: float) -> None:
    """Blur a picture in place; below 0, sharpen it."""
    import cv2

    if sigma > 0:
        image[...] = cv2.GaussianBlur(image, (0, 0), sigma)
    elif sigma < 0:
        image += image - cv2.GaussianBlur(image, (0, 0), -sigma)


@dataclass(frozen=True, eq=False)
class _Measure:
    """How sharp and how noisy a face is."""

    blur: float  # sigma of its edges, in pixels
    noise: Doubles  # (2, 3, 3): covariance of the colours at two scales


def _middle(part: slice, most: int) -> slice:
    spare = max(part.stop - part.start - most, 0)
    return slice(part.start + spare // 2, part.stop - (spare + 1) // 2)


def _measure(image: Floats, sure: NDArray[np.bool_]) -> _Measure | None:
    import cv2

    near, far = (np.asarray(cv2.GaussianBlur(image, (0, 0), sigma), np.float32) for sigma in (NEAR, FAR))
    greys = [_grey(one) for one in (near, far)]
    slopes = [_slope(one) for one in greys]
    places = np.flatnonzero(sure)
    if len(places) < LEAST:
        return None
    places = places[:: len(places) // MOST + 1]
    fine, coarse = (one.ravel()[places] for one in slopes)
    edges = coarse >= np.quantile(coarse, EDGES)
    ratio = float(np.median(fine[edges] / np.maximum(coarse[edges], 1e-6)))
    # An edge of blur s is, under a blur of t, as steep as 1 / sqrt(s² + t²).
    square = (FAR**2 - ratio**2 * NEAR**2) / max(ratio**2 - 1, 1e-3)
    # The quietest places: what is there is noise, while skin, stubble and folds are anywhere else.
    power = cv2.boxFilter(_grey(image) - greys[0], cv2.CV_32F, (LOCAL, LOCAL), normalize=True)
    rough = cv2.sqrBoxFilter(_grey(image) - greys[0], cv2.CV_32F, (LOCAL, LOCAL), normalize=True) - power * power
    local = rough.ravel()[places]
    flat = places[local <= np.quantile(local, QUIET)]
    colours = [one.reshape(-1, 3)[flat] for one in (np.ascontiguousarray(image), near, far)]
    noise = np.stack([_covariance(one - other) for one, other in pairwise(colours)])
    return _Measure(float(np.sqrt(np.clip(square, 0, SOFTEST**2))), noise)


def _grey(image: Floats) -> Floats:
    import cv2

    return np.asarray(cv2.cvtColor(np.ascontiguousarray(image), cv2.COLOR_RGB2GRAY), np.float32)


def _slope(grey: Floats) -> Floats:
    import cv2

    x, y = (cv2.Sobel(grey, cv2.CV_32F, *step, ksize=1) for step in ((1, 0), (0, 1)))
    return np.asarray(cv2.magnitude(x, y), np.float32)


def _covariance(values: Floats) -> Doubles:
    """Covariance (3, 3) of colours (P, 3), of which a tenth are outliers."""
    power = (values * values).sum(axis=1)
    kept = values[power <= np.quantile(power, 0.9)].astype(np.float64)
    return np.asarray(kept.T @ kept / len(kept) * 1.3)  # of a normal distribution, those nine tenths have so much less


@cache
def _grains() -> tuple[Floats, Doubles]:
    """Noise of two grain sizes (2, TILE, TILE, 3), of variance 1; and the variance that each has at the two scales."""
    import cv2

    white = np.random.default_rng(0).standard_normal((TILE, TILE, 3), np.float32)
    soft = cv2.GaussianBlur(white, (0, 0), 1.0)
    tiles = [white, soft / soft.std()]
    power = []
    for tile in tiles:
        near, far = (cv2.GaussianBlur(tile, (0, 0), sigma) for sigma in (NEAR, FAR))
        power.append([float((tile - near).var()), float((near - far).var())])
    return np.stack(tiles).astype(np.float32), np.array(power).T


def _noise(missing: Doubles, shape: tuple[int, ...], seed: int) -> Floats:
    """Noise (h, w, 3) whose covariances at the two scales are those that are missing, or nearly."""
    import cv2

    tiles, power = _grains()
    out = np.zeros((*shape, 3), np.float32)
    more = max(shape[0] - TILE, 0), max(shape[1] - TILE, 0)
    places = [max(TILE - side, 0) + 1 for side in shape]
    top, left = (int(place) for place in np.random.default_rng(seed).integers(0, places))
    for tile, shares in zip(tiles, np.linalg.inv(power), strict=True):
        root = _root(np.tensordot(shares, missing, 1))
        if np.abs(root).max() > FAINTEST:
            part = np.ascontiguousarray(tile[top : top + shape[0], left : left + shape[1]])
            coloured = cv2.transform(part, root)
            out += cv2.copyMakeBorder(coloured, 0, more[0], 0, more[1], cv2.BORDER_WRAP) if any(more) else coloured
    return out


def _root(covariance: Doubles) -> Doubles:
    """A symmetric root of what of a covariance is above 0."""
    values, vectors = np.linalg.eigh(covariance)
    return np.asarray((vectors * np.sqrt(values.clip(0, NOISIEST**2))) @ vectors.T)
