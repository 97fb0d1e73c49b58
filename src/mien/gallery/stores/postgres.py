"""A gallery in PostgreSQL with pgvector: many processes on many machines, one database.

``postgresql://user:password@host/database?gallery=family`` is the schema ``family`` of that database (``mien`` if no
gallery is named); a database holds as many galleries as it has such schemas. The server needs pgvector 0.8 or newer.

A change is one transaction. Writers queue at the one row of the table ``state``; readers never wait for them. Search
looks at every vector until there are 20,000, from then on into an HNSW index; an answer that a filter left short is
computed again over all that pass. Vectors are stored as ``halfvec`` (f16) or ``vector`` (f32); pgvector has no i8.

**What is deleted.** `erase` rewrites all tables and indexes (``VACUUM FULL``), so that nothing of a deleted row is in a
file of the tables; meanwhile others wait. It needs disk space for a second copy, and rebuilding the index of a million
vectors takes its time. Where the user may (a superuser, or one who may run pg_switch_wal, CHECKPOINT and pg_ls_waldir),
it also goes through the files of the write-ahead log once, so that none keeps what it said; for others the server
overwrites them in time. Out of reach are the log's files that a replication slot or wal_keep_size holds, its archive,
replicas, backups, and rows that a transaction of somebody else, begun before, may still see.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import GalleryError, SourceError, StorageError, UsageError
from mien.embeddings.packing import Precision, check_precision
from mien.gallery.records import ANYTHING, Change, Counts, Entry, Link, Person, Sample, Where
from mien.gallery.store import SCHEMA
from mien.gallery.stores.limits import check_count, check_queries, check_space, check_where
from mien.gallery.stores.postgres_connections import Connections, address_of
from mien.gallery.stores.postgres_records import Records
from mien.gallery.stores.postgres_tables import KINDS, TABLES
from mien.gallery.stores.values import check_texts

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["PostgresStore"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

PORTION = 500  #: samples read at once
CREATING = int.from_bytes(b"mien", "big")  #: number of the lock under which a gallery is begun


class PostgresStore:
    """See `mien.gallery.store.Store` and the module's text."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._connections.place!r})"

    @classmethod
    def open(cls, place: str, *, create: bool, precision: Precision | None) -> PostgresStore:
        """See `mien.gallery.store.StoreMaker`."""
        with contextlib.ExitStack() as unless_open:
            store = cls(Connections(*address_of(place)))
            unless_open.callback(store.close)
            store._begin(create, precision)
            unless_open.pop_all()
        return store

    @property
    def space(self) -> str | None:
        """The embedding space in use."""
        with self._records() as records:
            return records.state().space

    @property
    def dimension(self) -> int | None:
        """Numbers a vector of it has."""
        with self._records() as records:
            return records.state().dimension

    def reserve(self, count: int) -> int:
        """Take numbers."""
        check_count(count)
        with self._connections.borrow() as connection:
            row = connection.execute("UPDATE state SET next = next + %s RETURNING next", [int(count)]).fetchone()
            return int(cast("tuple[int]", row)[0]) - int(count)

    def apply(self, change: Change, *, expect: int | None = None) -> None:
        """Write a change."""
        with self._writing() as records:
            records.write(change, expect)

    def generation(self) -> int:
        """How many changes were applied."""
        with self._records() as records:
            return records.state().generation

    def meta(self) -> Mapping[str, str]:
        """Settings."""
        with self._records() as records:
            return records.settings()

    def counts(self) -> Counts:
        """How much is held."""
        with self._records() as records:
            return records.counts()

    def people(self, ids: Sequence[str] | None = None, *, names: Sequence[str] | None = None) -> list[Person]:
        """People by id or by name."""
        with self._records() as records:
            return records.people(ids, names=names)

    def samples(self, where: Where = ANYTHING, *, crops: bool = False) -> Iterator[Sample]:
        """Samples in the order of their ids."""
        check_where(where)
        with self._records() as records:
            ids = records.ids(where)
        for start in range(0, len(ids), PORTION):  # the connection is free while the caller looks at a portion
            with self._records() as records:
                portion = records.portion(ids[start : start + PORTION], crops=crops)
            yield from portion

    def vectors(self, ids: Sequence[int], *, space: str | None = None) -> Floats:
        """Vectors of samples."""
        with self._records() as records:
            return records.vectors([int(one) for one in ids], space)

    def links(self, ids: Sequence[int] | None = None) -> list[Link]:
        """Links that touch these samples."""
        with self._records() as records:
            return records.links(ids)

    def entries(self, *, limit: int | None = None) -> list[Entry]:
        """The audit log, newest first."""
        with self._records() as records:
            return records.entries(limit)

    def looked(self, pictures: Sequence[str]) -> set[str]:
        """Those of these pictures that were looked at."""
        check_texts("picture", pictures)
        with self._records() as records:
            return records.looked(pictures)

    def search(
        self, queries: Floats, k: int, *, where: Where = ANYTHING, exact: bool = False
    ) -> tuple[Ids, NDArray[np.float32]]:
        """Nearest samples by cosine."""
        check_where(where)
        with self._records() as records:
            state = records.state()
            wanted = check_queries(queries, k, state.dimension)
            if state.table is None or not len(wanted):
                return np.full((len(wanted), k), -1, np.int64), np.full((len(wanted), k), np.nan, np.float32)
            indexed = records.indexed(state.table) and not exact
            ids, scores = records.nearest(state, where, wanted, k, indexed=indexed)
            short = np.flatnonzero(ids[:, -1] < 0)
            if indexed and len(short):  # the walk through the index met too few that pass: look at all
                ids[short], scores[short] = records.nearest(state, where, wanted[short], k, indexed=False)
        return ids, scores

    def use_space(self, space: str, dimension: int) -> None:
        """Make a space the one in use."""
        check_space(space, dimension)
        with self._writing() as records:
            records.use_space(space, dimension)

    def erase(self) -> None:
        """Rewrite all tables and indexes without what was deleted."""
        from psycopg import errors, sql

        schema, place = self._connections.schema, self._connections.place
        files = (
            "SELECT tablename, pg_relation_filenode(format('%%I.%%I', schemaname, tablename)::regclass) FROM pg_tables"
        )
        with self._connections.borrow() as connection:
            before = dict(connection.execute(f"{files} WHERE schemaname = %s", [schema]).fetchall())
            for table in before:
                connection.execute(sql.SQL("VACUUM (FULL) {}").format(sql.Identifier(schema, table)))
            after = dict(connection.execute(f"{files} WHERE schemaname = %s", [schema]).fetchall())
            # A table that the user does not own is passed over with no more than a warning.
            if same := sorted(table for table in before if before[table] == after.get(table)):
                raise StorageError(f"{place} was not erased: the user may not rewrite {', '.join(same)}.")
            # The log's files are used in turn, and what is left of one is filled with zeros when the next is begun: so
            # all are gone through once. Not every user may do that; the server does it by itself in time.
            with contextlib.suppress(errors.InsufficientPrivilege):
                row = connection.execute("SELECT count(*) FROM pg_ls_waldir()").fetchone()
                for _ in range(row[0] + 2 if row else 0):
                    connection.execute("SELECT pg_switch_wal()")
                    connection.execute("CHECKPOINT")

    def backup(self, target: str | os.PathLike[str]) -> None:
        """Say what does it."""
        raise UsageError(
            f"a gallery in PostgreSQL is no file to copy to {os.fspath(target)!r}: back it up with PostgreSQL's own"
            f" pg_dump --schema={self._connections.schema}."
        )

    def close(self) -> None:
        """Close the connections."""
        self._connections.close()

    def _begin(self, create: bool, precision: Precision | None) -> None:
        """Lay out an empty gallery where there is none, and see that we can read what there is."""
        place = self._connections.place
        if precision is not None and check_precision(precision) not in KINDS:
            raise UsageError(f"pgvector stores vectors as {' or '.join(KINDS)}; got {precision!r}.")
        with self._connections.borrow() as connection, connection.transaction():
            if not self._is_there(connection):
                if not create:
                    raise SourceError(f"there is no gallery at {place}.")
                self._create(connection, precision or "f16")
            row = connection.execute("SELECT schema, precision FROM state").fetchone()
        if row is None:
            raise GalleryError(f"{place} is torn (its state is missing); restore a backup of it.")
        if row[0] > SCHEMA:
            raise GalleryError(f"{place} was written by a newer version of mien ({row[0]} > {SCHEMA}): update.")
        if precision is not None and precision != row[1]:
            raise UsageError(f"{place} stores vectors as {row[1]}, not {precision}.")

    def _is_there(self, connection: Connection) -> bool:
        query = "SELECT 1 FROM pg_tables WHERE schemaname = %s AND tablename = 'state'"
        return connection.execute(query, [self._connections.schema]).fetchone() is not None

    def _create(self, connection: Connection, precision: Precision) -> None:
        from psycopg import errors, sql

        connection.execute("SELECT pg_advisory_xact_lock(%s)", [CREATING])
        if self._is_there(connection):  # another process was first
            return
        try:
            with connection.transaction():
                connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
        except (errors.UndefinedFile, errors.FeatureNotSupported, errors.InsufficientPrivilege) as error:
            raise StorageError(
                f"{self._connections.place} needs pgvector: have an administrator install it and run"
                " CREATE EXTENSION vector."
            ) from error
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(self._connections.schema)))
        self._connections.look(connection)
        connection.execute(TABLES)
        connection.execute("INSERT INTO state VALUES (true, %s, 0, 1, %s, NULL)", [SCHEMA, precision])

    @contextlib.contextmanager
    def _records(self) -> Iterator[Records]:
        """Records as they are now; each statement sees what was last applied."""
        with self._connections.borrow() as connection:
            yield Records(connection)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[Records]:
        """The one writer: all that it writes, or, where an error is raised, nothing."""
        with self._connections.borrow() as connection, connection.transaction():
            connection.execute("SET LOCAL synchronous_commit = on")  # whatever the server's default is
            connection.execute("SELECT FROM state FOR UPDATE")
            yield Records(connection)
