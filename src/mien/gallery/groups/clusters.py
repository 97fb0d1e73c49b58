"""Clusters: who is who in a library that nobody has labelled, and what new faces change about that.

What is known stays: a person keeps their id, name and faces, and new faces join somebody or found a new person, so that
adding a photo moves no other face. ``again=True`` looks at everything anew but what a human said.

- Neighbours come from the store's index; `mien.gallery.groups.linkage` groups them.
- Scores are judged by the calibration of the embedding space, by what is known of both faces: the faces of children
  need far higher scores than those of adults (`mien.gallery.groups.thresholds`).
- Answers (links, confirmed faces, names) are kept absolutely (`mien.gallery.groups.blocks`).
- Two faces of one picture are never one person, unless a link says so (a mirror, a collage).
- A single face founds nobody: it belongs to nobody until a second one comes.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import GalleryChanged
from mien.embeddings.calibration import Calibration, Range
from mien.gallery import audit
from mien.gallery.groups.blocks import Conflict
from mien.gallery.groups.history import SALT
from mien.gallery.groups.linkage import Edges
from mien.gallery.groups.proposing import LEAST, NEIGHBOURS, Proposal, propose
from mien.gallery.groups.thresholds import Thresholds, rates_for
from mien.gallery.records import Change, Person, Sample, Where, number_of
from mien.gallery.store import Store

__all__ = ["Clustering", "change_of", "cluster_store", "read"]

Floats = NDArray[np.float32]

PORTION = 2048  # faces that are read or searched at a time
TRIES = 3  # when others change the gallery meanwhile


@dataclass(frozen=True)
class Clustering:
    """What `cluster_store` did.

    Parameters
    ----------
    faces : int
        That were looked at.
    joined : int
        Faces that were given to somebody who was there.
    founded : tuple of str
        Ids of new people.
    grouped : int
        Faces that founded them.
    released : int
        Faces that belong to nobody any more (``again``, or after an answer).
    merged : mapping of str to str
        People that answers made one: who is gone, and who has their faces.
    alone : int
        Faces that belong to nobody.
    conflicts : tuple of Conflict
        Answers that contradict each other.
    """

    faces: int
    joined: int
    founded: tuple[str, ...]
    grouped: int
    released: int
    merged: Mapping[str, str]
    alone: int
    conflicts: tuple[Conflict, ...]

    def __str__(self) -> str:
        text = (
            f"{self.faces} faces: {self.joined} joined somebody, {self.grouped} founded {len(self.founded)} people, "
            f"{self.alone} belong to nobody"
        )
        text += f", {self.released} were released" if self.released else ""
        text += f", {len(self.merged)} people were merged" if self.merged else ""
        return "\n".join([f"{text}.", *(f"faces {c.first} and {c.second}: {c.reason}." for c in self.conflicts)])

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**asdict(self), "founded": list(self.founded), "conflicts": [asdict(one) for one in self.conflicts]}


def cluster_store(
    store: Store,
    *,
    calibration: Calibration,
    far: float | None = None,
    far_many: float | None = None,
    ages: Range | None = None,
    again: bool = False,
    least: int = LEAST,
    neighbours: int = NEIGHBOURS,
) -> Clustering:
    """Group the faces of a store that belong to nobody, and write who is who as one change.

    Parameters
    ----------
    store : Store
    calibration : Calibration
        Of the store's embedding space.
    far, far_many, ages
        See `rates_for` and `Thresholds.of`.
    again : bool
        Look at all faces anew but those that a human confirmed, and those of people who have a name.
    least : int
        Faces that make a new person.
    neighbours : int
        How many of each face are looked at.

    Returns
    -------
    Clustering

    Raises
    ------
    GalleryChanged
        If others keep changing the gallery meanwhile; nothing is written.
    UsageError
        If the rates are none.
    """
    far, far_many = rates_for(store.counts().vectors, far, far_many)
    for left in reversed(range(TRIES)):
        generation = store.generation()
        samples, vectors, edges = read(store, again=again, neighbours=neighbours)
        people = {person.id: person for person in store.people()}
        thresholds = Thresholds.of(samples, calibration, far=far, far_many=far_many, ages=ages)
        proposal = propose(
            samples,
            vectors,
            edges,
            thresholds,
            links=store.links(),
            people=people,
            again=again,
            least=least,
            neighbours=neighbours,
        )
        change, report = change_of(store, samples, proposal, people)
        if change is None:
            return report
        try:
            store.apply(change, expect=generation)
        except GalleryChanged:
            if not left:
                raise
            continue
        return report
    raise AssertionError("unreachable")


def read(store: Store, *, again: bool = False, neighbours: int = NEIGHBOURS) -> tuple[list[Sample], Floats, Edges]:
    """The faces to look at, their vectors and their neighbours.

    They are those that belong to nobody (or all of them, ``again``), all faces of the people who are near them, and
    those that answers are about.
    """
    if store.dimension is None:
        return [], np.zeros((0, 1), np.float32), Edges.of(np.zeros(0, np.intp), np.zeros(0, np.intp))
    asked = [sample.id for sample in store.samples(Where() if again else Where(people="nobody"))]
    pairs: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
    for start in range(0, len(asked), PORTION):
        part = np.array(asked[start : start + PORTION], np.int64)
        queries = store.vectors(part.tolist())
        usable = np.isfinite(queries[:, 0])
        part, queries = part[usable], queries[usable]
        if not len(part):
            continue
        ids, _ = store.search(queries, neighbours + 1)
        pairs.append((np.repeat(part, ids.shape[1])[ids.ravel() >= 0], ids.ravel()[ids.ravel() >= 0]))
    one = np.concatenate([pair[0] for pair in pairs]) if pairs else np.zeros(0, np.int64)
    two = np.concatenate([pair[1] for pair in pairs]) if pairs else np.zeros(0, np.int64)
    wanted = {*asked, *two.tolist(), *(number for link in store.links() for number in (link.first, link.second))}
    samples = _with_their_people(store, sorted(wanted), everything=again)
    ids = np.array([sample.id for sample in samples], np.int64)
    vectors = np.concatenate(
        [store.vectors(ids[start : start + PORTION].tolist()) for start in range(0, len(ids), PORTION)]
        or [np.zeros((0, store.dimension), np.float32)]
    )
    usable = np.isfinite(vectors).all(axis=1)  # embeddings that are still to come (of a re-embedding)
    samples = [sample for sample, kept in zip(samples, usable, strict=True) if kept]
    vectors, ids = vectors[usable], ids[usable]
    known = np.isin(one, ids) & np.isin(two, ids)
    return samples, vectors, Edges.of(np.searchsorted(ids, one[known]), np.searchsorted(ids, two[known]))


def _with_their_people(store: Store, ids: Sequence[int], *, everything: bool) -> list[Sample]:
    """These samples and all others of their people, by id."""
    if everything:
        return list(store.samples())
    found = {sample.id: sample for sample in store.samples(Where(ids=ids))} if ids else {}
    near = sorted({sample.person for sample in found.values() if sample.person is not None})
    if near:
        found |= {sample.id: sample for sample in store.samples(Where(people=near))}
    return [found[number] for number in sorted(found)]


def change_of(
    store: Store, samples: Sequence[Sample], proposal: Proposal, people: Mapping[str, Person]
) -> tuple[Change | None, Clustering]:
    """What to write, None if nothing changes, and the report."""
    moves = list(proposal.changes(samples))
    new = sorted({group for group in proposal.people if proposal.people[group] is None})
    first = store.reserve(len(new)) if new else 0
    names: dict[int, str | None] = dict(proposal.people)
    names |= {group: f"p{first + place}" for place, group in enumerate(new)}
    written = [replace(samples[row], person=names.get(group)) for row, group in moves]
    now = time.time()
    founded = [Person(id=str(names[group]), created=now) for group in new]
    before = Counter(sample.person for sample in samples if sample.person is not None)
    after = Counter(names.get(int(group)) for group in proposal.labels)
    empty = [key for key in before if not after[key] and key in people and people[key].name is None]
    gone = sorted({*empty, *proposal.merged}, key=number_of)
    joined = sum(samples[row].person is None and proposal.people.get(group) is not None for row, group in moves)
    released = sum(names.get(group) is None for _, group in moves)
    report = Clustering(
        faces=len(samples),
        joined=joined,
        founded=tuple(person.id for person in founded),
        grouped=sum(group in set(new) for _, group in moves),
        released=released,
        merged=proposal.merged,
        alone=sum(names.get(int(group)) is None for group in proposal.labels),
        conflicts=tuple(proposal.conflicts),
    )
    if not written and not gone:
        return None, report
    salt = store.meta().get(SALT)
    numbers = {"faces": len(written), "founded": len(founded), "merged": len(proposal.merged), "released": released}
    entries = [audit.entry(salt, "cluster", gone, **numbers)] if salt else []
    notes = [
        _with_notes(people, person, proposal.merged) for person in sorted({*proposal.merged.values()}, key=number_of)
    ]
    return Change(people=[*founded, *notes], samples=written, forget_people=gone, entries=entries), report


def _with_notes(people: Mapping[str, Person], stays: str, merged: Mapping[str, str]) -> Person:
    """Somebody with the notes of those who were found to be the same."""
    notes = [people[stays].note, *(people[gone].note for gone in sorted(merged) if merged[gone] == stays)]
    return replace(people[stays], note="\n".join(dict.fromkeys(filter(None, notes))))
