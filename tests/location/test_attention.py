"""Looking at the camera: per face, over time, and heads turned away."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mien
from mien import assets
from mien.core.clip import Events
from mien.core.columns import Angles, Directions, Flag, Tracks
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.engine.steps import Batch
from mien.location.attention import Attention, AttentionSpans, AwaySpans, facing
from mien.models.catalogue import Catalogue
from tests.location.meshes import real_test
from tests.shared import DATA

CARDS = Catalogue.load()
KINDS = {"attention": Attention, "attention-spans": AttentionSpans, "away-spans": AwaySpans}


def made(model: str, **params: Any) -> Any:
    card = CARDS[model]
    return KINDS[model](cast("Any", SimpleNamespace(card=replace(card, params={**card.params, **params}))))


def looking(gaze: Any, pose: Any, **params: Any) -> Flag:
    gaze_column = gaze if isinstance(gaze, Directions) else Directions(np.asarray(gaze, np.float32))
    faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (len(gaze_column), 1)))
    faces = faces.with_columns({"gaze": gaze_column, "pose": Angles(np.asarray(pose, np.float32).reshape(-1, 3))})
    batch = Batch([], np.zeros(len(faces), np.intp), faces)
    return cast("Flag", made("attention", **params).describe(batch)["attention"])


# --- one picture ------------------------------------------------------------------------------------------------------


def test_gaze_decides_and_the_head_has_a_veto() -> None:
    straight, aside, behind = (
        looking([[0, 0]], [[0, 0, 0]]),
        looking([[25, 0]], [[0, 0, 0]]),
        looking([[0, 0]], [[70, 0, 0]]),
    )
    assert straight.values[0] > 0.95
    assert aside.values[0] < 0.05
    assert behind.values[0] < 0.05
    assert looking([[0, 0]], [[25, 10, 0]]).values[0] > 0.9, "eyes turn back"
    assert looking([[0, 12]], [[0, 0, 0]]).values[0] == pytest.approx(0.5, abs=0.01)


@given(st.floats(0, 60), st.floats(0, 60), st.floats(-180, 180), st.floats(-40, 40))
def test_farther_is_never_likelier_and_sides_are_alike(near: float, far: float, roll: float, yaw: float) -> None:
    near, far = sorted((near, far))
    values = looking([[near, 0], [far, 0], [-far, 0]], [[yaw, 0, roll], [yaw, 0, 0], [-yaw, 0, 0]]).values
    assert values[0] >= values[1] - 1e-6
    assert values[1] == pytest.approx(values[2], abs=1e-6)


def test_the_target_can_be_a_screen_below_the_camera() -> None:
    values = looking([[0, -14], [0, 14]], np.zeros((2, 3)), target=[0.0, -14.0]).values
    assert values[0] > 0.9
    assert values[1] < 0.1


def test_it_abstains_with_what_it_needs() -> None:
    gaze = Directions(np.array([[np.nan, np.nan], [0, 0], [0, 0]]), reasons=("both eyes are closed", None, None))
    found = looking(gaze, [[0, 0, 0], [np.nan] * 3, [0, 0, 0]])
    assert found.abstained.tolist() == [True, True, False]
    assert found.reasons == ("both eyes are closed", "the face has no pose", None)
    assert looking(np.zeros((0, 2)), np.zeros((0, 3))).shape == (0,)


def test_facing_goes_all_around() -> None:
    pose = Angles(np.array([[0, 0, 0], [150, 0, 0], [-150, 5, 0], [30, 180, 180], [0, 30, -90.0]]))
    expected = [[0, 0], [150, 0], [-150, 5], [150, 0], [0, 30]]
    found = facing(pose).values
    np.testing.assert_allclose(found[[0, 1, 2, 3]], expected[:4], atol=1e-3)
    np.testing.assert_allclose(facing(pose).off_axis[4], 30, atol=1e-3)


@pytest.mark.parametrize("wrong", [{"target": [0.0]}, {"target": "me"}, {"gaze_step": 0.0}, {"head_limit": "far"}])
def test_cards_that_do_not_say_how(wrong: dict[str, Any]) -> None:
    with pytest.raises(CardError, match="attention"):
        made("attention", **wrong)
    card = replace(CARDS["attention"], params={})
    with pytest.raises(CardError, match=r"params\.target"):
        Attention(cast("Any", SimpleNamespace(card=card)))


# --- over time --------------------------------------------------------------------------------------------------------


def frames(model: str, curves: dict[int, Any], *, hidden: dict[int, set[int]] | None = None, **params: Any) -> Events:
    """Events of tracks whose values per frame (10 a second) are given; None: the track is not there."""
    step = made(model, **params).follow()
    for i in range(max(map(len, curves.values()), default=0)):
        here = {number: curve[i] for number, curve in curves.items() if i < len(curve) and curve[i] is not None}
        faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (len(here), 1)))
        seen = [[number, i not in (hidden or {}).get(number, set())] for number in here]
        values = np.array(list(here.values()), np.float32)
        column = Flag(values) if model == "attention-spans" else Angles(values.reshape(-1, 3))
        name = "attention" if model == "attention-spans" else "pose"
        faces = faces.with_columns({"track": Tracks(np.array(seen, np.float32).reshape(-1, 2)), name: column})
        assert step.update(i / 10, faces) is faces
    found: Events = step.finish()
    return found


def test_two_people_each_by_themselves() -> None:
    found = frames("attention-spans", {3: [0.9] * 20, 8: [0.0] * 5 + [0.8] * 10 + [0.0] * 10})
    assert [(e.kind, e.track_id, e.start, e.end) for e in found] == [
        ("attention_span", 3, 0.0, 1.9),
        ("attention_span", 8, 0.5, 1.4),
    ]
    assert [e.score for e in found] == pytest.approx([0.9, 0.8])


def test_blinks_do_not_end_a_span_and_people_who_leave_do() -> None:
    blink = [0.9] * 5 + [np.nan] * 3 + [0.9] * 5
    assert len(frames("attention-spans", {0: blink})) == 1
    left = [0.9] * 5 + [None] * 20 + [0.9] * 5
    assert [e.end for e in frames("attention-spans", {0: left})] == [0.4, 2.9]


def test_frames_in_which_a_face_was_not_seen_say_nothing() -> None:
    found = frames("attention-spans", {0: [0.9] * 20}, hidden={0: set(range(8, 20))})
    assert [(e.start, e.end) for e in found] == [(0.0, 0.7)]


def test_nobody_and_nothing() -> None:
    assert len(frames("attention-spans", {})) == 0
    assert len(frames("away-spans", {-1: [[60, 0, 0]] * 30})) == 0


def test_a_head_turned_away_with_its_direction() -> None:
    curve = [[0, 0, 0]] * 5 + [[50, -10, 0]] * 20 + [[0, 0, 0]] * 10 + [[0, 0, 0]] * 5 + [[-45, 0, 15]] * 3
    (event,) = frames("away-spans", {2: curve})
    assert (event.kind, event.track_id, event.start, event.end) == ("away", 2, 0.5, 2.4)
    assert event.details == pytest.approx({"yaw": 50, "pitch": -10}, abs=1)
    assert len(frames("away-spans", {2: curve}, shortest=5.0)) == 0
    assert len(frames("away-spans", {2: [[0, -40, 0]] * 20}, target=[0.0, -40.0])) == 0


def test_each_clip_begins_anew() -> None:
    watcher = made("attention-spans")
    first, second = watcher.follow(), watcher.follow()
    faces = Faces.from_boxes([[0, 0, 1, 1]]).with_columns({"track": Tracks([[0, 1]]), "attention": Flag([0.9])})
    for i in range(9):
        first.update(i / 10, faces)
    assert len(second.finish()) == 0
    assert len(first.finish()) == 1


@pytest.mark.parametrize("wrong", [{"target": 3}, {"target": ["a", 1]}, {"enter": 1.0}])
def test_cards_of_away_that_do_not_say_how(wrong: dict[str, Any]) -> None:
    with pytest.raises(CardError, match="away-spans"):
        made("away-spans", **wrong)


# --- with weights -----------------------------------------------------------------------------------------------------


@pytest.mark.weights
def test_people_who_look_into_the_camera() -> None:
    faces = mien.analyze(assets.PAIRS[0][0], want={"attention"}).top(1)
    assert faces.attention.values[0] > 0.8


@real_test
def test_published_poses_beyond_the_limit_do_not_look_here() -> None:
    for name in ("image00251", "image00475"):  # yaw of 55 and -61 degrees
        faces = mien.analyze(DATA / "pose" / f"{name}.jpg", want={"attention"}).top(1)
        assert not faces.attention.values[0] > 0.2


@real_test
def test_a_real_clip() -> None:
    """A person who speaks into the camera, and looks aside now and then."""
    with mien.track(DATA / "video" / "single_face.mp4", want={"attention_span", "away", "attention"}) as stream:
        shares = [item.faces.attention.values[0] > 0.5 for item in stream if item.faces]
        clip = stream.clip
    looking_at = clip.events.of(kind="attention_span")
    assert all(0 <= event.start <= event.end <= clip.duration for event in clip.events)
    total = sum(event.duration for event in looking_at)
    assert total == pytest.approx(np.mean(shares) * clip.duration, abs=0.7)
    assert len(clip.events.of(kind="away")) == 0
