"""Whether the mouth is open, and whether it smiles: from the mesh and its blendshapes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Scores
from mien.core.errors import CardError
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["MOUTH_NAMES", "MeshMouth", "lip_gaps", "mouth_widths"]

MOUTH_NAMES: Final = ("open", "smile")  #: the values of ``mouth``, in their order

# Of the 478 mesh points: the corners of the mouth, and five pairs of points on the inner edges of the lips that touch
# when it is closed.
_CORNERS = (61, 291)
_UPPER = np.array([81, 82, 13, 312, 311])
_LOWER = np.array([178, 87, 14, 317, 402])
_SMILES = ("mouthSmileLeft", "mouthSmileRight")


def mouth_widths(landmarks: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """How wide the mouth is, corner to corner in three dimensions: (N,), in the unit of the landmarks (N, 478, 3)."""
    points = np.asarray(landmarks, np.float64)
    if not points.size:  # no faces, or read from JSON in which every face abstained
        return np.full(len(points), np.nan)
    return np.asarray(np.linalg.norm(points[:, _CORNERS[0]] - points[:, _CORNERS[1]], axis=1))


def lip_gaps(landmarks: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """How far apart the lips are, in widths of the mouth.

    Parameters
    ----------
    landmarks : (N, 478, 3) array
        In any unit and turn.

    Returns
    -------
    (N,) float64
        Closed mouths mostly have 0.01 to 0.05, smiles that show teeth 0.1 to 0.25, surprise 0.3 to 0.7.
    """
    points = np.asarray(landmarks, np.float64)
    if not points.size:
        return np.full(len(points), np.nan)
    gaps = np.linalg.norm(points[:, _UPPER] - points[:, _LOWER], axis=2).mean(axis=1)
    widths = mouth_widths(points)
    return np.asarray(np.divide(gaps, widths, out=np.full_like(gaps, np.nan), where=widths > 0))


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``."""

    open_slope: float
    open_offset: float
    smile_slope: float
    smile_offset: float
    max_yaw: float
    smallest: float


class MeshMouth:
    """Gives ``mouth`` to faces that have ``landmarks``, ``blendshapes`` and ``pose``: two logistic curves.

    ``open`` is over `lip_gaps`: the lips are apart, be it to talk, to smile or to gape. ``smile`` is over the mean of
    the blendshapes ``mouthSmileLeft`` and ``mouthSmileRight``: the corners of the mouth are drawn up. It says nothing
    of joy, and babies that laugh with a wide mouth are missed.

    The mesh guesses a mouth behind a mask or a hand, too, mostly a closed one: ask for ``covered`` where that matters.

    Parameters
    ----------
    bundle : Bundle
        A card without files; what its params mean stands there.

    Raises
    ------
    CardError
        If they are incomplete.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.card.settings(_Settings)

    def describe(self, batch: Batch) -> Mapping[str, Scores]:
        """Compute ``mouth``, (N, 2); heads in profile and mouths of a few pixels abstain with the reason."""
        faces, settings = batch.faces, self._settings
        landmarks, shapes = faces.landmarks, faces.blendshapes
        if missing := {*_SMILES} - set(shapes.names) if shapes.names else ():
            raise CardError(f"these blendshapes lack {min(missing)}: the mouth needs it.")
        sides = [np.asarray(shapes.named(name)) for name in _SMILES] if shapes.names else [np.full(len(faces), np.nan)]
        smiles = np.mean(sides, axis=0)
        odds = np.stack(
            [
                settings.open_slope * lip_gaps(landmarks.values) + settings.open_offset,
                settings.smile_slope * smiles.astype(np.float64) + settings.smile_offset,
            ],
            axis=1,
        )
        reasons = list(landmarks.reasons_for(np.isnan(odds).any(axis=1), "the face has no mesh"))
        turned = np.abs(faces.pose.values[:, 0]) > settings.max_yaw
        widths = mouth_widths(landmarks.values)
        for row in np.flatnonzero((turned | (widths < settings.smallest)) & ~np.isnan(odds).any(axis=1)):
            small = f"the mouth is too small: {widths[row]:.0f} pixels; {settings.smallest:g} are needed"
            reasons[row] = "the head is in profile" if turned[row] else small
        values = 1 / (1 + np.exp(-odds.clip(-15, 15)))
        values[[reason is not None for reason in reasons]] = np.nan
        return {"mouth": Scores(values.astype(np.float32), names=MOUTH_NAMES, reasons=tuple(reasons))}
