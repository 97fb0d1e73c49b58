"""Average linkage on a graph of nearest neighbours: groups of faces grow as long as the means of their scores allow it.

Two groups are joined where each is the other's best, and the mean cosine over all pairs of a face here and a face there
reaches the threshold (`mien.gallery.groups.thresholds`). The mean over all pairs is exact, whichever of them the graph
holds: it is the product of the two sums of vectors. The graph only says which groups are looked at. All groups that are
each other's best are joined at once (reciprocal neighbours: Murtagh, *A survey of recent advances in hierarchical
clustering algorithms*, 1983), so that a hundred thousand faces need some hundred rounds of array operations.

A face changes fast while it grows. So of somebody young (see `Times`), only faces taken within two years are compared,
and the faces of a childhood hold together as a chain. Sums are therefore kept by *part*: the faces of a group that were
taken in one year, and all that have no date.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.gallery.groups.thresholds import Thresholds

__all__ = ["Edges", "Linkage", "Times", "nearest"]

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]
Flags = NDArray[np.bool_]

NEAR = 2  # years between which faces of the young are compared
CHUNK = 8192  # pairs of sums that are multiplied at a time: 32 MB of gathered numbers
WIDER = 8  # other large groups that a large group is held against


@dataclass(frozen=True)
class Edges:
    """Pairs of rows, or of groups, to look at; `first` < `second`, each pair once."""

    first: Rows
    second: Rows

    @classmethod
    def of(cls, first: Rows, second: Rows) -> Edges:
        """Pairs in any order and any number of times; a row with itself is none."""
        low, high = np.minimum(first, second).astype(np.intp), np.maximum(first, second).astype(np.intp)
        pairs = np.unique(np.stack([low, high], axis=1)[low != high], axis=0)
        return cls(pairs[:, 0], pairs[:, 1])


@dataclass(frozen=True)
class Times:
    """When faces were taken, as far as it matters.

    Parameters
    ----------
    years : (N,) integers
        Since 1970; -1 where it is not known (or does not matter).
    young : (N,) bool
        Whether the person was probably under 18.
    """

    years: Rows
    young: Flags

    @classmethod
    def unknown(cls, count: int) -> Times:
        """No face has a date."""
        return cls(np.full(count, -1, np.intp), np.zeros(count, bool))


def nearest(vectors: Floats, k: int, *, rows: int = 1024) -> Edges:
    """The graph of the `k` nearest neighbours by cosine, exactly, in memory of `rows` x N scores.

    Parameters
    ----------
    vectors : (N, D) float32
        Of length 1.
    """
    count = len(vectors)
    k = min(k, count - 1)
    if k < 1:
        return Edges(np.zeros(0, np.intp), np.zeros(0, np.intp))
    found = np.empty((count, k), np.intp)
    for start in range(0, count, rows):
        scores = vectors[start : start + rows] @ vectors.T
        here = np.arange(len(scores))
        scores[here, start + here] = -np.inf
        found[start : start + rows] = np.argpartition(scores, count - k, axis=1)[:, count - k :]
    return Edges.of(np.repeat(np.arange(count), k), found.ravel())


class Linkage:
    """Groups that grow.

    A group is named by its lowest row. What must not be together is said by `tokens`: rows that share one are never
    joined. Groups that have an owner are not joined with those of another owner.

    Parameters
    ----------
    vectors : (N, D) float32
        Of length 1.
    edges : Edges
        Pairs of rows.
    thresholds : Thresholds
    times : Times, optional
    blocks : (N,) integers, optional
        Rows that are together from the start: the lowest row of each row's block.
    owners : (N,) integers, optional
        By block (at its lowest row): whose it is, -1 nobody's.
    tokens : sequence of iterable, optional
        Of each row.
    neighbours : int
        How many each row has in the graph: a group of more may have no edge that leads out, and is looked at again.
    """

    def __init__(
        self,
        vectors: Floats,
        edges: Edges,
        thresholds: Thresholds,
        *,
        times: Times | None = None,
        blocks: Rows | None = None,
        owners: Rows | None = None,
        tokens: Sequence[Iterable[object]] | None = None,
        neighbours: int = 32,
    ) -> None:
        count = len(vectors)
        self.labels: Rows = np.arange(count) if blocks is None else blocks.copy()  #: the group of each row
        self.owners: Rows = np.full(count, -1, np.intp) if owners is None else owners.copy()
        self.tokens: dict[int, set[object]] = {}
        for row, own in enumerate(tokens or ()):
            if own := set(own):
                self.tokens.setdefault(int(self.labels[row]), set()).update(own)
        self.raised: Floats = np.zeros(count, np.float32)  #: what is added to the thresholds of a group
        self._thresholds, self._neighbours = thresholds, neighbours
        times = times or Times.unknown(count)
        # Parts: the group of each (the number of rows where a part is no more), when it was, its sum, and its faces.
        self._group, self._year, self._young = self.labels.copy(), times.years.copy(), times.young.copy()
        self._sums = np.array(vectors, np.float32)
        self._kinds = np.zeros((count, len(thresholds.one)), np.float32)
        self._kinds[np.arange(count), thresholds.kinds] = 1
        self._fold(np.arange(count))
        self.first, self.second = np.zeros(0, np.intp), np.zeros(0, np.intp)
        self.margins: Floats = np.zeros(0, np.float32)
        self._apart: Flags = np.zeros(0, bool)
        self.add(edges)

    # -- edges -------------------------------------------------------------------------------------------------------

    def add(self, edges: Edges) -> None:
        """Look at more pairs of rows."""
        new = Edges.of(self.labels[edges.first], self.labels[edges.second])
        self.first, self.second = np.append(self.first, new.first), np.append(self.second, new.second)
        self.margins = np.append(self.margins, np.full(len(new.first), np.nan, np.float32))
        self._apart = np.append(self._apart, np.zeros(len(new.first), bool))
        self._tidy(np.ones(len(self.first), bool))
        self._measure()

    def _tidy(self, touched: Flags) -> None:
        """Drop edges within groups, and all but one of those between the same two; keep what is known of the rest."""
        low, high = np.minimum(self.first, self.second), np.maximum(self.first, self.second)
        rest = np.flatnonzero(touched)
        rest = rest[low[rest] != high[rest]]
        _, chosen = np.unique(low[rest] * len(self.labels) + high[rest], return_index=True)
        keep = np.sort(np.append(np.flatnonzero(~touched), rest[chosen]))
        self.first, self.second = low[keep], high[keep]
        self.margins, self._apart = self.margins[keep], self._apart[keep]

    def _measure(self) -> None:
        stale = np.flatnonzero(np.isnan(self.margins))
        self.margins[stale] = self.margin(self.first[stale], self.second[stale])

    def margin(self, first: Rows, second: Rows) -> Floats:
        """How far the mean score of two groups is above their threshold; -inf where nothing can be compared."""
        total, pairs = np.zeros(len(first)), np.zeros(len(first))
        one, many = np.zeros(len(first)), np.zeros(len(first))
        edge, p, q = self._part_pairs(first, second)
        for start in range(0, len(edge), CHUNK):
            at, a, b = edge[start : start + CHUNK], p[start : start + CHUNK], q[start : start + CHUNK]
            near = (self._year[a] < 0) | (self._year[b] < 0) | (np.abs(self._year[a] - self._year[b]) <= NEAR)
            kept = near | ~(self._young[a] | self._young[b])
            at, a, b = at[kept], a[kept], b[kept]
            if not len(at):
                continue
            base, counts = int(at[0]), self._kinds[b]
            size, span = self._kinds[a].sum(axis=1) * counts.sum(axis=1), slice(base, int(at[-1]) + 1)
            for into, values in (
                (total, np.einsum("ij,ij->i", self._sums[a], self._sums[b])),
                (pairs, size),
                (one, ((self._kinds[a] @ self._thresholds.one) * counts).sum(axis=1)),
                (many, ((self._kinds[a] @ self._thresholds.many) * counts).sum(axis=1)),
            ):
                into[span] += np.bincount(at - base, weights=values)
        with np.errstate(invalid="ignore", divide="ignore"):
            bar = many / pairs + (one - many) / pairs / np.sqrt(pairs)
            margin = total / pairs - bar - np.maximum(self.raised[first], self.raised[second])
        return np.where(pairs > 0, margin, -np.inf).astype(np.float32)

    def _part_pairs(self, first: Rows, second: Rows) -> tuple[Rows, Rows, Rows]:
        """Each part of the one group with each of the other: the edge, and the two parts."""
        order = np.argsort(self._group, kind="stable")
        groups = self._group[order]
        start, end = np.searchsorted(groups, first), np.searchsorted(groups, first, side="right")
        other, stop = np.searchsorted(groups, second), np.searchsorted(groups, second, side="right")
        wide, high = end - start, stop - other
        count = wide * high
        edge = np.repeat(np.arange(len(first)), count)
        place = np.arange(len(edge)) - np.repeat(np.cumsum(count) - count, count)
        return edge, order[start[edge] + place // high[edge]], order[other[edge] + place % high[edge]]

    # -- joining -----------------------------------------------------------------------------------------------------

    def allowed(self) -> Flags:
        """Of each edge, whether its two groups may be joined."""
        mine, other = self.owners[self.first], self.owners[self.second]
        free: Flags = (mine < 0) | (other < 0) | (mine == other)
        return free & ~self._apart

    def settle(self) -> None:
        """Join what reaches its threshold, the surest first, until nothing does."""
        self._grow()
        while self._widen():
            self._grow()

    def _widen(self) -> bool:
        """Hold large groups, whose nearest neighbours may all be their own, against each other; whether any fit."""
        large = np.flatnonzero(np.bincount(self.labels, minlength=len(self.labels)) > self._neighbours)
        if len(large) < 2:
            return False
        place = np.full(len(self.labels) + 1, -1, np.intp)
        place[large] = np.arange(len(large))
        parts = np.flatnonzero(place[self._group] >= 0)
        sums = np.zeros((len(large), self._sums.shape[1]), np.float32)
        np.add.at(sums, place[self._group[parts]], self._sums[parts])
        sums /= np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-9)
        edges = nearest(sums, WIDER)
        self.add(Edges.of(large[edges.first], large[edges.second]))
        return bool(((self.margins > 0) & self.allowed()).any())

    def _grow(self) -> None:
        while True:
            open_edges = np.flatnonzero((self.margins > 0) & self.allowed())
            if not len(open_edges):
                return
            low, high, margins = self.first[open_edges], self.second[open_edges], self.margins[open_edges]
            best = np.zeros(len(self.labels), np.float32)
            np.maximum.at(best, low, margins)
            np.maximum.at(best, high, margins)
            mutual = np.flatnonzero((margins == best[low]) & (margins == best[high]))
            taken: set[int] = set()
            joined = []
            for place in mutual.tolist():
                one, two = int(low[place]), int(high[place])
                if one in taken or two in taken:  # equal scores: the next round
                    continue
                if self.clash(one, two):
                    self._apart[open_edges[place]] = True
                    continue
                taken |= {one, two}
                joined.append((one, two))
            self.join(joined)

    def clash(self, one: int, two: int) -> bool:
        """Whether two groups hold faces that must not be together."""
        return not self.tokens.get(one, set()).isdisjoint(self.tokens.get(two, set()))

    def join(self, pairs: Sequence[tuple[int, int]]) -> None:
        """Make one group of each two, whatever their scores are; no group may stand in two pairs."""
        if not pairs:
            return
        one, two = np.array(pairs, np.intp).reshape(-1, 2).T
        keep, gone = np.minimum(one, two), np.maximum(one, two)
        to = np.arange(len(self.labels))
        to[gone] = keep
        for target, source in zip(keep.tolist(), gone.tolist(), strict=True):
            small, large = self.tokens.pop(source, set()), self.tokens.pop(target, set())
            if small or large:
                small, large = sorted((small, large), key=len)
                large |= small
                self.tokens[target] = large
        self.owners[keep] = np.maximum(self.owners[keep], self.owners[gone])
        self.raised[keep] = np.maximum(self.raised[keep], self.raised[gone])
        self.labels = to[self.labels]
        self._group = np.append(to, len(to))[self._group]
        self._fold(keep)
        changed = np.zeros(len(self.labels), bool)
        changed[keep] = True
        self.first, self.second = to[self.first], to[self.second]
        touched = changed[self.first] | changed[self.second]
        self.margins[touched], self._apart[touched] = np.nan, False
        self._tidy(touched)
        self._measure()

    def is_young(self, group: int) -> bool:
        """Whether a group has dated faces of somebody young, whose faces of other years need not be alike."""
        return bool((self._young & (self._group == group)).any())

    def touch(self, groups: Iterable[int]) -> None:
        """Measure again what leads to these groups, whose tokens or thresholds were changed."""
        changed = np.zeros(len(self.labels), bool)
        changed[list(groups)] = True
        touched = changed[self.first] | changed[self.second]
        self.margins[touched], self._apart[touched] = np.nan, False
        self._measure()

    def _fold(self, groups: Rows) -> None:
        """Add up the parts of these groups that are of one year."""
        count = len(self.labels)
        changed = np.zeros(count + 1, bool)
        changed[groups] = True
        parts = np.flatnonzero(changed[self._group])
        years = self._year[parts] - self._year[parts].min(initial=0)
        key = (self._group[parts] * (years.max(initial=0) + 1) + years) * 2 + self._young[parts]
        order = np.argsort(key, kind="stable")
        parts, key = parts[order], key[order]
        start = np.flatnonzero(np.append(True, key[1:] != key[:-1])) if len(key) else np.zeros(0, np.intp)
        end = np.append(start[1:], len(parts))
        for at in np.flatnonzero(end - start > 1).tolist():
            members = parts[start[at] : end[at]]
            self._sums[members[0]] = self._sums[members].sum(axis=0)
            self._kinds[members[0]] = self._kinds[members].sum(axis=0)
            self._group[members[1:]] = count  # no group's
