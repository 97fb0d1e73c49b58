"""Drawings: nothing that a result can hold breaks them, and each thing shows where it should."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.canvas import Canvas, text_size
from mien.core.columns import COLUMNS, Angles, Directions, Distribution, Placement, Points, Regions, Scores, Tracks
from mien.core.draw import draw
from mien.core.faces import Faces
from mien.core.fields import all_fields
from mien.core.image import load_image
from mien.core.labels import Place
from mien.core.marks import AXES, CLOSED, FACE, GAZE, OPEN, PAINT, net, track_color
from mien.core.palette import hex_color, region_color
from mien.core.parts import CELEBAMASK, REGIONS
from mien.masks.view import SOURCES
from tests.core.test_columns import MAKERS

SIZE = (320, 240)
GREY = np.full((240, 320, 3), 90, np.uint8)
NAMES = ("right_eye", "left_eye", "nose_tip")


def some(boxes: Any, **columns: Any) -> Faces:
    """Faces with eyes and a nose where those usually are."""
    corners = np.asarray(boxes, np.float32).reshape(-1, 4)
    low, side = corners[:, None, :2], (corners[:, 2:] - corners[:, :2])[:, None]
    points = low + side * np.array([(0.3, 0.4), (0.7, 0.4), (0.5, 0.6)], np.float32)
    scores = np.full(len(corners), 0.9)
    faces = Faces.from_boxes(corners, scores=scores, keypoints=points, keypoint_names=NAMES, image_size=SIZE)
    return faces.with_columns(columns)


def drawn(faces: Faces, *, image: np.ndarray = GREY) -> np.ndarray:
    return draw(image, faces, fields=faces.fields)


def near(image: np.ndarray, color: tuple[int, int, int], *, within: int = 60) -> np.ndarray:
    """Where a picture has about this colour, (H, W) bool."""
    return np.asarray(np.abs(image.astype(int) - color).max(axis=2) < within)


ONE = [[110, 60, 210, 190]]


def test_no_faces_is_the_picture_itself() -> None:
    image = drawn(Faces.empty(image_size=SIZE))
    np.testing.assert_array_equal(image, GREY)
    assert image is not GREY


def test_the_picture_that_is_given_stays() -> None:
    before = GREY.copy()
    drawn(some(ONE))
    np.testing.assert_array_equal(GREY, before)


def test_a_box_and_its_score() -> None:
    image = drawn(some(ONE))
    seen = near(image, FACE)
    assert seen[60:62, 130:190].any(axis=0).all()
    assert not seen[135:180, 185:203].any()
    assert near(image, (255, 255, 255))[190:, 110:150].any()  # the label below it


def column(kind: str, count: int, *, nan: bool) -> Any:
    """Some values of a column type."""
    shapes: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
        "scalar": ((), {}), "flag": ((), {}), "angles": ((3,), {}), "directions": ((2,), {}), "placement": ((7,), {}),
        "scores": ((2,), {"names": ("right", "left")}), "labels": ((2,), {"names": ("a", "b")}),
        "distribution": ((2,), {"support": (1, 2)}), "points": ((68, 2), {"layout": "ibug68"}),
        "levels": ((68,), {"layout": "ibug68"}), "tracks": ((2,), {}), "vectors": ((4,), {"space": "toy/1"}),
    }  # fmt: skip
    if kind == "regions":
        regions = MAKERS[kind](count, 7)
        return replace(regions, values=np.full_like(regions.values, np.nan)) if nan else regions
    shape, meta = shapes[kind]
    values = np.random.default_rng(0).random((count, *shape)) * (100 if kind == "points" else 1)
    if nan and count:
        values[0] = np.nan
    return COLUMNS[kind](values.astype(np.float32), **meta)


@pytest.mark.parametrize("count", [0, 1, 3])
@pytest.mark.parametrize("nan", [False, True])
@pytest.mark.parametrize("name", [name for name, row in all_fields().items() if row is not None and row.column])
def test_every_field_can_be_drawn(name: str, nan: bool, count: int) -> None:
    boxes = [[20, 20, 90, 110], [-60, -50, 40, 60], [250, 150, 500, 900]][:count]
    image = drawn(some(boxes, **{name: column(all_fields()[name].column, count, nan=nan)}))
    assert image.shape == GREY.shape


@given(
    box=st.tuples(*[st.floats(-2000, 2000)] * 2, *[st.floats(0, 3000)] * 2),
    numbers=st.lists(st.floats(-1e6, 1e6) | st.just(float("nan")), min_size=3, max_size=3),
    height=st.integers(1, 200),
)
def test_any_place_and_size(box: tuple[float, ...], numbers: list[float], height: int) -> None:
    x, y, width, tall = box
    faces = some(
        [[x, y, x + width, y + tall]],
        pose=Angles([numbers]),
        gaze=Directions([numbers[:2]]),
        eyes=Scores([[numbers[0] % 1, 0.2]], names=("right", "left")),
        landmarks=Points(np.tile(np.array(numbers, np.float32), (1, 478, 1)), layout="mesh478"),
    )
    assert drawn(faces, image=np.zeros((height, 64, 3), np.uint8)).shape == (height, 64, 3)


def test_axes_point_where_the_head_does() -> None:
    turned = drawn(some(ONE, pose=Angles([[60, 0, 0]])))  # to the picture's right
    nose_y, nose_x = 60 + 0.6 * 130, 110 + 0.5 * 100
    blue = np.argwhere(near(turned, AXES[2]))
    assert blue[:, 1].max() > nose_x + 25
    assert abs(blue[:, 0].mean() - nose_y) < 8
    up = np.argwhere(near(drawn(some(ONE, pose=Angles([[0, 60, 0]]))), AXES[2]))
    assert up[:, 0].min() < nose_y - 25


def test_the_head_has_axes_too_but_not_twice() -> None:
    head = Placement([[60, 0, 0, 0, 0, 60, 500]])
    assert near(drawn(some(ONE, head=head)), AXES[2]).any()
    both = drawn(some(ONE, pose=Angles([[60, 0, 0]]), head=Placement([[-60, 0, 0, 0, 0, 60, 500]])))
    assert np.argwhere(near(both, AXES[2]))[:, 1].min() > 140  # those of pose only


def test_gaze_leaves_each_eye() -> None:
    eyes = ((110 + 30, 60 + 52), (110 + 70, 60 + 52))
    seen = near(drawn(some(ONE, gaze=Directions([[-50, 0]]))), GAZE)
    for x, y in eyes:
        assert seen[y - 2 : y + 3, x - 30 : x - 10].any(axis=0).all()
    straight = near(drawn(some(ONE, gaze=Directions([[0, 0]]))), GAZE)
    assert not straight[:, 150:170].any()  # no ray, and yet
    assert all(straight[y, x] for x, y in eyes)  # a mark on the eyes


def test_open_and_closed_eyes() -> None:
    image = drawn(some(ONE, eyes=Scores([[0.9, 0.1]], names=("right", "left"))))
    green, magenta = near(image, OPEN, within=90), near(image, CLOSED, within=90)
    assert green[100:125, 125:155].any()
    assert magenta[105:120, 165:195].any()
    assert not magenta[100:125, 125:155].any()


def test_hidden_points_are_left_out() -> None:
    points = np.tile(np.linspace((120, 80), (200, 180), 68, dtype=np.float32), (1, 1, 1))
    levels = np.ones((1, 68), np.float32)
    levels[0, 34:] = 0
    faces = some(ONE, landmarks68=Points(points, layout="ibug68"))
    seen = COLUMNS["levels"](levels, layout="ibug68")  # type: ignore[call-arg]
    half = np.abs(drawn(faces.with_columns({"visibility68": seen})).astype(int) - drawn(some(ONE))).sum(axis=2) > 30
    whole = np.abs(drawn(faces).astype(int) - drawn(some(ONE))).sum(axis=2) > 30
    assert whole[150:178, 175:200].any()
    assert not half[150:178, 175:198].any()
    assert half[80:120, 120:150].any()


def test_stabilized_points_are_no_places_in_the_picture() -> None:
    points = Points(np.full((1, 478, 3), 20, np.float32), layout="mesh478")
    for name in ("stabilized", "shape"):
        np.testing.assert_array_equal(drawn(some(ONE, **{name: points})), drawn(some(ONE)))


def test_a_turned_mesh_shows_no_lines_of_its_far_side() -> None:
    rng = np.random.default_rng(0)
    flat = rng.random((478, 3)).astype(np.float32)
    flat[:, 2] = 0.5 - ((flat[:, :2] - 0.5) ** 2).sum(axis=1)  # a dome
    flat[[33, 263, 10, 152], :2] = [(0.2, 0.4), (0.8, 0.4), (0.5, 0.0), (0.5, 1.0)]
    front = net(flat.astype(float) * 100)
    behind = net((flat * (-1, 1, -1)).astype(float) * 100)
    assert len(front) > 800
    assert len(behind) < 0.2 * len(front)
    assert len(net(np.zeros((478, 3)))) == 0
    assert len(net(np.full((478, 3), np.nan))) == 0


def test_tracks_keep_their_color_and_what_was_filled_has_corners_only() -> None:
    colors = [track_color(i) for i in range(40)]
    assert len(set(colors)) == 40
    assert min(np.abs(np.subtract(a, b)).max() for a, b in itertools.pairwise(colors)) > 80
    seen = drawn(some(ONE, track=Tracks([[3, 1]])))
    filled = drawn(some(ONE, track=Tracks([[3, 0]])))
    top = slice(59, 62)
    assert near(seen, track_color(3))[top, 150:170].any(axis=0).all()
    assert not near(filled, track_color(3))[top, 150:170].any()
    assert near(filled, track_color(3))[top, 112:122].any()


def test_labels_of_a_video_stay_with_their_people() -> None:
    labels: dict[int, Place] = {}
    low, lower = (
        some([[110, 60, 210, 200]], track=Tracks([[3, 1]])),
        some([[110, 60, 210, 234]], track=Tracks([[3, 1]])),
    )
    low.with_image(GREY).draw(labels=labels)
    before = labels[3]
    stays = lower.with_image(GREY).draw(labels=labels)
    assert labels[3].spot == before.spot == 0, "below"
    assert (stays != lower.with_image(GREY).draw()).any()
    some(ONE).with_image(GREY).draw(labels=labels)
    assert labels.keys() == {3}, "who has no track has no memory"


def test_a_value_that_abstained_is_not_said() -> None:
    age = Distribution(np.full((1, 2), np.nan), support=(20, 40))
    np.testing.assert_array_equal(drawn(some(ONE, age=age)), drawn(some(ONE)))


@pytest.mark.parametrize("scale", [0.4, 1, 4, pytest.param(12, marks=pytest.mark.slow)])
def test_letters_grow_with_the_picture(scale: float) -> None:
    height, width = round(240 * scale), round(320 * scale)
    box = np.array(ONE) * scale
    faces = some(box, pose=Angles([[0, 0, 0]]))
    image = draw(np.full((height, width, 3), 90, np.uint8), faces, fields=["pose"])
    white = np.argwhere(near(image, (255, 255, 255), within=90))
    lines = white[:, 0].max() - white[:, 0].min()
    assert lines >= max(5, 0.015 * height)


# --- regions ------------------------------------------------------------------------------------------------------


def halves(*, size: tuple[int, int] = SIZE) -> Regions:
    """Of one face: hair in the upper half of a square at the picture's left, nose in the lower one."""
    scores = np.full((1, len(CELEBAMASK), 8, 8), -9, np.float32)
    scores[0, CELEBAMASK.index("hair"), :4] = scores[0, CELEBAMASK.index("nose"), 4:] = 9
    grid = np.array([[0.1, 0, 0, 0, 0.1, 0]], np.float32)  # ten pixels to a cell
    return Regions(scores, names=CELEBAMASK, grids=grid, sizes=np.array([size], np.float32))


def test_regions_are_painted_below_the_rest() -> None:
    faces = some([[20, 10, 60, 60]], parse=halves())
    image = drawn(faces)
    for name, (x, y) in {"hair": (5, 5), "nose": (5, 60)}.items():
        expected = PAINT * np.array(region_color(name)) + (1 - PAINT) * 90
        assert np.abs(image[y, x] - expected).max() <= 1
    np.testing.assert_array_equal(image[80:, 100:], GREY[80:, 100:])
    assert near(image, FACE)[30, 18:23].any(), "the box lies on top"


def test_regions_of_another_picture_are_not_painted() -> None:
    np.testing.assert_array_equal(drawn(some(ONE, parse=halves(size=(90, 90)))), drawn(some(ONE)))


def test_what_is_occluded_is_hatched() -> None:
    column = replace(halves(), values=halves().values[:, [0, 13]], names=("clear", "occluded"))
    image = drawn(some([], parse=column[[]]))
    np.testing.assert_array_equal(image, GREY)
    changed = (drawn(some([[200, 150, 240, 200]], parse=column)) != GREY).any(axis=2)[5:35, 5:65]
    assert 0.4 < changed.mean() < 0.6
    assert (changed.mean(axis=0) > 0.2).all(), "stripes go across"
    assert (changed.mean(axis=1) > 0.2).all()


def test_each_region_has_its_color() -> None:
    colors = [region_color(name) for name in CELEBAMASK]
    assert min(np.abs(np.subtract(a, b)).max() for a, b in itertools.combinations(colors, 2)) > 40
    assert region_color("lips") == region_color("u_lip")
    assert len({region_color(name) for name in (*CELEBAMASK, *SOURCES)}) == len(CELEBAMASK) + len(SOURCES)
    assert all(hex_color(name).startswith("#") for name in (*REGIONS, "hair - hat"))
    assert region_color("hair - hat") == region_color("hair - hat") != region_color("hair & hat")


# --- the canvas ---------------------------------------------------------------------------------------------------


def test_lines_break_where_points_are_missing() -> None:
    canvas = Canvas(np.zeros((40, 100, 3), np.uint8))
    canvas.line([(5, 20), (30, 20), (np.nan, np.nan), (60, 20), (95, 20)], (255, 0, 0), 2)
    row = canvas.image[20, :, 0] > 128
    assert row[5:30].all()
    assert not row[35:56].any()
    assert row[60:95].all()


def test_a_closed_line_with_a_gap_stays_open_there() -> None:
    square = np.array([(20, 10), (80, 10), (80, 90), (20, 90)], float)
    canvas = Canvas(np.zeros((100, 100, 3), np.uint8))
    canvas.line(np.insert(square, 1, np.nan, axis=0), (255, 0, 0), 1, closed=True)
    red = canvas.image[..., 0] > 100
    assert not red[10, 30:70].any()
    assert red[90, 30:70].all()
    assert red[20:80, 20].all()


def test_thin_lines_are_faint_and_thick_ones_are_not() -> None:
    faint, full = Canvas(np.zeros((9, 40, 3), np.uint8)), Canvas(np.zeros((9, 40, 3), np.uint8))
    faint.line([(2, 4), (38, 4)], (200, 200, 200), 0.4)
    full.line([(2, 4), (38, 4)], (200, 200, 200), 1)
    assert 60 < faint.image[4, 20, 0] < 100
    assert full.image[4, 20, 0] > 170


def test_text_is_as_wide_as_it_says_and_is_cut_at_the_edge() -> None:
    canvas = Canvas(np.zeros((40, 200, 3), np.uint8))
    canvas.text((10, 5), "#12 0.93", 20, (255, 255, 255))
    columns = np.flatnonzero(canvas.image.max(axis=(0, 2)) > 40)
    width, height = text_size("#12 0.93", 20)
    assert columns[0] >= 9
    assert abs((columns[-1] - columns[0]) - width) < 5
    assert 18 < height < 34
    for place in ((-15.0, 5.0), (190.0, 35.0), (500.0, 500.0), (-500.0, 0.0)):
        canvas.text(place, "edge", 20, (255, 255, 255))


# --- notebooks ----------------------------------------------------------------------------------------------------


def test_a_notebook_shows_the_drawing_and_the_crop() -> None:
    large = np.zeros((3000, 2000, 3), np.uint8)
    faces = some(ONE).with_image(large)
    shown = faces._repr_png_()
    assert shown
    assert load_image(shown).shape == (1200, 800, 3)
    crop = faces[0]._repr_png_()
    assert crop
    assert load_image(crop).shape[0] < 300
    assert some(ONE)._repr_png_() is None
    assert some(ONE)[0]._repr_png_() is None
