"""The search around a detector, on one that sees what real ones see: marks that are large enough, upright, whole."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import mien
from mien.core.boxes import iou
from mien.core.errors import LicenseRefused, UnknownModel, UsageError
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.core.warping import resize
from mien.engine.searching import Search
from mien.engine.tiling import spans
from tests.engine import fakes
from tests.shared import DATA, marked_faces, photo, runner

Box = tuple[int, int, int, int]


def mark(image: Image, x: int, y: int, size: int) -> Box:
    """Draw a face for `Eye`: a square, dark below and bright above."""
    image[y : y + size, x : x + size] = 150
    image[y : y + size // 2, x : x + size] = 250
    return x, y, x + size, y + size


class Eye:
    """Shows itself pictures at 640 pixels, enlarged twice at most, and sees squares of 24 pixels whose upper half is
    the brighter one; those of 12 it only suspects. Its points are the middles of the two halves."""

    def __init__(self) -> None:
        self.shown: list[tuple[int, ...]] = []

    def detect(self, images: Sequence[Image], *, min_score: float | None = None) -> list[Faces]:
        return [self._one(image, 0.5 if min_score is None else min_score) for image in images]

    def _one(self, image: Image, min_score: float) -> Faces:
        self.shown.append(image.shape)
        height, width = image.shape[:2]
        scale = min(640 / max(height, width), 2.0)
        small = resize(image, (max(round(height * scale), 1), max(round(width * scale), 1)))[..., 0]
        count, labels, stats, _ = cv2.connectedComponentsWithStats((small > 110).astype(np.uint8))
        rows = []
        for label in range(1, count):
            x, y, w, h, _ = stats[label].tolist()
            part = np.where(labels[y : y + h, x : x + w] == label, small[y : y + h, x : x + w], np.nan)
            upper, lower = (float(np.nanmean(half)) for half in (part[: h // 2 or 1], part[h // 2 :]))
            # The surer the more upright: the halves differ by 100 then.
            score = 0.5 + min(upper - lower, 100) / 250 if upper > lower + 40 else 0.0
            score *= 1.0 if min(w, h) >= 24 else 0.1 if min(w, h) >= 10 else 0.0
            if score >= min_score and score > 0:
                rows.append((x, y, x + w, y + h, score))
        found = np.array(rows, np.float32).reshape(-1, 5)
        boxes = (found[:, :4] / np.float32(scale)).clip(0, (width, height, width, height))
        middle = (boxes[:, 0] + boxes[:, 2]) / 2
        quarter = (boxes[:, 3] - boxes[:, 1]) / 4
        points = [np.stack((middle, boxes[:, 1] + quarter * part), axis=1) - 0.5 for part in (1, 3)]
        return Faces.from_boxes(
            boxes, scores=found[:, 4], keypoints=np.stack(points, axis=1), keypoint_names=("upper", "lower")
        )


def crowd(count: int, size: int, *, shape: tuple[int, int] = (1700, 2600), seed: int = 0) -> tuple[Image, NDArray[Any]]:
    """A dark picture with marks at random places, a size apart."""
    image = np.full((*shape, 3), 10, np.uint8)
    draw, boxes = np.random.default_rng(seed), np.zeros((0, 4))
    while len(boxes) < count:
        x, y = int(draw.integers(shape[1] - size)), int(draw.integers(shape[0] - size))
        room = np.array([[x - size, y - size, x + 2 * size, y + 2 * size]])
        if not (iou(room, boxes) > 0).any():
            boxes = np.vstack([boxes, [[x, y, x + size, y + size]]])
            mark(image, x, y, size)
    return image, boxes


def assert_each_once(faces: Faces, boxes: NDArray[Any], overlap: float = 0.8) -> None:
    shared = iou(boxes, faces.boxes) >= overlap
    assert shared.sum(axis=1).tolist() == [1] * len(boxes)
    assert len(faces) == len(boxes)


# -- tiles -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tiles", ["auto", 320])
@pytest.mark.parametrize("size", [20, 30, 60, 100, 200])
def test_every_size_is_found_once(tiles: Any, size: int) -> None:
    image, boxes = crowd(30 if size < 150 else 8, size)
    (faces,) = Search(tiles=tiles).find(Eye(), [image])
    assert_each_once(faces, boxes)


@pytest.mark.full
@settings(deadline=None, max_examples=12)
@given(st.integers(0, 10_000), st.sampled_from([22, 40, 53, 90]), st.sampled_from(["auto", 320, 500]))
def test_no_face_is_halved_wherever_it_is(seed: int, size: int, tiles: Any) -> None:
    image, boxes = crowd(6, size, shape=(900, 1400), seed=seed)
    (faces,) = Search(tiles=tiles).find(Eye(), [image])
    whole = iou(boxes, faces.boxes)
    assert (whole >= 0.8).sum(axis=0).tolist() == [1] * len(faces)  # none but what is there, and none twice
    # A face of up to the overlap is whole in one of the tiles.
    if tiles == "auto" or size <= tiles / 6:
        assert len(faces) == len(boxes)


@pytest.mark.parametrize(("size", "tiles", "count"), [(10, "auto", 30), (10, 320, 0), (10, 200, 30)])
def test_parts_of_a_picture_are_shown_enlarged(size: int, tiles: Any, count: int) -> None:
    """More than a detector itself enlarges a small picture; `Eye` sees marks of 24 pixels, and suspects those of 12."""
    image, boxes = crowd(30, size, shape=(1300, 1700))
    (faces,) = Search(tiles=tiles).find(Eye(), [image])
    assert len(faces) == count
    if count:
        assert_each_once(faces, boxes, overlap=0.6)


def test_without_tiles_the_small_ones_are_lost() -> None:
    image, _ = crowd(30, 20)
    assert len(Search(tiles="off").find(Eye(), [image])[0]) == 0


def test_auto_does_not_look_closer_in_vain() -> None:
    for shape, size in (((900, 1200), 30), ((1700, 2600), 400)):  # not large; a portrait
        image = np.full((*shape, 3), 10, np.uint8)
        mark(image, 100, 100, size)
        eye = Eye()
        Search().find(eye, [image])
        assert eye.shown == [image.shape], size
    eye = Eye()
    Search(min_size=60).find(eye, [crowd(3, 20)[0]])  # what tiles could add is too small to count
    assert len(eye.shown) == 1


def test_suspects_are_looked_at_and_nothing_else_is() -> None:
    image, _ = crowd(3, 20)
    eye, idle = Eye(), Eye()
    Search().find(eye, [image])
    assert len(Search().find(idle, [np.full_like(image, 10)])[0]) == 0
    assert 1 <= len(eye.shown) - len(idle.shown) <= 3


@given(st.integers(1, 5000), st.integers(64, 900))
def test_spans_cover_and_overlap(length: int, side: int) -> None:
    overlap = side // 6
    parts = spans(length, side, overlap)
    assert (parts[0].start, parts[-1].stop) == (0, length)
    assert all(part.stop - part.start == min(side, length) for part in parts)
    assert all(a.stop - b.start >= overlap - 1 for a, b in itertools.pairwise(parts))
    # Each face of up to the overlap, wherever it stands, is some part's own.
    width = 0.75 * overlap
    for first in np.linspace(0, max(length - width, 0), 50):
        edges = np.array([[first, first + width]], np.float32)
        assert any(part.owns(edges - part.start).all() for part in parts) or length < width


# -- turns -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", range(0, 360, 15))
def test_turned_faces_and_their_points(degrees: int) -> None:
    image = np.full((400, 500, 3), 10, np.uint8)
    mark(image, 210, 160, 80)
    m = cv2.getRotationMatrix2D((249.5, 199.5), -degrees, 1)
    turned = cv2.warpAffine(image, m, (500, 400), borderValue=(10, 10, 10)).astype(np.uint8)
    (faces,) = Search(rotations=True).find(Eye(), [turned])
    assert len(faces) == 1
    upper, lower = (np.array([249.5, 199.5 + dy]) @ m[:, :2].T + m[:, 2] for dy in (-20, 20))
    np.testing.assert_allclose(faces.keypoints[0], [upper, lower], atol=8)  # the bound of a square that is tilted
    assert np.abs(faces.centers[0] - np.array([249.5, 199.5])).max() < 6
    assert (faces.boxes >= 0).all()


def test_right_angles_are_exact() -> None:
    image = np.full((300, 401, 3), 10, np.uint8)
    box = mark(image, 30, 50, 60)
    for quarters in (1, 2, 3):
        turned = np.ascontiguousarray(np.rot90(image, quarters))
        assert len(Search().find(Eye(), [turned])[0]) == 0
        (faces,) = Search(rotations=True).find(Eye(), [turned])
        x1, y1, x2, y2 = box
        for _ in range(quarters):  # counter-clockwise in a picture that is as wide as this one was before
            width = 401 if _ % 2 == 0 else 300
            x1, y1, x2, y2 = y1, width - x2, y2, width - x1
        np.testing.assert_allclose(faces.boxes, [[x1, y1, x2, y2]], atol=2)


@pytest.mark.full
def test_large_pictures_are_turned_no_larger_than_they_are_looked_at() -> None:
    image = np.full((3000, 4000, 3), 10, np.uint8)
    box = mark(image, 2500, 700, 700)
    turned = np.ascontiguousarray(np.rot90(image, 2))
    x1, y1, x2, y2 = 4000 - box[2], 3000 - box[3], 4000 - box[0], 3000 - box[1]
    for tiles, longest in (("off", 1280), ("auto", 2560)):
        eye = Eye()
        (faces,) = Search(rotations=True, tiles=tiles).find(eye, [turned])
        np.testing.assert_allclose(faces.boxes, [[x1, y1, x2, y2]], atol=15)
        assert eye.shown[0] == (3000, 4000, 3)
        assert all(max(shape) <= longest * 2**0.5 for shape in eye.shown[1:])


def test_pictures_of_odd_shapes_can_be_turned() -> None:
    for shape in ((1, 1), (2, 900), (900, 2), (7, 7)):
        (faces,) = Search(rotations=True).find(Eye(), [np.zeros((*shape, 3), np.uint8)])
        assert len(faces) == 0


# -- region and limits -------------------------------------------------------------------------------------------------


def test_only_the_region_is_looked_at() -> None:
    image = np.full((500, 500, 3), 10, np.uint8)
    inside, edge = mark(image, 100, 100, 40), mark(image, 190, 300, 40)
    mark(image, 400, 400, 40)
    eye = Eye()
    (faces,) = Search(region=(80, 80, 215, 340)).find(eye, [image])
    assert eye.shown[0] < image.shape
    assert_each_once(faces, np.array([inside, edge]), 0.9)  # whole, though the region ends in it
    (faces,) = Search(region=(80, 80, 205, 340)).find(Eye(), [image])
    assert_each_once(faces, np.array([inside]), 0.9)


def test_a_region_outside_of_the_picture() -> None:
    for region in ((600, 0, 700, 50), (-50, -50, 0, 0)):
        with pytest.raises(UsageError, match="lies outside of a picture of 500x400"):
            Search(region=region).find(Eye(), [np.zeros((400, 500, 3), np.uint8)])


def test_no_picture_and_many() -> None:
    search = Search(rotations=True)
    assert search.find(Eye(), []) == []
    pictures = [crowd(count, 60, shape=(600, 800), seed=count)[0] for count in (0, 1, 5)]
    assert [len(faces) for faces in search.find(Eye(), pictures)] == [0, 1, 5]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tiles": "many"}, "tiles is"),
        ({"tiles": 10}, "tiles is"),
        ({"tiles": True}, "tiles is"),
        ({"region": (0, 0, 0, 5)}, "region is"),
        ({"region": (0, 0, 5)}, "region is"),
        ({"region": "left"}, "region is"),
        ({"region": (0, 0, float("nan"), 5)}, "region is"),
        ({"min_score": 2}, "min_score is"),
        ({"min_score": "high"}, "min_score is between 0 and 1, not 'high'"),
        ({"min_size": None}, "min_size is"),
        ({"max_faces": 2.5}, "max_faces is a whole number"),
        ({"min_size": -1}, "min_size is"),
        ({"max_faces": -1}, "max_faces is"),
    ],
)
def test_options_that_are_none(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Search(**options)


def test_numbers_of_numpy_will_do() -> None:
    image, boxes = crowd(5, 30, shape=(700, 900))
    search = Search(min_score=np.float32(0.5), min_size=np.float64(3), max_faces=np.int64(9), tiles=np.int64(320))
    assert_each_once(search.find(Eye(), [image])[0], boxes)


# -- several detectors -------------------------------------------------------------------------------------------------


def squares(*greys: int) -> Image:
    image = np.full((60, 200, 3), 10, np.uint8)
    for place, grey in enumerate(greys):
        image[20:40, 10 + 40 * place : 30 + 40 * place] = grey
    return image


def test_detectors_together() -> None:
    fakes.made.clear()
    with mien.Engine(device="cpu", catalogue=fakes.catalogue(), models={"detect": "squares+others"}) as engine:
        engine.preload("detect")
        assert fakes.made == ["squares", "others"]
        faces = engine.detect(squares(250, 100, 150))
        assert faces.models["detect"] == "squares+others"
        # The first is seen by both, the second and third by one of them: half as sure.
        both = 250 / 255
        np.testing.assert_allclose(faces.scores, [0.95 * both, 0.9 * 200 / 255 / 2, 100 / 255 / 2], atol=1e-5)
        width = 20 + 2 * 0.9 / 1.9  # weighted by the scores
        np.testing.assert_allclose(faces.boxes[0], [10, 20, 10 + width, 40], atol=1e-4)
        np.testing.assert_array_equal(faces.keypoints[0, 0], [10, 20])  # those of the surest
        assert len(engine.detect(squares(250, 100, 150), min_score=0.5)) == 1
        assert len(engine.detect(squares())) == 0


def test_points_that_all_detectors_have() -> None:
    with mien.Engine(device="cpu", catalogue=fakes.catalogue(), models={"detect": "squares + noses"}) as engine:
        assert engine.detect(squares(250, 200)).keypoint_names == ("nose_tip",)


def test_teams_that_are_none() -> None:
    for models, error, message in (
        ({"detect": ["squares", "noses"]}, UsageError, r"the model for detect is an id, or several as in"),
        ({"detect": "squares+"}, UnknownModel, "no model is called ''"),
        ({"detect": "squares+mesh"}, UsageError, "does not give 'detect'"),
        ({"alignment": "mesh+points"}, UsageError, "alignment takes one model"),
    ):
        with pytest.raises(error, match=message):
            mien.Engine(device="cpu", catalogue=fakes.catalogue(), models=models)
    strict = mien.Engine(
        device="cpu", catalogue=fakes.catalogue(), models={"detect": "noses+squares"}, licenses="commercial"
    )
    with strict as engine, pytest.raises(LicenseRefused, match="squares"):
        engine.detect(squares(250))


# -- real pictures -----------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.weights
def test_real_faces_of_twenty_pixels_in_twelve_megapixels() -> None:
    detector = runner("scrfd-500m")
    files = sorted(DATA.glob("identities_johns/*/*.jpg"))[:30]
    image = np.full((3000, 4000, 3), 128, np.uint8)
    draw, boxes = np.random.default_rng(0), np.zeros((0, 4))
    for file in files:
        person = load_image(file)
        found = detector.detect([person])[0].top(1)
        scale = 20 / float(found.heights[0])
        small = resize(person, (round(len(person) * scale), round(person.shape[1] * scale)))
        x, y = int(draw.integers(4000 - small.shape[1])), int(draw.integers(3000 - len(small)))
        image[y : y + len(small), x : x + small.shape[1]] = small
        boxes = np.vstack([boxes, found.boxes * scale + np.tile([x, y], 2)])
    (without,) = Search(tiles="off").find(detector, [image])
    (faces,) = Search().find(detector, [image])
    assert len(without) == 0
    shared = iou(boxes, faces.boxes) > 0.4
    assert shared.any(axis=1).sum() >= 24
    assert shared.sum(axis=0).max() == 1
    assert len(faces) == shared.sum()


@pytest.mark.data
@pytest.mark.weights
@pytest.mark.parametrize("quarters", [1, 2, 3])
def test_real_faces_at_every_quarter_turn(quarters: int) -> None:
    """All 43 marked faces, with the eyes where they are marked."""
    found = 0
    for file, (boxes, points) in marked_faces().items():
        image = photo(f"landmarks68_boxes/{file}")
        turned = np.ascontiguousarray(np.rot90(image, quarters))
        (faces,) = Search(rotations=True).find(runner("yunet"), [turned])
        eyes = np.stack([points[:, 36:42].mean(axis=1), points[:, 42:48].mean(axis=1)], axis=1)
        width, height = image.shape[1], image.shape[0]
        for _ in range(quarters):
            eyes = np.stack([eyes[..., 1], width - 1 - eyes[..., 0]], axis=-1)
            width, height = height, width
        between = np.linalg.norm(eyes[:, 0] - eyes[:, 1], axis=1)
        apart = np.linalg.norm(faces.keypoints[None, :, :2] - eyes[:, None], axis=3).mean(axis=2) / between[:, None]
        found += int((apart.min(axis=1) < 0.45).sum())
        assert len(faces) == len(boxes)
    assert found == 43


@pytest.mark.data
@pytest.mark.weights
def test_the_verbs_take_the_options() -> None:
    with mien.Engine(device="cpu", threads=1) as engine:
        sideways = DATA / "rotated" / "rot_90.jpg"
        assert len(engine.detect(sideways)) == 0
        faces = mien.detect(sideways, rotations=True, engine=engine)
        assert len(faces) == 1
        assert faces.models["detect"] == "yunet"
        x1, y1, x2, y2 = faces.boxes[0].tolist()
        assert len(mien.detect(sideways, rotations=True, region=(x1, y1, x2, y2), tiles="off", engine=engine)) == 1
        (item,) = mien.scan(sideways, rotations=True, region=(5000, 0, 6000, 10), engine=engine)
        assert item.failure is not None
        assert item.failure.kind == "UsageError"
