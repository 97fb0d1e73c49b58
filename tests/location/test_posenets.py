"""Pose networks: their angles in our convention, all around; real photos with known pose, turned and mirrored."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.columns import Points
from mien.core.errors import CardError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import angles, rotation_matrix
from mien.engine.steps import Batch
from mien.location.posenets import PoseNet, from_all_around, upright_turns
from mien.models.catalogue import Catalogue
from tests.location import meshes
from tests.location.meshes import described, found, real_test
from tests.location.test_pose import between, names, published
from tests.shared import photo, runner

CARDS = Catalogue.load()
NETS = ("6drepnet360", "whenet", "intel-pose")
#: The net of 94 MB takes 0.1 s a face.
REAL = (pytest.param("6drepnet360", marks=pytest.mark.slow), "whenet", "intel-pose")


class Says:
    """A network that says the same of every crop."""

    def __init__(self, answers: dict[str, NDArray[np.float32]]) -> None:
        self.outputs, self._answers = tuple(answers), answers
        self.crops: list[NDArray[np.uint8]] = []

    def run(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        self.crops.append(crops)
        return tuple(np.repeat(answer, len(crops), axis=0) for answer in self._answers.values())


class Bundle:
    def __init__(self, model: str, says: Says, **params: Any) -> None:
        card = CARDS[model]
        self.card = replace(card, params={**card.params, **params})
        self._says = says

    def session(self, name: str) -> Says:
        assert name == "model"
        return self._says


def net(model: str, says: Says, **params: Any) -> PoseNet:
    return PoseNet(cast("Any", Bundle(model, says, **params)))


def batch(image: NDArray[np.uint8], boxes: Sequence[Sequence[float]], points: Any = None) -> Batch:
    faces = Faces.from_boxes(boxes)
    values = np.full((len(faces), 5, 2), np.nan) if points is None else np.asarray(points)
    faces = faces.with_columns({"alignment": Points(values, names=ALIGNMENT_NAMES)})
    return Batch([image], np.zeros(len(faces), np.intp), faces)


UPRIGHT = np.array([[30, 40], [70, 40], [50, 60], [35, 80], [65, 80.0]])
GREY = np.full((100, 100, 3), 128, np.uint8)


def as_300w(yaw: float, pitch: float, roll: float) -> NDArray[np.float64]:
    """What angles of 300W-LP mean: Rx Ry Rz in axes with y up, brought to ours (see ``published`` in test_pose)."""
    parts = [rotation_matrix(part) for part in ([0, pitch, 0], [-yaw, 0, 0], [0, 0, roll])]
    return np.asarray(parts[0] @ parts[1] @ parts[2], np.float64)


def theirs(model: str, yaw: float, pitch: float, roll: float) -> Says:
    """The network's answer for angles in its own convention."""
    if model == "6drepnet360":  # its own get_R: Rz(roll) Ry(yaw) Rx(pitch), all right-handed
        c, s = np.cos(np.deg2rad([pitch, yaw, roll])), np.sin(np.deg2rad([pitch, yaw, roll]))
        x = np.array([[1, 0, 0], [0, c[0], -s[0]], [0, s[0], c[0]]])
        y = np.array([[c[1], 0, s[1]], [0, 1, 0], [-s[1], 0, c[1]]])
        z = np.array([[c[2], -s[2], 0], [s[2], c[2], 0], [0, 0, 1]])
        return Says({"angles": (z @ y @ x)[None].astype(np.float32)})
    numbers = [np.array([value], np.float32) for value in (yaw, pitch, roll)]
    return Says(dict(zip(CARDS[model].params["outputs"], numbers, strict=True)))


degrees = st.floats(-85, 85)


@pytest.mark.parametrize("model", ["6drepnet360", "whenet"])
@given(st.floats(-179, 179), degrees, st.floats(-100, 100))
def test_angles_of_300w_lp_all_around(model: str, yaw: float, pitch: float, roll: float) -> None:
    pose = net(model, theirs(model, yaw, pitch, roll)).describe(batch(GREY, [[10, 10, 90, 90]]))["pose"]
    np.testing.assert_allclose(cast("Any", pose).matrix[0], as_300w(yaw, pitch, roll), atol=1e-4)


def test_a_head_seen_from_behind_has_a_yaw_beyond_90() -> None:
    for model in ("6drepnet360", "whenet"):
        pose = net(model, theirs(model, -150.0, 5.0, 0.0)).describe(batch(GREY, [[10, 10, 90, 90]]))["pose"]
        yaw, pitch, roll = pose.values[0]
        assert yaw == pytest.approx(150, abs=1), "their yaw > 0 is to the picture's left"
        assert abs(pitch) < 10
        assert abs(roll) < 10


@given(st.floats(-89, 89), st.floats(-69, 69), st.floats(-69, 69))
def test_intel_signs(yaw: float, pitch: float, roll: float) -> None:
    pose = net("intel-pose", theirs("intel-pose", yaw, -pitch, roll)).describe(batch(GREY, [[10, 10, 90, 90]]))["pose"]
    np.testing.assert_allclose(cast("Any", pose).matrix[0], rotation_matrix([yaw, pitch, roll]), atol=1e-4)


@given(st.floats(-180, 180), st.floats(-89, 89), st.floats(-180, 180))
def test_from_all_around_keeps_the_rotation_and_the_pitch_small(yaw: float, pitch: float, roll: float) -> None:
    rotation = rotation_matrix([[yaw, pitch, roll]]).astype(np.float64)
    row = from_all_around(rotation)
    np.testing.assert_allclose(rotation_matrix(row), rotation, atol=2e-5)
    assert abs(row[0, 1]) <= 90
    assert (np.abs(row) <= 180).all()
    if abs(pitch) < 89 and abs(abs(yaw) - 90) > 1 and abs(yaw) < 179 and abs(roll) < 179:
        np.testing.assert_allclose(row[0], [yaw, pitch, roll], atol=0.1)


@pytest.mark.parametrize("turn", [-120.0, -30.0, 0.0, 45.0, 90.0, 179.0])
def test_the_crop_stands_upright_and_its_turn_is_added(turn: float) -> None:
    image = GREY.copy()
    image[:, 50:] = 200
    around = np.deg2rad(turn)
    turning = np.array([[np.cos(around), -np.sin(around)], [np.sin(around), np.cos(around)]])
    points = (UPRIGHT - 50) @ turning.T + 50
    says = theirs("whenet", 0.0, 0.0, 10.0)
    pose = net("whenet", says).describe(batch(image, [[10, 10, 90, 90]], points[None]))["pose"]
    assert upright_turns(Points(points[None], names=ALIGNMENT_NAMES))[0] == pytest.approx(turn)
    np.testing.assert_allclose(cast("Any", pose).matrix[0], rotation_matrix([0, 0, turn + 10]), atol=1e-4)
    crop = says.crops[0][0]
    expected = 200 if abs(turn) < 90 else 128  # the picture's right half, wherever it comes to lie
    if abs(turn) not in {90.0}:
        assert crop[112, 150, 0] == expected


def test_without_alignment_the_detector_s_points_count() -> None:
    turned = (UPRIGHT - 50) @ np.array([[0.0, 1], [-1, 0]]) + 50  # a quarter clockwise
    faces = Faces.from_boxes([[10, 10, 90, 90]], keypoints=turned[None], keypoint_names=ALIGNMENT_NAMES)
    faces = faces.with_columns({"alignment": Points(np.full((1, 5, 2), np.nan), names=ALIGNMENT_NAMES)})
    step = net("whenet", theirs("whenet", 0.0, 0.0, 10.0))
    pose = step.describe(Batch([GREY], np.zeros(1, np.intp), faces))["pose"]
    np.testing.assert_allclose(cast("Any", pose).matrix[0], rotation_matrix([0, 0, 100]), atol=1e-4)


def test_none_one_and_many() -> None:
    for count in (0, 1, 3):
        step = net("whenet", theirs("whenet", 1.0, 2.0, 3.0))
        assert step.describe(batch(GREY, [[10, 10, 90, 90]] * count))["pose"].shape == (count, 3)


def test_where_nothing_of_a_face_can_be_seen_there_is_no_pose() -> None:
    boxes = [[10, 10, 10, 10], [100, 0, 150, 50], [0, -50, 50, 0], [90, 90, 150, 150]]
    pose = net("whenet", theirs("whenet", 1.0, 2.0, 3.0)).describe(batch(GREY, boxes))["pose"]
    assert pose.abstained.tolist() == [True, True, True, False]
    assert pose.reasons[0] == "nothing in the box is in the picture"


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": "YXZ"},
        {"crop": [1.0]},
        {"crop": [0.0, 0.0]},
        {"signs": [1, 1]},
        {"outputs": ["yaw", "roll"]},
        {"outputs": ["yaw", "pitch", "tilt"]},
        {"signs": "up"},
    ],
)
def test_cards_that_do_not_say_how(wrong: dict[str, Any]) -> None:
    with pytest.raises(CardError, match="whenet"):
        net("whenet", theirs("whenet", 0, 0, 0), **wrong)


# --- with weights, on real faces --------------------------------------------------------------------------------------


@functools.cache
def measured(model: str, name: str) -> NDArray[np.float32]:
    image = photo(f"pose/{name}.jpg")
    faces = described([image], [found(image).top(1)], "facemesh", model)
    return cast("NDArray[np.float32]", faces.pose.values[0])


@real_test
@pytest.mark.parametrize(
    ("model", "limit"), [pytest.param("6drepnet360", 6, marks=pytest.mark.slow), ("whenet", 9), ("intel-pose", 14)]
)
def test_near_published_poses_with_the_right_signs(model: str, limit: float) -> None:
    off = [between(published(name), rotation_matrix(measured(model, name))) for name in names()]
    assert np.mean(off) < limit  # degrees; measured: 4.5, 7.2, 11.6
    for name in names():
        truth, ours = angles(published(name)), measured(model, name)
        for axis in range(3):
            if abs(truth[axis]) > 12 and abs(truth[0]) < 50:
                assert np.sign(truth[axis]) == np.sign(ours[axis]), (name, axis)


@real_test
@pytest.mark.parametrize("model", REAL)
def test_turned_pictures_add_to_the_roll(model: str) -> None:
    off = []
    for name in names():
        image = photo(f"pose/{name}.jpg")
        for degrees in (-150.0, 90.0, 30.0):
            turned, faces, _ = meshes.rotated(image, found(image).top(1), degrees)
            pose = described([turned], [faces], "facemesh", model).pose.values[0]
            expected = rotation_matrix([0, 0, degrees]) @ rotation_matrix(measured(model, name))
            off.append(between(expected, rotation_matrix(pose)))
    assert np.median(off) < 3


@real_test
@pytest.mark.parametrize("model", REAL)
def test_a_mirrored_picture_negates_yaw_and_roll(model: str) -> None:
    off = []
    for name in names():
        image = photo(f"pose/{name}.jpg")
        picture, faces = meshes.mirrored(image, found(image).top(1))
        pose = described([picture], [faces], "facemesh", model).pose.values[0] * [-1, 1, -1]
        off.append(between(rotation_matrix(pose), rotation_matrix(measured(model, name))))
    assert np.median(off) < 8


@real_test
def test_a_batch_is_as_good_as_its_faces_one_by_one() -> None:
    images = [photo(f"pose/{name}.jpg") for name in names()[:3]]
    faces = described(images, [found(image).top(1) for image in images], "facemesh", "whenet")
    np.testing.assert_allclose(faces.pose.values, [measured("whenet", name) for name in names()[:3]], atol=1e-3)
    assert runner("whenet").describe(Batch([], np.zeros(0, np.intp), faces[[]]))["pose"].shape == (0, 3)
