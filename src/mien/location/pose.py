"""Head pose by laying the canonical face over the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mien.core.columns import Angles, Column
from mien.core.geometry import angles
from mien.location.canonical import CanonicalFace
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["CanonicalPose"]


class CanonicalPose:
    """Gives ``pose`` to faces that have ``landmarks``.

    The rotation is the one that lays the canonical face over the mesh in all three axes (`CanonicalFace.fit`), with
    the weights that MediaPipe gives the points that expressions leave in place. Fits of the picture positions alone,
    orthographic or through a pinhole, were not better on photos with known pose; see ``benchmarks/pose.py``.

    Parameters
    ----------
    bundle : Bundle
        Card and files of ``pose-canonical``.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._canonical = CanonicalFace.read(bundle.path("geometry"))

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        landmarks = batch.faces.landmarks
        fit = self._canonical.fit(landmarks.values)
        values = angles(fit.rotation)
        values[fit.scale == 0] = np.nan
        lost = np.isnan(values[:, 0])
        return {"pose": Angles(values, reasons=landmarks.reasons_for(lost, "the face has no mesh"))}
