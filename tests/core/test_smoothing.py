"""The One Euro filter: against the paper's recurrence, and what must hold for any input."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.geometry import angles, rotation_matrix
from mien.core.smoothing import OneEuro, nearest_rotations, unit_vectors

numbers = st.floats(-100, 100, allow_subnormal=False)
steps = st.floats(0.005, 0.4)


def as_published(times: list[float], xs: list[float], cutoff: float, beta: float, speed_cutoff: float) -> list[float]:
    """Algorithm 1 of Casiez et al. for one number, written out."""

    def alpha(step: float, hertz: float) -> float:
        tau = 1 / (2 * math.pi * hertz)
        return 1 / (1 + tau / step)

    out, slope = [xs[0]], 0.0
    for before, now, x in zip(times, times[1:], xs[1:], strict=False):
        step = now - before
        a = alpha(step, speed_cutoff)
        slope = a * (x - out[-1]) / step + (1 - a) * slope
        a = alpha(step, cutoff + beta * abs(slope))
        out.append(a * x + (1 - a) * out[-1])
    return out


@given(st.lists(st.tuples(steps, numbers), min_size=2, max_size=20), st.floats(0.1, 5), st.floats(0, 3))
def test_one_number_as_published(rows: list[tuple[float, float]], cutoff: float, beta: float) -> None:
    times, xs = np.cumsum([row[0] for row in rows]).tolist(), [row[1] for row in rows]
    smooth = OneEuro(cutoff=cutoff, beta=beta, speed_cutoff=1.5)
    found = [float(smooth(t, [x])[0]) for t, x in zip(times, xs, strict=True)]
    np.testing.assert_allclose(found, as_published(times, xs, cutoff, beta, 1.5), rtol=1e-9, atol=1e-9)


@given(arrays(np.float64, (6, 4, 2), elements=numbers), st.lists(steps, min_size=6, max_size=6), st.floats(0, 6.3))
def test_turning_shifting_and_scaling_go_through(values: Any, gaps: list[float], turn: float) -> None:
    times = np.cumsum(gaps)
    m = 3.0 * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    plain, moved = OneEuro(cutoff=1, beta=0.3), OneEuro(cutoff=1, beta=0.3)
    for time, rows in zip(times, values, strict=True):
        expected = plain(time, rows) @ m.T + [5, -7]
        np.testing.assert_allclose(moved(time, rows @ m.T + [5, -7], unit=3.0), expected, atol=1e-8)


@given(arrays(np.float64, (8, 3), elements=numbers), st.lists(steps, min_size=8, max_size=8))
def test_each_result_lies_between_the_last_and_the_new_value(values: Any, gaps: list[float]) -> None:
    smooth, last = OneEuro(cutoff=0.5, beta=0.1), None
    for time, value in zip(np.cumsum(gaps), values, strict=True):
        found = smooth(time, value)
        if last is not None:
            whole = np.linalg.norm(value - last)
            assert np.linalg.norm(found - last) + np.linalg.norm(found - value) == pytest.approx(whole, abs=1e-9)
        last = found


def test_what_stands_still_stays_and_noise_shrinks() -> None:
    draw = np.random.default_rng(0)
    smooth = OneEuro(cutoff=1.0, beta=0.0)
    noise = draw.normal(size=(300, 50, 2))
    found = np.stack([smooth(i / 30, 100 + row) for i, row in enumerate(noise)])
    assert found[100:].std() < 0.4 * noise.std()
    assert found.mean() == pytest.approx(100, abs=0.2)
    still = OneEuro(cutoff=1.0, beta=1.0)
    assert all((still(i / 30, np.full((4, 2), 7.5)) == 7.5).all() for i in range(10))


def test_beta_takes_the_lag_out_of_what_moves() -> None:
    lags = []
    for beta in (0.0, 0.1, 1.0):
        smooth = OneEuro(cutoff=1.0, beta=beta)
        lags.append(50.0 - float([smooth(i / 30, [i]) for i in range(51)][-1][0]))
    assert lags[0] > 4
    assert lags == sorted(lags, reverse=True)
    assert lags[-1] < 0.4


def test_gaps_of_one_vector_leave_the_others_alone() -> None:
    whole, holed = OneEuro(cutoff=1.0, beta=0.1), OneEuro(cutoff=1.0, beta=0.1)
    draw = np.random.default_rng(1)
    for i in range(20):
        rows = draw.normal(size=(3, 2)) + i
        gap = rows.copy()
        if 5 <= i < 9:
            gap[1, 0] = np.nan
        expected, found = whole(i / 30, rows), holed(i / 30, gap)
        np.testing.assert_allclose(found[[0, 2]], expected[[0, 2]])
        assert np.isnan(found[1]).all() == (5 <= i < 9)
    assert not np.allclose(found[1], rows[1]), "back within half a second: followed on"


@pytest.mark.parametrize("later", [0.6, -0.1])
def test_a_long_gap_or_time_that_runs_backwards_starts_anew(later: float) -> None:
    smooth = OneEuro(cutoff=0.2, beta=0.0, longest_gap=0.5)
    smooth(1.0, [0.0])
    assert smooth(1.0 + later, [10.0])[0] == 10.0


def test_the_same_time_twice_is_no_division_by_zero() -> None:
    smooth = OneEuro(cutoff=1.0, beta=1.0)
    smooth(1.0, [0.0])
    assert 0 <= smooth(1.0, [1.0])[0] < 1


def test_nothing_and_one() -> None:
    smooth = OneEuro(cutoff=1.0, beta=1.0)
    assert smooth(0.0, np.zeros((0, 2))).shape == (0, 2)
    with pytest.raises(ShapeMismatch, match="do not go on"):
        smooth(0.1, np.zeros((1, 2)))
    smooth.reset()
    assert smooth(0.2, [1.0, 2.0]).tolist() == [1.0, 2.0]
    with pytest.raises(ShapeMismatch):
        OneEuro(cutoff=1.0, beta=1.0)(0.0, 3.0)


@pytest.mark.parametrize("wrong", [{"cutoff": 0}, {"beta": -1}, {"speed_cutoff": 0}, {"longest_gap": float("nan")}])
def test_options_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match="One Euro"):
        OneEuro(**{"cutoff": 1.0, "beta": 1.0, **wrong})


def test_rotations_cross_the_seam_of_their_angles() -> None:
    smooth = OneEuro(cutoff=1.0, beta=0.0, project=nearest_rotations)
    rolls = [178.0, 179.5, -179.0, -177.5]
    found = [
        angles(smooth(i / 30, rotation_matrix([10.0, 5.0, roll]).ravel()).reshape(3, 3)) for i, roll in enumerate(rolls)
    ]
    assert all(abs(row[2]) > 177 for row in found)
    np.testing.assert_allclose(np.array(found)[:, :2], np.tile([10.0, 5.0], (4, 1)), atol=0.1)


@given(arrays(np.float64, (3, 3), elements=st.floats(-180, 180)))
def test_rotations_are_their_own_nearest(degrees: Any) -> None:
    rows = rotation_matrix(degrees).reshape(3, 9).astype(np.float64)
    np.testing.assert_allclose(nearest_rotations(rows), rows, atol=1e-6)
    blend = nearest_rotations(rows + np.eye(3).ravel() / 3).reshape(3, 3, 3)
    np.testing.assert_allclose(np.linalg.det(blend), 1, atol=1e-9)


def test_nan_and_zero_have_no_nearest() -> None:
    rows = np.vstack([np.eye(3).ravel(), np.full(9, np.nan)])
    found = nearest_rotations(rows)
    np.testing.assert_allclose(found[0], rows[0])
    assert np.isnan(found[1]).all()
    assert unit_vectors(np.array([[3.0, 4.0], [0.0, 0.0]])).tolist() == [[0.6, 0.8], [0.0, 0.0]]
