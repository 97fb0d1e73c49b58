"""Keras's weights in HDF5 files: the arrays, and nothing of the network that the file describes.

Such a file also holds the network as JSON, and code of Python functions in it as bytes. Neither is looked at: the
network is drawn again, see `mien.runtime.graphs`. Of HDF5 itself, what would read other files (external links and
storage, virtual datasets) or run code (filters) is refused.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ModelError, UnsafeFile

__all__ = ["read_keras"]

_FILE_LIMIT = 2 << 30  # bytes
_ENTRIES = 20_000
_DEEPEST = 8
_ROOT, _LAYERS = "model_weights", "layer_names"


def read_keras(path: Path) -> dict[str, NDArray[Any]]:
    """Read the weights of a file that Keras 2 wrote with ``model.save`` or ``model.save_weights``.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict of str to float32 array
        In alphabetical order, by the layer's name and the weight's: ``Bottleneck.kernel``. Axes are Keras's: (rows,
        columns, inputs, outputs) of a convolution.

    Raises
    ------
    UnsafeFile
        The file refers to other files or uses filters, or claims more than it holds.
    ModelError
        It is no such file, it is broken, or it cannot be read.
    """
    import h5py

    try:
        if path.stat().st_size > _FILE_LIMIT:
            raise UnsafeFile(f"{path.name} is larger than the {_FILE_LIMIT} bytes that weights may have.")
        with h5py.File(path, "r") as file:
            return _Walk(h5py, path.stat().st_size).arrays(file)
    except UnsafeFile as error:
        raise UnsafeFile(f"{path.name} is refused: {error}") from error
    except (OSError, KeyError, RuntimeError, TypeError, ValueError) as error:  # what h5py raises for a broken file
        raise ModelError(f"{path.name} is no file of Keras's weights, or a broken one.") from error


class _Walk:
    """Collects the arrays below ``model_weights``."""

    def __init__(self, h5py: Any, size: int) -> None:
        self._h5py = h5py
        self._left = size  # bytes that honest arrays can still have
        self._entries = 0

    def arrays(self, file: Any) -> dict[str, NDArray[Any]]:
        if _ROOT in file:
            found = self._group(file, _ROOT, 0)
        else:  # `save_weights` writes the layers themselves, and a list of them
            found = self._children(file, 0) if _LAYERS in file.attrs else {}
        if not found:
            raise ValueError("no weights")
        return found

    def _group(self, parent: Any, name: str, depth: int) -> dict[str, NDArray[Any]]:
        h5py = self._h5py
        if type(parent.get(name, getlink=True)) is not h5py.HardLink:
            raise UnsafeFile("it has a link to another place.")
        entry = parent[name]
        self._entries += 1
        if self._entries > _ENTRIES or depth > _DEEPEST:
            raise UnsafeFile("it has too many entries, or in too many groups.")
        if isinstance(entry, h5py.Dataset):
            return {_short(entry.name): self._array(entry)}
        return self._children(entry, depth)

    def _children(self, group: Any, depth: int) -> dict[str, NDArray[Any]]:
        found: dict[str, NDArray[Any]] = {}
        for child in group:
            for weight, values in self._group(group, child, depth + 1).items():
                if weight in found:
                    raise ValueError("two weights of one name")
                found[weight] = values
        return found

    def _array(self, dataset: Any) -> NDArray[Any]:
        if dataset.external or dataset.is_virtual:
            raise UnsafeFile("a weight of it lies in another file.")
        if dataset.id.get_create_plist().get_nfilters():
            raise UnsafeFile("a weight of it is filtered, which Keras never does.")
        if dataset.dtype != np.float32:
            raise ValueError("not float32")
        self._left -= 4 * math.prod(dataset.shape)
        if self._left < 0:
            raise UnsafeFile("its weights are larger than itself.")
        values: NDArray[Any] = dataset[()]
        if not np.isfinite(values).all():
            raise ValueError("weights that are no numbers")
        return values


def _short(name: str) -> str:
    """``/model_weights/Layer/Layer/kernel:0`` is ``Layer.kernel``."""
    parts = name.split("/")
    return f"{parts[-2]}.{parts[-1].removesuffix(':0')}"
