"""Micro-expressions: drawn curves, a drawn face that twitches, and what is none."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien import assets
from mien.core.errors import WeightsUnavailable
from mien.core.image import load_image
from mien.engine import Engine
from mien.features.shown.face_motion import REGIONS, FaceMotion
from mien.features.shown.micro import MicroSettings, find_micro_expressions
from mien.media.encoding import VideoWriter
from mien.models.catalogue import Catalogue
from tests.acting import Actor, Twitch

SETTINGS = MicroSettings()
Doubles = NDArray[np.float64]


def curves(seconds: float = 6.0, rate: float = 50.0, noise: float = 0.0005) -> Doubles:
    """Rows of a face that is still, 80 pixels between the eyes."""
    times = np.arange(0, seconds, 1 / rate)
    rows = np.zeros((len(times), FaceMotion.WIDTH))
    rows[:, 0], rows[:, 1], rows[:, 13] = times, 80, 0.99
    rows[:, 2:10] = np.random.default_rng(0).normal(0, noise, (len(times), 8))
    return rows


def bump(rows: Doubles, start: float, length: float, column: int, height: float = 0.04) -> None:
    part = (rows[:, 0] - start) / length
    inside = (part > 0) & (part < 1)
    rows[inside, column] += height * (0.5 - 0.5 * np.cos(2 * np.pi * part[inside]))


@given(st.floats(0.14, 0.45), st.floats(1.5, 4.0), st.sampled_from([25.0, 50.0, 100.0]), st.integers(0, 3))
def test_a_short_motion_is_found_where_it_is(length: float, start: float, rate: float, region: int) -> None:
    rows = curves(rate=rate)
    bump(rows, start, length, 3 + 2 * region)
    (event,) = find_micro_expressions(rows, SETTINGS, track_id=5)
    assert event.track_id == 5
    assert event.apex == pytest.approx(start + length / 2, abs=0.05)
    overlap = min(event.end, start + length) - max(event.start, start)
    assert overlap / (max(event.end, start + length) - min(event.start, start)) > 0.5
    assert [event.details[name] for name in REGIONS] == [float(place == region) for place in range(4)]
    assert event.details["angle"] == pytest.approx(-90, abs=15)  # y grows downwards


def test_motions_of_two_regions_at_once_are_one() -> None:
    rows = curves()
    bump(rows, 3, 0.3, 3, -0.04)
    bump(rows, 3.02, 0.3, 5, -0.03)
    (event,) = find_micro_expressions(rows, SETTINGS)
    assert (event.details["right_brow"], event.details["left_brow"], event.details["right_mouth"]) == (1, 1, 0)
    assert event.details["amplitude"] == pytest.approx(0.04, rel=0.15)
    assert event.details["angle"] == pytest.approx(90, abs=10)


@pytest.mark.parametrize(
    ("length", "height"),
    [(1.5, 0.05), (0.3, 0.2), (0.3, 0.004)],
    ids=["a long expression", "a large one", "less than can be told"],
)
def test_what_is_too_long_too_large_or_too_small(length: float, height: float) -> None:
    rows = curves()
    bump(rows, 3, length, 3, height)
    assert find_micro_expressions(rows, SETTINGS) == []


def test_a_smile_that_comes_and_stays_is_none() -> None:
    rows = curves()
    rows[rows[:, 0] > 4, 7] += 0.05
    assert find_micro_expressions(rows, SETTINGS) == []


def test_the_brows_of_a_blink_are_none_and_the_mouth_is() -> None:
    for column, count in ((3, 0), (7, 1)):
        rows = curves()
        bump(rows, 3, 0.3, column)
        rows[(rows[:, 0] > 3.05) & (rows[:, 0] < 3.2), 13] = 0.02
        assert len(find_micro_expressions(rows, SETTINGS)) == count


def test_lips_that_part_and_a_head_that_jerks() -> None:
    speech, jerk = curves(), curves()
    for rows in (speech, jerk):
        bump(rows, 3, 0.3, 7)
    assert len(find_micro_expressions(speech, SETTINGS)) == 1
    bump(speech, 3, 0.3, 12, 0.1)
    bump(jerk, 3, 0.3, 10, 0.8)
    assert find_micro_expressions(speech, SETTINGS) == []
    assert find_micro_expressions(jerk, SETTINGS) == []


def test_noise_hides() -> None:
    rows = curves(noise=0.01)
    bump(rows, 3, 0.3, 3, 0.03)
    assert find_micro_expressions(rows, SETTINGS) == []


def test_too_few_frames_too_small_a_face_and_nothing_at_all() -> None:
    slow, small = curves(rate=15), curves()
    small[:, 1] = 30
    for rows in (slow, small):
        bump(rows, 3, 0.4, 3)
        assert find_micro_expressions(rows, SETTINGS) == []
    assert find_micro_expressions(np.zeros((0, FaceMotion.WIDTH)), SETTINGS) == []
    assert find_micro_expressions(np.full((50, FaceMotion.WIDTH), np.nan), SETTINGS) == []
    assert find_micro_expressions(curves()[:3], SETTINGS) == []


def test_gaps_are_not_bridged() -> None:
    rows = curves()
    bump(rows, 4, 0.3, 3)
    gone = rows[(rows[:, 0] < 4.1) | (rows[:, 0] > 4.4)]
    assert find_micro_expressions(gone, SETTINGS) == []


def test_the_card_says_what_the_code_says() -> None:
    assert Catalogue.load()["micro-expressions"].settings(MicroSettings) == SETTINGS


def test_a_turn_of_a_solid_head_is_taken_out() -> None:
    """A textured picture that is shifted, turned and grown: nothing moves on it."""
    draw = np.random.default_rng(0)
    texture = cv2.resize(draw.integers(0, 255, (60, 60, 3), np.uint8), (300, 300), interpolation=cv2.INTER_CUBIC)
    mesh = np.zeros((478, 3), np.float32)
    mesh[:, :2] = draw.uniform(90, 210, (478, 2))
    mesh[33], mesh[263] = (110, 120, 0), (190, 120, 0)
    motion = FaceMotion()
    for number in range(20):
        turn = cv2.getRotationMatrix2D((150.0, 150.0), 0.3 * number, 1 + 0.002 * number)
        turn[:, 2] += 0.4 * number
        image = cv2.warpAffine(texture, turn, (300, 300), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        moved = mesh.copy()
        moved[:, :2] = mesh[:, :2] @ turn[:, :2].T + turn[:, 2]
        motion.push(number / 50, np.asarray(image, np.uint8), moved, (1.0, 1.0))
    rows = motion.table()
    assert rows.shape == (20, FaceMotion.WIDTH)
    assert np.abs(rows[:, 2:10]).max() < 0.01
    assert np.ptp(rows[:, 10]) > 0.03  # the head itself moved


def test_a_face_without_mesh_adds_only_time() -> None:
    motion = FaceMotion()
    motion.push(0.5, np.zeros((50, 50, 3), np.uint8), np.full((478, 3), np.nan, np.float32), (1.0, 1.0))
    assert motion.table()[0, 0] == 0.5
    assert np.isnan(motion.table()[0, 1:]).all()


@pytest.mark.weights
@pytest.mark.slow
def test_a_generated_person_twitches(tmp_path: Path) -> None:
    """What is drawn on many people, with heads that move: `python -m benchmarks.action_units`."""
    twitches = [Twitch("brows down", 1.5, 1.62, 1.8, 0.05), Twitch("corners up", 3.0, 3.12, 3.3, 0.05)]
    with Engine(threads=1) as engine:
        try:
            engine.preload("detect", "micro_expression", "track")
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        image = load_image(assets.PEOPLE[2])
        image = np.asarray(cv2.resize(image, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA), np.uint8)
        actor, draw = Actor.of(image, engine), np.random.default_rng(0)
        with VideoWriter(tmp_path / "film.mp4", rate=25) as film:
            for time in np.arange(0, 4.5, 1 / 25).tolist():
                film.write(actor.show(time, twitches, None, 1.5, draw), time)
        events = engine.track(tmp_path / "film.mp4", want={"micro_expression"}).events
    assert [event.kind for event in events] == ["micro_expression"] * 2
    for event, twitch in zip(events, twitches, strict=True):
        assert twitch.start - 0.1 < event.start < twitch.apex < event.end < twitch.end + 0.1
    assert events[1].details["right_mouth"] == events[1].details["left_mouth"] == 1


def test_a_motion_stands_out_of_the_noise_as_far_as_is_asked_for() -> None:
    rows = curves(noise=0.003)
    bump(rows, 3, 0.3, 3, 0.02)
    assert len(find_micro_expressions(rows, replace(SETTINGS, noise=4.0))) == 1
    assert find_micro_expressions(rows, replace(SETTINGS, noise=20.0)) == []
