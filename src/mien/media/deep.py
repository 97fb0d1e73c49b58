"""Pictures of more than 8 bits: edited through a proxy of 8, and kept in all their depth.

Whoever edits sees `Deep.proxy`, an ordinary picture. `Deep.changed` puts what became of it into the deep one: the
difference is added in display terms, so that the fine steps of the original stay, and a pixel without one keeps its
bits. Pictures of 16 bits are PNG and TIFF; EXR needs the extra ``mien[exr]``: see `mien.media.exr`.
"""

from __future__ import annotations

import io
import os
import struct
import warnings
import zlib
from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, ShapeMismatch, SourceError, UsageError
from mien.core.image import Image, load_image, pixel_limit
from mien.media.sinks import write_bytes
from mien.media.xmp import embed_packet

__all__ = ["Deep", "Sixteen", "is_exr"]

Words = NDArray[np.uint16]
PNG_START = b"\x89PNG\r\n\x1a\n"
EXR_START = b"\x76\x2f\x31\x01"
TIFF_STARTS = (b"II*\0", b"MM\0*")
ICC, XMP_TAG, ORIENTATION = 34675, 700, 274  # TIFF tags
FINER = 257  # 16-bit steps of an 8-bit one


class Deep(ABC):
    """A picture of more than 8 bits, which never changes.

    Attributes
    ----------
    suffixes : tuple of str
        Of files that keep its depth.
    """

    suffixes: ClassVar[tuple[str, ...]]

    @staticmethod
    def open(path: str | os.PathLike[str], *, max_pixels: int | None = None) -> Deep | None:
        """Read a deep picture.

        Parameters
        ----------
        path : path
        max_pixels : int, optional
            As in `mien.load_image`.

        Returns
        -------
        Deep or None
            None for a picture of 8 bits, or of a format that is not kept deep: `mien.load_image` reads that.

        Raises
        ------
        SourceError
            If the file is missing or cannot be read.
        ImageError
            If it is broken; `ImageTooLarge` if it has more than `max_pixels`. Also if it is EXR, and ``mien[exr]`` is
            not installed.
        """
        limit = pixel_limit(max_pixels)
        try:
            if Path(path).is_fifo():  # to open it is to wait for its other end; `mien.load_image` says so
                return None
            with Path(path).open("rb") as file:
                head = file.read(32)
                if not head.startswith((PNG_START, EXR_START, *TIFF_STARTS)) or _is_shallow_png(head):
                    return None
                data = head + file.read()
        except OSError as error:
            raise SourceError(f"{os.fspath(path)} cannot be read: {error.strerror or error}.") from error
        except ValueError as error:  # a null character
            raise SourceError(f"{os.fspath(path)!r} is not a path: {error}.") from error
        if head.startswith(EXR_START):
            from mien.media.exr import Exr

            return Exr.decode(data, str(path), limit)
        return Sixteen.decode(data, str(path), limit)

    @property
    @abstractmethod
    def proxy(self) -> Image:
        """What an ordinary screen shows of it: (H, W, 3) uint8 RGB, upright."""

    @abstractmethod
    def changed(self, edited: Image, mask: NDArray[np.uint8] | None = None) -> Self:
        """The picture with what became of its proxy.

        Parameters
        ----------
        edited : (H, W, 3) uint8
            The proxy, changed.
        mask : (H, W) uint8, optional
            Where it may have been: where it is 0, each pixel keeps its bits, whatever `edited` says. By default, all
            pixels that are not the proxy's.

        Raises
        ------
        ShapeMismatch
            If they are not as large as the proxy.
        """

    @abstractmethod
    def encode(self, suffix: str, *, xmp: bytes | None = None) -> bytes:
        """The file of this suffix, one of `suffixes`, with an XMP packet in it."""

    def save(self, path: str | os.PathLike[str], *, xmp: bytes | None = None) -> Path:
        """Write it in its depth; the file appears complete or not at all.

        Parameters
        ----------
        path : path
            Ends in one of `suffixes`.
        xmp : bytes, optional
            An XMP packet, such as a mark of provenance.

        Raises
        ------
        UsageError
            If the suffix is none of them.
        StorageError
            If it cannot be written.
        """
        target = Path(path)
        if target.suffix.lower() not in self.suffixes:
            raise UsageError(f"{target.name}: in its depth, this picture is written as {' or '.join(self.suffixes)}.")
        write_bytes(target, self.encode(target.suffix.lower(), xmp=xmp))
        return target

    def _difference(self, edited: Image, mask: NDArray[np.uint8] | None) -> tuple[NDArray[np.int16], NDArray[np.bool_]]:
        """What was added to the proxy, and in which pixels anything was."""
        if edited.shape != self.proxy.shape or (mask is not None and mask.shape != edited.shape[:2]):
            raise ShapeMismatch(f"what became of a picture of {self.proxy.shape} is as large, not {edited.shape}.")
        more = edited.astype(np.int16) - self.proxy.astype(np.int16)
        where = np.asarray(more.any(axis=2))
        return more, np.asarray(where if mask is None else where & (mask > 0))


@dataclass(frozen=True, eq=False)
class Sixteen(Deep):
    """A picture of 16 bits a channel: PNG or TIFF.

    Parameters
    ----------
    pixels : (H, W, C) uint16
        Upright: grey, grey and alpha, RGB or RGBA.
    icc : bytes
        Its colour profile, kept as it is; empty where it has none.
    """

    pixels: Words
    icc: bytes
    shown: Image

    suffixes: ClassVar[tuple[str, ...]] = (".png", ".tif", ".tiff")

    @classmethod
    def decode(cls, data: bytes, name: str, limit: int) -> Sixteen | None:
        """Read a file's bytes; None where it has not 16 bits. Errors as in `Deep.open`."""
        import cv2

        if data.startswith(TIFF_STARTS) and not _is_deep_tiff(data):
            return None
        shown = load_image(data, max_pixels=limit)  # which judges its size and looks for damage
        try:
            raw = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED | cv2.IMREAD_IGNORE_ORIENTATION)
        except cv2.error as error:
            raise ImageError(f"{name} cannot be decoded in 16 bits: {error.err}.") from error
        if raw is None or raw.dtype != np.uint16:
            return None
        pixels = _upright(_rgb_first(raw.reshape(*raw.shape[:2], -1)), _orientation(data))
        if pixels.shape[:2] != shown.shape[:2]:
            raise ImageError(f"{name} is broken: it is two pictures of different sizes.")
        if not _alike(pixels, shown):
            return None
        return cls(np.ascontiguousarray(pixels, np.uint16), _profile(data), shown)

    @property
    def proxy(self) -> Image:
        """As `mien.load_image` gives it."""
        return self.shown

    def changed(self, edited: Image, mask: NDArray[np.uint8] | None = None) -> Self:
        """See `Deep.changed`; alpha stays as it is, and of a grey picture the mean of the colours counts."""
        more, where = self._difference(edited, mask)
        pixels, colours = self.pixels.copy(), 3 if self.pixels.shape[2] > 2 else 1
        added = more[where].astype(np.int32)
        if colours == 1:
            added = np.rint(added.mean(axis=1, keepdims=True)).astype(np.int32)
        values = pixels[where]
        values[:, :colours] = (values[:, :colours] + FINER * added).clip(0, 0xFFFF)
        pixels[where] = values
        shown = self.shown.copy()
        shown[where] = edited[where]
        return replace(self, pixels=pixels, shown=shown)

    def encode(self, suffix: str, *, xmp: bytes | None = None) -> bytes:
        """See `Deep.encode`."""
        return _png(self.pixels, self.icc, xmp) if suffix == ".png" else _tiff(self.pixels, self.icc, xmp)


def _alike(pixels: Words, shown: Image) -> bool:
    """Whether two decoders read the same, where nothing is transparent: of CMYK and of white that is 0 they do not."""
    high = (pixels >> 8).astype(np.int16)
    colours = high[..., :3] if high.shape[2] > 2 else high[..., :1]
    off = np.abs(colours - shown).max(axis=2)
    if high.shape[2] in (2, 4):
        off = off[pixels[..., -1] == 0xFFFF]
    return not off.size or int(off.max()) <= 2


def is_exr(source: str | os.PathLike[str] | bytes) -> bool:
    """Whether a file, or its bytes, begin as EXR; no of what cannot be read, which is told where it is opened."""
    if isinstance(source, bytes):
        return source.startswith(EXR_START)
    try:
        with Path(source).open("rb") as file:
            return file.read(len(EXR_START)) == EXR_START
    except (OSError, ValueError):  # ValueError: a null character
        return False


def _is_shallow_png(head: bytes) -> bool:
    return head.startswith(PNG_START) and head[24:25] != b"\x10"  # the bit depth, in the header chunk


def _is_deep_tiff(data: bytes) -> bool:
    from PIL.TiffImagePlugin import TiffImageFile

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata
            with TiffImageFile(io.BytesIO(data)) as picture:
                tags = picture.tag_v2
                bits, kinds = tags.get(258, (1,)), tags.get(339, (1,))
    except (OSError, SyntaxError, ValueError, KeyError, TypeError, struct.error):
        return False  # `load_image` says what is wrong with it
    return set(np.atleast_1d(bits).tolist()) == {16} and set(np.atleast_1d(kinds).tolist()) == {1}


def _info(data: bytes) -> tuple[dict[Any, Any], int]:
    from PIL import Image as Pillow

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of large pictures and odd metadata
            with Pillow.open(io.BytesIO(data), formats=("PNG", "TIFF")) as picture:
                return dict(picture.info), int(picture.getexif().get(ORIENTATION, 1))
    except (OSError, SyntaxError, ValueError, TypeError, struct.error, Pillow.DecompressionBombError):
        return {}, 1


def _profile(data: bytes) -> bytes:
    profile = _info(data)[0].get("icc_profile", b"")
    return profile if isinstance(profile, bytes) else b""


def _orientation(data: bytes) -> int:
    return _info(data)[1]


def _rgb_first(pixels: NDArray[Any]) -> NDArray[Any]:
    """Channels in the order RGB, of OpenCV's."""
    return pixels[..., [2, 1, 0, *range(3, pixels.shape[2])]] if pixels.shape[2] > 2 else pixels


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """By EXIF's orientation: its first bits mirror, its third swaps the axes."""
    if orientation not in range(2, 9):
        return pixels
    if orientation > 4:
        pixels = pixels.swapaxes(0, 1)
    flip_x, flip_y = {2: (1, 0), 3: (1, 1), 4: (0, 1), 5: (0, 0), 6: (1, 0), 7: (1, 1), 8: (0, 1)}[orientation]
    return pixels[:: -1 if flip_y else 1, :: -1 if flip_x else 1]


def _png(pixels: Words, icc: bytes, xmp: bytes | None) -> bytes:
    import cv2

    if pixels.shape[2] == 2:  # OpenCV writes no grey with alpha
        pixels = pixels[..., [0, 0, 0, 1]]
    done, buffer = cv2.imencode(".png", np.ascontiguousarray(_rgb_first(pixels)))
    assert done  # noqa: S101 - it is a picture of 16 bits
    data = buffer.tobytes()
    if icc:
        body = b"iCCPICC profile\0\0" + zlib.compress(icc)
        data = data[:33] + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + data[33:]
    return data if xmp is None else embed_packet(data, xmp)


def _tiff(pixels: Words, icc: bytes, xmp: bytes | None) -> bytes:
    """A little-endian TIFF 6.0 of one picture, deflated in strips, each row as differences to the pixel before."""
    height, width, channels = pixels.shape
    rows = max((1 << 18) // max(width * channels * 2, 1), 1)
    near = pixels.copy()
    near[:, 1:] -= pixels[:, :-1]  # modulo 2^16: TIFF's horizontal predictor
    strips = [zlib.compress(near[y : y + rows].astype("<u2").tobytes(), 6) for y in range(0, height, rows)]
    lengths = [len(strip) for strip in strips]
    starts = [8, *(8 + np.cumsum(lengths)[:-1]).tolist()]
    tags: list[tuple[int, str, Any]] = [
        (256, "I", [width]),
        (257, "I", [height]),
        (258, "H", [16] * channels),
        (259, "H", [8]),
        (262, "H", [2 if channels > 2 else 1]),
        (273, "I", starts),
        (277, "H", [channels]),
        (278, "I", [rows]),
        (279, "I", lengths),
        (317, "H", [2]),
    ]
    if channels in (2, 4):
        tags.append((338, "H", [2]))  # alpha that colours are not multiplied by
    if xmp is not None:
        tags.append((XMP_TAG, "B", xmp))
    if icc:
        tags.append((ICC, "B", icc))
    body = b"".join(strips)
    return _with_directory(body + b"\0" * (len(body) % 2), tags)


def _with_directory(body: bytes, tags: list[tuple[int, str, Any]]) -> bytes:
    """A TIFF file of its pixels and its tags: number, type (as in `struct`), values."""
    place = 8 + len(body)
    beyond = place + 2 + 12 * len(tags) + 4
    entries, rest = b"", b""
    for number, kind, values in tags:
        data = bytes(values) if kind == "B" else struct.pack(f"<{len(values)}{kind}", *values)
        data += b"\0" * (len(data) % 2)
        if len(data) > 4:
            where, rest = struct.pack("<I", beyond + len(rest)), rest + data
        else:
            where = data.ljust(4, b"\0")
        entries += struct.pack("<HHI", number, {"B": 1, "H": 3, "I": 4}[kind], len(values)) + where
    if beyond + len(rest) >= 1 << 32:
        raise UsageError("a TIFF holds no more than 4 GB: write a PNG.")
    return b"II*\0" + struct.pack("<I", place) + body + struct.pack("<H", len(tags)) + entries + b"\0" * 4 + rest
