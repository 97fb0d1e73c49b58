"""``mien background`` on a fake model: its files, its records, its exit codes, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.core.image import Image, load_image, save_image
from mien.media.encoding import VideoWriter
from mien.media.provenance import provenance
from mien.media.video import open_video
from mien.models.catalogue import Catalogue
from tests.cli.test_commands import Run, run
from tests.media.films import film, sine
from tests.swaps import mattes
from tests.swaps.mattes import person

__all__ = ["run"]  # the fixture

GREEN = (0, 177, 64)


@pytest.fixture(autouse=True)
def models(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Catalogue, "load", staticmethod(mattes.catalogue))


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name in ("a.png", "sub/a.jpg", "sub/b.bmp"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        save_image(person(), folder / name)
    (folder / "sub" / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    people = [person(shift=2 * i) for i in range(5)]
    return film(tmp_path / "clip.mkv", people, rate=10, codec="ffv1", pixels="bgr0", clock=1000, sound=sine(0.5))


def test_a_picture(run: Run, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "b.webp"
    result = run("background", photos / "a.png", "--color", "#00b140", "--out", out)
    assert result.code == 0, result.err
    record = json.loads(result.out)
    assert record["source"] == str(photos / "a.png")
    assert record["path"] == str(out)
    assert (record["backdrop"], record["matte"]) == ("color", "reds")
    assert np.abs(load_image(out)[5, 5].astype(int) - GREEN).max() < 12
    assert provenance(out).source_type == "composite"


def test_a_folder_keeps_its_tree_and_one_failure_is_one_record(run: Run, photos: Path, tmp_path: Path) -> None:
    out = photos / "out"  # within what is read: a second run does not take its own results
    for _ in range(2):
        result = run("background", photos, tmp_path / "gone.png", "--blur", 6, "--out", out)
        assert result.code == 1
        records = [json.loads(line) for line in result.out.splitlines()]
        read = [Path(record["source"]).name for record in records]
        assert read == ["a.png", "a.jpg", "b.bmp", "broken.jpg", "gone.png"]
        assert [record["failure"]["kind"] for record in records if "failure" in record] == ["ImageError", "SourceError"]
        made = sorted(str(path.relative_to(out)) for path in out.rglob("*.*"))
        assert made == ["a.png", "sub/a.jpg", "sub/b.jpg"]
        assert "done: 3, failed: 2" in result.err
    assert all(provenance(out / name) for name in made)


def test_cut_outs_are_files_that_hold_them(run: Run, photos: Path, clip: Path, tmp_path: Path) -> None:
    sources = (photos / "a.png", photos / "sub" / "a.jpg", photos / "sub" / "b.bmp", clip)
    assert run("background", *sources, "--transparent", "--out", tmp_path / "out").code == 0
    names = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert names == ["a.png", "a~2.png", "b.png", "clip.webm"]


def test_a_video(run: Run, clip: Path, photos: Path, tmp_path: Path) -> None:
    out = tmp_path / "b.mp4"
    result = run("background", clip, "--image", photos / "a.png", "--size", "balanced", "--out", out)
    assert result.code == 0, result.err
    assert json.loads(result.out)["frames"] == 5
    with open_video(out) as video:
        assert video.has_audio
        assert len(list(video)) == 5
    told = run("provenance", out)
    assert json.loads(told.out)["source_type"] == "composite"


def test_pictures_become_a_video_and_a_video_pictures(run: Run, clip: Path, tmp_path: Path) -> None:
    pattern = tmp_path / "frames" / "%03d.png"
    assert run("background", clip, "--blur", 3, "--out", pattern).code == 0
    assert len(list((tmp_path / "frames").iterdir())) == 5
    assert run("background", tmp_path / "frames", "--blur", 3, "--fps", 5, "--out", tmp_path / "b.mp4").code == 0
    with open_video(tmp_path / "b.mp4") as video:
        assert [frame.time for frame in video] == pytest.approx([0, 0.2, 0.4, 0.6, 0.8], abs=2e-3)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--out", "x.png"), "one of: blur, color, image, transparent"),
        (("--blur", "3", "--color", "red", "--out", "x.png"), "one of: blur"),
        (("--blur", "0", "--out", "x.png"), "a blur is above 0"),
        (("--color", "reddish", "--out", "x.png"), "a colour is"),
        (("--image", "gone.png", "--out", "x.png"), "gone.png does not exist"),
        (("--blur", "3", "--out", "x.bmp"), "cannot write x.bmp"),
        (("--blur", "3", "--out", "x.gif"), "cannot write x.gif"),
        (("--blur", "3"), "--out"),
        (("--blur", "3", "--fast", "--size", "fine", "--out", "x.png"), "contradict"),
        (("--blur", "3", "--fast", "--out", "x.png"), "none of its sizes"),
        (("--blur", "3", "--who", "you", "--out", "x.png"), "--who takes numbers"),
        (("--blur", "3", "--out", "a.png"), "a.png is what is read"),
        (("other.png", "--blur", "3", "--out", "x.png"), "x.png is one picture"),
        (("other.png", "--blur", "3", "--out", "x.mp4"), "x.mp4 is one video"),
        (("--transparent", "--out", "x.jpg"), "JPEG"),
    ],
)
def test_wrong_calls_write_nothing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    save_image(person(), tmp_path / "a.png")
    before = (tmp_path / "a.png").read_bytes()
    monkeypatch.chdir(tmp_path)
    result = run("background", "a.png", *arguments)
    assert result.code in {1, 2}
    assert message in result.err
    assert [path.name for path in tmp_path.iterdir() if path.is_file()] == ["a.png"]
    assert (tmp_path / "a.png").read_bytes() == before


def test_ctrl_c_ends_a_video_in_good_order(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write, seen = VideoWriter.write, []

    def interrupted(writer: VideoWriter, image: Image, time: float | None = None) -> None:
        write(writer, image, time)
        seen.append(time)
        if len(seen) == 3:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(VideoWriter, "write", interrupted)
    before = signal.getsignal(signal.SIGINT)
    result = run("background", clip, clip, "--blur", 3, "--out", tmp_path / "out")
    assert result.code == 1
    assert "stopped" in result.err
    assert signal.getsignal(signal.SIGINT) is before
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip.mkv"], "and the next is not begun"
    with open_video(tmp_path / "out" / "clip.mkv") as video:
        assert len(list(video)) == 3


def test_a_video_that_fails_leaves_nothing_and_the_next_goes_on(run: Run, clip: Path, tmp_path: Path) -> None:
    hostile = np.full((90, 120, 3), mattes.HOSTILE, np.uint8)
    bad = film(tmp_path / "bad.mkv", [person(), hostile], codec="ffv1", pixels="bgr0", clock=1000)
    result = run("background", bad, clip, "--blur", 3, "--out", tmp_path / "out")
    assert result.code == 1
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["clip.mkv"]
    assert json.loads(result.out.splitlines()[0])["failure"]["kind"] == "ImageError"


def test_of_many_one_that_the_call_does_not_fit_is_one_record(run: Run, photos: Path, clip: Path) -> None:
    out = photos.parent / "out"
    result = run("background", photos / "sub" / "*.jpg", photos / "*.tif", clip, "--blur", 3, "--who", 0, "--out", out)
    assert result.code == 1
    records = [json.loads(line)["failure"] for line in result.out.splitlines()]
    assert [record["kind"] for record in records] == ["NoFace", "ImageError", "SourceError", "UsageError"]
    assert "no picture matches" in result.err


def test_frames_are_not_written_over(run: Run, clip: Path, tmp_path: Path) -> None:
    frames = tmp_path / "frames"
    assert run("background", clip, "--blur", 3, "--out", frames / "%d.png").code == 0
    for source in (frames, frames / "*.png"):
        result = run("background", source, "--blur", 3, "--out", frames / "%d.png")
        assert result.code == 2
        assert "what is read" in result.err
    assert run("background", clip, "--blur", 3, "--out", clip).code == 2


def test_a_terminal_gets_no_json(run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run("background", photos / "a.png", "--blur", 3, "--out", tmp_path / "b.png").out == ""
    assert json.loads(run("background", photos / "a.png", "--blur", 3, "--out", tmp_path / "b.png", "--json").out)
    assert mien.provenance(tmp_path / "b.png")
