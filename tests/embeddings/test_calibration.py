from __future__ import annotations

import datetime as dt
import math
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import CardError, NotCalibrated, ShapeMismatch, UsageError
from mien.embeddings.calibration import Calibration, Genuine, Stratum, Traits, load_calibration
from mien.embeddings.fitting import KINDS, fit_stratum
from mien.models.catalogue import Catalogue

AGES = (0.0, 150.0)
BIG = (64.0, 100000.0)


def stratum(name: str = "all", shift: float = 0.0, pairs: int = 10_000, **changes: object) -> Stratum:
    """A curve whose rate falls tenfold for each 0.1 of score, from 0.5 at `shift`."""
    rates = tuple(0.5 / 10**step for step in range(6))
    scores = tuple(shift + 0.1 * step for step in range(6))
    kind = {"ages": (AGES, AGES), "size": (0.0, 100000.0), "people": 150} | changes
    return Stratum(name=name, pairs=pairs, rates=rates, scores=scores, **kind)


def table(*strata: Stratum) -> Calibration:
    return Calibration("test", "space/1", dt.date(2026, 11, 20), "made up", "free", strata or (stratum(),))


BY_AGE = table(
    stratum("adult", 0.0, ages=((18, 150), (18, 150)), size=BIG),
    stratum("mixed", 0.1, ages=((0, 18), (18, 150)), size=BIG),
    stratum("minor", 0.2, ages=((0, 18), (0, 18)), size=BIG),
    stratum("child", 0.3, ages=((0, 8), (0, 8)), size=BIG),
    stratum("small", 0.4, size=(28, 64)),
)

rates = st.floats(math.log(6e-6), math.log(0.4)).map(math.exp)


@given(rates, rates)
def test_a_lower_rate_needs_a_higher_score(one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert BY_AGE.threshold(low)[0] >= BY_AGE.threshold(high)[0]


@given(rates)
def test_far_undoes_threshold(rate: float) -> None:
    assert BY_AGE.far(BY_AGE.threshold(rate)[0]) == pytest.approx(rate, rel=1e-6)
    assert BY_AGE.far(BY_AGE.threshold(rate, ["adult"])[0], ["adult"]) == pytest.approx(rate, rel=1e-6)


@given(rates, st.lists(st.sampled_from(["adult", "mixed", "minor", "child", "small"]), min_size=1))
def test_the_worst_stratum_decides(rate: float, names: list[str]) -> None:
    each = [BY_AGE.threshold(rate, [name])[0] for name in names]
    assert BY_AGE.threshold(rate, names)[0] == max(each) <= BY_AGE.threshold(rate)[0]


@given(st.floats(-1, 1), st.floats(-1, 1))
def test_far_falls_with_the_score(one: float, other: float) -> None:
    low, high = sorted([one, other])
    assert 0 < BY_AGE.far(high) <= BY_AGE.far(low) <= 1


def test_counted_and_extrapolated_rates() -> None:
    counted = table(stratum(pairs=10_000))
    threshold, extrapolated = counted.threshold(1e-3)
    assert threshold == pytest.approx(0.27, abs=0.01)
    assert not extrapolated
    assert counted.threshold(9e-4)[1], "10 of 10,000 pairs is the last rate that is counted"


def test_a_rate_that_the_curve_does_not_carry() -> None:
    with pytest.raises(NotCalibrated, match="10,000 pairs of 150 people"):
        table().threshold(1e-6)


@pytest.mark.parametrize("rate", [0.0, 1.0, -1e-3, float("nan")])
def test_a_rate_that_is_none(rate: float) -> None:
    with pytest.raises(UsageError, match="far is a rate"):
        table().threshold(rate)


def test_an_unknown_stratum() -> None:
    with pytest.raises(UsageError, match="adult, mixed"):
        BY_AGE.threshold(1e-3, ["martian"])
    with pytest.raises(UsageError):
        BY_AGE.threshold(1e-3, [])


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ((30, 40), (18, 25), ["adult"]),
        ((30, 40), (17, 25), ["adult", "mixed"]),
        ((2, 5), (30, 40), ["mixed"]),
        ((30, 40), (2, 5), ["mixed"]),
        ((9, 12), (9, 12), ["minor"]),
        ((2, 5), (9, 12), ["minor"]),
        ((2, 5), (7, 9), ["minor", "child"]),
        ((0, 150), (0, 150), ["adult", "mixed", "minor", "child"]),
        ((0, 150), (18, 90), ["adult", "mixed"]),
    ],
)
def test_strata_by_age(one: tuple[float, float], other: tuple[float, float], expected: list[str]) -> None:
    size = (100.0, 100.0)
    assert list(BY_AGE.strata_of(Traits(one, size), Traits(other, size))) == expected


def test_strata_by_size_of_the_larger_face() -> None:
    def faces(one: float, other: float) -> tuple[str, ...]:
        return BY_AGE.strata_of(Traits((30, 40), (one, one)), Traits((30, 40), (other, other)))

    assert faces(200, 30) == ("adult",), "one clear face is enough"
    assert faces(63, 30) == ("small",)
    assert faces(64, 63) == ("adult",)
    with pytest.raises(NotCalibrated, match="at least 28 pixels"):
        faces(27, 20)


def test_nothing_known_means_every_stratum() -> None:
    assert BY_AGE.strata_of() == ("adult", "mixed", "minor", "child", "small")


def test_round_trip_through_toml() -> None:
    again = Calibration.from_toml(BY_AGE.to_toml(), "x.toml")
    assert again.strata[1].scores == pytest.approx(BY_AGE.strata[1].scores)
    assert again.date == BY_AGE.date
    assert again.data_terms == "free"
    assert Calibration.from_toml(again.to_toml(), "x.toml") == again
    large = table(stratum('my "own" kind', pairs=12_345_678, genuine=Genuine(2_000_001, 1_234_567, 0.6, 0.1)))
    assert Calibration.from_toml(large.to_toml(), "x.toml").strata[0].genuine == large.strata[0].genuine
    assert Calibration.from_toml(large.to_toml(), "x.toml").strata[0].name == 'my "own" kind'


@pytest.mark.parametrize(
    "text",
    [
        "not toml",
        "name = 'x'",
        table().to_toml().replace("[0, 150], [0, 150]", "[0]"),
        table().to_toml() + "\n[extra]\nx = 1",
        table().to_toml().replace("scores = [0, ", "scores = [0.9, "),
        table().to_toml().replace("rates = [0.5, ", "rates = [0.5, 0.6, "),
        table().to_toml().replace("rates = [0.5, ", "rates = [5.0, "),
        table().to_toml().replace("scores = [0, ", "scores = [nan, "),
        table().to_toml().replace("pairs = 10000", "pairs = 0"),
        table().to_toml().replace("2026-11-20", "'yesterday'"),
        table().to_toml().replace('name = "test"', "name = 5"),
        table().to_toml().partition("[[strata]]")[0] + "strata = []",
        table().to_toml() + "[[strata]]" + table().to_toml().partition("[[strata]]")[2],
    ],
)
def test_a_malformed_table_names_its_file(text: str) -> None:
    with pytest.raises(CardError, match=r"own\.toml"):
        Calibration.from_toml(text, "own.toml")


def test_no_table_for_a_space() -> None:
    with pytest.raises(NotCalibrated, match="unheard-of/1"):
        load_calibration("unheard-of/1")


def test_the_users_own_table_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "calibration"
    folder.mkdir()
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path))
    (folder / "space-1.toml").write_text(table().to_toml())
    assert load_calibration("space/1").name == "test"


def test_a_table_is_parsed_once_and_again_when_it_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "calibration").mkdir()
    file = tmp_path / "calibration" / "space-1.toml"
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path))
    file.write_text(table().to_toml())
    assert load_calibration("space/1") is load_calibration("space/1")
    file.write_text(table().to_toml().replace('"test"', '"next"'))
    assert load_calibration("space/1").name == "next"


def test_a_strict_policy_wants_free_terms_of_the_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "calibration").mkdir()
    file = tmp_path / "calibration" / "space-1.toml"
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path))
    file.write_text(table().to_toml())
    assert load_calibration("space/1", licenses="strict").data_terms == "free"
    file.write_text(table().to_toml().replace('"free"', '"unknown"'))
    assert load_calibration("space/1", licenses="commercial").data_terms == "unknown"
    with pytest.raises(NotCalibrated, match="terms are 'unknown'"):
        load_calibration("space/1", licenses="strict")


def test_every_shipped_embedder_is_calibrated() -> None:
    cards = Catalogue.load().giving("embedding")
    assert {"edgeface-s", "sface", "arcface-mbf", "mobilefacenet"} <= {card.id for card in cards}
    for card in cards:
        assert card.space
        found = load_calibration(card.space)
        assert {s.name for s in found.strata} == {kind.name for kind in KINDS}
        assert [(s.ages, s.size, s.quality) for s in found.strata] == [(k.ages, k.size, k.quality) for k in KINDS]
        assert all(stratum.scores[-1] <= 1 for stratum in found.strata), "a rate that no score can hold is not given"
        assert found.data_terms != "free", "the terms of the data travel with what was fitted on it"
        threshold, extrapolated = found.threshold(1e-3, ["adult"])
        assert 0.1 < threshold < 0.95
        assert not extrapolated
        assert found.threshold(1e-3, ["child"])[0] > threshold, "children are confused more"
        assert found.threshold(1e-3, ["adult, poor"])[0] > threshold, "and so are faces of which little is seen"
        for look in ("", ", small", ", poor"):
            measured = found.likelihood_ratio(threshold, [f"adult{look}"])
            assert measured is not None, "of adults there are pairs of one person"
            assert found.likelihood_ratio(threshold, [f"mixed{look}"]) is None


# -- fitting -----------------------------------------------------------------------------------------------------------


def strangers(count: int, seed: int, dimensions: int = 64) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Cosines of all pairs of random directions, and who is in each pair."""
    vectors = np.random.default_rng(seed).normal(size=(count, dimensions))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    first, second = np.triu_indices(count, 1)
    return (vectors @ vectors.T)[first, second], first, second


def fit(count: int, seed: int) -> Stratum:
    return fit_stratum(*strangers(count, seed), name="all", ages=(AGES, AGES), size=BIG, resamples=50)


def test_the_fit_holds_on_other_people() -> None:
    made = fit(150, seed=0)
    assert (made.people, made.pairs) == (150, 150 * 149 // 2)
    scores, _, _ = strangers(1000, seed=1)
    for rate in (0.1, 1e-2, 1e-3, 1e-4):
        realised = float((scores >= made.threshold(rate)).mean())
        assert rate / 20 < realised < rate, f"FAR {rate:g}: realised {realised:g} on {len(scores):,} pairs"


def test_fewer_people_need_a_wider_margin() -> None:
    assert fit(40, seed=0).threshold(1e-2) > fit(400, seed=0).threshold(1e-2)


def test_the_fit_is_repeatable_and_reaches_a_hundredth_of_what_was_counted() -> None:
    assert fit(60, seed=3) == fit(60, seed=3)
    made = fit(60, seed=3)
    assert made.rates[0] == 0.5
    assert made.counted_down_to / 250 < made.rates[-1] < made.counted_down_to / 40


def test_too_little_to_fit() -> None:
    with pytest.raises(UsageError, match="500 pairs"):
        fit(10, seed=0)
    with pytest.raises(ShapeMismatch):
        fit_stratum([0.1, 0.2], [0], [1], name="x", ages=(AGES, AGES), size=BIG)
    same = np.zeros(600, int)
    with pytest.raises(UsageError, match="different people"):
        fit_stratum(np.zeros(600), same, same, name="x", ages=(AGES, AGES), size=BIG)
