from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch
from mien.core.geometry import TEMPLATES, compose, invert, similarity, square_crops, transform
from mien.core.image import load_image
from mien.core.warping import resize, warp, warp_batch

Picture = NDArray[np.uint8]


def noise(height: int, width: int, seed: int = 0) -> Picture:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def smooth(height: int, width: int) -> Picture:
    """A picture whose value anywhere is known: red grows with x, green with y."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x * 255 / (width - 1), y * 255 / (height - 1), np.full((height, width), 40)], axis=2).astype(
        np.uint8
    )


def shift(x: float, y: float) -> NDArray[np.float32]:
    return np.array([[1, 0, x], [0, 1, y]], dtype=np.float32)


# --- one crop ------------------------------------------------------------------------------------


@given(st.integers(0, 60), st.integers(0, 40), st.integers(1, 40))
def test_a_square_on_whole_pixels_is_the_slice(x: int, y: int, side: int) -> None:
    picture = noise(80, 100)
    m = square_crops([[x + side / 2, y + side / 2]], side, 0, side)[0]
    np.testing.assert_array_equal(warp(picture, m, side), picture[y : y + side, x : x + side])


@pytest.mark.parametrize("factor", [2, 3])
def test_a_shrunk_square_is_the_mean_of_its_pixels(factor: int) -> None:
    picture = noise(120, 120)
    m = square_crops([[60, 60]], 60, 0, 60 // factor)[0]
    blocks = picture[30:90, 30:90].reshape(60 // factor, factor, 60 // factor, factor, 3)
    np.testing.assert_allclose(warp(picture, m, 60 // factor), blocks.mean(axis=(1, 3)), atol=0.51)


def test_a_large_face_does_not_alias() -> None:
    stripes = np.zeros((1200, 1200, 3), dtype=np.uint8)
    stripes[:, ::2] = 255  # finer than the crop can show: grey is right
    m = square_crops([[600, 600]], 1100, 7, 112)[0]
    clean, sampled = warp(stripes, m, 112), warp(stripes, m, 112, interpolation="linear")
    assert clean.std() < 0.4 * sampled.std()
    np.testing.assert_allclose(clean.mean(), 127.5, atol=3)


@given(st.integers(-180, 180), st.sampled_from([0.3, 0.6, 1.0, 2.5]), st.sampled_from(["area", "linear", "cubic"]))
def test_points_and_pixels_move_together(angle: int, scale: float, interpolation: Any) -> None:
    picture = smooth(400, 400)
    m = square_crops([[200, 200]], 60 / scale, angle, 60)[0]
    crop = warp(picture, m, 60, interpolation=interpolation)
    at = np.array([[10.0, 20.0], [45.0, 30.0], [30.0, 50.0]])
    there = transform(at, invert(m))  # (x, y) in the picture, where red is x and green is y
    seen = crop[at[:, 1].astype(int), at[:, 0].astype(int), :2]
    np.testing.assert_allclose(seen, there * 255 / 399, atol=1.6)


def test_borders() -> None:
    picture = np.arange(12, dtype=np.uint8).reshape(3, 4, 1).repeat(3, axis=2)
    m = shift(2, 0)
    assert warp(picture, m, (3, 4), value=9)[0, :, 0].tolist() == [9, 9, 0, 1]
    assert warp(picture, m, (3, 4), border="replicate")[0, :, 0].tolist() == [0, 0, 0, 1]
    assert warp(picture, m, (3, 4), border="reflect")[0, :, 0].tolist() == [2, 1, 0, 1]


def test_a_crop_that_shows_nothing_of_the_picture() -> None:
    assert (warp(noise(20, 20), shift(500, 500), 8, value=7) == 7).all()
    assert (warp(noise(20, 20), np.full((2, 3), np.nan), 8, value=7) == 7).all()
    assert (warp(noise(20, 20), np.zeros((2, 3)), 8, value=7) == 7).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.int16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(40, 50), (40, 50, 1), (40, 50, 2), (40, 50, 3), (40, 50, 4)])
def test_masks_and_fields_are_warped_too(dtype: Any, shape: tuple[int, ...]) -> None:
    field = np.random.default_rng(0).integers(0, 100, shape).astype(dtype)
    crop = warp(field, shift(-3, -5), (20, 30))
    assert crop.dtype == dtype
    np.testing.assert_array_equal(crop, field[5:25, 3:33])
    small = warp(field, np.array([[0.5, 0, -0.25], [0, 0.5, -0.25]]), (20, 25))
    blocks = field.astype(np.float64).reshape(20, 2, 25, 2, *shape[2:]).mean(axis=(1, 3))
    np.testing.assert_allclose(small, blocks, atol=0.51)


def test_labels_are_not_blended() -> None:
    labels = np.random.default_rng(0).choice(np.array([0, 7, 18], dtype=np.uint8), (60, 60))
    crop = warp(labels, square_crops([[30, 30]], 50, 20, 16)[0], 16, interpolation="nearest")
    assert set(np.unique(crop)) <= {0, 7, 18}


def test_pictures_longer_than_opencv_allows() -> None:
    wide = np.zeros((40, 40_000, 3), dtype=np.uint8)
    wide[10:30, 39_000:39_040] = (1, 2, 3)
    crop = warp(wide, square_crops([[39_020, 20]], 20, 0, 10)[0], 10)
    assert (crop == (1, 2, 3)).all()
    turned = warp(wide, square_crops([[39_020, 20]], 10, 45, 10)[0], 10)
    assert (turned == (1, 2, 3)).all()
    assert (warp(wide, shift(50_000, 0), 8, value=5) == 5).all()


def test_pictures_that_are_not_contiguous() -> None:
    picture = noise(60, 60)
    m = square_crops([[30, 30]], 30, 10, 20)[0]
    for view in (picture[:, ::-1], picture[..., ::-1], picture[::2], picture.swapaxes(0, 1)):
        np.testing.assert_array_equal(warp(view, m, 20), warp(view.copy(), m, 20))


def test_crops_are_checked() -> None:
    with pytest.raises(ShapeMismatch, match=r"\(2, 3\)"):
        warp(noise(8, 8), np.zeros((1, 2, 3)), 4)
    with pytest.raises(ShapeMismatch, match="cannot be cropped"):
        warp(np.zeros((0, 5, 3), dtype=np.uint8), np.eye(2, 3), 4)
    with pytest.raises(ShapeMismatch, match="cannot be cropped"):
        warp_batch([np.zeros((5, 5), dtype=np.uint8)], [0], np.eye(2, 3)[None], 4)
    with pytest.raises(ShapeMismatch, match="owners"):
        warp_batch([noise(8, 8)], [0, 0], np.eye(2, 3)[None], 4)


# --- many crops ----------------------------------------------------------------------------------


@given(st.integers(0, 6), st.sampled_from(["constant", "replicate", "reflect"]))
def test_a_batch_is_its_crops(count: int, border: Any) -> None:
    rng = np.random.default_rng(count)
    pictures = [noise(60, 90, 1), noise(300, 200, 2)]
    owner = rng.integers(0, 2, count)
    m = square_crops(rng.uniform(0, 90, (count, 2)), rng.uniform(10, 200, count), rng.uniform(-180, 180, count), 24)
    crops = warp_batch(pictures, owner, m, (24, 20), border=border)
    assert crops.shape == (count, 24, 20, 3)
    assert crops.dtype == np.uint8
    for crop, index, matrix in zip(crops, owner, m, strict=True):
        np.testing.assert_array_equal(crop, warp(pictures[index], matrix, (24, 20), border=border))


def test_a_face_without_a_map_is_empty_and_the_others_are_not() -> None:
    m = np.stack([np.full((2, 3), np.nan), np.eye(2, 3)])
    crops = warp_batch([noise(10, 10)], [0, 0], m, 8, value=3)
    assert (crops[0] == 3).all()
    np.testing.assert_array_equal(crops[1], noise(10, 10)[:8, :8])


def test_a_crop_pasted_back_lands_where_it_was() -> None:
    picture = smooth(300, 300)
    m = square_crops([[150, 140]], 120, 25, 112)[0]
    back = warp(warp(picture, m, 112), invert(m), 300)
    np.testing.assert_allclose(back[120:160, 130:170], picture[120:160, 130:170], atol=2)


def test_compose_with_warp_in_two_steps() -> None:
    picture = smooth(300, 300)
    first, second = square_crops([[150, 150]], 200, 10, 200)[0], square_crops([[100, 100]], 60, -30, 60)[0]
    at_once = warp(picture, compose(second, first), 60).astype(int)
    np.testing.assert_allclose(at_once, warp(warp(picture, first, 200), second, 60), atol=2)


# --- resize --------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(300, 400), (64, 64), (1, 1), (1, 900), (900, 1), (2000, 30)])
@pytest.mark.parametrize("size", [(64, 96), (1, 1), (700, 5)])
def test_resize_keeps_a_plain_colour(shape: tuple[int, int], size: tuple[int, int]) -> None:
    resized = resize(np.full((*shape, 3), 200, dtype=np.uint8), size)
    assert resized.shape == (*size, 3)
    assert (resized == 200).all()


def test_resize_keeps_places() -> None:
    picture = np.zeros((3000, 4000, 3), dtype=np.uint8)
    picture[1500:1600, 3000:3100] = 255
    y, x = np.nonzero(resize(picture, (480, 640))[..., 0] > 127)
    box = np.array([x.min(), y.min(), x.max() + 1, y.max() + 1]) * (4000 / 640)
    np.testing.assert_allclose(box, [3000, 1500, 3100, 1600], atol=0.6 * 4000 / 640)


def test_resize_to_the_same_size_changes_nothing() -> None:
    picture = noise(30, 40)
    np.testing.assert_array_equal(resize(picture, (30, 40)), picture)


def test_resize_does_not_alias() -> None:
    stripes = np.zeros((800, 800, 3), dtype=np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(resize(stripes, (200, 200)).astype(int)) < 40


def test_resize_checks_its_picture() -> None:
    with pytest.raises(ShapeMismatch):
        resize(np.zeros((5, 5), dtype=np.uint8), (8, 8))
    with pytest.raises(ShapeMismatch):
        resize(np.zeros((0, 5, 3), dtype=np.uint8), (8, 8))


# --- on a real picture ---------------------------------------------------------------------------


@pytest.mark.data
def test_the_same_face_at_every_size(shared_data: Path) -> None:
    """A portrait and its copies at a half and a quarter give the same crop of 112 pixels, up to blur."""
    picture = load_image(shared_data / "parsing" / "maskgan" / "0.jpg")
    points = TEMPLATES["ffhq"].points_at(picture.shape[0])  # these portraits are cropped that way
    crops = []
    for shrink in (1, 2, 4):
        small = warp(picture, np.diag([1 / shrink, 1 / shrink, 1])[:2], picture.shape[0] // shrink)
        m = similarity((points / shrink)[None], TEMPLATES["arcface112"].points)[0]
        crops.append(warp(small, m, 112).astype(np.float64))
    for crop in crops[1:]:
        assert np.corrcoef(crop.ravel(), crops[0].ravel())[0, 1] > 0.99
