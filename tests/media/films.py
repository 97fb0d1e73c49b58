"""Small clips for tests, made by PyAV: of any codec, container, rotation and timing, with or without sound."""

from __future__ import annotations

import os
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from numpy.typing import NDArray

Picture = NDArray[np.uint8]


def is_open(path: Path) -> bool:
    """Whether this process has a file open; skips where the system does not tell."""
    fds = Path("/proc/self/fd")
    if not fds.exists():
        pytest.skip("this system does not tell which files are open")
    return str(path) in {os.path.realpath(fd) for fd in fds.iterdir()}


#: Four colours that no turn and no mirror maps onto each other: which corner has which says how a picture stands.
CORNERS = ((220, 30, 30), (30, 200, 30), (30, 30, 220), (230, 220, 40))


def corners(width: int = 64, height: int = 48) -> Picture:
    """A picture whose quarters are red and green above, blue and yellow below."""
    image = np.zeros((height, width, 3), np.uint8)
    for place, color in enumerate(CORNERS):
        y, x = (place // 2) * (height // 2), (place % 2) * (width // 2)
        image[y : y + (height + 1) // 2, x : x + (width + 1) // 2] = color
    return image


def greys(count: int, width: int = 64, height: int = 48) -> list[Picture]:
    """Pictures of one grey each, lighter from one to the next: their order can be read from them."""
    return [np.full((height, width, 3), 40 + 150 * i // max(count, 1), np.uint8) for i in range(count)]


def film(
    path: Path,
    pictures: Sequence[Picture],
    *,
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rate: int = 25,
    turn: int | None = None,
    flip: bool = False,
    sound: NDArray[np.float32] | None = None,
    sound_codec: str = "aac",
    clock: int = 90_000,
    prepare: Any = lambda stream: None,
    **options: str,
) -> Path:
    """Write a clip.

    Parameters
    ----------
    times : sequence of float, optional
        Seconds of each picture; by default at `rate`.
    turn, flip : int, bool
        Display matrix: degrees counter-clockwise, then mirrored left to right.
    sound : (N,) float32, optional
        Samples in [-1, 1] at 48 kHz.
    prepare : callable, optional
        Told the stream before the first picture is encoded.
    """
    with av.open(str(path), "w", container_options=options) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixels
        stream.codec_context.time_base = Fraction(1, clock)
        if turn is not None:
            stream.set_display_rotation(turn, hflip=flip)
        prepare(stream)
        voice: Any = container.add_stream(sound_codec, rate=48_000, layout="mono") if sound is not None else None
        for place, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            moment = place / rate if times is None else times[place]
            frame.pts, frame.time_base = round(moment * clock), Fraction(1, clock)
            container.mux(stream.encode(frame))
        if sound is not None:
            for begin in range(0, len(sound), 1024):
                part = np.ascontiguousarray(sound[None, begin : begin + 1024])
                samples = av.AudioFrame.from_ndarray(part, format="fltp", layout="mono")
                samples.sample_rate, samples.pts, samples.time_base = 48_000, begin, Fraction(1, 48_000)
                container.mux(voice.encode(samples))
            container.mux(voice.encode(None))
        container.mux(stream.encode(None))
    return path


def sine(seconds: float, *, hertz: float = 440.0) -> NDArray[np.float32]:
    """A tone at 48 kHz."""
    return (0.5 * np.sin(2 * np.pi * hertz * np.arange(round(48_000 * seconds)) / 48_000)).astype(np.float32)


def heard(path: Path) -> tuple[float, NDArray[np.float32]]:
    """When the sound of a clip begins, in seconds from the clip's start, and its samples (N,) at its own rate."""
    with av.open(str(path)) as container:
        frames = list(container.decode(audio=0))
        start = (container.start_time or 0) / 1e6
    begin = frames[0].time
    assert begin is not None
    return begin - start, np.concatenate(
        [frame.to_ndarray().reshape(len(frame.layout.channels), -1)[0] for frame in frames]
    )


def alphas(path: Path) -> list[NDArray[np.int_]]:
    """What shines through in each frame of a .webm or .mov with alpha, from 0 to 255."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        name = {"vp9": "libvpx-vp9"}.get(stream.codec_context.name, stream.codec_context.name)
        codec: Any = av.CodecContext.create(name, "r")  # FFmpeg's own decoder of VP9 leaves alpha out
        codec.extradata = stream.codec_context.extradata
        frames = [frame for packet in container.demux(stream) for frame in codec.decode(packet)]
    return [_last_plane(frame) for frame in frames]  # to_ndarray as RGBA shows what happens to be in memory


def _last_plane(frame: Any) -> NDArray[np.int_]:
    plane, part = frame.planes[3], frame.format.components[3]
    kind = np.uint16 if part.bits > 8 else np.uint8
    rows = np.frombuffer(plane, kind).reshape(plane.height, -1)[:, : frame.width]
    return np.asarray(rows.astype(int) * 255 // (2**part.bits - 1))
