"""Cutting any number of rows into the row counts that a network is compiled for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

__all__ = ["Cut", "cuts"]


class Cut(NamedTuple):
    """Rows `start` to `stop`, computed `bucket` at a time (the last time padded)."""

    bucket: int
    start: int
    stop: int


def cuts(rows: int, buckets: Sequence[int]) -> list[Cut]:
    """Cut rows into full runs of the largest bucket and a rest in the smallest one that holds it.

    Parameters
    ----------
    rows
        How many rows there are. With none, one empty cut remains, so that shapes can still be asked for.
    buckets
        Row counts, at least one, each at least 1.

    Examples
    --------
    >>> [tuple(cut) for cut in cuts(11, (1, 2, 4, 8))]
    [(8, 0, 8), (4, 8, 11)]
    >>> [tuple(cut) for cut in cuts(5, (1,))]
    [(1, 0, 5)]
    """
    largest = max(buckets)
    full = rows - rows % largest
    result = [Cut(largest, 0, full)] if full else []
    if rows > full or not rows:
        bucket = min(size for size in buckets if size >= rows - full)
        result.append(Cut(bucket, full, rows))
    return result
