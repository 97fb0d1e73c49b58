"""Follows faces through a clip: by motion and pixels from frame to frame, by likeness over crossings and cuts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.boxes import iou
from mien.core.clip import Track
from mien.core.columns import Vectors
from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.location.assignment import Appearance, Embeddings, Likeness, assign, place_cost
from mien.location.backlog import Backlog, Held, Person, Trail, place_of
from mien.location.flow import CUT, DOUBT, Sight, alike, clipped, follow
from mien.location.motion import box_of, numbers_of
from mien.media.video import Frame
from mien.runtime.bundle import Bundle

__all__ = ["ClipTracker", "FaceTracker", "Settings"]

Doubles = NDArray[np.float64]

_ALONE: Final = 0.1  # overlap with another face from which the pixels of the one in front are not those of the other
_INSIDE: Final = 0.3  # the part of a face inside the picture from which it may still be found


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How a tracker decides: a card's ``[params]``.

    Parameters
    ----------
    fill : float
        Seconds that a face may be missed and still be filled in; frames wait no longer than this.
    held : int
        No more frames wait.
    coast : float
        Seconds after which a face that is not found is no longer expected where it was going.
    confirm : int
        Detections that make a face sure ...
    sure : float
        ... or one with this score.
    start : mapping of str to float
        By detector, and ``default``: the score from which a detection may begin a track. One with a lower score only
        continues a track (Zhang et al., *ByteTrack*, 2022), ...
    least : float
        ... down to this one.
    weight : float
        What likeness counts against place, which counts 1.
    likeness : mapping of str to (different, same)
        By embedding space, and ``default``; see `Likeness`.
    exemplars : int
        Embeddings kept of each person, besides their mean.
    again : float
        Seconds after which a face's embedding is asked for again.
    people : int
        So many people who are absent are remembered.
    """

    fill: float = 0.5
    held: int = 64
    coast: float = 1.0
    confirm: int = 3
    sure: float = 0.9
    start: Mapping[str, float] = field(default_factory=lambda: {"default": 0.5})
    least: float = 0.5
    weight: float = 0.6
    likeness: Mapping[str, tuple[float, float]] = field(default_factory=lambda: {"default": (0.05, 0.45)})
    exemplars: int = 5
    again: float = 1.0
    people: int = 1000


class FaceTracker:
    """Gives ``track``: makes a tracker for each clip.

    Parameters
    ----------
    bundle : Bundle
        A card without files; its ``[params]`` are `Settings`.

    Raises
    ------
    CardError
        If the card has a setting that there is not.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.card.settings(Settings)
        self._model = bundle.card.id

    def start(self, *, min_score: float | None = None) -> ClipTracker:
        """A tracker for one clip; see `mien.engine.TrackerMaker`."""
        settings = self._settings
        if min_score is not None:
            settings = replace(settings, start={"default": min_score}, least=min_score)
        return ClipTracker(settings, model=self._model)


class ClipTracker:
    """Follows the faces of one clip; see `mien.engine.Tracker`.

    A *trail* is a stretch of a face's way that motion holds together; a *person* owns one trail after the other. A
    detection goes to the trail that it fits best by place and likeness together, then to an absent person whom it
    looks like, and else begins a trail of somebody new. Ids are given when a frame goes out, in order.

    Parameters
    ----------
    settings : Settings
    model : str
        Who the faces say made their tracks.
    """

    def __init__(self, settings: Settings, *, model: str = "tracker") -> None:
        self._set = settings
        self._trails: list[Trail] = []
        self._people: list[Person] = []
        self._backlog = Backlog(settings.fill, settings.held, model)
        self._frame: Frame | None = None
        self._sight: Sight | None = None
        self._looked = -1  # index of the last frame that was looked at
        self._shot = 0
        self._doubt = False  # whether there may have been a cut since that look

    # -- the protocol ------------------------------------------------------------------------------------------------

    @property
    def min_score(self) -> float:
        """See `mien.engine.Tracker`."""
        return self._set.least

    def cut(self, frame: Frame) -> bool:
        """Whether another shot may begin with this frame; see `mien.engine.Tracker`."""
        shot = self._shot
        self._advance(frame)
        return self._shot > shot

    def asks(self, frame: Frame, faces: Faces) -> NDArray[np.bool_]:
        """Which faces to embed: new ones, those that two trails may claim, and each trail's now and then."""
        self._advance(frame)
        wanted = np.ones(len(faces), bool)
        place = self._place_cost(faces)
        crowded = _ambiguous(place)
        # While somebody is away, a new face gets more than one chance to be recognised.
        enough = self._set.confirm if any(person.trail is None for person in self._people) else 1
        for t, n in assign(place):
            trail = self._trails[t]
            known = trail.person.appearance.count >= enough
            recent = frame.time - trail.asked < self._set.again
            wanted[n] = self._doubt or crowded[n] or not known or not recent or trail.misses > 0
        return wanted

    def push(self, frame: Frame, faces: Faces | None) -> list[tuple[Frame, Faces]]:
        """Take the next frame; see `mien.engine.Tracker`.

        Raises
        ------
        UsageError
            If it is not after the frames before it.
        """
        self._advance(frame)
        held = Held(frame, faces, self._sight, self._shot)
        self._backlog.append(held)
        if faces is None:
            for trail in self._trails:
                if trail.followed:
                    trail.known = frame.index, frame.time, trail.motion.numbers
                    trail.person.last = frame.index
                held.places[trail] = trail.led(trail.motion.numbers) if trail.followed else trail.guessed()
        else:
            self._look(held, faces)
            self._looked, self._doubt = frame.index, False
            self._backlog.looked()
        self._retire(frame)
        return self._backlog.release(self._is_open)

    def finish(self) -> tuple[list[tuple[Frame, Faces]], tuple[Track, ...]]:
        """End the clip; see `mien.engine.Tracker`."""
        for trail in list(self._trails):
            self._end(trail)
        out = self._backlog.release(everything=True)
        people = [person for person in self._people if person.id is not None]
        return out, tuple(person.track for person in sorted(people, key=lambda person: person.id or 0))

    # -- from frame to frame -----------------------------------------------------------------------------------------

    def _advance(self, frame: Frame) -> None:
        """Move all trails to the time of this frame."""
        last = self._frame
        if last is frame:
            return
        if last is not None and frame.index <= last.index:
            raise UsageError(f"frames come in order: {frame.index} cannot follow {last.index}.")
        before, now = self._sight, Sight(frame.image)
        self._frame, self._sight = frame, now
        if last is None or before is None:
            return
        # Clocks of files may stand still or jump.
        seconds = float(np.clip(np.nan_to_num(frame.time - last.time, nan=0.04), 0.001, 1.0))
        if before.size != now.size:
            for trail in self._trails:
                trail.motion.rescale(now.size[0] / before.size[0], now.size[1] / before.size[1])
        boxes = np.array([trail.motion.box for trail in self._trails]).reshape(-1, 4)
        overlaps = iou(boxes, boxes)
        np.fill_diagonal(overlaps, 0)
        for trail, box, overlap in zip(self._trails, boxes, overlaps, strict=True):
            started = trail.motion.numbers
            trail.motion.predict(seconds)
            # Where two faces meet, the pixels are those of the one in front; a face that was missed may be covered.
            alone = not trail.misses and overlap.max(initial=0) < _ALONE
            there = follow(before, now, box, trail.motion.box) if alone else None
            trail.followed = there is not None
            if there is not None:
                trail.motion.follow(there, started, seconds)
        same = alike(before, now)
        self._doubt = self._doubt or same < DOUBT
        if same < CUT:
            for trail in [trail for trail in self._trails if not trail.followed]:
                self._end(trail)
        if same < CUT or before.size != now.size:
            self._shot += 1

    def _retire(self, frame: Frame) -> None:
        """End the trails that left the picture or are missed for too long."""
        size = frame.image.shape[1], frame.image.shape[0]
        for trail in list(self._trails):
            gone = trail.index < frame.index and clipped(trail.motion.numbers, size)[1] < _INSIDE
            if gone or (trail.misses and frame.time - trail.time > self._set.coast):
                self._end(trail)

    def _end(self, trail: Trail) -> None:
        self._trails.remove(trail)
        person = trail.person
        person.trail = None
        # Somebody who was never missed, but for whom the shot was too short, was there.
        person.shown = person.shown or not trail.missed
        if not person.shown:
            self._people.remove(person)
        absent = [other for other in self._people if other.trail is None]
        for other in absent[: max(0, len(absent) - self._set.people)]:
            other.appearance = Appearance(self._set.exemplars)

    def _is_open(self, held: Held) -> bool:
        """Whether something may still change in a frame that waits."""
        index, now = held.frame.index, self._frame
        if now is None or index > self._looked:
            return True  # nobody has looked since
        for trail in self._trails:
            gap = trail.index < index and now.time - trail.known[1] <= self._set.fill
            young = not trail.person.shown or (trail.person.id is None and trail.hits < self._set.confirm)
            if gap or (young and index >= trail.first):
                return True
        return False

    # -- a look ------------------------------------------------------------------------------------------------------

    def _place_cost(self, faces: Faces) -> Doubles:
        expected = np.array([trail.motion.box for trail in self._trails]).reshape(-1, 4)
        return place_cost(expected, np.array([trail.motion.doubt for trail in self._trails]), faces.boxes)

    def _look(self, held: Held, faces: Faces) -> None:
        known = self._known(faces)
        place = self._place_cost(faces)
        crowded = _ambiguous(place)
        least = self._set.start.get(faces.models.get("detect", ""), self._set.start["default"])
        high = np.nan_to_num(faces.scores, nan=1.0) >= least
        trails = list(self._trails)
        pairs = assign(np.where(high, self._cost(place, known, held.frame.time), np.inf))
        left = np.isin(np.arange(len(trails)), [t for t, _ in pairs], invert=True)[:, None]
        pairs += assign(np.where(left & ~high & (place < 0.5), place, np.inf))
        for t, n in pairs:
            self._found(trails[t], held, faces, n)
            self._learn(trails[t], known, n, crowded=bool(crowded[n]))
        for t in set(range(len(trails))) - {t for t, _ in pairs}:
            trails[t].misses += 1
            trails[t].missed = True
            held.places[trails[t]] = trails[t].guessed()
        new = np.array(sorted(set(np.flatnonzero(high)) - {n for _, n in pairs}), np.intp)
        begun = [self._begin(held, faces, n, who) for n, who in zip(new, self._recalled(known, new), strict=True)]
        for n, trail in zip(new, begun, strict=True):
            self._learn(trail, known, n, crowded=False)

    def _known(self, faces: Faces) -> Embeddings:
        column = faces.columns.get("embedding")
        if not isinstance(column, Vectors):
            return Embeddings(None, len(faces), Likeness(*self._set.likeness["default"]))
        means = self._set.likeness.get(column.space, self._set.likeness["default"])
        return Embeddings(column, len(faces), Likeness(*means))

    def _cost(self, place: Doubles, known: Embeddings, time: float) -> Doubles:
        """What it costs to take each face for each trail's, (T, N)."""
        unlike = known.unlike([trail.person.appearance for trail in self._trails])
        cost = place + self._set.weight * (np.nan_to_num(unlike, nan=0.5) - 0.5)
        # Somebody who looks like another and is not right there is another; after what may have been a cut, anyway.
        followed = np.array([trail.followed for trail in self._trails], bool)[:, None]
        cost[(unlike >= 1) & (self._doubt | (place > np.where(followed, 0.35, 0.2)))] = np.inf
        unseen = np.array([time - trail.time for trail in self._trails])
        return np.asarray(cost + 0.1 * np.clip(unseen / self._set.coast, 0, 1)[:, None])

    def _recalled(self, known: Embeddings, new: NDArray[np.intp]) -> list[Person | None]:
        """For each new face the absent person whom it looks like, or None."""
        absent = [person for person in self._people if person.trail is None or person.trail.misses]
        looks = [person.appearance for person in absent]
        cost = np.where(known.unlike(looks) <= 0, -known.cosines(looks), np.inf)[:, new]
        found = {n: absent[p] for p, n in assign(cost)}
        return [found.get(n) for n in range(len(new))]

    def _found(self, trail: Trail, held: Held, faces: Faces, row: int) -> None:
        """A trail goes on at a detection."""
        if trail.misses:
            self._look_back(trail, held, numbers_of(faces.boxes[row]))
        self._backlog.close_gap(trail, place_of(faces, row))
        trail.found(held.frame, faces, row)
        held.places[trail] = trail.at(row)
        self._judge(trail)

    def _begin(self, held: Held, faces: Faces, row: int, person: Person | None) -> Trail:
        """A trail begins: of a person who is back, or of somebody new."""
        if person is not None and person.trail is not None:
            self._end(person.trail)
        if person not in self._people:  # nobody, or somebody who was not sure to be a face
            person = Person(Appearance(self._set.exemplars), first=held.frame.index)
            self._people.append(person)
        trail = Trail(person, held.frame, faces, row)
        person.trail = trail
        held.places[trail] = trail.at(row)
        self._trails.append(trail)
        self._judge(trail)
        self._look_back(trail, held, numbers_of(trail.box))
        return trail

    def _look_back(self, trail: Trail, held: Held, numbers: Doubles) -> None:
        """Follow a face back through the frames that nobody looked at, to where it came into sight."""
        now = held
        for earlier in self._backlog.before(held):
            known = any(place.sure and other.person is trail.person for other, place in earlier.places.items())
            if known or earlier.faces is not None or earlier.shot != held.shot or not (now.sight and earlier.sight):
                break
            box = box_of(numbers)
            others = [box_of(place.numbers) for other, place in now.places.items() if other is not trail]
            if len(others) and iou(box[None], np.array(others)).max() >= _ALONE:
                break
            there = follow(now.sight, earlier.sight, box, box)
            if there is None:
                break
            numbers, now = there, earlier
            earlier.places[trail] = trail.led(numbers)
            trail.first = min(trail.first, earlier.frame.index)
            trail.person.first = min(trail.person.first, trail.first)

    def _judge(self, trail: Trail) -> None:
        trail.person.last = trail.index
        if trail.hits >= self._set.confirm or np.nan_to_num(trail.score, nan=1.0) >= self._set.sure:
            trail.person.shown = True

    def _learn(self, trail: Trail, known: Embeddings, row: int, *, crowded: bool) -> None:
        """Remember how a face looks; a young trail may turn out to be of somebody who was here before."""
        vector = known.rows[row]
        if vector is None:
            return
        person = trail.person
        trail.asked = trail.time
        if crowded and person.appearance.count and not known.unlike([person.appearance])[0, row] <= 0:
            return  # it may be the face in front
        person.appearance.add(vector)
        if person.id is not None:
            return
        absent = [other for other in self._people if other.trail is None and other.shown and other.last < person.first]
        looks = [other.appearance for other in absent]
        unlike, cosines = known.unlike(looks)[:, row], known.cosines(looks)[:, row]
        if (unlike <= 0).any():
            old = absent[int(np.nanargmax(cosines))]
            old.appearance.take(person.appearance)
            old.trail, old.last = trail, trail.index
            trail.person = old
            self._backlog.rename(person, old)
            self._people.remove(person)


def _ambiguous(place: Doubles) -> NDArray[np.bool_]:
    """Which detections might be of two trails, or compete with another for one, (N,)."""
    near = place < 0.55  # they touch, or nearly
    return np.asarray((near.sum(axis=0) > 1) | (near & (near.sum(axis=1) > 1)[:, None]).any(axis=0))
