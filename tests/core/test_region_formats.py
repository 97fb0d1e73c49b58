"""Regions out and in again: run lengths as COCO's own tools write them, outlines, drawings, pictures."""

from __future__ import annotations

import contextlib
import io
import re
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import ImageError, ImageTooLarge, ShapeMismatch, SourceError, StorageError, UsageError
from mien.core.image import load_image
from mien.core.region import Region
from tests.core.test_region import disc, of, regions

Points = NDArray[np.floating[Any]]


def grid(height: int, width: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    y, x = np.mgrid[:height, :width]
    return x, y


# --- run lengths ----------------------------------------------------------------------------------

#: What pycocotools 2.0.11 makes of a mask.
COCO = {
    "nothing": (np.zeros((5, 4), bool), "d0"),
    "all": (np.ones((5, 4), bool), "0d0"),
    "the last pixel": (np.arange(20).reshape(4, 5).T == 19, "c01"),
    "columns": ((grid(60, 80)[0] >= 20) & (grid(60, 80)[0] < 40), "`U1`U1P[2"),
    "a large one": (np.ones((2000, 3000), bool), "0P\\Sg5"),
    "a disc": (
        np.hypot(grid(60, 80)[0] - 30, grid(60, 80)[1] - 25) < 20,
        "We0=]14L4M2M4M2N2O0O2N2O0O2O0O2O000000000000000000000001N101N101N2N101N2N3L3N3L4Lgg1",
    ),
    "a spot": (np.hypot(grid(600, 800)[0] - 300, grid(600, 800)[1] - 250) < 3.5, "aX^53db02N2O0001N2NX\\R9"),
}


@pytest.mark.parametrize("name", COCO)
def test_run_lengths_are_cocos(name: str) -> None:
    mask, text = COCO[name]
    form = {"size": list(mask.shape), "counts": text}
    region = Region.from_mask(mask)
    assert region.to_rle() == form
    assert (~Region.from_mask(~mask)).to_rle() == form
    assert Region.from_rle(form) == Region.from_rle({**form, "counts": text.encode()}) == region


def test_plain_counts() -> None:
    mask = of("9.9", "9.9")
    assert Region.from_rle({"size": [2, 3], "counts": [0, 2, 2, 2]}) == mask
    assert Region.from_rle({"size": (2, 3), "counts": np.array([0, 2, 2, 2, 0, 0])}) == mask
    assert Region.from_rle({"size": [0, 3], "counts": []}) == Region.empty((3, 0))


@given(regions(), st.sampled_from([0.2, 0.5, 1]))
def test_run_lengths_come_back(region: Region, threshold: float) -> None:
    form = region.to_rle(threshold)
    assert np.array_equal(Region.from_rle(form).to_mask(), region.to_mask(threshold))
    mask = region.to_mask(threshold).T.ravel()
    edges = np.flatnonzero(np.diff(mask, prepend=False))
    counts = np.diff(edges, prepend=0, append=mask.size).tolist()
    assert Region.from_rle({**form, "counts": counts}) == Region.from_rle(form)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"size": [2, 2]},
        {"size": [2], "counts": "4"},
        {"size": [2, 2.5], "counts": [5]},
        {"size": ["2", "2"], "counts": [4]},
        {"size": [-2, -2], "counts": [4]},
        {"size": [2, 2], "counts": [3]},
        {"size": [2, 2], "counts": [5, -1]},
        {"size": [2, 2], "counts": [2**63, 4]},
        {"size": [2, 2], "counts": [2**62, 2**62, 2**62, 2**62, 4]},
        {"size": [2, 2], "counts": [[4]]},
        {"size": [2, 2], "counts": [4.0]},
        {"size": [2, 2], "counts": 4},
        {"size": [2, 2], "counts": "T"},  # ends within a number
        {"size": [2, 2], "counts": "é"},
        {"size": [2, 2], "counts": " "},
        {"size": [2, 2], "counts": "ooooooooooooooooo0"},
        {"size": [2, 2], "counts": b"\xff"},
        {"size": [2, 2], "counts": ""},
    ],
)
def test_forms_that_are_none(form: dict[str, Any]) -> None:
    with pytest.raises(ShapeMismatch, match=r"run-length form|do not fill"):
        Region.from_rle(form)


@given(st.text(alphabet=[chr(code) for code in range(47, 113)], max_size=12))
def test_any_text_is_a_region_or_an_error(text: str) -> None:
    with contextlib.suppress(ShapeMismatch):
        assert Region.from_rle({"size": [3, 4], "counts": text}).size == (4, 3)


def test_a_form_larger_than_pictures_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ImageTooLarge, match="100000x100000"):
        Region.from_rle({"size": [100_000, 100_000], "counts": [10**10]})
    monkeypatch.setenv("MIEN_MAX_PIXELS", "20000000000")
    spot = Region.from_rle({"size": [100_000, 100_000], "counts": [99_999, 1, 10**10 - 100_000]})
    assert spot == Region.from_box((0, 99_999, 1, 100_000), (100_000, 100_000))  # only its column is unpacked


# --- polygons -------------------------------------------------------------------------------------


@pytest.mark.parametrize("radius", [2, 5.5, 20, 60.3])
def test_areas_of_discs_are_exact(radius: float) -> None:
    size = (140, 140)
    region = disc(radius, size, 70.3, 69.8)
    exact = 100 * np.sin(2 * np.pi / 200) * radius**2  # of 200 corners
    assert region.area == pytest.approx(exact, rel=2e-3)
    y, x = np.nonzero(region.to_levels())
    weight = region.to_levels()[y, x].astype(float)
    assert (np.average(x, weights=weight), np.average(y, weights=weight)) == pytest.approx((70.3, 69.8), abs=0.02)


def test_points_count_from_the_centre_of_the_first_pixel() -> None:
    square = [(1.5, 0.5), (4.5, 0.5), (4.5, 2.5), (1.5, 2.5)]
    assert Region.from_polygons([square], (6, 4)) == Region.from_box((2, 1, 5, 3), (6, 4))
    assert Region.from_polygons([square[::-1]], (6, 4)) == Region.from_box((2, 1, 5, 3), (6, 4))
    whole = [(-0.5, -0.5), (5.5, -0.5), (5.5, 3.5), (-0.5, 3.5)]
    assert Region.from_polygons([whole], (6, 4)) == Region.full((6, 4))
    shares = Region.from_polygons([[(0, 0), (2, 0), (2, 2), (0, 2)]], (3, 3))
    assert np.asarray(shares, float).round(2).tolist() == [[0.25, 0.5, 0.25], [0.5, 1, 0.5], [0.25, 0.5, 0.25]]


def test_polygons_within_each_other_and_across_the_border() -> None:
    size = (60, 60)
    outer = [(-20, -20), (50, -20), (50, 50), (-20, 50)]
    inner = [(10.5, 10.5), (20.5, 10.5), (20.5, 20.5), (10.5, 20.5)]
    region = Region.from_polygons([outer, inner], size)
    assert region == Region.from_polygons([outer], size) - Region.from_polygons([inner], size)
    assert region.area == pytest.approx(50.5**2 - 100, rel=1e-4)
    star = [(30 + 25 * np.sin(t), 30 - 25 * np.cos(t)) for t in np.arange(5) * 4 * np.pi / 5]
    assert (30, 30) not in Region.from_polygons([star], size)  # crossed twice
    outside = Region.from_polygons([[(70, 0), (90, 0), (90, 9)], [(0, -9), (9, -1), (3, -4)]], size)
    assert outside == Region.empty(size)
    for nothing in ([], [np.zeros((0, 2))], [[(1, 1)]], [[(1, 1), (9, 9)]], [[(5, 5), (5, 5), (5, 5)]]):
        assert Region.from_polygons(nothing, size) == Region.empty(size)


@given(st.integers(0, 1 << 32), st.integers(3, 9))
def test_polygons_are_those_of_many_samples(seed: int, corners: int) -> None:
    random = np.random.default_rng(seed)
    ring = random.uniform(-3, 15, (corners, 2))
    region = Region.from_polygons([ring], (12, 11))
    fine = 20
    x, y = (np.arange(fine * side) + 0.5 for side in (12, 11))
    x, y = x / fine - 0.5, y / fine - 0.5
    (x1, y1), (x2, y2) = ring.T[..., None, None], np.roll(ring, -1, axis=0).T[..., None, None]
    crossed = ((y1 <= y[:, None]) != (y2 <= y[:, None])) & (x > x1 + (y[:, None] - y1) / (y2 - y1) * (x2 - x1))
    share = (crossed.sum(axis=0) % 2).reshape(11, fine, 12, fine).mean(axis=(1, 3))
    assert np.abs(np.asarray(region) - share).max() < 0.13
    assert region.area == pytest.approx(share.sum(), abs=1)


@pytest.mark.parametrize("polygon", [[1, 2, 3, 4], [[1, 2, 3]], [["a", "b"]], [[1, 2], [3]], [[0, np.nan]] * 3,
                                     [[0, np.inf]] * 3, [[0, 1e9]] * 3, "abc", None])  # fmt: skip
def test_polygons_that_are_none(polygon: Any) -> None:
    with pytest.raises(ShapeMismatch, match="polygon"):
        Region.from_polygons([polygon], (9, 9))


def test_a_polygon_of_very_many_points() -> None:
    up_and_down = np.stack([np.linspace(0, 50, 1_001), np.tile([0, 99], 501)[:1_001]], axis=1)
    assert 0 < Region.from_polygons([up_and_down], (60, 99)).area < 60 * 99


def test_tangles_are_looked_at_less_closely_and_then_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    tangle, size = np.random.default_rng(6).uniform(0, 60, (40, 2)), (60, 60)
    close, crossings = Region.from_polygons([tangle], size), np.abs(np.diff(tangle[:, 1])).sum()
    monkeypatch.setattr("mien.core.region_outlines.BLOCK", 100)
    assert Region.from_polygons([tangle], size) == close
    monkeypatch.setattr("mien.core.region_outlines.MOST", 2 * int(crossings))
    assert 0.8 < Region.from_polygons([tangle], size).iou(close) < 1
    monkeypatch.setattr("mien.core.region_outlines.MOST", int(crossings) // 2)
    with pytest.raises(ShapeMismatch, match=r"too tangled: their edges cross rows of pixels [\d,]+ times"):
        Region.from_polygons([tangle], size)
    monkeypatch.setattr("mien.core.region_outlines.MOST", 1 << 26)
    monkeypatch.setattr("mien.core.region_outlines.MOST_IN_A_ROW", 30)
    assert 0.8 < Region.from_polygons([tangle], size).iou(close) < 1
    monkeypatch.setattr("mien.core.region_outlines.MOST_IN_A_ROW", 9)
    with pytest.raises(ShapeMismatch, match=r"one of them \d+ times"):
        Region.from_polygons([tangle], size)
    beyond = np.add(tangle, (0, 1000))  # what is not seen is not counted
    assert not Region.from_polygons([beyond], size)


def area(ring: Points) -> float:
    x, y = ring.T
    return float((x * np.roll(y, -1) - y * np.roll(x, -1)).sum() / 2)


@given(regions())
def test_outlines_of_any_mask_come_back(region: Region) -> None:
    """Of hard masks to the pixel; and they are closed, in the picture, and turn as they should."""
    hard = Region.from_mask(region.to_mask())
    outlines = hard.to_polygons(tolerance=0)
    again = Region.from_polygons(outlines, hard.size)
    lost = again.to_mask() != hard.to_mask()
    around = cv2.blur(np.pad(hard.to_levels(), 1, constant_values=0), (3, 3))[1:-1, 1:-1]
    assert (around[lost] > 200).all()  # holes of a single pixel
    assert sum(map(area, outlines)) == pytest.approx(again.area, abs=1)
    for outline in outlines:
        assert outline.dtype == np.float32
        assert (outline >= -0.5).all()
        assert (outline <= np.subtract(hard.size, 0.5)).all()
    assert all(len(one) > 2 for one in region.to_polygons())


def test_outlines_are_between_pixels() -> None:
    region = disc(20, (70, 60), 30.25, 28.5) - disc(8, (70, 60), 30.25, 28.5)
    outer, hole = region.to_polygons(tolerance=0.05)
    assert np.hypot(*(outer - (30.25, 28.5)).T) == pytest.approx(20, abs=0.1)
    assert np.hypot(*(hole - (30.25, 28.5)).T) == pytest.approx(8, abs=0.1)
    assert area(outer) > 0 > area(hole)
    pixel = of("...", ".9.").to_polygons()[0]
    assert sorted(pixel.tolist()) == [[0.5, 1], [1, 0.5], [1, 1.5], [1.5, 1]]
    assert Region.empty((3, 3)).to_polygons() == of("333").to_polygons() == []


@pytest.mark.parametrize("sigma", [3, 6])
def test_outlines_keep_masks(sigma: float) -> None:
    noise = cv2.GaussianBlur(np.random.default_rng(4).random((160, 160)).astype(np.float32), (0, 0), sigma)
    region = Region.from_mask(noise > np.median(noise))  # wild, with holes, cut by the border
    again = Region.from_polygons(region.to_polygons(), region.size)
    assert np.array_equal(again.to_mask(), region.to_mask())
    few = region.to_polygons(tolerance=1)
    assert sum(map(len, few)) < sum(map(len, region.to_polygons())) / 2
    assert Region.from_polygons(few, region.size).iou(region) > 0.9
    soft = disc(15, (40, 40), 20, 20)
    assert Region.from_polygons(soft.to_polygons(), soft.size).iou(soft) > 0.99


def test_what_is_smaller_than_the_tolerance_is_kept() -> None:
    large, small = disc(20, (70, 60), 30, 30), disc(2.5, (70, 60), 60, 10)
    for tolerance in (4, 1000, 2_000):
        outlines = (large | small).to_polygons(tolerance=tolerance)
        assert [3 <= len(one) < 9 for one in outlines] == [True, True]


def test_a_tolerance_is_a_distance() -> None:
    for tolerance in (-1, np.nan, np.inf):
        with pytest.raises(UsageError, match="distance"):
            of("99").to_polygons(tolerance=tolerance)


# --- drawings and pictures ------------------------------------------------------------------------


def test_svg() -> None:
    region = disc(20, (70, 60), 30, 28) - disc(8, (70, 60), 30, 28)
    svg = ET.fromstring(region.to_svg(color='#fff" onload="x'))
    path = svg[0]
    assert (svg.get("width"), svg.get("height"), svg.get("viewBox")) == ("70", "60", "0 0 70 60")
    assert set(path.attrib) == {"fill", "fill-rule", "d"}
    assert path.get("fill") == '#fff" onload="x'
    rings = [
        np.array(re.findall(r"[-\d.]+", ring), float).reshape(-1, 2) - 0.5 for ring in path.get("d", "").split("Z")
    ]
    assert Region.from_polygons(rings, region.size).iou(region) > 0.99
    assert ET.fromstring(Region.empty((5, 4)).to_svg())[0].get("d") == ""
    for color in ("\0", "red\n", "\ud800", None, 5):
        with pytest.raises(UsageError, match="one line of text"):
            region.to_svg(color=color)


@given(regions())
def test_pngs_come_back(region: Region) -> None:
    buffer = io.BytesIO()
    PIL.Image.fromarray(region.to_levels()).save(buffer, "PNG")
    assert Region.from_png(buffer.getvalue()) == region


def test_what_a_notebook_shows() -> None:
    region = disc(8, (30, 20), 15, 10)
    shown = region._repr_png_()
    assert shown
    assert Region.from_png(shown) == region
    large = Region.full((3000, 1500))._repr_png_()
    assert large
    assert load_image(large).shape == (600, 1200, 3)
    assert Region.empty((0, 3))._repr_png_() is None


def test_png_files(tmp_path: Path) -> None:
    region = of("..5", "179")
    path = region.to_png(tmp_path / "mäsk.PNG")
    assert Region.from_png(path) == Region.from_png(str(path)) == region
    assert np.array_equal(load_image(path)[..., 0], region.to_levels())
    assert [file.name for file in tmp_path.iterdir()] == ["mäsk.PNG"]
    with pytest.raises(UsageError, match=r"must end in \.png"):
        region.to_png(tmp_path / "mask.jpg")
    with pytest.raises(StorageError):
        region.to_png(tmp_path / "none" / "mask.png")
    with pytest.raises(ShapeMismatch):
        Region.empty((0, 3)).to_png(tmp_path / "none.png")


def encoded(array: NDArray[Any], kind: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(array).save(buffer, kind, **options)
    return buffer.getvalue()


def test_masks_in_pictures_of_all_kinds() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (6, 7), np.uint8)
    noise = np.random.default_rng(1).integers(0, 256, (6, 7, 3), np.uint8)
    region = Region.from_mask(grey)
    kinds = {
        "RGB": np.dstack([grey] * 3), "RGBA": np.dstack([noise, grey]), "LA": np.dstack([255 - grey, grey]),
        "16 bits": grey.astype(np.uint16) * 257,
    }  # fmt: skip
    for kind, array in kinds.items():
        assert Region.from_png(encoded(array)) == region, kind
    assert Region.from_png(encoded(np.dstack([noise, grey]), "WEBP", lossless=True)) == region
    assert Region.from_png(encoded(grey > 99)) == Region.from_mask(grey > 99)
    buffer = io.BytesIO()
    PIL.Image.fromarray(grey).quantize(256).save(buffer, "PNG")
    assert Region.from_png(buffer.getvalue()) == region
    cut = Region.from_mask(grey).cutout(noise)
    assert Region.from_png(encoded(cut)) == region


def test_pictures_that_are_no_masks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    good = encoded(np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8))
    for data, error in {b"": SourceError, b"mask": ImageError, good[:90]: ImageError, good[:-300]: ImageError}.items():
        with pytest.raises(error):
            Region.from_png(data)
    with pytest.raises(ImageError, match="in colour and has no alpha"):
        Region.from_png(encoded(np.eye(3, dtype=np.uint8)[None] * 200))
    with pytest.raises(SourceError, match="does not exist"):
        Region.from_png(tmp_path / "none.png")
    with pytest.raises(SourceError, match="folder"):
        Region.from_png(tmp_path)
    monkeypatch.setenv("MIEN_MAX_PIXELS", "1599")
    with pytest.raises(ImageTooLarge):
        Region.from_png(good)
