"""``mien liveness``: challenges, keys that are the owner's, and verdicts that say how weak they are."""

from __future__ import annotations

import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mien
from mien.assets import GROUP, LANDSCAPE, PEOPLE
from mien.cli import main
from mien.features.genuine.challenge import Challenge
from tests.cli.test_commands import Run, run

__all__ = ["run"]  # the fixture


def test_a_challenge_and_its_key(run: Run, tmp_path: Path) -> None:
    key, token = tmp_path / "key", tmp_path / "token"
    first = run("liveness", "challenge", "--key-file", key, "--out", token, "--actions", 2)
    assert first.code == 0, first.err
    told = json.loads(first.out)
    made = Challenge.read(token.read_text().strip(), key=bytes.fromhex(key.read_text()))
    assert made.token == told["token"]
    assert len(made.prompts) == len(told["prompts"]) == 2
    if os.name == "posix":
        assert stat.S_IMODE(key.stat().st_mode) == 0o600
    before = key.read_bytes()
    assert run("liveness", "challenge", "--key-file", key).code == 0
    assert key.read_bytes() == before, "a key that is there is used"


def test_keys_and_tokens_that_are_none(run: Run, tmp_path: Path) -> None:
    key, clip = tmp_path / "key", tmp_path / "clip.mp4"
    assert run("liveness", "challenge", "--key-file", key).code == 0
    clip.write_bytes(b"no video")
    wrong = run("liveness", "judge", clip, "--token", "no.token", "--key-file", key)
    assert wrong.code == 1
    assert "this is no challenge" in wrong.err
    assert run("liveness", "judge", clip, "--token", "no.token").code == 2
    assert run("liveness", "judge", clip, clip, "--token", "no.token", "--key-file", key).code == 2
    nowhere = run("liveness", "judge", clip, "--token", "no.token", "--key-file", tmp_path / "none")
    assert nowhere.code == 1
    assert "holds no key" in nowhere.err
    other = tmp_path / "other"
    other.write_text("not a key")
    if os.name == "posix":
        other.chmod(0o644)
        open_to_all = run("liveness", "challenge", "--key-file", other)
        assert open_to_all.code == 2
        assert "others may read this key" in open_to_all.err
    other.chmod(0o600)
    assert run("liveness", "challenge", "--key-file", other).code == 1
    assert run("liveness", "challenge", "--key-file", tmp_path / "no" / "key").code == 1


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command on the real models: exit code, and what it printed."""

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        return int(exit_.value.code or 0), *capfd.readouterr()

    return call


@pytest.mark.weights
def test_pictures_are_judged(real: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"nothing")
    code, out, err = real("liveness", "judge", GROUP, LANDSCAPE, PEOPLE[6], broken, "--threads", 1)
    assert code == 1
    assert "broken.jpg" in err
    prints, nobody, near = map(json.loads, out.splitlines())
    assert prints["live"] is False
    assert "Weak evidence" in prints["weakness"]
    assert (nobody["live"], nobody["reason"]) == (None, "no face in the picture.")
    assert near["live"] is None
    assert near["reason"].startswith("the face fills the picture")


@pytest.mark.weights
def test_a_challenge_is_answered_once(real: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    key, clip, token = tmp_path / "key", tmp_path / "clip.mp4", tmp_path / "token"
    assert real("liveness", "challenge", "--key-file", key, "--out", token, "--actions", 1)[0] == 0
    image = np.ascontiguousarray(mien.load_image(PEOPLE[0])[::2, ::2])
    with mien.VideoWriter(clip, rate=10) as film:
        for number in range(12):
            film.write(np.roll(image, number, axis=1), number / 10)
    asked = ("liveness", "judge", clip, "--token", token, "--key-file", key, "--threads", 1)
    first, second = (json.loads(real(*asked)[1]) for _ in range(2))
    assert first["live"] is None, "the clip is too short"
    assert first["answers"][0]["done"] is False
    assert (second["live"], second["reason"]) == (None, "the challenge was answered before.")
    assert (tmp_path / "key.used").exists()
