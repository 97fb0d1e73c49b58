"""Query expansion: a probe is moved towards what it found, and searched with again.

Alpha query expansion (Radenović, Tolias, Chum, *Fine-tuning CNN image retrieval with no human annotation*, TPAMI 2018):
the new probe is the sum of the old one and of its nearest neighbours, each weighted by its similarity to the power of
alpha. Made for retrieval, where the neighbours are rarely wrong; a stranger's probe moves towards somebody too, so that
false hits score higher as well. `least` keeps out what is not likely to be the same person.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mien.core.columns import Vectors
from mien.core.errors import ShapeMismatch, UsageError
from mien.embeddings.spaces import rows_of, same_space, unit

__all__ = ["expand"]


def expand(probes: Vectors, neighbours: Sequence[Vectors], *, alpha: float = 3.0, least: float = 0.0) -> Vectors:
    """Move each probe towards its neighbours.

    Parameters
    ----------
    probes : Vectors (Q, D)
    neighbours : sequence of Q Vectors (K, D)
        What each probe found, any number; rows that abstained do not count.
    alpha : float
        0: every neighbour counts as much as the probe. The larger, the less the farther ones count.
    least : float
        Lowest cosine, in [0, 1], of a neighbour that counts; best the threshold from which on a hit is believed.

    Returns
    -------
    Vectors (Q, D)
        Of length 1. A probe without a neighbour that counts stays as it is; one that abstained still does.

    Raises
    ------
    EmbeddingSpaceMismatch
        If the vectors are of several spaces.
    ShapeMismatch
        If there is not one column of neighbours per probe.
    UsageError
        If `alpha` is negative, or `least` outside of [0, 1].

    Examples
    --------
    >>> probe = Vectors([[1.0, 0.0]], space="s")
    >>> expand(probe, [Vectors([[0.6, 0.8]], space="s")], alpha=1).values.round(2).tolist()
    [[0.94, 0.33]]
    """
    if not 0 <= alpha < np.inf:
        raise UsageError(f"alpha is 0 or more, not {alpha!r}.")
    if not 0 <= least <= 1:
        raise UsageError(f"least is a cosine between 0 and 1, not {least!r}.")
    rows = rows_of(probes)
    if len(neighbours) != len(rows):
        raise ShapeMismatch(f"{len(neighbours)} columns of neighbours for {len(rows)} probes.")
    same_space(probes, *neighbours)
    moved = np.array(rows)
    for place, (row, column) in enumerate(zip(rows, neighbours, strict=True)):
        near = rows_of(column)
        near = near[np.isfinite(near).all(axis=1)] if near.size else near[:0]
        if not len(near):
            continue
        cosines = np.asarray(near @ row, np.float64)
        counts = (cosines > 0) & (cosines >= least)  # False for a probe that abstained
        if counts.any():
            moved[place] = unit(row + (cosines[counts] ** alpha) @ near[counts])
    return Vectors(moved, space=probes.space, reasons=probes.reasons)
