"""A clip that is being followed: frame after frame of faces that keep their ids, then what happened.

Each frame passes through five stages: faces are detected in every n-th one; the tracker says whose they are, and where
the others went; the fields are computed; what moves is smoothed; and the temporal steps watch.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import TYPE_CHECKING, Self

import numpy as np

from mien.core.clip import Clip, Events, Track
from mien.core.columns import Vectors
from mien.core.faces import Faces
from mien.core.image import Image
from mien.engine.scanning import Item
from mien.engine.steps import TemporalStep, Tracker
from mien.media.video import Frame, Video

if TYPE_CHECKING:
    import os

__all__ = ["Stages", "Tracking"]


@dataclass(frozen=True, kw_only=True)
class Stages:
    """What happens to a frame.

    Attributes
    ----------
    detect : callable
        Faces of a picture.
    embed : callable or None
        Embeddings of faces of a picture; None: the tracker does without.
    describe : callable
        Faces of a picture with the wanted fields.
    tracker : Tracker
        With the state of this clip.
    steps : sequence of TemporalStep
        With the state of this clip; the smoother first.
    keep : frozenset of str
        Fields that stay in the result; the others were needed on the way.
    """

    detect: Callable[[Image], Faces]
    embed: Callable[[Image, Faces], Vectors] | None
    describe: Callable[[Image, Faces], Faces]
    tracker: Tracker
    steps: Sequence[TemporalStep]
    keep: frozenset[str]


class Tracking(Iterator[Item]):
    """The frames of a clip with their faces, and at its end the clip: made by `mien.track`.

    Iterate over it for the frames, each an `mien.Item` with ``frame``, ``time`` and ``faces``; `clip` tells who was
    there and what happened, and reads to the end first where that was not done. Use it in a ``with`` block, or read it
    to its end, so that the video is closed.

    Parameters
    ----------
    video : Video
        An open one, at its start.
    stages : Stages
        What happens to each frame.
    every : int
        Faces are detected in every Nth frame.
    keep_images : bool
        Whether the faces keep their frame's picture.
    """

    def __init__(self, video: Video, stages: Stages, *, every: int, keep_images: bool) -> None:
        self.video = video
        self._stages = stages
        self._every = every
        self._keep_images = keep_images
        self._frames = iter(video)
        self._settled: deque[tuple[Frame, Faces]] = deque()  # to be given, oldest first
        self._read_to = 0.0  # when the last frame that was read is over
        self._stopped = False
        self._ended = False
        self._tracks: tuple[Track, ...] | None = None  # None: the tracker has not finished
        self._clip: Clip | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Item:
        # No generator: it would refer to this object and be referred to by it, so that whoever leaves a loop early
        # would leave the file open, too, until Python's collector comes by.
        try:
            while not self._settled and not self._ended:
                self._read()
            if self._settled:
                return self._item(*self._settled.popleft())
        except BaseException:
            self.close()
            raise
        raise StopIteration

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the video, and read no more of it.

        The clip is of what was read until then; what happened in the frames that the tracker held back is not in its
        events. After an error it is the same.
        """
        self._ended = True
        self._settled.clear()
        self.video.close()

    def stop(self) -> None:
        """End the clip after this frame, as if the video ended: frames that the tracker held back still come.

        It may be called from a signal handler or another thread, which is how a webcam's clip ends.
        """
        self._stopped = True

    @property
    def clip(self) -> Clip:
        """Who was there and what happened; the frames that are left are read first, and lost."""
        for _ in self:
            pass
        if self._clip is None:
            tracks = self._stages.tracker.finish()[1] if self._tracks is None else self._tracks
            events = sum((step.finish() for step in self._stages.steps), Events())
            self._clip = Clip(self.video.source, self._read_to, tracks, events)
        return self._clip

    @property
    def tracks(self) -> tuple[Track, ...]:
        """The clip's tracks; see `clip`."""
        return self.clip.tracks

    @property
    def events(self) -> Events:
        """The clip's events; see `clip`."""
        return self.clip.events

    def write(self, path: str | os.PathLike[str], *, style: str | None = None) -> Clip:
        """Write the frames that are left to a file, and give the clip.

        Parameters
        ----------
        path : path
            ``.jsonl``, ``.json``, ``.csv`` or ``.parquet``.
        style : {"openface", "pyfeat", "livelink"}, optional
            Columns of a CSV file as OpenFace, py-feat or the Live Link Face app name them.

        Raises
        ------
        UsageError
            If there is no such format or style.
        StorageError
            If the file cannot be written; then there is none.
        """
        from pathlib import Path

        from mien.media.sinks import open_sink

        with open_sink(Path(path), style=style) as sink:
            for item in self:
                sink.write(item.to_dict(), item.faces)
        return self.clip

    def _read(self) -> None:
        """Take the next frame; where there is none, end."""
        tracker = self._stages.tracker
        frame = None if self._stopped else next(self._frames, None)
        if frame is None:
            self._ended = True
            self.video.close()
            held, self._tracks = tracker.finish()
            self._settled.extend(held)
            return
        self._read_to = frame.time + 1 / self.video.rate
        looks = frame.index % self._every == 0 or tracker.cut(frame)
        faces = self._detected(frame) if looks else None
        self._settled.extend(tracker.push(frame, faces))

    def _detected(self, frame: Frame) -> Faces:
        faces = self._stages.detect(frame.image)
        if self._stages.embed is None:
            return faces
        rows = np.flatnonzero(self._stages.tracker.asks(frame, faces))
        if not len(rows):
            return faces
        seen = self._stages.embed(frame.image, faces[rows])
        values = np.full((len(faces), seen.shape[1]), np.nan, np.float32)
        values[rows] = seen.values
        return faces.with_columns({"embedding": Vectors(values, space=seen.space)})

    def _item(self, frame: Frame, faces: Faces) -> Item:
        faces = self._stages.describe(frame.image, faces.only(frozenset({"track"}))).with_image(frame.image)
        for step in self._stages.steps:
            faces = step.update(frame.time, faces)
        faces = faces.only(self._stages.keep).with_image(frame.image if self._keep_images else None)
        return Item(self.video.source, faces, time=frame.time, frame=frame.index)
