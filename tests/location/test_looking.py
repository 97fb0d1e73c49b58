"""Who looks at whom: in the picture, in space, at objects; what abstains; looks over time and their sums."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.clip import Event, Events, Track
from mien.core.columns import Directions, Placement, Tracks
from mien.core.errors import FieldNotComputed, ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.location.looking import CAMERA, NOBODY, UNKNOWN, Cone, looks_at
from mien.location.looks import LookWatch, dwell
from mien.location.spans import SpanLimits
from tests.location.meshes import real_test
from tests.shared import DATA

SIZE = (1000, 600)
FOCAL = 1000.0


def people(places: Any, gaze: Any, *, head: bool = True, reasons: Any = (), ids: Any = None) -> Faces:
    """Faces of 16 cm at `places` (N, 3) in cm before the camera, with gaze (N, 2) in degrees as the camera sees it."""
    at = np.asarray(places, np.float64).reshape(-1, 3)
    half = 8.0 * FOCAL / at[:, 2]
    middle = at[:, :2] / at[:, 2:] * FOCAL + (np.array(SIZE) - 1) / 2
    boxes = np.concatenate([middle - half[:, None], middle + half[:, None]], axis=1)
    faces = Faces.from_boxes(
        boxes, keypoints=np.stack([middle] * 5, axis=1), image_size=SIZE, keypoint_names=POINTS
    ).with_columns({"gaze": Directions(np.asarray(gaze, np.float32).reshape(-1, 2), reasons=reasons)})
    placed = np.concatenate([np.zeros((len(at), 3)), at, np.full((len(at), 1), FOCAL)], axis=1)
    if head:
        faces = faces.with_columns({"head": Placement(placed.astype(np.float32))})
    if ids is not None:
        faces = faces.with_columns({"track": Tracks(np.stack([ids, np.ones(len(ids))], axis=1).astype(np.float32))})
    return faces


POINTS = ("right_eye", "left_eye", "nose_tip", "right_mouth", "left_mouth")
SIDE_BY_SIDE = [[-40, 0, 200], [40, 0, 200], [0, 0, 200]]


@pytest.mark.parametrize("head", [False, True])
def test_two_who_look_at_each_other(head: bool) -> None:
    looks = looks_at(people(SIDE_BY_SIDE[:2], [[88, 0], [-88, 0]], head=head))
    assert looks.targets == ("face 1", "face 0")
    assert looks.mutual == ((0, 1),)
    assert looks.scores[0, 1] > 0.9
    assert looks.scores[0, 0] == 0
    assert np.isnan(looks.angles[0, 0])


@pytest.mark.parametrize("head", [False, True])
def test_the_camera_and_nobody(head: bool) -> None:
    looks = looks_at(people(SIDE_BY_SIDE[:2], [[0, 0], [0, 60]], head=head))
    assert looks.target.tolist() == [CAMERA, NOBODY]
    assert looks.targets == ("camera", "nobody")
    assert looks.camera[0] == pytest.approx(1)
    assert looks.mutual == ()


@pytest.mark.parametrize("head", [False, True])
def test_of_two_in_a_row_the_nearer_one_stands_in_the_way(head: bool) -> None:
    faces = people([[-60, 0, 200], [60, 0, 200], [0, 0, 200]], [[88, 0], [0, 0], [0, 0]], head=head)
    assert looks_at(faces).targets[0] == "face 2"


def test_depth_tells_apart_what_the_picture_does_not() -> None:
    """The target stands in the same place of the picture, beside the looker or far behind."""
    for z, expected in ((200, "face 1"), (420, "nobody")):
        places = [[-40, 0, 200], [40 * z / 200, 0, z]]
        assert looks_at(people(places, [[90, 0], [0, 0]])).targets[0] == expected
        assert looks_at(people(places, [[90, 0], [0, 0]], head=False)).targets[0] == "face 1"


@given(
    st.tuples(st.floats(-60, 60), st.floats(-40, 40), st.floats(100, 300)),
    st.tuples(st.floats(-60, 60), st.floats(-40, 40), st.floats(100, 300)),
)
def test_who_looks_exactly_at_another_does(one: tuple[float, ...], other: tuple[float, ...]) -> None:
    """The gaze is turned into the axes of the ray, as the field has it."""
    from mien.location.gaze import view_rotation

    way = np.subtract(other, one)
    if np.linalg.norm(way) < 40:
        return
    seen = view_rotation([one])[0].T @ (way / np.linalg.norm(way))
    looks = looks_at(people([one, other], np.stack([Directions.from_vectors(seen[None]).values[0], [0, 0]])))
    assert looks.angles[0, 1] < 6  # from the middle of the face to the nearest of 25 points of its box
    assert looks.scores[0, 1] > 0.8


def test_a_gaze_may_turn_farther_than_it_says_but_not_elsewhere() -> None:
    beside = people(SIDE_BY_SIDE[:2], [[46, 0], [0, 0]])
    assert looks_at(beside).targets[0] == "face 1"
    assert looks_at(beside, cone=Cone(reach=1)).targets[0] == "nobody"
    assert looks_at(people(SIDE_BY_SIDE[:2], [[46, 40], [0, 0]])).targets[0] == "nobody"
    assert looks_at(people(SIDE_BY_SIDE[:2], [[20, 0], [0, 0]])).targets[0] == "nobody"


def test_objects_by_name() -> None:
    faces = people([[0, 0, 200]], [[80, 0]], head=False)
    boxes = [[800, 250, 900, 350], [100, 250, 200, 350], [450, 0, 550, 80]]
    looks = looks_at(faces, objects=boxes, names=["screen", "door", "lamp"])
    assert looks.names == ("face 0", "screen", "door", "lamp")
    assert looks.targets == ("screen",)
    assert looks.scores.shape == (1, 4)
    (row,) = looks.to_dicts()
    assert row["looks_at"] == "screen"
    assert set(row["scores"]) == {"screen", "door", "lamp"}


def test_the_depth_of_objects() -> None:
    """Beside the face, or two metres behind it: looked at straight aside."""
    faces = people([[0, 0, 200]], [[90, 0]])
    box = [[900, 250, 1000, 350]]
    assert looks_at(faces, objects=box, depth=[200.0]).targets == ("object 0",)
    assert looks_at(faces, objects=box, depth=[420.0]).targets == ("nobody",)
    assert looks_at(faces, objects=box, depth=[np.nan]).targets == ("object 0",)


def test_an_object_around_the_eyes_is_not_looked_at_unless_depth_says_so() -> None:
    faces = people([[0, 0, 200]], [[40, 0]])
    around = [[0, 0, *SIZE]]
    assert looks_at(faces, objects=around).targets == ("nobody",)
    assert looks_at(faces, objects=around, depth=[120.0]).targets == ("object 0",)


def test_abstains_with_the_gaze() -> None:
    faces = people(SIDE_BY_SIDE[:2], [[np.nan, np.nan], [-88, 0]], reasons=("both eyes are closed", None))
    looks = looks_at(faces)
    assert looks.target.tolist() == [UNKNOWN, 0]
    assert looks.targets == (None, "face 0")
    assert looks.scores[0].tolist() == [0, 0]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_shapes(count: int) -> None:
    looks = looks_at(people(SIDE_BY_SIDE[:count], np.zeros((count, 2))))
    assert looks.scores.shape == looks.angles.shape == (count, count)
    assert looks.target.shape == looks.camera.shape == (count,)
    assert len(looks.to_dicts()) == count
    assert looks_at(people([], []), objects=[[0, 0, 5, 5]]).scores.shape == (0, 1)


def test_faces_that_cannot_be_placed_are_tested_in_the_picture() -> None:
    faces = people(SIDE_BY_SIDE[:2], [[88, 0], [-88, 0]])
    lost = faces.head.values.copy()
    lost[1] = np.nan
    looks = looks_at(faces.with_columns({"head": Placement(lost, reasons=(None, "no mesh"))}))
    assert looks.mutual == ((0, 1),)


def test_a_picture_of_unknown_size_is_flat() -> None:
    faces = replace(people(SIDE_BY_SIDE[:2], [[88, 0], [-88, 0]]), image_size=(0, 0))
    assert looks_at(faces).mutual == ((0, 1),)
    with pytest.raises(UsageError, match="size of the picture is not known"):
        looks_at(faces, objects=[[0, 0, 5, 5]], depth=[100.0])


def test_errors() -> None:
    faces = people(SIDE_BY_SIDE[:1], [[0, 0]], head=False)
    with pytest.raises(FieldNotComputed, match="head was not computed"):
        looks_at(faces, objects=[[0, 0, 5, 5]], depth=[100.0])
    with pytest.raises(FieldNotComputed, match="gaze was not computed"):
        looks_at(faces.only(frozenset()))
    with pytest.raises(ShapeMismatch, match="1 objects have as many names"):
        looks_at(faces, objects=[[0, 0, 5, 5]], names=["a", "b"])
    with pytest.raises(UsageError, match="above 0 cm"):
        looks_at(people(SIDE_BY_SIDE[:1], [[0, 0]]), objects=[[0, 0, 5, 5]], depth=[-1.0])
    with pytest.raises(UsageError, match="and finite"):
        looks_at(people(SIDE_BY_SIDE[:1], [[0, 0]]), objects=[[0, 0, 5, 5]], depth=[np.inf])
    with pytest.raises(ShapeMismatch, match="depths are numbers"):
        looks_at(faces, objects=[[0, 0, 5, 5]], depth=["near"])
    for names in (["lamp", "lamp"], ["face 0", "lamp"]):  # `to_dicts` would tell of one of them only
        with pytest.raises(UsageError, match="no two faces or objects have one name"):
            looks_at(faces, objects=[[0, 0, 5, 5], [9, 9, 10, 10]], names=names)
    with pytest.raises(UsageError, match="x1 <= x2"):
        looks_at(faces, objects=[[5, 0, 0, 5]])
    with pytest.raises(UsageError, match="a cone has"):
        Cone(spread=0)


# --- in time ----------------------------------------------------------------------------------------------------------


def watched(yaws: Any, *, pitches: Any = None, rate: float = 10.0, **options: Any) -> Events:
    """Track 7 turns its eyes, track 9 looks into the camera."""
    watch = LookWatch(**options)
    for index, (yaw, pitch) in enumerate(zip(yaws, pitches or [0] * len(yaws), strict=True)):
        watch.update(index / rate, people(SIDE_BY_SIDE[:2], [[yaw, pitch], [0, 0]], ids=[7, 9]))
    return watch.finish()


def test_a_look_begins_and_ends() -> None:
    (event,) = watched([0] * 5 + [88] * 11 + [0] * 10)
    assert (event.kind, event.track_id, event.details) == ("look", 7, {"target": 9.0})
    assert (event.start, event.end) == (0.5, 1.5)
    assert event.score > 0.9


def test_a_glance_is_no_look_and_a_blink_does_not_end_one() -> None:
    assert len(watched([0] * 5 + [88] * 3 + [0] * 5)) == 0
    assert len(watched([88] * 6 + [np.nan] * 2 + [88] * 6)) == 1
    assert len(watched([88] * 6 + [0] * 8 + [88] * 6)) == 2


def test_a_look_wavers_but_has_to_begin_surely() -> None:
    limits = SpanLimits(enter=0.8, leave=0.3, shortest=0.3, longest_gap=0.2)
    beside = 18  # degrees above the other's middle: about 12 above the box
    assert len(watched([88] * 20, pitches=[beside] * 20, limits=limits)) == 0
    (event,) = watched([88] * 21, pitches=[0] + [beside] * 20, limits=limits)
    assert event.duration == pytest.approx(2.0)


def test_objects_over_time_and_who_was_not_seen() -> None:
    (event,) = watched([-88] * 8, objects=[[0, 250, 60, 350]])
    assert event.details == {"object": 0.0}
    watch = LookWatch()
    faces = people(SIDE_BY_SIDE[:2], [[88, 0], [0, 0]], ids=[7, 9])
    unseen = Tracks(np.array([[7, 0], [9, 1]], np.float32))
    for index in range(10):
        watch.update(index / 10, faces.with_columns({"track": unseen}))
    assert len(watch.finish()) == 0
    assert len(LookWatch().finish()) == 0


def test_sums() -> None:
    events = Events(
        (
            Event("look", 1, 0.0, 1.0, details={"target": 2.0}),
            Event("look", 1, 5.0, 8.0, details={"target": 2.0}),
            Event("look", 1, 2.0, 2.5, details={"object": 0.0}),
            Event("attention_span", 2, 0.0, 10.0),
            Event("blink", 2, 0.0, 0.2),
        )
    )
    rows = dwell(events, tracks=(Track(1, 0.0, 10.0, 100), Track(2, 0.0, 10.0, 100)))
    told = [(row.track_id, row.target, row.looks, row.seconds, row.longest, row.share) for row in rows]
    assert told == [(1, "track 2", 2, 4.0, 3.0, 0.4), (1, "object 0", 1, 0.5, 0.5, 0.05), (2, "camera", 1, 10, 10, 1.0)]
    assert np.isnan(dwell(events)[0].share)
    assert dwell(Events()) == ()


@real_test
def test_of_a_real_group_somebody_looks_somewhere() -> None:
    from mien.engine import Engine

    with Engine(threads=1) as engine:
        faces = engine.analyze(DATA / "landmarks68_boxes" / "2008_001009.jpg", want={"gaze", "head"})
        looks = looks_at(faces)
        assert len(faces) >= 2
        assert looks.scores.shape == (len(faces), len(faces))
        assert engine.choose("look").id == "looks"
        assert type(engine.runner("look").follow()) is LookWatch
