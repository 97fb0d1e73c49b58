"""Whether each eye is open: from the lids of the mesh, or by a small network that looks at the eye.

Left and right are the subject's. What is given is a probability, so that what follows (blinks, PERCLOS) does not have
to know which model made it; its log odds grow with the width of the opening.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Points, Scores
from mien.core.errors import CardError, ModelError
from mien.core.geometry import square_crops
from mien.core.warping import warp_batch
from mien.models.card import Card
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["EYE_NAMES", "EyeNet", "MeshEyes", "openings"]

EYE_NAMES: Final = ("right", "left")  #: the values of ``eyes``, in their order

# Of the 478 mesh points, for each eye: the outer and the inner corner, and five pairs of points of the upper and the
# lower lid that stand above each other.
_CORNERS = np.array([[33, 133], [263, 362]])
_UPPER = np.array([[161, 160, 159, 158, 157], [388, 387, 386, 385, 384]])
_LOWER = np.array([[163, 144, 145, 153, 154], [390, 373, 374, 380, 381]])


def openings(landmarks: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """How far apart the lids are, in widths of the eye.

    The eye aspect ratio (Soukupova and Cech, *Real-time eye blink detection using facial landmarks*, 2016), measured in
    three dimensions: in the picture alone, the far eye of a head that is turned becomes narrower and its ratio larger,
    which in the mesh it hardly does (``benchmarks/blink.py``).

    Parameters
    ----------
    landmarks : (N, 478, 3) array
        In any unit and turn.

    Returns
    -------
    (N, 2) float64
        Right and left eye. Open eyes mostly have 0.2 to 0.35, closed ones 0.1 or less; narrow eyes stand between.
    """
    points = np.asarray(landmarks, np.float64)
    gaps = np.linalg.norm(points[:, _UPPER] - points[:, _LOWER], axis=3).mean(axis=2)
    widths = np.linalg.norm(points[:, _CORNERS[:, 0]] - points[:, _CORNERS[:, 1]], axis=2)
    # An eye without any width (all points coincide) has no opening either.
    return np.asarray(np.divide(gaps, widths, out=np.full_like(gaps, np.nan), where=widths > 0))


class MeshEyes:
    """Gives ``eyes`` to faces that have ``landmarks``: a logistic curve over `openings`.

    People differ: the narrow eyes of one are as wide as the half closed ones of another. Over time, judge a person by
    themself, as the events ``blink`` do.

    Parameters
    ----------
    bundle : Bundle
        Card of ``eyes-mesh``, without files.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._slope, self._offset, self._max_yaw = _numbers(bundle.card, "slope", "offset", "max_yaw")

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        landmarks = batch.faces.landmarks
        odds = self._slope * openings(landmarks.values) + self._offset
        return {"eyes": _scores(odds, landmarks, self._max_yaw)}


class EyeNet:
    """Gives ``eyes`` to faces that have ``landmarks``, by Intel's network on a crop of 32 pixels around each eye.

    Its softmax is far too sure of itself; the card's ``slope`` and ``offset`` bring its log odds to those of labelled
    eyes. The documentation of the network names its two outputs in the opposite order of what they are.

    Parameters
    ----------
    bundle : Bundle
        Card and files of ``open-closed-eye``.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._session = bundle.session("model")
        self._slope, self._offset, self._max_yaw = _numbers(bundle.card, "slope", "offset", "max_yaw")
        self._scale, size = _numbers(bundle.card, "scale", "size")
        self._size = int(size)

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        landmarks = batch.faces.landmarks
        odds = np.full((len(landmarks), 2), np.nan)
        seen = np.flatnonzero(~landmarks.abstained)
        if len(seen):
            crops = self._crops(batch, seen)
            (raw,) = self._session.run(crops)
            if raw.size != len(crops) * 2:
                raise ModelError(f"the eye network tells closed from open, not what this one gives: {raw.shape}.")
            closed, opened = np.log(raw.reshape(len(seen), 2, 2).astype(np.float64).clip(1e-12)).transpose(2, 0, 1)
            odds[seen] = self._slope * (opened - closed) + self._offset
        return {"eyes": _scores(odds, landmarks, self._max_yaw)}

    def _crops(self, batch: Batch, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
        """Square crops of the right and the left eye of each face of `rows`, upright by both eyes: (2 R, S, S, 3)."""
        xy = batch.faces.landmarks.xy[rows].astype(np.float64)
        across = xy[:, _CORNERS[1, 0]] - xy[:, _CORNERS[0, 0]]
        turns = np.rad2deg(np.arctan2(across[:, 1], across[:, 0]))
        corners = xy[:, _CORNERS]
        sides = np.maximum(np.linalg.norm(corners[:, :, 0] - corners[:, :, 1], axis=2) * self._scale, 1)
        # Squares count from the picture's edge, points from the first pixel's centre.
        centers = corners.mean(axis=2) + 0.5
        maps = square_crops(centers.reshape(-1, 2), sides.ravel(), np.repeat(turns, 2), self._size)
        return warp_batch(batch.images, np.repeat(batch.owner[rows], 2), maps, self._size, border="replicate")


def _scores(odds: NDArray[np.float64], landmarks: Points, max_yaw: float) -> Scores:
    """Probabilities of log odds (N, 2); an eye abstains where the face has no mesh, or has turned it away."""
    values = (1 / (1 + np.exp(-odds.clip(-15, 15)))).astype(np.float32)
    lost: NDArray[np.bool_] = np.asarray(np.isnan(odds).any(axis=1))
    hidden = _turned_away(landmarks.values, max_yaw)
    values[hidden] = np.nan
    reasons = list(landmarks.reasons_for(lost, "the face has no mesh"))
    for row in np.flatnonzero(hidden.any(axis=1) & ~lost):
        reasons[row] = f"the {EYE_NAMES[int(hidden[row].argmax())]} eye is turned away"
    return Scores(values, names=EYE_NAMES, reasons=tuple(reasons))


def _turned_away(landmarks: NDArray[np.floating[Any]], max_yaw: float) -> NDArray[np.bool_]:
    """Which of the two eyes (N, 2) stands behind the nose: the farther one, once the line of the eyes is this steep."""
    across = np.asarray(landmarks[:, _CORNERS[1, 0]] - landmarks[:, _CORNERS[0, 0]], np.float64)
    length = np.linalg.norm(across, axis=1)
    depth = np.divide(across[:, 2], length, out=np.zeros_like(length), where=length > 0)
    limit = np.sin(np.deg2rad(max_yaw))
    return np.stack([depth < -limit, depth > limit], axis=1)  # z grows away from the camera


def _numbers(card: Card, *names: str) -> list[float]:
    """The card's params of these names."""
    for name in names:
        if not isinstance(card.params.get(name), int | float):
            raise CardError(f"the card of {card.id} lacks the number params.{name}.")
    return [float(card.params[name]) for name in names]
