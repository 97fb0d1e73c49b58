"""Places for galleries: in memory, a folder, a real PostgreSQL, and Qdrant's local mode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gallery import servers


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
