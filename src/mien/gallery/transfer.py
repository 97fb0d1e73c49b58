"""A gallery as Parquet files: out of one store, into another, or into anything else that reads tables."""

from __future__ import annotations

import json
import math
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast
from uuid import uuid4

import numpy as np

from mien.core.errors import GalleryError, ShapeMismatch, SourceError, StorageError, UsageError
from mien.gallery.base import Base
from mien.gallery.records import Change, Link, Sample, Where

__all__ = ["Loaded", "Transfer"]

FORMAT = 1
AT_ONCE = 1000  # rows that are in memory together


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
            If something is there already, or pyarrow is missing.
        StorageError
            If it cannot be written.
        """
        parquet = _parquet()
        target = Path(folder)
        if target.exists():
            raise UsageError(f"{target} is there already: export to a new folder.")
        part = target.with_name(f".{target.name}.{uuid4().hex}.part")
        try:
            part.mkdir(parents=True, mode=0o700)
            about = {"format": FORMAT, "space": self.space, "dimension": self.store.dimension, "written": time.time()}
            (part / "gallery.json").write_text(json.dumps(about), encoding="utf-8")
            tables = {"people": self._people_rows(), "samples": self._sample_rows(crops), "links": self._link_rows()}
            for name, rows in tables.items():
                schema = _schema(name, self.store.dimension or 0)
                with parquet.ParquetWriter(part / f"{name}.parquet", schema) as writer:
                    while batch := list(islice(rows, AT_ONCE)):
                        writer.write_table(_arrow().Table.from_pylist(batch, schema=schema))
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
                row = {name: getattr(sample, name) for name in _PLAIN}
                row |= {"box": list(sample.box) if sample.box else None, "size": list(sample.size)}
                row |= {"ages": list(sample.ages) if sample.ages else None, "words": json.dumps(dict(sample.words))}
                yield row | {"vector": None if np.isnan(vector).any() else vector}

    def _link_rows(self) -> Iterator[dict[str, Any]]:
        for link in self.store.links():
            yield {"first": link.first, "second": link.second, "same": link.same}

    def load(self, folder: str | os.PathLike[str]) -> Loaded:
        """Bring in what `export` wrote: into an empty gallery, or into one with people of its own.

        Ids are given anew. People who are here by the same name get the faces; faces that are here already stay as
        they are. What was brought in before a failure stays: loading again goes on from there.

        Raises
        ------
        SourceError
            If there is no such export.
        GalleryError
            If it is malformed, or of a newer version.
        EmbeddingSpaceMismatch, ShapeMismatch
            If its vectors do not fit the gallery's.
        """
        source = Path(folder)
        about = _about(source)
        if about["space"]:
            self._check_space(about["space"], f"the export holds {about['space']!r}")
        new_ids: dict[str, str] = {}
        people = joined = 0
        for rows in _batches(source, "people"):
            for row in rows:
                known = self._find(row["name"]) if row["name"] else None
                if known is None:
                    person = self._new_person(row["name"], note=row["note"] or "")
                    person = replace(person, created=_time(row["created"]))
                    self.store.apply(Change(people=[person]))
                    people += 1
                else:
                    person, joined = known, joined + 1
                new_ids[str(row["id"])] = person.id
        numbers: dict[int, int] = {}
        faces = known_faces = 0
        for rows in _batches(source, "samples"):
            added, known_count = self._load_samples(rows, about, new_ids, numbers)
            faces, known_faces = faces + added, known_faces + known_count
        links = 0
        for rows in _batches(source, "links"):
            found = [_link(row, numbers) for row in rows]
            usable = [link for link in found if link is not None]
            self.store.apply(Change(links=usable))
            links += len(usable)
        self.store.apply(Change(entries=[self._log("load", people=people, faces=faces)]))
        return Loaded(people, faces, links, joined, known_faces)

    def _load_samples(
        self, rows: list[dict[str, Any]], about: Mapping[str, Any], people: dict[str, str], numbers: dict[int, int]
    ) -> tuple[int, int]:
        names = [str(row["face"]) for row in rows if row["face"] and row["picture"]]
        here = {sample.face: sample.id for sample in self.store.samples(Where(faces=names))} if names else {}
        new = [row for row in rows if str(row["face"]) not in here]
        numbers.update({int(row["id"]): here[str(row["face"])] for row in rows if str(row["face"]) in here})
        if not new:
            return 0, len(rows)
        first = self.store.reserve(len(new))
        samples, ids, vectors = [], [], []
        for place, row in enumerate(new):
            sample = _sample(row, first + place, people)
            samples.append(sample)
            numbers[int(row["id"])] = sample.id
            if row["vector"] is not None:
                ids.append(sample.id)
                vectors.append(np.asarray(row["vector"], np.float32))
        given = None
        if vectors:
            try:
                given = (ids, self._unit(np.stack(vectors), about["space"]).values)
            except ValueError as error:
                raise ShapeMismatch("the export's vectors are not all of one length.") from error
        self.store.apply(Change(samples=samples, vectors=given, space=about["space"]))
        return len(new), len(rows) - len(new)


_PLAIN = ("id", "face", "person", "confirmed", "source", "picture", "quality", "taken", "created", "model", "crop")


def _arrow() -> Any:
    try:
        import pyarrow as pa
    except ImportError as error:
        raise UsageError("Parquet files need pyarrow: pip install 'mien[parquet]'.") from error
    return pa


def _parquet() -> Any:
    _arrow()
    import pyarrow.parquet

    return pyarrow.parquet


def _schema(name: str, dimension: int) -> Any:
    pa = _arrow()
    tables = {
        "people": {"id": pa.string(), "name": pa.string(), "note": pa.string(), "created": pa.float64()},
        "samples": {
            "id": pa.int64(),
            "face": pa.string(),
            "person": pa.string(),
            "confirmed": pa.bool_(),
            "source": pa.string(),
            "picture": pa.string(),
            "box": pa.list_(pa.float32(), 4),
            "size": pa.list_(pa.int32(), 2),
            "quality": pa.float32(),
            "ages": pa.list_(pa.float32(), 2),
            "taken": pa.float64(),
            "created": pa.float64(),
            "model": pa.string(),
            "words": pa.string(),
            "crop": pa.binary(),
            "vector": pa.list_(pa.float32(), dimension) if dimension else pa.list_(pa.float32()),
        },
        "links": {"first": pa.int64(), "second": pa.int64(), "same": pa.bool_()},
    }
    return pa.schema(list(tables[name].items()))


def _about(source: Path) -> dict[str, Any]:
    try:
        about = json.loads((source / "gallery.json").read_text(encoding="utf-8")[:10_000])
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceError(f"{source} is no export of a gallery: it has no gallery.json.") from error
    except (OSError, ValueError) as error:
        raise GalleryError(f"{source / 'gallery.json'} cannot be read.") from error
    if not isinstance(about, dict) or not isinstance(about.get("format"), int):
        raise GalleryError(f"{source} is no export of a gallery: gallery.json says nothing of its format.")
    if about["format"] > FORMAT:
        raise GalleryError(f"{source} was exported by a newer version of mien (format {about['format']}).")
    if not isinstance(about.get("space"), str | None):
        raise GalleryError(f"{source} names no embedding space.")
    return about


def _batches(source: Path, name: str) -> Iterator[list[dict[str, Any]]]:
    """Rows of one file, checked against the columns that we write."""
    parquet, path = _parquet(), source / f"{name}.parquet"
    try:
        with parquet.ParquetFile(path) as file:
            missing = set(_schema(name, 0).names) - set(file.schema_arrow.names)
            if missing:
                raise GalleryError(f"{path} lacks the columns {', '.join(sorted(missing))}.")
            for batch in file.iter_batches(AT_ONCE):
                yield batch.to_pylist()
    except FileNotFoundError as error:
        raise SourceError(f"{path} is missing.") from error
    except (OSError, _arrow().ArrowException) as error:
        raise GalleryError(f"{path} is torn, or no Parquet file.") from error


def _sample(row: Mapping[str, Any], number: int, people: Mapping[str, str]) -> Sample:
    try:
        words = json.loads(row["words"] or "{}")
        person = people.get(str(row["person"])) if row["person"] is not None else None
        return Sample(
            id=number,
            face=str(row["face"]) if row["picture"] else f"v{number}",
            person=person,
            confirmed=bool(row["confirmed"]) and person is not None,
            source=str(row["source"] or ""),
            picture=str(row["picture"] or ""),
            box=cast("Any", tuple(map(float, row["box"]))) if row["box"] is not None else None,
            size=(int(row["size"][0]), int(row["size"][1])),
            quality=None if row["quality"] is None else float(row["quality"]),
            ages=None if row["ages"] is None else (float(row["ages"][0]), float(row["ages"][1])),
            taken=None if row["taken"] is None else _time(row["taken"]),
            created=_time(row["created"]),
            model=str(row["model"] or ""),
            words={str(key): value for key, value in words.items()},
            crop=row["crop"],
        )
    except (TypeError, ValueError, KeyError, AttributeError, IndexError) as error:
        raise GalleryError(f"the export's face {row.get('id')!r} is malformed: {error!r}.") from error


def _time(value: Any) -> float:
    seconds = float(value or 0.0)
    return seconds if math.isfinite(seconds) else 0.0


def _link(row: Mapping[str, Any], numbers: Mapping[int, int]) -> Link | None:
    one, other = numbers.get(row["first"]), numbers.get(row["second"])
    if one is None or other is None or one == other:
        return None
    return Link(min(one, other), max(one, other), bool(row["same"]))
