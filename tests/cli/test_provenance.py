"""``mien provenance``: what the marks of a file say, as JSON."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien import assets
from mien.cli import provenance as command
from mien.cli.app import app
from mien.core.image import load_image, save_image
from mien.media.marking import mark_image
from mien.media.provenance import Provenance
from tests.media.films import film

pytestmark = pytest.mark.full


def run(*args: object) -> tuple[int, list[dict[str, Any]], str]:
    """Exit status, what was printed of each file, and the errors."""
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, ["provenance", *map(str, args)], catch_exceptions=False)
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def cli(*args: object) -> dict[str, Any]:
    code, (said,), errors = run(*args)
    assert (code, errors) == (0, "")
    return said


def test_every_mark_is_printed(tmp_path: Path) -> None:
    image = load_image(assets.FOLDER / "person2.jpg")[:256, :256]
    path = mark_image(image, tmp_path / "a.jpg", Provenance.generated("maker", seed=7))
    said = cli(path)
    assert (said["synthetic"], said["agree"], said["seed"], said["models"]) == (True, True, 7, ["maker"])
    assert said["metadata"] == said["credentials"]["source_type"] == said["invisible"]["source_type"]
    assert said["credentials"]["state"] == "untrusted"
    assert said["explanation"][0] == "Synthetic, as it says itself: trainedAlgorithmicMedia, with maker."
    assert cli(path, "--no-look")["invisible"] is None


def test_a_changed_file_is_told(tmp_path: Path) -> None:
    path = mark_image(np.full((64, 64, 3), 90, np.uint8), tmp_path / "a.png", Provenance.enhanced(Provenance()))
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 20] ^= 1
    path.write_bytes(data)
    said = cli(path, "--no-look")["credentials"]
    assert said["state"] == "invalid"
    assert "the file was changed after it was signed" in said["problems"]


@pytest.mark.parametrize("data", [None, b"no picture"])
def test_what_is_no_picture(tmp_path: Path, data: bytes | None) -> None:
    path = tmp_path / "a.jpg"
    if data is not None:
        path.write_bytes(data)
    code, said, errors = run(path)
    assert (code, said) == (1, [])
    assert "a.jpg" in errors
    assert len(errors.splitlines()) == 1


def test_each_file_of_a_folder_has_a_line_and_a_bad_one_stops_none(tmp_path: Path) -> None:
    save_image(np.zeros((40, 40, 3), np.uint8), tmp_path / "b.png")
    (tmp_path / "a.jpg").write_bytes(b"none")
    film(tmp_path / "c.mkv", [np.zeros((40, 40, 3), np.uint8)] * 2, codec="ffv1", pixels="bgr0", clock=1000)
    (tmp_path / "notes.txt").write_text("none of these")
    code, said, errors = run(tmp_path, tmp_path / "gone.png", "--no-look")
    assert code == 1
    assert [Path(one["path"]).name for one in said] == ["b.png", "c.mkv"]
    assert [line.startswith("mien: ") for line in errors.splitlines()] == [True, True]


def test_words_for_people_on_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    command.provenance([str(assets.PEOPLE[0])])
    first, *lines = capsys.readouterr().out.splitlines()
    assert first == str(assets.PEOPLE[0])
    assert lines[0].strip().startswith("Synthetic, as it says itself")
    assert lines[3].strip() == "Invisible mark: no invisible mark was found."
