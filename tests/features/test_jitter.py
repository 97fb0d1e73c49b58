"""Restlessness: nothing of a head that moves, all of a face that flickers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.features.genuine.jitter import STILL, Path, measure

FACE = np.random.default_rng(0).uniform(100, 200, (len(STILL), 2))
EYES = float(np.linalg.norm(FACE[0] - FACE[2]))


def path(points: NDArray[np.float64], colors: NDArray[np.float64] | None = None, **more: Any) -> Path:
    count = len(points)
    colors = np.zeros((count, 3)) if colors is None else colors
    given_: dict[str, Any] = {"frames": list(range(count)), "vectors": [], **more}
    return Path(points=[p.astype(np.float32) for p in points], colors=list(colors), **given_)


@given(st.floats(-0.02, 0.02), st.floats(-3, 3), st.floats(0.99, 1.01))
def test_motion_of_the_head_is_none(turn: float, shift: float, grow: float) -> None:
    steps = np.exp(1j * turn * np.arange(20)) * grow ** np.arange(20)
    moved = steps[:, None] * (FACE[:, 0] + 1j * FACE[:, 1]) + shift * np.arange(20)[:, None]
    assert measure(path(np.stack([moved.real, moved.imag], axis=-1))).shape < 2e-3


def test_noise_of_the_points_is_told_in_parts_of_the_eyes_distance() -> None:
    rng = np.random.default_rng(1)
    flicker = FACE + rng.normal(0, 1, (200, *FACE.shape))
    found = measure(path(flicker))
    # Second differences of noise have a variance of 1.5 times in each axis, less what the similarity takes away.
    assert found.shape == pytest.approx(np.sqrt(2 * 1.5) / EYES, rel=0.15)
    assert found.color == 0
    assert found.frames == 200


def test_colours_that_flicker() -> None:
    rng = np.random.default_rng(1)
    still = np.tile(FACE, (50, 1, 1))
    slow = np.linspace(0, 1, 50)[:, None] * np.ones(3)
    assert measure(path(still, slow)).color < 1e-9
    assert measure(path(still, slow + rng.normal(0, 0.1, (50, 3)))).color > 0.1


def test_whom_a_face_resembles() -> None:
    still, turns = np.tile(FACE, (20, 1, 1)), np.array([0.0, 0.1, 0.2])
    vectors = [np.array([np.cos(t), np.sin(t)], np.float32) for t in turns]
    found = measure(path(still, vectors=[*vectors, np.full(2, np.nan, np.float32)]))
    assert found.identity == pytest.approx(1 - np.cos(0.1), abs=1e-6)
    assert found.drift == pytest.approx(1 - np.cos(0.1), abs=1e-6)


def test_too_few_frames_or_none_in_a_row() -> None:
    few = measure(path(np.tile(FACE, (8, 1, 1))))
    apart = measure(path(np.tile(FACE, (30, 1, 1)), frames=list(range(0, 60, 2))))
    for found in (few, apart, measure(Path([], [], [], []))):
        assert np.isnan([found.shape, found.color, found.identity, found.drift]).all()
        assert found.to_dict()["shape"] is None
