from __future__ import annotations

import itertools
from dataclasses import replace
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.clip import Event, Events
from mien.core.columns import Labels, Tracks
from mien.core.errors import CardError, ShapeMismatch
from mien.core.faces import Faces
from mien.engine import Engine
from mien.engine.scanning import Item
from mien.features.shown.pooling import ExpressionSpans, pool, pool_clip, span_name
from mien.models.catalogue import Catalogue
from mien.runtime.bundle import Bundle
from tests.shared import DATA

NAMES = ("happiness", "neutral", "unknown")
RATE = 25.0
ROW = st.lists(st.floats(0.01, 1), min_size=3, max_size=3)


class Paper:
    """A bundle of a card without files."""

    def __init__(self, **params: float) -> None:
        card = Catalogue.load()["expression-spans"]
        self.card = replace(card, params={**card.params, **params})


def spans(**params: float) -> ExpressionSpans:
    return ExpressionSpans(cast("Bundle", Paper(**params)))


def frame(*told: list[float] | None, ids: list[int] | None = None, seen: list[bool] | None = None) -> Faces:
    """Faces of persons 1, 2, ... with their probabilities; None abstains."""
    count = len(told)
    values = np.array([[np.nan] * 3 if row is None else row for row in told], np.float32).reshape(count, 3)
    tracks = np.stack([ids or range(1, count + 1), seen or [True] * count], axis=1) if count else np.zeros((0, 2))
    return Faces.from_boxes([[0, 0, 9, 9]] * count).with_columns(
        {"expression": Labels(values, names=NAMES), "track": Tracks(np.asarray(tracks, np.float32))}
    )


HAPPY, CALM, ODD, BETWEEN = [0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.05, 0.05, 0.9], [0.45, 0.45, 0.1]


def events(frames: list[Faces], **params: float) -> Events:
    step = spans(**params).follow()
    for index, faces in enumerate(frames):
        assert step.update(index / RATE, faces) is faces
    return step.finish()


def told(found: Events) -> list[tuple[str, float, float]]:
    return [(span_name(e), round(e.start, 2), round(e.end, 2)) for e in found]


# -- pooling -------------------------------------------------------------------------------------------------------


@given(st.lists(ROW, min_size=1, max_size=8))
@settings(max_examples=30)
def test_pooled_probabilities_are_a_distribution_among_the_frames(rows: list[list[float]]) -> None:
    told = np.array(rows) / np.sum(rows, axis=1, keepdims=True)
    pooled = pool(told)
    assert pooled.sum() == pytest.approx(1)
    assert (pooled >= told.min(axis=0) - 1e-9).all()
    assert (pooled <= told.max(axis=0) + 1e-9).all()
    np.testing.assert_allclose(pool(told[::-1]), pooled)
    np.testing.assert_allclose(pool(np.concatenate([told, told])), pooled)


def test_sure_frames_count_for_more() -> None:
    assert pool([[0.98, 0.01, 0.01], [0.33, 0.34, 0.33]])[0] > 0.9
    np.testing.assert_allclose(pool([[1 / 3] * 3, [1 / 3] * 3]), 1 / 3)


def test_frames_without_a_value_do_not_count() -> None:
    np.testing.assert_allclose(pool([HAPPY, [np.nan] * 3]), HAPPY)
    assert np.isnan(pool(np.zeros((0, 3)))).tolist() == [True] * 3
    assert np.isnan(pool([[np.nan] * 3])).all()
    with pytest.raises(ShapeMismatch, match="frames"):
        pool([0.5, 0.5])


def test_people_of_a_clip() -> None:
    frames = [
        frame(HAPPY, CALM),
        frame(HAPPY, None),
        frame(),
        frame(CALM, ODD, HAPPY, ids=[2, -1, 1], seen=[True, True, False]),
    ]
    pooled = pool_clip(Item("a.mp4", faces) for faces in frames)
    assert pooled.tracks.tolist() == [1, 2]
    assert pooled.frames.tolist() == [2, 2]
    assert pooled.expression.labels.tolist() == ["happiness", "neutral"]
    np.testing.assert_allclose(pooled.expression.values, [HAPPY, CALM], atol=1e-6)


def test_a_clip_with_nobody() -> None:
    pooled = pool_clip([Item("a.mp4", frame()), Item("a.mp4", frame(None))])
    assert len(pooled.tracks) == len(pooled.frames) == len(pooled.expression) == 0


# -- stretches -----------------------------------------------------------------------------------------------------


def test_one_expression_after_the_other() -> None:
    found = events([frame(CALM)] * 30 + [frame(HAPPY)] * 30, smoothing=0)
    assert told(found) == [("neutral", 0, 1.16), ("happiness", 1.2, 2.36)]
    assert [e.kind for e in found] == ["expression_span"] * 2
    assert found[1].score == pytest.approx(0.9)
    assert found[1].details == {"happiness": pytest.approx(0.9)}


def test_flicker_is_smoothed_away_and_short_stretches_are_none() -> None:
    flicker = [frame(CALM)] * 30 + [frame(HAPPY)] * 2 + [frame(CALM)] * 30
    assert [name for name, *_ in told(events(flicker))] == ["neutral"]
    short = [frame(CALM)] * 30 + [frame(HAPPY)] * 9 + [frame(CALM)] * 30
    assert [name for name, *_ in told(events(short, smoothing=0))] == ["neutral", "neutral"]


def test_hysteresis_holds_what_began() -> None:
    assert told(events([frame(HAPPY)] * 5 + [frame(BETWEEN)] * 30, smoothing=0)) == [("happiness", 0, 1.36)]
    assert not events([frame(BETWEEN)] * 40, smoothing=0)


def test_unknown_makes_no_stretch() -> None:
    assert not events([frame(ODD)] * 40)
    assert told(events([frame(HAPPY)] * 30 + [frame(ODD)] * 40, smoothing=0)) == [("happiness", 0, 1.16)]


def test_people_are_apart_and_nobody_is_no_one() -> None:
    found = events([frame(HAPPY, CALM, HAPPY, ids=[3, 7, -1])] * 30)
    assert [(e.track_id, span_name(e)) for e in found] == [(3, "happiness"), (7, "neutral")]


def test_faces_that_were_not_seen_show_nothing() -> None:
    hidden = frame(HAPPY, seen=[False])
    assert told(events([frame(HAPPY)] * 20 + [hidden] * 5 + [frame(HAPPY)] * 20)) == [("happiness", 0, 1.76)]
    apart = told(events([frame(HAPPY)] * 20 + [frame(None)] * 25 + [frame(HAPPY)] * 20))
    assert apart == [("happiness", 0, 0.76), ("happiness", 1.8, 2.56)]


def test_a_clip_without_faces_has_no_stretches() -> None:
    assert not events([])
    assert not events([frame()] * 3)


@pytest.mark.full
@given(st.lists(st.sampled_from([HAPPY, CALM, ODD, BETWEEN, None]), max_size=60), st.floats(0, 0.5))
@settings(max_examples=30)
def test_stretches_of_a_person_never_overlap(rows: list[list[float] | None], smoothing: float) -> None:
    found = events([frame(row) for row in rows], smoothing=smoothing)
    for event in found:
        assert event.duration >= 0.5
        assert event.apex is not None
        assert event.start <= event.apex <= event.end
        assert 0.35 <= event.score <= 1
    ends = [(event.start, event.end) for event in found]
    assert all(one[1] < other[0] for one, other in itertools.pairwise(ends))


@pytest.mark.parametrize("params", [{"smoothing": -1.0}, {"leave": 0.9}, {"colour": 1.0}])
def test_cards_that_do_not_say_what_they_must(params: dict[str, float]) -> None:
    with pytest.raises(CardError, match="expression-spans"):
        spans(**params)


def test_the_name_of_a_stretch() -> None:
    assert span_name(Event("expression_span", 1, 0, 1, details={"fear": 0.8})) == "fear"


@pytest.mark.weights
@pytest.mark.data
def test_frames_of_ck_as_a_film() -> None:
    """Pictures of one person after the other: a smile, then surprise."""
    folder = DATA / "expression"
    smile, surprise = (sorted((folder / name).glob(f"{who}_*.png"))[-1] for name, who in SHOTS)
    with Engine(threads=1) as engine:
        clip = engine.track([smile] * 20 + [surprise] * 20, want={"expression", "expression_span"}, reidentify=False)
        pooled = pool_clip(clip)
        names = [span_name(event) for event in clip.events.of(kind="expression_span")]
    assert names == ["happiness", "surprise"]
    assert 20 <= pooled.frames.sum() <= 40


SHOTS = (("happy", "S010"), ("surprise", "S010"))
