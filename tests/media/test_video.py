"""Reading videos: upright frames at their own times out of any file, or one clear sentence."""

from __future__ import annotations

import gc
import logging
import weakref
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mien.core.errors import ImageError, ImageTooLarge, InputError, SourceError, UsageError
from mien.core.image import save_image
from mien.media import demuxing
from mien.media.encoding import VideoWriter
from mien.media.video import Frame, open_video
from tests.media.films import CORNERS, Picture, corners, film, greys, is_open, sine
from tests.shared import DATA


def read(source: Any, **options: Any) -> list[Frame]:
    with open_video(source, **options) as video:
        return list(video)


def corner_colors(image: Picture) -> list[int]:
    """Which of the four colours the picture's quarters have, in reading order."""
    height, width = image.shape[:2]
    seen = [image[y, x] for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]
    return [int(np.abs(np.array(CORNERS, int) - color).sum(axis=1).argmin()) for color in seen]


# --- what is in a file --------------------------------------------------------------------------------------------


def test_frames_come_in_order_with_times_and_colors(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", [corners()] * 10, rate=20, sound=sine(0.5))
    with open_video(path) as video:
        assert (video.width, video.height, video.rotation, video.has_audio) == (64, 48, 0, True)
        assert video.rate == pytest.approx(20, rel=0.1)
        assert video.duration == pytest.approx(0.5, abs=0.06)
        assert video.frame_count == 10
        assert "64x48" in repr(video)
        frames = list(video)
        assert video.ended
    assert [frame.index for frame in frames] == list(range(10))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(10) / 20, atol=1e-3)
    image = frames[3].image
    assert image.dtype == np.uint8
    assert image.shape == (48, 64, 3)
    assert image.flags.c_contiguous
    assert corner_colors(image) == [0, 1, 2, 3]
    assert np.abs(image[12, 16].astype(int) - CORNERS[0]).max() < 12


def test_one_frame(tmp_path: Path) -> None:
    assert [frame.time for frame in read(film(tmp_path / "a.mp4", greys(1)))] == [0.0]


@pytest.mark.parametrize(
    ("turn", "flip", "degrees"),
    [(0, False, 0), (90, False, 270), (180, False, 180), (270, False, 90), (0, True, 0), (90, True, 90)],
)
def test_the_display_matrix_is_applied(tmp_path: Path, turn: int, flip: bool, degrees: int) -> None:
    shown = corners()
    stored = np.rot90(shown[:, ::-1] if flip else shown, -turn // 90)  # undo the mirror, then the turn
    with open_video(film(tmp_path / "a.mp4", [stored], turn=turn, flip=flip)) as video:
        assert corner_colors(next(video).image) == [0, 1, 2, 3]
        assert (video.width, video.height) == (64, 48)
        if not flip:
            assert video.rotation == degrees


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".mov"])
def test_a_variable_rate_is_read_as_it_is(tmp_path: Path, suffix: str) -> None:
    times = [0.0, 0.04, 0.5, 0.52, 1.9, 2.0]
    frames = read(film(tmp_path / f"a{suffix}", greys(6), times=times, clock=1000))
    np.testing.assert_allclose([frame.time for frame in frames], times, atol=2e-3)


@pytest.mark.parametrize("claimed", [1, 240])
def test_a_wrong_rate_in_the_header_does_not_matter(tmp_path: Path, claimed: int) -> None:
    times = [number / 20 for number in range(10)]
    path = film(tmp_path / "a.mkv", greys(10), rate=claimed, times=times, clock=1000)
    np.testing.assert_allclose([frame.time for frame in read(path)], times, atol=2e-3)


def test_time_counts_from_the_start_of_the_clip(tmp_path: Path) -> None:
    late = [5.0, 5.5, 6.0]
    assert [f.time for f in read(film(tmp_path / "a.mkv", greys(3), times=late, clock=1000))] == [0.0, 0.5, 1.0]
    stream = read(film(tmp_path / "a.ts", greys(3), times=[0.0, 0.5, 1.0]))  # its own clock starts at 1.4 s
    np.testing.assert_allclose([f.time for f in stream], [0.0, 0.5, 1.0], atol=1e-3)
    after_sound = film(tmp_path / "b.mkv", greys(3), times=[2.0, 2.5, 3.0], clock=1000, sound=sine(3))
    np.testing.assert_allclose([f.time for f in read(after_sound)], [2.0, 2.5, 3.0], atol=0.05)


def test_frames_without_times_follow_at_the_rate(tmp_path: Path) -> None:
    frames = read(film(tmp_path / "a.h264", greys(8), rate=25))  # a bare stream has no clock
    assert len(frames) == 8
    np.testing.assert_allclose(np.diff([frame.time for frame in frames]), 0.04, atol=1e-6)


def test_times_that_go_back_and_sizes_that_change(tmp_path: Path) -> None:
    parts = [film(tmp_path / f"{w}.ts", greys(5, w, 48)) for w in (64, 96)]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    frames = read(path)
    assert [frame.image.shape[1] for frame in frames] == [64] * 5 + [96] * 5
    assert (np.diff([frame.time for frame in frames]) > 0).all()
    assert frames[-1].time < 1


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("ten bits.mkv", "ffv1", "yuv420p10le"),
        ("full color.mkv", "ffv1", "yuv444p"),
        ("grey.mkv", "ffv1", "gray"),
        ("film.webm", "libvpx-vp9", "yuv420p"),
        ("old.avi", "mpeg4", "yuv420p"),
        ("older.mpg", "mpeg2video", "yuv420p"),
        ("ünïcode: 名.mov", "mjpeg", "yuvj420p"),
    ],
)
def test_codecs_and_pixels_become_eight_bit_rgb(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    frames = read(
        film(tmp_path / name, greys(4), codec=codec, pixels=pixels, clock=1000 if name.endswith("mkv") else 25)
    )
    assert len(frames) == 4
    levels = [frame.image.mean() for frame in frames]
    np.testing.assert_allclose(levels, [40, 77, 115, 152], atol=4)


@pytest.mark.parametrize("size", [(33, 17), (1, 1), (65, 48)])
def test_odd_sizes(tmp_path: Path, size: tuple[int, int]) -> None:
    path = film(tmp_path / "a.mkv", greys(2, *size), codec="ffv1", pixels="bgr0")
    assert read(path)[0].image.shape == (size[1], size[0], 3)


def test_pixels_that_are_not_square_are_made_so(tmp_path: Path) -> None:
    def wide(stream: Any) -> None:
        stream.codec_context.sample_aspect_ratio = 2

    with open_video(film(tmp_path / "a.mp4", [corners()], prepare=wide)) as video:
        assert (video.width, video.height) == (128, 48)
        assert corner_colors(next(video).image) == [0, 1, 2, 3]


def test_high_dynamic_range_is_shown_as_on_an_ordinary_screen(tmp_path: Path) -> None:
    def hdr(stream: Any) -> None:
        codec = stream.codec_context
        codec.color_primaries, codec.color_trc, codec.colorspace, codec.color_range = 9, 16, 9, 1

    white = np.full((48, 64, 3), round(0.58 * 255), np.uint8)  # PQ's code of 203 nits, the white of graphics (BT.2408)
    path = film(tmp_path / "a.mkv", [white], codec="ffv1", pixels="yuv420p10le", prepare=hdr)
    assert 230 < read(path)[0].image.mean() < 250


def test_transparency_lies_over_white(tmp_path: Path) -> None:
    path = tmp_path / "a.mov"
    pixels = np.zeros((48, 64, 4), np.uint8)
    pixels[:, 32:] = (0, 0, 255, 255)
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("png", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "rgba"
        frame = av.VideoFrame.from_ndarray(pixels, format="rgba")
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    image = read(path)[0].image
    assert image[24, 10].tolist() == [255, 255, 255]
    assert image[24, 50].tolist() == [0, 0, 255]


def test_an_animated_gif_is_a_video(tmp_path: Path) -> None:
    assert len(read(film(tmp_path / "a.gif", greys(4), codec="gif", pixels="rgb8", clock=100))) == 4


@pytest.mark.data
def test_real_clips() -> None:
    with open_video(DATA / "video" / "single_face.mp4") as video:
        times = [frame.time for frame in video]
    assert len(times) == 72
    np.testing.assert_allclose(times, np.arange(72) / 30, atol=1e-4)
    with open_video(DATA / "video" / "no_face.mp4") as video:  # its edit list hides the first packets
        assert next(video).time == 0.0
        assert len(list(video)) == 94


# --- what is wrong with a file ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    rng = np.random.default_rng(0)
    noise = [rng.integers(0, 255, (48, 64, 3), dtype=np.uint8) for _ in range(30)]
    return film(tmp_path_factory.mktemp("good") / "a.mp4", noise, sound=sine(1)).read_bytes()


def refused(path: Path, data: bytes, kind: type[InputError], message: str) -> None:
    path.write_bytes(data)
    with pytest.raises(kind, match=message) as caught:
        open_video(path)
    assert str(caught.value).endswith(".")
    assert path.name in str(caught.value)


def test_files_that_are_no_videos(tmp_path: Path, good: bytes) -> None:
    refused(tmp_path / "empty.mp4", b"", SourceError, "empty")
    refused(tmp_path / "text.mp4", b"hello\n" * 100, ImageError, "not a video")
    refused(tmp_path / "head.mp4", good[: len(good) // 2], ImageError, "cut short")  # its index stood at the end
    refused(tmp_path / "zeros.mkv", bytes(10_000), ImageError, "not a video")
    playlist = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/hostname\n#EXT-X-ENDLIST\n"
    refused(tmp_path / "list.mp4", playlist, ImageError, "not a video")
    with pytest.raises(SourceError, match="does not exist"):
        open_video(tmp_path / "missing.mp4")
    with pytest.raises(SourceError, match="Addresses are not read"):
        open_video("rtsp://camera/stream.mp4")
    with pytest.raises(SourceError, match="not a path"):
        open_video("a\0b.mp4")
    with pytest.raises(SourceError, match="no pictures in the folder"):
        (tmp_path / "none").mkdir()
        open_video(tmp_path / "none")


def test_sound_alone_is_no_video(tmp_path: Path) -> None:
    path = tmp_path / "song.mp4"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("aac", rate=48_000, layout="mono")
        samples = av.AudioFrame.from_ndarray(sine(0.1)[None], format="fltp", layout="mono")
        samples.sample_rate = 48_000
        container.mux(stream.encode(samples))
        container.mux(stream.encode(None))
    with pytest.raises(ImageError, match="only sound"):
        open_video(path)


def test_a_codec_that_nobody_knows(tmp_path: Path, good: bytes) -> None:
    refused(tmp_path / "a.mp4", good.replace(b"avc1", b"zzzz"), ImageError, "no decoder")


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [("a.mp4", "libx264", "yuv420p"), ("a.mov", "png", "rgb24"), ("a.webm", "libvpx-vp9", "yuv420p")],
)
def test_frames_beyond_the_limit(tmp_path: Path, name: str, codec: str, pixels: str) -> None:
    path = film(tmp_path / name, greys(2), codec=codec, pixels=pixels)
    with pytest.raises(ImageTooLarge, match=r"64 x 48 pixels, more than the limit of 3,000; raise it"):
        open_video(path, max_pixels=3000)


def test_a_header_that_claims_ten_thousand_megapixels(tmp_path: Path) -> None:
    header = b"YUV4MPEG2 W100000 H100000 F25:1 Ip A1:1 C420\nFRAME\n"
    refused(tmp_path / "huge.y4m", header + bytes(1000), ImageError, "not a video")


def test_what_is_damaged_is_left_out(tmp_path: Path, good: bytes, caplog: pytest.LogCaptureFixture) -> None:
    data = bytearray(good)
    middle = good.index(b"mdat") + len(good) // 3
    data[middle : middle + 3000] = bytes(3000)
    path = tmp_path / "hole.mp4"
    path.write_bytes(bytes(data))
    with caplog.at_level(logging.WARNING, logger="mien"):
        frames = read(path)
    assert 5 < len(frames) <= 30
    assert (np.diff([frame.time for frame in frames]) > 0).all()
    assert "hole.mp4 is damaged" in caplog.text


def test_a_file_that_ends_early_gives_what_it_has(tmp_path: Path) -> None:
    whole = film(tmp_path / "a.mkv", greys(60), clock=1000).read_bytes()
    path = tmp_path / "half.mkv"
    path.write_bytes(whole[: len(whole) // 2])
    assert 0 < len(read(path)) < 60


@given(changes=st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255)), min_size=1, max_size=30))
@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_damage_is_an_input_error_or_frames(tmp_path: Path, good: bytes, changes: list[tuple[float, int]]) -> None:
    data = bytearray(good)
    for place, value in changes:
        data[int(place * len(data))] = value
    path = tmp_path / "any.mp4"
    path.write_bytes(bytes(data))
    try:
        frames = read(path)
    except InputError as error:
        assert str(error).endswith(".")  # noqa: PT017
    else:
        assert frames
        assert all(frame.image.dtype == np.uint8 for frame in frames)


# --- leaving early, memory ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".mkv", ".mp4", ".webm"])
def test_a_file_that_is_cut_short_is_told(tmp_path: Path, suffix: str, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / f"a{suffix}"
    with VideoWriter(path, rate=5) as writer:
        for image in np.random.default_rng(0).integers(0, 256, (20, 48, 64, 3), np.uint8):
            writer.write(image)
    with open_video(path) as video:
        assert len(list(video)) == 20
    assert not caplog.messages
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with open_video(path) as video:
        assert 0 < len(list(video)) < 18
    (message,) = caplog.messages
    assert str(path) in message


def test_a_last_picture_that_stays_is_no_file_cut_short(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = film(tmp_path / "a.mp4", greys(11), times=[*(i / 25 for i in range(10)), 30.0])
    with open_video(path) as video:
        assert len(list(video)) == 11
    assert not caplog.messages


def test_leaving_early_closes_the_file(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", greys(40))
    with open_video(path) as video:
        next(video)
        assert not video.ended
        assert is_open(path)
    assert not is_open(path)
    assert list(video) == []


def test_a_video_that_is_abandoned_closes_its_file(tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", greys(40))
    gc.disable()  # at once, not when the collector comes by
    try:
        for _ in open_video(path):
            assert is_open(path)
            break
        assert not is_open(path)
    finally:
        gc.enable()


def test_frames_that_nobody_keeps_are_given_back_at_once(tmp_path: Path) -> None:
    """Not only when Python's collector comes by: by then there are hundreds of megabytes."""
    path = film(tmp_path / "a.mp4", greys(60), turn=90)
    alive: list[weakref.ref[Any]] = []
    most = 0
    gc.collect()
    gc.disable()
    try:
        for frame in open_video(path):
            alive.append(weakref.ref(frame.image))
            most = max(most, sum(ref() is not None for ref in alive))
        left = sum(isinstance(thing, av.VideoFrame) for thing in gc.get_objects())
    finally:
        gc.enable()
    assert most <= 2
    assert left < 10


# --- cameras and pictures in a row --------------------------------------------------------------------------------


def test_no_camera_is_one_sentence() -> None:
    with pytest.raises(SourceError, match=r"webcam 97 cannot be opened: .+ Is it plugged in"):
        open_video(97)
    with pytest.raises(UsageError, match="from 0"):
        open_video(-1)


def test_an_unknown_platform_has_no_cameras(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.platform", "plan9")
    with pytest.raises(UsageError, match="plan9"):
        open_video(0)


def test_a_camera_is_read_until_it_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    pattern = demuxing.Camera("lavfi", "testsrc=size=64x48:rate=20:duration=0.5[out{}]")  # FFmpeg's test picture
    monkeypatch.setattr(demuxing, "CAMERAS", {sys.platform: pattern})
    with open_video(0) as video:
        assert (video.source, video.width, video.height, video.duration) == ("webcam 0", 64, 48, None)
        frames = list(video)
    assert len(frames) == 10
    assert frames[0].time == 0.0


def pictures(folder: Path, count: int) -> None:
    folder.mkdir()
    for i, image in enumerate(greys(count)):
        save_image(image, folder / f"frame{i}.png")


def test_pictures_in_a_row(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    pictures(folder, 12)
    for source in (folder, str(folder / "*.png")):
        with open_video(source, fps=10) as video:
            assert (video.frame_count, video.duration, video.rate, video.has_audio) == (12, 1.2, 10, False)
            frames = list(video)
        assert [frame.image[0, 0, 0] for frame in frames] == [image[0, 0, 0] for image in greys(12)]  # 2 before 10
        np.testing.assert_allclose([frame.time for frame in frames], np.arange(12) / 10)
    chosen = [folder / "frame3.png", folder / "frame1.png"]
    assert [frame.image[0, 0, 0] for frame in read(chosen)] == [greys(12)[i][0, 0, 0] for i in (3, 1)]
    assert len(read(folder / "frame0.png")) == 1


def test_a_broken_picture_is_left_out_and_its_time_passes(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "frames"
    pictures(folder, 3)
    (folder / "frame1.png").write_bytes(b"broken")
    frames = read(folder, fps=10)
    assert [frame.time for frame in frames] == [0.0, 0.2]
    assert "frame1.png" in caplog.text
    caplog.clear()
    assert len(read([folder / "frame0.png", tmp_path / "none" / "*.png"])) == 1
    assert "none" in caplog.text
    for name in ("frame0.png", "frame2.png"):
        (folder / name).write_bytes(b"broken")
    with pytest.raises(ImageError, match="no picture"):
        open_video(folder)


def test_wrong_sources(tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        open_video([])
    for source in (3.5, None, [1, 2]):
        with pytest.raises(UsageError):
            open_video(source)
    for fps in (0, -1, float("nan")):
        with pytest.raises(UsageError, match="fps"):
            open_video(tmp_path, fps=fps)
