"""Reading and writing a gallery's records in PostgreSQL, over one connection."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import GalleryChanged, GalleryError, ShapeMismatch
from mien.embeddings.packing import Precision
from mien.gallery.records import ANYTHING, Change, Counts, Entry, Link, Person, Sample, Where, number_of
from mien.gallery.stores.limits import check_change
from mien.gallery.stores.postgres_tables import (
    COLUMNS,
    KINDS,
    Kind,
    conditions,
    person_of,
    sample_of,
    sample_row,
    text_of,
)

if TYPE_CHECKING:
    from psycopg import Connection

__all__ = ["INDEX_FROM", "Records", "State"]

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

INDEX_FROM = 20_000  #: vectors from which on there is an index; looking at fewer is fast, and finds all
BREADTH = 100  #: candidates that a search keeps while it walks the index; 40 is pgvector's


class State(NamedTuple):
    """What the gallery says of itself."""

    generation: int
    precision: Precision
    space: str | None
    dimension: int | None
    table: str | None  # of the space's vectors


class Records:
    """What a gallery holds, as seen by one connection; writing is done within a transaction that holds the state."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def state(self) -> State:
        """Generation, precision and space."""
        row = self.connection.execute(
            "SELECT generation, precision, name, dimension, 'vectors_' || number"
            " FROM state LEFT JOIN spaces ON space = number"
        ).fetchone()
        if row is None:
            raise GalleryError("the gallery is torn (its state is missing); restore a backup of it.")
        return State(*row)

    @property
    def kind(self) -> Kind:
        """How vectors are stored."""
        return KINDS[self.state().precision]

    def spaces(self) -> dict[str, tuple[str, int]]:
        """Table and dimension of each space by name."""
        rows = self.connection.execute("SELECT name, 'vectors_' || number, dimension FROM spaces")
        return {name: (table, dimension) for name, table, dimension in rows}

    def counts(self) -> Counts:
        """As `Store.counts`."""
        table = self.state().table
        numbers = [self._count(name) if name else 0 for name in ("people", "samples", table)]
        return Counts(*numbers)

    def people(self, ids: Sequence[str] | None = None, *, names: Sequence[str] | None = None) -> list[Person]:
        """As `Store.people`."""
        query, values = "SELECT number, name, note, created FROM people", []
        if ids is not None or names is not None:
            query += " WHERE number = ANY(%s::int8[]) OR name = ANY(%s::text[])"
            values = [[number_of(one) for one in ids or ()], list(names or ())]
        return [person_of(row) for row in self.connection.execute(query + " ORDER BY number", values)]

    def ids(self, where: Where = ANYTHING) -> Ids:
        """Ids of the samples that match, sorted."""
        clause, values = conditions(where)
        rows = self.connection.execute(
            f"SELECT s.id FROM samples s WHERE {clause} ORDER BY s.id",  # noqa: S608 # clauses are constants of ours
            values,
        )
        return np.fromiter((row[0] for row in rows), np.int64)

    def samples(self, where: Where = ANYTHING, *, crops: bool = False) -> Iterator[Sample]:
        """Samples that match, in order."""
        yield from self.portion(self.ids(where), crops=crops)

    def portion(self, ids: Ids, *, crops: bool) -> list[Sample]:
        """Those of these samples that are there, in order."""
        crop = "(SELECT image FROM crops WHERE sample = id)" if crops else "NULL::bytea"
        rows = self.connection.execute(
            f"SELECT {', '.join(COLUMNS['samples'])}, {crop} FROM samples"  # noqa: S608 # columns are ours
            " WHERE id = ANY(%s::int8[]) ORDER BY id",
            [ids.tolist()],
            binary=True,
        )
        return [sample_of(row) for row in rows]

    def vectors(self, ids: Sequence[int], space: str | None) -> Floats:
        """Vectors (N, D) in the order of `ids`; NaN where there is none."""
        from psycopg import sql

        state = self.state()
        table, dimension = self.spaces().get(space or state.space or "", (None, state.dimension or 0))
        vectors = np.full((len(ids), dimension), np.nan, np.float32)
        if table is None or not ids:
            return vectors
        query = sql.SQL(
            "SELECT place, vector FROM unnest(%s::int8[]) WITH ORDINALITY AS wanted (id, place) JOIN {} ON sample = id"
        ).format(sql.Identifier(table))
        rows = self.connection.execute(query, [list(ids)], binary=True).fetchall()
        if rows:
            places = [place - 1 for place, _ in rows]
            vectors[places] = KINDS[state.precision].unpack([vector for _, vector in rows], dimension)
        return vectors

    def links(self, ids: Sequence[int] | None = None) -> list[Link]:
        """As `Store.links`."""
        query, values = "SELECT first, second, same FROM links", []
        if ids is not None:
            query += " WHERE first = ANY(%s::int8[]) OR second = ANY(%s::int8[])"
            values = [[int(one) for one in ids]] * 2
        return [Link(*row) for row in self.connection.execute(query + " ORDER BY first, second", values)]

    def entries(self, limit: int | None) -> list[Entry]:
        """As `Store.entries`."""
        rows = self.connection.execute(
            "SELECT time, action, subjects, details FROM entries ORDER BY number DESC LIMIT %s", [limit]
        )
        return [Entry(time=row[0], action=row[1], subjects=tuple(row[2]), details=row[3]) for row in rows]

    def looked(self, pictures: Sequence[str]) -> set[str]:
        """As `Store.looked`."""
        rows = self.connection.execute("SELECT picture FROM looked WHERE picture = ANY(%s::text[])", [list(pictures)])
        return {picture for (picture,) in rows}

    def settings(self) -> Mapping[str, str]:
        """As `Store.meta`."""
        return dict(self.connection.execute("SELECT name, value FROM settings ORDER BY name").fetchall())

    def indexed(self, table: str) -> bool:
        """Whether a table of vectors has its index."""
        row = self.connection.execute("SELECT to_regclass(%s) IS NOT NULL", [f"{table}_hnsw"]).fetchone()
        return bool(cast("tuple[bool]", row)[0])

    def nearest(
        self, state: State, where: Where, queries: Floats, k: int, *, indexed: bool
    ) -> tuple[Ids, NDArray[np.float32]]:
        """The nearest samples of each query, found in the index or by looking at all; see `Store.search`."""
        from psycopg import sql

        clause, values = conditions(where)
        join = "JOIN samples s ON s.id = v.sample" if values or clause != "TRUE" else ""
        # The index compares with the query as it stores vectors; scores, and an exact search, with the query itself.
        order = "v.vector <=> %s::{kind}" if indexed else "v.vector::vector <=> %s::vector"
        # No index serves the inner part if it orders by anything else, so scores are computed apart from it.
        query = sql.SQL(
            f"WITH near AS MATERIALIZED (SELECT v.sample, v.vector FROM {{table}} v {join} WHERE {clause}"  # noqa: S608 # ours
            f" ORDER BY {order} LIMIT %s)"
            " SELECT sample, 1 - (vector::vector <=> %s::vector) AS score FROM near ORDER BY score DESC, sample"
        ).format(table=sql.Identifier(str(state.table)), kind=sql.SQL(KINDS[state.precision].name))
        ids, scores = np.full((len(queries), k), -1, np.int64), np.full((len(queries), k), np.nan, np.float32)
        with self.connection.transaction(), self.connection.cursor() as cursor:
            cursor.execute(
                "SELECT set_config('enable_indexscan', %s, true), set_config('hnsw.ef_search', %s, true),"
                " set_config('hnsw.iterative_scan', 'strict_order', true)",
                ["on" if indexed else "off", str(min(1000, max(BREADTH, 2 * k)))],
            )
            texts = [text_of(query) for query in queries]
            cursor.executemany(query, [[*values, text, k, text] for text in texts], returning=True)
            for row in range(len(texts)):
                found = cursor.fetchall()
                ids[row, : len(found)] = [number for number, _ in found]
                scores[row, : len(found)] = [score for _, score in found]
                cursor.nextset()
        return ids, scores

    def write(self, change: Change, expect: int | None) -> None:
        """Check a change and write it.

        Raises
        ------
        GalleryChanged
            If the generation is not the expected one.
        UsageError
            See `check_change`.
        """
        from psycopg.types.json import Json

        state = self.state()
        if expect is not None and expect != state.generation:
            since = state.generation - expect
            raise GalleryChanged(f"the gallery was changed meanwhile ({since} changes): read it again.")
        dimensions = {name: dimension for name, (_, dimension) in self.spaces().items()}
        space = check_change(change, self, space=state.space, spaces=dimensions)
        people = [(number_of(one.id), one.name, one.note, float(one.created)) for one in change.people]
        crops = [(int(one.id), one.crop) for one in change.samples if one.crop is not None]

        self._forget(change)
        self._replace("people", people)
        self._replace("samples", [sample_row(sample) for sample in change.samples])
        # Samples are mostly read without their crops, so None keeps the one that is there; b"" takes it out.
        self._delete("crops", "sample", [number for number, _ in crops])
        self._copy("crops", [row for row in crops if row[1]])
        if change.vectors is not None and space is not None:
            self._write_vectors(*change.vectors, space)
        self._delete_links([*change.links, *change.forget_links])
        self._copy("links", [(int(one.first), int(one.second), bool(one.same)) for one in change.links])
        self._delete("settings", "name", list(change.meta))
        self._copy("settings", [(name, value) for name, value in change.meta.items() if value is not None])
        self._copy(
            "entries",
            [(float(one.time), one.action, list(one.subjects), Json(dict(one.details))) for one in change.entries],
        )
        if change.looked:
            self.connection.execute(
                "INSERT INTO looked SELECT DISTINCT unnest(%s::text[]) ON CONFLICT DO NOTHING", [list(change.looked)]
            )
        used = max([0, *(row[0] for row in people), *(int(sample.id) for sample in change.samples)])
        self.connection.execute("UPDATE state SET generation = generation + 1, next = greatest(next, %s)", [used + 1])

    def use_space(self, name: str, dimension: int) -> None:
        """Make a space the one in use, and drop the vectors of the others."""
        from psycopg import sql

        used = self._space(name, dimension)
        for other, (table, _) in self.spaces().items():
            if table != used:
                self.connection.execute(sql.SQL("DROP TABLE {}").format(sql.Identifier(table)))
                self.connection.execute(
                    "UPDATE state SET space = NULL WHERE space = (SELECT number FROM spaces WHERE name = %s)", [other]
                )
                self.connection.execute("DELETE FROM spaces WHERE name = %s", [other])
        self.connection.execute("UPDATE state SET space = (SELECT number FROM spaces), generation = generation + 1")

    def _forget(self, change: Change) -> None:
        samples = [int(one) for one in change.forget_samples]
        if samples:
            for table in (table for table, _ in self.spaces().values()):
                self._delete(table, "sample", samples)
            for table, key in (("crops", "sample"), ("links", "first"), ("links", "second"), ("samples", "id")):
                self._delete(table, key, samples)
        self._delete("people", "number", [number_of(one) for one in change.forget_people])

    def _write_vectors(self, ids: Sequence[int], vectors: Floats, space: str) -> None:
        from psycopg import sql

        values = np.asarray(vectors, np.float32)
        table, kind, dimension = self._space(space, values.shape[1]), self.kind, values.shape[1]
        numbers = [int(one) for one in ids]
        self._delete(table, "sample", numbers)
        self._copy(table, list(zip(numbers, kind.pack(values), strict=True)), like="vectors")
        if dimension > kind.indexable or self.indexed(table):
            return
        query = sql.SQL("SELECT count(*) FROM (SELECT FROM {} LIMIT %s) AS counted").format(sql.Identifier(table))
        row = self.connection.execute(query, [INDEX_FROM]).fetchone()
        if row is not None and row[0] >= INDEX_FROM:
            self.connection.execute(
                sql.SQL("CREATE INDEX {} ON {} USING hnsw (vector {})").format(
                    sql.Identifier(f"{table}_hnsw"), sql.Identifier(table), sql.SQL(f"{kind.name}_cosine_ops")
                )
            )

    def _space(self, name: str, dimension: int) -> str:
        """The table of a space's vectors; the first space that there is becomes the one in use."""
        from psycopg import sql

        table, known = self.spaces().get(name, (None, dimension))
        if known != dimension:
            raise ShapeMismatch(f"vectors of {name} have {known} numbers; got {dimension}.")
        if table is None:
            row = self.connection.execute(
                "INSERT INTO spaces (name, dimension) VALUES (%s, %s) RETURNING number", [name, int(dimension)]
            ).fetchone()
            number = int(cast("tuple[int]", row)[0])
            table = f"vectors_{number}"
            self.connection.execute(
                sql.SQL("CREATE TABLE {0} (sample int8 PRIMARY KEY, vector {1}({2}) NOT NULL)").format(
                    sql.Identifier(table), sql.SQL(self.kind.name), sql.Literal(int(dimension))
                )
            )
            self.connection.execute(
                sql.SQL("ALTER TABLE {} ALTER vector SET STATISTICS 0").format(sql.Identifier(table))
            )
            self.connection.execute("UPDATE state SET space = %s WHERE space IS NULL", [number])
        return table

    def _count(self, table: str) -> int:
        from psycopg import sql

        row = self.connection.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
        return int(cast("tuple[int]", row)[0])

    def _replace(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        """Write rows in the place of those with the same key, which is the first column."""
        self._delete(table, next(iter(COLUMNS[table])), [row[0] for row in rows])
        self._copy(table, rows)

    def _delete(self, table: str, key: str, values: list[Any]) -> None:
        from psycopg import sql

        if values:
            query = sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(sql.Identifier(table), sql.Identifier(key))
            self.connection.execute(query, [values])

    def _delete_links(self, links: Iterable[Link]) -> None:
        pairs = [(int(link.first), int(link.second)) for link in links]
        if pairs:
            self.connection.execute(
                "DELETE FROM links USING unnest(%s::int8[], %s::int8[]) AS gone (a, b) WHERE first = a AND second = b",
                [[first for first, _ in pairs], [second for _, second in pairs]],
            )

    def _copy(self, table: str, rows: list[tuple[Any, ...]], *, like: str | None = None) -> None:
        """Write rows in bulk, as bytes that need no quoting."""
        from psycopg import sql

        if not rows:
            return
        columns = COLUMNS[like or table]
        query = sql.SQL("COPY {} ({}) FROM STDIN (FORMAT BINARY)").format(
            sql.Identifier(table), sql.SQL(", ").join(map(sql.Identifier, columns))
        )
        with self.connection.cursor() as cursor, cursor.copy(query) as copy:
            copy.set_types(list(columns.values()))
            for row in rows:
                copy.write_row(row)
