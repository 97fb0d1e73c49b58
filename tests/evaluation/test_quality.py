"""Error versus discard: curves by hand, spoiled pictures, and real pictures from end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from mien.cli.app import app
from mien.core.errors import ShapeMismatch, UsageError
from mien.core.mesh import Topology
from mien.evaluation.capture import CAPTURES, spoil
from mien.evaluation.quality import LIMIT, SHARES, discard_curve, evaluate_quality

MISSED = np.arange(100) < 10


def test_a_perfect_measure_and_its_opposite() -> None:
    best = discard_curve(MISSED, np.arange(100))
    np.testing.assert_allclose(best.fnmr[0], 0.1)
    np.testing.assert_allclose(best.fnmr[np.isclose(SHARES, 0.05)], 0.05 / 0.95)
    np.testing.assert_allclose(best.fnmr[SHARES >= 0.1], 0, atol=1e-12)
    np.testing.assert_allclose(best.area, 0, atol=1e-12)
    worst = discard_curve(MISSED, -np.arange(100))
    np.testing.assert_allclose(worst.fnmr[-1], 0.1 / (1 - LIMIT))
    assert worst.area > 1


def test_a_measure_that_knows_nothing() -> None:
    flat = discard_curve(MISSED, np.ones(100))
    np.testing.assert_allclose(flat.fnmr, 0.1)
    np.testing.assert_allclose(flat.area, 1)


def test_what_was_not_judged_goes_first() -> None:
    quality = np.where(MISSED, np.nan, 0.5)
    np.testing.assert_allclose(discard_curve(MISSED, quality).area, 0, atol=1e-12)


def test_nothing_missed_and_nothing_to_discard() -> None:
    assert np.isnan(discard_curve(np.zeros(9, bool), np.arange(9)).area)
    assert np.isnan(discard_curve(np.ones(9, bool), np.arange(9)).area)
    for missed, quality, weights in (([], [], None), ([True], [0.5], [0.0])):
        with pytest.raises(UsageError, match="no pairs"):
            discard_curve(missed, quality, weights)
    with pytest.raises(ShapeMismatch, match="do not fit"):
        discard_curve(MISSED, np.ones(5))


@settings(max_examples=30, deadline=None)
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=40))
def test_weights_are_repeats_and_only_order_counts(rows: list[tuple[bool, int, int]]) -> None:
    missed, quality, counts = (np.array(column) for column in zip(*rows, strict=True))
    if not counts.sum():
        return
    weighted = discard_curve(missed, quality, counts)
    repeated = discard_curve(np.repeat(missed, counts), np.repeat(np.exp(quality), counts))
    np.testing.assert_allclose(weighted.fnmr, repeated.fnmr, atol=1e-9)
    assert ((weighted.fnmr >= -1e-12) & (weighted.fnmr <= 1 + 1e-9)).all()


# --- spoiled pictures -----------------------------------------------------------------------------------------------

MESH = np.random.default_rng(2).uniform(20, 80, (478, 3))
NO_TRIANGLES = Topology(np.zeros((468, 3), np.float32), np.zeros((0, 3), np.int32), np.zeros((468, 2), np.float32))
PICTURE = np.random.default_rng(1).integers(0, 255, (100, 90, 3), np.uint8)


@pytest.mark.parametrize("way", [way for way in CAPTURES if way not in {"turned", "covered"}])
def test_each_way_changes_the_picture_the_same_for_a_seed(way: str) -> None:
    before = PICTURE.copy()
    one, again, other = (spoil(PICTURE, MESH, NO_TRIANGLES, seed=seed, ways=(way,)) for seed in (4, 4, 5))
    assert one.shape == PICTURE.shape
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, again)
    assert (one != PICTURE).any()
    assert (one != other).any()
    np.testing.assert_array_equal(PICTURE, before)


def test_what_cannot_be_spoiled() -> None:
    with pytest.raises(ShapeMismatch, match=r"\(478, 3\)"):
        spoil(PICTURE, MESH[:5], NO_TRIANGLES)
    with pytest.raises(UsageError, match=r"called 'upside'; there are turned, covered"):
        spoil(PICTURE, MESH, NO_TRIANGLES, ways=("upside",))


# --- from end to end ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("engines", "spoiled"), [([], 0), ([None], -1)])
def test_bad_numbers(engines: list[Any], spoiled: int, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        evaluate_quality(tmp_path, engines, spoiled=spoiled)


@pytest.mark.weights
@pytest.mark.data
def test_real_people(shared_data: Path, tmp_path: Path) -> None:
    folder = tmp_path / "people"
    for name in ("Ariel_Sharon", "Arnold_Schwarzenegger"):
        (folder / name).mkdir(parents=True)
        for number in (1, 2):
            file = f"{name}_000{number}.jpg"
            (folder / name / file).write_bytes((shared_data / "identities" / name / file).read_bytes())
    report = tmp_path / "report.md"
    arguments = ["evaluate", "quality", str(folder), "--spoiled", "2", "--fmr", "0.25", "--threads", "1"]
    arguments += ["--model", "quality=lightqnet-dm050", "--out", str(report), "--plot", str(tmp_path / "edc.png")]
    result = CliRunner().invoke(app, arguments)
    if result.exit_code and "WeightsUnavailable" in result.output:
        pytest.skip(result.output)
    assert result.exit_code == 0, result.output
    text = report.read_text()
    assert "2 people: no ranking" in text
    assert "| lightqnet-dm050 |" in text
    assert "| recognizability |" in text
    assert "12 pictures" in text
    assert (tmp_path / "edc.png").stat().st_size > 5000
