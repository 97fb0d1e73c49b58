"""The timeline of a clip: stretches of time, and a picture of them."""

from __future__ import annotations

import numpy as np
import pytest

from mien.core.clip import Clip, Event, Events, Track
from mien.core.columns import Tracks
from mien.core.faces import Faces
from mien.core.marks import track_color
from mien.core.timeline import MOST_ROWS, Span, Timeline


def frame(*people: tuple[int, bool]) -> Faces:
    boxes = [[10 + 30 * i, 10, 30 + 30 * i, 40] for i in range(len(people))]
    faces = Faces.from_boxes(boxes, scores=np.full(len(boxes), 0.9), image_size=(200, 60))
    values = np.array(people, np.float32).reshape(-1, 2)
    return faces.with_columns({"track": Tracks(values)})


def has(image: np.ndarray, color: tuple[int, int, int]) -> np.ndarray:
    return np.asarray(np.abs(image.astype(int) - color).max(axis=2) < 12)


def test_stretches_end_where_somebody_leaves_or_is_hidden() -> None:
    timeline = Timeline()
    states = [{1: True}, {1: True, 2: True}, {1: False, 2: True}, {1: True}, {}, {2: True}]
    for number, state in enumerate(states):
        timeline.add(number / 10, frame(*state.items()), duration=0.1)
    one, two = timeline.spans(1), timeline.spans(2)
    assert [span.observed for span in one] == [True, False, True]
    np.testing.assert_allclose([(s.start, s.end) for s in one], [(0, 0.2), (0.2, 0.3), (0.3, 0.4)])
    np.testing.assert_allclose([(s.start, s.end) for s in two], [(0.1, 0.3), (0.5, 0.6)])
    assert timeline.spans(3) == ()


def test_a_variable_rate_tears_nothing() -> None:
    timeline = Timeline()
    for time in (0.0, 0.04, 1.5, 1.54):
        timeline.add(time, frame((1, True)))
    assert timeline.spans(1) == (Span(0.0, 1.58, True),)


def test_the_picture_has_a_row_for_each_person_and_a_mark_for_each_event() -> None:
    timeline = Timeline()
    image = np.full((60, 200, 3), (10, 120, 200), np.uint8)
    for number in range(40):
        people = [(1, True)] if number < 20 else [(1, number % 2 == 0), (7, True)]
        timeline.add(number / 10, frame(*people).with_image(image), duration=0.1)
    events = Events((Event("blink", 1, 0.5, 0.7), Event("look", 7, 2.5, 3.0)))
    clip = Clip("film.mp4", 4.0, (Track(1, 0, 4, 40), Track(7, 2, 4, 20)), events)
    drawn = timeline.picture(clip)
    assert drawn.shape[1] == 1600
    one, seven = has(drawn, track_color(1)), has(drawn, track_color(7))
    assert np.argwhere(seven)[:, 0].min() > np.argwhere(one)[:, 0].min()  # its row is below
    bar = np.flatnonzero(seven[:, 200:].sum(axis=1) > 400)
    begin = 90 + np.flatnonzero(seven[bar[0], 90:])[0]  # right of the portrait
    assert begin == pytest.approx(154 + (1600 - 24 - 154) / 2, abs=6)  # in the middle of the time
    assert has(drawn, (10, 120, 200))[:, 24:76].any()  # the portraits
    assert has(drawn, (214, 60, 76)).any()
    assert has(drawn, (32, 120, 200)).any()
    np.testing.assert_array_equal(drawn, timeline.picture(clip))


@pytest.mark.parametrize("width", [1, 400, 900, 3000])
def test_nobody_and_any_width(width: int) -> None:
    drawn = Timeline().picture(Clip("a very long name of a clip " * 20, 0.0), width=width)
    assert drawn.shape[1] == max(width, 400)
    assert drawn.shape[0] < 400


def test_a_crowd_has_so_many_rows_and_no_more() -> None:
    timeline = Timeline()
    timeline.add(0.0, frame(*((i, True) for i in range(300))))
    few = Timeline()
    few.add(0.0, frame(*((i, True) for i in range(MOST_ROWS))))
    clip = Clip("crowd.mp4", 1.0)
    assert timeline.picture(clip).shape == few.picture(clip).shape


@pytest.mark.parametrize("duration", [0.05, 3.0, 59.0, 3600.0, 90_000.0])
def test_any_duration(duration: float) -> None:
    timeline = Timeline()
    timeline.add(0.0, frame((1, True)), duration=duration)
    assert timeline.picture(Clip("a.mp4", duration)).shape[1] == 1600


def test_names_are_written_in_the_letters_that_the_font_has() -> None:
    for name, written in (("Zoë à côté.mp4", "Zoe a cote.mp4"), ("名.mp4", "?.mp4")):
        drawn, plain = (Timeline().picture(Clip(source, 1.0)) for source in (name, written))
        np.testing.assert_array_equal(drawn, plain)
