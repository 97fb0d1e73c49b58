"""Steps towards attributes that are asked for, on a made-up person who answers as the test says."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from mien.core.errors import UsageError
from mien.swaps.invented.attributes import ATTRIBUTES, checked_targets
from mien.swaps.invented.directions import Look, directions, steer, toward

ROWS = 23
START = np.zeros((ROWS, 512), np.float32)


def person(styles: np.ndarray[Any, Any], answer: Callable[[float], float], refusal: str | None = None) -> Look:
    """Somebody whose yaw is the answer to how far the styles were moved along its direction."""
    way = directions()["yaw"]
    moved = float((styles - START)[0] @ way.step / (way.step @ way.step))
    return cast("Look", SimpleNamespace(styles=styles, refusal=refusal, value=lambda _: answer(moved)))


@pytest.mark.parametrize("gain", [0.4, 1.0, 2.5])
def test_a_value_is_reached_however_strong_the_answer(gain: float) -> None:
    reached = steer(
        person(START, lambda x: 3 + gain * x),
        {"yaw": 15.0},
        lambda styles: person(styles, lambda x: 3 + gain * x),
    )
    assert reached.values["yaw"] == pytest.approx(15, abs=ATTRIBUTES["yaw"].near)
    assert reached.draws <= 4
    assert reached.missed({"yaw": 15.0}) == []


def test_what_is_out_of_reach_is_told() -> None:
    reached = steer(
        person(START, lambda x: float(np.tanh(x))),
        {"yaw": 30.0},
        lambda styles: person(styles, lambda x: float(np.tanh(x))),
    )
    assert reached.values["yaw"] < 1.1
    assert reached.missed({"yaw": 30.0}) == ["yaw"]


def test_what_does_not_pass_is_never_given_out() -> None:
    """Beyond 10 degrees nothing passes: what is nearest before is."""

    def draw(styles: np.ndarray[Any, Any]) -> Look:
        look = person(styles, lambda x: x)
        return person(styles, lambda x: x, "may be a minor" if look.value("yaw") > 10 else None)

    reached = steer(person(START, lambda x: x), {"yaw": 20.0}, draw)
    assert reached.look.refusal is None
    assert 0 < reached.values["yaw"] <= 10
    assert reached.refused["may be a minor"] >= 1
    assert reached.missed({"yaw": 20.0}) == ["yaw"]


def test_nothing_is_drawn_for_what_is_there_already() -> None:
    reached = steer(person(START, lambda _: 15.2), {"yaw": 15.0}, lambda _: pytest.fail("drawn"))
    assert reached.draws == 0


def test_a_direction_moves_its_own_layers_only() -> None:
    for name, way in directions().items():
        first, last = ATTRIBUTES[name].layers
        moved = way.move(START, way.reach)
        assert np.isfinite(moved).all()
        assert moved[first:last].any()
        assert not moved[:first].any()
        assert not moved[last:].any()
    assert set(directions()) == set(ATTRIBUTES)


def test_values_that_are_not_known_do_not_move_anybody() -> None:
    np.testing.assert_array_equal(toward(START, {"yaw": np.nan}, {"yaw": 10.0, "pitch": np.nan, "smile": 0.5}), START)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"age": 17.9}, "younger than 18 are not made"),
        ({"age": 120.0}, "age must be between 18 and 80"),
        ({"age": float("nan")}, "age must be between"),
        (
            {"charm": 1.0},
            "no attribute that can be asked for is called 'charm'; there are yaw, pitch, smile, mouth_open, age",
        ),
        ({"age": "old"}, "age must be a number, not 'old'"),
        ({"eyes_open": 0.1}, "is called 'eyes_open'"),
        ({"smile": 1.2}, "smile must be between 0 and 1"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(asked: dict[str, float], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        checked_targets(asked)
    assert checked_targets({"age": None, "smile": 0.5}) == {"smile": 0.5}
