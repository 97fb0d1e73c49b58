"""Pooling: one vector for a face that was followed through a clip.

A face in a film is small, blurred, turned, hidden behind a hand, and sometimes the tracker passes it on to somebody
else. The frames that agree with each other say who it is: the middle of the vectors is their spatial median (the point
with the least sum of distances; Weiszfeld 1937), which up to half of them can be wrong without moving it far (Lopuhaä
and Rousseeuw, *Breakdown points of affine equivariant estimators*, Annals of Statistics 1991). Frames far from it are
left out, the others averaged by quality. Recognition by tracks of small faces is what the set FANVID measures.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Vectors
from mien.core.errors import ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.embeddings.spaces import rows_of, unit
from mien.embeddings.templates import check_weights, fuse
from mien.engine import Item

__all__ = ["Pooled", "pool", "pool_tracks"]

Doubles = NDArray[np.float64]

STEPS = 30  # of Weiszfeld's iteration; each brings the middle closer by a constant factor
SPREAD = 1 / 3  # of the median distance from the middle: the least deviation, so that few alike frames call none out
MAD = 1.4826  # times the median absolute deviation is the standard deviation, for a normal distribution


@dataclass(frozen=True, eq=False)
class Pooled:
    """The vector of a track.

    Attributes
    ----------
    vector : Vectors
        One face's, of length 1; it abstains where no frame can be used.
    kept : (N,) bool
        Which of the frames it is made of.
    agreement : (N,) float32
        Cosine of each frame with the middle of all, in [-1, 1]; NaN for frames that abstained.
    """

    vector: Vectors
    kept: NDArray[np.bool_]
    agreement: NDArray[np.float32]


def pool(vectors: Vectors, *, weights: ArrayLike | None = None, outliers: float | None = 3.0) -> Pooled:
    """One vector of the frames of one track.

    Parameters
    ----------
    vectors : Vectors (N, D)
        Rows that abstained do not count.
    weights : (N,) array-like, optional
        How much each counts, 0 or more: quality, recognizability, or the height of the face; NaN is 0.
    outliers : float, optional
        Leave out frames whose agreement is lower than the median by so many standard deviations: by the median absolute
        deviation, but at least a third of one less the median, so that with 3 a frame must be twice as far from the
        middle as the median one. None: leave out none. Of fewer than three frames none is left out.

    Raises
    ------
    ShapeMismatch, UsageError
        If the weights are no such array, or `outliers` is not above 0.
    """
    if outliers is not None and not outliers > 0:
        raise UsageError(f"outliers is a number of deviations above 0, or None, not {outliers!r}.")
    rows = np.asarray(rows_of(vectors), np.float64)
    share = check_weights(weights, len(rows))
    kept = np.isfinite(rows).all(axis=1) & (share > 0)
    agreement = np.full(len(rows), np.nan)
    if kept.any():
        agreement = rows @ unit(_spatial_median(rows[kept], share[kept]))
    if outliers is not None and kept.sum() >= 3 and np.isfinite(agreement[kept]).all():
        middle = float(np.median(agreement[kept]))
        spread = max(MAD * float(np.median(np.abs(agreement[kept] - middle))), SPREAD * (1 - middle))
        kept &= agreement >= middle - outliers * spread - 1e-6  # of equal frames none is out by rounding
    vector = fuse(vectors, weights=np.where(kept, share, 0))
    return Pooled(vector, kept, np.asarray(agreement, np.float32))


def _spatial_median(points: Doubles, weights: Doubles) -> Doubles:
    """The point with the least weighted sum of distances to `points` (N, D)."""
    middle = np.average(points, axis=0, weights=weights)
    for _ in range(STEPS):
        # On a point itself Weiszfeld's step is not defined; a hair's breadth from it, it is.
        pull = weights / np.maximum(np.linalg.norm(points - middle, axis=1), 1e-9)
        middle = np.average(points, axis=0, weights=pull)
    return np.asarray(middle)


def pool_tracks(
    frames: Iterable[Item | Faces],
    *,
    weights: Callable[[Faces], ArrayLike] | None = None,
    outliers: float | None = 3.0,
) -> dict[int, Pooled]:
    """One vector for each person of a clip.

    ::

        people = pool_tracks(mien.track("clip.mp4", want={"embedding"}))

    Parameters
    ----------
    frames : iterable of Item or Faces
        Frames of one clip, with the fields ``track`` and ``embedding``, as `mien.track` gives them. Faces that were not
        seen but filled in do not count, nor do frames that failed.
    weights : callable, optional
        Faces to (N,) weights; by default the heights of their boxes: what matters most where faces are small.
    outliers : float, optional
        See `pool`.

    Returns
    -------
    dict of int to Pooled
        By track, in the order in which they appeared; its arrays have an entry per frame in which the face was seen.

    Raises
    ------
    FieldNotComputed
        If the frames have no tracks or no embeddings.
    EmbeddingSpaceMismatch, ShapeMismatch, UsageError
        If frames differ in their space, or weights are none.
    """
    parts: dict[int, list[Vectors]] = {}
    shares: dict[int, list[float]] = {}
    for frame in frames:
        faces = frame.faces if isinstance(frame, Item) else frame
        if faces is None or not len(faces):
            continue
        share = np.asarray(faces.heights if weights is None else weights(faces), np.float64)
        if share.shape != (len(faces),):
            raise ShapeMismatch(f"weights of {len(faces)} faces are ({len(faces)},), got shape {share.shape}.")
        tracks, vectors = faces.track, faces.embedding
        for row in np.flatnonzero(tracks.observed & (tracks.ids >= 0)).tolist():
            parts.setdefault(int(tracks.ids[row]), []).append(vectors[[row]])
            shares.setdefault(int(tracks.ids[row]), []).append(float(share[row]))
    return {
        track: pool(Vectors.concat(part), weights=shares[track], outliers=outliers) for track, part in parts.items()
    }
