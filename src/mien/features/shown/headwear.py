"""Whether something covers the head."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mien.core.columns import Flag
from mien.features.shown.crown import TOP, look, readable
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["Headwear"]


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``."""

    slope: float
    offset: float
    seen: float


class Headwear:
    """Gives ``headwear`` to faces that have ``parse`` and ``alignment``: a logistic curve over the share of hat.

    The share is that of the forehead and what is above it, as far as the picture goes. Hats and caps are found well
    where they are in sight; scarves that cover all of the hair less so, since the parsing has seen few, and it takes
    some shaved heads for hats.

    Parameters
    ----------
    bundle : Bundle
        A card without files; what its params mean stands there.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.card.settings(_Settings)

    def describe(self, batch: Batch) -> Mapping[str, Flag]:
        """Compute ``headwear``, (N,); a head whose top is outside of the picture abstains."""
        settings, parse, alignment = self._settings, batch.faces.parse, batch.faces.alignment
        reasons = list(readable(batch, "hat"))
        values = np.full(len(parse), np.nan, np.float32)
        for row, reason in enumerate(reasons):
            if reason is None:
                crown = look(parse[row], alignment.values[row], batch.images[batch.owner[row]])
                seen = crown.seen(TOP)
                if seen < settings.seen:
                    reasons[row] = "the top of the head is outside of the picture"
                else:
                    odds = settings.slope * crown.share("hat", TOP) / seen + settings.offset
                    values[row] = 1 / (1 + np.exp(-odds))
        return {"headwear": Flag(values, reasons=tuple(reasons))}
