"""The pictures that the benchmarks of speed run on: the shipped ones, of people who do not exist."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from mien import assets
from mien.core.image import Image, load_image


def shipped() -> list[Path]:
    """All pictures that come with mien, in order."""
    return sorted(assets.FOLDER.glob("*.jpg"))


def portrait(path: Path, side: int = 512) -> Image:
    """A picture of `side` x `side` pixels with room around the face.

    The middle square of the file stands in the middle at 70 %, and its edge pixels are continued: shipped faces fill
    the picture, and some detectors see such large ones only from afar.
    """
    image = load_image(path)
    edge = min(image.shape[:2])
    top, left = (image.shape[0] - edge) // 2, (image.shape[1] - edge) // 2
    small = round(0.7 * side)
    square = cv2.resize(image[top : top + edge, left : left + edge], (small, small), interpolation=cv2.INTER_AREA)
    before = (side - small) // 2
    after = side - small - before
    return np.asarray(cv2.copyMakeBorder(square, before, after, before, after, cv2.BORDER_REPLICATE), dtype=np.uint8)
