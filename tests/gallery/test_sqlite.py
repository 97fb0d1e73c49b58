"""The default store: files that only their owner reads, places that are refused, locks, full disks and torn files."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import stat
import subprocess
import sys
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from mien.core.errors import GalleryError, SourceError, StorageError, UsageError
from mien.gallery.indexing.index import Index
from mien.gallery.records import Change, Counts, Sample, Where
from mien.gallery.store import open_store
from mien.gallery.stores import sqlite_file
from mien.gallery.stores.sqlite import SqliteStore
from mien.gallery.stores.sqlite_search import _Turns
from tests.gallery.holding import BEGINNING, SPACE, contents, unit


@pytest.fixture
def begun(folder: str) -> Iterator[SqliteStore]:
    """A gallery in a folder with something of everything."""
    store = SqliteStore.open(folder, patience=0.05)
    store.apply(BEGINNING)
    yield store
    store.close()


def modes(folder: Path) -> set[str]:
    return {oct(stat.S_IMODE(path.stat().st_mode)) for path in folder.rglob("*") if path.is_file()}


# -- places ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_only_the_owner_reads_it(tmp_path: Path, umask: int) -> None:
    before = os.umask(umask)
    try:
        folder, copy = tmp_path / "new" / "g", tmp_path / "copy"
        store = open_store(folder)
        store.apply(BEGINNING)
        store.search(unit(1), 1)
        assert {"gallery.sqlite-wal", "gallery.sqlite-shm", "index"} <= {path.name for path in folder.iterdir()}
        store.backup(copy)
        assert modes(folder) == modes(copy) == {"0o600"}
        for one in (folder, folder / "index", copy, copy / "index"):
            assert stat.S_IMODE(one.stat().st_mode) == 0o700, one
        store.close()
    finally:
        os.umask(before)


def test_an_empty_folder_becomes_a_gallery(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir(mode=0o755)
    (tmp_path / "g" / ".new-1234").write_bytes(b"what a process that was killed left")
    open_store(tmp_path / "g").close()
    assert sorted(path.name for path in (tmp_path / "g").iterdir()) == [".lock", "gallery.sqlite"]
    assert stat.S_IMODE((tmp_path / "g").stat().st_mode) == 0o700


def test_what_is_something_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.jpg").write_bytes(b"x")
    (tmp_path / "file").write_bytes(b"y")
    (tmp_path / "link").symlink_to("nowhere/at/all")
    for name in ("photos", "file", "link"):
        for create in (True, False):
            with pytest.raises((SourceError, StorageError)):
                open_store(tmp_path / name, create=create)
    assert [path.name for path in (tmp_path / "photos").iterdir()] == ["a.jpg"]
    assert stat.S_IMODE((tmp_path / "photos").stat().st_mode) != 0o700
    assert (tmp_path / "file").read_bytes() == b"y"
    for place, error in (("a\0b", UsageError), (tmp_path / ("x" * 5000), StorageError)):
        with pytest.raises(error):
            open_store(place)
    (tmp_path / "empty").mkdir()
    with pytest.raises(SourceError, match="empty"):
        open_store(tmp_path / "empty", create=False)
    assert list((tmp_path / "empty").iterdir()) == []


@pytest.mark.parametrize("name", ["ein Ordner ünd 'mehr' \"?#%20&mode=ro", "..mien", "-rf", "a;b"])
def test_a_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    store = open_store(tmp_path / name)
    store.apply(BEGINNING)
    store.search(unit(1), 1)
    store.close()
    assert [path.name for path in tmp_path.iterdir()] == [name]
    store = open_store(tmp_path / name, create=False)
    assert store.counts() == Counts(3, 4, 4)
    store.close()


def test_two_that_begin_the_same_gallery(tmp_path: Path) -> None:
    with ThreadPoolExecutor(6) as pool:
        stores = list(pool.map(lambda _: open_store(tmp_path / "g"), range(6)))
    assert len({store.reserve(1) for store in stores}) == 6
    for store in stores:
        store.close()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can become somebody else")
def test_what_may_not_be_read_is_said(tmp_path: Path) -> None:
    open_store(tmp_path / "g").close()
    os.seteuid(65534)
    try:
        with pytest.raises(StorageError, match=r"Permission denied\.$"):
            open_store(tmp_path / "g")
    finally:
        os.seteuid(0)


def test_a_relative_path_stays_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = open_store("g")
    store.apply(BEGINNING)
    (tmp_path / "other").mkdir()
    monkeypatch.chdir(tmp_path / "other")
    assert store.search(unit(1), 1)[0].tolist() == [[11]]
    store.backup("copy")
    store.erase()
    store.close()
    assert (tmp_path / "other" / "copy" / "gallery.sqlite").is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["g", "other"]


# -- versions --------------------------------------------------------------------------------------------------------


def altered(folder: str, statement: str) -> None:
    with sqlite3.connect(Path(folder) / "gallery.sqlite") as db:
        db.execute(statement)
    db.close()


def test_a_newer_version_is_refused(folder: str, begun: SqliteStore) -> None:
    begun.close()
    altered(folder, "PRAGMA user_version = 2")
    with pytest.raises(GalleryError, match=r"newer version of mien \(2 > 1\): update\.$"):
        open_store(folder)


def test_an_older_version_is_brought_up(folder: str, begun: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    begun.close()
    altered(folder, "PRAGMA user_version = 0")
    with pytest.raises(GalleryError, match="too old"):
        open_store(folder)
    monkeypatch.setitem(sqlite_file.MIGRATIONS, 0, ("UPDATE people SET note = 'moved'", "SELECT 1"))
    store = open_store(folder)
    assert {person.note for person in store.people()} == {"moved"}
    store.close()
    monkeypatch.setitem(sqlite_file.MIGRATIONS, 0, ("this is no SQL",))
    open_store(folder).close()  # it is done once


# -- locks and processes ---------------------------------------------------------------------------------------------


def test_a_writer_that_does_not_end(folder: str, begun: SqliteStore) -> None:
    other = sqlite3.connect(Path(folder) / "gallery.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for act in (lambda: begun.apply(Change()), lambda: begun.reserve(1), begun.erase):
        with pytest.raises(StorageError, match="another process"):
            act()
    assert begun.counts() == Counts(3, 4, 4)  # reading goes on
    assert begun.search(unit(1), 1)[0].tolist() == [[11]]
    other.execute("ROLLBACK")
    other.close()
    begun.apply(Change())
    assert begun.generation() == 2


def test_after_a_fork_it_is_opened_again(begun: SqliteStore) -> None:
    cast("Any", begun)._database._process -= 1
    with pytest.raises(UsageError, match="another process"):
        begun.counts()
    cast("Any", begun)._database._process += 1


WORK = """
import sys
from mien.core.errors import GalleryChanged
from mien.gallery.records import Change, Sample
from mien.gallery.store import open_store
from tests.gallery.holding import unit
store, done = open_store(sys.argv[1], create=False), 0
while done < 25:
    generation, count = store.generation(), store.counts().samples
    number = store.reserve(1)
    meta, vectors = {"count": str(count + 1)}, ([number], unit(1, seed=number))
    try:
        store.apply(Change(samples=[Sample(id=number)], vectors=vectors, meta=meta), expect=generation)
    except GalleryChanged:
        continue
    done += 1
    ids, scores = store.search(unit(1, seed=number), 1)
    assert ids[0, 0] == number and scores[0, 0] > 0.999, (ids, number)
store.close()
"""


def test_two_processes_write_while_one_reads(tmp_path: Path) -> None:
    """Writers queue; one whose change is of an older state is told so. What is read is always whole."""
    store = open_store(tmp_path / "g")
    store.apply(Change(samples=[Sample(id=1)], vectors=([1], unit(1, seed=1)), space=SPACE, meta={"count": "1"}))
    command = [sys.executable, "-c", WORK, str(tmp_path / "g")]
    writers = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    while any(writer.poll() is None for writer in writers):
        counts = store.counts()
        assert counts.samples == counts.vectors
        ids = [sample.id for sample in store.samples()]
        found = store.search(unit(1, seed=ids[-1]), 1)[0][0, 0]
        assert found == ids[-1]
        time.sleep(0.02)
    assert [writer.communicate()[1].decode() for writer in writers] == ["", ""]
    assert store.meta()["count"] == "51"
    assert store.counts().samples == store.generation() == 51
    store.close()


def test_it_can_be_opened_in_the_moment_in_which_another_one_writes(
    folder: str, begun: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = sqlite_file._noted

    def write_before(file: Path) -> int:
        begun.apply(Change(meta={"a": "b"}))
        return noted(file)

    monkeypatch.setattr(sqlite_file, "_noted", write_before)
    again = open_store(folder)
    assert again.generation() == begun.generation() == 2
    again.close()


def test_who_changes_the_index_is_let_before_who_looks_later() -> None:
    turns, done = _Turns(), list[str]()

    def change() -> None:
        with turns.changing():
            done.append("changed")

    def look() -> None:
        with turns.looking():
            done.append("looked")

    changer, looker = threading.Thread(target=change), threading.Thread(target=look)
    with turns.looking():
        changer.start()
        while not turns._waiting:
            time.sleep(0.001)
        looker.start()
        looker.join(0.1)
    changer.join()
    looker.join()
    assert done == ["changed", "looked"]


def test_a_folder_that_cannot_be_locked(folder: str, begun: SqliteStore, caplog: pytest.LogCaptureFixture) -> None:
    (Path(folder) / ".lock").unlink()
    (Path(folder) / ".lock").mkdir()
    with pytest.raises(StorageError, match="cannot be written"):
        begun.erase()
    with pytest.raises(StorageError, match="cannot be written"):
        begun.backup(f"{folder}-copy")
    assert begun.search(unit(4), 1)[0].ravel().tolist() == [11, 12, 13, 14]
    assert "kept in memory only" in caplog.text


def test_threads_search_erase_and_copy(begun: SqliteStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The locks of the folder, the database and the index are taken in one order: nobody waits for ever."""
    monkeypatch.setattr(Index, "worth_saving", True)
    begun._database.patience = 30

    def work(number: int) -> None:
        for turn in range(5):
            one = 1000 * number + turn
            begun.apply(Change(samples=[Sample(id=one)], vectors=([one], unit(1, seed=one))))
            assert begun.search(unit(1, seed=one), 1)[0].tolist() == [[one]]
            begun.apply(Change(forget_samples=[one]))
            if turn % 2:
                begun.erase()
            else:
                begun.backup(tmp_path / f"copy {one}")
                begun._searcher._distrust()  # the index is made anew
            assert begun.search(unit(4), 1)[0].ravel().tolist() == [11, 12, 13, 14]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(1, 5)))
    assert begun.counts() == Counts(3, 4, 4)


# -- full disks ------------------------------------------------------------------------------------------------------


def test_a_full_disk_leaves_it_as_it_was(begun: SqliteStore) -> None:
    before = contents(begun)
    with begun._database.apart() as db:
        db.execute(f"PRAGMA max_page_count = {db.execute('PRAGMA page_count').fetchone()[0]}")
    big = Change(samples=[Sample(id=number, crop=bytes(50_000)) for number in range(100, 140)], meta={"a": "b"})
    with pytest.raises(StorageError, match="full"):
        begun.apply(big)
    assert contents(begun) == before
    with begun._database.apart() as db:
        db.execute("PRAGMA max_page_count = 1000000")
    begun.apply(big)
    assert begun.counts().samples == 44


@pytest.fixture
def limit() -> Iterator[Callable[[int | None], None]]:
    """Sets how large a file may grow: beyond it, writing fails as it does on a full disk."""
    resource = pytest.importorskip("resource", reason="only Unix limits a process's files")
    _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda size: resource.setrlimit(resource.RLIMIT_FSIZE, (hard if size is None else size, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))


def test_files_that_cannot_grow(
    folder: str, begun: SqliteStore, tmp_path: Path, limit: Callable[[int | None], None]
) -> None:
    before = contents(begun)
    largest = max(path.stat().st_size for path in Path(folder).iterdir())
    many = Change(samples=[Sample(id=number, crop=bytes(50_000)) for number in range(100, 140)])
    acts: list[tuple[Callable[[], Any], int]] = [
        (lambda: begun.apply(many), largest + 20_000),
        (lambda: begun.backup(tmp_path / "copy"), 20_000),
        (lambda: open_store(tmp_path / "other"), 20_000),
        (begun.erase, 20_000),
    ]
    for act, size in acts:
        limit(size)
        with pytest.raises(StorageError):
            act()
        limit(None)
        assert contents(begun) == before
    assert {path.name for path in tmp_path.iterdir()} == {"people.mien", "other"}
    assert [path.name for path in (tmp_path / "other").iterdir()] == [".lock"]
    open_store(tmp_path / "other").close()
    begun.apply(many)
    assert begun.counts().samples == 44


def test_an_index_that_cannot_be_written_is_no_error(begun: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def build(folder: Path | None, *args: Any, **kwargs: Any) -> Any:
        if folder is not None:
            raise StorageError("the disk is full.")
        return original(folder, *args, **kwargs)

    original = Index.build
    monkeypatch.setattr(Index, "build", build)
    assert begun.search(unit(4), 1)[0].ravel().tolist() == [11, 12, 13, 14]


# -- torn files ------------------------------------------------------------------------------------------------------


def everything(place: Path) -> dict[str, Any]:
    """Open, read all, search."""
    store = open_store(place, create=False)
    try:
        store.search(unit(1), 3)
        list(store.samples(Where(words={"event": "party"})))
        return contents(store)
    finally:
        store.close()


@pytest.fixture
def filled(tmp_path: Path) -> tuple[Path, dict[str, Any]]:
    """A closed gallery of a few hundred samples, and what it holds."""
    store = open_store(tmp_path / "whole")
    store.apply(BEGINNING)
    ids = range(100, 500)
    samples = [Sample(id=one, face=f"f{one}", words={"n": float(one)}) for one in ids]
    store.apply(Change(samples=samples, vectors=(ids, unit(400))))
    store.search(unit(1), 1)
    store.close()
    return tmp_path / "whole", everything(tmp_path / "whole")


def damaged(whole: Path, change: Callable[[bytearray], None], *, file: str = "gallery.sqlite") -> Path:
    copy = whole.with_name("torn")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(whole, copy)
    data = bytearray((copy / file).read_bytes())
    change(data)
    (copy / file).write_bytes(data)
    return copy


def test_a_torn_database_is_found_out(filled: tuple[Path, dict[str, Any]]) -> None:
    whole, held = filled
    chance = random.Random(4)

    def cut(data: bytearray) -> None:
        del data[chance.randrange(len(data)) :]

    def garbage_in_front(data: bytearray) -> None:
        data[:100] = chance.randbytes(100)

    def page_of_zeros(data: bytearray) -> None:
        start = chance.randrange(len(data) // 8192) * 8192
        data[start : start + 8192] = bytes(8192)

    def flipped(data: bytearray) -> None:
        start = data.index(np.float16(unit(400)[7, :6]).tobytes())  # in a vector
        data[start] ^= 1

    for change, always in ((cut, True), (garbage_in_front, True), (flipped, True), (page_of_zeros, False)):
        for _ in range(2):
            torn = damaged(whole, change)
            try:
                assert everything(torn) == held  # a page that nothing needs
                assert not always
            except GalleryError:
                pass
    empty = damaged(whole, lambda data: data.clear())
    with pytest.raises(GalleryError):
        open_store(empty)


def test_a_log_that_is_lost_or_cut_is_found_out(tmp_path: Path) -> None:
    store = open_store(tmp_path / "g")
    store.apply(BEGINNING)
    store.apply(Change(samples=[Sample(id=99)]))
    for name in ("lost", "cut"):
        copy = tmp_path / name
        shutil.copytree(tmp_path / "g", copy)
        log = copy / "gallery.sqlite-wal"
        if name == "lost":
            log.unlink()
        else:
            log.write_bytes(log.read_bytes()[: log.stat().st_size * 2 // 3])
        with pytest.raises(GalleryError, match=r"lost its last [12] changes.*'written'"):
            open_store(copy)
        (copy / "written").unlink()  # as the message says
        open_store(copy).close()
    store.close()


def test_another_database_is_no_gallery(tmp_path: Path) -> None:
    (tmp_path / "g").mkdir()
    with sqlite3.connect(tmp_path / "g" / "gallery.sqlite") as db:
        db.execute("CREATE TABLE people (name)")
    db.close()
    with pytest.raises(GalleryError, match="not a gallery's"):
        open_store(tmp_path / "g")


def halved(data: bytearray) -> None:
    del data[len(data) // 2 :]


def test_a_torn_index_is_made_anew(filled: tuple[Path, dict[str, Any]]) -> None:
    whole, held = filled
    names = [str(path.relative_to(whole)) for path in (whole / "index").iterdir()]
    for name in names:
        torn = damaged(whole, halved, file=name)
        assert everything(torn) == held
        store = open_store(torn)
        assert store.search(unit(400)[[5]], 1)[0].tolist() == [[105]]
        store.close()


@pytest.mark.parametrize("changes", [0, 5], ids=["later", "earlier"])
def test_the_index_of_another_gallery_is_not_believed(tmp_path: Path, changes: int) -> None:
    """Its generation is later than the gallery's, or earlier, with vectors of which the gallery knows nothing new."""
    stores = [open_store(tmp_path / name) for name in ("one", "two")]
    for store, count, seed in zip(stores, (4, 4 - bool(changes)), (0, 1), strict=True):
        ids = range(1, count + 1)
        store.apply(Change(samples=[Sample(id=one) for one in ids], vectors=(ids, unit(count, seed=seed)), space=SPACE))
    for _ in range(changes):
        stores[0].apply(Change())
    for _ in range(2):
        stores[1].apply(Change())
    stores[1].search(unit(1), 1)
    stores[1].close()
    shutil.copytree(tmp_path / "two" / "index", tmp_path / "one" / "index")
    assert stores[0].search(unit(4), 1)[0].ravel().tolist() == [1, 2, 3, 4]
    stores[0].close()


def test_an_index_that_finds_what_is_not_there(begun: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """The database has the last word, and an index that contradicts it is made anew."""
    begun.search(unit(1), 1)
    index = cast("Any", begun)._searcher._index
    index.add(np.array([77]), unit(1))
    index.remove(np.array([11]))
    ids, scores = begun.search(unit(4), 4)
    assert sorted(ids[0].tolist()) == [11, 12, 13, 14]
    assert np.isfinite(scores).all()


def test_reading_all_samples_takes_the_memory_of_a_portion() -> None:
    store = open_store(":memory:")
    crop = bytes(10_000)
    for start in range(1, 2001, 500):
        store.apply(Change(samples=[Sample(id=one, crop=crop) for one in range(start, start + 500)]))
    tracemalloc.start()
    assert sum(1 for _ in store.samples(crops=True)) == 2000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    store.close()
    assert peak < 12e6
