"""PostgreSQL: what the suite of all stores does not ask. Secrets, lost connections, the index, what deletion leaves."""

from __future__ import annotations

import logging
import sys
import threading
import traceback
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from mien.core.errors import GalleryError, MienError, SourceError, StorageError, UsageError
from mien.gallery.records import Change, Person, Sample, Where
from mien.gallery.store import Store, open_store
from mien.gallery.stores import postgres_connections, postgres_records
from tests.gallery import servers
from tests.gallery.holding import BEGINNING, SPACE, contents, count_up, unit
from tests.gallery.machine import StoreMachine

SECRET = "hunter2"
FEW, MANY = (
    settings(max_examples=examples, stateful_step_count=12, suppress_health_check=list(HealthCheck))
    for examples in (6, 40)
)


@pytest.fixture
def begun(postgres: str) -> Iterator[Store]:
    store = open_store(postgres)
    store.apply(BEGINNING)
    yield store
    store.close()


def _told(error: BaseException) -> str:
    """All that a traceback shows."""
    return "".join(traceback.format_exception(error))


# -- secrets ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "place",
    [
        f"postgresql://ada:{SECRET}@host:port/db",
        f"postgresql://ada:a@{SECRET}@host/db",
        f"postgresql://ada:a/{SECRET}@host/db",
        f"postgresql://ada:a%zz{SECRET}@host/db",
        f"postgresql://ada:{SECRET}@host/db?nonsense=1",
        f"postgresql://ada:{SECRET}@[host/db",
        f"postgresql://ada:{SECRET}@host/db?gallery=a.b",
        f"postgresql://ada:{SECRET}@host/db?gallery=pg_catalog",
        f"postgresql://ada:{SECRET}@host/db?gallery=public",
        f"postgresql://ada:{SECRET}@host/db?gallery=",
        f"postgres:{SECRET}",
    ],
)
def test_a_malformed_url_is_not_repeated(place: str) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(UsageError) as caught:
        open_store(place)
    assert SECRET not in _told(caught.value)


def test_an_unreachable_server_is_named_without_the_password(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with caplog.at_level(logging.DEBUG), pytest.raises(StorageError) as caught:
        open_store(f"postgresql://ada:{SECRET}@127.0.0.1:1/people?gallery=family")
    assert str(caught.value) == (
        "postgresql://127.0.0.1:1/people?gallery=family cannot be reached: Connection refused."
    )
    assert SECRET not in _told(caught.value) + caplog.text


@pytest.mark.server
def test_what_the_server_refuses_is_told_without_the_password(
    postgres_server: servers.Postgres, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG):
        with pytest.raises(StorageError, match="password authentication failed") as wrong:
            open_store(postgres_server.url(password=SECRET))
        with pytest.raises(StorageError, match='"nowhere" does not exist') as missing:
            open_store(postgres_server.url(database="nowhere"))
        store = open_store(postgres_server.url())
    store.close()
    for secret in (SECRET, servers.PASSWORD, "s3cret"):
        assert secret not in _told(wrong.value) + _told(missing.value) + caplog.text + repr(store) + str(vars(store))


def test_without_psycopg_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(UsageError, match=r"pip install 'mien\[postgres\]'"):
        open_store("postgresql://host/db")


def test_there_is_no_i8() -> None:
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    with pytest.raises(UsageError, match="f16 or f32; got 'i8'"):
        open_store("postgresql://host/db", precision="i8")


# -- galleries and changes -------------------------------------------------------------------------------------------


@pytest.mark.server
def test_galleries_of_one_database_know_nothing_of_each_other(postgres_server: servers.Postgres) -> None:
    one, other = (open_store(postgres_server.url(name)) for name in ("Family", "family"))
    one.apply(BEGINNING)
    assert len(one.people()) == 3
    assert other.people() == []
    with pytest.raises(SourceError, match="no gallery at"):
        open_store(postgres_server.url("friends"), create=False)
    one.close()
    other.close()


@pytest.mark.server
def test_a_change_that_fails_half_way_writes_nothing(begun: Store) -> None:
    before = contents(begun)
    wide = unit(1, width=20_000)  # more than pgvector takes, found when people and samples are written already
    with pytest.raises(UsageError, match="16000"):
        begun.apply(Change(people=[Person(id="p7")], samples=[Sample(id=70)], vectors=([70], wide), space="wide"))
    assert contents(begun) == before


@pytest.mark.server
def test_of_many_that_computed_from_one_state_one_wins(postgres: str, begun: Store) -> None:
    others = [open_store(postgres) for _ in range(3)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(partial(count_up, times=5), [begun, *others]))
    assert begun.meta()["count"] == "20"
    for other in others:
        other.close()


@pytest.mark.server
def test_several_begin_one_gallery_at_once(postgres: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        stores = list(pool.map(open_store, [postgres] * 4))
    assert sorted(store.reserve(1) for store in stores) == [1, 2, 3, 4]
    for store in stores:
        store.close()


@pytest.mark.server
def test_one_who_waits_too_long_is_told(
    postgres: str, begun: Store, postgres_server: servers.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    gallery = postgres.rpartition("=")[2]
    monkeypatch.setattr(postgres_connections, "PATIENCE", 1)
    store = open_store(postgres)
    with postgres_server.connect() as other, other.transaction():
        other.execute(f"SELECT FROM {gallery}.state FOR UPDATE")
        with pytest.raises(StorageError, match="another process"):
            store.apply(Change(meta={"a": "1"}))
        assert len(store.people()) == 3  # readers do not wait
    store.apply(Change(meta={"a": "1"}))
    store.close()


@pytest.mark.server
def test_a_reader_need_not_be_a_writer(postgres: str, begun: Store, postgres_server: servers.Postgres) -> None:
    gallery = postgres.rpartition("=")[2]
    with postgres_server.connect() as other:
        other.execute(f"CREATE ROLE r_{gallery} LOGIN PASSWORD '{SECRET}'")
        other.execute(f"GRANT USAGE ON SCHEMA {gallery} TO r_{gallery}")
        other.execute(f"GRANT SELECT ON ALL TABLES IN SCHEMA {gallery} TO r_{gallery}")
    place = f"postgresql://r_{gallery}:{SECRET}@/postgres?host={postgres_server.folder}&gallery={gallery}"
    reader = open_store(place)
    assert contents(reader) == contents(begun)
    for write in (lambda: reader.apply(Change()), lambda: reader.reserve(1)):
        with pytest.raises(StorageError, match="permission denied"):
            write()
    with pytest.raises(StorageError, match="was not erased: the user may not rewrite crops, entries, "):
        reader.erase()
    with pytest.raises(StorageError, match="permission denied"):
        open_store(place + "2")
    reader.close()


@pytest.mark.server
@pytest.mark.parametrize("amount", [FEW, pytest.param(MANY, marks=pytest.mark.slow)], ids=["few", "many"])
def test_it_agrees_with_the_model(postgres_server: servers.Postgres, amount: settings) -> None:
    places: dict[Store, str] = {}

    def begin(place: str = "") -> Store:
        place = place or postgres_server.url()
        store = open_store(place)
        places[store] = place
        return store

    def again(store: Store) -> Store:
        store.close()
        return begin(places.pop(store))

    class InPostgres(StoreMachine):
        pass

    InPostgres.begin, InPostgres.again = staticmethod(begin), staticmethod(again)
    run_state_machine_as_test(InPostgres, settings=amount)


@pytest.mark.server
def test_one_who_is_no_superuser_may_have_a_gallery(postgres_server: servers.Postgres) -> None:
    with postgres_server.connect() as other:
        other.execute("CREATE EXTENSION IF NOT EXISTS vector")
        other.execute(f"CREATE ROLE owner LOGIN PASSWORD '{SECRET}'")
        other.execute("CREATE DATABASE bare")
        for database in ("postgres", "bare"):
            other.execute(f"GRANT CREATE ON DATABASE {database} TO owner")
    place = f"postgresql://owner:{SECRET}@/{{}}?host={postgres_server.folder}&gallery=own"
    with pytest.raises(StorageError, match="needs pgvector: have an administrator install it"):
        open_store(place.format("bare"))
    store = open_store(place.format("postgres"))
    store.apply(BEGINNING)
    store.apply(Change(forget_samples=[11]))
    store.erase()  # all but the log's files, which are the server's business
    assert store.counts().samples == 3
    store.close()


# -- lost connections ------------------------------------------------------------------------------------------------


@pytest.mark.server
def test_a_lost_connection_is_told_and_the_next_call_connects_anew(
    begun: Store, postgres_server: servers.Postgres
) -> None:
    before = contents(begun)
    with postgres_server.connect() as other:
        other.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'mien'")
    with pytest.raises(StorageError, match="cannot be read or written"):
        begun.people()
    assert contents(begun) == before


@pytest.mark.server
def test_what_was_acknowledged_outlives_a_crash_of_the_server(postgres: str, postgres_server: servers.Postgres) -> None:
    store = open_store(postgres)
    acknowledged = threading.Semaphore(0)
    numbers: list[int] = []

    def enrol() -> None:
        for number in range(1, 100_000):
            store.apply(Change(samples=[Sample(id=number)], vectors=([number], unit(1, seed=number)), space=SPACE))
            numbers.append(number)
            acknowledged.release()

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(enrol)
        for _ in range(30):
            assert acknowledged.acquire(timeout=30)
        postgres_server.stop(kill=True)
        with pytest.raises(StorageError):
            writer.result()
    try:
        with pytest.raises(StorageError, match="cannot be reached"):
            store.people()
    finally:
        postgres_server.start()
    counts = store.counts()
    assert counts.samples == counts.vectors == store.generation() >= len(numbers) >= 30
    store.close()


@pytest.mark.server
def test_a_child_opens_its_own(begun: Store) -> None:
    connections: Any = vars(begun)["_connections"]
    connections._process += 1
    with pytest.raises(UsageError, match="another process"):
        begun.people()


# -- search by index -------------------------------------------------------------------------------------------------


@pytest.mark.server
@pytest.mark.parametrize("precision", ["f16", "f32"])
def test_many_vectors_are_found_by_index(
    postgres: str, precision: Any, postgres_server: servers.Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_records, "INDEX_FROM", 1500)
    store, gallery = open_store(postgres, precision=precision), postgres.rpartition("=")[2]
    vectors, queries = unit(2000), unit(20, seed=1)
    samples = [Sample(id=number, quality=1.0 if number % 700 == 0 else 0.0) for number in range(1, 2001)]
    store.apply(Change(samples=samples[:1000], vectors=(range(1, 1001), vectors[:1000]), space=SPACE))
    assert _indexes(postgres_server, gallery) == 0
    store.apply(Change(samples=samples[1000:], vectors=(range(1001, 2001), vectors[1000:])))
    assert _indexes(postgres_server, gallery) == 1
    stored = store.vectors(list(range(1, 2001)))
    expected = np.argsort(-(queries @ stored.T), axis=1)[:, :5] + 1
    exact, approximate = (store.search(queries, 5, exact=exact)[0] for exact in (True, False))
    assert (exact == expected).all()
    assert (approximate == expected).mean() > 0.95
    assert _scans(store) >= 20
    rare = store.search(queries, 5, where=Where(quality=0.5))[0]  # two of two thousand pass
    assert (np.sort(rare[:, :2]) == [700, 1400]).all()
    assert (rare[:, 2:] == -1).all()
    store.apply(Change(forget_samples=[int(expected[0, 0])]))
    store.erase()
    assert _indexes(postgres_server, gallery) == 1
    assert store.search(queries, 4)[0][0].tolist() == expected[0, 1:].tolist()
    store.close()


def _scans(store: Store) -> int:
    """How often the index was walked, by the server's own account."""
    connections: Any = vars(store)["_connections"]
    with connections.borrow() as connection:
        connection.execute("SELECT pg_stat_force_next_flush()")
        query = "SELECT idx_scan FROM pg_stat_user_indexes WHERE schemaname = %s AND indexrelname LIKE '%%hnsw'"
        return int(connection.execute(query, [connections.schema]).fetchone()[0])


def _indexes(server: servers.Postgres, gallery: str) -> int:
    with server.connect() as other:
        rows = other.execute("SELECT 1 FROM pg_indexes WHERE schemaname = %s AND indexdef LIKE '%%hnsw%%'", [gallery])
        return len(rows.fetchall())


# -- what is torn ----------------------------------------------------------------------------------------------------


@pytest.mark.server
@pytest.mark.parametrize(
    ("harm", "words"),
    [
        ("UPDATE {}.state SET schema = 99", "newer version of mien"),
        ("DELETE FROM {}.state", "state is missing"),
        ("DROP TABLE {}.people", 'relation "people" does not exist'),
        ("DROP TABLE {}.vectors_1", 'relation "vectors_1" does not exist'),
    ],
)
def test_what_is_torn_or_newer_is_refused(
    postgres: str, begun: Store, postgres_server: servers.Postgres, harm: str, words: str
) -> None:
    with postgres_server.connect() as other:
        other.execute(harm.format(postgres.rpartition("=")[2]))
    with pytest.raises(GalleryError, match=words):
        store = open_store(postgres)
        try:
            contents(store)
        finally:
            store.close()


# -- what deletion leaves --------------------------------------------------------------------------------------------

NAME, CROP = "Zerubbabel Quux", np.random.default_rng(7).bytes(3000)


def _forms(vector: Any) -> dict[str, bytes]:
    """How a vector may be written: 48 bytes of it in each form."""
    return {kind: np.asarray(vector[: 48 // np.dtype(kind).itemsize], kind).tobytes() for kind in (">f2", "<f2", ">f4")}


def _holders(folder: Path, patterns: dict[str, bytes], *, below: Callable[[Path], bool]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {name: [] for name in patterns}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and below(path.relative_to(folder)):
            data = path.read_bytes()
            for name, pattern in patterns.items():
                if pattern in data:
                    found[name].append(str(path.relative_to(folder)))
    return {name: paths for name, paths in found.items() if paths}


@pytest.mark.server
def test_after_erasing_nothing_of_the_deleted_is_in_the_servers_files(postgres_server: servers.Postgres) -> None:
    """Not in tables, indexes and statistics, and not in the write-ahead log."""
    place = postgres_server.url("erasure")
    store = open_store(place)
    vectors = unit(40, width=64)
    secret = Sample(id=1, person="p1", face="zerubbabel-0", source=f"/{NAME}.jpg", words={"who": NAME}, crop=CROP)
    others = [Sample(id=number, source=f"{number}.jpg") for number in range(2, 41)]
    store.apply(
        Change(
            people=[Person(id="p1", name=NAME, note=NAME)],
            samples=[secret, *others],
            vectors=(range(1, 41), vectors),
            space=SPACE,
        )
    )
    store.apply(Change(vectors=([1], unit(1, width=8)), space="toy/2"))
    with postgres_server.connect() as other:
        other.execute("ANALYZE")
        other.execute("CHECKPOINT")
    patterns = {"name": NAME.encode(), "crop": CROP[500:564], "face": b"zerubbabel-0", **_forms(vectors[0])}
    other_vector = _forms(vectors[1])["<f2"]
    data = postgres_server.data
    everywhere = _holders(data, patterns, below=lambda path: True)
    assert {"name", "crop", "face", "<f2"} <= set(everywhere)  # they can be found while they are there
    assert any(path.startswith("base") for path in everywhere["crop"])

    store.apply(Change(forget_people=["p1"], forget_samples=[1]))
    store.erase()
    assert _holders(data, patterns, below=lambda path: path.parts[0] != "pg_wal") == {}
    assert _holders(data, {"other": other_vector}, below=lambda path: path.parts[0] == "base")
    assert _holders(data, patterns, below=lambda path: path.parts[0] == "pg_wal") == {}
    assert (store.search(vectors, 40)[0] != 1).all()  # and no score remembers it
    assert store.counts().samples == 39
    store.close()


@pytest.mark.server
def test_every_error_is_one_of_ours(begun: Store) -> None:
    begun.close()
    with pytest.raises(MienError, match="is closed"):
        begun.people()
    with pytest.raises(UsageError, match="pg_dump --schema="):
        begun.backup("x")
