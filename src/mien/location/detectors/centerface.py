"""CenterFace: Xu, Yan, Yang, et al., *CenterFace: Joint Face Detection and Alignment Using Face as Point*, 2019."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.core.faces import ALIGNMENT_NAMES
from mien.location.detectors.base import Candidates, FaceDetector, Floats

__all__ = ["CenterFace"]


class CenterFace(FaceDetector):
    """Faces are peaks of a heat map; other maps hold size, offset and points there.

    Parameters
    ----------
    bundle : Bundle
        As `FaceDetector` takes it. The network gives the maps heat (1, h, w), logarithm of the size (2, h, w),
        offset (2, h, w) and points (10, h, w); y before x.
    """

    keypoint_names = ALIGNMENT_NAMES
    outputs = 4

    def decode(self, rows: Sequence[Floats], size: tuple[int, int], min_score: float) -> Candidates:
        """Read what the network says about one picture; see `FaceDetector.decode`."""
        heat, log_sizes, offsets, points = rows
        stride = size[0] // heat.shape[1]
        y, x = np.nonzero(heat[0] >= min_score)
        cells = np.stack((x, y), axis=1).astype(np.float32)
        sizes = np.exp(log_sizes[::-1, y, x].T) * stride
        corners = (cells + offsets[::-1, y, x].T + 0.5) * stride - sizes / 2
        # Points are parts of the box, from its upper left corner.
        shares = points[:, y, x].T.reshape(-1, 5, 2)[..., ::-1]
        where = corners[:, None] + shares * sizes[:, None]
        return Candidates(np.hstack((corners, corners + sizes)), heat[0, y, x], where)
