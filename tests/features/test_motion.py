"""Depth from motion: points of planes and of heads, and rendered clips of both."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.assets import PEOPLE
from mien.core.geometry import rotation_matrix
from mien.engine import Engine
from mien.features.genuine.motion import DEEP, FLAT, Depth, DepthMeter, change, relief
from mien.features.genuine.verdict import liveness
from mien.media.video import open_video
from tests.features.turning import turned_head, turned_print
from tests.shared import DATA

Doubles = NDArray[np.float64]


@pytest.fixture(scope="module")
def engine() -> Engine:
    return Engine(threads=1)


def seen(points: Doubles, yaw: float, pitch: float, roll: float = 0.0) -> Doubles:
    """Points (P, 3) as a camera sees them that is six of their sizes away."""
    turned = points @ rotation_matrix([yaw, pitch, roll]).astype(np.float64).T
    return np.asarray(100 + 100 * turned[:, :2] / (1 + turned[:, 2:] / 6))


def cloud(depth: float, seed: int = 0) -> Doubles:
    """Places over a square, as deep as half a ball in the middle, times `depth`."""
    xy = np.random.default_rng(seed).uniform(-0.5, 0.5, (60, 2))
    return np.column_stack([xy, -depth * np.sqrt(np.maximum(0.6 - np.square(xy).sum(axis=1), 0))])


@settings(max_examples=40)
@given(yaw=st.floats(-45, 45), pitch=st.floats(-30, 30), roll=st.floats(-90, 90), seed=st.integers(0, 99))
def test_a_plane_is_flat_however_it_is_turned(yaw: float, pitch: float, roll: float, seed: int) -> None:
    points = cloud(0.0, seed)
    before, after = seen(points, 0, 0), seen(points, yaw, pitch, roll)
    left, _ = relief(before, after)
    if change(before, after) > 0.1:
        assert left < 0.02
    else:
        assert abs(yaw) + abs(pitch) < 15


@pytest.mark.parametrize(("yaw", "pitch"), [(15, 0), (-20, 5), (0, 15), (12, -12)])
def test_a_ball_is_not(yaw: float, pitch: float) -> None:
    points = cloud(1.0)
    assert relief(seen(points, 0, 0), seen(points, yaw, pitch))[0] > DEEP
    noisy = seen(points, yaw, pitch) + np.random.default_rng(3).normal(0, 0.2, (60, 2))
    assert relief(seen(points, 0, 0), noisy)[0] > DEEP


def test_size_place_and_turn_in_the_picture_are_no_change() -> None:
    points = seen(cloud(1.0), 0, 0)
    turn = rotation_matrix([0, 0, 30])[:2, :2].astype(np.float64)
    assert change(points, points @ turn.T * 1.7 + (40, -9)) == pytest.approx(0, abs=1e-9)
    assert np.isnan(relief(points, points)[0])
    assert np.isnan(relief(np.zeros((9, 2)), np.zeros((9, 2)))[0])


def test_what_the_numbers_mean() -> None:
    made = [Depth(relief=value, change=0.02, together=None, measures=5) for value in (0.1, 0.4, 0.8)]
    assert [one.flat for one in made] == [True, None, False]
    assert made[0].to_dict()["flat"] is True
    assert Depth(None, 0.0, None, 0, "nothing").flat is None


def test_without_a_face_or_a_turn_nothing_is_known() -> None:
    still = np.random.default_rng(0).integers(0, 255, (120, 120, 3), np.uint8)
    assert DepthMeter().finish().reason is not None
    meter = DepthMeter()
    for number in range(6):
        meter.update(number / 10, still, np.array([30.0, 30, 90, 90]) if number != 3 else None)
    found = meter.finish()
    assert found.relief is None
    assert found.reason is not None
    assert "did not turn" in found.reason
    for box in ([0.0, 0, 0, 0], [-500.0, -500, 900, 900]):  # of no size, and far larger than the picture
        DepthMeter().update(0.0, still, np.array(box))


@pytest.mark.weights
def test_a_rendered_head_and_a_print(engine: Engine) -> None:
    times, found = np.arange(0, 1.3, 0.1), []
    head = turned_head(PEOPLE[5], lambda t: (20 * np.sin(2.6 * t), 6 * np.cos(2.6 * t)), times, engine)
    still = turned_print(PEOPLE[5], lambda t: (36 * np.sin(2.6 * t), 8 * np.cos(2.6 * t)), times)
    for clip in (head, still):
        meter = DepthMeter()
        for time, image in clip:
            faces = engine.detect(image, max_faces=1)
            meter.update(time, image, faces.boxes[0] if len(faces) else None)
        found.append(meter.finish())
    deep, flat = found
    assert deep.relief is not None
    assert flat.relief is not None
    assert deep.relief > DEEP > FLAT > flat.relief
    assert deep.together is not None
    assert flat.together is not None
    assert deep.together < 0.3 < 0.9 < flat.together


@pytest.mark.weights
@pytest.mark.data
def test_a_real_head(engine: Engine) -> None:
    found = liveness(DATA / "video" / "single_face.mp4", engine=engine)
    assert found.live is True
    assert found.depth is not None
    assert found.depth.flat is False
    assert found.frames > 50
    assert set(found.cues) == {"moire", "grid", "haze", "frame"}
    with open_video(DATA / "video" / "no_face.mp4") as video:
        empty = [(frame.time, frame.image) for frame in itertools.islice(video, 8)]
    assert liveness(empty, engine=engine).live is None
