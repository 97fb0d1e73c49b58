"""What regions are given, checked: each returns it as it is needed, or raises with a sentence."""

from __future__ import annotations

import operator
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.image import Image
from mien.core.patches import FULL, Box, Levels

__all__ = [
    "box_within",
    "color",
    "distance",
    "levels",
    "line",
    "numbers",
    "pair",
    "picture",
    "picture_or_color",
    "same_sizes",
    "threshold",
]

MOST_PX: Final = 2_000  # that an edge may be moved or softened by: the work grows with its square


def levels(mask: ArrayLike) -> Levels:
    """A mask of any type as bytes: a copy."""
    array = _array(mask, "a mask")
    if array.ndim != 2 or array.dtype.kind not in "bfu" or (array.dtype.kind == "u" and array.dtype != np.uint8):
        raise ShapeMismatch(
            f"a mask is an (h, w) array of bool, of bytes, or of floats in [0, 1], not {array.shape} {array.dtype}."
        )
    if array.dtype.kind == "f":
        if not ((array >= 0) & (array <= 1)).all():
            raise ShapeMismatch("the floats of a mask are in [0, 1].")
        return np.asarray(np.rint(array * FULL), np.uint8)
    return array.astype(np.uint8) * np.uint8(FULL if array.dtype.kind == "b" else 1)


def pair(values: tuple[int, int], what: str) -> tuple[int, int]:
    """Two whole numbers that are not negative."""
    try:
        first, second = (operator.index(value) for value in values)
    except (TypeError, ValueError):
        raise ShapeMismatch(f"{what} is two whole numbers, not {values}.") from None
    if min(first, second) < 0:
        raise ShapeMismatch(f"{what} is not negative, as {values} is.")
    return first, second


def numbers(values: ArrayLike, count: int, what: str) -> list[float]:
    """So many numbers, which may be infinite."""
    array = _array(values, what)
    if array.shape != (count,) or array.dtype.kind not in "iuf" or np.isnan(array).any():
        raise ShapeMismatch(f"{what} is {count} numbers, not {array.tolist()}.")
    return [float(value) for value in array]


def box_within(box: Box, size: tuple[int, int]) -> Box:
    """A box of whole pixels within a picture."""
    try:
        x1, y1, x2, y2 = (operator.index(edge) for edge in box)
    except (TypeError, ValueError):
        raise ShapeMismatch(f"a box is four whole numbers x1, y1, x2, y2, not {box}.") from None
    if not (0 <= x1 <= x2 <= size[0] and 0 <= y1 <= y2 <= size[1]):
        raise ShapeMismatch(f"{box} is not within a picture of {size[0]}x{size[1]}.")
    return x1, y1, x2, y2


def same_sizes(a: tuple[int, int], b: tuple[int, int]) -> None:
    """Regions of one picture."""
    if a != b:
        raise ShapeMismatch(f"these regions are of pictures of different sizes: {a[0]}x{a[1]} and {b[0]}x{b[1]}.")


def distance(px: float) -> float:
    """Pixels that an edge is moved or softened by."""
    if not 0 <= px <= MOST_PX:
        raise UsageError(f"a distance is between 0 and {MOST_PX:,} pixels, not {px}.")
    return px


def line(text: str, what: str) -> str:
    """Text that any file can hold."""
    if not isinstance(text, str) or not text.isprintable():
        raise UsageError(f"{what} is one line of text, not {text!a}.")
    return text


def threshold(value: float) -> float:
    """How much of a pixel is inside."""
    if not 0 < value <= 1:
        raise UsageError(f"a threshold is above 0 and at most 1, not {value}.")
    return value


def color(values: ArrayLike) -> NDArray[np.uint8]:
    """Red, green and blue."""
    array = _array(values, "a colour")
    if array.shape != (3,) or array.dtype.kind not in "iu" or array.min() < 0 or array.max() > FULL:
        raise UsageError(f"a colour is red, green and blue from 0 to 255, not {array.tolist()}.")
    return array.astype(np.uint8)


def picture(image: ArrayLike, size: tuple[int, int]) -> Image:
    """A picture of a size."""
    array, (width, height) = _array(image, "a picture"), size
    if array.shape != (height, width, 3) or array.dtype != np.uint8:
        raise ShapeMismatch(
            f"a picture of shape ({height}, {width}, 3) and bytes is needed, not {array.shape} {array.dtype}."
        )
    return array


def picture_or_color(other: ArrayLike, size: tuple[int, int]) -> Image:
    """A picture of a size, which may be of one colour; that one takes no more than a row."""
    array, (width, height) = _array(other, "a picture or a colour"), size
    if array.ndim == 1:
        array = np.broadcast_to(np.tile(color(array), (width, 1)), (height, width, 3))
    return picture(array, size)


def _array(values: ArrayLike, what: str) -> NDArray[Any]:
    try:
        return np.asarray(values)
    except ValueError as error:  # rows of different lengths
        raise ShapeMismatch(f"{what} is an array: {error}.") from error
