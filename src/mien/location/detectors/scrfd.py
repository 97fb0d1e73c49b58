"""SCRFD: Guo, Deng, Lattas, Zafeiriou, *Sample and Computation Redistribution for Efficient Face Detection*, 2021."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.core.faces import ALIGNMENT_NAMES
from mien.location.detectors.base import Candidates, FaceDetector, Floats
from mien.runtime.bundle import Bundle

__all__ = ["SCRFD"]


class SCRFD(FaceDetector):
    """Anchors at the corners of the cells of some grids give the distances to the four sides of the box.

    Parameters
    ----------
    bundle : Bundle
        As `FaceDetector` takes it, with ``strides`` in ``[params]``, pixels per cell of each grid, and ``anchors``, how
        many stand at each cell. The network gives score, box and points, each for every stride; those that were trained
        without points give none, and then their faces have none.
    """

    keypoint_names: tuple[str, ...] = ALIGNMENT_NAMES

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self._strides = tuple(int(stride) for stride in self.param("strides"))
        self._anchors = int(self.param("anchors"))
        if self.outputs < 3 * len(self._strides):
            self.keypoint_names = ()

    @property
    def outputs(self) -> int:
        """Three for each stride, or two of a network without points."""
        strides = len(self.param("strides"))
        return 2 * strides if len(self._session.outputs) == 2 * strides else 3 * strides

    def decode(self, rows: Sequence[Floats], size: tuple[int, int], min_score: float) -> Candidates:
        """Read what the network says about one picture; see `FaceDetector.decode`."""
        count, parts = len(self._strides), []
        for level, stride in enumerate(self._strides):
            score, box, *points = rows[level::count]
            kept = np.flatnonzero(score[:, 0] >= min_score)
            cells, columns = kept // self._anchors, size[1] // stride
            corners = (np.stack((cells % columns, cells // columns), axis=1) * stride).astype(np.float32)
            distances = box[kept] * stride
            boxes = np.hstack((corners - distances[:, :2], corners + distances[:, 2:]))
            shifts = points[0][kept].reshape(-1, 5, 2) if points else np.zeros((len(kept), 0, 2), np.float32)
            parts.append(Candidates(boxes, score[kept, 0], corners[:, None] + shifts * stride))
        return Candidates.concat(parts)
