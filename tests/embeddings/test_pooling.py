"""The frames of a track become one vector, and those of somebody else are left out."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mien
from mien.core.columns import Tracks, Vectors
from mien.core.errors import FieldNotComputed, ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.embeddings.pooling import pool, pool_tracks
from mien.embeddings.templates import fuse
from mien.engine import Item

SPACE = "test/1"
SEEDS = st.integers(0, 2**31)


def person(count: int, seed: int, noise: float = 0.08, dimension: int = 64) -> Vectors:
    """Frames of one person: cosines between them are about 0.7."""
    rng = np.random.default_rng(seed)
    middle = rng.normal(size=dimension)
    values = middle / np.linalg.norm(middle) + noise * rng.normal(size=(count, dimension))
    return Vectors(values / np.linalg.norm(values, axis=1, keepdims=True), space=SPACE)


@given(SEEDS, st.integers(6, 20))
def test_frames_of_somebody_else_are_left_out(seed: int, count: int) -> None:
    strangers = count // 3
    frames = Vectors.concat([person(count, seed), person(strangers, seed + 1)])
    found = pool(frames)
    assert found.kept.tolist() == [True] * count + [False] * strangers
    np.testing.assert_allclose(found.vector.values, fuse(frames[:count]).values, atol=1e-5)
    everything = pool(frames, outliers=None)
    assert everything.kept.all()
    own = fuse(person(count, seed))
    assert float(found.vector.values @ own.values) > float(everything.vector.values @ own.values)


@given(SEEDS)
def test_pooling_knows_no_axes_and_no_order(seed: int) -> None:
    frames = Vectors.concat([person(7, seed), person(2, seed + 1)])
    rng = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(rng.normal(size=(64, 64)))
    order = rng.permutation(9)
    found, turned = pool(frames), pool(Vectors(frames.values[order] @ turn, space=SPACE))
    assert turned.kept.tolist() == found.kept[order].tolist()
    np.testing.assert_allclose(turned.vector.values, found.vector.values @ turn, atol=1e-4)


def test_a_good_frame_that_weighs_much_is_followed() -> None:
    frames = person(5, 3)
    found = pool(frames, weights=[100, 1, 1, 1, 1], outliers=None)
    assert float(found.vector.values @ frames.values[0]) > 0.99


@pytest.mark.parametrize("count", [1, 2])
def test_of_one_or_two_frames_none_is_an_outlier(count: int) -> None:
    frames = Vectors(np.eye(3, dtype=np.float32)[:count], space=SPACE)
    found = pool(frames)
    assert found.kept.all()
    np.testing.assert_allclose(found.vector.values, fuse(frames).values, atol=1e-6)


def test_no_usable_frame_abstains() -> None:
    for frames in (person(0, 0), Vectors(np.full((3, 4), np.nan), space=SPACE)):
        found = pool(frames)
        assert found.vector.abstained
        assert not found.kept.any()
        assert np.isnan(found.agreement).all()


def test_frames_that_cancel_abstain_with_that_reason() -> None:
    found = pool(Vectors([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]], space=SPACE))
    assert found.vector.reason == "its vectors cancel each other out"


def test_bad_options_are_refused() -> None:
    with pytest.raises(UsageError, match="deviations above 0"):
        pool(person(3, 0), outliers=0)
    with pytest.raises(ShapeMismatch):
        pool(person(3, 0), weights=[1.0])


def frame(ids: list[int], vectors: Vectors, *, observed: list[int] | None = None, heights: list[float]) -> Faces:
    boxes = [[0, 0, 10, height] for height in heights]
    tracks = np.column_stack([ids, observed or [1] * len(ids)]).astype(np.float32)
    return Faces.from_boxes(boxes).with_columns({"track": Tracks(tracks), "embedding": vectors})


def test_each_track_of_a_clip_is_pooled() -> None:
    one, two = person(4, 1), person(3, 2)
    items = [
        Item("clip", frame([5, 9], Vectors.concat([one[[0]], two[[0]]]), heights=[20, 30])),
        Item("clip", Faces.empty()),
        Item("clip", None),
        Item("clip", frame([9, 5], Vectors.concat([two[[1]], one[[1]]]), heights=[10, 60])),
        Item("clip", frame([5], one[[2]], observed=[0], heights=[60])),  # filled in: nobody saw it
    ]
    found = pool_tracks(items)
    assert list(found) == [5, 9]
    np.testing.assert_allclose(found[5].vector.values, fuse(one[:2], weights=[20, 60]).values, atol=1e-6)
    assert len(found[9].kept) == 2
    alike = pool_tracks([item.faces for item in items if item.faces is not None], weights=lambda f: np.ones(len(f)))
    np.testing.assert_allclose(alike[5].vector.values, fuse(one[:2]).values, atol=1e-6)
    assert pool_tracks([]) == {}


def test_frames_without_what_is_needed_are_refused() -> None:
    good = frame([1], person(1, 0), heights=[10])
    with pytest.raises(FieldNotComputed, match="embedding was not computed"):
        pool_tracks([replace(good, columns={"track": good.track})])
    with pytest.raises(ShapeMismatch, match="weights of 1 faces"):
        pool_tracks([good], weights=lambda _: [1.0, 2.0])


@pytest.mark.weights
@pytest.mark.data
def test_a_real_clip_gives_one_vector_that_is_like_its_frames(shared_data: Path) -> None:
    with mien.Engine(threads=1) as engine:
        items = list(islice(engine.track(shared_data / "video" / "single_face.mp4", want={"embedding"}), 8))
    (found,) = pool_tracks(items).values()
    assert found.kept.sum() >= 6
    assert float(np.median(found.agreement)) > 0.9
