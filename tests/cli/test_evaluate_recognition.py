"""``mien evaluate verification|identification|membership|rapid`` on people who do not exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from mien import assets
from mien.cli.app import app
from mien.core.errors import WeightsUnavailable
from mien.core.image import load_image, save_image
from mien.engine import Engine

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module", autouse=True)
def weights() -> None:
    with Engine(threads=1) as engine:
        try:
            engine.preload("detect", "embedding")
        except WeightsUnavailable as error:
            pytest.skip(str(error))


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four people: as they are, mirrored and brighter."""
    root = tmp_path_factory.mktemp("people")
    for number, source in enumerate(assets.PEOPLE[:4], start=1):
        (root / f"p{number}").mkdir()
        portrait = load_image(source)[::2, ::2]
        for name, picture in {"1": portrait, "2": portrait[:, ::-1], "3": portrait // 2 + 100}.items():
            save_image(picture, root / f"p{number}" / f"{name}.png")
    return root


def run(*arguments: object, code: int = 0) -> tuple[dict[str, Any], str]:
    result = CliRunner().invoke(app, ["evaluate", *map(str, arguments), "--threads", "1"], catch_exceptions=True)
    assert result.exit_code == code, f"{result.output}{result.exception!r}"
    return (json.loads(result.stdout) if result.stdout.startswith("{") else {}), repr(result.exception)


def test_verification(people: Path, tmp_path: Path) -> None:
    groups = tmp_path / "groups.csv"
    groups.write_text("file,group\np1,a\np2,a\np3,b\np4,b\n")
    out = tmp_path / "report.md"
    found, _ = run(
        "verification", people, "--far", "0.1", "--groups", groups, "--noise", "--sizes", "8,112", "--out", out
    )
    assert (found["model"], found["people"], found["pictures"], found["auc"]) == ("edgeface-s", 4, 12, 1)
    assert [row["name"] for row in found["groups"]["rows"]] == ["a", "b"]
    assert [row["size"] for row in found["sizes"]] == [8, 112]
    assert found["noise"]["suspects"] == []
    assert "TAR at FAR 0.1" in out.read_text()
    assert {"source", "date", "versions"} <= set(found)


def test_a_budget_that_is_not_held_is_code_one(people: Path) -> None:
    found, _ = run("verification", people, "--budget", "0.001", code=1)
    assert found["time"]["budgets"] == {"0.001": False}
    assert "auc" not in found


def test_identification_through_a_store_on_disk(people: Path, tmp_path: Path) -> None:
    found, _ = run(
        "identification", people, "--fpir", "0.5", "--rank", "1", "--through", tmp_path / "store", "--samples"
    )
    assert (found["how"], found["gallery"], found["strangers"]) == ("samples", 2, 2)
    assert found["ranks"][0]["rate"] == 1
    assert found["through"] == "SqliteStore", "a URL may hold a password"
    _, error = run("identification", people, "--through", tmp_path / "store", code=1)
    assert "needs one of its own" in error


def test_clustering_is_reported_as_the_others_are(people: Path, tmp_path: Path) -> None:
    out = tmp_path / "report.md"
    found, _ = run("clustering", people, "--out", out)
    assert (found["model"], found["everything"]["faces"], found["everything"]["people"]) == ("edgeface-s", 12, 4)
    assert found["everything"]["values"]["bcubed_precision"] == 1
    assert {"source", "date", "versions", "strata"} <= set(found)
    assert "| BCubed F | " in out.read_text()
    _, error = run("clustering", people, "--ages", "50", "10", code=1)
    assert "ages is (low, high) in years" in error


def test_membership(people: Path) -> None:
    found, _ = run("membership", people)
    assert (found["kept"], found["deleted"], found["outside"]) == (2, 1, 1)
    assert (found["difference"], found["forgotten"]) == (0, True)


def test_rapid(people: Path) -> None:
    found, _ = run("rapid", people, "--far", "0.1", "--no-masks")
    assert found["noise"]["wrong"] == 0
    assert found["cleaned"]["auc"] == 1
    assert found["masked"] is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--sizes", "16,x"], "--sizes takes whole numbers"),
        (["--plot", "x.gif"], "written are .png, .svg, .pdf files"),
        (["--out", "x.txt"], "written are .md, .json files"),
        (["--templates", "t.csv", "--noise"], "--templates goes with"),
    ],
)
def test_options_that_are_wrong(people: Path, arguments: list[str], message: str) -> None:
    _, error = run("verification", people, *arguments, code=1)
    assert message in error
