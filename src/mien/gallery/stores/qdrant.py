"""A gallery in Qdrant: on a server or a cluster, or in a folder.

``http://host:6333/collection`` or ``https://KEY@host:6333/collection`` is a server, 1.19 or newer; a key may also stand
in the environment variable QDRANT_API_KEY. ``qdrant:FOLDER`` is the client's local mode: the same calls on a folder,
for trials and tests. It keeps everything in memory, compares with all vectors, and is for one process at a time.

Qdrant has no transactions: `mien.gallery.stores.qdrant_journal` says how a change happens as a whole nevertheless,
and what others may see meanwhile. `expect` is compared by the one process that may write, so it holds as that does.

Vectors are stored as f16 or f32; there is no i8, since Qdrant's one-byte type is unsigned, and its quantization keeps
the original too. A server multiplies f16 as they are stored, a little longer or shorter than 1: its scores are off by
some 1e-5 at 512 numbers.

**What is deleted.** Qdrant marks points as deleted and drops them from its segments in time; nothing tells when. So
`erase` copies the gallery without them into new collections, lets the names mean those, and deletes the old ones with
their folders, segments and logs: it takes a while, and disk space for a second copy. Out of reach are snapshots,
replicas that are off, and blocks of the disk that the file system has freed. In the local mode, the files are rewritten
in place.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import GalleryChanged, ShapeMismatch, UsageError
from mien.embeddings.packing import Precision, check_precision
from mien.gallery.records import ANYTHING, Change, Counts, Entry, Link, Person, Sample, Where, number_of
from mien.gallery.stores.limits import check_change, check_count, check_queries, check_space, check_where
from mien.gallery.stores.qdrant_collections import RECORDS, SAMPLES, Address, Collections
from mien.gallery.stores.qdrant_journal import Journal, Space, State, Step, portions
from mien.gallery.stores.qdrant_points import (
    PRECISIONS,
    entry_of,
    entry_points,
    filter_of,
    identity,
    is_empty,
    link_of,
    matching,
    person_of,
    record_points,
    sample_of,
    sample_points,
)
from mien.gallery.stores.values import check_texts

__all__ = ["QdrantStore"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

PORTION = 500  #: samples or vectors read at once
QUERIES = 100  #: queries asked at once
BREADTH = 128  #: candidates that a search keeps while it walks the index


class QdrantStore:
    """See `mien.gallery.store.Store` and the module's text."""

    def __init__(self, collections: Collections) -> None:
        self._collections = collections
        self._journal = Journal(collections)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._collections.address.place!r})"

    @classmethod
    def open(cls, place: str, *, create: bool, precision: Precision | None) -> QdrantStore:
        """See `mien.gallery.store.StoreMaker`."""
        if precision is not None and check_precision(precision) not in PRECISIONS:
            raise UsageError(f"Qdrant stores vectors as {' or '.join(PRECISIONS)}; got {precision!r}.")
        with contextlib.ExitStack() as unless_open:
            store = cls(Collections(Address.of(place), create=create))
            unless_open.callback(store.close)
            if store._collections.fresh:  # nobody sees it before it is whole
                store._collections.make(1)
                store._journal.begin(1, precision or "f16")
                store._collections.mean(1)
            stored = store._journal.state().precision
            if precision not in (None, stored):
                raise UsageError(f"{store._collections.address.place} stores vectors as {stored}, not {precision}.")
            store._journal.settle()
            unless_open.pop_all()
        return store

    @property
    def space(self) -> str | None:
        """The embedding space in use."""
        return self._journal.state().space

    @property
    def dimension(self) -> int | None:
        """Numbers a vector of it has."""
        used = _used(self._journal.state())
        return used.dimension if used else None

    def reserve(self, count: int) -> int:
        """Take numbers."""
        check_count(count)
        with self._journal.hold() as state:
            self._journal.set(next=state.next + int(count))
            return state.next

    def apply(self, change: Change, *, expect: int | None = None) -> None:
        """Write a change."""
        with self._journal.hold() as state:
            if expect is not None and expect != state.generation:
                since = state.generation - expect
                raise GalleryChanged(f"the gallery was changed meanwhile ({since} changes): read it again.")
            dimensions = {name: space.dimension for name, space in state.spaces.items()}
            space = check_change(change, self, space=state.space, spaces=dimensions)
            self._journal.commit(*_plan(change, state, space))

    def generation(self) -> int:
        """How many changes were applied."""
        return self._journal.state().generation

    def meta(self) -> Mapping[str, str]:
        """Settings."""
        return {one["key"]: one["value"] for one in sorted(self._kind("setting"), key=lambda one: str(one["key"]))}

    def counts(self) -> Counts:
        """How much is held."""
        from qdrant_client.http import models

        used = _used(self._journal.state())
        wanted: list[tuple[str, Any]] = [(RECORDS, models.Filter(must=matching(kind="person"))), (SAMPLES, None)]
        if used:
            wanted.append((SAMPLES, models.Filter(must=[models.HasVectorCondition(has_vector=used.vector)])))
        found = [self._collections.ask("count", ending, count_filter=which).count for ending, which in wanted]
        return Counts(*found, *[0] * (3 - len(found)))

    def people(self, ids: Sequence[str] | None = None, *, names: Sequence[str] | None = None) -> list[Person]:
        """People by id or by name."""
        if ids is None and names is None:
            found = list(self._kind("person"))
        else:
            either = (("number", [number_of(one) for one in ids or ()]), ("name", list(names or ())))
            should = [condition for key, values in either if values for condition in matching(**{key: values})]
            found = list(self._kind("person", should)) if should else []
        return sorted((person_of(one) for one in found), key=lambda person: number_of(person.id))

    def samples(self, where: Where = ANYTHING, *, crops: bool = False) -> Iterator[Sample]:
        """Samples in the order of their ids."""
        from qdrant_client.http import models

        check_where(where)
        if is_empty(where):
            return
        payload = True if crops else models.PayloadSelectorExclude(exclude=["crop"])
        for portion in _portions(where):
            points = self._collections.walk(
                SAMPLES, limit=PORTION, scroll_filter=filter_of(portion), with_payload=payload
            )
            yield from map(sample_of, points)

    def vectors(self, ids: Sequence[int], *, space: str | None = None) -> Floats:
        """Vectors of samples."""
        state = self._journal.state()
        wanted = [int(one) for one in ids]
        used = state.spaces.get(space) if space is not None else _used(state)
        if used is None:
            current = _used(state)
            return np.full((len(wanted), current.dimension if current else 0), np.nan, np.float32)
        found: dict[int, list[float]] = {}
        possible = [one for one in wanted if one > 0]
        for start in range(0, len(possible), PORTION):
            ids = possible[start : start + PORTION]
            points = self._collections.ask("retrieve", SAMPLES, ids=ids, with_payload=False, with_vectors=[used.vector])
            found |= {point.id: point.vector[used.vector] for point in points if point.vector}
        vectors = np.full((len(wanted), used.dimension), np.nan, np.float32)
        for place, one in enumerate(wanted):
            if one in found:
                vectors[place] = found[one]
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return vectors

    def links(self, ids: Sequence[int] | None = None) -> list[Link]:
        """Links that touch these samples."""
        numbers = None if ids is None else [int(one) for one in ids]
        if numbers is None:
            found = list(self._kind("link"))
        else:
            should = [*matching(first=numbers), *matching(second=numbers)]
            found = list(self._kind("link", should)) if numbers else []
        return sorted((link_of(one) for one in found), key=lambda link: (link.first, link.second))

    def entries(self, *, limit: int | None = None) -> list[Entry]:
        """The audit log, newest first."""
        from qdrant_client.http import models

        first = 0 if limit is None else self._journal.state().logged - limit
        since = models.FieldCondition(key="number", range=models.Range(gte=first))
        found = sorted(self._kind("entry", must=[since]), key=lambda one: -int(one["number"]))
        return [entry_of(one) for one in found]

    def looked(self, pictures: Sequence[str]) -> set[str]:
        """Those of these pictures that were looked at."""
        check_texts("picture", pictures)
        points = {identity("looked", picture): picture for picture in pictures}
        ids = list(points)
        found: set[str] = set()
        for start in range(0, len(ids), PORTION):
            part = ids[start : start + PORTION]
            there = self._collections.ask("retrieve", RECORDS, ids=part, with_payload=False)
            found |= {points[str(point.id)] for point in there}
        return found

    def search(
        self, queries: Floats, k: int, *, where: Where = ANYTHING, exact: bool = False
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Nearest samples by cosine."""
        from qdrant_client.http import models

        check_where(where)
        used = _used(self._journal.state())
        wanted = check_queries(queries, k, used.dimension if used else None)
        ids, scores = np.full((len(wanted), k), -1, np.int64), np.full((len(wanted), k), np.nan, np.float32)
        if used is None or is_empty(where):
            return ids, scores
        # The local mode always compares with all, and warns of being told how.
        breadth = models.SearchParams(exact=exact, hnsw_ef=max(BREADTH, 2 * k))
        which, params = filter_of(where), None if self._collections.local else breadth
        for start in range(0, len(wanted), QUERIES):
            requests = [
                models.QueryRequest(
                    query=query.tolist(), using=used.vector, filter=which, params=params, limit=k, with_payload=False
                )
                for query in wanted[start : start + QUERIES]
            ]
            answers = self._collections.ask("query_batch_points", SAMPLES, requests=requests)
            for row, answer in enumerate(answers, start):
                ids[row, : len(answer.points)] = [point.id for point in answer.points]
                scores[row, : len(answer.points)] = [point.score for point in answer.points]
        return ids, scores

    def use_space(self, space: str, dimension: int) -> None:
        """Make a space the one in use."""
        check_space(space, dimension)
        with self._journal.hold() as state:
            steps, spaces = _with_space(state, space, dimension)
            steps += [
                {"do": "forget vector", "vector": other.vector} for name, other in state.spaces.items() if name != space
            ]
            final = {"space": space, "spaces": {space: spaces[space]}, "generation": state.generation + 1}
            self._journal.commit(steps, final)

    def erase(self) -> None:
        """Rewrite the gallery without what was deleted."""
        with self._journal.hold() as state:
            self._journal.clear()
            if self._collections.local:
                self._collections.vacuum()
                return
            vectors = {space.vector: (space.dimension, state.precision) for space in state.spaces.values()}
            self._collections.copy(vectors, self._journal.heed)

    def backup(self, target: str | os.PathLike[str]) -> None:
        """Say what does it."""
        raise UsageError(
            f"a gallery in Qdrant is no file to copy to {os.fspath(target)!r}: back it up with snapshots of the"
            f" server's collections {self._collections.address.name}*, or copy the folder while it is closed."
        )

    def close(self) -> None:
        """Let go of the connection, or of the folder."""
        self._collections.close()

    def _kind(self, kind: str, should: list[Any] | None = None, *, must: Sequence[Any] = ()) -> Iterator[Any]:
        """Payloads of the records of a kind."""
        from qdrant_client.http import models

        which = models.Filter(must=[*matching(kind=kind), *must], should=should)
        for point in self._collections.walk(RECORDS, scroll_filter=which, with_payload=True):
            yield point.payload


def _used(state: State) -> Space | None:
    return state.spaces.get(state.space) if state.space is not None else None


def _portions(where: Where) -> Iterator[Where]:
    """A filter by many ids as several by few, in order: each page of an answer sends the filter again."""
    from dataclasses import replace

    if where.ids is None:
        yield where
        return
    ids = sorted({int(one) for one in where.ids if one > 0})
    for start in range(0, len(ids), PORTION):
        yield replace(where, ids=ids[start : start + PORTION])


def _with_space(state: State, name: str, dimension: int) -> tuple[list[Step], dict[str, list[Any]]]:
    """Steps that make a space's vectors if there are none yet, and all spaces then."""
    spaces = {other: [space.vector, space.dimension] for other, space in state.spaces.items()}
    if name in spaces:
        if spaces[name][1] != dimension:
            raise ShapeMismatch(f"vectors of {name} have {spaces[name][1]} numbers; got {dimension}.")
        return [], spaces
    vector = f"v{state.generation + 1}"  # a name of its own, since a space may be called what Qdrant forbids
    step = {"do": "vector", "vector": vector, "dimension": int(dimension), "precision": state.precision}
    return [step], {**spaces, name: [vector, int(dimension)]}


def _plan(change: Change, state: State, space: str | None) -> tuple[list[Step], dict[str, Any]]:
    """The steps of a change, and what of the state is set when they are done."""
    steps: list[Step] = []
    spaces = {name: [one.vector, one.dimension] for name, one in state.spaces.items()}
    vector = None
    gone = [identity("person", number_of(one)) for one in change.forget_people]
    gone += [identity("link", int(one.first), int(one.second)) for one in change.forget_links]
    gone += [identity("setting", key) for key, value in change.meta.items() if value is None]
    if change.forget_samples:
        steps.append({"do": "forget samples", "ids": [int(one) for one in change.forget_samples]})
    if gone:
        steps.append({"do": "forget records", "ids": gone})
    if change.vectors is not None and space is not None:
        more, spaces = _with_space(state, space, np.shape(change.vectors[1])[1])
        steps += more
        vector = spaces[space][0]
    samples = sample_points(change.samples, change.vectors, state.precision)
    steps += portions("samples", samples, vector=vector, precision=state.precision)
    steps += portions("records", record_points(change))
    steps += portions("records", entry_points(change.entries, state.logged))
    numbers = [number_of(one.id) for one in change.people] + [int(one.id) for one in change.samples]
    return steps, {
        "generation": state.generation + 1,
        "next": max([state.next, *(number + 1 for number in numbers)]),
        "logged": state.logged + len(change.entries),
        "space": state.space if state.space is not None else space,
        "spaces": spaces,
    }
