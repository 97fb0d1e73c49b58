"""The database file of a gallery: its tables, how it begins, how it is opened, and what its errors mean.

One connection reads and one writes, each under a lock, so that threads that search do not wait for one that enrolls.
In memory there is only one connection, which does both.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

from mien.core.errors import GalleryError, MienError, StorageError, UsageError
from mien.embeddings.packing import Precision
from mien.gallery.store import SCHEMA

__all__ = ["INDEX", "LOCK", "NAME", "PATIENCE", "Database", "check", "connect", "create", "explained", "locked", "sync"]

NAME, INDEX, LOCK = "gallery.sqlite", "index", ".lock"
WRITTEN = "written"  #: holds the generation that was last written; see `check`
APPLICATION = int.from_bytes(b"mien", "big")  #: how `file` and we tell such a database from another
PATIENCE = 30.0  #: seconds to wait for a process that writes
SYNCHRONOUS = "FULL"  #: what was committed is on the disk: it outlives not only this process but also the machine

# Vectors have numbers of their own, since a sample may have one per space while it is re-embedded. `generation` and
# `removed` tell an index what has happened since it was last brought up to date. Triggers count, since each search asks
# how many there are, and counting a million takes a tenth of a second.
TABLES = """
CREATE TABLE state (
  one INTEGER PRIMARY KEY CHECK (one = 1), generation INTEGER NOT NULL, next INTEGER NOT NULL,
  precision TEXT NOT NULL, space INTEGER REFERENCES spaces, unerased INTEGER NOT NULL, people INTEGER NOT NULL,
  samples INTEGER NOT NULL);
CREATE TABLE spaces (
  number INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, dimension INTEGER NOT NULL,
  vectors INTEGER NOT NULL);
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE people (number INTEGER PRIMARY KEY, name TEXT UNIQUE, note TEXT NOT NULL, created REAL NOT NULL);
CREATE TABLE samples (
  id INTEGER PRIMARY KEY, face TEXT NOT NULL, person INTEGER REFERENCES people, confirmed INTEGER NOT NULL,
  source TEXT NOT NULL, picture TEXT NOT NULL, x1 REAL, y1 REAL, x2 REAL, y2 REAL, width INTEGER NOT NULL,
  height INTEGER NOT NULL, quality REAL, age_from REAL, age_to REAL, taken REAL, created REAL NOT NULL,
  model TEXT NOT NULL, words TEXT NOT NULL);
CREATE INDEX samples_person ON samples (person);
CREATE INDEX samples_face ON samples (face);
CREATE INDEX samples_picture ON samples (picture);
CREATE TABLE crops (sample INTEGER PRIMARY KEY REFERENCES samples ON DELETE CASCADE, image BLOB NOT NULL);
CREATE TABLE vectors (
  number INTEGER PRIMARY KEY, sample INTEGER NOT NULL REFERENCES samples ON DELETE CASCADE,
  space INTEGER NOT NULL REFERENCES spaces, generation INTEGER NOT NULL, vector BLOB NOT NULL,
  crc INTEGER NOT NULL, UNIQUE (sample, space));
CREATE INDEX vectors_generation ON vectors (generation);
CREATE TABLE removed (
  generation INTEGER NOT NULL, sample INTEGER NOT NULL, PRIMARY KEY (generation, sample)) WITHOUT ROWID;
CREATE TABLE links (
  first INTEGER NOT NULL REFERENCES samples ON DELETE CASCADE,
  second INTEGER NOT NULL REFERENCES samples ON DELETE CASCADE, same INTEGER NOT NULL,
  PRIMARY KEY (first, second)) WITHOUT ROWID;
CREATE INDEX links_second ON links (second);
CREATE TABLE entries (
  number INTEGER PRIMARY KEY, time REAL NOT NULL, action TEXT NOT NULL, subjects TEXT NOT NULL, details TEXT NOT NULL);
CREATE TABLE looked (picture TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TRIGGER person_added AFTER INSERT ON people BEGIN UPDATE state SET people = people + 1; END;
CREATE TRIGGER person_gone AFTER DELETE ON people BEGIN UPDATE state SET people = people - 1; END;
CREATE TRIGGER sample_added AFTER INSERT ON samples BEGIN UPDATE state SET samples = samples + 1; END;
CREATE TRIGGER sample_gone AFTER DELETE ON samples BEGIN UPDATE state SET samples = samples - 1; END;
CREATE TRIGGER vector_added AFTER INSERT ON vectors
BEGIN UPDATE spaces SET vectors = vectors + 1 WHERE number = new.space; END;
CREATE TRIGGER vector_gone AFTER DELETE ON vectors
BEGIN UPDATE spaces SET vectors = vectors - 1 WHERE number = old.space; END;
"""

#: How a database of version n becomes one of version n + 1: statements, by n.
MIGRATIONS: dict[int, tuple[str, ...]] = {}

_BUSY = {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED}
_TORN = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_ERROR, sqlite3.SQLITE_FORMAT}


@contextlib.contextmanager
def explained(place: str) -> Iterator[None]:
    """Raise what SQLite raises as an error of ours."""
    try:
        yield
    except sqlite3.Error as error:
        raise _explain(error, place) from error
    except UnicodeDecodeError as error:  # SQLite's message quotes a torn schema
        raise GalleryError(f"{place} is torn ({error}); restore a backup of it.") from error


def _explain(error: sqlite3.Error, place: str) -> MienError:
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    if code in _BUSY:
        return StorageError(f"{place} is being written by another process; try again when that has finished.")
    if code == sqlite3.SQLITE_FULL:
        return StorageError(f"{place} cannot be written: the disk is full.")
    if code in _TORN:
        return GalleryError(f"{place} is torn ({error}); restore a backup of it.")
    return StorageError(f"{place} cannot be read or written: {error}.")


@contextlib.contextmanager
def locked(folder: Path, patience: float) -> Iterator[None]:
    """Be the only process that makes, erases or copies files of a gallery's folder.

    Raises
    ------
    StorageError
        If another process does so for longer than `patience` seconds, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(folder / LOCK, timeout=patience, mode=0o600)
    try:
        lock.acquire()
    except Timeout as error:
        raise StorageError(
            f"{folder} is being rewritten by another process; try again when it has finished."
        ) from error
    except OSError as error:
        raise StorageError(f"{folder} cannot be written: {error.strerror or error}.") from error
    try:
        yield
    finally:
        lock.release()


def sync(*paths: Path) -> None:
    """See that files and folders are on the disk."""
    for path in paths:
        if os.name != "nt" or path.is_file():  # Windows opens no folders
            number = os.open(path, os.O_RDONLY)
            try:
                os.fsync(number)
            finally:
                os.close(number)


class Database:
    """Connections to one database.

    Parameters
    ----------
    file : Path or None
        None: in memory, and gone when it is closed.
    place : str
        What messages call it.
    patience : float
        Seconds to wait for a process that writes.
    """

    def __init__(self, file: Path | None, place: str, *, patience: float = PATIENCE) -> None:
        self.file = file
        self.place = place
        self.patience = patience
        self._process = os.getpid()
        self._open = contextlib.ExitStack()
        with explained(place), contextlib.ExitStack() as opened:
            self._writer = opened.enter_context(contextlib.closing(connect(file, patience)))
            self._reader = self._writer
            if file is not None:
                self._reader = opened.enter_context(contextlib.closing(connect(file, patience)))
            self._open = opened.pop_all()
        self._writing = threading.Lock()
        self._reading = threading.Lock() if file is not None else self._writing

    @contextlib.contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A moment of the database: what others write meanwhile is not seen."""
        with self._held(self._reading), _transaction(self._reader, "DEFERRED", self.place):
            yield self._reader

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Write all or, where an error is raised, nothing."""
        with self._held(self._writing):
            with _transaction(self._writer, "IMMEDIATE", self.place):
                yield self._writer
                (generation,) = self._writer.execute("SELECT generation FROM state").fetchone()
            if self.file is not None:
                with contextlib.suppress(OSError):  # the change is safe already; this is for `check`
                    _note(self.file.with_name(WRITTEN), generation)

    @contextlib.contextmanager
    def apart(self) -> Iterator[sqlite3.Connection]:
        """The writing connection outside of a transaction."""
        with self._held(self._writing), explained(self.place):
            yield self._writer

    def close(self) -> None:
        """Close the connections; again does nothing."""
        if os.getpid() == self._process:  # in a forked child they are its parent's
            with self._writing, explained(self.place):
                self._open.close()

    @contextlib.contextmanager
    def _held(self, lock: threading.Lock) -> Iterator[None]:
        if os.getpid() != self._process:
            raise UsageError(f"{self.place} was opened in another process: open it again in this one.")
        with lock:
            yield


def connect(file: Path | None, patience: float) -> sqlite3.Connection:
    """Connect as all of us do."""
    uri = f"{file.absolute().as_uri()}?mode=rw" if file is not None else ":memory:"
    db = sqlite3.connect(uri, uri=True, timeout=patience, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (
            "foreign_keys = ON",
            f"synchronous = {SYNCHRONOUS}",
            "secure_delete = ON",
            "cache_size = -16384",
        ):
            db.execute(f"PRAGMA {pragma}")
    except sqlite3.Error:
        db.close()
        raise
    return db


def create(db: sqlite3.Connection, precision: Precision) -> None:
    """Lay out an empty database."""
    db.execute("PRAGMA page_size = 8192")  # seven vectors of 512 f16 numbers, with little left over
    db.execute("BEGIN")
    for statement in TABLES.split(";\n"):
        db.execute(statement)
    db.execute("INSERT INTO state VALUES (1, 0, 1, ?, NULL, 0, 0, 0)", [precision])
    db.execute(f"PRAGMA application_id = {APPLICATION}")
    db.execute(f"PRAGMA user_version = {SCHEMA}")
    db.execute("COMMIT")


def check(database: Database) -> None:
    """See that a database is a gallery of a version that we know, bring an older one up, and see that it is whole.

    SQLite itself does not notice a log (``-wal``) that was lost or cut, with the changes in it. So each change also
    leaves its generation in a small file beside the database, after the change is on the disk: a database that is
    behind that file has lost something. The file is read first, since others may write meanwhile.

    Raises
    ------
    GalleryError
        If it is not.
    """
    with database.reading() as db:
        (application,) = db.execute("PRAGMA application_id").fetchone()
        (version,) = db.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise GalleryError(f"{database.place} is torn, or its {NAME} is not a gallery's; restore a backup of it.")
    if version > SCHEMA:
        raise GalleryError(f"{database.place} was written by a newer version of mien ({version} > {SCHEMA}): update.")
    while version < SCHEMA:
        version = _migrate(database)
    written = _noted(database.file.with_name(WRITTEN)) if database.file is not None else 0
    with database.reading() as db:
        (generation,) = db.execute("SELECT max(generation) FROM state").fetchone()
    if generation is None:
        raise GalleryError(f"{database.place} is torn (its state is missing); restore a backup of it.")
    if written > generation:
        raise GalleryError(
            f"{database.place} has lost its last {written - generation} changes, since {NAME}-wal is missing or torn; "
            f"restore a backup, or delete its file {WRITTEN!r} to go on without them."
        )


def _migrate(database: Database) -> int:
    with database.writing() as db:
        (version,) = db.execute("PRAGMA user_version").fetchone()  # another process may have been first
        if version < SCHEMA:
            if version not in MIGRATIONS:
                raise GalleryError(f"{database.place} is of version {version}, which is too old to be brought up.")
            for statement in MIGRATIONS[version]:
                db.execute(statement)
            version += 1
            db.execute(f"PRAGMA user_version = {version}")
    return int(version)


def _note(file: Path, generation: int) -> None:
    number = os.open(file, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        os.write(number, b"%020d\n" % generation)
    finally:
        os.close(number)


def _noted(file: Path) -> int:
    try:
        return int(file.read_bytes())
    except (OSError, ValueError):
        return 0  # a copy of the database alone is a gallery too


@contextlib.contextmanager
def _transaction(db: sqlite3.Connection, kind: str, place: str) -> Iterator[None]:
    with explained(place):
        db.execute(f"BEGIN {kind}")
        try:
            yield
            db.execute("COMMIT")
        finally:
            if db.in_transaction:
                db.execute("ROLLBACK")
