"""Lips moved to sound by users' own networks: what these hear and see, and what comes of it."""

from __future__ import annotations

import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mien.core.errors import ModelError, SourceError
from mien.models.catalogue import add_card, load_templates
from mien.runtime.bundle import Bundle
from mien.runtime.session import SessionOptions
from mien.swaps.nets.lipsync import LipNet
from mien.swaps.nets.speech import mel_spectrogram, read_sound
from tests.swaps import facenets


def write_sound(path: Path, samples: np.ndarray, rate: int = 16_000, channels: int = 1) -> Path:
    """Write a WAV file."""
    with wave.open(str(path), "wb") as file:
        file.setnchannels(channels)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.repeat(samples, channels) * 32767).astype("<i2").tobytes())
    return path


def tone(hertz: float, seconds: float = 0.5, rate: int = 16_000) -> np.ndarray:
    return 0.5 * np.sin(2 * np.pi * hertz * np.arange(int(seconds * rate)) / rate)


def test_a_tone_is_loud_in_its_band() -> None:
    low, high = (mel_spectrogram(tone(hertz).astype(np.float32)) for hertz in (300, 3000))
    assert low.shape == high.shape == (80, 41)
    bands = [int(one[:, 20].argmax()) for one in (low, high)]
    assert bands[0] < 20 < 40 < bands[1]
    assert -4 <= low.min() < low.max() <= 4
    silent = mel_spectrogram(np.zeros(16_000, np.float32))
    assert (silent == -4).all()
    assert mel_spectrogram(np.zeros(0, np.float32)).shape == (80, 0)


@pytest.mark.parametrize(("rate", "channels"), [(16_000, 1), (44_100, 2)])
def test_sound_is_read_at_one_rate(tmp_path: Path, rate: int, channels: int) -> None:
    path = write_sound(tmp_path / "a.wav", tone(440, rate=rate), rate, channels)
    samples = read_sound(path)
    assert len(samples) == pytest.approx(8000, abs=40)
    assert np.abs(samples).max() == pytest.approx(0.5, abs=0.05)


def test_what_is_no_sound(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(b"RIFF" + b"x" * 100)
    for name in ("a.wav", "none.wav"):
        with pytest.raises(SourceError):
            read_sound(tmp_path / name)


@pytest.mark.full
def test_what_goes_in_and_comes_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_CONFIG", str(tmp_path / "config"))
    path = facenets.talker(tmp_path / "my.onnx", 32)
    card = add_card(path, like="wav2lip-96", id="mine")
    card = replace(card, params={**card.params, "size": 32})
    net = LipNet(Bundle(card, {"model": path}, SessionOptions(threads=1, device="cpu")))
    crop = np.random.default_rng(0).integers(0, 200, (32, 32, 3)).astype(np.uint8)
    heard = np.full((80, 16), 1.0, np.float32)
    assert np.allclose(net.speak(crop, heard), crop + 25.5, atol=0.01)
    other = replace(card, params={**card.params, "sound": "mel"})
    with pytest.raises(ModelError, match="has the inputs source, target, not mel, target"):
        LipNet(Bundle(other, {"model": path}, SessionOptions(threads=1, device="cpu")))
    assert "wav2lip-96" in load_templates()
