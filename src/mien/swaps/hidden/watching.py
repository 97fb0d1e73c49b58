"""The first pass over a video: who is where in each frame, as both detectors see it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol, cast

import numpy as np

from mien.core.boxes import iou
from mien.core.columns import Vectors
from mien.core.errors import ImageError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.engine import Engine
from mien.engine.steps import Tracker, TrackerMaker
from mien.media.video import Frame, Video
from mien.swaps.hidden.second_look import SecondLook
from mien.swaps.hidden.sightings import Sightings, linked
from mien.swaps.hidden.spots import Spot

__all__ = ["Ask", "Looks", "View", "Watch", "Watched", "outlines"]

_SAME: Final = 0.3  # overlap from which a detection is the face of a track
_REACH: Final = 0.6  # seconds after which faces that no track holds are not put together any more
_VIEWS: Final = 3  # of each face are kept, to see how much of it is left when it is hidden
_ROOM: Final = 1.0  # of the face's longer side, around it in a view
_WATCHED: Final = 500  # faces of which views are kept
_TURNED: Final = 4  # every so many looks the picture is turned, too

View = tuple[Image, Spot]
"""A part of a picture with a face in it, and where: in pixels of that part."""


class Ask(Protocol):
    """Somebody who wants to see the tracked faces of each frame: who is to be hidden."""

    def see(self, image: Image, time: float, faces: Faces) -> None:
        """Look at the faces of a frame, with ``track``."""
        ...


@dataclass(frozen=True, kw_only=True)
class Looks:
    """When the second detector looks.

    Attributes
    ----------
    every : int
        Frames from one look to the next.
    thorough : bool
        Whether each look turns the picture, and looks in tiles of that, too.
    """

    every: int = 15
    thorough: bool = False


@dataclass(eq=False)
class Watched:
    """What was seen in a video.

    Attributes
    ----------
    sightings : Sightings
        Of the first detector.
    second : dict of int to list of Spot
        What the other detector saw, by frame that it looked at.
    views : dict of int to list of (picture, Spot)
        The clearest views of each track.
    """

    sightings: Sightings
    second: dict[int, list[Spot]] = field(default_factory=dict)
    views: dict[int, list[View]] = field(default_factory=dict)


class Watch:
    """Watches one video.

    Parameters
    ----------
    engine : Engine
    min_score : float
        From which on a detection is hidden.
    second : SecondLook, optional
    looks : Looks
    ask : Ask, optional
    mesh : bool
        Whether the outlines of faces are wanted.
    likeness : bool
        Whether views are wanted.
    """

    def __init__(
        self,
        engine: Engine,
        *,
        min_score: float,
        second: SecondLook | None,
        looks: Looks,
        ask: Ask | None = None,
        mesh: bool = False,
        likeness: bool = True,
    ) -> None:
        self._engine, self._min_score, self._second, self._looks = engine, min_score, second, looks
        self._ask, self._mesh, self._likeness = ask, mesh, likeness

    def watch(self, frames: Iterable[Frame], video: Video, advance: Callable[[int], None]) -> Watched:
        """Read the video to its end.

        Raises
        ------
        ImageError
            If it was cut short.
        """
        watched = Watched(Sightings((video.width, video.height), video.rate))
        tracker = cast("TrackerMaker", self._engine.runner("track")).start(min_score=self._min_score)
        found: dict[int, Faces] = {}
        left: dict[int, list[Spot]] = {}
        looked = 0
        for frame in frames:
            faces = self._engine.detect(frame.image, min_score=self._min_score, tiles="off")
            if tracker.cut(frame):
                watched.sightings.cuts.add(frame.index)
            found[frame.index] = faces = self._known(tracker, frame, faces)
            for settled, tracked in tracker.push(frame, faces):
                self._take(settled, tracked, found.pop(settled.index), watched, left)
            if self._second and (frame.index % self._looks.every == 0 or frame.index in watched.sightings.cuts):
                turned = self._looks.thorough or looked % _TURNED == 0 or frame.index in watched.sightings.cuts
                watched.second[frame.index] = self._second.look(
                    frame.image, turned=turned, thorough=self._looks.thorough
                )
                looked += 1
            advance(1)
        for settled, tracked in tracker.finish()[0]:
            self._take(settled, tracked, found.pop(settled.index), watched, left)
        if video.missing:
            raise ImageError(
                f"{video.source} was cut short: {video.missing:.2f} s of it are missing, so nothing was written."
            )
        watched.sightings.forget_false_cuts()
        _add_left(watched, left)
        return watched

    def _known(self, tracker: Tracker, frame: Frame, faces: Faces) -> Faces:
        """Faces with embeddings where the tracker asks for them, if it matters who is who after a cut."""
        if self._ask is None or not len(faces):
            return faces
        rows = np.flatnonzero(tracker.asks(frame, faces))
        if not len(rows):
            return faces
        seen = self._engine.analyze(frame.image, faces=faces[rows], want={"embedding"}).embedding
        values = np.full((len(faces), seen.shape[1]), np.nan, np.float32)
        values[rows] = seen.values
        return faces.with_columns({"embedding": Vectors(values, space=seen.space)})

    def _take(self, frame: Frame, tracked: Faces, raw: Faces, watched: Watched, left: dict[int, list[Spot]]) -> None:
        """What is settled of a frame: its tracked faces, and detections that the tracker has not taken."""
        if self._ask is not None and len(tracked):
            self._ask.see(frame.image, frame.time, tracked)
        points = outlines(self._engine, frame.image, tracked) if self._mesh and len(tracked) else [None] * len(tracked)
        spots = []
        for row, outline in enumerate(points):
            seen = bool(tracked.track.observed[row])
            spots.append(
                Spot(
                    box=np.asarray(tracked.boxes[row], np.float64),
                    source="detected" if seen else "interpolated",
                    score=_score(tracked.scores[row]),
                    track=int(tracked.track.ids[row]),
                    outline=outline,
                )
            )
            if seen and self._likeness:
                _keep_view(watched.views, frame.image, spots[-1])
        assert frame.index == len(watched.sightings.frames)  # noqa: S101 - the tracker gives each frame once, in order
        watched.sightings.frames.append(spots)
        lone = np.ones(len(raw), bool) if not len(tracked) else iou(raw.boxes, tracked.boxes).max(axis=1) < _SAME
        if lone.any():
            left[frame.index] = spots_of(raw[lone], "detected")

    def again(
        self, frames: Iterable[Frame], near: Collection[int], advance: Callable[[int], None]
    ) -> dict[int, list[Spot]]:
        """What the second detector sees in each frame near those where it found more.

        Parameters
        ----------
        frames : iterable of Frame
            The video, once more.
        near : collection of int
            Frames to look at.
        advance : callable
        """
        assert self._second is not None  # noqa: S101 - for the type checker: there was a second look
        out = {}
        for frame in frames:
            if frame.index in near:
                out[frame.index] = self._second.look(frame.image)
            advance(1)
        return out


def outlines(engine: Engine, image: Image, faces: Faces) -> list[Any]:
    """The outline of each face's mesh, (36, 2) float64; None where there is none."""
    points = engine.analyze(image, faces=faces, want={"landmarks"}).landmarks.values
    oval = np.asarray(points, np.float64)[:, indices_of("mesh478", "face_oval"), :2]
    return [one if np.isfinite(one).all() else None for one in oval]


def spots_of(faces: Faces, source: str) -> list[Spot]:
    """Faces as spots."""
    return [
        Spot(box=np.asarray(box, np.float64), score=_score(score), source=cast("Any", source))
        for box, score in zip(faces.boxes, faces.scores, strict=True)
    ]


def _score(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None


def _add_left(watched: Watched, left: Mapping[int, Sequence[Spot]]) -> None:
    """Detections that no track holds are hidden as well, and before and after as the others."""
    ids = [spot.track for spots in watched.sightings.frames for spot in spots if spot.track is not None]
    reach = max(1, round(_REACH * watched.sightings.rate))
    first = max(ids, default=0) + 1
    for number, spots in linked(left, first=first, reach=reach, cuts=watched.sightings.cuts).items():
        watched.sightings.frames[number].extend(spots)


def _keep_view(views: dict[int, list[View]], image: Image, spot: Spot) -> None:
    """Keep the view of a face if it is among its largest, or the first."""
    assert spot.track is not None  # noqa: S101 - for the type checker: it is tracked
    kept = views.get(spot.track, [])
    if (not kept and len(views) >= _WATCHED) or (
        len(kept) >= _VIEWS and spot.side <= 1.1 * min(s.side for _, s in kept)
    ):
        return
    size = np.array([image.shape[1], image.shape[0]])
    room = _ROOM * spot.side
    x1, y1 = np.floor(spot.box[:2] - room).clip(0, size).astype(int)
    x2, y2 = np.ceil(spot.box[2:] + room).clip(0, size).astype(int)
    if x2 - x1 < 8 or y2 - y1 < 8:
        return
    moved = replace(spot, box=spot.box - np.array([x1, y1, x1, y1]), outline=None)
    kept = sorted([*kept, (image[y1:y2, x1:x2].copy(), moved)], key=lambda view: -view[1].side)
    views[spot.track] = kept[:_VIEWS]
