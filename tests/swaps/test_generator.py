"""The generator's rules, on a made-up engine that shows what the test says; real pictures: test_generator_real.py."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.columns import Angles, Distribution, Points, Scalar, Vectors
from mien.core.errors import NotCalibrated, UsageError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import TEMPLATES
from mien.core.image import Image
from mien.engine import Engine
from mien.swaps.invented.generator import PATIENCE, Checks, distinct_people, generate, latents
from tests.swaps.meshes import mesh_that_says

SIDE = 128
PLACE = TEMPLATES["ffhq"].points_at(SIDE)


def seen(
    *scores: float,
    presence: float = 1.0,
    ages: dict[int, float] | None = None,
    shift: float = 0.0,
    shape: float = -5.0,
    person: float = 0.0,
) -> Faces:
    """What the engine finds in a picture: faces with these scores, all alike.

    `shape` is what their shape says of minors, in log odds; `person` is an angle in degrees.
    """
    count, ages = len(scores), ages or {40: 1.0}
    vector = [np.cos(np.radians(person)), np.sin(np.radians(person))]
    faces = Faces.from_boxes(
        [[30, 30, 100, 110]] * count,
        scores=scores,
        keypoints=np.repeat(PLACE[None] + np.float32(shift * SIDE), count, axis=0),
        keypoint_names=ALIGNMENT_NAMES,
        image_size=(SIDE, SIDE),
    )
    return faces.with_alignment().with_columns(
        {
            "presence": Scalar(np.full(count, presence)),
            "pose": Angles(np.zeros((count, 3))),
            "landmarks": Points(np.repeat(mesh_that_says(shape)[None], count, axis=0)),
            "age": Distribution(np.tile(list(ages.values()), (count, 1)), support=tuple(ages)),
            "embedding": Vectors(np.tile(vector, (count, 1)), space="made/up"),
        }
    )


@dataclass
class Stage:
    """An engine and a generator: the n-th picture is grey n, and shows the n-th of `shows` (the last one for ever)."""

    shows: Sequence[Faces]
    drawn: list[np.ndarray[Any, Any]] = field(default_factory=list)
    wanted: set[str] = field(default_factory=set)
    space: str = "made/up"
    licenses: str = "any"

    def choose(self, _name: str) -> SimpleNamespace:
        return SimpleNamespace(id="made-up", space=self.space)

    def runner(self, _name: str) -> Stage:
        return self

    def styles(self, latents: np.ndarray[Any, Any], *, truncation: float) -> np.ndarray[Any, Any]:
        return latents * truncation

    def draw(self, styles: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        self.drawn.append(styles[0])
        return np.full((1, SIDE, SIDE, 3), len(self.drawn) % 256, np.uint8)

    def analyze(self, image: Image, *, want: Iterable[str], min_score: float) -> Faces:
        self.wanted = set(want)
        shown = self.shows[min(len(self.drawn), len(self.shows)) - 1]
        return shown[shown.scores >= min_score].with_image(image)

    @property
    def engine(self) -> Engine:
        return cast("Engine", self)


GOOD = seen(0.9)


def test_latents_are_the_ones_that_they_always_were() -> None:
    first = next(latents(7))
    assert first.shape == (512,)
    assert first.dtype == np.float32
    np.testing.assert_allclose(first[[0, 255, 256, 511]], [0.844943, 0.160762, 0.475156, -1.240337], atol=1e-5)


def test_latents_are_normal_and_independent() -> None:
    z = np.stack(list(islice(latents(1), 400)))
    assert abs(z.mean()) < 0.01
    assert z.std() == pytest.approx(1, abs=0.01)
    assert (np.abs(z) < 1).mean() == pytest.approx(0.6827, abs=0.005)
    correlation = np.corrcoef(z.T)
    assert np.abs(correlation - np.eye(512)).max() < 0.3  # 5 standard errors of 400 samples, over 130,000 pairs
    assert not np.allclose(z[0], next(latents(2)))


@given(st.integers(0, 2**70))
def test_any_seed_gives_finite_latents(seed: int) -> None:
    assert np.isfinite(next(latents(seed))).all()


def test_a_good_first_picture_is_given_out_with_its_record() -> None:
    stage = Stage([GOOD])
    edit = generate(seed=5, truncation=0.5, engine=stage.engine)
    np.testing.assert_allclose(stage.drawn[0], next(latents(5)) * 0.5)
    assert dict(edit.report) == {"seed": 5, "truncation": 0.5, "draw": 1, "refused": {}}
    assert edit.provenance.synthetic is True
    assert (edit.provenance.models, edit.provenance.seed) == (("made-up",), 5)
    assert len(edit.faces) == 1
    assert "embedding" not in stage.wanted


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (seen(), "no clear face"),
        (seen(0.7), "no clear face"),
        (seen(0.9, presence=0.5), "no clear face"),
        (seen(0.9, presence=np.nan), "no clear face"),
        (seen(0.9, 0.16), "more than one face"),
        (seen(0.9, shift=0.05), "face out of place"),
        (seen(0.9, ages={17: 1.0}), "may be a minor"),
        (seen(0.9, ages={17: 0.05, 60: 0.95}), "may be a minor"),
        (seen(0.9, ages={17: np.nan, 40: np.nan}), "may be a minor"),
        (seen(0.9, ages={17: 0.01, 60: 0.99}, shape=2.0), "may be a minor"),
        (seen(0.9, shape=np.nan), "may be a minor"),
    ],
)
def test_a_bad_picture_is_skipped_for_its_reason(bad: Faces, reason: str) -> None:
    edit = generate(seed=5, engine=Stage([bad, bad, GOOD]).engine)
    assert edit.image[0, 0, 0] == 3
    assert edit.report["draw"] == 3
    assert edit.report["refused"] == {reason: 2}


@pytest.mark.parametrize(
    "fine",
    [
        seen(0.9, 0.14),
        seen(0.1, 0.9),
        seen(0.9, shift=0.03),
        seen(0.9, ages={17: 0.039, 40: 0.961}),
        seen(0.9, ages={17: 0.01, 40: 0.99}, shape=1.0),
    ],
    ids=["faint second", "best last", "a little off", "hardly a minor", "a little childlike"],
)
def test_what_the_limits_let_pass(fine: Faces) -> None:
    edit = generate(seed=5, engine=Stage([fine]).engine)
    assert edit.report["draw"] == 1
    assert len(edit.faces) == 1
    assert edit.faces.scores[0] == pytest.approx(0.9)


def test_own_checks() -> None:
    edit = generate(seed=5, checks=Checks(score=0.95), engine=Stage([GOOD, seen(0.96)]).engine)
    assert edit.report["draw"] == 2
    perhaps = seen(0.9, ages={17: 0.03, 40: 0.97})
    edit = generate(seed=5, checks=Checks(minor=0.01), engine=Stage([perhaps, GOOD]).engine)
    assert edit.report["refused"] == {"may be a minor": 1}


@pytest.mark.parametrize("minor", [0.05, 1.0, -0.1, float("nan")])
def test_no_check_lets_minors_pass(minor: float) -> None:
    with pytest.raises(UsageError, match="minors are not made"):
        Checks(minor=minor)


def test_a_hopeless_seed_says_why() -> None:
    stage = Stage([seen(0.9, 0.9)] * 3 + [seen(0.5)])
    with pytest.raises(UsageError, match=r"seed 5 .*\(97 no clear face, 3 more than one face\)"):
        generate(seed=5, engine=stage.engine)
    assert len(stage.drawn) == PATIENCE


def test_smaller_pictures_have_their_face_in_their_own_pixels() -> None:
    edit = generate(seed=5, size=64, engine=Stage([GOOD]).engine)
    assert edit.image.shape == (64, 64, 3)
    assert edit.faces.image_size == (64, 64)
    np.testing.assert_allclose(edit.faces.boxes, [[15, 15, 50, 55]])
    np.testing.assert_allclose(edit.faces.keypoints[0], (PLACE + 0.5) / 2 - 0.5, atol=1e-5)
    np.testing.assert_allclose(edit.faces.alignment.values, edit.faces.keypoints, atol=1e-5)
    mesh = GOOD.landmarks.values
    np.testing.assert_allclose(edit.faces.landmarks.values[..., :2], (mesh[..., :2] + 0.5) / 2 - 0.5, atol=1e-4)
    np.testing.assert_allclose(edit.faces.landmarks.values[..., 2], mesh[..., 2] / 2, atol=1e-4)


@pytest.mark.parametrize(
    "options",
    [
        {"seed": -1},
        {"seed": 1.0},
        {"seed": 1, "truncation": 1.5},
        {"seed": 1, "truncation": -0.1},
        {"seed": 1, "truncation": float("nan")},
        {"seed": 1, "size": 32},
        {"seed": 1, "size": 99.5},
    ],
)
def test_options_out_of_range_are_told_before_anything_is_drawn(options: dict[str, Any]) -> None:
    stage = Stage([GOOD])
    with pytest.raises(UsageError):
        generate(**options, engine=stage.engine)
    with pytest.raises(UsageError):
        distinct_people(2, similarity=0.3, **options, engine=stage.engine)
    assert not stage.drawn


# --- distinct people ------------------------------------------------------------------------------


def test_people_who_look_alike_are_given_out_once() -> None:
    angles = [0, 10, 90, 80, 100, 180, 350, 260]  # cosine 0.5 is 60 degrees
    stage = Stage([seen(0.9, person=angle) for angle in angles])
    people = list(distinct_people(4, seed=5, similarity=0.5, engine=stage.engine))
    assert [edit.report["draw"] for edit in people] == [1, 3, 6, 8]
    assert people[0].report["refused"] == {}
    assert people[1].report["refused"] == {"like one given out before": 1}
    assert people[3].report["refused"] == {"like one given out before": 1}


def test_a_refused_face_does_not_count_as_given_out() -> None:
    stage = Stage([seen(0.9, person=0), seen(0.9, 0.9, person=90), seen(0.9, person=90)])
    people = list(distinct_people(2, seed=5, similarity=0.5, engine=stage.engine))
    assert [edit.report["draw"] for edit in people] == [1, 3]


def test_an_embedding_that_abstained_is_nobody_new() -> None:
    stage = Stage([seen(0.9, person=np.nan), seen(0.9, person=0), seen(0.9, person=np.nan), seen(0.9, person=90)])
    assert [e.report["draw"] for e in distinct_people(2, seed=5, similarity=0.5, engine=stage.engine)] == [2, 4]


def test_the_first_person_is_the_seeds_person() -> None:
    shows = [seen(0.5), GOOD]
    alone = generate(seed=5, engine=Stage(shows).engine)
    first = next(distinct_people(seed=5, similarity=0.5, engine=Stage(shows).engine))
    assert alone.report == first.report
    np.testing.assert_array_equal(alone.image, first.image)


def test_an_exhausted_space_is_an_error_with_a_way_out() -> None:
    people = distinct_people(2, seed=5, truncation=0.1, similarity=0.5, engine=Stage([GOOD]).engine)
    next(people)
    with pytest.raises(UsageError, match=r"seed 5 .* 0\.1 \(100 like one .*higher truncation"):
        next(people)


def test_counts() -> None:
    stage = Stage([GOOD])
    assert list(distinct_people(0, seed=5, similarity=0.5, engine=stage.engine)) == []
    assert not stage.drawn
    for count, similarity in ((-1, 0.5), (1.5, 0.5), (2, 1.1), (2, float("nan"))):
        with pytest.raises(UsageError):
            distinct_people(count, seed=5, similarity=similarity, engine=stage.engine)


def test_without_a_calibration_a_similarity_must_be_given() -> None:
    with pytest.raises(NotCalibrated):
        distinct_people(2, seed=5, engine=Stage([GOOD]).engine)


def test_the_calibration_is_held_to_the_engines_licenses() -> None:
    distinct_people(2, seed=5, engine=Stage([GOOD], space="edgeface-s/1").engine)
    with pytest.raises(NotCalibrated):
        distinct_people(2, seed=5, engine=Stage([GOOD], space="edgeface-s/1", licenses="strict").engine)
