"""The index of a gallery: against a brute-force model, torn, erased, filtered, and read while it is replaced."""

from __future__ import annotations

import json
import os
import stat
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from numpy.typing import NDArray

from mien.core.errors import GalleryError, ShapeMismatch, StorageError, UsageError
from mien.embeddings.packing import pack
from mien.gallery.indexing.files import FileRows
from mien.gallery.indexing.index import Index
from mien.gallery.indexing.rows import widened

Floats = NDArray[np.float32]
Ids = NDArray[np.int64]

WIDE = 24
ALL = {"space": "made up", "dimension": WIDE}


class Listed(Index):
    """One that makes lists of a hundred vectors already."""

    SMALL = 100


@pytest.fixture(autouse=True)
def unsynced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody pulls a plug here: waiting for the disk takes most of the time."""
    monkeypatch.setattr("mien.gallery.indexing.files.os.fsync", lambda descriptor: None)


def unit(count: int, *, seed: int = 0, dimension: int = WIDE) -> Floats:
    vectors = np.random.default_rng(seed).standard_normal((count, dimension)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def portions(vectors: Floats, size: int = 97) -> Iterator[tuple[Ids, Floats]]:
    for start in range(0, len(vectors), size):
        part = vectors[start : start + size]
        yield np.arange(start, start + len(part)), part


def build(
    folder: Path | None, vectors: Floats, kind: type[Index] = Listed, generation: int = 1, **options: Any
) -> Index:
    what = ALL | {"dimension": vectors.shape[1]}
    return kind.build(folder, portions(vectors), generation=generation, **what, **options)


def brute(vectors: Floats, queries: Floats, k: int, allowed: Ids | None = None) -> tuple[Ids, Floats]:
    """The answer as it must be, of vectors whose ids are their places."""
    ids = np.arange(len(vectors)) if allowed is None else allowed
    scores = queries @ vectors[ids].astype(np.float16).astype(np.float32).T
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return ids[order], np.take_along_axis(scores, order, axis=1)


def worth_saving(index: Index) -> bool:
    return index.worth_saving


# What is found.


@pytest.mark.parametrize("kind", [Index, Listed])
@pytest.mark.parametrize("place", ["folder", "memory"])
@pytest.mark.parametrize("count", [0, 1, 3, 70])
def test_exact_search_finds_what_brute_force_finds(kind: type[Index], place: str, count: int, tmp_path: Path) -> None:
    vectors, queries = unit(500), unit(count, seed=1)
    index = build(tmp_path / "i" if place == "folder" else None, vectors, kind)
    ids, scores = index.search(queries, 5, exact=True)
    expected, cosines = brute(vectors, queries, 5)
    assert ids.dtype == np.int64
    assert scores.dtype == np.float32
    np.testing.assert_array_equal(ids, expected.reshape(count, 5))
    np.testing.assert_allclose(scores, cosines.reshape(count, 5), atol=1e-6)


def test_lists_find_nearly_all_of_what_is_near() -> None:
    people = unit(200, dimension=64)
    noise = unit(2000, seed=1, dimension=64)
    vectors = np.repeat(people, 10, axis=0) + 0.6 * noise
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    queries = people + 0.6 * unit(200, seed=2, dimension=64)
    queries /= np.linalg.norm(queries, axis=1, keepdims=True)
    index = build(None, vectors)
    ids, _ = index.search(queries, 1)
    assert (ids[:, 0] // 10 == np.arange(200)).mean() > 0.97
    more, _ = index.search(queries, 1, effort=100)
    np.testing.assert_array_equal(more, brute(vectors, queries, 1)[0])


def test_a_batch_finds_what_each_query_finds_alone() -> None:
    vectors, queries = unit(2000), unit(150, seed=3)
    index = build(None, vectors)
    ids, scores = index.search(queries, 4)
    alone = [index.search(query[None], 4) for query in queries]
    np.testing.assert_array_equal(ids, np.concatenate([found for found, _ in alone]))
    np.testing.assert_allclose(scores, np.concatenate([values for _, values in alone]), atol=1e-6)


def test_builds_alike_with_any_number_of_threads(tmp_path: Path) -> None:
    vectors = unit(8500)
    build(tmp_path / "a", vectors, threads=1)
    build(tmp_path / "b", vectors, threads=3)
    for name in ("rotation", "codes", "rows"):
        first, second = (next((tmp_path / place).glob(f"{name}-*")).read_bytes() for place in "ab")
        assert first == second, name


@pytest.mark.parametrize("size", [0, 1, 30, 99, 100, 400, 900])
def test_finds_only_what_is_allowed(size: int) -> None:
    vectors, queries = unit(1000), unit(9, seed=1)
    index = build(None, vectors)
    allowed = np.sort(np.random.default_rng(5).choice(1000, size, replace=False))
    index.add([2000], queries[:1])  # the nearest by far, and not allowed
    ids, scores = index.search(queries, 7, allowed=np.append(allowed, 5000), effort=100)
    expected, cosines = brute(vectors, queries, 7, allowed)
    np.testing.assert_array_equal(ids[:, : min(7, size)], expected)
    np.testing.assert_allclose(scores[:, : min(7, size)], cosines, atol=1e-6)
    assert (ids[:, min(7, size) :] == -1).all()
    assert np.isnan(scores[:, min(7, size) :]).all()


def test_many_are_asked_for() -> None:
    vectors = unit(1000)
    ids, scores = build(None, vectors).search(vectors[:2], 1200)
    assert (np.sort(ids[0])[200:] == np.arange(1000)).all()
    assert (ids[:, 1000:] == -1).all()
    assert (np.diff(scores[0, :1000]) <= 0).all()


@pytest.mark.parametrize(
    ("vectors", "error"),
    [
        (np.ones((2, 5), np.float32), ShapeMismatch),
        (np.ones(WIDE, np.float32), ShapeMismatch),
        (np.full((2, WIDE), np.nan, np.float32), UsageError),
        (np.full((2, WIDE), np.inf, np.float32), UsageError),
    ],
)
def test_wrong_vectors_change_nothing(vectors: Floats, error: type[Exception], tmp_path: Path) -> None:
    index = build(tmp_path / "i", unit(10))
    with pytest.raises(error, match=r"\.$"):
        index.search(vectors, 1)
    with pytest.raises(error, match=r"\.$"):
        index.add(np.array([20, 21]), vectors)
    with pytest.raises(error, match=r"\.$"):
        Index.build(tmp_path / "j", [(np.array([20, 21]), vectors)], generation=1, **ALL)
    assert len(index) == 10
    assert list((tmp_path / "j").glob("*")) == []


def test_wrong_ids_and_numbers() -> None:
    index = build(None, unit(10))
    for ids in ([1], [1, 1], [-1, 4], [[1, 2]]):
        with pytest.raises(UsageError):
            index.add(np.array(ids), unit(2))
    with pytest.raises(UsageError, match="k is at least 1"):
        index.search(unit(1), 0)
    assert len(index) == 10


def test_every_finite_half_is_widened_exactly() -> None:
    halves = np.arange(1 << 16, dtype=np.uint16).view(np.float16)
    halves = halves[np.isfinite(halves)]
    np.testing.assert_array_equal(widened(halves).view(np.uint32), halves.astype(np.float32).view(np.uint32))


@pytest.mark.parametrize(
    "rows", [[], [0], [99], [3, 4, 5], [3, 9, 10, 40, 41], [50, 20, 21, 22, 1], [7, 7, 8], list(range(100))]
)
def test_rows_are_read_in_their_order(rows: list[int], tmp_path: Path) -> None:
    values = np.arange(300, dtype="<f2").reshape(100, 3)
    values.tofile(tmp_path / "rows")
    file = FileRows(tmp_path / "rows", "<f2", 3)
    np.testing.assert_array_equal(file[np.array(rows, np.int64)], values[np.array(rows, np.int64)])
    np.testing.assert_array_equal(file[10:20], values[10:20])


# What is kept.


def test_a_later_row_of_the_same_id_counts(tmp_path: Path) -> None:
    vectors = unit(300)
    rows = [(np.arange(200), vectors[:200]), (np.arange(100, 200), vectors[200:])]
    for folder in (None, tmp_path / "i"):
        index = Listed.build(folder, iter(rows), generation=1, **ALL)
        assert len(index) == 200
        ids, scores = index.search(vectors[[150, 250]], 1, exact=True)
        assert ids[1] == 150
        assert scores[0] < 0.99 < scores[1]


@pytest.mark.parametrize("kind", [Index, Listed])
def test_what_is_saved_is_opened(kind: type[Index], tmp_path: Path) -> None:
    vectors = unit(400)
    build(tmp_path, vectors[:300], kind)
    index = kind.open(tmp_path, **ALL)
    assert index is not None
    index.add(np.arange(300, 340), vectors[300:340])
    index.remove(np.array([7, 310, 999]))
    index.add(np.array([8]), vectors[399:])
    assert len(index) == 338
    index.save(5)
    again = kind.open(tmp_path, **ALL)
    assert again is not None
    assert (len(again), again.generation) == (338, 5)
    for found in (index, again):
        ids, _ = found.search(vectors[[6, 7, 8, 305, 310, 399]], 1, exact=True)
        assert ids[[0, 3, 5], 0].tolist() == [6, 305, 8]
        assert not {7, 310} & set(ids.ravel().tolist())
    assert again.is_whole()


def test_lists_are_made_anew_when_they_leave_out_too_much(tmp_path: Path) -> None:
    vectors = unit(1000)
    index = build(tmp_path, vectors[:150])
    assert not worth_saving(index)
    index.add(np.arange(150, 1000), vectors[150:])
    assert worth_saving(index)
    index.save(2)
    assert not worth_saving(index)
    np.testing.assert_array_equal(index.search(vectors, 1)[0][:, 0], np.arange(1000))
    index.remove(np.arange(0, 900))
    assert worth_saving(index)
    index.save(3)
    assert len(next(tmp_path.glob("vectors-*")).read_bytes()) == 100 * 2 * WIDE
    np.testing.assert_array_equal(index.search(vectors[900:], 1)[0][:, 0], np.arange(900, 1000))


def test_two_writers_do_not_mix_their_files(tmp_path: Path) -> None:
    vectors = unit(400)
    first = build(tmp_path, vectors[:300])
    second = Listed.open(tmp_path, **ALL)
    assert second is not None
    second.add(np.arange(300, 350), vectors[300:350])
    second.save(2)
    first.add(np.arange(300, 390), vectors[300:390])
    first.save(3)
    np.testing.assert_array_equal(second.search(vectors[:350], 1, exact=True)[0][:, 0], np.arange(350))
    opened = Listed.open(tmp_path, **ALL)
    assert opened is not None
    assert (len(opened), opened.generation, opened.is_whole()) == (390, 3, True)


@pytest.mark.skipif(os.name == "nt", reason="modes are of POSIX")
def test_files_are_the_owner_s(tmp_path: Path) -> None:
    index = build(tmp_path / "i", unit(300))
    index.add([500], unit(1))
    index.save(2)
    assert {stat.S_IMODE(path.stat().st_mode) for path in (tmp_path / "i").iterdir()} == {0o600}
    assert stat.S_IMODE((tmp_path / "i").stat().st_mode) == 0o700


# What is torn.


def test_another_space_dimension_or_version_is_not_opened(tmp_path: Path) -> None:
    assert Index.open(tmp_path / "nothing", **ALL) is None
    build(tmp_path, unit(30))
    assert Index.open(tmp_path, space="another", dimension=WIDE) is None
    assert Index.open(tmp_path, space="made up", dimension=WIDE + 1) is None
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    manifest["header"]["format"] += 1
    (tmp_path / "manifest.json").write_text(json.dumps(manifest))
    assert Index.open(tmp_path, **ALL) is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '{"arrays": 3}',
        '{"stamp": "", "header": 3, "arrays": {}}',
        '{"stamp": "", "header": {}, "arrays": {}}',
        '{"arrays": {"ids": 1}, "header": {}}',
    ],
)
def test_a_torn_manifest_is_noticed(text: str, tmp_path: Path) -> None:
    build(tmp_path, unit(30))
    (tmp_path / "manifest.json").write_text(text)
    assert Index.open(tmp_path, **ALL) is None


def test_a_manifest_points_at_nothing_outside_its_folder(tmp_path: Path) -> None:
    build(tmp_path / "i", unit(30))
    path = tmp_path / "i" / "manifest.json"
    file = json.loads(path.read_text())["arrays"]["vectors"]["file"]
    (tmp_path / "i" / file).rename(tmp_path / file)
    path.write_text(path.read_text().replace(file, f"../{file}"))
    assert Index.open(tmp_path / "i", **ALL) is None


def test_an_index_in_memory_makes_its_lists_itself() -> None:
    vectors = unit(500)
    index = build(None, vectors[:50])
    for start in range(50, 500, 50):
        index.add(np.arange(start, start + 50), vectors[start : start + 50])
    assert index._lists is not None
    index.remove(np.arange(0, 500, 7))
    index.save(2)
    assert not index.worth_saving
    ids, _ = index.search(vectors, 1, exact=True)
    assert (ids[:, 0] == np.arange(500)).sum() == len(index) == 500 - 72


def test_every_torn_file_is_noticed(tmp_path: Path) -> None:
    build(tmp_path, unit(300))
    for path in sorted(tmp_path.iterdir()):
        data = path.read_bytes()
        flipped = bytearray(data)
        flipped[len(data) // 2] ^= 0xFF
        for torn in (data[:-1], data[: len(data) // 2], b"", bytes(flipped), None):
            if torn is None:
                path.unlink()
            else:
                path.write_bytes(torn)
            assert Listed.open(tmp_path, **ALL) is None, path.name
        path.write_bytes(data)
        assert Listed.open(tmp_path, **ALL) is not None, path.name


def test_a_changed_byte_in_a_large_file_is_found_when_all_is_read(tmp_path: Path) -> None:
    """Opening looks at a sample of its blocks only."""
    index = build(tmp_path, unit(10_000, dimension=512), Index)
    assert index.is_whole()
    with next(tmp_path.glob("vectors-*")).open("r+b") as file:
        file.seek(5_000_000)
        file.write(b"torn")
    assert not index.is_whole()


def test_what_was_cut_off_while_writing_does_no_harm(tmp_path: Path) -> None:
    """A writer that was killed has appended rows that the manifest does not know."""
    vectors = unit(200)
    build(tmp_path, vectors[:150])
    path = next(tmp_path.glob("vectors-*"))
    with path.open("ab") as file:
        file.write(vectors[199:].astype("<f2").tobytes() * 3)
    (tmp_path / "codes-unfinished").write_bytes(b"left behind")
    index = Listed.open(tmp_path, **ALL)
    assert index is not None
    index.add([150], vectors[150:151])
    index.save(2)
    assert not (tmp_path / "codes-unfinished").exists()
    assert vectors[199].astype("<f2").tobytes() not in path.read_bytes()
    again = Listed.open(tmp_path, **ALL)
    assert again is not None
    np.testing.assert_array_equal(again.search(vectors[:151], 1, exact=True)[0][:, 0], np.arange(151))


def test_a_file_that_is_cut_off_while_in_use_is_an_error(tmp_path: Path) -> None:
    vectors = unit(300)
    index = build(tmp_path, vectors)
    os.truncate(next(tmp_path.glob("vectors-*")), 100)
    with pytest.raises(GalleryError, match="cut off"):
        index.search(vectors[:1], 1)


def test_a_folder_that_cannot_be_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = unit(400)
    index = build(tmp_path, vectors[:300])
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("mien.gallery.indexing.files.os.fsync", full)
        with pytest.raises(StorageError, match="No space left"):
            build(tmp_path, vectors)
        assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
        index.add(np.arange(300, 400), vectors[300:])
        with pytest.raises(StorageError, match="No space left"):
            index.save(2)
    np.testing.assert_array_equal(index.search(vectors, 1, exact=True)[0][:, 0], np.arange(400))
    index.save(3)
    again = Listed.open(tmp_path, **ALL)
    assert again is not None
    assert (len(again), again.generation) == (400, 3)


# What is erased.


@pytest.mark.parametrize("kind", [Index, Listed])
@pytest.mark.parametrize("when", ["built", "added"])
def test_nothing_of_a_removed_vector_is_left(kind: type[Index], when: str, tmp_path: Path) -> None:
    vectors = unit(400)
    index = build(tmp_path, vectors[:300], kind)
    if when == "added":
        index.add(np.arange(300, 350), vectors[300:350])
        index.save(2)
    for victim in (0, 17, 149) if when == "built" else (300, 349):
        patterns = [pack(vectors[[victim]], precision)[0][:16] for precision in ("f32", "f16", "i8")]
        if index._lists is not None:
            turned = vectors[[victim]].astype(np.float16).astype(np.float32) @ index._lists.rotation
            close = np.frombuffer(next(tmp_path.glob("codes-*")).read_bytes(), np.float32).reshape(-1, WIDE)
            assert (np.abs(close - turned).max(axis=1) < 1e-5).any() == (when == "built")
        assert any(pattern in path.read_bytes() for path in tmp_path.iterdir() for pattern in patterns)
        index.remove(np.array([victim]))
        index.save(index.generation + 1)
        for path in tmp_path.iterdir():
            assert not any(pattern in path.read_bytes() for pattern in patterns), path.name
        if index._lists is not None:
            close = np.frombuffer(next(tmp_path.glob("codes-*")).read_bytes(), np.float32).reshape(-1, WIDE)
            assert not (np.abs(close - turned).max(axis=1) < 1e-3).any()
            assert not (np.abs(index._lists.centroids - turned).max(axis=1) < 1e-2).any()
        for found in (index, kind.open(tmp_path, **ALL)):
            assert found is not None
            assert victim not in found.search(vectors[[victim]], 5)[0]
            assert found.is_whole()


def test_no_centroid_is_anybody_s_vector(tmp_path: Path) -> None:
    """One far away from all others would be the only one of its list."""
    vectors = np.tile(unit(1), (500, 1)) + 0.01 * unit(500, seed=2)
    vectors[3] = -vectors[3]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    index = build(tmp_path, vectors)
    assert index._lists is not None
    turned = vectors[3] @ index._lists.rotation
    assert (index._lists.centroids @ turned).max() < 0.5


# Readers beside a writer.


def test_readers_go_on_while_a_writer_replaces_files(tmp_path: Path) -> None:
    """Reader and writer share nothing but the folder."""
    vectors = unit(300)
    build(tmp_path, vectors[:150])
    reader = Listed.open(tmp_path, **ALL)

    def write() -> None:
        for turn in range(8):
            if turn % 4 == 3:
                build(tmp_path, vectors[:150], generation=turn)
            index = Listed.open(tmp_path, **ALL)
            assert index is not None
            index.add(np.arange(150 + 5 * turn, 155 + 5 * turn), vectors[150 + 5 * turn : 155 + 5 * turn])
            index.save(turn)

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        while not writer.done():
            assert reader is not None
            np.testing.assert_array_equal(reader.search(vectors[:150], 1, exact=True)[0][:, 0], np.arange(150))
            reader = Listed.open(tmp_path, **ALL) or reader
        writer.result()
    final = Listed.open(tmp_path, **ALL)
    assert final is not None
    assert final.generation == 7


# Against a model, in any order of what can be done.


class AgainstModel(RuleBasedStateMachine):
    """An index with lists of a few vectors, and a dictionary."""

    class Few(Index):
        SMALL = 12

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.generation = 0
        self.model: dict[int, Floats] = {}
        self.pool = unit(64, dimension=WIDE)

    def teardown(self) -> None:
        self.folder.cleanup()

    @initialize(count=st.integers(0, 40), in_folder=st.booleans())
    def begin(self, count: int, in_folder: bool) -> None:
        self.path = Path(self.folder.name) / "index" if in_folder else None
        ids = np.arange(count)
        self.index: Index = self.Few.build(self.path, [(ids, self.pool[:count])], generation=0, **ALL)
        self.model = {number: self.pool[number] for number in range(count)}

    @rule(ids=st.lists(st.integers(0, 60), max_size=9, unique=True), shift=st.integers(0, 50))
    def add(self, ids: list[int], shift: int) -> None:
        vectors = self.pool[(np.array(ids, int) + shift) % len(self.pool)]
        self.index.add(np.array(ids, np.int64), vectors.reshape(-1, WIDE))
        self.model.update(zip(ids, vectors, strict=True))

    @rule(ids=st.lists(st.integers(0, 60), max_size=20))
    def remove(self, ids: list[int]) -> None:
        self.index.remove(np.array(ids, np.int64))
        for number in ids:
            self.model.pop(number, None)

    @rule()
    def save(self) -> None:
        self.generation += 1
        self.index.save(self.generation)

    @precondition(lambda self: self.path is not None)
    @rule()
    def reopen(self) -> None:
        self.save()
        assert self.path is not None
        opened = self.Few.open(self.path, **ALL)
        assert opened is not None
        assert opened.generation == self.generation
        assert opened.is_whole()
        self.index = opened
        stored = b"".join(path.read_bytes() for path in self.path.iterdir() if path.name.startswith("vectors"))
        for vector in self.pool:
            held = any(np.array_equal(vector, kept) for kept in self.model.values())
            assert (vector.astype("<f2").tobytes() in stored) == held

    @rule(query=st.integers(0, 63), k=st.integers(1, 12), allowed=st.none() | st.sets(st.integers(0, 70)))
    def search(self, query: int, k: int, allowed: set[int] | None) -> None:
        wanted = None if allowed is None else np.array(sorted(allowed), np.int64)
        ids, scores = self.index.search(self.pool[[query]], k, allowed=wanted, exact=True)
        known = {n: v for n, v in self.model.items() if allowed is None or n in allowed}
        cosines = sorted(float(v.astype(np.float16).astype(np.float32) @ self.pool[query]) for v in known.values())
        count = min(k, len(known))
        np.testing.assert_allclose(scores[0, :count], cosines[::-1][:count], atol=1e-5)
        assert (ids[0, count:] == -1).all()
        assert len(set(ids[0, :count].tolist())) == count
        for number, score in zip(ids[0, :count].tolist(), scores[0, :count].tolist(), strict=True):
            assert float(known[number] @ self.pool[query]) == pytest.approx(score, abs=2e-3)

    @invariant()
    def as_many(self) -> None:
        if hasattr(self, "index"):
            assert len(self.index) == len(self.model)


TestAgainstModel = AgainstModel.TestCase
TestAgainstModel.settings = settings(
    max_examples=20, stateful_step_count=12, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
