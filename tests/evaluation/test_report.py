"""Reports, and plots of known curves."""

from __future__ import annotations

import builtins
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mien.core.errors import StorageError, UsageError
from mien.core.image import load_image
from mien.evaluation.membership import MembershipReport
from mien.evaluation.plots import cmc, det, histogram, open_curve, roc, save_plots, sizes
from mien.evaluation.report import Report, Table, number, span
from mien.evaluation.resolution import SizePoint
from mien.evaluation.searches import Searches
from mien.evaluation.tables import membership_table, verification_tables
from mien.evaluation.verification import evaluate_scores
from tests.evaluation.test_scores import scores_of

REPORT = Report.of(
    "Verification",
    source="folder|<b>",
    model="net",
    results={"auc": math.nan, "rows": ({"rate": 0.5},)},
    tables=[Table("A title", ("one", "two"), (("a", "b|c"), ("long cell", "")), ("A note.",))],
)


def test_three_forms_of_one_content(tmp_path: Path) -> None:
    assert REPORT.to_dict()["auc"] is None
    assert REPORT.to_dict()["rows"] == [{"rate": 0.5}]
    text = REPORT.to_text()
    assert "  one        two\n  a          b|c\n  long cell\n  A note." in text
    markdown = REPORT.to_markdown()
    assert "| a | b\\|c |" in markdown
    assert "&lt;b>" in markdown
    for fact in ("net", "mien ", "openvino ", REPORT.facts["date"]):
        assert fact in text
        assert fact in markdown
    REPORT.write(tmp_path / "report.md")
    REPORT.write(tmp_path / "report.json")
    assert (tmp_path / "report.md").read_text() == markdown
    assert json.loads((tmp_path / "report.json").read_text()) == REPORT.to_dict()


def test_files_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.md, \.json"):
        REPORT.write(tmp_path / "report.html")
    with pytest.raises(StorageError):
        REPORT.write(tmp_path / "none" / "report.md")
    assert list(tmp_path.iterdir()) == []


def test_numbers() -> None:
    assert (number(0.12345), number(None), number(math.nan), span((0, 1), 1)) == ("0.1235", "-", "-", "0.0 to 1.0")


def test_a_gallery_that_remembers_is_told_so() -> None:
    report = MembershipReport(1, 1, 1, 4, 1.0, (1.0, 1.0), 1.0, (1.0, 1.0), 0.3, False)
    assert "NOT forgotten." in membership_table(report).notes


def test_rates_that_the_pairs_cannot_show_are_told() -> None:
    scores = scores_of([0.9] * 5, [0.1] * 50)
    report = evaluate_scores(scores.values, scores.first, scores.second, rates=(0.1, 0.01), resamples=3)
    assert verification_tables(report)[0].notes[1].startswith("So few pairs cannot show a FAR of 0.01:")


def panels() -> list[Any]:
    draw = np.random.default_rng(0)
    scores = scores_of(draw.normal(0.7, 0.1, 300).tolist(), draw.normal(0.2, 0.1, 3000).tolist())
    report = evaluate_scores(scores.values, scores.first, scores.second, resamples=3)
    found = Searches(
        5, np.arange(50), draw.normal(0.7, 0.1, 50), draw.integers(1, 3, 50), np.arange(90), draw.normal(0.3, 0.1, 90)
    )
    return [
        roc({"a $1 net": scores}),
        det({"a": scores, "b": scores}),
        histogram(scores, thresholds={"FAR 0.01": 0.4}),
        sizes([SizePoint(16, report), SizePoint(112, report)]),
        cmc({"t": found}),
        open_curve({"t": found}),
    ]


@pytest.mark.slow
def test_plots_are_drawn_and_repeatable(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    for name in ("1.png", "2.png"):
        save_plots(tmp_path / name, panels(), title="$ a title")
    picture = load_image(tmp_path / "1.png")
    assert picture.shape[1] > picture.shape[0] > 1000
    assert (picture != 255).any(axis=2).mean() > 0.01
    assert (tmp_path / "1.png").read_bytes() == (tmp_path / "2.png").read_bytes()


@pytest.mark.slow
def test_plots_of_scores_without_an_error(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="the extra plots is not installed")
    scores = scores_of([0.9, 0.8], [0.1, 0.2])
    save_plots(tmp_path / "x.svg", [roc({"a": scores}), det({"a": scores}), histogram(scores_of([-2.0], [-2.0]))])
    assert (tmp_path / "x.svg").read_text().lstrip().startswith("<?xml")


def test_plots_that_cannot_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match=r"\.png, \.svg, \.pdf"):
        save_plots(tmp_path / "x.bmp", panels())
    with pytest.raises(UsageError, match="nothing to draw"):
        save_plots(tmp_path / "x.png", [])
    real = builtins.__import__

    def without(name: str, *rest: Any, **options: Any) -> Any:
        if name.startswith("matplotlib"):
            raise ImportError(name)
        return real(name, *rest, **options)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(UsageError, match=r"pip install 'mien\[plots\]'"):
        save_plots(tmp_path / "x.png", panels())
