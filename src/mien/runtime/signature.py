"""What a network takes and gives, and the check of what it is handed."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch
from mien.models.card import ImageInput

__all__ = ["Signature"]


@dataclass(frozen=True, kw_only=True)
class Signature:
    """What a network takes and gives.

    Attributes
    ----------
    name
        The network's file name, for messages.
    inputs, outputs
        Names.
    shapes
        Shape of one row of each input, -1 for any size.
    types
        NumPy name of each input's element type.
    batches
        Whether several rows can be computed as one batch.
    """

    name: str
    inputs: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]
    types: tuple[str, ...]
    outputs: tuple[str, ...]
    batches: bool

    @property
    def rows(self) -> tuple[tuple[int, ...], ...] | None:
        """`shapes`, if the network takes no others."""
        return None if any(size < 0 for shape in self.shapes for size in shape) else self.shapes

    def check(self, inputs: Sequence[NDArray[Any]], picture: ImageInput | None) -> list[NDArray[Any]]:
        """Return the inputs in the network's types.

        Raises
        ------
        ShapeMismatch
            The network does not take them; the message says what it takes.
        """
        if len(inputs) != len(self.inputs):
            raise ShapeMismatch(f"{self.name} takes {len(self.inputs)} inputs, not {len(inputs)}.")
        arrays = [np.asarray(array) for array in inputs]
        if picture is not None and arrays[0].dtype != np.uint8:
            raise ShapeMismatch(f"{self.name} takes uint8 pictures, not {arrays[0].dtype}.")
        for name, array, shape in zip(self.inputs, arrays, self.shapes, strict=True):
            row = array.shape[1:]
            if array.ndim != len(shape) + 1 or any(
                want not in (-1, have) for want, have in zip(shape, row, strict=True)
            ):
                wanted = " x ".join("any" if size < 0 else str(size) for size in shape)
                raise ShapeMismatch(f"{self.name}: {name} takes N x {wanted}, not {array.shape}.")
            if len(array) != len(arrays[0]):
                raise ShapeMismatch(f"{self.name}: inputs of {len(arrays[0])} and of {len(array)} rows.")
        if picture is not None and any(size % picture.multiple or not size for size in arrays[0].shape[1:3]):
            height, width = arrays[0].shape[1:3]
            raise ShapeMismatch(f"{self.name} takes multiples of {picture.multiple}, not {height} x {width} pixels.")
        return [array.astype(kind, copy=False) for array, kind in zip(arrays, self.types, strict=True)]

    def to_json(self) -> dict[str, Any]:
        """Return it as what JSON can hold."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Signature:
        """Undo `to_json`, whose tuples JSON has made into lists."""
        shapes = tuple(tuple(shape) for shape in values["shapes"])
        lists = {key: tuple(values[key]) for key in ("inputs", "types", "outputs")}
        return cls(**{**values, **lists, "shapes": shapes})
