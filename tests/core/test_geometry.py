from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch
from mien.core.geometry import (
    TEMPLATES,
    Template,
    angles,
    compose,
    invert,
    rotation_matrix,
    similarity,
    square_crops,
    transform,
)

Array = NDArray[np.float32]

coordinate = st.integers(-4000, 4000).map(lambda n: n / 4)
degrees = st.integers(-180, 180).map(float)


def similarity_map(angle: float, scale: float, x: float, y: float) -> Array:
    cos, sin = scale * np.cos(np.deg2rad(angle)), scale * np.sin(np.deg2rad(angle))
    return np.array([[cos, -sin, x], [sin, cos, y]], dtype=np.float32)


similarities = st.builds(similarity_map, degrees, st.sampled_from([0.05, 0.5, 1.0, 3.0, 20.0]), coordinate, coordinate)
affine_maps = st.builds(
    lambda m, shear: compose(m, np.array([[1, shear, 0], [0, 1, 0]])), similarities, st.sampled_from([-0.5, 0.0, 1.0])
)


# --- similarity ----------------------------------------------------------------------------------


@given(similarities, hnp.arrays(np.float32, (5, 2), elements=st.integers(-100, 100), unique=True))
def test_similarity_recovers_a_known_one(m: Array, points: Array) -> None:
    target = transform(points, m)
    found = similarity(points[None], target)[0]
    assert found.dtype == np.float32
    scale = float(np.hypot(m[0, 0], m[1, 0]))
    np.testing.assert_allclose(found[:, :2], m[:, :2], atol=2e-4 * scale + 2e-5)  # targets are float32, up to 1,000
    np.testing.assert_allclose(transform(points, found), target, atol=2e-3 * max(scale, 1))


@given(hnp.arrays(np.float32, (3, 5, 2), elements=coordinate), hnp.arrays(np.float32, (5, 2), elements=coordinate))
def test_similarity_is_the_best_one_and_never_a_reflection(source: Array, target: Array) -> None:
    found = similarity(source, target)
    assert found.shape == (3, 2, 3)
    assert np.isfinite(found).all()
    linear = found[:, :, :2].astype(np.float64)
    assert (np.linalg.det(linear) >= 0).all()
    np.testing.assert_array_equal(linear[:, 0, 0], linear[:, 1, 1])
    np.testing.assert_array_equal(linear[:, 0, 1], -linear[:, 1, 0])

    def cost(m: Array) -> NDArray[np.float64]:
        return np.asarray(((transform(source, m).astype(np.float64) - target) ** 2).sum(axis=(1, 2)))

    spread = ((source - source.mean(axis=1, keepdims=True)) ** 2).sum(axis=(1, 2))
    for change in (1.02, 0.98, 1j * 0.02 + 1, 1 - 1j * 0.02):  # a little larger, smaller, turned either way
        turn = (found[:, 0, 0] + 1j * found[:, 1, 0]) * change
        other = found.copy()
        other[:, 0, 0], other[:, 0, 1], other[:, 1, 0], other[:, 1, 1] = turn.real, -turn.imag, turn.imag, turn.real
        other[:, :, 2] = (target - transform(source, other) + other[:, None, :, 2]).mean(axis=1)
        assert (cost(found) <= cost(other) * (1 + 1e-4) + 1e-2)[spread > 1].all()


def test_similarity_agrees_with_umeyama_by_svd() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(100, 30, (7, 5, 2)), rng.normal(50, 20, (7, 5, 2))
    for s, t, found in zip(source, target, similarity(source, target), strict=True):
        u, d, vt = np.linalg.svd((t - t.mean(0)).T @ (s - s.mean(0)) / len(s))
        sign = np.diag([1, np.sign(np.linalg.det(u @ vt))])
        linear = u @ sign @ vt * np.trace(np.diag(d) @ sign) / s.var(axis=0).sum()
        np.testing.assert_allclose(found[:, :2], linear, atol=1e-5)
        np.testing.assert_allclose(found[:, 2], t.mean(0) - linear @ s.mean(0), atol=1e-3)


def test_mirrored_points_are_not_reflected() -> None:
    points = TEMPLATES["arcface112"].points
    found = similarity((points * (-1, 1))[None], points)[0]
    assert np.linalg.det(found[:, :2]) > 0


@pytest.mark.parametrize("at", [0.0, 0.1, 1234.567, 20000.3])
def test_points_that_coincide_give_a_shift(at: float) -> None:
    target = TEMPLATES["arcface112"].points
    found = similarity(np.full((2, 5, 2), at, dtype=np.float32), target)
    np.testing.assert_allclose(found[:, :, :2], np.tile(np.eye(2), (2, 1, 1)))
    np.testing.assert_allclose(transform([[at, at]], found)[:, 0], np.tile(target.mean(axis=0), (2, 1)), atol=5e-3)


def test_a_missing_point_spoils_only_its_own_face() -> None:
    source = np.tile(TEMPLATES["arcface112"].points, (2, 1, 1))
    source[0, 2, 0] = np.nan
    found = similarity(source, TEMPLATES["arcface112"].points)
    assert np.isnan(found[0]).all()
    np.testing.assert_allclose(found[1], np.eye(2, 3), atol=1e-5)


def test_similarity_of_no_faces() -> None:
    assert similarity(np.zeros((0, 5, 2)), TEMPLATES["ffhq"].points).shape == (0, 2, 3)


@pytest.mark.parametrize(
    ("source", "target"),
    [((5, 2), (5, 2)), ((1, 5, 3), (5, 3)), ((2, 5, 2), (4, 2)), ((1, 0, 2), (0, 2)), ((2, 5, 2), (3, 5, 2))],
)
def test_similarity_checks_shapes(source: tuple[int, ...], target: tuple[int, ...]) -> None:
    with pytest.raises(ShapeMismatch):
        similarity(np.zeros(source), np.zeros(target))


# --- maps ----------------------------------------------------------------------------------------


@given(affine_maps)
def test_a_map_and_its_inverse_are_nothing(m: Array) -> None:
    scale = float(np.sqrt(abs(np.linalg.det(m[:, :2].astype(np.float64)))))
    crop = np.array([[0, 0], [112, 0], [50, 112]], dtype=np.float32)
    back = transform(transform(crop, invert(m)), m)
    np.testing.assert_allclose(back, crop, atol=5e-3 * max(1, scale))
    np.testing.assert_allclose(compose(m, invert(m))[:, :2], np.eye(2), atol=1e-4)


@given(affine_maps, affine_maps, hnp.arrays(np.float32, (4, 2), elements=st.integers(-50, 50)))
def test_compose_does_the_inner_map_first(outer: Array, inner: Array, points: Array) -> None:
    one_by_one = transform(transform(points, inner), outer)
    np.testing.assert_allclose(transform(points, compose(outer, inner)), one_by_one, rtol=1e-4, atol=0.1)


def test_maps_broadcast_over_faces() -> None:
    maps = np.stack([similarity_map(30, 2, 5, 6), similarity_map(-10, 0.5, 1, 2)])
    points = np.random.default_rng(0).normal(size=(2, 4, 2)).astype(np.float32)
    each = np.stack([transform(p, m) for p, m in zip(points, maps, strict=True)])
    np.testing.assert_allclose(transform(points, maps), each)
    np.testing.assert_allclose(transform(points[0], maps)[1], transform(points[0], maps[1]))
    np.testing.assert_allclose(compose(maps[0], maps)[1], compose(maps[0], maps[1]))
    np.testing.assert_allclose(invert(maps)[1], invert(maps[1]))
    assert transform(np.zeros((0, 5, 2)), np.zeros((0, 2, 3))).shape == (0, 5, 2)


def test_depth_takes_the_scale() -> None:
    moved = transform([[1.0, 2.0, 3.0]], similarity_map(90, 2, 10, 20))
    np.testing.assert_allclose(moved, [[6, 22, 6]], atol=1e-5)


def test_a_map_that_squashes_has_no_inverse() -> None:
    maps = np.stack([np.zeros((2, 3)), np.eye(2, 3)])
    inverse = invert(maps)
    assert np.isnan(inverse[0]).all()
    np.testing.assert_array_equal(inverse[1], np.eye(2, 3))


def test_maps_and_points_are_checked() -> None:
    with pytest.raises(ShapeMismatch, match=r"\(\.\.\., 2, 3\)"):
        invert(np.eye(3))
    with pytest.raises(ShapeMismatch, match="points"):
        transform(np.zeros((3, 4)), np.eye(2, 3))
    with pytest.raises(ShapeMismatch, match="centers"):
        square_crops(np.zeros(2), 1, 0, 8)


# --- crops ---------------------------------------------------------------------------------------


@given(coordinate, coordinate, st.integers(1, 500), degrees, st.sampled_from([32, 112, 192]))
def test_points_of_a_crop_come_back(x: float, y: float, side: float, angle: float, size: int) -> None:
    m = square_crops([[x, y]], [side], [angle], size)
    points = np.array([[[0, 0], [size, 3], [7, size]]], dtype=np.float32)
    back = transform(transform(points, invert(m)), m)
    np.testing.assert_allclose(back, points, atol=2e-4 * size * (1 + 1000 / side))
    np.testing.assert_allclose(
        transform([[x - 0.5, y - 0.5]], m[0]), [[(size - 1) / 2] * 2], atol=1e-3 * (1 + size / side)
    )


def test_a_turned_face_stands_upright_in_its_crop() -> None:
    roll = 30.0  # clockwise as seen: the eye on the picture's right stands lower
    eyes = np.array([[0, 0], [np.cos(np.deg2rad(roll)), np.sin(np.deg2rad(roll))]]) * 40 + 100
    seen = transform(eyes, square_crops([[110, 110]], 100, roll, 64)[0])
    np.testing.assert_allclose(seen[1] - seen[0], [40 * 0.64, 0], atol=1e-4)


def test_the_corners_of_a_box_are_the_edges_of_the_crop() -> None:
    m = square_crops([[60, 80]], 40, 0, 20)[0]  # box (40, 60, 80, 100)
    np.testing.assert_allclose(transform([[39.5, 59.5], [79.5, 99.5]], m), [[-0.5, -0.5], [19.5, 19.5]], atol=1e-5)


def test_no_crops() -> None:
    assert square_crops(np.zeros((0, 2)), np.zeros(0), np.zeros(0), 8).shape == (0, 2, 3)


# --- templates -----------------------------------------------------------------------------------


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=str)
def test_templates_look_like_faces(template: Template) -> None:
    right_eye, left_eye, nose, right_mouth, left_mouth = template.points
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_mouth[0] < nose[0] < left_mouth[0]
    assert max(right_eye[1], left_eye[1]) < nose[1] < min(right_mouth[1], left_mouth[1])
    assert ((template.points > 0) & (template.points < template.size)).all()
    np.testing.assert_allclose(template.points_at(template.size), template.points, rtol=1e-6)
    np.testing.assert_allclose(template.points_at(2 * template.size), 2 * template.points, rtol=1e-6)


def test_padding_shows_more_around_the_face() -> None:
    points = TEMPLATES["arcface112"].points
    np.testing.assert_allclose(TEMPLATES["arcface112"].points_at(224, padding=0.5), points + 56, rtol=1e-5)


def test_the_dlib_template_is_the_mean_face() -> None:
    # dlib's own numbers for points 30, 48 and 54 on the unit square, and its formula for a chip.
    for padding in (0.0, 0.25, 0.4):
        bare = np.array([[0.490127, 0.515625], [0.254149, 0.780233], [0.726104, 0.780233]])
        chip = (padding + bare) / (2 * padding + 1) * 64
        np.testing.assert_allclose(TEMPLATES["dlib"].points_at(64, padding)[2:], chip, atol=1e-3)


def test_templates_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        TEMPLATES["ffhq"].points[0] = 0


# --- head angles ---------------------------------------------------------------------------------

head_angles = st.tuples(st.integers(-85, 85), degrees, degrees).map(lambda a: np.array(a, dtype=np.float32))


def same_angles(a: Array, b: Array) -> bool:
    return bool(np.allclose((a - b + 180) % 360, 180, atol=2e-3))


@given(head_angles)
def test_angles_come_back_from_their_matrix(ypr: Array) -> None:
    R = rotation_matrix(ypr)
    np.testing.assert_allclose(R @ R.T, np.eye(3), atol=1e-6)
    assert np.linalg.det(R) > 0
    assert same_angles(angles(R), ypr)


@given(head_angles, degrees)
def test_turning_the_picture_clockwise_adds_to_roll(ypr: Array, a: float) -> None:
    turn = np.eye(3)
    turn[:2, :2] = similarity_map(a, 1, 0, 0)[:, :2]
    np.testing.assert_allclose(turn[:2, :2] @ [1, 0], [np.cos(np.deg2rad(a)), np.sin(np.deg2rad(a))], atol=1e-6)
    assert same_angles(angles(turn @ rotation_matrix(ypr)), ypr + np.array([0, 0, a], dtype=np.float32))


@given(head_angles)
def test_mirroring_negates_yaw_and_roll(ypr: Array) -> None:
    mirror = np.diag([-1.0, 1, 1])
    mirrored = angles(mirror @ rotation_matrix(ypr) @ mirror)
    assert same_angles(mirrored, ypr * np.array([-1, 1, -1], dtype=np.float32))


def test_the_signs_are_those_of_the_conventions() -> None:
    looks = np.array([0, 0, -1])  # a face looks towards the camera; z points away from it
    assert (rotation_matrix([30, 0, 0]) @ looks)[0] > 0  # to the picture's right
    assert (rotation_matrix([0, 30, 0]) @ looks)[1] < 0  # up, as y points down
    chin = np.array([0, 1, 0])
    assert (rotation_matrix([0, 0, 30]) @ chin)[0] < 0  # clockwise as seen: the chin swings to the left


@given(st.sampled_from([-90.0, 90.0]), degrees, degrees)
def test_gimbal_lock_still_gives_the_same_rotation(yaw: float, pitch: float, roll: float) -> None:
    R = rotation_matrix([yaw, pitch, roll])
    found = angles(R)
    np.testing.assert_allclose(rotation_matrix(found), R, atol=1e-3)


def test_angles_of_many_and_of_none() -> None:
    ypr = np.random.default_rng(0).uniform(-80, 80, (2, 3, 3)).astype(np.float32)
    np.testing.assert_allclose(angles(rotation_matrix(ypr)), ypr, atol=1e-3)
    assert angles(rotation_matrix(np.zeros((0, 3)))).shape == (0, 3)
    with pytest.raises(ShapeMismatch):
        rotation_matrix([1, 2])
    with pytest.raises(ShapeMismatch):
        angles(np.zeros((3, 2)))


def test_importing_does_not_load_opencv() -> None:
    code = "import sys, mien.core.warping, mien.core.boxes, mien.core.image; print('cv2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
