"""Several vectors of a person become one."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import Vectors
from mien.core.errors import ShapeMismatch, UsageError
from mien.embeddings.templates import fuse, fuse_groups

SPACE = "test/1"
SEEDS = st.integers(0, 2**31)


def draw(count: int, seed: int = 0, dimension: int = 16) -> Vectors:
    """Noisy views of one direction, of length 1."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=dimension) + 0.8 * rng.normal(size=(count, dimension))
    return Vectors(values / np.linalg.norm(values, axis=1, keepdims=True), space=SPACE)


def test_the_mean_of_two_is_half_way() -> None:
    found = fuse(Vectors([[1.0, 0.0], [0.0, 1.0]], space=SPACE))
    assert found.single
    assert found.space == SPACE
    np.testing.assert_allclose(found.values, [0.5**0.5, 0.5**0.5], rtol=1e-6)


@given(SEEDS, st.integers(1, 9))
def test_a_template_is_of_length_one_and_knows_no_order(seed: int, count: int) -> None:
    vectors, order = draw(count, seed), np.random.default_rng(seed).permutation(count)
    weights = np.random.default_rng(seed).uniform(0.1, 1, count)
    found = fuse(vectors, weights=weights)
    assert np.linalg.norm(found.values) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(fuse(vectors[order], weights=weights[order]).values, found.values, atol=1e-5)
    np.testing.assert_allclose(fuse(vectors, weights=7 * weights).values, found.values, atol=1e-5)


@given(SEEDS)
def test_a_weight_counts_as_so_many_copies(seed: int) -> None:
    vectors = draw(3, seed)
    copied = fuse(vectors[[0, 1, 1, 1, 2, 2]])
    np.testing.assert_allclose(fuse(vectors, weights=[1, 3, 2]).values, copied.values, atol=1e-5)


@given(SEEDS, st.integers(1, 6))
def test_more_frames_of_the_same_look_change_nothing_where_they_are_one_medium(seed: int, copies: int) -> None:
    vectors = draw(3, seed)
    rows = [0, *[1] * copies, 2]
    media = ["a", *["film"] * copies, "b"]
    np.testing.assert_allclose(fuse(vectors[rows], media=media).values, fuse(vectors).values, atol=1e-5)


def test_the_frames_of_a_film_are_averaged_first() -> None:
    values = np.eye(3, dtype=np.float32)
    found = fuse(Vectors(values, space=SPACE), media=["film", "film", "photo"])
    expected = np.array([0.5, 0.5, 1.0])
    np.testing.assert_allclose(found.values, expected / np.linalg.norm(expected), atol=1e-6)


def test_a_template_is_nearer_to_a_new_picture_than_a_picture_is() -> None:
    vectors = draw(40, dimension=128)
    old, new = vectors[:20], vectors[20:]
    single = (old @ new).mean()
    assert (new @ fuse(old)).mean() > single + 0.1


def test_rows_that_abstained_or_weigh_nothing_do_not_count() -> None:
    vectors = draw(4)
    values = np.array(vectors.values)
    values[1] = np.nan
    holed = Vectors(values, space=SPACE)
    np.testing.assert_allclose(fuse(holed).values, fuse(vectors[[0, 2, 3]]).values, atol=1e-6)
    weighed = fuse(vectors, weights=[1, 0, np.nan, 1])
    np.testing.assert_allclose(weighed.values, fuse(vectors[[0, 3]]).values, atol=1e-6)


@pytest.mark.parametrize(
    ("vectors", "weights", "reason"),
    [
        (draw(0), None, "none of its vectors can be used"),
        (draw(2), [0, 0], "none of its vectors can be used"),
        (Vectors(np.full((2, 3), np.nan), space=SPACE), None, "none of its vectors can be used"),
        (Vectors([[1.0, 0.0], [-1.0, 0.0]], space=SPACE), None, "its vectors cancel each other out"),
    ],
)
def test_nothing_usable_abstains(vectors: Vectors, weights: list[float] | None, reason: str) -> None:
    found = fuse(vectors, weights=weights)
    assert found.abstained
    assert found.reason == reason


def test_groups_are_fused_each_for_itself() -> None:
    vectors, groups = draw(6), [0, 2, 0, -1, 2, 2]
    found = fuse_groups(vectors, groups, 3, media=["x"] * 6)
    assert found.shape == (3, 16)
    np.testing.assert_allclose(found[0].values, fuse(vectors[[0, 2]]).values, atol=1e-6)
    np.testing.assert_allclose(found[2].values, fuse(vectors[[1, 4, 5]]).values, atol=1e-6)
    assert found[1].reason == "none of its vectors can be used"
    assert fuse_groups(draw(0), [], 0).shape == (0, 16)


def test_one_face_is_a_batch_of_one() -> None:
    one = draw(1)[0]
    np.testing.assert_allclose(fuse(one).values, one.values, atol=1e-6)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"weights": [1.0]}, ShapeMismatch),
        ({"weights": [1.0, -1.0]}, UsageError),
        ({"weights": [1.0, np.inf]}, UsageError),
        ({"media": ["a"]}, ShapeMismatch),
    ],
)
def test_what_does_not_fit_is_refused(options: dict[str, object], error: type[Exception]) -> None:
    with pytest.raises(error):
        fuse(draw(2), **options)


@pytest.mark.parametrize("groups", [[0], [0, 5], [0, -2], [0.5, 1.0]])
def test_groups_that_do_not_fit_are_refused(groups: list[float]) -> None:
    with pytest.raises(UsageError):
        fuse_groups(draw(2), groups, 2)
