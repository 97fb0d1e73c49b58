"""Pictures of more than 8 bits keep their depth."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien import assets
from mien.core.errors import ImageError, ImageTooLarge, ShapeMismatch, SourceError, UsageError
from mien.core.image import Image, load_image, save_image
from mien.media.deep import Deep, Sixteen
from mien.media.deep_marking import load_deep, mark_deep
from mien.media.provenance import Provenance, provenance

Words = NDArray[np.uint16]
MARK = Provenance.manipulated(Provenance())


def words(*shape: int, seed: int = 0) -> Words:
    return np.random.default_rng(seed).integers(0, 1 << 16, shape, np.uint16)


def written(path: Path, pixels: Words) -> Path:
    assert cv2.imwrite(str(path), pixels)
    return path


def edited(proxy: Image) -> tuple[Image, NDArray[np.uint8]]:
    """The proxy with something else in a corner, which a mask allows of in a part."""
    out, mask = proxy.copy(), np.zeros(proxy.shape[:2], np.uint8)
    out[2:9, 3:12] = np.random.default_rng(1).integers(0, 256, (7, 9, 3))
    mask[2:7, 3:12] = 200
    return out, mask


def opened(path: Path) -> Deep:
    deep = Deep.open(path)
    assert deep is not None
    return deep


@pytest.mark.full
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_all_that_was_not_changed_keeps_its_16_bits(tmp_path: Path, suffix: str) -> None:
    pixels = words(20, 30, 3)
    deep = opened(written(tmp_path / f"in{suffix}", pixels))
    assert np.array_equal(deep.proxy, load_image(tmp_path / f"in{suffix}"))
    out, mask = edited(deep.proxy)
    saved = deep.changed(out, mask).save(tmp_path / f"out{suffix}", xmp=MARK.to_xmp())
    back = opened(saved)
    assert isinstance(back, Sixteen)
    assert np.array_equal(back.pixels[mask == 0], pixels[..., ::-1][mask == 0])
    assert np.abs(back.proxy.astype(int) - out)[mask > 0].max() <= 1
    assert provenance(saved).source_type == MARK.source_type
    assert not list(tmp_path.glob("*.part"))


def test_black_that_became_white_is_white() -> None:
    """A step of 8 bits is 257 of 16: 256 would leave it a shade darker."""
    deep = Sixteen(np.zeros((4, 4, 3), np.uint16), b"", np.zeros((4, 4, 3), np.uint8))
    assert np.all(deep.changed(np.full((4, 4, 3), 255, np.uint8)).pixels == 0xFFFF)


@pytest.mark.full
@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("channels", [1, 4])
def test_grey_and_alpha_stay_what_they_are(tmp_path: Path, suffix: str, channels: int) -> None:
    pixels = words(20, 30, channels)
    if channels == 4:
        pixels[..., 3] = 0xFFFF
    deep = opened(written(tmp_path / "in.png", pixels if channels > 1 else pixels[..., 0]))
    out, _ = edited(deep.proxy)
    back = opened(deep.changed(out).save(tmp_path / f"out{suffix}"))
    assert isinstance(back, Sixteen)
    assert back.pixels.shape == (20, 30, channels)
    wanted = out if channels == 4 else out.mean(axis=2, keepdims=True)
    assert np.abs(back.proxy.astype(int) - wanted).max() <= 2


@pytest.mark.full
@given(
    seed=st.integers(0, 99), height=st.integers(1, 12), width=st.integers(1, 12), channels=st.sampled_from([1, 3, 4])
)
def test_files_hold_what_was_put_into_them(seed: int, height: int, width: int, channels: int) -> None:
    pixels = words(height, width, channels, seed=seed)
    shown = np.zeros((height, width, 3), np.uint8)
    for suffix in (".png", ".tif"):
        data = Sixteen(pixels, b"a profile", shown).encode(suffix, xmp=MARK.to_xmp())
        raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
        assert raw is not None
        raw = raw.reshape(height, width, -1)
        assert np.array_equal(raw[..., [2, 1, 0, *range(3, channels)]] if channels > 1 else raw, pixels)
        assert provenance(data).source_type == MARK.source_type
        assert Sixteen.decode(data, "it", 1000).icc == b"a profile"  # type: ignore[union-attr]


@pytest.mark.full
@pytest.mark.parametrize("orientation", range(1, 9))
def test_turned_pictures_are_upright(tmp_path: Path, orientation: int) -> None:
    from PIL import Image as Pillow

    grey = words(6, 9)
    exif = Pillow.Exif()
    exif[0x0112] = orientation
    Pillow.fromarray(grey).save(tmp_path / "in.png", exif=exif)
    deep = opened(tmp_path / "in.png")
    assert isinstance(deep, Sixteen)
    assert np.array_equal(deep.proxy, load_image(tmp_path / "in.png"))
    assert np.abs(deep.pixels[..., 0] / 257 - deep.proxy[..., 0]).max() <= 1


@pytest.mark.full
def test_pictures_of_8_bits_are_none(tmp_path: Path) -> None:
    image = words(9, 9, 3).astype(np.uint8)
    for suffix in (".png", ".tif", ".jpg", ".webp"):
        save_image(image, tmp_path / f"a{suffix}")
        assert Deep.open(tmp_path / f"a{suffix}") is None


@pytest.mark.full
def test_hostile_files_are_refused(tmp_path: Path) -> None:
    path = written(tmp_path / "a.png", words(40, 40, 3))
    with pytest.raises(ImageTooLarge):
        Deep.open(path, max_pixels=100)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ImageError):
        Deep.open(path)
    with pytest.raises(SourceError):
        Deep.open(tmp_path / "none.png")
    with pytest.raises(SourceError):
        Deep.open(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.png")
        assert Deep.open(tmp_path / "pipe.png") is None, "without waiting for its other end"


def test_what_does_not_fit_is_told(tmp_path: Path) -> None:
    deep = Sixteen(words(4, 4, 3), b"", np.zeros((4, 4, 3), np.uint8))
    with pytest.raises(UsageError, match=r"\.png or \.tif"):
        deep.save(tmp_path / "a.jpg")
    with pytest.raises(ShapeMismatch):
        deep.changed(np.zeros((5, 4, 3), np.uint8))


@pytest.mark.full
class TestExr:
    """EXR, where its package is."""

    @pytest.fixture(autouse=True)
    def _package(self) -> None:
        pytest.importorskip("OpenEXR")

    def write(self, path: Path, values: NDArray[np.floating], names: str = "RGB") -> Path:
        import OpenEXR

        channels = {name: np.ascontiguousarray(values[..., place]) for place, name in enumerate(names)}
        channels["depth.Z"] = np.arange(values[..., 0].size, dtype=np.float32).reshape(values.shape[:2])
        header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, "owner": "somebody"}
        OpenEXR.File(header, channels).write(str(path))
        return path

    @pytest.mark.parametrize("kind", [np.float16, np.float32])
    def test_light_layers_and_attributes_stay(self, tmp_path: Path, kind: type[np.floating]) -> None:
        from mien.media.exr import Exr, read_exr_packet

        values = (np.random.default_rng(0).random((20, 30, 3)) ** 2).astype(kind)
        values[15:] *= 6  # brighter than white
        deep = opened(self.write(tmp_path / "in.exr", values))
        out, mask = edited(deep.proxy)
        saved = deep.changed(out, mask).save(tmp_path / "out.exr", xmp=MARK.to_xmp())
        back = opened(saved)
        assert isinstance(back, Exr)
        for place, name in enumerate("RGB"):
            channel = back.parts[0].channels[name].pixels
            assert channel.dtype == kind
            assert np.array_equal(channel[mask == 0], values[..., place][mask == 0])
        assert np.abs(back.proxy.astype(int) - out)[mask > 0].max() <= 1
        assert back.parts[0].header["owner"] == "somebody"
        assert back.parts[0].channels["depth.Z"].pixels[3, 4] == 94
        packet = read_exr_packet(saved.read_bytes(), "it")
        assert packet is not None
        assert Provenance.from_xmp(packet).source_type == MARK.source_type

    def test_highlights_stay_where_they_stayed_white_and_go_where_they_were_painted(self, tmp_path: Path) -> None:
        values = np.full((4, 4, 3), 5.0, np.float32)
        deep = opened(self.write(tmp_path / "in.exr", values))
        out = deep.proxy.copy()
        out[0] = 100
        back = opened(deep.changed(out).save(tmp_path / "out.exr"))
        assert np.abs(back.proxy[0].astype(int) - 100).max() <= 1
        assert np.array_equal(back.parts[0].channels["R"].pixels[1:], values[1:, :, 0])  # type: ignore[attr-defined]

    def test_lights_without_end_are_painted_over_or_stay_bright(self, tmp_path: Path) -> None:
        deep = opened(self.write(tmp_path / "in.exr", np.full((4, 4, 3), np.inf, np.float32)))
        out = deep.proxy.copy()
        out[0], out[1] = 0, 254
        red = deep.changed(out).parts[0].channels["R"].pixels  # type: ignore[attr-defined]
        assert np.all(red[0] == 0)
        assert np.all(red[1] > 1e30)
        assert np.all(np.isinf(red[2:]))

    def test_brightness_alone_is_edited_as_grey(self, tmp_path: Path) -> None:
        deep = opened(self.write(tmp_path / "in.exr", np.full((4, 4, 1), 0.2, np.float32), "Y"))
        out = deep.proxy.copy()
        out[0] += 20
        assert np.abs(deep.changed(out).proxy.astype(int) - out).max() <= 1

    def test_hostile_files_are_refused(self, tmp_path: Path) -> None:
        path = self.write(tmp_path / "a.exr", np.zeros((20, 20, 3), np.float16))
        with pytest.raises(ImageTooLarge):
            Deep.open(path, max_pixels=100)
        whole = path.read_bytes()
        for data in (whole[:200], whole[:8] + bytes(100), whole[:-30]):
            path.write_bytes(data)
            with pytest.raises(ImageError):
                Deep.open(path)
        with pytest.raises(ImageError, match="no channels"):
            Deep.open(self.write(tmp_path / "b.exr", np.zeros((4, 4, 1), np.float16), "Q"))


@pytest.mark.full
@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_marks_are_read_back_from_16_bits(tmp_path: Path, suffix: str) -> None:
    picture = (load_image(assets.PEOPLE[0]).astype(np.uint16) * 257)[..., ::-1]
    path = written(tmp_path / f"in{suffix}", np.ascontiguousarray(picture))
    image, deep = load_deep(path)
    assert deep is not None
    assert np.array_equal(image, load_image(path))
    saved = mark_deep(deep, tmp_path / f"out{suffix}", MARK)
    told = provenance(saved, look=True)
    assert set(told.said.values()) == {MARK.source_type}
    assert set(told.said) == {"metadata", "credentials", "invisible"}
    assert isinstance(Deep.open(saved), Sixteen)
    assert load_deep(load_image(path))[1] is None


@pytest.mark.full
def test_what_decoders_do_not_agree_on_is_not_kept_deep(tmp_path: Path) -> None:
    data = bytearray(Sixteen(words(6, 6, 1), b"", np.zeros((6, 6, 3), np.uint8)).encode(".tif"))
    place = data.index(b"\x06\x01\x03\x00\x01\x00\x00\x00\x01\x00")  # black is 0
    data[place + 8] = 0  # white is
    (tmp_path / "a.tif").write_bytes(data)
    deep = Deep.open(tmp_path / "a.tif")
    assert deep is None or np.array_equal(deep.proxy, load_image(tmp_path / "a.tif"))
