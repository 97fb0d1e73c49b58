"""Scores, curves, accuracy by folds, rates by group."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.evaluation.folds import best_threshold, evaluate_folds
from mien.evaluation.groups import evaluate_groups
from mien.evaluation.pairs import Pairs
from mien.evaluation.scores import REJECTED, Scores, curve, threshold_at
from tests.evaluation.recognition import people


def scores_of(genuine: list[float], impostor: list[float], *, folds: list[int] | None = None) -> Scores:
    """Each pair of people of its own."""
    count = len(genuine) + len(impostor)
    first = 2 * np.arange(count)
    second = np.where(np.arange(count) < len(genuine), first, first + 1)
    return Scores(np.array([*genuine, *impostor]), first, second, None if folds is None else np.array(folds))


def all_pairs(owners: list[str]) -> Pairs:
    first, second = np.triu_indices(len(owners), 1)
    return Pairs(tuple(Path(f"{row}.jpg") for row in range(len(owners))), tuple(owners), first, second)


# -- scores ------------------------------------------------------------------------------------------------------------


def test_scores_of_pairs() -> None:
    vectors = np.array([[1, 0], [0.6, 0.8], [0, 1], [np.nan, np.nan]], np.float32)
    found = Scores.of_pairs(all_pairs(["a", "a", "b", "b"]), vectors)
    assert found.values == pytest.approx([0.6, 0, REJECTED, 0.8, REJECTED, REJECTED])
    assert found.genuine.tolist() == [True, False, False, False, False, True]
    swapped = Scores.of_pairs(all_pairs(["a", "a", "b", "b"]), vectors, seconds=-vectors)
    assert swapped.values[0] == pytest.approx(-0.6)
    with pytest.raises(ShapeMismatch):
        Scores.of_pairs(all_pairs(["a", "b"]), vectors)


def test_scores_that_are_wrong() -> None:
    with pytest.raises(ShapeMismatch):
        Scores(np.zeros(2), np.zeros(1, int), np.zeros(2, int))
    with pytest.raises(UsageError, match="no number"):
        Scores(np.array([np.nan]), np.zeros(1, int), np.zeros(1, int))


def test_the_curve_by_hand() -> None:
    found = curve(scores_of([0.9, 0.5], [0.5, 0.1]))
    assert found.thresholds.tolist() == [np.inf, 0.9, 0.5, 0.1]
    assert found.fmr.tolist() == [0, 0, 0.5, 1]
    assert found.fnmr.tolist() == [1, 0.5, 0, 0]


@given(st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3]), min_size=1, max_size=30), st.floats(0.001, 0.999))
def test_a_threshold_lets_in_no_more_and_could_not_be_lower(impostors: list[float], rate: float) -> None:
    values = np.array(impostors)
    threshold = threshold_at(values, rate)
    allowed = int(np.floor(rate * len(values) + 1e-9))
    assert (values >= threshold).sum() <= allowed
    assert (values >= np.nextafter(threshold, -np.inf)).sum() > allowed


# -- folds -------------------------------------------------------------------------------------------------------------


def test_folds_that_can_be_told_apart() -> None:
    found = evaluate_folds(scores_of([0.8] * 10, [0.2] * 10, folds=[*range(10), *range(10)]))
    assert (found.folds, found.pairs, found.accuracy, found.std) == (10, 20, 1.0, 0.0)
    assert found.thresholds == pytest.approx([0.5] * 10), "in the middle of what lies between"
    assert found.interval[0] < 0.9, "twenty pairs prove little"
    assert json.loads(json.dumps(found.to_dict()))["accuracy"] == 1


def test_the_threshold_of_a_fold_is_chosen_on_the_others() -> None:
    # Fold 0 would need a threshold of 0.9 or more; the others, 0.5.
    genuine, impostor = [0.95, 0.6, 0.6, 0.6], [0.85, 0.4, 0.4, 0.4]
    found = evaluate_folds(scores_of(genuine, impostor, folds=[0, 1, 2, 3] * 2))
    assert found.accuracies[0] == 0.5
    assert found.thresholds[0] == pytest.approx(0.5)
    assert found.accuracy == pytest.approx((0.5 + 3) / 4)
    assert found.std == pytest.approx(np.std([0.5, 1, 1, 1], ddof=1))
    assert found.error == pytest.approx(found.std / 2)


@given(
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3]), min_size=1, max_size=12),
    st.lists(st.sampled_from([0.0, 0.1, 0.2, 0.3]), min_size=1, max_size=12),
)
@settings(max_examples=50)
def test_no_threshold_is_better_than_the_best(genuine: list[float], impostor: list[float]) -> None:
    scores = scores_of(genuine, impostor)

    def right(threshold: float) -> int:
        return int(((scores.values >= threshold) == scores.genuine).sum())

    assert right(best_threshold(scores)) == max(map(right, [-1.0, 0.05, 0.15, 0.25, 1.0]))


def test_folds_that_are_missing() -> None:
    for folds in (None, [0, 0]):
        with pytest.raises(UsageError, match="two folds"):
            evaluate_folds(scores_of([0.9], [0.1], folds=folds))


# -- groups ------------------------------------------------------------------------------------------------------------


def labelled(count: int, *, noisy: float = 0.5) -> tuple[Scores, NDArray[np.str_], NDArray[np.str_]]:
    """Two groups of people, one alike to look at: half of the directions are shared."""
    clear, owners = people(count, 4, seed=1)
    alike, others = people(count, 4, noise=noisy, seed=2)
    alike += 1.5 * alike[:1]
    alike /= np.linalg.norm(alike, axis=1, keepdims=True)
    pairs = all_pairs([*owners, *(f"q{name}" for name in others)])
    groups = np.array(["clear"] * len(owners) + ["alike"] * len(others))
    return Scores.of_pairs(pairs, np.concatenate([clear, alike])), groups[pairs.first], groups[pairs.second]


def test_rates_by_group_at_one_threshold() -> None:
    scores, one, other = labelled(20)
    found = evaluate_groups(scores, one.tolist(), other.tolist(), far=0.05)
    alike, clear = found.rows
    assert (alike.name, alike.people, alike.genuine, alike.impostor) == ("alike", 20, 120, 80 * 79 // 2 - 120)
    inside = (one == "alike") & (other == "alike") & ~scores.genuine
    assert alike.fmr == pytest.approx((scores.values[inside] >= found.threshold).mean())
    assert alike.fmr > 0.05 > clear.fmr
    for row in found.rows:
        assert row.fmr_interval[0] <= row.fmr <= row.fmr_interval[1]
        assert row.fnmr_interval[0] <= row.fnmr <= row.fnmr_interval[1]
    assert found.ungrouped == 80 * 80
    assert "under 200 people" in found.warnings[0]
    assert json.loads(json.dumps(found.to_dict()))["rows"][0]["people"] == 20


def test_a_rate_that_the_pairs_cannot_show_is_told() -> None:
    scores = scores_of([0.9, 0.8], [0.1, 0.2])
    found = evaluate_groups(scores, ["a"] * 4, ["a"] * 4, far=0.01)
    assert found.rows[0].fmr == 0
    assert found.warnings[0].startswith("2 pairs of two people cannot show a FAR of 0.01")


def test_a_group_without_pairs_has_no_rate() -> None:
    scores = scores_of([0.9, 0.8], [0.1, 0.2])
    found = evaluate_groups(scores, ["a", "a", "a", "b"], ["a", "a", "a", "a"], far=0.5)
    a, b = found.rows
    assert (a.fmr, a.fnmr) == (0.0, 0.0)
    assert b.people == 0
    assert np.isnan([b.fmr, b.fnmr]).all()
    assert b.fmr_interval == (0.0, 1.0)
    assert found.ungrouped == 1
    assert "no pairs of one person, or of two: b" in found.warnings[1]


def test_groups_that_are_wrong() -> None:
    scores = scores_of([0.9], [0.1])
    with pytest.raises(UsageError, match="no picture is in a group"):
        evaluate_groups(scores, ["", ""], ["", ""])
    with pytest.raises(ShapeMismatch):
        evaluate_groups(scores, ["a"], ["a"])
    with pytest.raises(UsageError, match="far"):
        evaluate_groups(scores, ["a", "a"], ["a", "a"], far=1)
    with pytest.raises(UsageError, match="two people"):
        evaluate_groups(scores_of([0.9], []), ["a"], ["a"])
