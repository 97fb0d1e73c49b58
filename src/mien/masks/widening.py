"""A second, wider look at a face whose hair leaves the first one, and how both become one.

Networks that parse faces know the features best when the face fills the picture, as in what they were trained on; long
hair, tall hats and the backs of heads do not fit into such a crop, and would end at its edge in a straight line.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from mien.core.geometry import compose, invert

__all__ = ["framed", "leaves", "merge"]

Floats = NDArray[np.float32]

LEAVING = ("hair", "hat")
ENOUGH = 0.03  # of the crop's border
SEAM = 4.0  # cells along the close look's border in which the wide look takes over
NOTHING = 12.0  # log odds of the background where nobody looked


def leaves(scores: Floats, points: Floats, size: tuple[int, int], names: Sequence[str]) -> bool:
    """Whether hair or a hat takes up some of a crop's border, as far as that lies within the picture.

    Parameters
    ----------
    scores : (K, h, w) float32
        Logits.
    points : (h, w, 2) float32
        Where in the picture the cells are.
    size : (width, height)
        Of the picture.
    names : sequence of str
        Of the K classes.
    """
    best = scores.argmax(axis=0)
    touching = np.isin(best, [index for index, name in enumerate(names) if name in LEAVING])
    touching &= ((points >= 0) & (points <= np.array(size) - 1)).all(axis=-1)
    touching[1:-1, 1:-1] = False
    return bool(touching.sum() > ENOUGH * 2 * sum(best.shape))


def framed(scores: Floats, grids: Floats, around: int) -> tuple[Floats, Floats]:
    """Scores (N, K, h, w) with that many cells of background on each side, and the grids (N, 6) of these."""
    margins = [(0, 0), (0, 0), (around, around), (around, around)]
    wider = np.pad(scores, margins)
    wider[:, 0] = np.pad(scores[:, 0], margins[1:], constant_values=NOTHING)
    return wider, grids + np.array([0, 0, around, 0, 0, around], np.float32)


def merge(scores: Floats, grid: Floats, wide: Floats, wide_grid: Floats, around: int) -> None:
    """Write what a wider look saw into framed scores, in place: around the close look, and fading into its border.

    Parameters
    ----------
    scores : (K, H, W) float32
        As from `framed`.
    grid : (6,) float32
        Its grid, affine.
    wide : (K, h, w) float32
        Logits of the wider look.
    wide_grid : (6,) float32
    around : int
        How many of the cells at each side of `scores` nobody looked at so far.
    """
    import cv2

    height, width = scores.shape[1:]
    across = np.minimum(np.arange(width), np.arange(width)[::-1]) - around + 1
    down = np.minimum(np.arange(height), np.arange(height)[::-1]) - around + 1
    close = np.clip(np.minimum.outer(down, across) / (SEAM + 1), 0, 1).astype(np.float32)
    m = compose(wide_grid.reshape(2, 3), invert(grid.reshape(2, 3))).astype(np.float64)
    flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    for index, look in enumerate(wide):
        there = cv2.warpAffine(np.ascontiguousarray(look), m, (width, height), flags=flags, borderMode=border)
        scores[index] += (1 - close) * (there - scores[index])
