"""Places for galleries: in memory, a folder, a real PostgreSQL, and Qdrant's local mode."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.gallery.store import Store, open_store
from mien.gallery.stores import sqlite_file
from tests.gallery import rest, servers

#: Fixtures of places, one per kind of store.
SERVERS = [pytest.param(name, marks=pytest.mark.server) for name in ("postgres", "qdrant", "qdrant_rest")]
PLACES = ["memory", "folder", *SERVERS]


@pytest.fixture(autouse=True)
def _unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test pulls the plug, and waiting for the disk is most of what these would do."""
    monkeypatch.setattr(sqlite_file, "SYNCHRONOUS", "OFF")
    monkeypatch.setattr(os, "fsync", lambda _: None)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[servers.Postgres]:
    """One PostgreSQL for all tests of a process."""
    server = servers.postgres()
    yield server
    server.close()


@pytest.fixture
def memory() -> str:
    return ":memory:"


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "people.mien")


@pytest.fixture
def postgres(postgres_server: servers.Postgres) -> str:
    """The URL of a gallery that is not there yet."""
    return postgres_server.url()


@pytest.fixture
def qdrant() -> Iterator[str]:
    """A folder for Qdrant's local mode; in memory where there is a disk of memory, since it syncs each point alone."""
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(prefix="mien-", dir=memory if os.access(memory, os.W_OK) else None) as folder:
        yield f"qdrant:{folder}/qdrant"


@pytest.fixture
def qdrant_rest() -> Iterator[str]:
    """The URL of a gallery on a server of Qdrant that speaks real HTTP."""
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    server = rest.Rest()
    yield f"{server.url}/people"
    server.close()


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest) -> str:
    """Where a gallery is to be, of every kind."""
    return str(request.getfixturevalue(request.param))


@pytest.fixture
def store(place: str) -> Iterator[Store]:
    """An empty store of every kind."""
    opened = open_store(place)
    yield opened
    opened.close()
