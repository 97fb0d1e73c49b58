"""BlazeFace: Bazarevsky, Kartynnik, Vakunov, et al., *BlazeFace: Sub-millisecond Neural Face Detection*, 2019."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.core.boxes import weighted_nms
from mien.location.detectors.base import Candidates, FaceDetector, Floats
from mien.runtime.bundle import Bundle

__all__ = ["BlazeFace"]


class BlazeFace(FaceDetector):
    """Anchors without a size stand in the middle of each cell; candidates that overlap are blended, not dropped.

    It has no corners of the mouth among its six points, so its faces are aligned from a mesh.

    Parameters
    ----------
    bundle : Bundle
        As `FaceDetector` takes it, with ``grids`` in ``[params]``: for each grid, pixels per cell and anchors at each.
        The network gives box and points (A, 16), and logit (A, 1).
    """

    keypoint_names = ("right_eye", "left_eye", "nose_tip", "mouth", "right_ear", "left_ear")
    outputs = 2

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self._grids = [(int(stride), int(anchors)) for stride, anchors in self.param("grids")]

    def decode(self, rows: Sequence[Floats], size: tuple[int, int], min_score: float) -> Candidates:
        """Read what the network says about one picture; see `FaceDetector.decode`."""
        values, logits = rows
        # Logits reach ±100, where exp leaves float32; at 80 the score is 0 or 1 already.
        scores = 1 / (1 + np.exp(-logits[:, 0].clip(-80, 80)))
        kept = np.flatnonzero(scores >= min_score)
        anchors = self._anchors(size)[kept]
        pairs = values[kept].reshape(-1, 8, 2)  # center, size, six points
        centers, halves = anchors + pairs[:, 0], pairs[:, 1] / 2
        return Candidates(
            np.hstack((centers - halves, centers + halves)), scores[kept], anchors[:, None] + pairs[:, 2:]
        )

    def suppress(self, candidates: Candidates) -> Candidates:
        """Blend the candidates of each face, weighted by their scores; best score first."""
        if not len(candidates):
            return candidates
        return Candidates(*weighted_nms(candidates.boxes, candidates.scores, candidates.points, self._max_overlap))

    def _anchors(self, size: tuple[int, int]) -> Floats:
        """Position of each anchor in pixels, (A, 2): row by row, those of one cell together."""
        parts = []
        for stride, count in self._grids:
            y, x = np.mgrid[: size[0] // stride, : size[1] // stride]
            middles = (np.stack((x, y), axis=-1).reshape(-1, 2) + 0.5) * stride
            parts.append(np.repeat(middles, count, axis=0))
        return np.concatenate(parts).astype(np.float32)
