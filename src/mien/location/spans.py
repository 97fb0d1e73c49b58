"""Stretches of time in which something holds: found in a level per frame, with hysteresis."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import CardError
from mien.models.card import Card

__all__ = ["Span", "SpanFinder", "SpanLimits"]


@dataclass(frozen=True)
class SpanLimits:
    """When a stretch begins, ends and counts.

    Attributes
    ----------
    enter, leave : float
        It begins at a level of `enter` or more, and ends where the level stays below `leave`, which is not above it.
    shortest : float
        Seconds that a stretch lasts at least.
    longest_gap : float
        Seconds for which the level may be below `leave`, or not known, without ending it: a blink, a hand.
    """

    enter: float
    leave: float
    shortest: float
    longest_gap: float

    @classmethod
    def of(cls, card: Card, *, others: frozenset[str] = frozenset()) -> SpanLimits:
        """Read a card's params, of which `others` are not meant for this.

        Raises
        ------
        CardError
            If one is missing, unknown, no number, or out of range.
        """
        params: Mapping[str, Any] = {name: value for name, value in card.params.items() if name not in others}
        try:
            limits = cls(**{name: float(value) for name, value in params.items()})
        except (TypeError, ValueError) as error:
            raise CardError(f"the card of {card.id} does not say when a stretch counts: {error}.") from error
        if not (limits.leave <= limits.enter and limits.shortest >= 0 and limits.longest_gap >= 0):
            raise CardError(f"the card of {card.id} has leave above enter, or times below 0.")
        return limits


@dataclass(frozen=True)
class Span:
    """One stretch.

    Attributes
    ----------
    start, end, apex : float
        Seconds: of the first and the last frame in it, and of the one with the highest level.
    level : float
        Mean level of the frames in it.
    values : (K,) float64
        Mean of the numbers that came with the frames.
    """

    start: float
    end: float
    apex: float
    level: float
    values: NDArray[np.float64]


class SpanFinder:
    """Finds the stretches in one curve, fed frame by frame in the order of time.

    Parameters
    ----------
    limits : SpanLimits
        Frames that are farther apart than its ``longest_gap`` make no stretch.
    """

    def __init__(self, limits: SpanLimits) -> None:
        self._limits = limits
        self._open: Span | None = None  # its level and values are sums here
        self._best = -np.inf
        self._count = 0

    def push(self, time: float, level: float, values: ArrayLike = ()) -> Span | None:
        """Take the next frame; give the stretch that ended before it, if one did.

        Parameters
        ----------
        time : float
            Seconds.
        level : float
            NaN where it is not known.
        values : (K,) array-like
            Numbers to average over the stretch.
        """
        late = self._open is not None and time - self._open.end > self._limits.longest_gap
        ended = self.close() if late else None
        if level >= (self._limits.enter if self._open is None else self._limits.leave):
            numbers = np.asarray(values, np.float64)
            so_far = self._open or Span(time, time, time, 0.0, np.zeros_like(numbers))
            apex = time if level > self._best else so_far.apex
            self._open = Span(so_far.start, time, apex, so_far.level + level, so_far.values + numbers)
            self._best, self._count = max(self._best, level), self._count + 1
        return ended

    def close(self) -> Span | None:
        """End the stretch that is open, and give it if it is long enough."""
        span, count = self._open, self._count
        self._open, self._best, self._count = None, -np.inf, 0
        if span is None or span.end - span.start < self._limits.shortest:
            return None
        return replace(span, level=span.level / count, values=span.values / count)
