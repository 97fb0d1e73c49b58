"""Reads the frames of a video file, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mien.core.errors import ImageError, SourceError
from mien.core.image import Image

__all__ = ["VIDEO_SUFFIXES", "Frame", "read_frames"]


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
