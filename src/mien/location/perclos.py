"""PERCLOS: the share of the last minute in which a person's eyes were closed."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from mien.core.clip import Events
from mien.core.columns import Scalar
from mien.core.faces import Faces
from mien.location.blink import log_odds
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import TemporalStep

__all__ = ["Perclos", "PerclosSettings"]

STEPS = np.linspace(-10, 10, 201)  # log odds at which the levels of openness are counted


@dataclass(frozen=True)
class PerclosSettings:
    """The card's ``[params]``.

    Attributes
    ----------
    closed : float
        Probability of open that closed eyes have.
    level : float
        A person's open eyes: this quantile of all that was seen of them so far.
    span : float
        Log odds that lie between open and closed at least, whatever the quantile says.
    closure : float
        Share of the way from open to closed from which eyes count as closed.
    window : float
        Seconds that are looked back.
    needed : float
        Seconds in which the eyes must have been seen.
    gap : float
        Seconds that a look at the eyes stands for at most.
    """

    closed: float = 0.12
    level: float = 0.9
    span: float = 3.0
    closure: float = 0.8
    window: float = 60.0
    needed: float = 30.0
    gap: float = 0.5


class Perclos:
    """Gives ``perclos`` to tracked faces that have ``eyes``.

    The measure P80 of Wierwille et al. (*Research on vehicle-based driver status/performance monitoring*, 1994) and
    Dinges and Grace (*PERCLOS: a valid psychophysiological measure of alertness*, 1998): the share of a minute in which
    the lids are closed by four fifths or more. It is what was seen of the lids, not a statement about the person: who
    looks down or laughs closes them, too.

    Parameters
    ----------
    bundle : Bundle
        Card of ``perclos``, without files.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._card = bundle.card
        self._settings = bundle.card.settings(PerclosSettings)

    def follow(self) -> TemporalStep:
        """See `mien.engine.Follower`."""
        return _PerclosStep(self._settings, self._card.id)


@dataclass(eq=False)
class _Person:
    """What was seen of one person's eyes: the last minute of it, and how often they were how far open, ever."""

    counts: np.ndarray[tuple[int], np.dtype[np.int64]] = field(default_factory=lambda: np.zeros(len(STEPS), np.int64))
    looks: deque[tuple[float, float, bool]] = field(default_factory=deque)  # time, seconds that it stands for, closed
    seen: float = 0.0
    shut: float = 0.0
    last: float = -np.inf

    def look(self, time: float, odds: float, settings: PerclosSettings) -> None:
        """Take the log odds of open eyes at a time; NaN: not seen."""
        while self.looks and self.looks[0][0] < time - settings.window:
            _, seconds, closed = self.looks.popleft()
            self.seen -= seconds
            self.shut -= seconds * closed
        seconds, self.last = min(time - self.last, settings.gap), time
        if np.isnan(odds):
            return
        self.counts[round(float(np.clip(odds, STEPS[0], STEPS[-1]) - STEPS[0]) * 10)] += 1
        level = STEPS[np.searchsorted(np.cumsum(self.counts), settings.level * self.counts.sum())]
        low = float(log_odds(settings.closed))
        closed = bool(odds - low <= (1 - settings.closure) * max(level - low, settings.span))
        self.looks.append((time, seconds, closed))
        self.seen += seconds
        self.shut += seconds * closed


class _PerclosStep:
    """Counts for each person of a clip."""

    def __init__(self, settings: PerclosSettings, model: str) -> None:
        self._settings = settings
        self._model = model
        self._people: dict[int, _Person] = {}

    def update(self, time: float, faces: Faces) -> Faces:
        """See `mien.engine.TemporalStep`."""
        values = np.full(len(faces), np.nan, np.float32)
        reasons: list[str | None] = [None] * len(faces)
        if len(faces):
            odds = log_odds(faces.eyes.values)
            # The mean of both eyes, or the one that is seen.
            means = np.where(np.isnan(odds).any(axis=1), np.fmax(odds[:, 0], odds[:, 1]), odds.mean(axis=1))
            for row, (track, mean) in enumerate(zip(faces.track.ids, means, strict=True)):
                if track < 0:
                    reasons[row] = "nobody knows whose face this is"
                    continue
                person = self._people.setdefault(int(track), _Person())
                person.look(time, float(mean), self._settings)
                if person.seen >= self._settings.needed:
                    values[row] = min(max(person.shut / person.seen, 0.0), 1.0)
                else:
                    reasons[row] = (
                        f"the eyes were seen for {max(person.seen, 0):.0f} of {self._settings.needed:g} seconds"
                    )
        return faces.with_columns({"perclos": Scalar(values, reasons=tuple(reasons))}, model=self._model)

    def finish(self) -> Events:
        """See `mien.engine.TemporalStep`."""
        return Events()
