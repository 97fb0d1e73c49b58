"""Columns: one class reads alike on a batch and on one face, joins, abstains, and survives JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import (
    COLUMNS,
    Angles,
    Column,
    Directions,
    Distribution,
    Flag,
    Labels,
    Levels,
    Placement,
    Points,
    Regions,
    Scalar,
    Scores,
    Tracks,
    Vectors,
)
from mien.core.errors import EmbeddingSpaceMismatch, ShapeMismatch, UsageError


def _random(seed: int) -> np.random.Generator:
    return np.random.default_rng(seed)


def _simplex(count: int, classes: int, seed: int) -> np.ndarray:
    return _random(seed).dirichlet(np.ones(classes), count).reshape(count, classes)


MAKERS: dict[str, Callable[[int, int], Column]] = {
    "scalar": lambda n, seed: Scalar(_random(seed).normal(size=n)),
    "flag": lambda n, seed: Flag(_random(seed).random(n)),
    "scores": lambda n, seed: Scores(_random(seed).random((n, 3)), names=("a", "b", "c")),
    "labels": lambda n, seed: Labels(_simplex(n, 3, seed), names=("sad", "calm", "glad")),
    "distribution": lambda n, seed: Distribution(_simplex(n, 4, seed), support=(10, 20, 30, 40)),
    "angles": lambda n, seed: Angles(_random(seed).uniform(-90, 90, (n, 3))),
    "directions": lambda n, seed: Directions(_random(seed).uniform(-80, 80, (n, 2))),
    "placement": lambda n, seed: Placement(_random(seed).uniform(1, 80, (n, 7))),
    "levels": lambda n, seed: Levels(_random(seed).random((n, 4)), layout="toy"),
    "tracks": lambda n, seed: Tracks(np.stack([_random(seed).integers(0, 99, n), _random(seed).integers(0, 2, n)], 1)),
    "points": lambda n, seed: Points(_random(seed).uniform(0, 500, (n, 2, 3)), names=("tip", "chin")),
    "regions": lambda n, seed: Regions(
        -_random(seed).integers(0, 80, (n, 3, 4, 5)) / 8 * (np.arange(3) > 0)[:, None, None],
        names=("background", "skin", "hair"),
        grids=_random(seed).uniform(0.01, 0.5, (n, 6)),
        sizes=np.tile([640, 480], (n, 1)),
    ),
    "vectors": lambda n, seed: Vectors(_random(seed).normal(size=(n, 5)), space="toy/1"),
}


def test_every_type_is_covered() -> None:
    assert MAKERS.keys() == COLUMNS.keys()


@pytest.mark.parametrize("name", MAKERS)
@given(count=st.integers(0, 5), seed=st.integers(0, 2**16))
def test_rows_and_batches_read_alike(name: str, count: int, seed: int) -> None:
    column = MAKERS[name](count, seed)
    assert len(column) == count
    for row in range(count):
        np.testing.assert_array_equal(column[row].values, column.values[row])
        assert column[row].meta == column.meta
    np.testing.assert_array_equal(column[::-1].values, column.values[::-1])
    np.testing.assert_array_equal(column[np.ones(count, bool)].values, column.values)


@pytest.mark.parametrize("name", MAKERS)
@given(counts=st.lists(st.integers(0, 3), min_size=1, max_size=4), seed=st.integers(0, 2**16))
def test_joining_then_slicing_gives_the_parts(name: str, counts: list[int], seed: int) -> None:
    parts = [MAKERS[name](count, seed + place) for place, count in enumerate(counts)]
    whole = type(parts[0]).concat(parts)
    start = 0
    for part in parts:
        np.testing.assert_array_equal(whole[start : start + len(part)].values, part.values)
        start += len(part)
    assert start == len(whole)


@pytest.mark.parametrize("name", MAKERS)
@given(count=st.integers(1, 4), seed=st.integers(0, 2**16), holes=st.sets(st.integers(0, 3)))
def test_json_round_trip_with_abstained_rows(name: str, count: int, seed: int, holes: set[int]) -> None:
    full = MAKERS[name](count, seed)
    values = full.values.copy()
    values[[h for h in holes if h < count]] = np.nan
    reasons = tuple("hidden" if row in holes else None for row in range(count))
    column = replace(full, values=values, reasons=reasons)
    text = json.dumps([column[row].to_json() for row in range(count)])
    assert "NaN" not in text
    back = type(full).from_json(json.loads(text))
    np.testing.assert_array_equal(back.abstained, column.abstained)
    assert back.abstained.tolist() == [row in holes for row in range(count)]
    if not back.abstained.all():
        np.testing.assert_allclose(back.values, column.values, atol=0.0051)
        assert back.meta == column.meta


def test_an_abstained_face_says_why() -> None:
    column = Scalar([0.5, np.nan], reasons=(None, "the face is too small"))
    assert column[0].reason is None
    assert column[1].reason == "the face is too small"
    assert column[1].brief() == "-"
    assert column[1].to_json() == {"reason": "the face is too small"}


def test_a_column_made_from_another_carries_its_reasons() -> None:
    column = Scalar([np.nan, 1.0, 2.0, np.nan], reasons=("dark", None, None, None))
    assert column.reasons_for(np.array([True, False, True, True]), "no mesh") == ("dark", None, "no mesh", "no mesh")
    assert Scalar([1.0, 2.0]).reasons_for(np.array([False, True]), "no mesh") == (None, "no mesh")
    assert Scalar([]).reasons_for(np.zeros(0, bool), "no mesh") == ()


def test_reasons_are_empty_where_nothing_abstained() -> None:
    assert Scalar([1.0, 2.0], reasons=(None, None)).reasons == ()
    assert Scalar([1.0, np.nan], reasons=(None, "dark"))[:1].reasons == ()


def test_joining_keeps_reasons_in_place() -> None:
    first, second = Scalar([1.0]), Scalar([np.nan], reasons=("dark",))
    assert Scalar.concat([first, second]).reasons == (None, "dark")


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Scalar([[1.0]]), ShapeMismatch),
        (lambda: Scalar([1.0], reasons=("a", "b")), ShapeMismatch),
        (lambda: Scores([[1.0, 2.0]], names=("one",)), ShapeMismatch),
        (lambda: Points(np.zeros((1, 2, 4))), ShapeMismatch),
        (lambda: Points(np.zeros((1, 2, 2)), names=("one",)), ShapeMismatch),
        (lambda: Distribution([[1.0]], support=(1, 2)), ShapeMismatch),
        (lambda: Angles([1.0, 2.0, 3.0]), ShapeMismatch),
        (lambda: Scalar.concat([]), UsageError),
        (lambda: Column.concat([MAKERS["scores"](1, 0), Scores([[1.0]], names=("x",))]), UsageError),
        (lambda: MAKERS["scores"](1, 0).named("smile"), UsageError),  # type: ignore[attr-defined]
    ],
)
def test_what_does_not_fit_is_refused(make: Callable[[], object], error: type[Exception]) -> None:
    with pytest.raises(error):
        make()


def test_labels_name_the_most_probable_class() -> None:
    column = Labels([[0.1, 0.7, 0.2], [np.nan] * 3], names=("sad", "calm", "glad"), reasons=(None, "covered"))
    assert column.labels.tolist() == ["calm", None]
    assert column[0].labels == "calm"
    assert column[0].to_json()["label"] == "calm"


def test_distribution_mean_and_interval_by_hand() -> None:
    column = Distribution([[0.05, 0.15, 0.5, 0.3]], support=(10, 20, 30, 40))
    assert column[0].mean == pytest.approx(0.5 + 3 + 15 + 12)
    assert column.interval.tolist() == [[20.0, 40.0]]  # 5 % lies below 20, and 30 % at 40
    assert np.isnan(Distribution([[np.nan] * 2], support=(1, 2)).interval).all()


def test_a_distribution_of_nobody_stays_unknown_through_json() -> None:
    back = Distribution.from_json([{"reason": "dark"}, {"reason": "dark"}])
    assert np.isnan(back.mean).tolist() == [True, True]
    assert back.interval.shape == (2, 2)
    assert set(back.flat()) == {".mean", ".low", ".high"}


def test_similarity_checks_the_space() -> None:
    one = Vectors(np.eye(3, dtype=np.float32), space="a/1")
    np.testing.assert_array_equal(one @ one, np.eye(3))
    assert float(one[0] @ one[0]) == 1.0
    np.testing.assert_array_equal(one @ one[1], [0, 1, 0])
    with pytest.raises(EmbeddingSpaceMismatch, match="'a/1' cannot be compared with those of 'b/1'"):
        one @ Vectors(np.eye(3), space="b/1")


def test_one_face_gives_plain_numbers() -> None:
    pose = Angles([[1.5, 2.0, 3.0]])
    assert json.dumps([pose[0].yaw, pose[0].pitch, pose[0].roll]) == "[1.5, 2.0, 3.0]"
    assert pose.yaw.tolist() == [1.5]
    assert json.dumps(Scores([[0.5]], names=("smile",))[0].named("smile")) == "0.5"


def test_a_column_is_an_array_where_one_is_expected() -> None:
    column = Scalar([1.0, 2.0])
    assert np.asarray(column).tolist() == [1.0, 2.0]
    assert float(column[1]) == 2.0
    assert column.shape == (2,)
    with pytest.raises(TypeError, match="one face"):
        len(column[0])


def test_a_score_may_be_missing_while_others_are_known() -> None:
    eyes = Scores(
        [[0.5, np.nan], [np.nan, np.nan], [0.2, 0.9]], names=("right", "left"), reasons=(None, "turned", None)
    )
    assert eyes.abstained.tolist() == [False, True, False]
    told = [eyes[row].to_json() for row in range(3)]
    assert told == [
        {"values": {"right": 0.5, "left": None}},
        {"reason": "turned"},
        {"values": {"right": 0.2, "left": 0.9}},
    ]
    np.testing.assert_array_equal(Scores.from_json(told).values, eyes.values)
    assert eyes[0].brief() == "right 0.50"
