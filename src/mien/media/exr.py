"""EXR: pictures in linear light, of half or full floats, with any number of layers; needs ``mien[exr]``.

Only the colours are edited: the other channels, layers, parts and attributes stay as they are. The colours are taken
for those of sRGB's primaries, as most tools take them: an attribute that names others is kept, and not applied.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageError, ImageTooLarge, UsageError
from mien.core.image import Image
from mien.media.deep import Deep

__all__ = ["XMP", "Exr", "read_exr_packet"]

Floats = NDArray[np.floating]
XMP = "xmp"  #: attribute that holds the packet, as other tools name it
COLOURS = (("R", "G", "B"), ("Y",))  # channels that are edited, of the first layer that has them

STAYS = 24  # power by which a highlight goes with the white that is taken from it


@dataclass(frozen=True, eq=False)
class _Part:
    """A part of a file: its attributes and its channels by name, as the library gives them."""

    header: Mapping[str, Any]
    channels: Mapping[str, Any]
    name: str


@dataclass(frozen=True, eq=False)
class Exr(Deep):
    """An EXR picture.

    Parameters
    ----------
    parts : sequence of parts
    place : int
        The part that is edited.
    names : tuple of str
        Its channels that are: red, green and blue, or one of brightness.
    values : (H, W, 3 or 1) float32
        What they hold, in linear light.
    """

    parts: Sequence[_Part]
    place: int
    names: tuple[str, ...]
    values: NDArray[np.float32]

    suffixes: ClassVar[tuple[str, ...]] = (".exr",)

    @classmethod
    def decode(cls, data: bytes, name: str, limit: int) -> Exr:
        """Read a file's bytes. Errors as in `Deep.open`."""
        for part in _open(data, name, header_only=True):
            (x1, y1), (x2, y2) = part.header["dataWindow"]
            width, height = int(x2) - int(x1) + 1, int(y2) - int(y1) + 1
            if width * height > limit:
                raise ImageTooLarge(
                    f"{name} has {width} x {height} pixels, more than the limit of {limit:,}; "
                    "raise it with max_pixels= or MIEN_MAX_PIXELS if you trust the file."
                )
        parts = _open(data, name)
        for place, part in enumerate(parts):
            names = _colours(part.channels)
            if names:
                planes = [np.asarray(part.channels[one].pixels) for one in names]
                if any(plane.ndim != 2 or plane.shape != planes[0].shape or not plane.size for plane in planes):
                    raise ImageError(f"{name}: its colours are of different sizes, which is not read.")
                return cls(tuple(parts), place, names, np.stack(planes, axis=-1).astype(np.float32))
        raise ImageError(f"{name} has no channels R, G and B, nor Y.")

    @cached_property
    def proxy(self) -> Image:
        """Brightness from 0 to 1 as sRGB shows it; what is above 1 is white."""
        shown = np.rint(255 * _encoded(np.nan_to_num(self.values).clip(0, 1))).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(shown, (*shown.shape[:2], 3)))

    def changed(self, edited: Image, mask: NDArray[np.uint8] | None = None) -> Self:
        """See `Deep.changed`; what is brighter than white stays so as far as it was left white."""
        more, where = self._difference(edited, mask)
        added = more[where].astype(np.float32) / np.float32(255)
        if len(self.names) == 1:
            added = added.mean(axis=1, keepdims=True, dtype=np.float32)
        values = self.values.copy()
        values[where] = _decoded(_added(_encoded(values[where]), added))
        part = self.parts[self.place]
        channels = dict(part.channels)
        for place, name in enumerate(self.names):
            channels[name] = _with_values(channels[name], values[..., place], where)
        parts = [*self.parts]
        parts[self.place] = replace(part, channels=channels)
        return replace(self, parts=tuple(parts), values=values)

    def encode(self, suffix: str, *, xmp: bytes | None = None) -> bytes:  # noqa: ARG002 - there is one
        """See `Deep.encode`."""
        import OpenEXR

        parts = []
        for part in self.parts:
            header = dict(part.header) | ({XMP: xmp.decode()} if xmp is not None else {})
            parts.append(OpenEXR.Part(header, dict(part.channels), part.name))
        stream = io.BytesIO()
        try:
            OpenEXR.File(parts).write(stream)
        except (RuntimeError, ValueError, TypeError) as error:
            raise UsageError(f"this EXR cannot be written again: {str(error).rstrip('.')}.") from error
        return stream.getvalue()


def read_exr_packet(data: bytes, name: str) -> bytes | None:
    """The XMP packet in an EXR file's bytes; None where it has none. Errors as in `Deep.open`."""
    for part in _open(data, name, header_only=True):
        packet = part.header.get(XMP)
        if packet:
            return packet if isinstance(packet, bytes) else str(packet).encode()
    return None


def _open(data: bytes, name: str, *, header_only: bool = False) -> list[_Part]:
    try:
        import OpenEXR
    except ImportError as error:
        raise ImageError(f"{name} is EXR, which needs one more package: pip install 'mien[exr]'.") from error
    try:
        file = OpenEXR.File(io.BytesIO(data), separate_channels=True, header_only=header_only)
        parts = [_Part(part.header, part.channels, part.name()) for part in file.parts]
    except (RuntimeError, ValueError, TypeError, LookupError, MemoryError) as error:
        raise ImageError(f"{name} is a broken EXR, or of a kind that is not read.") from error
    if not parts:
        raise ImageError(f"{name} is a broken EXR: its pixels cannot be read.")
    return parts


def _colours(channels: Mapping[str, Any]) -> tuple[str, ...]:
    """The channels of the first layer that has colours; the one without a name before the others."""
    layers = sorted({name.rpartition(".")[0] for name in channels})
    for wanted in COLOURS:
        for layer in layers:
            names = tuple(f"{layer}.{one}" if layer else one for one in wanted)
            if all(name in channels and np.asarray(channels[name].pixels).dtype.kind == "f" for name in names):
                return names
    return ()


def _with_values(channel: Any, values: NDArray[np.float32], where: NDArray[np.bool_]) -> Any:
    """A channel of the same type with other values in some pixels."""
    import OpenEXR

    pixels = channel.pixels.copy()
    limits = np.finfo(pixels.dtype)
    pixels[where] = values[where].clip(limits.min, limits.max)
    return OpenEXR.Channel(channel.name, pixels, channel.xSampling, channel.ySampling, channel.pLinear)


def _added(shown: NDArray[np.float32], more: NDArray[np.float32]) -> NDArray[np.float32]:
    """Brightness in display terms, with what was added to its proxy, which is 1 wherever that is above.

    What is brighter than white keeps that as far as it stayed white: a highlight that was painted over is gone.
    """
    over, stays = np.maximum(shown - 1, 0), (1 + more).clip(0, 1) ** STAYS
    over = np.where(stays > 0, over, 0)  # it may be infinite, and no number times 0
    return np.asarray(np.minimum(shown, 1) + more + over * stays, np.float32)


def _encoded(light: NDArray[np.float32]) -> NDArray[np.float32]:
    """Linear light by sRGB's curve, which goes on above 1; below 0 it is mirrored."""
    size = np.abs(light)
    curve = np.where(size <= 0.0031308, 12.92 * size, 1.055 * np.maximum(size, 0.0031308) ** (1 / 2.4) - 0.055)
    return np.asarray(np.copysign(curve, light), np.float32)


def _decoded(shown: NDArray[np.float32]) -> NDArray[np.float32]:
    """The inverse of `_encoded`."""
    size = np.abs(shown)
    curve = np.where(size <= 0.04045, size / 12.92, ((np.maximum(size, 0.04045) + 0.055) / 1.055) ** 2.4)
    return np.asarray(np.copysign(curve, shown), np.float32)
