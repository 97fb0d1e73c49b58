"""Reads the pictures of video files and cameras with PyAV (FFmpeg): upright, 8 bits, with their own times."""

from __future__ import annotations

import itertools
import logging
import math
import re
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from mien.core.errors import ImageError, ImageTooLarge, SourceError, UsageError
from mien.core.image import Image, pixel_limit
from mien.media.viewing import Turn, to_rgb, turn_of

if TYPE_CHECKING:
    from av import VideoFrame
    from av.container import InputContainer
    from av.packet import Packet
    from av.video.stream import VideoStream

__all__ = ["CAMERAS", "Camera", "Facts", "Reader", "open_camera", "open_container", "open_file"]

logger = logging.getLogger("mien")

# Containers that hold nothing but their own bytes. FFmpeg knows others, which read further files or addresses
# (playlists), draw text, or make pictures up: a file from outside that claims to be one of these is refused.
_CONTAINERS: Final = (
    "mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "asf", "ogg", "gif", "apng", "mjpeg", "mxf", "nut",
    "dv", "ivf", "yuv4mpegpipe", "h264", "hevc", "rm", "wtv", "m4v",
)  # fmt: skip
_THREADS: Final = 2  # that decode; the others are for looking at faces
_USUAL_RATE: Final = 25.0  # frames a second of a file that says nothing that can be


@dataclass(frozen=True)
class Camera:
    """How a platform's cameras are opened: FFmpeg's device, and the name of the one with number {}."""

    device: str
    name: str
    options: Mapping[str, str] = field(default_factory=dict)


#: By the beginning of `sys.platform`.
CAMERAS: Final[Mapping[str, Camera]] = MappingProxyType(
    {
        "linux": Camera("v4l2", "/dev/video{}"),
        "darwin": Camera("avfoundation", "{}:none", {"framerate": "30"}),
        "win32": Camera("dshow", "video={}"),
    }
)


@dataclass(frozen=True)
class Facts:
    """What is known about a video before it is read; see `mien.media.video.Video`."""

    source: str
    size: tuple[int, int]
    rate: float
    duration: float | None = None
    frame_count: int | None = None
    has_audio: bool = False
    rotation: int = 0
    start: float = 0.0


def open_file(path: Path, *, max_pixels: int | None = None) -> Reader:
    """Open a video file; errors as in `mien.media.video.open_video`."""
    limit = pixel_limit(max_pixels)
    return Reader(open_container(path, limit=limit), str(path), limit=limit)


def open_container(path: Path, *, limit: int) -> InputContainer:
    """Open the container of a file, to read frames or sound from.

    Raises
    ------
    SourceError
        If there is no such file.
    ImageError
        If it is no video.
    """
    import av

    name = str(path).encode("utf-8", "replace").decode()
    try:
        if path.is_dir():
            raise SourceError(f"{name} is a folder, not a video.")
        if not path.stat().st_size and path.is_file():
            raise SourceError(f"{name} is empty (0 bytes).")
        if not path.is_file():  # to open a pipe is to wait for its other end
            raise SourceError(f"{name} is not a regular file.")
    except FileNotFoundError:
        hint = " Addresses are not read: fetch it first." if re.match(r"\w{2,}:/", name) else ""
        raise SourceError(f"{name} does not exist.{hint}") from None
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a null character
        raise SourceError(f"{name!r} is not a path: {error}.") from error
    options = {
        "format_whitelist": ",".join(_CONTAINERS),
        "protocol_whitelist": "file",
        "max_pixels": str(min(limit, 2**31 - 1)),
    }
    try:
        # "file:" keeps a name such as "a:b.mp4" from being taken for a protocol.
        return av.open(f"file:{path}", options=options, metadata_errors="replace")
    except av.error.PermissionError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}.") from error
    except av.FFmpegError as error:
        raise ImageError(
            f"{name} is not a video that can be read: it is broken, cut short or of a kind that mien does not read."
        ) from error


def open_camera(number: int, *, max_pixels: int | None = None) -> Reader:
    """Open a webcam by its number, from 0.

    Raises
    ------
    SourceError
        If there is none with this number, it is in use, or permission is missing.
    UsageError
        If the number is negative, or the platform's cameras are not known.
    """
    import av

    if number < 0:
        raise UsageError(f"webcams are numbered from 0, not from {number}.")
    camera = next((camera for start, camera in CAMERAS.items() if sys.platform.startswith(start)), None)
    if camera is None:
        raise UsageError(f"webcams are not known on {sys.platform}: give a video file instead.")
    limit = pixel_limit(max_pixels)
    try:
        names: list[Any] = [number]
        if camera.device == "dshow":  # knows names, not numbers
            found = av.enumerate_input_devices(camera.device)
            names = [device.description for device in found if "video" in device.media_types][number : number + 1]
        if not names:
            raise SourceError(f"there is no webcam {number} here.")
        container = av.open(camera.name.format(names[0]), format=camera.device, options=dict(camera.options))
    except (av.FFmpegError, ValueError) as error:  # ValueError: a build of FFmpeg without this device
        reason = getattr(error, "strerror", None) or error
        raise SourceError(
            f"webcam {number} cannot be opened: {reason}. Is it plugged in, free, and allowed to be used?"
        ) from error
    return Reader(container, f"webcam {number}", limit=limit)


class Reader:
    """Reads the first video stream of an open container.

    What cannot be decoded is left out with a warning; only a video without any frame is an error.

    Parameters
    ----------
    container : av.container.InputContainer
        It is closed with the reader.
    name : str
        For messages.
    limit : int
        Largest frame to decode, in pixels.

    Raises
    ------
    ImageError
        If it holds no frame that can be decoded.
    ImageTooLarge
        If its frames have more pixels than `limit`.
    """

    def __init__(self, container: InputContainer, name: str, *, limit: int) -> None:
        from av.video.reformatter import VideoReformatter

        self._container, self._name, self._limit = container, name, limit
        self._converter = VideoReformatter()
        self._turns: dict[int, Turn] = {}
        self._lost = 0
        self._first_error = ""
        self.missing = 0.0
        try:
            self._stream = self._find_stream()
            self._start: Fraction | None = None
            first = next(frames := self._decoded(), None)
            if first is None:
                why = f": {self._first_error}" if self._first_error else ""
                raise ImageError(f"{name} holds no frame that can be decoded{why}.")
            self._frames: Iterator[tuple[float, VideoFrame, Image]] = itertools.chain([first], frames)
            self.facts = self._facts(first[1], first[2])
        except BaseException:
            container.close()
            raise

    def pictures(self) -> Iterator[tuple[float, Image]]:
        """Time in seconds and upright picture, in the order in which they are shown."""
        return ((time, image) for time, _, image in self._frames)

    def path_at(self, time: float) -> None:  # noqa: ARG002 - as `mien.media.sequence.Pictures` has it
        """None: a frame of a video has no file of its own."""
        return

    def close(self) -> None:
        """Close the file."""
        self._frames = iter(())
        self._container.close()
        if self._lost > 1:
            logger.warning("%s: %d parts of the video could not be decoded.", self._name, self._lost)
            self._lost = 0

    # -- what is known beforehand ------------------------------------------------------------------------------------

    def _find_stream(self) -> VideoStream:
        streams = [s for s in self._container.streams.video if not _is_cover(s)]
        if not streams:
            holds = "only sound" if self._container.streams.audio else "no pictures"
            raise ImageError(f"{self._name} is not a video: it holds {holds}.")
        stream = streams[0]
        codec: Any = stream.codec_context
        if codec is None:
            raise ImageError(f"{self._name} cannot be decoded: there is no decoder for its codec.")
        self._check_size(codec.width, codec.height)
        codec.thread_type = "AUTO"
        codec.thread_count = _THREADS
        return stream

    def _check_size(self, width: int, height: int) -> None:
        if width * height > self._limit:
            raise ImageTooLarge(
                f"{self._name} has frames of {width} x {height} pixels, more than the limit of {self._limit:,}; "
                "raise it with max_pixels= or MIEN_MAX_PIXELS if you trust the file."
            )

    def _facts(self, frame: VideoFrame, image: Image) -> Facts:
        stream = self._stream
        seconds = self._claimed or (self._container.duration or 0) / 1e6  # AV_TIME_BASE
        duration = seconds if seconds > 0 else None
        count = stream.frames or (round(duration * self._rate) if duration else 0)
        return Facts(
            source=self._name,
            size=(image.shape[1], image.shape[0]),
            rate=self._rate,
            duration=duration,
            frame_count=count or None,
            has_audio=bool(self._container.streams.audio),
            rotation=self._turn(frame).degrees,
            start=float(self._start or 0),
        )

    @property
    def _rate(self) -> float:
        rate = self._stream.average_rate or self._stream.guessed_rate
        return float(rate) if rate and 0 < rate <= 1000 else _USUAL_RATE

    # -- frames ------------------------------------------------------------------------------------------------------

    def _decoded(self) -> Iterator[tuple[float, VideoFrame, Image]]:
        import av

        last, end = -math.inf, 0.0
        for frame in self._raw():
            time = self._time(frame)
            if time is None or time <= last:  # no time, or one that goes back: then frames follow at the usual rate
                time = last + 1 / self._rate if last > -math.inf else 0.0
            last, end = time, time + max(1 / self._rate, float(frame.duration * (frame.time_base or 0)))
            try:
                image = self._upright(frame)
            except av.FFmpegError as error:
                self._lose(error)
                continue
            yield time, frame, image
        self._note_end(end)

    def _note_end(self, end: float) -> None:
        """Notice a file that was cut short, and tell of it where no packet did."""
        if self._claimed - end <= max(0.5, 0.05 * self._claimed):
            return
        self.missing = self._claimed - end
        if not self._lost:
            logger.warning(
                "%s ends at %.2f s of the %.2f s that it claims: it may be cut short.", self._name, end, self._claimed
            )

    @property
    def _claimed(self) -> float:
        """Seconds that the stream claims, 0 where it does not; the file as a whole may have longer sound."""
        stream = self._stream
        if stream.duration and stream.time_base:
            return float(stream.duration * stream.time_base)
        clock = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))  # of Matroska
        return (
            sum(float(part) * unit for part, unit in zip(clock.groups(), (3600, 60, 1), strict=True)) if clock else 0.0
        )

    def _raw(self) -> Iterator[VideoFrame]:
        import av

        packets: Iterator[Packet[Any] | None] = self._container.demux(self._stream)
        # The end is told to the decoder in any case: where reading broke off, it still holds frames.
        for packet in itertools.chain(self._until_broken(packets), [None]):
            try:
                yield from self._stream.codec_context.decode(packet)
            except av.error.EOFError:
                return
            except av.FFmpegError as error:
                self._lose(error)

    def _until_broken(self, packets: Iterator[Packet[Any] | None]) -> Iterator[Packet[Any] | None]:
        import av

        try:
            yield from packets
        except av.FFmpegError as error:
            self._lose(error)

    def _lose(self, error: Any) -> None:
        self._lost += 1
        if self._lost == 1:
            self._first_error = str(error.strerror or error).lower()
            logger.warning("%s is damaged: %s; what can be decoded is.", self._name, self._first_error)

    def _time(self, frame: VideoFrame) -> float | None:
        if frame.pts is None or not frame.time_base:
            return None
        shown = frame.pts * frame.time_base
        if self._start is None:
            # The clip begins where its sound does, if that is before its first picture.
            streams = [self._stream, *self._container.streams.audio]
            starts = [s.start_time * s.time_base for s in streams if s.start_time is not None and s.time_base]
            self._start = min([shown, *starts])
        return float(shown - self._start)

    def _turn(self, frame: VideoFrame) -> Turn:
        # A frame whose display matrix was read refers to itself, and its megabytes stay until Python's collector comes
        # by. So it is read once for each angle, which a frame tells without.
        angle = frame.rotation
        if angle not in self._turns:
            self._turns[angle] = turn_of(frame)
        return self._turns[angle]

    def _upright(self, frame: VideoFrame) -> Image:
        self._check_size(frame.width, frame.height)
        return self._turn(frame).apply(to_rgb(frame, self._stream.sample_aspect_ratio, self._converter))


def _is_cover(stream: VideoStream) -> bool:
    """Whether it is not moving but the picture on an album's cover."""
    from av.stream import Disposition

    return bool(stream.disposition & Disposition.attached_pic)
