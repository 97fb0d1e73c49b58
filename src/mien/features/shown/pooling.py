"""Expressions over time: what each person of a clip shows on the whole, and the stretches in which it is one thing."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.clip import Event, Events
from mien.core.columns import Labels
from mien.core.errors import CardError, ShapeMismatch
from mien.core.faces import Faces
from mien.location.spans import Span, SpanFinder, SpanLimits
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.scanning import Item
    from mien.engine.steps import TemporalStep

__all__ = ["ExpressionSpans", "Pooled", "pool", "pool_clip", "span_name"]

Doubles = NDArray[np.float64]

UNKNOWN = "unknown"


@dataclass(frozen=True, eq=False)
class Pooled:
    """What the people of a clip showed on the whole.

    Attributes
    ----------
    tracks : (P,) int64
        Ids of those who were judged in a frame at least.
    frames : (P,) int64
        In how many frames.
    expression : Labels
        (P, K): one distribution per person.
    """

    tracks: NDArray[np.int64]
    frames: NDArray[np.int64]
    expression: Labels


def pool(probabilities: ArrayLike) -> Doubles:
    """One distribution from those of several frames: their mean, in which a frame counts by how sure it is.

    How sure it is: one less its entropy, in parts of the largest that there can be. A frame between two expressions,
    or one of which the model knows nothing, then says little.

    Parameters
    ----------
    probabilities : (T, K) array-like
        Rows with NaN do not count.

    Returns
    -------
    (K,) float64
        NaN where no frame counts.

    Raises
    ------
    ShapeMismatch
        If it is no such array.
    """
    rows = np.asarray(probabilities, np.float64)
    if rows.ndim != 2:
        raise ShapeMismatch(f"the probabilities of frames are (T, K), not {rows.shape}.")
    rows = rows[~np.isnan(rows).any(axis=1)]
    if not len(rows):
        return np.full(np.shape(probabilities)[1], np.nan)
    weights = _sureness(rows)
    return np.asarray((rows * weights[:, None]).sum(axis=0) / weights.sum())


def _sureness(rows: Doubles) -> Doubles:
    entropy = -(rows * np.log(rows.clip(1e-12))).sum(axis=1)
    return np.asarray((1 - entropy / np.log(max(rows.shape[1], 2))).clip(1e-3))


def pool_clip(items: Iterable[Item]) -> Pooled:
    """Pool the frames of each person of a clip.

    Parameters
    ----------
    items : iterable of Item
        Frames with the column ``expression``, such as ``mien.track("clip.mp4", want={"expression"})``. Frames in
        which a face was not seen but followed by its motion do not count.

    Returns
    -------
    Pooled
        Without people where nobody was judged.
    """
    seen: dict[int, list[NDArray[np.float32]]] = {}
    names: tuple[str, ...] = ()
    for item in items:
        if item.faces is None or not len(item.faces):
            continue
        faces = item.faces
        names = faces.expression.names
        told = faces.track.observed & ~np.asarray(faces.expression.abstained)
        for row in np.flatnonzero(told):
            seen.setdefault(int(faces.track.ids[row]), []).append(faces.expression.values[row])
    seen.pop(-1, None)  # faces that nobody could be found for
    values = [pool(rows) for rows in seen.values()]
    return Pooled(
        tracks=np.array(list(seen), np.int64),
        frames=np.array([len(rows) for rows in seen.values()], np.int64),
        expression=Labels(np.array(values, np.float32).reshape(len(values), len(names)), names=names),
    )


def span_name(event: Event) -> str:
    """Which expression a stretch is of: the name in its details."""
    return next(iter(event.details))


class ExpressionSpans:
    """Gives the event "expression_span": stretches of time in which a face shows one expression.

    Probabilities are smoothed over time first (exponentially). A stretch begins where an expression becomes as probable
    as the card's ``enter``, lasts while it stays above ``leave``, and ends where another one enters. "unknown" makes
    none. The event's details name the expression, with its mean probability in the stretch (`span_name`), which is the
    score, too; the apex is the moment at which it was most probable.

    Parameters
    ----------
    bundle : Bundle
        A card without files: its params are those of `mien.location.spans.SpanLimits`, and ``smoothing``, the seconds
        over which what a frame tells fades to a third.

    Raises
    ------
    CardError
        If the params are not so.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._limits = SpanLimits.of(bundle.card, others=frozenset({"smoothing"}))
        smoothing = bundle.card.params.get("smoothing")
        if not isinstance(smoothing, int | float) or smoothing < 0:
            raise CardError(f"the card of {bundle.card.id} has no params.smoothing of 0 seconds or more.")
        self._smoothing = float(smoothing)

    def follow(self) -> TemporalStep:
        """See `mien.engine.steps.Follower`."""
        return _Spans(self._limits, self._smoothing)


@dataclass(eq=False)
class _Person:
    """What one person shows: smoothed, and the stretch that is open."""

    finder: SpanFinder
    smoothed: Doubles | None = None
    time: float = -np.inf
    shows: int = -1
    found: list[tuple[int, Span]] = field(default_factory=list)

    def look(
        self, time: float, told: Doubles, allowed: NDArray[np.bool_], limits: SpanLimits, smoothing: float
    ) -> None:
        """Take the probabilities of the next frame; NaN where nothing is known."""
        if np.isnan(told).any():
            self._keep(self.finder.push(time, np.nan))
            return
        if self.smoothed is None or time - self.time > limits.longest_gap:
            self.smoothed = told
        else:
            old = np.exp(-(time - self.time) / smoothing) if smoothing else 0.0
            self.smoothed = old * self.smoothed + (1 - old) * told
        self.time = time
        best = int(np.where(allowed, self.smoothed, -1).argmax())
        if best != self.shows and self.smoothed[best] >= limits.enter:
            self.end()
            self.shows = best
        if self.shows >= 0:
            self._keep(self.finder.push(time, float(self.smoothed[self.shows])))

    def end(self) -> None:
        self._keep(self.finder.close())

    def _keep(self, span: Span | None) -> None:
        if span is not None:
            self.found.append((self.shows, span))


class _Spans:
    """Finds the stretches in the faces of one clip."""

    def __init__(self, limits: SpanLimits, smoothing: float) -> None:
        self._limits, self._smoothing = limits, smoothing
        self._people: dict[int, _Person] = {}
        self._names: tuple[str, ...] = ()

    def update(self, time: float, faces: Faces) -> Faces:
        """See `mien.engine.steps.TemporalStep`."""
        if not len(faces):
            return faces
        self._names = faces.expression.names
        allowed = np.array([name != UNKNOWN for name in self._names])
        told = np.where(faces.track.observed[:, None], faces.expression.values.astype(np.float64), np.nan)
        for number, row in zip(faces.track.ids.tolist(), told, strict=True):
            if number >= 0:
                person = self._people.setdefault(number, _Person(SpanFinder(self._limits)))
                person.look(time, row, allowed, self._limits, self._smoothing)
        return faces

    def finish(self) -> Events:
        """See `mien.engine.steps.TemporalStep`."""
        events = []
        for number, person in self._people.items():
            person.end()
            events += [self._event(number, place, span) for place, span in person.found]
        self._people.clear()
        return Events(tuple(events))

    def _event(self, number: int, place: int, span: Span) -> Event:
        score = min(max(span.level, 0.0), 1.0)
        details = {self._names[place]: round(score, 4)}
        return Event("expression_span", number, span.start, span.end, span.apex, score, details)
