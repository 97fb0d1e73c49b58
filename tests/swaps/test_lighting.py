"""Light that is known, found again and put on another face."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.shading import directional, fit_light, harmonics
from mien.swaps.blend.lighting import LUMINANCE, brightened, relit, to_linear

Floats = NDArray[np.float32]
Lamp = tuple[float, float, float]
SIDE = 96
PALE, DARK = (0.75, 0.52, 0.42), (0.3, 0.17, 0.11)  # of skin, in linear light


def ball() -> Floats:
    """Normals of half a ball that looks at the camera; NaN beside it."""
    y, x = (np.indices((SIDE, SIDE)) - (SIDE - 1) / 2) / (SIDE / 2 - 4)
    square = x * x + y * y
    with np.errstate(invalid="ignore"):
        return np.dstack([x, y, -np.sqrt(np.where(square < 0.9, 1 - square, np.nan))]).astype(np.float32)


def lit(lamp: Lamp, tone: tuple[float, float, float], sky: float = 0.4) -> Floats:
    """The ball under one lamp and a sky: 0 to 255."""
    d = np.array(lamp) / np.linalg.norm(lamp)
    shade = 0.25 * sky + (1 - sky) * np.maximum(np.nan_to_num(ball()) @ d, 0)
    light = shade[..., None] * np.array(tone)
    levels = 255 * np.where(
        light <= 0.0031308, 12.92 * light, 1.055 * np.maximum(light, 0.0031308) ** (1 / 2.4) - 0.055
    )
    return np.asarray(levels, np.float32)


def off(image: Floats, truth: Floats) -> float:
    """How far the logarithm of light is off, but for one factor."""
    inside = np.isfinite(ball()).all(axis=2)
    one, other = (np.log(np.maximum((to_linear(each) @ LUMINANCE)[inside], 1e-3)) for each in (image, truth))
    return float(np.std(one - other))


def test_a_lamp_is_what_its_harmonics_say() -> None:
    random = np.random.default_rng(0)
    normals = random.normal(size=(2000, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    lamp = np.array([0.6, -0.3, -0.8])
    cos = normals @ lamp / np.linalg.norm(lamp)
    told = harmonics(normals) @ directional(lamp)
    assert np.abs(told - (0.25 + cos / 2 + 5 / 32 * (3 * cos**2 - 1))).max() < 1e-5
    assert np.abs(told - np.maximum(cos, 0)).mean() < 0.04  # as good as the second order is
    for bad in ((0, 0, 0), (1, 2), (np.nan, 0, 1)):
        with pytest.raises(UsageError, match="direction"):
            directional(bad)


@pytest.mark.full
def test_light_is_fitted_though_something_else_is_dark() -> None:
    normals = np.nan_to_num(ball())
    known = np.isfinite(ball()).all(axis=2).astype(np.float32)
    light = directional((-0.5, -0.4, -0.8)) + np.eye(9)[0] * 0.2
    level = harmonics(normals) @ light
    level[40:52, 20:40] = 0.02  # a brow
    found = fit_light(normals, level, known)
    assert found is not None
    inside = (known > 0) & (level > 0.03)
    assert np.abs(harmonics(normals) @ found - level)[inside].mean() < 0.03
    assert fit_light(normals, level, known * 0) is None


@pytest.mark.full
@pytest.mark.parametrize(
    ("own", "other"),
    [((0, 0, -1), (-1, -0.3, -0.4)), ((1, -0.3, -0.5), (-1, -0.3, -0.5)), ((0, -1, -0.6), (0.8, 0.2, -0.5))],
    ids=["front-left", "right-left", "above-right"],
)
def test_light_is_taken_over_from_skin_of_another_tone(own: Lamp, other: Lamp) -> None:
    front, back, truth = lit(own, PALE), lit(other, DARK), lit(other, PALE)
    weight = np.isfinite(ball()).all(axis=2).astype(np.float32)
    out = relit(front, back, ball(), weight)
    assert off(out, truth) < 0.35 * off(front, truth)
    half = relit(front, back, ball(), weight, strength=0.5)
    assert off(out, truth) < off(half, truth) < off(front, truth)
    assert np.abs(relit(front, back, ball(), weight, strength=0.0) - front).max() < 0.5


@pytest.mark.full
def test_the_same_light_changes_nothing_and_no_skin_neither() -> None:
    front, weight = lit((-1, 0, -1), PALE), np.isfinite(ball()).all(axis=2).astype(np.float32)
    assert np.abs(relit(front, lit((-1, 0, -1), DARK), ball(), weight) - front)[weight > 0].mean() < 3
    assert relit(front, front, ball(), weight * 0) is front
    black = np.zeros_like(front)
    assert np.isfinite(relit(front, black, ball(), weight)).all()
    assert np.isfinite(relit(black, front, ball(), weight)).all()


@pytest.mark.full
@given(st.floats(-2, 2), st.floats(0, 255))
def test_light_is_multiplied(gain: float, level: float) -> None:
    image = np.full((1, 1, 3), level, np.float32)
    out = brightened(image, np.full((1, 1), gain, np.float32))
    assert to_linear(out)[0, 0, 0] == pytest.approx(to_linear(image)[0, 0, 0] * np.exp(gain), rel=1e-3, abs=1e-5)
