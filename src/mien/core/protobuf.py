"""Protocol buffers, walked field by field: the wire format alone, strictly, and without a schema.

The format is the one of protobuf.dev/programming-guides/encoding. Groups, which it deprecates, are refused.
"""

from __future__ import annotations

import mmap
import struct
from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["Field", "ProtobufError", "fields"]

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # wire types


class ProtobufError(ValueError):
    """Bytes that are no protocol buffer. Its text is a clause, for the caller's own error to hold."""


class Field(NamedTuple):
    """One field of a message.

    Attributes
    ----------
    number
        Its number in the schema.
    value
        A whole number; a float (32 bits); for bytes, texts and messages, where in the data they lie; None for a fixed
        64 bits value, which nothing here reads.
    """

    number: int
    value: int | float | slice | None


def fields(data: bytes | mmap.mmap, start: int = 0, stop: int | None = None) -> Iterator[Field]:
    """Yield the fields of a message in order, without copying what is in them.

    Parameters
    ----------
    data
        Bytes that hold the message.
    start, stop
        Where in the data it lies; all of it by default.

    Raises
    ------
    ProtobufError
        These bytes are no message.
    """
    at, end = start, len(data) if stop is None else stop
    while at < end:
        key, at = _varint(data, at, end)
        number, wire = key >> 3, key & 7
        if wire == _VARINT:
            whole, at = _varint(data, at, end)
            yield Field(number, whole)
            continue
        if wire == _BYTES:
            size, at = _varint(data, at, end)
        elif wire in (_FIXED32, _FIXED64):
            size = 4 if wire == _FIXED32 else 8
        else:
            raise ProtobufError(f"wire type {wire}")
        if size > end - at:
            raise ProtobufError("a field that is longer than its message")
        if wire == _BYTES:
            yield Field(number, slice(at, at + size))
        else:
            yield Field(number, struct.unpack("<f", data[at : at + 4])[0] if wire == _FIXED32 else None)
        at += size


def _varint(data: bytes | mmap.mmap, at: int, end: int) -> tuple[int, int]:
    """Read a whole number of up to 64 bits, seven to a byte and the lowest first; return it and the place after it."""
    whole = 0
    for shift in range(0, 70, 7):
        if at >= end:
            raise ProtobufError("it ends in the middle of a number")
        byte = data[at]
        at += 1
        whole |= (byte & 0x7F) << shift
        if byte < 0x80:
            return whole, at
    raise ProtobufError("a number of more than 64 bits")
