"""How well people are found in a gallery, and strangers are not: closed-set and open-set identification."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.errors import ShapeMismatch, SourceError, UsageError
from mien.embeddings.templates import fuse_groups
from mien.engine import Engine
from mien.evaluation.embedding import Alter, embed_pictures, masked_pictures
from mien.evaluation.searches import FpirPoint, RankPoint, Searches, match_ranks, open_set
from mien.gallery.records import Change, Person, Sample
from mien.gallery.store import Store
from mien.media.scan import PICTURE_SUFFIXES, find_pictures

__all__ = [
    "Filled",
    "How",
    "IdentificationReport",
    "Split",
    "evaluate_identification",
    "evaluate_vectors",
    "fill",
    "run_identification",
    "search",
    "split",
]

Floats = NDArray[np.float32]
Indices = NDArray[np.intp]
How = Literal["template", "samples"]

RANKS = (1, 5, 10, 20)
RATES = (0.003, 0.01, 0.1)
NEEDED = 2  # pictures of somebody: one for the gallery, one to search with


@dataclass(frozen=True)
class IdentificationReport:
    """The result of an evaluation; intervals are 95 % over people.

    Parameters
    ----------
    how : {"template", "samples"}
        The gallery has one fused vector for each person, or all of them, of which the nearest counts.
    gallery, samples : int
        People in the gallery, and pictures they were enrolled from.
    people, probes : int
        People of the gallery that were searched for, and pictures of them.
    strangers, others : int
        People who are not in the gallery, and pictures of them.
    without_face : int
        Pictures of all of these without a face: a search with them finds nobody.
    ranks : tuple of RankPoint
    points : tuple of FpirPoint
        None without strangers.
    """

    how: How
    gallery: int
    samples: int
    people: int
    probes: int
    strangers: int
    others: int
    without_face: int
    ranks: tuple[RankPoint, ...]
    points: tuple[FpirPoint, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class Split:
    """Pictures of people: (N,) who each is of, and which are enrolled; the rest are searched with."""

    pictures: tuple[Path, ...]
    people: tuple[str, ...]
    enrolled: NDArray[np.bool_]


def split(
    source: str | os.PathLike[str],
    *,
    probes: str | os.PathLike[str] | None = None,
    strangers: str | os.PathLike[str] | None = None,
    enrol: int | None = None,
    seed: int = 0,
) -> Split:
    """Divide labelled pictures into a gallery and what is searched for.

    Parameters
    ----------
    source : path
        A folder with one folder of pictures per person.
    probes : path, optional
        Another such folder, to search with: who has no folder in `source` is a stranger. All of `source` is enrolled.
    strangers : path, optional
        Pictures of people who are not in `source`, each of another one: a folder of pictures.
    enrol : int, optional
        Pictures of each person to enrol; by default half of them.
    seed : int
        Of the choice of pictures, and of people.

    Without `probes`, pictures of one person are divided; who has one picture only is a stranger. Without any
    strangers, half of the people become strangers.

    Raises
    ------
    SourceError
        If a folder holds no pictures of people.
    UsageError
        If `enrol` is none.
    """
    if enrol is not None and enrol < 1:
        raise UsageError(f"enrol is a number of pictures, 1 or more, not {enrol}.")
    draw = np.random.default_rng(seed)
    mine = _folders(source)
    rows: list[tuple[Path, str, bool]] = []
    if probes is not None:
        rows += [(picture, who, True) for who, pictures in mine.items() for picture in pictures[:enrol]]
        rows += [(picture, who, False) for who, pictures in _folders(probes).items() for picture in pictures]
    else:
        rows += _divided(mine, enrol, draw, everybody=strangers is not None)
    if strangers is not None:
        for path in find_pictures(strangers):
            if not isinstance(path, Path):
                raise path.error
            if not path.is_file():
                raise SourceError(f"{path} is not there.")
            rows.append((path, f"stranger {path}", False))
    pictures_, people, enrolled = zip(*rows, strict=True)
    return Split(pictures_, people, np.array(enrolled))


def _divided(
    folders: dict[str, list[Path]], enrol: int | None, draw: np.random.Generator, *, everybody: bool
) -> list[tuple[Path, str, bool]]:
    """Each person's pictures divided into those to enrol and the others."""
    several = [who for who, pictures in folders.items() if len(pictures) >= NEEDED]
    if not everybody and len(several) == len(folders):
        several = sorted(draw.permutation(several)[: (len(several) + 1) // 2].tolist())
    rows = []
    for who, pictures in folders.items():
        count = min(enrol or len(pictures) // 2, len(pictures) - 1) if who in several else 0
        chosen = set(draw.permutation(len(pictures))[:count].tolist())
        rows += [(picture, who, number in chosen) for number, picture in enumerate(pictures)]
    return rows


def evaluate_identification(
    source: Split | str | os.PathLike[str],
    *,
    how: How = "template",
    store: Store | None = None,
    ranks: Sequence[int] = RANKS,
    rates: Sequence[float] = RATES,
    alter: Alter | None = None,
    masked: bool = False,
    engine: Engine | None = None,
    **options: Any,
) -> IdentificationReport:
    """Measure search by the engine's embedder on labelled pictures.

    Parameters
    ----------
    source : Split or path
        See `split`.
    how : {"template", "samples"}
        See `IdentificationReport`.
    store : Store, optional
        An empty store to search through, with its index as it is; by default all is compared with all.
    ranks : sequence of int
    rates : sequence of float
        False positive identification rates.
    alter : callable, optional
        Changes each aligned crop of the probes before it is embedded: to measure what blur costs.
    masked : bool
        Paint masks on the probes.
    engine : Engine, optional
        By default `mien.default_engine()`.
    **options
        Of `split`.

    Raises
    ------
    SourceError
        If there is nothing to read.
    NoFace
        If no picture of the gallery, or of the probes, has a face.
    UsageError
        If an option is none, or there is nobody to search for.
    """
    parts = source if isinstance(source, Split) else split(source, **options)
    return run_identification(
        parts, how=how, store=store, ranks=ranks, rates=rates, alter=alter, masked=masked, engine=engine
    )[0]


def run_identification(
    parts: Split,
    *,
    how: How = "template",
    store: Store | None = None,
    ranks: Sequence[int] = RANKS,
    rates: Sequence[float] = RATES,
    alter: Alter | None = None,
    masked: bool = False,
    engine: Engine | None = None,
) -> tuple[IdentificationReport, Searches]:
    """The same, with what was found for each probe; see `evaluate_identification`."""
    sides = [np.flatnonzero(mask).tolist() for mask in (parts.enrolled, ~parts.enrolled)]
    if not all(sides):
        raise UsageError("pictures to enrol and pictures to search with are both needed.")
    people = [[parts.people[row] for row in side] for side in sides]
    gallery = embed_pictures([parts.pictures[row] for row in sides[0]], engine=engine)
    asked = [parts.pictures[row] for row in sides[1]]
    probes = embed_pictures(masked_pictures(asked, engine=engine) if masked else asked, alter=alter, engine=engine)
    found = search(gallery, people[0], probes, people[1], how=how, store=store)
    missing = int(np.isnan(gallery[:, 0]).sum() + np.isnan(probes[:, 0]).sum())
    return _measured(found, how, len(gallery), missing, ranks, rates), found


def evaluate_vectors(
    gallery: Floats,
    enrolled: Sequence[str],
    probes: Floats,
    people: Sequence[str],
    *,
    how: How = "template",
    store: Store | None = None,
    ranks: Sequence[int] = RANKS,
    rates: Sequence[float] = RATES,
) -> IdentificationReport:
    """The same of pictures that were embedded already; see `search`."""
    found = search(gallery, enrolled, probes, people, how=how, store=store)
    missing = int(np.isnan(gallery[:, 0]).sum() + np.isnan(probes[:, 0]).sum())
    return _measured(found, how, len(gallery), missing, ranks, rates)


def _measured(
    found: Searches, how: How, samples: int, missing: int, ranks: Sequence[int], rates: Sequence[float]
) -> IdentificationReport:
    return IdentificationReport(
        how=how,
        gallery=found.gallery,
        samples=samples,
        people=len(np.unique(found.mated)),
        probes=len(found.mated),
        strangers=len(np.unique(found.strangers)),
        others=len(found.strangers),
        without_face=missing,
        ranks=match_ranks(found, ranks),
        points=open_set(found, rates) if len(found.strangers) else (),
    )


def search(
    gallery: Floats,
    enrolled: Sequence[str],
    probes: Floats,
    people: Sequence[str],
    *,
    how: How = "template",
    store: Store | None = None,
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
    how, store
        See `evaluate_identification`.

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
        scores = find_in_store(store, gallery, owners, probes, len(names))
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


def find_in_store(store: Store, gallery: Floats, owners: Indices, probes: Floats, count: int) -> Floats:
    """The same as a store's search finds it, with its index as it is: NaN for people that it does not give."""
    ids = fill(store, gallery, owners).samples
    owner_of = dict(zip(ids.tolist(), owners.tolist(), strict=True))
    best = np.full((len(probes), count), np.nan, np.float32)
    usable = np.flatnonzero(np.isfinite(probes).all(axis=1))
    most = int(np.bincount(owners).max())  # so many samples of one person may stand before another's
    found, scores = store.search(np.ascontiguousarray(probes[usable]), min(len(gallery), max(RANKS) * most))
    for row, near, values in zip(usable.tolist(), found.tolist(), scores.tolist(), strict=True):
        for sample, value in zip(near, values, strict=True):
            if sample >= 0:
                best[row, owner_of[sample]] = np.fmax(best[row, owner_of[sample]], value)
    return best


def _folders(folder: str | os.PathLike[str]) -> dict[str, list[Path]]:
    """Pictures by person, in order."""
    found: dict[str, list[Path]] = {}
    for file in sorted(Path(folder).glob("*/*")):
        if file.suffix.lower() in PICTURE_SUFFIXES and file.is_file():
            found.setdefault(file.parent.name, []).append(file)
    if not found:
        raise SourceError(f"{folder} holds no folders of pictures, one for each person.")
    return found
