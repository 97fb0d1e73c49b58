"""How well people are found in a gallery, and strangers are not: closed-set and open-set identification."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.errors import SourceError, UsageError
from mien.datasets.readers.pairs import is_picture
from mien.embeddings.pooling import pool
from mien.engine import Engine
from mien.evaluation.embedding import Alter, embed_pictures, masked_pictures
from mien.evaluation.galleries import How, search
from mien.evaluation.scores import check_rates
from mien.evaluation.searches import FPIR, FpirPoint, RankPoint, Searches, check_ranks, match_ranks, open_set
from mien.gallery.store import Store
from mien.media.scan import find_pictures

__all__ = [
    "IdentificationReport",
    "Split",
    "evaluate_identification",
    "evaluate_vectors",
    "run_identification",
    "split",
]

Floats = NDArray[np.float32]

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
    """Pictures of people: (N,) who each is of, and which are enrolled; the rest are searched with.

    Pictures to search with that have one entry in `tracks` are frames of one track, and make one probe.
    """

    pictures: tuple[Path, ...]
    people: tuple[str, ...]
    enrolled: NDArray[np.bool_]
    tracks: tuple[str, ...] | None = None


def split(
    source: str | os.PathLike[str],
    *,
    probes: str | os.PathLike[str] | None = None,
    tracks: bool = False,
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
    tracks : bool
        A person's folder in `probes` holds folders of frames: each is a track, whose vectors are pooled into one probe.
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
    if tracks and probes is None:
        raise UsageError("tracks are in a folder of probes of its own.")
    if enrol is not None and enrol < 1:
        raise UsageError(f"enrol is a number of pictures, 1 or more, not {enrol}.")
    draw = np.random.default_rng(seed)
    mine = _folders(source)
    rows: list[tuple[Path, str, bool]] = []
    if probes is not None:
        rows += [(picture, who, True) for who, pictures in mine.items() for picture in pictures[:enrol]]
        theirs = _folders(probes, "*/*/*" if tracks else "*/*")
        rows += [(picture, who, False) for who, pictures in theirs.items() for picture in pictures]
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
    return Split(pictures_, people, np.array(enrolled), tuple(map(_track, pictures_)) if tracks else None)


def _track(picture: Path) -> str:
    return str(picture.parent)


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
    check_ranks(ranks)
    check_rates(rates, FPIR)
    sides = [np.flatnonzero(mask).tolist() for mask in (parts.enrolled, ~parts.enrolled)]
    if not all(sides):
        raise UsageError("pictures to enrol and pictures to search with are both needed.")
    people = [[parts.people[row] for row in side] for side in sides]
    gallery = embed_pictures([parts.pictures[row] for row in sides[0]], engine=engine)
    asked = [parts.pictures[row] for row in sides[1]]
    probes = embed_pictures(masked_pictures(asked, engine=engine) if masked else asked, alter=alter, engine=engine)
    missing = int(np.isnan(gallery[:, 0]).sum() + np.isnan(probes[:, 0]).sum())
    if parts.tracks is not None:
        probes, people[1] = _pooled(probes, people[1], [parts.tracks[row] for row in sides[1]])
    found = search(gallery, people[0], probes, people[1], how=how, store=store, candidates=max(ranks, default=1))
    return _measured(found, how, len(gallery), missing, ranks, rates), found


def _pooled(vectors: Floats, people: list[str], tracks: list[str]) -> tuple[Floats, list[str]]:
    """One vector for each track, and whose it is."""
    rows: dict[str, list[int]] = {}
    for row, track in enumerate(tracks):
        rows.setdefault(track, []).append(row)
    found = [pool(Vectors(vectors[part], space="any")).vector.values for part in rows.values()]
    return np.stack(found).astype(np.float32), [people[part[0]] for part in rows.values()]


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
    found = search(gallery, enrolled, probes, people, how=how, store=store, candidates=max(ranks, default=1))
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


def _folders(folder: str | os.PathLike[str], pattern: str = "*/*") -> dict[str, list[Path]]:
    """Pictures by person, in order."""
    found: dict[str, list[Path]] = {}
    for file in sorted(Path(folder).glob(pattern)):
        if is_picture(file):
            found.setdefault(file.relative_to(folder).parts[0], []).append(file)
    if not found:
        raise SourceError(f"{folder} holds no folders of pictures, one for each person.")
    return found
