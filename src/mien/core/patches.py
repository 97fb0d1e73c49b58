"""``Patch``: levels of a small part of something large that is 0 everywhere else."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["FULL", "Box", "Levels", "Patch", "area_of", "around", "common", "part_of"]

Levels: TypeAlias = NDArray[np.uint8]
#: x1, y1, x2, y2 in whole pixels, the last ones not within.
Box: TypeAlias = tuple[int, int, int, int]

FULL: Final = 255


@dataclass(frozen=True, eq=False, slots=True)
class Patch:
    """Bytes at a place, without rows and columns of zeros at their edges. Make one with `Patch.of`.

    Attributes
    ----------
    levels : (h, w) uint8, read-only
    origin : (x, y)
        (0, 0) where there is nothing.
    """

    levels: Levels
    origin: tuple[int, int]

    @classmethod
    def of(cls, levels: Levels, origin: tuple[int, int] = (0, 0)) -> Patch:
        """What is not 0 of an array that is not written to any more."""
        import cv2

        x, y, width, height = cv2.boundingRect(levels) if levels.size else (0, 0, 0, 0)
        tight = levels[y : y + height, x : x + width]
        if tight.size < levels.size // 2:  # much more would be kept alive than is needed
            tight = tight.copy()
        tight = tight.view()
        tight.flags.writeable = False
        return cls(tight, (origin[0] + x, origin[1] + y) if tight.size else (0, 0))

    def __reduce__(self) -> tuple[Callable[[Levels, tuple[int, int]], Patch], tuple[Levels, tuple[int, int]]]:
        return Patch.of, (self.levels, self.origin)

    def __bool__(self) -> bool:
        return self.levels.size > 0

    @property
    def box(self) -> Box:
        """Where it is; empty where there is nothing."""
        x, y = self.origin
        return x, y, x + self.levels.shape[1], y + self.levels.shape[0]

    def same(self, other: Patch) -> bool:
        """Whether both have the same levels everywhere."""
        return self.origin == other.origin and np.array_equal(self.levels, other.levels)

    def within(self, box: Box) -> Levels:
        """The levels in a box, which may reach beyond; a view, where it does not."""
        inner = common(self.box, box)
        if inner == box:
            return part_of(self.levels, self.origin, box)
        x1, y1, x2, y2 = box
        out = np.zeros((y2 - y1, x2 - x1), np.uint8)
        if area_of(inner):
            part_of(out, (x1, y1), inner)[:] = part_of(self.levels, self.origin, inner)
        return out

    def met(self, other: Patch) -> Patch:
        """The lower levels: looked at only where both are."""
        box = common(self.box, other.box)
        return Patch.of(np.minimum(self.within(box), other.within(box)), box[:2])

    def without(self, other: Patch) -> Patch:
        """No higher than `other` leaves room for: nothing beyond its own box is looked at."""
        box = common(self.box, other.box)
        if not area_of(box):
            return self
        levels = self.levels.copy()
        here = part_of(levels, self.origin, box)
        np.minimum(here, FULL - other.within(box), out=here)
        return Patch.of(levels, self.origin)

    @staticmethod
    def joined(patches: Sequence[Patch]) -> Patch:
        """The highest levels: one array around all of them is made, once."""
        found = [patch for patch in patches if patch]
        if len(found) < 2:
            return found[0] if found else Patch.of(np.zeros((0, 0), np.uint8))
        box = functools.reduce(around, [patch.box for patch in found])
        levels = np.zeros((box[3] - box[1], box[2] - box[0]), np.uint8)
        for patch in found:
            here = part_of(levels, box[:2], patch.box)
            np.maximum(here, patch.levels, out=here)
        return Patch.of(levels, box[:2])


def common(a: Box, b: Box) -> Box:
    """Where two boxes are both; a box without pixels where they are nowhere."""
    x1, y1 = max(a[0], b[0]), max(a[1], b[1])
    return x1, y1, max(min(a[2], b[2]), x1), max(min(a[3], b[3]), y1)


def around(a: Box, b: Box) -> Box:
    """The least box around two; one without pixels does not count."""
    if not area_of(a) or not area_of(b):
        return a if area_of(a) else b
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def area_of(box: Box) -> int:
    """Pixels in a box."""
    return (box[2] - box[0]) * (box[3] - box[1])


def part_of(levels: Levels, origin: tuple[int, int], box: Box) -> Levels:
    """A view of an array that begins at `origin`: what is in a box, which lies within it."""
    return levels[box[1] - origin[1] : box[3] - origin[1], box[0] - origin[0] : box[2] - origin[0]]
