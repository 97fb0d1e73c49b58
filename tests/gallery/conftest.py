"""Places for galleries: in memory, a folder, a real PostgreSQL, and Qdrant's local mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from mien.gallery.store import Store, open_store
from tests.gallery import servers

#: Fixtures of places, one per kind of store.
PLACES = ["memory", "folder"]


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
def qdrant(tmp_path: Path) -> str:
    """A folder for Qdrant's local mode."""
    pytest.importorskip("qdrant_client", reason="qdrant-client is not installed")
    return f"qdrant:{tmp_path / 'qdrant'}"


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
