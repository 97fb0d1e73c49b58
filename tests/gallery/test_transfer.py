"""Galleries that are carried from place to place: Parquet files, and names in picture files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import EmbeddingSpaceMismatch, GalleryError, SourceError, UsageError
from mien.gallery.people import Gallery
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
        assert (again.people, again.joined, again.known) == (0, 2, 4)  # plain vectors have no face to be known by


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
    (folder / "gallery.json").write_text("[")
    with pytest.raises(GalleryError):
        full.load(folder)
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


def test_a_picture_without_names_is_left_alone(gallery: Gallery, tmp_path: Path) -> None:
    path = painted.save(tmp_path, "a.png", (ADA, 0))
    gallery.add(path)
    assert gallery.write_regions(path).pictures == 0
    assert not sidecar_of(path).exists()
    assert gallery.read_regions(path).pictures == 0
