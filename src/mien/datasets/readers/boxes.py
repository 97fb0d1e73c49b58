"""Pictures in which every face has a box or a marked nose: what the readers of detection data give."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, ShapeMismatch

__all__ = ["BoxedPicture", "inside"]


@dataclass(frozen=True, eq=False)
class BoxedPicture:
    """One picture and its faces.

    Parameters
    ----------
    path : Path
    boxes : (N, 4) float32
        xyxy in pixels; a marked nose is a box without an area.
    subsets : mapping of str to (N,) bool
        Which faces a measurement of that name is about; the others are there, but finding or missing them does not
        count (too small, covered, a crowd).

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    """

    path: Path
    boxes: NDArray[np.float32]
    subsets: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        count = len(self.boxes)
        if self.boxes.shape != (count, 4):
            raise ShapeMismatch(f"boxes are (N, 4), not {self.boxes.shape}.")
        if not self.subsets:
            object.__setattr__(self, "subsets", {"all": np.ones(count, np.bool_)})
        for name, mask in self.subsets.items():
            if mask.shape != (count,) or mask.dtype != np.bool_:
                raise ShapeMismatch(f"the subset {name} of {count} faces is {mask.dtype} {mask.shape}.")


def inside(folder: Path, name: str, source: Path) -> Path:
    """The file of that name in a folder; InputError if the name leads out of it."""
    relative = PurePosixPath(name.replace("\\", "/"))
    if relative.is_absolute() or ".." in relative.parts or not relative.parts or "\0" in name:
        raise InputError(f"{source}: {name[:80]!r} is no file in the folder of pictures.")
    return folder / relative
