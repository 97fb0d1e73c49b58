"""Writing videos: times and sound that stay, and files that are whole or not there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from mien.core.errors import ShapeMismatch, StorageError, UsageError
from mien.media import encoding
from mien.media.encoding import CONTAINERS, Container, Encoder, VideoWriter
from mien.media.video import Video, open_video
from tests.media.films import CORNERS, alphas, corners, film, greys, heard, sine


def copy(source: Path, target: Path, *, frames: int | None = None, **options: Any) -> list[float]:
    """Write a video's frames anew; the times that were written."""
    times = []
    with open_video(source) as video, VideoWriter(target, like=video, **options) as writer:
        for frame in video:
            writer.write(frame.image, frame.time)
            times.append(frame.time)
            if frames == len(times):
                break
    return times


def times_of(path: Path) -> list[float]:
    with open_video(path) as video:
        return [frame.time for frame in video]


# --- pictures -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_a_variable_rate_stays_one(tmp_path: Path, suffix: str) -> None:
    source = film(tmp_path / "a.mkv", greys(6), times=[0.0, 0.04, 0.5, 0.52, 1.9, 2.0], clock=1000)
    target = tmp_path / "new folder" / f"b{suffix}"
    written = copy(source, target)
    np.testing.assert_allclose(times_of(target), written, atol=2e-3)
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_frames_faster_than_the_clock_are_all_there(tmp_path: Path, suffix: str) -> None:
    with VideoWriter(tmp_path / f"a{suffix}", rate=1000) as writer:
        for place, image in enumerate(greys(20)):
            writer.write(image, place * 0.0004)
    assert len(times_of(tmp_path / f"a{suffix}")) == 20


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_colors_and_size_stay(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, rate=10) as writer:
        for _ in range(5):
            writer.write(corners())
    with open_video(path) as video:
        frames = list(video)
        assert (video.width, video.height) == (64, 48)
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(5) / 10, atol=1e-3)
    for place, color in enumerate(CORNERS):
        y, x = 12 + 24 * (place // 2), 16 + 32 * (place % 2)
        assert np.abs(frames[0].image[y, x].astype(int) - color).max() < 12
    with av.open(str(path)) as container:
        assert container.streams.video[0].codec_context.pix_fmt == "yuv420p"  # what every player plays


def test_the_last_frame_is_shown_as_long_as_the_others(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", rate=10) as writer:
        for image in greys(5):
            writer.write(image)
    with open_video(tmp_path / "a.mp4") as video:
        assert video.duration == pytest.approx(0.5, abs=0.01)


def test_a_turned_video_is_written_upright(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", [np.rot90(corners())] * 3, turn=270)
    copy(source, tmp_path / "b.mp4")
    with open_video(tmp_path / "b.mp4") as video:
        assert (video.width, video.height, video.rotation) == (64, 48, 0)
        assert np.abs(next(video).image[12, 16].astype(int) - CORNERS[0]).max() < 12


@pytest.mark.parametrize("size", [(33, 17), (1, 1), (65, 48)])
def test_an_odd_size_becomes_even_by_doubling_the_last_row_or_column(tmp_path: Path, size: tuple[int, int]) -> None:
    with VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write(greys(1, *size)[0])
    with open_video(tmp_path / "a.mp4") as video:
        assert (video.width, video.height) == (size[0] + size[0] % 2, size[1] + size[1] % 2)
        assert next(video).image.min() > 30  # no black edge


def test_pictures_of_other_sizes_are_fitted_with_black_beside(tmp_path: Path) -> None:
    with VideoWriter(tmp_path / "a.mp4", size=(64, 48)) as writer:
        for image in (*greys(1, 24, 48), *greys(1, 128, 48), *greys(1, 64, 48)):
            writer.write(np.full_like(image, 200))
    with open_video(tmp_path / "a.mp4") as video:
        upright, flat, same = (frame.image for frame in video)
    assert upright[24, 32].mean() > 180 > 30 > upright[24, 5].mean()
    assert flat[24, 32].mean() > 180 > 30 > flat[4, 32].mean()
    assert same.mean() > 180


def test_another_encoder_where_the_first_is_missing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def only(*names: str) -> None:
        kind = Container("mp4", tuple(Encoder(name) for name in names), "aac", None, 60_000)
        monkeypatch.setattr(encoding, "CONTAINERS", {".mp4": kind})

    only("nosuchcodec", "mpeg4")
    with VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write(corners())
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert container.streams.video[0].codec_context.name == "mpeg4"
    only("nosuchcodec", "neitherthis")
    with (
        pytest.raises(UsageError, match="no nosuchcodec nor neitherthis"),
        VideoWriter(tmp_path / "b.mp4") as writer,
    ):
        writer.write(corners())
    assert [path.name for path in tmp_path.iterdir()] == ["a.mp4"]


# --- sound --------------------------------------------------------------------------------------------------------


def loudest_tone(samples: np.ndarray, rate: int = 48_000) -> float:
    spectrum = np.abs(np.fft.rfft(samples * np.hanning(len(samples))))
    return float(np.fft.rfftfreq(len(samples), 1 / rate)[spectrum.argmax()])


def packets(path: Path) -> list[bytes]:
    with av.open(str(path)) as container:
        return [bytes(packet) for packet in container.demux(audio=0) if packet.size]


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
@pytest.mark.parametrize("source_suffix", [".mp4", ".mkv"])
def test_sound_is_copied_byte_for_byte(tmp_path: Path, source_suffix: str, suffix: str) -> None:
    source = film(tmp_path / f"a{source_suffix}", greys(50), sound=sine(2), clock=1000)
    copy(source, tmp_path / f"b{suffix}")
    assert packets(tmp_path / f"b{suffix}") == packets(source)


@pytest.mark.parametrize(
    ("suffix", "codec", "expected"),
    [
        (".mp4", "pcm_s16le", "aac"),
        (".webm", "aac", "opus"),
        (".mkv", "pcm_s16le", "pcm_s16le"),
        (".mov", "aac", "aac"),
    ],
)
def test_sound_that_a_file_cannot_hold_is_encoded_anew(tmp_path: Path, suffix: str, codec: str, expected: str) -> None:
    source = film(tmp_path / "a.mkv", greys(25), sound=sine(1, hertz=523), sound_codec=codec, clock=1000)
    target = tmp_path / f"b{suffix}"
    copy(source, target)
    with av.open(str(target)) as container:
        assert container.streams.audio[0].codec_context.name.removeprefix("lib") == expected
    begin, samples = heard(target)
    assert begin == pytest.approx(0, abs=0.05)
    assert len(samples) / 48_000 == pytest.approx(1, abs=0.08)
    assert loudest_tone(samples[5000:40_000]) == pytest.approx(523, abs=3)


@pytest.mark.parametrize("suffix", CONTAINERS)
@pytest.mark.parametrize("source_suffix", [".mkv", ".ts"])
def test_sound_and_pictures_stay_together(tmp_path: Path, suffix: str, source_suffix: str) -> None:
    """A flash of light and a click at 0.6 s: both are still there, within a frame, wherever the file's clock starts."""
    dark, light = np.zeros((48, 64, 3), np.uint8), np.full((48, 64, 3), 255, np.uint8)
    click = np.zeros(48_000, np.float32)
    click[28_800:29_800] = sine(1000 / 48_000, hertz=2000)
    source = film(
        tmp_path / f"a{source_suffix}",
        [light if i == 15 else dark for i in range(25)],
        times=[i / 25 for i in range(25)],
        sound=click,
        clock=1000 if source_suffix == ".mkv" else 90_000,
    )
    target = tmp_path / f"b{suffix}"
    copy(source, target)
    with open_video(target) as video:
        flash = next(frame.time for frame in video if frame.image.mean() > 128)
    begin, samples = heard(target)
    noise = begin + float(np.flatnonzero(np.abs(samples) > 0.2)[0]) / 48_000
    assert abs(flash - noise) < 0.04


def test_all_sound_streams_stay(tmp_path: Path) -> None:
    path = tmp_path / "two.mkv"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("libx264", rate=25)
        stream.width, stream.height = 64, 48
        voices: list[Any] = [container.add_stream("pcm_s16le", rate=48_000, layout="mono") for _ in range(2)]
        for picture in greys(10):
            container.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        for voice in voices:
            samples = av.AudioFrame.from_ndarray(
                (sine(0.4)[None] * 32767).astype(np.int16), format="s16", layout="mono"
            )
            samples.sample_rate = 48_000
            container.mux(voice.encode(samples))
        container.mux(stream.encode(None))
    copy(path, tmp_path / "b.mp4")
    with av.open(str(tmp_path / "b.mp4")) as container:
        assert len(container.streams.audio) == 2


def test_sound_can_be_left_out(tmp_path: Path) -> None:
    copy(film(tmp_path / "a.mp4", greys(5), sound=sine(0.2)), tmp_path / "b.mp4", audio=False)
    with open_video(tmp_path / "b.mp4") as video:
        assert not video.has_audio


def test_of_a_part_of_the_frames_a_part_of_the_sound(tmp_path: Path) -> None:
    source = film(tmp_path / "a.mp4", greys(50), sound=sine(2))
    copy(source, tmp_path / "b.mp4", frames=10)
    _, samples = heard(tmp_path / "b.mp4")
    assert len(samples) / 48_000 == pytest.approx(0.4, abs=0.08)


def test_sound_goes_on_where_a_files_clock_begins_anew(tmp_path: Path) -> None:
    part = film(tmp_path / "part.ts", greys(50), sound=sine(2)).read_bytes()
    (tmp_path / "joined.ts").write_bytes(part + part)
    copy(tmp_path / "joined.ts", tmp_path / "b.mp4")
    _, samples = heard(tmp_path / "b.mp4")
    assert len(samples) / 48_000 == pytest.approx(4, abs=0.15)
    assert len(times_of(tmp_path / "b.mp4")) == 100


def test_damaged_sound_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    source = film(tmp_path / "a.mkv", greys(50), sound=sine(2), clock=1000)
    data = bytearray(source.read_bytes())
    rng = np.random.default_rng(1)
    for packet in packets(source)[20:40]:
        place = data.find(packet)
        data[place : place + len(packet)] = rng.integers(0, 255, len(packet), dtype=np.uint8).tobytes()
    source.write_bytes(bytes(data))
    copy(source, tmp_path / "b.webm")  # where it has to be decoded
    assert "sound is damaged" in caplog.text
    assert len(times_of(tmp_path / "b.webm")) == 50


# --- whole or not there -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", CONTAINERS)
def test_ctrl_c_leaves_a_file_that_plays(tmp_path: Path, suffix: str) -> None:
    source = film(tmp_path / "a.mp4", greys(50), sound=sine(2))
    target = tmp_path / f"b{suffix}"
    with (
        pytest.raises(KeyboardInterrupt),
        open_video(source) as video,
        VideoWriter(target, like=video) as writer,
    ):
        for frame in video:
            writer.write(frame.image, frame.time)
            if frame.index == 19:
                raise KeyboardInterrupt
    assert len(times_of(target)) == 20
    _, samples = heard(target)
    assert len(samples) / 48_000 == pytest.approx(0.8, abs=0.08)
    assert {path.name for path in tmp_path.iterdir()} == {"a.mp4", target.name}


@pytest.mark.parametrize("frames", [0, 3])
def test_an_error_leaves_what_was_there_before(tmp_path: Path, frames: int) -> None:
    target = tmp_path / "a.mp4"
    target.write_bytes(b"before")
    with pytest.raises(ZeroDivisionError), VideoWriter(target) as writer:
        for image in greys(frames):
            writer.write(image)
        raise ZeroDivisionError
    assert target.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [target]


def test_no_frame_is_no_video(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="at least one frame"), VideoWriter(tmp_path / "a.mp4"):
        pass
    with pytest.raises(KeyboardInterrupt), VideoWriter(tmp_path / "a.mp4"):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise av.error.OSError(28, "No space left on device")

    with pytest.raises(StorageError, match=r"a\.mp4: no space left on device\."), VideoWriter(tmp_path / "a.mp4") as w:
        monkeypatch.setattr(w, "_frame", full)
        w.write(corners())
    assert list(tmp_path.iterdir()) == []


def test_places_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError), VideoWriter(tmp_path / "file" / "a.mp4"):
        pass
    (tmp_path / "folder.mp4").mkdir()
    with pytest.raises(StorageError, match=r"folder\.mp4"), VideoWriter(tmp_path / "folder.mp4"):
        pytest.fail("it is known before the first frame")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "folder.mp4"}


def test_wrong_calls(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"\.mp4"):
        VideoWriter(tmp_path / "a.xyz")
    for size in ((0, 10), (10,), (10.5, 3), (99_999, 10)):
        with pytest.raises(UsageError, match="size"):
            VideoWriter(tmp_path / "a.mp4", size=size)
    for rate in (0, -1, 1e9):
        with pytest.raises(UsageError, match="rate"):
            VideoWriter(tmp_path / "a.mp4", rate=rate)
    with pytest.raises(UsageError, match="too late"), VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write(corners(), 1.0)
        writer.write(corners(), 0.5)
    for time in (-0.1, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="from 0"), VideoWriter(tmp_path / "a.mp4") as writer:
            writer.write(corners(), time)
    for image in (corners()[..., 0], corners().astype(float), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ShapeMismatch), VideoWriter(tmp_path / "a.mp4") as writer:
            writer.write(image)
    with pytest.raises(UsageError, match="at most 16384"), VideoWriter(tmp_path / "a.mp4") as writer:
        writer.write(np.zeros((2, 20_000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_a_video_can_replace_the_one_that_it_comes_from(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", greys(10), sound=sine(0.4))
    copy(path, path)
    assert len(times_of(path)) == 10
    with open_video(path) as video:
        assert isinstance(video, Video)
        assert video.has_audio


@pytest.mark.parametrize("suffix", [".webm", ".mov"])
def test_alpha_comes_back(tmp_path: Path, suffix: str) -> None:
    image = np.zeros((33, 47, 4), np.uint8)
    image[..., 0] = 200
    image[4:20, 4:24, 3] = 255
    image[20:30, 4:24, 3] = 128
    with VideoWriter(tmp_path / f"a{suffix}", alpha=True, rate=10) as writer:
        for _ in range(3):
            writer.write(image)
    shown = alphas(tmp_path / f"a{suffix}")
    assert len(shown) == 3
    alpha = shown[1]
    assert abs(alpha[8:16, 8:20] - 255).max() < 3
    assert abs(alpha[23:27, 8:20] - 128).max() < 4
    assert alpha[:, 30:].max() < 3


def test_alpha_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"videos with alpha are written as \.mov, \.webm"):
        VideoWriter(tmp_path / "a.mp4", alpha=True)
    with pytest.raises(ShapeMismatch, match=r"\(H, W, 4\)"), VideoWriter(tmp_path / "a.mov", alpha=True) as writer:
        writer.write(np.zeros((8, 8, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []
