"""Runs work over many pictures: in order, on several threads, with bounded memory, one record per picture."""

from __future__ import annotations

import functools
import itertools
import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from mien.core.errors import MienError
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.media.scan import Nothing, find_pictures
from mien.media.video import VIDEO_SUFFIXES, open_video

__all__ = ["Failure", "Item", "Picture", "chunks", "find", "in_order"]

Source = TypeVar("Source")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """Why a picture gave no result: the error's class name and its sentence."""

    kind: str
    message: str

    @classmethod
    def of(cls, error: MienError | MemoryError) -> Failure:
        """The record of an error."""
        return cls(type(error).__name__, str(error) or "out of memory.")

    def to_dict(self) -> dict[str, str]:
        """As JSON types."""
        return {"kind": self.kind, "message": self.message}


@dataclass(frozen=True)
class Item:
    """One picture of a scan, or one frame of a video: its faces, or the failure.

    Parameters
    ----------
    source : str
        The file.
    faces : Faces, optional
        What was found; None where it failed.
    failure : Failure, optional
        Why there is no result.
    time : float, optional
        Of a frame, in seconds from the video's start.
    frame : int, optional
        The frame's number in the video, from 0.
    """

    source: str
    faces: Faces | None = None
    failure: Failure | None = None
    time: float | None = None
    frame: int | None = None

    def to_dict(self) -> dict[str, Any]:
        """As JSON types: source, then size and faces, or the failure."""
        place: dict[str, Any] = {"source": self.source}
        if self.frame is not None:
            place["frame"] = self.frame
        if self.time is not None:
            place["time"] = round(self.time, 4)
        if self.faces is None:
            return {**place, "failure": self.failure.to_dict() if self.failure else None}
        width, height = self.faces.image_size
        return {**place, "width": width, "height": height, "faces": self.faces.to_dicts()}


@dataclass(frozen=True)
class Picture:
    """A picture of a scan before it is read, or a frame that is read already."""

    source: str
    load: Callable[[], Image]
    time: float | None = None
    frame: int | None = None

    def item(self, faces: Faces | None = None, *, error: MienError | MemoryError | None = None) -> Item:
        """The result for this picture."""
        return Item(self.source, faces, Failure.of(error) if error else None, self.time, self.frame)


def find(source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Iterator[Picture]:
    """Pictures of a source as `find_pictures` finds them; of a video that is named outright, each frame."""
    for path in find_pictures(source):
        if isinstance(path, Nothing):
            yield Picture(path.source, functools.partial(_raise, path.error))
        elif path.suffix.lower() in VIDEO_SUFFIXES:
            yield from _frames(path)
        else:
            yield Picture(str(path), functools.partial(load_image, path))


def _frames(path: Path) -> Iterator[Picture]:
    try:
        with open_video(path) as video:
            for frame in video:
                yield Picture(str(path), functools.partial(load_image, frame.image), frame.time, frame.index)
    except MienError as error:
        yield Picture(str(path), functools.partial(_raise, error))


def _raise(error: MienError) -> NoReturn:
    raise error


def chunks(sources: Iterable[Source], size: int) -> Iterator[list[Source]]:
    """Lists of `size` sources; the last may be shorter."""
    walk = iter(sources)
    while chunk := list(itertools.islice(walk, size)):
        yield chunk


def in_order(
    work: Callable[[Source], Result], sources: Iterator[Source], *, workers: int
) -> Generator[Result, None, None]:
    """Results in the order of their sources.

    At most two sources a worker are read ahead, so that memory does not grow with the number of sources. An error of
    `work` is raised at its place; leaving the loop early cancels what has not begun.
    """
    with ThreadPoolExecutor(workers, thread_name_prefix="mien-scan") as pool:
        waiting: deque[Future[Result]] = deque()
        try:
            for source in sources:
                waiting.append(pool.submit(work, source))
                if len(waiting) >= 2 * workers:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
