"""How many pictures in a folder-per-person set are of somebody else.

Sets that were gathered by name have wrong pictures, and an error rate measured on them is theirs as much as the
matcher's. Each picture is compared with the middle of the other pictures of its folder, and, as everybody else's
pictures would be, with the middles of all other folders: the latter tell how a wrong picture scores. The middle of a
folder is weighted by the leading eigenvector of its scores, which finds the pictures that agree (Knott, Serna, Mann,
Perona, *A Rapid Test for Accuracy and Bias of Face Recognition Technology*, 2025). Were all pictures wrong, their
p-values would be uniform; those above a half are therefore half of the wrong ones (Storey, *A direct approach to false
discovery rates*, 2002).

The matcher judges itself: a picture of the right person that it does not recognise counts as wrong. Let another one
judge where that matters.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.evaluation.intervals import Interval, bootstrap, wilson

__all__ = ["NoiseReport", "evaluate_noise"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

MIDDLE = 0.5  # p-values above it are of wrong pictures
SUSPECT = 0.01  # the part of wrong pictures that would score as high as what is not suspect
SMALLEST = 3  # pictures a folder has at least: of two that disagree neither is the wrong one


@dataclass(frozen=True)
class NoiseReport:
    """The estimate; the interval is 95 % over people.

    Parameters
    ----------
    people, pictures : int
        Folders and pictures that could be judged: three pictures with a face or more.
    wrong, interval : float
        Part of the pictures that are of somebody else.
    threshold : float
        The cosine to its folder's middle that one in a hundred wrong pictures reaches.
    suspects : tuple of int
        Pictures below it, the least alike first, as numbers of the rows that were given.
    """

    people: int
    pictures: int
    wrong: float
    interval: Interval
    threshold: float
    suspects: tuple[int, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_noise(vectors: Floats, people: Sequence[str], *, seed: int = 0) -> NoiseReport:
    """Estimate the part of wrong pictures.

    Parameters
    ----------
    vectors : (N, D) float32
        Of length 1; rows of NaN do not count.
    people : sequence of N str
        Who each picture is said to be of.
    seed : int
        Of the bootstrap.

    Raises
    ------
    ShapeMismatch
        If there is not one person for each vector.
    UsageError
        If there are not two people with three pictures.
    """
    if vectors.ndim != 2 or len(vectors) != len(people):
        raise ShapeMismatch(f"{len(people)} people for vectors {vectors.shape}.")
    names, owners = np.unique(np.asarray(people, str), return_inverse=True)
    usable = np.isfinite(vectors).all(axis=1)
    rows = [np.flatnonzero(usable & (owners == owner)) for owner in range(len(names))]
    rows = [part for part in rows if len(part) >= SMALLEST]
    if len(rows) < 2:
        raise UsageError(f"wrong pictures show among two people or more with {SMALLEST} pictures each.")
    parts = [vectors[part].astype(np.float64) for part in rows]
    weights = [_agreement(part) for part in parts]
    middles = np.stack([_unit(share @ part) for share, part in zip(weights, parts, strict=True)])
    own = [_to_others(part, share) for part, share in zip(parts, weights, strict=True)]
    foreign = np.sort(
        np.concatenate([_foreign(part, own[at], np.delete(middles, at, 0)) for at, part in enumerate(parts)])
    )
    chances = [1 - np.searchsorted(foreign, scores, side="left") / len(foreign) for scores in own]
    threshold = float(np.quantile(foreign, 1 - SUSPECT))
    scores, places = np.concatenate(own), np.concatenate(rows)
    low = np.flatnonzero(scores < threshold)
    return NoiseReport(
        people=len(rows),
        pictures=len(places),
        wrong=_part(chances),
        interval=_interval(chances, seed),
        threshold=threshold,
        suspects=tuple(places[low[np.argsort(scores[low])]].tolist()),
    )


def _part(chances: Sequence[Doubles]) -> float:
    """The part of wrong pictures, by the p-values of each folder's."""
    every = np.concatenate(chances)
    return min(float((every > MIDDLE).mean() / (1 - MIDDLE)), 1.0)


def _interval(chances: Sequence[Doubles], seed: int) -> Interval:
    """Over folders, and never narrower than that of independent pictures."""
    every = np.concatenate(chances)
    low, high = bootstrap(_part, chances, seed=seed)
    least, most = (end / (1 - MIDDLE) for end in wilson(int((every > MIDDLE).sum()), len(every)))
    return min(low, least, 1.0), min(max(high, most), 1.0)


def _agreement(part: Doubles) -> Doubles:
    """How much each vector (n,) agrees with the others: the leading eigenvector of their cosines, 0 or more."""
    leading = np.linalg.eigh(part @ part.T)[1][:, -1]
    return np.asarray(np.maximum(leading * np.sign(leading.sum() or 1.0), 0.0))


def _to_others(part: Doubles, weights: Doubles) -> Doubles:
    """The cosine of each vector (n,) to the middle of the others."""
    others = weights @ part - weights[:, None] * part
    return np.asarray((part * _unit(others)).sum(axis=1))


def _foreign(part: Doubles, own: Doubles, middles: Doubles) -> Doubles:
    """How vectors (n, D) score with the middles (F, D) of folders that are not theirs.

    A picture that is nearest to another folder may have got lost from there: that score is left out.
    """
    scores = part @ middles.T
    best = scores.argmax(axis=1)
    lost = (np.arange(scores.shape[1]) == best[:, None]) & (scores > own[:, None])
    return np.asarray(scores[~lost])


def _unit(vectors: Doubles) -> Doubles:
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12))
