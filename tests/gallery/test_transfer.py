"""Galleries that are carried from place to place: Parquet files, and names in picture files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest

from mien.core.errors import EmbeddingSpaceMismatch, GalleryChanged, GalleryError, SourceError, UsageError
from mien.gallery.people import Gallery
from mien.gallery.records import Change, Where
from mien.gallery.transfer import Loaded
from mien.media.regions import Region, read_regions, sidecar_of, write_regions
from tests.gallery import painted

ADA, BOB, EVE = 1, 2, 3


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    with painted.engine() as engine, Gallery(":memory:", engine=engine, crops=True) as made:
        yield made


@pytest.fixture
def full(gallery: Gallery, tmp_path: Path) -> Gallery:
    gallery.enroll("ada", [painted.save(tmp_path, f"a{n}.png", (ADA, n)) for n in range(3)], note="form 7")
    gallery.enroll("bob", vectors=painted.vector(BOB, 0), words={"event": "fair", "age": 30.0})
    gallery.add(painted.save(tmp_path, "x.png", (EVE, 0)), want={"pose"})
    gallery.link(gallery.faces("ada")[0], gallery.faces("bob")[0], same=False)
    return gallery


def content(gallery: Gallery) -> list[tuple[object, ...]]:
    names = {person.id: person.name for person in gallery.people()}
    return [
        (names.get(s.person or ""), s.picture, s.box, s.size, s.taken, s.created, s.confirmed, s.model, dict(s.words))
        for s in gallery.faces()
    ]


@pytest.mark.parametrize("crops", [False, True])
def test_what_is_exported_is_loaded(full: Gallery, tmp_path: Path, crops: bool) -> None:
    folder = full.export(tmp_path / "out", crops=crops)
    with painted.engine() as engine, Gallery(":memory:", engine=engine) as other:
        assert other.load(folder) == Loaded(people=2, faces=5, links=1, joined=0, known=0)
        assert content(other) == content(full)
        np.testing.assert_allclose(other.vectors(other.faces()).values, full.vectors(full.faces()).values, atol=2e-3)
        assert other.person("ada").note == "form 7"
        assert all(bool(s.crop) == (crops and bool(s.picture)) for s in other.faces(crops=True))
        first, second = (other.store.links()[0].first, other.store.links()[0].second)
        assert {s.id for s in (other.faces("ada")[0], other.faces("bob")[0])} == {first, second}
        again = other.load(folder)
        assert again == Loaded(people=0, faces=0, links=0, joined=2, known=5)
    assert full.load(folder) == again  # into the gallery that it came from, too


def test_loading_again_goes_on_where_it_was(full: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nameless = full.split("ada", full.faces("ada")[1:])
    full.move(full.faces(where=Where(people="nobody")), nameless)
    folder = full.export(tmp_path / "out")
    monkeypatch.setattr("mien.gallery.tables.AT_ONCE", 2)
    with painted.engine() as engine, Gallery(":memory:", engine=engine) as other:
        apply, calls = other.store.apply, [0]

        def stop(change: Change, **options: Any) -> None:
            calls[0] += 1
            if calls[0] == 4:
                raise KeyboardInterrupt
            apply(change, **options)

        monkeypatch.setattr(other.store, "apply", stop)
        with pytest.raises(KeyboardInterrupt):
            other.load(folder)
        monkeypatch.undo()
        assert 0 < other.store.counts().samples < 5
        other.load(folder)
        assert content(other) == content(full)
        assert sorted(len(other.faces(person)) for person in other) == [1, 1, 3]
        one, two = other.faces()[0], other.faces()[3]
        other.link(one, two, same=True)  # where the export says otherwise: what is said here stays
        other.load(folder)
        assert all(link.same for link in other.store.links([one.id]) if two.id in {link.first, link.second})


def rewrite(path: Path, **columns: Any) -> None:
    table = parquet.read_table(path)
    for name, column in columns.items():
        table = table.set_column(table.schema.get_field_index(name), name, column)
    parquet.write_table(table, path)


@pytest.mark.parametrize(
    ("table", "columns", "told"),
    [
        ("people", {"name": [["p1", "p2"]]}, "ids are"),
        ("people", {"name": [["x" * 2000, "bob"]]}, "at most 1,000"),
        ("people", {"id": [[None, "p2"]]}, "without id"),
        ("people", {"created": [["x", "y"]]}, "torn, or no table"),
        ("samples", {"id": [[None] * 5]}, "without id"),
        ("samples", {"words": [["[" * 100_000] * 5]}, "malformed"),
        ("samples", {"words": [["[1]"] * 5]}, "malformed"),
        ("samples", {"quality": [[7.0] * 5]}, "quality is in"),
        ("samples", {"vector": [[[0.0] * 32] * 5]}, "not all zero"),
        ("samples", {"vector": [[[1.0]] * 5]}, "vectors are"),
        ("links", {"same": [[None]]}, "without first or second or same"),
    ],
)
def test_hostile_tables_are_refused(
    full: Gallery, tmp_path: Path, table: str, columns: dict[str, Any], told: str
) -> None:
    folder = full.export(tmp_path / "out")
    rewrite(folder / f"{table}.parquet", **columns)
    with painted.engine() as engine, Gallery(":memory:", engine=engine) as other:
        other.enroll("eve", vectors=painted.vector(EVE, 0), space=painted.SPACE)
        with pytest.raises((GalleryError, UsageError), match=told):
            other.load(folder)
        assert len(other.faces("eve")) == 1


def test_tables_of_different_moments_are_no_export(full: Gallery, tmp_path: Path) -> None:
    rows = full._link_rows

    def meanwhile() -> Any:
        full.delete("bob")
        return rows()

    full._link_rows = meanwhile  # type: ignore[method-assign]
    with pytest.raises(GalleryChanged, match="changed while it was exported"):
        full.export(tmp_path / "out")
    assert not [path for path in tmp_path.iterdir() if "out" in path.name]


def test_what_is_no_export(full: Gallery, tmp_path: Path) -> None:
    folder = full.export(tmp_path / "out")
    with pytest.raises(UsageError, match="there already"):
        full.export(folder)
    with pytest.raises(SourceError, match="no export"):
        full.load(tmp_path / "nothing")
    about = json.loads((folder / "gallery.json").read_text())
    for changes, error in (
        ({"format": 99}, GalleryError),
        ({"format": "1"}, GalleryError),
        ({"space": 5}, GalleryError),
        ({"space": "clip/1"}, EmbeddingSpaceMismatch),
    ):
        (folder / "gallery.json").write_text(json.dumps(about | changes))
        with pytest.raises(error):
            full.load(folder)
    for text in ("[", "[" * 10_000, '{"format": 1}', "\udcff"):
        (folder / "gallery.json").write_text(text, errors="surrogateescape")
        with Gallery(":memory:") as other, pytest.raises((GalleryError, UsageError)):
            other.load(folder)
    for verb in (full.load, full.export):
        with pytest.raises(UsageError, match="NUL"):
            verb("a\0b")
    (folder / "gallery.json").write_text(json.dumps(about))
    data = (folder / "samples.parquet").read_bytes()
    (folder / "samples.parquet").write_bytes(data[: len(data) // 2])
    with pytest.raises(GalleryError, match="torn"):
        full.load(folder)
    (folder / "samples.parquet").write_bytes((folder / "links.parquet").read_bytes())
    with pytest.raises(GalleryError, match="lacks the columns"):
        full.load(folder)
    (folder / "samples.parquet").unlink()
    with pytest.raises(SourceError, match="missing"):
        full.load(folder)


# -- names in picture files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sidecar", [True, False])
def test_names_go_into_pictures_and_come_back(gallery: Gallery, tmp_path: Path, sidecar: bool) -> None:
    two = painted.save(tmp_path, "two.png", (ADA, 0), (BOB, 0))
    gallery.add(two)
    ada, bob = gallery.faces()
    gallery.enroll("ada", vectors=painted.vector(ADA, 1))
    gallery.enroll("bob", vectors=painted.vector(BOB, 1))
    gallery.move([ada], "ada")
    gallery.move([bob], "bob")
    done = gallery.write_regions(tmp_path, sidecar=sidecar, confirmed=True)
    assert (done.pictures, done.faces, done.failures) == (1, 2, [])
    assert sidecar_of(two).is_file() == sidecar
    assert {region.name: region.box for region in read_regions(two)} == {
        "ada": pytest.approx(ada.box, abs=0.01),
        "bob": pytest.approx(bob.box, abs=0.01),
    }
    assert gallery.add(two).known == 1  # it is still the same picture, though its bytes may have changed
    with painted.engine() as engine, Gallery(":memory:", engine=engine) as other:
        other.add(two)
        done = other.read_regions(tmp_path)
        assert (done.pictures, done.faces, done.people, done.unmatched) == (1, 2, 2, 0)
        assert [str(other.person(s.person or "")) for s in other.faces()] == ["ada", "bob"]
        assert all(sample.confirmed for sample in other.faces())


def test_what_a_human_said_is_not_overwritten(gallery: Gallery, tmp_path: Path) -> None:
    path = painted.save(tmp_path, "a.png", (ADA, 0))
    gallery.enroll("ada", path)
    box = gallery.faces("ada")[0].box
    assert box
    write_regions(path, [Region(box, "eve"), Region((60, 60, 90, 90), "kit"), Region((0, 0, 9, 9), "p7")])
    done = gallery.read_regions(path)
    assert (done.faces, done.unmatched, [person.name for person in gallery.people()]) == (0, 2, ["ada"])
    assert "'eve' where 'ada' was confirmed" in done.failures[0].reason
    assert gallery.write_regions(tmp_path / "nothing").failures


def test_regions_around_other_faces_stay(gallery: Gallery, tmp_path: Path) -> None:
    path = painted.save(tmp_path, "a.png", (ADA, 0), (BOB, 0))
    gallery.add(path)
    ada, bob = gallery.faces()
    assert ada.box
    assert bob.box
    write_regions(path, [Region(ada.box, "wrong"), Region(bob.box, "Bob"), Region((60, 60, 90, 90), "from behind")])
    gallery.enroll("ada", vectors=painted.vector(ADA, 1))
    gallery.move(ada, "ada")
    for _ in range(2):
        assert gallery.write_regions(path).faces == 1
        assert {region.name for region in read_regions(path)} == {"ada", "Bob", "from behind"}


def test_names_in_pictures_are_names_and_no_ids(gallery: Gallery, tmp_path: Path) -> None:
    persian = "علی\u200cرضا\n"  # the joiner is a part of it, and no region holds the line's end
    path = painted.save(tmp_path, "a.png", (ADA, 0))
    ada = gallery.enroll(persian, path).person
    bob = painted.save(tmp_path, "b.png", (BOB, 0))
    gallery.add(bob)
    gallery.write_regions(path)
    assert gallery.read_regions(path).failures == []
    assert [sample.person for sample in gallery.faces(persian)] == [ada.id]
    write_regions(bob, [Region((35, 20, 55, 40), ada.id), Region((5, 20, 25, 40), ada.id)])
    assert "ids are" in gallery.read_regions(bob).failures[0].reason
    assert len(gallery.faces(persian)) == 1


def test_a_picture_without_names_is_left_alone(gallery: Gallery, tmp_path: Path) -> None:
    path = painted.save(tmp_path, "a.png", (ADA, 0))
    gallery.add(path)
    assert gallery.write_regions(path).pictures == 0
    assert not sidecar_of(path).exists()
    assert gallery.read_regions(path).pictures == 0
