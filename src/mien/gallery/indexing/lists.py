"""Vectors in lists of neighbours, turned so that a few numbers say most: what makes a search among many fast.

A rotation that is learned from the vectors (principal axes) puts most of their length into the first 128 numbers; only
these are kept here, as float32, which the matrix product of numpy reads as fast as memory gives them. The vectors stand
in lists, each around a centroid (k-means: an inverted file, Sivic and Zisserman 2003; Jegou et al. 2011). A search
looks into the lists whose centroids are nearest, and names candidates; whoever asked compares these exactly.

A vector is one row here: taking it out is overwriting that row. No centroid is the mean of fewer than 8 vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from math import ceil, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Lists"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

WIDTH = 128  # numbers that are kept of a turned vector
SAMPLE = 64  # vectors a centroid is learned from
ROUNDS = 10
LEAST = 8
PROBES = 2.0  # lists to look into, times the square root of their number
BLOCK = 8192  # rows that are turned at once
QUERIES = 256  # that are searched at once


@dataclass(frozen=True)
class Lists:
    """M vectors in L lists.

    Parameters
    ----------
    rotation : (D, W) float32
    centroids : (L, W) float32
    starts : (L + 1,) int64
        Where each list begins.
    rows : (M,) int32
        Which vector stands at a place.
    codes : (M, W) float32
        Turned vectors, by place.
    rests : (M,) float32
        Length of what the codes leave out, by place.
    bias : (M,) float32
        0, or -inf at places whose vector was taken out.
    """

    rotation: Floats
    centroids: Floats
    starts: Ids
    rows: NDArray[np.int32]
    codes: Floats
    rests: Floats
    bias: Floats

    @classmethod
    def build(cls, count: int, read: Callable[[Any], Floats], *, threads: int = 1) -> Lists:
        """Learn from vectors, and sort them into lists.

        Parameters
        ----------
        count : int
        read : function
            Vectors (N, D) float32 at rows: a slice, or sorted int64.
        threads : int
        """
        draw = np.random.default_rng(0)
        lists = max(1, round(sqrt(count)))
        sample = read(np.sort(draw.choice(count, min(count, SAMPLE * lists), replace=False)))
        rotation = _principal_axes(sample)
        centroids = _means(sample @ rotation, lists, draw)
        codes = np.empty((count, rotation.shape[1]), np.float32)
        rests = np.empty(count, np.float32)
        nearest = np.empty(count, np.int64)

        def place(start: int) -> None:
            part = slice(start, min(start + BLOCK, count))
            vectors = read(part)
            codes[part] = vectors @ rotation
            rests[part] = np.sqrt(np.maximum((vectors**2).sum(axis=1) - (codes[part] ** 2).sum(axis=1), 0))
            nearest[part] = np.argmax(codes[part] @ centroids.T, axis=1)

        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(place, range(0, count, BLOCK)))
        rows = np.argsort(nearest, kind="stable")
        starts = np.concatenate([[0], np.cumsum(np.bincount(nearest, minlength=len(centroids)))])
        bias = np.zeros(count, np.float32)
        return cls(rotation, centroids, starts, rows.astype(np.int32), codes[rows], rests[rows], bias)

    def __len__(self) -> int:
        return len(self.rows)

    def places(self, rows: Ids) -> Ids:
        """Where vectors stand."""
        return self._places[rows]

    @cached_property
    def _places(self) -> Ids:
        places = np.empty(len(self.rows), np.int64)
        places[self.rows] = np.arange(len(self.rows))
        return places

    def candidates(
        self, queries: Floats, count: int, *, bias: Floats | None = None, effort: float = 1.0
    ) -> Iterator[Ids]:
        """For each query, the rows that seem nearest, in no order.

        Parameters
        ----------
        queries : (Q, D) float32
        count : int
            How many rows to name; there may be fewer.
        bias : (M,) float32, optional
            Is added to the scores, by place.
        effort : float
            How many lists to look into, 1 being usual.
        """
        wanted = max(effort * PROBES * sqrt(len(self.centroids)), 10 * count * len(self.centroids) / max(len(self), 1))
        probes = min(ceil(wanted), len(self.centroids))
        for start in range(0, len(queries), QUERIES):
            yield from self._candidates(queries[start : start + QUERIES] @ self.rotation, count, probes, bias)

    def _candidates(self, turned: Floats, count: int, probes: int, bias: Floats | None) -> Iterator[Ids]:
        near = turned @ self.centroids.T
        chosen = np.argpartition(-near, probes - 1, axis=1)[:, :probes]
        sizes = self.starts[chosen + 1] - self.starts[chosen]
        ends = np.cumsum(sizes, axis=1)
        begins = ends - sizes
        scores = np.empty((len(turned), int(ends[:, -1].max())), np.float32)
        # List by list: what many queries look into is read once.
        order = np.argsort(chosen, axis=None, kind="stable")
        which, first = np.unique(chosen.ravel()[order], return_index=True)
        spans = zip(self.starts[which].tolist(), self.starts[which + 1].tolist(), strict=True)
        targets = list(zip((order // probes).tolist(), begins.ravel()[order].tolist(), strict=True))
        bounds = [*first.tolist(), len(order)]
        for group, (start, stop) in enumerate(spans):
            pairs = targets[bounds[group] : bounds[group + 1]]
            found = turned[[query for query, _ in pairs]] @ self.codes[start:stop].T
            if bias is not None:
                found += bias[start:stop]
            for (query, begin), row in zip(pairs, found, strict=True):
                scores[query, begin : begin + stop - start] = row
        for query, row in enumerate(scores):
            row = row[: ends[query, -1]]  # noqa: PLW2901
            best = np.argpartition(row, -count)[-count:] if count < len(row) else np.arange(len(row))
            best = best[row[best] > -np.inf]
            probe = np.searchsorted(ends[query], best, side="right")
            yield self.rows[self.starts[chosen[query, probe]] + best - begins[query, probe]].astype(np.int64)

    def above(self, queries: Floats, least: Floats, bias: Floats | None = None) -> Ids:
        """Sorted rows whose cosine to a query (Q, D) may be its `least` (Q,) or more; all others are less for certain.

        The codes give the cosine but for what they leave out, which adds at most the product of both rests.
        """
        turned = queries @ self.rotation
        rests = np.sqrt(np.maximum((queries**2).sum(axis=1) - (turned**2).sum(axis=1), 0))
        places = []
        for start in range(0, len(self), BLOCK):
            part = slice(start, start + BLOCK)
            most = turned @ self.codes[part].T + np.outer(rests, self.rests[part])
            if bias is not None:
                most += bias[part]
            places.append(start + np.flatnonzero((most >= least[:, None] - 1e-4).any(axis=0)))
        return np.sort(self.rows[np.concatenate(places)]).astype(np.int64)


def _principal_axes(vectors: Floats) -> Floats:
    """Directions (D, W) in which vectors are longest, longest first."""
    _, axes = np.linalg.eigh(vectors.T @ vectors)
    return np.ascontiguousarray(axes[:, ::-1][:, :WIDTH])


def _means(vectors: Floats, count: int, draw: np.random.Generator) -> Floats:
    """Centres of length 1 of clusters of vectors (spherical k-means)."""
    centres = vectors[draw.choice(len(vectors), min(count, len(vectors)), replace=False)]
    for turn in range(ROUNDS):
        nearest = np.concatenate(
            [np.argmax(vectors[s : s + BLOCK] @ centres.T, axis=1) for s in range(0, len(vectors), BLOCK)]
        )
        sizes = np.bincount(nearest, minlength=len(centres))
        used = np.flatnonzero(sizes)
        sums = np.add.reduceat(vectors[np.argsort(nearest, kind="stable")], (np.cumsum(sizes) - sizes)[used], axis=0)
        if turn == ROUNDS - 1 and (sizes >= LEAST).any():
            sums = sums[sizes[used] >= LEAST]  # so that none is anybody's vector
        centres = sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12)
    return np.ascontiguousarray(centres, np.float32)
