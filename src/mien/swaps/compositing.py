"""What it takes to put people before another picture: it as large as theirs, and their own colours."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image

__all__ = ["Levels", "cover", "front_colors"]

Floats: TypeAlias = NDArray[np.floating[Any]]
Levels: TypeAlias = NDArray[np.uint8]
"""How much of each pixel is in front: (H, W), 0 nothing to 255 all."""

SMALL = 320  # pixels of the longer side of the picture on which colours are averaged
REACHES = (29, 5)  # pixels of it, on a side of the squares that are averaged: far, then near


def cover(image: Image, size: tuple[int, int]) -> Image:
    """The middle of a picture, as large as it fills (width, height)."""
    import cv2

    height, width = image.shape[:2]
    scale = max(size[0] / width, size[1] / height)
    # What will be seen is cut out first, so that no more than that is resized.
    w, h = min(width, max(1, round(size[0] / scale))), min(height, max(1, round(size[1] / scale)))
    left, top = (width - w) // 2, (height - h) // 2
    part = image[top : top + h, left : left + w]
    if (w, h) == size:
        return np.ascontiguousarray(part)
    return np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC), np.uint8)


def front_colors(image: Image, levels: Levels) -> Image:
    """The colours of what is in front, also where it lets what is behind shine through; for frames of a video.

    As `mien.masks.refining.foreground`, but means are taken on a small picture, and only mixed pixels are computed.

    References
    ----------
    Forte, *Approximate Fast Foreground Colour Estimation*, ICIP 2021.
    """
    import cv2

    mixed = np.flatnonzero((levels > 0) & (levels < 255))
    if not mixed.size:
        return image
    height, width = levels.shape
    scale = min(1.0, SMALL / max(height, width))
    size = max(1, round(width * scale)), max(1, round(height * scale))
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA).astype(np.float32)
    share = cv2.resize(levels, size, interpolation=cv2.INTER_AREA).astype(np.float32)[..., None] / 255

    front: Floats = small
    back: Floats = small
    for reach in REACHES:
        near, far = _mean(front, share, reach), _mean(back, 1 - share, reach)
        front, back = near + share * (small - share * near - (1 - share) * far), far

    def here(colors: Floats) -> Floats:
        """Colours of the small picture at the mixed pixels of the large one."""
        large = cv2.resize(np.rint(colors.clip(0, 255)).astype(np.uint8), (width, height))
        return np.asarray(large.reshape(-1, 3)[mixed], np.float32)

    front, back = here(near), here(far)
    alpha = (levels.reshape(-1)[mixed, None] / np.float32(255)).astype(np.float32)
    colors = image.copy()
    seen = colors.reshape(-1, 3)
    estimate = front + alpha * (seen[mixed] - alpha * front - (1 - alpha) * back)
    seen[mixed] = np.rint(estimate.clip(0, 255))
    return colors


def _mean(colors: Floats, weight: Floats, reach: int) -> Floats:
    """The mean colour around each pixel, by weight."""
    import cv2

    total = cv2.blur(np.dstack([colors * weight, weight]), (reach, reach))
    return np.asarray(total[..., :3] / (total[..., 3:] + 1e-4))
