"""Templates: one vector for a person who was seen several times.

The mean of a person's vectors says more about the person than any of them: what differs from picture to picture cancels
out. Two refinements of the literature are here. Frames of one video are alike, and a hundred of them are no hundred
pictures: they are averaged among themselves first (the protocol of IJB-B and IJB-C; Crosswhite et al., *Template
adaptation for face verification and identification*, 2017; Cao et al., *VGGFace2*, 2018). And a blurred face says less
than a clear one: vectors may be weighted, by recognizability, quality or size.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Vectors
from mien.core.errors import ShapeMismatch, UsageError
from mien.embeddings.spaces import rows_of, unit

__all__ = ["check_weights", "fuse", "fuse_groups"]

Doubles = NDArray[np.float64]
Labels = Sequence[Hashable] | NDArray[np.generic]

NOTHING = "none of its vectors can be used"
CANCELLED = "its vectors cancel each other out"


def fuse(vectors: Vectors, *, weights: ArrayLike | None = None, media: Labels | None = None) -> Vectors:
    """One vector for all of these.

    Parameters
    ----------
    vectors : Vectors (N, D)
        Of one person. Rows that abstained do not count.
    weights : (N,) array-like, optional
        How much each row counts, 0 or more; only their ratios matter. NaN is 0: a row of unknown quality is left out.
    media : sequence of N labels, optional
        Which picture or video each row is from: rows with one label are averaged first, and count together as much as
        the weightiest of them. By default each is for itself.

    Returns
    -------
    Vectors
        One face's, of length 1; it abstains, with the reason, where no row can be used or all cancel out.

    Raises
    ------
    ShapeMismatch
        If `weights` or `media` do not have one entry per row.
    UsageError
        If a weight is negative or infinite.
    """
    everything = np.zeros(len(rows_of(vectors)), np.intp)
    return fuse_groups(vectors, everything, 1, weights=weights, media=media)[0]


def fuse_groups(
    vectors: Vectors,
    groups: ArrayLike,
    count: int,
    *,
    weights: ArrayLike | None = None,
    media: Labels | None = None,
) -> Vectors:
    """One vector for each of several people; see `fuse`.

    Parameters
    ----------
    vectors : Vectors (N, D)
    groups : (N,) integers
        Whose each row is, from 0; -1: nobody's.
    count : int
        Number of people.

    Returns
    -------
    Vectors (count, D)
        A person without a usable row abstains.

    Raises
    ------
    ShapeMismatch, UsageError
        As `fuse`; or a group is none of -1 to ``count - 1``.
    """
    values = np.asarray(rows_of(vectors), np.float64)
    share = check_weights(weights, len(values))
    owner = np.asarray(groups, None if np.size(groups) else np.intp)
    if owner.shape != share.shape or (owner.size and not np.issubdtype(owner.dtype, np.integer)):
        raise ShapeMismatch(f"groups are ({len(values)},) integers, got {owner.dtype} of shape {owner.shape}.")
    if owner.size and not -1 <= owner.min() <= owner.max() < count:
        raise UsageError(f"groups are numbers from -1 to {count - 1}, got {owner.min()} to {owner.max()}.")
    if media is not None and len(media) != len(values):
        raise ShapeMismatch(f"{len(media)} media for {len(values)} vectors.")

    usable = np.isfinite(values).all(axis=1) & (share > 0) & (owner >= 0)
    rows = np.flatnonzero(usable)
    sums = np.zeros((count, values.shape[1]))
    for row, mean, weight in _by_medium(values, share, owner, media, rows):
        sums[row] += weight * mean
    found = unit(sums)
    # Vectors without a length come from JSON in which every face abstained.
    lost = np.asarray(np.isnan(found).any(axis=1)) | (not found.shape[1])
    empty = ~np.isin(np.arange(count), owner[rows])
    reasons = tuple((NOTHING if none else CANCELLED) if gone else None for gone, none in zip(lost, empty, strict=True))
    return Vectors(found, space=vectors.space, reasons=reasons)


def check_weights(weights: ArrayLike | None, count: int) -> Doubles:
    """Weights (N,), the largest 1; 1 where none are given, 0 where one is not known.

    Raises
    ------
    ShapeMismatch
        If there is not one for each of `count` rows.
    UsageError
        If one is negative or infinite.
    """
    if weights is None:
        return np.ones(count)
    share = np.asarray(weights, np.float64)
    if share.shape != (count,):
        raise ShapeMismatch(f"weights are ({count},), one for each vector, got shape {share.shape}.")
    share = np.nan_to_num(share, nan=0.0, posinf=np.inf)
    if not np.isfinite(share).all() or (share < 0).any():
        raise UsageError("weights are 0 or more, and finite.")
    return np.asarray(share / max(share.max(initial=0.0), np.finfo(float).tiny))


def _by_medium(
    values: Doubles, share: Doubles, owner: NDArray[np.intp], media: Labels | None, rows: NDArray[np.intp]
) -> list[tuple[int, Doubles, float]]:
    """Person, mean vector and weight of each medium."""
    if media is None:
        return [(int(owner[row]), values[row], float(share[row])) for row in rows]
    parts: dict[tuple[int, Hashable], list[int]] = {}
    for row in rows.tolist():
        parts.setdefault((int(owner[row]), media[row]), []).append(row)
    return [
        (person, np.average(values[part], axis=0, weights=share[part]), float(share[part].max()))
        for (person, _), part in parts.items()
    ]
