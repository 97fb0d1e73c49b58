"""``mien forgery`` and the report that it prints: cues and where, and no verdict."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mien
from mien import assets
from mien.cli.app import app
from mien.core.columns import Vectors
from mien.core.errors import EmbeddingSpaceMismatch, NoFace, SourceError, UsageError
from mien.core.image import load_image, save_image
from mien.engine import Engine
from mien.features.genuine.forgery import NAMES
from mien.features.genuine.readings import LOOKS, MEASURED, WARNING, read
from mien.features.genuine.report import ForgeryReport
from tests.media.films import film


def cli(*args: object) -> tuple[int, list[dict[str, Any]], str]:
    from typer.testing import CliRunner

    result = CliRunner().invoke(app, ["forgery", *map(str, args)], env={"MIEN_THREADS": "1"})
    return result.exit_code, [json.loads(line) for line in result.stdout.splitlines()], result.stderr


def test_cues_in_words() -> None:
    assert "half of real faces" in read("noise", 0.49).says
    assert "as few real faces have it" in read("noise", 0.951).says
    assert read("noise", np.nan).to_dict()["value"] is None
    assert "cannot be told" in read("noise", np.nan).says
    assert read("mine", 0.5).looks_at == "a cue of another model"


def test_each_cue_is_told_with_what_it_is_worth() -> None:
    assert set(MEASURED) == set(LOOKS) == set(NAMES)
    assert read("noise", 0.5).weak == "AUC 0.42 to 0.80 by kind of forgery"
    assert read("mine", 0.5).weak == "not measured"
    assert read("meso4_df_raw", 0.99).says == "on a scale of its own"


def test_what_a_cue_is_worth_is_what_the_manual_lists() -> None:
    """The second table of docs/forgery.md, which `python -m benchmarks.forgery --only matched` prints."""
    manual = (Path(__file__).resolve().parents[2] / "docs" / "forgery.md").read_text()
    matched = manual.partition("(`--matched`), this is left:")[2].partition("| real + forged |")[0]
    listed = {}
    for line in matched.splitlines():
        if line.startswith("| `"):
            name, *cells = (cell.strip(" `") for cell in line.strip("|").split("|"))
            values = [float(cell.split()[0]) for cell in cells]
            listed[name] = (min(values), max(values))
    assert listed == dict(MEASURED)


def test_a_report_of_nothing_is_false() -> None:
    empty = ForgeryReport("a.jpg", (), None, {})
    assert not empty
    assert empty.draw() is None
    assert str(empty) == "a.jpg: no faces"


def test_nothing_says_that_a_face_is_real_or_not() -> None:
    words = " ".join([*LOOKS.values(), *(read("noise", v).says for v in (0.1, 0.6, 0.99, np.nan))]).lower()
    assert not any(word in words for word in ("is fake", "genuine", "authentic", "is forged", "is real"))
    assert "Accuse nobody" in WARNING


@pytest.mark.weights
def test_pictures_with_where_and_a_known_person(tmp_path: Path) -> None:
    save_image(np.full((90, 120, 3), 120, np.uint8), tmp_path / "grey.png")
    code, lines, errors = cli(
        assets.PEOPLE[0], tmp_path / "grey.png", tmp_path / "no.jpg", "--heat-map", tmp_path / "heat", "--person",
        assets.PEOPLE[0],
    )  # fmt: skip
    assert code == 1
    assert "no.jpg" in errors
    face, grey = lines
    (one,) = face["faces"]
    assert len(one["cues"]) == 11
    assert one["likeness"]["mean"] > 0.99
    assert one["jitter"] is None
    assert face["provenance"]["synthetic"] is True
    assert face["warning"].endswith(WARNING)
    assert grey["faces"] == []
    assert [path.name for path in (tmp_path / "heat").iterdir()] == ["person1.png"]
    assert load_image(tmp_path / "heat" / "person1.png").shape == load_image(assets.PEOPLE[0]).shape


@pytest.mark.weights
def test_a_clip_is_judged_by_track(tmp_path: Path) -> None:
    portrait = load_image(assets.PEOPLE[1])[::3, ::3]
    frames = [np.ascontiguousarray(np.roll(portrait, shift, axis=1)) for shift in range(14)]
    path = film(tmp_path / "clip.mkv", frames, rate=10, codec="ffv1", pixels="bgr0")
    with Engine(threads=1) as engine:
        report = mien.forgery(path, every=5, enrolled=[assets.PEOPLE[1]], engine=engine)
        with pytest.raises(UsageError, match="every is a whole number"):
            mien.forgery(path, every=0, engine=engine)
    (face,) = report
    assert face.frames == 3
    assert face.time is not None
    assert len(face.cues) == 11
    assert face.where is not None
    assert face.where.shape == portrait.shape[:2]
    assert face.jitter is not None
    assert face.jitter.shape < 0.02
    assert face.jitter.drift < 0.05
    assert face.likeness is not None
    assert face.likeness.lowest > 0.8
    assert "restlessness" in str(report)
    assert report.to_dict()["faces"][0]["jitter"]["frames"] == 14


@pytest.mark.weights
def test_what_is_enrolled_must_show_someone_in_the_same_space() -> None:
    grey = np.full((90, 120, 3), 120, np.uint8)
    with Engine(threads=1) as engine:
        with pytest.raises(NoFace, match="enrolled pictures"):
            mien.forgery(grey, enrolled=[grey], engine=engine)
        with pytest.raises(EmbeddingSpaceMismatch, match="other/1"):
            mien.forgery(grey, enrolled=Vectors(np.ones((1, 8)), space="other/1"), engine=engine)
        with pytest.raises(SourceError):
            mien.forgery("nowhere.mp4", engine=engine)
        assert not mien.forgery(grey, engine=engine)
        group = mien.forgery(assets.GROUP, engine=engine)
    assert len(group) == 8
    assert group.draw() is not None
