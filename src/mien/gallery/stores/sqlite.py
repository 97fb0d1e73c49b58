"""The default store: a folder with a SQLite database, which is the truth, and an index, which is a cache."""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import SourceError, StorageError, UsageError
from mien.embeddings.packing import Precision, check_precision
from mien.gallery.records import ANYTHING, Change, Counts, Entry, Link, Person, Sample, Where
from mien.gallery.stores.limits import check_count, check_where
from mien.gallery.stores.sqlite_erasing import backup, erase
from mien.gallery.stores.sqlite_file import (
    INDEX,
    LOCK,
    NAME,
    PATIENCE,
    Database,
    check,
    connect,
    create,
    explained,
    locked,
    sync,
)
from mien.gallery.stores.sqlite_reading import PORTION, Reader
from mien.gallery.stores.sqlite_search import Searcher
from mien.gallery.stores.sqlite_writing import reserve, use_space, write
from mien.gallery.stores.values import check_texts

__all__ = ["SqliteStore"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

MEMORY = ":memory:"

log = logging.getLogger("mien")


class SqliteStore:
    """A gallery in a folder, or in memory; see `mien.gallery.store.Store`. Threads and processes may share it."""

    def __init__(self, database: Database, folder: Path | None) -> None:
        self._database = database
        self._folder = folder
        self._searcher = Searcher(database, folder / INDEX if folder is not None else None)

    @classmethod
    def open(
        cls, place: str, *, create: bool = True, precision: Precision | None = None, patience: float = PATIENCE
    ) -> Self:
        """Open what is there; begin an empty one where there is nothing and `create` holds.

        Parameters
        ----------
        place : str
            A folder, or ":memory:".
        create : bool
        precision : {"f32", "f16", "i8"}, optional
            How a new one stores vectors; f16 by default.
        patience : float
            Seconds to wait for another process that writes.

        Raises
        ------
        SourceError
            If there is no gallery, and none is to be made, or something else is there.
        StorageError
            If it cannot be read or written.
        GalleryError
            If it is torn, or was written by a newer version.
        UsageError
            If `precision` is given and differs from the one that is stored.
        """
        if precision is not None:
            check_precision(precision)
        if place == MEMORY:
            database = Database(None, "the gallery in memory")
            with database.apart() as db:
                _create(db, precision or "f16")
            return cls(database, None)
        if "\0" in place:
            raise UsageError("a path has no NUL character.")
        folder = Path(place).absolute()  # whatever the process makes its folder later
        _begin(folder, precision or "f16", create=create)
        with contextlib.ExitStack() as unless_open:
            database = Database(folder / NAME, str(folder), patience=patience)
            unless_open.callback(database.close)
            check(database)
            with database.reading() as db:
                state = Reader(db).state()
            if precision not in (None, state.precision):
                raise UsageError(f"{folder} stores vectors as {state.precision}, not as {precision}.")
            store = cls(database, folder)
            if state.unerased:
                store._erase_the_rest()
            unless_open.pop_all()
        return store

    @property
    def space(self) -> str | None:
        """The embedding space in use; None until there are vectors, or one is chosen."""
        with self._database.reading() as db:
            return Reader(db).state().space

    @property
    def dimension(self) -> int | None:
        """Numbers a vector of the space in use has."""
        with self._database.reading() as db:
            return Reader(db).state().dimension

    def reserve(self, count: int) -> int:
        """Take `count` numbers that nobody else gets, and return the first."""
        check_count(count)
        with self._database.writing() as db:
            return reserve(db, count)

    def apply(self, change: Change, *, expect: int | None = None) -> None:
        """Write a change, wholly or not at all; see `Store.apply`."""
        with self._database.writing() as db:
            write(db, change, expect)

    def generation(self) -> int:
        """How many changes were applied."""
        with self._database.reading() as db:
            return Reader(db).state().generation

    def meta(self) -> Mapping[str, str]:
        """Settings."""
        with self._database.reading() as db:
            return Reader(db).settings()

    def counts(self) -> Counts:
        """How much is held."""
        with self._database.reading() as db:
            numbers = db.execute(
                "SELECT people, samples, coalesce(vectors, 0) FROM state LEFT JOIN spaces ON space = number"
            )
            return Counts(*numbers.fetchone())

    def people(self, ids: Sequence[str] | None = None, *, names: Sequence[str] | None = None) -> list[Person]:
        """People by id or by name; all of them, in the order of their numbers, when neither is given."""
        with self._database.reading() as db:
            return Reader(db).people(ids, names=names)

    def samples(self, where: Where = ANYTHING, *, crops: bool = False) -> Iterator[Sample]:
        """Samples in the order of their ids; without their crops unless asked for.

        Which ones is settled at the first; the records are read in portions, each as it is then, and those that were
        deleted meanwhile are left out. So a long look at a large gallery holds up nobody.
        """
        check_where(where)
        with self._database.reading() as db:
            ids = Reader(db).ids(where)
        for start in range(0, len(ids), PORTION):
            with self._database.reading() as db:
                samples = Reader(db).portion(ids[start : start + PORTION], crops=crops)
            yield from samples

    def vectors(self, ids: Sequence[int], *, space: str | None = None) -> Floats:
        """Vectors (N, D) of samples, in the order of `ids`; NaN where there is none."""
        with self._database.reading() as db:
            reader = Reader(db)
            state = reader.state()
            number, dimension = reader.spaces().get(space or state.space or "", (0, state.dimension or 0))
            return reader.vectors(ids, number, state.precision, dimension)

    def links(self, ids: Sequence[int] | None = None) -> list[Link]:
        """Links that touch these samples; all of them by default."""
        with self._database.reading() as db:
            return Reader(db).links(ids)

    def entries(self, *, limit: int | None = None) -> list[Entry]:
        """The audit log, newest first."""
        with self._database.reading() as db:
            return Reader(db).entries(limit)

    def looked(self, pictures: Sequence[str]) -> set[str]:
        """Those of these pictures that were looked at."""
        check_texts("picture", pictures)
        with self._database.reading() as db:
            return Reader(db).looked(pictures)

    def search(
        self, queries: Floats, k: int, *, where: Where = ANYTHING, exact: bool = False
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Nearest samples by cosine; see `Store.search`."""
        check_where(where)
        return self._searcher.search(queries, k, where, exact=exact)

    def use_space(self, space: str, dimension: int) -> None:
        """Make a space the one in use, as one step, and erase the vectors of all others."""
        with self._database.writing() as db:
            use_space(db, space, dimension)
        self.erase()

    def erase(self) -> None:
        """Overwrite what deleted records left behind in files and the index."""
        erase(self._database, self._folder, self._searcher)

    def backup(self, target: str | os.PathLike[str]) -> None:
        """Copy the whole to a new folder while it is in use."""
        backup(self._database, self._folder, Path(target))

    def close(self) -> None:
        """Let go of files."""
        try:
            self._searcher.close()
        finally:
            self._database.close()

    def _erase_the_rest(self) -> None:
        """Do what an earlier process did not come to, unless another one is at it."""
        try:
            erase(self._database, self._folder, self._searcher, patience=0)
        except StorageError as error:
            log.warning("what was deleted from %s is not erased yet: %s", self._folder, error)


_create = create


def _begin(folder: Path, precision: Precision, *, create: bool) -> None:
    """See that a folder holds a gallery, or lay one out in a new or empty one.

    The database is made beside its place and moved there whole, under a lock: of two processes that begin the same
    gallery, one makes it, and one that is killed leaves only what the next one removes.
    """
    try:
        if (folder / NAME).is_file():
            return
        if not create and not folder.exists():
            raise SourceError(f"there is no gallery at {folder}.")
        if folder.exists() and (not folder.is_dir() or any(not _ours(path.name) for path in folder.iterdir())):
            if (folder / NAME).is_file():
                return  # another process was faster
            raise SourceError(f"{folder} is there, but holds no gallery: name a new or empty folder.")
        if not create:
            raise SourceError(f"there is no gallery in {folder}, which is empty.")
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        folder.chmod(0o700)
        with locked(folder, PATIENCE):
            if not (folder / NAME).is_file():
                _lay_out(folder, precision)
    except OSError as error:
        raise StorageError(f"a gallery cannot be opened at {folder}: {error.strerror or error}.") from error


def _lay_out(folder: Path, precision: Precision) -> None:
    _sweep(folder)
    new = folder / f".new-{secrets.token_hex(4)}"
    try:
        new.touch(0o600, exist_ok=False)  # SQLite gives its other files the same mode
        with explained(str(folder)), contextlib.closing(connect(new, PATIENCE)) as db:
            _create(db, precision)
            db.execute("PRAGMA journal_mode = WAL")
        new.replace(folder / NAME)
        sync(folder, folder.parent)
    finally:
        _sweep(folder)


def _sweep(folder: Path) -> None:
    for left in folder.glob(".new-*"):
        left.unlink()


def _ours(name: str) -> bool:
    return name == LOCK or name.startswith(".new-")
