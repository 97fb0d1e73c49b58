"""Files of PyTorch weights, read without PyTorch: tensors, and nothing that could run.

Both formats of ``torch.save`` are known. Since PyTorch 1.6 a file is a zip: ``data.pkl`` says which tensors there are,
and each storage is a member that is not compressed. Before, it was a row of pickles (a magic number, a version, facts
about the machine, the tensors, the keys of the storages), and then the storages one after the other. The pickles are
read by `mien.runtime.pickled`.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ModelError, UnsafeFile
from mien.runtime.pickled import BFLOAT16, PickleError, Tensor, read_pickle

__all__ = ["read_state_dict", "read_weights"]

_FILE_LIMIT = 2 << 30  # bytes
_TENSORS = 100_000
_AXES = 8
_NESTED = 4  # tables around the table of tensors, as {"model": {...}}

_MAGIC = 0x1950A86A20F9469CFC6C  # torch/serialization.py
_VERSION = 1001
_COUNT = struct.Struct("<q")

# What the standard library raises for a zip that is broken: RuntimeError stands for an encrypted member.
_BROKEN = (zipfile.BadZipFile, struct.error, EOFError, KeyError, OSError, OverflowError, RuntimeError, ValueError)

_Blocks = dict[str, NDArray[np.uint8]]


def read_weights(path: Path) -> dict[str, NDArray[Any]]:
    """Read the tensors of a file of plain weights: Keras's HDF5, dlib's or ncnn's own format, or else PyTorch's.

    Raises
    ------
    UnsafeFile, ModelError
        As the reader of its kind: `mien.runtime.hdf5`, `mien.runtime.dlib_weights`, `mien.runtime.ncnn_weights`,
        `read_state_dict`.
    """
    from mien.runtime.dlib_weights import read_dlib
    from mien.runtime.hdf5 import read_keras
    from mien.runtime.ncnn_weights import read_ncnn

    Reader = Callable[[Path], dict[str, NDArray[Any]]]
    readers: dict[str, Reader] = {".h5": read_keras, ".dat": read_dlib, ".bin": read_ncnn}
    return readers.get(path.suffix.lower(), read_state_dict)(path)


def read_state_dict(path: Path) -> dict[str, NDArray[Any]]:
    """Read the tensors of a file that ``torch.save`` wrote, in the zip or the older format, little endian.

    Parameters
    ----------
    path
        The file. The table of tensors may stand alone in another table, as in ``{"model": {...}}``.

    Returns
    -------
    dict of str to ndarray
        In the file's order: float32 for all floating types (float64 is rounded, float16 and bfloat16 are exact), int64
        for whole numbers and truth values. Each array is new.

    Raises
    ------
    UnsafeFile
        The file asks for anything else than tensors (nothing of it is run), or its sizes do not agree with each other.
    ModelError
        It is no such file, it is broken, or it cannot be read.
    """
    try:
        if path.stat().st_size > _FILE_LIMIT:
            raise UnsafeFile(f"{path.name} is larger than the {_FILE_LIMIT} bytes that weights may have.")
        content = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror}.") from error
    try:
        tensors, blocks = _read_zip(content) if content.startswith(b"PK") else _read_row(content)
        return _arrays(tensors, blocks, len(content))
    except UnsafeFile as error:
        raise UnsafeFile(f"{path.name} is refused: {error}") from error
    except PickleError as error:
        raise ModelError(f"{path.name} is no file of PyTorch weights, or a broken one: {error}.") from error


def _read_zip(content: bytes) -> tuple[dict[str, Tensor], _Blocks]:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            infos = archive.infolist()
            # So nothing is larger unpacked, and no two members that lie in one place multiply it.
            if any(info.compress_type != zipfile.ZIP_STORED or info.file_size != info.compress_size for info in infos):
                raise UnsafeFile("a member of it is compressed, which PyTorch never does.")
            if sum(info.file_size for info in infos) > len(content):
                raise UnsafeFile("its members are larger than itself.")
            members = {info.filename: archive.read(info) for info in infos}
    except _BROKEN as error:
        raise PickleError("it is a broken zip") from error
    roots = [name.removesuffix("data.pkl") for name in members if name.endswith("/data.pkl")]
    if len(roots) != 1:
        raise PickleError("it has no data.pkl, or several")
    if members.get(f"{roots[0]}byteorder", b"little") != b"little":
        raise PickleError("its numbers are big endian")
    tensors = _tensors(read_pickle(io.BytesIO(members[f"{roots[0]}data.pkl"])))
    place = f"{roots[0]}data/"
    blocks = {
        name.removeprefix(place): np.frombuffer(data, np.uint8)
        for name, data in members.items()
        if name.startswith(place)
    }
    return tensors, blocks


def _read_row(content: bytes) -> tuple[dict[str, Tensor], _Blocks]:
    stream = io.BytesIO(content)
    for expected in (_MAGIC, _VERSION):
        if type(found := read_pickle(stream)) is not int or found != expected:
            raise PickleError("it does not start as one")
    facts = read_pickle(stream)
    if type(facts) is not dict or facts.get("little_endian") is not True:
        raise PickleError("its numbers are big endian")
    tensors = _tensors(read_pickle(stream))
    sizes = {tensor.storage.key: tensor.storage.dtype.itemsize for tensor in tensors.values()}
    keys = read_pickle(stream)
    if type(keys) is not list or not all(type(key) is str and key in sizes for key in keys):
        raise PickleError("it lists storages that no tensor is in")
    at, blocks = stream.tell(), {}
    for key in keys:
        if at + _COUNT.size > len(content):
            raise PickleError("it ends before its last storage")
        start = at + _COUNT.size
        (count,) = _COUNT.unpack_from(content, at)
        at = start + count * sizes[key]
        if not start <= at <= len(content):
            raise PickleError("it ends in the middle of a storage")
        blocks[key] = np.frombuffer(content, np.uint8, at - start, start)
    return tensors, blocks


def _tensors(tree: Any) -> dict[str, Tensor]:
    """Find the table of tensors, which may be all that another table holds."""
    for _ in range(_NESTED):  # a table may hold itself
        if type(tree) is dict and len(tree) == 1 and type(inner := next(iter(tree.values()))) is dict:
            tree = inner
    if type(tree) is not dict or not tree:
        raise PickleError("it holds no table of tensors")
    if len(tree) > _TENSORS:
        raise UnsafeFile(f"it has more than {_TENSORS} tensors.")
    for name, value in tree.items():
        if not isinstance(value, Tensor):
            raise PickleError(f"it holds {name[:80]!r}, which is no tensor")
    return tree


def _arrays(tensors: Mapping[str, Tensor], blocks: Mapping[str, NDArray[np.uint8]], limit: int) -> dict[str, Any]:
    """Cut the tensors out of their storages; all together they may have as many values as the file has bytes."""
    arrays, left = {}, limit
    for name, tensor in tensors.items():
        storage, axes = tensor.storage, (*tensor.shape, *tensor.strides)
        # A value takes a byte at least, so no honest size is larger than the file.
        if len(axes) > 2 * _AXES or not all(0 <= size <= limit for size in (tensor.offset, *axes)):
            raise UnsafeFile(f"the tensor {name[:80]!r} has a size beyond the file's.")
        left -= math.prod(max(size, 1) for size in tensor.shape)
        if left < 0:
            raise UnsafeFile("its tensors have more values than it has bytes.")
        if storage.key not in blocks:
            raise PickleError(f"it lacks the storage of {name[:80]!r}")
        block = blocks[storage.key]
        if storage.count * storage.dtype.itemsize != len(block):
            raise UnsafeFile(f"the storage of {name[:80]!r} has another size than is said.")
        arrays[name] = _plain(_view(name, tensor, block.view(storage.dtype)), storage.dtype)
    return arrays


def _view(name: str, tensor: Tensor, values: NDArray[Any]) -> NDArray[Any]:
    if len(tensor.shape) != len(tensor.strides):
        raise UnsafeFile(f"the tensor {name[:80]!r} has sizes for some axes and strides for others.")
    if 0 in tensor.shape:
        return np.zeros(tensor.shape, values.dtype)
    last = tensor.offset + sum((size - 1) * step for size, step in zip(tensor.shape, tensor.strides, strict=True))
    if last >= len(values):
        raise UnsafeFile(f"the tensor {name[:80]!r} reaches beyond its storage.")
    steps = [step * values.itemsize for step in tensor.strides]
    return np.lib.stride_tricks.as_strided(values[tensor.offset :], tensor.shape, steps, writeable=False)


def _plain(values: NDArray[Any], dtype: np.dtype[Any]) -> NDArray[Any]:
    """Copy, as float32 or int64."""
    if dtype == BFLOAT16:
        return (values.astype(np.uint32) << 16).view(np.float32)
    return values.astype(np.float32 if dtype.kind == "f" else np.int64, order="C")
