"""Parsing by a network: on tiny networks that see colours, and the real ones on pictures that people marked."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray

import mien
from mien import assets
from mien.core.columns import Points, Regions
from mien.core.errors import CardError, ModelError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import invert, transform
from mien.core.image import Image
from mien.core.parts import CELEBAMASK
from mien.core.warping import resize
from mien.engine import Batch
from mien.masks.belonging import keep_own, settle_sides
from mien.masks.cropping import CROPS
from mien.masks.parsing import AT_ONCE, FaceParser
from mien.masks.widening import framed, leaves, merge
from mien.models.card import Card, ImageInput, WeightFile
from mien.runtime.bundle import Bundle
from mien.runtime.cache import digest
from mien.runtime.session import SessionOptions
from tests.runtime.networks import write
from tests.shared import DATA, photo, runner

SIDE = 64
COLORS = {"background": (0, 0, 0), "skin": (255, 0, 0), "hair": (0, 255, 0), "beard": (0, 0, 255)}
INPUT = ImageInput(layout="NCHW", color="RGB", size=None, multiple=1, mean=(0, 0, 0), std=(255, 255, 255))


def color_parser(folder: Path, stride: int = 8, picture: ImageInput = INPUT, **params: Any) -> FaceParser:
    """A parser that gives each cell to the class of the nearest colour, by the mean of its pixels."""
    classes = params.setdefault("classes", list(COLORS))
    params.setdefault("side", SIDE)
    colors = np.array([COLORS.get(name, (128, 128, 128)) for name in classes], np.float32) / 255
    constants = {"w": (16 * colors)[:, :, None, None], "b": -8 * (colors**2).sum(axis=1)}  # the nearest one has most
    nodes = [
        onnx.helper.make_node("AveragePool", ["x"], ["cells"], kernel_shape=[stride] * 2, strides=[stride] * 2),
        onnx.helper.make_node("Conv", ["cells", "w", "b"], ["y"]),
    ]
    path = folder / f"parser{stride}.onnx"
    write(path, nodes, {"x": ["n", 3, "h", "w"]}, {"y": ["n", len(classes), "i", "j"]}, constants)
    file = WeightFile(name=path.name, source=f"file:{path}", sha256=digest(path), bytes=1, input=picture, graph=None)
    card = Card(
        id="colors",
        title="",
        runner="mien.masks.parsing:FaceParser",
        gives=("parse",),
        needs=("alignment",),
        priority=1,
        weights_license="MIT",
        license_source="",
        data_terms="free",
        data_source="",
        origin="",
        paper="",
        space=None,
        precision="f32",
        params={"cells": "middles", **params},
        files={"model": file},
    )
    return FaceParser(Bundle(card, {"model": path}, SessionOptions(threads=1, device="cpu")))


def boxed(boxes: Any, image: Image) -> Faces:
    """Faces of which only boxes are known."""
    faces = Faces.from_boxes(boxes, image_size=image.shape[1::-1])
    nothing = np.full((len(faces), 5, 2), np.nan, np.float32)
    return faces.with_columns({"alignment": Points(nothing, names=ALIGNMENT_NAMES)}, model="none")


def parse(parser: FaceParser, image: Image, boxes: Any) -> Regions:
    """The column of the faces in some boxes of one picture."""
    faces = boxed(boxes, image)
    return parser.describe(Batch([image], np.zeros(len(faces), np.intp), faces))["parse"]


def painted(height: int = 200, width: int = 240, at: tuple[int, int] = (120, 100)) -> Image:
    """A red face with green hair and a blue beard; its box is `at` plus and minus 30 and 40."""
    image = np.zeros((height, width, 3), np.uint8)
    y, x = np.mgrid[:height, :width] - np.array(at[::-1])[:, None, None]
    image[np.hypot(x / 34, (y + 20) / 34) < 1] = COLORS["hair"]
    image[np.hypot(x / 30, y / 40) < 1] = COLORS["skin"]
    image[(np.abs(x) < 14) & (np.abs(y - 24) < 9)] = COLORS["beard"]
    return image


BOX = [90, 60, 150, 140]


def overlap(one: NDArray[np.bool_], other: NDArray[np.bool_]) -> float:
    return float((one & other).sum() / (one | other).sum())


def shows(image: Image, name: str) -> NDArray[np.bool_]:
    return np.asarray((image == COLORS[name]).all(axis=2))


# -- networks of the user's own ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(("stride", "skin", "rest"), [(8, 0.75, 0.45), (4, 0.88, 0.7), (1, 0.88, 0.7)])
def test_answers_of_any_size(tmp_path: Path, stride: int, skin: float, rest: float) -> None:
    image = painted()
    column = parse(color_parser(tmp_path, stride), image, [BOX])
    assert column.names == ("background", "skin", "hair", "beard")
    assert column.values.shape[2:] == (min(SIDE // stride, SIDE // 4),) * 2  # full-size scores are made smaller
    for name, least in (("skin", skin), ("hair", rest), ("beard", rest)):
        assert overlap(column.region(name).to_mask(), shows(image, name)) > least, name
    assert "beard" in column.regions


def test_the_order_of_classes(tmp_path: Path) -> None:
    image = painted()
    column = parse(color_parser(tmp_path, classes=["hair", "beard", "background", "skin"]), image, [BOX])
    assert column.names == ("background", "hair", "beard", "skin")
    assert overlap(column.region("skin").to_mask(), shows(image, "skin")) > 0.75
    column = parse(color_parser(tmp_path, classes=sorted(CELEBAMASK)), image, [BOX])
    assert column.names == CELEBAMASK
    assert overlap(column.region("skin").to_mask(), shows(image, "skin")) > 0.7


def test_crops_by_the_box_and_of_the_whole_picture(tmp_path: Path) -> None:
    image = painted()
    for crop, least in (("box", 0.8), ("tanh-polar", 0.8)):
        column = parse(color_parser(tmp_path, 1, crop=crop, side=128, cells="corners"), image, [BOX])
        assert overlap(column.region("skin").to_mask(), shows(image, "skin")) > least, crop


def test_a_network_of_one_size(tmp_path: Path) -> None:
    one_size = dataclasses.replace(INPUT, size=(96, 96))
    assert parse(color_parser(tmp_path, picture=one_size), painted(), [BOX]).values.shape == (1, 4, 12, 12)


def test_cards_that_cannot_be_right(tmp_path: Path) -> None:
    with pytest.raises(CardError, match="crop is one of ffhq, box, tanh-polar, and cells of corners, middles"):
        color_parser(tmp_path, crop="round")
    for classes in (["skin", "hair"], ["background", "skin", "skin"], ["background"]):
        with pytest.raises(CardError, match="different names, one of them 'background'"):
            color_parser(tmp_path, classes=classes)


def test_a_network_that_has_other_classes_than_its_card(tmp_path: Path) -> None:
    parser = color_parser(tmp_path)
    parser._order = [0, 1, 2]
    with pytest.raises(ModelError, match=r"scores of 3 classes.* the network gives \(1, 4, 8, 8\)"):
        parse(parser, painted(), [BOX])


# -- faces of all kinds ------------------------------------------------------------------------------------------------


def test_no_face_small_faces_and_many(tmp_path: Path) -> None:
    parser, image = color_parser(tmp_path), painted()
    none = parse(parser, image, [])
    assert none.shape == (0, 4, 8, 8)
    assert none.names == ("background", "skin", "hair", "beard")
    few = parse(parser, image, [BOX, [10, 10, 16, 17]])
    assert few.reasons == (None, "the face is smaller than 8 pixels")
    assert few.abstained.tolist() == [False, True]
    assert few[1].region("skin").area == 0
    assert (few.labels() == few[0].labels()).all()
    many = parse(parser, image, [[x, x, x + 60, x + 80] for x in np.linspace(0, 90, AT_ONCE + 3)])
    assert len(many) == AT_ONCE + 3
    assert not many.abstained.any()


@pytest.mark.parametrize("box", [[-1e9, -1e9, 1e9, 1e9], [1e7, 1e7, 1e7 + 64, 1e7 + 64], [1e30, 0, 1e31, 1e31]])
def test_faces_that_hardly_are_in_their_picture(tmp_path: Path, box: list[float]) -> None:
    # Their crops would be mirror images of mirror images, for minutes.
    column = parse(color_parser(tmp_path, 4), painted(), [box, BOX])
    assert column.abstained.tolist() == [True, False]
    assert column.reasons[0] == "the face is too large for its picture, or too far from it"
    mirrored = parse(color_parser(tmp_path, 4), painted(), [[-200, -200, 0, 0]])
    assert not mirrored.abstained[0]
    assert mirrored.region("person").area == 0


def test_a_batch_is_the_same_as_one_by_one(tmp_path: Path) -> None:
    parser = color_parser(tmp_path)
    pictures = [painted(), painted(300, 200, (80, 200))]
    boxes = [[BOX], [[50, 160, 110, 240], [60, 30, 100, 80]]]
    alone = [parse(parser, *each) for each in zip(pictures, boxes, strict=True)]
    faces = Faces.concat([boxed(own, image) for own, image in zip(boxes, pictures, strict=True)])
    together = parser.describe(Batch(pictures, np.array([0, 1, 1]), faces))["parse"]
    joined = Regions.concat(alone)
    for name in ("values", "grids", "sizes"):
        assert np.array_equal(getattr(together, name), getattr(joined, name)), name


def test_faces_at_the_border_are_completed_by_their_mirror_image(tmp_path: Path) -> None:
    image = painted(at=(20, 100))
    column = parse(color_parser(tmp_path, 4), image, [[-10, 60, 50, 140]])
    assert overlap(column.region("skin").to_mask(), shows(image, "skin")) > 0.88


@pytest.mark.parametrize("pixels", [1.4, 2.0, 3.3, 7.9])
def test_crops_average_and_stay_in_their_place(pixels: float) -> None:
    """A picture whose value anywhere is known, with noise: red grows with x, green with y."""
    crop, side = CROPS["ffhq"], 40
    y, x = np.mgrid[:380, :400]
    noise = np.random.default_rng(0).normal(0, 30, (380, 400))
    image = np.stack([x / 2 + 25, y / 2 + 25, np.clip(noise + 128, 0, 255)], axis=2).astype(np.uint8)
    turn = np.deg2rad(30)
    m = np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]) / (pixels * side)
    place = np.column_stack([m, 0.5 - m @ (203.3, 188.9)]).astype(np.float32).ravel()
    seen = crop.cut(image, place, side).astype(float)
    rows, columns = np.indices((side, side))
    grid = crop.grid(place, side, (1, 0))
    points = transform(np.stack([columns, rows], axis=-1), invert(grid.reshape(2, 3)))
    inside = ((points > 8) & (points < (392, 372))).all(axis=-1)
    for channel in range(2):
        assert np.abs(seen[..., channel] - points[..., channel] / 2 - 25)[inside].max() < 1.6
    assert seen[..., 2][inside].std() < 33 / int(pixels)


# -- whose a cell is ---------------------------------------------------------------------------------------------------


def test_people_side_by_side_share_nothing(tmp_path: Path) -> None:
    image = painted() | painted(at=(185, 95))
    boxes = [BOX, [155, 55, 215, 135]]
    column = parse(color_parser(tmp_path, 4), image, boxes)
    first, second = (column[row].region("person") for row in (0, 1))
    assert (first & second).area < 0.02 * first.area
    assert overlap(first.to_mask(), painted().any(axis=2)) > 0.85
    assert first.area > 0.97 * parse(color_parser(tmp_path, 4), painted(), boxes[:1]).region("person").area
    apart = parse(color_parser(tmp_path, 4), image, boxes[:1]).region("person")  # nobody else is known
    assert apart.area > 1.15 * first.area


def test_a_cell_is_that_faces_whose_box_is_nearest() -> None:
    points = np.stack(np.meshgrid(np.arange(0.0, 100), np.arange(0.0, 50)), axis=-1).astype(np.float32)
    own, other = np.array([0, 0, 40, 50], np.float32), np.array([[60, 15, 80, 35]], np.float32)
    scores = np.zeros((3, 50, 100), np.float32)
    scores[1] = 4
    keep_own(scores, points, own, other)
    lost = scores.argmax(axis=0) == 0
    assert not lost[:, :40].any()
    assert lost[15:35, 60:80].all()
    steps = np.diff(scores[0, 25])
    assert 0.5 < np.abs(steps).max() < 3.1  # log odds a pixel: no step, but a slope
    for nobody in (np.zeros((0, 4), np.float32), own[None] + 2):  # the latter is this face, found twice
        alone = scores.copy()
        keep_own(alone, points, own, nobody)
        assert np.array_equal(alone, scores)


def test_sides_are_those_of_the_face() -> None:
    names = ("background", "l_eye", "r_eye", "l_brow")
    points = np.stack(np.meshgrid(np.arange(8.0), np.arange(4.0)), axis=-1).astype(np.float32)
    scores = np.zeros((4, 4, 8), np.float32)
    scores[1, :, :3] = 5  # taken for its mirror image: the subject's right eye is on the picture's left
    scores[2, :, 5:] = 5
    eyes = np.array([[1, 2], [6, 2]], np.float32)
    right = scores.copy()
    settle_sides(right, points, eyes, names)
    assert (right.argmax(axis=0)[0] == [2, 2, 2, 0, 0, 1, 1, 1]).all()
    assert (right[3] == scores[3]).all()  # it has no partner
    again = right.copy()
    settle_sides(again, points, eyes, names)
    assert (again.argmax(axis=0) == right.argmax(axis=0)).all()
    turned = scores.copy()
    settle_sides(turned, points, eyes[::-1], names)  # upside down
    assert (turned.argmax(axis=0) == scores.argmax(axis=0)).all()
    unknown = scores.copy()
    settle_sides(unknown, points, eyes * np.nan, names)
    assert np.array_equal(unknown, scores)


# -- a wider look ------------------------------------------------------------------------------------------------------


def long_hair() -> Image:
    image = painted(320, 320, (160, 120))
    hair = np.zeros(image.shape[:2], bool)
    hair[110:250, 125:140] = hair[110:250, 180:195] = True
    image[hair & ~image.any(axis=2)] = COLORS["hair"]
    return image


def test_hair_that_leaves_the_crop_is_looked_at_again(tmp_path: Path) -> None:
    image, box = long_hair(), [130, 80, 190, 160]
    once = parse(color_parser(tmp_path, 4), image, [box])
    twice = parse(color_parser(tmp_path, 4, wide_side=2 * SIDE, wide_context=2.2), image, [box])
    least = shows(image, "hair")
    assert overlap(once.region("hair").to_mask(), least) < 0.8
    assert overlap(twice.region("hair").to_mask(), least) > 0.8
    close = slice(90, 150), slice(140, 180)
    assert overlap(once.region("beard").to_mask()[close], twice.region("beard").to_mask()[close]) > 0.98
    short = parse(color_parser(tmp_path, 4, wide_side=2 * SIDE, wide_context=2.2), painted(), [BOX])
    assert short.values.shape[2:] == twice.values.shape[2:]  # as large, so that columns can be joined
    assert (short.values[0, 0, 0] == 12).all()  # nobody looked there
    alone = parse(color_parser(tmp_path, 4), painted(), [BOX])
    assert overlap(short.region("hair").to_mask(), alone.region("hair").to_mask()) > 0.999


def test_what_leaves_is_hair_within_the_picture() -> None:
    points = np.stack(np.meshgrid(np.arange(20.0), np.arange(20.0)), axis=-1).astype(np.float32)
    scores = np.zeros((3, 20, 20), np.float32)
    scores[2, 15:, 5:9] = 3
    names = ("background", "skin", "hair")
    assert leaves(scores, points, (20, 20), names)
    assert not leaves(scores, points, (20, 19), names)  # it leaves the picture, too
    assert not leaves(scores, points, (20, 20), ("background", "hair", "skin"))
    scores[2, 19:] = 0
    assert not leaves(scores, points, (20, 20), names)


def test_the_close_look_stays_and_the_wide_one_surrounds_it() -> None:
    scores, grid = np.full((1, 2, 16, 16), 3, np.float32), np.array([[1, 0, 0, 0, 1, 0]], np.float32)
    scores, grid = framed(scores, grid, 4)
    assert grid.tolist() == [[1, 0, 4, 0, 1, 4]]
    assert scores[0, :, 0, 0].tolist() == [12, 0]
    y, x = np.mgrid[:12, :12].astype(np.float32)
    merge(scores[0], grid[0], np.stack([x, y]), np.array([0.5, 0, 2, 0, 0.5, 2], np.float32), 4)
    assert np.allclose(scores[0, :, 9:15, 9:15], 3)
    assert np.allclose(scores[0, 0, 12, :4], [0, 0.5, 1, 1.5])
    assert np.abs(np.diff(scores[0, 0, 12])).max() < 2  # no seam, where one would have a step of 6


# -- the real networks -------------------------------------------------------------------------------------------------


def marked(number: int) -> tuple[Image, NDArray[np.uint8]]:
    """A picture of 1,024 pixels, and the class of each pixel."""
    import PIL.Image

    labels = PIL.Image.open(DATA / "parsing" / "maskgan" / f"{number}.png")
    truth = np.asarray(labels.resize((1024, 1024), PIL.Image.Resampling.NEAREST))
    return photo(f"parsing/maskgan/{number}.jpg"), truth


@pytest.mark.weights
@pytest.mark.data
@pytest.mark.parametrize(
    ("size", "least", "mean"), [("fast", 0.55, 0.78), ("balanced", 0.65, 0.81), ("fine", 0.7, 0.84)]
)
def test_iou_of_every_class_on_the_marked_photos(size: mien.masks.Size, least: float, mean: float) -> None:
    counts = np.zeros((19, 19), np.int64)
    same, either = np.zeros(19), np.zeros(19)
    for number in range(4):
        image, truth = marked(number)
        m = mien.mask(image, size=size)
        pairs = truth.ravel().astype(int) * 19 + m.faces.parse.labels().ravel()
        counts += np.bincount(pairs, minlength=19 * 19).reshape(19, 19)
        for index, name in enumerate(CELEBAMASK):
            mask = m.region(name).to_mask()
            same[index] += (mask & (truth == index)).sum()
            either[index] += (mask | (truth == index)).sum()
    there = counts.sum(axis=1) > 0
    right = np.diag(counts)
    of_labels = (right / np.maximum(counts.sum(axis=0) + counts.sum(axis=1) - right, 1))[there]
    of_regions = (same / np.maximum(either, 1))[there]
    assert of_labels.mean() > mean
    assert of_labels.min() > least
    assert np.abs(of_labels - of_regions).max() < 0.03  # both say the same


@pytest.mark.weights
def test_left_and_right_when_turned() -> None:
    # Others, or these turned further, the mesh takes for upright ones: on some processors, or on all.
    for person, turns in ((0, 0), (0, 1), (4, 0), (4, 3)):
        image = np.pad(mien.load_image(assets.PEOPLE[person]), ((200, 200), (200, 200), (0, 0)), constant_values=90)
        m = mien.mask(np.ascontiguousarray(np.rot90(image, turns)))
        upright = [np.rot90(m.region(name).to_mask(), -turns) for name in ("left_eye", "right_eye", "hair", "mouth")]
        x = [float(np.nonzero(mask)[1].mean()) for mask in upright[:2]]
        y = [float(np.nonzero(mask)[0].mean()) for mask in upright]
        assert x[0] > x[1] + 60, turns
        assert y[2] < y[0] < y[3], turns


@pytest.mark.weights
def test_boxes_alone_are_enough() -> None:
    image = mien.load_image(assets.GROUP)
    known = mien.mask(image)
    step = runner("bisenet")
    faces = boxed(known.faces.boxes, image)
    column = step.describe(Batch([image], np.zeros(len(faces), np.intp), faces))["parse"]
    assert not column.abstained.any()
    for row, one in enumerate(known):
        assert overlap(column[row].region("face").to_mask(), one.face.to_mask()) > 0.85, row


@pytest.mark.weights
def test_small_cut_and_grey_faces() -> None:
    image = mien.load_image(assets.PEOPLE[0])
    whole = mien.mask(image)
    x1, y1, x2, y2 = whole.faces[0].box
    grey = np.repeat(np.rint(image.mean(axis=2)).astype(np.uint8)[..., None], 3, axis=2)
    assert overlap(mien.mask(grey).skin.to_mask(), whole.skin.to_mask()) > 0.9
    middle = int((x1 + x2) / 2)
    half = mien.mask(np.ascontiguousarray(image[:, middle:]), faces=Faces.from_boxes([[0, y1, x2 - middle, y2]]))
    assert overlap(half.hair.to_mask(), whole.hair.to_mask()[:, middle:]) > 0.7
    small = resize(image, (64, 64))
    tiny = mien.mask(small, faces=Faces.from_boxes([whole.faces.boxes[0] / 8]))  # a face of 35 pixels
    assert tiny.skin.area == pytest.approx(whole.skin.area / 64, rel=0.25)
