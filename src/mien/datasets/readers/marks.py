"""Pictures in which faces have boxes and marked points: what the readers of landmark files give."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch

__all__ = ["MarkedPicture"]


@dataclass(frozen=True, eq=False)
class MarkedPicture:
    """One picture and what people marked in it.

    Parameters
    ----------
    path : Path
    boxes : (N, 4) float32
        xyxy in pixels.
    points : (N, K, 2) float64
        In pixels, counted from the centre of the first one; NaN where a point is not marked.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    """

    path: Path
    boxes: NDArray[np.float32]
    points: NDArray[np.float64]

    def __post_init__(self) -> None:
        count = len(self.boxes)
        if self.boxes.shape != (count, 4) or self.points.ndim != 3 or self.points.shape[::2] != (count, 2):
            raise ShapeMismatch(f"boxes {self.boxes.shape} and points {self.points.shape} of {count} faces do not fit.")
