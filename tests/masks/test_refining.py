"""The guided filter and the colours of what is in front: on pictures whose alpha and colours are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch
from mien.core.image import Image
from mien.core.region import Region
from mien.masks.refining import STRIP, foreground, refine, shrink

Floats = NDArray[np.float32]


def scene(side: int = 256) -> tuple[Image, Floats, Image, Image]:
    """A bright disc with rays, before a dark slope: the picture, its alpha, the colours in front and behind."""
    y, x = np.mgrid[:side, :side].astype(np.float32)
    middle = (side - 1) / 2
    radius, angle = np.hypot(x - middle, y - middle), np.arctan2(y - middle, x - middle)
    alpha = np.clip((side * (0.3 + 0.06 * (np.sin(angle * 20) > 0)) - radius) / 2 + 0.5, 0, 1)
    front = np.broadcast_to(np.array([230, 180, 120], np.uint8), (side, side, 3))
    back = np.dstack([x * 60 / side, y * 60 / side, 20 + 0 * x]).astype(np.uint8)
    mixed = alpha[..., None] * front + (1 - alpha[..., None]) * back
    return np.rint(mixed).astype(np.uint8), alpha.astype(np.float32), front, back


def test_details_that_the_small_alpha_lacks_come_from_the_picture() -> None:
    image, alpha, _, _ = scene()
    small = np.asarray(cv2.resize(alpha, (48, 48), interpolation=cv2.INTER_AREA), np.float32)
    refined, plain = refine(small, image), refine(small, image, radius=0)
    error = np.abs(refined.to_array() - alpha).mean()
    assert error < 0.4 * np.abs(plain.to_array() - alpha).mean()
    assert error < 0.012


def test_where_the_picture_says_nothing_alpha_is_only_enlarged() -> None:
    _, alpha, _, _ = scene(64)
    flat = np.full((256, 256, 3), 90, np.uint8)
    refined, plain = refine(alpha, flat).to_array(), refine(alpha, flat, radius=0).to_array()
    assert np.abs(plain - cv2.resize(alpha, (256, 256))).max() < 0.05
    assert np.abs(cv2.blur(plain, (29, 29)) - refined).mean() < 0.02  # the mean of two windows of 7 small pixels


@pytest.mark.parametrize("level", [0.0, 1.0])
def test_all_and_nothing_stay_what_they_are(level: float) -> None:
    image = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    refined = refine(np.full((32, 48), level, np.float32), image)
    assert refined == (Region.full((120, 90)) if level else Region.empty((120, 90)))


def test_strips_leave_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    image, alpha, _, _ = scene()
    whole, colors = refine(alpha[::4, ::4], image), foreground(image, Region.from_mask(alpha))
    assert image.shape[0] * image.shape[1] <= STRIP
    monkeypatch.setattr("mien.masks.refining.STRIP", 256 * 7)
    assert np.abs(refine(alpha[::4, ::4], image).to_levels().astype(int) - whole.to_levels()).max() <= 1
    again = foreground(image, Region.from_mask(alpha)).astype(int)
    assert np.abs(again - colors).max() <= 2


@pytest.mark.parametrize("radius", [0, 1, 3])
def test_where_nothing_is_mixed_nothing_is_missed(monkeypatch: pytest.MonkeyPatch, radius: int) -> None:
    random = np.random.default_rng(radius)
    monkeypatch.setattr("mien.masks.refining.STRIP", 300)
    for _ in range(20):
        h, w, height, width = (int(side) for side in random.integers(1, [40, 40, 70, 70]))
        spots = cv2.dilate((random.random((h, w)) < 0.004).astype(np.float32), np.ones((5, 5))).reshape(h, w)
        small = np.asarray(cv2.blur(spots, (3, 3)), np.float32).reshape(h, w)
        image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
        found = refine(small, image, radius=radius).to_levels().astype(int)
        with monkeypatch.context() as patch:
            patch.setattr("mien.masks.refining._mixed_boxes", lambda *_: [(0, 0, width, height)])  # noqa: B023
            whole = refine(small, image, radius=radius).to_levels()
        assert np.abs(found - whole).max() <= 1


@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 70), st.integers(1, 70), st.integers(0, 4))
@settings(max_examples=25, deadline=None)
def test_any_sizes(h: int, w: int, height: int, width: int, radius: int) -> None:
    random = np.random.default_rng(h * w)
    image = random.integers(0, 256, (height, width, 3), dtype=np.uint8)
    region = refine(random.random((h, w), dtype=np.float32), image, radius=radius)
    assert region.size == (width, height)
    assert foreground(image, region).shape == image.shape
    assert shrink(image, (w, h)).shape == (h, w, 3)


@pytest.mark.parametrize("shape", [(2, 40000), (40000, 2)])
def test_pictures_that_are_all_length(shape: tuple[int, int]) -> None:
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    small = np.full((32, 32), 0.5, np.float32)
    for radius in (0, 3):
        alpha = refine(small, image, radius=radius)
        assert np.abs(alpha.to_array() - 0.5).max() < 0.01
    assert foreground(image, alpha).shape == image.shape


def test_shrinking_keeps_places() -> None:
    ramp = np.repeat(np.linspace(0, 255, 1000)[None], 400, axis=0)
    image = np.repeat(np.rint(ramp).astype(np.uint8)[..., None], 3, axis=2)
    for width, height in ((333, 100), (64, 32), (1000, 400), (1500, 500)):
        small = shrink(image, (width, height))[height // 2, :, 0].astype(float)
        expected = ((np.arange(width) + 0.5) * 1000 / width - 0.5) * 255 / 999
        assert np.abs(small - expected)[2:-2].max() < 1.6


def test_colours_in_front_are_found() -> None:
    image, alpha, front, _ = scene()
    mixed = (alpha > 0.05) & (alpha < 0.95)
    weight = alpha[mixed][:, None]

    def error(colors: Image) -> float:
        return float((np.abs(colors[mixed].astype(float) - front[mixed]) * weight).sum() / weight.sum() / 3)

    found = foreground(image, Region.from_mask(alpha))
    assert error(found) < 4 < 15 < error(image)
    solid = Region.from_mask(alpha).to_levels() == 255
    assert np.array_equal(found[solid], image[solid])
    for plain in (Region.full((256, 256)), Region.empty((256, 256))):
        assert np.array_equal(foreground(image, plain), image)


def test_a_new_background_shows_no_fringe_of_the_old_one() -> None:
    image, alpha, front, _ = scene()
    region = Region.from_mask(alpha)
    white = np.full_like(image, 255)
    wanted = region.apply(white, front).astype(float)
    fringe = np.abs(region.apply(white, image) - wanted).mean()
    assert np.abs(region.apply(white, foreground(image, region)) - wanted).mean() < 0.25 * fringe


def test_bad_input() -> None:
    image = np.zeros((20, 30, 3), np.uint8)
    with pytest.raises(ShapeMismatch, match="a small alpha"):
        refine(np.zeros((4, 4, 1), np.float32), image)
    with pytest.raises(ShapeMismatch, match="a picture is"):
        refine(np.zeros((4, 4), np.float32), image[..., 0])
    with pytest.raises(ShapeMismatch, match="not of"):
        foreground(image, Region.empty((20, 30)))
