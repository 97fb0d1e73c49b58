"""Who is chosen to stand for whom; drawn doubles: test_families_real.py."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from mien.core.columns import Vectors
from mien.swaps.exchange.identity import Identity
from mien.swaps.invented.attributes import ADULT
from mien.swaps.invented.doubles import SCALES, YOUNGEST, Doubles, _moves, _ranked, _Scene, extras

WOMAN = {"tone": 0.7, "age": 40.0, "masculine": 0.0, "light": 0.0, "beard": 0.03, "yaw": 0.0, "pitch": 0.0}


def test_the_table_holds_adults_once_each() -> None:
    truncation, people = extras()
    assert 0 < truncation <= 1
    assert len({person.seed for person in people}) == len(people) > 100
    assert all(person.values["age"] >= ADULT + 10 for person in people)
    assert all(set(SCALES) <= set(person.values) for person in people)


def test_who_fits_comes_first() -> None:
    def first(**wanted: float) -> list[dict[str, float]]:
        return [dict(person.values) for _, person in zip(range(8), _ranked(WOMAN | wanted, [0], set()), strict=False)]

    assert sum(values["masculine"] < 0.5 for values in first()) >= 7
    assert sum(values["masculine"] > 0.5 for values in first(masculine=1.0)) >= 7
    assert sum(values["tone"] < 0.65 for values in first(tone=0.5)) >= 7
    assert sum(values["tone"] > 0.75 for values in first(tone=0.85)) >= 7
    old, young = first(age=70.0), first(age=YOUNGEST)
    assert min(values["age"] for values in old[:3]) > 44
    assert max(values["age"] for values in young[:3]) < 46


def test_chance_decides_among_those_who_fit_and_nobody_is_cast_twice() -> None:
    def order(entropy: int, cast: set[int]) -> list[int]:
        return [person.seed for person in _ranked(WOMAN, [entropy], cast)]

    once = order(0, set())
    assert order(0, set()) == once
    assert len({order(entropy, set())[0] for entropy in range(20)}) > 3
    assert set(order(0, {once[0], once[3]})) == set(once) - {once[0], once[3]}


def test_nobody_is_made_younger() -> None:
    person = extras()[1][0]
    asked = {"tone": 0.6, "beard": 0.2, "masculine": 1.0}
    assert _moves(person, asked | {"age": person.values["age"] - 1}) == {"tone": 0.6}
    assert _moves(person, asked | {"age": person.values["age"] + 1})["age"] == person.values["age"] + 1


def somebody(degrees: float) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))], np.float32)


def looking(degrees: float) -> Identity:
    return cast("Identity", SimpleNamespace(embedding=SimpleNamespace(values=somebody(degrees))))


@pytest.mark.parametrize(
    ("degrees", "reason"),
    [
        (10, "looks like somebody who is hidden"),
        (110, "looks like another double"),
        (190, "looks like somebody to be kept away from"),
        (270, None),
        (np.nan, "looks like somebody who is hidden"),
    ],
)
def test_no_double_looks_like_anybody_here(degrees: float, reason: str | None) -> None:
    casting = object.__new__(Doubles)
    casting.limit = 0.5
    casting._far_from = Vectors(somebody(180)[None], space="made/up")
    scene = _Scene(None, np.inf, cast={7: looking(90)}, hidden=[somebody(0)])
    assert casting._too_near(looking(degrees), scene) == reason
    assert casting._too_near("may be a minor", scene) == "may be a minor"
