"""``mien edit``: its options reach the effects, and what is wrong is told in a line."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien import assets
from mien.core.errors import UsageError
from mien.core.image import load_image, save_image
from mien.swaps import editing
from tests.cli.test_commands import Run, run

__all__ = ["run"]  # the fixture

WRONG: list[tuple[list[str], str]] = [
    ([], "say what to change"),
    (["--gaze", "left"], "--gaze takes 2 numbers"),
    (["--light", "1,2"], "--light takes 3 numbers"),
    (["--filter", "no-such-filter", "--lips", "red"], "no filter is called"),
    (["--hair", "no-colour"], "no-colour"),
    (["--lips", "red", "--area", "head"], "area does nothing"),
    (["--makeup", "natural", "--makeup-parts", "lips,ears"], "'ears'"),
    (["--style", "no-such-style"], "no-such-style"),
    (["--smile", "7"], "--smile"),
    (["--strength", "2", "--lips", "red"], "--strength"),
]


@pytest.mark.full
@pytest.mark.parametrize(("options", "complaint"), WRONG, ids=range(len(WRONG)))
def test_what_makes_no_sense_is_told_and_nothing_is_written(
    run: Run, tmp_path: Path, options: list[str], complaint: str
) -> None:
    result = run("edit", assets.PEOPLE[0], "--out", tmp_path / "o.png", *options)
    assert result.code in {1, 2}
    assert complaint in " ".join(result.err.split())
    assert not list(tmp_path.glob("o*"))


@pytest.mark.full
def test_options_reach_the_effects(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    given: dict[str, Any] = {}

    def note(*, engine: Any, **options: Any) -> Any:
        given.update(options)
        raise UsageError("enough.")

    monkeypatch.setattr(editing, "edit_effect", note)
    result = run(
        "edit", "a.jpg", "--out", tmp_path / "o.png", "--makeup", "bold", "--makeup-parts", "lips, eyes",
        "--style", "ink", "--area", "head", "--gaze", "3,-4", "--light", "1,0,0.5", "--filter", "dog", "--frontal",
    )  # fmt: skip
    assert "enough" in result.err
    assert {name: value for name, value in given.items() if value not in (None, False)} == {
        "makeup": "bold",
        "makeup_parts": ["lips", "eyes"],
        "style": "ink",
        "area": "head",
        "gaze": (3.0, -4.0),
        "light": (1.0, 0.0, 0.5),
        "filter": "dog",
        "frontal": True,
    }
    assert set(given) <= set(editing.EditOptions.__annotations__)


@pytest.mark.weights
def test_a_picture_is_written_with_what_was_done(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    from typer.testing import CliRunner

    from mien.cli.app import app

    person = np.ascontiguousarray(load_image(assets.PEOPLE[1])[::2, ::2])
    save_image(person, tmp_path / "a.png")
    arguments = ["edit", tmp_path / "a.png", "--out", tmp_path / "o.png", "--lips", "#b0122f", "--json"]
    result = CliRunner().invoke(app, list(map(str, arguments)), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout.splitlines()[0])
    assert "lips" in json.dumps(told)
    assert (load_image(tmp_path / "o.png") != person).any()
    same = str(tmp_path / "a.png")
    assert CliRunner().invoke(app, ["edit", same, "--out", same, "--lips", "red"]).exit_code != 0
    assert (load_image(same) == person).all()
