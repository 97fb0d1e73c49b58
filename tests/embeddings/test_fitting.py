"""Tables made of vectors: which pairs count, in one go and in blocks, and what of one person's pairs."""

from __future__ import annotations

import math
import tracemalloc
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import NotCalibrated, ShapeMismatch, UsageError
from mien.embeddings import fitting
from mien.embeddings.calibration import Calibration, Genuine, Stratum, Traits
from mien.embeddings.fitting import KINDS, fit_calibration, fit_genuine, fit_stratum

Vectors = np.ndarray


def directions(count: int, seed: int = 0, dimensions: int = 48) -> Vectors:
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions))
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), np.float32)


def table(vectors: Vectors, people: object, traits: list[Traits] | None = None, **options: object) -> Calibration:
    given: dict[str, Any] = {"space": "x/1", "name": "mine", "data": "made up", "resamples": 20} | options
    return fit_calibration(vectors, people, traits, **given)


def test_without_traits_all_pairs_are_one_stratum() -> None:
    made = table(directions(80), np.arange(80))
    (anyone,) = made.strata
    assert (anyone.name, anyone.people, anyone.pairs) == ("anyone", 80, 80 * 79 // 2)
    assert made.strata_of() == ("anyone",)
    assert anyone.genuine is None
    first, second = np.triu_indices(80, 1)
    vectors = directions(80)
    scores = (vectors[first] * vectors[second]).sum(axis=1)
    same = fit_stratum(scores, first, second, name="x", ages=((0, 9), (0, 9)), size=(0, 9), resamples=20)
    assert anyone.rates == same.rates
    assert anyone.scores == pytest.approx(same.scores, abs=2e-4)


def test_each_person_counts_once_and_own_pairs_make_the_likelihood_ratio() -> None:
    centres = directions(60)
    copies = np.repeat(centres, 3, axis=0) + 0.4 * directions(180, seed=1)
    copies /= np.linalg.norm(copies, axis=1, keepdims=True)
    made = table(copies, [f"p{n // 3}" for n in range(180)])
    (anyone,) = made.strata
    assert (anyone.people, anyone.pairs) == (60, 60 * 59 // 2)
    assert anyone.genuine is not None
    assert (anyone.genuine.people, anyone.genuine.pairs) == (60, 180)
    assert 0.8 < anyone.genuine.mean < 0.9
    assert made.likelihood_ratio(0.85) == made.likelihood_ratio(0.99) == pytest.approx(177)
    assert made.likelihood_ratio(0.1) == pytest.approx(1 / 61, rel=1e-3)


def test_strata_are_made_of_what_is_known_for_sure() -> None:
    grown, child, blurred = (
        Traits((30, 40), (90, 90), (0.9, 0.9)),
        Traits((3, 5), (90, 90), (0.9, 0.9)),
        Traits((30, 40), (90, 90), (0.3, 0.3)),
    )
    unsure = Traits((10, 40), (90, 90), (0.9, 0.9))
    traits = [grown] * 50 + [child] * 40 + [blurred] * 40 + [unsure] * 20
    made = {s.name: s for s in table(directions(150), np.arange(150), traits).strata}
    assert set(made) == {"adult", "mixed", "minor", "child", "adult, poor"}
    # A clear adult with a clear or a blurred one; two blurred ones are another kind.
    assert made["adult"].pairs == 50 * 49 // 2 + 50 * 40
    assert made["mixed"].pairs == 40 * 90
    assert made["minor"].pairs == made["child"].pairs == 40 * 39 // 2
    assert made["adult, poor"].pairs == 40 * 39 // 2
    assert made["adult, poor"].people == 40


def test_ages_that_nobody_knows_make_no_strata() -> None:
    made = table(directions(60), np.arange(60), [Traits(size=(50, 80), quality=(0.5, 0.9))] * 60)
    assert [s.name for s in made.strata] == ["anyone"]
    assert made.strata[0].size[0] == 50
    assert made.strata[0].quality[0] == 0.5


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_a_pair_that_makes_a_stratum_is_found_in_it(kind: fitting.Kind) -> None:
    middles = [(a + b) / 2 for a, b in kind.ages]
    size = 1000.0 if kind.size[1] > 1000 else 40.0
    quality = 0.9 if math.isinf(kind.quality[1]) else 0.4
    faces = [Traits((age, age), (size, size), (quality, quality)) for age in middles for _ in range(40)]
    made = table(directions(80), np.arange(80), faces)
    assert kind.name in {s.name for s in made.strata}
    assert kind.name in made.strata_of(faces[0], faces[-1])


def test_many_people_in_blocks_are_like_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors = directions(400)
    (whole,) = table(vectors, np.arange(400), resamples=60).strata
    monkeypatch.setattr(fitting, "BULK_PEOPLE", 150)
    monkeypatch.setattr(fitting, "BLOCK", 64)
    (parts,) = table(vectors, np.arange(400), resamples=60).strata
    assert (parts.pairs, parts.people, parts.rates) == (whole.pairs, whole.people, whole.rates)
    low = [rate < fitting.TAIL for rate in whole.rates]
    assert np.array(parts.scores)[low] == pytest.approx(np.array(whole.scores)[low], abs=0.01)
    assert np.array(parts.scores) == pytest.approx(np.array(whole.scores), abs=0.03)


def test_a_rate_that_only_a_score_beyond_one_would_hold_is_not_given() -> None:
    narrow = (directions(80) + 1.2 * directions(1, seed=1)) ** 3  # they point the same way, as poor faces' do
    narrow /= np.linalg.norm(narrow, axis=1, keepdims=True)
    made = table(narrow, np.arange(80))
    (anyone,) = made.strata
    assert anyone.scores[-1] <= 1
    assert anyone.rates[-1] > anyone.counted_down_to / 100
    with pytest.raises(NotCalibrated, match=r"the lowest is 0\.0002"):
        made.threshold(1e-4)


def test_vectors_that_are_missing_do_not_count() -> None:
    vectors = directions(60)
    vectors[::10] = np.nan
    assert table(vectors, np.arange(60)).strata[0].people == 54


def test_too_few_people_and_arrays_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="33 people"):
        table(directions(32), np.arange(32))
    with pytest.raises(UsageError, match="2 people with a face"):
        table(directions(90), np.arange(90) % 2)
    with pytest.raises(UsageError, match="0 people"):
        table(np.zeros((0, 48)), np.zeros(0))
    with pytest.raises(ShapeMismatch):
        table(directions(40), np.arange(39))
    with pytest.raises(ShapeMismatch):
        table(directions(40), np.arange(40), [Traits()] * 39)


def test_a_person_of_many_pictures_needs_little_memory() -> None:
    vectors = directions(900, dimensions=512)
    tracemalloc.start()
    found = fit_genuine(vectors, np.repeat([0, 1, 2], 300))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found is not None
    assert found.pairs == 3 * 300 * 299 // 2
    assert peak < 32e6, "not the pairs' vectors, which are 92 MB of each person"


def test_pairs_of_one_person() -> None:
    vectors = np.array([[1, 0], [0.8, 0.6], [0, 1], [0.6, 0.8], [0.6, 0.8], [1, 0]])
    found = fit_genuine(vectors, ["a", "a", "b", "b", "b", "c"])
    assert found is not None
    assert (found.people, found.pairs) == (2, 4)
    b = np.array([0.8, 0.8, 1.0])
    assert found.mean == pytest.approx((0.8 + b.mean()) / 2, abs=1e-4), "each person counts once"
    assert fit_genuine(vectors[:2], ["a", "a"]) is None
    assert fit_genuine(vectors, range(6)) is None


# -- likelihood ratios -------------------------------------------------------------------------------------------------

RATIOS = Stratum(
    "adult",
    ((18, 150), (18, 150)),
    (64, 1e5),
    200,
    20_000,
    rates=(0.5, 0.1, 0.01, 1e-3, 1e-4, 1e-5),
    scores=(0.0, 0.1, 0.2, 0.3, 0.4, 0.5),
    genuine=Genuine(10, 500, 0.6, 0.1),
)


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_a_ratio_rises_with_the_score_and_ends_where_the_counts_do(one: float, other: float) -> None:
    low, high = (RATIOS.likelihood_ratio(score) for score in sorted([one, other]))
    assert low is not None
    assert high is not None
    assert 1 / 11 <= low * 1.001 <= high * 1.002
    assert high <= 2000


def test_a_ratio_of_curves_that_are_too_steep_for_an_exponential() -> None:
    steep = Stratum(
        "steep", ((0, 150), (0, 150)), (0, 1e5), 5, 10_000, (0.1, 0.01), (0.1, 0.1001), genuine=Genuine(9, 90, 0.9, 0.1)
    )
    assert steep.likelihood_ratio(1.0) == 1000
    assert steep.likelihood_ratio(-1.0) == 0.1


def test_a_ratio_by_hand() -> None:
    # At 0.35 strangers have 1e-3.5 left of them, and lose a factor of ten in 0.1.
    strangers = 10**-3.5 * math.log(10) / 0.1
    own = math.exp(-((0.6 - 0.35) ** 2) / 2 / 0.1**2) / (0.1 * math.sqrt(2 * math.pi))
    assert RATIOS.likelihood_ratio(0.35) == pytest.approx(own / strangers, rel=0.02)


def test_without_pairs_of_one_person_there_is_no_ratio() -> None:
    bare = Stratum("child", RATIOS.ages, RATIOS.size, 9, 600, RATIOS.rates, RATIOS.scores)
    assert bare.likelihood_ratio(0.4) is None
    both = Calibration("x", "x/1", table(directions(40), range(40)).date, "", "free", (RATIOS, bare))
    assert both.likelihood_ratio(0.4) is None
    assert both.likelihood_ratio(0.4, ["adult"]) == RATIOS.likelihood_ratio(0.4)
    again = Calibration.from_toml(both.to_toml(), "x")
    assert again.strata[0].genuine == RATIOS.genuine
    assert again.strata[0].quality == (0.0, math.inf)
