"""Detect, landmarks and embedding of the one face in a portrait: mien against insightface, side by side.

    python -m benchmarks peer        python -m benchmarks.peer [--picture FILE] [--rounds 8] [--calls 10]

The peer is the newest insightface, in an environment of its own (``benchmarks/.peer``, made with pip on the first run;
delete it to get a newer one). Both get the same decoded 512 x 512 picture, the same three ONNX files, the same cores
and the same number of threads, and take turns.

Rows:

- insightface told to look for faces at 640 pixels only, as most of its users do: **ratios are against this one**;
- the same at the picture's own 512 pixels; and as it comes, which looks twice, at 128 and at 640;
- mien with the same files: detector, 106 points, ArcFace MobileFaceNet, at the precision that the cards permit (bf16
  where the processor has it) and in f32 like the peer. Its engine shows this picture to the detector at 160 and, since
  enlarging it adds nothing, at its own 512 pixels;
- mien with its defaults: other, lighter networks for the same job, with 478 points instead of 106.

"times as fast" is the median over the rounds of the ratio within a round. On a machine that others use too, look at
the ratio of CPU milliseconds: for one thread it says the same, and hardly changes with the load (for two it also counts
threads that wait actively).
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Sequence
from contextlib import ExitStack, closing
from operator import truediv
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.pictures import portrait
from benchmarks.workers.landmarks106 import card
from benchmarks.workers.rounds import Worker, take_turns
from mien import assets
from mien.core.boxes import iou
from mien.models.catalogue import Catalogue
from mien.models.store import Store

PEER = Path(__file__).parent / ".peer"
PYTHON = PEER / "venv" / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
# Row: which worker, with which arguments. The first is what the others are measured against.
ROWS: dict[str, tuple[str, tuple[str, ...]]] = {
    "insightface, 640 only": ("insightface", ("--side", "640")),
    "insightface, 512 only": ("insightface", ("--side", "512")),
    "insightface as it comes": ("insightface", ()),
    "mien, same files": ("ours", ("--models", "same")),
    "mien, same files, f32": ("ours", ("--models", "same", "--precision", "f32")),
    "mien, defaults": ("ours", ("--models", "default")),
    "mien, defaults, f32": ("ours", ("--models", "default", "--precision", "f32")),
}


def install_peer() -> None:
    """Make the peer's environment, unless it is there."""
    ready = PEER / "installed"
    if ready.exists():
        return
    print("installing insightface into benchmarks/.peer ...", flush=True)
    venv.create(PEER / "venv", with_pip=True, clear=True)
    subprocess.run(
        [str(PYTHON), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "insightface"], check=True
    )
    ready.touch()


def model_folder() -> Path:
    """The three files under the names of insightface's model set ``buffalo_s``, without its network for age."""
    folder, store, catalogue = PEER / "buffalo_s", Store(), Catalogue.load()
    folder.mkdir(parents=True, exist_ok=True)
    cards = {
        "det_500m.onnx": catalogue["scrfd-500m"],
        "2d106det.onnx": card(),
        "w600k_mbf.onnx": catalogue["arcface-mbf"],
    }
    for name, model in cards.items():
        shutil.copyfile(store.fetch(model.files["model"]), folder / name)
    return folder


def start(row: str, picture: Path, models: Path, threads: int) -> Worker:
    module, arguments = ROWS[row]
    if module == "ours":
        return Worker("benchmarks.workers.ours", picture, "--threads", threads, *arguments)
    return Worker("benchmarks.workers.insightface", picture, models, "--threads", threads, *arguments, python=PYTHON)


def agreement(one: dict[str, Any], other: dict[str, Any]) -> str:
    """How far two results on the same files are from each other: that both did the same work."""
    overlap = float(iou(np.array([one["box"]], np.float32), np.array([other["box"]], np.float32))[0, 0])
    points = np.linalg.norm(np.subtract(one["points"], other["points"]), axis=1).mean()
    cosine = float(np.dot(one["vector"], other["vector"]))
    return f"boxes IoU {overlap:.3f}, points {points:.2f} px apart, cosine of the vectors {cosine:.4f}"


def report(names: Sequence[str], answers: Sequence[list[list[tuple[float, float]]]]) -> None:
    """Print milliseconds a call, and how many times as fast as the first row that is."""
    print(f"  {'':<26}{'ms':>8}{'best ms':>10}{'CPU ms':>9}{'times as fast':>16}{'by CPU ms':>12}")
    clocks, busy = ([[median(t[kind] for t in times) for times in own] for own in answers] for kind in (0, 1))
    for row, name in enumerate(names):
        best = min(clock for times in answers[row] for clock, _ in times)
        faster, cheaper = (median(map(truediv, kind[0], kind[row])) for kind in (clocks, busy))
        print(f"  {name:<26}{median(clocks[row]):>8.1f}{best:>10.1f}{median(busy[row]):>9.1f}", end="")
        print(f"{faster:>15.2f}x{cheaper:>11.2f}x")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, default=assets.PEOPLE[0], help="a portrait; default: a shipped one")
    parser.add_argument("--rounds", type=int, default=8)
    parser.add_argument("--calls", type=int, default=10, help="of each worker in a round")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    arguments = parser.parse_args()
    install_peer()
    models, names = model_folder(), list(ROWS)
    with tempfile.TemporaryDirectory() as folder:
        picture = Path(folder) / "picture.npy"
        np.save(picture, portrait(arguments.picture))
        for threads in arguments.threads:
            with ExitStack() as stack:
                workers = [stack.enter_context(closing(start(row, picture, models, threads))) for row in names]
                hello = dict(zip(names, (worker.hello for worker in workers), strict=True))
                answers = take_turns(workers, rounds=arguments.rounds, amount=arguments.calls)
            peer = hello[names[0]]
            if threads == arguments.threads[0]:
                print(f"{peer['version']}; {hello['mien, defaults']['version']}")
                for row in ("mien, same files", "mien, same files, f32"):
                    print(f"{row}, against insightface: {agreement(peer, hello[row])}")
                for row in ("mien, same files", "mien, defaults"):
                    print(f"{row}: {', '.join(f'{name} {bits}' for name, bits in hello[row]['precisions'].items())}")
            print(f"\n{threads} thread{'s' * (threads > 1)} on as many cores:")
            report(names, answers)
    print("\ngoals: same files 2.5x, defaults 4x")


if __name__ == "__main__":
    main()
