"""The RoI tanh-polar warp: points there and back, the ellipse of the box, no seam and no hole, regions rendered."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.errors import ShapeMismatch
from mien.core.grids import WARPS, render
from mien.core.polar import TanhPolar, from_polar, polar_crop, polar_frames, to_polar
from mien.core.region import Region

CELLS = 96
numbers = st.floats(-300, 300, width=32)


@st.composite
def frames(draw: st.DrawFn) -> NDArray[np.float32]:
    x, y = draw(numbers), draw(numbers)
    width, height = draw(st.floats(4, 400)), draw(st.floats(4, 400))
    (frame,) = polar_frames([[x, y, x + width, y + height]], draw(st.floats(-360, 360)), last=1 - 1 / CELLS)
    return np.asarray(frame)


@given(frames(), st.floats(0, 3), st.floats(0, 1))
def test_there_and_back(frame: NDArray[np.float32], distance: float, turn: float) -> None:
    point = from_polar([np.tanh(distance), turn], frame)
    back = to_polar(point, frame)
    assert np.abs(from_polar(back, frame) - point).max() < 1e-6 * frame[2:4].max()
    assert abs(back[0] - np.tanh(distance)) < 1e-9
    assert 0 <= back[1] < 1


@given(frames(), st.floats(0, 1))
def test_the_ellipse_with_the_area_of_the_box_has_one_distance(frame: NDArray[np.float32], share: float) -> None:
    half, turn = frame[2:4].astype(np.float64) * 2 / np.sqrt(np.pi), np.deg2rad(float(frame[4]))
    assert half.prod() * np.pi == pytest.approx(4 * np.prod(frame[2:4], dtype=np.float64))
    x, y = half * (np.cos(2 * np.pi * share), np.sin(2 * np.pi * share))
    point = np.add(frame[:2], (x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)))
    assert to_polar(point, frame)[0] == pytest.approx(np.tanh(1))


def test_directions_run_clockwise_from_the_right() -> None:
    frame = polar_frames([[-10, -20, 11, 21]])[0]
    assert frame[:2] == pytest.approx([0, 0])  # a box counts from a pixel's edge
    assert to_polar([[5, 0], [0, 5], [-5, 0], [0, -5]], frame)[:, 1] == pytest.approx([0, 0.25, 0.5, 0.75])
    turned = polar_frames([[-10, -20, 11, 21]], [90])[0]
    assert to_polar([0, 5], turned)[1] == pytest.approx(0, abs=1e-12)
    assert to_polar([[0, 0]], frame).tolist() == [[0, 0]]


def test_numbers_of_the_published_formula() -> None:
    # x = cx + rx ry / sqrt(ry² cos² + rx² sin²) artanh(i / w) cos, with radii of box side / sqrt(pi): worked by hand.
    frame = polar_frames([[100.5, 100.5, 140.5, 180.5]])[0]
    assert from_polar([0.5, 0], frame) == pytest.approx([120 + 40 / np.sqrt(np.pi) * np.arctanh(0.5), 140])
    diagonal = 40 * 80 / np.pi / np.sqrt((80**2 + 40**2) / np.pi / 2) * np.arctanh(0.5) * np.sqrt(0.5)
    assert from_polar([0.5, 0.125], frame) == pytest.approx([120 + diagonal, 140 + diagonal])


def smooth_picture(side: int = 200) -> NDArray[np.uint8]:
    y, x = np.mgrid[:side, :side]
    wave = 128 + 60 * np.sin(x / 17) + 60 * np.cos(y / 23 + x / 40)
    return np.repeat(wave[..., None], 3, axis=2).astype(np.uint8)


@pytest.mark.parametrize("turn", [0, 33, 180])
def test_a_picture_comes_back_without_seam_or_hole(turn: float) -> None:
    image = smooth_picture()
    frame = polar_frames([[60, 50, 140, 150]], turn, last=255 / 256)[0]
    crop = polar_crop(image, frame, 256)
    assert crop.shape == (256, 256, 3)
    window = TanhPolar().window(frame, (256, 256), (200, 200))
    assert window == (0, 0, 200, 200)
    back = TanhPolar().sample(crop.astype(np.float32), frame, window, 0)
    assert np.abs(back - image)[20:-20, 20:-20].max() < 6  # the row to the right of the middle is the seam


def test_large_faces_do_not_alias() -> None:
    y, x = np.mgrid[:1200, :1200]
    checks = np.repeat((255 * ((x // 2 + y // 2) % 2))[..., None], 3, axis=2).astype(np.uint8)
    crop = polar_crop(checks, polar_frames([[100, 100, 1100, 1100]])[0], 64)
    face = crop[:, 16:48].astype(float)
    assert face.std() < 60  # single samples have 100 and more


def test_regions_of_a_column_render() -> None:
    y, x = np.mgrid[:300, :300]
    truth = ((x - 160) / 60) ** 2 + ((y - 140) / 80) ** 2 < 1
    truth |= (np.abs(x - 90) < 40) & (np.abs(y - 60) < 25)
    picture = np.repeat(np.where(truth, 255, 0).astype(np.uint8)[..., None], 3, axis=2)
    boxes, turns = [[90, 60, 210, 220], [0, 0, 0, 0]], [-20, 0]
    cells = polar_frames(boxes, turns, last=CELLS / (CELLS + 1))
    crops = [polar_crop(picture, frame, CELLS + 1)[..., 0] for frame in cells]
    inside = np.stack(crops).astype(np.float32) / 255 * 16 - 8
    values = np.stack([-inside, inside], axis=1)
    values[1] = np.nan
    cells[1] = np.nan
    column = Regions(values, names=("background", "skin"), grids=cells, sizes=np.full((2, 2), 300), warp="tanh-polar")
    drawn = column[0].region("skin").to_mask()
    assert (drawn & truth).sum() / (drawn | truth).sum() > 0.97
    assert (column[0].region("background").to_mask() ^ drawn).all()
    assert column.region("skin") == column[0].region("skin")
    again = Regions.from_json([face.to_json() for face in (column[0], column[1])])
    assert again.warp == "tanh-polar"
    assert (again[0].region("skin").to_mask() ^ drawn).mean() < 1e-3


def test_a_coarse_grid_lies_on_the_first_and_last_pixels_of_a_crop() -> None:
    # Cells that say how far and in which direction they are: as from a network whose output is eight times smaller.
    last, cells = 511 / 512, 64
    frame = polar_frames([[40, 40, 160, 160]], last=last)[0]
    share = np.broadcast_to(np.linspace(0, last, cells, dtype=np.float32), (cells, cells))
    window = 70, 70, 130, 130
    y, x = np.mgrid[70:130, 70:130]
    places = to_polar(np.stack([x, y], axis=-1), frame)
    assert np.abs(TanhPolar().sample(share, frame, window, -1) - places[..., 0]).max() < 1e-3
    turned = np.cos(2 * np.pi * share.T)  # of the direction, which has a jump where the circle closes
    far = places[..., 0] > 0.1
    seen = TanhPolar().sample(turned, frame, window, -1)
    assert np.abs(seen - np.cos(2 * np.pi * places[..., 1]))[far].max() < 1e-2


def test_beyond_the_grid_and_out_of_the_picture() -> None:
    frame = polar_frames([[-500, -500, -400, -400]], last=0.99)[0]
    scores = np.stack([np.zeros((8, 8)), np.ones((8, 8))])
    assert render(scores, [1], frame, (100, 100), warp="tanh-polar") == Region.empty((100, 100))
    assert render(scores, [0], frame, (100, 100), warp="tanh-polar") == Region.full((100, 100))
    small = polar_frames([[50, 50, 50, 50]], last=0.99)[0]
    assert 0 < render(12 * scores, [1], small, (100, 100), warp="tanh-polar").area < 50
    assert isinstance(WARPS["tanh-polar"], TanhPolar)


def test_what_is_no_box_or_picture() -> None:
    assert polar_frames(np.zeros((0, 4))).shape == (0, 6)
    with pytest.raises(ShapeMismatch, match=r"\(N, 4\)"):
        polar_frames([1, 2, 3, 4])
    frame = polar_frames([[0, 0, 9, 9]])[0]
    for wrong in (np.zeros((5, 5), np.uint8), np.zeros((0, 5, 3), np.uint8), np.zeros((5, 5, 3))):
        with pytest.raises(ShapeMismatch, match="a picture of bytes"):
            polar_crop(wrong, frame, 8)
    assert polar_crop(smooth_picture(20), frame * np.nan, (4, 6)).sum() == 0
    assert polar_crop(smooth_picture(20), frame, (4, 6)).shape == (4, 6, 3)


@pytest.mark.parametrize(("cells", "half"), [(64, 200), (257, 15)])
def test_no_hole_at_the_pole_and_cells_smaller_than_pixels(cells: int, half: int) -> None:
    frame = polar_frames([[250 - half, 250 - half, 250 + half, 250 + half]], last=1 - 1 / cells)[0]
    scores = np.full((2, cells, cells), -6, np.float32)
    scores[1, :, : cells // 2] = 6
    region = render(scores, [1], frame, (501, 501), warp="tanh-polar")
    y, x = np.mgrid[:501, :501]
    distance = to_polar(np.stack([x, y], axis=-1), frame)[..., 0]
    assert (region.to_levels()[distance < 0.35] == 255).all()
    assert (region.to_levels()[distance > 0.65] == 0).all()


def test_all_directions_meet_in_the_middle() -> None:
    (frame,) = polar_frames([[10, 10, 31, 31]], last=7 / 8)
    values = np.zeros((8, 8), np.float32)
    values[:, 0] = np.arange(8)
    assert TanhPolar().sample(values, frame, (20, 20, 21, 21), 0.0) == pytest.approx(3.5)


def test_the_samples_of_a_pixel_lie_around_it() -> None:
    picture = np.zeros((800, 800, 3), np.uint8)
    picture[400:] = 255
    (frame,) = polar_frames([[0, 0, 800, 800]])
    crop = polar_crop(picture, frame, 16)[..., 0]
    assert crop[[0, 8], 4] == pytest.approx([128, 128], abs=10)  # to the right and to the left: half in the dark
    assert crop[[4, 12], 4].tolist() == [255, 0]
