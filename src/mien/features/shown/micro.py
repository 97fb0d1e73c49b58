"""Micro-expressions: short motions of brows or mouth that are over within half a second.

`mien.features.shown.face_motion` says how four regions of the face move on the skull. Here short bumps are looked for
in their curves, which stand out of their noise.

That finds that something moved for a moment; not why, and not what it says about anybody.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.core.clip import Event, Events
from mien.core.faces import Faces
from mien.features.shown.face_motion import REGIONS, FaceMotion
from mien.location.blink import BlinkSettings, find_blinks
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import TemporalStep

__all__ = ["MicroExpressions", "MicroSettings", "find_micro_expressions"]

Doubles = NDArray[np.float64]

RATE = 100.0  # samples a second of the even grid


@dataclass(frozen=True)
class MicroSettings:
    """The card's ``[params]``.

    Attributes
    ----------
    least : float
        Widths of the eyes by which a region moves at least.
    noise : float
        Deviations of the noise by which it does.
    shortest, longest : float
        Seconds from onset to offset.
    window : float
        Seconds of the running median that is taken for the face without the motion.
    around : float
        Seconds around a motion in which its noise is measured.
    largest : float
        Widths of the eyes above which a motion is no micro-expression.
    lips : float
        Widths of the eyes by which the lips part at most: more is speech or a mouth that opens.
    turn : float
        Widths of the eyes by which the head moves at most in that time.
    min_eyes : float
        Pixels between the outer corners of the eyes that are needed.
    min_rate : float
        Frames a second that are needed.
    """

    least: float = 0.01
    noise: float = 8.0
    shortest: float = 0.04
    longest: float = 0.5
    window: float = 1.1
    around: float = 4.0
    largest: float = 0.08
    lips: float = 0.04
    turn: float = 0.5
    min_eyes: float = 40.0
    min_rate: float = 20.0


@dataclass(frozen=True)
class _Bump:
    """A short motion of one region, on the even grid: samples, height in widths of the eyes, and over its limit."""

    region: int
    start: float
    apex: int
    end: float
    height: float
    ratio: float
    angle: float

    def overlap(self, other: _Bump) -> float:
        """Shared time over the time of both."""
        shared = min(self.end, other.end) - max(self.start, other.start)
        return max(shared, 0.0) / (max(self.end, other.end) - min(self.start, other.start))


def find_micro_expressions(rows: Doubles, settings: MicroSettings, *, track_id: int = 0) -> list[Event]:
    """Micro-expressions in the motion of one face.

    From each region's curve the running median is taken: what lasts longer than half of its window stays out. What is
    left rises and falls; a bump counts that is higher than the noise around it, is short enough, and comes with no
    blink (brows), no parting of the lips (mouth) and no turn of the head. Bumps of several regions at once are one.

    Parameters
    ----------
    rows : (T, 14) float64
        See `FaceMotion.push`.
    settings : MicroSettings
    track_id : int
        Of the events.

    Returns
    -------
    list of Event
        Of kind "micro_expression", by time: onset, apex and offset. Details: ``duration`` in seconds, the ``amplitude``
        of the strongest region in widths of the eyes, its main direction ``angle`` in degrees (0 to the picture's
        right, 90 up), and 1 or 0 for each of `REGIONS`. None below ``min_rate`` frames a second.
    """
    known = ~np.isnan(rows).any(axis=1)
    rows = rows[known]
    step = float(np.median(np.diff(rows[:, 0]))) if len(rows) > 4 else np.inf
    if not 0 < step <= 1 / settings.min_rate + 1e-6:
        return []
    breaks = np.flatnonzero(np.diff(rows[:, 0]) > 3.5 * step) + 1
    pieces = [piece for piece in np.split(rows, breaks) if piece[-1, 0] - piece[0, 0] > 2 * settings.window]
    return [event for piece in pieces for event in _in_piece(piece, step, settings, track_id)]


def _in_piece(rows: Doubles, step: float, settings: MicroSettings, track_id: int) -> list[Event]:
    """Those of a stretch without gaps."""
    if float(np.median(rows[:, 1])) < settings.min_eyes:
        return []
    times = rows[:, 0]
    grid = np.arange(times[0], times[-1], 1 / RATE)
    even = np.stack([np.interp(grid, times, rows[:, column]) for column in range(2, 14)], axis=1)
    above, limits = _bumps_above(even[:, :8].reshape(len(grid), 4, 2), step, settings)
    blinks = find_blinks(times, np.repeat(rows[:, 13:], 2, axis=1), BlinkSettings())
    shut = np.zeros(len(grid), np.bool_)
    for blink in blinks:
        shut[(grid > blink.start - 0.1) & (grid < blink.end + 0.15)] = True
    bumps = [
        bump
        for region in range(len(REGIONS))
        for bump in _bumps(above[:, region], limits[:, region], region)
        if _counts(bump, even, shut, settings)
    ]
    events: list[list[_Bump]] = []
    for bump in sorted(bumps, key=lambda bump: -bump.ratio):
        together = next((event for event in events if event[0].overlap(bump) > 0.3), None)
        if together is not None:
            together.append(bump)
        elif not any(event[0].overlap(bump) > 0 for event in events):
            events.append([bump])
    return sorted((_event(event, grid, track_id) for event in events), key=lambda event: event.start)


def _bumps_above(curves: Doubles, step: float, settings: MicroSettings) -> tuple[Doubles, Doubles]:
    """What stands above the running median (T, 4, 2), and by how much it has to (T, 4)."""
    from scipy.ndimage import gaussian_filter1d, median_filter

    window = round(settings.window * RATE) | 1
    above = curves - median_filter(curves, size=(window, 1, 1), mode="nearest")
    above = gaussian_filter1d(above, max(0.6 * step * RATE, 1.5), axis=0)
    strength = np.linalg.norm(above, axis=2)
    # The median of the length of a vector of two noisy numbers is 1.18 of their deviation. It changes slowly: every
    # tenth sample is enough.
    around = round(settings.around * RATE / 10) | 1
    noise = median_filter(strength[::10], size=(around, 1), mode="nearest") / 1.18
    noise = np.repeat(noise, 10, axis=0)[: len(strength)]
    return above, np.maximum(settings.least, settings.noise * noise)


def _bumps(above: Doubles, limit: Doubles, region: int) -> list[_Bump]:
    """Peaks of one region's strength that are higher than they have to be."""
    from scipy.signal import find_peaks, peak_widths

    strength = np.linalg.norm(above, axis=1)
    peaks, found = find_peaks(strength, height=limit, prominence=0.7 * limit)
    if not len(peaks):
        return []
    sides = (found["prominences"], found["left_bases"], found["right_bases"])
    _, _, starts, ends = peak_widths(strength, peaks, rel_height=0.85, prominence_data=sides)
    return [
        _Bump(
            region,
            float(start),
            int(peak),
            float(end),
            float(strength[peak]),
            float(strength[peak] / limit[peak]),
            float(np.rad2deg(np.arctan2(-above[peak, 1], above[peak, 0]))),
        )
        for peak, start, end in zip(peaks, starts, ends, strict=True)
    ]


def _counts(bump: _Bump, even: Doubles, shut: NDArray[np.bool_], settings: MicroSettings) -> bool:
    """Whether a bump is short, small, and nothing else."""
    length = (bump.end - bump.start) / RATE
    if not settings.shortest <= length <= settings.longest or bump.height > settings.largest:
        return False
    # The running median knows only one side of what is near an end.
    edge = settings.window / 2 * RATE
    if not edge <= bump.apex <= len(even) - edge:
        return False
    span = slice(int(bump.start), int(np.ceil(bump.end)) + 1)
    if np.ptp(even[span, 8:10], axis=0).max() > settings.turn:
        return False
    if bump.region < 2:
        return not shut[span].any()
    return bool(np.ptp(even[span, 10]) <= settings.lips)


def _event(bumps: list[_Bump], grid: Doubles, track_id: int) -> Event:
    best = bumps[0]
    start, apex, end = (float(grid[0] + place / RATE) for place in (best.start, best.apex, best.end))
    moving = {bump.region for bump in bumps}
    details = {"duration": end - start, "amplitude": best.height, "angle": best.angle}
    details |= {name: float(place in moving) for place, name in enumerate(REGIONS)}
    numbers = {name: round(value, 4) for name, value in details.items()}
    score = float(1 - np.exp(-best.ratio / 2))
    return Event("micro_expression", track_id, start, end, apex=apex, score=score, details=numbers)


class MicroExpressions:
    """Gives the event ``micro_expression`` to tracked faces; see `find_micro_expressions`.

    For faces that are otherwise still: of twitches drawn on such ones most are found, of those drawn on people who talk
    next to none (docs/action_units.md).

    Parameters
    ----------
    bundle : Bundle
        Card of ``micro-expressions``, without files.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.card.settings(MicroSettings)

    def follow(self) -> TemporalStep:
        """See `mien.engine.Follower`."""
        return _MicroStep(self._settings)


class _MicroStep:
    """Follows each person's face (112 bytes a frame), and looks for short motions when the clip ends."""

    def __init__(self, settings: MicroSettings) -> None:
        self._settings = settings
        self._faces: dict[int, FaceMotion] = {}

    def update(self, time: float, faces: Faces) -> Faces:
        """See `mien.engine.TemporalStep`."""
        if len(faces) and faces.image is not None:
            eyes = faces.eyes.values
            for row, track in enumerate(faces.track.ids.tolist()):
                if track >= 0:  # -1: nobody knows whose face that is
                    right, left = eyes[row].tolist()
                    face = self._faces.setdefault(track, FaceMotion())
                    face.push(time, faces.image, faces.landmarks.values[row], (right, left))
        return faces

    def finish(self) -> Events:
        """See `mien.engine.TemporalStep`."""
        found = [
            event
            for track, face in self._faces.items()
            for event in find_micro_expressions(face.table(), self._settings, track_id=track)
        ]
        return Events(tuple(found))
