"""Whether a tracked person talks: by how often the lips turn from opening to closing and back."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mien.core.clip import Event, Events
from mien.core.columns import Flag
from mien.core.faces import Faces
from mien.features.shown.mouth import lip_gaps, mouth_widths
from mien.location.spans import Span, SpanFinder, SpanLimits
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import TemporalStep

__all__ = ["Talking", "TalkingSettings", "TurnCounter"]


@dataclass(frozen=True)
class TalkingSettings:
    """The card's ``[params]``.

    Attributes
    ----------
    window : float
        Seconds that are looked back.
    swing : float
        Widths of the mouth by which the gap between the lips must have changed for a turn to count.
    rate, step : float
        Turns a second that are as likely talk as not, and how many more multiply the odds by e.
    smallest : float
        Pixels that the mouth is wide at least.
    slowest : float
        Frames a second at least.
    gap : float
        Seconds without the mouth after which everything is forgotten.
    enter, leave, shortest, longest_gap : float
        When the event begins, ends and counts: see `mien.location.spans.SpanLimits`.
    """

    window: float = 2.0
    swing: float = 0.025
    rate: float = 3.0
    step: float = 0.4
    smallest: float = 8.0
    slowest: float = 10.0
    gap: float = 0.5
    enter: float = 0.6
    leave: float = 0.4
    shortest: float = 1.0
    longest_gap: float = 1.0

    @property
    def limits(self) -> SpanLimits:
        """Of the event."""
        return SpanLimits(self.enter, self.leave, self.shortest, self.longest_gap)


class TurnCounter:
    """Counts the turns of a curve, fed value by value: where it stops rising and falls by a swing, or the reverse.

    Parameters
    ----------
    swing : float
        What is less is noise.
    """

    def __init__(self, swing: float) -> None:
        self._swing = swing
        self._lowest = self._highest = np.nan
        self._lowest_at = self._highest_at = np.nan
        self._way = 0  # 1 after a turn upwards, -1 after one downwards

    def push(self, time: float, value: float) -> float | None:
        """Take the next value; give the time of the extreme if it turned out that there was one."""
        if not value <= self._highest:  # NaN: the first
            self._highest, self._highest_at = value, time
        if not value >= self._lowest:
            self._lowest, self._lowest_at = value, time
        if self._way >= 0 and value <= self._highest - self._swing:
            self._way, turned = -1, self._highest_at
            self._lowest, self._lowest_at = value, time
            return turned
        if self._way <= 0 and value >= self._lowest + self._swing:
            self._way, turned = 1, self._lowest_at
            self._highest, self._highest_at = value, time
            return turned
        return None


class Talking:
    """Gives ``talking`` and the event ``talk`` to tracked faces that have ``landmarks``.

    Who talks opens and closes the lips several times a second: in two videos of news speakers the gap turned 3 to 9
    times a second. A yawn or a smile turns once or twice in all, and chewing about twice a second. So what counts are
    the turns of the last two seconds.

    Nothing is heard. Singing, lip-syncing and telling it to someone without a voice are the same; whispering with
    still lips, hands before the mouth, small faces and few frames a second are lost. Weak evidence of who speaks where
    several people do.

    Parameters
    ----------
    bundle : Bundle
        A card without files, with the params of `TalkingSettings`.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._card = bundle.card
        self._settings = bundle.card.settings(TalkingSettings)

    def follow(self) -> TemporalStep:
        """See `mien.engine.Follower`."""
        return _TalkStep(self._settings, self._card.id)


@dataclass(eq=False)
class _Person:
    """What was seen of one person's mouth in the last seconds."""

    spans: SpanFinder
    counter: TurnCounter
    frames: deque[float] = field(default_factory=deque)
    turns: deque[float] = field(default_factory=deque)
    since: float = np.nan  # when the stretch without a gap began


class _TalkStep:
    """Counts turns for each person of a clip; the memory is that of two seconds."""

    def __init__(self, settings: TalkingSettings, model: str) -> None:
        self._settings = settings
        self._model = model
        self._people: dict[int, _Person] = {}
        self._found: list[Event] = []

    def update(self, time: float, faces: Faces) -> Faces:
        """See `mien.engine.TemporalStep`."""
        values = np.full(len(faces), np.nan, np.float32)
        reasons: list[str | None] = [None] * len(faces)
        if len(faces):
            landmarks = faces.landmarks
            gaps = lip_gaps(landmarks.values)
            gaps[mouth_widths(landmarks.values) < self._settings.smallest] = np.nan
            gaps[~faces.track.observed] = np.nan
            for row, (track, gap) in enumerate(zip(faces.track.ids.tolist(), gaps.tolist(), strict=True)):
                told = "nobody knows whose face this is" if track < 0 else self._tell(track, time, gap)
                if isinstance(told, str):
                    reasons[row] = told
                else:
                    values[row] = told
        return faces.with_columns({"talking": Flag(values, reasons=tuple(reasons))}, model=self._model)

    def finish(self) -> Events:
        """See `mien.engine.TemporalStep`."""
        for track, person in self._people.items():
            self._report(track, person.spans.close())
        self._people.clear()
        return Events(tuple(self._found))

    def _tell(self, track: int, time: float, gap: float) -> float | str:
        """Probability that a person talks, or why it is not known."""
        settings = self._settings
        person = self._people.get(track)
        if person is None:
            person = self._people[track] = _Person(SpanFinder(settings.limits), TurnCounter(settings.swing))
        if np.isnan(gap):
            return "the mouth is not seen, or too small"
        if not person.frames or time - person.frames[-1] > settings.gap:
            person.frames.clear()
            person.turns.clear()
            person.counter, person.since = TurnCounter(settings.swing), time
        person.frames.append(time)
        turned = person.counter.push(time, gap)
        if turned is not None:
            person.turns.append(turned)
        for past in (person.frames, person.turns):
            while past and past[0] <= time - settings.window:
                past.popleft()
        seen = time - person.since
        if seen < settings.window:
            return f"the mouth was seen for {seen:.1f} of {settings.window:g} seconds"
        if len(person.frames) < settings.slowest * settings.window:
            return f"talk needs {settings.slowest:g} frames a second"
        odds = (len(person.turns) / settings.window - settings.rate) / settings.step
        level = float(1 / (1 + np.exp(-odds)))
        # The window tells most of its own middle.
        self._report(track, person.spans.push(time - settings.window / 2, level))
        return level

    def _report(self, track: int, span: Span | None) -> None:
        if span is not None:
            self._found.append(Event("talk", track, span.start, span.end, span.apex, span.level))
