"""Rows of vectors and ids in memory: growing, and compared as a whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Growing", "compared", "kth", "noting_ids", "repeated", "rounded", "widened"]

Floats = NDArray[np.float32]
Halves = NDArray[np.float16]
Ids = NDArray[np.int64]

QUERIES = 64  # that are compared at once


class Growing:
    """An array to which rows are appended."""

    def __init__(self, values: NDArray[Any]) -> None:
        self.values = values
        self._room = values

    def append(self, rows: NDArray[Any]) -> None:
        """Put rows behind those that are there."""
        count = len(self.values)
        if count + len(rows) > len(self._room):
            shape = (max(count + len(rows), 2 * count, 64), *self._room.shape[1:])
            self._room = np.empty(shape, self._room.dtype)
            self._room[:count] = self.values
        self._room[count : count + len(rows)] = rows
        self.values = self._room[: count + len(rows)]


def kth(scores: Floats, k: int) -> float:
    """The k-th best; less than any cosine where there are not as many."""
    return float(np.partition(scores, -k)[-k]) if len(scores) >= k else -1e30


def widened(halves: Halves) -> Floats:
    """Finite f16 as f32: what ``astype`` does, six times as fast.

    An f16 has 5 bits of exponent, biased by 15, and 10 of fraction; an f32 has 8, biased by 127, and 23. So the bits
    are moved, the copies of the sign that fill the gap are taken out, and a multiplication mends the bias.
    """
    bits = halves.view(np.int16).astype(np.int32)
    bits <<= 13
    bits &= ~np.int32(0x70000000)
    values: Floats = bits.view(np.float32)
    values *= np.float32(2.0 ** (127 - 15))
    return values


def rounded(vectors: Floats) -> Floats:
    """As they are in files."""
    return widened(vectors.astype(np.float16))


def noting_ids(rows: Iterable[tuple[Ids, Floats]], ids: list[Ids]) -> Iterator[Halves]:
    """Vectors as they are in files; their ids are appended to a list on the way."""
    for part, vectors in rows:
        ids.append(part)
        yield vectors.astype(np.float16)


def repeated(ids: Ids) -> Ids:
    """Rows whose id comes again later."""
    _, last = np.unique(ids[::-1], return_index=True)
    return np.setdiff1d(np.arange(len(ids)), len(ids) - 1 - last)


def compared(
    queries: Floats, rows: Ids, vectors: Floats, k: int, wanted: NDArray[np.bool_] | None = None
) -> Iterator[tuple[Ids, Floats]]:
    """For each query, the best `k` of these rows (of those that are wanted), and their scores."""
    left_out = None if wanted is None or wanted.all() else ~wanted
    for start in range(0, len(queries), QUERIES):
        scores = queries[start : start + QUERIES] @ vectors.T
        if left_out is not None:
            scores[:, left_out] = -np.inf
        for row in scores:
            best = np.argpartition(-row, k)[:k] if k < len(rows) else np.arange(len(rows))
            best = best if left_out is None else best[row[best] > -np.inf]
            yield rows[best], row[best]
