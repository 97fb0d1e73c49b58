"""Faces hidden behind those of people who do not exist; where that cannot be done well, they are blurred.

Who is hidden gets a double, and is compared with what it was by each embedder at hand. While one of them still takes
the two for one person another double is tried, and the disguise goes further. A face that no double hides is blurred,
and so is each frame of a video in which a double does not do.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from mien.core.columns import Tracks
from mien.core.errors import EditRefused, NoFace, UsageError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.core.region import Region
from mien.engine import Engine
from mien.gallery.people import Gallery
from mien.media.provenance import Provenance
from mien.swaps.effects import Shot
from mien.swaps.exchange.identity import Identity
from mien.swaps.exchange.swapping import SwapTake
from mien.swaps.hidden.disguise import ATTEMPTS, Disguise
from mien.swaps.hidden.spots import Spot
from mien.swaps.hidden.strength import Likeness, Witness
from mien.swaps.invented.doubles import Doubles

__all__ = ["Synthetic"]

PRESENT: Final = 0.5  # presence from which on the mesh lies on a face
SLACK: Final = 0.02  # of cosine that must be left to the threshold: a picture is written as JPEG, a frame as H.264
RESERVE: Final = 0.05  # of cosine below the threshold, with which no further double is tried: other pictures differ
HELD: Final = 1.0  # seconds for which a face of a video is blurred after its double did not do: else it would flicker
TRIALS: Final = 3  # times that doubles are tried on a face of a video: it may be turned away, or far, when it appears
ALIKE: Final = "its doubles are too much like it"


@dataclass(eq=False)
class _Part:
    """What is known of a face: how it is disguised, until when it is blurred instead, how often doubles were tried."""

    attempt: int | None = None
    blurred_until: float = -np.inf
    tried: int = 0


@dataclass(eq=False)
class _Frame:
    """A picture, or a frame of a video, with the faces to be hidden; `done` is what became of it."""

    clear: Image
    faces: Faces
    spots: Sequence[Spot]
    keys: Sequence[int]
    time: float | None
    done: Image
    regions: list[Region] = field(default_factory=list)

    def shot(self, place: int) -> Shot:
        """One of its faces, to be changed; the others are as they were left."""
        return Shot(image=self.done, faces=self.faces, rows=np.array([place]), time=self.time)


@dataclass(eq=False)
class _Role:
    """The double of each face in one attempt: a casting.

    A casting gives a face one double; so each attempt asks for the double of a face of its own.
    """

    doubles: Doubles
    attempt: int
    frame: _Frame | None = None

    def identity_for(self, shot: Shot, row: int) -> Identity | None:
        """See `Casting`: by the picture as it was, before anybody was hidden."""
        assert self.frame is not None  # noqa: S101 - for the type checker: there is a shot
        faces = self.frame.faces
        if shot.time is None:
            rows = np.tile(np.arange(len(faces)), len(ATTEMPTS))
            row += self.attempt * len(faces)
            return self.doubles.identity_for(Shot(image=self.frame.clear, faces=faces[rows], rows=rows, time=None), row)
        tracks = np.asarray(faces.track.values, np.float32).copy()
        tracks[:, 0] = len(ATTEMPTS) * tracks[:, 0] + self.attempt
        faces = faces.with_columns({"track": Tracks(tracks)})
        return self.doubles.identity_for(Shot(image=self.frame.clear, faces=faces, rows=shot.rows, time=shot.time), row)


@dataclass(eq=False)
class Synthetic:
    """Puts doubles in people's places, in one picture or video after the other.

    Parameters
    ----------
    engine : Engine
    witness : Witness
        Who says whether a face is still like itself: such a one is not shown.
    far_from : Gallery, optional
        Real people whom no double may look like.
    """

    engine: Engine
    witness: Witness
    far_from: Gallery | None = None
    #: Faces that no double hides, with the reason, by track or by number in a picture.
    refused: dict[int, str] = field(default_factory=dict)
    #: How alike faces behind doubles are to themselves at most.
    likeness: dict[int, Likeness] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._doubles = Doubles(engine=self.engine, far_from=self.far_from)
        self._roles = [_Role(self._doubles, number) for number in range(len(ATTEMPTS))]
        self._disguises = [
            Disguise(role, attempt=attempt, engine=self.engine)
            for role, attempt in zip(self._roles, ATTEMPTS, strict=True)
        ]
        self.start()

    def mark(self, source: Provenance) -> Provenance:
        """What is true of a result: a picture in which no double was shown is none of people who do not exist."""
        if self._over and not self.likeness:
            return Provenance.enhanced(source)
        models = (self.engine.choose("generate").id, self.engine.choose("landmarks").id)
        return Provenance.manipulated(source, models=models)

    def start(self) -> None:
        """Begin a picture or a video."""
        self._takes: list[SwapTake] = [disguise.start() for disguise in self._disguises]
        self._doubles.begin()
        self._parts: dict[int, _Part] = {}
        self._over = False
        self.refused, self.likeness = {}, {}

    def apply(
        self, image: Image, spots: Sequence[Spot], *, time: float | None, regions: list[Region] | None = None
    ) -> tuple[Image, list[Spot]]:
        """A picture, or the next frame of a video, with doubles; and the spots that are left to be hidden.

        Parameters
        ----------
        image : (H, W, 3) uint8
        spots : sequence of Spot
        time : float or None
            Seconds from a video's start; None: a picture.
        regions : list of Region, optional
            What was changed is added here.
        """
        self._over = True
        keys = [row if time is None else -1 if spot.track is None else spot.track for row, spot in enumerate(spots)]
        rows = [row for row, key in enumerate(keys) if key >= 0 and key not in self.refused and not spots[row].method]
        if not rows:
            return image, list(spots)
        frame = self._frame(image, [spots[row] for row in rows], [keys[row] for row in rows], time)
        shown = [place for place in range(len(rows)) if self._shows(frame, place)]
        again = [place for place in shown if self._parts[frame.keys[place]].attempt is not None]
        self._replay(frame, again)
        first = [place for place in shown if place not in again and self._audition(frame, place)]
        hidden = {rows[place] for place in self._unlike(frame, [*again, *first])}
        if regions is not None:
            regions += frame.regions
        return frame.done, [spot for row, spot in enumerate(spots) if row not in hidden]

    def _frame(self, image: Image, spots: Sequence[Spot], keys: Sequence[int], time: float | None) -> _Frame:
        faces = Faces.from_boxes([spot.box for spot in spots], image_size=(image.shape[1], image.shape[0]))
        tracks = [[key, spot.source == "detected"] for key, spot in zip(keys, spots, strict=True)]
        faces = faces.with_columns({"track": Tracks(np.array(tracks, np.float32))})
        seen = self.engine.analyze(image, faces=faces, want=self._disguises[0].needs)
        frame = _Frame(image, seen, spots, keys, time, image)
        for role in self._roles:
            role.frame = frame
        return frame

    def _shows(self, frame: _Frame, place: int) -> bool:
        """Whether a face can be seen, and may be shown behind a double; somebody new is looked at where found."""
        if not np.nan_to_num(frame.faces.presence.values[place]) >= PRESENT:
            if frame.time is None:
                self.refused[frame.keys[place]] = "no human face that a mesh can be laid over"
            return False
        part = self._parts.setdefault(frame.keys[place], _Part())
        if frame.time is None:
            return True
        return frame.time >= part.blurred_until and (
            part.attempt is not None or frame.spots[place].source == "detected"
        )

    def _replay(self, frame: _Frame, places: list[int]) -> None:
        """Faces that have a double already; those that cannot be shown so now, as they turn away, are taken out."""
        for place in list(places):
            attempt = self._parts[frame.keys[place]].attempt
            assert attempt is not None  # noqa: S101 - for the type checker: they have one
            made = self._changed(frame, place, attempt)
            if isinstance(made, str):
                places.remove(place)
            else:
                frame.done = made[0]
                frame.regions.append(made[1])

    def _audition(self, frame: _Frame, place: int) -> bool:
        """Find the double of a face; whether there is one."""
        key = frame.keys[place]
        part = self._parts[key]
        best: tuple[float, int, tuple[Image, Region]] | None = None
        reason = ALIKE
        for attempt in range(len(ATTEMPTS)):
            made = self._changed(frame, place, attempt)
            if isinstance(made, str):
                reason = made
                continue
            found = self.witness.compare(frame.clear, made[0], [frame.spots[place]])[0]
            margin = -1.0 if found is None else found.margin
            if best is None or margin < best[0]:
                best = margin, attempt, made
            if margin < -RESERVE:
                break
        if best is None or best[0] >= -SLACK:
            part.tried += 1
            if frame.time is None or part.tried == TRIALS:
                self.refused[key] = reason if best is None else ALIKE
            else:
                part.blurred_until = frame.time + HELD
            return False
        part.attempt = best[1]
        frame.done = best[2][0]
        frame.regions.append(best[2][1])
        return True

    def _changed(self, frame: _Frame, place: int, attempt: int) -> tuple[Image, Region] | str:
        """The picture with one more double, and where it differs; or why that cannot be had."""
        try:
            changed = self._takes[attempt].apply(frame.shot(place))
        except (UsageError, NoFace, EditRefused) as error:
            return str(error).rstrip(".")
        skipped = changed.report.get("skipped", ())
        return str(skipped[0]["reason"]) if skipped else (changed.image, changed.mask)

    def _unlike(self, frame: _Frame, places: Sequence[int]) -> list[int]:
        """Those whom no embedder recognises; the others are blurred in this frame, and for a while."""
        left = []
        likenesses = self.witness.compare(frame.clear, frame.done, [frame.spots[place] for place in places])
        for place, found in zip(places, likenesses, strict=True):
            key = frame.keys[place]
            if found is None or found.margin < -SLACK:
                left.append(place)
                known = self.likeness.get(key)
                if found is not None and (known is None or found.margin > known.margin):
                    self.likeness[key] = found
            elif frame.time is None:
                self.refused[key] = ALIKE
            else:
                self._parts[key].blurred_until = frame.time + HELD
        return left
