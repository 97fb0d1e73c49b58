"""Reading records out of the database: rows become people, samples, links and vectors; filters become SQL."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import GalleryError, ShapeMismatch
from mien.embeddings.packing import Precision, unpack
from mien.gallery.records import ANYBODY, ANYTHING, Entry, Link, Person, Sample, Where, number_of

__all__ = ["PORTION", "Reader", "State", "conditions", "dumped", "unpacked"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

PORTION = 500  #: samples read at once

_SAMPLES = """
SELECT id, face, person, confirmed, source, picture, x1, y1, x2, y2, width, height, quality, age_from, age_to, taken,
  created, model, words, {crop} FROM samples {join} WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id
"""
WITHOUT_CROPS = _SAMPLES.format(crop="NULL", join="")
WITH_CROPS = _SAMPLES.format(crop="image", join="LEFT JOIN crops ON sample = id")


class State(NamedTuple):
    """What the database says of itself."""

    generation: int
    precision: Precision
    space: str | None
    number: int | None  # of the space
    dimension: int | None
    unerased: bool


class Reader:
    """What a database holds, as seen by one connection within one transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def state(self) -> State:
        """Generation, precision and space."""
        return State(
            *self._db.execute(
                "SELECT generation, precision, name, space, dimension, unerased"
                " FROM state LEFT JOIN spaces ON space = number"
            ).fetchone()
        )

    def spaces(self) -> dict[str, tuple[int, int]]:
        """Number and dimension of each space by name."""
        rows = self._db.execute("SELECT name, number, dimension FROM spaces")
        return {name: (number, dimension) for name, number, dimension in rows}

    def people(self, ids: Sequence[str] | None = None, *, names: Sequence[str] | None = None) -> list[Person]:
        """As `Store.people`."""
        query, values = "SELECT number, name, note, created FROM people", []
        if ids is not None or names is not None:
            query += " WHERE number IN (SELECT value FROM json_each(?)) OR name IN (SELECT value FROM json_each(?))"
            values = [_numbers(ids or ()), _list(names or ())]
        rows = self._db.execute(query + " ORDER BY number", values)
        return [Person(id=f"p{number}", name=name, note=note, created=at) for number, name, note, at in rows]

    def ids(self, where: Where = ANYTHING) -> Ids:
        """Ids of the samples that match, sorted."""
        clauses, values = conditions(where)
        query = f"SELECT id FROM samples WHERE {' AND '.join(clauses) or 'TRUE'} ORDER BY id"  # noqa: S608 # constants
        return np.fromiter((row[0] for row in self._db.execute(query, values)), np.int64)

    def samples(self, where: Where = ANYTHING, *, crops: bool = False) -> Iterator[Sample]:
        """As `Store.samples`."""
        ids = self.ids(where)
        for start in range(0, len(ids), PORTION):
            yield from self.portion(ids[start : start + PORTION], crops=crops)

    def portion(self, ids: Ids, *, crops: bool) -> list[Sample]:
        """Those of these samples that are there, in order."""
        rows = self._db.execute(WITH_CROPS if crops else WITHOUT_CROPS, [json.dumps(ids.tolist())])
        return [_sample(row) for row in rows]

    def vectors(self, ids: Sequence[int], space: int, precision: Precision, dimension: int) -> Floats:
        """Vectors (N, D) in the order of `ids`; NaN where there is none."""
        wanted = [int(one) for one in ids]
        rows = self._db.execute(
            "SELECT sample, vector, crc FROM json_each(?) JOIN vectors ON sample = value AND space = ?",
            [json.dumps(wanted), space],
        )
        found = {sample: (blob, crc) for sample, blob, crc in rows}
        vectors = np.full((len(wanted), dimension), np.nan, np.float32)
        if found:
            places = [place for place, one in enumerate(wanted) if one in found]
            vectors[places] = unpacked([found[wanted[place]] for place in places], precision, dimension)
        return vectors

    def links(self, ids: Sequence[int] | None = None) -> list[Link]:
        """As `Store.links`."""
        query, values = "SELECT first, second, same FROM links", []
        if ids is not None:
            query += " WHERE first IN (SELECT value FROM json_each(?1)) OR second IN (SELECT value FROM json_each(?1))"
            values = [json.dumps([int(one) for one in ids])]
        rows = self._db.execute(query + " ORDER BY first, second", values)
        return [Link(first, second, bool(same)) for first, second, same in rows]

    def entries(self, limit: int | None) -> list[Entry]:
        """As `Store.entries`."""
        rows = self._db.execute(
            "SELECT time, action, subjects, details FROM entries ORDER BY number DESC LIMIT ?",
            [-1 if limit is None else limit],
        )
        return [
            Entry(time=time, action=action, subjects=tuple(_json(subjects)), details=_json(details))
            for time, action, subjects, details in rows
        ]

    def looked(self, pictures: Sequence[str]) -> set[str]:
        """As `Store.looked`."""
        rows = self._db.execute("SELECT picture FROM json_each(?) JOIN looked ON picture = value", [_list(pictures)])
        return {picture for (picture,) in rows}

    def settings(self) -> Mapping[str, str]:
        """As `Store.meta`."""
        return dict(self._db.execute("SELECT name, value FROM settings ORDER BY name").fetchall())


def unpacked(rows: Sequence[tuple[bytes, int]], precision: Precision, dimension: int) -> Floats:
    """Vectors out of the database, from their bytes and checksums.

    Raises
    ------
    GalleryError
        If they are not what was written.
    """
    try:
        if any(zlib.crc32(blob) != crc for blob, crc in rows):
            raise GalleryError("the gallery is torn (a vector is not what was written); restore a backup of it.")
        return unpack([blob for blob, _ in rows], precision, dimension)
    except (ShapeMismatch, TypeError) as error:
        raise GalleryError(f"the gallery is torn ({error}); restore a backup of it.") from error


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, TypeError) as error:
        raise GalleryError(f"the gallery is torn ({error}); restore a backup of it.") from error


def conditions(where: Where) -> tuple[list[str], list[Any]]:
    """A filter as SQL: conditions that all hold, and the values to bind. No value is ever part of the text."""
    asked = [*_lists(where), *_ranges(where)]
    for key, word in where.words.items():
        if isinstance(word, str):
            # That its text is there at all is seen much faster, and says no to most.
            written = f"{dumped(key)}: {dumped(word)}"
            asked.append(("instr(words, ?) AND " + _WORD + " AND type = 'text' AND atom = ?)", [written, key, word]))
        else:
            asked.append((_WORD + " AND type = 'real' AND atom BETWEEN ? AND ?)", [key, *map(float, word)]))
    return [clause for clause, _ in asked], [value for _, values in asked for value in values]


def dumped(value: Any) -> str:
    """JSON, as it stands in the database."""
    return json.dumps(value, ensure_ascii=False)


_WORD = "EXISTS (SELECT 1 FROM json_each(words) WHERE key = ?"


def _lists(where: Where) -> Iterator[tuple[str, list[Any]]]:
    if where.ids is not None:
        yield "id IN (SELECT value FROM json_each(?))", [json.dumps([int(one) for one in where.ids])]
    if where.faces is not None:
        yield "face IN (SELECT value FROM json_each(?))", [_list(where.faces)]
    if where.pictures is not None:
        yield "picture IN (SELECT value FROM json_each(?))", [_list(where.pictures)]
    if isinstance(where.people, str):
        yield "person IS NOT NULL" if where.people == ANYBODY else "person IS NULL", []
    elif where.people is not None:
        yield "person IN (SELECT value FROM json_each(?))", [_numbers(where.people)]


def _ranges(where: Where) -> Iterator[tuple[str, list[Any]]]:
    if where.source is not None:
        yield "substr(source, 1, length(?)) = ?", [where.source, where.source]
    if where.quality is not None:
        yield "quality >= ?", [float(where.quality)]
    for end, clause in zip(where.taken or (), ("taken >= ?", "taken <= ?"), strict=False):
        if end is not None:
            yield clause, [float(end)]


def _sample(row: tuple[Any, ...]) -> Sample:
    (number, face, person, confirmed, source, picture, *box, width, height, quality, youngest, oldest, taken, created,
     model, words, crop) = row  # fmt: skip
    return Sample(
        id=number,
        face=face,
        person=f"p{person}" if person is not None else None,
        confirmed=bool(confirmed),
        source=source,
        picture=picture,
        box=cast("tuple[float, float, float, float]", tuple(box)) if box[0] is not None else None,
        size=(width, height),
        quality=quality,
        ages=(youngest, oldest) if youngest is not None else None,
        taken=taken,
        created=created,
        model=model,
        words=_json(words),
        crop=crop,
    )


def _list(texts: Iterable[str]) -> str:
    return dumped(list(texts))


def _numbers(people: Iterable[str]) -> str:
    return json.dumps([number_of(person) for person in people])
