"""Average linkage: against scipy's, the parts of years, what must not be together, and large groups."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import UsageError
from mien.gallery.groups.linkage import Edges, Linkage, Times, nearest
from mien.gallery.groups.thresholds import NEVER, Thresholds, rates_for
from tests.gallery.crowds import calibration, crowd, samples_of, unit


def everything(count: int) -> Edges:
    first, second = np.triu_indices(count, 1)
    return Edges(first, second)


def settled(vectors: np.ndarray, thresholds: Thresholds, **options: object) -> Linkage:
    linkage = Linkage(vectors, everything(len(vectors)), thresholds, **options)
    linkage.settle()
    return linkage


def same_groups(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((np.equal.outer(one, one) == np.equal.outer(other, other)).all())


@settings(max_examples=12)
@given(st.integers(0, 10_000), st.integers(2, 40), st.floats(0.1, 0.8))
def test_it_is_average_linkage(seed: int, count: int, threshold: float) -> None:
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    vectors = unit(np.random.default_rng(seed).standard_normal((count, 3)))
    distances = np.clip(1 - vectors.astype(np.float64) @ vectors.T, 0, 2)
    np.fill_diagonal(distances, 0)
    tree = linkage(squareform(distances, checks=False), "average")
    if np.abs(tree[:, 2] - (1 - threshold)).min() < 1e-4 or (np.diff(np.sort(tree[:, 2])) < 1e-5).any():
        return  # float32 may decide a tie otherwise
    expected = fcluster(tree, 1 - threshold, "distance")
    found = settled(vectors, Thresholds.constant(count, threshold)).labels
    assert same_groups(found, expected)


@settings(max_examples=10)
@given(st.integers(0, 10_000), st.permutations(range(12)))
def test_the_order_of_faces_does_not_matter(seed: int, order: list[int]) -> None:
    vectors, _ = crowd([5, 4, 2, 1], seed=seed, dimension=16, noise=0.8)
    found = settled(vectors, Thresholds.constant(12, 0.6, 0.5)).labels
    turned = settled(vectors[order], Thresholds.constant(12, 0.6, 0.5)).labels
    assert same_groups(found[order], turned)


@pytest.mark.parametrize("count", [0, 1])
def test_no_face_and_one_face(count: int) -> None:
    vectors = unit(np.ones((count, 4))) if count else np.zeros((0, 4), np.float32)
    linkage = Linkage(vectors, nearest(vectors, 5), Thresholds.constant(count, 0.5))
    linkage.settle()
    assert linkage.labels.tolist() == list(range(count))


def test_means_of_many_are_held_to_less() -> None:
    one, two = unit([1, 0.0]), unit([np.cos(1.1), np.sin(1.1)])  # a cosine of 0.45
    single = settled(np.stack([one, two]), Thresholds.constant(2, 0.5, 0.4))
    assert len(set(single.labels)) == 2
    many = settled(np.stack([one] * 9 + [two] * 9), Thresholds.constant(18, 0.5, 0.4))
    assert len(set(many.labels)) == 1


def test_what_shares_a_token_is_never_joined_not_even_through_others() -> None:
    vectors = unit([[1, 0.02 * row] for row in range(6)])
    tokens = [{"a"}, set(), {"a"}, set(), set(), {"b"}]
    labels = settled(vectors, Thresholds.constant(6, 0.5), tokens=tokens).labels
    assert labels[0] != labels[2]
    assert len(set(labels)) == 2


def test_groups_of_two_owners_stay_apart() -> None:
    vectors = unit([[1, 0.01 * row] for row in range(4)])
    owners = np.array([0, -1, -1, 1])
    labels = settled(vectors, Thresholds.constant(4, 0.5), owners=owners).labels
    assert labels[0] != labels[3]
    assert set(labels[1:3]) <= {labels[0], labels[3]}


def test_large_groups_whose_neighbours_are_all_their_own_find_each_other() -> None:
    # Two bursts of one person, each of more faces than are looked at around a face.
    draw = np.random.default_rng(0)
    middle = unit([[1, 0, 0, 0], [0.8, 0.6, 0, 0]])
    vectors = unit(np.repeat(middle, 12, axis=0) + 0.01 * draw.standard_normal((24, 4)))
    graph = nearest(vectors, 8)
    assert ((graph.first < 12) == (graph.second < 12)).all()
    linkage = Linkage(vectors, graph, Thresholds.constant(24, 0.6), neighbours=8)
    linkage.settle()
    assert len(set(linkage.labels)) == 1


def growing(years: int, *, turn: float = 0.35) -> np.ndarray:
    """A face a year, that turns by so much each year: neighbours have a cosine of 0.94, the ends none."""
    return unit([[np.cos(turn * year), np.sin(turn * year), 0.2] for year in range(years)])


def test_a_childhood_holds_together_as_a_chain() -> None:
    vectors = growing(10)
    times = Times(np.arange(10), np.ones(10, bool))
    assert len(set(settled(vectors, Thresholds.constant(10, 0.7), times=times).labels)) == 1
    undated = settled(vectors, Thresholds.constant(10, 0.7)).labels
    assert len(set(undated)) > 1  # the same faces without dates fall apart
    grown = settled(vectors, Thresholds.constant(10, 0.7), times=Times(np.arange(10), np.zeros(10, bool))).labels
    assert len(set(grown)) > 1  # adults are compared whenever they were seen


def test_a_gap_of_more_than_two_years_breaks_the_chain() -> None:
    years = np.array([0, 1, 2, 6, 7, 8])
    vectors = unit(np.ones((6, 3)))
    labels = settled(vectors, Thresholds.constant(6, 0.7), times=Times(years, np.ones(6, bool))).labels
    assert len(set(labels)) == 2


def test_thresholds_follow_the_worst_stratum_of_each_pair() -> None:
    samples = [*samples_of(2), *samples_of(1, ages=(3.0, 6.0)), *samples_of(1, ages=None)]
    thresholds = Thresholds.of(samples, calibration())
    kinds = thresholds.kinds
    assert kinds[0] == kinds[1]
    assert thresholds.one[kinds[0], kinds[1]] == pytest.approx(0.52)
    assert thresholds.many[kinds[0], kinds[1]] == pytest.approx(0.5)
    for other in (2, 3):  # a child, and somebody of any age
        assert thresholds.one[kinds[0], kinds[other]] == pytest.approx(0.85)
    said = Thresholds.of(samples, calibration(), ages=(18, 99))
    assert said.one[said.kinds[0], said.kinds[3]] == pytest.approx(0.52)


def test_a_rate_that_the_calibration_does_not_carry_is_the_lowest_that_it_does() -> None:
    lowest = calibration().strata[0].rates[-1]
    least, lower = (Thresholds.of(samples_of(1), calibration(), far=far, far_many=lowest) for far in (lowest, 1e-9))
    assert least.one == lower.one == least.many


def test_rates_follow_the_number_of_faces() -> None:
    np.testing.assert_allclose([rates_for(0), rates_for(100)], [(1e-4, 3e-4)] * 2)
    np.testing.assert_allclose(rates_for(20_000), (1e-5, 3e-5))
    np.testing.assert_allclose(rates_for(20_000, 1e-3), (1e-3, 3e-3))
    assert rates_for(20_000, 1e-3, 1e-2) == (1e-3, 1e-2)
    with pytest.raises(UsageError, match="far"):
        Thresholds.of(samples_of(1), calibration(), far=1e-2, far_many=1e-3)


def test_thresholds_refuse_years_that_are_none() -> None:
    with pytest.raises(UsageError, match=r"ages is \(low, high\) in years"):
        Thresholds.of(samples_of(1), calibration(), ages=(50, 10))


def test_faces_smaller_than_any_that_were_measured_are_not_compared() -> None:
    from mien.embeddings.calibration import load_calibration

    tiny = samples_of(2, box=(0.0, 0.0, 9.0, 9.0))
    assert (Thresholds.of(tiny, load_calibration("edgeface-s/1")).one == NEVER).all()
