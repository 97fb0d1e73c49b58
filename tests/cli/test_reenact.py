"""``mien reenact``: what it refuses before it reads a clip, in a line, and without a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from mien import assets
from tests.cli.test_commands import Run, run

__all__ = ["run"]  # the fixture

PHOTO = assets.PEOPLE[5]


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (["--expression", "9"], "--expression"),
        (["--pose", "1.2"], "--pose"),
        (["--mouth", "teeth"], "--mouth"),
        (["--consent", "none.json"], "none.json"),
    ],
)
def test_options_without_sense_are_refused(run: Run, tmp_path: Path, options: list[str], complaint: str) -> None:
    out = tmp_path / "out.mp4"
    result = run("reenact", PHOTO, tmp_path / "no.mp4", "--out", out, *options)
    assert result.code in {1, 2}
    assert complaint in result.err
    assert "Traceback" not in result.err
    assert not list(tmp_path.iterdir())


def test_what_is_read_is_not_written_over(run: Run, tmp_path: Path) -> None:
    clip = tmp_path / "clip.mp4"
    clip.write_bytes(b"a clip")
    result = run("reenact", PHOTO, clip, "--out", clip)
    assert result.code in {1, 2}
    assert "is what is read" in result.err
    assert clip.read_bytes() == b"a clip"


@pytest.mark.parametrize(("photo", "clip"), [("none.jpg", "clip.mp4"), (PHOTO, "none.mp4"), (PHOTO, PHOTO)])
def test_files_that_are_not_there_or_something_else(
    run: Run, tmp_path: Path, photo: str | Path, clip: str | Path
) -> None:
    result = run("reenact", tmp_path / photo, tmp_path / clip, "--out", tmp_path / "out.mp4")
    assert result.code in {1, 2}
    assert len(result.err.strip().splitlines()) == 1
    assert not list(tmp_path.iterdir())
