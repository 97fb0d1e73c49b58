"""A face with what is next to it: hair, ears, neck; where a face is redrawn as a whole."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core.layouts import indices_of
from mien.swaps.plate import Plate

__all__ = ["REACH", "around_face"]

Floats = NDArray[np.float32]

REACH = 0.28  # of the face's extent: how far from it nothing is taken over any more
SIDE = 128  # pixels that a face is outlined on: the edge is far softer than one of them


def around_face(plate: Plate, *, reach: float = REACH) -> Floats:
    """1 on the face, falling to 0 at some distance from it.

    Parameters
    ----------
    plate : Plate
        With a margin larger than `reach`.
    reach : float
        In parts of the face's extent.

    Returns
    -------
    (h, w) float32
        In [0, 1].
    """
    import cv2

    scale = min(SIDE / max(plate.size, 1), 1.0)
    width, height = plate.image.shape[1], plate.image.shape[0]
    size = max(round(width * scale), 1), max(round(height * scale), 1)
    outline = plate.points[indices_of("mesh478", "face_oval"), :2] * (size[0] / width, size[1] / height)
    outside = np.full(size[::-1], 255, np.uint8)
    cv2.fillConvexPoly(outside, cv2.convexHull(outline.astype(np.float32)).round().astype(np.int32), 0)
    # Of a face that lies outside of the picture altogether, nothing would be at distance 0.
    away = cv2.distanceTransform(outside, cv2.DIST_L2, 5) if not outside.all() else np.inf
    t = np.clip(1 - away / max(reach * plate.size * scale, 1), 0, 1) * np.ones(outside.shape, np.float32)
    soft = cv2.resize((t * t * (3 - 2 * t)).astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(soft, np.float32)
