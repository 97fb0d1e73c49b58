"""Carries the sound of one video over to another."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer, OutputContainer

__all__ = ["Sound"]

logger = logging.getLogger("mien")

_LAYOUTS = {1: "mono", 2: "stereo", 3: "2.1", 4: "quad", 5: "5.0", 6: "5.1", 7: "6.1", 8: "7.1"}  # by channels


class Sound:
    """All the sound streams of a file, copied where the other file can hold them, encoded anew where not.

    Parameters
    ----------
    source : av.container.InputContainer
        To read from; closed by `close`.
    target : av.container.OutputContainer
        To write to; its header is not written yet.
    start : float
        The source's clock, in seconds, at time 0 of the target.
    copied : frozenset of str or None
        Codecs that are copied; None: all that the target holds.
    codec : str
        Encoder of the others.
    """

    def __init__(
        self,
        source: InputContainer,
        target: OutputContainer,
        *,
        start: float,
        copied: frozenset[str] | None,
        codec: str,
    ) -> None:
        self._source, self._start = source, start
        allowed = target.supported_codecs if copied is None else copied
        self._lanes: dict[int, _Lane] = {}
        for stream in source.streams.audio:
            coder: Any = stream.codec_context
            if coder is None:
                logger.warning("a stream of sound is left out: there is no decoder for its codec.")
            elif coder.name in allowed:
                self._lanes[stream.index] = _Copy(stream, target, start)
            else:
                self._lanes[stream.index] = _Encode(stream, target, codec, start)
        chosen = [source.streams[index] for index in self._lanes]
        self._packets: Iterator[Any] = iter(source.demux(chosen) if chosen else ())
        self._waiting: Any = None  # the packet that is too late for now
        self._damaged = False

    def advance(self, until: float) -> None:
        """Write what sounds before a time, in seconds."""
        import av

        while True:
            try:
                packet = self._waiting or next(self._packets, None)
                self._waiting = None
                if packet is None:
                    return
                if packet.pts is not None and float(packet.pts * packet.time_base) - self._start >= until:
                    self._waiting = packet
                    return
                self._lanes[packet.stream.index].take(packet)
            except (av.error.InvalidDataError, av.error.ArgumentError, av.error.PatchWelcomeError) as error:
                if not self._damaged:
                    logger.warning("the sound is damaged: %s; what can be read is kept.", str(error.strerror).lower())
                self._damaged = True

    def finish(self, until: float) -> None:
        """Write what is left before a time, and what the encoders hold back."""
        self.advance(until)
        for lane in self._lanes.values():
            lane.finish()

    def close(self) -> None:
        """Close the source."""
        self._source.close()


class _Lane(Protocol):
    def take(self, packet: Any) -> None: ...

    def finish(self) -> None: ...


class _Copy:
    """One stream's packets as they are, at the target's times."""

    def __init__(self, stream: AudioStream, target: OutputContainer, start: float) -> None:
        self._target = target
        self._stream = target.add_stream_from_template(stream)
        tick = float(stream.time_base or 1)
        self._shift = round(start / tick)
        self._second = round(1 / tick)
        self._last: int | None = None  # time of the packet before

    def take(self, packet: Any) -> None:
        if packet.dts is None:  # the mark of the end
            return
        late = -1 if self._last is None else self._last - (packet.dts - self._shift)
        if late > self._second:  # the clock began anew, as in files put one behind the other: the sound goes on
            self._shift -= late + max(packet.duration or 0, 1)
        elif late >= 0:  # of a damaged file; no container takes it
            return
        packet.dts -= self._shift
        packet.pts = None if packet.pts is None else packet.pts - self._shift
        self._last = packet.dts
        packet.stream = self._stream
        self._target.mux(packet)

    def finish(self) -> None:
        pass


class _Encode:
    """One stream, decoded and encoded by another codec."""

    def __init__(self, stream: AudioStream, target: OutputContainer, codec: str, start: float) -> None:
        import av

        self._target, self._start = target, start
        rates = av.Codec(codec, "w").audio_rates  # None: any
        rate = stream.rate if not rates or stream.rate in rates else max(rates)
        # Raw sound often says only how many channels it has ("2 channels"); encoders want to know which.
        layout = stream.layout.name
        if layout.endswith("channels"):
            layout = _LAYOUTS.get(stream.layout.nb_channels, "stereo")
        options: dict[str, Any] = {"layout": layout}
        self._stream: Any = target.add_stream(codec, rate=rate, **options)

    def take(self, packet: Any) -> None:
        for frame in packet.decode():
            if frame.pts is not None:
                frame.pts -= round(self._start / frame.time_base)
            self._target.mux(self._stream.encode(frame))

    def finish(self) -> None:
        self._target.mux(self._stream.encode(None))
