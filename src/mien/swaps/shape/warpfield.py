"""A smooth displacement of a picture: points go where they are wanted, and what is far from them stays where it is.

What moves with a face has no mesh: hair, ears, neck, and the background between them. It follows the nearest points
of the face, the less the farther it is, through radial functions of compact support (Wendland, *Piecewise polynomial,
positive definite and compactly supported radial functions of minimal degree*, 1995), and never folds.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError

__all__ = ["displace", "displacement", "follow", "remap"]

T = TypeVar("T", bound=np.generic)
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

CELLS = 48  # of the longer side of a picture: the field is solved on a grid, and it is smooth
RIDGE = 0.02  # of a function's peak: points that lie close and disagree do not pull the field apart
RIM = 0.12  # of the points' extent: over such a width the field ends at the picture's edge
LEAST = 0.2  # of its size: to what a small square may shrink
TRIES = 6  # of smoothing before the field is made weaker
MOST = 300  # points that are used: more say the same


def displace(image: NDArray[T], source_points: ArrayLike, target_points: ArrayLike, *, still: float) -> NDArray[T]:
    """Move points of a picture, and what is around them.

    Parameters
    ----------
    image : (h, w) or (h, w, C) uint8 or float32
        Up to 4 channels.
    source_points : (V, 2) array-like
        Where the points are: pixels, from the centre of the first.
    target_points : (V, 2) array-like
        Where they go. Points that are not finite are left out.
    still : float
        How far from a point nothing moves any more, in larger extents of the points; above 0.

    Returns
    -------
    array like `image`
        Its edge stays. Points near the edge, and those that would fold the picture, move less far than asked.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    UsageError
        If `still` is not above 0.
    """
    return remap(image, displacement(source_points, target_points, image.shape[:2], still=still))


def remap(image: NDArray[T], field: Floats) -> NDArray[T]:
    """A picture (h, w, ...) seen through a displacement (h, w, 2): the pixel at p shows what was at p + field(p)."""
    import cv2

    if image.shape[:2] != field.shape[:2]:
        raise ShapeMismatch(f"a field {field.shape} does not fit a picture {image.shape}.")
    height, width = field.shape[:2]
    x = field[..., 0] + np.arange(width, dtype=np.float32)
    y = field[..., 1] + np.arange(height, dtype=np.float32)[:, None]
    pixels: Any = image
    return np.asarray(cv2.remap(pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), image.dtype)


def displacement(source_points: ArrayLike, target_points: ArrayLike, size: tuple[int, int], *, still: float) -> Floats:
    """The field of `displace`: for each pixel of the result, how far from it its colour is fetched.

    Parameters
    ----------
    source_points, target_points : (V, 2) array-like
    size : (height, width)
    still : float

    Returns
    -------
    (height, width, 2) float32
        x and y, pixels; 0 at the edge.
    """
    import cv2

    source, target = (np.asarray(points, np.float64) for points in (source_points, target_points))
    if source.ndim != 2 or source.shape[1] != 2 or source.shape != target.shape:
        raise ShapeMismatch(f"points have the shape (V, 2), both of them, not {source.shape} and {target.shape}.")
    if not (np.isfinite(still) and still > 0):
        raise UsageError(f"still= is a distance above 0, not {still!r}.")
    height, width = size
    known = np.isfinite(source).all(axis=1) & np.isfinite(target).all(axis=1)
    source, target = source[known][:: known.sum() // MOST + 1], target[known][:: known.sum() // MOST + 1]
    if not len(target) or min(height, width) < 2 or np.abs(source - target).max() < 1e-3:
        return np.zeros((height, width, 2), np.float32)
    step = max(height, width, 2) / CELLS
    columns, rows = max(int(np.ceil(width / step)), 2), max(int(np.ceil(height / step)), 2)
    x = (np.arange(columns) + 0.5) * (width / columns) - 0.5
    y = (np.arange(rows) + 0.5) * (height / rows) - 0.5
    grid = np.stack(np.meshgrid(x, y), axis=-1)
    extent = max(float(np.ptp(target, axis=0).max()), 1.0)
    moved = follow(grid.reshape(-1, 2), target, source - target, still * extent).reshape(rows, columns, 2)
    rim = _rim(grid, size, RIM * extent)[..., None]
    coarse = _unfolded((moved * rim).astype(np.float32), rim, (width / columns, height / rows))
    field: Floats = np.asarray(cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)
    # Between the last cell's centre and the edge, the grid has nothing.
    x1, y1 = (np.minimum(np.arange(side), np.arange(side)[::-1]).astype(np.float32) / 2 for side in (width, height))
    return np.asarray(field * np.minimum(x1.clip(max=1), y1.clip(max=1)[:, None])[..., None], np.float32)


def follow(places: Doubles, points: Doubles, values: Doubles, reach: float) -> Doubles:
    """What is known at points, followed at other places.

    Parameters
    ----------
    places : (P, D) float64
    points : (V, D) float64
    values : (V, C) float64
    reach : float
        How far from a point it says nothing any more, in the points' unit.

    Returns
    -------
    (P, C) float64
        0 farther than `reach` from all points.
    """
    from scipy.linalg import solve

    kernel = _kernel(points, points, reach)
    kernel[np.diag_indices(len(points))] += RIDGE
    weights = solve(kernel, values.astype(np.float32), assume_a="pos", check_finite=False)
    return np.asarray(_kernel(places, points, reach) @ weights, np.float64)


def _kernel(places: Doubles, points: Doubles, reach: float) -> Floats:
    """Wendland's function of distance, twice differentiable, 1 at 0 and 0 from `reach` on: (P, V)."""
    a, b = (places / reach).astype(np.float32), (points / reach).astype(np.float32)
    square = (a * a).sum(axis=1)[:, None] + (b * b).sum(axis=1) - 2 * (a @ b.T)
    r = np.sqrt(square.clip(0, 1))
    rest = 1 - r
    rest *= rest
    return np.asarray(rest * rest * (4 * r + 1))


def _rim(grid: Doubles, size: tuple[int, int], width: float) -> Floats:
    """How far from the picture's edge each place is: 0 at it, 1 from `width` on."""
    far = np.minimum(grid, np.array(size[::-1]) - 1 - grid).min(axis=-1)
    part = (far / max(width, 1e-6)).clip(0, 1)
    return np.asarray(part * part * (3 - 2 * part), np.float32)


def _unfolded(field: Floats, rim: Floats, cell: tuple[float, float]) -> Floats:
    """The field, smoothed until no place is squeezed below `LEAST`; where that does not help, made weaker."""
    import cv2

    sigma = 0.7
    for _ in range(TRIES):
        if _tightest(field, cell) >= LEAST:
            return field
        field = (cv2.GaussianBlur(field, (0, 0), sigma) * np.sqrt(rim)).astype(np.float32)
        sigma *= 1.5
    while _tightest(field, cell) < LEAST:
        field = np.asarray(field * np.float32(0.8), np.float32)
    return field


def _tightest(field: Floats, cell: tuple[float, float]) -> float:
    """The smallest factor by which the field changes an area."""
    across: Any = np.diff(field, axis=1)[:-1] / cell[0]
    down: Any = np.diff(field, axis=0)[:, :-1] / cell[1]
    areas = (1 + across[..., 0]) * (1 + down[..., 1]) - across[..., 1] * down[..., 0]
    # A square turned by half a circle has an area above 0, too: so each side has to go forward as well.
    return float(min(part.min(initial=1.0) for part in (areas, 1 + across[..., 0], 1 + down[..., 1])))
