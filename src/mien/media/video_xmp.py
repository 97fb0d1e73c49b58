"""XMP packets of video files: where each kind of file keeps its own, put there and read from there.

MP4 keeps a packet in a box of its own at the top of the file, QuickTime in its user data: Adobe, *XMP Specification
Part 3: Storage in Files* (2020), sections 1.2.3 and 2.2; ISO/IEC 14496-12 for boxes. Matroska has no place for one;
there it is a tag called XMP, as FFmpeg writes it.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from mien.core.errors import ImageError, StorageError

__all__ = ["MAX_PACKET", "append_box", "has_box", "is_video", "read_video_packet"]

# Bytes of an XMP packet in any file: ours has 700, and JPEG holds no more than 65,502 in one segment.
MAX_PACKET = 1 << 20
XMP_BOX = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
EBML = b"\x1aE\xdf\xa3"
MAX_BOXES = 100_000  # that are looked at in one file: a day in fragments of two seconds has fewer
# How MP4 and QuickTime files begin; a picture in the same kind of boxes (HEIF, AVIF) begins with its brand.
_BOXES = frozenset({b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot"})
_PICTURES = frozenset({b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})


def is_video(head: bytes) -> bool:
    """Whether a file that begins so, by its first 12 bytes, is a video whose packet `read_video_packet` finds."""
    return head.startswith(EBML) or (head[4:8] in _BOXES and head[8:12] not in _PICTURES)


def append_box(path: Path, packet: bytes) -> None:
    """Put a packet at the end of a complete MP4 file.

    Raises
    ------
    StorageError
        If the file cannot be written.
    """
    box = struct.pack(">I4s", 24 + len(packet), b"uuid") + XMP_BOX + packet
    try:
        with path.open("ab") as file:
            file.write(box)
    except OSError as error:
        raise StorageError(f"cannot write {path}: {str(error.strerror).lower()}.") from error


def read_video_packet(file: IO[bytes], name: str) -> bytes | None:
    """The packet of a video file that is read from where it stands; None where it has none.

    Raises
    ------
    ImageError
        If the file is broken before its packet could be found.
    """
    start = file.tell()
    if file.read(4) == EBML:
        file.seek(start)
        return _tag(file, name)
    end, left = file.seek(0, os.SEEK_END), iter(range(MAX_BOXES))
    for kind, place, stop in _boxes(file, start, end, left):
        if kind == b"uuid" and _read(file, place, min(stop, place + 16)) == XMP_BOX:
            return _read(file, place + 16, stop)
        if kind == b"moov":
            for inner, low, high in _boxes(file, place, stop, left):
                if inner == b"udta":
                    for leaf, first, last in _boxes(file, low, high, left):
                        if leaf == b"XMP_":
                            return _read(file, first, last)
    return None


def has_box(file: IO[bytes], name: bytes) -> bool:
    """Whether a file that is read from its beginning has a box of this name (16 bytes) at its top."""
    boxes = _boxes(file, 0, file.seek(0, os.SEEK_END), iter(range(MAX_BOXES)))
    return any(kind == b"uuid" and _read(file, place, min(stop, place + 16)) == name for kind, place, stop in boxes)


def _boxes(file: IO[bytes], start: int, end: int, left: Iterator[int]) -> Iterator[tuple[bytes, int, int]]:
    """Kind, begin and end of the content of each box in a part of a file; each takes one of what is `left`."""
    place = start
    while place + 8 <= end and next(left, None) is not None:
        size, kind = struct.unpack(">I4s", _read(file, place, place + 8))
        head = 8
        if size == 1 and place + 16 <= end:  # of a large one the size stands behind the kind
            (size,) = struct.unpack(">Q", _read(file, place + 8, place + 16))
            head = 16
        if size == 0:  # up to the end
            size = end - place
        if size < head:
            return
        yield kind, place + head, min(place + size, end)
        place += size


def _read(file: IO[bytes], start: int, stop: int) -> bytes:
    """A part of a file; of a packet no more than one byte over the bound: enough for it to be refused."""
    file.seek(start)
    return file.read(min(stop - start, MAX_PACKET + 1))


def _tag(file: IO[bytes], name: str) -> bytes | None:
    import av

    try:
        with av.open(file, format="matroska", metadata_errors="replace") as container:
            tags = {key.lower(): value for key, value in container.metadata.items()}
    except av.FFmpegError as error:
        raise ImageError(f"{name} is not a video that can be read: it is broken or cut short.") from error
    return tags["xmp"].encode() if "xmp" in tags else None
