"""``mien portrait`` on a made-up judge: what is printed and written, and the exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from mien.core.faces import Faces
from mien.features.fit import portrait_verdict
from mien.features.fit.portrait_geometry import place_heads
from mien.features.fit.portrait_rules import load_rules
from tests.cli.test_commands import Run, run
from tests.engine.test_engine import picture
from tests.features.test_portrait import checked, mesh

__all__ = ["run"]  # the fixture


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    image = np.zeros((900, 800, 3), np.uint8)
    image[:100, :100] = picture(200)[:100, :100]
    mien.save_image(image, tmp_path / "photo.png")
    return tmp_path / "photo.png"


@pytest.fixture
def yaw(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets all faces be turned by so much; a picture without any has no checks."""

    def turn(degrees: float) -> None:
        def judge(faces: Faces, *, rules: Any, engine: Any) -> portrait_verdict.Portrait:
            del engine
            count, image = len(faces), faces.require_image()
            return portrait_verdict.Portrait(
                checks=checked(yaw=degrees, smile=0.1) if count else {},
                rules=load_rules(rules),
                faces=count,
                box=None,
                size=faces.image_size,
                models={},
                image=image,
                head=place_heads(mesh((400, 400), 200)) if count else None,
            )

        monkeypatch.setattr(portrait_verdict, "judge", judge)

    return turn


def test_json_and_codes(run: Run, photo: Path, yaw: Callable[[float], None]) -> None:
    yaw(2)
    good = run("portrait", photo, "--require")
    assert good.code == 0
    record = json.loads(good.out)
    assert (record["source"], record["passed"]) == (str(photo), True)
    assert record["checks"]["yaw"]["value"] == 2
    yaw(14)
    bad = run("portrait", photo)
    assert bad.code == 0  # an answer is no failure
    assert json.loads(bad.out)["reasons"] == [
        "the head is turned 14 degrees to the picture's right; at most 5 are allowed"
    ]
    assert run("portrait", photo, "--require").code == 1


def test_a_table_on_a_terminal(
    run: Run, photo: Path, yaw: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    yaw(14)
    told = run("portrait", photo)
    assert told.code == 0
    assert "not passed" in told.out.replace("\x1b[0m", "")
    assert "14 deg" in told.out
    assert "-5 to 5" in told.out
    assert "at most 40" in told.out
    assert "- the head is turned 14 degrees" in told.out
    empty = photo.with_name("empty.png")
    mien.save_image(picture(), empty)
    assert "there is no face in the picture" in run("portrait", empty).out


def test_crops(run: Run, photo: Path, yaw: Callable[[float], None], tmp_path: Path) -> None:
    yaw(2)
    assert run("portrait", photo, "--crop", tmp_path / "print.jpg", "--dpi", 200).code == 0
    assert mien.load_image(tmp_path / "print.jpg").shape == (354, 276, 3)
    mien.save_image(picture(), photo.with_name("empty.png"))
    both = run("portrait", photo, photo.with_name("empty.png"), "--crop", tmp_path / "prints", "--dpi", 200)
    assert both.code == 1
    assert "there is no face in the picture to crop by." in both.err
    assert [file.name for file in (tmp_path / "prints").iterdir()] == ["photo.jpg"]
    large = run("portrait", photo, "--crop", tmp_path / "large.jpg", "--dpi", 2400)
    assert large.code == 1
    assert "too few pixels for 2400 dpi" in large.err
    assert not (tmp_path / "large.jpg").exists()


def test_wrong_calls(run: Run, photo: Path, tmp_path: Path, yaw: Callable[[float], None]) -> None:
    yaw(2)
    assert "no rules are called 'mars'" in run("portrait", photo, "--rules", "mars").err
    assert run("portrait", photo, "--rules", "mars").code == 2
    assert run("portrait", photo, "--crop", tmp_path / "folder").code == 2
    assert run("portrait").code == 2
    missing = run("portrait", tmp_path / "none.jpg", photo)
    assert missing.code == 1
    assert len(missing.out.splitlines()) == 1
    mine = tmp_path / "mine.toml"
    mine.write_text('title = "mine"\n[checks]\nyaw = { most = 1, step = 1 }\n')
    assert json.loads(run("portrait", photo, "--rules", mine).out)["rules"] == "mine"
