"""Scanning folders: in order, with failures as records, bounded memory, and errors of the call at once."""

from __future__ import annotations

import errno
import itertools
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.core.errors import LicenseRefused, UnknownField, UsageError
from mien.engine.scanning import chunks, in_order
from mien.models.catalogue import Catalogue
from tests.engine import fakes
from tests.engine.test_engine import make, picture


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "sub").mkdir()
    for place, greys in enumerate([(200,), (), (250, 100)]):
        mien.save_image(picture(*greys), tmp_path / f"{place}.png")
    mien.save_image(np.full((20, 20, 3), fakes.HOSTILE, np.uint8), tmp_path / "3-hostile.png")
    (tmp_path / "4-broken.jpg").write_bytes(b"\xff\xd8 this is no picture")
    (tmp_path / "notes.txt").write_text("not a picture, and not looked at")
    (tmp_path / "._0.png").write_bytes(b"another program's")
    mien.save_image(picture(100), tmp_path / "sub" / "5.png")
    return tmp_path


def test_every_picture_gives_faces_or_a_failure_in_order(folder: Path) -> None:
    with make() as engine:
        items = list(mien.scan(folder, want={"pose"}, engine=engine))
    assert [Path(item.source).name for item in items] == [
        "0.png", "1.png", "2.png", "3-hostile.png", "4-broken.jpg", "5.png",
    ]  # fmt: skip
    assert [len(item.faces) if item.faces is not None else None for item in items] == [1, 0, 2, None, None, 1]
    assert items[2].faces is not None
    assert items[2].faces.pose.yaw.tolist() == [250, 100]
    assert items[2].faces.image is None
    kinds = [item.failure.kind for item in items if item.failure]
    assert kinds == ["ImageError", "ImageError"]
    assert "4-broken.jpg" in str(items[4].to_dict()["failure"]["message"])
    assert items[0].to_dict()["width"] == 100


def test_pictures_are_kept_on_request(folder: Path) -> None:
    with make() as engine:
        item = next(iter(engine.scan(folder / "0.png", keep_images=True)))
    assert item.faces is not None
    assert item.faces.draw().shape == (100, 100, 3)


def test_batches_across_pictures_give_the_same(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with make() as engine:
        alone = [item.to_dict() for item in engine.scan(folder, want={"pose", "embedding"})]
        monkeypatch.setattr(type(engine), "_pictures_at_once", 4)
        together = [item.to_dict() for item in engine.scan(folder, want={"pose", "embedding"})]
    assert together == alone


def test_a_missing_file_is_a_record_and_the_rest_goes_on(folder: Path) -> None:
    with make() as engine:
        items = list(engine.scan([folder / "gone.png", folder / "0.png"]))
    assert items[0].failure is not None
    assert items[0].failure.kind == "SourceError"
    assert items[1].faces is not None


def test_globs(folder: Path) -> None:
    with make() as engine:
        assert len(list(engine.scan(str(folder / "**" / "*.png")))) == 5
        assert len(list(engine.scan(str(folder / "[01].png")))) == 2
        assert len(list(engine.scan(str(folder / "**")))) == 6
        nothing = list(engine.scan(str(folder / "*.gif")))
    assert [item.failure.message for item in nothing if item.failure] == [f"no picture matches {folder}/*.gif."]


def test_a_folder_without_pictures_is_a_record_and_the_rest_goes_on(folder: Path) -> None:
    (folder / "empty").mkdir()
    with make() as engine:
        items = list(engine.scan([folder / "0.png", folder / "empty", folder / "2.png"]))
    assert [Path(item.source).name for item in items] == ["0.png", "empty", "2.png"]
    assert items[1].failure is not None
    assert items[1].failure.message == f"no pictures in the folder {folder}/empty."
    assert items[2].faces is not None


def test_a_subfolder_that_cannot_be_read_is_a_record(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.scandir

    def scandir(path: str) -> Iterator[os.DirEntry[str]]:
        if str(path).endswith("sub"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with make() as engine:
        items = list(engine.scan(folder))
    assert len(items) == 6
    assert items[-1].failure is not None
    assert items[-1].failure.message == f"cannot read the folder {folder}/sub: Permission denied."


def test_what_is_no_source_at_all() -> None:
    with make() as engine, pytest.raises(UsageError, match="not in 5"):
        list(engine.scan(5))


def test_errors_of_the_call_come_before_the_first_picture(folder: Path) -> None:
    with make(licenses="strict") as engine, pytest.raises(LicenseRefused):
        engine.scan(folder)
    with make() as engine, pytest.raises(UnknownField):
        engine.scan(folder, want={"aura"})
    only_faces = Catalogue([card for card in fakes.catalogue() if card.id == "squares"])
    with make(catalogue=only_faces) as engine, pytest.raises(UsageError, match="no model gives 'presence'"):
        engine.scan(folder, check=True)


def test_a_video_gives_an_item_per_frame(tmp_path: Path) -> None:
    import cv2

    path = tmp_path / "clip.avi"
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*"FFV1"), 10, (100, 100))  # type: ignore[attr-defined]
    for greys in ((), (200,), (250, 100)):
        writer.write(picture(*greys))
    writer.release()
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with make() as engine:
        items = list(engine.scan([path, tmp_path / "broken.mp4"]))
    assert [len(item.faces) for item in items[:3] if item.faces is not None] == [0, 1, 2]
    assert [item.time for item in items[:3]] == pytest.approx([0.0, 0.1, 0.2])
    assert (items[1].to_dict()["frame"], items[1].to_dict()["time"]) == (1, 0.1)
    assert items[3].failure is not None
    assert "broken.mp4" in items[3].failure.message


def test_chunks() -> None:
    assert list(chunks(range(5), 2)) == [[0, 1], [2, 3], [4]]
    assert list(chunks([], 2)) == []


def test_results_come_in_order_with_a_bounded_number_ahead() -> None:
    begun: list[int] = []

    def work(number: int) -> int:
        begun.append(number)
        time.sleep(0.002 if number % 3 else 0.01)
        return number

    read = 0

    def sources() -> Iterator[int]:
        nonlocal read
        for number in itertools.count():
            read += 1
            yield number

    results = in_order(work, sources(), workers=3)
    assert list(itertools.islice(results, 30)) == list(range(30))
    assert read <= 30 + 2 * 3  # no more than two for each worker are held
    results.close()
    assert len(begun) <= read


def test_leaving_early_cancels_what_has_not_begun() -> None:
    begun: list[int] = []
    may_go = threading.Event()

    def work(number: int) -> int:
        begun.append(number)
        if number:
            may_go.wait(10)
        return number

    results = in_order(work, itertools.count(), workers=2)
    assert next(results) == 0  # by now 0 to 3 are handed in
    while len(begun) < 3:  # and 1 and 2 keep the two workers busy
        time.sleep(0.001)
    threading.Timer(0.05, may_go.set).start()
    results.close()  # waits for these two, and begins no other
    assert sorted(begun) == [0, 1, 2]


def test_an_unexpected_error_is_raised_at_its_place() -> None:
    def work(number: int) -> int:
        if number == 2:
            raise ZeroDivisionError
        return number

    results = in_order(work, iter(range(5)), workers=2)
    assert [next(results), next(results)] == [0, 1]
    with pytest.raises(ZeroDivisionError):
        next(results)
