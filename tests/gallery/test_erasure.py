"""Deletion is complete: afterwards no file of the gallery has the bytes of a vector, a crop, a name or a source."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from mien.core.errors import StorageError
from mien.embeddings.packing import Precision, pack, unpack
from mien.gallery.indexing.index import Index
from mien.gallery.records import Change, Person, Sample
from mien.gallery.store import open_store
from mien.gallery.stores.sqlite import SqliteStore
from tests.gallery.holding import SPACE, unit

WIDTH = 64
PRECISIONS: tuple[Precision, ...] = ("f32", "f16", "i8")
FOUND = 12  #: so many bytes of something are taken for it: three numbers of f32, six of f16


def person(number: int) -> Person:
    return Person(id=f"p{number}", name=f"name-{number:07d}-{number * 7919 % 104729:07d}", note=f"note-{number:07d}")


def sample(number: int) -> Sample:
    crop = np.random.default_rng(number).bytes(3000 if number % 2 else 10_000)
    return Sample(
        id=number, person=f"p{number}", crop=crop, face=f"face-{number:07d}", picture=f"picture-{number:07d}",
        source=f"/photos/source-{number:07d}.jpg", words={"word": f"word-{number:07d}"},
    )  # fmt: skip


def vectors(numbers: list[int]) -> Any:
    return np.concatenate([unit(1, seed=number, width=WIDTH) for number in numbers])


def add(store: Any, numbers: list[int], **change: Any) -> None:
    people, samples = [person(one) for one in numbers], [sample(one) for one in numbers]
    store.apply(
        Change(people=people, samples=samples, vectors=(numbers, vectors(numbers)), **{"space": SPACE, **change})
    )


def forget(store: Any, numbers: list[int]) -> None:
    store.apply(Change(forget_people=[f"p{one}" for one in numbers], forget_samples=numbers))


def traces(numbers: list[int]) -> dict[bytes, str]:
    """What would give each of them away: texts, and pieces of the crop and of the vector however it is packed."""
    found: dict[bytes, str] = {}
    for number in numbers:
        one, name = sample(number), person(number)
        for text in (name.name, name.note, one.face, one.picture, one.source, one.words["word"]):
            found[str(text).encode()] = f"{number}: {text}"
        assert one.crop is not None
        for start in (0, len(one.crop) // 2, len(one.crop) - FOUND):
            found[one.crop[start : start + FOUND]] = f"{number}: crop"
        for precision in PRECISIONS:
            (blob,) = pack(vectors([number]), precision)
            # The index holds as f16 what was read from the database.
            (copy,) = pack(unpack([blob], precision, WIDTH), "f16")
            for packed, what in ((blob, precision), (copy, f"f16 of {precision}")):
                for start in (0, len(packed) // 2, len(packed) - FOUND):
                    found.setdefault(packed[start : start + FOUND], f"{number}: vector as {what}")
    return found


def search_files(folder: Path, numbers: list[int]) -> set[str]:
    """What of these people is in any file."""
    wanted = traces(numbers)
    seen = set()
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            seen |= {f"{path.name} has {what}" for trace, what in wanted.items() if trace in data}
    return seen


@pytest.fixture(autouse=True)
def eager(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each search saves the index, and it has all that the index of a large gallery has."""
    monkeypatch.setattr(Index, "worth_saving", True)
    monkeypatch.setattr(Index, "SMALL", 30, raising=False)


@pytest.mark.parametrize(
    "precision", ["f16", pytest.param("f32", marks=pytest.mark.slow), pytest.param("i8", marks=pytest.mark.slow)]
)
def test_nothing_is_left_of_who_was_deleted(tmp_path: Path, precision: Precision) -> None:
    store = open_store(tmp_path / "g", precision=precision)
    numbers = list(range(1, 61))
    for start in range(0, 60, 20):
        add(store, numbers[start : start + 20])
        store.search(vectors([1]), 1)  # the index is saved, and then grows
    gone, left = numbers[::3], [number for number in numbers if number % 3 != 1]
    control = search_files(tmp_path / "g", gone[:1])
    for where, what in (
        ("gallery.sqlite", "name-"),
        ("gallery.sqlite", "crop"),
        ("gallery.sqlite", "vector as"),
        ("vectors", "vector as"),
    ):
        assert any(found.startswith(where) and what in found for found in control), (where, what)
    for part in (gone[:7], gone[7:]):
        forget(store, part)
        store.search(vectors([2]), 1)
    store.erase()
    assert search_files(tmp_path / "g", gone) == set()
    # A membership test on scores: it is as if they had never been there.
    never = open_store(":memory:", precision=precision)
    add(never, left)
    for exact in (True, False):
        ours, theirs = (one.search(vectors(gone), 5, exact=exact) for one in (store, never))
        assert (ours[0] == theirs[0]).all()
        assert np.allclose(ours[1], theirs[1], atol=1e-6)
    store.close()
    assert search_files(tmp_path / "g", gone) == set()
    never.close()


def test_names_that_moved_between_pages(tmp_path: Path) -> None:
    """`secure_delete` alone leaves some of these behind: SQLite copies cells when it splits pages."""
    store = open_store(tmp_path / "g")
    chance = np.random.default_rng(0)
    names = {number: f"name-{chance.integers(10**9):09d}-{number:05d}" for number in range(1, 4001)}
    for start in range(1, 4001, 400):
        store.apply(Change(people=[Person(id=f"p{one}", name=names[one]) for one in range(start, start + 400)]))
    left = list(names)
    for _ in range(20):
        gone = set(chance.choice(left, len(left) // 10, replace=False).tolist())
        left = [one for one in left if one not in gone]
        store.apply(Change(forget_people=[f"p{one}" for one in gone]))
    store.erase()
    data = b"".join(path.read_bytes() for path in (tmp_path / "g").rglob("*") if path.is_file())
    assert {int(number) for number in re.findall(rb"name-\d{9}-(\d{5})", data)} == set(left)
    store.close()


def test_the_vectors_of_another_space_go_when_one_is_chosen(tmp_path: Path) -> None:
    store = open_store(tmp_path / "g", precision="f32")
    add(store, [1, 2, 3])
    store.search(vectors([1]), 1)
    new = unit(3, seed=77, width=24)
    store.apply(Change(vectors=([1, 2, 3], new), space="toy/2"))
    assert any("vector as f32" in what for what in search_files(tmp_path / "g", [1]))
    store.use_space("toy/2", 24)
    assert not any("vector" in what for what in search_files(tmp_path / "g", [1, 2, 3]))
    assert store.search(new, 1)[0].ravel().tolist() == [1, 2, 3]
    store.close()


def test_a_replaced_crop_and_vector_go(tmp_path: Path) -> None:
    store = open_store(tmp_path / "g", precision="f32")
    add(store, [1])
    store.search(vectors([1]), 1)
    store.apply(Change(samples=[Sample(id=1, person="p1", crop=b"")], vectors=([1], vectors([2]))))
    store.erase()
    found = {what.partition(": ")[2] for what in search_files(tmp_path / "g", [1])}
    assert found == {str(person(1).name), person(1).note}
    store.close()


def test_a_torn_index_is_no_hiding_place(tmp_path: Path) -> None:
    store = open_store(tmp_path / "g", precision="f32")
    add(store, list(range(1, 41)))
    store.search(vectors([1]), 1)
    store.close()
    (manifest,) = (tmp_path / "g" / "index").glob("manifest*")
    manifest.write_bytes(b"{")
    (tmp_path / "g" / "index" / "left-behind").write_bytes(vectors([1]).tobytes())
    store = open_store(tmp_path / "g")
    forget(store, [1])
    store.erase()
    assert search_files(tmp_path / "g", [1]) == set()
    assert store.search(vectors([2]), 1)[0].tolist() == [[2]]
    store.close()


def test_an_index_that_another_process_has_open(tmp_path: Path) -> None:
    first, second = open_store(tmp_path / "g"), open_store(tmp_path / "g")
    add(first, list(range(1, 41)))
    first.search(vectors([1]), 1)
    assert second.search(vectors([1]), 1)[0].tolist() == [[1]]
    forget(first, [1, 5])
    first.erase()
    assert search_files(tmp_path / "g", [1, 5]) == set()
    assert second.search(vectors([2, 1, 5]), 1)[0][0].tolist() == [2]
    add(second, [50])
    second.search(vectors([50]), 1)
    second.close()
    first.close()
    assert search_files(tmp_path / "g", [1, 5]) == set()


def test_what_cannot_be_erased_now_is_erased_when_it_is_opened_next(tmp_path: Path) -> None:
    store = SqliteStore.open(str(tmp_path / "g"), patience=0.05)
    add(store, [1, 2])
    forget(store, [1])
    reader = sqlite3.connect(tmp_path / "g" / "gallery.sqlite", isolation_level=None)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM samples").fetchone()  # holds on to a moment of the past
    with pytest.raises(StorageError, match="erased when it is opened next"):
        store.erase()
    store.close()
    still = open_store(tmp_path / "g")  # tries, cannot, and opens all the same
    assert [one.id for one in still.samples()] == [2]
    still.close()
    reader.execute("COMMIT")
    reader.close()
    open_store(tmp_path / "g").close()
    assert search_files(tmp_path / "g", [1]) == set()


def test_a_process_that_dies_before_it_erases(tmp_path: Path) -> None:
    store = open_store(tmp_path / "g")
    add(store, list(range(1, 41)))
    store.search(vectors([1]), 1)
    forget(store, [1])
    cast("Any", store)._database.close()  # as if it were gone
    again = open_store(tmp_path / "g")
    assert search_files(tmp_path / "g", [1]) == set()
    with cast("Any", again)._database.reading() as db:
        assert db.execute("SELECT unerased FROM state").fetchone() == (0,)  # it is done once
    again.close()


def test_a_copy_has_nothing_of_who_was_deleted(tmp_path: Path) -> None:
    store = open_store(tmp_path / "g")
    add(store, [1, 2])
    store.search(vectors([1]), 1)  # so that there is an index
    forget(store, [1])
    store.backup(tmp_path / "copy")
    assert search_files(tmp_path / "copy", [1]) == set()
    assert any("name" in what for what in search_files(tmp_path / "copy", [2]))
    store.erase()
    store.backup(tmp_path / "another")
    assert search_files(tmp_path / "another", [1]) == set()
    assert (tmp_path / "another" / "index").exists()
    store.close()
