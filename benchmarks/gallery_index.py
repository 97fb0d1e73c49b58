"""Searching 512-d identities: mien's index and other ways, side by side, on one thread.

    python -m benchmarks gallery_index            100,000 vectors of each kind; minutes
    python -m benchmarks.gallery_index --large    1,000,000; an hour or two, 12 GB of disk and 10 GB of memory
    python -m benchmarks.gallery_index --kinds arcface-mbf --searchers mien "faiss hnsw" --folder made

The vectors are made up and distributed like those of three embedders: see `benchmarks.identities`. Probes are new
pictures of 1,000 people who are in the set. Printed, for each setting of each searcher:

- queries a second, one query at a time on one core, in turns with the others (each in a process of its own);
- person@1: part of the probes whose first hit is of the same person as the first hit of exact search, with a 95 %
  interval (Wilson); recall@1 and recall@10: part of the vectors themselves that exact search finds;
- seconds to build on two cores and the most memory meanwhile; seconds until a fresh process has opened it and answered
  one query; memory of a process that has answered all, and how much of that is its own (the rest are pages of files);
  the curves as a picture, by default in ``out``.

Searchers: `benchmarks.workers.searchers`; all at the defaults of their library. hnswlib is measured by none: it comes
as source code only. The ratio is taken at the first setting that has person@1 >= 0.99, within a turn; its median.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.identities import DIMENSION, KINDS, Identities
from benchmarks.workers.rounds import Worker, pin
from benchmarks.workers.searchers import SEARCHERS
from mien.evaluation.intervals import wilson

PROBES = 1000
GOAL = 0.99
SMALL = list(SEARCHERS)
LARGE = [name for name in SEARCHERS if name not in ("pgvector", "usearch f16")]
Floats = NDArray[np.float32]


def installed(name: str) -> bool:
    """Whether a searcher can run; says so if it cannot."""
    missing = [module for module in SEARCHERS[name].needs if importlib.util.find_spec(module) is None]
    if missing:
        print(f"{name} is left out: {', '.join(missing)} is not installed.")
    return not missing


def prepare(kind: str, count: int, folder: Path) -> None:
    """Vectors, probes, strangers and what exact search finds, unless they are there."""
    if (folder / "truth.npz").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    made = Identities(KINDS[kind], count)
    vectors = np.lib.format.open_memmap(folder / "vectors.npy", "w+", np.float16, (count, DIMENSION))
    for ids, rows in made.rows():
        vectors[ids] = rows
    people, probes = made.probes(PROBES)
    asked = np.concatenate([probes, made.strangers(PROBES)])
    np.save(folder / "probes.npy", asked)
    best, scores = exact(vectors, asked)
    np.savez(folder / "truth.npz", best=best, scores=scores, people=people, persons=made.persons)


def exact(vectors: NDArray[np.float16], queries: Floats, k: int = 10) -> tuple[NDArray[np.int64], Floats]:
    """The nearest `k` of all, and their cosines."""
    best = np.zeros((len(queries), k), np.int64)
    scores = np.full((len(queries), k), -2, np.float32)
    for start in range(0, len(vectors), 20_000):
        here = queries @ vectors[start : start + 20_000].astype(np.float32).T
        top = np.argpartition(-here, k, axis=1)[:, :k]
        together = np.concatenate([scores, np.take_along_axis(here, top, axis=1)], axis=1)
        names = np.concatenate([best, top + start], axis=1)
        order = np.argsort(-together, axis=1, kind="stable")[:, :k]
        best, scores = np.take_along_axis(names, order, axis=1), np.take_along_axis(together, order, axis=1)
    return best, scores


def built(name: str, folder: Path) -> dict[str, Any]:
    """How long it took to build, and the most memory meanwhile."""
    note = folder / f"{SEARCHERS[name].home}.json"
    if not note.exists():
        with closing(Worker("benchmarks.workers.searchers", name, folder, "build")) as worker:
            note.write_text(json.dumps(worker.hello))
    found: dict[str, Any] = json.loads(note.read_text())
    return found


class Truth:
    """What exact search finds, and who it is."""

    def __init__(self, folder: Path) -> None:
        with np.load(folder / "truth.npz") as file:
            self.best, self.scores, self.people, self.persons = (
                file[name] for name in ("best", "scores", "people", "persons")
            )

    def line(self, found: Sequence[Sequence[int]]) -> tuple[float, str]:
        """Person@1, and that and more in words."""
        ids = np.array(found)
        true = self.best[: len(ids)]
        same = int((self.persons[ids[:, 0]] == self.persons[true[:, 0]]).sum())
        low, high = wilson(same, len(ids))
        first = (ids[:, 0] == true[:, 0]).mean()
        ten = np.mean([len(set(a) & set(b)) / 10 for a, b in zip(ids.tolist(), true.tolist(), strict=True)])
        text = f"person@1 {same / len(ids):.4f} [{low:.3f}, {high:.3f}]  recall@1 {first:.3f}  recall@10 {ten:.3f}"
        return same / len(ids), text

    def open_set(self, folder: Path, found: Sequence[Sequence[int]]) -> str:
        """Strangers who get a hit, and enrolled people who do not get their own, at the exact search's threshold."""
        vectors = np.load(folder / "vectors.npy", mmap_mode="r")
        probes, ids = np.load(folder / "probes.npy"), np.array(found)[:, 0]
        scores = np.einsum("nd,nd->n", vectors[ids].astype(np.float32), probes)
        threshold = float(np.quantile(self.scores[PROBES:, 0], 0.99))
        words = []
        for who, value in ((self.best[:, 0], self.scores[:, 0]), (ids, scores)):
            hit = (value[:PROBES] >= threshold) & (self.persons[who[:PROBES]] == self.people)
            words.append(f"FPIR {(value[PROBES:] >= threshold).mean():.3f}, FNIR {1 - hit.mean():.3f}")
        return f"open set, threshold {threshold:.3f}: exact {words[0]}; mien {words[1]} ({PROBES} of each)"


def measure(kind: str, names: Sequence[str], count: int, folder: Path, rounds: int) -> dict[str, list[Any]]:
    """Print all about one kind of vectors; return points of person@1 and queries a second."""
    truth = Truth(folder)
    known = (truth.persons[truth.best[:PROBES, 0]] == truth.people).mean()
    effective = 1 / np.var(np.triu(exact_sample(folder), 1)[np.triu_indices(2000, 1)])
    print(f"\n{kind}: {count:,} vectors of {truth.persons.max() + 1:,} people, effective dimension {effective:.0f}")
    print(f"  {PROBES} probes: exact search finds the right person first in {known:.3f}", flush=True)
    curves: dict[str, list[Any]] = {}
    reached: dict[str, list[float]] = {}
    with ExitStack() as stack:
        workers = {
            name: stack.enter_context(closing(Worker("benchmarks.workers.searchers", name, folder, "serve")))
            for name in names
        }
        turns: dict[str, list[list[Any]]] = {
            name: [[] for _ in worker.hello["settings"]] for name, worker in workers.items()
        }
        for _ in range(rounds):
            for number in range(max(map(len, turns.values()))):
                for name, worker in workers.items():
                    if number < len(turns[name]):
                        turns[name][number].append(worker.turn(number))
        together = [workers["mien"].turn(len(turns["mien"])) for _ in range(rounds)] if "mien" in names else []
        for name, worker in workers.items():
            made, last = built(name, folder), turns[name][-1][-1]
            print(
                f"  {name}: built in {made['seconds']:.0f} s ({made['most']:.1f} GB), opened in "
                f"{worker.hello['opened']:.2f} s, resident {last['resident']:.2f} GB ({last['own']:.2f} its own)"
            )
            curves[name] = []
            for setting, answers in zip(worker.hello["settings"], turns[name], strict=True):
                rate, cpu = (median(answer[what] for answer in answers) for what in ("rate", "cpu"))
                person, text = truth.line(answers[0]["ids"])
                print(f"    {setting:5g}  {rate:7.0f} q/s (by CPU time {cpu:6.0f})  {text}", flush=True)
                curves[name].append((person, rate))
                if person >= GOAL and name not in reached:
                    reached[name] = [answer["rate"] for answer in answers]
    if together:
        print(f"  mien, {2 * PROBES} queries at once: {median(answer['rate'] for answer in together):.0f} q/s")
        print(f"  {truth.open_set(folder, together[0]['ids'])}")
    for name, rates in reached.items():
        ratios = [ours / other for ours, other in zip(reached.get("mien", rates), rates, strict=True)]
        print(f"  at person@1 >= {GOAL}: {name} {median(rates):.0f} q/s; mien is {median(ratios):.2f} times as fast")
    return curves


def exact_sample(folder: Path) -> Floats:
    """Cosines of 2,000 vectors, nearly all of different people."""
    vectors = np.load(folder / "vectors.npy", mmap_mode="r")[:2000].astype(np.float32)
    return np.asarray(vectors @ vectors.T)


def plot(found: dict[str, dict[str, list[Any]]], title: str, path: Path) -> None:
    """Queries a second against the part of persons that is missed, a panel for each kind."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    figure, panels = plt.subplots(1, len(found), figsize=(5 * len(found), 4.5), sharey=True, squeeze=False)
    for axes, (kind, curves) in zip(panels[0], found.items(), strict=True):
        for name, points in curves.items():
            missed = [max(1 - person, 5e-4) for person, _ in points]
            axes.plot(missed, [rate for _, rate in points], "o-", label=name, linewidth=3 if name == "mien" else 1)
        axes.axvline(1 - GOAL, color="grey", linestyle=":")
        axes.axhline(300, color="grey", linestyle=":")
        axes.set(xscale="log", yscale="log", xlabel="1 - person@1 (less is better)", title=kind)
        axes.invert_xaxis()
    panels[0][0].set_ylabel("queries a second, one thread")
    panels[0][0].legend(fontsize=8)
    figure.suptitle(title)
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    print(f"\ncurves: {path}")


def main() -> None:
    parser = argparse.ArgumentParser(description="The index of galleries against other ways to search.")
    parser.add_argument("--large", action="store_true", help="a million vectors")
    parser.add_argument("--count", type=int, default=None)
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=list(KINDS))
    parser.add_argument("--searchers", nargs="+", choices=SEARCHERS)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--folder", type=Path, help="keep what is made here, and use what is there")
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    count = options.count or (1_000_000 if options.large else 100_000)
    names = [name for name in options.searchers or (LARGE if options.large else SMALL) if installed(name)]
    with tempfile.TemporaryDirectory() as temporary:
        home = options.folder or Path(temporary)
        for kind in options.kinds:
            folder = home / f"{kind}-{count}"
            prepare(kind, count, folder)
            for name in names:
                print(f"{kind}: {name} built in {built(name, folder)['seconds']:.0f} s", file=sys.stderr, flush=True)
        pin(1)
        found = {kind: measure(kind, names, count, home / f"{kind}-{count}", options.rounds) for kind in options.kinds}
    path = options.plot or Path("out") / f"gallery_index_{count}.png"
    path.parent.mkdir(parents=True, exist_ok=True)
    plot(found, f"{count:,} vectors of 512 numbers", path)


if __name__ == "__main__":
    main()
