"""Stretches of time: by hand, and what must hold for any curve."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.errors import CardError
from mien.location.spans import Span, SpanFinder, SpanLimits
from mien.models.catalogue import Catalogue

LIMITS = SpanLimits(enter=0.6, leave=0.4, shortest=0.3, longest_gap=0.25)
NAN = float("nan")


def spans(levels: list[float], limits: SpanLimits = LIMITS, *, step: float = 0.1) -> list[Span]:
    finder = SpanFinder(limits)
    found = [finder.push(i * step, level, [level, i]) for i, level in enumerate(levels)]
    return [span for span in [*found, finder.close()] if span]


def ends(levels: list[float], limits: SpanLimits = LIMITS) -> list[tuple[float, float]]:
    return [(round(span.start, 3), round(span.end, 3)) for span in spans(levels, limits)]


@pytest.mark.parametrize(
    ("levels", "expected"),
    [
        ([], []),
        ([0.9], []),
        ([0.9] * 3, []),  # 0.2 s: too short
        ([0.9] * 4, [(0.0, 0.3)]),
        ([0.5] * 9, []),  # never entered
        ([0.5, 0.9, 0.5, 0.5, 0.5, 0.3], [(0.1, 0.4)]),  # stays in while above leave
        ([0.9, 0.9, 0.1, 0.5, NAN, 0.9], [(0.0, 0.5)]),  # a dip of less than the gap
        ([0.9] * 4 + [0.1] * 4 + [0.9] * 4, [(0.0, 0.3), (0.8, 1.1)]),
        ([0.9] * 4 + [NAN] * 4 + [0.5] * 4, [(0.0, 0.3)]),  # after the gap it must enter anew
        ([NAN] * 9, []),
    ],
)
def test_by_hand(levels: list[float], expected: list[tuple[float, float]]) -> None:
    assert ends(levels) == expected


def test_means_and_the_moment_of_the_highest() -> None:
    (span,) = spans([0.7, 0.9, 0.1, 0.8, 0.8])
    assert span.level == pytest.approx(0.8)
    assert span.apex == pytest.approx(0.1)
    np.testing.assert_allclose(span.values, [0.8, 2.0])


curves = st.lists(st.one_of(st.floats(0, 1), st.just(NAN)), max_size=60)


@given(curves)
def test_stretches_are_apart_long_enough_and_start_high(levels: list[float]) -> None:
    found = spans(levels)
    for span in found:
        assert span.end - span.start >= LIMITS.shortest
        assert levels[round(span.start * 10)] >= LIMITS.enter
        assert levels[round(span.end * 10)] >= LIMITS.leave
        assert span.start <= span.apex <= span.end
        inside = np.array(levels[round(span.start * 10) : round(span.end * 10) + 1])
        assert span.level == pytest.approx(inside[inside >= LIMITS.leave].mean())
        below = np.flatnonzero(inside >= LIMITS.leave)
        assert np.diff(below).max(initial=0) * 0.1 <= LIMITS.longest_gap + 1e-9
    for one, other in itertools.pairwise(found):
        assert other.start - one.end > LIMITS.longest_gap


@given(curves, st.floats(0, 0.2))
def test_a_lower_bar_never_finds_less_time(levels: list[float], lower: float) -> None:
    wide = replace(LIMITS, enter=LIMITS.enter - lower, leave=LIMITS.leave - lower)
    narrow_time, wide_time = (sum(s.end - s.start for s in spans(levels, limits)) for limits in (LIMITS, wide))
    assert wide_time >= narrow_time - 1e-9


def test_a_finder_begins_anew_when_closed() -> None:
    finder = SpanFinder(LIMITS)
    for i in range(5):
        finder.push(i * 0.1, 0.9)
    assert finder.close() is not None
    assert finder.close() is None
    assert finder.push(0.0, 0.5) is None


@pytest.mark.parametrize(
    "wrong", [{"leave": 0.9}, {"shortest": -1}, {"enter": "high"}, {"longest_gap": None}, {"more": 1.0}]
)
def test_cards_that_do_not_say_when(wrong: dict[str, object]) -> None:
    card = Catalogue.load()["attention-spans"]
    with pytest.raises(CardError, match="attention-spans"):
        SpanLimits.of(replace(card, params={**card.params, **wrong}))
