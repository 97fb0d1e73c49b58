from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien import assets
from mien.core.clip import Clip, Event, Events, Track
from mien.core.columns import Angles, Column, Directions, Distribution, Flag, Labels, Scores, Vectors
from mien.core.errors import UnknownField, WeightsUnavailable
from mien.core.faces import Faces
from mien.core.fields import all_events, all_fields
from mien.engine import Engine
from mien.features.shown.describing import default_want, describe
from mien.features.shown.words import caption, sentences, timeline, vocabulary
from tests.engine import fakes
from tests.engine.test_engine import picture
from tests.shared import DATA


def faces(count: int = 1, **columns: Column) -> Faces:
    """Faces from right to left, with some fields."""
    boxes = [[100.0 * (count - row), 0, 100.0 * (count - row) + 50, 60] for row in range(count)]
    return Faces.from_boxes(boxes).with_columns(columns)


def flag(*values: float) -> Flag:
    return Flag(np.array(values, np.float32))


AGE = Distribution(np.array([[0.1, 0.8, 0.1]]), support=(20, 35, 50))


def test_the_table_speaks_of_fields_and_events_that_there_are() -> None:
    words = vocabulary()
    assert {phrase.field for phrase in words.face} <= set(all_fields())
    assert set(words.events) == set(all_events())
    assert {phrase.part for phrase in words.face} == {"aside", "is", "also"}
    assert {phrase.unless for phrase in words.face} - {""} <= set(all_fields())
    assert 0.5 <= words.least <= words.sure < 1
    assert "gender" not in words.wanted
    for phrase in words.face:
        assert phrase.yes or phrase.no or phrase.labels or phrase.range or (phrase.above and phrase.below), phrase.field


def test_one_face_in_words() -> None:
    names = ("yaw", "pitch", "roll")
    one = faces(
        age=AGE,
        glasses=flag(0.97),
        attention=flag(0.62),
        mouth=Scores(np.array([[0.2, 0.93]]), names=("open", "smile")),
        pose=Angles(np.array([[-12.4, 3, 11.6]])),
        embedding=Vectors(np.ones((1, 4)) / 2, space="none/1"),
    )
    assert one.pose.names == names
    assert caption(one) == (
        "One person, apparently 20 to 35 years old, smiles (0.93), wears glasses (0.97) and perhaps looks at the "
        "camera (0.62); the head is turned 12 degrees to the picture's left and tilted 12 degrees clockwise."
    )
    assert describe(one) == describe(one[0]) == caption(one)


def test_sure_perhaps_and_silent() -> None:
    for value, told in ((0.7, "wears"), (0.69, "perhaps wears"), (0.5, "perhaps wears"), (0.49, ""), (0.0, "")):
        text = sentences(faces(glasses=flag(value)))[0]
        assert text == (f"One person {told} glasses ({value:.2f})." if told else "")
    assert "looks away from the camera (0.90)" in caption(faces(attention=flag(0.1)))


def test_what_abstained_is_not_said_unless_asked_for() -> None:
    lost = Flag(np.array([np.nan], np.float32), reasons=("the eyes are closed",))
    one = faces(attention=lost, glasses=flag(0.9))
    assert caption(one) == "One person wears glasses (0.90)."
    assert caption(one, unsure=True) == ("One person wears glasses (0.90). Not known: attention (the eyes are closed).")
    assert caption(faces(attention=lost)) == "One person."
    assert caption(faces(attention=lost), unsure=True) == "One person. Not known: attention (the eyes are closed)."


def test_people_are_told_from_left_to_right() -> None:
    assert caption(faces(0)) == "No people."
    assert caption(faces(2)) == "Two people."
    assert caption(faces(2, glasses=flag(0.1, 0.9))) == "Two people. The left one wears glasses (0.90)."
    three = caption(faces(3, glasses=flag(0.7, 0.8, 0.9)))
    assert re.findall(r"The [\w ]+? wears glasses \(0\.\d+\)", three) == [
        "The left one wears glasses (0.90)",
        "The one in the middle wears glasses (0.80)",
        "The right one wears glasses (0.70)",
    ]
    many = caption(faces(14, glasses=flag(*[0.9] * 14)))
    assert many.startswith("14 people. Number 1 from the left wears")
    assert "Number 14 from the left" in many


def test_the_gaze_is_told_where_attention_is_not_known() -> None:
    gaze = Directions(np.array([[-20.0, 0.0]]))
    assert caption(faces(gaze=gaze)) == "One person looks 20 degrees to the picture's left."
    assert "degrees" not in caption(faces(gaze=gaze, attention=flag(0.1)))
    assert "degrees" in caption(faces(gaze=gaze, attention=flag(np.nan)))


def test_who_smiles_does_not_look_neutral() -> None:
    both = Labels(np.array([[0.8, 0.2]]), names=("neutral", "happiness"))
    for smile, told in ((0.2, "One person looks neutral (0.80)."), (0.54, "One person perhaps smiles (0.54).")):
        assert caption(faces(expression=both, mouth=Scores(np.array([[smile]]), names=("smile",)))) == told


def test_where_the_scale_of_ages_ends() -> None:
    old = Distribution(np.array([[0.0, 0.6, 0.4]]), support=(20, 62, 80))
    assert caption(faces(age=old)) == "One person, apparently 62 years old or more."


def test_both_eyes_must_be_closed() -> None:
    for values, told in (((0.1, 0.2), True), ((0.1, 0.9), False), ((0.1, np.nan), False)):
        text = caption(faces(eyes=Scores(np.array([values]), names=("right", "left"))))
        assert ("has the eyes closed (0.80)" in text) == told


PROBABILITY = st.floats(0, 1, width=32) | st.just(float("nan"))
ANGLE = st.floats(-180, 180, width=32) | st.just(float("nan"))


@st.composite
def some_fields(draw: st.DrawFn) -> tuple[Faces, set[str]]:
    """Faces with some fields, and the numbers that may be said of them."""
    count = draw(st.integers(1, 4))
    columns: dict[str, Column] = {}
    numbers = {str(place) for place in range(1, count + 1)}

    def grid(kind: st.SearchStrategy[float], width: int) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
        rows = draw(st.lists(st.lists(kind, min_size=width, max_size=width), min_size=count, max_size=count))
        return np.array(rows, np.float32).reshape(count, width)

    flags = draw(st.sets(st.sampled_from(["glasses", "attention", "headwear", "talking"])))
    made = {name: grid(PROBABILITY, 1) for name in sorted(flags)}
    columns |= {name: Flag(values[:, 0]) for name, values in made.items()}
    if draw(st.booleans()):
        made["mouth"] = grid(PROBABILITY, 2)
        columns["mouth"] = Scores(made["mouth"], names=("open", "smile"))
    if draw(st.booleans()):
        raw = grid(PROBABILITY, 3) + np.float32(0.01)
        made["expression"] = raw / raw.sum(axis=1, keepdims=True)
        columns["expression"] = Labels(made["expression"], names=("happiness", "neutral", "unheard-of"))
    for values in made.values():
        numbers |= {f"{p:.2f}" for value in values.ravel() for p in (float(value), 1 - float(value))}
    if draw(st.booleans()):
        angles = grid(ANGLE, 3)
        columns["pose"] = Angles(angles)
        numbers |= {str(round(abs(float(value)))) for value in angles.ravel() if np.isfinite(value)}
    return faces(count, **columns), numbers


@settings(max_examples=40)
@given(some_fields())
def test_every_number_is_one_of_a_field(given_: tuple[Faces, set[str]]) -> None:
    those, numbers = given_
    for unsure in (False, True):
        text = caption(those, unsure=unsure)
        assert "nan" not in text.lower()
        assert text == caption(those, unsure=unsure)
        assert text.endswith(".")
        assert set(re.findall(r"\d+(?:\.\d+)?", text)) <= numbers


# -- clips -------------------------------------------------------------------------------------------------------------


def clip(duration: float, *events: Event) -> Clip:
    return Clip("film.mp4", duration, (Track(1, 0, duration, 9), Track(2, 1, 5.2, 9)), Events(events))


def test_a_timeline() -> None:
    told = clip(
        70,
        Event("expression_span", 1, 3.2, 7.4, details={"happiness": 0.8, "neutral": 0.1}),
        Event("expression_span", 2, 4, 4.5, details={"sadness": 0.41}),
        Event("look", 1, 5, 5.4, details={"target": 2.0}),
        Event("look", 2, 61, 63, details={"object": 0.0}),
        Event("blink", 2, 4, 4.2),
        Event("blink", 2, 5, 5.2),
        Event("blink", 1, 6, 6.2),
        Event("talk", 2, 2, 4),
        Event("yawn_like", 1, 9, 10),
    )
    assert timeline(told) == [
        "Two people in 1:10.",
        "Person 1 (0:00-1:10). Blinks once.",
        "Person 2 (0:01-0:05). Blinks 2 times.",
        "0:02-0:04 person 2 talks",
        "0:03-0:07 person 1 looks happy (0.80)",
        "0:04 person 2 shows an expression that is not clear",  # 0.41
        "0:05 person 1 looks at person 2",
        "0:09-0:10 person 1 shows: yawn like",
        "1:01-1:03 person 2 looks at object 0",
    ]
    assert describe(told) == "\n".join(timeline(told))


def test_what_lasts_of_people_is_told_with_them() -> None:
    one = faces(glasses=flag(0.9), age=AGE, attention=flag(0.9), pose=Angles(np.array([[40.0, 0, 0]])))[0]
    assert timeline(clip(6, Event("away", 2, 1, 2.5)), people={2: one}) == [
        "Two people in 0:06.0.",
        "Person 1 (0:00.0-0:06.0).",
        "Person 2 (0:01.0-0:05.2), apparently 20 to 35 years old, wears glasses (0.90).",
        "0:01.0-0:02.5 person 2 is turned away from the camera",
    ]


def test_a_clip_of_nobody() -> None:
    assert timeline(Clip("film.mp4", 0)) == ["No people in 0:00.0."]


@given(st.floats(0, 1e5))
def test_times_are_rounded_and_carried(seconds: float) -> None:
    (line,) = timeline(Clip("a", seconds))
    found = re.fullmatch(r"No people in (\d+):(\d\d(?:\.\d)?)\.", line)
    assert found
    minutes, rest = int(found[1]), float(found[2])
    assert rest < 60
    assert abs(minutes * 60 + rest - seconds) <= (0.0501 if "." in found[2] else 0.501)


# -- the verb ----------------------------------------------------------------------------------------------------------


def test_a_picture_is_analyzed_first() -> None:
    with Engine(catalogue=fakes.catalogue(), threads=1) as engine:
        assert default_want(engine) == {"age", "pose"}
        text = describe(picture(200, 250), engine=engine)
        assert text.startswith("Two people. The left one, apparently 20 to 40 years old")
        assert describe(picture(), engine=engine) == "No people."
        assert describe(picture(250), want=(), engine=engine) == "One person."
        with pytest.raises(UnknownField):
            describe(picture(250), want={"charm"}, engine=engine)


@pytest.mark.weights
@pytest.mark.data
def test_real_ones() -> None:
    with Engine(threads=1) as engine:
        try:
            engine.preload("detect", "age", "glasses", "mouth", "blink")
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        text = describe(assets.PEOPLE[0], want={"age", "mouth", "attention"}, engine=engine)
        assert re.match(r"One person, apparently \d+ to \d+ years old, smiles \(0\.\d+\)", text)
        film: Path = DATA / "video" / "single_face.mp4"
        lines = describe(film, want={"age", "blink"}, engine=engine).splitlines()
        assert lines[0].startswith("One person in 0:02")
        assert re.match(r"Person 1 \(0:00\.0-0:02\.\d\), apparently \d+ to \d+ years old\.", lines[1])
