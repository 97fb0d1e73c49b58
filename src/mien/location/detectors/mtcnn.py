"""MTCNN: Zhang, Zhang, Li, Qiao, *Joint Face Detection and Alignment Using Multitask Cascaded Networks*, 2016."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.core.boxes import nms
from mien.core.faces import ALIGNMENT_NAMES
from mien.core.geometry import square_crops
from mien.core.image import Image
from mien.core.warping import warp_batch
from mien.location.detectors.base import Candidates, FaceDetector, Floats
from mien.runtime.bundle import Bundle
from mien.runtime.session import Session

__all__ = ["MTCNN"]

# The proposal network looks at squares of so many pixels, so far apart.
_WINDOW, _STRIDE = 12, 2
# Overlap from which two boxes of one stage are one, as the authors set it: within a size, and between sizes and stages.
_WITHIN, _BETWEEN = 0.5, 0.7


class MTCNN(FaceDetector):
    """A small network proposes squares at every size of the picture; two larger ones judge and correct them in turn.

    The looks of the card are the sizes. Candidates of all pictures go through the later networks together.

    Parameters
    ----------
    bundle : Bundle
        As `FaceDetector` takes it: ``model`` proposes, ``refine`` and ``output`` judge. In ``[params]`` stand
        ``proposal_score`` and ``refine_score``, from which a candidate goes on, and ``proposals``, how many of one
        picture do at most. Every network gives corrections of the box's sides and probabilities of (nothing, face), the
        last one points between them. They take pictures by columns.
    """

    keypoint_names = ALIGNMENT_NAMES
    outputs = 2

    def __init__(self, bundle: Bundle) -> None:
        super().__init__(bundle)
        self._stages = [
            (bundle.session("refine"), 24, float(self.param("refine_score"))),
            (bundle.session("output"), 48, None),
        ]
        self._proposal_score = float(self.param("proposal_score"))
        self._proposals = int(self.param("proposals"))

    def show(self, pictures: NDArray[np.uint8]) -> Sequence[Floats]:
        """Show the network pictures by columns; see `FaceDetector.show`."""
        return [np.swapaxes(output, 1, 2) for output in super().show(_by_columns(pictures))]

    def decode(
        self,
        rows: Sequence[Floats],
        size: tuple[int, int],  # noqa: ARG002 - squares stand where the outputs do
        min_score: float,  # noqa: ARG002 - it is what the last network must say
    ) -> Candidates:
        """Read what the proposing network says about one picture; see `FaceDetector.decode`."""
        corrections, chances = rows
        y, x = np.nonzero(chances[..., 1] >= self._proposal_score)
        corners = np.stack((x, y), axis=1).astype(np.float32) * _STRIDE
        boxes = np.hstack((corners, corners + _WINDOW))
        found = Candidates(boxes, chances[y, x, 1], np.zeros((len(boxes), 5, 2), np.float32))
        kept = nms(found.boxes, found.scores, _WITHIN)
        return _corrected(found[kept], corrections[y, x][kept])

    def settle(self, images: Sequence[Image], found: Sequence[Candidates], min_score: float) -> list[Candidates]:
        """Have the later networks judge the proposals; see `FaceDetector.settle`."""
        best = [part[nms(part.boxes, part.scores, _BETWEEN)[: self._proposals]] for part in found]
        owner = np.repeat(np.arange(len(best)), [len(part) for part in best])
        joined = Candidates.concat(best) if best else None
        for session, side, least in self._stages:
            if joined is not None and len(joined):
                joined, owner = _judged(images, owner, joined, session, side, min_score if least is None else least)
        return [] if joined is None else [self.suppress(joined[owner == index]) for index in range(len(best))]

    def suppress(self, candidates: Candidates) -> Candidates:
        """Leave one candidate of each face, and none inside of another; best score first."""
        return candidates[nms(candidates.boxes, candidates.scores, self._max_overlap, of="smaller")]


def _judged(
    images: Sequence[Image], owner: NDArray[np.intp], found: Candidates, session: Session, side: int, min_score: float
) -> tuple[Candidates, NDArray[np.intp]]:
    """Ask one of the later networks; what is left, and which picture it is of."""
    squares = _squares(found.boxes)
    centers, sides = (squares[:, :2] + squares[:, 2:]) / 2, squares[:, 2] - squares[:, 0]
    maps = square_crops(centers, sides, np.zeros(len(squares)), side)
    corrections, *points, chances = session.run(_by_columns(warp_batch(images, owner, maps, side)))
    kept = np.flatnonzero(chances[:, 1] >= min_score)
    judged = Candidates(squares, chances[:, 1], found.points)
    if points:  # all x, then all y, as parts of the square; counted from the first pixel's centre in the picture
        shares = points[0].reshape(-1, 2, 5).swapaxes(1, 2)
        where = squares[:, None, :2] + shares * sides[:, None, None] - np.float32(0.5)
        judged = Candidates(squares, chances[:, 1], where)
    judged = _corrected(judged[kept], corrections[kept])
    owner = owner[kept]
    # Candidates of different pictures are moved apart, so that none makes way for one of another picture.
    apart = judged.boxes + (owner * np.float32(2 * max(max(image.shape[:2]) for image in images)))[:, None]
    kept = nms(apart, judged.scores, _BETWEEN)
    return judged[kept], owner[kept]


def _by_columns(pictures: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.ascontiguousarray(np.swapaxes(pictures, 1, 2))


def _corrected(found: Candidates, corrections: Floats) -> Candidates:
    """Move each side of the boxes by a part of the box's width or height."""
    sizes = np.tile(found.boxes[:, 2:] - found.boxes[:, :2], 2)
    return Candidates(found.boxes + corrections * sizes, found.scores, found.points)


def _squares(boxes: Floats) -> Floats:
    """Boxes made square about their middle, by their longer side; no smaller than a pixel."""
    centers, halves = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]).max(axis=1, keepdims=True) / 2
    halves = np.maximum(halves, 0.5)
    return np.hstack((centers - halves, centers + halves))
