"""Adaptive symmetric score normalization: how far a score stands out from those of strangers who look alike.

A face with a common look has many near strangers, one with a rare look has few; the same cosine means less for the
first. AS-norm, of speaker verification, compares each of the two faces with a *cohort* of other people and measures the
score against the nearest of these:

    s' = ((s - mean_a) / std_a + (s - mean_b) / std_b) / 2

where mean and deviation are over the `top` highest cohort scores of each side (Matejka et al., *Analysis of score
normalization in multilingual speaker recognition*, Interspeech 2017: their AS-norm1). What comes out is in standard
deviations, no cosine: no threshold of a calibration holds for it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Vectors
from mien.core.errors import ShapeMismatch, UsageError
from mien.embeddings.spaces import rows_of, same_space

__all__ = ["Cohort", "normalize"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

BLOCK = 4096  # rows that are compared with the cohort at a time


@dataclass(frozen=True, eq=False)
class Cohort:
    """People who are neither the probe nor any candidate.

    Parameters
    ----------
    vectors : Vectors (C, D)
        One of each person, best of many kinds of people. Rows that abstained do not count.
    top : int
        How many of the nearest to measure against; all, where there are fewer.

    Raises
    ------
    UsageError
        If there are fewer than two usable vectors, or `top` is below 2: one score has no deviation.
    """

    vectors: Vectors
    top: int = 100

    def __post_init__(self) -> None:
        if not isinstance(self.top, int) or self.top < 2:
            raise UsageError(f"top is a whole number of 2 or more, not {self.top!r}.")
        if len(self._rows) < 2:
            raise UsageError(f"a cohort is two people or more; {len(self._rows)} of its vectors can be used.")

    @cached_property
    def _rows(self) -> Floats:
        rows = rows_of(self.vectors)
        return rows[np.isfinite(rows).all(axis=1)]

    def statistics(self, vectors: Vectors) -> tuple[Doubles, Doubles]:
        """Mean and standard deviation of the scores of each face with its nearest people of the cohort.

        They depend on nothing else, so that those of a gallery's faces can be computed once.

        Parameters
        ----------
        vectors : Vectors (N, D)

        Returns
        -------
        mean, std : (N,) float64
            NaN where a face abstained, or where all the scores are equal and so have no scale.

        Raises
        ------
        EmbeddingSpaceMismatch
            If they are of another space than the cohort.
        """
        same_space(vectors, self.vectors)
        rows, top = rows_of(vectors), min(self.top, len(self._rows))
        mean, std = np.full((2, len(rows)), np.nan)
        for start in range(0, len(rows), BLOCK):
            part = slice(start, start + BLOCK)
            scores = np.asarray(rows[part] @ self._rows.T, np.float64)
            nearest = np.partition(scores, -top, axis=1)[:, -top:]
            mean[part], std[part] = nearest.mean(axis=1), nearest.std(axis=1)
        flat = ~(std > 1e-6)  # float32 rounds a score by 1e-7
        mean[flat] = std[flat] = np.nan
        return mean, std

    def normalize(self, scores: ArrayLike, probes: Vectors, candidates: Vectors) -> Floats:
        """Normalize scores.

        Parameters
        ----------
        scores : (Q, K) array-like
            Of each probe with each candidate.
        probes, candidates : Vectors (Q, D), (K, D)

        Returns
        -------
        (Q, K) float32
            In standard deviations above the nearest strangers; NaN where one of the two abstained.

        Raises
        ------
        EmbeddingSpaceMismatch
            If the vectors are of several spaces.
        ShapeMismatch
            If the scores do not have a row per probe and a column per candidate.
        """
        values = np.asarray(scores, np.float64)
        of_probes, of_candidates = self.statistics(probes), self.statistics(candidates)
        shape = len(of_probes[0]), len(of_candidates[0])
        if values.shape != shape:
            raise ShapeMismatch(
                f"scores of {shape[0]} probes and {shape[1]} candidates are {shape}, not {values.shape}."
            )
        one = (values - of_probes[0][:, None]) / of_probes[1][:, None]
        other = (values - of_candidates[0]) / of_candidates[1]
        return np.asarray((one + other) / 2, np.float32)


def normalize(probes: Vectors, candidates: Vectors, cohort: Vectors, *, top: int = 100) -> Floats:
    """Normalized cosines of probes and candidates; see `Cohort`.

    Parameters
    ----------
    probes, candidates, cohort : Vectors (Q, D), (K, D), (C, D)
    top : int
        How many of the nearest people of the cohort to measure against.

    Returns
    -------
    (Q, K) float32
        In standard deviations; NaN where one of the two abstained.

    Raises
    ------
    EmbeddingSpaceMismatch
        If the vectors are of several spaces.
    UsageError
        If the cohort has fewer than two usable vectors, or `top` is below 2.
    """
    same_space(probes, candidates, cohort)
    return Cohort(cohort, top).normalize(rows_of(probes) @ rows_of(candidates).T, probes, candidates)
