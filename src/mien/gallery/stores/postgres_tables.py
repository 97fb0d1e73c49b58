"""Tables of a gallery in PostgreSQL: their columns, rows that become records, filters that become SQL.

Vectors stand in tables of their own, one per embedding space (``vectors_1``, ...): the type has the dimension, and a
face that is given to somebody else leaves the vector and its index untouched. Nothing is unique but ids, since names
are checked within the one transaction that may write. Indexes of texts are hashes: a b-tree refuses long ones.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from mien.embeddings.packing import Precision
from mien.gallery.records import ANYBODY, Person, Sample, Where, number_of

__all__ = [
    "COLUMNS",
    "KINDS",
    "TABLES",
    "Kind",
    "conditions",
    "person_of",
    "sample_of",
    "sample_row",
    "text_of",
]

Floats = NDArray[np.float32]


class Kind(NamedTuple):
    """How pgvector stores a precision."""

    name: str  #: the type
    dtype: np.dtype[Any]  #: of its numbers in binary
    indexable: int  #: the most numbers that an HNSW index takes

    def pack(self, vectors: Floats) -> list[bytes]:
        """Vectors (N, D) in pgvector's binary form: dimension, two bytes of nothing, numbers, all big-endian."""
        head = struct.pack(">hh", vectors.shape[1], 0)
        return [head + row.tobytes() for row in np.asarray(vectors).astype(self.dtype)]

    def unpack(self, blobs: Sequence[bytes], dimension: int) -> Floats:
        """The vectors (N, D), of length 1."""
        values = np.frombuffer(b"".join(blob[4:] for blob in blobs), self.dtype)
        vectors = values.reshape(len(blobs), dimension).astype(np.float32)
        return cast("Floats", vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


#: Precisions that pgvector has a type for.
KINDS: dict[Precision, Kind] = {
    "f16": Kind("halfvec", np.dtype(">f2"), 4000),
    "f32": Kind("vector", np.dtype(">f4"), 2000),
}

#: Columns that are written, and their types, by table.
COLUMNS = {
    "people": {"number": "int8", "name": "text", "note": "text", "created": "float8"},
    "samples": {
        "id": "int8", "face": "text", "person": "int8", "confirmed": "bool", "source": "text", "picture": "text",
        "box": "float8[]", "width": "int8", "height": "int8", "quality": "float8", "ages": "float8[]",
        "taken": "float8", "created": "float8", "model": "text", "words": "jsonb",
    },
    "crops": {"sample": "int8", "image": "bytea"},
    "links": {"first": "int8", "second": "int8", "same": "bool"},
    "settings": {"name": "text", "value": "text"},
    "entries": {"time": "float8", "action": "text", "subjects": "text[]", "details": "json"},
    "vectors": {"sample": "int8", "vector": "bytea"},  # bytes as they are: COPY hands them to the type's own reader
}  # fmt: skip

# STATISTICS 0: the planner's samples of a column would keep what was deleted in pg_statistic.
TABLES = """
CREATE TABLE spaces (number int4 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL, dimension int4 NOT NULL);
CREATE TABLE state (
  one bool PRIMARY KEY CHECK (one), schema int4 NOT NULL, generation int8 NOT NULL, next int8 NOT NULL,
  precision text NOT NULL, space int4 REFERENCES spaces);
CREATE TABLE settings (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE people (number int8 PRIMARY KEY, name text, note text NOT NULL, created float8 NOT NULL);
CREATE INDEX people_name ON people USING hash (name);
CREATE TABLE samples (
  id int8 PRIMARY KEY, face text NOT NULL, person int8, confirmed bool NOT NULL, source text NOT NULL,
  picture text NOT NULL, box float8[], width int8 NOT NULL, height int8 NOT NULL, quality float8, ages float8[],
  taken float8, created float8 NOT NULL, model text NOT NULL, words jsonb NOT NULL);
CREATE INDEX samples_person ON samples (person);
CREATE INDEX samples_face ON samples USING hash (face);
CREATE INDEX samples_picture ON samples USING hash (picture);
CREATE INDEX samples_words ON samples USING gin (words jsonb_path_ops);
CREATE TABLE crops (sample int8 PRIMARY KEY, image bytea NOT NULL);
ALTER TABLE crops ALTER image SET STORAGE EXTERNAL;
CREATE TABLE links (first int8, second int8, same bool NOT NULL, PRIMARY KEY (first, second));
CREATE INDEX links_second ON links (second);
CREATE TABLE entries (
  number int8 GENERATED ALWAYS AS IDENTITY PRIMARY KEY, time float8 NOT NULL, action text NOT NULL,
  subjects text[] NOT NULL, details json NOT NULL);
CREATE TABLE looked (picture text PRIMARY KEY);
ALTER TABLE people ALTER name SET STATISTICS 0, ALTER note SET STATISTICS 0;
ALTER TABLE samples ALTER face SET STATISTICS 0, ALTER source SET STATISTICS 0, ALTER picture SET STATISTICS 0,
  ALTER box SET STATISTICS 0, ALTER words SET STATISTICS 0;
ALTER TABLE crops ALTER image SET STATISTICS 0;
"""


def text_of(vector: Floats) -> str:
    """A vector (D,) as pgvector writes it."""
    return "[" + ",".join(map(repr, vector.tolist())) + "]"


def person_of(row: Sequence[Any]) -> Person:
    """A row of the table of people as a record."""
    number, name, note, created = row
    return Person(id=f"p{number}", name=name, note=note, created=created)


def sample_row(sample: Sample) -> tuple[Any, ...]:
    """A record as a row of the table of samples, in Python's own numbers."""
    from psycopg.types.json import Jsonb

    words = {key: word if isinstance(word, str) else float(word) for key, word in sample.words.items()}
    return (
        int(sample.id), sample.face, number_of(sample.person) if sample.person is not None else None,
        bool(sample.confirmed), sample.source, sample.picture, _each(float, sample.box), int(sample.size[0]),
        int(sample.size[1]), _real(sample.quality), _each(float, sample.ages), _real(sample.taken),
        float(sample.created), sample.model, Jsonb(words),
    )  # fmt: skip


def sample_of(row: Sequence[Any]) -> Sample:
    """A row of the table of samples, and the crop, as a record."""
    (number, face, person, confirmed, source, picture, box, width, height, quality, ages, taken, created, model, words,
     crop) = row  # fmt: skip
    return Sample(
        id=number,
        face=face,
        person=f"p{person}" if person is not None else None,
        confirmed=confirmed,
        source=source,
        picture=picture,
        box=cast("tuple[float, float, float, float]", tuple(box)) if box is not None else None,
        size=(width, height),
        quality=quality,
        ages=(ages[0], ages[1]) if ages is not None else None,
        taken=taken,
        created=created,
        model=model,
        words={key: word if isinstance(word, str) else float(word) for key, word in words.items()},  # 1e300 is an int
        crop=crop,
    )


def conditions(where: Where) -> tuple[str, list[Any]]:
    """A filter as SQL over ``samples AS s``, and the values to bind. No value is ever part of the text."""
    from psycopg.types.json import Jsonb

    number = "CASE WHEN jsonb_typeof(s.words -> %s) = 'number' THEN (s.words -> %s)::float8 END BETWEEN %s AND %s"
    low, high = where.taken or (None, None)
    parts: list[tuple[str, list[Any]]] = [
        (clause, [value])
        for clause, value in (
            ("s.id = ANY(%s::int8[])", _each(int, where.ids)),
            ("s.face = ANY(%s::text[])", _each(str, where.faces)),
            ("s.picture = ANY(%s::text[])", _each(str, where.pictures)),
            ("starts_with(s.source, %s)", where.source),
            ("s.quality >= %s", _real(where.quality)),
            ("s.taken >= %s", _real(low)),
            ("s.taken <= %s", _real(high)),
        )
        if value is not None
    ]
    if isinstance(where.people, str):
        parts.append(("s.person IS NOT NULL" if where.people == ANYBODY else "s.person IS NULL", []))
    elif where.people is not None:
        parts.append(("s.person = ANY(%s::int8[])", [[number_of(one) for one in where.people]]))
    for key, word in where.words.items():
        if isinstance(word, str):
            parts.append(("s.words @> %s", [Jsonb({key: word})]))
        else:
            parts.append((number, [key, key, float(word[0]), float(word[1])]))
    return " AND ".join(clause for clause, _ in parts) or "TRUE", [value for _, values in parts for value in values]


def _each(kind: Callable[[Any], Any], values: Iterable[Any] | None) -> list[Any] | None:
    return None if values is None else [kind(value) for value in values]


def _real(value: float | None) -> float | None:
    return None if value is None else float(value)
