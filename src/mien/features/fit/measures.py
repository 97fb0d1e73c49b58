"""What a crop of a face shows of how it was taken: blur, noise, exposure, contrast, light, traces of compression.

Every function looks at a stack of crops, luma (N, H, W) in 0..255, and gives a number for each in the measure's own
unit; `mien.features.fit.parts` makes scores of them. Weights (N, H, W) say which pixels count.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["blockiness", "blur", "burnt", "crushed", "entropy", "evenness", "leveled", "luma_of", "noise"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_REACH = 4  # pixels to each side that blurring again looks at: 9 in all, as published
_CELL = 8  # of JPEG's grid
_DARK, _BRIGHT = 25, 247  # luma up to which, and from which on, a pixel is crushed or burnt: ISO/IEC 29794-5's
_BINS = 256
_MIDDLE = 128  # mean luma that a face is brought to
_TINY = 1e-6
_FLOOR = 0.3  # grey levels: of smaller steps a ratio says nothing


def luma_of(crops: NDArray[np.uint8]) -> Floats:
    """Luma of ITU-R BT.601 of RGB crops: (N, H, W, 3) to (N, H, W) in 0..255."""
    return np.asarray(crops @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


def leveled(luma: Floats, weights: Floats) -> Floats:
    """Luma multiplied so that the mean of what counts is 128 (N, H, W): what is left is independent of skin and light.

    Skin that reflects less, and less light, both multiply what a camera gives. Black stays black.
    """
    total, sums = (values.sum(axis=(1, 2), dtype=np.float64) for values in (weights, luma * weights))
    gain = _MIDDLE * total / np.maximum(sums, total).clip(_TINY)  # below a mean of 1 there is nothing to bring out
    return np.asarray(luma * gain[:, None, None], np.float32)


def blur(luma: Floats, weights: Floats) -> Doubles:
    """How little changes when the crop is blurred again, from 0 (sharp) to 1: (N,).

    Crété-Roffet, Dolmiere, Ladret, Nicolas, *The Blur Effect: Perception and Estimation with a New No-Reference
    Perceptual Blur Metric*, 2007: neighbours differ by F, and by B after a mean over 9 pixels; what is lost, max(F - B,
    0), is little where the crop was blurred before. The worse of the two directions counts; NaN without any edge.
    """
    found = []
    for axis in (1, 2):
        before = np.abs(np.diff(luma, axis=axis))
        after = np.abs(np.diff(_mean_along(luma, axis), axis=axis))
        inside = np.minimum(*_neighbours(weights, axis))
        every = (before * inside).sum(axis=(1, 2), dtype=np.float64)
        lost = (np.maximum(before - after, 0) * inside).sum(axis=(1, 2), dtype=np.float64)
        found.append(np.divide(every - lost, every, out=np.full(len(luma), np.nan), where=every > _TINY))
    return np.asarray(np.fmax(*found))


def noise(luma: Floats, weights: Floats) -> Doubles:
    """Standard deviation of white noise in grey levels, (N,): NaN where nothing counts.

    Donoho, Johnstone, *Ideal spatial adaptation by wavelet shrinkage*, 1994: the median size of the finest diagonal
    details of Haar's wavelet, divided by 0.6745; edges are few, so that the median does not see them.
    """
    a, b, c, d = (luma[:, y : luma.shape[1] - 1 + y, x : luma.shape[2] - 1 + x] for y in (0, 1) for x in (0, 1))
    details = np.abs(a - b - c + d)[:, ::2, ::2] / 2
    inside = weights[:, 0 : luma.shape[1] - 1 : 2, 0 : luma.shape[2] - 1 : 2] > 0
    middles = [np.median(row[kept]) if kept.any() else np.nan for row, kept in zip(details, inside, strict=True)]
    return np.asarray(middles, np.float64) / 0.6745


def crushed(luma: Floats, weights: Floats) -> Doubles:
    """Part of the pixels that are too dark to show anything, luma 25 or less: (N,)."""
    return _share(luma <= _DARK, weights)


def burnt(luma: Floats, weights: Floats) -> Doubles:
    """Part of the pixels that are too bright to show anything, luma 247 or more: (N,)."""
    return _share(luma >= _BRIGHT, weights)


def entropy(luma: Floats, weights: Floats) -> Doubles:
    """Bits of the histogram of 256 levels, from 0 (one level) to 8: (N,), the dynamic range of ISO/IEC 29794-5."""
    shares = _histogram(luma, weights)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return np.asarray(-(shares * logs).sum(axis=1))


def evenness(luma: Floats, left: Floats, right: Floats) -> Doubles:
    """What the histograms of two sides have in common, from 0 to 1: (N,).

    The illumination uniformity of ISO/IEC 29794-5, but for bins of 8 levels, so that noise does not make sides differ.
    """
    pair = [_histogram(luma, side, bins=_BINS // 8) for side in (left, right)]
    return np.asarray(np.minimum(*pair).sum(axis=1))


def blockiness(luma: Floats) -> Doubles:
    """How much larger steps are at every eighth pixel than elsewhere, as a ratio: about 1 without blocks, (N,).

    As JPEG's blocks of 8 x 8 pixels make them (Wang, Sheikh, Bovik, *No-reference perceptual quality assessment of JPEG
    compressed images*, 2002), but where they begin is not known of a crop: of the eight places the one with the largest
    steps is taken. A picture that was scaled after it was compressed has lost its grid.
    """
    found = []
    for axis in (1, 2):
        # A step is what stands out from the steps beside it: edges and shades of the face itself do not.
        steps = np.abs(np.diff(luma, axis=axis))
        before, here, after = (np.take(steps, range(at, steps.shape[axis] - 2 + at), axis=axis) for at in (0, 1, 2))
        sizes = np.maximum(here - (before + after) / 2, 0).mean(axis=3 - axis, dtype=np.float64)
        whole = sizes.shape[1] // _CELL * _CELL
        places = sizes[:, :whole].reshape(len(luma), -1, _CELL).mean(axis=1)
        top = places.max(axis=1)
        others = (places.sum(axis=1) - top) / (_CELL - 1)
        found.append((top + _FLOOR) / (others + _FLOOR))
    return np.asarray(np.sqrt(found[0] * found[1]))


def _mean_along(luma: Floats, axis: int) -> Floats:
    """Mean of the pixels up to 4 away along an axis; the border is continued."""
    pad = [(0, 0)] * 3
    pad[axis] = (_REACH + 1, _REACH)
    sums = np.cumsum(np.pad(luma, pad, mode="edge"), axis=axis, dtype=np.float64)
    size, window = luma.shape[axis], 2 * _REACH + 1
    ends = (np.take(sums, range(start, start + size), axis=axis) for start in (window, 0))
    return np.asarray(np.subtract(*ends) / window, np.float32)


def _neighbours(values: Floats, axis: int) -> tuple[Floats, Floats]:
    size = values.shape[axis]
    one, other = (np.take(values, range(start, size - 1 + start), axis=axis) for start in (0, 1))
    return one, other


def _share(marked: NDArray[np.bool_], weights: Floats) -> Doubles:
    total = weights.sum(axis=(1, 2), dtype=np.float64)
    part = (marked * weights).sum(axis=(1, 2), dtype=np.float64)
    return np.asarray(np.divide(part, total, out=np.full(len(weights), np.nan), where=total > 0))


def _histogram(luma: Floats, weights: Floats, *, bins: int = _BINS) -> Doubles:
    """Shares of the levels (N, bins); all NaN where nothing counts."""
    count = len(luma)
    levels = (luma * (bins / _BINS)).astype(np.intp).clip(0, bins - 1) + bins * np.arange(count)[:, None, None]
    sums = np.bincount(levels.ravel(), weights.ravel(), count * bins).reshape(count, bins)
    total = sums.sum(axis=1, keepdims=True)
    return np.asarray(np.divide(sums, total, out=np.full_like(sums, np.nan), where=total > 0))
