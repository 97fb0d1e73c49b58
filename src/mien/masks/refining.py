"""From a small alpha to the picture's own, and the colours of what is in front.

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

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch
from mien.core.image import Image
from mien.core.region import Region

__all__ = ["foreground", "refine", "shrink"]

Floats = NDArray[np.float32]

RADIUS = 3  # pixels of the small picture around each that share its coefficients
SMOOTHNESS = 1e-4  # variance of colours, in parts of white, below which nothing is taken for an edge
SOLID = 1 / 255  # an alpha nearer than this to 0 or 1 is taken for that
STRIP = 1 << 18  # pixels computed at once: so large pictures take little more memory than small ones
WIDEST = 1 << 14  # pixels of a side at once: OpenCV samples no picture that is twice as long
COLOR_SIDE = 512  # colours are spread on a picture of as many pixels as a square of this side
REACHES = (0.09, 0.03, 0.01)  # how far colours are gathered from, coarse to fine, in parts of that side


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
        If `alpha` is no such array, or `image` no such picture.
    """
    import cv2

    if alpha.ndim != 2 or not alpha.size:
        raise ShapeMismatch(f"a small alpha is (h, w) floats, not {alpha.shape}.")
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8 or not image.size:
        raise ShapeMismatch(f"a picture is (H, W, 3) bytes, not {image.shape} {image.dtype}.")
    height, width = image.shape[:2]
    solid = np.where(alpha < SOLID, 0, np.where(alpha > 1 - SOLID, 1, alpha)).astype(np.float32)
    values = solid * np.float32(255)
    levels = np.asarray(cv2.resize(values.astype(np.uint8), (width, height), interpolation=cv2.INTER_NEAREST), np.uint8)
    if radius:
        values = _coefficients(solid, shrink(image, (alpha.shape[1], alpha.shape[0])), radius, smoothness)
    for x1, y1, x2, y2 in _mixed_boxes(solid, 2 * radius + 1, (width, height)):
        large = _enlarged(values, (width, height), (x1, y1, x2, y2))
        if radius:  # slopes times colours, and the offset times 1
            colors = cv2.cvtColor(image[y1:y2, x1:x2], cv2.COLOR_RGB2RGBA)
            colors[..., 3] = 1
            terms = cv2.multiply(colors, large, dtype=cv2.CV_32F)
            large = np.asarray(cv2.transform(terms, np.ones((1, 4))), np.float32).reshape(y2 - y1, x2 - x1)
        levels[y1:y2, x1:x2] = np.rint(np.clip(large, 0, 255, out=large), out=large)
    return Region.from_mask(levels)


def foreground(image: Image, alpha: Region) -> Image:
    """The colours of what is in front, without those of what shines through it.

    Both are averages of the pixels around, weighted by how much of either they are, from coarse to fine on a small
    picture (blur fusion); then what is in front takes all that they do not explain of the pixel's own colour.

    Parameters
    ----------
    image : (H, W, 3) uint8
    alpha : Region
        How much of each pixel is in front.

    Returns
    -------
    (H, W, 3) uint8
        The picture, with other colours where `alpha` is neither nothing nor all.

    Raises
    ------
    ShapeMismatch
        If the region is of another picture.
    """
    height, width = image.shape[:2]
    if alpha.size != (width, height):
        raise ShapeMismatch(f"this alpha is of a picture of {alpha.size} pixels, not of {(width, height)}.")
    levels = alpha.to_levels()
    result = image.copy()
    if not ((levels > 0) & (levels < 255)).any():
        return result
    near, far = _colors(image, levels)
    for y1, y2 in _strips(width, height):
        strip = levels[y1:y2]
        rows, columns = np.nonzero((strip > 0) & (strip < 255))
        share = strip[rows, columns][:, None] / np.float32(255)
        front, back = (_at(colors, (width, height), columns, rows + y1) for colors in (near, far))
        rest = image[y1 + rows, columns] - share * front - (1 - share) * back
        result[y1 + rows, columns] = np.rint(np.clip(front + share * rest, 0, 255))
    return result


def shrink(image: Image, size: tuple[int, int]) -> Image:
    """A picture at another size (width, height); made smaller, it averages: in whole pixels first, which is fast."""
    import cv2

    (height, width), (w, h) = image.shape[:2], size
    factor = max(min(width // w, height // h), 1)
    across, down = (max(factor, -(-side // WIDEST)) for side in (width, height))
    if across > 1 or down > 1:
        whole = image[: height // down * down, : width // across * across]
        image = np.asarray(cv2.resize(whole, (width // across, height // down), interpolation=cv2.INTER_AREA), np.uint8)
    steps = width / (w * across), height / (h * down)
    return np.asarray(_sampled(image, steps, size, (0, 0)), np.uint8)


def _strips(width: int, height: int) -> Iterator[tuple[int, int]]:
    """First row and end of parts of a picture that are computed one after the other."""
    rows = max(STRIP // width, 1)
    for y in range(0, height, rows):
        yield y, min(y + rows, height)


def _mixed_boxes(alpha: Floats, reach: int, size: tuple[int, int]) -> Iterator[tuple[int, int, int, int]]:
    """Parts of a picture of a `size` (width, height): beyond them alpha, which is small, is all or nothing.

    So it is there as far as `reach` pixels of the small picture around.
    """
    import cv2

    (height, width), square = alpha.shape, np.ones((2 * reach + 1, 2 * reach + 1), np.uint8)
    mixed = np.asarray(cv2.dilate(alpha, square)) != np.asarray(cv2.erode(alpha, square))
    mixed |= (alpha > 0) & (alpha < 1)
    for y1, y2 in _strips(*size):
        rows = mixed[y1 * height // size[1] : -(-y2 * height // size[1])]
        columns = np.flatnonzero(rows.any(axis=0))
        if columns.size:
            first, end = int(columns[0]) * size[0] // width, -(-(int(columns[-1]) + 1) * size[0] // width)
            for x in range(first, end, WIDEST):
                yield x, y1, min(x + WIDEST, end), y2


def _enlarged(values: Floats, size: tuple[int, int], box: tuple[int, int, int, int]) -> Floats:
    """A part (x1, y1, x2, y2) of a small array (h, w, ...) that is enlarged to a `size` (width, height)."""
    (x1, y1, x2, y2), steps = box, (values.shape[1] / size[0], values.shape[0] / size[1])
    return np.asarray(_sampled(values, steps, (x2 - x1, y2 - y1), (x1, y1)), np.float32)


def _at(values: Floats, size: tuple[int, int], x: NDArray[np.intp], y: NDArray[np.intp]) -> Floats:
    """A small array (h, w, C) that is enlarged to a `size` (width, height): some of its pixels, (N, C)."""
    import cv2

    if not len(x):
        return np.zeros((0, values.shape[2]), np.float32)
    # As rows of a picture, since one side of it may not be as long as there can be pixels.
    shape = -(-len(x) // 1024), 1024
    maps = (
        np.resize((place + np.float32(0.5)) * np.float32(few / many) - np.float32(0.5), shape).astype(np.float32)
        for place, few, many in zip((x, y), values.shape[1::-1], size, strict=True)
    )
    found = cv2.remap(values, *maps, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)  # type: ignore[call-overload]
    return np.asarray(found, np.float32).reshape(-1, values.shape[2])[: len(x)]


def _sampled(
    values: NDArray[Any], steps: tuple[float, float], size: tuple[int, int], origin: tuple[int, int]
) -> object:
    """An array at other pixels, from `origin` on, `steps` of its own apart; linear in between, its border goes on."""
    import cv2

    left, top = ((first + 0.5) * step - 0.5 for first, step in zip(origin, steps, strict=True))
    matrix = np.array([[steps[0], 0, left], [0, steps[1], top]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(values, matrix, size, flags=flags, borderMode=cv2.BORDER_REPLICATE)


def _coefficients(alpha: Floats, small: Image, radius: int, smoothness: float) -> Floats:
    """Alpha times 255 as a linear function of the colours around (0 to 255): three slopes and an offset, (h, w, 4)."""
    import cv2

    size = (2 * radius + 1, 2 * radius + 1)

    def mean(values: Floats) -> Floats:
        return np.asarray(cv2.blur(values, size, borderType=cv2.BORDER_REPLICATE), np.float32)

    r, g, b = (np.asarray(plane, np.float32) / np.float32(255) for plane in cv2.split(small))
    mr, mg, mb, level = mean(r), mean(g), mean(b), mean(alpha)
    # Covariances of the colours with alpha, and with each other.
    ar, ag, ab = mean(r * alpha) - mr * level, mean(g * alpha) - mg * level, mean(b * alpha) - mb * level
    rr, gg, bb = (mean(x * x) - m * m + np.float32(smoothness) for x, m in ((r, mr), (g, mg), (b, mb)))
    rg, rb, gb = mean(r * g) - mr * mg, mean(r * b) - mr * mb, mean(g * b) - mg * mb
    # The adjugate of their symmetric matrix, written out: its inverse times the determinant.
    i00, i01, i02 = gg * bb - gb * gb, gb * rb - rg * bb, rg * gb - gg * rb
    i11, i12, i22 = rr * bb - rb * rb, rb * rg - rr * gb, rr * gg - rg * rg
    scale = 1 / (rr * i00 + rg * i01 + rb * i02)
    red = (i00 * ar + i01 * ag + i02 * ab) * scale
    green = (i01 * ar + i11 * ag + i12 * ab) * scale
    blue = (i02 * ar + i12 * ag + i22 * ab) * scale
    offset = (level - red * mr - green * mg - blue * mb) * np.float32(255)
    return mean(np.dstack([red, green, blue, offset]))


def _colors(image: Image, levels: NDArray[np.uint8]) -> tuple[Floats, Floats]:
    """The average colours in front and behind, small: (h, w, 3) each."""
    import cv2

    height, width = levels.shape
    scale = min(COLOR_SIDE / math.sqrt(width * height), 1)
    size = min(max(round(width * scale), 1), WIDEST), min(max(round(height * scale), 1), WIDEST)
    small = shrink(image, size).astype(np.float32)
    share = np.asarray(
        cv2.merge([shrink(levels, size).astype(np.float32) / np.float32(255)] * 3)
    )  # faster than (h, w, 1)
    rest = 1 - share
    near = far = front = small
    for reach in REACHES:
        side = 2 * round(reach * math.sqrt(size[0] * size[1]) / 2) + 1
        total = np.asarray(cv2.blur(share, (side, side)), np.float32)
        near = np.asarray(cv2.blur(front * share, (side, side))) / (total + np.float32(1e-5))
        far = np.asarray(cv2.blur(far * rest, (side, side))) / (1 - total + np.float32(1e-5))
        front = np.clip(near + share * (small - share * near - rest * far), 0, 255)
    return near, far
