"""The smoother of tracks: every field by its kind, fresh state where it belongs, errors of the card."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mien
from mien.core.columns import Angles, Column, Directions, Placement, Points, Regions, Scores, Tracks
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.core.geometry import invert, transform
from mien.engine import Engine
from mien.location.smoothing import SPACES, OneEuroSmoother
from mien.models.catalogue import Catalogue
from tests.location.meshes import real_test
from tests.shared import DATA

CARD = Catalogue.load()["one-euro"]


def smoother(**params: Any) -> OneEuroSmoother:
    card = replace(CARD, params={**CARD.params, **params})
    return OneEuroSmoother(cast("Any", SimpleNamespace(card=card)))


def faces(ids: list[int], boxes: Any = (0.0, 0.0, 100.0, 120.0), **columns: Column) -> Faces:
    found = Faces.from_boxes(np.broadcast_to(np.asarray(boxes, np.float32), (len(ids), 4)))
    track = Tracks(np.array([[number, 1] for number in ids], np.float32).reshape(len(ids), 2))
    return found.with_columns({"track": track, **columns})


def columns(draw: np.random.Generator, count: int) -> dict[str, Column]:
    """One column of each kind: something at rest, and noise on it."""
    noise = 0.2 * draw.normal(size=(count, 200))
    grid = np.stack(np.meshgrid(np.arange(12), np.arange(4)), axis=-1).reshape(48, 2) * 10.0
    return {
        "landmarks": Points(np.dstack([grid + noise[:, :96].reshape(-1, 48, 2), noise[:, 100:148]])),
        "pose": Angles([20.0, -10.0, 179.5] + noise[:, 150:153]),
        "gaze": Directions([[5.0, 5.0]] + noise[:, 153:155]),
        "head": Placement([20.0, -10.0, 179.5, 10.0, 5.0, 60.0, 900.0] + noise[:, 155:162] * [1, 1, 1, 1, 1, 1, 0]),
        "blendshapes": Scores(0.5 + 0.1 * noise[:, 170:172], names=("smile", "blink")),
        "eyes": Scores(0.5 + 0.1 * noise[:, 172:174], names=("right", "left")),
        "parse": parsed(noise[:, :60].reshape(-1, 3, 4, 5) * 2, noise[:, 60:66]),
    }


def parsed(scores: Any, grids: Any) -> Regions:
    """Scores of three classes on 4 x 5 cells, 10 pixels apart and noisy in their place."""
    count = len(scores)
    maps = np.array([0.1, 0.01, 3, -0.01, 0.1, 7]) + grids * [1e-4, 1e-4, 0.1, 1e-4, 1e-4, 0.1]
    sizes = np.full((count, 2), 100.0)
    return Regions(scores, names=("background", "skin", "hair"), grids=maps, sizes=sizes, warp="affine")


def spread(seen: list[Faces], name: str) -> float:
    values = np.stack([item.columns[name].values for item in seen[20:]]).astype(np.float64)
    if name in {"pose", "head"}:
        values = np.concatenate([values[..., :2], values[..., 2:3] % 360, values[..., 3:]], axis=-1)
    return float(values.std(axis=0).mean())


def test_noise_of_every_kind_shrinks_and_what_is_not_listed_stays() -> None:
    draw = np.random.default_rng(0)
    given_, smooth = [faces([3, 7], **columns(draw, 2)) for _ in range(100)], smoother().follow()
    found = [smooth.update(i / 25, item) for i, item in enumerate(given_)]
    for name in ("landmarks", "pose", "gaze", "head", "blendshapes", "parse"):
        assert spread(found, name) < 0.7 * spread(given_, name), name
        assert type(found[0].columns[name]) is type(given_[0].columns[name])
    assert spread(found, "eyes") == spread(given_, "eyes")
    assert found[-1].head.focal.tolist() == [900, 900]
    assert np.abs(found[-1].pose.roll).min() > 175, "the seam at 180 degrees is no jump"
    assert found[-1].track.ids.tolist() == [3, 7]
    assert not list(smooth.finish())


def test_grids_are_smoothed_as_places_in_the_picture() -> None:
    draw, smooth = np.random.default_rng(0), smoother().follow()
    given_ = [faces([1], **columns(draw, 1)) for _ in range(60)]
    found = [smooth.update(i / 25, item) for i, item in enumerate(given_)]

    def shake(seen: list[Faces]) -> Any:
        maps = np.stack([item.parse.grids[0].reshape(2, 3) for item in seen[20:]])
        return transform([[[2.0, 2.0], [0.0, 4.0]]], invert(maps)).std(axis=0)

    assert (shake(found) < 0.7 * shake(given_)).all()
    assert found[-1].parse.sizes.tolist() == [[100, 100]]


def test_a_grid_that_turns_and_grows_is_followed() -> None:
    smooth, scores = smoother().follow(), np.zeros((1, 3, 4, 5))
    for i in range(50):
        angle, scale = np.deg2rad(2.0 * i), 10 + 0.1 * i
        cos, sin = np.cos(angle) / scale, np.sin(angle) / scale
        grid = np.array([[cos, -sin, 2.0, sin, cos, 1.0]])
        column = replace(parsed(scores, np.zeros((1, 6))), grids=grid)
        found = smooth.update(i / 25, faces([1], parse=column)).parse
        seen, true = (transform([[[0.0, 0.0], [40.0, 40.0]]], invert(g.reshape(1, 2, 3))) for g in (found.grids, grid))
        assert np.abs(seen - true).max() < 0.05 * 40 * scale
        determinant = np.linalg.det(found.grids.reshape(2, 3)[:, :2])
        assert determinant == pytest.approx(1 / scale**2, rel=0.05), "it neither shears nor turns over"


def test_boxes_and_keypoints_are_smoothed() -> None:
    draw, smooth = np.random.default_rng(0), smoother().follow()
    raw, found = [], []
    for i in range(60):
        item = faces([1], np.array([10, 10, 110, 130.0]) + draw.normal(size=4))
        item = replace(item, keypoints=draw.normal((20, 20, 80, 90)).reshape(1, 2, 2), keypoint_names=("a", "b"))
        raw.append(item)
        found.append(smooth.update(i / 25, item))
    for name in ("boxes", "keypoints"):
        after, before = (np.std([getattr(f, name)[0] for f in item[10:]], axis=0).mean() for item in (found, raw))
        assert after < 0.9 * before, name


def test_each_track_has_its_own_state_whatever_the_order_of_faces() -> None:
    draw = np.random.default_rng(0)
    rows = [columns(draw, 2) for _ in range(10)]
    both, alone = smoother().follow(), smoother().follow()
    for i, cols in enumerate(rows):
        order = [0, 1] if i % 3 else [1, 0]
        item = faces([[5, 9][k] for k in order], **{name: column[order] for name, column in cols.items()})
        found = both.update(i / 25, item)
        one = alone.update(i / 25, faces([9], **{name: column[[1]] for name, column in cols.items()}))
        np.testing.assert_array_equal(found.landmarks.values[order.index(1)], one.landmarks.values[0])


def test_fresh_state_for_each_clip() -> None:
    shared, draw = smoother(), np.random.default_rng(0)
    first, second = shared.follow(), shared.follow()
    for i in range(5):
        first.update(i / 25, faces([1], **columns(draw, 1)))
    item = faces([1], **columns(draw, 1))
    np.testing.assert_array_equal(second.update(0.2, item).landmarks.values, item.landmarks.values)


@pytest.mark.parametrize(
    ("time", "box"),
    [
        (1.7, [0, 0, 100, 120]),  # away for 0.7 s
        (1.04, [80, 0, 180, 120]),  # a cut
        (1.04, [-50, -60, 150, 180]),  # another face at the same place
        (0.5, [0, 0, 100, 120]),  # time runs backwards
    ],
)
def test_gaps_cuts_and_rewinding_start_anew(time: float, box: list[float]) -> None:
    draw, smooth = np.random.default_rng(0), smoother().follow()
    smooth.update(1.0, faces([1], **columns(draw, 1)))
    item = faces([1], np.array(box), **columns(draw, 1))
    found = smooth.update(time, item)
    np.testing.assert_array_equal(found.landmarks.values, item.landmarks.values)
    np.testing.assert_array_equal(found.parse.values, item.parse.values)
    np.testing.assert_allclose(found.parse.grids, item.parse.grids, rtol=1e-5)


def test_a_cut_of_one_face_does_not_touch_another() -> None:
    draw, smooth = np.random.default_rng(0), smoother().follow()
    smooth.update(1.0, faces([1, 2], **columns(draw, 2)))
    item = faces([1, 2], np.array([[500, 0, 600, 120], [0, 0, 100, 120]]), **columns(draw, 2))
    found = smooth.update(1.04, item)
    assert (found.landmarks.values[0] == item.landmarks.values[0]).all()
    assert (found.landmarks.values[1] != item.landmarks.values[1]).any()


def test_abstained_values_stay_so_and_keep_their_reasons() -> None:
    draw, smooth = np.random.default_rng(0), smoother().follow()
    for i in range(6):
        cols = columns(draw, 1)
        if i == 3:
            cols["landmarks"] = Points(np.full((1, 48, 3), np.nan), reasons=("no face here",))
            cols["parse"] = parsed(np.full((1, 3, 4, 5), np.nan), np.full((1, 6), np.nan))
        found = smooth.update(i / 25, faces([1], **cols))
        assert bool(found.landmarks.abstained[0]) == bool(found.parse.abstained[0]) == (i == 3)
        assert np.isnan(found.parse.grids).all() == (i == 3)
        assert found[0].landmarks.reason == ("no face here" if i == 3 else None)
    assert (found.landmarks.values != cols["landmarks"].values).any()


def test_keypoints_may_come_and_go() -> None:
    smooth = smoother().follow()
    for i, count in enumerate((5, 0, 5, 2)):
        item = faces([1])
        item = replace(item, keypoints=np.zeros((1, count, 2), np.float32), keypoint_names=tuple("abcde"[:count]))
        assert smooth.update(i / 25, item).keypoints.shape == (1, count, 2)


def test_faces_of_nobody_and_no_faces() -> None:
    draw, smooth = np.random.default_rng(0), smoother().follow()
    assert len(smooth.update(0.0, faces([], **columns(draw, 0)))) == 0
    for i in range(3):
        cols = columns(draw, 1)
        item = faces([0], **cols).with_columns({"track": Tracks(np.full((1, 2), np.nan))})
        np.testing.assert_array_equal(smooth.update(i / 25, item).landmarks.values, item.landmarks.values)


def test_long_clips_do_not_grow() -> None:
    smooth = smoother().follow()
    for i in range(100):
        smooth.update(i * 0.1, faces([i]))
    assert len(smooth._tracks) < 10


@given(st.floats(-89, 89), st.floats(-89, 89), st.floats(-179, 179))
def test_a_still_head_stays(yaw: float, pitch: float, roll: float) -> None:
    smooth = smoother().follow()
    item = faces(
        [1],
        pose=Angles([[yaw, pitch, roll]]),
        gaze=Directions([[roll, pitch]]),
        head=Placement([[yaw, pitch, roll, 1, 2, 60, 900]]),
    )
    for i in range(3):
        found = smooth.update(i / 25, item)
    np.testing.assert_allclose(found.pose.matrix, item.pose.matrix, atol=1e-4)
    np.testing.assert_allclose(found.gaze.vector, item.gaze.vector, atol=1e-4)
    np.testing.assert_allclose(found.head.matrix, item.head.matrix, atol=1e-4)
    np.testing.assert_allclose(found.head.values[:, 3:], item.head.values[:, 3:], rtol=1e-5)


@pytest.mark.parametrize(
    "wrong",
    [
        {"fields": 3},
        {"fields": {"landmarks": [[1.0]]}},
        {"fields": {"landmarks": [["fast", 1]]}},
        {"fields": {"head": [[1.0, 1.0]]}},
        {"fields": {"age": [[1.0, 1.0]]}},
        {"fields": {"faces": [[1.0, 1.0]]}},
        {"fields": {"parse": [[1.0, 1.0]]}},
        {"box": [1.0]},
        {"jump": "far"},
    ],
)
def test_cards_that_do_not_say_how(wrong: dict[str, Any]) -> None:
    with pytest.raises(CardError, match="one-euro"):
        smoother(**wrong)


def test_the_engine_finds_it_and_the_table_knows_its_kinds() -> None:
    with Engine(threads=1) as engine:
        assert engine.choose("smooth").id == "one-euro"
        assert isinstance(engine.runner("smooth"), OneEuroSmoother)
    assert set(SPACES) == {"points", "angles", "directions", "placement", "scores", "levels", "regions"}


@real_test
def test_a_real_clip_is_steadier_and_blinks_stay() -> None:
    meshes = {}
    for smooth in (False, True):
        with mien.track(DATA / "video" / "single_face.mp4", want={"landmarks"}, smooth=smooth) as stream:
            meshes[smooth] = np.concatenate([item.faces.landmarks.values for item in stream if item.faces])
    shake = {smooth: np.abs(np.diff(rows[..., :2], 2, axis=0)).mean() for smooth, rows in meshes.items()}
    assert shake[True] < 0.8 * shake[False]
    moved = np.linalg.norm((meshes[True] - meshes[False])[..., :2], axis=2)
    assert moved.mean() < 0.02 * np.ptp(meshes[False][..., 0], axis=1).mean()
    lids = {smooth: np.linalg.norm(rows[:, 159] - rows[:, 145], axis=1) for smooth, rows in meshes.items()}
    assert lids[True].min() < 1.3 * lids[False].min() + 0.5
