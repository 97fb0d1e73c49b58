"""The wire format of protocol buffers: values worked out by hand, and hostile bytes."""

from __future__ import annotations

import contextlib
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mien.core.protobuf import ProtobufError, fields


def varint(value: int) -> bytes:
    out = b""
    while value > 0x7F:
        out += bytes([value & 0x7F | 0x80])
        value >>= 7
    return out + bytes([value])


NUMBERS = st.integers(1, 2**29 - 1)
VALUES = st.integers(0, 2**64 - 1) | st.binary(max_size=300) | st.floats(width=32, allow_nan=False) | st.none()


@given(st.lists(st.tuples(NUMBERS, VALUES)), st.binary(max_size=9), st.binary(max_size=9))
def test_reads_what_was_written(wanted: list[tuple[int, object]], before: bytes, after: bytes) -> None:
    data = before
    for number, value in wanted:
        if isinstance(value, bytes):
            data += varint(number << 3 | 2) + varint(len(value)) + value
        elif isinstance(value, int):
            data += varint(number << 3) + varint(value)
        elif isinstance(value, float):
            data += varint(number << 3 | 5) + struct.pack("<f", value)
        else:
            data += varint(number << 3 | 1) + bytes(8)
    found = fields(data + after, len(before), len(data))
    assert [(number, data[value] if isinstance(value, slice) else value) for number, value in found] == wanted


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"\x08\x96", "in the middle of a number"),
        (b"\x08", "in the middle of a number"),
        (b"\xff" * 11, "more than 64 bits"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x0a\x03ab", "longer than its message"),
        (b"\x0d\0\0\0", "longer than its message"),
        (b"\x09\0\0\0\0", "longer than its message"),
    ],
)
def test_refuses(data: bytes, says: str) -> None:
    with pytest.raises(ProtobufError, match=says):
        list(fields(data))
    with pytest.raises(ProtobufError, match=says):
        list(fields(data + bytes(9), 0, len(data)))  # what lies behind a message is none of its own


@given(st.binary(max_size=200))
def test_any_bytes_are_walked_or_refused(data: bytes) -> None:
    with contextlib.suppress(ProtobufError):
        for _, value in fields(data):
            assert not isinstance(value, slice) or 0 <= value.start <= value.stop <= len(data)
