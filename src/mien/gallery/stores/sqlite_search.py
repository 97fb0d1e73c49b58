"""Searching the database: an index, which is only a cache, proposes; the stored vectors decide."""

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import GalleryError, StorageError
from mien.gallery.indexing.index import Index
from mien.gallery.records import ANYTHING, Where
from mien.gallery.stores.limits import check_queries
from mien.gallery.stores.sqlite_file import Database, locked
from mien.gallery.stores.sqlite_reading import Reader, State, conditions, unpacked

__all__ = ["Searcher"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

PORTION = 20_000  #: vectors read at once
ATTEMPTS = 100  #: to find something before another process deletes it
BUILDING = 3600.0  #: seconds to wait for a process that builds the index
PAUSE = 60.0  #: seconds until saving is tried again after it failed

log = logging.getLogger("mien")


class Searcher:
    """The index of one database, as this process has it.

    Each search begins with what has happened since the last one: vectors of later generations are added, removed ones
    taken out. So another process's changes are seen, and an index that lags behind, or that is not there, is no error.
    What the index finds is then looked up in the database, which has the last word on what is there and on its score.

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
        self._kept = -1  # generation of the files in the folder that it is from
        self._retry = 0.0
        self._making = threading.Lock()
        self._turns = _Turns()

    def search(self, queries: Floats, k: int, where: Where, *, exact: bool) -> tuple[Ids, Floats]:
        """As `Store.search`."""
        generation = -1
        for _ in range(ATTEMPTS):
            state, allowed = self._question(where)
            values = check_queries(queries, k, state.dimension)
            if state.space is None or not len(values):
                return np.full((len(values), k), -1, np.int64), np.full((len(values), k), np.nan, np.float32)
            if state.generation == generation:
                self._distrust()
            self._bring_up(state)
            with self._turns.looking():
                index = self._index
                if index is None or index.space != state.space:
                    continue  # another thread has seen the next space already
                found, _ = index.search(values, int(k), allowed=allowed, exact=exact)
            scores = self._scores(values, found, state)
            now, _ = self._question(ANYTHING)
            if now.space == state.space and np.array_equal(np.isnan(scores), found < 0):
                return _sorted(found, scores)
            # Somebody deleted one of these in this moment: look again, since others take its place.
            generation = state.generation
        raise GalleryError(f"the index of {self._database.place} contradicts it again and again: delete the index.")

    def erase(self) -> None:
        """See that no file of the index has anything of what was removed; the caller holds the lock of the folder."""
        if self._folder is None:
            return
        with self._database.reading() as db:
            state = Reader(db).state()
        with self._turns.changing():
            if self._take_over(state) and self._index is not None:
                self._catch_up(self._index, state)
                self._index.save(self._index.generation)
                self._kept = self._index.generation
            else:  # nothing there, or of no use
                self._index = None
                _remove(self._folder)

    def close(self) -> None:
        """Keep the index for the next process, where that is worth it."""
        with self._turns.changing():
            self._keep()
            self._index = None

    def _question(self, where: Where) -> tuple[State, Ids | None]:
        with self._database.reading() as db:
            reader = Reader(db)
            return reader.state(), reader.ids(where) if conditions(where)[0] else None

    def _bring_up(self, state: State) -> None:
        """Have an index that reflects at least this state."""
        if not self._fits(state):
            with self._making:
                if not self._fits(state):
                    self._open_or_build()
        index = self._index
        if index is not None and index.generation < state.generation:
            with self._turns.changing():
                if self._fits(state) and self._index is not None:
                    self._catch_up(self._index, state)
                    self._keep()

    def _fits(self, state: State) -> bool:
        index = self._index
        return index is not None and index.space == state.space

    def _take_over(self, state: State) -> bool:
        """Use the index that is in the folder, unless this process has it or saved it; False if there is none.

        After another process has saved, that is faster than to save over it.
        """
        if self._folder is None or state.space is None or state.dimension is None:
            return False
        saved = Index.open(self._folder, space=state.space, dimension=state.dimension)
        if saved is None or saved.generation > state.generation:
            return False  # one from the future is of another gallery, or this one was restored from a backup
        if self._index is None or self._index.space != state.space or self._kept < saved.generation:
            kept = saved.generation
            self._catch_up(saved, state)
            with self._database.reading() as db:
                now = Reader(db).state()
                (count,) = db.execute(
                    "SELECT coalesce(sum(vectors), 0) FROM spaces WHERE number = ?", [state.number]
                ).fetchone()
            if len(saved) != count and now.generation == state.generation:
                return False
            self._index, self._kept = saved, kept
        return True

    def _open_or_build(self) -> None:
        """Use the index in the folder, or make one, which other processes can use too where that may be.

        Here as everywhere, the lock of the folder is taken before a turn, so that no two wait for each other.
        """
        index, kept = None, -1
        if self._folder is not None:
            try:
                with locked(self._folder.parent, BUILDING):  # another process may be building it
                    state, _ = self._question(ANYTHING)  # which that one is not ahead of
                    with self._turns.changing():
                        if self._take_over(state):
                            return
                    log.info("building the index of %s", self._database.place)
                    index, kept = self._made(self._folder, state), state.generation
            except StorageError as error:
                log.warning("the index of %s is kept in memory only: %s", self._database.place, error)
        if index is None:
            state, _ = self._question(ANYTHING)
            index = self._made(None, state)
        with self._turns.changing():
            self._index, self._kept = index, kept

    def _made(self, folder: Path | None, state: State) -> Index:
        rows, threads = self._rows(state, 0), os.cpu_count() or 1
        return Index.build(
            folder, rows, space=state.space or "", dimension=state.dimension or 0, generation=state.generation,
            threads=threads,
        )  # fmt: skip

    def _distrust(self) -> None:
        """Drop an index that found what nobody deleted and what yet is not there."""
        log.warning("the index of %s does not belong to it, and is made anew", self._database.place)
        with contextlib.ExitStack() as held:
            if self._folder is not None:
                held.enter_context(locked(self._folder.parent, self._database.patience))
            held.enter_context(self._turns.changing())
            self._index = None
            if self._folder is not None:
                _remove(self._folder)

    def _catch_up(self, index: Index, state: State) -> None:
        since = index.generation
        if since >= state.generation:
            return
        with self._database.reading() as db:
            gone = db.execute("SELECT sample FROM removed WHERE generation > ?", [since]).fetchall()
        if gone:
            index.remove(np.array([sample for (sample,) in gone], np.int64))
        for ids, vectors in self._rows(state, since):
            index.add(ids, vectors)
        index.generation = state.generation

    def _rows(self, state: State, since: int) -> Iterator[tuple[Ids, Floats]]:
        """Vectors of the space that were written after a generation; portions, so that no transaction is long.

        What is written meanwhile may be among them. That does no harm: it is of a later generation, and comes again.
        """
        generation, number = since, 2**63 - 1
        while True:
            with self._database.reading() as db:
                rows = db.execute(
                    "SELECT generation, number, sample, vector, crc FROM vectors"
                    " WHERE (generation, number) > (?, ?) AND space = ? ORDER BY generation, number LIMIT ?",
                    [generation, number, state.number, PORTION],
                ).fetchall()
            if not rows:
                return
            generation, number = rows[-1][:2]
            ids = np.array([row[2] for row in rows], np.int64)
            yield ids, unpacked([row[3:] for row in rows], state.precision, state.dimension or 0)

    def _scores(self, queries: Floats, found: Ids, state: State) -> Floats:
        """Cosines with the stored vectors; NaN for samples that have none."""
        scores = np.full(found.shape, np.nan, np.float32)
        rows, columns = np.nonzero(found >= 0)
        for start in range(0, len(rows), PORTION):
            part = slice(start, start + PORTION)
            with self._database.reading() as db:
                vectors = Reader(db).vectors(
                    found[rows[part], columns[part]].tolist(), state.number or 0, state.precision, queries.shape[1]
                )
            scores[rows[part], columns[part]] = np.einsum("nd,nd->n", vectors, queries[rows[part]])
        return scores

    def _keep(self) -> None:
        """Save the index now and then. Of several processes one does, and the others take over what it saved.

        Mostly that takes milliseconds; it takes longer, as does the search that it is part of, when the index has grown
        so much that its lists are made anew.
        """
        index, folder = self._index, self._folder
        if folder is None or index is None or not index.worth_saving or time.monotonic() < self._retry:
            return
        try:
            with locked(folder.parent, 0):
                with self._database.reading() as db:
                    state = Reader(db).state()
                self._take_over(state)
                if self._index is not None and self._index.worth_saving:
                    self._index.save(self._index.generation, threads=os.cpu_count() or 1)
                    self._kept = self._index.generation
        except StorageError as error:
            self._retry = time.monotonic() + PAUSE
            log.info("the index of %s was not saved: %s", self._database.place, error)


class _Turns:
    """Many threads may look at the index, or one may change it; who wants to change it is let before who comes later.

    Else threads that search all the time would leave no moment to change it in.
    """

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._looking = self._waiting = 0

    @contextlib.contextmanager
    def looking(self) -> Iterator[None]:
        with self._free:
            self._free.wait_for(lambda: not self._waiting)
            self._looking += 1
        try:
            yield
        finally:
            with self._free:
                self._looking -= 1
                self._free.notify_all()

    @contextlib.contextmanager
    def changing(self) -> Iterator[None]:
        with self._free:
            self._waiting += 1
            try:
                self._free.wait_for(lambda: not self._looking)
            finally:
                self._waiting -= 1
                self._free.notify_all()
            yield


def _sorted(found: Ids, scores: Floats) -> tuple[Ids, Floats]:
    """Nearest first, equal ones by id, none last."""
    order = np.lexsort((found, np.where(np.isnan(scores), np.inf, -scores)), axis=1)
    return np.take_along_axis(found, order, axis=1), np.take_along_axis(scores, order, axis=1)


def _remove(folder: Path) -> None:
    try:
        if folder.exists():
            shutil.rmtree(folder)
    except OSError as error:
        raise StorageError(f"the index in {folder} cannot be removed: {error.strerror}.") from error
