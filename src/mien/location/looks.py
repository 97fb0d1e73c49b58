"""Looks over time: as events of a clip, and summed up by who looked at what for how long."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from numpy.typing import ArrayLike

from mien.core.clip import Event, Events, Track
from mien.core.faces import Faces
from mien.location.looking import Cone, looks_at
from mien.location.spans import Span, SpanFinder, SpanLimits
from mien.runtime.bundle import Bundle

__all__ = ["Dwell", "LookFollower", "LookWatch", "dwell"]

LIMITS: Final = SpanLimits(enter=0.5, leave=0.3, shortest=0.3, longest_gap=0.4)


class LookFollower:
    """Gives the event "look": stretches of time in which a tracked face looks at another, or at an object.

    Its details say at what: ``target``, the other's track, or ``object``, the number of the caller's object. Its score
    is the mean score of the look.

    Parameters
    ----------
    bundle : Bundle
        A card without files, with the params of `SpanLimits`.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._limits = SpanLimits.of(bundle.card)

    def follow(self) -> LookWatch:
        """See `mien.engine.steps.Follower`."""
        return LookWatch(limits=self._limits)


class LookWatch:
    """Finds looks in the faces of one clip; feed it the frames yourself to have objects of your own looked at.

    Parameters
    ----------
    objects : (M, 4) array-like, optional
        Boxes, xyxy in pixels, that stay where they are, such as screens.
    cone : Cone, optional
    limits : SpanLimits, optional
        Of the score; default: as the card ``looks`` has them.

    Examples
    --------
    >>> watch = LookWatch(objects=[[800, 40, 1200, 300]])
    >>> for item in mien.track("clip.mp4", want={"gaze", "head"}):  # doctest: +SKIP
    ...     watch.update(item.time, item.faces)
    >>> watch.finish()
    Events(items=())
    """

    def __init__(
        self, *, objects: ArrayLike | None = None, cone: Cone | None = None, limits: SpanLimits = LIMITS
    ) -> None:
        self._objects, self._limits = objects, limits
        # Below the score at which a look begins it goes on: the finder of stretches decides.
        self._cone = replace(cone or Cone(), minimum=limits.leave)
        self._finders: dict[tuple[int, str, int], SpanFinder] = {}
        self._found: list[Event] = []

    def update(self, time: float, faces: Faces) -> Faces:
        """See `mien.engine.steps.TemporalStep`."""
        seen = faces[faces.track.observed & (faces.track.ids >= 0)]
        looks = looks_at(seen, objects=self._objects, cone=self._cone)
        ids = seen.track.ids.tolist()
        for row, (number, target) in enumerate(zip(ids, looks.target.tolist(), strict=True)):
            if target >= 0:
                key = (number, "target", ids[target]) if target < len(ids) else (number, "object", target - len(ids))
                finder = self._finders.setdefault(key, SpanFinder(self._limits))
                self._add(key, finder.push(time, float(looks.scores[row, target])))
        return faces

    def finish(self) -> Events:
        """See `mien.engine.steps.TemporalStep`."""
        for key, finder in self._finders.items():
            self._add(key, finder.close())
        self._finders.clear()
        return Events(tuple(self._found))

    def _add(self, key: tuple[int, str, int], span: Span | None) -> None:
        if span is not None:
            number, kind, target = key
            details = {kind: float(target)}
            self._found.append(Event("look", number, span.start, span.end, span.apex, span.level, details))


@dataclass(frozen=True)
class Dwell:
    """How long one person looked at one thing.

    Attributes
    ----------
    track_id : int
        Who.
    target : str
        At what: "track 3", "object 0", or "camera" (attention spans).
    looks : int
        How often.
    seconds : float
        How long, all looks together.
    longest : float
        Seconds of the longest look.
    share : float
        Part of the time that the person was there; NaN where that is not known.
    """

    track_id: int
    target: str
    looks: int
    seconds: float
    longest: float
    share: float


def dwell(events: Events, *, tracks: Sequence[Track] = ()) -> tuple[Dwell, ...]:
    """Sum up who looked at what for how long.

    Parameters
    ----------
    events : Events
        Of a clip; its looks and attention spans count.
    tracks : sequence of Track, optional
        Who was there and when (``clip.tracks``), for the shares.

    Returns
    -------
    tuple of Dwell
        By person, and the longest first.
    """
    spans: dict[tuple[int, str], list[float]] = {}
    for event in events:
        if event.kind in {"look", "attention_span"}:
            spans.setdefault((event.track_id, _target_of(event)), []).append(event.duration)
    there = {track.id: track.end - track.start for track in tracks}
    rows = [
        Dwell(number, target, len(times), sum(times), max(times), _share(sum(times), there.get(number, 0.0)))
        for (number, target), times in spans.items()
    ]
    return tuple(sorted(rows, key=lambda row: (row.track_id, -row.seconds, row.target)))


def _target_of(event: Event) -> str:
    if event.kind == "attention_span":
        return "camera"
    kind, number = next(iter(event.details.items()))
    return f"{'track' if kind == 'target' else kind} {number:.0f}"


def _share(seconds: float, there: float) -> float:
    return min(1.0, seconds / there) if there > 0 else float("nan")
