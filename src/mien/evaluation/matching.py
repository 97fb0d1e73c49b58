"""Which detections are right: held against the faces of their picture, and summed up as an average precision."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.boxes import iou
from mien.core.errors import ShapeMismatch
from mien.core.faces import Faces

__all__ = ["Judged", "average_precision", "judge"]

Bools = NDArray[np.bool_]
Doubles = NDArray[np.float64]

OVERLAP: Final = 0.5  # from which a detection is of the face


@dataclass(frozen=True, eq=False)
class Judged:
    """The detections in one picture held against its faces.

    Parameters
    ----------
    scores : (D,) float64
        Of detections that are right or wrong, falling; those of faces that do not count are left out.
    right : (D,) bool
    found : (N,) bool
        Which of the picture's faces were found.
    counts : (N,) bool
        Which of them count.
    heights : (N,) float64
        In pixels; 0 where noses are marked.
    """

    scores: Doubles
    right: Bools
    found: Bools
    counts: Bools
    heights: Doubles


def judge(faces: Faces, truth: NDArray[Any], counts: NDArray[np.bool_] | None = None) -> Judged:
    """Hold detections against the faces of their picture.

    Surest first, each detection is of the face that it overlaps most, if by half or more: right if it is the first,
    wrong if it is not, and left out if that face does not count. Where all of `truth` are points, a detection is of the
    nearest nose in its box that no surer one has.

    Parameters
    ----------
    faces : Faces
    truth : (N, 4) array
        Boxes; noses are boxes without an area.
    counts : (N,) bool, optional
        Which faces count; all by default.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit.
    """
    truth = np.asarray(truth, np.float64)
    counts = np.ones(len(truth), np.bool_) if counts is None else counts
    if truth.shape != (len(truth), 4) or counts.shape != (len(truth),):
        raise ShapeMismatch(f"faces are (N, 4) boxes of which (N,) count, not {truth.shape} and {counts.shape}.")
    order = np.argsort(-faces.scores, kind="stable")
    boxes = faces.boxes[order].astype(np.float64)
    noses = len(truth) > 0 and bool((truth[:, :2] == truth[:, 2:]).all())
    fits = _nearness(boxes, truth[:, :2]) if noses else iou(boxes, truth).astype(np.float64)
    least = 0.0 if noses else OVERLAP
    found, right, kept = np.zeros(len(truth), np.bool_), np.zeros(len(boxes), np.bool_), np.ones(len(boxes), np.bool_)
    for row, fit in enumerate(fits if len(truth) else ()):
        face = int(np.where(found, -1.0, fit).argmax() if noses else fit.argmax())
        if fit[face] < least or (noses and found[face]):
            continue
        kept[row] = counts[face]
        right[row] = counts[face] and not found[face]
        found[face] = True
    return Judged(
        scores=faces.scores[order][kept].astype(np.float64),
        right=right[kept],
        found=found,
        counts=counts,
        heights=truth[:, 3] - truth[:, 1],
    )


def average_precision(scores: ArrayLike, right: ArrayLike, total: int) -> float:
    """Area under precision over recall: at every recall, the best precision that is had there or beyond.

    Everingham, Van Gool, Williams, et al., *The PASCAL Visual Object Classes Challenge*, 2010, with all points.
    Detections of equal score are accepted together.

    Parameters
    ----------
    scores : (D,) array-like
    right : (D,) array-like of bool
    total : int
        Faces that there are.

    Returns
    -------
    float
        In [0, 1]; NaN where there is no face.

    Raises
    ------
    ShapeMismatch
        If the arrays differ in length.
    """
    values, hits = np.asarray(scores, np.float64), np.asarray(right, np.bool_)
    if values.ndim != 1 or hits.shape != values.shape:
        raise ShapeMismatch(f"scores {values.shape} and hits {hits.shape} do not fit: both are (D,).")
    if total < 1:
        return float("nan")
    order = np.argsort(-values, kind="stable")
    values, hits = values[order], hits[order]
    ends = np.flatnonzero(np.append(values[1:] != values[:-1], True)[: len(values)])
    found = np.cumsum(hits)[ends]
    best = np.maximum.accumulate((found / (ends + 1))[::-1])[::-1]
    return float((np.diff(found, prepend=0) * best).sum() / total)


def _nearness(boxes: Doubles, points: Doubles) -> Doubles:
    """How near each point is to each box's middle, (D, N): 1 there, 0 in its corner, -1 outside of it."""
    middles, halves = (boxes[:, None, :2] + boxes[:, None, 2:]) / 2, (boxes[:, None, 2:] - boxes[:, None, :2]) / 2
    away = np.abs(points[None] - middles) / np.maximum(halves, 1e-9)
    return np.where((away <= 1).all(axis=2), 1 - np.hypot(away[..., 0], away[..., 1]) / np.sqrt(2), -1.0)
