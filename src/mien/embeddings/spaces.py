"""What functions on columns of vectors share: whether they are of one space, their rows, their directions."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.errors import EmbeddingSpaceMismatch, ShapeMismatch

__all__ = ["rows_of", "same_space", "unit"]

Floats = NDArray[np.float32]


def same_space(*columns: Vectors) -> str:
    """The space that all of these are of.

    Raises
    ------
    EmbeddingSpaceMismatch
        If they are of two.
    ShapeMismatch
        If they are of one by name, but of two lengths.
    """
    spaces = list(dict.fromkeys(column.space for column in columns))
    if len(spaces) > 1:
        raise EmbeddingSpaceMismatch(
            f"embeddings of {spaces[0]!r} cannot be used with those of {spaces[1]!r}: compute both with one model."
        )
    # A column that was read from JSON in which every face abstained has no length.
    lengths = sorted({column.values.shape[-1] for column in columns if column.values.size})
    if len(lengths) > 1:
        raise ShapeMismatch(f"vectors of {lengths[0]} and of {lengths[1]} numbers in one computation.")
    return spaces[0]


def rows_of(column: Vectors) -> Floats:
    """The vectors (N, D); one face's view is a batch of one."""
    return np.atleast_2d(column.values)


def unit(vectors: NDArray[np.floating[Any]]) -> Floats:
    """The same directions at length 1, float32; NaN where there is none."""
    values = np.asarray(vectors, np.float64)
    lengths = np.linalg.norm(values, axis=-1, keepdims=True)
    # Opposite vectors cancel but for rounding: what is left of them is no direction.
    found = np.divide(values, lengths, out=np.full_like(values, np.nan), where=lengths > 1e-6)
    return np.asarray(found, np.float32)
