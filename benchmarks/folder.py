"""A folder of 2,000 pictures: whether memory stays flat, and whether two cores do twice the work of one.

    python -m benchmarks folder        python -m benchmarks.folder [--pictures 2000]

The pictures are the shipped ones, each time cropped, scaled and encoded anew, so that all files and nearly all sizes
differ; one in thirteen has eight faces, one has none. Proportions stay: a folder of photos has a few, and memory grows
with each (by 15 to 30 MB, up to 16 times), since the detector is compiled for its shape of input. Three processes take
turns on them:

- calls of ``engine.analyze(path)`` with one thread, on one core;
- the same with two threads, on two cores: the networks share the work of each picture;
- ``engine.scan(folder)`` with two threads, on two cores: each thread has a picture of its own.

All read and decode the files, and want landmarks and embeddings. Where two cores do twice the work of one, "CPU ms"
is the same. Unix only (it asks for the peak of memory).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from operator import truediv
from pathlib import Path
from statistics import median
from typing import Any

import cv2
import numpy as np

from benchmarks.pictures import shipped
from benchmarks.workers.rounds import Worker, take_turns

TURNS = 10
ROWS = {
    "calls, one thread": ("--how", "calls", "--threads", 1),
    "calls, two threads": ("--how", "calls", "--threads", 2),
    "scan, two threads": ("--how", "scan", "--threads", 2),
}


def write_pictures(folder: Path, count: int) -> None:
    """Write variants of the shipped pictures: up to 16 % cut off, 400 to 900 pixels, JPEG quality 75 to 95."""
    random = np.random.default_rng(0)
    originals = [cv2.imread(str(path)) for path in shipped()]
    for number in range(count):
        image = originals[number % len(originals)]
        assert image is not None
        height, width = (np.array(image.shape[:2]) * random.uniform(0.84, 1)).astype(int)
        top, left = (random.uniform(size=2) * np.subtract(image.shape[:2], (height, width))).astype(int)
        image = image[top : top + height, left : left + width]
        scale = random.uniform(400, 900) / max(image.shape[:2])
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        quality = int(random.integers(75, 96))
        cv2.imwrite(str(folder / f"{number:05}.jpg"), image, [cv2.IMWRITE_JPEG_QUALITY, quality])


def report(answers: Sequence[list[dict[str, Any]]], amount: int) -> None:
    """Print speed, its ratio to the first row (median over turns), CPU time, and memory after first and last turn."""
    total = TURNS * amount
    seconds = [[turn["seconds"] for turn in own] for own in answers]
    print(
        f"{'':<20}{'pictures/s':>12}{'ratio':>8}{'CPU ms':>9}{'faces':>8}{f'MB at {amount}':>12}{f'MB at {total}':>12}"
    )
    for name, own, turns in zip(ROWS, answers, seconds, strict=True):
        ratio, busy = median(map(truediv, seconds[0], turns)), sum(turn["busy"] for turn in own)
        print(f"{name:<20}{total / sum(turns):>12.1f}{ratio:>7.2f}x{busy / total * 1000:>9.1f}", end="")
        print(f"{sum(turn['faces'] for turn in own):>8}{own[0]['peak']:>12.0f}{own[-1]['peak']:>12.0f}")
    print(f"scan against calls with two threads: {median(map(truediv, seconds[1], seconds[2])):.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=2000, help=f"in all, a multiple of {TURNS}")
    amount = parser.parse_args().pictures // TURNS
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        write_pictures(Path(folder), TURNS * amount)
        workers = [
            stack.enter_context(closing(Worker("benchmarks.workers.pictures", folder, *arguments)))
            for arguments in ROWS.values()
        ]
        report(take_turns(workers, rounds=TURNS, amount=amount), amount)
    print("goals: scan 1.7x, and the same memory at the end as after the first tenth")


if __name__ == "__main__":
    main()
