"""Find out whether an ONNX graph reads further files, without loading it.

ONNX lets a tensor's bytes stand in another file, named by a path. A runtime follows that path when it loads the graph,
so a graph from outside could make it read any file. The check walks the protocol buffer's fields down to the tensors;
numbers and names of the fields are those of ``onnx.proto`` (IR version 10).
"""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path

from mien.core.errors import UnsafeFile
from mien.core.protobuf import ProtobufError, fields

__all__ = ["external_locations", "refuse_external_data"]

# message -> field number -> message in it; only the fields on the way to a tensor's `external_data`.
_FIELDS = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
_DEPTH = 100  # graphs within graphs; protocol buffer libraries refuse more as well


def refuse_external_data(path: Path) -> None:
    """Check that an ONNX file reads no file but such as stand beside it.

    Raises
    ------
    UnsafeFile
        A tensor's data is at a path with a folder in it, or the file is no protocol buffer.
    """
    with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for location in external_locations(data):
            if location in ("", ".", "..") or any(mark in location for mark in "/\\:"):
                raise UnsafeFile(f"{path.name}: keeps data outside its folder, at '{location}'.")


def external_locations(data: bytes | mmap.mmap) -> Iterator[str]:
    """Yield the paths at which a serialized ONNX model keeps tensors outside itself.

    Raises
    ------
    UnsafeFile
        The bytes are no protocol buffer.
    """
    try:
        yield from _walk(data, 0, len(data), "model", 0)
    except (ProtobufError, UnicodeDecodeError) as error:
        raise UnsafeFile("not an ONNX file, or a broken one.") from error


def _walk(data: bytes | mmap.mmap, start: int, stop: int, message: str, depth: int) -> Iterator[str]:
    if depth > _DEPTH:
        raise UnsafeFile("an ONNX file with graphs nested too deep.")
    key = value = b""
    for number, place in fields(data, start, stop):
        if not isinstance(place, slice):
            continue
        if message == "entry":
            key, value = (data[place], value) if number == 1 else (key, data[place])
        elif inner := _FIELDS[message].get(number):
            yield from _walk(data, place.start, place.stop, inner, depth + 1)
    if key == b"location":
        yield value.decode()
