"""Erasing what deleted records left behind, and copying a gallery that is in use."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from pathlib import Path

from mien.core.errors import StorageError, UsageError
from mien.gallery.indexing.index import Index
from mien.gallery.stores.sqlite_file import INDEX, NAME, Database, connect, explained, locked, sync
from mien.gallery.stores.sqlite_reading import Reader
from mien.gallery.stores.sqlite_search import Searcher

__all__ = ["backup", "erase"]


def erase(database: Database, folder: Path | None, searcher: Searcher, *, patience: float | None = None) -> None:
    """Rewrite the database and the index from what they hold; `patience` seconds are waited for others at each step.

    Overwriting deleted cells with zeros (`secure_delete`) is not enough: where SQLite moves cells from one page to
    another, as an index on names does all the time, it leaves copies behind in free space, and a deletion later on does
    not find those. `VACUUM` leaves nothing. It reads and writes the whole database, which takes seconds where that is
    large, and room on the disk for a second copy.

    Raises
    ------
    StorageError
        If there is no room, or another process reads or writes all the time. What is left is remembered, and erased
        when the gallery is opened again.
    """
    if folder is None:
        return
    patience = database.patience if patience is None else patience
    with locked(folder, patience):
        with database.apart() as db, _waiting(db, patience, database.patience):
            db.execute("UPDATE state SET unerased = generation")
            (until,) = db.execute("SELECT unerased FROM state").fetchone()
            db.execute("VACUUM")
            (busy, _, _) = db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StorageError(
                f"{folder} is read by another process: what was deleted is erased when it is opened next."
            )
        searcher.erase()
        with database.writing() as db:
            db.execute("UPDATE state SET unerased = 0 WHERE unerased = ?", [until])  # unless more was deleted meanwhile


@contextlib.contextmanager
def _waiting(db: sqlite3.Connection, patience: float, usual: float) -> Iterator[None]:
    db.execute(f"PRAGMA busy_timeout = {int(1000 * patience)}")
    try:
        yield
    finally:
        db.execute(f"PRAGMA busy_timeout = {int(1000 * usual)}")


def backup(database: Database, folder: Path | None, target: Path) -> None:
    """Copy a gallery to a new folder, which appears whole; others read and write meanwhile.

    The copy is as of one moment. It is written anew rather than copied byte by byte, so that it has nothing of what was
    deleted. The index goes with it, so that it need not be built again, unless it has somebody who is not in the copy.

    Raises
    ------
    UsageError
        If the target is there already.
    StorageError
        If it cannot be written.
    """
    target = target.absolute()
    if target.exists():
        raise UsageError(f"{target} is there already: name a folder that is not.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.ExitStack() as unless_done:
            new = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))  # 0700
            unless_done.callback(shutil.rmtree, new, ignore_errors=True)
            _copy(database, folder, new)
            new.rename(target)
            unless_done.pop_all()
            sync(target.parent)
    except OSError as error:
        raise StorageError(f"a copy cannot be written at {target}: {error.strerror or error}.") from error


def _copy(database: Database, folder: Path | None, new: Path) -> None:
    if folder is not None:
        with locked(folder, database.patience):  # before the database: an index must not be ahead of it
            if (folder / INDEX).exists():
                (new / INDEX).mkdir(mode=0o700)
                for path in (folder / INDEX).iterdir():
                    shutil.copy(path, new / INDEX)  # with its mode
    copy = new / NAME
    copy.touch(0o600)
    with explained(f"{database.place}, while it is copied,"):
        if database.file is None:
            with database.apart() as db:
                db.execute("VACUUM INTO ?", [str(copy)])
        else:  # a connection of its own, so that neither readers nor writers wait
            with contextlib.closing(connect(database.file, database.patience)) as db:
                db.execute("VACUUM INTO ?", [str(copy)])
        with contextlib.closing(connect(copy, database.patience)) as db:
            db.execute("PRAGMA journal_mode = WAL")
            db.execute("UPDATE state SET unerased = 0")
            if not _is_of(new / INDEX, db):
                shutil.rmtree(new / INDEX, ignore_errors=True)
    sync(*new.rglob("*"), new)


def _is_of(index: Path, db: sqlite3.Connection) -> bool:
    """Whether an index has vectors of what is in the database, and of nothing that was deleted since it was saved."""
    state = Reader(db).state()
    found = Index.open(index, space=state.space or "", dimension=state.dimension or 0)
    if found is None:
        return False
    (gone,) = db.execute("SELECT EXISTS (SELECT 1 FROM removed WHERE generation > ?)", [found.generation]).fetchone()
    return found.generation <= state.generation and not gone
