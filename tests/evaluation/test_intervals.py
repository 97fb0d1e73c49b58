"""Intervals of the bootstrap and of Wilson."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import UsageError
from mien.evaluation.intervals import bootstrap, draw_sums, wilson


def mean(parts: Sequence[float]) -> float:
    return float(np.mean(parts))


def test_the_bootstrap_of_a_mean_is_as_wide_as_theory_says() -> None:
    sample = np.random.default_rng(1).normal(5, 2, 400).tolist()
    low, high = bootstrap(mean, sample)
    error = 1.96 * np.std(sample) / 20
    assert low == pytest.approx(np.mean(sample) - error, abs=0.05)
    assert high == pytest.approx(np.mean(sample) + error, abs=0.05)


def test_a_lower_level_is_narrower_and_a_seed_repeats() -> None:
    sample = np.random.default_rng(1).normal(size=50).tolist()
    wide, narrow = bootstrap(mean, sample), bootstrap(mean, sample, level=0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert bootstrap(mean, sample, seed=3) == bootstrap(mean, sample, seed=3) != wide


def test_parts_that_hang_together_are_drawn_together() -> None:
    # Ten people with a hundred equal frames each: a thousand frames, but no more than ten witnesses.
    people = [[float(value)] * 100 for value in np.random.default_rng(2).normal(size=10)]
    low, high = bootstrap(lambda parts: float(np.mean(np.concatenate(parts))), people)
    loose = bootstrap(mean, [value for person in people for value in person])
    assert high - low > 5 * (loose[1] - loose[0])


def test_draws_without_an_answer_are_left_out() -> None:
    def second_only(parts: Sequence[int]) -> float:
        return float("nan") if 0 in parts else 1.0

    assert bootstrap(second_only, [0, 1]) == (1.0, 1.0)
    assert np.isnan(bootstrap(second_only, [0])).all()
    assert np.isnan(bootstrap(mean, [])).all()


@pytest.mark.parametrize("level", [0.0, 1.0, 95.0, math.nan])
def test_a_level_is_a_share(level: float) -> None:
    with pytest.raises(UsageError, match="level is between 0 and 1"):
        bootstrap(mean, [1.0], level=level)
    with pytest.raises(UsageError, match="level is between 0 and 1"):
        wilson(1, 2, level=level)


def test_repeats_are_counted() -> None:
    with pytest.raises(UsageError, match="repeats is 1 or more"):
        bootstrap(mean, [1.0], repeats=0)


def test_wilson_against_published_numbers() -> None:
    # Newcombe, "Two-sided confidence intervals for the single proportion", 1998, table I, method 3.
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=5e-5)


@given(st.integers(0, 5000), st.integers(0, 5000), st.floats(0.01, 0.999))
def test_wilson_holds_the_rate_and_stays_a_rate(successes: int, failures: int, level: float) -> None:
    trials = successes + failures
    low, high = wilson(successes, trials, level=level)
    assert 0 <= low <= high <= 1
    if trials:
        assert low <= successes / trials <= high
        assert (low, high) == pytest.approx([1 - end for end in wilson(failures, trials, level=level)[::-1]])


def test_wilson_without_trials_knows_nothing() -> None:
    assert wilson(0, 0) == (0.0, 1.0)
    with pytest.raises(UsageError, match="3 of 2 is no rate"):
        wilson(3, 2)


def test_drawn_sums_are_those_of_the_bootstrap() -> None:
    random = np.random.default_rng(0)
    people = np.stack([random.random(30) * 5, np.full(30, 5.0)], axis=1)
    sums = draw_sums(people, repeats=130, seed=3)
    assert sums.shape == (130, 2)
    assert (sums[:, 1] == 150).all()
    low, high = np.quantile(draw_sums(people)[:, 0] / 150, [0.025, 0.975])
    assert (low, high) == pytest.approx(bootstrap(lambda one: sum(x for x, _ in one) / 150, people.tolist()), abs=0.02)
