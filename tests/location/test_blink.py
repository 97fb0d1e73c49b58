"""Blinks: found on drawn curves at any frame rate, not where there are none; and those of real clips."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mien import assets
from mien.core.clip import Event
from mien.core.columns import Scores, Tracks
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.core.image import load_image
from mien.core.warping import resize
from mien.engine import Engine
from mien.location.blink import Blinks, BlinkSettings, find_blinks, openness
from mien.location.eyes import EYE_NAMES
from mien.models.catalogue import Catalogue
from tests.blinking import Blinker, film_of
from tests.curves import Lids, clock, film
from tests.location.meshes import real_test
from tests.media.films import film as write_film
from tests.shared import DATA

SETTINGS = BlinkSettings()
TRUTH = Path(__file__).resolve().parents[2] / "benchmarks" / "blinks.csv"


def matched(events: Sequence[Event], motions: Sequence[Lids], tolerance: float) -> None:
    """Each motion is one event, which holds its middle and begins where it does."""
    assert len(events) == len(motions)
    for event, motion in zip(events, motions, strict=True):
        assert event.start == pytest.approx(motion.at, abs=tolerance)
        assert event.start <= event.apex <= event.end <= motion.end + tolerance  # type: ignore[operator]
        assert event.apex == pytest.approx(motion.at + motion.closing + motion.hold / 2, abs=tolerance)


BLINKS = [Lids(1.0), Lids(3.3, 0.06, 0.02, 0.12), Lids(3.9), Lids(7.0, depth=0.8), Lids(9.0, 0.1, 0.05, 0.3)]


@pytest.mark.parametrize("rate", [10, 15, 23.976, 25, 30, 50, 60, 120])
@pytest.mark.parametrize("noise", [0.0, 0.005])
def test_blinks_at_any_frame_rate(rate: float, noise: float) -> None:
    times = clock(rate, 12)
    events = find_blinks(times, film(times, BLINKS, noise=noise), SETTINGS, track_id=4)
    matched(events, BLINKS, tolerance=max(0.05, 1.2 / rate))
    assert {event.track_id for event in events} == {4}
    assert all(0.4 <= event.score <= 1 and event.kind == "blink" for event in events)
    assert all(event.details["right"] == event.details["left"] == 1 for event in events)
    assert not any(event.details["long"] for event in events)


@settings(max_examples=40)
@given(st.floats(-1000, 1000), st.floats(0.16, 0.4), st.integers(0, 1000))
def test_time_and_the_width_of_the_eyes_do_not_matter(shift: float, wide: float, seed: int) -> None:
    times = clock(30, 12)
    plain = find_blinks(times, film(times, BLINKS), SETTINGS)
    moved = find_blinks(times + shift, film(times, BLINKS, wide=wide, noise=0.001, seed=seed), SETTINGS)
    assert len(moved) == len(plain) == len(BLINKS)
    for one, other in zip(plain, moved, strict=True):
        assert other.start - shift == pytest.approx(one.start, abs=0.04)
        assert other.end - shift == pytest.approx(one.end, abs=0.04)


@settings(max_examples=40)
@given(st.floats(8, 60), st.floats(0.0, 0.02), st.floats(0.12, 0.4), st.integers(0, 10_000))
@example(8.0, 4.136352003715366e-15, 0.37962629329068764, 0)  # level but for rounding
def test_noise_does_not_blink(rate: float, noise: float, wide: float, seed: int) -> None:
    times = clock(rate, 20)
    assert find_blinks(times, film(times, [], wide=wide, noise=noise, seed=seed), SETTINGS) == []


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_frames_at_uneven_times(seed: int) -> None:
    draw = np.random.default_rng(seed)
    times = np.cumsum(draw.uniform(0.01, 0.06, 340))
    matched(find_blinks(times, film(times, BLINKS[:4]), SETTINGS), BLINKS[:4], tolerance=0.08)


@settings(max_examples=30)
@given(st.integers(0, 10_000))
def test_lost_frames(seed: int) -> None:
    times = clock(50, 12)
    kept = np.random.default_rng(seed).random(len(times)) > 0.4
    kept[1:] |= ~kept[:-1]  # no two in a row: a blink of which nothing was seen cannot be found
    matched(find_blinks(times[kept], film(times, BLINKS)[kept], SETTINGS), BLINKS, tolerance=0.1)
    # The same where the frames are there, but not the eyes.
    eyes = film(times, BLINKS)
    eyes[~kept] = np.nan
    matched(find_blinks(times, eyes, SETTINGS), BLINKS, tolerance=0.1)


def test_a_person_who_was_away_did_not_blink_meanwhile() -> None:
    times = clock(30, 12)
    eyes = film(times, [Lids(4.0, 0.1, 2.0, 0.2)])
    eyes[(times > 4.05) & (times < 6.15)] = np.nan  # falling before, rising after: nobody saw the eyes closed
    assert find_blinks(times, eyes, SETTINGS) == []


def test_a_wink_is_of_one_eye() -> None:
    times = clock(30, 10)
    motions = [Lids(2.0, eyes=(1, 0)), Lids(5.0, eyes=(0, 1)), Lids(8.0, eyes=(1, 0.9))]
    events = find_blinks(times, film(times, motions, noise=0.003), SETTINGS)
    assert [(e.details["right"], e.details["left"]) for e in events] == [(1, 0), (0, 1), (1, 1)]


def test_one_eye_alone_is_enough_where_the_other_is_hidden() -> None:
    times = clock(30, 12)
    eyes = film(times, BLINKS)
    eyes[:, 0] = np.nan
    events = find_blinks(times, eyes, SETTINGS)
    matched(events, BLINKS, tolerance=0.05)
    assert [(e.details["right"], e.details["left"]) for e in events] == [(0, 1)] * len(BLINKS)


def test_long_closures_are_called_long() -> None:
    times = clock(30, 60)
    motions = [Lids(3.0), Lids(8.0, hold=0.7), Lids(15.0, hold=6.0), Lids(30.0)]
    events = find_blinks(times, film(times, motions, noise=0.003), SETTINGS)
    assert [event.details["long"] for event in events] == [0, 1, 1, 0]
    assert events[2].duration == pytest.approx(6.2, abs=0.1)
    assert events[2].details["duration"] == pytest.approx(events[2].duration, abs=1e-3)


def test_a_slow_squint_is_no_blink_and_one_within_it_is() -> None:
    times = clock(30, 20)
    squint = Lids(5.0, closing=1.5, hold=4.0, opening=1.5, depth=0.6)
    assert find_blinks(times, film(times, [squint], noise=0.003), SETTINGS) == []
    assert find_blinks(times, film(times, [replace(squint, depth=1.0)], noise=0.003), SETTINGS) == []
    (event,) = find_blinks(times, film(times, [squint, Lids(8.5)], noise=0.003), SETTINGS)
    assert event.start == pytest.approx(8.5, abs=0.1)


def test_a_fast_squint_is_no_long_closure() -> None:
    times = clock(30, 20)
    smile = Lids(5.0, closing=0.2, hold=3.0, opening=0.2, depth=0.5)
    assert find_blinks(times, film(times, [smile], noise=0.003), SETTINGS) == []


def test_what_is_cut_off_by_the_ends_is_no_blink() -> None:
    times = clock(30, 10)
    assert find_blinks(times, film(times, [Lids(-1.0, hold=1.5), Lids(9.8, hold=3.0)]), SETTINGS) == []


def test_two_blinks_in_a_row_are_two() -> None:
    times = clock(30, 10)
    motions = [Lids(4.0, 0.08, 0.03, 0.3), Lids(4.3, 0.08, 0.03, 0.15)]  # the second begins before the first ends
    first, second = find_blinks(times, film(times, motions), SETTINGS)
    assert first.end <= second.start + 0.05
    assert second.apex == pytest.approx(4.4, abs=0.05)


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5])
def test_curves_of_few_frames(count: int) -> None:
    times = clock(30, count / 30)
    assert find_blinks(times, film(times, []), SETTINGS) == []
    assert openness(times, film(times, []), SETTINGS).shape == (count, 2)


def test_clocks_that_jump_and_frames_far_apart() -> None:
    times = clock(25, 12)
    eyes = film(times, BLINKS)
    usual = find_blinks(times, eyes, BlinkSettings())
    late = find_blinks(np.append(times, times + 1e9), np.append(eyes, eyes, axis=0), BlinkSettings())
    assert [round(blink.start % 1e9, 1) for blink in late] == 2 * [round(blink.start, 1) for blink in usual]
    assert find_blinks(times * 1e6, eyes, BlinkSettings()) == []


def test_eyes_that_were_never_seen() -> None:
    times = clock(30, 3)
    assert find_blinks(times, np.full((len(times), 2), np.nan), SETTINGS) == []


def test_openness_is_one_at_the_usual_width_and_zero_when_closed() -> None:
    times = clock(30, 20)
    for wide in (0.2, 0.3, 0.4):
        opened = openness(times, film(times, [Lids(10.0, 0.1, 2.0, 0.1)], wide=wide), SETTINGS)
        assert np.median(opened) == pytest.approx(1, abs=0.02)
        assert opened.min() == pytest.approx(0, abs=0.05)


# --- as a step of a clip ----------------------------------------------------------------------------------------------


def tracked(ids: Sequence[int], eyes: Any) -> Faces:
    values = np.asarray(eyes, np.float32).reshape(len(ids), 2)
    faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (len(ids), 1)))
    rows = np.column_stack([ids, np.ones(len(ids))]) if len(ids) else np.zeros((0, 2))
    return faces.with_columns({"track": Tracks(rows), "eyes": Scores(values, names=EYE_NAMES)})


def make(params: dict[str, float] | None = None) -> Blinks:
    card = Catalogue.load()["blinks"]
    return Blinks(cast("Any", SimpleNamespace(card=card if params is None else replace(card, params=params))))


def test_people_blink_for_themselves_and_clips_begin_anew() -> None:
    maker, times = make(), clock(30, 12)
    one, two = film(times, BLINKS), film(times, [Lids(5.0)])
    for _ in range(2):
        step = maker.follow()
        for index, time in enumerate(times):
            rows = [(7, one[index]), (2, two[index]), (-1, one[index])]
            rows = rows if index % 2 else rows[::-1]  # faces of a frame come in any order
            faces = tracked([track for track, _ in rows], [eyes for _, eyes in rows])
            assert step.update(float(time), faces) is faces
        step.update(12.0, tracked([], []))
        events = step.finish()
        assert len(events.of(track_id=7)) == len(BLINKS)
        assert len(events.of(track_id=2)) == 1
        assert len(events.of(track_id=-1)) == 0


def test_nobody_blinks_in_an_empty_clip() -> None:
    assert len(make().follow().finish()) == 0


def test_a_card_with_other_params_is_refused() -> None:
    with pytest.raises(CardError, match=r"params\.\w+ is none of"):
        make({"sleepy": 0.4})


# --- with weights, on real clips --------------------------------------------------------------------------------------


def test_the_card_says_what_the_defaults_are() -> None:
    assert Catalogue.load()["blinks"].settings(BlinkSettings) == SETTINGS


@pytest.mark.weights
def test_who_blinks_in_a_picture_of_two(tmp_path: Path) -> None:
    rate, motions = 20, [[Lids(0.8), Lids(2.0, eyes=(1, 0))], [Lids(0.5), Lids(1.2, hold=0.8)]]
    with Engine(threads=1) as engine:
        people = [Blinker.of(resize(load_image(assets.PEOPLE[i]), (256, 256)), engine) for i in (2, 6)]
        frames = film_of(people, motions, clock(rate, 3.2).tolist())
        tracking = engine.track(write_film(tmp_path / "two.mp4", frames, rate=rate), want={"blink"})
        places: dict[int, int] = {}
        for item in tracking:
            assert item.faces is not None
            places |= dict(zip(item.faces.track.ids.tolist(), item.faces.centers[:, 0].astype(int) // 256, strict=True))
    assert sorted(places.values()) == [0, 1]  # one track for each of them
    for track, place in places.items():
        events, own = tracking.events.of(track_id=track), motions[place]
        assert len(events) == len(own)
        for event, motion in zip(events, own, strict=True):
            assert event.start == pytest.approx(motion.at, abs=0.1)
            assert (event.details["right"], event.details["left"]) == motion.eyes
            assert event.details["long"] == (motion.hold > 0.5)


@real_test
@pytest.mark.parametrize(
    "name",
    ["video/single_face.mp4", pytest.param("forgery/original_sequences/youtube/634.mp4", marks=pytest.mark.slow)],
)
def test_blinks_of_real_clips(name: str) -> None:
    with Engine(threads=1) as engine:
        events = engine.track(DATA / name, want={"blink"}).events
    with TRUTH.open(newline="") as file:
        truth = [row for row in csv.DictReader(file) if row["clip"] == name]
    assert len(events) == len(truth)
    for event, row in zip(events, truth, strict=True):
        assert min(event.end, float(row["end"])) > max(event.start, float(row["start"]))
