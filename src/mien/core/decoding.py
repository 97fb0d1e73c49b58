"""What stands behind `load_image`: encoded pictures and arrays of all kinds become upright uint8 RGB arrays."""

from __future__ import annotations

import importlib
import re
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, ImageTooLarge, ShapeMismatch, SourceError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

__all__ = ["Image", "decode", "decode_levels", "decode_pil", "from_array"]

Image: TypeAlias = NDArray[np.uint8]
"""An upright picture: uint8 RGB of shape (H, W, 3)."""

# Raster formats, the Pillow module that reads each, and how its files begin. Only what Pillow decodes with code of its
# own: nothing that runs another program (EPS), draws (WMF) or cannot be known by its first bytes (TGA).
_FORMATS: Final = {
    "JPEG": ("PIL.JpegImagePlugin", rb"\xff\xd8\xff"),
    "PNG": ("PIL.PngImagePlugin", rb"\x89PNG\r\n\x1a\n"),
    "WEBP": ("PIL.WebPImagePlugin", rb"RIFF....WEBP"),
    "AVIF": ("PIL.AvifImagePlugin", rb"....ftyp(avif|avis|m(if|sf)1.*avif)"),
    "HEIF": ("pillow_heif.as_plugin", rb"....ftyp(hei[cmsx]|hev[cmsx]|m(if|sf)1)"),
    "TIFF": ("PIL.TiffImagePlugin", rb"II[*+]\0|MM\0[*+]"),
    "GIF": ("PIL.GifImagePlugin", rb"GIF8[79]a"),
    "BMP": ("PIL.BmpImagePlugin", rb"BM"),
    "JPEG2000": ("PIL.Jpeg2KImagePlugin", rb"\xff\x4f\xff\x51|\0\0\0\x0cjP  \r\n\x87\n"),
    "PPM": ("PIL.PpmImagePlugin", rb"P[1-6f]\s"),
    "QOI": ("PIL.QoiImagePlugin", rb"qoif"),
}

# What Pillow's readers raise on bytes that are not what they claim to be.
_BROKEN: Final = (
    ArithmeticError, AttributeError, EOFError, LookupError, OSError, RuntimeError, SyntaxError, TypeError, ValueError,
    struct.error, zlib.error,
)  # fmt: skip

# EXIF tag.
_ORIENTATION_TAG: Final = 0x0112


def decode(file: BinaryIO, name: str, limit: int) -> Image:
    """Decode a file that is open as binary; `name` is for messages, `limit` in pixels. Errors as in `load_image`."""
    picture = _identify(file, name)
    if picture.format in ("JPEG", "MPO") and picture.mode in ("RGB", "L"):
        _check_size(picture, name, limit)
        file.seek(0)
        pixels = _decode_jpeg(file.read())
        if pixels is not None:
            return _upright(pixels, _orientation(picture))
    return decode_pil(picture, name, limit)


def decode_levels(file: BinaryIO, name: str, limit: int) -> NDArray[np.uint8]:
    """Decode a file as a mask: its alpha, or its grey, as uint8 of shape (H, W). Errors as in `load_image`."""
    return _decode(_identify(file, name), name, limit, _to_levels)


def _identify(file: BinaryIO, name: str) -> PILImage:
    """Read a picture's header.

    `PIL.Image.open` would do, but for its limit and its warnings, which hang on a global that is not ours to change.
    """
    head = file.read(64)
    if not head:
        raise SourceError(f"{name} is empty (0 bytes).")
    kind = next((kind for kind, (_, start) in _FORMATS.items() if re.match(start, head, re.DOTALL)), None)
    if kind is None:
        raise ImageError(f"{name} is not a picture in a format that mien reads.")

    import PIL.Image

    try:
        plugin = importlib.import_module(_FORMATS[kind][0])
    except ImportError as error:
        raise ImageError(f"{name} is HEIC, which needs one more package: pip install 'mien[heif]'.") from error
    read = plugin.HeifImageFile if kind == "HEIF" else PIL.Image.OPEN[kind][0]
    file.seek(0)
    try:
        picture: PILImage = read(file, "")
    except PIL.Image.DecompressionBombError as error:
        raise ImageTooLarge(f"{name} has more pixels than Pillow takes in {kind}.") from error
    except _BROKEN as error:
        raise ImageError(f"{name} is broken: it begins like {kind}, but its header cannot be read.") from error
    return picture


def _decode_jpeg(data: bytes) -> Image | None:
    """Decode with OpenCV: the same pixels as Pillow's (both are libjpeg-turbo), twice as fast in an array.

    None for what it refuses, such as a file cut short: Pillow then says what is wrong.
    """
    import cv2

    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
    except cv2.error:  # beyond OpenCV's own limit of 2**30 pixels
        return None
    return cast("Image | None", pixels)


def decode_pil(picture: PILImage, name: str, limit: int) -> Image:
    """Convert a PIL image, decoded or not yet; `name` is for messages, `limit` in pixels. Errors as in `load_image`."""
    return _decode(picture, name, limit, _to_rgb)


def _decode(
    picture: PILImage, name: str, limit: int, convert: Callable[[PILImage], NDArray[np.uint8]]
) -> NDArray[np.uint8]:
    import PIL.Image

    _check_size(picture, name, limit)
    try:
        picture.load()
        pixels = convert(picture)
    except PIL.Image.DecompressionBombError as error:
        raise ImageTooLarge(f"{name} has more pixels than Pillow takes in {picture.format}.") from error
    except _BROKEN as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ImageError(f"{name} is broken, cut short or of a kind that cannot be decoded: {reason}.") from error
    return _upright(pixels, _orientation(picture))


def _check_size(picture: PILImage, name: str, limit: int) -> None:
    width, height = picture.size
    if width <= 0 or height <= 0:
        raise ImageError(f"{name} has no pixels.")
    if width * height > limit:
        raise ImageTooLarge(
            f"{name} has {width} x {height} pixels, more than the limit of {limit:,}; "
            "raise it with max_pixels= or MIEN_MAX_PIXELS if you trust the file."
        )


def _to_rgb(picture: PILImage) -> Image:
    import PIL.Image

    if picture.mode.startswith("I;16") or picture.mode == "F":
        return from_array(np.asarray(picture))
    if picture.mode == "I":  # 32 bits, which Pillow uses for 16-bit PGM
        values = np.asarray(picture)
        if values.min() < 0 or values.max() > 0xFFFF:
            raise ValueError("32-bit values have no known range")
        return from_array(values.astype(np.uint16))
    if picture.has_transparency_data:
        picture = picture.convert("LA").convert("RGBA") if picture.mode == "La" else picture.convert("RGBA")
        picture = PIL.Image.alpha_composite(PIL.Image.new("RGBA", picture.size, "white"), picture)
    return np.array(picture if picture.mode == "RGB" else picture.convert("RGB"))


def _to_levels(picture: PILImage) -> NDArray[np.uint8]:
    if picture.has_transparency_data:
        picture = picture.convert("LA") if picture.mode == "La" else picture
        return np.array(picture.convert("RGBA").getchannel("A"))
    if picture.mode in ("1", "L"):
        return np.array(picture.convert("L"))
    pixels = _to_rgb(picture)
    if (pixels != pixels[..., :1]).any():
        raise ValueError("it is in colour and has no alpha, so it is no mask")
    return np.ascontiguousarray(pixels[..., 0])


def _orientation(picture: PILImage) -> int:
    """EXIF orientation, 1 to 8; 1 where there is none, or none that can be read: the picture is still one."""
    try:
        value = picture.getexif().get(_ORIENTATION_TAG, 1)
    except _BROKEN:
        return 1
    return value if value in range(1, 9) else 1


def _upright(pixels: Image, orientation: int) -> Image:
    if orientation == 1:
        return pixels
    import cv2

    if orientation in (5, 7):
        pixels = cast("Image", cv2.transpose(pixels))
    turns: dict[int, Callable[[Image], Any]] = {
        2: lambda a: cv2.flip(a, 1),
        3: lambda a: cv2.rotate(a, cv2.ROTATE_180),
        4: lambda a: cv2.flip(a, 0),
        5: lambda a: a,
        6: lambda a: cv2.rotate(a, cv2.ROTATE_90_CLOCKWISE),
        7: lambda a: cv2.rotate(a, cv2.ROTATE_180),
        8: lambda a: cv2.rotate(a, cv2.ROTATE_90_COUNTERCLOCKWISE),
    }
    return cast("Image", turns[orientation](pixels))


def from_array(array: NDArray[Any]) -> Image:
    """Convert an array of pixels; types, shapes and errors as in `load_image`."""
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if not array.size or array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] not in (3, 4)):
        raise ShapeMismatch(f"a picture has the shape (H, W), (H, W, 3) or (H, W, 4), not {array.shape}.")
    array = _to_bytes(array)
    if array.ndim == 2:
        return np.repeat(array[..., None], 3, axis=2)
    if array.shape[2] == 4:
        # The sum fits 16 bits: colour and white are weighted by alpha and its rest.
        colour, alpha = array[..., :3].astype(np.uint16), array[..., 3:].astype(np.uint16)
        return np.asarray((colour * alpha + 255 * (255 - alpha) + 127) // 255, dtype=np.uint8)
    return np.ascontiguousarray(array, dtype=np.uint8)


def _to_bytes(array: NDArray[Any]) -> NDArray[np.uint8]:
    if array.dtype == np.uint8:
        return array
    if array.dtype == np.bool_:
        return array.astype(np.uint8) * np.uint8(255)
    if array.dtype.kind == "u" and array.dtype.itemsize == 2:
        return np.asarray((array.astype(np.uint32) + 128) // 257, dtype=np.uint8)
    if array.dtype.kind == "f":
        if not (array.min() >= 0 and array.max() <= 1):  # NaN compares false
            raise UsageError(
                "a picture of floats has values from 0 to 1; scale it, or convert it to uint8 if it has 0 to 255."
            )
        return np.asarray(np.rint(array * 255), dtype=np.uint8)
    raise ShapeMismatch(f"a picture is of type uint8, uint16, bool or float, not {array.dtype}.")
