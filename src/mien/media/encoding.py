"""Writes videos with PyAV (FFmpeg): each frame at its own time, with the sound of the video that it came from."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np

from mien.core.errors import ShapeMismatch, StorageError, UsageError
from mien.core.image import Image, pixel_limit
from mien.media.demuxing import open_container
from mien.media.marking import carries_mark, check_key, sign_file
from mien.media.provenance import Provenance
from mien.media.sinks import begin
from mien.media.sound import Sound
from mien.media.video_xmp import append_box
from mien.media.watermark import embed

if TYPE_CHECKING:
    from av.container import OutputContainer
    from av.video.stream import VideoStream

    from mien.media.video import Video

__all__ = ["CONTAINERS", "Container", "Encoder", "VideoWriter"]

_THREADS: Final = 2
_LARGEST: Final = 16_384  # pixels of a side that encoders take
_BT709: Final = 1  # FFmpeg's number of it in colour space, primaries and transfer
_TV_RANGE: Final = 1


@dataclass(frozen=True)
class Encoder:
    """An encoder of pictures by FFmpeg's name, with options that lose little: a picture drawn on stays sharp."""

    name: str
    options: Mapping[str, str] = field(default_factory=dict)
    pixels: str = "yuv420p"


@dataclass(frozen=True)
class Container:
    """A kind of file.

    Attributes
    ----------
    format : str
        FFmpeg's name.
    encoders : tuple of Encoder
        The first that this build of FFmpeg has is taken.
    sound : str
        Encoder of sound that cannot be copied.
    copied : frozenset of str or None
        Sound that is copied as it is; None: all that the container holds. MP4 holds more than players play in it.
    clock : int
        Ticks of its clock in a second: of all usual rates a multiple, and no more than MPEG-4 takes.
    options : mapping
        FFmpeg's options of the file.
    clear : tuple of Encoder
        Those of pictures with alpha; none where the file holds none that programs read.
    boxed : bool
        Whether an XMP packet gets a box of its own; else FFmpeg puts the tag "xmp" where it belongs.
    """

    format: str
    encoders: tuple[Encoder, ...]
    sound: str
    copied: frozenset[str] | None
    clock: int
    options: Mapping[str, str] = field(default_factory=dict)
    clear: tuple[Encoder, ...] = ()
    boxed: bool = False


_H264: Final = (Encoder("libx264", {"crf": "18", "preset": "veryfast"}), Encoder("mpeg4", {"qmin": "2", "qmax": "4"}))
_SWIFT: Final = {"crf": "28", "b": "0", "deadline": "realtime", "cpu-used": "6", "row-mt": "1"}
_VP9: Final = (Encoder("libvpx-vp9", _SWIFT),)
_CLEAR_VP9: Final = (Encoder("libvpx-vp9", {**_SWIFT, "auto-alt-ref": "0"}, "yuva420p"),)  # else it refuses alpha
# What editing programs take: ProRes 4444.
_CLEAR_PRORES: Final = (Encoder("prores_ks", {"profile": "4444", "alpha_bits": "8"}, "yuva444p10le"),)
_MP4: Final = Container(
    "mp4",
    _H264,
    "aac",
    frozenset({"aac", "ac3", "alac", "eac3", "mp3", "mp3float"}),
    60_000,
    {"movflags": "+faststart"},  # the index stands in front, so that a browser starts before it has all
    boxed=True,
)

#: Kinds of files that are written, by suffix.
CONTAINERS: Final[Mapping[str, Container]] = MappingProxyType(
    {
        ".mp4": _MP4,
        ".m4v": _MP4,
        ".mov": Container("mov", _H264, "aac", None, 60_000, clear=_CLEAR_PRORES),
        ".mkv": Container("matroska", _H264, "aac", None, 1000),
        ".webm": Container("webm", _VP9, "libopus", None, 1000, clear=_CLEAR_VP9),
    }
)


class VideoWriter:
    """A video that pictures are written to; use it in a ``with`` block.

    The file grows beside its target and takes the target's name when the block is left. Ctrl-C completes what there
    is, pictures and sound, to a file that plays; an error leaves nothing.

    Parameters
    ----------
    path : path
        Its suffix names the kind of file: .mp4 .m4v .mov .mkv (H.264) .webm (VP9). An existing file is replaced.
    like : Video, optional
        The video that the pictures come from: it gives the size, the rate and the sound.
    size : (width, height), optional
        In pixels; default: that of `like`, else that of the first picture. A picture of another size is fitted into
        it, with black beside it.
    rate : float, optional
        Frames per second of pictures that come without a time; default: that of `like`, else 25.
    audio : bool
        Whether the sound of `like` is kept: copied where the file can hold it, else encoded anew.
    alpha : bool
        Whether pictures are RGBA: .mov (ProRes 4444) and .webm (VP9) keep what shines through.
    provenance : Provenance, optional
        Written into the file: as XMP, which `mien.provenance` reads; as its comment, for people; where it is synthetic,
        into each frame, invisibly; and into signed content credentials. Matroska and WebM hold no credentials.

    Raises
    ------
    UsageError
        If the suffix is unknown, its kind of file holds no alpha, or a number is out of range.
    StorageError
        When the block is entered, if the file cannot be written or there is no key; when it is left, if it cannot be
        signed.

    Notes
    -----
    H.264 and VP9 take sizes that are even here. Of a picture of an odd size the last row or column is written twice.
    """

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        like: Video | None = None,
        size: tuple[int, int] | None = None,
        rate: float | None = None,
        audio: bool = True,
        alpha: bool = False,
        provenance: Provenance | None = None,
    ) -> None:
        self._path = Path(path)
        suffix = self._path.suffix.lower()
        if suffix not in CONTAINERS:
            raise UsageError(f"cannot write {self._path.name}: videos are written as {', '.join(CONTAINERS)}.")
        if size is not None and not (len(size) == 2 and all(isinstance(n, int) and 0 < n <= _LARGEST for n in size)):
            raise UsageError(f"the size of a video is its width and height in pixels, not {size!r}.")
        if rate is not None and not 0 < rate <= 1000:
            raise UsageError(f"rate is a number of frames a second above 0, up to 1000, not {rate!r}.")
        self._kind = CONTAINERS[suffix]
        if alpha and not self._kind.clear:
            clear = ", ".join(suffix for suffix, kind in CONTAINERS.items() if kind.clear)
            raise UsageError(f"cannot write {self._path.name}: videos with alpha are written as {clear}.")
        self._channels = 4 if alpha else 3
        self._like = like
        self._size = size or ((like.width, like.height) if like else None)
        self._rate = rate or (like.rate if like else 25.0)
        self._audio = audio and like is not None and like.has_audio
        self._provenance = provenance
        self._last = -1  # tick of the frame before
        self._time = -1.0  # its time
        self._end = 0.0
        self._container: OutputContainer | None = None
        self._stream: VideoStream
        self._sound: Sound | None = None

    def write(self, image: Image, time: float | None = None) -> None:
        """Add a picture.

        Parameters
        ----------
        image : (H, W, 3) uint8
            RGB and upright; (H, W, 4) RGBA where the video has alpha.
        time : float, optional
            When it is shown, in seconds; default: one frame after the last. Times keep their distances: a variable
            rate stays one.

        Raises
        ------
        ShapeMismatch
            If it is no such picture.
        UsageError
            If the time is below 0, or not after that of the picture before.
        StorageError
            If the disk is full.
        """
        import av

        if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != self._channels or not image.size:
            shape = f"(H, W, {self._channels})"
            raise ShapeMismatch(f"a frame is uint8 of shape {shape}, not {image.dtype} {image.shape}.")
        time = self._end if time is None else time
        if not max(self._time, -1e-6) < time < math.inf:
            raise UsageError(f"frames are written in the order of their times, from 0 s on; {time:g} s comes too late.")
        tick = max(round(time * self._kind.clock), self._last + 1)  # the clock may be slower than the frames come
        self._last, self._time, self._end = tick, time, time + 1 / self._rate
        try:
            if self._container is None:
                self._open(image)
            frame = self._frame(image)
            frame.pts, frame.time_base = tick, Fraction(1, self._kind.clock)
            frame.duration = round(self._kind.clock / self._rate)  # the last frame is shown for so long
            self._require().mux(self._stream.encode(frame))
            if self._sound:
                self._sound.advance(time)
        except av.FFmpegError as error:
            raise StorageError(f"cannot write {self._path}: {str(error.strerror).lower()}.") from error

    def __enter__(self) -> Self:
        check_key(self._path, self._provenance)
        self._part = begin(self._path)  # not before: a writer that nobody enters leaves nothing
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        failed = kind is not None and issubclass(kind, Exception)  # Ctrl-C is none
        done = False
        try:
            done = not failed and self._complete()
        finally:
            self._release()
            if not done:
                self._part.unlink(missing_ok=True)
        if kind is None and not done:
            raise UsageError(f"{self._path} was not written: a video has at least one frame.")

    # -- opening -----------------------------------------------------------------------------------------------------

    def _require(self) -> OutputContainer:
        assert self._container is not None  # noqa: S101 - for the type checker: write opens it
        return self._container

    def _open(self, image: Image) -> None:
        import av
        from av.video.reformatter import VideoReformatter

        self._converter = VideoReformatter()
        if self._size is None:
            self._size = (image.shape[1], image.shape[0])
        if max(self._size) > _LARGEST:
            raise UsageError(f"{self._path}: a video is at most {_LARGEST} pixels wide and high; give a smaller size=.")
        options = dict(self._kind.options)
        self._container = av.open(f"file:{self._part}", "w", format=self._kind.format, container_options=options)
        if self._provenance:
            self._container.metadata["comment"] = self._provenance.to_comment()
            if not self._kind.boxed:
                self._container.metadata["xmp"] = self._provenance.to_xmp().decode()
        encoder = self._encoder = _available(self._kind, alpha=self._channels == 4)
        rate = Fraction(self._rate).limit_denominator(1001)
        width, height = (side + side % 2 for side in self._size)
        stream: Any = self._container.add_stream(encoder.name, rate=rate, options=dict(encoder.options))
        stream.width, stream.height, stream.pix_fmt = width, height, encoder.pixels
        codec = stream.codec_context
        codec.time_base = stream.time_base = Fraction(1, self._kind.clock)
        codec.thread_count = _THREADS
        codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
        codec.color_range = _TV_RANGE
        self._stream = stream
        if self._audio and self._like:
            source = open_container(Path(self._like.source), limit=pixel_limit(None))
            self._sound = Sound(
                source, self._container, start=self._like.start, copied=self._kind.copied, codec=self._kind.sound
            )

    def _frame(self, image: Image) -> Any:
        from av import VideoFrame
        from av.video.reformatter import ColorRange, Colorspace

        assert self._size is not None  # noqa: S101 - for the type checker: _open sets it
        fitted = _fit(image, self._size)
        if self._provenance and carries_mark(self._provenance):
            fitted = embed(fitted, str(self._provenance.source_type))
        odd = [(0, side % 2) for side in fitted.shape[:2]]
        if any(more for _, more in odd):
            fitted = np.pad(fitted, [*odd, (0, 0)], mode="edge")
        layout = "rgba" if self._channels == 4 else "rgb24"
        frame = VideoFrame.from_ndarray(np.ascontiguousarray(fitted), format=layout)
        # One converter for all frames: to set one up takes ten times as long as to use it.
        return self._converter.reformat(
            frame,
            format=self._encoder.pixels,
            dst_colorspace=Colorspace.ITU709,
            dst_color_range=ColorRange.MPEG,
            threads=1,
        )

    # -- closing -----------------------------------------------------------------------------------------------------

    def _complete(self) -> bool:
        """Write what is left and give the file its name; False where there was no frame."""
        import av

        if self._container is None:
            return False
        try:
            self._container.mux(self._stream.encode(None))
            if self._sound:
                # All of it after all frames; of a part of the frames, their part.
                whole = self._like is not None and self._like.ended
                self._sound.finish(float("inf") if whole else self._end)
            self._container.close()
            if self._provenance and self._kind.boxed:
                append_box(self._part, self._provenance.to_xmp())
            if self._provenance:
                sign_file(self._part, self._path, self._provenance)
            self._part.replace(self._path)
        except (av.FFmpegError, OSError) as error:
            raise StorageError(f"cannot write {self._path}: {str(error.strerror).lower()}.") from error
        return True

    def _release(self) -> None:
        import contextlib

        import av

        if self._sound:
            self._sound.close()
        if self._container is not None:
            with contextlib.suppress(av.FFmpegError, ValueError):  # a file that is thrown away need not be complete
                self._container.close()


def _available(kind: Container, *, alpha: bool) -> Encoder:
    """The first encoder of a kind of file that this build of FFmpeg has; UsageError if it has none."""
    import av

    encoders = kind.clear if alpha else kind.encoders
    for encoder in encoders:
        if encoder.name in av.codecs_available:
            return encoder
    names = " nor ".join(encoder.name for encoder in encoders)
    raise UsageError(f"no {kind.format} video can be written here: this build of FFmpeg has no {names}.")


def _fit(image: Image, size: tuple[int, int]) -> Image:
    """The picture, as large as it fits into (width, height), with black beside it."""
    import cv2

    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    scale = min(size[0] / width, size[1] / height)
    inner = (max(1, round(width * scale)), max(1, round(height * scale)))
    resized = cv2.resize(image, inner, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    canvas = np.zeros((size[1], size[0], image.shape[2]), np.uint8)
    left, top = (size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2
    canvas[top : top + inner[1], left : left + inner[0]] = resized
    return canvas
