"""Scores in deviations above the nearest strangers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import Vectors
from mien.core.errors import EmbeddingSpaceMismatch, ShapeMismatch, UsageError
from mien.embeddings.normalization import Cohort, normalize

SPACE = "test/1"


def draw(count: int, seed: int, dimension: int = 12) -> Vectors:
    values = np.random.default_rng(seed).normal(size=(count, dimension))
    return Vectors(values / np.linalg.norm(values, axis=1, keepdims=True), space=SPACE)


def by_the_formula(probes: Vectors, candidates: Vectors, cohort: Vectors, top: int) -> list[list[float]]:
    """The paper's formula, written out pair by pair."""

    def parts(face: np.ndarray) -> tuple[float, float]:
        scores = sorted((float(face @ other) for other in cohort.values), reverse=True)[:top]
        mean = sum(scores) / len(scores)
        return mean, (sum((score - mean) ** 2 for score in scores) / len(scores)) ** 0.5

    table = []
    for probe in probes.values:
        row = []
        for candidate in candidates.values:
            score = float(probe @ candidate)
            (mean_a, std_a), (mean_b, std_b) = parts(probe), parts(candidate)
            row.append(((score - mean_a) / std_a + (score - mean_b) / std_b) / 2)
        table.append(row)
    return table


@given(st.integers(0, 2**31), st.integers(2, 30))
def test_it_is_the_formula_of_the_paper(seed: int, top: int) -> None:
    probes, candidates, cohort = draw(3, seed), draw(4, seed + 1), draw(20, seed + 2)
    expected = by_the_formula(probes, candidates, cohort, top)
    np.testing.assert_allclose(normalize(probes, candidates, cohort, top=top), expected, rtol=1e-3, atol=1e-3)


@given(st.integers(0, 2**31))
def test_sides_may_change_places_and_the_cohort_has_no_order(seed: int) -> None:
    probes, candidates, cohort = draw(3, seed), draw(4, seed + 1), draw(20, seed + 2)
    found = normalize(probes, candidates, cohort, top=5)
    np.testing.assert_allclose(normalize(candidates, probes, cohort, top=5).T, found, atol=1e-4)
    np.testing.assert_allclose(normalize(probes, candidates, cohort[::-1], top=5), found, atol=1e-4)


def test_a_score_stands_out_less_where_strangers_are_near() -> None:
    """Two pairs of equal cosine: the one that many look like gets the lower score."""
    rng = np.random.default_rng(0)
    crowd = np.eye(8)[0] + 0.5 * rng.normal(size=(40, 8))
    crowd /= np.linalg.norm(crowd, axis=1, keepdims=True)
    common = Vectors([[1, 0, 0, 0, 0, 0, 0, 0.0], [0.8, 0, 0, 0, 0, 0, 0, 0.6]], space=SPACE)
    rare = Vectors([[-1, 0, 0, 0, 0, 0, 0, 0.0], [-0.8, 0, 0, 0, 0, 0, 0, 0.6]], space=SPACE)
    cohort = Cohort(Vectors(crowd, space=SPACE), top=10)
    scores = [cohort.normalize(pair[:1] @ pair[1:], pair[:1], pair[1:])[0, 0] for pair in (common, rare)]
    assert scores[0] < scores[1]


def test_faces_that_abstained_do_not_count_and_stay_unknown() -> None:
    probes, cohort = draw(2, 0), draw(6, 1)
    holed = Vectors(np.vstack([cohort.values, np.full((1, 12), np.nan)]), space=SPACE)
    np.testing.assert_array_equal(normalize(probes, probes, holed), normalize(probes, probes, cohort))
    missing = Vectors(np.vstack([probes.values[:1], np.full((1, 12), np.nan)]), space=SPACE)
    found = normalize(missing, probes, cohort)
    assert np.isfinite(found[0]).all()
    assert np.isnan(found[1]).all()


def test_a_cohort_of_copies_has_no_scale() -> None:
    copies = Vectors(np.repeat(draw(1, 0).values, 5, axis=0), space=SPACE)
    assert np.isnan(normalize(draw(1, 1), draw(1, 2), copies)).all()


def test_none_one_and_many() -> None:
    cohort = Cohort(draw(9, 0))
    assert cohort.normalize(np.zeros((0, 3)), draw(0, 1), draw(3, 1)).shape == (0, 3)
    assert normalize(draw(1, 1)[0], draw(3, 2), cohort.vectors).shape == (1, 3)
    many = draw(5000, 3)  # more than one block
    np.testing.assert_allclose(cohort.statistics(many)[0][-1], cohort.statistics(many[-1:])[0][0], rtol=1e-6)


def test_what_cannot_be_normalized_is_refused() -> None:
    with pytest.raises(UsageError, match="two people or more"):
        Cohort(draw(1, 0))
    with pytest.raises(UsageError, match="top is a whole number"):
        Cohort(draw(5, 0), top=1)
    other = Vectors(draw(5, 0).values, space="other/1")
    with pytest.raises(EmbeddingSpaceMismatch):
        normalize(draw(1, 0), draw(1, 1), other)
    with pytest.raises(ShapeMismatch):
        normalize(draw(1, 0), draw(1, 1), draw(5, 0, dimension=3))
    with pytest.raises(ShapeMismatch, match="scores of 1 probes and 2"):
        Cohort(draw(5, 0)).normalize([[0.1]], draw(1, 0), draw(2, 0))
