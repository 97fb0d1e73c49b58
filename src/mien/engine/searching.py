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
from mien.core.geometry import invert, transform
from mien.core.image import Image
from mien.core.warping import resize, warp
from mien.engine.steps import Detector
from mien.engine.tiling import Span, around, owned, spans

__all__ = ["Region", "Search", "SearchOptions", "Tiles"]

Tiles: TypeAlias = Literal["auto", "off"] | int
Region: TypeAlias = tuple[float, float, float, float]

# Side of a tile in pixels of the picture: what detectors see at full resolution in one look. Smaller parts of a picture
# are enlarged to it.
_TILE = 640
# Parts that are enlarged together: bounds the memory.
_BATCH = 16
# Part of a tile that its neighbour sees too. A face up to this size is whole in one of them.
_OVERLAP = 1 / 6
# Faces of less than this part of the picture's long side are too small for a look at the whole of it.
_DEPTH = 45
# Long side up to which the detector's own looks show every pixel.
_LARGE = 1280
# Confidence from which a tile's face is worth a look at so many times the size, where small faces are clear, and most
# that is none goes.
_SUSPICION = 0.03
_ZOOM = 4
# Of the picture's long side: where the smallest face is larger, it is a portrait, and "auto" leaves the tiles out.
_PORTRAIT = 1 / 10
# Overlap from which two boxes are one face, and part of a box that lies inside of another one's if it is no other face.
_SAME = 0.4
_INSIDE = 0.7
# Degrees by which the picture is turned: detectors miss many faces that are tilted by more than half of such a step.
_TURNS = (45, 90, 135, 180, 225, 270, 315)
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
        Look for faces that lie on their side or stand on their head as well; it takes about ten times as long.
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
        if self.min_score is not None and not _within(self.min_score, 0, 1):
            raise UsageError(f"min_score is between 0 and 1, not {self.min_score!r}.")
        if not _within(self.min_size, 0):
            raise UsageError(f"min_size is 0 pixels or more, not {self.min_size!r}.")
        if self.max_faces is not None and not _within(self.max_faces, 0, whole=True):
            raise UsageError(f"max_faces is a whole number, 0 or more, not {self.max_faces!r}.")
        if self.tiles not in ("auto", "off") and not _within(self.tiles, 64, whole=True):
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
        small = [_scaled(view, min(self._turned_side, max(view.shape[:2]))) for view in views] if self.rotations else []
        for degrees in _TURNS if self.rotations else ():
            maps = [_turn(picture, degrees) for picture in small]
            turned = [warp(picture, m, size) for picture, (m, size) in zip(small, maps, strict=True)]
            seen = self._upright(detector, turned)
            for parts, view, picture, (m, _), faces in zip(found, views, small, maps, seen, strict=True):
                parts.append(_in_original(_turned_back(faces, m, picture), picture, view))
        return [
            self._counted(_moved(_joined(parts), x1, y1)) for parts, (x1, y1, _, _) in zip(found, corners, strict=True)
        ]

    @property
    def _turned_side(self) -> float:
        """Longest side at which a turned picture is worth its making: what is asked to be seen so closely."""
        return {"off": _LARGE, "auto": 2 * _LARGE}.get(str(self.tiles), math.inf)

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
        if self.min_score is not None:  # those of detectors that were joined can be less sure than either was
            faces = faces[faces.scores >= self.min_score]
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
        """The faces of each part of the picture that is worth a closer look."""
        long_side = max(image.shape[:2])
        visible = long_side / _DEPTH
        if self.tiles == "off" or self.min_size >= visible:
            return
        if self.tiles != "auto":
            for side in _sides(self.tiles, long_side, visible):
                yield from _tiles(detector, image, side, self.min_score)
        elif long_side > _LARGE and not (len(whole) and whole.heights.min() > _PORTRAIT * long_side):
            for side in _sides(_TILE, long_side, visible):
                suspects = _joined([*_tiles(detector, image, side, _SUSPICION)])
                yield from _crops(detector, image, suspects, side // _ZOOM, self.min_score)


def _sides(smallest: int, long_side: int, visible: float) -> Iterator[int]:
    """Sides of the tiles to look at: from the smallest on, until the whole picture shows what is larger."""
    side = smallest
    while side < long_side:
        yield side
        if side * _OVERLAP >= visible:
            return
        side *= 2


def _tiles(detector: Detector, image: Image, side: int, min_score: float | None) -> Iterator[Faces]:
    """The faces of each tile that are not cut off by its edges."""
    overlap = round(side * _OVERLAP)
    rows, columns = (spans(length, side, overlap) for length in image.shape[:2])
    yield from _parts(detector, image, [(x, y) for y in rows for x in columns], min_score)


def _crops(detector: Detector, image: Image, suspects: Faces, side: int, min_score: float | None) -> Iterator[Faces]:
    """The faces that are seen at the suspects' places, each in the middle of a square or whole in another one's."""
    left, squares = suspects, []
    while len(left):
        x, y = (
            around(float(middle), side, length)
            for middle, length in zip(left.centers[0], image.shape[1::-1], strict=True)
        )
        squares.append((x, y))
        seen = owned(x, y, left.boxes - np.array([x.start, y.start] * 2, np.float32))
        seen[0] = True  # though it be larger than the square
        left = left[~seen]
    yield from _parts(detector, image, squares, min_score)


def _parts(
    detector: Detector, image: Image, squares: Sequence[tuple[Span, Span]], min_score: float | None
) -> Iterator[Faces]:
    """The faces that are seen in parts of the picture, and that are theirs to tell of."""
    for start in range(0, len(squares), _BATCH):
        batch = squares[start : start + _BATCH]
        views = [image[y.start : y.stop, x.start : x.stop] for x, y in batch]
        shown = [_scaled(view, max(_TILE, *view.shape[:2])) for view in views]
        found = detector.detect(shown, min_score=min_score)
        for (x, y), view, picture, faces in zip(batch, views, shown, found, strict=True):
            seen = _in_original(faces, picture, view)
            yield _moved(seen[owned(x, y, seen.boxes)], x.start, y.start)


def _within(value: object, low: float, high: float = math.inf, *, whole: bool = False) -> bool:
    """Whether a value is a number, of numpy or not, in a range."""
    if not isinstance(value, int | np.integer if whole else int | float | np.integer | np.floating):
        return False
    return low <= value <= high


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


def _scaled(view: Image, long_side: float) -> Image:
    height, width = view.shape[:2]
    scale = long_side / max(height, width)
    return view if scale == 1 else resize(view, (max(round(height * scale), 1), max(round(width * scale), 1)))


def _in_original(faces: Faces, scaled: Image, view: Image) -> Faces:
    """Faces of a scaled picture in the picture itself."""
    growth = np.array([view.shape[1] / scaled.shape[1], view.shape[0] / scaled.shape[0]], np.float32)
    half = np.float32(0.5)  # points count from the first pixel's centre
    return replace(faces, boxes=faces.boxes * np.tile(growth, 2), keypoints=(faces.keypoints + half) * growth - half)


def _turn(view: Image, degrees: float) -> tuple[NDArray[np.float32], tuple[int, int]]:
    """The map that turns a picture about its middle, and the (height, width) that then holds all of it."""
    height, width = view.shape[:2]
    cos, sin = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    size = (
        max(round(abs(sin) * width + abs(cos) * height), 1),
        max(round(abs(cos) * width + abs(sin) * height), 1),
    )
    turn = np.array([[cos, -sin], [sin, cos]])
    shift = np.array([size[1] - 1, size[0] - 1]) / 2 - turn @ (np.array([width - 1, height - 1]) / 2)
    return np.column_stack([turn, shift]).astype(np.float32), size


def _turned_back(faces: Faces, m: NDArray[np.float32], view: Image) -> Faces:
    """Faces of a turned picture in the picture itself, with boxes around the ellipses that fill theirs."""
    back = invert(m)
    # Boxes count from the pixels' edges, maps and points from the first pixel's centre.
    centers = transform((faces.boxes[:, None, :2] + faces.boxes[:, None, 2:]) / 2 - 0.5, back)[:, 0] + 0.5
    halves = np.sqrt(((faces.boxes[:, 2:] - faces.boxes[:, :2]) / 2) ** 2 @ (back[:, :2] ** 2).T)
    limits = view.shape[1::-1] * 2
    boxes = np.concatenate([centers - halves, centers + halves], axis=1).clip(0, limits).astype(np.float32)
    # Those that are left out lie in the corners that turning added.
    there = np.flatnonzero((boxes[:, 2:] > boxes[:, :2]).all(axis=1))
    return replace(faces, boxes=boxes, keypoints=transform(faces.keypoints, back))[there]


def _joined(parts: Sequence[Faces]) -> Faces:
    """Each face once, as the surest look saw it; what lies inside of a surer face is a part of it, or a mistake."""
    if len(parts) == 1:
        return parts[0]
    faces = Faces.concat(parts)
    faces = faces[nms(faces.boxes, faces.scores, _SAME)]
    return faces[nms(faces.boxes, faces.scores, _INSIDE, of="smaller")]
