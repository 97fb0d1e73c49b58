"""Several detectors as one: ``models={"detect": "yunet+centerface"}``."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.core.boxes import weighted_box_fusion
from mien.core.faces import Faces
from mien.core.image import Image
from mien.engine.steps import Detector

__all__ = ["Ensemble"]

# Overlap from which boxes of two detectors are one face: they draw them unlike, some with the forehead.
_SAME = 0.45


class Ensemble:
    """Asks every detector, and fuses their boxes; points are those of the surest one.

    Each finds what it takes for a face by its own threshold, or by `min_score`. A face's score is their mean, times the
    part of them that found it: of two, one alone gives no more than 0.5.

    Parameters
    ----------
    detectors : sequence of Detector
        Their points that have a name in common stay.
    """

    def __init__(self, detectors: Sequence[Detector]) -> None:
        self._detectors = tuple(detectors)

    def detect(self, images: Sequence[Image], *, min_score: float | None = None) -> list[Faces]:
        """Find the faces of each picture; see `Detector.detect`."""
        found = [detector.detect(images, min_score=min_score) for detector in self._detectors]
        return [_fused(parts) for parts in zip(*found, strict=True)]


def _fused(parts: Sequence[Faces]) -> Faces:
    boxes, scores, best = weighted_box_fusion([(part.boxes, part.scores) for part in parts], _SAME)
    names = [name for name in parts[0].keypoint_names if all(name in part.keypoint_names for part in parts)]
    points = np.concatenate([part.keypoints[:, [part.keypoint_names.index(name) for name in names]] for part in parts])
    return Faces.from_boxes(
        boxes, scores=scores, keypoints=points[best], keypoint_names=names, image_size=parts[0].image_size
    )
