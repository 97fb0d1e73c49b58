"""Constants of an ONNX graph, read without a runtime: matrices that a file carries beside its network.

Numbers and names of the fields are those of ``onnx.proto`` (IR version 10).
"""

from __future__ import annotations

import math
import mmap
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ModelError
from mien.core.protobuf import ProtobufError, fields

__all__ = ["read_matrix"]

_GRAPH, _INITIALIZER = 7, 5  # in a model, in a graph
_DIMS, _TYPE, _FLOATS, _NAME, _RAW = 1, 2, 4, 8, 9  # in a tensor
_TYPES: dict[int, np.dtype[np.floating[Any]]] = {
    1: np.dtype("<f4"),
    10: np.dtype("<f2"),
    11: np.dtype("<f8"),
}


def read_matrix(path: Path, rows: int, columns: int, *, name: str = "") -> NDArray[np.float32]:
    """A constant matrix of a graph.

    Parameters
    ----------
    path
        An ONNX file.
    rows, columns
        Its shape.
    name
        Its name; by default the last constant of that shape.

    Returns
    -------
    (rows, columns) float32

    Raises
    ------
    ModelError
        There is none, it is not of floating numbers, or the file is broken.
    """
    found: NDArray[np.float32] | None = None
    try:
        with path.open("rb") as stream, mmap.mmap(stream.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for graph in _inner(data, 0, len(data), _GRAPH):
                for place in _inner(data, graph.start, graph.stop, _INITIALIZER):
                    tensor = _matrix(data, place, (rows, columns), name)
                    found = tensor if tensor is not None else found
    except (ProtobufError, OSError, ValueError) as error:
        raise ModelError(f"{path.name} is no ONNX file, or a broken one: {error}.") from error
    if found is None:
        which = f"called {name!r}" if name else "with its network"
        raise ModelError(f"{path.name} has no matrix of {rows} x {columns} numbers {which}.")
    if not np.isfinite(found).all():
        raise ModelError(f"{path.name} has a matrix with values that are no numbers.")
    return found


def _inner(data: mmap.mmap, start: int, stop: int, number: int) -> list[slice]:
    return [field.value for field in fields(data, start, stop) if field.number == number and _is_place(field.value)]  # type: ignore[misc] # checked


def _is_place(value: object) -> bool:
    return isinstance(value, slice)


def _matrix(data: mmap.mmap, place: slice, shape: tuple[int, int], name: str) -> NDArray[np.float32] | None:
    """The tensor at a place of the file, if it is the matrix that is looked for."""
    dims: list[int] = []
    kind, title, raw = 0, "", None
    for number, value in fields(data, place.start, place.stop):
        if number == _DIMS:
            dims += _whole(data, value)
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number == _NAME and isinstance(value, slice):
            title = data[value].decode("utf-8", "replace")
        elif number in (_RAW, _FLOATS) and isinstance(value, slice):
            raw = value
    if tuple(dims) != shape or (name and title != name) or kind not in _TYPES or raw is None:
        return None
    if raw.stop - raw.start != math.prod(shape) * _TYPES[kind].itemsize:
        raise ProtobufError("a matrix of another size than is said")
    values: NDArray[Any] = np.frombuffer(data[raw], _TYPES[kind])
    return values.reshape(shape).astype(np.float32)


def _whole(data: mmap.mmap, value: object) -> list[int]:
    """Whole numbers of a field: one, or several packed."""
    if isinstance(value, int):
        return [value]
    if not isinstance(value, slice):
        return []
    numbers, current, shift = [], 0, 0
    for byte in data[value]:
        current |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            numbers.append(current)
            current = shift = 0
    return numbers
