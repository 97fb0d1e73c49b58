"""Events against true ones: matched one to one, person by person, and what is counted then."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.clip import Event
from mien.core.errors import UsageError
from mien.evaluation.events import average_precision, evaluate_events, match_events, same_people, temporal_iou


def blink(start: float, end: float, track: int = 0, score: float = 1.0) -> Event:
    return Event("blink", track, start, end, score=score)


spans = st.tuples(st.floats(0, 20), st.floats(0, 2)).map(lambda pair: blink(pair[0], pair[0] + pair[1]))


def test_overlap_in_time() -> None:
    found = [blink(0, 2), blink(1, 3), blink(2, 4), blink(5, 6), blink(0.5, 1.5), blink(1, 1)]
    np.testing.assert_allclose(temporal_iou([blink(0, 2)], found)[0], [1, 1 / 3, 0, 0, 0.5, 0])
    np.testing.assert_allclose(temporal_iou([blink(1, 1)], [blink(1, 1), blink(2, 2)])[0], [1, 0])
    assert temporal_iou([], found).shape == (0, 6)


@given(st.lists(spans, max_size=6), st.lists(spans, max_size=6))
def test_overlap_is_a_symmetric_share(one: list[Event], other: list[Event]) -> None:
    overlaps = temporal_iou(one, other)
    np.testing.assert_array_equal(overlaps, temporal_iou(other, one).T)
    assert ((overlaps >= 0) & (overlaps <= 1)).all()
    np.testing.assert_allclose(np.diag(temporal_iou(one, one)), 1)


def test_as_many_pairs_as_can_be() -> None:
    # Greedy by overlap would give the first found event to the second true one, and leave the others alone.
    truth = [blink(0.0, 1.0), blink(1.0, 2.0)]
    found = [blink(0.4, 1.8), blink(1.5, 2.4)]
    pairs = match_events(truth, found, iou=0.3)
    assert pairs == [(truth[0], found[0]), (truth[1], found[1])]
    assert match_events(truth, found, iou=0.9) == []


@given(st.lists(spans, max_size=6), st.lists(spans, max_size=6), st.floats(0.01, 1))
def test_pairs_are_one_to_one_and_overlap(truth: list[Event], found: list[Event], iou: float) -> None:
    pairs = match_events(truth, found, iou=iou)
    assert len({id(a) for a, _ in pairs}) == len({id(b) for _, b in pairs}) == len(pairs)
    assert all(temporal_iou([a], [b])[0, 0] >= iou for a, b in pairs)
    assert len(match_events(truth, truth, iou=iou)) == len(truth)


def test_people_are_found_by_what_they_do() -> None:
    truth = [blink(1, 2, 0), blink(5, 6, 0), blink(3, 4, 1)]
    found = [blink(1.1, 2, 70), blink(5, 6, 70), blink(3, 4, 80), blink(1.2, 1.9, 80), blink(9, 10, 90)]
    assert same_people(truth, found) == {0: 70, 1: 80}
    assert same_people(truth, []) == {}


def test_what_is_counted() -> None:
    truth = {"a": [blink(1, 2, 0), blink(5, 6, 0), blink(3, 4, 1)], "b": [], "c": [blink(1, 2)]}
    found = {
        "a": [blink(1.1, 2.2, 7), blink(9, 9.5, 7), blink(3, 4, 8), blink(5, 6, 8)],  # the last is the other's
        "b": [blink(1, 2, 3)],
    }
    report = evaluate_events(truth, found, kind="blink")
    assert (report.clips, report.people, report.truth, report.found, report.matched) == (3, 3, 4, 5, 2)
    assert report.precision == pytest.approx(2 / 5)
    assert report.recall == pytest.approx(2 / 4)
    assert report.f1 == pytest.approx(4 / 9)
    assert report.f1_interval[0] <= report.f1 <= report.f1_interval[1]
    assert (report.onset_error, report.offset_error) == pytest.approx((0.05, 0.1))
    assert (report.onset_bias, report.offset_bias) == pytest.approx((0.05, 0.1))
    assert report.to_dict()["average_precision"].keys() == {"0.5", "0.75", "0.5:0.95"}


def test_events_of_another_kind_do_not_count() -> None:
    truth = {"a": [blink(1, 2), Event("look", 0, 3, 4)]}
    report = evaluate_events(truth, {"a": [blink(1, 2), Event("look", 0, 8, 9)]}, kind="blink")
    assert (report.truth, report.found, report.f1) == (1, 1, 1.0)


def test_nothing_found_and_nothing_to_find() -> None:
    nothing = evaluate_events({"a": []}, {}, kind="blink")
    assert np.isnan([nothing.precision, nothing.recall, nothing.f1, nothing.onset_error]).all()
    missed = evaluate_events({"a": [blink(1, 2)]}, {}, kind="blink")
    assert (missed.recall, missed.f1) == (0, 0)
    assert np.isnan(missed.precision)
    invented = evaluate_events({"a": []}, {"a": [blink(1, 2)]}, kind="blink")
    assert (invented.precision, invented.f1) == (0, 0)
    assert np.isnan(list(invented.average_precision.values())).all()


def test_more_events_than_can_be_compared() -> None:
    many = [blink(n, n + 0.2) for n in range(7100)]
    with pytest.raises(UsageError, match="a has too many events: 7100 true and 7100 found"):
        evaluate_events({"a": many}, {"a": many}, kind="blink")


def test_clips_and_thresholds_that_are_none() -> None:
    with pytest.raises(UsageError, match="nothing is known of the clip 'b'"):
        evaluate_events({"a": []}, {"b": []}, kind="blink")
    with pytest.raises(UsageError, match="no clip to evaluate"):
        evaluate_events({}, {}, kind="blink")
    for iou in (0.0, 1.5, float("nan")):
        with pytest.raises(UsageError, match="iou is above 0"):
            evaluate_events({"a": []}, {}, kind="blink", iou=iou)


def ap(truth: Sequence[Event], found: Sequence[Event]) -> float:
    return average_precision([(truth, found)], iou=0.5)


def test_average_precision_by_hand() -> None:
    truth = [blink(0, 1), blink(2, 3), blink(4, 5), blink(6, 7)]
    # right, wrong, right: precision 1 at recall 1/4, 2/3 at 2/4; the other half is never found.
    found = [blink(0, 1, score=0.9), blink(8, 9, score=0.8), blink(2, 3, score=0.7)]
    assert ap(truth, found) == pytest.approx((1 + 2 / 3) / 4)
    # A second event on a true one that is taken is wrong; and a late right one does not lose by earlier precision.
    assert ap(truth[:1], [blink(0, 1, score=0.9), blink(0, 1, score=0.8)]) == 1
    assert ap(truth[:1], [blink(0, 1, score=0.2), blink(8, 9, score=0.8)]) == 0.5
    assert ap(truth, truth) == 1
    assert ap(truth, []) == 0


@given(st.lists(spans, min_size=1, max_size=6), st.lists(spans, max_size=6), st.integers(-4, 4))
def test_average_precision_is_a_share_that_units_of_time_do_not_change(
    truth: list[Event], found: list[Event], power: int
) -> None:
    value = ap(truth, found)
    assert 0 <= value <= 1
    assert ap(truth, truth) == 1
    scale = 2.0**power  # exact
    assert ap(*([blink(e.start * scale, e.end * scale) for e in events] for events in (truth, found))) == value
