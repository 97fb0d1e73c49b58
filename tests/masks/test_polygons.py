"""Parsing by the mesh: its classes, what the head hides, faces in any place and turn, and which policy has it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import ArrayLike, NDArray
from PIL import Image as PILImage

import mien
from mien.core.columns import Points, Regions
from mien.core.errors import LicenseRefused
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.core.layouts import indices_of
from mien.core.mesh import Topology
from mien.core.parts import CELEBAMASK
from mien.core.region import Region
from mien.engine import Batch, Engine
from mien.location.canonical import CanonicalFace
from mien.masks.polygons import MESH_CLASSES, triangle_classes
from mien.models.license import Policy
from tests.shared import DATA, open_bundle, photo, runner

SIDE = 500
Points3 = NDArray[np.float32]


def topology() -> Topology:
    return CanonicalFace.read(open_bundle("parse-mesh").path("geometry")).topology


def head(*, yaw: float = 0.0, roll: float = 0.0, scale: float = 22.0, at: ArrayLike = (250, 250, 0)) -> Points3:
    """The canonical face in a picture, at `scale` pixels a centimetre, with irises anywhere."""
    points = topology().vertices @ rotation_matrix([yaw, 0, roll]).T * scale
    return np.concatenate([points, np.zeros((10, 3))]).astype(np.float32) + np.asarray(at, np.float32)


def faces(*meshes: Points3) -> Faces:
    points = np.stack(meshes) if meshes else np.zeros((0, 478, 3), np.float32)
    found = Faces.from_boxes(np.tile([0, 0, SIDE, SIDE], (len(points), 1)), image_size=(SIDE, SIDE))
    return replace(found, columns={"landmarks": Points(points, layout="mesh478")})


def parse(*meshes: Points3) -> Regions:
    pictures = [np.zeros((SIDE, SIDE, 3), np.uint8)]
    batch = Batch(pictures, np.zeros(len(meshes), np.intp), faces(*meshes))
    column = runner("parse-mesh").describe(batch)["parse"]
    assert isinstance(column, Regions)
    return column


def middle(region: Region) -> NDArray[np.float64]:
    rows, columns = np.nonzero(region.to_mask())
    return np.array([columns.mean(), rows.mean()])


def test_the_fallback_is_what_strict_licenses_leave() -> None:
    usual: dict[Policy, str] = {"any": "bisenet", "commercial": "bisenet", "strict": "parse-mesh"}
    for policy, model in usual.items():
        with Engine(licenses=policy) as engine:
            assert engine.choose("parse").id == model
    with Engine(licenses="strict") as engine:
        assert [card.id for card in engine.plan({"parse"}, available={"landmarks"})] == ["parse-mesh"]
        with pytest.raises(LicenseRefused, match="no model for landmarks is allowed: facemesh"):
            engine.plan({"parse"})


@pytest.mark.weights
def test_own_points_are_parsed_under_strict_licenses() -> None:
    blank = np.full((SIDE, SIDE, 3), 90, np.uint8)
    with Engine(licenses="strict", threads=1) as engine:
        m = mien.mask(blank, faces=faces(head(), head(at=(350, 250, 0))), engine=engine)
        assert m.faces.models["parse"] == "parse-mesh"
        assert (m[0].nose | m[1].nose) == m.nose
        assert "lips" in m.names
        assert "hair" not in m.names
        with pytest.raises(AttributeError, match=r"no region is called 'hair' here.* there are .*brows"):
            _ = m.hair
        with pytest.raises(mien.UsageError, match="has one size only"):
            mien.mask(blank, faces=faces(head()), size="fine", engine=engine)


@pytest.mark.weights
def test_triangles_have_classes_and_both_sides_as_many() -> None:
    classes = triangle_classes(topology())
    counts = dict(zip(MESH_CLASSES, np.bincount(classes, minlength=len(MESH_CLASSES)), strict=True))
    assert tuple(name for name in CELEBAMASK if name in MESH_CLASSES) == MESH_CLASSES
    assert counts["background"] == 0
    assert counts["l_eye"] == counts["r_eye"] == 14  # a ring of 16 points
    assert counts["l_brow"] == counts["r_brow"] == 8
    assert counts["mouth"] == 18
    assert counts["u_lip"] == counts["l_lip"]
    assert counts["nose"] % 2 == 0


@pytest.mark.weights
def test_regions_are_the_polygons_of_the_mesh() -> None:
    mesh = head()
    column = parse(mesh)[0]
    for name, outline in {
        "left_eye": "left_eye",
        "right_eye": "right_eye",
        "left_brow": "left_brow",
        "face": "face_oval",
    }.items():
        polygon = Region.from_polygons([mesh[indices_of("mesh478", outline), :2]], (SIDE, SIDE))
        assert column.region(name).iou(polygon) > (0.98 if name == "face" else 0.9), name
    assert middle(column.region("left_eye"))[0] > middle(column.region("nose"))[0]
    assert middle(column.region("upper_lip"))[1] < middle(column.region("lower_lip"))[1]
    assert column.region("mouth").area < 0.4 * column.region("lips").area  # the canonical mouth is hardly open


@pytest.mark.weights
@settings(max_examples=8)
@given(st.floats(-180, 180), st.floats(8, 22), st.floats(200, 300))
def test_any_turn_and_size(roll: float, scale: float, x: float) -> None:
    both = parse(head(), head(roll=roll, scale=scale, at=(x, 250, 0)))
    turn = rotation_matrix([0, 0, roll])[:2, :2] * (scale / 22)
    cell = 1 / float(both.grids[1, 0])  # pixels
    # In cells: wide regions lie where they should, and the corners of eyes and lips, thinner than a cell, come and go
    # with where the grid's cells lie. Of 1,200 drawn at random the furthest: 0.09, 0.20, 0.26, 0.41.
    for name, most in {"face": 0.15, "nose": 0.3, "lips": 0.4, "left_eye": 0.6}.items():
        before, after = both[0].region(name), both[1].region(name)
        assert after.area == pytest.approx(before.area * (scale / 22) ** 2, rel=0.01 if name == "face" else 0.1)
        assert np.abs(turn @ (middle(before) - 250) + (x, 250) - middle(after)).max() < most * cell


@pytest.mark.weights
def test_what_the_head_hides_is_not_there() -> None:
    both = parse(head(), head(yaw=75))  # to the picture's right: the subject's left side is the far one
    ahead, turned = both[0], both[1]
    assert turned.region("left_eye").area < 0.05 * ahead.region("left_eye").area
    assert turned.region("right_eye").area > 0.2 * ahead.region("right_eye").area
    assert turned.region("nose").bbox[2] > turned.region("skin").bbox[2]  # in front of the cheek's edge


@pytest.mark.weights
def test_mouths_and_eyes_open_and_close() -> None:
    mesh, ring = head(), indices_of("mesh478", "lips_inner")
    shut = mesh.copy()
    shut[ring[1:10]] = shut[ring[:10:-1]]
    assert parse(shut)[0].region("mouth").area < 5
    mesh[mesh[:, 1] > mesh[ring[[0, 10]], 1].max() + 1, 1] += 20  # all that is below the corners
    lids = indices_of("mesh478", "left_eye")
    mesh[lids[1:8], :2] = mesh[lids[:8:-1], :2]  # the upper lid's points to the lower one's
    column = parse(mesh)[0]
    polygon = Region.from_polygons([mesh[indices_of("mesh478", "lips_inner"), :2]], (SIDE, SIDE))
    assert column.region("mouth").iou(polygon) > 0.9
    assert column.region("left_eye").area < 5
    assert column.region("right_eye").area > 100


@pytest.mark.weights
def test_no_face_no_mesh_and_tiny_ones() -> None:
    assert parse().values.shape[0] == 0
    column = parse(head(), np.full((478, 3), np.nan, np.float32), head(scale=0.8), head(at=(490, 250, 0)))
    assert column.abstained.tolist() == [False, True, False, False]
    assert column.reasons[1] == "the face has no mesh"
    assert column[1].region("skin") == Region.empty((SIDE, SIDE))
    tiny = column[2].region("face")  # 12 pixels wide
    assert 100 < tiny.area < 200
    assert tiny.levels.max() == 255
    assert column[3].region("face").bbox[2] == SIDE
    flat = head() * np.array([1, 1, 0], np.float32)
    assert parse(flat)[0].region("face").area == pytest.approx(column[0].region("face").area, rel=0.01)
    parse(np.full((478, 3), 7, np.float32))  # all points in one: no error


@pytest.mark.weights
@pytest.mark.data
def test_iou_with_marked_regions() -> None:
    # Four photos: a check that nothing is wrong, not a measure of how good it is.
    hits: dict[str, int] = {}
    union: dict[str, int] = {}
    with Engine(threads=1, models={"parse": "parse-mesh"}) as engine:
        for index in range(4):
            truth = np.asarray(PILImage.open(DATA / f"parsing/maskgan/{index}.png").resize((1024, 1024), 0))
            m = mien.mask(photo(f"parsing/maskgan/{index}.jpg"), engine=engine)
            for name in MESH_CLASSES[1:]:
                mine, marked = m.region(name).to_mask(), truth == CELEBAMASK.index(name)
                hits[name] = hits.get(name, 0) + int((mine & marked).sum())
                union[name] = union.get(name, 0) + int((mine | marked).sum())
    least = {"skin": 0.7, "nose": 0.75, "l_eye": 0.75, "r_eye": 0.75, "u_lip": 0.65, "l_lip": 0.7, "l_brow": 0.4}
    assert {name: hits[name] / union[name] for name in least if hits[name] / union[name] < least[name]} == {}
