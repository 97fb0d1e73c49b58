"""What it takes to put people before another picture: that picture, as large as theirs."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image

__all__ = ["Levels", "cover"]

Levels: TypeAlias = NDArray[np.uint8]
"""How much of each pixel is in front: (H, W), 0 nothing to 255 all."""


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
