"""PERCLOS: the share of the last minute with closed eyes, on a person's own scale."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import CardError
from mien.location.perclos import Perclos, PerclosSettings
from mien.models.catalogue import Catalogue
from tests.curves import Doubles, Lids, clock, film
from tests.location.test_blink import tracked


def maker(**changed: float) -> Perclos:
    card = Catalogue.load()["perclos"]
    return Perclos(cast("Any", SimpleNamespace(card=replace(card, params={**card.params, **changed}))))


def course(times: Doubles, eyes: Doubles) -> Doubles:
    """What is said of one person frame by frame."""
    step = maker().follow()
    return np.array([step.update(float(t), tracked([3], row)).perclos.values[0] for t, row in zip(times, eyes)])  # noqa: B905


@pytest.mark.full
@settings(max_examples=6)
@given(st.floats(0.05, 0.9), st.floats(0.18, 0.4), st.sampled_from([10.0, 25.0]))
def test_the_share_of_a_minute(share: float, wide: float, rate: float) -> None:
    times = clock(rate, 75)
    # Eyes that close every 3.37 seconds, for this share of the time.
    motions = [Lids(at, 0.02, 3.37 * share - 0.02, 0.02) for at in np.arange(2.0, 75, 3.37)]
    values = course(times, film(times, motions, wide=wide))
    assert values[-1] == pytest.approx(share, abs=0.03)


def test_it_waits_until_enough_was_seen_and_says_so() -> None:
    times = clock(10, 40)
    step, reasons = maker().follow(), []
    for time, row in zip(times, film(times, []), strict=True):
        column = step.update(float(time), tracked([1], row)).perclos
        reasons.append(column.reasons[0] if column.reasons else None)
    assert reasons[100] == "the eyes were seen for 10 of 30 seconds"
    assert reasons[290] is not None
    assert reasons[300] is None
    assert len(step.finish()) == 0


def test_what_is_longer_ago_than_a_minute_is_forgotten() -> None:
    times = clock(10, 160)
    values = course(times, film(times, [Lids(60.0, 0.1, 30.0, 0.1)]))
    assert values[590] == pytest.approx(0, abs=0.01)
    assert values[901] == pytest.approx(0.5, abs=0.02)
    assert values[-1] == pytest.approx(0, abs=0.01)


def test_a_person_who_was_away_is_not_known() -> None:
    times = clock(10, 40)
    step, eyes = maker().follow(), film(times, [])
    for time, row in zip(times, eyes, strict=True):
        step.update(float(time), tracked([1], row))
    column = step.update(95.0, tracked([1], eyes[0])).perclos
    assert column.reasons == ("the eyes were seen for 5 of 30 seconds",)


def test_half_closed_eyes_are_not_closed_and_hidden_ones_do_not_count() -> None:
    times = clock(10, 60)
    squint = film(times, [Lids(10.0, 0.5, 30.0, 0.5, depth=0.6)])
    assert course(times, squint)[-1] == pytest.approx(0, abs=0.01)
    one = film(times, [Lids(10.0, 0.1, 12.0, 0.1)])
    one[:, 0] = np.nan
    assert course(times, one)[-1] == pytest.approx(0.2, abs=0.02)
    assert np.isnan(course(times, np.full_like(one, np.nan))).all()


def test_people_are_told_apart_and_other_columns_stay() -> None:
    times, step = clock(10, 60), maker().follow()
    awake, asleep = film(times, []), film(times, [Lids(30.0, 0.1, 60.0, 0.1)])
    for time, one, two in zip(times, awake, asleep, strict=True):
        faces = step.update(float(time), tracked([5, 9], [one, two]))
    assert faces.fields == ("track", "eyes", "perclos")
    assert faces.models["perclos"] == "perclos"
    np.testing.assert_allclose(faces.perclos.values, [0, 0.5], atol=0.02)
    assert step.update(60.0, tracked([], [])).perclos.shape == (0,)


def test_strangers_are_not_taken_for_one_person() -> None:
    times, step = clock(10, 40), maker().follow()
    for time, row in zip(times, film(times, []), strict=True):
        column = step.update(float(time), tracked([-1, 4], [row, row])).perclos
    assert column.abstained.tolist() == [True, False]
    assert column.reasons == ("nobody knows whose face this is", None)


def test_a_card_with_other_params_is_refused() -> None:
    assert Catalogue.load()["perclos"].settings(PerclosSettings) == PerclosSettings()
    with pytest.raises(CardError, match=r"params\.\w+ is none of"):
        maker(sleepy=1.0)
