"""Print what explanations cost, and how well they point at what made two faces differ.

    python -m benchmarks.explain [DATA] [--embedder sface] [--probes 3]

The inpainting game (``mien.evaluation.inpainting``) is played on DATA (by default ``../shared/data``: ``identities``
and ``identities_johns``, ten adults). Intervals are over people: with ten of them no method is ranked above another
one whose interval overlaps its own.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from mien import assets
from mien.engine import Engine
from mien.evaluation.explain import explain
from mien.evaluation.inpainting import FALSE_ALARMS, GameReport, play
from mien.evaluation.pairs import Pairs

TIMED = ("regions", "patches", "masks")
REPEATS = 3


def times(engine: Engine) -> None:
    """Seconds of processor time for a pair, the comparison itself included."""
    for method in TIMED:
        seconds = []
        for _ in range(REPEATS + 1):
            begun = time.process_time()
            explain(*assets.PAIRS[0], method=method, engine=engine)
            seconds.append(time.process_time() - begun)
        print(f"  {method:10} {statistics.median(seconds[1:]):.2f} s a pair")


def tell(report: GameReport) -> None:
    """The game as a table."""
    counts = ", ".join(f"{name} {played} ({left} left out)" for name, (played, left) in report.by_change.items())
    print(f"  {report.rounds} rounds of {report.people} people: {counts}")
    print(f"  taken for the double at false alarms of {', '.join(f'{rate:g}' for rate in FALSE_ALARMS)}")
    for one in report.methods:
        low, high = one.area_interval
        rates = " ".join(f"{rate:.2f}" for rate in one.rates)
        print(f"  {one.method:10} {rates}  area {one.area:.3f} ({low:.3f} to {high:.3f})  hits {one.hits:.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(description="Cost and worth of explanations.")
    parser.add_argument("data", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--embedder", action="append")
    parser.add_argument("--probes", type=int, default=3)
    options = parser.parse_args()
    pairs = Pairs.of_folders([options.data / "identities", options.data / "identities_johns"])
    for embedder in options.embedder or ["edgeface-s", "sface"]:
        with Engine(threads=1, models={"embedding": embedder}) as engine:
            print(f"{embedder}, on one core")
            times(engine)
            tell(play(pairs, per_person=options.probes, engine=engine))


if __name__ == "__main__":
    main()
