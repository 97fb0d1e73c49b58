"""On-screen points after calibration: simulated people, refusals, the file; the regression underneath."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.columns import Directions, Placement
from mien.core.errors import FieldNotComputed, InputError, ShapeMismatch, SourceError, StorageError, UsageError
from mien.evaluation.simulated import SimulatedUser
from mien.location.regression import CANDIDATES, Fit, Kernel, choose, left_out
from mien.location.screen import FEATURES, Profile, screen_features

EXACT: dict[str, Any] = {"kappa": 0.0, "gain": 1.0, "noise": 0.0}


def test_where_an_exact_gaze_meets_the_screen() -> None:
    """Of a screen in the camera's plane, a perfect gaze tells the point without any calibration."""
    user = SimulatedUser(seed=0, tilt=0.0, **EXACT)
    points = user.grid(4, 3)
    faces = user.look_at(points)
    placed = faces.head.values.copy()
    placed[:, 3:6] /= size_of(0)
    faces = faces.with_columns({"head": Placement(placed)})
    meets = screen_features(faces)[:, :2]
    np.testing.assert_allclose(meets, np.stack([17 - points[:, 0], points[:, 1] + 1], axis=1), atol=0.05)


def size_of(seed: int) -> float:
    """How much larger than the average one this simulated person's head is, which a pinhole cannot tell."""
    draw = np.random.default_rng(seed)
    draw.normal(0, 1, 2)
    return float(draw.normal(1, 0.05))


@settings(max_examples=8)
@given(st.integers(0, 1000))
def test_calibration_of_an_exact_gaze_is_exact(seed: int) -> None:
    user = SimulatedUser(seed=seed, tilt=0.0, **EXACT)
    profile = Profile.calibrate(user.look_at(user.grid(4, 4), seed=1), user.grid(4, 4))
    test = np.random.default_rng(seed).uniform(0.15, 0.85, (20, 2)) * user.screen
    told = profile.predict(user.look_at(test, seed=2))
    assert np.linalg.norm(told.xy - test, axis=1).mean() < 1.0
    assert told.unit == "cm"


def errors(seed: int, across: int, down: int) -> tuple[float, ...]:
    """On-screen errors of a simulated person without and with calibration, and the expected one."""
    user = SimulatedUser(seed=seed)
    test = np.random.default_rng(seed).uniform(0.1, 0.9, (60, 2)) * user.screen
    profile = Profile.calibrate(user.look_at(user.grid(across, down), seed=1), user.grid(across, down))
    faces = user.look_at(test, seed=2)
    meets = screen_features(faces)[:, :2]
    raw = np.stack([user.screen[0] / 2 - meets[:, 0], meets[:, 1] - 1], axis=1)
    calibrated = profile.predict(faces).xy
    return (*(float(np.linalg.norm(told - test, axis=1).mean()) for told in (raw, calibrated)), profile.error)


@pytest.mark.full
def test_calibration_helps_and_says_what_to_expect() -> None:
    few = np.array([errors(seed, 3, 3) for seed in range(8)])
    many = np.array([errors(seed, 4, 4) for seed in range(8)])
    raw, calibrated, expected = few.mean(axis=0)
    assert calibrated < 0.75 * raw
    assert 0.8 < expected / calibrated < 1.6
    assert many[:, 1].mean() < calibrated


def test_what_is_unlike_the_calibration_is_less_sure() -> None:
    user = SimulatedUser(seed=3)
    profile = Profile.calibrate(user.look_at(user.grid(3, 3)), user.grid(3, 3))
    usual = profile.predict(user.look_at(user.grid(3, 3), seed=5)).spread.mean()
    far = SimulatedUser(seed=3, moves=(40.0, 30.0, 15.0))
    assert profile.predict(far.look_at(user.grid(3, 3), seed=5)).spread.mean() > 1.5 * usual


def test_a_head_that_was_held_still_may_move_a_little() -> None:
    still = SimulatedUser(seed=6, moves=(0.1, 0.1, 0.1), turns=0.1)
    profile = Profile.calibrate(still.look_at(still.grid(4, 3)), still.grid(4, 3))
    moved = SimulatedUser(seed=6, moves=(2.0, 2.0, 2.0), turns=2.0)
    told = profile.predict(moved.look_at(still.grid(5, 4), seed=7)).xy
    assert np.linalg.norm(told - still.grid(5, 4), axis=1).mean() < 5


def test_the_same_pictures_in_another_order_or_unit() -> None:
    user = SimulatedUser(seed=1)
    points, faces = user.grid(3, 3), user.look_at(user.grid(3, 3))
    one = Profile.calibrate(faces, points)
    order = np.random.default_rng(0).permutation(len(points))
    other = Profile.calibrate(faces[order], points[order] * 40, unit="px")
    test = user.look_at(user.grid(2, 2), seed=9)
    np.testing.assert_allclose(other.predict(test).xy, one.predict(test).xy * 40, rtol=1e-3)
    assert other.error == pytest.approx(one.error * 40, rel=1e-6)


def test_who_cannot_be_told_abstains() -> None:
    user = SimulatedUser(seed=1)
    profile = Profile.calibrate(user.look_at(user.grid(3, 3)), user.grid(3, 3))
    faces = user.look_at(user.grid(2, 2), seed=4)
    gaze = faces.gaze.values.copy()
    gaze[0], gaze[1] = np.nan, (120, 0)
    told = profile.predict(faces.with_columns({"gaze": Directions(gaze)}))
    assert np.isnan(told.xy[:, 0]).tolist() == [True, True, False, False]
    assert [reason is None for reason in told.reasons] == [False, False, True, True]
    assert np.isnan(told.spread[:2]).all()
    for count in (0, 1):
        assert profile.predict(faces[:count]).xy.shape == (count, 2)
    with pytest.raises(FieldNotComputed):
        profile.predict(faces.only(frozenset({"gaze"})))


def test_refusals() -> None:
    user = SimulatedUser(seed=2)
    points = user.grid(3, 3)
    faces = user.look_at(points)
    with pytest.raises(UsageError, match="takes 5 points on the screen or more, not 4"):
        Profile.calibrate(faces[:4], points[:4])
    with pytest.raises(UsageError, match="takes 5 points on the screen or more, not 1"):
        Profile.calibrate(faces, np.tile(points[:1], (9, 1)))
    with pytest.raises(UsageError, match="points on the screen lie on one line"):
        Profile.calibrate(faces, np.stack([np.arange(9.0), np.arange(9.0) * 2], axis=1))
    with pytest.raises(ShapeMismatch, match=r"\(9, 2\) finite targets"):
        Profile.calibrate(faces, points[:5])
    with pytest.raises(ShapeMismatch):
        Profile.calibrate(faces, points * np.nan)
    with pytest.raises(UsageError, match=r"1e\+300 cm is too far"):
        Profile.calibrate(faces, np.where(points > 0, 1e300, 0.0))
    lost = faces.gaze.values.copy()
    lost[:5] = np.nan
    with pytest.raises(UsageError, match=r"not 4 \(5 pictures have no gaze or no head\)"):
        Profile.calibrate(faces.with_columns({"gaze": Directions(lost)}), points)
    with pytest.raises(UsageError, match="takes 5 points"):
        Profile.calibrate(faces[:0], points[:0])
    with pytest.raises(UsageError, match="one group is all there is"):
        Profile.calibrate(faces, points, groups=np.zeros(9, int))


def test_a_gaze_that_says_nothing_is_refused() -> None:
    user = SimulatedUser(seed=2)
    points = user.grid(4, 3)
    with pytest.raises(UsageError, match="says nothing about these points"):
        Profile.calibrate(user.look_at(points), np.random.default_rng(0).permutation(points))


# --- the file ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    user = SimulatedUser(seed=5)
    Profile.calibrate(user.look_at(user.grid(4, 3)), user.grid(4, 3)).save(tmp_path / "me.json")
    return tmp_path / "me.json"


def test_a_profile_survives_the_disk(saved: Path) -> None:
    user = SimulatedUser(seed=5)
    profile = Profile.calibrate(user.look_at(user.grid(4, 3)), user.grid(4, 3))
    again = Profile.load(saved)
    test = user.look_at(user.grid(3, 3), seed=8)
    np.testing.assert_allclose(again.predict(test).xy, profile.predict(test).xy, atol=1e-3)
    np.testing.assert_allclose(again.predict(test).spread, profile.predict(test).spread, rtol=1e-3)
    assert (again.error, again.points, again.samples, again.unit) == (profile.error, 12, 12, "cm")
    assert again.models == {"gaze": "simulated", "head": "simulated"}
    assert [path.name for path in saved.parent.iterdir()] == ["me.json"]  # no part of a file is left


def test_another_models_gaze_is_refused(saved: Path) -> None:
    faces = SimulatedUser(seed=5).look_at([[1, 1]])
    other = faces.with_columns({"gaze": faces.gaze}, model="xgaze-r18")
    with pytest.raises(UsageError, match="made with gaze by simulated, not xgaze-r18"):
        Profile.load(saved).predict(other)


@pytest.mark.parametrize(
    "change",
    [
        {"format": "other"},
        {"version": 2},
        {"unit": "inch"},
        {"features": list(FEATURES)[::-1]},
        {"mean": [0.0]},
        {"scale": [0.0] * 9},
        {"samples": []},
        {"samples": "x"},
        {"targets": [[1.0, "a"]]},
        {"kernel": {"others": 1.0, "wrong": 2.0}},
        {"kernel": 3},
        {"error": None},
        {"models": []},
    ],
)
def test_a_file_that_is_no_profile(saved: Path, change: dict[str, Any]) -> None:
    saved.write_text(json.dumps({**json.loads(saved.read_text()), **change}))
    with pytest.raises(InputError, match=r"me\.json is no profile"):
        Profile.load(saved)


@pytest.mark.parametrize("text", ["", "[]", "{}", "nonsense", '{"format": 1}'])
def test_other_files(tmp_path: Path, text: str) -> None:
    path = tmp_path / "me.json"
    path.write_text(text)
    with pytest.raises(InputError, match=r"me\.json is no profile"):
        Profile.load(path)


def test_files_that_are_not_there(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        Profile.load(tmp_path / "nobody.json")
    with pytest.raises(SourceError):
        Profile.load(tmp_path)
    with pytest.raises(StorageError, match="cannot be written"):
        Profile.load(saved).save(tmp_path / "no folder" / "me.json")


# --- regression -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", CANDIDATES[::4])
def test_leaving_out_without_fitting_again(kernel: Kernel) -> None:
    draw = np.random.default_rng(1)
    samples, targets = draw.normal(0, 1, (11, 7)), draw.normal(0, 1, (11, 2))
    groups = np.array([0, 0, 1, 2, 2, 2, 3, 4, 5, 6, 6])
    rest = left_out(Fit.of(kernel, samples, targets), groups)
    for group in range(7):
        out = groups == group
        means, _ = Fit.of(kernel, samples[~out], targets[~out]).predict(samples[out])
        np.testing.assert_allclose(rest[out], targets[out] - means, atol=1e-6)


def test_the_linear_kernel_is_ridge_regression() -> None:
    draw = np.random.default_rng(2)
    samples, targets = draw.normal(0, 1, (30, 4)), draw.normal(0, 1, (30, 2))
    fit = Fit.of(Kernel(others=0.5, noise=0.1), samples, targets)
    design = np.column_stack([np.ones(30), samples]) * np.sqrt([100, 100, 100, 0.5, 0.5])
    ridge = np.linalg.solve(design.T @ design + 0.1 * np.eye(5), design.T @ targets)
    np.testing.assert_allclose(fit.predict(samples)[0], design @ ridge, atol=1e-8)
    np.testing.assert_allclose(fit.targets, targets, atol=1e-6)


def test_the_kernel_that_fits_is_chosen() -> None:
    draw = np.random.default_rng(3)
    samples = draw.normal(0, 1, (60, 3))
    bent = np.stack([samples[:, 0] + samples[:, 0] * samples[:, 1], samples[:, 1] ** 2], axis=1)
    straight = samples[:, :2] * [1.0, -2.0] + draw.normal(0, 0.5, (60, 2))
    each = np.arange(60)
    assert choose(samples, bent, each).squares > 0
    assert choose(samples, straight, each).smooth == 0
    near, far = (Fit.of(Kernel(), samples, straight).predict(at)[1] for at in (samples[:1], samples[:1] + 20))
    assert near < far
