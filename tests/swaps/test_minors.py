"""The second judge of age: the shape of the face. What it does to real portraits: test_generator_real.py."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import Angles, Distribution, Points
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.swaps.invented.minors import ChildlikeShape, face_shapes, minor_probability
from tests.swaps.meshes import SHIPPED, mesh_that_says


def judged(by_age: list[float], by_shape: list[float]) -> Faces:
    """Faces with these probabilities of an age of 17, and log odds of their shapes."""
    count = len(by_age)
    meshes = np.stack([mesh_that_says(log_odds) for log_odds in by_shape]) if count else np.zeros((0, 478, 3))
    return Faces.from_boxes([[0, 0, 9, 9]] * count, image_size=(128, 128)).with_columns(
        {
            "age": Distribution(np.array([[p, 1 - p] for p in by_age]).reshape(count, 2), support=(17, 18)),
            "landmarks": Points(meshes),
            "pose": Angles(np.zeros((count, 3))),
        }
    )


def test_a_childlike_shape_multiplies_the_odds_and_a_grown_one_leaves_them() -> None:
    faces = judged([0.2, 0.2, 0.2, 0.0, 1.0], [np.log(4), 0.0, -9.0, 9.0, -9.0])
    np.testing.assert_allclose(minor_probability(faces), [0.5, 0.2, 0.2, 0.0, 1.0], atol=1e-4)


def test_no_faces() -> None:
    assert minor_probability(judged([], [])).shape == (0,)


def test_a_judge_that_abstains_leaves_the_question_open() -> None:
    assert np.isnan(minor_probability(judged([np.nan, 0.01], [-5.0, np.nan]))).all()


def test_points_in_one_place_are_no_shape() -> None:
    assert np.isnan(face_shapes(np.ones((1, 478, 3)), np.eye(3)[None])).all()


@given(
    scale=st.floats(0.01, 100),
    shift=st.tuples(*[st.floats(-1000, 1000)] * 3),
    turn=st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(-180, 180)),
)
def test_a_shape_is_the_same_wherever_the_head_is(
    scale: float, shift: tuple[float, float, float], turn: tuple[float, float, float]
) -> None:
    mesh = np.random.default_rng(1).normal(size=(478, 3))
    rotation = rotation_matrix(np.array([turn]))
    expected = face_shapes(mesh[None], np.eye(3)[None])
    moved = scale * mesh @ np.swapaxes(rotation[0], 0, 1) + shift
    np.testing.assert_allclose(face_shapes(moved[None], rotation), expected, atol=1e-4)


def test_the_table_names_its_points() -> None:
    table = ChildlikeShape.from_toml("step = 400\nbias = 1.5\nweights = [1, 0, 0, 0, 2, 0]")
    shape = np.zeros((2, 468, 3))
    shape[1, 0], shape[1, 400], shape[1, 1] = (3, 9, 9), (9, 4, 9), (9, 9, 9)
    assert table.log_odds(shape) == pytest.approx([1.5, 1.5 + 3 + 8])
    assert len(SHIPPED.weights) == len(range(0, 468, SHIPPED.step))
