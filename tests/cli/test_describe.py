"""``mien describe`` on fake models: pictures, videos, a language model's words, and the exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

import mien
from mien.models.catalogue import Catalogue
from tests.cli.test_commands import Run, run
from tests.engine import fakes
from tests.engine.test_engine import picture
from tests.features.test_narrator import Service, service

__all__ = ["run", "service"]  # fixtures


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    mien.save_image(picture(200, 250), tmp_path / "photo.png")
    return tmp_path / "photo.png"


def test_a_picture(run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    record = json.loads(run("describe", photo).out)
    assert (record["source"], record["faces"]) == (str(photo), 2)
    assert record["text"].startswith("Two people. The left one, apparently 20 to 40 years old")
    assert json.loads(run("describe", photo, "--want", "pose").out)["text"].startswith("Two people.")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run("describe", photo, "--want", "age").out.startswith(f"{photo}: Two people. The left one, apparently")


def test_frames_as_a_clip(run: Run, photo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Catalogue, "load", staticmethod(fakes.clip_catalogue))
    told = run("describe", photo.parent, "--timeline", "--fps", 1, "--want", "blink,age")
    assert told.code == 0
    record = json.loads(told.out)
    assert record["text"].splitlines()[0].startswith("Two people in 0:0")
    assert "apparently 20 to 40 years old" in record["text"]
    assert len(record["clip"]["tracks"]) == 2


def test_what_fails(run: Run, photo: Path, tmp_path: Path) -> None:
    some = run("describe", tmp_path / "none.jpg", photo)
    assert some.code == 1
    assert len(some.out.splitlines()) == 1
    assert "none.jpg" in some.err
    gone = run("describe", tmp_path / "none.mp4")
    assert gone.code == 1
    assert "none.mp4" in gone.err
    assert run("describe", photo, "--want", "charm").code == 2
    for wrong in (["--pixels"], ["--narrator", "m"], ["--key-file", "k"], ["--endpoint", "https://host"]):
        assert run("describe", photo, *wrong).code == 2, wrong
    assert run("describe", photo, "--endpoint", "http://host/v1", "--narrator", "m").code == 2


def test_a_language_model(run: Run, photo: Path, service: Service, tmp_path: Path) -> None:
    key = tmp_path / "key.txt"
    key.write_text("secret-key\nand a comment\n")
    ask = ["--endpoint", service.url, "--narrator", "some/model", "--key-file", key, "--want", "pose"]
    told = run("describe", photo, *ask)
    assert told.code == 0
    assert json.loads(told.out)["narration"]["text"] == "Somebody[2J smiles."
    assert service.asked[0][1]["Authorization"] == "Bearer secret-key"
    assert "base64" not in service.sent
    assert "photo.png" not in service.sent
    assert run("describe", photo, *ask, "--pixels").code == 0
    assert "base64" in service.sent
    assert run("describe", photo.parent, *ask, "--pixels", "--timeline").code == 2
    service.status = 500
    broken = run("describe", photo, *ask)
    assert broken.code == 1
    assert "refuses (status 500)" in broken.err
    assert "secret-key" not in broken.err
    ask[5] = tmp_path / "no-key.txt"
    assert "cannot read" in run("describe", photo, *ask).err
