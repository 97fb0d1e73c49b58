"""Sharpness and noise of one face brought to another's."""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.swaps.blend.grain import match_grain

pytestmark = pytest.mark.full
Floats = NDArray[np.float32]
WHOLE = np.ones((160, 160), np.float32)


@cache
def drawn() -> Floats:
    """Something with edges and flat places, sharp, without noise."""
    image = np.full((160, 160, 3), 150, np.float32)
    cv2.ellipse(image, (50, 60), (22, 10), 20, 0, 360, (40, 30, 30), -1, cv2.LINE_AA)
    cv2.ellipse(image, (110, 60), (22, 10), -20, 0, 360, (40, 30, 30), -1, cv2.LINE_AA)
    cv2.ellipse(image, (80, 115), (34, 12), 0, 0, 360, (170, 80, 90), -1, cv2.LINE_AA)
    return np.asarray(image, np.float32)


def blurred(sigma: float) -> Floats:
    return np.asarray(cv2.GaussianBlur(drawn(), (0, 0), sigma), np.float32)


def noisy(image: Floats, sigma: float, *, soft: float = 0.0, seed: int = 0) -> Floats:
    noise = np.random.default_rng(seed).normal(0, 1, image.shape).astype(np.float32)
    if soft:
        noise = np.asarray(cv2.GaussianBlur(noise, (0, 0), soft), np.float32)
    return np.asarray(image + sigma * noise / noise.std(), np.float32)


def steepest(image: Floats) -> float:
    grey = image.mean(axis=2)
    return float(np.quantile(np.hypot(*np.gradient(grey)), 0.99))


@pytest.mark.parametrize("sigma", [1.0, 2.0, 4.0])
def test_a_sharp_front_becomes_as_blurred_as_the_back(sigma: float) -> None:
    back = blurred(sigma)
    out = match_grain(drawn(), back, WHOLE)
    assert steepest(out) == pytest.approx(steepest(back), rel=0.15)


def test_a_soft_front_is_sharpened_only_a_little() -> None:
    front, back = blurred(2.5), drawn()
    out = match_grain(front, back, WHOLE)
    assert steepest(front) < steepest(out) < 0.7 * steepest(back)
    assert out.min() > drawn().min() - 12  # no black rings


@pytest.mark.parametrize(("sigma", "soft"), [(3.0, 0.0), (8.0, 0.0), (6.0, 1.0)])
def test_noise_is_as_strong_and_as_coarse_as_the_backs(sigma: float, soft: float) -> None:
    front, back = blurred(1.0), noisy(blurred(1.0), sigma, soft=soft)
    out = match_grain(front, back, WHOLE, seed=3)
    flat = slice(5, 30), slice(5, 155)
    mine, theirs = (image[flat] - 150 for image in (out, back))
    assert mine.std() == pytest.approx(theirs.std(), rel=0.25)
    together = [float((one[:, 1:] * one[:, :-1]).mean() / one.var()) for one in (mine, theirs)]
    assert together[0] == pytest.approx(together[1], abs=0.2)


def test_grey_noise_stays_grey_and_what_is_noisy_already_gets_none() -> None:
    back = blurred(1.0) + noisy(np.zeros((160, 160, 1), np.float32), 6)
    out = match_grain(blurred(1.0), back.astype(np.float32), WHOLE)
    noise = (out - blurred(1.0))[5:30]
    assert np.corrcoef(noise[..., 0].ravel(), noise[..., 1].ravel())[0, 1] > 0.95
    front, back = noisy(blurred(1.0), 6), noisy(blurred(1.0), 6, seed=1)
    assert np.abs(match_grain(front, back, WHOLE) - front).mean() < 1.5


def test_frames_get_other_noise_and_the_same_frame_the_same() -> None:
    back = noisy(blurred(1.0), 5)
    one, same, other = (match_grain(blurred(1.0), back, WHOLE, seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(one, same)
    assert np.abs(one - other).mean() > 2


@given(seed=st.integers(0, 2**32 - 1), height=st.integers(1, 40), width=st.integers(1, 40))
def test_any_pictures_give_numbers(seed: int, height: int, width: int) -> None:
    random = np.random.default_rng(seed)
    front, back = random.choice([0, 128, 255], (2, height, width, 3)).astype(np.float32)
    weight = (random.random((height, width)) > random.random()).astype(np.float32)
    before = front.copy()
    out = match_grain(front, back, weight)
    assert out.shape == front.shape
    assert np.isfinite(out).all()
    assert np.array_equal(front, before)
