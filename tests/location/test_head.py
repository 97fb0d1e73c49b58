"""Heads in space: exact on projected faces, consistent on turned, mirrored and shifted pictures."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien import assets
from mien.core.columns import Placement, Points
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.core.image import load_image
from mien.engine.steps import Batch
from mien.location.canonical import CanonicalFace
from mien.location.gaze import view_rotation
from mien.location.head import EYE_CORNERS, PinholeHead, assumed_focal, place
from tests.location import meshes
from tests.location.meshes import described, found, real_test
from tests.location.test_mesh_canonical import message, random_rows
from tests.location.test_pose import names
from tests.shared import open_bundle, photo

PARAMS = {"view": 60.0, "focal": 0.0, "depth": 0.3}
#: A made-up face of 478 points that has no symmetry at all, about 12 cm across.
DATA_OF_FACE = message(random_rows(478), [0, 1, 2], dict.fromkeys(range(0, 478, 9), 1.0) | {3: 0.5})
FACE = CanonicalFace.from_bytes(DATA_OF_FACE)
SIZE = (640, 480)


def head_step(tmp_path: Path, **params: Any) -> PinholeHead:
    path = tmp_path / "face.binarypb"
    path.write_bytes(DATA_OF_FACE)
    card = SimpleNamespace(id="head-pinhole", params=PARAMS | params)
    return PinholeHead(cast("Any", SimpleNamespace(card=card, path=lambda name: {"geometry": path}[name])))


def projected(pose: Any, position: Any, focal: float, size: tuple[int, int] = SIZE) -> NDArray[np.float64]:
    """The mesh (478, 3) of the face there, as a network would see it: pixels, and depths in their scale."""
    rotation = rotation_matrix(pose).astype(np.float64)
    points = (FACE.vertices - FACE.vertices[EYE_CORNERS].mean(axis=0)) @ rotation.T + position
    middle = FACE.weights / FACE.weights.sum() @ points
    xy = focal * points[:, :2] / points[:, 2:] + (np.array(size) - 1) / 2
    depth = (points - middle) @ middle / np.linalg.norm(middle)  # along the ray, as in a crop of the face
    return np.column_stack([xy, focal / middle[2] * depth])


def placed(mesh: NDArray[np.float64], focal: float, size: tuple[int, int] = SIZE, **options: Any) -> Placement:
    return Placement(place(mesh[None], np.array([size], np.float64), np.array([focal]), FACE, **options))


def batch_of(landmarks: NDArray[Any], images: Any = None, **options: Any) -> Batch:
    faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (len(landmarks), 1)))
    faces = faces.with_columns({"landmarks": Points(landmarks.astype(np.float32), **options)})
    pictures = images or [np.zeros((SIZE[1], SIZE[0], 3), np.uint8)]
    return Batch(pictures, np.zeros(len(faces), np.intp), faces)


@given(
    st.tuples(st.floats(-75, 75), st.floats(-50, 50), st.floats(-179, 179)),
    st.tuples(st.floats(-0.5, 0.5), st.floats(-0.4, 0.4), st.floats(45, 400)),
    st.floats(400, 3000),
    st.sampled_from([0.0, 0.3, 1.0]),
)
def test_projected_faces_are_placed_exactly(
    pose: tuple[float, float, float], at: tuple[float, float, float], focal: float, depth: float
) -> None:
    position = np.array([at[0] * at[2], at[1] * at[2], at[2]])
    head = placed(projected(pose, position, focal), focal, depth=depth)
    np.testing.assert_allclose(head.matrix[0], rotation_matrix(pose), atol=1e-3)
    np.testing.assert_allclose(head.position[0], position, rtol=1e-3, atol=1e-2)
    assert head.focal[0] == pytest.approx(focal)
    assert head.distance[0] == pytest.approx(np.linalg.norm(position), rel=1e-3)


def test_noise_of_a_pixel_moves_it_little() -> None:
    draw = np.random.default_rng(0)
    position = np.array([10.0, -5.0, 60.0])
    mesh = np.stack([projected([20, -10, 5], position, 900.0)] * 100) + draw.normal(size=(100, 478, 3))
    heads = Placement(place(mesh, np.tile(SIZE, (100, 1)).astype(np.float64), np.full(100, 900.0), FACE))
    assert not heads.abstained.any()
    assert np.abs(heads.values[:, :3] - [20, -10, 5]).max() < 4
    assert np.abs(heads.position - position).mean(axis=0).max() < 0.5


def test_a_longer_lens_means_a_farther_head() -> None:
    mesh = projected([0, 0, 0], [0.0, 0.0, 100.0], 1000.0)
    near, far = placed(mesh, 500.0), placed(mesh, 2000.0)
    assert near.distance[0] == pytest.approx(50, rel=0.1)
    assert far.distance[0] == pytest.approx(200, rel=0.1)


def test_the_assumed_lens() -> None:
    focal = assumed_focal(np.array([[300.0, 400.0], [400.0, 300.0]]), 90.0)
    np.testing.assert_allclose(focal, [250.0, 250.0])


def test_the_step_takes_each_picture_s_own_size(tmp_path: Path) -> None:
    focal = float(assumed_focal(np.array([SIZE], np.float64), 60.0)[0])
    mesh = projected([10, 5, -20], [5.0, 3.0, 50.0], focal)
    head = head_step(tmp_path).describe(batch_of(mesh[None]))["head"]
    np.testing.assert_allclose(head.values[0], [10, 5, -20, 5, 3, 50, focal], rtol=1e-2, atol=1e-2)
    known = head_step(tmp_path, focal=700.0).describe(batch_of(mesh[None]))["head"]
    assert known.values[0, 6] == 700


def test_nobody_and_abstained_meshes(tmp_path: Path) -> None:
    step = head_step(tmp_path)
    assert step.describe(batch_of(np.zeros((0, 478, 3))))["head"].shape == (0, 7)
    meshes_ = np.stack([projected([0, 0, 0], [0.0, 0.0, 60.0], 500.0)] * 3)
    meshes_[0], meshes_[1] = np.nan, 5.0
    head = step.describe(batch_of(meshes_, reasons=("no face here", None, None)))["head"]
    assert head.abstained.tolist() == [True, True, False]
    assert head.reasons == ("no face here", "no place before the camera explains this mesh", None)


@given(st.integers(0, 2**32 - 1))
@example(9742)  # leaves a direction undetermined
def test_nonsense_gives_a_place_before_the_camera_or_none(seed: int) -> None:
    mesh = np.random.default_rng(seed).uniform(-1000, 1000, (478, 3))
    head = placed(mesh, 500.0)
    assert head.abstained[0] or head.values[0, 5] > -20  # the eyes, up to a head behind the face's middle
    assert not np.isinf(head.values).any()


@pytest.mark.parametrize("wrong", [{"view": 0.0}, {"view": "wide"}, {"focal": -1.0}, {"depth": -1.0}, {"depth": None}])
def test_cards_that_describe_no_camera(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(CardError, match="head-pinhole"):
        head_step(tmp_path, **wrong)


# --- with weights, on real faces --------------------------------------------------------------------------------------


def heads(images: list[Any], faces: list[Faces]) -> Faces:
    return described(images, faces, "facemesh", "pose-canonical", "head-pinhole")


@real_test
def test_the_eyes_of_the_real_canonical_face_are_where_they_belong() -> None:
    face = CanonicalFace.read(open_bundle("head-pinhole").path("geometry"))
    across = face.vertices[263] - face.vertices[33]
    assert 8 < across[0] < 10
    assert abs(face.vertices[EYE_CORNERS].mean(axis=0)[0]) < 0.1


@real_test
def test_real_heads_are_within_reach_and_turned_as_pose_says() -> None:
    images = [photo(f"pose/{name}.jpg") for name in names()]
    faces = heads(images, [found(image).top(1) for image in images])
    assert (faces.head.distance > 20).all()
    assert (faces.head.distance < 100).all(), "portraits"
    turn = np.einsum("nij,nij->n", faces.head.matrix, faces.pose.matrix)
    assert np.median(np.rad2deg(np.arccos(((turn - 1) / 2).clip(-1, 1)))) < 6


@pytest.mark.weights
@pytest.mark.parametrize("corner", [(444, 444), (0, 444), (888, 0), (0, 888)])
def test_beside_the_middle_pose_is_along_the_ray_and_head_in_the_camera_s_axes(corner: tuple[int, int]) -> None:
    """One portrait at several places of a canvas: the crop stays the same, so the pose does."""
    image, (x, y) = np.full((1400, 1400, 3), 90, np.uint8), corner
    image[y : y + 512, x : x + 512] = load_image(assets.PEOPLE[0])
    faces = heads([image], [found(image).top(1)])
    along = np.swapaxes(view_rotation(faces.head.position), 1, 2) @ faces.head.matrix
    cosine = (np.einsum("nij,nij->n", along, faces.pose.matrix) - 1) / 2
    assert np.rad2deg(np.arccos(cosine.clip(-1, 1)))[0] < 4
    expected = [(part + 256 - 700) / faces.head.focal[0] for part in corner]
    np.testing.assert_allclose(faces.head.position[0, :2] / faces.head.position[0, 2], expected, atol=0.05)


@real_test
def test_a_turned_picture_turns_the_head_about_the_camera_s_axis() -> None:
    for name in names()[:4]:
        image = photo(f"pose/{name}.jpg")
        turned, faces, _ = meshes.rotated(image, found(image).top(1), 40.0)
        square = np.zeros_like(turned)  # the same picture, upright, on as large a canvas: one lens for both
        top, left = ((np.array(turned.shape) - image.shape) // 2)[:2]
        square[top : top + image.shape[0], left : left + image.shape[1]] = image
        plain = heads([square], [found(square).top(1)]).head
        head = heads([turned], [faces]).head
        matrix = rotation_matrix([0, 0, 40])
        np.testing.assert_allclose(head.position[0], matrix @ plain.position[0], atol=2.5)
        np.testing.assert_allclose(head.matrix[0], matrix @ plain.matrix[0], atol=0.1)


@real_test
def test_a_mirrored_picture_mirrors_the_head() -> None:
    off = []
    for name in names():
        image = photo(f"pose/{name}.jpg")
        faces = found(image).top(1)
        plain = heads([image], [faces]).head.values[0]
        mirror = heads(*([part] for part in meshes.mirrored(image, faces))).head.values[0]
        off.append(mirror * [-1, 1, -1, -1, 1, 1, 1] - plain)
    assert np.median(np.abs(off), axis=0)[:3].max() < 3
    assert np.median(np.abs(off), axis=0)[3:6].max() < 1
