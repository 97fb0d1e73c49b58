"""Opens what frames come from: a video file, a webcam, or pictures in a row.

Frames are read one after the other, upright, each with the time at which it is shown; only a few are in memory.
"""

from __future__ import annotations

import os
import weakref
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self, TypeAlias

from mien.core.errors import UsageError
from mien.core.image import Image
from mien.media.scan import PICTURE_SUFFIXES

if TYPE_CHECKING:
    from mien.media.demuxing import Reader
    from mien.media.sequence import Pictures

__all__ = ["VIDEO_SUFFIXES", "Frame", "Video", "VideoSource", "open_video"]

VideoSource: TypeAlias = "str | os.PathLike[str] | int | Sequence[str | os.PathLike[str]] | Video"
"""What `open_video` takes."""

#: Suffixes by which a file that is named outright is taken for a video.
VIDEO_SUFFIXES = frozenset(
    {".3gp", ".avi", ".flv", ".m2ts", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".mts", ".ogv", ".ts"}
    | {".webm", ".wmv"}
)
_ANIMATED = frozenset({".gif"})  # pictures elsewhere, and videos to whoever opens one as a video


@dataclass(frozen=True, eq=False)
class Frame:
    """One frame of a video.

    Attributes
    ----------
    index : int
        Its number, from 0.
    time : float
        Seconds from the start.
    image : (H, W, 3) uint8
        RGB and upright.
    """

    index: int
    time: float
    image: Image


class Video(Iterator[Frame]):
    """The frames of an open video, in the order in which they are shown; made by `open_video`.

    Iterate over it once. Use it in a ``with`` block, or read it to its end, so that its file is closed.

    Attributes
    ----------
    source : str
        Where it comes from.
    width, height : int
        Size of the first upright frame in pixels; in rare files a later frame has another.
    rate : float
        Frames per second, on average and as the file claims; trust the frames' times instead.
    duration : float or None
        Seconds, as the file claims; None where it does not.
    frame_count : int or None
        How many frames there are, by estimate; None where nobody knows before they are read.
    has_audio : bool
        Whether there is sound.
    rotation : int
        Degrees, clockwise, by which the stored pictures were turned to make them upright: 0, 90, 180 or 270.
    start : float
        The file's own clock, in seconds, at time 0.
    ended : bool
        Whether all frames were read.
    """

    def __init__(self, reader: Reader | Pictures) -> None:
        self._reader = reader
        weakref.finalize(self, reader.close)  # of one that is abandoned: the reader's generators keep it alive
        self._frames = enumerate(reader.pictures())
        facts = reader.facts
        self.source = facts.source
        self.width, self.height = facts.size
        self.rate = facts.rate
        self.duration = facts.duration
        self.frame_count = facts.frame_count
        self.has_audio = facts.has_audio
        self.rotation = facts.rotation
        self.start = facts.start
        self.ended = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Frame:
        try:
            index, (time, image) = next(self._frames)
        except StopIteration:
            self.ended = True
            self.close()
            raise
        return Frame(index, time, image)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def missing(self) -> float:
        """Seconds that the file claims and does not hold, known when all frames were read."""
        return self._reader.missing

    def picture_at(self, time: float) -> Path | None:
        """The file that the frame of a time was read from, of pictures in a row; None: it is no such video."""
        return self._reader.path_at(time)

    def __repr__(self) -> str:
        length = "" if self.duration is None else f", {self.duration:.2f} s"
        return f"Video({self.source}: {self.width}x{self.height}, {self.rate:.2f} frames/s{length})"

    def close(self) -> None:
        """Close the file or the camera. There are no frames after it."""
        self._frames = enumerate(iter(()))
        self._reader.close()


def open_video(source: VideoSource, *, fps: float = 25.0, max_pixels: int | None = None) -> Video:
    """Open a video, a webcam, or pictures in a row.

    The first frame is read at once, so that what is broken is known here.

    Parameters
    ----------
    source : path, int, folder, glob pattern, sequence of paths, or Video
        A video file; the number of a webcam, from 0; or pictures: a folder or a pattern in the order of the numbers in
        their names, a sequence in its own. A `Video` is given back as it is.
    fps : float
        At how many frames a second pictures in a row are shown; a video knows by itself.
    max_pixels : int, optional
        Largest frame to decode; see `mien.load_image`.

    Returns
    -------
    Video
        An iterator of `Frame`.

    Raises
    ------
    SourceError
        If there is no such file, folder, picture or camera.
    ImageError
        If it is not a video, or holds no frame that can be decoded; `ImageTooLarge` if its frames are too large.
    UsageError
        If the source is none of these, or `fps` is not above 0.

    Examples
    --------
    >>> with open_video("clip.mp4") as video:  # doctest: +SKIP
    ...     for frame in video:
    ...         print(frame.time, frame.image.shape)
    """
    from mien.media.demuxing import open_camera, open_file
    from mien.media.sequence import Pictures

    if not 0 < fps < 1e6:
        raise UsageError(f"fps is a number of frames a second above 0, not {fps!r}.")
    if isinstance(source, Video):
        return source
    if isinstance(source, int):
        return Video(open_camera(source, max_pixels=max_pixels))
    if isinstance(source, str | os.PathLike) and not _shows_pictures(Path(source).expanduser()):
        return Video(open_file(Path(source).expanduser(), max_pixels=max_pixels))
    return Video(Pictures(source, fps=fps, max_pixels=max_pixels))


def _shows_pictures(path: Path) -> bool:
    """Whether a path stands for pictures in a row: a folder, a pattern, or one picture."""
    if os.path.isdir(path):  # noqa: PTH112 - unlike Path's own, it says no to a name that is too long
        return True
    if any(sign in str(path) for sign in "*?[") and not os.path.exists(path):  # noqa: PTH110
        return True
    return path.suffix.lower() in PICTURE_SUFFIXES - _ANIMATED
