"""Writes the frames of an edited video as they come: a video with its sound, or a folder of pictures; always marked."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Generator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from mien.core.errors import ImageError, StorageError, UsageError
from mien.core.image import IMAGE_SUFFIXES, Image
from mien.media.deep_marking import load_deep, mark_deep
from mien.media.encoding import CONTAINERS, VideoWriter
from mien.media.marking import mark_image
from mien.media.provenance import Provenance
from mien.media.sinks import make_folder
from mien.media.video import Frame, Video

__all__ = ["FrameWriter", "Pictures", "film", "open_writer"]

_NUMBER = re.compile(r"%0?(\d*)d")


class FrameWriter(Protocol):
    """What edited frames are written to, in a ``with`` block: complete at its end, nothing after an error."""

    def write(self, image: Image, time: float | None = None) -> None:
        """Add a frame that is shown from `time` on, in seconds."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Pictures:
    """Frames as pictures, numbered from 0: ``frames/%05d.png``; of pictures of 16 bits or EXR in the same depth.

    They gather in a folder of their own beside their place, and move there when the block is left.

    Parameters
    ----------
    pattern : path
        Its name holds the number, as in ``%05d``; its suffix names the format of pictures.
    provenance : Provenance
        Written into each.
    like : Video, optional
        Where the frames come from.

    Raises
    ------
    UsageError
        If no such pictures can be written.
    StorageError
        When the block is entered, if there is no way to write there.
    """

    def __init__(self, pattern: Path, *, provenance: Provenance, like: Video | None = None) -> None:
        if pattern.suffix.lower() not in {*IMAGE_SUFFIXES, ".exr"} - {".bmp"}:  # which carries no mark
            raise UsageError(f"cannot write {pattern.name}: frames are pictures such as %05d.png.")
        self._pattern, self._like, self._provenance = pattern, like, provenance
        self._count = 0

    def write(self, image: Image, time: float | None = None) -> None:
        """See `FrameWriter.write`."""
        path = self._part / self._name(self._count)
        source = None if time is None or self._like is None else self._like.picture_at(time)
        deep = None if source is None or image.shape[2] != 3 else load_deep(source)[1]
        if deep is not None and path.suffix.lower() in deep.suffixes:
            mark_deep(deep.changed(image), path, self._provenance)
        else:
            mark_image(image, path, self._provenance)
        self._count += 1

    def __enter__(self) -> Self:
        folder = self._pattern.parent
        make_folder(folder)
        try:
            self._part = Path(tempfile.mkdtemp(prefix=".", suffix=".part", dir=folder))
        except OSError as error:
            raise StorageError(f"cannot write in {folder}: {error.strerror}.") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            if kind is None or not issubclass(kind, Exception):  # Ctrl-C is none
                for number in range(self._count):
                    (self._part / self._name(number)).replace(self._pattern.parent / self._name(number))
        except OSError as failure:
            raise StorageError(f"cannot write {self._pattern}: {failure.strerror}.") from failure
        finally:
            shutil.rmtree(self._part, ignore_errors=True)

    def _name(self, number: int) -> str:
        return _NUMBER.sub(lambda sign: f"{number:0{sign[1] or 1}d}", self._pattern.name, count=1)


def open_writer(
    out: Path, *, like: Video, provenance: Provenance, audio: bool = True, alpha: bool = False
) -> FrameWriter:
    """A writer of frames, by the name of what is written: a video, or a pattern of pictures such as ``%05d.png``.

    Nothing is made before its block is entered.

    Parameters
    ----------
    out : path
    like : Video
        Where the frames come from: see `VideoWriter`.
    provenance : Provenance
    audio : bool
        Whether a video keeps the sound of `like`.
    alpha : bool
        Whether the frames are RGBA.

    Raises
    ------
    UsageError
        If nothing can be written by such a name.
    """
    if _NUMBER.search(out.name):
        return Pictures(out, like=like, provenance=provenance)
    if out.suffix.lower() not in CONTAINERS:
        raise UsageError(
            f"cannot write {out.name or out}: videos are written as {', '.join(CONTAINERS)}, "
            "frames as pictures such as frames/%05d.png."
        )
    return VideoWriter(out, like=like, audio=audio, alpha=alpha, provenance=provenance)


def film(frames: Generator[Frame, None, None], writer: FrameWriter, *, source: Video) -> Generator[Frame, None, None]:
    """Write edited frames, and give each when it is written: so whoever reads them may show progress, or stop.

    Whoever stops early closes the iterator (`contextlib.closing`): what was written is complete up to there. An error
    leaves nothing.

    Parameters
    ----------
    frames : generator of Frame
        The edited ones, read from `source` as they are asked for; closed at the end.
    writer : FrameWriter
        Closed at the end.
    source : Video
        Closed at the end, too.

    Raises
    ------
    StorageError
        If there is no way to write there, before any frame is read; or the disk is full.
    ImageError
        If the source was cut short: a part of it should not pass for all of it.
    """
    with source, writer, closing(frames):
        for frame in frames:
            writer.write(frame.image, frame.time)
            yield frame
        if source.missing:
            raise ImageError(
                f"{source.source} was cut short: {source.missing:.2f} s of it are missing, so nothing was written."
            )
