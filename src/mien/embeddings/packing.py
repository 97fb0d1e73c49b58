"""Vectors as bytes: how an embedding is stored, in 4, 2 or 1 bytes a number.

A vector of length 1 is packed by itself, so that it can be read, moved and erased by itself. ``i8`` scales each vector
so that its largest number becomes 127; the scale need not be kept, since the vector is made of length 1 again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError

__all__ = ["Precision", "check_precision", "pack", "unpack"]

Precision = Literal["f32", "f16", "i8"]
Floats = NDArray[np.float32]

_TYPES: dict[str, np.dtype[Any]] = {"f32": np.dtype("<f4"), "f16": np.dtype("<f2"), "i8": np.dtype("i1")}


def check_precision(name: str) -> Precision:
    """Return the name of a precision that there is.

    Raises
    ------
    UsageError
        If there is no such precision.
    """
    if name not in _TYPES:
        raise UsageError(f"vectors are stored as {', '.join(_TYPES)}; got {name!r}.")
    return cast("Precision", name)


def pack(vectors: Floats, precision: Precision) -> list[bytes]:
    """The bytes of each vector.

    Parameters
    ----------
    vectors : (N, D) float32
        Of length 1.
    precision : {"f32", "f16", "i8"}
    """
    values = np.asarray(vectors, np.float32)
    if values.ndim != 2:
        raise ShapeMismatch(f"vectors are (N, D), got shape {values.shape}.")
    if precision == "i8":
        peaks = np.abs(values).max(axis=1, initial=0.0, keepdims=True)
        values = np.rint(values * (127 / np.where(peaks > 0, peaks, 1))).astype(np.float32)
    rows = np.ascontiguousarray(values.astype(_TYPES[precision]))
    return [row.tobytes() for row in rows]


def unpack(blobs: Sequence[bytes], precision: Precision, dimension: int) -> Floats:
    """The vectors (N, D) float32, of length 1, that `pack` made bytes of.

    Raises
    ------
    ShapeMismatch
        If bytes are not of vectors of that dimension.
    """
    kind = _TYPES[precision]
    if any(len(blob) != kind.itemsize * dimension for blob in blobs):
        raise ShapeMismatch(f"stored vectors are not {dimension} numbers of {precision}.")
    values = np.frombuffer(b"".join(blobs), kind).reshape(len(blobs), dimension).astype(np.float32)
    lengths = np.linalg.norm(values, axis=1, keepdims=True)
    values /= np.where(lengths > 0, lengths, 1)
    return values
