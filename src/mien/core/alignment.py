"""For which faces a crop can be aligned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from mien.core.columns import Points

__all__ = ["usable_alignment"]

#: Five points closer together than this many pixels say nothing about how the face stands.
SMALLEST_SPREAD = 2.0


def usable_alignment(alignment: Points) -> Points:
    """The same points, abstaining with a reason where no crop can be aligned by them.

    Parameters
    ----------
    alignment : Points (N, 5, 2)
        The field ``alignment``.

    Returns
    -------
    Points (N, 5, 2)
        NaN where a point is missing, and where all five lie within 2 pixels of each other.
    """
    values = alignment.values
    if not values.size:  # no faces, or read from JSON in which every face abstained
        values = np.full((len(alignment), 5, 2), np.nan, np.float32)
    missing = np.asarray(~np.isfinite(values).all(axis=(1, 2)))
    spread = np.ptp(np.where(missing[:, None, None], 0, values), axis=1).max(axis=1)
    together = ~missing & (spread < SMALLEST_SPREAD)
    reasons = (
        alignment.reasons_for(missing, "no points to align by"),
        alignment.reasons_for(together, "the points to align by coincide"),
    )
    return replace(
        alignment,
        values=np.where((missing | together)[:, None, None], np.float32(np.nan), values),
        reasons=tuple(one or other for one, other in zip(*reasons, strict=True)),
    )
