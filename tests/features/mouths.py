"""What the tests of mouth and talk share: meshes of which only the mouth is drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.features.shown.mouth import _CORNERS, _LOWER, _UPPER


def drawn(gap: float, *, width: float = 50.0) -> NDArray[np.float64]:
    """A mouth of this width whose lips are apart by this part of it: (478, 3)."""
    points = np.zeros((478, 3))
    points[list(_CORNERS)] = [[-width / 2, 0, 0], [width / 2, 0, 0]]
    x = np.linspace(-width / 4, width / 4, 5)
    points[_UPPER] = np.column_stack([x, np.full(5, -gap * width / 2), np.zeros(5)])
    points[_LOWER] = np.column_stack([x, np.full(5, gap * width / 2), np.zeros(5)])
    return points
