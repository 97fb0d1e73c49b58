"""People as they are asked for: attributes by value, families, people between two, doubles, and the scorer."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from mien.core.columns import Vectors
from mien.core.errors import NoFace, UsageError, WeightsUnavailable
from mien.engine import Engine
from mien.swaps.edit import Edit
from mien.swaps.effects import Shot
from mien.swaps.exchange.identity import SOURCE_FIELDS
from mien.swaps.invented.attributes import ATTRIBUTES
from mien.swaps.invented.checks import Checks
from mien.swaps.invented.doubles import Doubles
from mien.swaps.invented.families import between, families, family
from mien.swaps.invented.generator import generate
from mien.swaps.invented.scoring import generated_score

pytestmark = pytest.mark.weights


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine(threads=1) as engine:
        try:
            engine.preload("generate", "detect", "age", "presence", "embedding")
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        yield engine


@pytest.fixture(scope="module")
def nine(engine: Engine) -> Edit:
    return generate(seed=9, engine=engine)


def test_attributes_are_reached_and_told(engine: Engine, nine: Edit) -> None:
    edit = generate(seed=9, engine=engine, yaw=12, smile=0.9)
    told = edit.report["attributes"]
    assert edit.report["missed"] == []
    assert told["yaw"]["reached"] == pytest.approx(12, abs=ATTRIBUTES["yaw"].near)
    assert told["smile"]["reached"] >= 0.8
    assert edit.report["similarity"] > 0.6
    assert edit.provenance.synthetic is True
    looked = engine.analyze(edit.image, want={"pose"}, max_faces=1)
    assert looked.pose.yaw[0] == pytest.approx(told["yaw"]["reached"], abs=0.01)
    assert told["yaw"]["before"] == pytest.approx(float(nine.faces.pose.yaw[0]), abs=0.01)


def test_minors_are_never_made(engine: Engine) -> None:
    with pytest.raises(UsageError, match="younger than 18"):
        generate(seed=9, engine=engine, age=12)
    with pytest.raises(UsageError, match="younger than 18"):
        family(seed=9, count=2, engine=engine, age=17)


def test_a_family_is_one_person(engine: Engine, nine: Edit) -> None:
    people = family(seed=9, count=2, size=256, similarity=0.65, engine=engine)
    vectors = np.concatenate([edit.faces.embedding.values for edit in people])
    assert (vectors @ vectors.T).min() >= 0.65
    assert people[0].report["seed"] == 9
    assert people[0].image.shape == (256, 256, 3)
    assert [edit.report["family"]["place"] for edit in people] == [0, 1]
    yaws = [float(edit.faces.pose.yaw[0]) for edit in people]
    assert np.ptp(yaws) > 2
    assert yaws[0] == pytest.approx(float(nine.faces.pose.yaw[0]), abs=0.1)


def test_between_two_people(engine: Engine) -> None:
    people = between(9, 7, 3, engine=engine)
    ends = [edit for edit in people if edit.report["position"] in {0, 1}]
    assert [edit.report["seeds"] for edit in ends] == [[9, 7]] * 2
    assert ends[0].report["similarity"][0] == ends[1].report["similarity"][1] == 1
    assert ends[0].report["similarity"][1] == ends[1].report["similarity"][0] < 0.5
    for middle in set(range(len(people))) - {0, len(people) - 1}:
        assert people[middle].report["position"] == 0.5
        assert min(people[middle].report["similarity"]) > ends[0].report["similarity"][1]
    assert all(Checks().refusal(edit.faces) is None for edit in people)
    assert people[0].provenance.seed is None


def test_numbers_of_people_out_of_range(engine: Engine) -> None:
    with pytest.raises(UsageError, match="count must be a whole number between 2"):
        between(9, 9, 1, engine=engine)
    with pytest.raises(UsageError, match="count must be a whole number between 1"):
        next(families(1, 0, seed=9, engine=engine))
    with pytest.raises(UsageError, match="people must be a whole number of 0 or more"):
        next(families(-1, 2, seed=9, engine=engine))


def test_a_double_is_an_adult_who_is_nobody_here(engine: Engine, nine: Edit) -> None:
    faces = engine.analyze(nine.image, want=SOURCE_FIELDS)
    shot = Shot(image=nine.image, faces=faces, rows=np.arange(1))
    casting = Doubles(engine=engine)
    double = casting.identity_for(shot, 0)
    assert double is not None
    assert casting.identity_for(shot, 0) is double  # in one picture, one face has one double
    (told,) = casting.report["people"]
    assert told["similarity"] == pytest.approx(float(double.embedding.values @ faces.embedding.values[0]), abs=0.01)
    assert told["similarity"] < casting.limit
    assert told["minor"] is False
    assert double.mark.synthetic is True
    assert double.mark.seed == told["seed"]


@pytest.mark.slow
def test_two_people_get_doubles_who_are_like_nobody(engine: Engine, nine: Edit) -> None:
    image = np.hstack([nine.image[::2, ::2], generate(seed=7, size=512, engine=engine).image])
    faces = engine.analyze(image, want=SOURCE_FIELDS)
    assert len(faces) == 2
    shot = Shot(image=image, faces=faces, rows=np.arange(2))
    casting = Doubles(engine=engine)
    doubles = [casting.identity_for(shot, row) for row in range(2)]
    vectors = np.array([double.embedding.values for double in doubles if double is not None])
    assert len(vectors) == 2
    assert vectors[0] @ vectors[1] < casting.limit
    assert (vectors @ faces.embedding.values.T).max() < casting.limit
    told = casting.report["people"]
    assert [entry["face"] for entry in told] == [0, 1]
    assert told[0]["seed"] != told[1]["seed"]
    away = Doubles(engine=engine, far_from=Vectors(vectors[:1], space=faces.embedding.space))
    assert away.identity_for(shot, 0).embedding.values @ vectors[0] < casting.limit  # type: ignore[union-attr]


def test_doubles_of_another_space_are_told(engine: Engine) -> None:
    with pytest.raises(UsageError, match="far_from is of the space made/up"):
        Doubles(engine=engine, far_from=Vectors(np.ones((1, 2), np.float32), space="made/up"))
    with pytest.raises(UsageError, match="seed must be"):
        Doubles(engine=engine, seed=-1)


def test_the_generators_own_pictures_score_high(engine: Engine, nine: Edit) -> None:
    found = generated_score(nine.image, engine=engine)
    assert found.frequencies > 0.95
    assert found.score > 0.7
    away = generated_score(nine.image[100:, 150:], engine=engine)
    assert away.placement < 0.1
    with pytest.raises(NoFace):
        generated_score(np.zeros((64, 64, 3), np.uint8), engine=engine)
