"""Frames that wait until it is known who is in them."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mien.core.clip import Track
from mien.core.columns import Column, Tracks
from mien.core.faces import Faces
from mien.location.assignment import Appearance
from mien.location.flow import Sight, clipped
from mien.location.motion import Motion, numbers_of
from mien.media.video import Frame

__all__ = ["Backlog", "Held", "Person", "Place", "Trail", "place_of"]

_INSIDE = 0.3  # the part of a box that lies inside the picture, at the least, of a face that was not detected


@dataclass(eq=False)
class Person:
    """Somebody in the clip: who keeps the id over cuts and absences."""

    appearance: Appearance
    trail: Trail | None = None  #: where the person is now; None: nowhere to be seen
    shown: bool = False  #: surely a face
    first: int = 0  #: index of the frame in which the person was first seen
    last: int = -1  #: index of the frame in which the person was last seen
    id: int | None = None  #: once a frame with the person is out
    start: float = 0.0
    end: float = 0.0
    frames: int = 0

    @property
    def track(self) -> Track:
        """What the clip says about the person."""
        return Track(self.id or 0, self.start, self.end, self.frames)


@dataclass(frozen=True)
class Place:
    """Where a trail is in a frame."""

    numbers: NDArray[np.float64]  #: of the box, see `mien.location.motion.numbers_of`
    points: NDArray[np.float32]  #: as those of a trail
    score: float
    row: int | None = None  #: of the frame's detections
    seen: bool = True  #: detected, or followed by the pixels
    sure: bool = True  #: False: shown only if the face comes back


class Trail:
    """One stretch of a person's way through the picture, held together by motion; it begins at a detection.

    Parameters
    ----------
    person : Person
    frame : Frame
    faces : Faces
        What was detected in the frame.
    row : int
        Which of them.
    """

    def __init__(self, person: Person, frame: Frame, faces: Faces, row: int) -> None:
        self.person = person
        self.motion = Motion(faces.boxes[row])
        self.first = frame.index  #: the frame in which it begins
        self.hits = 0  #: detections
        self.missed = False  #: whether any look missed it
        self.followed = False  #: whether the pixels say where it went, into the present frame
        self.asked = -np.inf  #: seconds, of its last embedding
        self.out = False  #: whether a frame with it went out
        self.found(frame, faces, row)

    def found(self, frame: Frame, faces: Faces, row: int) -> None:
        """Take a detection in the present frame."""
        if self.hits:
            self.motion.correct(faces.boxes[row])
        self.hits += 1
        self.misses = 0  #: looks since the last detection
        self.index, self.time = frame.index, frame.time  #: of the last detection
        self.box: NDArray[np.float32] = faces.boxes[row]
        place = place_of(faces, row)
        self.points, self.score = place.points, place.score
        self.known = frame.index, frame.time, numbers_of(self.box)  #: where it surely was last

    def at(self, row: int) -> Place:
        """Where it is in the frame of its last detection, which is in that row."""
        return Place(numbers_of(self.box), self.points, self.score, row=row)

    def led(self, numbers: NDArray[np.float64]) -> Place:
        """Where the pixels have led."""
        return Place(numbers, self.points, self.score)

    def guessed(self) -> Place:
        """Where its motion would lead."""
        return Place(self.motion.numbers, self.points, self.score, seen=False, sure=False)


@dataclass(eq=False)
class Held:
    """A frame that waits."""

    frame: Frame
    faces: Faces | None
    sight: Sight | None
    shot: int
    places: dict[Trail, Place] = field(default_factory=dict)


class Backlog:
    """Frames in order, the oldest let go first.

    Parameters
    ----------
    seconds : float
        A frame waits no longer for a face to come back.
    most : int
        No more frames wait, whatever their times say.
    model : str
        Who made the tracks.
    """

    def __init__(self, seconds: float, most: int, model: str) -> None:
        self._seconds = seconds
        self._most = most
        self._model = model
        self._held: deque[Held] = deque()
        self._out = -1  # index of the last frame that went out
        self._looked = -1  # ... that was looked at
        self._ids = 0
        self._names: tuple[str, ...] = ()  # of the detector's points
        self._models: Mapping[str, str] = {}  # ... and which detector it is

    def __len__(self) -> int:
        return len(self._held)

    def append(self, held: Held) -> None:
        """Take the newest frame."""
        self._held.append(held)
        if held.faces is not None:
            self._names = held.faces.keypoint_names or self._names
            self._models = {
                name: model for name, model in held.faces.models.items() if name == "detect"
            } or self._models

    def before(self, held: Held) -> Iterator[Held]:
        """The frames before one, back in time."""
        return (other for other in reversed(self._held) if other.frame.index < held.frame.index)

    def looked(self) -> None:
        """What the newest frame shows is known: those before it are not compared any more."""
        self._looked = self._held[-1].frame.index
        for held in list(self._held)[:-1]:
            held.sight = None

    def rename(self, person: Person, other: Person) -> None:
        """One person, of whom no frame is out, turned out to be another."""
        for held in self._held:
            for trail in held.places:
                if trail.person is person:
                    trail.person = other

    def close_gap(self, trail: Trail, place: Place) -> None:
        """Say where a trail was between its last detection and this one, in the newest frame.

        Where nobody looked in between, motion has led there; what it was off at the end is spread over the frames.
        Where a detector looked and missed the face, it went straight from where it was last known to be to where it
        was first known to be again. Nothing is said about what has gone out already, about a stretch that is too
        long, or over a cut.
        """
        newest = self._held[-1]
        gap = [held for held in self._held if trail.index < held.frame.index < newest.frame.index]
        if any(held.shot != newest.shot for held in gap):
            return
        if not trail.misses and self._out <= trail.index:
            off = place.numbers - trail.motion.numbers
            for step, held in enumerate(gap, 1):
                old, part = held.places[trail], step / (len(gap) + 1)
                points = trail.points + np.float32(part) * (place.points - trail.points)
                held.places[trail] = replace(old, numbers=old.numbers + part * off, points=points, sure=True)
        elif trail.misses:
            lost = [held for held in gap if not held.places[trail].sure]
            after = next((held for held in gap if lost and held.frame.index > lost[-1].frame.index), newest)
            if not lost or self._out > trail.known[0] or after.frame.time - trail.known[1] > self._seconds:
                return
            first, last = trail.known[2], after.places.get(trail, place)
            for held in lost:
                part = (held.frame.index - trail.known[0]) / (after.frame.index - trail.known[0])
                numbers = first + part * (last.numbers - first)
                points = trail.points + np.float32(part) * (place.points - trail.points)
                held.places[trail] = Place(numbers, points, trail.score, seen=False)

    def release(
        self, is_open: Callable[[Held], bool] = lambda _: False, *, everything: bool = False
    ) -> list[tuple[Frame, Faces]]:
        """Let go of the frames that are settled: nothing in them is open, or they have waited long enough."""
        out = []
        while self._held:
            oldest, newest = self._held[0], self._held[-1]
            late = oldest.frame.index <= self._looked and newest.frame.time - oldest.frame.time > self._seconds
            late = late or len(self._held) > self._most
            if not (everything or late) and is_open(oldest):
                break
            self._held.popleft()
            self._out = oldest.frame.index
            out.append((oldest.frame, self._faces(oldest)))
        return out

    def _faces(self, held: Held) -> Faces:
        height, width = held.frame.image.shape[:2]
        shown = []
        for trail, place in held.places.items():
            # What is filled in goes on with what was shown; it does not begin it.
            if trail.person.shown and place.sure and (place.seen or trail.out):
                shown.append((trail.person, place))
                trail.out = True
        detected = [(person, place) for person, place in shown if place.row is not None]
        followed = [
            (person, place)
            for person, place in shown
            if place.row is None and clipped(place.numbers, (width, height))[1] >= _INSIDE
        ]
        for person, _ in shown:  # in the order in which they were first detected
            if person.id is None and any(person is other for other, _ in detected + followed):
                self._ids += 1
                person.id, person.start = self._ids, held.frame.time
        ids = []
        for person, place in detected + followed:
            person.end = max(held.frame.time, person.start)
            person.frames += 1
            ids.append((person.id, place.seen))
        faces = replace(_faces_at([place for _, place in followed], self._names, (width, height)), models=self._models)
        if held.faces is not None:
            rows = [place.row for _, place in detected]
            found = replace(held.faces, image=None, image_size=faces.image_size)[np.asarray(rows, np.intp)]
            blank = {name: _blank(column, len(faces)) for name, column in found.columns.items()}
            faces = Faces.concat([found, replace(faces, columns=blank, models=found.models)])
        tracks = np.asarray(ids, np.float32).reshape(-1, 2)
        faces = faces.with_columns({"track": Tracks(tracks)}, model=self._model)
        return faces[np.argsort(tracks[:, 0], kind="stable")]


def _faces_at(places: Sequence[Place], names: tuple[str, ...], size: tuple[int, int]) -> Faces:
    """Faces that were not detected in their frame."""
    numbers = np.array([place.numbers for place in places]).reshape(-1, 4)
    sides = np.exp(numbers[:, None, 2:])
    points = np.array([place.points for place in places]).reshape(len(places), len(names), 2)
    return Faces.from_boxes(
        np.array([clipped(row, size)[0] for row in numbers]).reshape(-1, 4),
        scores=[place.score for place in places],
        keypoints=numbers[:, None, :2] + points * sides,
        keypoint_names=names,
        image_size=size,
    )


def _blank(column: Column, count: int) -> Column:
    """The column of faces of which nothing of the kind is known."""
    values = np.full((count, *column.shape[1:]), np.nan, np.float32)
    return replace(column, values=values, reasons=("the face was not detected in this frame",) * count)


def place_of(faces: Faces, row: int) -> Place:
    """Where a detection is."""
    numbers = numbers_of(faces.boxes[row])
    points = (faces.keypoints[row] - numbers[:2]) / np.exp(numbers[2:])
    return Place(numbers, points.astype(np.float32), float(faces.scores[row]), row=row)
