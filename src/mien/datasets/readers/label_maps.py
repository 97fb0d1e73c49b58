"""Pictures with a label map: a class for every pixel. What the readers of parsing sets give, and how maps are read."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.core.image import pixel_limit
from mien.datasets.readers.files import read_bytes

__all__ = ["LabelSet", "LabelledPicture", "Labels", "mirrored_names", "names_picture_sides", "read_map", "read_mask"]

Labels: TypeAlias = NDArray[np.uint8]
"""(H, W): the place of each pixel's class in `LabelSet.classes`."""

LARGEST = 64 << 20  # bytes of a map; published ones have a few thousand
ASKED = 50  # maps that are asked whose left is meant
# What Pillow's reader of PNG raises on bytes that are none.
_BROKEN = (OSError, SyntaxError, ValueError, EOFError, LookupError, TypeError, struct.error, zlib.error)
_MODES: Final = frozenset({"1", "L", "P", "I", "I;16", "I;16B", "I;16L", "RGB"})


@dataclass(frozen=True)
class LabelSet:
    """The classes of a published set, by the names of `mien.core.parts`.

    Parameters
    ----------
    title : str
        What the set is called.
    classes : tuple of str
        In the order of the numbers in its maps.
    stands_for : mapping of str to str
        The class here that has the pixels of a network's class which the set does not know; where nothing is said
        these are background.
    colors : tuple of (red, green, blue)
        How its authors draw the classes: maps in colour are read by them.
    sides_known : bool
        That left and right are the subject's. Otherwise the maps are asked: see `names_picture_sides`.
    reported : str
        Which mean the set's papers report.
    """

    title: str
    classes: tuple[str, ...]
    stands_for: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    colors: tuple[tuple[int, int, int], ...] = ()
    sides_known: bool = False
    reported: str = "the mean F1 without the background"

    def indices_of(self, names: Sequence[str]) -> Labels:
        """For each class of a network, by name, its place in `classes`."""
        named = [name if name in self.classes else self.stands_for.get(name, self.classes[0]) for name in names]
        return np.array([self.classes.index(name) for name in named], np.uint8)


@dataclass(frozen=True)
class LabelledPicture:
    """A picture and its map.

    Parameters
    ----------
    path : Path
    read : callable
        Reads the map, (H, W) uint8, which may have another size than the picture.
    """

    path: Path
    read: Callable[[], Labels]


def read_map(path: str | os.PathLike[str], kind: LabelSet) -> Labels:
    """Read a label map from a PNG.

    The numbers of the classes are its grey levels or the places in its palette; or its colours are those of the set.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is no such picture, or a pixel is of no class.
    """
    values = _decode(Path(path))
    if values.ndim == 3 and (values != values[..., :1]).any():
        return _by_colors(values, kind, Path(path))
    flat = values[..., 0] if values.ndim == 3 else values
    low, high = int(flat.min()), int(flat.max())
    if low < 0 or high >= len(kind.classes):
        wrong = low if low < 0 else high
        raise InputError(f"{path}: {wrong} is the number of none of the {len(kind.classes)} classes of {kind.title}.")
    return np.ascontiguousarray(flat, np.uint8)


def read_mask(path: str | os.PathLike[str]) -> NDArray[np.bool_]:
    """Read a PNG of one class: (H, W), where it is not black.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is no such picture.
    """
    values = _decode(Path(path))
    return np.asarray(values.any(axis=2) if values.ndim == 3 else values != 0)


def _by_colors(values: NDArray[Any], kind: LabelSet, path: Path) -> Labels:
    codes = values.astype(np.uint32) @ np.array([1 << 16, 1 << 8, 1], np.uint32)
    seen, places = np.unique(codes, return_inverse=True)
    known = {red << 16 | green << 8 | blue: place for place, (red, green, blue) in enumerate(kind.colors)}
    strange = [int(code) for code in seen if int(code) not in known]
    if strange:
        raise InputError(f"{path}: the colour #{strange[0]:06x} is that of no class of {kind.title}.")
    table = np.array([known[int(code)] for code in seen], np.uint8)
    return np.ascontiguousarray(table[places].reshape(codes.shape))


def _decode(path: Path) -> NDArray[Any]:
    """The numbers in a PNG, (H, W), or its colours, (H, W, 3): never laid over white, scaled or turned."""
    from PIL.PngImagePlugin import PngImageFile

    content = io.BytesIO(read_bytes(path, limit=LARGEST))
    try:
        picture = PngImageFile(content)
        width, height = picture.size
        if not 0 < width * height <= pixel_limit(None):
            raise InputError(f"{path} has {width} x {height} pixels.")
        picture.load()
    except _BROKEN as error:
        raise InputError(f"{path} is no label map in PNG, or a broken one.") from error
    if picture.mode in _MODES:
        return np.asarray(picture)
    raise InputError(f"{path} is of the kind {picture.mode}: a label map is grey, has a palette, or is in colour.")


# -- left and right ------------------------------------------------------------------------------------------------


def mirrored_names(classes: Sequence[str]) -> Labels:
    """For each class the place of the one of the other side; its own where it has none."""
    sides = {"l_eye": "r_eye", "l_brow": "r_brow", "l_ear": "r_ear"}
    both = {**sides, **{right: left for left, right in sides.items()}}
    return np.array([classes.index(both.get(name, name)) for name in classes], np.uint8)


def names_picture_sides(maps: Iterable[Labels], kind: LabelSet) -> tuple[bool, int, int]:
    """Whether a set calls "left" what is left in the picture, rather than the subject's left.

    The papers of most sets do not say. The maps do: as people seldom stand on their heads, the subject's left eye is
    to the right in most pictures. The first 50 maps with both eyes vote.

    Parameters
    ----------
    maps : iterable of (H, W) uint8
    kind : LabelSet

    Returns
    -------
    picture_sides : bool
        False where `kind` knows better, or no map has both eyes.
    for_it, asked : int
        Maps that say so, and maps that have both eyes.
    """
    if kind.sides_known:
        return False, 0, 0
    left, right = (kind.classes.index(name) for name in ("l_eye", "r_eye"))
    votes = []
    for labels in maps:
        columns = [np.nonzero((labels == eye).any(axis=0))[0] for eye in (left, right)]
        if all(len(part) for part in columns):
            votes.append(bool(columns[0].mean() < columns[1].mean()))
        if len(votes) == ASKED:
            break
    return sum(votes) * 2 > len(votes), sum(votes), len(votes)
