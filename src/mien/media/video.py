"""Reads the frames of a video file, one after the other."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self, TypeAlias

import numpy as np

from mien.core.errors import ImageError, SourceError
from mien.core.image import Image

__all__ = ["VIDEO_SUFFIXES", "Frame", "Video", "VideoSource", "open_video", "read_frames"]

VideoSource: TypeAlias = str | os.PathLike[str] | int | Sequence[str | os.PathLike[str]]


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


#: Suffixes by which a file that is named outright is taken for a video.
VIDEO_SUFFIXES = frozenset({".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm", ".wmv"})


def read_frames(path: Path) -> Iterator[tuple[float, Image]]:
    """Frames of a video, upright, each with its time in seconds.

    Parameters
    ----------
    path : Path
        A file in a format that OpenCV's FFmpeg reads.

    Yields
    ------
    time : float
        Seconds from the start.
    image : (H, W, 3) uint8
        The frame, RGB.

    Raises
    ------
    SourceError
        If there is no such file.
    ImageError
        If it is not a video, or holds no frame.
    """
    import cv2

    if not path.is_file():
        raise SourceError(f"{path} does not exist.")
    capture = cv2.VideoCapture(str(path))
    try:
        count = 0
        while True:
            more, frame = capture.read()
            if not more:
                break
            count += 1
            # After the read, the position is that of the frame just read.
            image = np.asarray(cv2.cvtColor(frame, cv2.COLOR_BGR2RGB), dtype=np.uint8)
            yield capture.get(cv2.CAP_PROP_POS_MSEC) / 1000, image
        if not count:
            raise ImageError(f"{path} is not a video that can be read.")
    finally:
        capture.release()


class Video:
    """Stand-in until the PyAV reader lands."""

    def __init__(self, path: Path, rate: float) -> None:
        self.source, self.rate = str(path), rate
        self._frames = read_frames(path)

    def __iter__(self) -> Iterator[Frame]:
        return (Frame(index, time, image) for index, (time, image) in enumerate(self._frames))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close."""


def open_video(source: VideoSource, *, fps: float = 25.0) -> Video:
    """Open a video; stand-in."""
    return Video(Path(str(source)), fps)
