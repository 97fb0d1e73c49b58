"""``mien swap``: its files and records, whom, previews, layers, consent, and every wrong call in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from mien import assets
from mien.cli.edits import parse_who
from mien.core.image import load_image, save_image
from mien.media.provenance import provenance
from mien.media.video import open_video
from tests.cli.test_commands import Run
from tests.cli.test_reconstruct import real
from tests.media.films import film, sine

__all__ = ["real"]  # the fixture

SOURCE, TARGET = assets.PEOPLE[5], assets.PEOPLE[1]


@pytest.mark.parametrize(
    ("text", "who"),
    [(None, None), ("0", 0), ("0, 2", [0, 2]), ("all", "all"), ("@640,360", "@640,360"), ("ada", "ada")],
)
def test_what_who_says(text: str | None, who: object) -> None:
    assert parse_who(text) == who


@pytest.mark.weights
def test_a_picture_and_its_layers(real: Run, tmp_path: Path) -> None:
    result = real("swap", TARGET, "--source", SOURCE, "--out", tmp_path / "new" / "a.png", "--layers")
    assert result.code == 0, result.err
    record = json.loads(result.out)
    assert record["source"] == str(TARGET)
    assert record["path"] == str(tmp_path / "new" / "a.png")
    assert record["method"] == "geometric"
    assert provenance(record["path"]).synthetic
    size = load_image(TARGET).shape[:2]
    for name in ("mask", "warped", "alpha", "relit", "mesh"):
        layer = Path(record["layers"][name])
        assert load_image(layer).shape[:2] == size
        assert provenance(layer).synthetic


@pytest.mark.weights
def test_a_video_a_preview_and_one_who_went_on(real: Run, tmp_path: Path) -> None:
    frame = np.asarray(load_image(TARGET))[::2, ::2]
    clip = film(tmp_path / "clip.mp4", [frame] * 5, rate=10, sound=sine(0.5))
    journal = tmp_path / "journal"
    result = real("swap", clip, "--source", SOURCE, "--out", tmp_path / "a.mp4", "--resume", journal)
    assert result.code == 0, result.err
    assert json.loads(result.out)["frames"] == 5
    assert not journal.exists()
    with open_video(tmp_path / "a.mp4") as video:
        assert video.has_audio
    assert provenance(tmp_path / "a.mp4").synthetic
    result = real("swap", clip, "--source", SOURCE, "--preview", "--at", 0.2, "--out", tmp_path / "frame.png")
    assert result.code == 0, result.err
    assert json.loads(result.out)["time"] == pytest.approx(0.2)
    assert provenance(tmp_path / "frame.png").synthetic


@pytest.mark.weights
def test_a_folder_in_which_one_cannot_be(real: Run, tmp_path: Path) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name, path in {"a.jpg": TARGET, "nobody.jpg": assets.LANDSCAPE}.items():
        save_image(load_image(path), photos / name)
    (photos / "broken.jpg").write_bytes(b"no picture")
    result = real("swap", photos, "--source", SOURCE, "--out", out)
    assert result.code == 1
    kinds = [json.loads(line).get("failure", {}).get("kind") for line in result.out.splitlines()]
    assert kinds == [None, "ImageError", "NoFace"]
    assert [path.name for path in out.iterdir()] == ["a.jpg"]


@pytest.mark.weights
@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--source", assets.LANDSCAPE], "no face"),
        (["--source", assets.GROUP], "8 faces"),
        (["--source", "gone.jpg"], "gone.jpg"),
        (["--source", SOURCE, "--who", "ada"], "give a gallery"),
        (["--source", SOURCE, "--who", "3"], "no face has the number 3"),
        (["--source", SOURCE, "--keep", "ears"], "ears"),
        (["--source", SOURCE, "--swapper", "none-such"], "none-such"),
        (["--source", SOURCE, "--consent", "gone.json"], "gone.json"),
        (["--source", SOURCE, "--gallery", "gone.mien"], "gone.mien"),
    ],
    ids=["nobody", "crowd", "gone", "name", "number", "keep", "swapper", "consent", "gallery"],
)
def test_wrong_calls_say_so_in_a_line_and_leave_nothing(
    real: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: list[object], text: str
) -> None:
    monkeypatch.chdir(tmp_path)
    result = real("swap", TARGET, *options, "--out", tmp_path / "a.png")
    assert result.code in {1, 2}
    assert result.err.startswith("mien: ")
    assert "Traceback" not in result.err
    assert text in result.err.splitlines()[0]
    assert not (tmp_path / "a.png").exists()


@pytest.mark.weights
def test_what_is_read_is_not_written(real: Run, tmp_path: Path) -> None:
    photo = tmp_path / "a.jpg"
    photo.write_bytes(TARGET.read_bytes())
    result = real("swap", photo, "--source", SOURCE, "--out", photo)
    assert result.code == 2
    assert "is what is read" in result.err
    assert photo.read_bytes() == TARGET.read_bytes()
