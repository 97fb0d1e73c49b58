"""The RoI tanh-polar warp: a whole picture in the polar coordinates of one face.

Lin, Shen, Wang and Pantic, *RoI tanh-polar transformer network for face parsing in the wild* (Image and Vision
Computing, 2021). Around the middle of a face's box lies the ellipse that has the proportions and the area of the box.
With the distance from the middle counted in that ellipse, n, a point lies in the column tanh(n) of the crop, and in the
row of its direction. So the face has three quarters of the columns (its ellipse lies at tanh(1) = 0.76), and all
the rest of the picture, however large, the others.

A *frame* says where this is, in six numbers: x and y of the middle, half the width and half the height of the box, its
turn in degrees (clockwise as seen, so that a face with this roll stands upright), and where the last row and column of
a grid lie, as a share of the circle and of tanh(n) = 1. Column i of w pixels stands for tanh(n) = i / w, and row j of h
for the direction 360 j / h degrees, from the box's right clockwise: as in the authors' code, where it keeps the aspect
ratio.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch

__all__ = ["TanhPolar", "from_polar", "polar_crop", "polar_frames", "to_polar"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Window: TypeAlias = tuple[int, int, int, int]

MOST_SAMPLES = 3  # along each side of a crop's pixel, where the picture has more
SMALLEST, LARGEST = 0.5, 1e9  # pixels, of half a box


def polar_frames(boxes: ArrayLike, turns: ArrayLike = 0.0, *, last: float = 1.0) -> Floats:
    """Frames of face boxes.

    Parameters
    ----------
    boxes : (N, 4) array-like
        xyxy in pixels, of the faces as they stand upright: turned by `turns` about their middle, they cover the face.
    turns : (N,) array-like or number
        Clockwise turn of each face in degrees.
    last : float
        Share at which the last row and column of a grid lie: 1 - 1 / n in a grid of n cells, and also in one of fewer
        cells whose first and last lie on the first and last of the n pixels of a crop.

    Returns
    -------
    (N, 6) float32

    Raises
    ------
    ShapeMismatch
        If `boxes` are none.
    """
    corners = np.asarray(boxes, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 4:
        raise ShapeMismatch(f"boxes are (N, 4), xyxy; got shape {corners.shape}.")
    low, high = corners[:, :2], corners[:, 2:]
    middle = (low + high) / 2 - 0.5  # boxes count from a pixel's edge, points from its centre
    rest = np.column_stack([np.broadcast_to(turns, len(corners)), np.full(len(corners), last)])
    return np.column_stack([middle, np.maximum((high - low) / 2, SMALLEST), rest]).astype(np.float32)


def to_polar(points: ArrayLike, frame: ArrayLike) -> NDArray[Any]:
    """Where points of the picture lie: tanh of their distance in [0, 1], and direction in [0, 1) of the circle.

    Parameters
    ----------
    points : (..., 2) array-like
        x and y in pixels.
    frame : (6,) array-like

    Returns
    -------
    (..., 2) float32 of points of that type, else float64
    """
    places = np.asarray(points)
    kind = np.float32 if places.dtype == np.float32 else np.float64
    return np.stack(_places(places[..., 0].astype(kind), places[..., 1].astype(kind), frame), axis=-1)


def from_polar(places: ArrayLike, frame: ArrayLike) -> Doubles:
    """The points of the picture that lie there: the inverse of `to_polar`, (..., 2) float64."""
    places = np.asarray(places, np.float64)
    turn = 2 * np.pi * places[..., 1]
    rays = _rays(np.cos(turn), np.sin(turn), np.asarray(frame, np.float64))
    with np.errstate(divide="ignore"):  # 1 is infinitely far away
        distance = np.arctanh(places[..., 0])
    return np.asarray(np.asarray(frame, np.float64)[:2] + distance[..., None] * rays)


def polar_crop(image: NDArray[np.uint8], frame: ArrayLike, size: int | tuple[int, int]) -> NDArray[np.uint8]:
    """The picture in the polar coordinates of a face; black where it has no pixels, and where the frame is NaN.

    Parameters
    ----------
    image : (H, W, C) uint8
    frame : (6,) array-like
    size : int or (height, width)
        Of the crop: directions, and distances.

    Returns
    -------
    (height, width, C) uint8

    Raises
    ------
    ShapeMismatch
        If `image` is no such array, or is empty.
    """
    import cv2

    if image.ndim != 3 or not image.size or image.dtype != np.uint8:
        raise ShapeMismatch(f"a picture of bytes with the shape (H, W, C) is needed, not {image.shape}.")
    height, width = (size, size) if isinstance(size, int) else size
    numbers = np.asarray(frame, np.float64)
    if not np.isfinite(numbers).all():
        return np.zeros((height, width, image.shape[2]), np.uint8)
    # Pixels of the picture in one of the crop, at the ellipse: where the face is, not in what is far away.
    longest = _ellipse(frame)[2:].max()
    steps = 2 * np.pi * longest / height, longest / width / (1 - np.tanh(1) ** 2)
    down, across = (int(np.clip(round(step), 1, MOST_SAMPLES)) for step in steps)
    # The middle of a pixel's samples is the pixel. What lies before the pole comes from its other side.
    turns = (np.arange(height * down) - (down - 1) / 2) * (2 * np.pi / (height * down))
    distances = np.arctanh((np.arange(width * across) - (across - 1) / 2) / (width * across)).astype(np.float32)
    rays = _rays(np.cos(turns), np.sin(turns), numbers).astype(np.float32)
    x, y = (np.float32(middle) + np.outer(ray, distances) for middle, ray in zip(numbers[:2], rays.T, strict=True))
    fine = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=(0,) * 4)
    crop = fine if down == across == 1 else cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, np.uint8).reshape(height, width, image.shape[2])


class TanhPolar:
    """Grid cells are directions and distances around a face: rows and columns as in a `polar_crop`."""

    def fits(self, grid: Floats) -> bool:
        """See `mien.core.grids.GridWarp`."""
        return bool((grid[2:4] >= SMALLEST).all() and np.abs(grid).max() <= LARGEST)

    def window(self, grid: Floats, cells: tuple[int, int], size: tuple[int, int], part: Window | None = None) -> Window:
        """See `mien.core.grids.GridWarp`; of a part only the distances count."""
        columns = min(part[2], cells[1]) if part else cells[1]
        share = min(columns / max(cells[1] - 1, 1), 1.0) * _last(grid)
        return _box_within(np.asarray(grid, np.float64), share, size)

    def points(self, grid: Floats, cells: tuple[int, int]) -> Floats:
        """See `mien.core.grids.GridWarp`."""
        turns, distances = (np.linspace(0, _last(grid), count) for count in cells)
        return from_polar(np.stack(np.meshgrid(distances, turns), axis=-1), grid).astype(np.float32)

    def pitch(self, grid: Floats, cells: tuple[int, int]) -> Floats:
        """See `mien.core.grids.GridWarp`: the root of a cell's area, but near the middle, where all meet, its depth."""
        if min(cells) < 2:
            return np.ones(cells, np.float32)
        points = self.points(grid, cells)
        across, along = (np.linalg.norm(np.gradient(points, axis=axis), axis=-1) for axis in (0, 1))
        return np.asarray(np.maximum(np.sqrt(across * along), along), np.float32)

    def finer(self, grid: Floats, times: int) -> Floats:
        """See `mien.core.grids.GridWarp`."""
        del times  # the last row and column stay where they are
        return grid

    def sample(self, values: Floats, grid: Floats, window: Window, outside: float) -> Floats:
        """See `mien.core.grids.GridWarp`."""
        import cv2

        x1, y1, x2, y2 = window
        (height, width), last = values.shape[:2], _last(grid)
        x, y = np.arange(x1, x2, dtype=np.float32), np.arange(y1, y2, dtype=np.float32)[:, None]
        radius, turn = _places(x, y, grid)
        columns = radius * ((width - 1) / last)
        # From the last row to the first, which closes the circle.
        rows = np.where(turn <= last, turn * ((height - 1) / last), height - 1 + (turn - last) / max(1 - last, 1e-9))
        around = np.concatenate([values, values[:1]]).astype(np.float32)
        around[:, 0] = values[:, 0].mean(axis=0)  # all directions meet in one point
        seen = cv2.remap(
            around,
            columns,
            rows,
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=(outside,) * 4,
        )
        return np.asarray(seen, np.float32).reshape(y2 - y1, x2 - x1, *values.shape[2:])


# --- the ellipse ------------------------------------------------------------------------------------------------------


def _ellipse(frame: ArrayLike) -> Doubles:
    """Middle and half axes of the ellipse that has the proportions and the area of the box, (4,)."""
    return np.asarray(frame, np.float64)[:4] * (1, 1, 2 / np.sqrt(np.pi), 2 / np.sqrt(np.pi))


def _last(frame: ArrayLike) -> float:
    return float(np.clip(np.asarray(frame, np.float64)[5], 1e-3, 1 - 1e-6))


def _places(x: NDArray[Any], y: NDArray[Any], frame: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
    """Tanh of the distance and share of the circle of points, in the type of their coordinates; see `to_polar`."""
    cx, cy, a, b = _ellipse(frame).astype(x.dtype)
    turn = np.deg2rad(np.asarray(frame, np.float64)[4])
    cos, sin = np.array([np.cos(turn), np.sin(turn)], x.dtype)
    x, y = x - cx, y - cy
    x, y = x * cos + y * sin, y * cos - x * sin
    circle = np.arctan2(y, x)
    circle *= x.dtype.type(0.5 / np.pi)
    circle -= np.floor(circle)
    return np.tanh(np.sqrt((x / a) ** 2 + (y / b) ** 2)), np.where(circle < 1, circle, 0)  # -1e-17 became 1


def _rays(cos: Doubles, sin: Doubles, frame: Doubles) -> Doubles:
    """From the middle to the ellipse, in directions of the frame: (..., 2) in the picture's axes."""
    a, b = _ellipse(frame)[2:]
    length = 1 / np.hypot(cos / a, sin / b)
    turn = np.deg2rad(frame[4])
    x, y = length * cos, length * sin
    return np.stack([x * np.cos(turn) - y * np.sin(turn), x * np.sin(turn) + y * np.cos(turn)], axis=-1)


def _box_within(frame: Doubles, share: float, size: tuple[int, int]) -> tuple[int, int, int, int]:
    """The part of a picture in which tanh of the distance is at most a share: x1, y1, x2, y2."""
    turn = np.deg2rad(frame[4])
    axes = np.array([[np.cos(turn), np.sin(turn)], [np.sin(turn), np.cos(turn)]]) * _ellipse(frame)[2:]
    half: Any = np.arctanh(share) * np.hypot(*axes.T)
    low = np.floor(frame[:2] - half).clip(0, size).astype(int)
    high = np.ceil(frame[:2] + half + 1).clip(0, size).astype(int)
    return int(low[0]), int(low[1]), int(max(high[0], low[0])), int(max(high[1], low[1]))
