"""10,000 photos into a gallery: photos per second, whether memory stays flat, and what looking again costs.

    python -m benchmarks enrolling        python -m benchmarks.enrolling [--pictures 10000] [--threads 2]

The pictures are those of `benchmarks.folder`: the shipped ones, each time cropped, scaled and encoded anew. They are
added in ten parts; after each, the memory of the process is printed, and at the end the size of the gallery, the time
to pass over the same folder again, and the time of a search. Unix only (it asks for memory in use).
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path

from benchmarks.folder import write_pictures
from benchmarks.timing import seconds
from mien.engine import Engine
from mien.gallery.people import Gallery

PARTS = 10


def resident() -> float:
    """Megabytes that this process holds."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000, help=f"a multiple of {PARTS}")
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as place, Engine(threads=options.threads) as engine:
        photos, people = Path(place) / "photos", Path(place) / "people"
        photos.mkdir()
        write_pictures(photos, options.pictures)
        files = sorted(photos.iterdir())
        engine.preload("detect", "embedding", "age", mode="throughput")
        with Gallery(people, engine=engine) as gallery:
            print(f"{'photos':>8}{'faces':>8}{'photos/s':>10}{'MB':>8}")
            begun = time.perf_counter()
            for part in range(PARTS):
                start, chunk = time.perf_counter(), files[part::PARTS]
                gallery.add(chunk)
                rate = len(chunk) / (time.perf_counter() - start)
                done = (part + 1) * len(chunk)
                print(f"{done:>8}{gallery.store.counts().samples:>8}{rate:>10.1f}{resident():>8.0f}", flush=True)
            print(f"all: {options.pictures / (time.perf_counter() - begun):.1f} photos/s on {options.threads} threads")
            start = time.perf_counter()
            again = gallery.add(photos)
            print(f"again: {again.known} known, {again.known / (time.perf_counter() - start):.0f} photos/s")
            probe = engine.analyze(files[0], want={"embedding", "age"})
            print(f"search: {seconds(lambda: gallery.search(probe)) * 1000:.1f} ms for {len(probe)} faces")
        size = sum(file.stat().st_size for file in people.rglob("*") if file.is_file())
        print(f"gallery: {size / 1e6:.1f} MB")


if __name__ == "__main__":
    main()
