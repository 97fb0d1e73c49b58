"""Where a detector is made to look: at the whole picture, closer in overlapping tiles, and with the picture turned.

A detector finds faces of some range of sizes, upright or nearly so. `Search` wraps any detector so that it finds faces
of every size and turn, and holds which of them count.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, TypeAlias, TypedDict

import numpy as np
from numpy.typing import NDArray

from mien.core.boxes import nms
from mien.core.errors import UsageError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.engine.steps import Detector

__all__ = ["Region", "Search", "SearchOptions", "Tiles"]

Tiles: TypeAlias = Literal["auto", "off"] | int
Region: TypeAlias = tuple[float, float, float, float]

# Side of a tile in pixels of the picture: what detectors see at full resolution in one look.
_TILE = 640
# Part of a tile that its neighbour sees too. A face up to this size is whole in one of them.
_OVERLAP = 1 / 6
# Faces of less than this part of the picture's long side are too small for a look at the whole of it.
_DEPTH = 40
# Up to this long side, a detector's own closer look finds faces of 20 pixels.
_LARGE = 2048
# Of the picture's long side: where the smallest face is larger, it is a portrait, and "auto" leaves the tiles out.
_PORTRAIT = 1 / 10
# Part of a box's side: one that ends so close to a tile's edge is cut off by it.
_CUT = 0.05
# Overlap from which two boxes are one face, and part of a box that lies inside of another one's if it is no other face.
_SAME = 0.4
_INSIDE = 0.7
# Part of the region's longer side that is looked at around it.
_ROOM = 0.25


class SearchOptions(TypedDict, total=False):
    """The options of `Search`, for verbs to pass on."""

    min_score: float | None
    min_size: float
    max_faces: int | None
    check: bool
    tiles: Tiles
    rotations: bool
    region: Region | None


@dataclass(frozen=True, kw_only=True)
class Search:
    """Where to look for faces, and which count.

    Parameters
    ----------
    min_score : float, optional
        Lowest confidence in [0, 1]; by default the model's own threshold.
    min_size : float
        Lowest box height in pixels.
    max_faces : int, optional
        Keep only this many, the surest ones.
    check : bool
        Ask the mesh network for a second opinion and drop what it does not take for a face.
    tiles : "auto", "off" or int
        Look closer at large pictures, in overlapping squares of so many pixels: "auto" where that may find more.
    rotations : bool
        Look for faces that lie on their side or stand on their head as well; it takes four times as long.
    region : (x1, y1, x2, y2), optional
        Only faces whose middle lies in it, in pixels of the picture.

    Raises
    ------
    UsageError
        If an option is out of its range.
    """

    min_score: float | None = None
    min_size: float = 0.0
    max_faces: int | None = None
    check: bool = False
    tiles: Tiles = "auto"
    rotations: bool = False
    region: Region | None = None

    def __post_init__(self) -> None:
        if self.min_score is not None and not 0 <= self.min_score <= 1:
            raise UsageError(f"min_score is between 0 and 1, not {self.min_score}.")
        if not self.min_size >= 0:
            raise UsageError(f"min_size is 0 pixels or more, not {self.min_size}.")
        if self.max_faces is not None and self.max_faces < 0:
            raise UsageError(f"max_faces is 0 or more, not {self.max_faces}.")
        whole = isinstance(self.tiles, int) and not isinstance(self.tiles, bool)
        if self.tiles not in ("auto", "off") and not (whole and int(self.tiles) >= 64):
            raise UsageError(f'tiles is "auto", "off" or a side of 64 pixels or more, not {self.tiles!r}.')
        if self.region is not None:
            object.__setattr__(self, "region", _region(self.region))

    def find(self, detector: Detector, images: Sequence[Image]) -> list[Faces]:
        """Look for faces.

        Parameters
        ----------
        detector : Detector
        images : sequence of (H, W, 3) uint8

        Returns
        -------
        list of Faces
            One per picture, surest first. `max_faces` and `check` are left to the caller: the check needs a model.

        Raises
        ------
        UsageError
            If the region lies outside of a picture.
        """
        corners = [self._corners(image) for image in images]
        views = [image[y1:y2, x1:x2] for image, (x1, y1, x2, y2) in zip(images, corners, strict=True)]
        found = [[faces] for faces in self._upright(detector, views)]
        for quarters in (1, 2, 3) if self.rotations else ():
            turned = [np.ascontiguousarray(np.rot90(view, quarters)) for view in views]
            for parts, view, seen in zip(found, views, self._upright(detector, turned), strict=True):
                parts.append(_turned_back(seen, quarters, (view.shape[0], view.shape[1])))
        return [
            self._counted(_moved(_joined(parts), x1, y1)) for parts, (x1, y1, _, _) in zip(found, corners, strict=True)
        ]

    def _corners(self, image: Image) -> tuple[int, int, int, int]:
        """The part of a picture that is looked at: the region, with room for faces whose middle is at its edge."""
        height, width = image.shape[:2]
        if self.region is None:
            return 0, 0, width, height
        x1, y1, x2, y2 = self.region
        if x1 >= width or y1 >= height or x2 <= 0 or y2 <= 0:
            raise UsageError(f"the region {self.region} lies outside of a picture of {width}x{height} pixels.")
        room = _ROOM * max(x2 - x1, y2 - y1)
        return (
            max(math.floor(x1 - room), 0),
            max(math.floor(y1 - room), 0),
            min(math.ceil(x2 + room), width),
            min(math.ceil(y2 + room), height),
        )

    def _counted(self, faces: Faces) -> Faces:
        faces = faces[faces.heights >= self.min_size]
        if self.region is None:
            return faces
        low, high = np.split(np.asarray(self.region), 2)
        inside: NDArray[np.bool_] = np.all((faces.centers >= low) & (faces.centers < high), axis=1)
        return faces[inside]

    def _upright(self, detector: Detector, images: Sequence[Image]) -> list[Faces]:
        """The faces of pictures as they stand: each seen as a whole, then closer."""
        whole = detector.detect(images, min_score=self.min_score)
        return [_joined([faces, *self._closer(detector, i, faces)]) for i, faces in zip(images, whole, strict=True)]

    def _closer(self, detector: Detector, image: Image, whole: Faces) -> Iterator[Faces]:
        """The faces of each tile, where there is any, that are not cut off by its edges."""
        for side in self._tile_sides(max(image.shape[:2]), whole):
            tiles = [(x, y) for y in _spans(image.shape[0], side) for x in _spans(image.shape[1], side)]
            views = [image[y.start : y.stop, x.start : x.stop] for x, y in tiles]
            for (x, y), seen in zip(tiles, detector.detect(views, min_score=self.min_score), strict=True):
                own: NDArray[np.bool_] = np.logical_and(x.owns(seen.boxes[:, 0::2]), y.owns(seen.boxes[:, 1::2]))
                yield _moved(seen[own], x.start, y.start)

    def _tile_sides(self, long_side: int, whole: Faces) -> Iterator[int]:
        """Sides of the tiles to look at: from the smallest on, until the whole picture shows what is larger."""
        visible = long_side / _DEPTH
        if self.tiles == "off" or self.min_size >= visible:
            return
        side = _TILE if self.tiles == "auto" else self.tiles
        if self.tiles == "auto":
            portrait = len(whole) and float(whole.heights.min()) > _PORTRAIT * long_side
            if long_side <= _LARGE or portrait:
                return
        while side < long_side:
            yield side
            if side * _OVERLAP >= visible:
                return
            side *= 2


@dataclass(frozen=True)
class _Span:
    """One side of a tile: pixels from `start` to `stop`, of which those from `low` to `high` are its own."""

    start: int
    stop: int
    low: float
    high: float

    def owns(self, edges: NDArray[np.float32]) -> NDArray[np.bool_]:
        """Whether faces that reach from one edge to the other (N, 2), in the tile, are this tile's to tell of.

        Their middle is in its own part, and they end before an edge behind which the picture goes on.
        """
        first, last = edges[:, 0] + self.start, edges[:, 1] + self.start
        middle, margin = (first + last) / 2, np.maximum(_CUT * (last - first), 1)
        inside: NDArray[np.bool_] = (self.low <= middle) & (middle <= self.high)
        if self.low > -math.inf:
            inside &= first >= self.start + margin
        if self.high < math.inf:
            inside &= last <= self.stop - margin
        return inside


def _spans(length: int, side: int) -> list[_Span]:
    """Cut one side of a picture into equal spans that overlap by `_OVERLAP` or more and end where it ends."""
    overlap = round(side * _OVERLAP)
    count = max(math.ceil((length - overlap) / (side - overlap)), 1)
    starts = [round(place * max(length - side, 0) / max(count - 1, 1)) for place in range(count)]
    stops = [min(start + side, length) for start in starts]
    # Neighbours part in the middle of what both see. Both may tell of a face there: rounding must not lose it.
    slack = overlap / 8
    parts = [(stop + start) / 2 for stop, start in zip(stops, starts[1:], strict=False)]
    lows = [-math.inf, *(part - slack for part in parts)]
    highs = [*(part + slack for part in parts), math.inf]
    return [_Span(*span) for span in zip(starts, stops, lows, highs, strict=True)]


def _region(values: object) -> Region:
    try:
        x1, y1, x2, y2 = map(float, values)  # type: ignore[call-overload] # what is none is refused here
    except (TypeError, ValueError):
        x1 = y1 = x2 = y2 = math.nan
    if not (x1 < x2 and y1 < y2 and math.isfinite(x1 + y1 + x2 + y2)):
        raise UsageError(f"a region is x1, y1, x2, y2 with x1 < x2 and y1 < y2, not {values!r}.")
    return x1, y1, x2, y2


def _moved(faces: Faces, x: int, y: int) -> Faces:
    shift = np.array([x, y], np.float32)
    return replace(faces, boxes=faces.boxes + np.tile(shift, 2), keypoints=faces.keypoints + shift)


def _turned_back(faces: Faces, quarters: int, size: tuple[int, int]) -> Faces:
    """Faces of a picture that was turned by quarters against the clock, in the picture of this (height, width)."""
    # Boxes count from the pixels' edges, points from the first pixel's centre.
    points = np.concatenate([faces.boxes.reshape(-1, 2, 2), faces.keypoints + np.float32(0.5)], axis=1)
    for quarter in reversed(range(quarters)):
        width = size[1 - quarter % 2]  # of the picture before this quarter
        points = np.stack([width - points[..., 1], points[..., 0]], axis=-1)
    boxes = np.concatenate([points[:, :2].min(axis=1), points[:, :2].max(axis=1)], axis=1)
    return replace(faces, boxes=boxes, keypoints=points[:, 2:] - np.float32(0.5))


def _joined(parts: Sequence[Faces]) -> Faces:
    """Each face once, as the surest look saw it; what lies inside of a surer face is a part of it, or a mistake."""
    if len(parts) == 1:
        return parts[0]
    faces = Faces.concat(parts)
    faces = faces[nms(faces.boxes, faces.scores, _SAME)]
    return faces[nms(faces.boxes, faces.scores, _INSIDE, of="smaller")]
