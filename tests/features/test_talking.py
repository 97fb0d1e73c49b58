from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import mien
from mien.core.clip import Events
from mien.core.columns import Points, Tracks
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.features.shown.talking import Talking, TurnCounter
from mien.models.catalogue import Catalogue
from tests.features.mouths import drawn
from tests.shared import DATA, open_bundle

Doubles = NDArray[np.float64]


def maker(**changed: float) -> Talking:
    card = Catalogue.load()["talking"]
    return Talking(cast("Any", SimpleNamespace(card=replace(card, params={**card.params, **changed}))))


def frame(gaps: dict[int, float], *, width: float = 50.0, observed: bool = True) -> Faces:
    meshes = np.array([drawn(gap, width=width) for gap in gaps.values()], np.float32).reshape(-1, 478, 3)
    tracks = np.array([[track, observed] for track in gaps], np.float32).reshape(-1, 2)
    tracks[tracks[:, 0] < 0] = np.nan
    boxes = np.tile([0, 0, 10, 10], (len(gaps), 1))
    return Faces.from_boxes(boxes).with_columns({"landmarks": Points(meshes), "track": Tracks(tracks)})


def course(times: Doubles, gaps: Doubles, **options: Any) -> tuple[Doubles, Events]:
    """What is said of one person, frame by frame, and the events."""
    step = maker().follow()
    said = [
        step.update(float(t), frame({4: float(g)}, **options)).talking.values[0]
        for t, g in zip(times, gaps, strict=True)
    ]
    return np.array(said), step.finish()


def clock(seconds: float, rate: float = 25.0) -> Doubles:
    return np.arange(0, seconds, 1 / rate)


def syllables(times: Doubles, rate: float = 4.0, depth: float = 0.12) -> Doubles:
    """Lips that open and close `rate` times a second, not quite evenly."""
    phase = 2 * np.pi * rate * times + np.sin(2 * np.pi * 0.7 * times)
    return np.asarray(0.08 + depth / 2 * (1 - np.cos(phase)) / 2 * (1 + 0.3 * np.sin(3 * times)))


@pytest.mark.parametrize("rate", [15.0, 25.0])
def test_talk_is_told_from_silence(rate: float) -> None:
    times = clock(16, rate)
    gaps = np.where((times > 4) & (times < 11), syllables(times), 0.02)
    said, events = course(times, gaps)
    known = ~np.isnan(said)
    assert not known[times < 1.9].any()
    assert known[times > 2.1].all()
    assert (said[(times > 6.1) & (times < 11)] > 0.5).all()
    assert (said[(times > 13.1) | ((times > 2.1) & (times < 4))] < 0.5).all()
    (event,) = events
    assert (event.kind, event.track_id) == ("talk", 4)
    assert event.start == pytest.approx(4, abs=0.8)
    assert event.end == pytest.approx(11, abs=0.8)


@pytest.mark.parametrize(
    "gaps",
    [
        lambda t: 0.02 + 0.5 * np.exp(-((t - 5) ** 2)),  # a yawn
        lambda t: np.where(t > 4, 0.2, 0.02),  # a smile that stays
        lambda t: 0.05 + 0.05 * np.sin(2 * np.pi * 1.2 * t),  # chewing
        lambda t: 0.02 + 0.008 * np.sin(2 * np.pi * 6 * t),  # noise
    ],
)
def test_what_is_no_talk(gaps: Any) -> None:
    times = clock(10)
    said, events = course(times, gaps(times))
    assert (said[times > 2.1] < 0.5).all()
    assert len(events) == 0


def test_people_are_told_apart_and_strangers_left_out() -> None:
    times, step = clock(6), maker().follow()
    for time, gap in zip(times, syllables(times), strict=True):
        faces = step.update(float(time), frame({1: 0.02, -1: float(gap), 2: float(gap)}))
    talking = faces.talking
    assert (talking.values > 0.5).tolist() == [False, False, True]
    assert talking.reasons == (None, "nobody knows whose face this is", None)
    assert [event.track_id for event in step.finish()] == [2]


def test_small_mouths_unseen_faces_and_few_frames_abstain() -> None:
    times = clock(3)
    for options in ({"width": 5.0}, {"observed": False}):
        said, events = course(times, syllables(times), **options)
        assert np.isnan(said).all()
        assert len(events) == 0
    slow = clock(8, 5.0)
    assert np.isnan(course(slow, syllables(slow))[0]).all()


def test_a_gap_begins_anew() -> None:
    times = clock(9)
    gone = (times > 4) & (times < 5)
    said, _ = course(times[~gone], syllables(times)[~gone])
    assert np.isnan(said[(times[~gone] >= 5) & (times[~gone] < 6.9)]).all()
    assert said[-1] > 0.5


def test_frames_without_faces() -> None:
    step = maker().follow()
    assert step.update(0.0, frame({})).talking.shape == (0,)
    assert len(step.finish()) == 0


@settings(max_examples=20)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=60), st.floats(0.05, 0.5))
def test_turns_alternate_between_highs_and_lows(values: list[float], swing: float) -> None:
    counter, turns = TurnCounter(swing), []
    for place, value in enumerate(values):
        at = counter.push(float(place), value)
        if at is not None:
            turns.append(int(at))
    assert turns == sorted(turns)
    heights = [values[at] for at in turns]
    assert all(abs(a - b) >= swing for a, b in pairwise(heights))
    signs = np.sign(np.diff(heights))
    assert (signs[1:] != signs[:-1]).all()


def test_unknown_settings_are_refused() -> None:
    with pytest.raises(CardError, match="loudness"):
        maker(loudness=1.0)


@pytest.mark.weights
@pytest.mark.data
def test_a_news_speaker_talks_and_a_smile_does_not() -> None:
    open_bundle("facemesh")
    with mien.Engine(threads=1) as engine:
        smile = mien.track(DATA / "video" / "single_face.mp4", want={"talking", "talk"}, engine=engine)
        values = [float(item.faces.talking.values[0]) for item in smile if item.faces]
        assert np.nanmax(values) < 0.5
        assert not smile.clip.events
        speaker = mien.track(
            DATA / "forgery/original_sequences/youtube/634.mp4", want={"talking"}, every=6, engine=engine
        )
        values = []
        for item in speaker:
            if item.faces:
                values.append(float(item.faces.talking.values[0]))
            if item.time is not None and item.time > 3:
                break
        speaker.close()
    assert np.nanmean(np.array(values)[~np.isnan(values)] > 0.5) > 0.9
