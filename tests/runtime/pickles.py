"""Files of PyTorch weights, put together instruction by instruction, with what PyTorch would not put in too."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C
KINDS = {
    "float32": "FloatStorage",
    "float64": "DoubleStorage",
    "float16": "HalfStorage",
    "uint16": "BFloat16Storage",
    "int64": "LongStorage",
    "int32": "IntStorage",
    "int16": "ShortStorage",
    "int8": "CharStorage",
    "uint8": "ByteStorage",
    "bool": "BoolStorage",
}

Array = NDArray[Any]


def name(module: str, what: str) -> bytes:
    return f"c{module}\n{what}\n".encode()


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value.encode())) + value.encode()


def number(value: int) -> bytes:
    size = value.bit_length() // 8 + 1
    return b"\x8a" + bytes([size]) + value.to_bytes(size, "little", signed=True)


def group(*parts: bytes) -> bytes:
    return b"(" + b"".join(parts) + b"t"


def sizes(values: tuple[int, ...]) -> bytes:
    return group(*map(number, values))


TABLE = name("collections", "OrderedDict") + b")R"
REBUILD = name("torch._utils", "_rebuild_tensor_v2")
NAMED_STORAGE = text("storage"), name("torch", "FloatStorage"), text("0"), text("cpu")


def storage(count: int, key: str = "0", kind: str = "FloatStorage") -> bytes:
    return group(text("storage"), name("torch", kind), text(key), text("cpu"), number(count)) + b"Q"


def tensor(block: bytes, offset: int, shape: tuple[int, ...], strides: tuple[int, ...]) -> bytes:
    return REBUILD + group(block, number(offset), sizes(shape), sizes(strides), b"\x89", TABLE) + b"R"


def table(entries: Mapping[str, bytes], empty: bytes = TABLE) -> bytes:
    return empty + b"(" + b"".join(text(key) + value for key, value in entries.items()) + b"u"


def whole(program: bytes) -> bytes:
    """A pickle with this program."""
    return b"\x80\x02" + program + b"."


def zipped(path: Path, program: bytes, blocks: Mapping[str, bytes], **more: Any) -> Path:
    """Write a file as PyTorch has since 1.6."""
    with zipfile.ZipFile(path, "w", more.pop("compression", zipfile.ZIP_STORED)) as archive:
        archive.writestr("archive/data.pkl", program)
        archive.writestr("archive/byteorder", more.pop("byteorder", "little"))
        for key, block in blocks.items():
            archive.writestr(f"archive/data/{key}", block)
        archive.writestr("archive/version", "3\n")
        for member, content in more.items():
            archive.writestr(f"archive/{member}", content)
    return path


def in_a_row(path: Path, program: bytes, blocks: Mapping[str, tuple[int, bytes]], *, little: bool = True) -> Path:
    """Write a file as PyTorch did before; of each block, the count of its values and its bytes."""
    out = io.BytesIO()
    for value in (MAGIC, 1001, {"protocol_version": 1001, "little_endian": little, "type_sizes": {"int": 4}}):
        out.write(pickle.dumps(value, 2))
    out.write(program)
    out.write(pickle.dumps(list(blocks), 2))
    for count, block in blocks.values():
        out.write(struct.pack("<q", count) + block)
    path.write_bytes(out.getvalue())
    return path


def program_for(arrays: Mapping[str, Array]) -> bytes:
    """A table of these arrays, each in a storage of its own; uint16 stands for bfloat16."""
    entries = {}
    for index, (key, array) in enumerate(arrays.items()):
        steps = tuple(step // array.itemsize for step in np.empty(array.shape, array.dtype).strides)
        kind = KINDS[array.dtype.name]
        entries[key] = tensor(storage(array.size, str(index), kind), 0, array.shape, steps)
    return table(entries)


def write_zip(path: Path, arrays: Mapping[str, Array]) -> Path:
    blocks = {str(index): array.tobytes() for index, array in enumerate(arrays.values())}
    return zipped(path, whole(program_for(arrays)), blocks)


def write_row(path: Path, arrays: Mapping[str, Array]) -> Path:
    blocks = {str(index): (array.size, array.tobytes()) for index, array in enumerate(arrays.values())}
    return in_a_row(path, whole(program_for(arrays)), blocks)
