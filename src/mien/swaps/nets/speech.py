"""Sound as networks that move lips hear it: a mel spectrogram, 80 columns a second.

The numbers are those of Wav2Lip's ``hparams.py``, which took them from Tacotron 2's.
"""

from __future__ import annotations

import os
from functools import cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import SourceError, UsageError

__all__ = ["COLUMNS", "RATE", "mel_spectrogram", "read_sound"]

Floats = NDArray[np.float32]

RATE: Final = 16_000  # samples a second
COLUMNS: Final = 80  # of the spectrogram, a second
BANDS = 80
WINDOW, HOP = 800, 200
LOWEST, HIGHEST = 55.0, 7600.0  # hertz
EMPHASIS = 0.97
REFERENCE, FLOOR, REACH = 20.0, -100.0, 4.0  # decibels, decibels, and what they become at most
LONGEST = 4 * 3600  # seconds of sound


def read_sound(path: str | os.PathLike[str]) -> Floats:
    """The first sound of a file, (samples,) in [-1, 1] at 16 kHz, both channels together.

    Raises
    ------
    SourceError
        If it cannot be read or has no sound.
    UsageError
        If it is longer than four hours.
    """
    import av

    parts: list[Floats] = []
    try:
        with av.open(f"file:{os.fspath(path)}") as container:
            if not container.streams.audio:
                raise SourceError(f"{os.fspath(path)} has no sound.")
            resampler = av.AudioResampler(format="fltp", rate=RATE)
            count = 0
            for frame in container.decode(container.streams.audio[0]):
                for piece in resampler.resample(frame):
                    parts.append(_mono(piece.to_ndarray()))
                    count += len(parts[-1])
                if count > LONGEST * RATE:
                    raise UsageError(f"{os.fspath(path)} is longer than four hours of sound.")
            parts += [_mono(piece.to_ndarray()) for piece in resampler.resample(None)]
    except (av.error.FFmpegError, OSError) as error:
        raise SourceError(f"{os.fspath(path)}: the sound cannot be read: {error.strerror or error}.") from error
    return np.concatenate(parts) if parts else np.zeros(0, np.float32)


def _mono(channels: NDArray[np.generic]) -> Floats:
    """The mean of channels (channels, n)."""
    mean: Floats = np.mean(np.asarray(channels, np.float32), axis=0)
    return mean


def mel_spectrogram(samples: Floats) -> Floats:
    """Loudness in 80 bands of pitch, (80, columns) float32 in [-4, 4]; 80 columns a second.

    Parameters
    ----------
    samples : (n,) float32
        At 16 kHz, in [-1, 1].
    """
    if not len(samples):
        return np.full((BANDS, 0), -REACH, np.float32)
    sharp = np.append(samples[:1], samples[1:] - np.float32(EMPHASIS) * samples[:-1]).astype(np.float64)
    padded = np.pad(sharp, WINDOW // 2)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(WINDOW) / WINDOW)
    loud = _bands() @ np.abs(np.fft.rfft(frames * window, axis=1)).T
    decibels = 20 * np.log10(np.maximum(loud, 10 ** (FLOOR / 20))) - REFERENCE
    return np.asarray(np.clip(2 * REACH * (decibels - FLOOR) / -FLOOR - REACH, -REACH, REACH), np.float32)


@cache
def _bands() -> NDArray[np.float64]:
    """How much each frequency counts in each band, (80, 401): triangles of equal area on Slaney's mel scale.

    Slaney, *Auditory Toolbox*, 1998: linear up to 1,000 hertz, by equal ratios above.
    """
    step = np.log(6.4) / 27

    def mels(hertz: float) -> float:
        return hertz * 3 / 200 if hertz < 1000 else float(15 + np.log(hertz / 1000) / step)

    places = np.linspace(mels(LOWEST), mels(HIGHEST), BANDS + 2)
    edges = np.where(places < 15, places * 200 / 3, 1000 * np.exp(step * (places - 15)))
    hertz = np.fft.rfftfreq(WINDOW, 1 / RATE)
    rising = (hertz - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - hertz) / np.diff(edges)[1:, None]
    return np.asarray(np.minimum(rising, falling).clip(0) * (2 / (edges[2:] - edges[:-2]))[:, None])
