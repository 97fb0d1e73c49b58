"""``Region``: a soft mask of a picture, and what is done with masks.

A region knows the size of its picture, but keeps only the part in which something happens, as bytes: levels from 0
(outside) to 255 (inside). Forty faces of a picture of 40 megapixels take what their boxes take, and so do their
complements.

Union, intersection and complement are the greatest, the least and the rest of the levels (Zadeh, *Fuzzy sets*, 1965):
exact on bytes, idempotent, and De Morgan's laws hold.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.image import Image

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Region"]

Levels: TypeAlias = NDArray[np.uint8]
Color: TypeAlias = tuple[int, int, int]
FULL = 255


@dataclass(frozen=True, eq=False, repr=False)
class Region:
    """A soft mask of a picture.

    Make one with `Region.from_mask`, `from_box`, `from_polygons`, `from_rle`, `from_png`, `empty` or `full`, or get it
    from `mien.mask`. Operators combine regions of one picture: ``a | b`` (union), ``a & b`` (intersection), ``a - b``
    (a without b) and ``~a`` (the rest of the picture).

    Parameters
    ----------
    levels : (h, w) uint8
        0 outside, 255 inside, of a part of the picture.
    origin : (x, y)
        Where in the picture this part begins.
    size : (width, height)
        Of the picture.
    beyond : int
        The level of the rest of the picture: 0, or 255 of a complement.

    Raises
    ------
    ShapeMismatch
        If the part is not within the picture.
    """

    levels: Levels
    origin: tuple[int, int]
    size: tuple[int, int]
    beyond: int = 0

    def __post_init__(self) -> None:
        levels = np.asarray(self.levels)
        (x, y), (width, height) = self.origin, self.size
        if levels.ndim != 2 or levels.dtype != np.uint8:
            raise ShapeMismatch(f"the levels of a region are (h, w) bytes, not {levels.shape} {levels.dtype}.")
        if min(x, y, width, height) < 0 or x + levels.shape[1] > width or y + levels.shape[0] > height:
            raise ShapeMismatch(f"{levels.shape[1]}x{levels.shape[0]} at {x}, {y} is not within {width}x{height}.")
        if self.beyond not in (0, FULL):
            raise UsageError(f"beyond its part a region is 0 or 255, not {self.beyond}.")
        frozen = levels.view()
        frozen.flags.writeable = False
        object.__setattr__(self, "levels", frozen)

    # -- making ------------------------------------------------------------------------------------------------------

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Region:
        """Nothing of a picture of `size` (width, height)."""
        return cls(np.zeros((0, 0), np.uint8), (0, 0), size)

    @classmethod
    def full(cls, size: tuple[int, int]) -> Region:
        """All of a picture of `size` (width, height)."""
        return cls(np.zeros((0, 0), np.uint8), (0, 0), size, FULL)

    @classmethod
    def from_mask(
        cls, mask: ArrayLike, *, origin: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None
    ) -> Region:
        """A region of an array.

        Parameters
        ----------
        mask : (h, w) array-like
            bool; uint8 from 0 to 255; or floats in [0, 1].
        origin : (x, y)
            Where in the picture it begins.
        size : (width, height), optional
            Of the picture; by default the array's own, from the origin.

        Raises
        ------
        ShapeMismatch
            If it is no such array, or is not within the picture.
        """
        array = np.asarray(mask)
        if array.ndim != 2 or array.dtype.kind not in "bfu" or (array.dtype.kind == "u" and array.dtype != np.uint8):
            raise ShapeMismatch(
                f"a mask is an (h, w) array of bool, of bytes, or of floats in [0, 1], not {array.shape} {array.dtype}."
            )
        if array.dtype.kind == "f":
            if not ((array >= 0) & (array <= 1)).all():
                raise ShapeMismatch("the floats of a mask are in [0, 1].")
            array = np.rint(array * FULL).astype(np.uint8)
        elif array.dtype.kind == "b":
            array = array.astype(np.uint8) * np.uint8(FULL)
        x, y = origin
        return cls(array, origin, size or (x + array.shape[1], y + array.shape[0])).trimmed()

    @classmethod
    def from_box(cls, box: ArrayLike, size: tuple[int, int]) -> Region:
        """The pixels whose centres lie in a box (x1, y1, x2, y2), of a picture of `size` (width, height)."""
        x1, y1, x2, y2 = (float(edge) for edge in np.asarray(box, np.float64))
        left, top = max(int(np.ceil(x1 - 0.5)), 0), max(int(np.ceil(y1 - 0.5)), 0)
        right, bottom = min(int(np.ceil(x2 - 0.5)), size[0]), min(int(np.ceil(y2 - 0.5)), size[1])
        if right <= left or bottom <= top:
            return cls.empty(size)
        return cls(np.full((bottom - top, right - left), FULL, np.uint8), (left, top), size)

    @classmethod
    def from_polygons(cls, polygons: Iterable[ArrayLike], size: tuple[int, int]) -> Region:
        """What polygons enclose, with smooth edges; where one lies in another, it is a hole (the even-odd rule).

        Parameters
        ----------
        polygons : iterable of (P, 2) array-like
            Points x, y in pixels; a pixel's centre has whole numbers.
        size : (width, height)
            Of the picture.
        """
        from mien.core.region_formats import fill_polygons

        return fill_polygons(polygons, size)

    @classmethod
    def from_rle(cls, rle: Mapping[str, Any]) -> Region:
        """Read COCO's run-length form: ``{"size": [height, width], "counts": text or list}``.

        Raises
        ------
        ShapeMismatch
            If it is not such a form, or its runs do not fill the picture.
        """
        from mien.core.region_formats import decode_rle

        return decode_rle(rle)

    @classmethod
    def from_png(cls, source: str | os.PathLike[str] | bytes) -> Region:
        """Read a mask from a picture: its alpha if it has any, else its grey.

        Parameters
        ----------
        source : path or bytes
            PNG, or any other format that `mien.load_image` reads.

        Raises
        ------
        SourceError, ImageError
            As `mien.load_image`; also if it is in colour and has no alpha.
        """
        from mien.core.region_formats import read_png

        return read_png(source)

    @staticmethod
    def union(regions: Sequence[Region], size: tuple[int, int]) -> Region:
        """All of several regions; nothing of a picture of `size` where there are none."""
        total = Region.empty(size)
        for region in regions:
            total = total | region
        return total

    # -- the algebra -------------------------------------------------------------------------------------------------

    def __or__(self, other: Region) -> Region:
        return self._combine(other, np.maximum)

    def __and__(self, other: Region) -> Region:
        return self._combine(other, np.minimum)

    def __sub__(self, other: Region) -> Region:
        return self & ~other if isinstance(other, Region) else NotImplemented

    def __invert__(self) -> Region:
        return replace(self, levels=FULL - self.levels, beyond=FULL - self.beyond)

    def __eq__(self, other: object) -> bool:
        """Whether both have the same levels everywhere in a picture of the same size."""
        if not isinstance(other, Region):
            return NotImplemented
        if self.size != other.size:
            return False
        window = _hull(self._window, other._window)
        same_beyond = self.beyond == other.beyond or _area(window) == self.size[0] * self.size[1]
        return same_beyond and bool(np.array_equal(self._levels_in(window), other._levels_in(window)))

    __hash__ = None  # type: ignore[assignment] # equal by content, and too large to hash

    def _combine(self, other: Region, rule: Callable[[Levels, Levels], Levels]) -> Region:
        if not isinstance(other, Region):
            return NotImplemented
        if self.size != other.size:
            raise ShapeMismatch(f"these regions are of pictures of {self.size} and {other.size} pixels.")
        window = _hull(self._window, other._window)
        levels = rule(self._levels_in(window), other._levels_in(window))
        beyond = int(rule(np.array(self.beyond, np.uint8), np.array(other.beyond, np.uint8)))
        return Region(levels, window[:2], self.size, beyond).trimmed()

    # -- changing its form -------------------------------------------------------------------------------------------

    def feather(self, px: float) -> Region:
        """Softer edges: they fade over about `px` pixels to each side (a Gaussian of half that deviation)."""
        import cv2

        if _checked(px) == 0:
            return self
        return self._filtered(
            px * 2, lambda levels: cv2.GaussianBlur(levels, (0, 0), px / 2, borderType=cv2.BORDER_REPLICATE)
        )

    def dilate(self, px: float) -> Region:
        """Larger by `px` pixels all around."""
        return self._grown(px, larger=True)

    def erode(self, px: float) -> Region:
        """Smaller by `px` pixels all around; the picture's border is no edge."""
        return self._grown(px, larger=False)

    def smooth(self, px: float = 2.0) -> Region:
        """Without what is narrower than about `px` pixels: spots and fringes go, holes and notches fill."""
        import cv2

        if _checked(px) == 0:
            return self

        def vote(levels: Levels) -> Levels:  # a pixel is what most of its surroundings are
            soft = cv2.GaussianBlur(levels, (0, 0), px / 2, borderType=cv2.BORDER_REPLICATE)
            return np.asarray(np.clip((soft.astype(np.float32) - 127.5) * 4 + 127.5, 0, FULL).round(), np.uint8)

        return self._filtered(px * 2, vote)

    def largest(self, count: int = 1) -> Region:
        """Only its `count` largest connected parts, by area of what is at least half inside."""
        import cv2

        if self.beyond:
            return Region(self._levels_in(_whole(self.size)), (0, 0), self.size).largest(count)
        number, labels, stats, _ = cv2.connectedComponentsWithStats((self.levels > FULL // 2).view(np.uint8))
        order = 1 + np.argsort(-stats[1:, cv2.CC_STAT_AREA], kind="stable")[: max(count, 0)]
        keep = np.zeros(number, bool)
        keep[order] = True
        kept = keep[labels].view(np.uint8)
        near = cv2.dilate(kept, np.ones((3, 3), np.uint8)) > 0  # with the soft edge of the part
        return replace(self, levels=np.where(near, self.levels, 0).astype(np.uint8)).trimmed()

    def _grown(self, px: float, *, larger: bool) -> Region:
        import cv2

        if _checked(px) == 0:
            return self
        morph = cv2.dilate if larger else cv2.erode

        def grow(levels: Levels) -> Levels:
            left = px
            while left > 0:  # discs added to discs are a disc, and small ones take far less time
                step = min(left, 5.0)
                levels, left = np.asarray(morph(levels, _disc(step)), np.uint8), left - step
            return levels

        return self._filtered(px, grow)

    def _filtered(self, reach: float, change: Callable[[Levels], Any]) -> Region:
        """Changed by a filter that looks as far as `reach` pixels."""
        margin = int(np.ceil(reach)) + 1
        x1, y1, x2, y2 = self._window
        if not self.levels.size:
            return self
        width, height = self.size
        window = max(x1 - margin, 0), max(y1 - margin, 0), min(x2 + margin, width), min(y2 + margin, height)
        levels = np.asarray(change(np.ascontiguousarray(self._levels_in(window))), np.uint8)
        return Region(levels, window[:2], self.size, self.beyond).trimmed()

    # -- reading -----------------------------------------------------------------------------------------------------

    def __repr__(self) -> str:
        x1, y1, x2, y2 = self.bbox
        return f"Region({self.area:.0f} px in {x1},{y1},{x2},{y2} of {self.size[0]}x{self.size[1]})"

    def __bool__(self) -> bool:
        """Whether anything is inside, if only partly."""
        return bool(self.levels.any()) or (self.beyond > 0 and self.levels.size < self.size[0] * self.size[1])

    @property
    def bbox(self) -> tuple[int, int, int, int]:
        """x1, y1, x2, y2 around all that is not outside, in pixels; all 0 where nothing is."""
        if self.beyond:
            return _whole(self.size) if self else (0, 0, 0, 0)
        x1, y1, x2, y2 = _extent(self.levels, 0)
        x, y = self.origin
        return (x + x1, y + y1, x + x2, y + y2) if x2 > x1 else (0, 0, 0, 0)

    @property
    def area(self) -> float:
        """Pixels inside; one that is half inside counts a half."""
        around = self.size[0] * self.size[1] - self.levels.size
        return float(self.levels.sum(dtype=np.int64) + self.beyond * around) / FULL

    def to_array(self) -> NDArray[np.float32]:
        """How far each pixel is inside: (H, W) float32 in [0, 1], of the whole picture."""
        return self.to_levels().astype(np.float32) / np.float32(FULL)

    def to_mask(self, threshold: float = 0.5) -> NDArray[np.bool_]:
        """Which pixels are inside by at least `threshold`: (H, W) bool, of the whole picture."""
        if not 0 < threshold <= 1:
            raise UsageError(f"a threshold is above 0 and at most 1, not {threshold}.")
        return self.to_levels() >= threshold * FULL

    def to_levels(self) -> Levels:
        """The same as bytes from 0 to 255: (H, W) uint8, of the whole picture."""
        return self._levels_in(_whole(self.size)).copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self.to_array(), dtype=dtype)

    def levels_in(self, box: tuple[int, int, int, int]) -> Levels:
        """The levels of a part of the picture (x1, y1, x2, y2 in whole pixels, within it): (h, w) uint8."""
        x1, y1, x2, y2 = box
        if not (0 <= x1 <= x2 <= self.size[0] and 0 <= y1 <= y2 <= self.size[1]):
            raise ShapeMismatch(f"{box} is not within a picture of {self.size[0]}x{self.size[1]}.")
        return self._levels_in(box).copy()

    # -- other forms -------------------------------------------------------------------------------------------------

    def to_png(self, path: str | os.PathLike[str]) -> Path:
        """Write the levels as a grey PNG of the picture's size; the file appears complete or not at all.

        Raises
        ------
        UsageError
            If `path` does not end in .png.
        StorageError
            If it cannot be written.
        """
        from mien.core.region_formats import write_png

        return write_png(self, path)

    def to_rle(self, threshold: float = 0.5) -> dict[str, Any]:
        """COCO's compressed run-length form of `to_mask`: ``{"size": [height, width], "counts": text}``."""
        from mien.core.region_formats import encode_rle

        return encode_rle(self, threshold)

    def to_polygons(self, *, tolerance: float = 0.5) -> list[NDArray[np.float32]]:
        """Outlines of what is at least half inside, outer ones and holes, each (P, 2): see `from_polygons`.

        Parameters
        ----------
        tolerance : float
            How far, in pixels, an outline may be from the edge, to have fewer points.
        """
        from mien.core.region_formats import trace_polygons

        return trace_polygons(self, tolerance)

    def to_svg(self, *, color: str = "#ff4090", tolerance: float = 0.5) -> str:
        """The outlines as an SVG drawing of the picture's size, filled with a colour."""
        from mien.core.region_formats import draw_svg

        return draw_svg(self, color, tolerance)

    # -- on pictures -------------------------------------------------------------------------------------------------

    def apply(self, image: Image, other: Image | Color) -> Image:
        """A copy of a picture in which the region shows another one, or a colour.

        Parameters
        ----------
        image : (H, W, 3) uint8
        other : (H, W, 3) uint8, or (red, green, blue)

        Raises
        ------
        ShapeMismatch
            If a picture is not of the region's size.
        """
        self._check_image(image)
        flat = np.ndim(other) == 1
        if not flat:
            self._check_image(np.asarray(other))
        result = image.copy()
        for window in self._busy_windows():
            x1, y1, x2, y2 = window
            share = self._levels_in(window)[..., None].astype(np.uint16)
            front = np.asarray(other, np.uint8) if flat else np.asarray(other)[y1:y2, x1:x2]
            mixed = front * share + image[y1:y2, x1:x2] * (FULL - share) + FULL // 2
            result[y1:y2, x1:x2] = mixed // FULL
        return result

    def cutout(self, image: Image, *, crop: bool = False) -> NDArray[np.uint8]:
        """The picture with the region as its alpha: (H, W, 4) uint8; with `crop`, no more than `bbox` of it."""
        self._check_image(image)
        x1, y1, x2, y2 = window = self.bbox if crop else _whole(self.size)
        return np.dstack([image[y1:y2, x1:x2], self._levels_in(window)])

    def _busy_windows(self) -> list[tuple[int, int, int, int]]:
        """Parts of the picture outside of which nothing is inside."""
        return [_whole(self.size)] if self.beyond else [self._window]

    def _check_image(self, image: NDArray[Any]) -> None:
        width, height = self.size
        if image.shape != (height, width, 3) or image.dtype != np.uint8:
            raise ShapeMismatch(
                f"a picture of shape ({height}, {width}, 3) and bytes is needed, not {image.shape} {image.dtype}."
            )

    # -- its part of the picture -------------------------------------------------------------------------------------

    @property
    def _window(self) -> tuple[int, int, int, int]:
        x, y = self.origin
        return x, y, x + self.levels.shape[1], y + self.levels.shape[0]

    def _levels_in(self, window: tuple[int, int, int, int]) -> Levels:
        """The levels of a part of the picture; a view where that is within its own."""
        x1, y1, x2, y2 = window
        own = self._window
        if own[0] <= x1 and own[1] <= y1 and own[2] >= x2 and own[3] >= y2:
            return self.levels[y1 - own[1] : y2 - own[1], x1 - own[0] : x2 - own[0]]
        out = np.full((y2 - y1, x2 - x1), self.beyond, np.uint8)
        left, top, right, bottom = max(x1, own[0]), max(y1, own[1]), min(x2, own[2]), min(y2, own[3])
        if left < right and top < bottom:
            part = self.levels[top - own[1] : bottom - own[1], left - own[0] : right - own[0]]
            out[top - y1 : bottom - y1, left - x1 : right - x1] = part
        return out

    def trimmed(self) -> Region:
        """The same without the rows and columns at the edges of its part that are like what is beyond."""
        x1, y1, x2, y2 = _extent(self.levels, self.beyond)
        if (x2 - x1, y2 - y1) == self.levels.shape[::-1]:
            return self
        if x2 <= x1:
            return replace(self, levels=np.zeros((0, 0), np.uint8), origin=(0, 0))
        part = self.levels[y1:y2, x1:x2]
        # A copy, where much more would be kept alive than is needed.
        part = part.copy() if part.size < self.levels.size // 2 else part
        return replace(self, levels=part, origin=(self.origin[0] + x1, self.origin[1] + y1))


def _whole(size: tuple[int, int]) -> tuple[int, int, int, int]:
    return 0, 0, size[0], size[1]


def _area(window: tuple[int, int, int, int]) -> int:
    return (window[2] - window[0]) * (window[3] - window[1])


def _hull(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """The window around both; an empty one does not count."""
    if not _area(a):
        return b
    if not _area(b):
        return a
    return min(a[0], b[0]), min(a[1], b[1]), max(a[2], b[2]), max(a[3], b[3])


def _extent(levels: Levels, beyond: int) -> tuple[int, int, int, int]:
    """x1, y1, x2, y2 around all that is not `beyond`; empty where nothing is."""
    other = levels != beyond
    rows, columns = np.flatnonzero(other.any(axis=1)), np.flatnonzero(other.any(axis=0))
    if not len(rows):
        return 0, 0, 0, 0
    return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


def _checked(px: float) -> float:
    if not np.isfinite(px) or not 0 <= px <= 10_000:
        raise UsageError(f"a distance is between 0 and 10,000 pixels, not {px}.")
    return px


def _disc(radius: float) -> Levels:
    reach = int(radius)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    return np.asarray(x * x + y * y <= radius * radius, np.uint8)
