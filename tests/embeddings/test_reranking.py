"""Candidates ordered anew by what matches what: the transport against the exact optimum, the order, real faces."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

import mien
from mien import assets
from mien.core.errors import (
    CardError,
    EmbeddingSpaceMismatch,
    ImageNotKept,
    ShapeMismatch,
    UsageError,
    WeightsUnavailable,
)
from mien.embeddings.reranking import Patches, match, patches_of, rerank, rerank_patches, transport
from mien.engine import Engine
from tests.shared import open_bundle

SEEDS = st.integers(0, 2**31)


def shares(draw: np.random.Generator, *shape: int) -> NDArray[np.float64]:
    values = draw.uniform(0.05, 1, shape)
    return np.asarray(values / values.sum(axis=-1, keepdims=True))


def exact(cost: NDArray[np.float64], source: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    """The least cost, by linear programming."""
    from scipy.optimize import linprog

    rows, columns = cost.shape
    sums = np.vstack([np.kron(np.eye(rows), np.ones(columns)), np.kron(np.ones(rows), np.eye(columns))])
    result = linprog(cost.ravel(), A_eq=sums[:-1], b_eq=np.concatenate([source, target])[:-1])
    return float(result.fun)


@settings(max_examples=12)
@given(SEEDS, st.integers(1, 6), st.integers(1, 6))
def test_the_transport_moves_all_at_nearly_the_least_cost(seed: int, rows: int, columns: int) -> None:
    draw = np.random.default_rng(seed)
    costs, sources, targets = draw.uniform(0, 1, (2, rows, columns)), shares(draw, 2, rows), shares(draw, 2, columns)
    plans = transport(costs, sources, targets, softness=0.05)
    assert (plans >= 0).all()
    np.testing.assert_allclose(plans.sum(axis=1), targets, atol=1e-3)
    np.testing.assert_allclose(plans.sum(axis=2), sources, atol=1e-3)
    for cost, plan, source, target in zip(costs, plans, sources, targets, strict=True):
        least = exact(cost, source, target)
        # The entropy of a plan is at most the logarithm of its cells: so much dearer it may be.
        assert least - 1e-3 <= float((cost * plan).sum()) <= least + 0.05 * np.log(rows * columns) + 1e-3


def test_the_transport_of_what_does_not_fit_is_refused() -> None:
    with pytest.raises(ShapeMismatch):
        transport(np.zeros((1, 2, 3)), np.ones((1, 3)), np.ones((1, 2)))
    for softness in (0.0, 1e-4):
        with pytest.raises(UsageError, match="softness"):
            transport([[[0.0, 1.0]]], [[1.0]], [[0.5, 0.5]], softness=softness)
    assert transport(np.zeros((0, 2, 3)), np.zeros((0, 2)), np.zeros((0, 3))).shape == (0, 2, 3)


def patches(count: int, seed: int, *, side: int = 3, space: str = "test/1") -> Patches:
    values = np.random.default_rng(seed).normal(size=(count, side * side, 8)) + 0.6
    values /= np.linalg.norm(values, axis=2, keepdims=True)
    return Patches(values.astype(np.float32), (side, side), space)


@settings(max_examples=20)
@given(SEEDS)
def test_where_a_patch_stands_does_not_matter(seed: int) -> None:
    probe, candidates = patches(1, seed), patches(3, seed + 1)
    moved = Patches(candidates.values[:, np.random.default_rng(seed).permutation(9)], (3, 3), "test/1")
    found, other = (rerank_patches(probe, part, np.zeros(3)) for part in (candidates, moved))
    np.testing.assert_allclose(other.transported, found.transported, atol=1e-3)
    back = [rerank_patches(candidates[[k]], probe, np.zeros(1)).transported[0] for k in range(3)]
    np.testing.assert_allclose(back, found.transported, atol=1e-3)


@pytest.mark.parametrize("importance", ["similarity", "uniform"])
def test_the_same_face_is_the_best_candidate(importance: Any) -> None:
    candidates = patches(5, 1)
    found = rerank_patches(candidates[[3]], candidates, np.zeros(5), weight=1, importance=importance)
    assert found.order[0] == 3
    assert found.transported[3] > 0.9
    assert (found.transported <= 1).all()


def test_what_covers_half_of_a_face_counts_little() -> None:
    """Five of nine patches of the probe show a thing that is no face: the other four decide."""
    candidates = patches(2, 3)
    values = np.array(candidates.values[[0]])
    values[:, 4:] = -candidates.means.mean(axis=0)
    probe = Patches(values, (3, 3), "test/1")
    parts = [
        rerank_patches(probe, candidates, np.zeros(2), weight=1, importance=importance).transported
        for importance in ("uniform", "similarity")
    ]
    assert parts[1][0] > parts[0][0] + 0.3
    assert parts[1].argmax() == 0


def test_a_face_matched_with_itself_keeps_its_patches_in_place() -> None:
    face = patches(1, 9)
    plans, alike = match(face, face, importance="uniform")
    assert plans.shape == alike.shape == (1, 9, 9)
    assert float(plans.sum()) == pytest.approx(1, abs=1e-3)
    assert (plans[0].argmax(axis=1) == np.arange(9)).all()
    np.testing.assert_allclose(np.diagonal(alike[0]), 1, atol=1e-5)


def test_the_weight_mixes_and_the_order_follows() -> None:
    probe, candidates = patches(1, 5), patches(4, 6)
    cosines = np.array([0.1, 0.4, 0.2, 0.3], np.float32)
    for weight in (0, 0.3, 1):
        found = rerank_patches(probe, candidates, cosines, weight=weight)
        np.testing.assert_allclose(found.scores, (1 - weight) * cosines + weight * found.transported, atol=1e-6)
        assert found.order.tolist() == np.argsort(-found.scores).tolist()
    assert rerank_patches(probe, candidates, cosines, weight=0).order.tolist() == [1, 3, 2, 0]


def test_what_cannot_be_looked_at_again_keeps_its_place() -> None:
    candidates = patches(4, 6)
    values = np.array(candidates.values)
    values[1] = np.nan
    cosines = [0.9, 0.8, 0.7, 0.6]
    found = rerank_patches(patches(1, 5), Patches(values, (3, 3), "test/1"), cosines, weight=1)
    assert found.order[1] == 1
    assert sorted(found.order.tolist()) == [0, 1, 2, 3]
    assert np.isnan(found.scores).tolist() == [False, True, False, False]
    blind = Patches(np.full((1, 9, 8), np.nan, np.float32), (3, 3), "test/1")
    assert rerank_patches(blind, candidates, cosines).order.tolist() == [0, 1, 2, 3]


def test_none_and_one() -> None:
    assert rerank_patches(patches(1, 0), patches(0, 0), []).order.shape == (0,)
    assert rerank_patches(patches(1, 0), patches(1, 1), [0.5]).order.tolist() == [0]


def test_bad_calls_are_refused() -> None:
    probe, candidates = patches(1, 0), patches(2, 1)
    with pytest.raises(EmbeddingSpaceMismatch):
        rerank_patches(patches(1, 0, space="other/1"), candidates, [0, 0])
    with pytest.raises(ShapeMismatch, match="a cosine for each of 2"):
        rerank_patches(probe, candidates, [0.0])
    with pytest.raises(ShapeMismatch):
        rerank_patches(candidates, candidates, [0, 0])
    with pytest.raises(UsageError, match="weight"):
        rerank_patches(probe, candidates, [0, 0], weight=1.1)
    with pytest.raises(UsageError, match="importance"):
        rerank_patches(probe, candidates, [0, 0], importance=cast("Any", "sc"))
    with pytest.raises(ShapeMismatch, match=r"grid \(2, 2\)"):
        Patches(np.zeros((1, 9, 8), np.float32), (2, 2), "test/1")


# --- real networks ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def engine() -> Any:
    with Engine(threads=1) as engine:
        try:
            engine.preload("detect", "embedding")
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        yield engine


@pytest.fixture(scope="module")
def faces(engine: Engine) -> list[mien.Face]:
    """Two pictures of one person, then two other people."""
    pictures = [*assets.PAIRS[0], assets.PEOPLE[5], assets.PEOPLE[6]]
    return [engine.analyze(picture, want={"embedding", "alignment"}).top(1)[0] for picture in pictures]


@pytest.mark.weights
def test_the_same_person_comes_first_also_behind_a_bar(engine: Engine, faces: list[mien.Face]) -> None:
    crop = faces[0].crop(template="arcface112")
    crop[70:] = 90
    found = rerank(crop, [faces[3], faces[2], faces[1]], engine=engine)
    assert found.order[0] == 2
    assert found.transported.argmax() == 2
    given = rerank(crop, faces[1:], cosines=[0.1, 0.2, 0.3], weight=0, engine=engine)
    assert given.order.tolist() == [2, 1, 0]


@pytest.mark.weights
def test_faces_and_their_crops_give_the_same_patches(engine: Engine, faces: list[mien.Face]) -> None:
    whole, crops = (
        patches_of(faces, engine=engine),
        patches_of([f.crop(template="arcface112") for f in faces], engine=engine),
    )
    assert whole.grid == (3, 3)
    assert float((whole.values * crops.values).sum(axis=2).min()) > 0.99
    np.testing.assert_allclose(np.linalg.norm(whole.values, axis=2), 1, atol=1e-5)
    with_gap = patches_of([faces[0], None], engine=engine)
    assert np.isnan(with_gap.values[1]).all()
    assert patches_of([], engine=engine).values.shape == (0, 9, 304)


@pytest.mark.weights
def test_a_search_result_without_pictures_keeps_its_order(engine: Engine, faces: list[mien.Face]) -> None:
    found = rerank(faces[0], [None, None], cosines=[0.2, 0.6], engine=engine)
    assert found.order.tolist() == [1, 0]
    assert np.isnan(found.scores).all()
    gone = mien.Faces.from_dicts(faces[0].faces.to_dicts())
    with pytest.raises(ImageNotKept):
        rerank(gone[0], [faces[1]], engine=engine)


@pytest.mark.weights
@pytest.mark.parametrize("model", ["edgeface-s", "arcface-mbf", "sface", "mobilefacenet", "facenet", "dlib-resnet"])
def test_the_embedding_can_be_read_off_the_feature_map(model: str, faces: list[mien.Face]) -> None:
    """The map that a card names is what its network saw: two faces of one person are alike in it."""
    open_bundle(model)  # or skip
    with Engine(threads=1, models={"embedding": model}) as engine:
        found = rerank(faces[0], faces[1:], weight=1, engine=engine)
    assert found.order[0] == 0


@pytest.mark.weights
def test_an_embedder_without_a_named_map_is_told() -> None:
    from dataclasses import replace

    from mien.embeddings.embedders.arcface import ArcFace
    from mien.engine import Batch

    bundle = open_bundle("edgeface-s")
    bundle.card = replace(bundle.card, params={})
    empty = mien.Faces.from_boxes([])
    with pytest.raises(CardError, match="names no feature map"):
        ArcFace(bundle).feature_maps(Batch([], np.zeros(0, np.intp), empty))
