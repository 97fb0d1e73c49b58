"""Searching the database: an index, which is only a cache, brought up to date before each search."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import StorageError
from mien.gallery.index import Index
from mien.gallery.limits import check_queries
from mien.gallery.records import Where
from mien.gallery.sqlite_file import Database
from mien.gallery.sqlite_reading import Reader, State, unpacked

__all__ = ["Searcher"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

PORTION = 20_000  #: vectors read at once

log = logging.getLogger("mien")


class Searcher:
    """The index of one database, as this process has it.

    Each search begins with what has happened since the last one: vectors of later generations are added, removed ones
    taken out. So another process's changes are seen, and an index that lags behind, or that is not there, is no error.

    Parameters
    ----------
    database : Database
    folder : Path or None
        Where the index is kept between processes; None: nowhere.
    """

    def __init__(self, database: Database, folder: Path | None) -> None:
        self._database = database
        self._folder = folder
        self._index: Index | None = None
        self._lock = threading.Lock()

    def search(self, queries: Floats, k: int, where: Where, *, exact: bool) -> tuple[Ids, Floats]:
        """As `Store.search`."""
        with self._lock:
            with self._database.reading() as db:
                reader = Reader(db)
                state = reader.state()
                values = check_queries(queries, k, state.dimension)
                index = self._current(db, state)
                allowed = reader.ids(where) if where != Where() else None
            if index is None or not len(values):
                return np.full((len(values), k), -1, np.int64), np.full((len(values), k), np.nan, np.float32)
            found = index.search(values, int(k), allowed=allowed, exact=exact)
            if index.worth_saving:
                self._save(index)
            return found

    def _save(self, index: Index) -> None:
        """Keep the index for the next process; another process that is doing so is not waited for."""
        from filelock import FileLock, Timeout

        if self._folder is None:
            return
        try:
            with FileLock(self._folder.with_name(".lock"), timeout=0, mode=0o600):
                index.save(index.generation)
        except (Timeout, StorageError) as error:
            log.info("the index in %s was not saved: %s", self._folder, error)

    def close(self) -> None:
        """Keep what is worth keeping."""
        with self._lock:
            if self._index is not None and self._index.worth_saving:
                self._save(self._index)
            self._index = None

    def _current(self, db: sqlite3.Connection, state: State) -> Index | None:
        """The index as of this moment of the database; None where there is no vector to find."""
        if state.space is None or state.dimension is None:
            return None
        index = self._index
        if index is None or index.space != state.space or index.dimension != state.dimension:
            index = None
            if self._folder is not None:
                index = Index.open(self._folder, space=state.space, dimension=state.dimension)
            if index is None or index.generation > state.generation:
                log.info("the index of %s is built", self._database.place)
                index = Index.build(
                    None, _rows(db, state, 0), space=state.space, dimension=state.dimension, generation=state.generation
                )
            self._index = index
        if index.generation < state.generation:
            since = index.generation
            gone = [one for (one,) in db.execute("SELECT sample FROM removed WHERE generation > ?", [since])]
            if gone:
                index.remove(np.array(gone, np.int64))
            for ids, vectors in _rows(db, state, since):
                index.add(ids, vectors)
            index.generation = state.generation
        return index


def _rows(db: sqlite3.Connection, state: State, since: int) -> Iterator[tuple[Ids, Floats]]:
    """Vectors of the space in use that were written after a generation, in portions."""
    rows = db.execute(
        "SELECT sample, vector FROM vectors WHERE space = ? AND generation > ? ORDER BY number", [state.number, since]
    )
    while portion := rows.fetchmany(PORTION):
        ids, blobs = zip(*portion, strict=True)
        yield np.array(ids, np.int64), unpacked(blobs, state.precision, state.dimension or 0)
