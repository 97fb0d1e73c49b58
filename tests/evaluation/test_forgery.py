"""Detectors against forgeries: measures against scikit-learn's, damages, methods apart, and others' detectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien import assets
from mien.core.errors import NoFace, UsageError
from mien.core.faces import Faces
from mien.core.image import load_image, save_image
from mien.engine import Engine
from mien.evaluation.damage import DAMAGES, MATCHED
from mien.evaluation.forgery import Detector, evaluate_forgery, load_detector, stress_forgery
from mien.evaluation.forgery_tables import forgery_tables, stress_panels, stress_tables
from mien.evaluation.plots import save_plots
from mien.evaluation.separation import auc, average_precision, bpcer_at, equal_error, measured, value_of
from tests.evaluation.ranking import area_by_pairs, precision_by_steps

numbers = st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=40)


@given(numbers)
def test_areas_and_precisions_are_those_of_their_definitions(rows: list[tuple[int, bool]]) -> None:
    scores, truth = np.array([s for s, _ in rows], np.float64), np.array([t for _, t in rows])
    if truth.all() or not truth.any():
        assert np.isnan(value_of(auc, scores, truth))
        assert np.isnan(value_of(equal_error, scores, truth))
        return
    assert value_of(auc, scores, truth) == pytest.approx(area_by_pairs(truth, scores))
    assert value_of(average_precision, scores, truth) == pytest.approx(precision_by_steps(truth, scores))
    both = [((scores[truth] < limit).mean(), (scores[~truth] >= limit).mean()) for limit in range(11)]
    nearest = min(abs(missed - raised) for missed, raised in both)
    wanted = [(missed + raised) / 2 for missed, raised in both if abs(missed - raised) < nearest + 1e-9]
    assert min(abs(value_of(equal_error, scores, truth) - one) for one in wanted) < 1e-9


def test_error_rates_worked_out_by_hand() -> None:
    scores = np.array([0.1, 0.2, 0.3, 0.7, 0.4, 0.6, 0.8, 0.9])
    attack = np.repeat([False, True], 4)
    assert value_of(equal_error, scores, attack) == 0.25
    # No attack may pass: all that score 0.4 or more are refused, of the bona fide one of four.
    assert value_of(bpcer_at(0.01), scores, attack) == 0.25
    assert value_of(bpcer_at(0.5), scores, attack) == 0
    assert value_of(equal_error, scores, ~attack) == 0.75


def test_intervals_are_over_groups_and_leave_out_what_is_not_known() -> None:
    scores = np.array([0.1, 0.9, 0.2, 0.8, np.nan])
    truth = np.array([False, True, False, True, True])
    found = measured(auc, scores, truth, ["a", "a", "b", "b", "c"])
    assert found.value == 1.0
    assert found.interval == (1.0, 1.0)
    assert np.isnan(measured(auc, scores[:1], truth[:1], ["a"]).value)


@pytest.mark.parametrize(
    "damage",
    [MATCHED, *(level for kind in DAMAGES.values() for level in kind)],
    ids=lambda damage: f"{damage.kind} {damage.amount}",
)
def test_damages_keep_the_proportions(damage: Any) -> None:
    image = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    spoilt = damage.apply(image, 64.0)
    assert spoilt.dtype == np.uint8
    assert spoilt.shape[1] / spoilt.shape[0] == pytest.approx(4 / 3, rel=0.05)
    np.testing.assert_array_equal(spoilt, damage.apply(image, 64.0))


def test_matched_faces_have_one_size() -> None:
    image = np.zeros((400, 400, 3), np.uint8)
    assert MATCHED.apply(image, 224.0).shape == (200, 200, 3)
    assert MATCHED.apply(image, 90.0).shape == (400, 400, 3)


@pytest.mark.parametrize(
    "name", ["", "mine", "no.such.module:score", "no.py:score", "numpy:no_such", "numpy:pi", "numpy:ndarray"]
)
def test_detectors_that_are_none(name: str) -> None:
    with pytest.raises(UsageError, match="detector"):
        load_detector(name)


def test_detectors_in_a_file(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def score(crops):\n    return crops.mean(axis=(1, 2, 3))\n")
    assert load_detector(f"{tmp_path / 'mine.py'}:score")(np.full((1, 256, 256, 3), 7, np.uint8)) == 7
    (tmp_path / "mine.py").write_text("def score(:")
    with pytest.raises(UsageError, match="cannot be loaded"):
        load_detector(f"{tmp_path / 'mine.py'}:score")


def redness(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A detector of crops: forged is what is red."""
    assert crops.shape == (1, 256, 256, 3)
    return np.asarray(crops[..., 0].mean(axis=(1, 2)) - crops[..., 2].mean(axis=(1, 2)))


class OfFaces:
    takes = "faces"

    def __call__(self, faces: Faces) -> float:
        assert faces.image is not None
        return float(faces.require_image()[..., 0].mean())


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Two people as they are, and reddened."""
    for name in ("real", "fake/red"):
        (tmp_path / name).mkdir(parents=True)
    for number, source in enumerate(assets.PEOPLE[:2]):
        image = load_image(source)[::4, ::4]
        save_image(image, tmp_path / "real" / f"p{number}_.png")
        image = np.clip(image + np.array([60, 0, -60]), 0, 255).astype(np.uint8)
        save_image(image, tmp_path / "fake" / "red" / f"p{number}_red.png")
    return tmp_path


@pytest.mark.weights
def test_cues_and_detectors_by_method(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = {kind: levels[-1:] for kind, levels in DAMAGES.items()}
    monkeypatch.setattr("mien.evaluation.forgery.DAMAGES", few)
    with Engine(threads=1) as engine:
        found = evaluate_forgery(
            people, detectors={"red": load_detector(f"{__name__}:redness"), "faces": OfFaces()}, engine=engine
        )
        matched = evaluate_forgery(people, matched=True, engine=engine)
        stressed = stress_forgery(people, engine=engine)
        odd: dict[str, Detector] = {"two": lambda _: [1, 2], "words": lambda _: "high"}
        for name, detector in odd.items():
            with pytest.raises(UsageError, match="one number a face"):
                evaluate_forgery(people, detectors={name: detector}, engine=engine)
    cell = found.of("red", "red")
    assert (cell.real, cell.forged, cell.groups, cell.auc.value, cell.eer.value) == (2, 2, 2, 1.0, 0.0)
    assert found.of("red", "faces").auc.value == 1.0
    assert found.files == 4
    assert found.missed == 0
    assert "112" in matched.damage
    (table,) = forgery_tables(found)
    assert "too few for intervals" in table.notes[0]
    assert [row[0] for row in table.rows][-2:] == ["red", "faces"]
    assert list(stressed) == list(DAMAGES)
    assert len(stress_tables(stressed)) == 3
    with pytest.raises(UsageError, match="nothing was measured"):
        found.of("blue", "noise")
    pytest.importorskip("matplotlib")
    save_plots(tmp_path / "stress.png", stress_panels(stressed))
    assert (tmp_path / "stress.png").stat().st_size > 10_000


@pytest.mark.weights
def test_a_set_without_faces(tmp_path: Path) -> None:
    for name in ("real/a.png", "fake/b.png"):
        (tmp_path / name).parent.mkdir()
        save_image(np.full((80, 80, 3), 128, np.uint8), tmp_path / name)
    with Engine(threads=1) as engine, pytest.raises(NoFace, match="in any of the files"):
        evaluate_forgery(tmp_path, engine=engine)
