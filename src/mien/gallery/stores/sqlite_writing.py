"""Writing a change into the database, within one transaction."""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterable
from typing import Any

import numpy as np

from mien.core.errors import GalleryChanged
from mien.embeddings.packing import pack
from mien.gallery.records import Change, Sample, number_of
from mien.gallery.stores.limits import check_change, check_space
from mien.gallery.stores.sqlite_reading import Reader, dumped

__all__ = ["reserve", "use_space", "write"]

_SAMPLE = """
INSERT INTO samples VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET face = excluded.face, person = excluded.person, confirmed = excluded.confirmed,
  source = excluded.source, picture = excluded.picture, x1 = excluded.x1, y1 = excluded.y1, x2 = excluded.x2,
  y2 = excluded.y2, width = excluded.width, height = excluded.height, quality = excluded.quality,
  age_from = excluded.age_from, age_to = excluded.age_to, taken = excluded.taken, created = excluded.created,
  model = excluded.model, words = excluded.words
"""
_PERSON = """
INSERT INTO people VALUES (?, ?, ?, ?)
ON CONFLICT (number) DO UPDATE SET name = excluded.name, note = excluded.note, created = excluded.created
"""


def write(db: sqlite3.Connection, change: Change, expect: int | None) -> None:
    """Check a change and write it.

    Raises
    ------
    GalleryChanged
        If the generation is not the expected one.
    UsageError
        See `check_change`.
    """
    reader = Reader(db)
    state = reader.state()
    if expect is not None and expect != state.generation:
        raise GalleryChanged(f"the gallery was changed meanwhile ({state.generation - expect} changes): read it again.")
    dimensions = {name: dimension for name, (_, dimension) in reader.spaces().items()}
    space = check_change(change, reader, space=state.space, spaces=dimensions)
    generation = state.generation + 1
    people = [(number_of(one.id), one.name, one.note, float(one.created)) for one in change.people]
    forgotten = [(number_of(one),) for one in change.forget_people]
    samples = [(int(one),) for one in change.forget_samples]

    db.executemany("DELETE FROM links WHERE first = ? AND second = ?", _pairs(change.forget_links))
    _forget_samples(db, samples, generation)
    # Names are let go of before they are given: two people may swap theirs, or one take that of somebody who leaves.
    db.executemany("UPDATE people SET name = NULL WHERE number = ?", [*forgotten, *((row[0],) for row in people)])
    db.executemany(_PERSON, people)
    db.executemany(_SAMPLE, (_row(sample) for sample in change.samples))
    db.executemany("DELETE FROM people WHERE number = ?", forgotten)
    _write_crops(db, change.samples)
    if change.vectors is not None and space is not None:
        _write_vectors(db, change, space, generation, state.precision)
    db.executemany(
        "INSERT INTO links VALUES (?, ?, ?) ON CONFLICT (first, second) DO UPDATE SET same = excluded.same",
        [(int(one.first), int(one.second), bool(one.same)) for one in change.links],
    )
    for name, value in change.meta.items():
        if value is None:
            db.execute("DELETE FROM settings WHERE name = ?", [name])
        else:
            db.execute("INSERT OR REPLACE INTO settings VALUES (?, ?)", [name, value])
    db.executemany(
        "INSERT INTO entries (time, action, subjects, details) VALUES (?, ?, ?, ?)",
        [(float(one.time), one.action, json.dumps(list(one.subjects)), json.dumps(dict(one.details)))
         for one in change.entries],
    )  # fmt: skip
    db.executemany("INSERT OR IGNORE INTO looked VALUES (?)", [(picture,) for picture in change.looked])
    used = max([0, *(row[0] for row in people), *(int(sample.id) for sample in change.samples)])
    db.execute("UPDATE state SET generation = ?, next = max(next, ?)", [generation, used + 1])
    if forgotten or samples or any(sample.crop == b"" for sample in change.samples):
        db.execute("UPDATE state SET unerased = generation")


def reserve(db: sqlite3.Connection, count: int) -> int:
    """Take numbers, and return the first."""
    (first,) = db.execute("SELECT next FROM state").fetchone()
    db.execute("UPDATE state SET next = next + ?", [int(count)])
    return int(first)


def use_space(db: sqlite3.Connection, name: str, dimension: int) -> None:
    """Make a space the one in use, and delete the vectors of the others."""
    check_space(name, dimension, {other: size for other, (_, size) in Reader(db).spaces().items()})
    number = _space(db, name, dimension)
    db.execute("UPDATE state SET space = ?, generation = generation + 1", [number])
    db.execute("DELETE FROM vectors WHERE space <> ?", [number])
    db.execute("DELETE FROM spaces WHERE number <> ?", [number])
    db.execute("UPDATE state SET unerased = generation")


def _forget_samples(db: sqlite3.Connection, samples: list[tuple[int]], generation: int) -> None:
    db.executemany(
        "INSERT INTO removed SELECT DISTINCT ?, sample FROM vectors WHERE sample = ?",
        [(generation, sample) for (sample,) in dict.fromkeys(samples)],
    )
    db.executemany("DELETE FROM samples WHERE id = ?", samples)  # vectors, crops and links go with them


def _write_crops(db: sqlite3.Connection, samples: Iterable[Sample]) -> None:
    """Write crops. A sample without one keeps what is there, since most are read without it; b"" takes it out."""
    for sample in samples:
        if sample.crop:
            db.execute("INSERT OR REPLACE INTO crops VALUES (?, ?)", [int(sample.id), sample.crop])
        elif sample.crop is not None:
            db.execute("DELETE FROM crops WHERE sample = ?", [int(sample.id)])


def _write_vectors(db: sqlite3.Connection, change: Change, space: str, generation: int, precision: Any) -> None:
    assert change.vectors is not None  # noqa: S101
    ids, vectors = change.vectors
    values = np.asarray(vectors, np.float32)
    number = _space(db, space, values.shape[1])
    db.executemany(
        "INSERT INTO vectors (sample, space, generation, vector, crc) VALUES (?, ?, ?, ?, ?)"
        " ON CONFLICT (sample, space) DO UPDATE"
        " SET generation = excluded.generation, vector = excluded.vector, crc = excluded.crc",
        [
            (int(one), number, generation, blob, zlib.crc32(blob))
            for one, blob in zip(ids, pack(values, precision), strict=True)
        ],
    )


def _space(db: sqlite3.Connection, name: str, dimension: int) -> int:
    """The number of a space; the first that there is becomes the one in use."""
    db.execute("INSERT OR IGNORE INTO spaces (name, dimension, vectors) VALUES (?, ?, 0)", [name, int(dimension)])
    (number,) = db.execute("SELECT number FROM spaces WHERE name = ?", [name]).fetchone()
    db.execute("UPDATE state SET space = ? WHERE space IS NULL", [number])
    return int(number)


def _pairs(links: Iterable[Any]) -> list[tuple[int, int]]:
    return [(int(link.first), int(link.second)) for link in links]


def _row(sample: Sample) -> tuple[Any, ...]:
    """A sample's columns. Numbers are made Python's own: SQLite would store numpy's as bytes."""
    box = [float(value) for value in sample.box] if sample.box is not None else [None] * 4
    words = {key: word if isinstance(word, str) else float(word) for key, word in sample.words.items()}
    return (
        int(sample.id), sample.face, number_of(sample.person) if sample.person is not None else None,
        bool(sample.confirmed), sample.source, sample.picture, *box, int(sample.size[0]), int(sample.size[1]),
        _real(sample.quality), *(map(float, sample.ages) if sample.ages is not None else (None, None)),
        _real(sample.taken), float(sample.created), sample.model, dumped(words),
    )  # fmt: skip


def _real(value: float | None) -> float | None:
    return None if value is None else float(value)
