"""Worker of `benchmarks.folder`: analyzes the pictures of a folder, so many a turn, by calls or in one scan."""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from benchmarks.workers.rounds import claim_stdout, pin, serve

WANT = frozenset({"landmarks", "embedding"})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--how", choices=["calls", "scan"], required=True)
    parser.add_argument("--threads", type=int, required=True)
    arguments = parser.parse_args()
    pin(arguments.threads)
    pipe = claim_stdout()

    import mien

    engine = mien.Engine(threads=arguments.threads)

    def faces() -> Iterator[int]:
        """Number of faces in each picture."""
        if arguments.how == "calls":
            for path in sorted(arguments.folder.iterdir()):
                yield len(engine.analyze(path, want=WANT))
        else:
            for item in engine.scan(arguments.folder, want=WANT):
                if item.faces is None:
                    sys.exit(f"{item.source}: {item.failure}")
                yield len(item.faces)

    engine.preload("detect", *WANT, mode="throughput" if arguments.how == "scan" else "latency")
    counts = faces()

    def turn(pictures: int) -> dict[str, float]:
        """Time of the next pictures, their faces, and the most memory that this process has ever taken, in MB."""
        clock, busy = time.perf_counter(), time.process_time()
        found = sum(islice(counts, pictures))
        clock, busy = time.perf_counter() - clock, time.process_time() - busy
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        unit = 1 << 20 if sys.platform == "darwin" else 1 << 10
        return {"seconds": clock, "busy": busy, "faces": found, "peak": peak / unit}

    serve(pipe, None, turn)


if __name__ == "__main__":
    main()
