"""The detector's own points as the five that crops are aligned by."""

from __future__ import annotations

from collections.abc import Mapping

from mien.core.columns import Column
from mien.core.errors import UsageError
from mien.core.faces import ALIGNMENT_NAMES
from mien.engine import Batch
from mien.runtime.bundle import Bundle

__all__ = ["DetectorPoints"]


class DetectorPoints:
    """Gives ``alignment`` from the keypoints that came with the faces: at no cost, and as good as the detector's.

    Detectors lay their points out as those of an upright face, so a crop is wrong where the head is tilted by 30
    degrees or more, and nothing shows it. The mesh follows any tilt; that is why it is the default.

    Parameters
    ----------
    bundle : Bundle
        A card without files.
    """

    def __init__(self, bundle: Bundle) -> None:
        del bundle  # nothing to load

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`.

        Raises
        ------
        UsageError
            If the faces' keypoints do not hold the five.
        """
        faces = batch.faces.with_alignment()
        if "alignment" not in faces.columns:
            missing = ", ".join(name for name in ALIGNMENT_NAMES if name not in faces.keypoint_names)
            raise UsageError(f"the faces have no {missing}: take alignment from another model.")
        return {"alignment": faces.alignment}
