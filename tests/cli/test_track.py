"""``mien track`` on fake models: its files, its table, its exit codes, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import mien
from mien.cli import main, track
from mien.media.video import open_video
from mien.models.catalogue import Catalogue
from tests.cli.test_commands import Run, run
from tests.engine import fakes
from tests.engine.test_engine import picture
from tests.media.films import film, sine
from tests.shared import DATA

__all__ = ["run"]  # the fixture

GREYS = [(200,), (200, 250), (200, 250), (250, 100), (250,)]


@pytest.fixture(autouse=True)
def clips(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.node.get_closest_marker("weights"):  # that one is of the real models
        return
    request.getfixturevalue("run")
    monkeypatch.setattr(Catalogue, "load", staticmethod(fakes.clip_catalogue))
    fakes.made.clear()


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """A clip with sound whose pixels come back as they were."""
    frames = [picture(*greys) for greys in GREYS]
    path = tmp_path / "clip.mkv"
    return film(path, frames, rate=10, codec="ffv1", pixels="bgr0", sound=sine(0.5), clock=1000)


@pytest.fixture
def frames(tmp_path: Path) -> Path:
    folder = tmp_path / "frames"
    folder.mkdir()
    for number, greys in enumerate(GREYS):
        mien.save_image(picture(*greys), folder / f"{number}.png")
    return folder


def test_a_pipe_gets_one_line_of_json_per_frame(run: Run, clip: Path) -> None:
    result = run("track", clip, "--want", "pose", "--every", 1)
    records = [json.loads(line) for line in result.out.splitlines()]
    assert result.code == 0
    assert [record["frame"] for record in records] == [0, 1, 2, 3, 4]
    assert [record["time"] for record in records] == [0.0, 0.1, 0.2, 0.3, 0.4]
    assert [len(record["faces"]) for record in records] == [1, 2, 2, 2, 1]
    assert records[0]["faces"][0]["track"]["id"] == 1
    assert "2 people" in result.err


def test_every_file_that_can_be_asked_for(run: Run, clip: Path, tmp_path: Path) -> None:
    new = tmp_path / "new"
    files = {name: new / file for name, file in {
        "out": "faces.parquet", "video": "drawn.mp4", "timeline": "people.png", "events": "events.json",
    }.items()}  # fmt: skip
    options = [part for name, path in files.items() for part in (f"--{name}", path)]
    result = run("track", clip, "--want", "pose,blink", "--every", 2, *options)
    assert result.code == 0, result.err
    assert result.out == ""  # what is in files is not printed, too
    assert "2 people, events: 2; " in result.err
    assert sorted(new.iterdir()) == sorted(files.values())
    assert pd.read_parquet(files["out"])["frame"].nunique() == 5
    with open_video(files["video"]) as video:
        assert video.has_audio
        assert len(list(video)) == 5
    assert mien.load_image(files["timeline"]).shape[1] == 1600
    told = json.loads(files["events"].read_text())
    assert [event["kind"] for event in told["events"]] == ["blink", "blink"]
    assert len(told["tracks"]) == 2


def test_events_as_a_table(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("track", clip, "--want", "blink", "--every", 1, "--events", tmp_path / "e.csv").code == 0
    table = pd.read_csv(tmp_path / "e.csv")
    assert table["kind"].tolist() == ["blink"]
    assert {"track_id", "start", "end", "apex", "score"} <= set(table.columns)


@pytest.mark.parametrize("suffix", [".jsonl", ".json", ".csv"])
def test_frames_in_other_formats(run: Run, frames: Path, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"faces{suffix}"
    assert run("track", frames, "--out", path, "--fps", 5).code == 0
    assert "0.8" in path.read_text()  # the time of the last frame


def test_the_style_of_openface(run: Run, clip: Path, tmp_path: Path) -> None:
    assert run("track", clip, "--want", "pose", "--out", tmp_path / "a.csv", "--style", "openface").code == 0
    table = pd.read_csv(tmp_path / "a.csv")
    assert table["frame"].tolist()[0] == 1
    assert "pose_Rx" in table.columns


def test_a_terminal_gets_a_table(run: Run, clip: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("FORCE_COLOR", "1")
    result = run("track", clip, "--want", "blink", "--every", 1)
    assert result.code == 0
    assert "#1" in result.out
    assert "#2" in result.out
    assert "blink" in result.out
    assert "{" not in result.out


def test_a_clip_without_faces(run: Run, tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", [picture()] * 3, codec="ffv1", pixels="bgr0", clock=1000)
    outputs = ("--out", tmp_path / "a.csv", "--timeline", tmp_path / "a.png", "--video", tmp_path / "a.mp4")
    result = run("track", path, *outputs)
    assert result.code == 0
    assert "0 people" in result.err
    assert len((tmp_path / "a.csv").read_text().splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--want", "poze"), "no field is called 'poze'"),
        (("--out", "a.xlsx"), "cannot write a.xlsx"),
        (("--out", "a.csv", "--style", "dlib"), "no style 'dlib'"),
        (("--style", "openface"), "give --out"),
        (("--video", "a.gif"), "cannot write a.gif"),
        (("--timeline", "a.txt"), "--timeline must end in"),
        (("--events", "a.txt"), "--events must end in"),
        (("--out", "a.csv", "--events", "../desk/a.csv"), "two outputs have one name"),
        (("--every", "0"), "--every"),
    ],
)
def test_wrong_calls_write_nothing(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...], message: str
) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    monkeypatch.chdir(desk)
    monkeypatch.setenv("COLUMNS", "200")
    result = run("track", clip, "--timeline", "a.png", *arguments)
    assert result.code == 2
    assert message in result.err
    assert list(desk.iterdir()) == []


def test_what_is_read_is_not_written_over(run: Run, clip: Path, frames: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mkv").symlink_to(clip)
    before = clip.read_bytes(), (frames / "0.png").read_bytes()
    for source, option, target in (
        (clip, "--video", clip),
        (clip, "--video", tmp_path / "link.mkv"),
        (frames, "--timeline", frames / "0.png"),
        (frames / "*.png", "--timeline", frames / "0.png"),
    ):
        result = run("track", source, option, target)
        assert result.code == 2
        assert "is what is read" in result.err
    assert (clip.read_bytes(), (frames / "0.png").read_bytes()) == before
    assert not list(tmp_path.rglob("*.part"))


def test_outputs_that_cannot_be_written_are_known_before_the_first_frame(
    run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Any] = []
    monkeypatch.setattr(track, "print_json", seen.append)
    (tmp_path / "file").touch()
    for option, name in (("--out", "a.csv"), ("--video", "a.mp4"), ("--timeline", "a.png"), ("--events", "a.json")):
        (tmp_path / name).mkdir()
        for target in (tmp_path / name, tmp_path / "file" / name):
            result = run("track", clip, "--json", option, target)
            assert result.code == 1
            assert f"cannot write {target}" in result.err or "cannot make the folder" in result.err
    assert not seen
    assert not list(tmp_path.rglob("*.part"))


def test_what_cannot_be_read_is_one_line_and_leaves_nothing(run: Run, tmp_path: Path) -> None:
    (tmp_path / "text.mp4").write_text("hello")
    (tmp_path / "empty.mp4").touch()
    for source in (tmp_path / "text.mp4", tmp_path / "empty.mp4", tmp_path / "none.mp4", 97):
        result = run("track", source, "--out", tmp_path / "out" / "a.csv", "--video", tmp_path / "out" / "a.mp4")
        assert result.code == 1
        assert len(result.err.strip().splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_file_whose_name_is_a_number(run: Run, frames: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(frames.parent)
    frames.rename(frames.parent / "7")
    assert len(run("track", "7").out.splitlines()) == 5


def test_ctrl_c_completes_what_there_is(run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(value: Any) -> None:
        if value["frame"] == 1:
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(track, "print_json", interrupt)
    before = signal.getsignal(signal.SIGINT)
    out = tmp_path / "out"
    files = ("--out", out / "a.parquet", "--video", out / "a.mp4", "--timeline", out / "a.png")
    result = run("track", clip, "--json", *files, "--events", out / "a.json")
    assert result.code == 1
    assert "stopped at 0.30 s" in result.err
    assert sorted(path.name for path in out.iterdir()) == ["a.json", "a.mp4", "a.parquet", "a.png"]
    assert pd.read_parquet(out / "a.parquet")["frame"].max() == 2
    with open_video(out / "a.mp4") as video:
        assert len(list(video)) == 3
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_ctrl_c_breaks_off(run: Run, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(value: Any) -> None:
        if value["frame"] == 1:
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(track, "print_json", interrupt)
    result = run("track", clip, "--json", "--video", tmp_path / "a.mp4")
    assert result.code != 0
    with open_video(tmp_path / "a.mp4") as video:
        assert len(list(video)) == 1


@pytest.mark.data
@pytest.mark.weights
def test_a_real_clip(capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = DATA / "video" / "single_face.mp4"
    files = ["--out", tmp_path / "a.parquet", "--video", tmp_path / "a.mp4", "--timeline", tmp_path / "a.png"]
    monkeypatch.setattr(sys, "argv", ["mien", "track", *map(str, (source, "--want", "pose", "--threads", 1, *files))])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert not exit_.value.code, capfd.readouterr().err
    table = pd.read_parquet(tmp_path / "a.parquet")
    assert table["frame"].tolist() == list(range(72))
    assert table["track.id"].nunique() == 1
    assert table["pose.yaw"].notna().all()
    with open_video(source) as before, open_video(tmp_path / "a.mp4") as after:
        pairs = list(zip(before, after, strict=True))
    assert all(one.time == pytest.approx(other.time, abs=1e-3) for one, other in pairs)
    assert all(np.abs(one.image.astype(int) - other.image).max() > 100 for one, other in pairs)  # drawn on
