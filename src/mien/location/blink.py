"""Blinks of each tracked person, from how far their eyes are open over time.

Two steps. `openness` brings the probabilities of ``eyes`` to a scale of the person's own: 1 is as far open as their
eyes are around that time, 0 closed. `find_blinks` looks for dips of that curve which begin fast and end again.
"""

from __future__ import annotations

import warnings
from array import array
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.core.clip import Event, Events
from mien.core.faces import Faces
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import TemporalStep

__all__ = ["BlinkSettings", "Blinks", "find_blinks", "log_odds", "openness"]

Doubles = NDArray[np.float64]

RATE = 100.0  # samples a second of the even grid on which dips are looked for
KNOTS = 1.0  # seconds between the points at which the personal level of openness is measured
SLOWEST = 1.0  # seconds from frame to frame that show no blink any more: it would fall too slowly
EDGE = 0.2  # of a dip's depth: where it begins
NOISE = 10.0  # a dip is at least this many deviations of the noise deep


@dataclass(frozen=True)
class BlinkSettings:
    """The card's ``[params]``.

    Attributes
    ----------
    closed : float
        Probability of open that closed eyes have.
    level, window : float
        The personal level of open eyes: this quantile over so many seconds around.
    span : float
        Log odds that lie between open and closed at least, whatever the quantile says.
    depth : float
        Share of the way from open to closed that a blink goes.
    closing : float
        Seconds that the lids may take to fall: slower is a squint.
    shortest : float
        Seconds at half depth: less is a flicker of the measurement.
    wink : float
        An eye that closes by less than this part of what the other does has stayed open.
    long : float
        Seconds at half depth from which a closure is called long.
    rare_depth : float
        Share of the way for what is rare, a long closure or a wink: less is a squint that came fast, or a mistake.
    gap : float
        Seconds without eyes over which a curve is continued.
    """

    closed: float = 0.12
    level: float = 0.75
    window: float = 30.0
    span: float = 3.0
    depth: float = 0.35
    closing: float = 0.3
    shortest: float = 0.03
    wink: float = 0.5
    long: float = 0.5
    rare_depth: float = 0.6
    gap: float = 0.3


def log_odds(probabilities: Any) -> Doubles:
    """Log odds of probabilities, which for ``eyes`` grow with the width of the opening; NaN stays."""
    p = np.asarray(probabilities, np.float64).clip(1e-6, 1 - 1e-6)
    return np.asarray(np.log(p) - np.log1p(-p))


def openness(times: Doubles, eyes: Doubles, settings: BlinkSettings) -> Doubles:
    """How far the eyes are open on the person's own scale.

    Parameters
    ----------
    times : (T,) float64
        Seconds, rising.
    eyes : (T, 2) float64
        Probabilities of open, right and left; NaN where not known.
    settings : BlinkSettings

    Returns
    -------
    (T, 2) float64
        1: as far open as usual around that time (more when wide open); 0: closed. NaN where not known.
    """
    odds, closed = log_odds(eyes), float(log_odds(settings.closed))
    if not len(times):
        return odds
    before = np.floor((times - times[0]) / KNOTS)  # only those beside a frame: clocks may jump by years
    knots = times[0] + KNOTS * np.union1d(before, before + 1)
    starts = np.searchsorted(times, knots - settings.window / 2)
    ends = np.searchsorted(times, knots + settings.window / 2, side="right")
    result = np.full_like(odds, np.nan)
    for side in range(odds.shape[1]):
        levels = np.array([_quantile(odds[a:b, side], settings.level) for a, b in zip(starts, ends, strict=True)])
        known = ~np.isnan(levels)
        if known.any():
            level = np.interp(times, knots[known], levels[known])
            result[:, side] = (odds[:, side] - closed) / np.maximum(level - closed, settings.span)
    return result


def find_blinks(times: Doubles, eyes: Doubles, settings: BlinkSettings, *, track_id: int = 0) -> list[Event]:
    """Blinks in the openness of one person's eyes.

    Looks at the eye that is closed more. Of the dips of its curve those are blinks that are deep enough for the person
    and for the noise, fall fast, and rise again. The onset is where a fifth of the way down is gone; the offset where
    half of the way up is, since the rest of it is often a creep without a clear end.

    Parameters
    ----------
    times : (T,) float64
        Seconds, rising, at any and even changing distances.
    eyes : (T, 2) float64
        Probabilities of open, right and left; NaN where not known.
    settings : BlinkSettings
    track_id : int
        Of the events.

    Returns
    -------
    list of Event
        Of kind "blink", by time. Details: ``depth`` (share of the way from open to closed), ``duration`` (seconds from
        onset to offset), ``right`` and ``left`` (1: that eye closed; a wink has one 0), ``long`` (1: longer than
        `BlinkSettings.long`).
    """
    opened = openness(times, eyes, settings)
    known = ~np.isnan(opened).all(axis=1)
    times, opened = times[known], opened[known]
    step = float(np.median(np.diff(times))) if len(times) >= 3 else np.inf
    if step > SLOWEST:
        return []
    breaks = np.flatnonzero(np.diff(times) > max(settings.gap, 2.5 * step)) + 1
    pieces = zip(np.split(times, breaks), np.split(opened, breaks), strict=True)
    return [event for t, o in pieces if len(t) >= 3 for event in _in_piece(t, o, settings, track_id)]


def _in_piece(times: Doubles, opened: Doubles, settings: BlinkSettings, track_id: int) -> list[Event]:
    """Blinks in a stretch without gaps."""
    from scipy.signal import find_peaks

    grid = np.arange(times[0], times[-1], 1 / RATE)
    sides = np.stack([_resampled(grid, times, opened[:, side]) for side in range(2)])
    curve = 1 - np.fmin(*sides)  # of the eye that is closed more; one that is not known does not count
    least = max(settings.depth, NOISE * _noise(np.fmin(opened[:, 0], opened[:, 1])))
    events: list[Event] = []
    # First each dip against the second around it, so that blinks of narrowed eyes count; then what is longer.
    for window in (round(2 * RATE) | 1, None):
        with warnings.catch_warnings():
            # Where the curve is level over the whole window, a peak has no prominence: it is not deep enough either.
            warnings.simplefilter("ignore", RuntimeWarning)
            peaks, _ = find_peaks(curve, prominence=least, wlen=window)
        # Of two blinks in a row, one ends where the eye is widest before the other.
        ends = [0, *(a + int(curve[a:b].argmin()) for a, b in pairwise(peaks)), len(curve) - 1]
        for peak, (low, high) in zip(peaks, pairwise(ends), strict=False):
            event = _Dip.at(curve, int(peak), window, low, high).event(grid, sides, settings, track_id)
            if event and not any(e.start < event.end and event.start < e.end for e in events):
                events.append(event)
    return sorted(events, key=lambda e: e.start)


@dataclass(frozen=True)
class _Dip:
    """A dip of the openness: where it is on the grid, in samples, and how deep.

    Attributes
    ----------
    peak : int
    depth : float
        Against the higher of its two banks.
    start, fall : float
        Where the first fifth of the way down is gone, and where the last one begins.
    end : float
        Half of the way up again.
    width : float
        At half depth.
    """

    peak: int
    depth: float
    start: float
    fall: float
    end: float
    width: float

    @classmethod
    def at(cls, curve: Doubles, peak: int, window: int | None, low: int, high: int) -> _Dip:
        """The dip around a peak of the curve, not beyond `low` and `high`."""
        from scipy.signal import peak_prominences, peak_widths

        found = peak_prominences(curve, [peak], wlen=window)
        (_,), (_,), (half,), (end,) = peak_widths(curve, [peak], rel_height=0.5, prominence_data=found)
        (_,), (_,), (start,), (_,) = peak_widths(curve, [peak], rel_height=1 - EDGE, prominence_data=found)
        (_,), (_,), (fall,), (_,) = peak_widths(curve, [peak], rel_height=EDGE, prominence_data=found)
        end = min(float(end), high)
        return cls(peak, float(found[0][0]), max(float(start), low), float(fall), end, end - max(float(half), low))

    def event(self, grid: Doubles, sides: Doubles, settings: BlinkSettings, track_id: int) -> Event | None:
        """The blink that this is, or None."""
        if (self.fall - self.start) / RATE > settings.closing or self.width / RATE < settings.shortest:
            return None
        is_long = self.width / RATE > settings.long
        # How far each eye goes: from the onset to its own lowest point within the dip.
        known = [side for side in sides if not np.isnan(side).any()]
        drops = [_drop(side[int(self.start) : int(np.ceil(self.end)) + 1]) for side in sides]
        right, left = (drop >= settings.wink * max(drops) for drop in drops)
        is_wink = len(known) == 2 and right != left
        if (is_long or is_wink) and self.depth < settings.rare_depth:
            return None
        start, apex, end = (float(grid[0] + place / RATE) for place in (self.start, self.peak, self.end))
        depth = min(self.depth, 1.0)
        details = {"depth": depth, "duration": end - start, "right": right, "left": left, "long": is_long}
        numbers = {name: round(float(value), 4) for name, value in details.items()}
        return Event("blink", track_id, start, max(end, apex), apex=apex, score=depth, details=numbers)


def _drop(side: Doubles) -> float:
    """How far an eye closes in a dip; 0 for one that is not known."""
    return 0.0 if np.isnan(side).any() else float(side[0] - side.min())


def _resampled(grid: Doubles, times: Doubles, values: Doubles) -> Doubles:
    """Values on the even grid; NaN throughout for an eye that is known less than half of the time."""
    known = ~np.isnan(values)
    if known.mean() < 0.5:
        return np.full(len(grid), np.nan)
    return np.interp(grid, times[known], values[known])


def _noise(curve: Doubles) -> float:
    """Standard deviation of the noise, from the second differences, of which blinks make few."""
    if len(curve) < 5:
        return 0.0
    second = np.diff(curve, n=2)
    return float(np.median(np.abs(second)) / 0.6745 / np.sqrt(6))


def _quantile(values: Doubles, level: float) -> float:
    known = values[~np.isnan(values)]
    return float(np.quantile(known, level)) if len(known) else np.nan


class Blinks:
    """Gives the event ``blink`` to tracked faces that have ``eyes``; see `find_blinks`.

    Parameters
    ----------
    bundle : Bundle
        Card of ``blinks``, without files.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.card.settings(BlinkSettings)

    def follow(self) -> TemporalStep:
        """See `mien.engine.Follower`."""
        return _BlinkStep(self._settings)


class _BlinkStep:
    """Keeps the curve of each person (24 bytes a frame) and looks for blinks when the clip ends."""

    def __init__(self, settings: BlinkSettings) -> None:
        self._settings = settings
        self._curves: dict[int, array[float]] = {}

    def update(self, time: float, faces: Faces) -> Faces:
        """See `mien.engine.TemporalStep`."""
        if len(faces):
            for track, (right, left) in zip(faces.track.ids, faces.eyes.values, strict=True):
                self._curves.setdefault(int(track), array("d")).extend((time, float(right), float(left)))
        return faces

    def finish(self) -> Events:
        """See `mien.engine.TemporalStep`."""
        events: list[Event] = []
        for track, flat in self._curves.items():
            rows = np.frombuffer(flat, np.float64).reshape(-1, 3)
            if track >= 0:  # -1: nobody knows whose face that is
                events += find_blinks(rows[:, 0], rows[:, 1:], self._settings, track_id=track)
        return Events(tuple(events))
