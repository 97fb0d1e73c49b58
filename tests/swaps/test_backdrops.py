"""What stands behind people: the numbers of the blur, of colours, of fitted pictures and of videos that repeat."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ImageError, SourceError, UsageError
from mien.core.image import Image, save_image
from mien.media.provenance import Provenance
from mien.swaps.backgrounds import backdrops
from mien.swaps.backgrounds.backdrops import Blur, Color, Moving, Still, parse_color
from mien.swaps.backgrounds.compositing import Levels, cover
from mien.swaps.targets import mark_of
from tests.media.films import film, greys
from tests.swaps.mattes import person


def levels_of(image: Image) -> Levels:
    return np.ascontiguousarray(image[..., 0])


# --- blur -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [0.4, 1, 3, 4, 9, 25, 80, 500])
def test_people_do_not_shine_into_the_blur(radius: float) -> None:
    image = person()
    behind = Blur(radius).behind(image, levels_of(image))
    assert behind.shape == image.shape
    around = levels_of(image) == 0
    assert behind[around][:, 0].max() <= 1, "no red"
    assert behind[around][:, 2].min() >= 254, "all the blue"


@pytest.mark.parametrize("radius", [1.0, 5.0, 20.0])
def test_a_blurred_colour_is_that_colour(radius: float) -> None:
    image = np.full((60, 81, 3), (13, 97, 240), np.uint8)
    np.testing.assert_array_equal(Blur(radius).behind(image, np.zeros((60, 81), np.uint8)), image)


@pytest.mark.parametrize("radius", [6.0, 20.0])
def test_a_lamp_becomes_a_disc_of_its_light(radius: float) -> None:
    image = np.zeros((201, 201, 3), np.uint8)
    image[96:105, 96:105] = 255  # 81 pixels of full light
    light = np.square(Blur(radius).behind(image, np.zeros((201, 201), np.uint8))[..., 0] / 255.0)
    assert light.sum() == pytest.approx(81, rel=0.15)
    distance = np.hypot(*(np.mgrid[:201, :201] - 100))
    assert light[distance > 1.4 * radius + 8].max() == 0, "nothing beyond the disc"
    level = 81 / (np.pi * radius**2)
    if level < 1:
        assert light[distance < radius / 3] == pytest.approx(level, rel=0.2), "and evenly in it"


def test_where_only_people_are_the_picture_stays() -> None:
    image = np.full((40, 40, 3), (200, 50, 50), np.uint8)
    behind = Blur(8).behind(image, np.full((40, 40), 255, np.uint8))
    np.testing.assert_array_equal(behind, image)


@pytest.mark.parametrize("radius", [0, -1, 2001, float("nan"), float("inf"), "12", True])
def test_what_is_no_blur(radius: float) -> None:
    with pytest.raises(UsageError, match="a blur is above 0"):
        Blur(radius)


def test_strips_have_no_seams(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.random.default_rng(0).integers(0, 256, (97, 60, 3), np.uint8)
    levels = np.zeros((97, 60), np.uint8)
    levels[30:, 20:40] = 255
    whole = Blur(3.7).behind(image, levels)
    monkeypatch.setattr(backdrops, "STRIP", 7)
    np.testing.assert_array_equal(Blur(3.7).behind(image, levels), whole)


def test_small_pictures() -> None:
    for size in ((1, 1), (1, 7), (3, 2)):
        image = np.full((*size, 3), 90, np.uint8)
        assert Blur(30).behind(image, np.zeros(size, np.uint8)).shape == image.shape


# --- colours and pictures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("color", "rgb"),
    [("white", (255, 255, 255)), ("#00b140", (0, 177, 64)), (" Navy ", (0, 0, 128)), ("#fff", (255, 255, 255)),
     ("rgb(1,2,3)", (1, 2, 3)), ((4, 5, 6), (4, 5, 6)), (np.array([7, 8, 9]), (7, 8, 9))],
)  # fmt: skip
def test_colours(color: str, rgb: tuple[int, int, int]) -> None:
    assert parse_color(color) == rgb
    frame = np.zeros((2, 3, 3), np.uint8)
    assert Color(parse_color(color)).behind(frame, frame[..., 0])[1, 2].tolist() == list(rgb)


@pytest.mark.parametrize("color", ["whitish", "", "#12", "#11223344", (1, 2), (1, 2, 256), (0.5, 0, 0), (-1, 0, 0), 5])
def test_what_is_no_colour(color: str) -> None:
    with pytest.raises(UsageError, match=r"a colour is|shine through"):
        parse_color(color)


def test_a_picture_covers_the_frame_from_its_middle() -> None:
    wide = np.zeros((10, 40, 3), np.uint8)
    wide[:, 15:25] = 200
    np.testing.assert_array_equal(cover(wide, (10, 10)), np.full((10, 10, 3), 200, np.uint8))
    assert cover(wide, (100, 100)).shape == (100, 100, 3)
    assert cover(wide, (100, 100))[:, 20:80].min() > 190
    assert cover(wide.transpose(1, 0, 2), (10, 10)).min() == 200
    assert cover(wide, (1, 300)).shape == (300, 1, 3)
    np.testing.assert_array_equal(cover(wide, (40, 10)), wide)


def test_a_picture_is_fitted_once_for_each_size(tmp_path: Path) -> None:
    save_image(np.full((8, 8, 3), 77, np.uint8), tmp_path / "a.png", xmp=Provenance.generated("m").to_xmp())
    still = Still(tmp_path / "a.png")
    frame = np.zeros((4, 6, 3), np.uint8)
    first = still.behind(frame, frame[..., 0])
    assert first.shape == frame.shape
    assert still.behind(frame, frame[..., 0]) is first
    assert still.behind(frame[:, :2], frame[:, :2, 0]).shape == (4, 2, 3)
    assert still.mark(Provenance()).source_type == "compositeSynthetic"
    assert Still(np.zeros((3, 3, 3), np.uint8)).mark(Provenance()).source_type == "composite"


def test_pictures_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        Still(tmp_path / "gone.png")
    (tmp_path / "a.mp4").write_bytes(b"no video")
    with pytest.raises(ImageError):
        Moving(tmp_path / "a.mp4")


def test_a_video_repeats_and_begins_anew_with_the_next(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mkv", greys(4), rate=10, codec="ffv1", pixels="bgr0", clock=1000)
    shades = [int(image[0, 0, 0]) for image in greys(4)]
    moving, frame = Moving(path), np.zeros((48, 64, 3), np.uint8)

    def shown(times: list[float]) -> list[int]:
        return [int(moving.at(time).behind(frame, frame[..., 0])[0, 0, 0]) for time in times]

    assert shown([0, 0.05, 0.1, 0.25, 0.3, 0.39]) == [shades[i] for i in (0, 0, 1, 2, 3, 3)]
    assert shown([0.41, 0.62, 1.25]) == [shades[i] for i in (0, 2, 0)]
    assert shown([0.0, 0.2]) == [shades[i] for i in (0, 2)]


def test_what_a_source_says_of_itself(tmp_path: Path) -> None:
    assert not mark_of(np.zeros((2, 2, 3), np.uint8))
    (tmp_path / "a.avi").write_bytes(b"RIFF....AVI ")
    assert not mark_of(tmp_path / "a.avi")
