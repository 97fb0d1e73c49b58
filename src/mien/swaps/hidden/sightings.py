"""Where faces are in a video, frame by frame and without a gap: what was seen, and what must lie between.

A detector misses faces for some frames: in motion blur, behind a hand, at the picture's edge. So each face that was
seen is hidden before, between and after its sightings, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.boxes import iou
from mien.location.assignment import assign
from mien.location.motion import box_of, numbers_of
from mien.swaps.hidden.spots import Spot

__all__ = ["Sightings", "completed", "linked"]

Doubles = NDArray[np.float64]

GAP: Final = 2.0  # seconds for which a face is hidden between two sightings in one shot
AHEAD: Final = 0.32  # seconds for which it is before its first and after its last
EDGE: Final = 2.0  # seconds for which it is where the picture's edge cuts it, and detectors see too little of it
_NEAR: Final = 0.1  # of a face's size: so near to the edge it is about to be cut
_MOTION: Final = 5  # sightings that tell how it moves
_DAMPED: Final = 0.8  # of its speed is left after each frame that is guessed
_GROWTH: Final = 0.02  # by which the box grows in each frame that is guessed
_STEADY: Final = 2  # frames on each side over which places are averaged
_SAME: Final = 0.2  # overlap from which two sightings may be of one face


@dataclass(eq=False)
class Sightings:
    """What was found in the frames of a video.

    Attributes
    ----------
    size : (width, height)
    rate : float
        Frames per second.
    frames : list of lists of Spot
        By frame.
    cuts : set of int
        Frames with which another shot begins.
    """

    size: tuple[int, int]
    rate: float
    frames: list[list[Spot]] = field(default_factory=list)
    cuts: set[int] = field(default_factory=set)

    def forget_false_cuts(self) -> None:
        """Keep the cuts over which nobody is followed on the spot: a camera that swings looks like a cut, too."""
        self.cuts -= {number for number in self.cuts if 0 < number < len(self.frames) and self._goes_on(number)}

    def _goes_on(self, number: int) -> bool:
        before = {spot.track: spot.box for spot in self.frames[number - 1] if spot.track is not None}
        return any(
            float(iou(before[spot.track][None], spot.box[None])[0, 0]) > _SAME
            for spot in self.frames[number]
            if spot.track in before
        )

    def shot(self, frame: int) -> tuple[int, int]:
        """First frame of the shot that a frame is in, and the one after its last."""
        begins = sorted({0, *self.cuts, len(self.frames)})
        place = int(np.searchsorted(begins, frame, side="right"))
        return begins[place - 1], begins[min(place, len(begins) - 1)]


def linked(
    found: Mapping[int, Sequence[Spot]], *, first: int, reach: int, cuts: Iterable[int]
) -> dict[int, list[Spot]]:
    """Sightings that no track holds, put together to tracks by where they are.

    Parameters
    ----------
    found : mapping of int to sequence of Spot
        By frame.
    first : int
        Number of the first track.
    reach : int
        Frames after which a face is not expected any more.
    cuts : iterable of int
        Frames over which nobody is followed.

    Returns
    -------
    dict of int to list of Spot
        As `found`, each with a track.
    """
    open_: dict[int, tuple[int, Doubles]] = {}
    out: dict[int, list[Spot]] = {}
    begins, number = sorted(cuts), first
    for frame in sorted(found):
        shot = int(np.searchsorted(begins, frame, side="right"))
        open_ = {
            track: (last, box)
            for track, (last, box) in open_.items()
            if frame - last <= reach and int(np.searchsorted(begins, last, side="right")) == shot
        }
        tracks, spots = list(open_), list(found[frame])
        boxes = np.array([open_[track][1] for track in tracks]).reshape(-1, 4)
        cost = 1.0 - iou(boxes, np.array([spot.box for spot in spots]).reshape(-1, 4)).astype(np.float64)
        given = {row: tracks[t] for t, row in assign(np.where(cost <= 1 - _SAME, cost, np.inf))}
        out[frame] = []
        for row, spot in enumerate(spots):
            if row not in given:
                given[row], number = number, number + 1
            out[frame].append(replace(spot, track=given[row]))
            open_[given[row]] = frame, spot.box
    return out


def completed(sightings: Sightings) -> list[list[Spot]]:
    """All that is to be hidden, by frame: sightings, steadied, and what lies before, between and after them."""
    tracks: dict[int, dict[int, Spot]] = {}
    out: list[list[Spot]] = [[spot for spot in spots if spot.track is None] for spots in sightings.frames]
    for number, spots in enumerate(sightings.frames):
        for spot in spots:
            if spot.track is not None:
                tracks.setdefault(spot.track, {})[number] = spot
    for seen in tracks.values():
        for number, spot in _whole(seen, sightings).items():
            out[number].append(spot)
    return out


def _whole(seen: Mapping[int, Spot], sightings: Sightings) -> dict[int, Spot]:
    """A track in every frame in which its face may be."""
    seen = _uncut(seen, sightings.size)
    gap = round(GAP * sightings.rate)
    whole, frames = dict(seen), sorted(seen)
    for one, other in zip([None, *frames], [*frames, None], strict=True):
        low = -1 if one is None else one
        high = len(sightings.frames) if other is None else other
        if high - low <= 1:
            continue
        shot = sightings.shot(frames[0] if one is None else one)
        if one is not None and other is not None and other - one <= gap and other < shot[1]:
            whole |= _between(one, whole[one], other, whole[other])
            continue
        if one is not None:
            ahead_of = range(one + 1, min(high, one + 1 + _ahead(whole[one], sightings), shot[1]))
            whole |= _guessed(seen, [n for n in frames if n <= one][-_MOTION:], ahead_of, shot, sightings.size)
        if other is not None:
            before = sightings.shot(other)
            back = range(other - 1, max(low, other - 1 - _ahead(whole[other], sightings), before[0] - 1), -1)
            whole |= _guessed(seen, [n for n in frames if n >= other][:_MOTION][::-1], back, before, sightings.size)
    return _steadied(whole, sightings)


def _uncut(seen: Mapping[int, Spot], size: tuple[int, int]) -> dict[int, Spot]:
    """Sightings as large as the face was when the picture's edge did not cut it: beyond the edge, if need be.

    A box that ends at the edge shrinks as its face leaves: what is drawn into it would leave the face's rim open.
    """
    touching = {number: _is_cut(spot.box, size, near=0.02) for number, spot in seen.items()}
    clear = [number for number in sorted(seen) if not touching[number]]
    if not clear:
        return dict(seen)
    out = dict(seen)
    for number in (number for number in seen if touching[number]):
        like, box = seen[min(clear, key=lambda one: abs(one - number))].box, np.asarray(seen[number].box, np.float64)
        low, high = box[:2], box[2:]
        more = np.maximum((like[2:] - like[:2]) - (high - low), 0)
        near = 0.02 * (high - low)
        low, high = np.where(low < near, low - more, low), np.where(high > size - near, high + more, high)
        out[number] = replace(seen[number], box=np.concatenate([low, high]))
    return out


def _between(one: int, first: Spot, other: int, last: Spot) -> dict[int, Spot]:
    start, end = numbers_of(first.box), numbers_of(last.box)
    out = {}
    for number in range(one + 1, other):
        share = (number - one) / (other - one)
        # Between two sightings a head may leave the straight way: the longer the gap, the more.
        room = 1 + min(0.3, _GROWTH * min(number - one, other - number))
        box = _grown(box_of(start + (end - start) * share), room)
        near = first if share < 0.5 else last
        out[number] = replace(near, box=box, source="interpolated", outline=_moved(near, box))
    return out


def _ahead(spot: Spot, sightings: Sightings) -> int:
    """Frames for which a face is hidden before its first sighting and after its last."""
    return max(1, round((EDGE if _is_cut(spot.box, sightings.size) else AHEAD) * sightings.rate))


def _is_cut(box: NDArray[np.floating], size: tuple[int, int], *, near: float = _NEAR) -> bool:
    """Whether the picture's edge cuts a face, or is so near, in parts of its size."""
    room = near * (box[2:] - box[:2])
    return bool((box[:2] < room).any() or (box[2:] > np.array(size) - room).any())


def _guessed(
    seen: Mapping[int, Spot], known: Sequence[int], frames: range, shot: tuple[int, int], size: tuple[int, int]
) -> dict[int, Spot]:
    """Where a face goes on from its last sightings (or, backwards, where it came from): with room, more and more.

    What the picture's edge cuts is followed until it has left.
    """
    known = [number for number in known if shot[0] <= number < shot[1]]
    if not known:
        return {}
    last = seen[known[-1]]
    place = numbers_of(last.box)
    speed = np.zeros(4)
    if len(known) > 1:
        steps = abs(known[-1] - known[0])
        speed = (place - numbers_of(seen[known[0]].box)) / steps
    out = {}
    damped = 1.0 if _is_cut(last.box, size) else _DAMPED
    for step, number in enumerate(frames, 1):
        speed = speed * damped
        place = place + speed
        if (box_of(place)[2:] < 0).any() or (box_of(place)[:2] > np.array(size)).any():
            break
        box = _grown(box_of(place), 1 + min(_GROWTH * step, 0.3))
        out[number] = replace(last, box=box, source="interpolated", outline=_moved(last, box))
    return out


def _steadied(whole: Mapping[int, Spot], sightings: Sightings) -> dict[int, Spot]:
    """Places averaged over neighbouring frames, and no box smaller than what was seen: it neither jumps nor slips."""
    out = {}
    for number, spot in whole.items():
        shot = sightings.shot(number)
        around = range(max(number - _STEADY, shot[0]), min(number + _STEADY + 1, shot[1]))
        boxes = np.array([whole[n].box for n in around if n in whole])
        mean = box_of(numbers_of(boxes).mean(axis=0)).astype(np.float64)
        box = np.concatenate([np.minimum(mean[:2], spot.box[:2]), np.maximum(mean[2:], spot.box[2:])])
        out[number] = replace(spot, box=box)
    return out


def _grown(box: NDArray[np.floating], factor: float) -> Doubles:
    corners = np.asarray(box, np.float64)
    middle, half = (corners[:2] + corners[2:]) / 2, (corners[2:] - corners[:2]) / 2
    return np.concatenate([middle - half * factor, middle + half * factor])


def _moved(spot: Spot, box: Doubles) -> Doubles | None:
    """The outline of a spot, gone along to another box."""
    if spot.outline is None:
        return None
    scale = (box[2:] - box[:2]) / np.maximum(spot.box[2:] - spot.box[:2], 1e-6)
    return np.asarray((spot.outline - spot.box[:2]) * scale + box[:2])
