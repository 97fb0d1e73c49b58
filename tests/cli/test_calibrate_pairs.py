"""``mien calibrate pairs``: a table from pictures of one's own."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mien import assets
from mien.cli.app import app
from mien.embeddings.calibration import Calibration, load_calibration

pytestmark = pytest.mark.usefixtures("_own_config")


@pytest.fixture
def _own_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))


def run(*arguments: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["calibrate", "pairs", *map(str, arguments)])
    return result.exit_code, str(result.exception or "") + result.output


def people(folder: Path, pictures: list[Path]) -> Path:
    for number, picture in enumerate(pictures):
        (folder / f"person {number}").mkdir(parents=True)
        shutil.copy(picture, folder / f"person {number}" / picture.name)
    return folder


def test_generated_people_are_refused(tmp_path: Path) -> None:
    folder = people(tmp_path / "people", assets.PEOPLE[:2])
    code, told = run(folder, "--out", tmp_path / "table.toml")
    assert code != 0
    assert "is marked as generated" in told
    assert not (tmp_path / "table.toml").exists()


def test_where_the_table_goes_must_be_said(tmp_path: Path) -> None:
    code, told = run(tmp_path)
    assert code != 0
    assert "--out FILE" in told


def test_a_folder_without_people(tmp_path: Path) -> None:
    code, told = run(tmp_path, "--install")
    assert code != 0
    assert "no folders of pictures" in told


def test_what_cannot_make_a_table_is_refused_before_any_picture_is_looked_at(tmp_path: Path) -> None:
    for number in range(32):
        (tmp_path / "people" / str(number)).mkdir(parents=True)
        (tmp_path / "people" / str(number) / "broken.jpg").write_bytes(b"no picture")
    code, told = run(tmp_path / "people", "--out", tmp_path / "table.toml")
    assert code != 0
    assert "33 people; these are 32." in told
    code, told = run(tmp_path / "people", "--install", "--ages", 40, 20)
    assert code != 0
    assert "ages is (low, high)" in told


@pytest.mark.weights
@pytest.mark.data
def test_a_table_of_real_people(tmp_path: Path, shared_data: Path) -> None:
    # Every eighth: of all ages, and too few for each stratum.
    folder = people(tmp_path / "people", sorted((shared_data / "age_gender").glob("*.jpg"))[::8])
    code, told = run(folder, "--out", tmp_path / "table.toml", "--install", "--model", "embedding=sface")
    assert code == 0, told
    report = json.loads(told.strip().splitlines()[-1])
    assert report["pictures"] == 50
    assert report["space"] == "sface/1"
    assert report["strata"]
    assert all(s["pairs"] >= 500 for s in report["strata"])
    assert "says nothing of rates below" in report["limits"]
    written = Calibration.from_toml((tmp_path / "table.toml").read_text(), "table.toml")
    assert load_calibration("sface/1") == written
    assert written.name == "people"
