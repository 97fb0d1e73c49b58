"""Teeth, irises, sclera and outlines: on drawn faces whose regions are known, and on real ones."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

import mien
from mien.core.columns import Levels, Points
from mien.core.faces import Face, Faces
from mien.core.image import Image
from mien.core.layouts import LAYOUTS, indices_of
from mien.core.region import Region
from mien.location.topology import face_topology
from mien.masks.details import DETAILS
from tests.shared import photo

SIDE = 400
RINGS = {  # middle and half axes
    "right_eye": (130, 150, 36, 16),
    "left_eye": (270, 150, 36, 16),
    "right_iris": (130, 150, 15, 15),
    "left_iris": (276, 150, 15, 15),
    "lips_outer": (200, 300, 62, 40),
    "lips_inner": (200, 300, 50, 26),
    "right_cheek": (100, 240, 30, 30),
    "left_cheek": (300, 240, 30, 30),
    "chin": (200, 362, 30, 12),
    "face_oval": (200, 210, 150, 180),
}
LIPS, MOUTH, SKIN = (170, 70, 80), (50, 15, 15), (205, 150, 125)


def ellipse(x: float, y: float, a: float, b: float, count: int) -> NDArray[np.float64]:
    """From the picture's left over the top to the right, as the rings of the layout run."""
    turn = np.pi + np.linspace(0, 2 * np.pi, count, endpoint=False)
    return np.stack([x + a * np.cos(turn), y + b * np.sin(turn)], axis=1)


def mesh(**changed: tuple[float, float, float, float]) -> NDArray[np.float32]:
    points = np.tile(np.array([200, 210, 0], np.float32), (478, 1))
    for name, ring in {**RINGS, **changed}.items():
        numbers = indices_of("mesh478", name)
        points[numbers, :2] = ellipse(*ring, len(numbers))
    return points


def disc(x: float, y: float, a: float, b: float) -> NDArray[np.bool_]:
    rows, columns = np.mgrid[:SIDE, :SIDE]
    return np.asarray(((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 < 1)


def drawn(*, skin: tuple[int, int, int] = SKIN, teeth: tuple[int, int, int] | None = (215, 205, 180)) -> Image:
    image = np.full((SIDE, SIDE, 3), skin, np.uint8)
    for side in ("left", "right"):
        image[disc(*RINGS[f"{side}_eye"])] = (225, 220, 220)
        image[disc(*RINGS[f"{side}_iris"]) & disc(*RINGS[f"{side}_eye"])] = (70, 50, 40)
    image[disc(*RINGS["lips_outer"])] = np.multiply(LIPS, max(skin) / 205).astype(np.uint8)
    image[disc(*RINGS["lips_inner"])] = MOUTH
    image[disc(200, 316, 30, 9)] = (180, 80, 85)  # the tongue
    if teeth is not None:
        image[true_teeth()] = teeth
    noise = np.random.default_rng(0).normal(0, 4, image.shape)
    return np.clip(image + noise, 0, 255).astype(np.uint8)


def true_teeth() -> NDArray[np.bool_]:
    return np.asarray(disc(*RINGS["lips_inner"]) & (np.mgrid[:SIDE, :SIDE][0] < 300))


def face(image: Image, points: NDArray[np.float32], *, visible: float = 1.0) -> Face:
    height, width = image.shape[:2]
    seen = np.where(np.isnan(points).any(), np.nan, visible)
    return replace(
        Faces.from_boxes([[0, 0, width, height]], image_size=(width, height)),
        columns={
            "landmarks": Points(points[None], layout="mesh478"),
            "visibility": Levels(np.full((1, 478), seen, np.float32), layout="mesh478"),
        },
    ).with_image(image)[0]


def iou(region: Region, truth: NDArray[np.bool_]) -> float:
    mask = region.to_mask()
    return float((mask & truth).sum() / (mask | truth).sum())


@pytest.mark.parametrize(
    ("skin", "teeth"),
    [
        (SKIN, (215, 205, 180)),
        (SKIN, (200, 170, 110)),  # yellow ones
        ((95, 60, 45), (200, 190, 170)),
        ((95, 60, 45), (120, 112, 95)),  # in the shade
        ((150, 150, 150), (200, 200, 200)),
    ],
)
def test_teeth(skin: tuple[int, int, int], teeth: tuple[int, int, int]) -> None:
    image = drawn(skin=skin, teeth=teeth)
    if len(set(skin)) == 1:
        image = np.repeat(image.mean(axis=2, keepdims=True), 3, axis=2).astype(np.uint8)
    assert iou(DETAILS["teeth"](face(image, mesh())), true_teeth()) > 0.93


def test_no_teeth_in_an_empty_or_a_closed_mouth() -> None:
    assert not DETAILS["teeth"](face(drawn(teeth=None), mesh()))
    for narrow in (mesh(lips_inner=(200, 300, 50, 0.5)), mesh(lips_inner=(200, 300, 50, -3))):
        assert not DETAILS["teeth"](face(np.full((SIDE, SIDE, 3), LIPS, np.uint8), narrow))


def test_highlights_on_lips_are_no_teeth() -> None:
    image = drawn()
    wet = np.s_[327:331, 180:220]
    image[wet] = 230
    teeth = DETAILS["teeth"](face(image, mesh()))
    assert not teeth.to_mask()[wet].any()
    assert iou(teeth, true_teeth()) > 0.93


def test_mouths_of_a_few_pixels_have_no_teeth() -> None:
    small = np.ascontiguousarray(drawn()[::6, ::6])
    assert not DETAILS["teeth"](face(small, mesh() / np.float32(6)))


def test_clenched_teeth_fill_the_mouth() -> None:
    image = drawn()
    whole = disc(*RINGS["lips_inner"])
    image[whole] = (220, 210, 190)
    image[whole & (np.mgrid[:SIDE, :SIDE][1] % 14 == 0)] = (120, 100, 90)  # gaps
    assert iou(DETAILS["teeth"](face(image, mesh())), whole) > 0.85


def test_irises_and_sclera_share_an_eye() -> None:
    one = face(drawn(), mesh())
    for side in ("left", "right"):
        eye, iris = disc(*RINGS[f"{side}_eye"]), disc(*RINGS[f"{side}_iris"])
        assert iou(DETAILS[f"{side}_iris"](one), eye & iris) > 0.95
        assert iou(DETAILS[f"{side}_sclera"](one), eye & ~iris) > 0.85
    assert DETAILS["irises"](one) == DETAILS["left_iris"](one) | DETAILS["right_iris"](one)
    assert (DETAILS["sclera"](one) & DETAILS["irises"](one)).area < 0.03 * DETAILS["irises"](one).area
    assert DETAILS["left_iris"](one).bbox[0] > DETAILS["right_iris"](one).bbox[2]  # the subject's left


def test_an_iris_that_is_elsewhere_than_the_mesh_says_is_not_white() -> None:
    wrong = face(drawn(), mesh(left_iris=(266, 150, 15, 15)))
    seen = disc(*RINGS["left_iris"]) & ~disc(266, 150, 16, 16)
    assert (DETAILS["left_sclera"](wrong).to_mask() & seen).sum() < 0.1 * seen.sum()


def test_closed_and_hidden_eyes_have_nothing() -> None:
    blink = face(drawn(), mesh(left_eye=(270, 150, 36, 2)))
    assert not DETAILS["left_iris"](blink)
    assert not DETAILS["left_sclera"](blink)
    assert DETAILS["right_iris"](blink)
    behind = face(drawn(), mesh(), visible=0.2)
    assert {name for name, render in DETAILS.items() if render(behind)} == {"oval"}


def test_outlines() -> None:
    one = face(drawn(), mesh())
    assert iou(DETAILS["oval"](one), disc(*RINGS["face_oval"])) > 0.98
    for name in ("left_cheek", "right_cheek"):
        assert iou(DETAILS[name](one), disc(*RINGS[name])) > 0.9, name


def test_the_oval_of_a_turned_head_has_what_is_before_its_outline() -> None:
    points = mesh()
    nose = indices_of("mesh478", "nose_bridge")
    points[nose, :2] = np.stack([np.full(6, 380), np.linspace(150, 270, 6)], axis=1)  # out of the outline
    region = DETAILS["oval"](face(drawn(), points)).to_mask()
    outline = disc(*RINGS["face_oval"])
    assert (region & ~outline).sum() > 500
    assert (outline & ~region).sum() < 0.01 * outline.sum()


def test_turned_pictures_have_turned_regions() -> None:
    points = mesh()
    turned = points.copy()
    turned[:, 0], turned[:, 1] = SIDE - 1 - points[:, 1], points[:, 0]  # a quarter clockwise
    image = drawn()
    other = np.ascontiguousarray(np.rot90(image, -1))
    for name, render in DETAILS.items():
        before, after = render(face(image, points)).to_mask(), render(face(other, turned)).to_mask()
        assert (np.rot90(before, -1) ^ after).sum() < 0.05 * before.sum(), name


def test_no_mesh_tiny_faces_and_faces_at_the_border() -> None:
    blank = np.full((SIDE, SIDE, 3), 128, np.uint8)
    nobody = face(blank, np.full((478, 3), np.nan, np.float32))
    tiny = face(blank, mesh() * np.float32(0.02))
    outside = face(blank, mesh() + np.float32(1000))
    again = Faces.from_dicts(nobody.faces.to_dicts(), image_size=(SIDE, SIDE)).with_image(blank)[0]
    for render in DETAILS.values():
        assert render(again) == Region.empty((SIDE, SIDE))
        assert render(nobody) == render(outside) == Region.empty((SIDE, SIDE))
        assert render(tiny).area < 40  # of the oval, which is 6 pixels wide
    assert not DETAILS["irises"](tiny)
    assert not DETAILS["teeth"](tiny)
    cut = face(drawn()[:, 200:], mesh() - np.array([200, 0, 0], np.float32))
    assert iou(DETAILS["oval"](cut), disc(*RINGS["face_oval"])[:, 200:]) > 0.98
    assert DETAILS["teeth"](cut)
    assert not DETAILS["right_iris"](cut)


def test_all_outlines_are_regions_of_the_mesh() -> None:
    assert {"left_cheek", "right_cheek", "forehead", "chin"} <= DETAILS.keys() & LAYOUTS["mesh478"].regions.keys()


@pytest.mark.weights
@pytest.mark.parametrize(("yaw", "least"), [(0, 0.99), (25, 0.985), (-40, 0.98), (60, 0.96), (90, 0.985)])
def test_the_oval_is_what_the_mesh_covers(yaw: float, least: float) -> None:
    topology = face_topology()
    turn = np.radians(yaw)
    x = topology.vertices @ (np.cos(turn), 0, np.sin(turn)) * 18 + SIDE / 2
    points = np.zeros((478, 3), np.float32)
    points[:468, :2] = np.stack([x, topology.vertices[:, 1] * 18 + SIDE / 2], axis=1)
    covered = np.zeros((SIDE, SIDE), np.uint8)
    for triangle in points[topology.triangles, :2]:
        cv2.fillConvexPoly(covered, np.rint(triangle * 16).astype(np.int32), (1,), shift=4)
    assert iou(DETAILS["oval"](face(drawn(), points)), covered > 0) > least


@pytest.mark.data
@pytest.mark.weights
@pytest.mark.parametrize(
    ("name", "share"),
    [
        ("parsing/maskgan/1.jpg", 0.0),
        ("parsing/maskgan/3.jpg", 0.0),
        ("landmarks68_boxes/Tom_Cruise_avp_2014_4.jpg", 0.4),
    ],
)
def test_real_mouths_and_eyes(name: str, share: float) -> None:
    m = mien.mask(photo(name))
    one = m[0]
    mouth = Region.from_polygons([m.faces[0].landmarks.values[indices_of("mesh478", "lips_inner"), :2]], m.size)
    assert one.teeth.area >= share * mouth.area
    assert bool(one.teeth) == bool(share)
    for side in ("left", "right"):
        eye = one.region(f"{side}_eye").dilate(0.02 * (m.faces[0].box[2] - m.faces[0].box[0]))  # it sees them small
        seen = one.region(f"{side}_iris | {side}_sclera")
        assert (seen & eye).area > 0.7 * seen.area
