"""The field ``portrait``: how well a picture meets what portraits for documents must."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Scores
from mien.core.errors import CardError
from mien.features.fit.portrait_geometry import measure_head, measure_state, place_heads
from mien.features.fit.portrait_pixels import PIXEL_CHECKS, blockiness, measure_pixels
from mien.features.fit.portrait_rules import load_rules
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["NEEDS", "PortraitChecks", "measure"]

#: The fields that `measure` reads.
NEEDS: Final = ("landmarks", "pose", "gaze", "eyes", "blendshapes", "parse", "visible")

DARK_SKIN: Final = 0.02  #: share of the skin that is nearly black in good light


def measure(batch: Batch, *, counts: NDArray[np.integer[Any]] | None = None) -> dict[str, NDArray[np.float64]]:
    """Measure all that `mien.features.fit.portrait_rules.known_checks` names.

    Parameters
    ----------
    batch : Batch
        Faces with the fields `NEEDS`.
    counts : (N,) integers, optional
        How many faces each one's picture has; by default those of the batch.

    Returns
    -------
    dict
        By name, (N,) each, in the check's own unit; NaN where it cannot be told.
    """
    faces, count = batch.faces, len(batch.faces)
    points = faces.landmarks.values
    if not points.size:  # no faces, or read from JSON in which every face abstained
        points = np.full((count, 478, 3), np.nan, np.float32)
    head = place_heads(points)
    if counts is None:
        counts = np.bincount(batch.owner, minlength=len(batch.images))[batch.owner]
    told = measure_head(head, batch.sizes, counts) | measure_state(faces)
    pixels = [
        measure_pixels(batch.images[batch.owner[row]], points[row], head, row, faces.parse[row]) for row in range(count)
    ]
    told |= {name: np.array([one[name] for one in pixels], np.float64) for name in PIXEL_CHECKS}
    # What covers a face is told from skin; less surely where that is nearly black. So nobody is refused for it.
    dark = told.pop("dark_skin") >= DARK_SKIN
    for name in ("eyes_visible", "face_visible"):
        told[name] = np.where(dark & (told[name] < 1), np.nan, told[name])
    # Lenses stand before the eyes, and the eyes are seen.
    told["eyes_visible"] = np.where(told.pop("clear_glasses") == 1, 1.0, told["eyes_visible"])
    blocks = {place: blockiness(batch.images[place]) for place in set(batch.owner.tolist())}
    return {**told, "compression": np.array([blocks[place] for place in batch.owner.tolist()], np.float64)}


class PortraitChecks:
    """Gives ``portrait``: a score for each requirement of a table of rules, 0.5 at its limit.

    Parameters
    ----------
    bundle : Bundle
        A card without files; its params name the ``rules``, as `mien.features.fit.portrait_rules.load_rules` reads
        them.

    Raises
    ------
    CardError
        If the card names no rules.
    """

    def __init__(self, bundle: Bundle) -> None:
        rules = bundle.card.params.get("rules")
        if not isinstance(rules, str):
            raise CardError(f"the card of {bundle.card.id} lacks params.rules.")
        self._rules = load_rules(rules)

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        values = measure(batch)
        limits = self._rules.checks
        scores = np.stack([limit.scores(values[name]) for name, limit in limits.items()], axis=1)
        landmarks = batch.faces.landmarks
        lost = landmarks.abstained
        scores[lost] = np.nan
        reasons = landmarks.reasons_for(lost, "the face has no mesh")
        return {"portrait": Scores(scores, names=tuple(limits), reasons=reasons)}
