"""Looks at the pixels of files for the invisible mark: at a picture, or at frames from all over a video."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final

import numpy as np

from mien.core.errors import MienError
from mien.core.image import Image, load_image, pixel_limit
from mien.media.deep import Deep, is_exr
from mien.media.demuxing import open_container
from mien.media.video_xmp import is_video
from mien.media.watermark_reading import InvisibleMark, find_mark, find_mark_in_frames

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer

__all__ = ["look_for_mark"]

_PLACES: Final = 6
_PACKETS: Final = 200  # that are read for those of one place: a broken file may have none
_EACH: Final = 3  # frames from each place on: that before them is complete in itself, and the best that there is


def look_for_mark(source: str | os.PathLike[str] | bytes | IO[bytes]) -> InvisibleMark:
    """The invisible mark of a picture or a video; what cannot be decoded has none, and says why.

    Parameters
    ----------
    source : path, bytes or binary file
        A video must be a path.
    """
    if isinstance(source, (str, os.PathLike)):
        with Path(source).open("rb") as file:
            video = is_video(file.read(12))
    else:
        source = BytesIO(source if isinstance(source, bytes) else source.read())
        video = is_video(source.getvalue()[:12])
    if video and isinstance(source, BytesIO):
        return InvisibleMark(reason="the frames of a video are looked at where it is given as a path.")
    try:
        if not video:
            deep = Deep.open(source) if isinstance(source, (str, os.PathLike)) and is_exr(source) else None
            return find_mark(load_image(source) if deep is None else deep.proxy)
        with open_container(Path(str(source)), limit=pixel_limit(None)) as container:
            return find_mark_in_frames(_frames(container))
    except MienError as error:  # it has been read once: here it is only its pixels that are broken, or too many
        return InvisibleMark(reason=str(error))


def _frames(container: InputContainer) -> Iterator[Image]:
    """Frames of one size from several places; none of what is broken."""
    import av

    codec: Any = container.streams.video[0].codec_context if container.streams.video else None
    if codec is None or codec.width * codec.height > pixel_limit(None):
        return
    size, seen = (codec.width, codec.height), set[Any]()
    for place in range(_PLACES):
        try:
            container.seek(int((container.duration or 0) * place / _PLACES))
            for frame in itertools.islice(_decoded(container), _EACH):
                if frame.pts not in seen and (frame.width, frame.height) == size:
                    yield np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
                seen.add(frame.pts)
        except av.FFmpegError:
            continue


def _decoded(container: InputContainer) -> Iterator[VideoFrame]:
    for packet in itertools.islice(container.demux(video=0), _PACKETS):
        yield from packet.decode()
