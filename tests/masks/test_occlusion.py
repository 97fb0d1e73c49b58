"""Occlusion: on light and colours that are known, on things drawn before faces, and on real pictures."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import mien
from mien import assets
from mien.core.errors import CardError, UsageError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.engine import Batch
from mien.evaluation.masked import covering_layer
from mien.evaluation.obstacles import HARMLESS, OBSTACLES, draw_obstacle
from mien.evaluation.occlusion import evaluate_occlusion
from mien.location.topology import face_topology
from mien.masks.appearance import opponents, unexplained
from mien.masks.evidence import PARTS, SIDE, Evidence
from mien.masks.occlusion import FLAGS, LAYOUT, VISIBLE, Occlusion, agree
from mien.runtime.bundle import Bundle
from tests.shared import open_bundle, photo

WANT = {"landmarks", "occlusion", "hidden", "visible", "covered"}
Floats = NDArray[np.float32]


# --- appearance -------------------------------------------------------------------------------------------------------


def ball() -> tuple[Floats, NDArray[np.bool_]]:
    """Normals of a ball that faces the camera, and where it is."""
    y, x = (np.mgrid[:SIDE, :SIDE].astype(np.float32) - SIDE / 2) / np.float32(0.45 * SIDE)
    z2 = 1 - x**2 - y**2
    return np.stack([x, y, -np.sqrt(z2.clip(0))], axis=-1), z2 > 0.05


def lit(normals: Floats, way: tuple[float, float, float], color: tuple[int, int, int] = (200, 150, 120)) -> Image:
    """A ball of one colour under one light, and some from everywhere."""
    light = 0.35 + 0.65 * np.clip(normals @ (np.array(way) / np.linalg.norm(way)), 0, 1)
    return np.asarray((light[..., None] * color).clip(0, 255), np.uint8)


@pytest.mark.parametrize("way", [(0.0, 0.0, -1.0), (-1.0, -0.5, -0.7), (0.9, -0.4, -0.6)])
def test_light_from_any_side_is_explained_and_a_patch_is_not(way: tuple[float, float, float]) -> None:
    normals, skin = ball()
    crop = lit(normals, way)
    crop[70:95, 40:70] = (60, 120, 200)
    rest = unexplained(opponents(crop), normals, skin, skin.astype(np.float32))
    patch = np.zeros_like(skin)
    patch[72:93, 42:68] = True
    assert np.median(rest.color[patch & skin]) > 4 * np.quantile(rest.color[skin & ~patch], 0.75)


def test_a_patch_of_half_the_face_is_told_where_the_belief_says_which_half() -> None:
    normals, skin = ball()
    crop = lit(normals, (0, 0, -1))
    below = np.arange(SIDE)[:, None] > SIDE / 2
    crop[below & skin] = (90, 140, 160)
    rest = unexplained(opponents(crop), normals, skin, np.where(below, 0.05, 0.9).astype(np.float32) * skin)
    assert np.median(rest.color[skin & below]) > 5 > np.median(rest.color[skin & ~below])


def test_nothing_believed_is_no_error() -> None:
    normals, skin = ball()
    rest = unexplained(
        opponents(lit(normals, (0, 0, -1))), normals, np.zeros_like(skin), np.zeros(skin.shape, np.float32)
    )
    assert np.isfinite(rest.light).all()
    assert np.isfinite(rest.color).all()


# --- neighbours -------------------------------------------------------------------------------------------------------


def test_neighbours_outvote_a_cell_but_not_across_an_edge() -> None:
    zone = np.zeros((SIDE, SIDE), np.intp)
    signal = np.zeros((SIDE, SIDE, 3), np.float32)
    signal[:, SIDE // 2 :] = 1
    alone = np.full((SIDE, SIDE), -2, np.float32)
    alone[:, SIDE // 2 :] = 0.5
    alone[20, 20] = 1
    odds = agree(alone, Evidence(np.zeros((SIDE, SIDE, 0), np.float32), zone, signal), 0.7, 0.15)
    assert odds[20, 20] < 0
    assert (odds[:, SIDE // 2 :] > 0).all()


# --- things that are drawn --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def person() -> tuple[Image, Faces]:
    image = mien.load_image(assets.PEOPLE[0])
    return image, mien.analyze(image, want=WANT)


@pytest.mark.weights
@pytest.mark.parametrize("kind", sorted(OBSTACLES))
def test_what_is_drawn_covers_what_it_says(person: tuple[Image, Faces], kind: str) -> None:
    image, faces = person
    drawn, cover = draw_obstacle(image, faces.landmarks.values[0], kind, seed=3)
    assert drawn.shape == image.shape
    assert cover.shape == image.shape[:2]
    assert cover.min() >= 0
    assert cover.max() <= 1
    changed = np.abs(drawn.astype(int) - image).max(axis=2) > 30
    assert cover.any() != (kind in HARMLESS)
    assert kind in HARMLESS or (changed & (cover == 0)).sum() < 0.25 * max(changed.sum(), 1)  # a soft shadow beside it
    again, _ = draw_obstacle(image, faces.landmarks.values[0], kind, seed=3)
    np.testing.assert_array_equal(drawn, again)
    with pytest.raises(UsageError, match="there are hand"):
        draw_obstacle(image, faces.landmarks.values[0], "banana")


@pytest.mark.weights
def test_a_mask_is_told_and_its_triangles(person: tuple[Image, Faces]) -> None:
    image, faces = person
    drawn, cover = covering_layer(image, faces.landmarks.values[0], kind="surgical", seed=1)
    told = mien.analyze(drawn, want=WANT)
    region = told.occlusion.region("occluded").to_mask()
    inside = faces.occlusion.region("clear").to_mask() & np.isfinite(cover)
    covered = cover > 0.5
    oval = np.zeros(covered.shape, bool)
    x1, y1, x2, y2 = faces.boxes[0].astype(int)
    oval[y1:y2, x1:x2] = True
    assert (region & covered & inside).sum() / max(region.sum(), 1) > 0.6
    assert told.covered.named("mask_worn")[0] > 0.5 > faces.covered.named("mask_worn")[0]
    assert told.covered.named("mouth_covered")[0] > 0.5 > faces.covered.named("mouth_covered")[0]
    assert told.visible.named("mouth")[0] < 0.3
    assert told.visible.named("forehead")[0] > 0.9
    assert told.hidden.layout == LAYOUT
    assert told.hidden.values.shape == (1, 898)
    assert told.hidden.values.max() > 0.9 > 0.2 > faces.hidden.values.mean()


@pytest.mark.weights
def test_the_region_is_part_of_mask(person: tuple[Image, Faces]) -> None:
    image, faces = person
    drawn, cover = draw_obstacle(image, faces.landmarks.values[0], "cup", seed=2)
    m = mien.mask(drawn)
    assert (m.occluded.to_mask() & (cover > 0.5)).sum() > 0.7 * m.occluded.to_mask().sum() > 0
    assert (m.face & ~m.occluded) == m.region("face - occluded")
    assert m[0].occluded == m.occluded
    assert "occluded" in m.names


@pytest.mark.weights
def test_a_report_and_its_counts() -> None:
    report = evaluate_occlusion([assets.PEOPLE[0], assets.PEOPLE[1]], kinds=("clear", "cup", "surgical", "shadow"))
    assert report.people == 2
    assert report.trials == 8
    assert set(report.iou) == {"cup", "surgical", "all"}
    assert report.iou["all"].value > 0.4
    assert report.false["clear"].value < 0.1
    assert report.triangles["all"].value > 0.8
    assert set(report.flags) == set(FLAGS)


# --- bad input and many faces -----------------------------------------------------------------------------------------


@pytest.mark.weights
def test_no_face_one_and_many() -> None:
    none = mien.analyze(assets.LANDSCAPE, want=WANT)
    assert len(none) == 0
    assert none.occlusion.values.shape == (0, 2, SIDE, SIDE)
    assert none.visible.names == VISIBLE
    many = mien.analyze(assets.GROUP, want=WANT)
    one = mien.analyze(assets.GROUP, faces=many[[1]].only(set()), want=WANT)
    np.testing.assert_allclose(one.visible.values[0], many.visible.values[1], atol=0.05)
    assert np.nanmin(many.visible.named("face")) > 0.7
    back = Faces.from_dicts(many.to_dicts())
    np.testing.assert_allclose(back.hidden.values, many.hidden.values, atol=1e-3)
    assert back.occlusion.region("occluded").iou(many.occlusion.region("occluded")) > 0.8


@pytest.mark.weights
def test_beyond_the_border_is_neither_visible_nor_occluded(person: tuple[Image, Faces]) -> None:
    image, faces = person
    nose = int(faces.landmarks.values[0, 4, 1])
    cut = mien.analyze(image[: nose + 10], faces=Faces.from_boxes(faces.boxes), want=WANT)
    if bool(cut.visible.abstained[0]):
        pytest.skip("the mesh sees no face in half a picture")
    assert np.isnan(cut.visible.named("chin")[0])
    assert np.isnan(cut.covered.named("mouth_covered")[0])
    assert cut.visible.named("forehead")[0] > 0.8


@pytest.mark.weights
def test_gray_and_tilted_faces_are_clear_and_tiny_ones_abstain(person: tuple[Image, Faces]) -> None:
    import cv2

    image, faces = person
    gray = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2)
    for picture in (gray, mien.load_image(assets.SIDEWAYS), image[:, ::-1].copy()):
        told = mien.analyze(picture, want=WANT)
        assert told.visible.named("face")[0] > 0.9
        assert np.nanmax(told.covered.values) < 0.5
    small = cv2.resize(image, None, fx=24 / faces.heights[0], fy=24 / faces.heights[0], interpolation=cv2.INTER_AREA)
    tiny = mien.analyze(np.pad(small, ((30, 30), (30, 30), (0, 0)), mode="edge"), want=WANT)
    assert tiny.occlusion.abstained.all()
    assert tiny.occlusion.region("occluded").area == 0
    assert "too small" in str(tiny.visible.reasons[0])


@pytest.mark.weights
def test_without_a_mesh_the_five_points_do(person: tuple[Image, Faces]) -> None:
    image, _ = person
    told = mien.analyze(image, want={*WANT, "alignment", "parse"})
    blind = told.with_columns(
        {"landmarks": type(told.landmarks)(told.landmarks.values * np.nan, layout="mesh478", reasons=("none",))}
    )
    runner = mien.default_engine().runner("visible")
    columns = runner.describe(Batch([image], np.zeros(1, np.intp), blind))
    assert columns["visible"].values[0, VISIBLE.index("face")] > 0.8
    lost = blind.with_columns(
        {"alignment": type(told.alignment)(told.alignment.values * np.nan, names=told.alignment.names, reasons=("no",))}
    )
    columns = runner.describe(Batch([image], np.zeros(1, np.intp), lost))
    assert columns["visible"].abstained.all()
    assert columns["visible"].reasons[0]


@pytest.mark.weights
def test_boxes_alone_are_enough(person: tuple[Image, Faces]) -> None:
    image, faces = person
    told = mien.analyze(image, faces=Faces.from_boxes(faces.boxes), want=WANT)
    np.testing.assert_allclose(told.visible.values, faces.visible.values, atol=0.05)


@pytest.mark.weights
def test_pictures_of_a_batch_are_told_of_as_one_by_one(person: tuple[Image, Faces]) -> None:
    image, group = person[0], mien.load_image(assets.GROUP)
    runner, needs = mien.default_engine().runner("occlusion"), {"landmarks", "alignment", "parse"}
    one, many = mien.analyze(image, want=needs), mien.analyze(group, want=needs)
    both = Faces.concat([one, many])
    owner = np.repeat([0, 1], [len(one), len(many)])
    together = runner.describe(Batch([image, group], owner, both))
    alone = runner.describe(Batch([group], np.zeros(len(many), np.intp), many))
    for name in ("occlusion", "hidden", "visible", "covered"):
        np.testing.assert_array_equal(together[name].values[len(one) :], alone[name].values)


@pytest.mark.weights
def test_faces_that_abstained_still_do_when_they_come_back_from_json() -> None:
    flat = np.full((200, 200, 3), 128, np.uint8)
    boxes = Faces.from_boxes([[20.0, 20.0, 120.0, 120.0]])
    first = mien.analyze(flat, faces=boxes, want={"landmarks", "alignment", "parse"})
    told = mien.analyze(flat, faces=Faces.from_dicts(first.to_dicts()), want=WANT)
    assert told.visible.abstained.all()
    assert "presence" in str(told.visible.reasons[0])
    assert np.isnan(told.hidden.values).all()


@pytest.mark.weights
@pytest.mark.data
def test_what_a_profile_hides_by_itself_is_not_occluded() -> None:
    turned = mien.analyze(photo("pose/image00475.jpg"), want={*WANT, "pose"}).top(1)
    assert abs(float(turned.pose.yaw[0])) > 40
    corners = turned.landmarks.values[0][face_topology().triangles]
    sides = corners[:, 1:, :2] - corners[:, :1, :2]
    area = sides[:, 0, 0] * sides[:, 1, 1] - sides[:, 0, 1] * sides[:, 1, 0]
    away = np.sign(area) != np.sign(np.median(area))
    assert away.sum() > 100
    assert not turned.hidden.values[0, away].any()
    assert turned.visible.named("face")[0] > 0.8


@pytest.mark.weights
@pytest.mark.data
def test_a_mask_behind_which_the_mesh_sees_no_face_is_told_by_the_five_points() -> None:
    image = mien.load_image(photo("identities/Ariel_Sharon/Ariel_Sharon_0004.jpg"))
    clear = mien.analyze(image, want=WANT).top(1)
    # Which prints hide the face from the mesh is a matter of the processor's rounding.
    masked = (covering_layer(image, clear.landmarks.values[0], kind="surgical", seed=seed) for seed in range(20))
    found = ((mien.analyze(drawn, want=WANT).top(1), cover) for drawn, cover in masked)
    told, cover = next((told, cover) for told, cover in found if told.landmarks.abstained.all())
    assert told.covered.named("mask_worn")[0] > 0.3 > 0.05 > clear.covered.named("mask_worn")[0]
    assert told.covered.named("mouth_covered")[0] > 0.5 > told.covered.named("eyes_covered")[0]
    region = told.occlusion.region("occluded").to_mask()
    assert (region & (cover > 0.5)).sum() > 0.6 * region.sum() > 0


@pytest.mark.weights
def test_a_card_without_its_numbers_is_refused() -> None:
    from dataclasses import replace

    bundle = open_bundle("occlusion")
    card = replace(bundle.card, params={**bundle.card.params, "evidence": {}})
    with pytest.raises(CardError, match="zone"):
        Occlusion(Bundle(card, {"geometry": bundle.path("geometry")}, bundle.options))


@pytest.mark.weights
@pytest.mark.data
def test_real_sunglasses_a_cap_and_clear_faces() -> None:
    dark = mien.analyze(photo("identities/Arnold_Schwarzenegger/Arnold_Schwarzenegger_0008.jpg"), want=WANT).top(1)
    assert dark.covered.named("eyes_covered")[0] > 0.5 > dark.covered.named("mouth_covered")[0]
    for name in ("0001", "0005", "0010"):
        clear = mien.analyze(photo(f"identities/George_W_Bush/George_W_Bush_{name}.jpg"), want=WANT).top(1)
        assert clear.visible.named("face")[0] > 0.9
        assert np.nanmax(clear.covered.values) < 0.5
    assert set(PARTS) < set(VISIBLE)
