"""Whose a cell of a parsed face is, and on which side of it: what a network cannot know, or gets wrong."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.core.boxes import iou

__all__ = ["keep_own", "settle_sides"]

Floats = NDArray[np.float32]

FIRMNESS = 20.0  # log odds by which the background leads, for each half of a box that a cell is nearer to another face
NEIGHBOURS = 12  # of a crowd: the others are further than a crop reaches
SAME_FACE = 0.5  # IoU of two boxes that are of one face, found twice: both have all of it
SIDED = (("l_eye", "r_eye"), ("l_brow", "r_brow"), ("l_ear", "r_ear"))


def keep_own(scores: Floats, points: Floats, box: Floats, others: Floats) -> None:
    """Make background, in place, of the cells that are another face's.

    A cell is that face's whose box it is nearest to: distances from a box's middle are counted in halves of its width
    and of its height, so that a large face reaches further than a small one, and what lies in one box only belongs to
    it. Where two faces meet, the background takes over smoothly. Boxes that are nearly the same are of one face.

    Parameters
    ----------
    scores : (K, h, w) float32
        Logits, the background's first.
    points : (h, w, 2) float32
        Where in the picture the cells are.
    box : (4,) float32
        xyxy of this face.
    others : (M, 4) float32
        Those of the other faces of its picture.
    """
    others = others[iou(box[None], others)[0] < SAME_FACE]
    if not len(others):
        return
    away = np.linalg.norm((others[:, :2] + others[:, 2:] - box[:2] - box[2:]).astype(np.float64), axis=1)
    nearest = np.min([_distance(points, other) for other in others[np.argsort(away)[:NEIGHBOURS]]], axis=0)
    foreign = _distance(points, box) - nearest
    lead = scores[1:].max(axis=0) + np.float32(FIRMNESS) * foreign
    scores[0] = np.maximum(scores[0], lead)


def _distance(points: Floats, box: Floats) -> Floats:
    half = np.maximum(box[2:] - box[:2], 1) / 2
    offset = (points - ((box[:2] + box[2:]) / 2 - 0.5)) / half
    return np.asarray(np.hypot(offset[..., 0], offset[..., 1]), np.float32)


def settle_sides(scores: Floats, points: Floats, eyes: Floats, names: Sequence[str]) -> None:
    """Give eyes, brows and ears, in place, to the side of the face that they are on.

    A network sees an eye well, but now and then takes a whole face for its mirror image. Which side a cell is on, the
    eyes of the aligned face say.

    Parameters
    ----------
    scores : (K, h, w) float32
        Logits.
    points : (h, w, 2) float32
        Where in the picture the cells are.
    eyes : (2, 2) float32
        The subject's right and left eye; with NaN nothing is changed.
    names : sequence of str
        Of the K classes.
    """
    across = eyes[1] - eyes[0]
    if not np.isfinite(across).all():
        return
    worst = scores.min(axis=0)
    left = (points - eyes.mean(axis=0)) @ across > 0
    for pair in SIDED:
        if not set(pair) <= set(names):
            continue
        one, other = (names.index(name) for name in pair)
        best = np.maximum(scores[one], scores[other])
        scores[one], scores[other] = np.where(left, best, worst), np.where(left, worst, best)
