"""``Region``: a soft mask of a picture, and what is done with masks.

A region knows the size of its picture, but keeps only the part in which something happens, as bytes: levels from 0
(outside) to 255 (inside). What everywhere is its complement is not kept either, only that it is one. So forty faces of
a picture of 40 megapixels take what their boxes take, and so do the rests of the picture around them.

Union, intersection and complement are the greatest, the least and the rest of the levels (Zadeh, *Fuzzy sets*, 1965):
exact on bytes, idempotent, and De Morgan's laws hold.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core import region_checks as checks
from mien.core import region_filters as filters
from mien.core.errors import ShapeMismatch, UsageError
from mien.core.image import Image
from mien.core.patches import FULL, Box, Levels, Patch, area_of, around, common, part_of

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["FULL", "Region"]

Color: TypeAlias = tuple[int, int, int]

BLOCK: Final = 1 << 15  # pixels of a picture that are mixed at a time: their sums stay in the processor's cache


class Region:
    """A soft mask of a picture; it never changes.

    Make one with `from_mask`, `from_box`, `from_polygons`, `from_rle`, `from_png`, `empty` or `full`, or get it from
    `mien.mask`. Operators combine regions of one picture: ``a | b`` (union), ``a & b`` (intersection), ``a - b`` (a
    without b) and ``~a`` (the rest of the picture). ``a + b`` is the union of neighbours: where two soft edges meet,
    each half inside, their sum is all inside, while their union shows a seam. ``(x, y) in a`` tells whether a point is
    inside. ``np.asarray(a)`` is `to_array`; as bool it is `to_mask`, and as uint8 `to_levels`.

    The rest of the picture changes the other way round: ``~a.dilate(3)`` is ``(~a).erode(3)``, and ``~a.feather(3)``
    is ``(~a).feather(3)``. The border of the picture is no edge.

    Parameters
    ----------
    levels : (h, w) uint8
        0 outside, 255 inside, of a part of the picture. It is taken as it is, and not to be written to any more.
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

    # Of an inverted region, the patch is that of the rest of the picture: so `~` costs nothing.
    __slots__ = ("_inverted", "_patch", "_size")
    __hash__ = None  # type: ignore[assignment] # equal by content, and too large to hash
    __array_ufunc__ = None  # array - region and the like are errors, not arithmetic on levels

    _patch: Patch
    _size: tuple[int, int]
    _inverted: bool

    def __init__(self, levels: Levels, origin: tuple[int, int], size: tuple[int, int], beyond: int = 0) -> None:
        levels = np.asarray(levels)
        if levels.ndim != 2 or levels.dtype != np.uint8:
            raise ShapeMismatch(f"the levels of a region are (h, w) bytes, not {levels.shape} {levels.dtype}.")
        if beyond not in (0, FULL):
            raise UsageError(f"beyond its part a region is 0 or 255, not {beyond}.")
        (x, y), (width, height) = checks.pair(origin, "an origin"), checks.pair(size, "a size")
        if x + levels.shape[1] > width or y + levels.shape[0] > height:
            raise ShapeMismatch(f"{levels.shape[1]}x{levels.shape[0]} at {x}, {y} is not within {width}x{height}.")
        self._patch = Patch.of(FULL - levels if beyond else levels, (x, y))
        self._size = width, height
        self._inverted = beyond == FULL

    @classmethod
    def _of(cls, patch: Patch, size: tuple[int, int], inverted: bool = False) -> Region:
        region: Region = cls.__new__(cls)
        region._patch, region._size, region._inverted = patch, size, inverted
        return region

    def __reduce__(self) -> tuple[Any, ...]:
        return Region._of, (self._patch, self._size, self._inverted)

    # -- making ------------------------------------------------------------------------------------------------------

    @classmethod
    def empty(cls, size: tuple[int, int]) -> Region:
        """Nothing of a picture of `size` (width, height)."""
        return cls(np.zeros((0, 0), np.uint8), (0, 0), size)

    @classmethod
    def full(cls, size: tuple[int, int]) -> Region:
        """All of a picture of `size` (width, height)."""
        return ~cls.empty(size)

    @classmethod
    def from_mask(
        cls, mask: ArrayLike, *, origin: tuple[int, int] = (0, 0), size: tuple[int, int] | None = None
    ) -> Region:
        """A region of an array, which is copied.

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
        levels = checks.levels(mask)
        x, y = checks.pair(origin, "an origin")
        return cls(levels, (x, y), size or (x + levels.shape[1], y + levels.shape[0]))

    @classmethod
    def from_box(cls, box: ArrayLike, size: tuple[int, int]) -> Region:
        """A box (x1, y1, x2, y2), of a picture of `size` (width, height); a pixel that it cuts is inside by its share.

        Raises
        ------
        ShapeMismatch
            If it is not four numbers.
        """
        x1, y1, x2, y2 = checks.numbers(box, 4, "a box x1, y1, x2, y2")
        width, height = checks.pair(size, "a size")
        x, across = _covered(x1, x2, width)
        y, down = _covered(y1, y2, height)
        return cls(np.rint(np.outer(down, across) * FULL).astype(np.uint8), (x, y), (width, height))

    @classmethod
    def from_polygons(cls, polygons: Iterable[ArrayLike], size: tuple[int, int]) -> Region:
        """What polygons enclose; where one lies in another, it is a hole (the even-odd rule).

        A pixel on an edge is inside by the share of it that is enclosed: exact along 16 lines through each row of
        pixels; along fewer lines of tangles that cross them 67 million times, so that nothing takes more than seconds.

        Parameters
        ----------
        polygons : iterable of (P, 2) array-like
            Points x, y in pixels. As all points in mien, they count from the centre of the first pixel: the whole
            picture reaches from -0.5 to its width less 0.5.
        size : (width, height)
            Of the picture; what is beyond it is cut off.

        Raises
        ------
        ShapeMismatch
            If a polygon is not made of finite points, or edges cross rows of pixels more than 67 million times, or one
            row two million times.
        """
        from mien.core.region_outlines import fill_polygons

        return fill_polygons(polygons, checks.pair(size, "a size"))

    @classmethod
    def from_rle(cls, rle: Mapping[str, Any]) -> Region:
        """Read COCO's run-length form: ``{"size": [height, width], "counts": text or list}``.

        Raises
        ------
        ShapeMismatch
            If it is not such a form, or its runs do not fill the picture.
        ImageTooLarge
            If the picture is larger than `mien.load_image` takes.
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

    @classmethod
    def union(cls, regions: Iterable[Region], size: tuple[int, int]) -> Region:
        """All of several regions; nothing of a picture of `size` where there are none.

        Raises
        ------
        ShapeMismatch
            If one is of a picture of another size.
        """
        rest, plain = cls.empty(size), []
        for region in regions:
            if region.beyond:
                rest = rest | region
            else:
                plain.append(cls._patch_of(region, rest.size))
        return rest | cls._of(Patch.joined(plain), rest.size)

    @staticmethod
    def _patch_of(region: Region, size: tuple[int, int]) -> Patch:
        checks.same_sizes(region.size, size)
        return region._patch

    # -- the algebra: on patches, with the complement kept apart -------------------------------------------------------

    def __invert__(self) -> Region:
        return Region._of(self._patch, self._size, not self._inverted)

    def __and__(self, other: Region) -> Region:
        if not isinstance(other, Region):
            return NotImplemented
        checks.same_sizes(self._size, other._size)
        match self._inverted, other._inverted:
            case False, False:
                return Region._of(self._patch.met(other._patch), self._size)
            case False, True:
                return Region._of(self._patch.without(other._patch), self._size)
            case True, False:
                return other & self
            case _:
                return Region._of(Patch.joined([self._patch, other._patch]), self._size, True)

    def __or__(self, other: Region) -> Region:
        return ~(~self & ~other) if isinstance(other, Region) else NotImplemented

    def __sub__(self, other: Region) -> Region:
        return self & ~other if isinstance(other, Region) else NotImplemented

    def __add__(self, other: Region) -> Region:
        if not isinstance(other, Region):
            return NotImplemented
        checks.same_sizes(self._size, other._size)
        box = around(self._patch.box, other._patch.box)
        levels = np.minimum(self._levels_in(box), FULL - (rest := other._levels_in(box))) + rest
        return Region(levels, box[:2], self._size, max(self.beyond, other.beyond))

    def __eq__(self, other: object) -> bool:
        """Whether both have the same levels everywhere in a picture of the same size."""
        if not isinstance(other, Region):
            return NotImplemented
        if self._size != other._size:
            return False
        if self._inverted == other._inverted:
            return self._patch.same(other._patch)
        # Where neither has anything, one is 0 and the other 255.
        whole = self._whole
        covered = self._patch.levels.size + other._patch.levels.size >= area_of(whole)
        return covered and np.array_equal(self._levels_in(whole), other._levels_in(whole))

    def iou(self, other: Region) -> float:
        """Area of the intersection by that of the union, in [0, 1]; NaN where both are empty.

        Raises
        ------
        ShapeMismatch
            If the other is of a picture of another size.
        """
        common = (self & other).area
        return common / either if (either := self.area + other.area - common) else float("nan")

    # -- changing its form -------------------------------------------------------------------------------------------

    def dilate(self, px: float) -> Region:
        """Larger by `px` pixels all around, which may be a fraction.

        Each pixel gets the highest level within that distance (a grey dilation by a disc, true to 3 %).
        """
        return self._grown(px, outwards=not self._inverted)

    def erode(self, px: float) -> Region:
        """Smaller by `px` pixels all around, which may be a fraction: the rest of the picture is dilated."""
        return self._grown(px, outwards=self._inverted)

    def feather(self, px: float) -> Region:
        """Soft edges: they fade from 1, `px` pixels within the edge, to 0, `px` pixels without."""
        return self._filtered(checks.distance(px), filters.soften)

    def smooth(self, px: float = 2.0) -> Region:
        """Without what is narrower than about `px` pixels: spots and fringes go, holes and notches fill.

        Corners become round. Edges are about a pixel wide then: feather it after this, not before.
        """
        return self._filtered(checks.distance(px) * 1.5, filters.smooth)

    def outline(self, px: float = 2.0) -> Region:
        """A line along its edge, `px` pixels wide."""
        return self.dilate(px / 2) - self.erode(px / 2)

    def fill(self) -> Region:
        """Without holes: what is enclosed is at least as much inside as what is around it, to a 16th."""
        box, levels = self._seen()
        return Region._of(Patch.of(filters.fill(levels), box[:2]), self._size)

    def parts(self) -> list[Region]:
        """Its connected parts, the largest first.

        Pixels that are at least half inside make a part if they touch; those that are less go with the nearest part.
        """
        box, levels = self._seen()
        found = filters.parts(levels)
        return [Region._of(Patch.of(part, (box[0] + x, box[1] + y)), self._size) for part, (x, y) in found]

    def largest(self, count: int = 1) -> Region:
        """Only its `count` largest parts, by the area of what is at least half inside: see `parts`."""
        box, levels = self._seen()
        return Region._of(Patch.of(filters.largest(levels, max(count, 0)), box[:2]), self._size)

    def _grown(self, px: float, *, outwards: bool) -> Region:
        """Its patch, larger or smaller; in the margin beyond the picture there is nothing that could grow."""
        if not checks.distance(px) or not self._patch:
            return self
        box = _widened(self._patch.box, min(int(px) + 2, max(self._size)))
        inner = common(box, self._whole)
        levels = self._patch.within(box)
        seen = part_of(levels, box[:2], inner)
        if not outwards:
            np.subtract(FULL, seen, out=seen)
        grown = part_of(filters.grow(levels, px), box[:2], inner)
        return Region._of(Patch.of(grown if outwards else FULL - grown, inner[:2]), self._size, self._inverted)

    def _filtered(self, px: float, change: Callable[[Levels, float], Levels]) -> Region:
        """Its patch, changed by a filter that looks as far as `px` pixels."""
        if not px or not self._patch:
            return self
        box = common(_widened(self._patch.box, int(px) + 2), self._whole)
        levels = change(np.ascontiguousarray(self._patch.within(box)), px)
        return Region._of(Patch.of(levels, box[:2]), self._size, self._inverted)

    # -- in another picture ------------------------------------------------------------------------------------------

    def crop(self, box: Box) -> Region:
        """What it is in a crop of the picture: x1, y1, x2, y2 in whole pixels, within it.

        Raises
        ------
        ShapeMismatch
            If the box is not within the picture.
        """
        x1, y1, x2, y2 = box = checks.box_within(box, self._size)
        inner = common(self._patch.box, box)
        part = Patch.of(self._patch.within(inner), (inner[0] - x1, inner[1] - y1))
        return Region._of(part, (x2 - x1, y2 - y1), self._inverted)

    def resized(self, size: tuple[int, int]) -> Region:
        """What it is in the same picture at another size (width, height)."""
        import cv2

        width, height = size = checks.pair(size, "a size")
        if not (width and height and self._patch):
            return Region._of(Patch.of(np.zeros((0, 0), np.uint8)), size, self._inverted)
        smaller = width < self._size[0] or height < self._size[1]
        whole = np.ascontiguousarray(self._patch.within(self._whole))
        levels = cv2.resize(whole, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_LINEAR)
        return Region._of(Patch.of(np.asarray(levels, np.uint8)), size, self._inverted)

    # -- reading -----------------------------------------------------------------------------------------------------

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the picture."""
        return self._size

    @property
    def levels(self) -> Levels:
        """The levels of the part that is kept, (h, w) uint8: all others are `beyond`."""
        levels = self._levels_in(self._patch.box)
        levels.flags.writeable = False
        return levels

    @property
    def origin(self) -> tuple[int, int]:
        """Where in the picture this part begins: x, y."""
        return self._patch.origin

    @property
    def beyond(self) -> int:
        """The level of the rest of the picture: 0, or 255 of a complement."""
        return FULL if self._inverted else 0

    def __repr__(self) -> str:
        x1, y1, x2, y2 = self.bbox
        return f"Region({self.area:.0f} px in {x1},{y1},{x2},{y2} of {self._size[0]}x{self._size[1]})"

    def __bool__(self) -> bool:
        """Whether anything is inside, if only partly."""
        levels = self._patch.levels
        return (
            levels.size < area_of(self._whole) or bool((levels < FULL).any()) if self._inverted else bool(levels.size)
        )

    def __contains__(self, point: ArrayLike) -> bool:
        """Whether a point (x, y), in pixels, is at least half inside."""
        x, y = checks.numbers(point, 2, "a point x, y")
        width, height = self._size
        if not (-0.5 <= x < width - 0.5 and -0.5 <= y < height - 0.5):
            return False
        left, top = int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        return bool(self._levels_in((left, top, left + 1, top + 1))[0, 0] > FULL // 2)

    @property
    def bbox(self) -> Box:
        """x1, y1, x2, y2 around all that is not outside, in pixels; all 0 where nothing is."""
        if not self._inverted:
            return self._patch.box
        (width, height), levels = self._size, self._patch.levels
        if levels.shape[1] < width and levels.shape[0] < height:
            return self._whole
        return Patch.of(self._levels_in(self._whole)).box

    @property
    def area(self) -> float:
        """Pixels inside; one that is half inside counts a half."""
        kept = float(self._patch.levels.sum(dtype=np.int64)) / FULL
        return area_of(self._whole) - kept if self._inverted else kept

    def to_array(self) -> NDArray[np.float32]:
        """How far each pixel is inside: (H, W) float32 in [0, 1], of the whole picture."""
        return self.to_levels().astype(np.float32) / np.float32(FULL)

    def to_mask(self, threshold: float = 0.5) -> NDArray[np.bool_]:
        """Which pixels are inside by at least `threshold`: (H, W) bool, of the whole picture.

        Raises
        ------
        UsageError
            If the threshold is not above 0 and at most 1.
        """
        return self._levels_in(self._whole) >= checks.threshold(threshold) * FULL

    def to_levels(self) -> Levels:
        """The same as bytes from 0 to 255: (H, W) uint8, of the whole picture."""
        return self.levels_in(self._whole)

    def levels_in(self, box: Box) -> Levels:
        """The levels of a part of the picture (x1, y1, x2, y2 in whole pixels, within it): (h, w) uint8.

        Raises
        ------
        ShapeMismatch
            If the box is not within the picture.
        """
        levels = self._levels_in(checks.box_within(box, self._size))
        return levels if levels.flags.writeable else levels.copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        if copy is False:
            raise ValueError("a region is not kept as an array, so that it can only be copied.")
        wanted = np.dtype(np.float32 if dtype is None else dtype)
        if wanted == np.dtype(bool):
            return self.to_mask()
        return self.to_levels() if wanted == np.dtype(np.uint8) else np.asarray(self.to_array(), dtype=wanted)

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows: its levels in grey."""
        from mien.core.draw import as_png

        return as_png(self.to_levels()) if area_of(self._whole) else None

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
        """COCO's compressed run-length form of `to_mask`: ``{"size": [height, width], "counts": text}``.

        `from_rle` also reads the form with a list of counts.
        """
        from mien.core.region_formats import encode_rle

        return encode_rle(self, threshold)

    def to_polygons(self, *, tolerance: float = 0.15) -> list[NDArray[np.float32]]:
        """Where it is half inside: outlines and the outlines of holes, each (P, 2), as `from_polygons` takes them.

        They run between pixels, by how far each is inside. Outlines go clockwise as seen, those of holes the other way
        round; the longest come first. Points count from the centre of the first pixel: COCO and SVG count from its
        corner, so add 0.5 there.

        Parameters
        ----------
        tolerance : float
            How far, in pixels, an outline may be from the edge, to have fewer points.
        """
        from mien.core.region_outlines import trace_polygons

        return trace_polygons(self, checks.distance(tolerance))

    def to_svg(self, *, color: str = "#ff4090", tolerance: float = 0.15) -> str:
        """The outlines as an SVG drawing of the picture's size, filled with a colour as SVG and CSS name them.

        Raises
        ------
        UsageError
            If the colour is not one line of text.
        """
        from mien.core.region_outlines import draw_svg

        return draw_svg(self, checks.line(color, "the colour of a drawing"), checks.distance(tolerance))

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
        UsageError
            If a colour is not three numbers from 0 to 255.
        """
        import cv2

        image, other = checks.picture(image, self._size), checks.picture_or_color(other, self._size)
        if self._inverted:
            return (~self).apply(other, image)
        result = image.copy()
        for block in _blocks(self._patch.box):
            here, front = part_of(result, (0, 0), block), part_of(other, (0, 0), block)
            share = cv2.merge([self._patch.within(block)] * 3).reshape(here.shape).astype(np.uint16)
            here[:] = (front * share + here * (FULL - share) + FULL // 2) // FULL
        return result

    def cutout(self, image: Image, *, crop: bool = False) -> NDArray[np.uint8]:
        """The picture with the region as its alpha: (H, W, 4) uint8; with `crop`, no more than `bbox` of it.

        What is outside is black, so that nothing of it is given away; at soft edges its colours still shine through:
        `Matte.cutout` takes them out.

        Raises
        ------
        ShapeMismatch
            If the picture is not of the region's size.
        """
        import cv2

        image = checks.picture(image, self._size)
        box = self.bbox if crop else self._whole
        cut = np.zeros((box[3] - box[1], box[2] - box[0], 4), np.uint8)
        for block in _blocks(box):
            levels = self._levels_in(block)
            colors = cv2.copyTo(part_of(image, (0, 0), block), levels)
            cv2.mixChannels([colors, levels], [part_of(cut, box[:2], block)], [0, 0, 1, 1, 2, 2, 3, 3])
        return cut

    # -- its part of the picture -------------------------------------------------------------------------------------

    @property
    def _whole(self) -> Box:
        return 0, 0, *self._size

    def _levels_in(self, box: Box) -> Levels:
        levels = self._patch.within(box)
        return FULL - levels if self._inverted else levels

    def _seen(self) -> tuple[Box, Levels]:
        """Where it is, and its levels there."""
        box = self.bbox
        return box, self._levels_in(box)


def _blocks(box: Box) -> Iterator[Box]:
    """A few rows of a box after the other."""
    x1, top, x2, bottom = box
    if x1 < x2:
        rows = max(BLOCK // (x2 - x1), 1)
        yield from ((x1, y1, x2, min(y1 + rows, bottom)) for y1 in range(top, bottom, rows))


def _widened(box: Box, by: int) -> Box:
    return box[0] - by, box[1] - by, box[2] + by, box[3] + by


def _covered(low: float, high: float, length: int) -> tuple[int, NDArray[np.float64]]:
    """The first of `length` pixels in a row that lies between two edges, and the shares of it and the next that do."""
    low, high = (float(np.clip(edge, 0, length)) for edge in (low, high))
    first, last = int(low), int(np.ceil(high))
    cells = np.arange(first, max(last, first))
    return first, (np.minimum(cells + 1, high) - np.maximum(cells, low)).clip(0)
