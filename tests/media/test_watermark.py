"""The invisible mark: faint, there after what happens to pictures, and never where there was none."""

from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as Pillow

from mien import assets
from mien.core.errors import ShapeMismatch, UsageError
from mien.core.image import Image, load_image
from mien.media.looking import look_for_mark
from mien.media.source_types import SYNTHETIC_TYPES
from mien.media.watermark import CODES, embed, lines, word
from mien.media.watermark_reading import LIMIT, InvisibleMark, find_mark, find_mark_in_frames
from tests.media.films import film

KIND = "compositeSynthetic"


@pytest.fixture(scope="module")
def photo() -> Image:
    return load_image(assets.FOLDER / "person1.jpg")[:320, :300]


def saved(image: Image, quality: int) -> Image:
    file = BytesIO()
    Pillow.fromarray(image).save(file, "JPEG", quality=quality)
    return load_image(file.getvalue())


def sized(image: Image, scale: float) -> Image:
    return np.asarray(cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8)


def test_each_synthetic_type_has_a_word_of_its_own() -> None:
    assert set(CODES) == SYNTHETIC_TYPES
    apart = [int(np.sum(word(one) != word(other))) for one in range(len(CODES)) for other in range(one)]
    assert set(apart) == {64}


def test_the_pattern_stays_the_same_in_all_releases() -> None:
    """Else marks of old files could not be read."""
    them = lines()
    assert (len(them.x), len(them.known)) == (662, 278)
    assert [int(value) for value in them.signed[:2].ravel()] == [477, 498, 456, 353, 19, 114]
    assert np.allclose(them.phase[:3], [5.0745006949423015, 4.360028662736183, 4.392756192288717], atol=1e-9)


@pytest.mark.full
@pytest.mark.parametrize("kind", CODES)
def test_a_marked_picture_says_its_type(photo: Image, kind: str) -> None:
    marked = embed(photo, kind)
    error = np.mean(np.square(marked.astype(float) - photo))
    assert 10 * np.log10(255**2 / error) >= 45
    found = find_mark(marked)
    assert (found.source_type, found.scale, found.errors) == (kind, 1.0, 0.0)
    assert found.chance < LIMIT


@pytest.mark.full
@pytest.mark.parametrize(
    "change",
    [
        lambda image: saved(image, 75),
        lambda image: sized(image, 0.5),
        lambda image: saved(sized(image, 0.73), 85),
        lambda image: sized(image, 1.6),
        lambda image: image[41:, 67:],
        lambda image: np.ascontiguousarray(image[:, ::-1]),
        lambda image: np.ascontiguousarray(np.rot90(image)),
        lambda image: np.repeat(image[..., 1:2], 3, axis=2),
    ],
    ids=["JPEG 75", "half", "smaller and JPEG", "larger", "cut", "mirrored", "turned", "grey"],
)
def test_what_happens_to_pictures_leaves_it(photo: Image, change: Callable[[Image], Image]) -> None:
    assert find_mark(change(embed(photo, KIND))).source_type == KIND


@pytest.mark.full
def test_an_edit_of_an_edit_has_one_mark_and_the_last_word(photo: Image) -> None:
    """Patterns that add up are seen after a few saves, and of two words either might be read."""
    again = photo
    for kind in (CODES[0], CODES[1], KIND, KIND):
        again = embed(again, kind)
    found = find_mark(again)
    assert (found.source_type, found.scale) == (KIND, 1.0)
    assert found.errors is not None
    assert found.errors < 0.05
    assert 10 * np.log10(255**2 / np.mean(np.square(again.astype(float) - photo))) > 41  # else 35


@pytest.mark.full
def test_what_was_painted_over_is_marked_anew(photo: Image) -> None:
    again = embed(photo, CODES[0])
    again[:, 150:] = photo[:, 150:]
    again = embed(again, KIND)
    assert find_mark(again[:, 150:]).source_type == find_mark(again[:, :150]).source_type == KIND


@pytest.mark.full
@pytest.mark.parametrize("name", ["person2.jpg", "group.jpg"])
def test_a_picture_without_one_has_none(name: str) -> None:
    found = find_mark(load_image(assets.FOLDER / name))
    assert not found
    assert found.reason == "no invisible mark was found."


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((1, 1, 3)),
        np.zeros((31, 90, 3)),
        pytest.param(np.full((64, 64, 3), 255), marks=pytest.mark.full),
        pytest.param(np.indices((90, 70)).sum(0)[..., None] % 2 * 255, marks=pytest.mark.full),
    ],
    ids=["one pixel", "low", "white", "a checkerboard"],
)
def test_pictures_that_hold_none(image: Image) -> None:
    picture = np.ascontiguousarray(np.broadcast_to(image, (*image.shape[:2], 3)).astype(np.uint8))
    assert embed(picture, KIND).shape == picture.shape
    found = find_mark(picture)
    assert not found
    assert found.reason is not None
    assert ("less than 32 pixels" in found.reason) == (min(picture.shape[:2]) < 32)


@pytest.mark.full
@given(height=st.integers(1, 40), width=st.integers(1, 40), channels=st.sampled_from([3, 4]), level=st.integers(0, 255))
def test_any_picture_keeps_its_size_and_its_alpha(height: int, width: int, channels: int, level: int) -> None:
    image = np.full((height, width, channels), level, np.uint8)
    marked = embed(image, KIND)
    assert (marked.shape, marked.dtype) == (image.shape, image.dtype)
    assert np.array_equal(marked[..., 3:], image[..., 3:])
    assert np.abs(marked.astype(int) - image).max() < 16


@pytest.mark.parametrize("image", [np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5, 2), np.uint8), np.zeros((5, 5, 3))])
def test_what_is_no_picture(image: Image) -> None:
    with pytest.raises(ShapeMismatch):
        embed(image, KIND)


def test_types_without_a_word() -> None:
    with pytest.raises(UsageError, match="no word"):
        embed(np.zeros((40, 40, 3), np.uint8), "digitalCapture")


@pytest.mark.full
def test_small_pictures_are_told_to_be_small(photo: Image) -> None:
    assert "below 256 pixels" in str(find_mark(photo[:64, :64]).reason)


@pytest.mark.full
def test_frames_are_read_together_and_from_files(tmp_path: Path, photo: Image) -> None:
    noise = np.random.default_rng(0)
    frames = [np.clip(embed(photo, KIND) + noise.normal(0, 30, photo.shape), 0, 255).astype(np.uint8) for _ in range(8)]
    assert find_mark_in_frames(frames).source_type == KIND
    path = film(tmp_path / "a.mkv", [embed(photo, KIND)] * 4, codec="ffv1", pixels="bgr0", clock=1000)
    assert look_for_mark(path).source_type == KIND
    assert look_for_mark(path.read_bytes()) == InvisibleMark(
        reason="the frames of a video are looked at where it is given as a path."
    )
    assert find_mark_in_frames([]).reason is not None
