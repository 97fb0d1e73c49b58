"""A probe is moved towards what it found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import Vectors
from mien.core.errors import EmbeddingSpaceMismatch, ShapeMismatch, UsageError
from mien.embeddings.expansion import expand

SPACE = "test/1"


def draw(count: int, seed: int, dimension: int = 8) -> Vectors:
    values = np.random.default_rng(seed).normal(size=(count, dimension)) + 0.7
    return Vectors(values / np.linalg.norm(values, axis=1, keepdims=True), space=SPACE)


@given(st.integers(0, 2**31), st.floats(0, 6))
def test_it_is_the_weighted_sum(seed: int, alpha: float) -> None:
    probe, near = draw(1, seed), draw(5, seed + 1)
    total = probe.values[0].astype(float)
    for row in near.values.astype(float):
        cosine = float(row @ probe.values[0])
        if cosine > 0:
            total = total + cosine**alpha * row
    found = expand(probe, [near], alpha=alpha).values[0]
    np.testing.assert_allclose(found, total / np.linalg.norm(total), atol=1e-5)
    assert np.linalg.norm(found) == pytest.approx(1, abs=1e-5)


@given(st.integers(0, 2**31))
def test_the_probe_comes_nearer_to_its_neighbours(seed: int) -> None:
    probe, near = draw(1, seed), draw(1, seed + 1)
    before = float((probe @ near)[0, 0])
    after = float((expand(probe, [near]) @ near)[0, 0])
    assert after >= before - 1e-5


def test_what_is_too_far_does_not_count() -> None:
    probe = Vectors([[1.0, 0.0]], space=SPACE)
    near = Vectors([[0.6, 0.8], [-1.0, 0.0], [np.nan, np.nan]], space=SPACE)
    np.testing.assert_array_equal(expand(probe, [near], least=0.7).values, probe.values)
    np.testing.assert_allclose(expand(probe, [near], alpha=0).values, [[1.6 / 3.2**0.5, 0.8 / 3.2**0.5]], rtol=1e-5)


def test_none_one_and_many() -> None:
    assert expand(draw(0, 0), []).shape == (0, 8)
    probes = Vectors(np.vstack([draw(2, 0).values, np.full((1, 8), np.nan)]), space=SPACE, reasons=(None, None, "blur"))
    found = expand(probes, [draw(0, 1), draw(3, 2), draw(3, 3)])
    np.testing.assert_array_equal(found.values[0], probes.values[0])  # it found nobody
    np.testing.assert_allclose(found.values[1], expand(probes[[1]], [draw(3, 2)]).values[0], atol=1e-6)
    assert found[2].reason == "blur"


def test_bad_calls_are_refused() -> None:
    with pytest.raises(ShapeMismatch, match="0 columns of neighbours for 1"):
        expand(draw(1, 0), [])
    with pytest.raises(EmbeddingSpaceMismatch):
        expand(draw(1, 0), [Vectors(draw(1, 1).values, space="other/1")])
    for options in ({"alpha": -1.0}, {"alpha": np.inf}, {"least": 1.5}, {"least": np.nan}):
        with pytest.raises(UsageError):
            expand(draw(1, 0), [draw(1, 1)], **options)
