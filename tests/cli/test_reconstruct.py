"""``mien reconstruct``: its files, its records, its exit codes."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from mien import assets
from mien.cli import main
from mien.core.image import load_image, save_image
from mien.media.provenance import provenance
from tests.cli.test_commands import Result, Run, run

__all__ = ["run"]  # the fixture, whose models are fakes


@pytest.fixture
def real(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """The same with the real models."""

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capfd.readouterr()
        return Result(exit_.value.code if isinstance(exit_.value.code, int) else 1, out, err)

    return call


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "a.stl"], "--out must end in one of .glb, .obj, .ply."),
        (["--out", "a.obj", "--relief"], "--relief is kept by .glb alone."),
        (["--out", "a.glb", "--frontal", "f.bmp"], "--frontal must end in one of"),
        (["--out", "a.glb", "--frontal", "f.png", "--texture", "f.png"], "two outputs have one name."),
        (["--out", "a.obj", "--texture", "a_texture.png"], "two outputs have one name."),
        (["--out", "a.obj", "--frontal", "x.jpg"], "x.jpg is what is read"),
        (["--out", "a.glb", "--frontal", "x.jpg/f.png"], "cannot make the folder"),
    ],
)
def test_wrong_names_are_refused_before_the_work(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], told: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "x.jpg").write_bytes(assets.LANDSCAPE.read_bytes())
    result = run("reconstruct", "x.jpg", *arguments)
    assert result.code == (1 if "folder" in told else 2)
    assert told in result.err
    assert [path.name for path in tmp_path.iterdir()] == ["x.jpg"]


@pytest.mark.weights
def test_one_face_has_the_name_that_was_given(real: Run, tmp_path: Path) -> None:
    files = {name: tmp_path / "out" / name for name in ("face.obj", "f.jpg", "t.png")}
    result = real(
        "reconstruct", str(assets.PEOPLE[1]), "--out", str(files["face.obj"]), "--frontal", str(files["f.jpg"]),
        "--texture", str(files["t.png"]), "--size", "64",
    )  # fmt: skip
    assert result.code == 0
    record = json.loads(result.out)
    assert record["face"] == 1
    assert sorted(Path(name).name for name in record["files"]) == [
        "f.jpg", "face.mtl", "face.obj", "face_texture.png", "t.png"
    ]  # fmt: skip
    assert all(Path(name).is_file() for name in record["files"])
    assert provenance(files["f.jpg"]).synthetic


@pytest.mark.weights
def test_several_faces_have_numbers_and_none_is_an_error(real: Run, tmp_path: Path) -> None:
    photo = tmp_path / "f_2.png"
    save_image(np.concatenate([load_image(path)[::2, ::2] for path in assets.PEOPLE[:2]], axis=1), photo)
    out = ["--out", str(tmp_path / "face.ply"), "--size", "32"]
    result = real("reconstruct", str(photo), *out, "--frontal", str(tmp_path / "f.png"))
    assert result.code == 2
    assert "f_2.png is what is read" in result.err
    assert list(tmp_path.iterdir()) == [photo]
    result = real("reconstruct", str(photo), *out)
    assert result.code == 0
    assert [json.loads(line)["face"] for line in result.out.splitlines()] == [1, 2]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f_2.png", "face_1.ply", "face_2.ply"]
    result = real("reconstruct", str(assets.LANDSCAPE), "--out", str(tmp_path / "none.glb"))
    assert result.code == 1
    assert result.err.count("\n") == 1
    assert "no face in" in result.err
