"""Pictures in and out.

Whatever comes in becomes one upright uint8 RGB array; what goes out is written whole or not at all. Colours are taken
as stored: embedded profiles are not applied, as in the toolkits that the models were trained with.
"""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Final, TypeAlias
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from mien.core.decoding import Image, decode, decode_levels, decode_pil, from_array
from mien.core.errors import ShapeMismatch, SourceError, StorageError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

__all__ = [
    "DEFAULT_MAX_PIXELS",
    "IMAGE_SUFFIXES",
    "Image",
    "ImageSource",
    "encode_image",
    "load_image",
    "load_levels",
    "pixel_limit",
    "save_image",
    "write_picture",
]

ImageSource: TypeAlias = "str | os.PathLike[str] | bytes | bytearray | memoryview | BinaryIO | PILImage | NDArray[Any]"
"""What `load_image` takes."""

DEFAULT_MAX_PIXELS: Final = 200_000_000

# How a picture is written: Pillow's name of the format, by suffix.
_SUFFIXES: Final = {
    ".jpg": "JPEG", ".jpeg": "JPEG", ".png": "PNG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF", ".avif": "AVIF",
    ".bmp": "BMP",
}  # fmt: skip

#: What `save_image` writes.
IMAGE_SUFFIXES: Final = tuple(_SUFFIXES)


def load_image(source: ImageSource, *, max_pixels: int | None = None) -> Image:
    """Read a picture from anywhere as an upright uint8 RGB array.

    EXIF orientation is applied. Transparency is laid over white. Grey, palette and CMYK become RGB; 16 bits a channel
    are scaled to 8; of an animation the first frame is taken.

    Parameters
    ----------
    source : path, bytes, binary file, PIL image or array
        JPEG, PNG, WebP, TIFF, GIF, BMP, AVIF, JPEG 2000, PPM, QOI, and HEIC with the extra ``mien[heif]``. A file is
        read from where it stands. Arrays are of shape (H, W), (H, W, 1), (H, W, 3) RGB or (H, W, 4) RGBA, already
        upright: uint8; uint16 over its whole range; bool; floats in [0, 1].
    max_pixels : int, optional
        Largest picture to decode, in pixels; it is judged by the header, before anything is decoded. Default: the
        environment variable ``MIEN_MAX_PIXELS``, else 200 million. Arrays are in memory already and not judged. (Pillow
        itself reads no TIFF or WebP above 179 million.)

    Returns
    -------
    uint8 array of shape (H, W, 3)
        A contiguous uint8 RGB array is returned itself, not a copy.

    Raises
    ------
    SourceError
        A path that is missing, a folder, a pipe, unreadable, or nothing in it.
    ImageError
        Not a picture, or a broken one; `ImageTooLarge` if it has more than `max_pixels`.
    ShapeMismatch
        An array of a shape or type that is none of the above.
    UsageError
        A source of another type, floats outside [0, 1], or a limit that is not a positive number.
    """
    limit = pixel_limit(max_pixels)
    if isinstance(source, np.ndarray):
        return from_array(source)
    if isinstance(source, (str, os.PathLike)):
        name = _printable(source)
        with _open(source, name) as file:
            return decode(file, name, limit)
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decode(io.BytesIO(source), "the picture given as bytes", limit)
    if hasattr(source, "read"):
        name = _printable(getattr(source, "name", "the picture in the file object"))
        try:
            data = source.read()
        except (OSError, ValueError) as error:  # ValueError: it is closed
            raise SourceError(f"{name} cannot be read: {error}.") from error
        if not isinstance(data, bytes):
            raise UsageError(f"{name} is open as text; a picture is read from a file that is open as binary ('rb').")
        return decode(io.BytesIO(data), name, limit)

    from PIL.Image import Image as PILImage

    if isinstance(source, PILImage):
        return decode_pil(source, "the PIL image", limit)
    raise UsageError(
        f"a picture is a path, bytes, a binary file, a PIL image or an array, not {type(source).__name__}."
    )


def load_levels(source: str | os.PathLike[str] | bytes, *, max_pixels: int | None = None) -> NDArray[np.uint8]:
    """Read a mask that is kept as a picture: its alpha if it has any, else its grey.

    Parameters
    ----------
    source : path or bytes
        Of any format that `load_image` reads.
    max_pixels : int, optional
        As in `load_image`.

    Returns
    -------
    uint8 array of shape (H, W)
        0 to 255; 16 bits are scaled to 8.

    Raises
    ------
    SourceError, ImageError, ImageTooLarge
        As `load_image`; also if it has neither alpha nor grey, but colours.
    """
    limit = pixel_limit(max_pixels)
    if isinstance(source, bytes):
        return decode_levels(io.BytesIO(source), "the picture given as bytes", limit)
    name = _printable(source)
    with _open(source, name) as file:
        return decode_levels(file, name, limit)


def save_image(
    image: NDArray[np.uint8], path: str | os.PathLike[str], *, quality: int = 95, xmp: bytes | None = None
) -> None:
    """Write a picture; the file appears complete or not at all.

    Parameters
    ----------
    image : uint8 array of shape (H, W, 3) RGB, (H, W) grey or (H, W, 4) RGBA
        JPEG and BMP take no alpha.
    path : path
        Its suffix names the format: .jpg .jpeg .png .webp .tif .tiff .avif .bmp. An existing file is replaced.
    quality : int
        1 to 100, for the formats that lose something. WebP is lossless at 100.
    xmp : bytes, optional
        An XMP packet to embed, such as a mark of provenance. BMP takes none.

    Raises
    ------
    ShapeMismatch
        If `image` is not such an array.
    UsageError
        If the suffix is unknown, or its format cannot hold this picture or a packet.
    StorageError
        If the file cannot be written: no such folder, no permission, a full disk. Nothing is left behind.
    """
    write_picture(Path(path), encode_image(image, path, quality=quality, xmp=xmp))


def write_picture(path: Path, data: bytes) -> None:
    """Write the bytes of a picture's file, which appears complete or not at all; its folder is there.

    Raises
    ------
    StorageError
        If the file cannot be written. Nothing is left behind.
    """
    part = path.with_name(f".{uuid4().hex}.part")
    try:
        try:
            with part.open("xb") as file:
                file.write(data)
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{_printable(path)} could not be written: {error.strerror or error}.") from error


# --- where it comes from -------------------------------------------------------------------------


def pixel_limit(max_pixels: int | None) -> int:
    """The largest picture to decode, in pixels: the one given, else ``MIEN_MAX_PIXELS``, else 200 million.

    Raises
    ------
    UsageError
        If it is not a positive number.
    """
    name: str = "max_pixels"
    value: int | str | None = max_pixels
    if value is None:
        name, value = "MIEN_MAX_PIXELS", os.environ.get("MIEN_MAX_PIXELS") or DEFAULT_MAX_PIXELS
    try:
        limit = int(value)
    except (TypeError, ValueError):
        limit = 0
    if limit <= 0:
        raise UsageError(f"{name} must be a number of pixels above 0, not {value!r}.")
    return limit


def _printable(path: object) -> str:
    """A name for messages that any terminal can print, even of a path that is not valid Unicode."""
    return str(path).encode("utf-8", "replace").decode()


def _open(path: str | os.PathLike[str], name: str) -> BinaryIO:
    try:
        kind = Path(path).stat().st_mode
        if stat.S_ISDIR(kind):
            raise SourceError(f"{name} is a folder, not a picture.")
        if not stat.S_ISREG(kind):  # to open a pipe is to wait for its other end
            raise SourceError(f"{name} is not a regular file.")
        return Path(path).open("rb")
    except FileNotFoundError:
        hint = " Addresses are not read: fetch it first." if "://" in name else ""
        raise SourceError(f"{name} does not exist.{hint}") from None
    except OSError as error:
        raise SourceError(f"{name} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a null character
        raise SourceError(f"{name!r} is not a path: {error}.") from error


# --- encoding ------------------------------------------------------------------------------------


def encode_image(
    image: NDArray[np.uint8],
    path: str | os.PathLike[str],
    *,
    quality: int = 95,
    xmp: bytes | None = None,
    profile: bytes | None = None,
) -> bytes:
    """The bytes of the file that `save_image` writes, which names the parameters and the errors.

    Parameters
    ----------
    image : uint8 array
    path : path
        Its suffix names the format; nothing is written there.
    quality : int
    xmp : bytes, optional
    profile : bytes, optional
        ICC: how the colours are meant. BMP takes none.
    """
    path = Path(path)
    import PIL.Image
    from PIL.PngImagePlugin import PngInfo

    kind = _SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise UsageError(f"{_printable(path)} must end in one of {', '.join(_SUFFIXES)}.")
    image = np.asarray(image)
    if image.dtype != np.uint8 or not image.size or image.ndim not in (2, 3) or image.shape[2:] not in ((), (3,), (4,)):
        raise ShapeMismatch(
            f"a picture to save is uint8 of shape (H, W), (H, W, 3) or (H, W, 4), not {image.dtype} {image.shape}."
        )
    if xmp is not None and kind == "BMP":
        raise UsageError(f"{_printable(path)}: BMP holds no XMP packet.")
    every: dict[str, dict[str, Any]] = {
        "JPEG": {"quality": quality, "subsampling": 0},
        "WEBP": {"quality": quality, "lossless": quality == 100},
        "AVIF": {"quality": quality},
        "TIFF": {"compression": "tiff_lzw"},
    }
    options = every.get(kind, {})
    if profile is not None and kind != "BMP":
        options["icc_profile"] = profile
    if xmp is not None and kind == "PNG":
        options["pnginfo"] = PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", xmp.decode())
    elif xmp is not None and kind == "TIFF":
        options["tiffinfo"] = {700: xmp}
    elif xmp is not None:
        options["xmp"] = xmp
    buffer = io.BytesIO()
    try:
        PIL.Image.fromarray(image).save(buffer, kind, **options)
    except (OSError, ValueError) as error:
        raise UsageError(f"{_printable(path)}: {kind} cannot hold this picture: {error}.") from error
    return buffer.getvalue()
