"""What happens over time: ``Events`` of a ``Clip``.

Frames stream through `mien.engine.TemporalStep`s; what they find when the stream ends is a `Clip`: its tracks (who was
there, when) and its events (what happened, to whom, when). Times are seconds from the clip's start.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Self

from mien.core.errors import UsageError

__all__ = ["Clip", "Event", "Events", "Track"]


@dataclass(frozen=True)
class Event:
    """Something that happened to one tracked face.

    Parameters
    ----------
    kind : str
        What: "blink", "talk", ...
    track_id : int
        To whom.
    start, end : float
        When, in seconds; ``start <= end``.
    apex : float, optional
        The moment of the strongest sign, between start and end.
    score : float
        In [0, 1], higher = surer.
    details : mapping
        Further numbers by name.
    """

    kind: str
    track_id: int
    start: float
    end: float
    apex: float | None = None
    score: float = 1.0
    details: Mapping[str, float] = field(default_factory=dict, hash=False)

    def __post_init__(self) -> None:
        if not self.start <= self.end:
            raise UsageError(f"a {self.kind} cannot end ({self.end:g} s) before it starts ({self.start:g} s).")
        if self.apex is not None and not self.start <= self.apex <= self.end:
            raise UsageError(f"the apex of a {self.kind} lies between its start and end.")

    @property
    def duration(self) -> float:
        """Seconds from start to end."""
        return self.end - self.start

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "kind": self.kind,
            "track_id": self.track_id,
            "start": round(self.start, 4),
            "end": round(self.end, 4),
            "apex": None if self.apex is None else round(self.apex, 4),
            "score": round(self.score, 5),
            "details": dict(self.details),
        }


@dataclass(frozen=True)
class Events(Sequence[Event]):
    """Events ordered by their start."""

    items: tuple[Event, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "items", tuple(sorted(self.items, key=lambda e: (e.start, e.track_id, e.kind))))

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]

    def __iter__(self) -> Iterator[Event]:
        return iter(self.items)

    def __add__(self, other: Self) -> Events:
        return Events(self.items + other.items)

    def of(self, *, kind: str | None = None, track_id: int | None = None) -> Events:
        """Those of one kind, of one track, or both."""
        return Events(
            tuple(e for e in self.items if kind in {None, e.kind} and track_id in {None, e.track_id}),
        )

    def between(self, start: float, end: float) -> Events:
        """Those that overlap the span from `start` to `end`, in seconds."""
        return Events(tuple(e for e in self.items if e.start <= end and e.end >= start))


@dataclass(frozen=True)
class Track:
    """One person in a clip: an id that is stable within it, first and last time in seconds, and number of frames."""

    id: int
    start: float
    end: float
    frames: int

    def __post_init__(self) -> None:
        if not self.start <= self.end:
            raise UsageError(f"track {self.id} cannot end before it starts.")

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {"id": self.id, "start": round(self.start, 4), "end": round(self.end, 4), "frames": self.frames}


@dataclass(frozen=True)
class Clip:
    """What was found in a video once it was read to its end.

    Parameters
    ----------
    source : str
        Where the video came from.
    duration : float
        Seconds.
    tracks : tuple of Track
        Who was there.
    events : Events
        What happened, to whom, when.
    """

    source: str
    duration: float
    tracks: tuple[Track, ...] = ()
    events: Events = field(default_factory=Events)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "source": self.source,
            "duration": round(self.duration, 4),
            "tracks": [track.to_dict() for track in self.tracks],
            "events": [event.to_dict() for event in self.events],
        }
