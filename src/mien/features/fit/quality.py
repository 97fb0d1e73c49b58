"""Quality as one number: how fit the picture of a face is for recognition, by networks that were made to tell it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.core.alignment import usable_alignment
from mien.core.columns import Column, Points, Scalar
from mien.core.errors import CardError, ModelError
from mien.core.geometry import TEMPLATES, similarity
from mien.core.warping import warp_batch
from mien.engine import Batch
from mien.models.card import Card
from mien.runtime.bundle import Bundle

__all__ = ["SMALLEST_EYES", "TOO_SMALL", "QualityNet", "judgeable", "numbers"]

#: Eyes closer together than this many pixels leave nothing of a face to judge.
SMALLEST_EYES = 4.0

TOO_SMALL = f"the eyes are less than {SMALLEST_EYES:g} pixels apart"


class QualityNet:
    """Gives ``quality`` by a network that looks at an aligned crop and gives one number.

    What such a network gives has a scale of its own: that of LightQNet ends at 0.63, for example. A logistic curve,
    which changes no order, brings it to [0, 1]. It was fitted on spoiled pictures (``benchmarks/quality.py``): the
    chance that a picture as poor as this one is still as like its clear original as two clear pictures of one person
    are to each other. So ``quality`` means the same whichever model gives it, and 0.5 is as much loss as parts two good
    photographs.

    Parameters
    ----------
    bundle : Bundle
        Card and file ``model``. Its params: ``padding``, the margin around the crop of ArcFace that the network sees
        too, as a part of that crop; ``middle`` and ``width`` of the curve, which
        is 0.5 at the one and 0.73 a width above.

    Raises
    ------
    CardError
        If the card lacks one of these, or its network takes no square picture.

    References
    ----------
    Chen, Yi, Lv, *LightQNet: Lightweight Deep Face Quality Assessment for Risk-Controlled Face Recognition*, 2021.
    https://github.com/siriusdemon/pytorch-QualityFace
    """

    def __init__(self, bundle: Bundle) -> None:
        card = bundle.card
        picture = card.files["model"].input
        if picture is None or picture.size is None or picture.size[0] != picture.size[1]:
            raise CardError(f"the card of {card.id} does not give its network one square picture size.")
        padding, self._middle, self._width = numbers(card, "padding", "middle", "width")
        self._size = picture.size[0]
        self._template = TEMPLATES["arcface112"].points_at(self._size, padding)
        self._session = bundle.session("model")
        self._id = card.id

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """Compute ``quality`` (N,); a face that cannot be aligned, or is too small to judge, abstains with the reason.

        Parameters
        ----------
        batch : Batch
            Faces with ``alignment``.

        Raises
        ------
        ModelError
            If the network gives anything but one number for each picture.
        """
        points = judgeable(batch.faces.alignment)
        values = 1 / (1 + np.exp(-self.odds(batch).clip(-30, 30)))
        return {"quality": Scalar(values.astype(np.float32), reasons=points.reasons)}

    def odds(self, batch: Batch) -> NDArray[np.float64]:
        """The log odds of the curve (N,): NaN for a face that cannot be judged."""
        return (self.measure(batch).astype(np.float64) - self._middle) / self._width

    def measure(self, batch: Batch) -> NDArray[np.float32]:
        """What the network gives, on its own scale (N,): NaN for a face that cannot be judged."""
        points = judgeable(batch.faces.alignment)
        seen = ~points.abstained
        crops = warp_batch(batch.images, batch.owner[seen], similarity(points.values[seen], self._template), self._size)
        (raw,) = self._session.run(crops)
        if raw.size != len(crops):
            raise ModelError(f"{self._id} gives {raw.shape} for {len(crops)} pictures, not one number for each.")
        values = np.full(len(points), np.nan, np.float32)
        values[seen] = raw.reshape(-1)
        return values


def judgeable(alignment: Points) -> Points:
    """The same points, abstaining with a reason where there are none, or the face is too small to judge.

    Parameters
    ----------
    alignment : Points (N, 5, 2)
        The field ``alignment``.
    """
    points = usable_alignment(alignment)
    # Of a face in profile the eyes are close together, but not far from the mouth.
    across = np.linalg.norm(points.values[:, 0] - points.values[:, 1], axis=1)
    down = np.linalg.norm(points.values[:, :2].mean(axis=1) - points.values[:, 3:].mean(axis=1), axis=1)
    small = np.maximum(across, down) < SMALLEST_EYES
    values = np.where(small[:, None, None], np.float32(np.nan), points.values)
    lost: NDArray[np.bool_] = np.asarray(np.isnan(values).any(axis=(1, 2)))
    return Points(values, names=points.names, reasons=points.reasons_for(lost, TOO_SMALL))


def numbers(card: Card, *names: str) -> list[float]:
    """The card's params of these names; CardError where one is missing or no number."""
    for name in names:
        if not isinstance(card.params.get(name), int | float):
            raise CardError(f"the card of {card.id} lacks the number params.{name}.")
    return [float(card.params[name]) for name in names]
