"""Quality as a product of the parts, each to a power of its own; alone, or beside what a network says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Scalar, Scores
from mien.core.errors import CardError
from mien.engine import Batch
from mien.features.fit.parts import PART_NAMES
from mien.features.fit.quality import QualityNet, numbers
from mien.runtime.bundle import Bundle

__all__ = ["LEAST", "QualityFused", "QualityProduct"]

LEAST: Final = 0.01  #: a part below it says no more


class QualityProduct:
    """Gives ``quality`` to faces that have ``quality_parts``.

    Its log odds are ``bias + sum(power * log(part))``; no power is below 0, so that no part can lower quality by being
    better. A part that is missing counts as the card's ``usual`` one.

    Parameters
    ----------
    bundle : Bundle
        Card of ``quality-product``, whose params are ``bias`` and, by part, ``powers`` and ``usual``.

    Raises
    ------
    CardError
        If the card lacks one of these, or names parts that there are not.
    """

    def __init__(self, bundle: Bundle) -> None:
        card = bundle.card
        (self._bias,) = numbers(card, "bias")
        tables: list[Mapping[str, float]] = [card.params.get(name, {}) for name in ("powers", "usual")]
        if not all(isinstance(table, Mapping) and table and set(table) <= set(PART_NAMES) for table in tables):
            raise CardError(f"the card of {card.id} lacks params.powers and params.usual, by names of parts.")
        powers, usual = ([float(table.get(name, 0)) for name in PART_NAMES] for table in tables)
        self._powers, self._usual = np.asarray(powers), np.asarray(usual)
        if not (self._powers >= 0).all() or not (self._usual[self._powers > 0] > 0).all():
            raise CardError(f"the card of {card.id} has a power below 0, or a part with a power that is usually 0.")

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """Compute ``quality`` (N,); a face without parts abstains with their reason.

        Parameters
        ----------
        batch : Batch
            Faces with ``quality_parts``.
        """
        parts = batch.faces.quality_parts
        return {"quality": _chance(self.odds(parts), parts)}

    def odds(self, parts: Scores) -> NDArray[np.float64]:
        """The log odds (N,); NaN for a face without parts."""
        values = np.full(len(parts), np.nan)
        seen = ~parts.abstained
        if seen.any():
            table = parts.values[seen].astype(np.float64)
            known = np.where(np.isnan(table), self._usual, table).clip(LEAST, 1)
            logs = np.log(known, out=np.zeros_like(known), where=self._powers > 0)
            values[seen] = self._bias + logs @ self._powers
        return values


class QualityFused:
    """Gives ``quality`` by a network and by the parts: their log odds are added.

    The network sees what no formula does, and the parts what it was not taught: that the head is turned, for one.

    Parameters
    ----------
    bundle : Bundle
        Card of ``quality-fused``, with the params of `QualityNet` and of `QualityProduct`.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._net, self._product = QualityNet(bundle), QualityProduct(bundle)

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """Compute ``quality`` (N,) of faces with ``alignment`` and ``quality_parts``; see `QualityProduct`."""
        parts = batch.faces.quality_parts
        return {"quality": _chance(self._net.odds(batch) + self._product.odds(parts), parts)}


def _chance(odds: NDArray[np.float64], parts: Scores) -> Scalar:
    return Scalar((1 / (1 + np.exp(-odds.clip(-30, 30)))).astype(np.float32), reasons=parts.reasons)
