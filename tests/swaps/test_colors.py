"""Colours of one face brought to another's: skin meets skin, and what is no skin stays what it is."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.swaps.blend.colors import match_colors, meet
from mien.swaps.blend.oklab import to_oklab

pytestmark = pytest.mark.full
Floats = NDArray[np.float32]
PALE, TAN, DARK = (232, 196, 178), (198, 146, 112), (92, 58, 42)
WHOLE = np.ones((80, 80), np.float32)


def face(tone: tuple[int, int, int], *, seed: int = 0) -> Floats:
    """Skin with a pupil (black), the white of an eye, and lips."""
    noise = np.random.default_rng(seed).normal(0, 3, (80, 80, 1))
    image = np.array(tone) + noise
    image[10:16, 10:22] = (225, 222, 218)
    image[11:15, 14:18] = (14, 11, 10)
    image[60:68, 25:55] = np.array(tone) * (0.9, 0.55, 0.6)
    return np.asarray(image.clip(0, 255), np.float32)


@pytest.mark.parametrize(("own", "other"), [(PALE, DARK), (DARK, PALE), (TAN, PALE), (DARK, TAN)])
def test_skin_of_any_tone_becomes_skin_of_any_other(own: tuple[int, int, int], other: tuple[int, int, int]) -> None:
    front, back = face(own), face(other, seed=1)
    out = match_colors(front, back, WHOLE)
    skin = slice(30, 50), slice(10, 70)
    assert np.abs(out[skin].mean(axis=(0, 1)) - back[skin].mean(axis=(0, 1))).max() < 8
    pupil = to_oklab(out[12:14, 15:17]).mean(axis=(0, 1))
    assert pupil[0] < 0.3  # dark as before
    white = to_oklab(out[10, 11:13]).mean(axis=0)
    if sum(other) >= sum(own):  # on darker skin, it cannot be told from gloss, which goes with the skin
        assert white[0] > 0.7
        assert np.hypot(*white[1:]) < 0.05  # and white as before
    lips, around = (to_oklab(out[part].mean(axis=(0, 1))[None])[0] for part in ((slice(62, 66), slice(30, 50)), skin))
    assert lips[1] > around[1] + 0.01  # redder than the skin
    assert out.min() >= 0
    assert out.max() <= 255


def test_paler_skin_gets_no_more_contrast_on_darker_skin() -> None:
    front = face(PALE)
    out = match_colors(front, face(DARK, seed=1), WHOLE)
    before, after = (float(one[30:50].std() / one[30:50].mean()) for one in (front.mean(axis=2), out.mean(axis=2)))
    assert after < 1.4 * before


def test_skin_meets_skin_at_the_edge_and_stays_what_it_is_within() -> None:
    weight = np.zeros((120, 120), np.float32)
    weight[10:110, 10:110] = 1
    front = np.full((120, 120, 3), TAN, np.float32)
    back = front * np.float32(0.8)
    out = meet(front, back, weight, weight, 12 * weight)
    edge, within = (np.abs(out[row, 60] - back[row, 60]).max() for row in (11, 60))
    assert edge < 0.3 * within
    assert np.abs(out[60, 60] - front[60, 60]).max() < 3
    assert meet(front, back, 0 * weight, weight, 12 * weight) is front


def test_grey_pictures_stay_grey_and_give_grey() -> None:
    grey = np.repeat(face(TAN).mean(axis=2, keepdims=True), 3, axis=2).astype(np.float32)
    for front in (face(PALE), grey):
        out = match_colors(front, grey, WHOLE)
        assert np.ptp(out, axis=2).max() < 6
    tinted = match_colors(grey, face(TAN), WHOLE)
    assert np.abs(tinted[30:50].mean(axis=(0, 1)) - TAN).max() < 10


def test_broad_strokes_follow_the_light_and_can_be_left_out() -> None:
    slope = np.linspace(-40, 40, 80)[None, :, None]
    back = np.asarray((np.array(TAN) + slope + np.zeros((80, 1, 1))).clip(0, 255), np.float32)
    front = np.full((80, 80, 3), TAN, np.float32)
    far = [
        float(out[:, 60:].mean() - out[:, :20].mean())
        for out in (match_colors(front, back, WHOLE, strokes=strokes) for strokes in (0.0, 1.0))
    ]
    assert abs(far[0]) < 3
    assert far[1] > 20


def test_what_is_no_skin_in_either_does_not_count() -> None:
    front, back = face(TAN), face(PALE, seed=1)
    back[:20] = (20, 160, 40)  # a green hood
    out = match_colors(front, back, WHOLE, strokes=0)
    assert np.abs(out[30:50, 10:70].mean(axis=(0, 1)) - PALE).max() < 15


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 30), width=st.integers(1, 30))
def test_any_pictures_give_numbers_of_pictures(seed: int, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    front, back = random.choice([0, 1, 128, 255], (2, height, width, 3)).astype(np.float32)
    weight = (random.random((height, width)) > random.random()).astype(np.float32)
    before = front.copy()
    out = match_colors(front, back, weight)
    assert out.shape == front.shape
    assert np.isfinite(out).all()
    assert out.min() >= 0
    assert out.max() <= 255
    assert np.array_equal(front, before)


def test_without_skin_nothing_is_changed() -> None:
    front = face(TAN)
    assert match_colors(front, face(PALE), np.zeros((80, 80), np.float32)) is front
