"""Commands on fake models: what is printed and written, and the exit codes 0, 1 and 2 without a traceback."""

from __future__ import annotations

import functools
import hashlib
import json
import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main

import mien
from mien.cli import main
from mien.models.card import WeightFile
from mien.models.catalogue import Catalogue
from tests.engine import fakes
from tests.engine.test_engine import picture


class Result(NamedTuple):
    code: int
    out: str
    err: str


Run = Callable[..., Result]

#: To read the commands' options takes longer than most commands here, and a process of a user does it once.
tree_of_commands = functools.cache(typer.main.get_command)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.setattr(Catalogue, "load", staticmethod(fakes.catalogue))
    monkeypatch.setattr(typer.main, "get_command", tree_of_commands)
    monkeypatch.setenv("MIEN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("MIEN_DEVICE", "cpu")

    def call(*arguments: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["mien", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main()
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        code = exit_.value.code
        return Result(code if isinstance(code, int) else int(code is not None), out, err)

    return call


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    for name, greys in {"a.png": (200, 250), "sub/a.png": (200,), "empty.png": ()}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        mien.save_image(picture(*greys), folder / name)
    return folder


def test_a_pipe_gets_one_line_of_json_per_picture(run: Run, photos: Path) -> None:
    result = run("analyze", photos, "--want", "pose,embedding")
    records = [json.loads(line) for line in result.out.splitlines()]
    assert result.code == 0
    assert [len(record["faces"]) for record in records] == [2, 0, 1]
    assert {"pose", "embedding", "box"} <= records[0]["faces"][0].keys()
    assert "alignment" not in records[0]["faces"][0]


@pytest.mark.parametrize(
    ("option", "style", "column"), [("--csv", "openface", "pose_Rx"), ("--style", "pyfeat", "Yaw")]
)
def test_a_table_in_the_style_of_another_toolkit(
    run: Run, photos: Path, tmp_path: Path, option: str, style: str, column: str
) -> None:
    assert run("analyze", photos, "--want", "pose", "--out", tmp_path / "a.csv", option, style).code == 0
    head, *rows = (tmp_path / "a.csv").read_text().splitlines()
    assert column in head.split(",")
    assert len(rows) == {"openface": 3, "pyfeat": 4}[style]  # a picture without faces has a row in one of them
    result = run("analyze", photos, option, style)
    assert (result.code, "give --out" in result.err) == (2, True)


@pytest.mark.parametrize("command", ["analyze", "track"])
def test_a_file_gets_its_json_though_a_bar_is_on_the_terminal(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.setattr(Catalogue, "load", staticmethod(fakes.clip_catalogue))
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    result = run(command, photos)
    assert [json.loads(line)["width"] for line in result.out.splitlines()] == [100] * 3
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" in result.err, "there is a bar"
    assert "keypoints" not in result.err
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    result = run(command, photos, "--json")
    assert [json.loads(line)["width"] for line in result.out.splitlines()] == [100] * 3
    assert "\N{BOX DRAWINGS HEAVY HORIZONTAL}" not in result.err


def test_a_terminal_gets_a_table(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "200")
    result = run("analyze", photos / "a.png", photos / "empty.png", "--want", "pose,embedding")
    assert "2 faces" in result.out
    assert "pose yaw pitch roll" in result.out
    assert "+250 +250 +250" in result.out
    assert "embedding (4 numbers)" in result.out
    assert "0 faces" in result.out


def test_detect_asks_for_nothing_more(run: Run, photos: Path) -> None:
    fakes.made.clear()
    result = run("detect", photos / "a.png", "--min-score", "0.9")
    assert len(json.loads(result.out)["faces"]) == 1
    assert fakes.made == ["squares"]


def test_files_and_drawings(run: Run, photos: Path, tmp_path: Path) -> None:
    result = run("analyze", photos, "--out", tmp_path / "faces.jsonl", "--draw", tmp_path / "drawn")
    assert result.code == 0
    assert result.out == ""
    assert "pictures: 3, faces: 3, failed: 0" in result.err
    assert len((tmp_path / "faces.jsonl").read_text().splitlines()) == 3
    drawn = sorted(path.relative_to(tmp_path / "drawn") for path in (tmp_path / "drawn").rglob("*.jpg"))
    assert [str(path) for path in drawn] == ["a-png.drawn.jpg", "empty-png.drawn.jpg", "sub/a-png.drawn.jpg"]


def test_drawings_of_equal_names_do_not_meet(run: Run, photos: Path, tmp_path: Path) -> None:
    result = run("detect", photos / "a.png", photos / "sub" / "a.png", photos, "--draw", tmp_path / "drawn")
    assert result.code == 0
    assert len(list((tmp_path / "drawn").rglob("*.jpg"))) == 5


def test_odd_names(run: Run, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "a["  # with the next name, a closing tag of the markup that tables are printed in
    odd.mkdir()
    names = ["x].png", "[final].png", "-n.png", "ü#?%.png", "a\nb.png", os.fsdecode(b"\xe9.png")]
    for name in names:
        mien.save_image(picture(200), odd / name)
    result = run("detect", odd, "--out", tmp_path / "faces.jsonl", "--draw", tmp_path / "drawn")
    assert result.code == 0
    records = [json.loads(line) for line in (tmp_path / "faces.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {Path(record["source"]).name for record in records} == set(names)
    assert len(list((tmp_path / "drawn").iterdir())) == len(names)
    assert run("detect", odd).code == 0
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    table = run("detect", odd)
    assert table.code == 0
    assert "[final].png" in table.out


def test_all_fields(run: Run, photos: Path) -> None:
    catalogue = {name for card in fakes.catalogue() for name in card.gives} - {"detect"}
    result = run("analyze", photos / "a.png", "--want", "all")
    assert catalogue <= json.loads(result.out)["faces"][0].keys()


def test_all_is_what_the_licenses_permit(run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cards = [
        replace(card, weights_license="LicenseRef-non-commercial") if card.id == "age" else card
        for card in fakes.catalogue()
    ]
    monkeypatch.setattr(Catalogue, "load", lambda: Catalogue(cards))
    result = run("analyze", photos / "a.png", "--want", "all", "--licenses", "commercial")
    assert result.code == 0, result.err
    face = json.loads(result.out)["faces"][0]
    assert "pose" in face
    assert "age" not in face


def test_all_but_what_has_no_weights_here_which_is_said(
    run: Run, photos: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = {"model": WeightFile(name="m.onnx", source=f"git:a/b@{'0' * 40}/m.onnx", sha256="0" * 64, bytes=1)}
    cards = [replace(card, files=gone) if card.id == "age" else card for card in fakes.catalogue()]
    monkeypatch.setattr(Catalogue, "load", lambda: Catalogue(cards))
    result = run("analyze", photos / "a.png", "--want", "all", "--offline")
    assert result.code == 0, result.err
    face = json.loads(result.out)["faces"][0]
    assert "pose" in face
    assert "age" not in face
    assert result.err.startswith("mien: age is left out: ")
    assert run("analyze", photos / "a.png", "--want", "age", "--offline").code == 1


def test_one_broken_picture_is_a_record_and_exit_code_1(run: Run, photos: Path) -> None:
    (photos / "b.jpg").write_bytes(b"no picture")
    result = run("analyze", photos)
    assert result.code == 1
    assert [("failure" in json.loads(line)) for line in result.out.splitlines()] == [False, True, False, False]
    assert len(result.err.splitlines()) == 1
    assert "b.jpg" in result.err


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["analyze"], 2, "Missing argument"),
        (["analyze", "{photos}", "--want", "mood"], 2, "no field is called 'mood'"),
        (["analyze", "{photos}", "--out", "faces.xlsx"], 2, "faces.xlsx"),
        (["analyze", "{photos}", "--model", "sface"], 2, "FIELD=ID"),
        (["analyze", "{photos}", "--model", "embedding=nothing"], 2, "no model is called 'nothing'"),
        (["analyze", "{photos}", "--threads", "0"], 2, "threads"),
        (["analyze", "{photos}", "--device", "abacus"], 2, "abacus"),
        (["analyze", "{photos}", "--device", "npu"], 1, "npu"),
        (["analyze", "{photos}", "--licenses", "strict"], 1, "strict"),
        (["analyze", "{photos}/nowhere"], 1, "nowhere does not exist"),
        (["analyze", "{photos}/*.gif"], 1, "no picture matches"),
        (["analyze", "{photos}", "--draw", "{photos}/a.png/below"], 1, "cannot make the folder"),
        (["generate", "--count", "3", "--out", "people.png"], 2, "is a folder"),
        (["generate", "--count", "2", "--age", "50", "--out", "people"], 2, "attributes are of one person"),
        (["generate", "--between", "3", "--out", "people"], 2, "two seeds"),
        (["generate", "--set", "smile", "--out", "a.png"], 2, "a name and a number"),
        (["generate", "--age", "12", "--out", "a.png"], 2, "younger than 18"),
        (["generate", "--set", "age=17.9", "--out", "a.png"], 2, "younger than 18"),
        (["generate", "--age", "17", "--family", "3", "--out", "family"], 2, "younger than 18"),
        (["generate", "--between", "3,9", "--set", "age=5", "--out", "between"], 2, "younger than 18"),
        (["generate", "--smile", "0.5", "--set", "smile=0.2", "--out", "a.png"], 2, "smile is asked for twice"),
        (["generate", "--out", "a.bmp"], 2, "--out must be a folder"),
        (["models", "pull", "nothing"], 2, "no model is called 'nothing'"),
        (["dance"], 2, "dance"),
    ],
)
def test_wrong_calls_and_bad_input_end_in_one_line(
    run: Run, photos: Path, arguments: list[str], code: int, says: str
) -> None:
    result = run(*[argument.replace("{photos}", str(photos)) for argument in arguments])
    assert result.code == code
    assert says in result.err


def test_an_empty_folder(run: Run, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    result = run("analyze", tmp_path / "empty", "--out", tmp_path / "faces.jsonl")
    assert result.code == 1
    assert "no pictures in the folder" in result.err
    assert "no pictures" in json.loads((tmp_path / "faces.jsonl").read_text())["failure"]["message"]
    assert not list(tmp_path.glob("*.part"))


def test_version_and_help(run: Run) -> None:
    assert run("--version").out.strip() == mien.__version__
    assert "analyze" in run("--help").out
    assert "--licenses" in run("analyze", "--help").out


def test_models_list_and_licenses(run: Run) -> None:
    rows = [json.loads(line) for line in run("models", "list").out.splitlines()]
    assert {row["id"] for row in rows} == {card.id for card in fakes.catalogue()}
    assert {row["id"] for row in rows if not row["commercial"]} == {"squares", "others"}
    assert "| squares |" in run("models", "licenses").out


@pytest.fixture
def models(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Run:
    """The command ``mien models`` on three models: two that are free and share a file, and one that is not free."""
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))
    monkeypatch.delenv("MIEN_MIRROR", raising=False)
    files = {}
    for name in ("shape", "net", "closed"):
        data = name.encode()
        (tmp_path / name).write_bytes(data)
        source, sha256 = f"file:{tmp_path / name}", hashlib.sha256(data).hexdigest()
        files[name] = WeightFile(name=f"{name}.bin", source=source, sha256=sha256, bytes=len(data))
    cards = [
        fakes.card("pose", "Pose", ("pose",), files={"shape": files["shape"]}),
        fakes.card("mesh", "Mesh", ("landmarks",), files={"net": files["net"], "shape": files["shape"]}),
        fakes.card("closed", "Age", ("age",), files={"net": files["closed"]}, weights_license="LicenseRef-x"),
    ]
    monkeypatch.setattr(Catalogue, "load", staticmethod(lambda: Catalogue(cards)))
    return lambda *arguments: run("models", *arguments)


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.glob("*.bin")}


def test_removing_a_model_keeps_what_another_one_that_is_here_shares(models: Run, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    assert models("pull", "pose", "mesh").code == 0
    result = models("remove", "pose")
    assert (result.code, result.out, result.err) == (0, "freed 0.0 MB\n", "kept for mesh: shape.bin\n")
    assert _names(cache) == {"shape.bin", "net.bin"}
    assert models("remove", "mesh").code == 0
    assert _names(cache) == {"shape.bin"}  # pose is whole
    assert models("remove", "pose").code == 0
    assert _names(cache) == set()  # mesh is not
    models("pull", "pose", "mesh")
    assert models("remove", "pose", "mesh").code == 0
    assert _names(cache) == set()


@pytest.mark.parametrize("by", ["option", "environment"])
def test_a_mirror_holds_only_what_the_policy_permits(
    models: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by: str
) -> None:
    options = ["--licenses", "commercial"] if by == "option" else []
    if by == "environment":
        monkeypatch.setenv("MIEN_LICENSES", "commercial")
    result = models("pack", tmp_path / "mirror", *options)
    assert result.code == 0
    assert result.err.startswith("skipped: closed: weights under x terms")
    assert result.out.startswith("2 files")
    assert _names(tmp_path / "mirror") == {"shape.bin", "net.bin"}
    assert models("pack", tmp_path / "mirror", "closed", *options).code == 1  # asked for by name, and not given
    assert models("pull", "closed", *options).code == 1
    assert models("pull", *options).code == 0
    monkeypatch.delenv("MIEN_LICENSES", raising=False)
    assert models("pack", tmp_path / "mirror").code == 0
    assert _names(tmp_path / "mirror") == {"shape.bin", "net.bin", "closed.bin"}


def test_adding_a_model_with_a_bad_id_is_a_wrong_call(models: Run, tmp_path: Path) -> None:
    result = models("add", tmp_path / "net", "--like", "mesh", "--id", "My Net")
    assert result.code == 2
    assert "'My Net' is no id of a model" in result.err
    assert models("add", tmp_path / "net", "--like", "mesh", "--license", "a b").code == 2
    assert not (tmp_path / "config").exists()
