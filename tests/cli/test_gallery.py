"""``mien gallery`` on painted people: what is printed, what is written, exit codes."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest

from mien.cli import main
from mien.models.catalogue import Catalogue
from tests.gallery import painted

ADA, BOB, EVE = 1, 2, 3


class Result(NamedTuple):
    code: int
    lines: list[Any]
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.setattr(Catalogue, "load", staticmethod(painted.catalogue))
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("MIEN_DEVICE", "cpu")
    monkeypatch.setenv("MIEN_THREADS", "1")
    monkeypatch.chdir(tmp_path)
    painted.write_table(tmp_path / "config")

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["mien", "gallery", *map(str, arguments)])
        code: object = 0
        try:
            main()
        except SystemExit as exit_:
            code = exit_.code
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return Result(
            code if isinstance(code, int) else int(code is not None), [*map(json.loads, out.splitlines())], err
        )

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for variant in range(3):
        painted.save(folder, f"both{variant}.png", (ADA, variant), (BOB, variant))
    painted.save(folder, "eve.png", (EVE, 0))
    return folder


@pytest.mark.full
def test_from_a_folder_of_photos_to_people_with_names(run: Run, photos: Path, tmp_path: Path) -> None:
    code, (added,), _ = run("add", "g", photos, "--want", "pose")
    assert (code, added["faces"], added["pictures"]) == (0, 7, 4)
    painted.save(photos, "landscape.png")
    for options, pictures in (((), 1), ((), 0), (("--again",), 1)):
        (done,) = run("add", "g", photos, *options).lines
        assert (done["pictures"], done["faces"], done["known"]) == (pictures, 0, 5 - pictures)
    code, (grouped,), _ = run("cluster", "g")
    assert (len(grouped["founded"]), grouped["alone"]) == (2, 1)
    one, two = (row["id"] for row in run("people", "g").lines)
    assert run("rename", "g", one, "ada").lines == [{"id": one, "name": "ada"}]
    run("rename", "g", two, "bob")
    (found,) = run("identify", "g", photos / "both0.png").lines
    assert sorted(face["person"]["name"] for face in found["faces"]) == ["ada", "bob"]
    (found,) = run("search", "g", painted.save(tmp_path, "probe.png", (EVE, 7)), "-k", 2).lines
    assert found["faces"][0]["person"] is None
    assert len(found["faces"][0]["hits"]) == 2
    rows = run("show", "g", "--where", "pose.pitch=2..3", "--where", f"source={photos}").lines
    assert {row["words"]["pose.pitch"] for row in rows} == {BOB, EVE}
    (written,) = run("tag", "g", photos).lines
    assert (written["pictures"], written["faces"]) == (3, 6)
    assert run("names", "g", photos).lines[0]["unmatched"] == 0
    assert run("merge", "g", "ada", "bob").lines[0]["faces"] == 6
    numbers = [row["id"] for row in run("show", "g", "ada").lines if row["words"]["pose.pitch"] == BOB]
    assert run("split", "g", "ada", *numbers, "--name", "bob").lines[0]["name"] == "bob"
    assert run("move", "g", numbers[0], "--to", "ada").lines == [{"moved": 1}]
    assert run("link", "g", numbers[0], numbers[1], "--different").lines[0]["same"] is False
    assert run("export", "g", tmp_path / "out").code == 0
    assert run("load", "other", tmp_path / "out").lines[0]["people"] == 2
    assert run("backup", "g", tmp_path / "copy").code == 0
    assert run("reembed", "g", "--model", "embedding=other").lines == [{"space": "other/1", "faces": 7, "lost": 0}]
    assert run("info", "g").lines[0]["space"] == "other/1"
    assert run("info", "copy").lines[0]["space"] == "painted/1"
    assert run("delete", "g", "ada", "--yes").lines[0]["people"] == 1
    assert [row["action"] for row in run("audit", "g", "-n", 2).lines] == ["delete", "reembed"]


def test_enrolling_tells_what_was_refused(run: Run, photos: Path, tmp_path: Path) -> None:
    good = painted.save(tmp_path, "a.png", (ADA, 0))
    code, (done,), _ = run("enroll", "g", "ada", good, photos / "both0.png")
    assert (code, len(done["samples"]), len(done["refused"])) == (1, 1, 1)
    code, lines, err = run("enroll", "g", "ada", photos / "both0.png")
    assert (code, lines) == (1, [])
    assert err.startswith("mien: nothing to enroll 'ada' by: ")
    np.save(tmp_path / "v.npy", painted.vector(BOB, 0))
    assert run("enroll", "g", "bob", "--vectors", tmp_path / "v.npy").code == 0
    (tmp_path / "no.npy").write_bytes(b"\x80\x04.")
    assert run("enroll", "g", "bob", "--vectors", tmp_path / "no.npy").code == 2


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["people", "nowhere"], 1, "nowhere"),
        (["people", "photos"], 1, "photos"),
        (["rename", "g", "carl", "x"], 2, "nobody here is called 'carl'"),
        (["search", "g", "none.png"], 1, "none.png"),
        (["show", "g", "--where", "pose"], 2, "NAME=VALUE"),
        (["show", "g", "--where", "pose.yaw=a..b"], 2, "numbers"),
        (["show", "g", "--where", "taken=soon"], 2, "2019-12-31"),
        (["show", "g", "--where", "taken=9999-12-31T12:00"], 2, "2019-12-31"),
        (["show", "g", "--where", "quality=nan"], 2, "finite"),
        (["delete", "g", "ada", "--face", "99999", "--yes"], 2, "no face here"),
        (["rename", "g", "ada", "p7"], 2, "ids are"),
        (["delete", "g", "ada"], 2, "say --yes"),
        (["delete", "g"], 2, "name whom"),
        (["calibrate", "g"], 2, "33 people"),
        (["load", "g", "photos"], 1, "no export"),
        (["people", "ftp://x/y"], 2, "a gallery is a folder"),
    ],
)
def test_what_goes_wrong_is_one_line(
    run: Run, photos: Path, tmp_path: Path, arguments: list[str], code: int, told: str
) -> None:
    run("enroll", "g", "ada", painted.save(tmp_path, "a.png", (ADA, 0)))
    result = run(*arguments)
    assert (result.code, told in result.err) == (code, True), result
    assert result.err.startswith("mien: ")
    assert result.err.count("\n") == 1


def test_people_and_faces_are_deleted_together_or_not_at_all(run: Run, photos: Path, tmp_path: Path) -> None:
    run("enroll", "g", "ada", painted.save(tmp_path, "a.png", (ADA, 0)))
    run("add", "g", photos / "eve.png")
    one, two = (row["id"] for row in run("show", "g").lines)
    assert [row["id"] for row in run("show", "g", "--where", "people=nobody").lines] == [two]
    assert [row["id"] for row in run("show", "g", "--where", "people=ada").lines] == [one]
    assert "nobody here is called 'eve'" in run("show", "g", "--where", "people=eve").err
    assert run("delete", "g", "ada", "--face", 99_999, "--yes").code == 2
    assert len(run("show", "g").lines) == 2
    assert run("delete", "g", "ada", "--face", one, "--face", two, "--yes").lines == [{"people": 1, "faces": 2}]
    assert run("show", "g").lines == []


def test_one_bad_picture_does_not_end_a_search(run: Run, tmp_path: Path) -> None:
    good = painted.save(tmp_path, "a.png", (ADA, 0))
    run("enroll", "g", "ada", good)
    code, lines, err = run("search", "g", tmp_path / "none.png", good)
    assert (code, len(lines)) == (1, 1)
    assert "none.png" in err
