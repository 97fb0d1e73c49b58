"""Adding libraries of painted people: every picture is looked at once, and every face is there once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mien.core.errors import SourceError
from mien.core.image import save_image
from mien.gallery.intake import hash_file
from mien.gallery.people import Gallery
from tests.gallery import painted

ADA, BOB = 1, 2


@pytest.fixture
def gallery() -> Iterator[Gallery]:
    with painted.engine() as engine, Gallery(":memory:", engine=engine) as made:
        yield made


def test_pictures_without_a_face_are_looked_at_once(gallery: Gallery, tmp_path: Path) -> None:
    for n in range(3):
        save_image(painted.picture(size=100 + n), tmp_path / f"landscape{n}.png")
    painted.save(tmp_path, "nobody.png", (painted.NOBODY, 0))
    (tmp_path / "torn.png").write_bytes(b"?")
    first = gallery.add(tmp_path)
    assert (first.pictures, first.faces, first.known, first.poor, len(first.failures)) == (5, 0, 0, 1, 1)
    (tmp_path / "landscape0.png").rename(tmp_path / "renamed.png")
    second = gallery.add(tmp_path)
    assert (second.pictures, second.known, len(second.failures)) == (1, 4, 1)  # what could not be read is tried again
    third = gallery.add(tmp_path, again=True)
    assert (third.pictures, third.known, third.poor) == (5, 0, 1)


def test_deleted_people_come_back_only_if_asked_for(gallery: Gallery, tmp_path: Path) -> None:
    enrolled = painted.save(tmp_path, "a.png", (ADA, 0))
    gallery.enroll("ada", enrolled)
    painted.save(tmp_path, "b.png", (BOB, 0))
    assert gallery.add(tmp_path).faces == 1
    gallery.delete("ada")
    again = gallery.add(tmp_path)
    assert (again.pictures, again.faces, again.known) == (0, 0, 2)
    looked = gallery.add(tmp_path, again=True)
    assert (looked.pictures, looked.faces, looked.known) == (1, 1, 1)  # of bob there is a face already
    assert {sample.source for sample in gallery.faces()} == {str(enrolled), str(tmp_path / "b.png")}


def test_a_file_that_is_there_twice_is_one_picture(gallery: Gallery, tmp_path: Path) -> None:
    path = painted.save(tmp_path, "a.png", (ADA, 0))
    shutil.copy(path, tmp_path / "copy.png")
    done = gallery.add([tmp_path, path])
    assert (done.pictures, done.faces, done.known) == (1, 1, 2)


def test_what_is_remembered_tells_nobody_which_pictures_there_were(gallery: Gallery, tmp_path: Path) -> None:
    path = painted.save(tmp_path, "landscape.png")
    gallery.add(path)
    assert gallery.store.looked([hash_file(path), str(path)]) == set()
    with painted.engine() as engine, Gallery(":memory:", engine=engine) as other:
        assert other.add(path).pictures == 1


class Film(AbstractContextManager["Film"]):
    """Two people in four frames; the file may be cut off behind them."""

    torn = False

    def __iter__(self) -> Iterator[Any]:
        people = [[(ADA, 0)], [], [(ADA, 1), (BOB, 1)], [(BOB, 2)]]
        for index, shown in enumerate(people):
            yield SimpleNamespace(image=painted.picture(*shown), index=index, time=index / 25)
        if self.torn:
            raise SourceError("it is cut off.")

    def __exit__(self, *_: object) -> None:
        pass


def test_a_film_is_looked_at_once(gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.engine.scanning.open_video", lambda _: Film())
    film, other = tmp_path / "a.mp4", tmp_path / "b.mp4"
    film.write_bytes(b"one")
    other.write_bytes(b"two")
    landscape = painted.save(tmp_path, "landscape.png")
    monkeypatch.setattr(Film, "torn", True)
    broken = gallery.add(film)
    assert (broken.faces, len(broken.failures)) == (4, 1)
    monkeypatch.setattr(Film, "torn", False)
    done = gallery.add([film, other, landscape])
    assert (done.pictures, done.faces, done.known) == (9, 4, 0)  # of the first one, all faces were there
    faces = gallery.faces()
    assert len({sample.face for sample in faces}) == len({(s.source, s.box) for s in faces}) == 8
    assert gallery.add([film, other, landscape]).known == 3
    assert gallery.add([film, landscape], again=True).faces == 0
    gallery.delete_faces(faces)
    assert gallery.add([film, other]).known == 2
    assert gallery.add(film, again=True).faces == 4


def test_what_is_written_is_remembered_at_once(
    gallery: Gallery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mien.gallery.adding.AT_ONCE", 2)
    for n in range(5):
        save_image(painted.picture(*[(ADA, n)] * (n % 2), size=100 + n), tmp_path / f"{n}.png")

    def stop(done: Any) -> None:
        if done.pictures == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gallery.add(tmp_path, progress=stop)
    again = gallery.add(tmp_path)
    assert (again.pictures, again.known) == (1, 4)


def test_nothing_new_writes_nothing(gallery: Gallery, tmp_path: Path) -> None:
    painted.save(tmp_path, "a.png", (ADA, 0))
    gallery.add(tmp_path)
    generation = gallery.store.generation()
    gallery.add(tmp_path)
    assert gallery.store.generation() == generation
