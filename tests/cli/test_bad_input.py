"""The real command on bad input: one clear sentence, the right exit code, no traceback, nothing half-written."""

from __future__ import annotations

import json
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import mien
from mien import assets

pytestmark = pytest.mark.weights


def run(*arguments: object, prepare: Callable[[], None] | None = None, **environment: str) -> tuple[int, str, str]:
    result = subprocess.run(
        [sys.executable, "-m", "mien", *map(str, arguments)],
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        preexec_fn=prepare,
        check=False,
    )
    assert "Traceback" not in result.stderr, result.stderr
    return result.returncode, result.stdout, result.stderr


def huge_png() -> bytes:
    """A PNG header of 20,000 x 20,000 pixels with next to nothing behind it."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 20_000, 20_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


PORTRAIT = assets.PEOPLE[0].read_bytes()

BROKEN = {
    "text.jpg": (b"this is no picture at all", "ImageError"),
    "cut.jpg": (PORTRAIT[: len(PORTRAIT) // 2], "ImageError"),
    "empty.jpg": (b"", "SourceError"),
    "bomb.png": (huge_png(), "ImageTooLarge"),
    "program.png": (Path(sys.executable).resolve().read_bytes()[:4096], "ImageError"),
}


def test_a_folder_of_broken_pictures_gives_a_record_each_and_the_good_one(tmp_path: Path) -> None:
    for name, (data, _) in BROKEN.items():
        (tmp_path / name).write_bytes(data)
    (tmp_path / "good.jpg").write_bytes(PORTRAIT)
    mien.save_image(np.zeros((1, 1, 3), np.uint8), tmp_path / "one.png")
    code, out, err = run("analyze", tmp_path)
    records = {Path(record["source"]).name: record for record in map(json.loads, out.splitlines())}
    assert code == 1
    assert len(records["good.jpg"]["faces"]) == 1
    assert records["one.png"]["faces"] == []
    assert {name: records[name]["failure"]["kind"] for name in BROKEN} == {n: kind for n, (_, kind) in BROKEN.items()}
    assert len(err.splitlines()) == len(BROKEN)


@pytest.mark.parametrize("command", ["analyze", "detect", "provenance", "verify"])
@pytest.mark.parametrize("name", ["text.jpg", "empty.jpg", "cut.jpg"])
def test_every_command_says_what_is_wrong_with_a_file(tmp_path: Path, command: str, name: str) -> None:
    if command == "provenance" and name == "cut.jpg":
        pytest.skip("its header is whole, and no more is read")
    path = tmp_path / name
    path.write_bytes(BROKEN[name][0])
    code, _, err = run(command, path, *([assets.PEOPLE[0]] if command == "verify" else []))
    assert code == 1
    assert name in err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize("target", ["{tmp}", "{tmp}/missing.jpg", "/dev/zero", "{tmp}/secret.jpg"])
def test_paths_that_cannot_be_read(tmp_path: Path, target: str) -> None:
    secret = tmp_path / "secret.jpg"
    if target.endswith("secret.jpg"):
        if os.geteuid() == 0:
            pytest.skip("root may read everything")
        secret.write_bytes(PORTRAIT)
        secret.chmod(0)
    code, _, err = run("detect", target.replace("{tmp}", str(tmp_path)))
    assert code == 1
    assert len(err.splitlines()) == 1


def test_no_face_is_an_empty_result_and_verify_has_no_answer() -> None:
    code, out, _ = run("analyze", assets.LANDSCAPE, "--want", "embedding")
    assert (code, json.loads(out)["faces"]) == (0, [])
    code, out, _ = run("verify", assets.LANDSCAPE, assets.PEOPLE[0])
    assert code == 0
    assert json.loads(out)["same"] is None
    assert "no face" in json.loads(out)["reason"]


def test_no_weights_and_no_network(tmp_path: Path) -> None:
    code, _, err = run("analyze", assets.PEOPLE[0], "--offline", MIEN_CACHE=str(tmp_path / "none"), MIEN_MIRROR="")
    assert code == 1
    assert "mien models pull" in err
    assert len(err.splitlines()) == 1


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path) -> None:
    resource = pytest.importorskip("resource", reason="limits of files are Unix's")

    def no_file_above_a_kilobyte() -> None:
        import signal

        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1024, 1024))

    out = tmp_path / "faces.jsonl"
    code, _, err = run("analyze", assets.GROUP, "--want", "landmarks", "--out", out, prepare=no_file_above_a_kilobyte)
    assert code == 1
    assert "faces.jsonl" in err
    assert list(tmp_path.iterdir()) == []
    code, _, _ = run("detect", assets.GROUP, "--draw", tmp_path, prepare=no_file_above_a_kilobyte)
    assert code == 1
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away_is_no_error() -> None:
    command = f"{sys.executable} -m mien detect {assets.FOLDER} {assets.FOLDER} | head -1"
    result = subprocess.run(command, shell=True, capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.parametrize("redirection", ["> /dev/full", ">&-", "2>&-", ">&- 2>&-"])
@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_streams_that_are_full_or_closed(redirection: str) -> None:
    command = f"{sys.executable} -m mien detect {assets.LANDSCAPE} {redirection}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert "Traceback" not in result.stderr
    assert result.returncode == (1 if "full" in redirection else 0)


def test_odd_paths_do_not_stop_the_others(tmp_path: Path) -> None:
    code, out, err = run("detect", tmp_path / ("x" * 300 + ".jpg"), assets.LANDSCAPE)
    assert code == 1
    assert len(out.splitlines()) == 2
    assert "too long" in err
    assert run("detect", "")[0] == 2


def test_a_demo_of_nothing_fails(tmp_path: Path) -> None:
    assert run("demo", "--photos", tmp_path / "nope", "--out", tmp_path / "out")[0] == 1


def test_a_drawing_never_lands_on_a_photo(tmp_path: Path) -> None:
    for name in ("a.jpg", "a-jpg.jpg"):
        (tmp_path / name).write_bytes(PORTRAIT)
    assert run("detect", tmp_path, "--draw", tmp_path)[0] == 0
    assert (tmp_path / "a-jpg.jpg").read_bytes() == (tmp_path / "a.jpg").read_bytes() == PORTRAIT
    assert len(list(tmp_path.glob("*.drawn.jpg"))) == 2
