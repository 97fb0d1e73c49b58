"""Numbers out of MATLAB files of version 5, from anywhere: nothing is run, and nothing grows beyond a bound.

The format is published: *MAT-File Format*, The MathWorks. General readers build cells, structures and objects, and one
that is widely used crashes the process on damaged files; annotations are arrays of numbers.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Collection, Iterator
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.datasets.readers.files import read_bytes

__all__ = ["read_arrays"]

_HEADER = 128
_MATRIX, _COMPRESSED = 14, 15
#: numpy's name of each type of numbers.
_NUMBERS: Final = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_NUMERIC_CLASSES = range(6, 16)  # double, single and the integers; not cells, structures, objects, text, sparse arrays
_COMPLEX = 0x0800  # a flag


def read_arrays(path: Path, names: Collection[str], *, limit: int = 1 << 16) -> dict[str, NDArray[np.float64]]:
    """Arrays of real numbers by name; what is not there, or is no such array, is left out.

    Parameters
    ----------
    path : Path
    names : collection of str
        Of the arrays that are wanted; others are not kept.
    limit : int
        Bytes that the file, and each array in it once it is unpacked, have at most.

    Returns
    -------
    dict of str to float64 array

    Raises
    ------
    SourceError
        If it cannot be read.
    InputError
        If it is no such file, is broken, or is larger than `limit`.
    """
    data = read_bytes(path, limit=limit)
    order = {b"IM": "<", b"MI": ">"}.get(data[_HEADER - 2 : _HEADER])
    if order is None or struct.unpack(f"{order}H", data[_HEADER - 4 : _HEADER - 2])[0] != 0x0100:
        raise InputError(f"{path} is not a MATLAB file of version 5.")
    found: dict[str, NDArray[np.float64]] = {}
    try:
        for kind, body in _elements(data[_HEADER:], order):
            for inner, part in _unpacked(body, order, limit) if kind == _COMPRESSED else [(kind, body)]:
                name, array = _array(part, order) if inner == _MATRIX else ("", None)
                if name in names and array is not None:
                    found[name] = array
    except (struct.error, zlib.error, ValueError) as error:
        raise InputError(f"{path} is broken: {str(error).rstrip('.')}.") from error
    return found


def _elements(data: bytes, order: str) -> Iterator[tuple[int, bytes]]:
    """Type and content of one element after the other; ValueError where one ends too early."""
    at = 0
    while at < len(data):
        kind, size = struct.unpack_from(f"{order}II", data, at)
        start = at + 8
        if kind >> 16:  # four bytes or less stand in the tag itself
            kind, size, start = kind & 0xFFFF, kind >> 16, at + 4
            at += 8
        else:
            at = start + size + (-size % 8 if kind != _COMPRESSED else 0)
        if start + size > len(data) or (start == at - 4 and size > 4):
            raise ValueError("an element ends beyond the file")
        yield kind, data[start : start + size]


def _unpacked(body: bytes, order: str, limit: int) -> Iterator[tuple[int, bytes]]:
    inflater = zlib.decompressobj()
    data = inflater.decompress(body, limit)
    if inflater.unconsumed_tail:
        raise ValueError("an array unpacks to more than it may")
    return _elements(data, order)


def _array(body: bytes, order: str) -> tuple[str, NDArray[np.float64] | None]:
    """Name and content of a matrix; None for one that does not hold real numbers alone."""
    parts = list(islice(_elements(body, order), 4))
    if len(parts) < 4:
        return "", None  # an object, or what some writers make of an empty array
    (_, flags), (_, sizes), (_, name), (kind, numbers) = parts
    flag = struct.unpack_from(f"{order}I", flags)[0]
    shape = np.frombuffer(sizes[: len(sizes) // 4 * 4], f"{order}i4").tolist()
    if flag & 0xFF not in _NUMERIC_CLASSES or flag & _COMPLEX or kind not in _NUMBERS:
        return "", None
    values = np.frombuffer(numbers, f"{order}{_NUMBERS[kind]}").astype(np.float64)
    if min(shape, default=-1) < 0:
        raise ValueError(f"an array of shape {shape}")
    return name.decode("latin-1"), values.reshape(shape, order="F")
