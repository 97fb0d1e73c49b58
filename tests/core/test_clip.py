"""Events of a clip: ordered, selectable, and impossible ones refused."""

from __future__ import annotations

import json

import pytest

from mien.core.clip import Clip, Event, Events, Track
from mien.core.errors import UsageError


def test_events_are_ordered_and_selected() -> None:
    late, early = Event("blink", 2, 3.0, 3.2, apex=3.1), Event("talk", 1, 0.5, 2.0)
    events = Events((late, early))
    assert [event.kind for event in events] == ["talk", "blink"]
    assert list(events.of(kind="blink")) == [late]
    assert list(events.of(track_id=1)) == [early]
    assert list(events.between(1.0, 2.5)) == [early]
    assert len(events + Events((late,))) == 3
    assert events[0].duration == 1.5
    assert len({late, early, late}) == 2
    assert json.loads(json.dumps(late.to_dict()))["apex"] == 3.1


@pytest.mark.parametrize(
    "arguments",
    [
        {"start": 2.0, "end": 1.0},
        {"start": 1.0, "end": 2.0, "apex": 3.0},
    ],
)
def test_impossible_times_are_refused(arguments: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Event("blink", 1, **arguments)


def test_a_clip_as_json() -> None:
    clip = Clip("a.mp4", 2.0, (Track(1, 0.0, 1.5, 60),), Events((Event("blink", 1, 0.5, 0.7, apex=0.6),)))
    told = json.loads(json.dumps(clip.to_dict()))
    assert told["tracks"] == [{"id": 1, "start": 0.0, "end": 1.5, "frames": 60}]
    assert told["events"] == [clip.events[0].to_dict()]


def test_a_clip_starts_empty() -> None:
    clip = Clip("a.mp4", 2.0, tracks=(Track(1, 0.0, 2.0, 60),))
    assert len(clip.events) == 0
    with pytest.raises(UsageError):
        Track(1, 2.0, 1.0, 3)
