"""What may stay of a source's metadata in a picture that is to tell nothing of it: how its colours are meant.

Pictures are written from their pixels alone, and videos from frames and sound, so nothing else comes along. A colour
profile is needed to show the colours as they were; but profiles name makers, serial numbers and owners of screens, and
dates. So it is taken apart, and only the numbers stay.
"""

from __future__ import annotations

import io
import os
import struct
from pathlib import Path
from typing import Any, Final

__all__ = ["colors_of", "neutral_profile"]

_LARGEST: Final = 4 << 20  # bytes of a profile
_MOST: Final = 100  # tags
_HEADER: Final = 128
#: Tags that say how colours are meant (ICC.1:2022, section 9.2); all others describe, or are private.
_KEPT: Final = frozenset(
    {b"wtpt", b"bkpt", b"chad", b"rXYZ", b"gXYZ", b"bXYZ", b"rTRC", b"gTRC", b"bTRC", b"cicp"}
    | {b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2"}
)
#: Parts of the header that say who made it, when and on what: preferred program, date, platform, maker, model,
#: attributes, creator and hash.
_TELLING: Final = ((4, 8), (24, 36), (40, 44), (48, 64), (80, 100))


def colors_of(source: Any) -> bytes | None:
    """The colour profile of a picture, with nothing in it that says where it comes from.

    Parameters
    ----------
    source : path, bytes or PIL image
        Anything else has none.

    Returns
    -------
    bytes or None
        None where there is none, or it is none for pictures of red, green and blue.
    """
    import PIL.Image

    if isinstance(source, str | os.PathLike):
        file: Any = Path(source)
    elif isinstance(source, bytes | bytearray | memoryview):
        file = io.BytesIO(source)
    else:
        profile = getattr(source, "info", {}).get("icc_profile") if isinstance(source, PIL.Image.Image) else None
        return None if profile is None else neutral_profile(profile)
    try:
        with PIL.Image.open(file) as picture:
            profile = picture.info.get("icc_profile")
    except (OSError, ValueError, SyntaxError, PIL.Image.DecompressionBombError):  # `load_image` says what is wrong
        return None
    return None if not profile else neutral_profile(profile)


def neutral_profile(profile: bytes) -> bytes | None:
    """A colour profile with its numbers alone.

    Parameters
    ----------
    profile : bytes
        ICC, of any version.

    Returns
    -------
    bytes or None
        None where it is no profile, or none for pictures of red, green and blue.
    """
    if not _HEADER + 4 <= len(profile) <= _LARGEST or profile[36:40] != b"acsp" or profile[16:20] != b"RGB ":
        return None
    count = int.from_bytes(profile[_HEADER : _HEADER + 4], "big")
    if count > _MOST or len(profile) < _HEADER + 4 + 12 * count:
        return None
    tags: dict[bytes, bytes] = {}
    for number in range(count):
        name, start, size = struct.unpack_from(">4sII", profile, _HEADER + 4 + 12 * number)
        if start + size > len(profile):
            return None
        if name in _KEPT:
            tags[name] = profile[start : start + size]
    if not {b"rXYZ", b"A2B0"} & set(tags):
        return None
    text = _text_of_4 if profile[8] >= 4 else _text_of_2
    tags |= {b"desc": text("RGB", b"desc"), b"cprt": text("none", b"text")}
    return _written(profile[:_HEADER], tags)


def _written(header: bytes, tags: dict[bytes, bytes]) -> bytes:
    table, body = [], b""
    start = _HEADER + 4 + 12 * len(tags)
    places: dict[bytes, int] = {}
    for name, data in tags.items():
        if data not in places:  # curves are often shared by the three colours
            places[data] = start + len(body)
            body += data + bytes(-len(data) % 4)
        table.append(struct.pack(">4sII", name, places[data], len(data)))
    clean = bytearray(header)
    for low, high in _TELLING:
        clean[low:high] = bytes(high - low)
    clean[0:4] = (start + len(body)).to_bytes(4, "big")
    clean[24:36] = struct.pack(">6H", 2000, 1, 1, 0, 0, 0)
    clean[100:128] = bytes(28)
    return bytes(clean) + len(tags).to_bytes(4, "big") + b"".join(table) + body


def _text_of_4(text: str, kind: bytes) -> bytes:  # noqa: ARG001 - both versions are called alike
    data = text.encode("utf-16-be")
    return struct.pack(">4sIII2s2sII", b"mluc", 0, 1, 12, b"en", b"US", len(data), 28) + data


def _text_of_2(text: str, kind: bytes) -> bytes:
    data = text.encode("ascii") + b"\0"
    if kind == b"text":
        return struct.pack(">4sI", b"text", 0) + data
    return struct.pack(">4sII", b"desc", 0, len(data)) + data + bytes(4 + 4 + 2 + 1 + 67)
