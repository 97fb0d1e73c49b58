"""dlib's files of networks, read without dlib: the tensors of layers that are known, and nothing else.

dlib writes a network from its loss inwards: first the version of every layer, one inside the other, then what each
layer holds, from the input outwards. What is read here is what ``serialize`` writes in dlib's ``serialize.h``,
``dnn/core.h``, ``dnn/input.h``, ``dnn/layers.h`` and ``dnn/loss.h``:

- a whole number is a byte with its sign (the highest bit) and its length (the lowest four), then its bytes, low first;
- a floating number is two of them, x and e, and means x times two to the power of e;
- text is its length and its bytes; a tensor is the number 2, its four sizes, and float32 values, low byte first.

Every number has one place and, where it has one, one value: a file of another network, or one that was tampered with,
does not fit and is refused. Nothing is allocated that the file does not hold.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ModelError

__all__ = ["read_dlib"]

_FILE_LIMIT = 1 << 28  # bytes
_LONGEST_TEXT = 64
_DEEPEST = 4096  # layers, one inside the other
_TENSOR_VERSION = 2
_VERSIONS = {1, 2, 3}  # of layers


class _Misfit(Exception):
    """The file does not go on as it must."""


class _Stream:
    """Reads a file's values one after the other."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    @property
    def ended(self) -> bool:
        return self._at == len(self._content)

    def raw(self, count: int) -> bytes:
        if not 0 <= count <= len(self._content) - self._at:
            raise _Misfit("it ends in the middle of a value")
        self._at += count
        return self._content[self._at - count : self._at]

    def peek(self, count: int) -> bytes:
        return self._content[self._at : self._at + count]

    def integer(self) -> int:
        (control,) = self.raw(1)
        length = control & 0x0F
        if control & 0x70 or not 1 <= length <= 8:
            raise _Misfit("it holds a number of an unknown length")
        value = int.from_bytes(self.raw(length), "little")
        return -value if control & 0x80 else value

    def floating(self) -> None:
        """Skip one: all that are in such a file are settings of the training, or stand in the card."""
        _, exponent = self.integer(), self.integer()
        if abs(exponent) > 1100:  # beyond every double
            raise _Misfit("it holds a number that is none")

    def text(self) -> str:
        length = self.integer()
        if not 0 < length <= _LONGEST_TEXT:
            raise _Misfit("it holds a name that is too long")
        return self.raw(length).decode("ascii", "replace")

    def truth(self) -> None:
        if self.raw(1) not in (b"0", b"1"):
            raise _Misfit("it holds a truth value that is none")

    def expect(self, *values: int) -> None:
        for value in values:
            if (found := self.integer()) != value:
                raise _Misfit(f"it holds {found} where {value} must be")

    def sizes(self) -> tuple[int, ...]:
        found = tuple(self.integer() for _ in range(4))
        if any(not 0 <= size <= len(self._content) for size in found):
            raise _Misfit("it holds a tensor of an impossible size")
        return found

    def tensor(self) -> NDArray[np.float32]:
        """The values of a tensor, in one row."""
        self.expect(_TENSOR_VERSION)
        values = np.frombuffer(self.raw(4 * math.prod(self.sizes())), "<f4").astype(np.float32)
        if not np.isfinite(values).all():
            raise _Misfit("it holds weights that are no numbers")
        return values

    def view(self) -> tuple[int, ...]:
        """Sizes of a part of a layer's tensor."""
        self.expect(1)
        return self.sizes()


def read_dlib(path: Path) -> dict[str, NDArray[Any]]:
    """Read the weights of an embedding network that dlib wrote (``loss_metric`` around convolutional layers).

    Parameters
    ----------
    path
        The file, not compressed.

    Returns
    -------
    dict of str to float32 array
        In the file's order, numbered by kind: ``con.0.weight`` (filters, channels, rows, columns), ``con.0.bias``,
        ``affine.0.scale`` and ``affine.0.shift`` (channels), ``fc.0.weight`` (outputs, inputs).

    Raises
    ------
    ModelError
        It is no such file, it is broken, or it cannot be read.
    """
    try:
        if path.stat().st_size > _FILE_LIMIT:
            raise ModelError(f"{path.name} is larger than the {_FILE_LIMIT} bytes that such weights may have.")
        stream = _Stream(path.read_bytes())
    except OSError as error:
        raise ModelError(f"{path.name} cannot be read: {error.strerror}.") from error
    try:
        return _network(stream)
    except _Misfit as error:
        raise ModelError(f"{path.name} is no embedding network of dlib's, or a broken one: {error}.") from error


def _head(stream: _Stream) -> None:
    """What stands before the layers."""
    stream.expect(1)
    if stream.text() != "loss_metric_2":
        raise _Misfit("its loss is another")
    for _ in range(2):  # margin and threshold of the training
        stream.floating()
    for _ in range(_DEEPEST):
        if stream.peek(2) == b"\x01\x15":  # the length of the input layer's name
            break
        if stream.integer() not in _VERSIONS:
            raise _Misfit("a layer is of an unknown version")
    if stream.text() != "input_rgb_image_sized":
        raise _Misfit("its input is another")
    for _ in range(3):  # mean colour; the card has it
        stream.floating()
    for _ in range(2):  # rows and columns
        stream.integer()


def _network(stream: _Stream) -> dict[str, NDArray[Any]]:
    _head(stream)
    tensors: dict[str, NDArray[Any]] = {}
    counts = dict.fromkeys(_LAYERS, 0)
    while not stream.ended:
        kind = stream.text()
        if kind not in _LAYERS:
            raise _Misfit(f"it has a layer of the unknown kind {kind!r}")
        name, read = _LAYERS[kind]
        tensors |= {f"{name}.{counts[kind]}.{part}": values for part, values in read(stream).items()}
        counts[kind] += 1
        for _ in range(3):  # what the training had computed and may compute again
            stream.truth()
        for _ in range(3):  # a gradient, an output, a gradient of the weights: empty once the training is over
            stream.expect(_TENSOR_VERSION, 0, 0, 0, 0)
        if sum(counts.values()) == 1:
            stream.expect(1)  # the layer on the input says how many samples a picture makes
    if not counts["fc_2"]:
        raise _Misfit("it ends before its last layer")
    return tensors


def _convolution(stream: _Stream) -> dict[str, NDArray[Any]]:
    values = stream.tensor()
    for _ in range(7):  # filters, their rows and columns, strides, padding: the drawing of the network knows them
        stream.integer()
    filters, biases = stream.view(), stream.view()
    for _ in range(4):  # rates of learning and of weight decay
        stream.floating()
    weight, bias = _split(values, filters, biases)
    return {"weight": weight.reshape(filters), "bias": bias}


def _affine(stream: _Stream) -> dict[str, NDArray[Any]]:
    values = stream.tensor()
    scale, shift = _split(values, stream.view(), stream.view())
    stream.expect(0)  # for convolutions
    return {"scale": scale, "shift": shift}


def _dense(stream: _Stream) -> dict[str, NDArray[Any]]:
    outputs, inputs = stream.integer(), stream.integer()
    values = stream.tensor()
    weights, biases = stream.view(), stream.view()
    stream.expect(1)  # no bias
    for _ in range(4):
        stream.floating()
    if weights != (inputs, outputs, 1, 1) or biases != (0, 0, 0, 0) or len(values) != inputs * outputs:
        raise _Misfit("its last layer does not fit itself")
    return {"weight": np.ascontiguousarray(values.reshape(inputs, outputs).T)}


def _pool(stream: _Stream) -> dict[str, NDArray[Any]]:
    for _ in range(6):  # window, strides, padding
        stream.integer()
    return {}


def _nothing(_stream: _Stream) -> dict[str, NDArray[Any]]:
    return {}


def _split(
    values: NDArray[np.float32], first: tuple[int, ...], second: tuple[int, ...]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    cut = math.prod(first)
    if cut + math.prod(second) != len(values):
        raise _Misfit("the parts of a layer are not as large as it is")
    return values[:cut], values[cut:]


_LAYERS = {
    "con_4": ("con", _convolution),
    "affine_": ("affine", _affine),
    "fc_2": ("fc", _dense),
    "max_pool_2": ("max_pool", _pool),
    "avg_pool_2": ("avg_pool", _pool),
    "relu_": ("relu", _nothing),
    "add_prev_": ("add_prev", _nothing),
}
