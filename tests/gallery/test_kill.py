"""kill -9 at any moment: nothing that was acknowledged is lost, and nothing is half-written."""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mien.gallery.indexing.index import Index
from mien.gallery.store import open_store
from tests.gallery.holding import SPACE
from tests.gallery.killed import crop, vector

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no kill -9")


class Killings:
    """A process that makes workers, and what the workers of one gallery said that they did."""

    def __init__(self) -> None:
        self._zygote = subprocess.Popen(
            [sys.executable, "-m", "tests.gallery.killed"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2],
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def begin(self, folder: Path) -> None:
        """Go on with a gallery that is not there yet."""
        self.folder = folder
        self.there: set[int] = set()
        self.leaving: set[int] = set()
        self.gone: set[int] = set()
        self.seen = dict.fromkeys("+~-?!", 0)

    def kill(self, after: float) -> None:
        """Start a worker, kill it some time after its first word, and note what it had said."""
        assert self._zygote.stdin is not None
        assert self._zygote.stdout is not None
        self._zygote.stdin.write(f"{self.folder}\n")
        self._zygote.stdin.flush()
        worker = int(self._zygote.stdout.readline())
        time.sleep(after)
        os.kill(worker, signal.SIGKILL)
        while (line := self._zygote.stdout.readline().strip()) != "dead":
            self.seen[line[0]] += 1
            if line[0] in self.sets:
                self.sets[line[0]].add(int(line[1:]))

    @property
    def sets(self) -> dict[str, set[int]]:
        """Ids by what was said of them."""
        return {"+": self.there, "~": self.leaving, "-": self.gone}

    def check(self) -> None:
        """See that all is there that was said, that nothing is broken, and that the index agrees with the truth."""
        store = open_store(self.folder)
        samples = {sample.id: sample for sample in store.samples(crops=True)}
        assert self.there - self.leaving <= set(samples)
        assert not self.gone & set(samples)
        ids = sorted(samples)
        # What was written last may not have been said any more. It is there as a whole, too.
        assert all(samples[one].crop == crop(one) for one in ids)
        assert {one.id for one in store.people()} == {f"p{one + 1}" for one in ids}
        expected = np.concatenate([vector(one) for one in ids])
        assert np.abs(store.vectors(ids) - expected).max() < 1e-3
        assert [row[0] for row in store.search(expected, 1)[0]] == ids
        assert store.reserve(1) > max(ids)
        store.close()
        with sqlite3.connect(self.folder / "gallery.sqlite") as db:
            assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
            assert db.execute("PRAGMA foreign_key_check").fetchall() == []
        db.close()
        index = Index.open(self.folder / "index", space=SPACE, dimension=32)
        assert index is not None

    def close(self) -> None:
        """End the process that makes workers."""
        self._zygote.communicate()


@pytest.fixture(scope="module")
def killings() -> Iterator[Killings]:
    process = Killings()
    yield process
    process.close()


def run(killings: Killings, folder: Path, kills: int, longest: float, seed: int) -> None:
    chance = random.Random(seed)
    killings.begin(folder)
    while not killings.there:
        killings.kill(longest)
    for _ in range(kills):
        killings.kill(chance.uniform(0, longest))
        killings.check()


def test_a_few_kills(killings: Killings, tmp_path: Path) -> None:
    run(killings, tmp_path / "g", kills=6, longest=0.1, seed=1)
    names = {path.name for path in (tmp_path / "g").iterdir()}
    assert names <= {".lock", "gallery.sqlite", "gallery.sqlite-wal", "gallery.sqlite-shm", "index", "written"}


@pytest.mark.slow
def test_many_kills(killings: Killings, tmp_path: Path) -> None:
    run(killings, tmp_path / "g", kills=150, longest=0.5, seed=2)
    assert all(killings.seen.values())


@pytest.mark.slow
def test_killed_while_it_begins(killings: Killings, tmp_path: Path) -> None:
    """A gallery is there as a whole or not at all."""
    chance = random.Random(3)
    for number in range(60):
        killings.begin(tmp_path / str(number))
        killings.kill(chance.uniform(0, 0.05))
        if (killings.folder / "gallery.sqlite").exists():
            open_store(killings.folder, create=False).close()
        open_store(killings.folder).close()
        assert not list(killings.folder.glob(".new-*"))
