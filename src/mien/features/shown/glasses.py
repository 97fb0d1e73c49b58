"""Whether glasses are worn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Flag
from mien.core.errors import CardError, ModelError
from mien.core.geometry import square_crops
from mien.core.warping import warp_batch
from mien.engine import Batch
from mien.features.shown.sizes import large_alignment
from mien.runtime.bundle import Bundle

__all__ = ["GlassesNet", "eye_squares"]

_LONG_FACE = 0.9  # eyes to mouth, times this: the distance of the eyes of a face that looks into the camera


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``."""

    width: float
    down: float
    slope: float
    offset: float


class GlassesNet:
    """Gives ``glasses`` to faces that have ``alignment``, by a MobileNetV2 on a wide crop of the head.

    Its one output is the log odds of *no* glasses, far off zero; the card's ``slope`` and ``offset`` bring them to
    those of labelled faces. Thin rims, far and dim faces are missed; sunglasses count.

    Parameters
    ----------
    bundle : Bundle
        Card with the file ``model``; in its params ``width`` and ``down``, how wide the crop is and how far its middle
        lies below the eyes, in distances of the eyes; ``slope`` and ``offset``.

    Raises
    ------
    CardError
        If it does not say how large crops are.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._session = bundle.session("model")
        self._settings = bundle.card.settings(_Settings)
        picture = bundle.card.files["model"].input
        if picture is None or picture.size is None or isinstance(picture.size, str):
            raise CardError(f"the card of {bundle.card.id} does not say how large its crops are.")
        self._size = picture.size[0]

    def describe(self, batch: Batch) -> Mapping[str, Flag]:
        """See `mien.engine.Step`."""
        points, settings = large_alignment(batch.faces.alignment), self._settings
        seen = np.asarray(~points.abstained)
        maps = eye_squares(points.values[seen], settings.width, settings.down, self._size)
        crops = warp_batch(batch.images, batch.owner[seen], maps, self._size, border="replicate")
        (raw,) = self._session.run(crops)
        if raw.shape != (len(crops), 1):
            raise ModelError(f"a network for glasses gives one number a face, not {raw.shape}.")
        values = np.full(len(points), np.nan)
        values[seen] = 1 / (1 + np.exp(settings.slope * raw[:, 0].astype(np.float64) - settings.offset))
        return {"glasses": Flag(values.astype(np.float32), reasons=points.reasons)}


def eye_squares(points: NDArray[np.float32], width: float, down: float, size: int) -> NDArray[np.float32]:
    """Maps from the picture to square crops that stand upright by the eyes.

    Parameters
    ----------
    points : (N, 5, 2) float32
        The points of ``alignment``.
    width : float
        Of the square, in distances of the eyes (of a head that is turned: as far as they would be).
    down : float
        How far below the eyes its middle lies, in the same.
    size : int
        Side of the crops in pixels.

    Returns
    -------
    (N, 2, 3) float32
    """
    right, left = points[:, 0].astype(np.float64), points[:, 1].astype(np.float64)
    eyes, across = (right + left) / 2, left - right
    apart = np.linalg.norm(across, axis=1)
    # The eyes of a turned head stand closer together, but not nearer to the mouth.
    tall = np.linalg.norm(points[:, 3:].astype(np.float64).mean(axis=1) - eyes, axis=1)
    unit = np.maximum(apart, _LONG_FACE * tall)
    turns = np.arctan2(across[:, 1], across[:, 0])
    below = np.stack([-np.sin(turns), np.cos(turns)], axis=1)
    centers = eyes + below * (down * unit)[:, None] + 0.5  # squares count from the picture's edge
    return square_crops(centers, width * unit, np.rad2deg(turns), size)
