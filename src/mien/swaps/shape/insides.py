"""What lies within lids and lips: the head carries it, and lids and lips cover and uncover it.

A lid that comes down covers the iris, which stays as it was; lips that part uncover teeth only where the picture shows
some. So what is inside is drawn by itself, behind the skin.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.core.mesh import warp_mesh

__all__ = ["CLOSED", "LIDS", "LIPS", "draw_insides", "feathered", "gap", "paint_insides"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

LIPS: Final = indices_of("mesh478", "lips_inner")
LIDS: Final = (indices_of("mesh478", "right_eye"), indices_of("mesh478", "left_eye"))
BELOW = slice(11, 20)  # of LIPS: the lower lip's, without the corners
CLOSED: Final = 0.06  #: of the mouth's width: lips that are less apart show nothing behind them
STRETCH = 0.25  # of an open mouth's height: by so much its inside may grow with the lower lip; below it is dark
WIDER = 1.12  # what lies within lids is drawn so much larger: no gap opens at their edge
SHIFT = 4  # bits of fixed point numbers
DARK = np.array([0.30, 0.19, 0.18], np.float32)  # of the lips' colour: what an open mouth shows, where nothing is known
GLOW = 1.2  # how much brighter it is near the lips
SOFT, DEEP = 0.012, 0.05  # of the mouth's width: how softly it begins, and how far that reaches in
FADE = 0.03  # of the mouth's width: how softly what is seen of an open mouth ends in it


def draw_insides(
    lower: Floats, image: Image, source: Doubles, rigid: Doubles, target: Doubles, mouth: Image | None = None
) -> None:
    """Draw eyes and mouth over the surroundings of a face, in place.

    Parameters
    ----------
    lower : (h, w, 3) float32
    image : (h, w, 3) uint8
    source, rigid, target : (V, 3) float64
        The mesh in `image`, where it would be without expression, and where it is now.
    mouth : (h, w, 4) uint8, optional
        What lips that were closed open on, in place, and where it is known (255).
    """
    for ring in LIDS:
        _uncover(lower, image, source[ring], _within(rigid[ring], target[ring]), np.full(len(ring), WIDER), 0.8)
    if gap(source) <= CLOSED:
        _part(lower, image, source, target, mouth)
        return
    inside = _within(rigid[LIPS], target[LIPS])
    away = inside - rigid[LIPS]
    most = STRETCH * np.linalg.norm(rigid[13, :2] - rigid[14, :2])
    far = np.linalg.norm(away[BELOW, :2], axis=1).max()
    if far > most:
        _part(lower, image, source, target, None)
        inside[BELOW] = rigid[LIPS][BELOW] + away[BELOW] * (most / far)
        larger = np.full(len(LIPS), WIDER)
        larger[BELOW] = 1.0  # its lower edge is not behind a lip
        _uncover(lower, image, source[LIPS], inside, larger, max(FADE * _width(target), 0.8))
    else:
        _uncover(lower, image, source[LIPS], inside, np.full(len(LIPS), WIDER), 0.8)


def gap(points: Doubles) -> float:
    """How far apart the lips of a mesh are in the middle, in widths of the mouth."""
    return float(np.linalg.norm(points[13, :2] - points[14, :2])) / max(_width(points), 1e-6)


def paint_insides(mask: NDArray[np.uint8], target: Doubles) -> None:
    """Set what is within lids and lips to 1."""
    import cv2

    for ring in (LIPS, *LIDS):
        cv2.fillPoly(mask, [_fixed(target[ring])], 1, cv2.LINE_8, SHIFT)


def feathered(mask: NDArray[np.bool_], width: float = 0.8) -> Floats:
    """A mask with a soft edge, all of it inside."""
    import cv2

    blurred = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), width)
    return np.asarray(((blurred - 0.5) * 2).clip(0, 1), np.float32)


def _width(points: Doubles) -> float:
    return float(np.linalg.norm(points[78, :2] - points[308, :2]))


def _within(rigid: Doubles, target: Doubles) -> Doubles:
    """Where a ring of points (K, 3) is to which the inside is drawn: it stays where it narrows, and widens with it."""
    middle = rigid[:, :2].mean(axis=0)
    wider = np.linalg.norm(target[:, :2] - middle, axis=1) > np.linalg.norm(rigid[:, :2] - middle, axis=1)
    return np.where(wider[:, None], target, rigid)


def _uncover(lower: Floats, image: Image, source: Doubles, target: Doubles, larger: Doubles, soft: float) -> None:
    """Draw what lies within a ring of points (K, 3) to where it is now."""
    count = len(source)
    fan = np.stack([np.full(count, count), np.arange(count), np.roll(np.arange(count), -1)], axis=1).astype(np.int32)
    before, after = (_larger(ring[:, :2], larger) for ring in (source, target))
    window, low = _window(after, image.shape[:2], 2)
    part = lower[window]
    if part.size:
        drawn, shown = warp_mesh(image, before, after - low, fan, part.shape[:2])
        part += feathered(shown, soft)[..., None] * (drawn - part)


def _larger(ring: Doubles, factors: Doubles) -> Doubles:
    """A ring of points (K, 2) drawn larger, each by its factor, and its middle."""
    middle = ring.mean(axis=0)
    return np.vstack([middle + factors[:, None] * (ring - middle), middle])


def _window(points: Doubles, size: tuple[int, int], margin: float) -> tuple[tuple[slice, slice], Doubles]:
    """The part of a picture that points (K, 2) are in, and where it begins (x, y)."""
    most = np.array(size[::-1])
    low = np.floor(points.min(axis=0) - margin).clip(0, most)
    high = np.ceil(points.max(axis=0) + margin + 1).clip(low, most)
    (x1, y1), (x2, y2) = low.astype(int), high.astype(int)
    return (slice(int(y1), int(y2)), slice(int(x1), int(x2))), low


def _part(lower: Floats, image: Image, source: Doubles, target: Doubles, mouth: Image | None) -> None:
    """Draw darkness, or a mouth that is given, between lips that part."""
    import cv2

    width = _width(target)
    window, low = _window(target[LIPS, :2], image.shape[:2], 0.15 * width + 2)
    part = lower[window]
    if not part.size or gap(target) <= gap(source):
        return
    inside = np.zeros(part.shape[:2], np.uint8)
    cv2.fillPoly(inside, [_fixed(target[LIPS, :2] - low)], 255, cv2.LINE_AA, SHIFT)
    share, deep = (
        np.asarray(cv2.GaussianBlur(inside, (0, 0), max(sigma * width, 0.8)), np.float32)[..., None] / np.float32(255)
        for sigma in (SOFT, DEEP)
    )
    x, y = source[LIPS, :2].round().astype(int).clip(0, np.array(image.shape[1::-1]) - 1).T
    dark = np.median(image[y, x], axis=0).astype(np.float32) * DARK
    behind: Floats = np.asarray(dark * (1 + np.float32(GLOW) * (1 - deep).clip(0, 1)), np.float32)
    if mouth is not None:
        given = mouth[window]
        behind = behind + (given[..., 3:] / np.float32(255)) * (given[..., :3] - behind)
    part += share * (behind - part)


def _fixed(points: Doubles) -> NDArray[np.int32]:
    """Points in fixed point numbers, as OpenCV takes them for exact outlines."""
    return np.asarray((points[:, :2] * (1 << SHIFT)).round().clip(-(1 << 24), 1 << 24), np.int32)
