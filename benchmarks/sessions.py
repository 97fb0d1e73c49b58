"""Compare the ways to run each network on this CPU; prints ratios, since times drift.

    python benchmarks/sessions.py [--models yunet edgeface-s ...] [--seconds 1.0]

Of each way the fastest of many calls counts, and the ways take turns. One thread is measured in processor time, which
stays true on a busy machine; the last two tables are in real time and need idle cores.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.models.catalogue import Catalogue
from mien.models.store import Store
from mien.runtime.bundle import Bundle
from mien.runtime.session import Session, SessionOptions

MODELS = ["yunet", "scrfd-500m", "centerface", "facemesh", "edgeface-s", "arcface-mbf", "sface", "mobilefacenet"]
ROWS = 8


def open_session(model: str, options: SessionOptions) -> Session:
    card = Catalogue.load()[model]
    return Bundle(card, Store().pull(card), options).session()


def pictures(model: str, rows: int, size: tuple[int, int] = (640, 640)) -> NDArray[np.uint8]:
    spec = Catalogue.load()[model].files["model"].input
    assert spec is not None
    return np.random.default_rng(0).integers(0, 256, (rows, *(spec.size or size), 3), np.uint8)


def fastest(
    ways: Mapping[str, Callable[[], object]], seconds: float, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Return the milliseconds of the fastest call of each way."""
    best = dict.fromkeys(ways, float("inf"))
    for call in ways.values():
        call()
    end = time.perf_counter() + seconds * len(ways)
    while time.perf_counter() < end:
        for name, call in ways.items():
            for _ in range(3):
                start = clock()
                call()
                best[name] = min(best[name], 1e3 * (clock() - start))
    return best


def run(model: str, rows: int, **options: object) -> Callable[[], object]:
    """Return a call that computes `rows` rows."""
    session = open_session(model, SessionOptions(**{"threads": 1, "device": "cpu", **options}))  # type: ignore[arg-type]
    x = pictures(model, rows)
    return lambda: session.run(x)


def compare_back_ends(model: str, seconds: float) -> str:
    times = fastest(
        {
            "onnx": run(model, 1, device="onnx-cpu") if model != "facemesh" else lambda: None,
            "f32": run(model, 1, precision="f32"),
            "card": run(model, 1),
            "bf16": run(model, 1, precision="bf16"),
        },
        seconds,
    )
    ratios = [times["onnx"] / times[way] for way in ("f32", "card", "bf16")]
    shown = [f"{ratio:10.2f}" if model != "facemesh" else f"{'-':>10}" for ratio in ratios]
    return f"{times['card']:10.2f}" + "".join(shown)


def compare_buckets(model: str, seconds: float) -> str:
    times = fastest({str(size): run(model, ROWS, buckets=(size,)) for size in (1, 2, 4, 8)}, seconds)
    return "".join(f"{times['1'] / times[str(size)]:10.2f}" for size in (2, 4, 8))


def compare_threads(model: str, seconds: float) -> str:
    """Two threads: on one row, on many rows of one call, and two callers with a row each, against one thread."""
    two = open_session(model, SessionOptions(threads=2, device="cpu", mode="throughput"))
    halves = np.array_split(pictures(model, ROWS), 2)
    with ThreadPoolExecutor(2) as pool:
        times = fastest(
            {
                "one row, 1": run(model, 1),
                "one row, 2": run(model, 1, threads=2),
                "rows, 1": run(model, ROWS),
                "rows, 2": run(model, ROWS, threads=2),
                "callers": lambda: list(pool.map(two.run, halves)),
            },
            seconds,
            time.perf_counter,
        )
    gains = times["one row, 1"] / times["one row, 2"], times["rows, 1"] / times["rows, 2"]
    return "".join(f"{gain:10.2f}" for gain in (*gains, times["rows, 1"] / times["callers"]))


def first_call(model: str, _seconds: float) -> str:
    """Milliseconds until a new process has the first result, without the library's import; then with a warm cache."""
    shown = ""
    with tempfile.TemporaryDirectory() as folder:
        options = SessionOptions(threads=1, device="cpu", cache_dir=Path(folder))
        for _ in range(2):
            start = time.perf_counter()
            open_session(model, options).run(pictures(model, 1, (480, 640)))
            shown += f"{1e3 * (time.perf_counter() - start):10.0f}"
    return shown


TABLES: dict[str, tuple[Callable[[str, float], str], str]] = {
    "one row on one thread: ms; ONNX Runtime's time over ours at f32, as the card says, at bf16": (
        compare_back_ends,
        "        ms       f32      card      bf16",
    ),
    f"{ROWS} rows on one thread: time of one by one over that of batches of": (
        compare_buckets,
        "         2         4         8",
    ),
    "first result of a session, ms": (first_call, "      cold      warm"),
    "two threads: gain over one thread": (compare_threads, "   one row    8 rows   callers"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", nargs="+", default=MODELS, choices=MODELS)
    parser.add_argument("--seconds", type=float, default=1.0, help="measuring time per way")
    arguments = parser.parse_args()
    for title, (measure, columns) in TABLES.items():
        print(f"\n{title}\n{'':14}{columns}")
        for model in arguments.models:
            print(f"{model:14}{measure(model, arguments.seconds)}", flush=True)


if __name__ == "__main__":
    main()
