"""What a gallery's default store costs: adding, reading, filtering, finding, erasing, copying, opening.

    python -m benchmarks gallery_store        python -m benchmarks.gallery_store [--samples 100000] [--portion 100]

Vectors are random, of 512 numbers, stored as f16; a search among them says what a search costs, not what it finds
(that is `gallery_index`). Each change is synced to the disk, so that adding measures the disk too.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.timing import seconds
from mien.gallery.records import Change, Person, Sample, Where
from mien.gallery.store import Store
from mien.gallery.stores.sqlite import SqliteStore

WIDTH = 512
FILTERS = {
    "person": Where(people=["p1"]),
    "face": Where(faces=["0000000000000007-0"]),
    "quality": Where(quality=0.9),
    "folder": Where(source="/photos/album 7/"),
    "text": Where(words={"event": "e7"}),
    "range": Where(words={"age": (30, 31)}),
}


def sample(number: int, person: str) -> Sample:
    """A sample as a photo library would have it, without its crop."""
    return Sample(
        id=number, face=f"{number:016x}-0", person=person, source=f"/photos/album {number // 500}/IMG_{number}.jpg",
        picture=f"{number:064x}", box=(10, 20, 110, 140), size=(4000, 3000), quality=number % 100 / 100,
        taken=1.7e9 + number, created=1.8e9, model="edgeface-s",
        words={"age": 20.0 + number % 50, "event": f"e{number % 100}"},
    )  # fmt: skip


def add(store: Store, count: int, chance: np.random.Generator) -> None:
    """Write one change of so many samples of a new person."""
    first = store.reserve(count + 1)
    person = Person(id=f"p{first}", name=f"person {first}")
    vectors = chance.standard_normal((count, WIDTH), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = range(first + 1, first + 1 + count)
    samples = [sample(number, person.id) for number in ids]
    store.apply(Change(people=[person], samples=samples, vectors=(ids, vectors), space="random"))


def line(what: str, spent: float, note: str = "") -> None:
    """Print a time in the unit that suits it."""
    print(
        f"{what:<34}{spent * 1000:>10.2f} ms  {note}" if spent < 1 else f"{what:<34}{spent:>10.2f} s   {note}",
        flush=True,
    )


def once(call: Callable[[], object]) -> float:
    """Seconds of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--samples", type=int, default=100_000)
    parser.add_argument("--portion", type=int, default=100, help="samples of one change")
    options = parser.parse_args()
    chance = np.random.default_rng(0)
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "people"
        store = SqliteStore.open(str(folder))
        start = time.perf_counter()
        for _ in range(options.samples // options.portion):
            add(store, options.portion, chance)
        spent = time.perf_counter() - start
        line(
            f"add {options.samples:,}",
            spent,
            f"{options.samples / spent:,.0f} samples/s in changes of {options.portion}",
        )
        line("add 1", seconds(lambda: add(store, 1, chance)))
        ids = np.array([one.id for one in store.samples()])
        line("vectors of 50", seconds(lambda: store.vectors(chance.choice(ids, 50).tolist())))
        line("all samples", once(lambda: sum(1 for _ in store.samples())))
        line("counts", seconds(store.counts))
        for name, where in FILTERS.items():
            found = len(list(store.samples(where)))
            line(f"samples by {name}", seconds(lambda where=where: list(store.samples(where))), f"{found:,} found")  # type: ignore[misc]
        probe = store.vectors(ids[:1].tolist())
        line("first search: makes the index", once(lambda: store.search(probe, 10)))
        line("search", seconds(lambda: store.search(probe, 10)))
        line("search within one person", seconds(lambda: store.search(probe, 10, where=FILTERS["person"])))
        store.apply(Change(forget_samples=ids[:10].tolist()))
        line("search after a change", once(lambda: store.search(probe, 10)))
        line("erase", once(store.erase))
        line("copy", once(lambda: store.backup(Path(place) / "copy")))
        store.close()
        line("open", once(lambda: SqliteStore.open(str(folder)).close()))
        store = SqliteStore.open(str(folder))
        line("first search of a process", once(lambda: store.search(probe, 10)))
        store.close()
        files = [path for path in folder.rglob("*") if path.is_file()]
        for name in ("gallery.sqlite", "index"):
            size = sum(path.stat().st_size for path in files if name in path.parts)
            print(f"{name:<34}{size / 1e6:>10.0f} MB  {size / len(ids):,.0f} bytes a sample")


if __name__ == "__main__":
    main()
