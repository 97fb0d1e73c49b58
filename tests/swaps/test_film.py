"""Frames of edited videos: where they go, and that nothing is there after an error."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ImageError, StorageError, UsageError
from mien.core.image import Image, load_image
from mien.media.encoding import VideoWriter
from mien.media.provenance import Provenance, provenance
from mien.media.video import Frame, Video, open_video
from mien.swaps.film import Pictures, film, open_writer
from tests.media import films

MARK = Provenance.composed(Provenance())


@pytest.fixture
def video(tmp_path: Path) -> Iterator[Video]:
    path = films.film(tmp_path / "a.mkv", films.greys(4), codec="ffv1", pixels="bgr0", clock=1000)
    with open_video(path) as opened:
        yield opened


def darker(frames: Video) -> Generator[Frame, None, None]:
    return (replace(frame, image=frame.image // 2) for frame in frames)


def test_each_edited_frame_is_given_when_it_is_written(video: Video, tmp_path: Path) -> None:
    writer = open_writer(tmp_path / "b.mkv", like=video, provenance=MARK)
    assert isinstance(writer, VideoWriter)
    shades = [int(frame.image[0, 0, 0]) for frame in film(darker(video), writer, source=video)]
    assert shades == [int(image[0, 0, 0]) // 2 for image in films.greys(4)]
    assert provenance(tmp_path / "b.mkv") == MARK


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("%05d.png", ["00000.png", "00001.png"]), ("a%d-.jpg", ["a0-.jpg", "a1-.jpg"]), ("%2d.tif", ["00.tif", "01.tif"])]
)  # fmt: skip
def test_pictures_have_numbers(tmp_path: Path, pattern: str, names: list[str]) -> None:
    with Pictures(tmp_path / "new" / pattern, provenance=MARK) as writer:
        for image in films.greys(2):
            writer.write(image, 0.5)
        assert not [path for path in (tmp_path / "new").iterdir() if path.name in names], "not before all are there"
    assert sorted(path.name for path in (tmp_path / "new").iterdir()) == names
    assert provenance(tmp_path / "new" / names[1]) == MARK


def test_pictures_keep_alpha(tmp_path: Path) -> None:
    image: Image = np.zeros((4, 6, 4), np.uint8)
    with Pictures(tmp_path / "%d.png", provenance=MARK) as writer:
        writer.write(image)
    assert load_image(tmp_path / "0.png").min() == 255, "nothing, over white"


@pytest.mark.parametrize("error", [ImageError("broken."), RuntimeError("mistake")])
@pytest.mark.parametrize("name", ["b.mp4", "%d.png"])
def test_an_error_leaves_nothing(video: Video, tmp_path: Path, name: str, error: Exception) -> None:
    def broken() -> Generator[Frame, None, None]:
        yield next(video)
        raise error

    writer = open_writer(tmp_path / name, like=video, provenance=MARK)
    with pytest.raises(type(error)):
        list(film(broken(), writer, source=video))
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


@pytest.mark.parametrize("name", ["b.mp4", "%d.png"])
def test_ctrl_c_and_whoever_stops_keep_what_there_is(video: Video, tmp_path: Path, name: str) -> None:
    def interrupted() -> Generator[Frame, None, None]:
        yield next(video)
        raise KeyboardInterrupt

    writer = open_writer(tmp_path / name, like=video, provenance=MARK)
    with pytest.raises(KeyboardInterrupt):
        list(film(interrupted(), writer, source=video))
    made = tmp_path / name.replace("%d", "0")
    assert provenance(made) == MARK
    made.unlink()
    with open_video(tmp_path / "a.mkv") as again:
        with closing(
            film(darker(again), open_writer(tmp_path / name, like=again, provenance=MARK), source=again)
        ) as frames:
            next(frames)
        assert provenance(made) == MARK
        assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["a.mkv", made.name])


@pytest.mark.parametrize("name", ["b.mp4", "new/%d.png"])
def test_what_nobody_starts_leaves_nothing(video: Video, tmp_path: Path, name: str) -> None:
    film(darker(video), open_writer(tmp_path / name, like=video, provenance=MARK), source=video)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


@pytest.mark.parametrize("name", ["b.txt", "b", "b.png", "%d.bmp", "%d.mp4", "%d"])
def test_names_of_nothing_that_can_be_written(video: Video, tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot write"):
        open_writer(tmp_path / name, like=video, provenance=MARK)
    assert [path.name for path in tmp_path.iterdir()] == ["a.mkv"]


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_closed(video: Video, tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0o500)
    with pytest.raises(StorageError), open_writer(tmp_path / "closed" / "%d.png", like=video, provenance=MARK):
        pass


def test_a_file_in_the_way(video: Video, tmp_path: Path) -> None:
    (tmp_path / "way").write_text("in it")
    for name in ("b.mp4", "%d.png"):
        with pytest.raises(StorageError), open_writer(tmp_path / "way" / name, like=video, provenance=MARK):
            pytest.fail("it is known before the first frame")
    (tmp_path / "0.png").mkdir()
    with pytest.raises(StorageError), Pictures(tmp_path / "%d.png", provenance=MARK) as writer:
        writer.write(films.greys(1)[0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0.png", "a.mkv", "way"]
