"""XMP packets: found in picture files, parsed with care, and put into files without touching a pixel.

XMP from outside is hostile until shown otherwise: a packet's size is bounded before it is decoded, and document types,
the door of entity-expansion attacks, are refused. Writing rewrites only the part of the file that holds the packet:
Adobe, *XMP Specification Part 3: Storage in Files* (2020), for JPEG (section 1.1.3) and PNG (1.1.5). What a JPEG holds
beyond one segment, its extended XMP (1.1.3.1), is read, and stays as it is.
"""

from __future__ import annotations

import codecs
import os
import struct
import warnings
import zlib
from collections.abc import Mapping
from io import BytesIO, StringIO
from pathlib import Path
from typing import IO, Any
from xml.etree import ElementTree as ET

from PIL import Image, UnidentifiedImageError

from mien.core.errors import ImageError, SourceError, UsageError
from mien.media.video_xmp import MAX_PACKET, is_video, read_video_packet

__all__ = ["MAX_PACKET", "RDF", "embed_packet", "parse_packet", "read_extended", "read_packet", "write_packet"]

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"

MAX_SEGMENT = 65502  # of XMP in a JPEG's one segment

JPEG_MARK = b"http://ns.adobe.com/xap/1.0/\x00"
EXTENDED_MARK = b"http://ns.adobe.com/xmp/extension/\x00"
XML = "http://www.w3.org/XML/1998/namespace"  # its prefix needs no declaration
PNG_MARK = b"XML:com.adobe.xmp\x00"
PNG_START = b"\x89PNG\r\n\x1a\n"


def read_packet(source: str | os.PathLike[str] | bytes | IO[bytes]) -> bytes | None:
    """The XMP packet of a picture or of a video; None where it has none. Pixels are not decoded.

    Raises
    ------
    SourceError
        If the file is missing or cannot be read.
    ImageError
        If it is neither.
    UsageError
        If the source is of another type.
    """
    if isinstance(source, bytes):
        return _packet(BytesIO(source), "the file given as bytes")
    if isinstance(source, (str, os.PathLike)):
        try:
            with Path(source).open("rb") as file:
                return _packet(file, os.fspath(source))
        except OSError as error:
            raise SourceError(f"{os.fspath(source)} cannot be read: {error.strerror or error}.") from error
        except ValueError as error:  # a null character
            raise SourceError(f"{os.fspath(source)!r} is not a path: {error}.") from error
    if hasattr(source, "read"):
        return _packet(source, "the file object")
    raise UsageError(f"a packet is read from a path, bytes or a binary file, not from a {type(source).__name__}.")


def parse_packet(packet: bytes) -> tuple[ET.Element | None, str]:
    """The tree of a packet that anyone may have written; None and the reason where it is malformed or refused."""
    if len(packet) > MAX_PACKET:
        return None, f"its XMP was refused: {len(packet):,} bytes, of {MAX_PACKET:,} at most."
    text = _decode(packet)
    if text is None:
        return None, "its XMP is in no Unicode encoding."
    if "<!DOCTYPE" in text or "<!ENTITY" in text:
        return None, "its XMP was refused: it declares a document type."
    try:
        # Safe for hostile input: without a document type there is no entity to expand and nothing to fetch, and
        # of a str the parser ignores the declared encoding, which could else hide the document type from us.
        return ET.fromstring(text), ""  # noqa: S314
    except (ET.ParseError, ValueError) as error:
        return None, f"its XMP is malformed: {error}."


def write_packet(root: ET.Element, like: bytes | None, prefixes: Mapping[str, str]) -> bytes:
    """The packet of a tree, whose names this changes.

    Parameters
    ----------
    root : Element
    like : bytes or None
        The packet that the tree is of: its prefixes stay, since programs know properties by them, wrong as that is.
    prefixes : mapping of str to str
        Those of other namespaces, by their addresses.

    Raises
    ------
    ImageError
        If it is nested too deeply to be written.
    """
    wanted = dict(prefixes)
    if like is not None:
        reader: Any = ET.iterparse(StringIO(_decode(like) or ""), ["start-ns"])  # noqa: S314 - as in `parse_packet`
        wanted |= {uri: prefix for _, (prefix, uri) in reader if prefix}
    known = {XML: "xml"}

    def short(name: str) -> str:
        if not name.startswith("{"):
            return name
        uri, _, local = name[1:].partition("}")
        if uri not in known:
            prefix = wanted.get(uri, "")
            known[uri] = f"ns{len(known)}" if not prefix or prefix in known.values() else prefix
        return f"{known[uri]}:{local}"

    for element in root.iter():
        element.tag = short(element.tag)
        items = [(short(name), value) for name, value in element.attrib.items()]
        element.attrib.clear()
        element.attrib.update(items)
    root.attrib.update({f"xmlns:{prefix}": uri for uri, prefix in known.items() if uri != XML})
    try:
        body = ET.tostring(root, encoding="unicode")
    except RecursionError as error:
        raise ImageError("metadata that is nested so deeply cannot be kept.") from error
    head, tail = '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>', '<?xpacket end="w"?>'
    return f"{head}\n{body}\n{tail}".encode()


def read_extended(data: bytes) -> bytes | None:
    """The extended XMP of a JPEG file, which stands in segments of its own; None where there is none, or not all of it.

    Raises
    ------
    ImageError
        If the file is broken.
    """
    if not data.startswith(b"\xff\xd8"):
        return None
    parts: dict[bytes, dict[int, bytes]] = {}  # by the packet's GUID and the place of the part
    lengths: dict[bytes, int] = {}
    for segment in _segments(data)[0]:
        if segment[1] == 0xE1 and segment[4:].startswith(EXTENDED_MARK):
            head = segment[4 + len(EXTENDED_MARK) :]
            guid, (length, place) = head[:32], struct.unpack(">II", head[32:40].ljust(8, b"\0"))
            lengths[guid] = length
            parts.setdefault(guid, {})[place] = head[40:]
    for guid, length in lengths.items():
        whole = b"".join(part for _, part in sorted(parts[guid].items()))
        if len(whole) == length:
            return whole
    return None


def embed_packet(data: bytes, packet: bytes) -> bytes:
    """A JPEG or PNG file with this packet in the place of the one it had; all else stays byte for byte.

    Raises
    ------
    ImageError
        If the file is broken.
    UsageError
        If it is neither JPEG nor PNG, or the packet does not fit.
    """
    if data.startswith(b"\xff\xd8"):
        return _into_jpeg(data, packet)
    if data.startswith(PNG_START):
        return _into_png(data, packet)
    raise UsageError("XMP is embedded in JPEG and PNG files; for others write a sidecar.")


def _into_jpeg(data: bytes, packet: bytes) -> bytes:
    if len(packet) > MAX_SEGMENT:
        raise UsageError(f"a JPEG holds {MAX_SEGMENT:,} bytes of XMP, not {len(packet):,}: write a sidecar.")
    segments, rest = _segments(data)
    kept = [one for one in segments if not (one[1] == 0xE1 and one[4:].startswith(JPEG_MARK))]
    # EXIF and JFIF stay first: some readers look only there.
    behind = next((place for place, one in enumerate(kept) if one[1] not in {0xE0, 0xE1}), len(kept))
    body = JPEG_MARK + packet
    kept.insert(behind, b"\xff\xe1" + struct.pack(">H", len(body) + 2) + body)
    return b"".join([data[:2], *kept, data[rest:]])


def _segments(data: bytes) -> tuple[list[bytes], int]:
    """The segments of a JPEG file before its pixels, each from its marker on, and where the rest begins."""
    found: list[bytes] = []
    place = 2
    while True:
        while data[place : place + 2] == b"\xff\xff":  # a marker may have any number of these before it
            place += 1
        if place + 4 > len(data) or data[place] != 0xFF:
            raise ImageError("the file is a broken JPEG: a marker is missing.")
        if data[place + 1] in {0xDA, 0xD9}:
            return found, place
        (length,) = struct.unpack(">H", data[place + 2 : place + 4])
        segment = data[place : place + 2 + length]
        if len(segment) != 2 + length or length < 2:
            raise ImageError("the file is a broken JPEG: a segment is cut off.")
        found.append(segment)
        place += 2 + length


def _into_png(data: bytes, packet: bytes) -> bytes:
    body = PNG_MARK + b"\x00\x00\x00\x00" + packet  # not compressed, no language, no translated keyword
    chunk = struct.pack(">I", len(body)) + b"iTXt" + body + struct.pack(">I", zlib.crc32(b"iTXt" + body))
    kept, place = [data[:8]], 8
    while place < len(data):
        if place + 12 > len(data):
            raise ImageError("the file is a broken PNG: a chunk is cut off.")
        (length,) = struct.unpack(">I", data[place : place + 4])
        whole = data[place : place + 12 + length]
        if len(whole) != 12 + length:
            raise ImageError("the file is a broken PNG: a chunk is cut off.")
        if not (whole[4:8] == b"iTXt" and whole[8:].startswith(PNG_MARK)):
            kept.append(whole)
        place += 12 + length
        if whole[4:8] == b"IEND":
            break
    kept.insert(2, chunk)  # behind the header
    return b"".join([*kept, data[place:]])


def _decode(packet: bytes) -> str | None:
    """The packet as text. XMP is UTF-8, or UTF-16 or UTF-32 by its byte-order mark or its zero bytes."""
    marks = {codecs.BOM_UTF32_LE: "utf-32", codecs.BOM_UTF32_BE: "utf-32"}
    marks |= {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
    unmarked = {b"<\0\0\0": "utf-32-le", b"\0\0\0<": "utf-32-be", b"<\0?\0": "utf-16-le", b"\0<\0?": "utf-16-be"}
    by_mark = next((name for mark, name in marks.items() if packet.startswith(mark)), None)
    encoding = by_mark or unmarked.get(packet[:4], "utf-8-sig")
    try:
        return packet.decode(encoding).rstrip("\0")  # some writers pad with zeros
    except UnicodeDecodeError:
        return None


def _packet(file: IO[bytes], name: str) -> bytes | None:
    """The XMP packet of a picture or of a video."""
    start = file.tell()
    video = is_video(file.read(12))
    file.seek(start)
    if video:
        return read_video_packet(file, name)
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures and of odd metadata; no pixel is decoded here, so neither matters.
            warnings.simplefilter("ignore")
            with Image.open(file) as image:
                kind, packet = image.format, image.info.get("xmp")
    except Image.DecompressionBombError as error:
        raise ImageError(f"{name} is too large: {str(error).rstrip('.')}.") from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, RuntimeError) as error:  # RuntimeError: AVIF
        raise ImageError(f"{name} is not a picture file, or a broken one.") from error
    if kind == "PNG" and packet is None:
        file.seek(start)
        packet = _png_packet(file)
    return packet.encode() if isinstance(packet, str) else packet


def _png_packet(file: IO[bytes]) -> bytes | None:
    """XMP that stands after a PNG's pixels, where several tools put it and Pillow looks only after decoding."""
    file.seek(8, os.SEEK_CUR)
    while len(head := file.read(8)) == 8:
        length, kind = struct.unpack(">I4s", head)
        if kind != b"iTXt" or length > MAX_PACKET:
            file.seek(length + 4, os.SEEK_CUR)  # the chunk and its checksum
            continue
        data = file.read(length)
        file.seek(4, os.SEEK_CUR)
        if data.startswith(PNG_MARK) and len(data) > len(PNG_MARK) + 2:
            compressed = data[len(PNG_MARK)] == 1
            body = data[len(PNG_MARK) + 2 :].split(b"\x00", 2)[-1]  # behind language and translated keyword
            return _inflate(body) if compressed else body
    return None


def _inflate(body: bytes) -> bytes:
    """Decompress, but never more than one byte over the bound: enough for the packet to be refused."""
    try:
        return zlib.decompressobj().decompress(body, MAX_PACKET + 1)
    except zlib.error:
        return b"<"  # malformed, like what it was cut from
