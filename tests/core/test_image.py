from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import ImageOps, ImageSequence

from mien.core.errors import (
    ImageError,
    ImageTooLarge,
    InputError,
    ShapeMismatch,
    SourceError,
    StorageError,
    UsageError,
)
from mien.core.image import load_image, save_image

Picture = NDArray[np.uint8]


def pattern(height: int = 48, width: int = 64) -> Picture:
    """Smooth, so that JPEG keeps it, and unlike each of its mirrored and turned copies."""
    y, x = np.mgrid[:height, :width]
    red, green, blue = 255 * x / width, 255 * y / height, np.hypot(x - 10, y - 6) * 2
    return np.stack([red, green, blue.clip(max=255)], axis=2).astype(np.uint8)


def encoded(picture: PIL.Image.Image, kind: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def png(picture: PIL.Image.Image) -> bytes:
    return encoded(picture, "PNG")


RGB = PIL.Image.fromarray(pattern())
JPEG = encoded(RGB, "JPEG", quality=98, subsampling=0)


def exif(orientation: Any) -> PIL.Image.Exif:
    tags = PIL.Image.Exif()
    tags[0x0112] = orientation
    return tags


def close(a: Picture, b: Picture, tolerance: float = 6) -> bool:
    return a.shape == b.shape and bool(np.abs(a.astype(int) - b).max() <= tolerance)


# --- sources -------------------------------------------------------------------------------------


def test_every_kind_of_source_gives_the_same(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png(RGB))
    data = path.read_bytes()
    sources = [str(path), path, data, bytearray(data), memoryview(data), io.BytesIO(data), RGB, pattern()]
    for source in sources:
        picture = load_image(source)
        assert picture.dtype == np.uint8
        assert picture.flags.c_contiguous
        np.testing.assert_array_equal(picture, pattern())
    with path.open("rb") as file:
        np.testing.assert_array_equal(load_image(file), pattern())


def test_a_stream_that_cannot_go_back() -> None:
    class Pipe(io.RawIOBase):
        data = io.BytesIO(JPEG)

        def readable(self) -> bool:
            return True

        def readinto(self, buffer: Any) -> int:
            return self.data.readinto(buffer)

    assert close(load_image(io.BufferedReader(Pipe())), pattern())


def test_a_file_is_read_from_where_it_stands() -> None:
    file = io.BytesIO(b"label" + JPEG)
    file.seek(5)
    assert close(load_image(file), pattern())


@pytest.mark.parametrize("name", ["Ünï cødé 顔.jpg", "a b.jpg", "no_suffix", "wrong_suffix.png", b"latin\xe9.jpg"])
def test_names_are_no_matter(tmp_path: Path, name: str | bytes) -> None:
    path = tmp_path / os.fsdecode(name)
    path.write_bytes(JPEG)
    assert close(load_image(path), pattern())


def test_a_name_that_is_not_unicode_can_be_printed(tmp_path: Path) -> None:
    with pytest.raises(SourceError) as caught:
        load_image(tmp_path / os.fsdecode(b"latin\xe9.jpg"))
    assert "latin" in str(caught.value).encode().decode()


def test_an_array_is_returned_itself() -> None:
    picture = pattern()
    assert load_image(picture) is picture
    flipped = load_image(picture[:, ::-1])
    assert flipped.flags.c_contiguous
    np.testing.assert_array_equal(flipped, picture[:, ::-1])


@pytest.mark.parametrize("source", [JPEG, png(RGB), RGB], ids=["jpeg", "png", "pil"])
def test_what_is_read_can_be_written_to(source: Any) -> None:
    load_image(source)[0, 0] = 0
    np.testing.assert_array_equal(np.asarray(RGB), pattern())


def test_a_pil_image_stays_as_it_is() -> None:
    picture = PIL.Image.open(io.BytesIO(encoded(RGB, "PNG", exif=exif(6))))
    assert load_image(picture).shape == (64, 48, 3)
    assert picture.size == (64, 48)


# --- orientation ---------------------------------------------------------------------------------

STORED: dict[int, Callable[[Picture], Picture]] = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, 1),
    7: lambda a: np.rot90(a, 2).swapaxes(0, 1),
    8: lambda a: np.rot90(a, -1),
}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "TIFF-lzw", "AVIF", "JPEG-grey", "JPEG-cmyk", "PIL"])
def test_orientation_is_applied(orientation: int, kind: str) -> None:
    stored = PIL.Image.fromarray(np.ascontiguousarray(STORED[orientation](pattern())))
    expected = pattern()
    options: dict[str, Any] = {"exif": exif(orientation), "quality": 98}
    if kind == "JPEG-grey":
        stored, expected = stored.convert("L"), np.asarray(RGB.convert("L").convert("RGB"))
    if kind == "JPEG-cmyk":
        stored = stored.convert("CMYK")
    if kind == "TIFF-lzw":
        options["compression"] = "tiff_lzw"
    if kind.startswith("TIFF"):
        del options["quality"]
    if kind in ("JPEG", "AVIF"):
        options["subsampling"] = "4:4:4"
    if kind == "WEBP":
        options["lossless"] = True
    data = encoded(stored, "PNG" if kind == "PIL" else kind.split("-", maxsplit=1)[0], **options)
    picture = load_image(PIL.Image.open(io.BytesIO(data)) if kind == "PIL" else data)
    assert picture.flags.c_contiguous
    assert close(picture, expected, 14)
    reference = ImageOps.exif_transpose(PIL.Image.open(io.BytesIO(data))).convert("RGB")
    assert close(picture, np.asarray(reference), 1)


@pytest.mark.parametrize("value", [0, 9, 65535])
def test_an_impossible_orientation_is_ignored(value: int) -> None:
    assert close(load_image(encoded(RGB, "JPEG", quality=98, subsampling=0, exif=exif(value))), pattern())


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")  # Pillow's
@pytest.mark.parametrize(
    "block",
    [b"Exif\0\0", b"Exif\0\0MM\0*\0\0\xff\xff", b"Exif\0\0garbage garbage garbage", b"Exif\0\0II*\0\x08\0\0\0\xff\xff"],
)
def test_a_broken_exif_block_is_no_broken_picture(block: bytes) -> None:
    segment = b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block
    assert close(load_image(JPEG[:2] + segment + JPEG[2:]), pattern())


# --- colours -------------------------------------------------------------------------------------


def test_grey_and_two_colours_and_palette() -> None:
    for mode in ("L", "1", "P", "HSV", "YCbCr", "CMYK"):
        picture = RGB.convert(mode)
        np.testing.assert_array_equal(load_image(picture), np.asarray(picture.convert("RGB")))


@pytest.mark.parametrize("mode", ["L", "1", "P"])
def test_grey_and_palette_files(mode: str) -> None:
    np.testing.assert_array_equal(load_image(png(RGB.convert(mode))), np.asarray(RGB.convert(mode).convert("RGB")))


def test_cmyk_jpeg() -> None:
    data = encoded(RGB.convert("CMYK"), "JPEG", quality=98)
    assert close(load_image(data), pattern(), 10)
    at = data.index(b"\xff\xee")
    assert data[at + 4 : at + 9] == b"Adobe"  # whose CMYK is inverted; without its mark too, as browsers take it
    unmarked = data[:at] + data[at + 2 + struct.unpack(">H", data[at + 2 : at + 4])[0] :]
    assert close(load_image(unmarked), pattern(), 10)


def over_white(rgb: Picture, alpha: NDArray[Any]) -> NDArray[np.float64]:
    share = alpha[..., None] / 255
    return np.asarray(rgb * share + 255 * (1 - share))


def test_transparency_is_laid_over_white() -> None:
    alpha = np.tile(np.linspace(0, 255, 64).astype(np.uint8), (48, 1))
    rgba = np.dstack([pattern(), alpha])
    expected = over_white(pattern(), alpha)
    for source in (png(PIL.Image.fromarray(rgba)), PIL.Image.fromarray(rgba), rgba):
        np.testing.assert_allclose(load_image(source), expected, atol=1.01)
    grey = np.asarray(RGB.convert("L"))
    for mode in ("LA", "La"):
        seen = load_image(PIL.Image.fromarray(np.dstack([grey, alpha]), "LA").convert(mode))
        tolerance = 1.01 if mode == "LA" else 3
        np.testing.assert_allclose(seen, over_white(grey[..., None].repeat(3, 2), alpha), atol=tolerance)


def test_what_hides_under_full_transparency_does_not_show() -> None:
    rgba = np.dstack([pattern(), np.zeros((48, 64), np.uint8)])
    assert (load_image(png(PIL.Image.fromarray(rgba))) == 255).all()
    assert (load_image(rgba) == 255).all()


def test_an_opaque_alpha_changes_nothing() -> None:
    rgba = np.dstack([pattern(), np.full((48, 64), 255, np.uint8)])
    np.testing.assert_array_equal(load_image(png(PIL.Image.fromarray(rgba))), pattern())
    np.testing.assert_array_equal(load_image(rgba), pattern())


def test_transparent_palette_and_colour_key() -> None:
    palette = PIL.Image.new("P", (3, 1))
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 255])
    palette.putdata([0, 1, 2])
    red, green, white, blue = [255, 0, 0], [0, 255, 0], [255, 255, 255], [0, 0, 255]
    assert load_image(encoded(palette, "PNG", transparency=1)).tolist() == [[red, white, blue]]
    assert load_image(encoded(palette, "PNG", transparency=b"\xff\x00\xff")).tolist() == [[red, white, blue]]
    assert load_image(encoded(palette, "GIF", transparency=2)).tolist() == [[red, green, white]]
    assert load_image(encoded(palette.convert("RGB"), "PNG", transparency=(0, 255, 0))).tolist() == [[red, white, blue]]
    assert load_image(encoded(palette.convert("L"), "PNG", transparency=150)).tolist()[0][1] == white


# --- 16 bits and floats --------------------------------------------------------------------------


def deep(channels: int) -> NDArray[np.uint16]:
    picture = pattern() if channels == 3 else pattern()[..., 0]
    return picture.astype(np.uint16) * 257


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".pgm"])
def test_16_bit_grey_is_scaled(suffix: str) -> None:
    data = cv2.imencode(suffix, deep(1))[1].tobytes()
    assert close(load_image(data), np.repeat(pattern()[..., :1], 3, axis=2), 0)


@pytest.mark.parametrize("suffix", [".png", ".tiff", ".ppm"])
def test_16_bit_colour_is_scaled(suffix: str) -> None:
    data = cv2.imencode(suffix, deep(3)[..., ::-1])[1].tobytes()
    assert close(load_image(data), pattern(), 1)


def test_16_bit_pil_images() -> None:
    for order in ("<", ">"):
        picture = PIL.Image.fromarray(deep(1).astype(f"{order}u2"))
        assert close(load_image(picture), np.repeat(pattern()[..., :1], 3, axis=2), 0)


def test_float_pictures() -> None:
    values = pattern()[..., 0].astype(np.float32) / 255
    grey = np.repeat(pattern()[..., :1], 3, axis=2)
    assert close(load_image(encoded(PIL.Image.fromarray(values), "TIFF")), grey, 0)
    assert close(load_image(values), grey, 0)
    assert close(load_image(pattern().astype(np.float64) / 255), pattern(), 0)
    with pytest.raises(ImageError, match="from 0 to 1"):
        load_image(encoded(PIL.Image.fromarray(values * 255), "TIFF"))
    for wrong in (values * 255, values - 0.5, np.where(values > 0.9, np.nan, values)):
        with pytest.raises(UsageError, match="from 0 to 1"):
            load_image(wrong)


def test_integers_of_32_bits_have_no_range() -> None:
    values = np.array([[0, 100_000]], dtype=np.int32)
    with pytest.raises(ImageError, match="no known range"):
        load_image(encoded(PIL.Image.fromarray(values), "TIFF"))


# --- arrays --------------------------------------------------------------------------------------


def test_arrays_of_other_types() -> None:
    grey = pattern()[..., 0]
    expected = np.repeat(grey[..., None], 3, axis=2)
    np.testing.assert_array_equal(load_image(grey), expected)
    np.testing.assert_array_equal(load_image(grey[..., None]), expected)
    np.testing.assert_array_equal(load_image(deep(3)), pattern())
    np.testing.assert_array_equal(load_image(np.array([[True, False]])), [[[255] * 3, [0] * 3]])
    assert load_image(np.array([[0, 128, 129, 65535]], dtype=np.uint16))[0, :, 0].tolist() == [0, 0, 1, 255]


@pytest.mark.parametrize("shape", [(5,), (5, 5, 2), (5, 5, 5), (1, 5, 5, 3), (0, 5, 3), (5, 0), ()])
def test_arrays_of_no_picture(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeMismatch, match="shape"):
        load_image(np.zeros(shape, dtype=np.uint8))


@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.uint32, np.complex64, object])
def test_arrays_of_no_known_range(dtype: Any) -> None:
    with pytest.raises(ShapeMismatch, match="type"):
        load_image(np.zeros((4, 4, 3), dtype=dtype))


# --- animations and HEIC -------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP", "TIFF", "AVIF", "MPO"])  # MPO: JPEGs of phones with depth
def test_the_first_frame_is_taken(kind: str) -> None:
    frames = [PIL.Image.new("RGB", (32, 24), color) for color in ("red", "lime", "blue")]
    data = encoded(frames[0], kind, save_all=True, append_images=frames[1:])
    assert len(list(ImageSequence.Iterator(PIL.Image.open(io.BytesIO(data))))) == 3
    assert close(load_image(data), np.tile(np.array([255, 0, 0], np.uint8), (24, 32, 1)), 5)


def test_heic(tmp_path: Path) -> None:
    heif = pytest.importorskip("pillow_heif")
    file = tmp_path / "a.heic"
    heif.from_pillow(RGB).save(file, quality=95)
    assert close(load_image(file), pattern(), 20)
    assert "HEIF" not in PIL.Image.OPEN  # nothing was registered behind the user's back
    turned = PIL.Image.fromarray(np.ascontiguousarray(STORED[6](pattern())))
    heif.from_pillow(turned).save(file, quality=95, exif=exif(6).tobytes())
    assert close(load_image(file), pattern(), 20)
    with pytest.raises(ImageTooLarge):
        load_image(file, max_pixels=1000)
    with pytest.raises(ImageError, match="broken"):
        load_image(file.read_bytes()[:100])


def test_heic_without_the_extra_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif.as_plugin", None)
    with pytest.raises(ImageError, match=r"pip install 'mien\[heif\]'"):
        load_image(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0" * 50)


# --- limits --------------------------------------------------------------------------------------


def huge_png(width: int, height: int) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def test_a_huge_picture_is_refused_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "bomb.png"
    path.write_bytes(huge_png(20_000, 20_000))
    with pytest.raises(ImageTooLarge, match=r"bomb\.png has 20000 x 20000 pixels.*200,000,000.*max_pixels="):
        load_image(path)
    with pytest.raises(ImageTooLarge):
        load_image(PIL.Image.new("1", (20_000, 20_000)))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "AVIF", "JPEG2000", "PPM", "QOI"])
def test_the_limit_holds_for_every_format(kind: str) -> None:
    data = encoded(RGB, kind)
    with pytest.raises(ImageTooLarge):
        load_image(data, max_pixels=64 * 48 - 1)
    assert load_image(data, max_pixels=64 * 48).shape == (48, 64, 3)


def test_the_limit_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MIEN_MAX_PIXELS", "100")
    with pytest.raises(ImageTooLarge):
        load_image(JPEG)
    assert load_image(JPEG, max_pixels=10_000).shape == (48, 64, 3)
    monkeypatch.setenv("MIEN_MAX_PIXELS", "many")
    with pytest.raises(UsageError, match="MIEN_MAX_PIXELS"):
        load_image(JPEG)
    monkeypatch.setenv("MIEN_MAX_PIXELS", "")
    load_image(JPEG)
    for wrong in (0, -1):
        with pytest.raises(UsageError, match="max_pixels"):
            load_image(JPEG, max_pixels=wrong)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "AVIF"])
def test_the_limit_is_not_pillows(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    assert load_image(encoded(RGB, kind)).shape == (48, 64, 3)  # neither its error nor its warning


@pytest.mark.parametrize("kind", ["TIFF", "WEBP"])
def test_pillows_own_limit_is_an_error_of_ours(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    data = encoded(RGB, kind)
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(ImageTooLarge, match=f"than Pillow takes in {kind}"):
        load_image(data)


def test_one_pixel() -> None:
    assert load_image(png(PIL.Image.new("RGB", (1, 1), "lime"))).tolist() == [[[0, 255, 0]]]
    assert load_image(encoded(PIL.Image.new("RGB", (1, 1)), "JPEG")).shape == (1, 1, 3)


# --- bad input -----------------------------------------------------------------------------------


def check_one_sentence(error: BaseException, name: str) -> None:
    message = str(error)
    assert message.startswith(name)
    assert message.endswith(".")
    assert not message.endswith("..")
    assert "\n" not in message


@pytest.mark.parametrize(
    ("name", "content", "kind", "says"),
    [
        ("empty.jpg", b"", SourceError, "is empty"),
        ("text.jpg", b"this is not a picture\n", ImageError, "not a picture"),
        ("short.jpg", b"\xff\xd8\xff", ImageError, "broken"),
        ("page.pdf", b"%PDF-1.7\n", ImageError, "not a picture"),
        ("a.eps", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", ImageError, "not a picture"),
        ("a.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>", ImageError, "not a picture"),
        ("cut.jpg", JPEG[: len(JPEG) // 2], ImageError, "cut short"),
        ("cut_at_the_end.jpg", JPEG[:-20], ImageError, "cut short"),
        ("cut_thumbnail.jpg", JPEG[:2] + b"\xff\xfe\x00\x04\xff\xd9" + JPEG[2:-99], ImageError, "cut short"),
        ("header_only.jpg", JPEG[: JPEG.index(b"\xff\xda")], ImageError, "broken"),
        ("cut.png", png(RGB)[:-60], ImageError, "cut short"),
        ("cut.webp", encoded(RGB, "WEBP")[:-40], ImageError, "broken"),
        ("cut.tiff", encoded(RGB, "TIFF")[:-400], ImageError, "broken"),
        ("cut.bmp", encoded(RGB, "BMP")[:-400], ImageError, "cut short"),
        ("cut.avif", encoded(RGB, "AVIF")[:-40], ImageError, "broken"),
        ("cut.jp2", encoded(RGB, "JPEG2000")[:200], ImageError, "broken"),
        ("zero.ppm", b"P6 0 0 255\n", ImageError, "broken"),
    ],
)
def test_broken_files(tmp_path: Path, name: str, content: bytes, kind: type[InputError], says: str) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(kind, match=says) as caught:
        load_image(path)
    check_one_sentence(caught.value, str(path))
    with pytest.raises(kind, match=says):
        load_image(content)


def test_paths_that_are_no_files(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    cases = {
        tmp_path: "is a folder",
        tmp_path / "none.jpg": "does not exist",
        tmp_path / "pipe.jpg": "not a regular file",
        Path("/dev/zero"): "not a regular file",
        tmp_path / ("x" * 300): "cannot be read",
    }
    for path, says in cases.items():
        with pytest.raises(SourceError, match=says) as caught:
            load_image(path)
        check_one_sentence(caught.value, str(path))
    with pytest.raises(SourceError, match="not a path"):
        load_image("a\0b")


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "secret.jpg"
    path.write_bytes(JPEG)

    def refuse(*args: Any) -> Any:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)  # file modes do not stop root, who may run this
    with pytest.raises(SourceError, match=r"secret\.jpg cannot be read: Permission denied\."):
        load_image(path)


def test_sources_that_are_none(tmp_path: Path) -> None:
    for source in (None, 5, [1, 2], object()):
        with pytest.raises(UsageError, match="a picture is a path"):
            load_image(source)
    with pytest.raises(UsageError, match="open as text"):
        load_image(io.StringIO("text"))
    closed = io.BytesIO(JPEG)
    closed.close()
    with pytest.raises(SourceError, match="closed"):
        load_image(closed)


SEEDS = [
    encoded(RGB.resize((16, 12)), kind) for kind in ("JPEG", "PNG", "WEBP", "TIFF", "GIF", "BMP", "JPEG2000", "QOI")
]


@given(
    st.sampled_from(SEEDS),
    st.lists(st.tuples(st.integers(0, 600), st.binary(max_size=6)), max_size=4),
    st.integers(20, 2000),
)
@settings(max_examples=300)
@pytest.mark.filterwarnings("ignore")
def test_damaged_files_give_a_picture_or_our_error(data: bytes, edits: list[tuple[int, bytes]], length: int) -> None:
    damaged = bytearray(data)
    for at, new in edits:
        damaged[at : at + len(new)] = new
    try:
        picture = load_image(bytes(damaged[:length]), max_pixels=1_000_000)
    except InputError as error:
        check_one_sentence(error, "the picture given as bytes")
        return
    assert picture.dtype == np.uint8
    assert picture.ndim == 3


# --- writing -------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".png", ".tif", ".tiff", ".bmp", ".PNG"])
def test_what_is_written_is_read_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"ä 顔{suffix}"
    save_image(pattern(), path)
    np.testing.assert_array_equal(load_image(path), pattern())
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".jpg", ".jpeg", ".webp", ".avif"])
def test_quality(tmp_path: Path, suffix: str) -> None:
    for quality in (30, 95, 100):
        save_image(pattern(), tmp_path / f"{quality}{suffix}", quality=quality)
    error = [np.abs(load_image(tmp_path / f"{q}{suffix}").astype(int) - pattern()).mean() for q in (30, 95, 100)]
    assert error[0] > error[1] >= error[2]
    assert error[1] < 2
    if suffix == ".webp":
        assert error[2] == 0


@pytest.mark.parametrize("suffix", [".png", ".tif", ".webp"])
def test_grey_and_alpha_are_written(tmp_path: Path, suffix: str) -> None:
    rgba = np.dstack([pattern(), pattern()[..., 0]])
    save_image(rgba, tmp_path / f"a{suffix}", quality=100)
    np.testing.assert_array_equal(np.asarray(PIL.Image.open(tmp_path / f"a{suffix}"))[..., 3], rgba[..., 3])
    save_image(pattern()[..., 0], tmp_path / f"g{suffix}", quality=100)
    np.testing.assert_array_equal(load_image(tmp_path / f"g{suffix}")[..., 1], pattern()[..., 0])


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp", ".tif", ".avif"])
def test_a_packet_is_embedded(tmp_path: Path, suffix: str) -> None:
    packet = "<x:xmpmeta xmlns:x='adobe:ns:meta/'>mérk</x:xmpmeta>".encode()
    save_image(pattern(), tmp_path / f"a{suffix}", xmp=packet)
    with PIL.Image.open(tmp_path / f"a{suffix}") as picture:
        found = picture.info["xmp"]
    assert (found.encode() if isinstance(found, str) else found) == packet
    assert close(load_image(tmp_path / f"a{suffix}"), pattern(), 30)


def test_what_cannot_be_written_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\.xyz must end in one of \.jpg"):
        save_image(pattern(), tmp_path / "a.xyz")
    with pytest.raises(UsageError, match="must end in"):
        save_image(pattern(), tmp_path / "a")
    with pytest.raises(UsageError, match="BMP holds no XMP"):
        save_image(pattern(), tmp_path / "a.bmp", xmp=b"x")
    with pytest.raises(UsageError, match="JPEG cannot hold"):
        save_image(np.zeros((4, 4, 4), np.uint8), tmp_path / "a.jpg")
    with pytest.raises(UsageError, match="WEBP cannot hold"):
        save_image(np.zeros((1, 20_000, 3), np.uint8), tmp_path / "a.webp")
    with pytest.raises(UsageError, match="JPEG cannot hold"):
        save_image(pattern(), tmp_path / "a.jpg", xmp=b"x" * 70_000)
    for wrong in (np.zeros((4, 4, 3)), np.zeros((4, 4, 2), np.uint8), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(ShapeMismatch, match="a picture to save"):
            save_image(wrong, tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_bytes(b"")
    for path in (tmp_path / "none" / "a.png", tmp_path / "folder.png", tmp_path / "file" / "a.png"):
        with pytest.raises(StorageError, match="could not be written") as caught:
            save_image(pattern(), path)
        check_one_sentence(caught.value, str(path))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "folder.png"]


def test_a_full_disk_leaves_the_old_file(tmp_path: Path) -> None:
    """A process that may write 10,000 bytes a file, which fails in the middle of the write as a full disk does."""
    path = tmp_path / "a.png"
    save_image(pattern(), path)
    code = f"""
import resource, signal, numpy as np
from mien.core.errors import StorageError
from mien.core.image import save_image
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
try:
    save_image(np.random.default_rng(0).integers(0, 255, (200, 200, 3), dtype=np.uint8), {str(path)!r})
except StorageError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "a.png could not be written: File too large." in done.stdout
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    np.testing.assert_array_equal(load_image(path), pattern())


# --- real photos ---------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.parametrize(
    "folder",
    [
        pytest.param("detect_noses", marks=pytest.mark.slow),
        "landmarks68_boxes",
        "rotated",
        "pose",
        "parsing",
        "identities",
    ],
)
def test_real_photos_are_what_pillow_makes_of_them(shared_data: Path, folder: str) -> None:
    """OpenCV's quick way gives the same pixels, upright."""
    photos = [p for p in sorted((shared_data / folder).rglob("*")) if p.suffix in (".jpg", ".jpeg", ".png")]
    assert photos
    for photo in photos[:12]:
        with PIL.Image.open(photo) as opened:
            reference = np.asarray(ImageOps.exif_transpose(opened).convert("RGB"))
        np.testing.assert_array_equal(load_image(photo), reference)


@pytest.mark.data
def test_a_real_photo_cut_anywhere_is_an_error(shared_data: Path) -> None:
    data = (shared_data / "detect_noses" / "000_5.jpg").read_bytes()
    for length in np.linspace(1, len(data) - 3, 25).astype(int):
        with pytest.raises(ImageError):
            load_image(data[:length])
