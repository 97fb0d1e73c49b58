"""A gallery as Parquet files: out of one store, into another, or into anything else that reads tables."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any
from uuid import uuid4

import numpy as np

from mien.core.errors import GalleryChanged, ShapeMismatch, StorageError, UsageError
from mien.gallery.base import Base, check_name
from mien.gallery.records import Change, Person, Where
from mien.gallery.tables import (
    AT_ONCE,
    FORMAT,
    PLAIN,
    arrow,
    batches,
    folder_of,
    link_of,
    parquet_files,
    person_of,
    read_about,
    sample_of,
    schema_of,
)

__all__ = ["Loaded", "Transfer"]


@dataclass(frozen=True)
class Loaded:
    """What `Gallery.load` brought in.

    Parameters
    ----------
    people, faces, links : int
        New ones.
    joined : int
        People who were here already by the same name: they got the faces.
    known : int
        Faces that were here already.
    """

    people: int
    faces: int
    links: int
    joined: int
    known: int


class Transfer(Base):
    """The verbs that carry a gallery from place to place."""

    def export(self, folder: str | os.PathLike[str], *, crops: bool = False) -> Path:
        """Write all people, faces, vectors and links as Parquet files to a new folder.

        Vectors are written as f32. What is deleted from the gallery later stays in these files: deleting them is up to
        you.

        Parameters
        ----------
        folder : path
            Must not be there yet; it appears whole or not at all.
        crops : bool
            Write the crops too.

        Raises
        ------
        UsageError
            If something is there already, it lies in the gallery's folder, or pyarrow is missing.
        StorageError
            If it cannot be written.
        GalleryChanged
            If others changed the gallery meanwhile: tables of different moments would not fit each other.
        """
        parquet = parquet_files()
        target = self._outside(folder_of(folder))
        generation = self.store.generation()
        if target.exists():
            raise UsageError(f"{target} is there already: export to a new folder.")
        part = target.with_name(f".{target.name}.{uuid4().hex}.part")
        try:
            part.mkdir(parents=True, mode=0o700)
            about = {"format": FORMAT, "space": self.space, "dimension": self.store.dimension, "written": time.time()}
            (part / "gallery.json").write_text(json.dumps(about), encoding="utf-8")
            tables = {"people": self._people_rows(), "samples": self._sample_rows(crops), "links": self._link_rows()}
            for name, rows in tables.items():
                schema = schema_of(name, self.store.dimension or 0)
                with parquet.ParquetWriter(part / f"{name}.parquet", schema) as writer:
                    while batch := list(islice(rows, AT_ONCE)):
                        writer.write_table(arrow().Table.from_pylist(batch, schema=schema))
            if self.store.generation() != generation:
                raise GalleryChanged("the gallery was changed while it was exported: export again, or a backup of it.")
            part.rename(target)
        except OSError as error:
            raise StorageError(f"{target} could not be written: {error.strerror or error}.") from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
        self.store.apply(Change(entries=[self._log("export", crops=crops)]))
        return target

    def _people_rows(self) -> Iterator[dict[str, Any]]:
        for person in self.store.people():
            yield {"id": person.id, "name": person.name, "note": person.note, "created": person.created}

    def _sample_rows(self, crops: bool) -> Iterator[dict[str, Any]]:
        walk = self.store.samples(crops=crops)
        while batch := list(islice(walk, AT_ONCE)):
            vectors = self.store.vectors([sample.id for sample in batch])
            for sample, vector in zip(batch, vectors, strict=True):
                row = {name: getattr(sample, name) for name in PLAIN}
                row |= {"box": list(sample.box) if sample.box else None, "size": list(sample.size)}
                row |= {"ages": list(sample.ages) if sample.ages else None, "words": json.dumps(dict(sample.words))}
                yield row | {"vector": None if np.isnan(vector).any() else vector}

    def _link_rows(self) -> Iterator[dict[str, Any]]:
        for link in self.store.links():
            yield {"first": link.first, "second": link.second, "same": link.same}

    def load(self, folder: str | os.PathLike[str]) -> Loaded:
        """Bring in what `export` wrote: into an empty gallery, or into one with people of its own.

        Ids are given anew. People who are here by the same name get the faces; faces that are here already stay as
        they are, and so do answers about two of them. People without a name and without a face are left out. What was
        brought in before a failure stays: loading again goes on from there.

        Raises
        ------
        SourceError
            If there is no such export.
        GalleryError
            If it is malformed, or of a newer version.
        EmbeddingSpaceMismatch, ShapeMismatch
            If its vectors do not fit the gallery's.
        """
        source = folder_of(folder)
        about = read_about(source)
        if about["space"]:
            self._check_space(about["space"], f"the export holds {about['space']!r}")
        owners = _Owners()
        people = joined = 0
        for rows in batches(source, "people"):
            new, known = self._load_people(rows, owners)
            people, joined = people + new, joined + known
        numbers: dict[int, int] = {}
        faces = known_faces = 0
        for rows in batches(source, "samples"):
            new, known = self._load_samples(rows, about, owners, numbers)
            faces, known_faces = faces + new, known_faces + known
        links = sum(self._load_links(rows, numbers) for rows in batches(source, "links"))
        people += owners.founded
        self.store.apply(Change(entries=[self._log("load", people=people, faces=faces)]))
        return Loaded(people, faces, links, joined, known_faces)

    def _load_people(self, rows: list[dict[str, Any]], owners: _Owners) -> tuple[int, int]:
        """Bring in those who have a name; return how many are new, and how many are here. The others come with their
        faces, by which they are known.
        """  # noqa: D205 - one sentence that is longer than a line
        named = {row["name"]: row for row in rows if row["name"]}
        for name in named:
            check_name(name)
        known = {person.name: person.id for person in self.store.people(names=list(named))} if named else {}
        new = [row for name, row in named.items() if name not in known]
        first = self.store.reserve(len(new)) if new else 0
        made = [person_of(row, first + place) for place, row in enumerate(new)]
        if made:
            self.store.apply(Change(people=made))
        ids = known | {person.name: person.id for person in made}
        for row in rows:
            if row["name"]:
                owners.here[row["id"]] = ids[row["name"]]
            else:
                owners.nameless[row["id"]] = row
        return len(made), len(known)

    def _load_samples(
        self, rows: list[dict[str, Any]], about: Mapping[str, Any], owners: _Owners, numbers: dict[int, int]
    ) -> tuple[int, int]:
        names = [row["face"] for row in rows if row["face"]]
        here = {sample.face: sample for sample in self.store.samples(Where(faces=names))} if names else {}
        new = []
        for row in rows:
            sample = here.get(row["face"])
            if sample is None:
                new.append(row)
                continue
            numbers[row["id"]] = sample.id
            if sample.person is not None and row["person"] in owners.nameless:  # by an earlier load
                owners.here.setdefault(row["person"], sample.person)
        if not new:
            return 0, len(rows)
        founded = self._found(new, owners)
        first = self.store.reserve(len(new))
        samples = [sample_of(row, first + place, owners.here) for place, row in enumerate(new)]
        numbers.update({row["id"]: sample.id for row, sample in zip(new, samples, strict=True)})
        seen = [(sample.id, row["vector"]) for row, sample in zip(new, samples, strict=True) if row["vector"]]
        given = None
        if seen:
            ids, vectors = zip(*seen, strict=True)
            if len({len(vector) for vector in vectors}) > 1:
                raise ShapeMismatch("the export's vectors are not all of one length.")
            given = (ids, self._unit(np.array(vectors, np.float32), about["space"]).values)
        self.store.apply(Change(people=founded, samples=samples, vectors=given, space=about["space"]))
        return len(new), len(rows) - len(new)

    def _found(self, rows: list[dict[str, Any]], owners: _Owners) -> list[Person]:
        """The nameless people whose first faces these are."""
        wanted = dict.fromkeys(row["person"] for row in rows)
        new = [owners.nameless[key] for key in wanted if key in owners.nameless and key not in owners.here]
        first = self.store.reserve(len(new)) if new else 0
        made = [person_of(row, first + place) for place, row in enumerate(new)]
        owners.here |= {row["id"]: person.id for row, person in zip(new, made, strict=True)}
        owners.founded += len(made)
        return made

    def _load_links(self, rows: list[dict[str, Any]], numbers: Mapping[int, int]) -> int:
        found = {(link.first, link.second): link for row in rows if (link := link_of(row, numbers)) is not None}
        known = {
            (link.first, link.second) for link in self.store.links(sorted({one for pair in found for one in pair}))
        }
        new = [link for pair, link in found.items() if pair not in known]
        if new:
            self.store.apply(Change(links=new))
        return len(new)


@dataclass
class _Owners:
    """Who people of an export are here.

    Parameters
    ----------
    here : dict
        Ids there, and ids here.
    nameless : dict
        Ids there, and the rows of those who have no name.
    founded : int
        Nameless people who came with their faces.
    """

    here: dict[str, str] = field(default_factory=dict)
    nameless: dict[str, dict[str, Any]] = field(default_factory=dict)
    founded: int = 0
