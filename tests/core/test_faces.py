"""Faces: checked once, columnar, frozen; errors that say what to do."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import Angles, Points, Scalar, Vectors
from mien.core.errors import FieldNotComputed, ImageNotKept, MienError, ShapeMismatch, UsageError
from mien.core.faces import ALIGNMENT_NAMES, Faces


def make(count: int, seed: int = 0) -> Faces:
    random = np.random.default_rng(seed)
    corners = random.uniform(0, 100, (count, 2))
    faces = Faces.from_boxes(
        np.hstack([corners, corners + random.uniform(1, 50, (count, 2))]),
        scores=random.random(count),
        keypoints=random.uniform(0, 100, (count, 5, 2)),
        keypoint_names=ALIGNMENT_NAMES,
        image_size=(200, 150),
    ).with_alignment()
    return faces.with_columns(
        {
            "pose": Angles(random.uniform(-45, 45, (count, 3))),
            "embedding": Vectors(random.normal(size=(count, 4)), space="toy/1"),
        },
        model="toy",
    )


def test_the_five_points_can_be_the_alignment() -> None:
    names = ("nose_tip", *(name for name in ALIGNMENT_NAMES if name != "nose_tip"), "left_ear")
    points = np.arange(12, dtype=np.float32).reshape(1, 6, 2)
    faces = Faces.from_boxes([[0, 0, 9, 9]], keypoints=points, keypoint_names=names)
    assert faces.fields == ()
    faces = faces.with_alignment()
    assert faces.alignment.names == ALIGNMENT_NAMES
    assert faces[0].alignment.xy[2].tolist() == [0, 1]  # the nose came first
    assert faces.with_alignment() is faces
    assert Faces.from_boxes([[0, 0, 9, 9]]).with_alignment().fields == ()


@pytest.mark.parametrize("count", [0, 1, 7])
def test_indexing(count: int) -> None:
    faces = make(count)
    assert len(faces) == count
    assert len(list(faces)) == count
    assert len(faces[faces.scores > 2]) == 0
    assert len(faces[:1]) == min(count, 1)
    np.testing.assert_array_equal(faces[list(range(count))[::-1]].boxes, faces.boxes[::-1])
    for row, face in enumerate(faces):
        assert face.score == faces.scores[row]
        np.testing.assert_array_equal(face.box, faces.boxes[row])
        np.testing.assert_array_equal(face.embedding.values, faces.embedding.values[row])
        assert face.pose.yaw == faces.pose.yaw[row]
        assert set(face.keypoints) == set(ALIGNMENT_NAMES)
    with pytest.raises(IndexError):
        faces[count]


@given(counts=st.lists(st.integers(0, 3), max_size=4))
def test_concat_keeps_every_face_in_order(counts: list[int]) -> None:
    parts = [make(count, seed) for seed, count in enumerate(counts)]
    whole = Faces.concat(parts)
    assert len(whole) == sum(counts)
    np.testing.assert_array_equal(whole.boxes, np.concatenate([np.zeros((0, 4)), *(p.boxes for p in parts)]))
    if sum(counts):
        assert set(whole.fields) == {"alignment", "pose", "embedding"}


def test_concat_keeps_what_all_have() -> None:
    rich, poor = make(2), Faces.from_boxes([[0, 0, 5, 5]])
    joined = Faces.concat([rich, poor])
    assert joined.fields == ()
    assert joined.keypoint_names == ()
    other = make(1).with_columns({"embedding": Vectors(np.ones((1, 4)), space="other/1")})
    with pytest.raises(UsageError, match="differ"):
        Faces.concat([rich, other])


def test_top() -> None:
    faces = Faces.from_boxes([[0, 0, 1, 1], [0, 0, 3, 3], [0, 0, 2, 9]], scores=[0.9, np.nan, 0.5])
    assert faces.top(2).heights.tolist() == [9, 3]
    assert faces.top(2, by="score").scores.tolist() == pytest.approx([0.9, 0.5])
    assert len(faces.top(0)) == 0
    assert len(faces.top(9)) == 3
    scored = faces.with_columns({"presence": Scalar([0.1, 0.2, 0.9])})
    assert scored.top(1, by="presence").heights.tolist() == [9]
    with pytest.raises(UsageError, match="cannot order faces by 'beauty'"):
        faces.top(1, by="beauty")
    with pytest.raises(FieldNotComputed):
        faces.top(1, by="presence")


def test_a_field_that_was_not_asked_for_says_what_to_pass() -> None:
    faces = make(1)
    with pytest.raises(FieldNotComputed, match=r"pass want=\{'age'\}"):
        _ = faces.age
    with pytest.raises(FieldNotComputed):
        _ = faces[0].age
    assert not hasattr(faces, "age")  # an AttributeError, so that hasattr and getattr work
    with pytest.raises(AttributeError, match="no attribute 'colour'"):
        _ = faces.colour
    assert issubclass(FieldNotComputed, MienError)


@pytest.mark.parametrize(
    ("build", "error", "says"),
    [
        (lambda: Faces.from_boxes([[0, 0, 1, 1], [1]]), ShapeMismatch, "boxes are"),
        (lambda: Faces.from_boxes([["a", 0, 1, 1]]), ShapeMismatch, "boxes are"),
        (lambda: Faces.from_boxes([[0, 0, 1]]), ShapeMismatch, r"boxes are \(N, 4\)"),
        (lambda: Faces.from_boxes([[5, 0, 1, 1]]), UsageError, "x1 <= x2"),
        (lambda: Faces.from_boxes([[0, 0, np.nan, 1]]), UsageError, "finite"),
        (lambda: Faces.from_boxes([[0, 0, 1, 1]], scores=[1, 2]), ShapeMismatch, "scores of 1 faces"),
        (lambda: Faces.from_boxes([[0, 0, 1, 1]], keypoints=[[[1, 2]]]), ShapeMismatch, "keypoints of 1 faces"),
        (lambda: make(2).with_columns({"pose": Angles(np.zeros((1, 3)))}), ShapeMismatch, "pose column"),
        (lambda: make(1).with_columns({"mood": Scalar([1.0])}), UsageError, "'mood' is not a field"),
        (lambda: make(1).with_columns({"box": Scalar([1.0])}), UsageError, "'box' is not a field"),
    ],
)
def test_what_does_not_fit_is_refused(build: Callable[[], object], error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        build()


def test_results_are_frozen() -> None:
    faces = make(1)
    for array in (faces.boxes, faces.scores, faces.keypoints, faces.pose.values, faces[:1].boxes):
        with pytest.raises(ValueError, match="read-only"):
            array[...] = 0
    mine = np.zeros((1, 4), np.float32)
    Faces.from_boxes(mine)
    mine[0, 0] = 1  # the caller's own array stays the caller's
    with pytest.raises(AttributeError):
        faces.scores = np.ones(1, np.float32)  # type: ignore[misc]
    with pytest.raises(TypeError):
        faces.columns["pose"] = Scalar([1.0])  # type: ignore[index]


def test_pickles_leave_the_pixels_behind() -> None:
    faces = make(2).with_image(np.zeros((150, 200, 3), np.uint8))
    back = pickle.loads(pickle.dumps(faces))
    assert back.image is None
    assert back.image_size == (200, 150)
    assert back.models == faces.models
    np.testing.assert_array_equal(back.embedding.values, faces.embedding.values)
    assert len(pickle.dumps(faces)) < 3000
    assert copy.copy(faces).image is faces.image
    with pytest.raises(ImageNotKept):
        back.draw()
    with pytest.raises(ImageNotKept):
        back[0].crop()


@given(count=st.integers(0, 4), seed=st.integers(0, 99))
def test_dicts_round_trip(count: int, seed: int) -> None:
    faces = make(count, seed)
    back = Faces.from_dicts(faces.to_dicts(), image_size=faces.image_size)
    assert len(back) == count
    np.testing.assert_allclose(back.boxes, faces.boxes, atol=0.01)
    if count:
        assert back.fields == faces.fields
        assert back.models == faces.models
        assert back.embedding.space == "toy/1"
        np.testing.assert_allclose(back.embedding.values, faces.embedding.values, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"schema": 99}, "not of schema"),
        ({"box": None}, "boxes are"),
        ({"pose": {"yaw": 1}}, "to_dicts"),
        ({"pose": 5}, "to_dicts"),
        ({"score": "high"}, "to_dicts"),
    ],
)
def test_foreign_dicts_are_refused(change: dict[str, object], says: str) -> None:
    dicts = make(1).to_dicts()
    with pytest.raises(UsageError, match=says):
        Faces.from_dicts([{**dicts[0], **change}])


def test_the_detector_is_named_in_json() -> None:
    faces = replace(make(1), models={"detect": "yunet", "pose": "toy"})
    assert faces.to_dicts()[0]["model"] == "yunet"
    assert Faces.from_dicts(faces.to_dicts()).models["detect"] == "yunet"


def test_a_missing_score_is_null_and_back() -> None:
    faces = Faces.from_boxes([[0, 0, 1, 1]])
    assert faces.to_dicts()[0]["score"] is None
    assert np.isnan(Faces.from_dicts(faces.to_dicts()).scores[0])


def test_to_pandas() -> None:
    frame = make(3).to_pandas()
    assert len(frame) == 3
    assert {"x1", "score", "nose_tip.x", "pose.yaw", "embedding"} <= set(frame.columns)
    assert len(make(0).to_pandas()) == 0


def test_crop_centres_on_the_box_and_pads_outside() -> None:
    picture = np.zeros((100, 100, 3), np.uint8)
    picture[40:60, 30:50] = 255
    faces = Faces.from_boxes([[30, 40, 50, 60], [90, 90, 120, 120]]).with_image(picture)
    assert faces[0].crop(margin=0).mean() > 240
    assert faces[0].crop(margin=0.5).shape == (40, 40, 3)
    assert faces[1].crop(size=64).shape == (64, 64, 3)
    for wrong in ({"size": -1}, {"size": 0}, {"size": 3.5}, {"margin": np.nan}, {"margin": -1}):
        with pytest.raises(UsageError, match="of a crop"):
            faces[0].crop(**wrong)
    with pytest.raises(FieldNotComputed):
        faces[0].crop(template="arcface112")
    detected = make(1).only(frozenset()).with_image(picture)
    assert detected.fields == ()
    assert detected[0].crop(template="arcface112").shape == (112, 112, 3)  # from the detector's points


def test_computed_fields_are_completed_in_a_shell() -> None:
    assert {"pose", "embedding", "boxes"} <= set(dir(make(1)))
    assert {"pose", "box"} <= set(dir(make(1)[0]))
    assert "age" not in dir(make(1))
    assert (
        repr(Faces.from_boxes([[0, 0, 102.4, 1]], scores=[0.5])[0]) == "Face(box=(0.0, 0.0, 102.4, 1.0), score=0.500)"
    )


def test_aligned_crop_brings_the_points_to_the_template() -> None:
    from mien.core.geometry import TEMPLATES

    template = TEMPLATES["arcface112"]
    picture = np.zeros((400, 400, 3), np.uint8)
    points = template.points_at(112) * 2 + 50
    x, y = points[2].round().astype(int)
    picture[y - 3 : y + 4, x - 3 : x + 4] = 255
    faces = Faces.from_boxes([[60, 60, 250, 250]], keypoints=points[None], keypoint_names=ALIGNMENT_NAMES)
    crop = faces.with_image(picture)[0].crop(template="arcface112")
    assert crop.shape == (112, 112, 3)
    where = np.argwhere(crop[..., 0] > 128).mean(axis=0)[::-1]
    np.testing.assert_allclose(where, template.points_at(112)[2], atol=1)
    with pytest.raises(UsageError, match="no template is called 'passport'"):
        faces.with_image(picture)[0].crop(template="passport")


def test_draw_marks_the_picture_and_leaves_the_original() -> None:
    picture = np.full((150, 200, 3), 90, np.uint8)
    faces = make(2).with_columns({"landmarks": Points(np.full((2, 478, 3), 40.0))}).with_image(picture)
    drawn = faces.draw()
    assert drawn.shape == picture.shape
    assert (picture == 90).all()
    assert (drawn != 90).any()
    assert (faces.draw(fields=[]) != drawn).any()
    for wrong in (["row"], "pose", ["age"]):
        with pytest.raises(UsageError, match="fields to draw"):
            faces.draw(fields=wrong)
    assert (Faces.empty().with_image(picture).draw() == picture).all()
