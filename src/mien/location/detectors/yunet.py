"""YuNet: Wu, Peng, Yu, *YuNet: A Tiny Millisecond-level Face Detector*, Machine Intelligence Research 2023."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.core.faces import ALIGNMENT_NAMES
from mien.location.detectors.base import Candidates, FaceDetector, Floats
from mien.runtime.bundle import Bundle

__all__ = ["YuNet"]


class YuNet(FaceDetector):
    """Anchor-free: each cell of some grids says how likely a face is, and where it lies from the cell's corner.

    Parameters
    ----------
    bundle : Bundle
        As `FaceDetector` takes it, with ``strides`` in ``[params]``: pixels per cell of each grid. The network gives
        class, objectness, box and points, each for every stride.
    """

    keypoint_names = ALIGNMENT_NAMES

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self._strides = tuple(int(stride) for stride in self.param("strides"))

    @property
    def outputs(self) -> int:
        """Four for each stride."""
        return 4 * len(self.param("strides"))

    def decode(self, rows: Sequence[Floats], size: tuple[int, int], min_score: float) -> Candidates:
        """Read what the network says about one picture; see `FaceDetector.decode`."""
        count, parts = len(self._strides), []
        for level, stride in enumerate(self._strides):
            face, thing, box, points = rows[level::count]
            scores = np.sqrt(face[:, 0].clip(0, 1) * thing[:, 0].clip(0, 1))
            kept = np.flatnonzero(scores >= min_score)
            columns = size[1] // stride
            cells = np.stack((kept % columns, kept // columns), axis=1).astype(np.float32)
            centers = (cells + box[kept, :2]) * stride
            halves = np.exp(box[kept, 2:]) * stride / 2
            where = (cells[:, None] + points[kept].reshape(-1, 5, 2)) * stride
            parts.append(Candidates(np.hstack((centers - halves, centers + halves)), scores[kept], where))
        return Candidates.concat(parts)
