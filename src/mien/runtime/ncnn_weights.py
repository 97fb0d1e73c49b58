"""ncnn's files of weights (``.bin``), read without ncnn: numbers one after the other, and nothing else.

Such a file does not say whose its numbers are: that stands in another one (``.param``), or in the code of the network.
For each layer with weights it holds four bytes that say how they are written (``ModelBinFromDataReader`` in ncnn's
``modelbin.cpp``), then the weights, filled up to a multiple of four bytes; a bias and other numbers of a layer follow
as float32 without such a mark. The drawing of a network knows the sizes, and a file of another one does not fit them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ModelError

__all__ = ["CONTENT", "Layer", "read_ncnn", "unpack"]

CONTENT = "content"  # the only "tensor" of a file: its bytes
_FILE_LIMIT = 1 << 28  # bytes
_TYPES: dict[int, np.dtype[np.floating[Any]]] = {0x01306B47: np.dtype("<f2"), 0: np.dtype("<f4")}  # by their mark

Floats = NDArray[np.float32]

#: A layer's name, and the shape of its filters: (outputs, inputs, rows, columns).
Layer = tuple[str, tuple[int, int, int, int]]


def read_ncnn(path: Path) -> dict[str, NDArray[Any]]:
    """Read a file as the bytes that `unpack` takes.

    Raises
    ------
    ModelError
        It cannot be read, or is too large.
    """
    try:
        if path.stat().st_size > _FILE_LIMIT:
            raise ModelError(f"{path.name} is larger than the {_FILE_LIMIT} bytes that weights of ncnn may have.")
        return {CONTENT: np.frombuffer(path.read_bytes(), np.uint8)}
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror}.") from error


def unpack(tensors: Mapping[str, NDArray[Any]], layers: Iterable[Layer]) -> dict[str, Floats]:
    """Convolutions with biases, in the order of the file.

    Parameters
    ----------
    tensors : mapping
        Of `read_ncnn`.
    layers : iterable of (name, shape)
        All that the file holds.

    Returns
    -------
    dict of str to float32 array
        ``NAME.weight`` (out, in, rows, columns) and ``NAME.bias`` (out,) of each.

    Raises
    ------
    ModelError
        The file is shorter or longer than that, or written in a way that is not known here.
    """
    content = tensors.get(CONTENT, np.zeros(0, np.uint8)).tobytes()
    found, at = {}, 0
    for name, shape in layers:
        kind = _TYPES.get(int.from_bytes(content[at : at + 4], "little"))
        if kind is None:
            raise ModelError(f"the weights of {name!r} are written in a way that is not known here.")
        count = math.prod(shape)
        end = at + 4 + -(-count * kind.itemsize // 4) * 4
        if end + 4 * shape[0] > len(content):
            raise ModelError(f"the weights end before those of {name!r}.")
        weight: NDArray[Any] = np.frombuffer(content, kind, count, at + 4)
        bias: NDArray[Any] = np.frombuffer(content, np.dtype("<f4"), shape[0], end)
        found[f"{name}.weight"] = weight.astype(np.float32).reshape(shape)
        found[f"{name}.bias"] = bias.astype(np.float32)
        at = end + 4 * shape[0]
    if at != len(content):
        raise ModelError("the weights go on behind the network's last layer.")
    return found
