"""From a small alpha to the picture's own: the guided filter, and the colours of what is in front.

A network sees people in a few hundred pixels a side. The guided filter carries its alpha to the picture's resolution:
near each place alpha is a linear function of the picture's colour, whose coefficients are found on the small picture
and enlarged. And where a pixel shows both hair and what is behind it, its colour is no colour of either: what is in
front has to be estimated before it can be put before something else.

References
----------
He, Sun & Tang, *Guided Image Filtering*, TPAMI 2013; He & Sun, *Fast Guided Filter*, 2015 (arXiv:1505.00996).
Forte, *Approximate Fast Foreground Colour Estimation*, ICIP 2021.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch
from mien.core.image import Image
from mien.core.region import Region

__all__ = ["foreground", "refine"]

Floats = NDArray[np.float32]

RADIUS = 2  # pixels of the small picture around each that share its coefficients
SMOOTHNESS = 1e-3  # variance of colours, in parts of white, below which nothing is taken for an edge
TILE = 256  # pixels a side of what is computed at once: bounds the memory, and leaves out what is plain
SOLID = 1 / 255  # an alpha nearer than this to 0 or 1 is taken for that


def refine(alpha: Floats, image: Image, *, radius: int = RADIUS, smoothness: float = SMOOTHNESS) -> Region:
    """Enlarge a small alpha to its picture, along the picture's edges.

    Parameters
    ----------
    alpha : (h, w) float32
        Of the whole picture, in [0, 1].
    image : (H, W, 3) uint8
        The picture.
    radius : int
        How far, in pixels of the small alpha, a place is explained together with its surroundings; 0 enlarges without
        a look at the picture.
    smoothness : float
        Variance of colours, in parts of white, up to which differences are noise.

    Returns
    -------
    Region
        Of the picture's size.

    Raises
    ------
    ShapeMismatch
        If `alpha` is no such array.
    """
    if alpha.ndim != 2 or not alpha.size:
        raise ShapeMismatch(f"a small alpha is (h, w) floats, not {alpha.shape}.")
    height, width = image.shape[:2]
    slopes = _coefficients(alpha, image, radius, smoothness) if radius else alpha[..., None]
    levels = np.zeros((height, width), np.uint8)
    for x1, y1, x2, y2 in _tiles(width, height):
        small = _window(slopes, (x1, y1, x2, y2), (width, height))
        tile = levels[y1:y2, x1:x2]
        if small.shape[2] == 1:
            np.rint(np.clip(small[..., 0], 0, 1) * 255, out=tile, casting="unsafe")
            continue
        values = small[..., 3] + (image[y1:y2, x1:x2] * small[..., :3]).sum(axis=2)
        np.rint(np.clip(values, 0, 1) * 255, out=tile, casting="unsafe")
    return Region.from_mask(levels)


def foreground(image: Image, alpha: Region) -> Image:
    """The colours of what is in front: those of the picture where it is all there is to see.

    Parameters
    ----------
    image : (H, W, 3) uint8
    alpha : Region
        How much of each pixel is in front.

    Returns
    -------
    (H, W, 3) uint8
    """
    import cv2

    levels = alpha.to_levels()
    colors = image.copy()
    share = (levels.astype(np.float32) / 255)[..., None]
    picture = image.astype(np.float32)
    front, back = picture, picture
    for size in (90, 6):
        kernel = (size, size)
        weight = cv2.blur(share, kernel)[..., None]
        near = cv2.blur(front * share, kernel) / (weight + 1e-5)
        far = cv2.blur(back * (1 - share), kernel) / (1 - weight + 1e-5)
        front = np.clip(near + share * (picture - share * near - (1 - share) * far), 0, 255)
        back = far
    colors[:] = np.where((levels > 0)[..., None] & (levels < 255)[..., None], front, picture)
    return colors


def _tiles(width: int, height: int) -> Iterator[tuple[int, int, int, int]]:
    """Windows x1, y1, x2, y2 that cover a picture."""
    for y in range(0, height, TILE):
        for x in range(0, width, TILE):
            yield x, y, min(x + TILE, width), min(y + TILE, height)


def _coefficients(alpha: Floats, image: Image, radius: int, smoothness: float) -> Floats:
    """Slopes by red, green and blue, and offset, (h, w, 4), of alpha as a linear function of the colour (0 to 255)."""
    import cv2

    size = (2 * radius + 1, 2 * radius + 1)
    small = cv2.resize(image, alpha.shape[::-1], interpolation=cv2.INTER_AREA).astype(np.float32) / 255

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.blur(values, size, borderType=cv2.BORDER_REFLECT_101), np.float32)

    alpha = np.ascontiguousarray(alpha, np.float32)
    average, level = mean(small), mean(alpha)
    covariance = mean(small * alpha[..., None]) - average * level[..., None]
    pairs = [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    products = np.stack([small[..., a] * small[..., b] for a, b in pairs], axis=-1)
    products = np.concatenate(
        [mean(np.ascontiguousarray(products[..., :3])), mean(np.ascontiguousarray(products[..., 3:]))], axis=-1
    )
    rr, rg, rb, gg, gb, bb = (
        products[..., place] - average[..., a] * average[..., b] + (smoothness if a == b else 0)
        for place, (a, b) in enumerate(pairs)
    )
    # The inverse of the symmetric matrix of covariances, written out.
    m00, m01, m02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    m11, m12, m22 = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    determinant = rr * m00 + rg * m01 + rb * m02
    r, g, b = covariance[..., 0], covariance[..., 1], covariance[..., 2]
    slopes = np.stack([m00 * r + m01 * g + m02 * b, m01 * r + m11 * g + m12 * b, m02 * r + m12 * g + m22 * b], axis=-1)
    slopes /= determinant[..., None]
    offset = level - (slopes * average).sum(axis=-1)
    return mean(np.concatenate([slopes / 255, offset[..., None]], axis=-1))


def _window(values: Floats, window: tuple[int, int, int, int], size: tuple[int, int]) -> Floats:
    """The part of a small array (h, w, C) that covers a window of the picture, enlarged to it, (H, W, C)."""
    import cv2

    x1, y1, x2, y2 = window
    fx, fy = values.shape[1] / size[0], values.shape[0] / size[1]
    # Pixel centres: x of the picture is at (x + 0.5) * fx - 0.5 of the small one.
    xs = (np.arange(x1, x2, dtype=np.float32) + 0.5) * fx - 0.5
    ys = (np.arange(y1, y2, dtype=np.float32) + 0.5) * fy - 0.5
    left, top = max(int(np.floor(xs[0])), 0), max(int(np.floor(ys[0])), 0)
    part = values[top : int(np.ceil(ys[-1])) + 2, left : int(np.ceil(xs[-1])) + 2]
    maps = np.meshgrid((xs - left).astype(np.float32), (ys - top).astype(np.float32))
    out = cv2.remap(part, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(out, np.float32).reshape(y2 - y1, x2 - x1, -1)
