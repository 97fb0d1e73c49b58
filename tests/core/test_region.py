"""Every operation against the same one on whole arrays, the laws of the algebra, and what is kept in memory."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.region import Region

Levels = NDArray[np.uint8]
SIZE = (9, 7)


@st.composite
def regions(draw: st.DrawFn, size: tuple[int, int] = SIZE) -> Region:
    """Small, soft, in all places, and complements."""
    random = np.random.default_rng(draw(st.integers(0, 1 << 32)))
    (x1, x2), (y1, y2) = (sorted(random.integers(0, side + 1, 2)) for side in size)
    levels = random.choice(np.array([0, 0, 77, 128, 255, 255], np.uint8), (y2 - y1, x2 - x1))
    return Region(levels, (int(x1), int(y1)), size, int(random.choice([0, 255])))


def of(*rows: str) -> Region:
    """A region of a drawing: a digit is so many ninths, a point is nothing."""
    return Region.from_mask(np.array([[0 if c == "." else int(c) / 9 for c in row] for row in rows]))


def disc(radius: float, size: tuple[int, int], x: float, y: float) -> Region:
    turn = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    return Region.from_polygons([np.stack([x + radius * np.cos(turn), y + radius * np.sin(turn)], axis=1)], size)


def shifted(region: Region, dx: int, dy: int, size: tuple[int, int]) -> Region:
    return Region(region.levels, (region.origin[0] + dx, region.origin[1] + dy), size, region.beyond)


# --- making and reading ---------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [bool, np.uint8, np.float32, np.float64])
def test_masks_of_all_types(kind: type) -> None:
    mask: NDArray[Any] = np.zeros((4, 5), kind)
    mask[1:3, 2:] = 255 if kind is np.uint8 else 1
    region = Region.from_mask(mask)
    assert (region.size, region.bbox, region.area, region.origin) == ((5, 4), (2, 1, 5, 3), 6.0, (2, 1))
    assert np.array_equal(np.asarray(region), mask.astype(float) / mask.max())
    assert region.to_mask().dtype == bool
    assert repr(region) == "Region(6 px in 2,1,5,3 of 5x4)"


def test_arrays_of_each_type() -> None:
    region = of(".49")
    assert np.asarray(region).dtype == np.float32
    assert np.asarray(region, np.float64).tolist() == [[0, pytest.approx(113 / 255), 1]]
    assert np.asarray(region, bool).tolist() == [[False, False, True]]
    assert np.asarray(region, np.uint8).tolist() == [[0, 113, 255]]
    with pytest.raises(ValueError, match="copied"):
        np.asarray(region, copy=False)


def test_a_region_never_changes() -> None:
    mask = np.ones((3, 3), bool)
    region = Region.from_mask(mask)
    mask[:] = False
    region.to_levels()[:] = 0
    region.levels_in((0, 0, 2, 2))[:] = 0
    assert region.area == 9
    for one in (region, ~region):
        with pytest.raises(ValueError, match="read-only"):
            one.levels[:] = 0
    with pytest.raises(AttributeError):
        region.size = (9, 9)  # type: ignore[misc]
    with pytest.raises(TypeError, match="unhashable"):
        hash(region)


@given(regions())
def test_what_is_read_is_what_the_array_says(region: Region) -> None:
    levels = region.to_levels()
    rows, columns = np.nonzero(levels)
    box = (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) if len(rows) else (0, 0, 0, 0)
    assert region.bbox == box
    assert bool(region) == bool(len(rows))
    assert region.area == pytest.approx(levels.sum(dtype=int) / 255)
    assert np.array_equal(region.to_mask(0.3), levels >= 0.3 * 255)
    assert np.array_equal(region.levels_in((2, 1, 8, 4)), levels[1:4, 2:8])
    assert np.array_equal(region.crop((2, 1, 8, 4)).to_levels(), levels[1:4, 2:8])
    assert all(((x, y) in region) == (levels[y, x] > 127) for x, y in ((0, 0), (8, 6), (4, 3)))
    rebuilt = Region(region.levels, region.origin, region.size, region.beyond)
    for same in (rebuilt, pickle.loads(pickle.dumps(region)), copy.deepcopy(region), Region.from_mask(levels)):
        assert same == region
        assert same.size == region.size
    assert Region.from_mask(levels, origin=(1, 2), size=(10, 9)) == shifted(Region.from_mask(levels), 1, 2, (10, 9))


@pytest.mark.parametrize("size", [(0, 0), (0, 3), (3, 0), (1, 1)])
def test_the_smallest_pictures(size: tuple[int, int]) -> None:
    empty, full = Region.empty(size), Region.full(size)
    pixels = size[0] * size[1]
    assert (bool(empty), bool(full)) == (False, pixels > 0)
    assert (empty.area, full.area) == (0, pixels)
    assert (empty == full) == (pixels == 0)
    for one in (empty, full):
        for change in CHANGES.values():
            assert change(one, 2.5).size == size
        assert Region.from_rle(one.to_rle()) == one
        assert one.parts() == [one] * bool(one)
        assert one.largest() == one.smooth() == one.fill() == one
        image = np.full((size[1], size[0], 3), 9, np.uint8)
        assert one.cutout(image, crop=True).shape == (*one.to_levels()[slice(None, None if one else 0)].shape[:1],
                                                      one.bbox[2], 4)  # fmt: skip
        assert (one.apply(image, (1, 2, 3)) == ([1, 2, 3] if one else 9)).all()


def test_points_are_in_pixels() -> None:
    region = of("..9", "..9")
    assert (2, 0) in region
    assert (1.6, 1.4) in region
    for outside in ((1.4, 0), (2, 1.5), (2.5, 0), (-1, 0), (np.inf, 0)):
        assert outside not in region


def test_boxes_cover_pixels_by_their_share() -> None:
    assert Region.from_box((2, 1, 5, 3), (6, 4)) == Region.from_mask(np.ones((2, 3), bool), origin=(2, 1), size=(6, 4))
    assert np.asarray(Region.from_box((0.5, 0, 2.25, 1), (4, 1)), float).round(2).tolist() == [[0.5, 1, 0.25, 0]]
    assert Region.from_box((-np.inf, -5, np.inf, 99), (6, 4)) == Region.full((6, 4))
    for nothing in ((3, 1, 3, 2), (4, 1, 2, 2), (7, 0, 9, 2), (-3, 0, -1, 2)):
        assert Region.from_box(nothing, (6, 4)) == Region.empty((6, 4))


def test_bad_input() -> None:
    good = Region.full((4, 4))
    for mask in (np.ones(3), np.ones((2, 2), int), np.ones((2, 2, 3), bool), np.full((2, 2), 1.5), [[np.nan]], [["a"]],
                 [[1.0], [1.0, 0.0]]):  # fmt: skip
        with pytest.raises(ShapeMismatch, match="mask"):
            Region.from_mask(mask)
    for origin, size in (((2, 0), (3, 3)), ((0, 0), (1, 9)), ((-1, 0), (9, 9)), ((0.5, 0), (9, 9)), ((0, 0), (9,))):
        with pytest.raises(ShapeMismatch):
            Region.from_mask(np.ones((2, 2), bool), origin=origin, size=size)
    for box in ((0, 0, 5, 4), (2, 0, 1, 4), (-1, 0, 4, 4), (0, 0, 1.5, 2), (1, 2, 3)):
        with pytest.raises(ShapeMismatch, match=r"4x4|whole numbers"):
            good.levels_in(box)
        with pytest.raises(ShapeMismatch, match=r"4x4|whole numbers"):
            good.crop(box)
    for box in ((1, 2, 3), (0, 0, np.nan, 4)):
        with pytest.raises(ShapeMismatch, match="a box x1, y1, x2, y2 is 4 numbers"):
            Region.from_box(box, (9, 9))
    points: tuple[Any, ...] = ((1, 2, 3), "ab", 1, None)
    for point in points:
        with pytest.raises(ShapeMismatch, match="a point x, y is 2 numbers"):
            good.__contains__(point)
    for levels in (np.ones((2, 2)), np.ones(2, np.uint8)):
        with pytest.raises(ShapeMismatch, match="bytes"):
            Region(levels, (0, 0), (4, 4))
    with pytest.raises(UsageError, match="not 7"):
        Region(np.ones((2, 2), np.uint8), (0, 0), (4, 4), 7)
    for threshold in (0, 1.1, np.nan):
        with pytest.raises(UsageError, match="threshold"):
            good.to_mask(threshold)
    for change in (Region.feather, Region.dilate, Region.erode, Region.smooth, Region.outline):
        for px in (-1, np.inf, np.nan, 20_001):
            with pytest.raises(UsageError, match="a distance is between 0 and 2,000 pixels"):
                change(good, px)


# --- the algebra ----------------------------------------------------------------------------------


@given(regions(), regions(), regions())
def test_the_laws(a: Region, b: Region, c: Region) -> None:
    empty, full = Region.empty(SIZE), Region.full(SIZE)
    assert ~(a | b) == ~a & ~b  # De Morgan
    assert ~(a & b) == ~a | ~b
    assert ~~a == a
    assert a | a == a == a & a
    assert a | b == b | a
    assert (a | b) | c == a | (b | c)
    assert a & (a | b) == a == a | (a & b)  # absorption
    assert a & (b | c) == (a & b) | (a & c)
    assert a | (b & c) == (a | b) & (a | c)
    assert a - b == a & ~b
    assert a | empty == a == a & full
    assert a + b == b + a
    assert a + empty == a
    assert Region.union([a, b, c], SIZE) == a | b | c
    assert Region.union([], SIZE) == empty


@given(regions(), regions())
def test_operators_are_those_of_whole_arrays(a: Region, b: Region) -> None:
    x, y = a.to_levels(), b.to_levels()
    expected = {
        "|": (a | b, np.maximum(x, y)),
        "&": (a & b, np.minimum(x, y)),
        "-": (a - b, np.minimum(x, 255 - y)),
        "~": (~a, 255 - x),
        "+": (a + b, cv2.add(x, y)),
    }
    for sign, (region, levels) in expected.items():
        assert np.array_equal(region.to_levels(), levels), sign
        part = region.levels
        kept = part != region.beyond  # no more than is needed
        assert not part.size or (kept[0].any() and kept[-1].any() and kept[:, 0].any() and kept[:, -1].any()), sign
    assert (a == b) == np.array_equal(x, y)
    low, high = np.minimum(x, y).sum(dtype=float), np.maximum(x, y).sum(dtype=float)
    assert a.iou(b) == pytest.approx(low / high if high else np.nan, nan_ok=True)


def test_neighbours_join_without_a_seam() -> None:
    left, right = of("9952...."), of("..47999.")
    assert (left + right).to_levels().tolist() == [[255] * 7 + [0]]
    assert (left | right).to_levels().min(axis=0)[2] < 150


@pytest.mark.parametrize("stranger", [1, None, "hair", np.ones((3, 3)), np.ones((3, 3), bool), [1]])
def test_strangers_are_type_errors(stranger: Any) -> None:
    region = Region.full((3, 3))
    operators: list[Callable[[Any, Any], Any]] = [
        lambda a, b: a | b, lambda a, b: a & b, lambda a, b: a - b, lambda a, b: a + b
    ]  # fmt: skip
    for combine in operators:
        for pair in ((region, stranger), (stranger, region)):
            with pytest.raises(TypeError):
                combine(*pair)
    assert region != stranger


def test_masks_of_other_pictures() -> None:
    a, b = Region.full((4, 3)), Region.full((3, 4))
    for combine in (Region.__or__, Region.__and__, Region.__sub__, Region.__add__, Region.iou):
        with pytest.raises(ShapeMismatch, match=r"different sizes: 4x3 and 3x4\."):
            combine(a, b)
    for region in (b, ~b):
        with pytest.raises(ShapeMismatch, match="3x4"):
            Region.union([a, region], (4, 3))
    assert a != b


def test_a_picture_of_ten_gigapixels() -> None:
    """Nothing is made of the picture's size, nor of what lies between two regions."""
    size = (100_000, 100_000)
    a, b = Region.from_box((0, 0, 20, 20), size), Region.from_box((99_990, 99_990, 100_000, 100_000), size)
    assert a - b == a == a & ~b
    assert not a & b
    assert ~a | ~b == Region.full(size)
    assert (~a).area == 1e10 - 400
    assert (~a).bbox == (0, 0, *size)
    assert a != ~b
    assert a.iou(b) == 0
    assert (~a.dilate(3)) == (~a).erode(3) != ~a
    assert (~b).feather(3) == ~b.feather(3)
    assert (~b).crop((99_980, 99_980, 100_000, 100_000)).area == 300
    assert np.shares_memory(a.levels, (~~a).levels)


# --- changing its form ----------------------------------------------------------------------------

CHANGES: dict[str, Callable[[Region, float], Region]] = {
    "dilate": Region.dilate,
    "erode": Region.erode,
    "feather": Region.feather,
    "smooth": Region.smooth,
}


@given(regions(), regions(), st.sampled_from([0.25, 0.5, 1, 1.5, 3, 30]))
def test_forms_are_monotone_and_those_of_complements_turned_round(a: Region, b: Region, px: float) -> None:
    for name, change in CHANGES.items():
        turned = {"dilate": Region.erode, "erode": Region.dilate}.get(name, change)
        assert change(~a, px) == ~turned(a, px)
        low, high = change(a & b, px), change(a, px)
        assert low - high == low & ~high
        assert (low.to_levels() <= high.to_levels()).all(), name
        assert change(a, 0) == a
    levels, larger, smaller = a.to_levels(), a.dilate(px).to_levels(), a.erode(px).to_levels()
    assert (smaller <= levels).all()
    assert (levels <= larger).all()
    assert (a.dilate(px + 0.5).to_levels() >= larger).all()
    assert (a.fill().to_levels() >= levels).all()
    assert a.fill().fill() == a.fill()


@given(regions(), st.sampled_from([0.5, 1, 2.3, 6]))
def test_dilation_is_that_of_the_definition(region: Region, px: float) -> None:
    """The highest level within a distance: the mean over distances from px to a pixel more."""
    y, x = np.mgrid[: SIZE[1], : SIZE[0]]
    pixels = np.stack([x.ravel(), y.ravel()], axis=1)
    apart = np.linalg.norm(pixels[:, None] - pixels, axis=2)
    levels = region.to_levels().ravel()
    discs = [np.where(apart <= px + part, levels, 0).max(axis=1) for part in (np.arange(100) + 0.5) / 100]
    error = np.abs(region.dilate(px).to_levels().ravel() - np.mean(discs, axis=0))
    assert error.max() <= (3 if px < 3 else 64)  # of large discs, few radii are taken
    assert (region.dilate(px).to_levels().ravel() >= np.where(apart <= px, levels, 0).max(axis=1)).all()


@pytest.mark.parametrize("px", [1, 2.5, 5, 9, 12, 12.5, 14, 20, 33.3, 60, 128, 300])
def test_discs_are_round(px: float) -> None:
    middle = int(px) + 4
    size = (2 * middle + 1, 2 * middle + 1)
    grown = Region.from_box((middle, middle, middle + 1, middle + 1), size).dilate(px)
    y, x = np.nonzero(~grown.to_mask())
    nearest = np.hypot(x - middle, y - middle).min()
    y, x = np.nonzero(grown.to_mask())
    farthest = np.hypot(x - middle, y - middle).max()
    assert px * 0.97 - 0.5 < nearest <= farthest + 2
    assert farthest < px * 1.03 + 0.6


@pytest.mark.parametrize("px", [0.5, 1, 3.25, 15, 40.75])
def test_straight_edges_move_by_what_was_said(px: float) -> None:
    half, far = Region.from_box((0, 0, 100, 12), (200, 12)), 12 * px
    near = 0.1 if px <= 12 else 0.03 * far
    assert half.dilate(px).area - half.area == pytest.approx(far, abs=near)
    assert half.area - half.erode(px).area == pytest.approx(far, abs=near)
    assert half.outline(px).area == pytest.approx(far, abs=near)
    assert half.feather(px).area == pytest.approx(half.area, abs=0.1)
    soft = half.feather(4)  # a ramp moves and stays a ramp
    assert soft.dilate(px).area - soft.area == pytest.approx(far, abs=near + 0.5)


@pytest.mark.parametrize("px", [1, 2.5, 6, 40])
def test_feathered_edges_fade_within_their_pixels(px: float) -> None:
    for region in (Region.from_box((0, 0, 100, 3), (200, 3)), ~Region.from_box((100, 0, 200, 3), (200, 3))):
        row = np.asarray(region.feather(px))[1]
        reach = int(np.ceil(px))
        assert (np.diff(row) <= 0).all()
        assert (row[: 100 - reach] == 1).all()
        assert (row[100 + reach :] == 0).all()
        assert 0 < row[100 + reach // 2] < 0.5 < row[99 - reach // 2] < 1
        assert row + row[::-1] == pytest.approx(1, abs=0.01)  # as much within as without
        assert row[:60].tolist() == np.asarray(region.feather(px))[0][:60].tolist()  # the picture's border is no edge


def test_forms_do_not_depend_on_the_place() -> None:
    region = (disc(7, (60, 60), 28.3, 30.7) - disc(3, (60, 60), 30, 30)).feather(1)
    there = shifted(region, 11, 5, (90, 80))
    for change in CHANGES.values():
        for px in (0.5, 2, 13):
            assert change(there, px) == shifted(change(region, px), 11, 5, (90, 80))
    assert there.fill() == shifted(region.fill(), 11, 5, (90, 80))
    assert there.largest() == shifted(region.largest(), 11, 5, (90, 80))


def test_borders_of_the_picture_are_no_edges() -> None:
    corner = Region.from_box((0, 0, 20, 30), (20, 60))
    for change in CHANGES.values():
        columns = change(corner, 6).to_levels().T
        assert (columns == columns[0]).all()
    assert Region.full((5, 5)).erode(3) == Region.full((5, 5))
    strip = Region.from_box((0, 0, 300, 1), (300, 40))
    assert strip.dilate(20).to_mask().sum(axis=0).tolist() == [21] * 300  # lines that leave the picture come back


def test_smooth_takes_what_is_thin_and_keeps_what_is_wide() -> None:
    size = (80, 60)
    wide = disc(20, size, 40, 30)
    spots = Region.from_polygons([[(5, 5), (6, 5), (6, 7), (5, 7)], [(60, 29), (79, 29), (79, 30), (60, 30)]], size)
    holed = (wide | spots) - Region.from_box((35, 25, 37, 27), size)
    smooth = holed.smooth(6)
    assert smooth.iou(wide) > 0.97
    assert len(smooth.parts()) == 1
    values = np.asarray(smooth)
    assert ((values > 0.02) & (values < 0.98)).sum() < 2.5 * 2 * np.pi * 20  # edges are about a pixel wide


def test_fill() -> None:
    ring = of("....", ".999.".replace(".", "", 1), "9.9.", "999.")
    assert ring.fill().to_mask().sum() == ring.to_mask().sum() + 1
    soft = (disc(20, (60, 60), 30, 30) - disc(8, (60, 60), 30, 30)).feather(5)
    assert np.asarray(soft.fill())[20:40, 20:40].min() > 0.93  # also the soft edge of the hole
    assert soft.fill().bbox == soft.bbox
    bay = of("999", "9..", "999")
    assert bay.fill() == bay
    assert of("555", "5.5", "555").fill().to_levels()[1, 1] in range(128, 143)  # as much as what is around, to a 16th
    island = ~(of(".....", ".999.", ".9.9.", ".999.", "....."))
    assert island.fill() == Region.full((5, 5))
    assert not Region.empty((3, 3)).fill()


def test_parts() -> None:
    region = of("99..9", "99...", "...99", "3..99", "...99")
    parts = region.parts()
    assert [part.area for part in parts] == pytest.approx([6, 4.33, 1], abs=0.01)  # the faint goes with the nearest
    assert Region.union(parts, region.size) == region
    assert region.largest() == parts[0]
    assert region.largest(2) == parts[0] | parts[1]
    assert region.largest(9) == region
    assert region.largest(0) == region.largest(-1) == Region.empty((5, 5))
    assert [part.area for part in (~region).parts()] == pytest.approx([25 - region.area])
    assert of("99.", "..9").parts() == [of("99.", "..9")]  # corners touch
    faint = of("3..3")
    assert faint.parts() == []
    assert not faint.largest()
    soft = disc(9, (80, 40), 20, 20).feather(6) | disc(4, (80, 40), 60, 20).feather(2)
    assert soft.largest() == disc(9, (80, 40), 20, 20).feather(6)  # with all of its soft edge


def test_parts_are_counted_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    region = of("99..9", "99...", "...99", "3..99", "...99")
    whole = region.parts()
    monkeypatch.setattr("mien.core.region_filters._BLOCK", 1)
    assert region.parts() == whole


# --- in another picture ---------------------------------------------------------------------------


@pytest.mark.parametrize("size", [(20, 30), (33, 41), (80, 120), (1, 1), (7, 90)])
def test_resized(size: tuple[int, int]) -> None:
    region = disc(11.3, (40, 60), 15.2, 28.1)
    small = region.resized(size)
    assert small.size == size
    assert small.area / (size[0] * size[1]) == pytest.approx(region.area / 2400, rel=0.05)
    assert ~small == (~region).resized(size)
    assert region.resized(region.size) == region
    assert region.resized((0, 5)) == Region.empty((0, 5))
    with pytest.raises(ShapeMismatch, match="whole numbers"):
        region.resized((2.5, 3))


# --- on pictures ----------------------------------------------------------------------------------


@given(regions(), st.integers(0, 99))
def test_apply_mixes_by_levels(region: Region, seed: int) -> None:
    image, other = np.random.default_rng(seed).integers(0, 256, (2, SIZE[1], SIZE[0], 3), np.uint8)
    share = region.to_levels()[..., None] / 255
    for front in (other, (9, 250, 0)):
        result = region.apply(image, front)
        assert result.dtype == np.uint8
        assert np.abs(result - (front * share + image * (1 - share))).max() <= 0.501
        assert np.array_equal(result, (~region).apply(np.broadcast_to(front, image.shape).astype(np.uint8), image))
    assert np.array_equal(Region.full(SIZE).apply(image, other), other)
    assert np.array_equal(Region.empty(SIZE).apply(image, other), image)
    assert np.array_equal(region.apply(image, image), image)


def test_pictures_are_mixed_a_few_rows_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    region = disc(14.3, (40, 60), 15.2, 28.1)
    image, other = np.random.default_rng(1).integers(0, 256, (2, 60, 40, 3), np.uint8)
    whole, cut, before = region.apply(image, other), region.cutout(image, crop=True), image.copy()
    for block in (1, 100):
        monkeypatch.setattr("mien.core.region.BLOCK", block)
        assert np.array_equal(region.apply(image, other), whole)
        assert np.array_equal(region.cutout(image, crop=True), cut)
    assert np.array_equal(image, before)
    assert not np.shares_memory(Region.empty((40, 60)).apply(image, other), image)


def test_cutout() -> None:
    image = np.arange(4 * 5 * 3, dtype=np.uint8).reshape(4, 5, 3)
    region = of(".....", "..95.", "..9..", ".....")
    cut = region.cutout(image)
    seen = region.to_levels() > 0
    assert np.array_equal(cut[seen, :3], image[seen])
    assert not cut[~seen].any()  # what is transparent hides nothing
    assert np.array_equal(cut[..., 3], region.to_levels())
    assert np.array_equal(region.cutout(image, crop=True), cut[1:3, 2:4])
    assert Region.empty((5, 4)).cutout(image, crop=True).shape == (0, 0, 4)
    assert (~region).cutout(image, crop=True).shape == (4, 5, 4)


def test_pictures_of_other_sizes_and_wrong_colours() -> None:
    region, image = Region.full((5, 4)), np.zeros((4, 5, 3), np.uint8)
    wrong = (
        np.zeros((5, 4, 3), np.uint8),
        np.zeros((4, 5), np.uint8),
        np.zeros((4, 5, 3)),
        np.zeros((4, 5, 4), np.uint8),
    )
    for other in wrong:
        for call in (lambda x: region.apply(x, (0, 0, 0)), lambda x: region.apply(image, x), region.cutout):
            with pytest.raises(ShapeMismatch, match=r"a picture of shape \(4, 5, 3\) and bytes is needed"):
                call(other)
    for color in ((1, 2), (1, 2, 256), (-1, 0, 0), (0.5, 0, 0), "red", [[1], [1, 2]]):
        with pytest.raises(UsageError, match=r"a colour is|a picture of shape|a picture or a colour is an array"):
            region.apply(image, color)
