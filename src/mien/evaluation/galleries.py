"""Galleries under test: who is found for each probe, by comparison with all, or by a store's own search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.errors import ShapeMismatch, UsageError
from mien.embeddings.templates import fuse_groups
from mien.evaluation.searches import Searches
from mien.gallery.records import Change, Person, Sample
from mien.gallery.store import Store

__all__ = ["Filled", "How", "fill", "search"]

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]
How = Literal["template", "samples"]

CANDIDATES = 20


def search(
    gallery: Floats,
    enrolled: Sequence[str],
    probes: Floats,
    people: Sequence[str],
    *,
    how: How = "template",
    store: Store | None = None,
    candidates: int = CANDIDATES,
) -> Searches:
    """Search for each probe in a gallery.

    Parameters
    ----------
    gallery : (N, D) float32
        Vectors of pictures, of length 1; NaN where there is no face.
    enrolled : sequence of N str
        Who each is of.
    probes : (Q, D) float32
    people : sequence of Q str
        Who each is of; a stranger where nobody of `enrolled` is.
    how : {"template", "samples"}
        The gallery has one fused vector for each person, or all of them, of which the nearest counts.
    store : Store, optional
        An empty store to search through, with its index as it is; by default all is compared with all.
    candidates : int
        People that the store is asked for, at least; who is not among them is not found.

    Raises
    ------
    ShapeMismatch
        If there is not one person for each vector.
    UsageError
        If the gallery is empty, or `how` is none.
    """
    if how not in get_args(How):
        raise UsageError(f"how is one of {', '.join(get_args(How))}; got {how!r}.")
    if len(gallery) != len(enrolled) or len(probes) != len(people):
        raise ShapeMismatch("each vector of the gallery and of the probes needs a person.")
    if not len(gallery):
        raise UsageError("the gallery is empty.")
    names = sorted(set(enrolled))
    number = {name: at for at, name in enumerate([*names, *sorted(set(people) - set(names))])}
    owners = np.array([number[name] for name in enrolled], np.intp)
    if how == "template":
        gallery = np.asarray(fuse_groups(Vectors(gallery, space="any"), owners, len(names)).values, np.float32)
        owners = np.arange(len(names))
    if store is None:
        scores = _find_exactly(gallery, owners, probes, len(names))
    else:
        scores = _find_in_store(store, gallery, owners, probes, len(names), candidates)
    return Searches.of_scores(scores, np.array([number[name] for name in people], np.intp))


def _find_exactly(gallery: Floats, owners: Indices, probes: Floats, count: int) -> Floats:
    """The best score of each probe with each of `count` people (Q, count); NaN where there is none."""
    best = np.full((len(probes), count), np.nan, np.float32)
    order = np.argsort(owners, kind="stable")
    for person in range(count):
        rows = order[slice(*np.searchsorted(owners[order], [person, person + 1]))]
        kept = rows[np.isfinite(gallery[rows]).all(axis=1)]
        if len(kept):
            best[:, person] = (probes @ gallery[kept].T).max(axis=1)
    return best


@dataclass(frozen=True)
class Filled:
    """What was put into a store: the id of each sample (N,), -1 for none, and of each person (G,), "" for none."""

    samples: NDArray[np.int64]
    people: tuple[str, ...]


def fill(store: Store, vectors: Floats, owners: Indices, *, space: str = "evaluation/1") -> Filled:
    """Put vectors (N, D) into a store, each as a sample of its person, by number; rows of NaN are left out."""
    usable = np.flatnonzero(np.isfinite(vectors).all(axis=1))
    ids = np.full(len(vectors), -1, np.int64)
    names = [""] * (int(owners.max(initial=-1)) + 1)
    if len(usable):
        first = store.reserve(len(usable) + len(names))
        ids[usable] = np.arange(first, first + len(usable))
        for place, owner in enumerate(np.unique(owners[usable]).tolist(), start=first + len(usable)):
            names[owner] = f"p{place}"
        samples = [
            Sample(id=int(ids[row]), face=f"face {ids[row]}", person=names[owners[row]]) for row in usable.tolist()
        ]
        chosen = (ids[usable].tolist(), np.ascontiguousarray(vectors[usable]))
        people = [Person(id=name) for name in names if name]
        store.apply(Change(people=people, samples=samples, vectors=chosen, space=space))
    return Filled(ids, tuple(names))


def _find_in_store(
    store: Store, gallery: Floats, owners: Indices, probes: Floats, count: int, candidates: int
) -> Floats:
    """The same as a store's search finds it, with its index as it is: NaN for people that it does not give."""
    ids = fill(store, gallery, owners).samples
    owner_of = dict(zip(ids.tolist(), owners.tolist(), strict=True))
    best = np.full((len(probes), count), np.nan, np.float32)
    usable = np.flatnonzero(np.isfinite(probes).all(axis=1))
    most = int(np.bincount(owners).max())  # so many samples of one person may stand before another's
    found, scores = store.search(np.ascontiguousarray(probes[usable]), min(len(gallery), candidates * most))
    for row, near, values in zip(usable.tolist(), found.tolist(), scores.tolist(), strict=True):
        for sample, value in zip(near, values, strict=True):
            if sample >= 0:
                best[row, owner_of[sample]] = np.fmax(best[row, owner_of[sample]], value)
    return best
