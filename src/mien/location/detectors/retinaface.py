"""RetinaFace: Deng, Guo, Ververas, et al., *RetinaFace: Single-Shot Multi-Level Face Localisation*, 2020."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.core.faces import ALIGNMENT_NAMES
from mien.location.detectors.base import Candidates, FaceDetector, Floats
from mien.runtime.bundle import Bundle

__all__ = ["RetinaFace"]

# How far a box can be from its anchor's size, as a logarithm: beyond it, the exponential leaves float32.
_LARGEST = 80.0


class RetinaFace(FaceDetector):
    """Square anchors of some sizes stand in the middle of each cell of some grids; all else is relative to them.

    Parameters
    ----------
    bundle : Bundle
        As `FaceDetector` takes it, with in ``[params]``: ``grids``, for each grid the pixels per cell and the sizes of
        its anchors, and ``variances``, the units of centres and of logarithms of sizes (from SSD: Liu et al., 2016).
        The network gives box (A, 4), shares of background and face (A, 2), and points (A, 10).
    """

    keypoint_names = ALIGNMENT_NAMES
    outputs = 3

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self._grids = [(int(stride), np.array(sizes, np.float32)) for stride, sizes in self.param("grids")]
        self._shift, self._growth = (float(value) for value in self.param("variances"))

    def decode(self, rows: Sequence[Floats], size: tuple[int, int], min_score: float) -> Candidates:
        """Read what the network says about one picture; see `FaceDetector.decode`."""
        boxes, scores, points = rows
        kept = np.flatnonzero(scores[:, 1] >= min_score)
        anchors = self._anchors(size)[kept]
        middles, sides = anchors[:, :2], anchors[:, 2:]
        centers = middles + boxes[kept, :2] * self._shift * sides
        halves = sides * np.exp((boxes[kept, 2:] * self._growth).clip(max=_LARGEST)) / 2
        where = middles[:, None] + points[kept].reshape(-1, 5, 2) * self._shift * sides[:, None]
        return Candidates(np.hstack((centers - halves, centers + halves)), scores[kept, 1], where)

    def _anchors(self, size: tuple[int, int]) -> Floats:
        """Middle (x, y) and side of each anchor in pixels, (A, 3): row by row, those of one cell together."""
        parts = []
        for stride, sides in self._grids:
            y, x = np.mgrid[: size[0] // stride, : size[1] // stride]
            middles = (np.stack((x, y), axis=-1).reshape(-1, 2) + 0.5) * stride
            each = np.repeat(middles, len(sides), axis=0)
            parts.append(np.column_stack((each, np.tile(sides, len(middles)))))
        return np.concatenate(parts).astype(np.float32)
