"""What was seen of one person in a clip, frame by frame: the curves that a challenge is judged by."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, UsageError
from mien.core.faces import Face, Faces
from mien.core.image import Image, load_image
from mien.features.genuine.motion import Depth, DepthMeter
from mien.location.flow import CUT, Sight, alike
from mien.media.demuxing import Facts
from mien.media.video import Video, open_video

if TYPE_CHECKING:
    from mien.engine import Engine

__all__ = ["ClipSource", "Take", "watch"]

Doubles: TypeAlias = NDArray[np.float64]
ClipSource: TypeAlias = "str | os.PathLike[str] | Video | Iterable[tuple[float, Image]]"

PASSIVE: Final = frozenset({"live", "live_cues"})
ACTIVE: Final = PASSIVE | {"pose", "eyes", "blendshapes", "embedding"}
OTHER: Final = 0.5  # of the largest face's height, from which another face counts
FASTEST: Final = 120  # frames a second, of what is judged for a limited time
UNCHANGED: Final = 0.02  # grey levels of 255, by which frames of a camera always differ
_SMILE: Final = ("mouthSmileLeft", "mouthSmileRight")
_NAMES: Final = ("yaw", "pitch", "smile", "jaw", "right", "left", "live")


@dataclass(frozen=True, eq=False)
class Take:
    """A clip of T frames, in each of which the largest face counts.

    Attributes
    ----------
    times : (T,) float64
        Seconds from the first frame.
    curves : dict of str to (T,) float64
        ``yaw``, ``pitch`` (degrees), ``smile``, ``jaw``, ``right``, ``left`` (eyes), ``live``; NaN where not known.
    cues : dict of str to float
        Means of ``live_cues``.
    vectors : (T, D) float32
        Embeddings; NaN where there is none.
    faces : (T,) integers
        How many there were that count.
    cuts : tuple of float
        When another shot began.
    frozen : float
        Seconds of the longest stretch in which nothing at all changed.
    depth : Depth
    silent : str or None
        Why nothing is said of the last face of which ``live`` is not known.
    """

    times: Doubles
    curves: dict[str, Doubles]
    cues: dict[str, float]
    vectors: NDArray[np.float32]
    faces: NDArray[np.intp]
    cuts: tuple[float, ...]
    frozen: float
    depth: Depth
    silent: str | None = None


@dataclass
class _Notes:
    """What is noted while a clip runs."""

    times: list[float] = field(default_factory=list)
    rows: list[list[float]] = field(default_factory=list)
    cues: list[dict[str, float]] = field(default_factory=list)
    vectors: list[NDArray[np.float32] | None] = field(default_factory=list)
    faces: list[int] = field(default_factory=list)
    cuts: list[float] = field(default_factory=list)
    frozen: float = 0.0
    silent: str | None = None
    still_since: float = 0.0


class _Shots:
    """Frames that somebody hands over one by one, as the frames of a video."""

    missing = 0.0

    def __init__(self, frames: Iterable[tuple[float, Image]]) -> None:
        self._waiting = self._read(frames)
        first = next(self._waiting, None)
        if first is None:
            raise InputError("a clip of no frames shows nobody.")
        self._waiting = itertools.chain([first], self._waiting)
        height, width = first[1].shape[:2]
        self.facts = Facts("frames", (width, height), 25.0, duration=None, frame_count=None)

    def pictures(self) -> Iterator[tuple[float, Image]]:
        return self._waiting

    def close(self) -> None:
        self._waiting = iter(())

    @staticmethod
    def _read(frames: Iterable[tuple[float, Image]]) -> Iterator[tuple[float, Image]]:
        last = -np.inf
        for frame in frames:
            if not isinstance(frame, tuple) or len(frame) != 2 or not isinstance(frame[0], int | float | np.number):
                raise UsageError("frames are pairs of seconds and a picture.")
            time, image = frame
            time = float(time)
            if not last < time < np.inf:
                told = "first" if last == -np.inf else f"after {last:g} s"
                raise InputError(f"frames come in the order of time, in seconds: one of {time:g} s came {told}.")
            last = time
            yield last, load_image(image)


def watch(source: ClipSource, *, engine: Engine, active: bool, until: float = np.inf) -> Take:
    """Follow a clip.

    Parameters
    ----------
    source : path, Video, or iterable of (seconds, picture)
    engine : Engine
    active : bool
        Whether head, face and person are wanted, too: for a challenge.
    until : float
        Seconds after the first frame, beyond which nothing is looked at. Of a clip with more than `FASTEST` frames a
        second until then, the rest is left out: whoever sends one does not choose how long it takes to judge.

    Raises
    ------
    InputError
        If it cannot be read, or its frames are not in the order of time.
    """
    known = isinstance(source, str | os.PathLike | Video)
    video = open_video(cast("Any", source)) if known else Video(cast("Any", _Shots(cast("Any", source))))
    notes, meter, last = _Notes(), DepthMeter(), None
    with engine.track(video, want=ACTIVE if active else PASSIVE, keep_images=True) as frames:
        for item in frames:
            faces = item.faces if item.faces is not None else Faces.empty()
            image, time = faces.require_image(), float(item.time or 0.0)
            if notes.times and (time - notes.times[0] > until or len(notes.times) >= FASTEST * until):
                break
            sight = Sight(image)
            _compare(notes, last, sight, time)
            last = sight
            largest = faces.top(1, by="height")
            _note(notes, time, faces, largest)
            meter.update(time, image, largest.boxes[0] if len(largest) else None)
    return _summed(notes, meter.finish())


def _compare(notes: _Notes, last: Sight | None, sight: Sight, time: float) -> None:
    if last is None or last.size != sight.size:
        notes.cuts += [time] if last is not None else []
        notes.still_since = time
        return
    if alike(last, sight) < CUT:
        notes.cuts.append(time)
    if float(np.abs(last.thumb - sight.thumb).mean()) > UNCHANGED:
        notes.still_since = time
    notes.frozen = max(notes.frozen, time - notes.still_since)


def _note(notes: _Notes, time: float, faces: Faces, largest: Faces) -> None:
    notes.times.append(time)
    notes.faces.append(int((faces.heights >= OTHER * largest.heights.max(initial=1)).sum()))
    if not len(largest):
        notes.rows.append([np.nan] * len(_NAMES))
        notes.vectors.append(None)
        return
    face = largest[0]
    notes.rows.append([*_moves(face), float(face.live)])
    notes.silent = next(filter(None, largest.live.reasons or ()), notes.silent)
    if not bool(face.live_cues.abstained):
        notes.cues.append({name: face.live_cues.named(name) for name in face.live_cues.names})
    vector = face.embedding.values if "embedding" in largest.columns else None
    notes.vectors.append(None if vector is None or np.isnan(vector).any() else np.asarray(vector))


def _moves(face: Face) -> list[float]:
    """Yaw, pitch, smile, jaw and the eyes; NaN where they were not wanted."""
    if "pose" not in face.faces.columns:
        return [np.nan] * (len(_NAMES) - 1)
    shapes, eyes = face.blendshapes, face.eyes
    smile = float(np.mean([shapes.named(name) for name in _SMILE]))
    return [face.pose.yaw, face.pose.pitch, smile, shapes.named("jawOpen"), eyes.named("right"), eyes.named("left")]


def _summed(notes: _Notes, depth: Depth) -> Take:
    times = np.array(notes.times, np.float64)
    rows = np.array(notes.rows, np.float64).reshape(-1, len(_NAMES))
    width = max((len(vector) for vector in notes.vectors if vector is not None), default=0)
    vectors = np.full((len(times), width), np.nan, np.float32)
    for row, vector in zip(vectors, notes.vectors, strict=True):
        if vector is not None:
            row[:] = vector
    names = notes.cues[0] if notes.cues else {}
    return Take(
        times=times - (times[0] if len(times) else 0.0),
        curves=dict(zip(_NAMES, rows.T, strict=True)),
        cues={name: round(float(np.mean([cues[name] for cues in notes.cues])), 4) for name in names},
        vectors=vectors,
        faces=np.array(notes.faces, np.intp),
        cuts=tuple(round(time, 3) for time in notes.cuts),
        frozen=round(notes.frozen, 3),
        depth=depth,
        silent=notes.silent,
    )
