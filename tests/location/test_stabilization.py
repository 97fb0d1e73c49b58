"""Stabilized meshes: exact without expressions, steadier than a plain fit with them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from benchmarks.expressions import SKULL, acted
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.columns import Points
from mien.core.errors import CardError, ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.engine.steps import Batch
from mien.location.canonical import CanonicalFace
from mien.location.stabilization import Stabilizer, stabilize
from tests.location.meshes import described, found, real_test
from tests.location.test_mesh_canonical import message, random_rows
from tests.location.test_pose import names
from tests.shared import open_bundle, photo

#: A made-up face of 478 points without any symmetry.
DATA_OF_FACE = message(random_rows(478), [0, 1, 2], dict.fromkeys(range(0, 478, 9), 1.0))
FACE = CanonicalFace.from_bytes(DATA_OF_FACE)


@pytest.fixture
def step(tmp_path: Path) -> Stabilizer:
    path = tmp_path / "face.binarypb"
    path.write_bytes(DATA_OF_FACE)
    return made(path)


def made(path: Path, **params: Any) -> Stabilizer:
    card = SimpleNamespace(id="skull-stabilizer", params={"tolerance": 2.0} | params)
    return Stabilizer(cast("Any", SimpleNamespace(card=card, path=lambda name: {"geometry": path}[name])))


def posed(poses: Any, *, scale: float = 9.0) -> NDArray[np.float64]:
    turns = np.swapaxes(rotation_matrix(poses).astype(np.float64), -1, -2)
    return np.asarray(scale * FACE.vertices @ turns + [200, 100, 0])


def batch_of(landmarks: NDArray[Any], **options: Any) -> Batch:
    faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (len(landmarks), 1)))
    faces = faces.with_columns({"landmarks": Points(landmarks.astype(np.float32), **options)})
    return Batch([], np.zeros(len(faces), np.intp), faces)


def values(step: Stabilizer, landmarks: NDArray[Any]) -> NDArray[np.float32]:
    return step.describe(batch_of(landmarks))["stabilized"].values


# --- one picture ------------------------------------------------------------------------------------------------------


def test_the_face_itself_comes_back_from_every_pose(step: Stabilizer) -> None:
    found_ = values(step, posed([[0, 0, 0], [60, -30, 170], [-80, 10, -45.0]]))
    np.testing.assert_allclose(found_, np.broadcast_to(FACE.vertices, found_.shape), atol=1e-3)


@given(st.tuples(st.floats(-89, 89), st.floats(-89, 89), st.floats(-180, 180)), st.floats(2, 50))
def test_moving_a_mesh_changes_nothing(pose: tuple[float, float, float], scale: float) -> None:
    person = posed([[0, 0, 0]])[0] + 3 * np.sin(np.arange(478 * 3)).reshape(478, 3)
    turn = rotation_matrix(pose).astype(np.float64)
    both = np.stack([person, scale * person @ turn.T + [7.0, -3.0, 50.0]])
    still, moved = stabilize(both[:1], FACE), stabilize(both[1:], FACE)
    np.testing.assert_allclose(moved.points, still.points, atol=1e-6)
    np.testing.assert_allclose(moved.scale, scale * still.scale, rtol=1e-6)
    np.testing.assert_allclose(moved.rotation[0], turn @ still.rotation[0], atol=1e-6)


def test_points_that_are_far_off_do_not_pull(step: Stabilizer) -> None:
    spoiled = posed([[20, 10, 0.0]])
    spoiled[0, [0, 9, 18, 27]] += [150.0, -80.0, 60.0]
    found_ = values(step, spoiled)[0]
    rest = np.delete(np.arange(478), [0, 9, 18, 27])
    assert np.abs(found_[rest] - FACE.vertices[rest]).max() < 0.6


def test_nobody_and_abstained_meshes(step: Stabilizer) -> None:
    assert values(step, np.zeros((0, 478, 3))).shape == (0, 478, 3)
    meshes = posed(np.zeros((3, 3)))
    meshes[0], meshes[1] = np.nan, 5.0
    column = step.describe(batch_of(meshes, reasons=("no face here", None, None), layout="mesh478"))["stabilized"]
    assert column.abstained.tolist() == [True, True, False]
    assert column.reasons == ("no face here", "the face has no mesh", None)
    assert cast("Points", column).layout == "mesh478"


@pytest.mark.parametrize("wrong", [0.0, -1.0, "much", None])
def test_cards_without_a_tolerance(tmp_path: Path, wrong: Any) -> None:
    path = tmp_path / "face.binarypb"
    path.write_bytes(DATA_OF_FACE)
    with pytest.raises(CardError, match="tolerance"):
        made(path, tolerance=wrong)


# --- a clip -----------------------------------------------------------------------------------------------------------


def test_a_clip_without_expressions_is_one_shape() -> None:
    person = posed([[0, 0, 0]])[0] + 5 * np.sin(np.arange(478 * 3)).reshape(478, 3)
    turns = rotation_matrix([[a, a / 2, -a] for a in range(-40, 41, 10)]).astype(np.float64)
    clip = stabilize(person @ np.swapaxes(turns, 1, 2) + [5.0, 6.0, 7.0], FACE)
    assert np.ptp(clip.points, axis=0).max() < 1e-6
    assert clip.spread.max() < 1e-6
    relative = clip.rotation @ clip.rotation[4].T  # the fifth pose is the middle
    np.testing.assert_allclose(relative, turns @ turns[4].T, atol=1e-6)


def test_frames_without_a_mesh_stay_so() -> None:
    meshes = posed([[a, 0, 0] for a in range(0, 50, 10)])
    meshes[2] = np.nan
    clip = stabilize(meshes, FACE)
    assert np.isnan(clip.points).any(axis=(1, 2)).tolist() == [False, False, True, False, False]
    assert np.isnan(clip.scale).tolist() == [False, False, True, False, False]
    assert np.isfinite(clip.shape).all()


def test_irises_come_along() -> None:
    small = CanonicalFace(FACE.vertices[:468], FACE.uv[:468], FACE.triangles, FACE.weights[:468])
    clip = stabilize(posed([[0, 0, 0], [30, 0, 0.0]]), small)
    assert clip.points.shape == (2, 478, 3)
    assert clip.shape.shape == (468, 3)
    np.testing.assert_allclose(clip.points[1], clip.points[0], atol=1e-3)


def test_clips_that_cannot_be_stabilized() -> None:
    meshes = posed([[0, 0, 0]])
    with pytest.raises(ShapeMismatch, match="478 or more"):
        stabilize(meshes[:, :100], FACE)
    with pytest.raises(ShapeMismatch, match="478 weights"):
        stabilize(meshes, FACE, weights=np.ones(3))
    with pytest.raises(UsageError, match="three of them"):
        stabilize(meshes, FACE, weights=np.zeros(478))
    with pytest.raises(UsageError, match="no frame"):
        stabilize(meshes * np.nan, FACE)
    with pytest.raises(UsageError, match="no frame"):
        stabilize(np.zeros((0, 478, 3)), FACE)
    with pytest.raises(UsageError, match="tolerance is above 0"):
        stabilize(meshes, FACE, tolerance=0.0)


def test_a_mesh_without_extent_is_none() -> None:
    clip = stabilize(np.concatenate([posed([[0, 0, 0]]), np.zeros((1, 478, 3))]), FACE)
    assert np.isfinite(clip.points).all(axis=(1, 2)).tolist() == [True, False]


# --- with the real canonical face -------------------------------------------------------------------------------------


@pytest.mark.weights
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_expressions_move_the_skull_less_than_a_plain_fit_does(seed: int) -> None:
    bundle = open_bundle("skull-stabilizer")
    face = CanonicalFace.read(bundle.path("geometry"))
    clip = acted(face, seed=seed, noise=0.05)  # of the points themselves little, so that what is left is the fit's
    fit = face.fit(clip.meshes)
    middle = np.einsum("k,tkc->tc", face.weights / face.weights.sum(), clip.meshes)
    plain = np.einsum("tcd,tkc->tkd", fit.rotation, clip.meshes - middle[:, None]) / fit.scale[:, None, None]
    whole = stabilize(clip.meshes, face)
    assert clip.left_over(whole.points) < 0.6 * clip.left_over(plain)
    assert clip.left_over(whole.points) < 0.2, "mm"
    assert whole.spread[SKULL].max() < whole.spread[[13, 14, 152, 61, 291]].min(), "it knows what moves"
    single = Stabilizer(bundle).describe(batch_of(clip.meshes))["stabilized"].values
    assert clip.left_over(single.astype(np.float64)) < 1.3 * clip.left_over(plain)


@real_test
def test_real_meshes_come_near_the_canonical_face() -> None:
    images = [photo(f"pose/{name}.jpg") for name in names()[:3]]
    faces = described(images, [found(image).top(1) for image in images], "facemesh", "skull-stabilizer")
    face = CanonicalFace.read(open_bundle("skull-stabilizer").path("geometry"))
    off = np.linalg.norm(faces.stabilized.values[:, :468] - face.vertices, axis=2)
    assert off.mean() < 0.9, "cm: people are not the average one"
    assert off[:, SKULL].mean() < 0.6
