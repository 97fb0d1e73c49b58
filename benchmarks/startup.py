"""How long a user waits for the first answer: whole processes, from start to end, with warm caches.

    python -m benchmarks startup        python -m benchmarks.startup [--runs 10] [--picture FILE]

Runs of all commands take turns. "beyond python" is what remains of a run without that of a bare ``python -c pass`` in
the same turn.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from operator import sub
from pathlib import Path
from statistics import median

from mien import assets


def seconds(*arguments: str) -> float:
    """Time of one run of python."""
    start = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=10)
    parser.add_argument("--picture", type=Path, default=assets.PEOPLE[0])
    arguments = parser.parse_args()
    commands = {
        "python": ("-c", "pass"),
        "import mien": ("-c", "import mien"),
        "mien --help": ("-m", "mien", "--help"),
        "mien analyze": ("-m", "mien", "analyze", str(arguments.picture)),
        "mien analyze --want embedding": ("-m", "mien", "analyze", "--want", "embedding", str(arguments.picture)),
    }
    goals = {"import mien": "0.15 beyond python", "mien --help": "0.3 beyond python", "mien analyze": "1.5 in all"}
    for command in commands.values():
        seconds(*command)  # fills the caches
    runs: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(arguments.runs):
        for name, command in commands.items():
            runs[name].append(seconds(*command))
    print(f"{'seconds':<31}{'best':>7}{'median':>8}{'beyond python':>15}  goal")
    for name, own in runs.items():
        beyond = median(map(sub, own, runs["python"]))
        print(f"{name:<31}{min(own):>7.2f}{median(own):>8.2f}{beyond:>15.2f}  {goals.get(name, '')}")


if __name__ == "__main__":
    main()
