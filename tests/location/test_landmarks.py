"""68 and 106 points and visibility: on meshes whose answers are known, and on real faces against marks."""

from __future__ import annotations

import functools
import io
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien import assets
from mien.core.columns import Points
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.core.layouts import LAYOUTS, indices_of
from mien.core.mesh import warp_mesh
from mien.engine import Engine
from mien.engine.steps import Batch
from mien.location.ibug68 import MIRRORED, NEAREST, Correction, upright_shapes
from mien.location.landmarks import Landmarks68
from mien.location.topology import face_topology
from mien.models.catalogue import Catalogue
from mien.runtime.bundle import Bundle
from mien.runtime.session import SessionOptions
from tests.location.meshes import boxes_only, described, found, mirrored, real_test, rotated
from tests.shared import DATA, marked_faces, photo

Doubles = NDArray[np.float64]
MODELS = ("facemesh", "landmarks68", "landmarks-106", "visibility")


def faces_like(seed: int, count: int = 3) -> Doubles:
    """68 points near the shape that the correction was fitted around, in pixels."""
    noise = np.random.default_rng(seed).normal(scale=0.02, size=(count, 68, 3))
    return (Correction.shipped().mean + noise) * 100 + [300, 200, 0]


def step(model: str) -> Landmarks68:
    return Landmarks68(Bundle(Catalogue.load()[model], {}, SessionOptions(threads=1)))


# --- without weights --------------------------------------------------------------------------------------------------


@given(st.integers(0, 50), st.floats(-179, 179), st.floats(0.1, 20), st.floats(-1000, 1000))
def test_the_correction_turns_grows_and_moves_with_the_face(seed: int, degrees: float, scale: float, x: float) -> None:
    points = faces_like(seed)
    angle = np.deg2rad(degrees)
    turn = scale * np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
    there = np.concatenate([points[..., :2] @ turn + [x, -x], points[..., 2:] * scale], axis=2)
    corrected = Correction.shipped()(points)
    expected = corrected[..., :2] @ turn + [x, -x]
    np.testing.assert_allclose(Correction.shipped()(there)[..., :2], expected, atol=0.01 * scale)
    np.testing.assert_array_equal(corrected[..., 2], points[..., 2])


@given(st.integers(0, 50))
def test_the_correction_treats_both_sides_alike(seed: int) -> None:
    points = faces_like(seed)
    mirror = (points * [-1, 1, 1])[:, MIRRORED]
    np.testing.assert_allclose(
        Correction.shipped()(mirror), (Correction.shipped()(points) * [-1, 1, 1])[:, MIRRORED], atol=0.3
    )


@functools.cache
def longest_move() -> float:
    correction = Correction.shipped()
    return float(np.linalg.norm(correction.weights, 2) * correction.reach)


@given(st.integers(0, 50), st.floats(2, 50))
def test_the_correction_is_not_stretched_beyond_what_it_has_seen(seed: int, factor: float) -> None:
    correction = Correction.shipped()
    away = faces_like(seed) - faces_like(seed).mean(axis=0)
    far = faces_like(seed)[:1] + away[:1] * factor * 20
    shapes, maps, middles = upright_shapes(far)
    moved = (correction(far)[..., :2] - middles) @ np.linalg.inv(maps) - shapes[..., :2]
    assert np.linalg.norm(moved - correction.bias) <= longest_move() * 1.001


def test_a_mirror_image_of_a_mirror_image_is_the_picture() -> None:
    np.testing.assert_array_equal(MIRRORED[MIRRORED], np.arange(68))
    regions = LAYOUTS["ibug68"].regions
    for part in ("eye", "brow"):
        assert set(MIRRORED[list(regions[f"right_{part}"])]) == set(regions[f"left_{part}"])
    assert len(set(NEAREST.tolist())) == 68


def test_the_correction_is_read_as_it_was_written() -> None:
    file = io.BytesIO()
    Correction.shipped().write(file)
    file.seek(0)
    again = Correction.read(file)
    np.testing.assert_array_equal(again.weights, Correction.shipped().weights)
    assert again.reach == Correction.shipped().reach


def test_faces_without_a_mesh_abstain_with_the_reason() -> None:
    values = np.full((3, 478, 3), np.nan, np.float32)
    values[1] = np.random.default_rng(0).uniform(0, 100, (478, 3))
    column = Points(values, layout="mesh478", reasons=("too dark", None, None))
    faces = Faces.from_boxes(np.ones((3, 4))).with_columns({"landmarks": column})
    for model in ("landmarks68", "landmarks68-nearest"):
        points = step(model).describe(Batch([], np.zeros(3, np.intp), faces))["landmarks68"]
        assert points.abstained.tolist() == [True, False, True]
        assert points.reasons == ("too dark", None, "the face has no mesh")
    np.testing.assert_array_equal(points.values[1], values[1, NEAREST])


@pytest.mark.weights
def test_where_the_fitted_table_is_not_allowed_the_mesh_points_stand_in() -> None:
    with Engine(threads=1, licenses="commercial") as engine:
        faces = engine.analyze(assets.PEOPLE[0], want={"landmarks", "landmarks68"})
    assert faces.models["landmarks68"] == "landmarks68-nearest"
    np.testing.assert_array_equal(faces.landmarks68.values, faces.landmarks.values[:, NEAREST])


@pytest.mark.parametrize("model", ["landmarks68", "landmarks68-nearest"])
@pytest.mark.parametrize("shape", [(0, 478, 3), (2, 0, 0)], ids=["no faces", "none read from JSON"])
def test_no_faces(model: str, shape: tuple[int, ...]) -> None:
    column = Points(np.zeros(shape, np.float32), layout="mesh478")
    faces = Faces.from_boxes(np.ones((shape[0], 4))).with_columns({"landmarks": column})
    points = step(model).describe(Batch([], np.zeros(shape[0], np.intp), faces))["landmarks68"]
    assert points.values.shape == (shape[0], 68, 3)
    assert points.abstained.all()


def test_a_card_that_does_not_say() -> None:
    card = replace(Catalogue.load()["landmarks68"], params={})
    with pytest.raises(CardError, match=r"params\.corrected"):
        Landmarks68(Bundle(card, {}, SessionOptions()))


# --- with weights, on real faces --------------------------------------------------------------------------------------


def errors(points: NDArray[Any], marks: Doubles) -> float:
    eyes = np.linalg.norm(marks[:, 36] - marks[:, 45], axis=1)
    return float((np.linalg.norm(points[..., :2] - marks, axis=2).mean(axis=1) / eyes).mean())


@real_test
def test_68_points_are_where_they_are_marked() -> None:
    given, moved, nearest = list[int](), list[float](), list[float]()
    for file in sorted(marked_faces())[4:]:  # the photos of the testing list
        boxes, marks = marked_faces()[file]
        image = photo(f"landmarks68_boxes/{file}")
        for model, rows in (("landmarks68", moved), ("landmarks68-nearest", nearest)):
            faces = described([image], [Faces.from_boxes(boxes)], "facemesh", model)
            rows.append(errors(faces.landmarks68.values, marks))
        given.append(len(marks))
    assert np.average(moved, weights=given) < 0.045
    assert np.average(moved, weights=given) < 0.8 * np.average(nearest, weights=given)


@real_test
def test_all_sets_agree_on_where_things_are() -> None:
    image = photo("pose/image00050.jpg")
    faces = described([image], [found(image).top(1)], *MODELS)
    eyes = np.linalg.norm(np.diff(faces.landmarks.values[0, [33, 263], :2], axis=0))
    for region in ("right_eye", "left_eye", "nose_tip", "lips_outer", "right_brow", "left_brow"):
        places = [
            getattr(faces, field)[0].region(region)[:, :2].mean(axis=0)
            for field in ("landmarks", "landmarks68", "landmarks106")
        ]
        assert np.ptp(places, axis=0).max() < 0.12 * eyes, region
    assert faces.landmarks106.layout == "insightface106"
    assert faces.landmarks68.layout == "ibug68"


@real_test
@pytest.mark.parametrize("degrees", [90, 180, -45])
def test_106_points_follow_a_turned_head(degrees: float) -> None:
    image = photo("pose/image00050.jpg")
    plain = described([image], [found(image).top(1)], *MODELS)
    canvas, faces, m = rotated(image, found(image).top(1), degrees)
    turned = described([canvas], [boxes_only(faces)], *MODELS)
    there = plain.landmarks106.values @ m[:, :2].T + m[:, 2]
    eyes = np.linalg.norm(np.diff(plain.landmarks.values[0, [33, 263], :2], axis=0))
    assert np.linalg.norm(turned.landmarks106.values - there, axis=2).mean() < 0.05 * eyes


@real_test
def test_the_far_side_of_a_turned_head_is_hidden() -> None:
    image = photo("pose/image00475.jpg")  # turned to the picture's left: the subject's right side is away
    plain = described([image], [found(image).top(1)], *MODELS)
    assert plain.visibility.region("right_eye").mean() < 0.5
    assert plain.visibility.region("left_eye").mean() > 0.9
    assert plain.visibility.region("right_iris").max() < plain.visibility.region("left_iris").min()
    assert plain.visibility68.region("jaw")[0, :5].mean() < 0.3
    assert plain.visibility68.region("jaw")[0, -5:].mean() > 0.7
    flipped, faces = mirrored(image, found(image).top(1))
    other = described([flipped], [faces], *MODELS)
    assert other.visibility.region("left_eye").mean() < 0.5
    front = photo("pose/image00050.jpg")
    assert described([front], [found(front).top(1)], *MODELS).visibility.values.mean() > 0.95


@real_test
def test_many_faces_of_many_pictures_and_none() -> None:
    files = sorted(path.name for path in (DATA / "landmarks68_boxes").glob("2008_00[12]*.jpg"))
    images = [photo(f"landmarks68_boxes/{file}") for file in files]
    each = [Faces.from_boxes(marked_faces()[file][0]) for file in files]
    together = described(images, each, *MODELS)
    alone = [described([image], [faces], *MODELS) for image, faces in zip(images, each, strict=True)]
    for field in ("landmarks68", "landmarks106", "visibility", "visibility68"):
        one = np.concatenate([getattr(faces, field).values for faces in alone])
        np.testing.assert_allclose(getattr(together, field).values, one, atol=0.3)
    nothing = described([images[0]], [Faces.empty()], *MODELS)
    assert nothing.landmarks68.values.shape == (0, 68, 3)
    assert nothing.landmarks106.values.shape == (0, 106, 2)
    assert nothing.visibility.values.shape == (0, 478)


@real_test
def test_what_has_no_mesh_has_no_points() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    faces = described([noise], [Faces.from_boxes([[20, 20, 180, 180]])], *MODELS)
    for field in ("landmarks68", "landmarks106", "visibility", "visibility68"):
        assert getattr(faces, field).abstained.all()
        assert "presence" in (getattr(faces, field).reasons[0] or "")


@real_test
def test_the_triangles_of_the_mesh() -> None:
    files = [Catalogue.load()[model].files["geometry"].sha256 for model in ("visibility", "facemesh", "pose-canonical")]
    assert len(set(files)) == 1
    with Engine(threads=1) as engine:
        topology = face_topology(engine=engine)
    assert (len(topology.vertices), len(topology.triangles), len(topology.edges)) == (468, 898, 1365)
    (loop,) = topology.boundary_loops
    assert set(loop.tolist()) == set(LAYOUTS["mesh478"].regions["face_oval"])
    open_mouth = topology.without(indices_of("mesh478", "lips_inner"))
    assert [len(line) for line in open_mouth.boundary_loops] == [36, 20]
    assert topology.normals()[4, 2] < -0.9  # the tip of the nose looks at the camera


@real_test
def test_a_face_unwrapped_and_wrapped_again_is_itself() -> None:
    image = photo("pose/image00050.jpg")
    faces = described([image], [found(image).top(1)], "facemesh")
    with Engine(threads=1) as engine:
        topology = face_topology(engine=engine)
    mesh, uv = faces.landmarks.values[0, :468], topology.uv * 512 - 0.5
    texture, seen = warp_mesh(image, mesh, uv, topology.triangles, (512, 512), visible_only=True)
    assert 0.4 < seen.mean() < 0.8
    again, mask = warp_mesh(texture, uv, mesh, topology.triangles, image.shape[:2])
    assert np.abs(again[mask].astype(int) - image[mask]).mean() < 5
    turned = photo("pose/image00475.jpg")
    face = described([turned], [found(turned).top(1)], "facemesh").landmarks.values[0, :468]
    _, half = warp_mesh(turned, face, uv, topology.triangles, (512, 512), visible_only=True)
    assert half[:, :200].mean() < 0.25 * half[:, -200:].mean()  # the subject's right side is away
