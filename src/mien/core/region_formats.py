"""Regions as other tools keep them: run lengths, and grey pictures."""

from __future__ import annotations

import operator
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ImageTooLarge, ShapeMismatch, UsageError
from mien.core.image import load_levels, pixel_limit, save_image
from mien.core.patches import FULL
from mien.core.region import Region

__all__ = ["decode_rle", "encode_rle", "read_png", "write_png"]

Counts: TypeAlias = NDArray[np.int64]

LETTERS: Final = 8  # of a count at most, in COCO's text, with 5 bits each
BLOCK: Final = 1 << 14  # counts that are written at a time


# --- run lengths: the numbers of pixels outside, inside, outside ..., down one column after the other ---------------


def encode_rle(region: Region, threshold: float) -> dict[str, Any]:
    """See `Region.to_rle`."""
    width, height = region.size
    x1, y1, _, _ = box = region.bbox
    mask = region.crop(box).to_mask(threshold)
    columns = np.pad(mask.T.view(np.int8), ((0, 0), (1, 1)))  # so that runs end with their column
    column, row = np.nonzero(np.diff(columns, axis=1))
    edges = (x1 + column) * height + y1 + row
    # Where a run ends with its column and the next one begins at once, they are one.
    joint = np.flatnonzero(edges[1:-1:2] == edges[2::2]) * 2 + 1
    edges = np.delete(edges, np.concatenate([joint, joint + 1]))
    counts = np.diff(edges, prepend=0, append=width * height)
    if len(counts) > 1 and not counts[-1]:  # the last pixel is inside
        counts = counts[:-1]
    values = counts.copy()
    values[3:] -= counts[1:-2]
    blocks = np.split(values, range(BLOCK, len(values), BLOCK))
    return {"size": [height, width], "counts": "".join(map(_to_text, blocks))}


def decode_rle(rle: Mapping[str, Any]) -> Region:
    """See `Region.from_rle`."""
    try:
        height, width = (operator.index(side) for side in rle["size"])
        given = rle["counts"]
        text = given.encode("ascii") if isinstance(given, str) else given
        counts = _from_text(text) if isinstance(text, bytes) else np.array([operator.index(n) for n in text], np.int64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ShapeMismatch(f"this is no run-length form with size and counts: {error!r}.") from error
    if min(height, width) >= 0 and height * width > pixel_limit(None):
        raise ImageTooLarge(
            f"runs of {width}x{height} pixels are more than the limit of {pixel_limit(None):,}; "
            "raise it with MIEN_MAX_PIXELS if you trust them."
        )
    # As Python's numbers, which no sum overflows; each is small enough before they are added.
    fits = min(height, width) >= 0 and (counts >= 0).all() and (counts <= height * width).all()
    if not fits or int(counts.sum()) != height * width:
        raise ShapeMismatch(f"these runs do not fill a picture of {width}x{height}.")
    edges = np.cumsum(counts)
    first, last = edges[:-1:2], edges[1::2]
    first = first[: len(last)]
    if not len(last) or first[0] == height * width:
        return Region.empty((width, height))
    # Only the columns in which something is are unpacked.
    left, right = int(first[0]) // height, -(-int(last[-1]) // height)
    change = np.zeros((right - left) * height + 1, np.int8)
    np.add.at(change, first - left * height, 1)
    np.add.at(change, last - left * height, -1)
    inside = np.cumsum(change[:-1], dtype=np.int8).view(np.uint8) * np.uint8(FULL)
    levels = np.ascontiguousarray(inside.reshape(right - left, height).T)
    return Region(levels, (left, 0), (width, height))


def _to_text(values: Counts) -> str:
    """COCO's text of counts, less the count before the last: five bits a letter, the lowest first."""
    shifted = values[:, None] >> np.arange(0, 5 * LETTERS, 5)
    # A letter is the last if all bits that follow are like its own highest.
    last = (shifted >> 5) == -((shifted >> 4) & 1)
    more = ~np.logical_or.accumulate(last, axis=1)
    letters = ((shifted & 31) + 32 * more + 48).astype(np.uint8)
    written = np.column_stack([np.ones(len(values), bool), more[:, :-1]])
    return bytes(letters[written]).decode("ascii")


def _from_text(text: bytes) -> Counts:
    bits = np.frombuffer(text, np.uint8).astype(np.int64) - 48
    if not ((bits >= 0) & (bits < 64)).all():
        raise ValueError("the text has letters that do not belong there")
    if not len(bits):
        return bits
    ends = np.flatnonzero(bits < 32)
    if not len(ends) or ends[-1] != len(bits) - 1:
        raise ValueError("the text ends within a number")
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends - starts + 1
    if lengths.max() > LETTERS:
        raise ValueError("the text has a number that is too large")
    place = np.arange(len(bits)) - np.repeat(starts, lengths)
    values = np.add.reduceat((bits & 31) << (5 * place), starts)
    values -= np.where(bits[ends] & 16, 1 << (5 * lengths), 0)
    values[1::2], values[2::2] = np.cumsum(values[1::2]), np.cumsum(values[2::2])
    return values


# --- grey pictures --------------------------------------------------------------------------------


def write_png(region: Region, path: str | os.PathLike[str]) -> Path:
    """See `Region.to_png`."""
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path} must end in .png.")
    save_image(region.to_levels(), path)
    return path


def read_png(source: str | os.PathLike[str] | bytes) -> Region:
    """See `Region.from_png`."""
    return Region.from_mask(load_levels(source))
