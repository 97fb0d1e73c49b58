"""Where things are: similarities, crop templates, head angles.

Points are (x, y) in pixels, x right, y down; a third coordinate is z, away from the camera, in the same scale.
An affine map `m` is the 2x3 matrix that OpenCV takes: ``q = m[:, :2] @ p + m[:, 2]``; it maps *picture to crop*
unless said otherwise.

As in OpenCV, (0, 0) is the **centre** of the first pixel. A box counts from the pixel's **edges**, so that
(0, 0, width, height) is the whole picture. The two differ by half a pixel, which nobody sees in a photo and everybody
sees in a crop that is ten times smaller: `square_crops` takes it into account.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch

__all__ = [
    "TEMPLATES",
    "Template",
    "affine_maps",
    "affine_scales",
    "angles",
    "compose",
    "invert",
    "rotation_matrix",
    "similarity",
    "square_crops",
    "transform",
]


# --- templates ------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Template:
    """Where five points of a face stand in a square crop.

    Attributes
    ----------
    name : str
    size : int
        Side of the published crop in pixels.
    points : float32 array of shape (5, 2)
        Right eye, left eye, nose tip, right and left corner of the mouth (the subject's sides), in pixels of that crop.
    padding : float
        The margin that `points` already contain on each side, as a fraction of the crop without it.
    """

    name: str
    size: int
    points: NDArray[np.float32]
    padding: float = 0.0

    def points_at(self, size: int, padding: float | None = None) -> NDArray[np.float32]:
        """Five points for a crop of `size` pixels, of shape (5, 2).

        Parameters
        ----------
        size : int
            Side of the crop in pixels.
        padding : float, optional
            Margin on each side as a fraction of the crop without it; default: as published. With 0.5 the crop shows
            twice the width.
        """
        padding = self.padding if padding is None else padding
        bare = self.points / self.size * (1 + 2 * self.padding) - self.padding
        return np.asarray((bare + padding) / (1 + 2 * padding) * size, dtype=np.float32)


def _template(name: str, size: int, points: ArrayLike, padding: float = 0.0) -> Template:
    array = np.array(points, dtype=np.float32)
    array.flags.writeable = False
    return Template(name, size, array, padding)


TEMPLATES: Final[Mapping[str, Template]] = MappingProxyType(
    {
        # InsightFace, `arcface_dst` in utils/face_align.py: what most embedders were trained on.
        "arcface112": _template(
            "arcface112",
            112,
            [(38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655), (70.7299, 92.2041)],
        ),
        # InsightFace, `norm_crop2` in the same file: the same for crops with a side of 128, 8 pixels aside.
        "arcface128": _template(
            "arcface128",
            128,
            [(46.2946, 51.6963), (81.5318, 51.5014), (64.0252, 71.7366), (49.5493, 92.3655), (78.7299, 92.2041)],
        ),
        # InsightFace, `src3` of its older `estimate_norm`: the frontal one of five views, and smaller in the crop.
        # SimSwap and GHOST were trained on such crops.
        "arcface-frontal": _template(
            "arcface-frontal",
            112,
            [(39.73, 51.138), (72.27, 51.138), (56.0, 68.493), (42.463, 87.010), (69.537, 87.010)],
        ),
        # facexlib, `face_template` of FaceRestoreHelper: the five-point form of the crop of FFHQ (Karras et al., 2019).
        "ffhq": _template(
            "ffhq",
            512,
            [
                (192.98138, 239.94708),
                (318.90277, 240.1936),
                (256.63416, 314.01935),
                (201.26117, 371.41043),
                (313.08905, 371.15118),
            ],
        ),
        # dlib, the mean face of `get_face_chip_details` (image_transforms/interpolation.h, 51 of the 68 iBUG points),
        # reduced to our five: an eye is the mean of its four lid points (37, 38, 40, 41 and 43, 44, 46, 47), the nose
        # tip is point 30, the mouth has 48 and 54. With the padding of dlib's face recognition example, 0.25;
        # points_at(size, padding) takes what dlib calls padding.
        "dlib": _template(
            "dlib",
            150,
            [(47.4152, 46.19465), (100.6101, 46.19465), (74.0127, 76.5625), (50.4149, 103.0233), (97.6104, 103.0233)],
            padding=0.25,
        ),
    }
)


# --- affine maps ----------------------------------------------------------------------------------


def similarity(source: ArrayLike, target: ArrayLike) -> NDArray[np.float32]:
    """Turn, scale and shift that bring `source` points closest to `target` points (least squares; never a reflection).

    Umeyama, *Least-squares estimation of transformation parameters between two point patterns*, TPAMI 1991. In the
    plane its solution is a ratio of two complex sums, so no SVD is needed.

    Parameters
    ----------
    source : array of shape (N, K, 2)
    target : array of shape (K, 2) or (N, K, 2)
        For instance ``TEMPLATES["arcface112"].points``.

    Returns
    -------
    float32 array of shape (N, 2, 3)
        Source to target. Where all source points coincide nothing fixes turn and scale: they stay 0 and 1, and only
        the shift is found. Rows with NaN in their points are NaN throughout.

    Raises
    ------
    ShapeMismatch
        If the shapes do not fit, or K is 0.
    """
    source, target = np.asarray(source, dtype=np.float64), np.asarray(target, dtype=np.float64)
    if source.ndim != 3 or source.shape[2] != 2 or source.shape[1] == 0:
        raise ShapeMismatch(f"source points must have the shape (N, K, 2) with K > 0, not {source.shape}.")
    if target.shape not in (source.shape, source.shape[1:]):
        raise ShapeMismatch(f"target points of shape {target.shape} do not fit source points of shape {source.shape}.")
    z, w = source[..., 0] + 1j * source[..., 1], target[..., 0] + 1j * target[..., 1]
    middle_z, middle_w = z.mean(axis=-1), w.mean(axis=-1)
    z, w = z - middle_z[..., None], w - middle_w[..., None]
    spread = (z.real**2 + z.imag**2).sum(axis=-1)
    # Rounding alone leaves a spread of about (1e-16 × coordinate)²: below that the points are one point.
    coincide = spread <= 1e-24 * (1 + np.abs(middle_z) ** 2)
    with np.errstate(invalid="ignore"):  # NaN in, NaN out
        turn = np.where(coincide, 1, (z.conj() * w).sum(axis=-1) / np.where(coincide, 1, spread))
    shift = middle_w - turn * middle_z
    rows = np.stack([turn.real, -turn.imag, shift.real, turn.imag, turn.real, shift.imag], axis=-1)
    return rows.reshape(-1, 2, 3).astype(np.float32)


def invert(m: ArrayLike) -> NDArray[np.float32]:
    """Inverse of affine maps of shape (..., 2, 3); NaN where a map has none."""
    m = affine_maps(m)
    (a, b, x), (c, d, y) = np.moveaxis(m, (-2, -1), (0, 1))
    det = a * d - b * c
    det = np.where(det == 0, np.nan, det)
    rows = np.stack([d, -b, b * y - d * x, -c, a, c * x - a * y], axis=-1) / det[..., None]
    return rows.reshape(m.shape).astype(np.float32)


def compose(outer: ArrayLike, inner: ArrayLike) -> NDArray[np.float32]:
    """One map that does `inner` first and `outer` then; both of shape (..., 2, 3), broadcast against each other."""
    outer, inner = affine_maps(outer), affine_maps(inner)
    m = outer[..., :2] @ inner
    m[..., 2] += outer[..., 2]
    return np.asarray(m, dtype=np.float32)


def transform(points: ArrayLike, m: ArrayLike) -> NDArray[np.float32]:
    """Apply affine maps to points.

    Parameters
    ----------
    points : array of shape (..., K, 2) or (..., K, 3)
        z is multiplied by the map's scale, the root of the area by which it grows.
    m : array of shape (..., 2, 3)
        Leading axes broadcast: one map for all faces, or one for each.

    Returns
    -------
    float32 array of shape (..., K, 2 or 3)
    """
    points, m = np.asarray(points, dtype=np.float64), affine_maps(m)
    if points.ndim < 2 or points.shape[-1] not in (2, 3):
        raise ShapeMismatch(f"points must have the shape (..., K, 2) or (..., K, 3), not {points.shape}.")
    xy = points[..., :2] @ np.swapaxes(m[..., :2], -1, -2) + m[..., None, :, 2]
    if points.shape[-1] == 2:
        return xy.astype(np.float32)
    z = points[..., 2] * affine_scales(m)[..., None]
    return np.concatenate([xy, z[..., None]], axis=-1).astype(np.float32)


def square_crops(centers: ArrayLike, sides: ArrayLike, angles_degrees: ArrayLike, size: int) -> NDArray[np.float32]:
    """Maps from a picture to crops of squares that may be turned.

    Parameters
    ----------
    centers : array of shape (N, 2)
        Middle of each square as a box's middle is counted, ``(box[:2] + box[2:]) / 2``.
    sides : array of shape (N,) or scalar
        Side of each square in pixels of the picture.
    angles_degrees : array of shape (N,) or scalar
        Turn of each square, clockwise as seen: a face with this roll stands upright in its crop.
    size : int
        Side of the crops in pixels.

    Returns
    -------
    float32 array of shape (N, 2, 3)
        Picture to crop. An unturned square on whole pixels, at its own size, gives exactly these pixels.
    """
    centers = np.asarray(centers, dtype=np.float64)
    if centers.ndim != 2 or centers.shape[1] != 2:
        raise ShapeMismatch(f"centers must have the shape (N, 2), not {centers.shape}.")
    count = len(centers)
    turns = np.deg2rad(np.broadcast_to(np.asarray(angles_degrees, dtype=np.float64), count))
    scale = size / np.broadcast_to(np.asarray(sides, dtype=np.float64), count)
    cos, sin = scale * np.cos(turns), scale * np.sin(turns)
    m = np.zeros((count, 2, 3))
    m[:, 0, 0], m[:, 0, 1], m[:, 1, 0], m[:, 1, 1] = cos, sin, -sin, cos
    # From edges to pixel centres: -0.5 in the picture, and the crop's middle is (size - 1) / 2.
    m[:, :, 2] = (size - 1) / 2 - (m[:, :, :2] @ (centers - 0.5)[..., None])[..., 0]
    return m.astype(np.float32)


def affine_maps(m: ArrayLike) -> NDArray[np.float64]:
    """`m` as a float64 array of shape (..., 2, 3), or ShapeMismatch."""
    m = np.asarray(m, dtype=np.float64)
    if m.shape[-2:] != (2, 3):
        raise ShapeMismatch(f"an affine map must have the shape (..., 2, 3), not {m.shape}.")
    return m


def affine_scales(m: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scale of affine maps of shape (..., 2, 3): the root of the factor by which they change areas."""
    return np.asarray(np.sqrt(np.abs(m[..., 0, 0] * m[..., 1, 1] - m[..., 0, 1] * m[..., 1, 0])))


# --- head angles ----------------------------------------------------------------------------------


def rotation_matrix(yaw_pitch_roll: ArrayLike) -> NDArray[np.float32]:
    """Matrix of head angles: R = Rz(roll) Ry(-yaw) Rx(-pitch), from face axes to camera axes (x right, y down, z away).

    Parameters
    ----------
    yaw_pitch_roll : array of shape (..., 3)
        Degrees. yaw > 0: the face turns to the picture's right; pitch > 0: up; roll > 0: clockwise as seen.

    Returns
    -------
    float32 array of shape (..., 3, 3)
    """
    degrees = np.asarray(yaw_pitch_roll, dtype=np.float64)
    if degrees.shape[-1:] != (3,):
        raise ShapeMismatch(f"angles must have the shape (..., 3), not {degrees.shape}.")
    b, a, c = np.moveaxis(np.deg2rad(degrees * (-1, -1, 1)), -1, 0)
    (sa, sb, sc), (ca, cb, cc) = np.sin([a, b, c]), np.cos([a, b, c])
    rows = [
        cc * cb,
        cc * sb * sa - sc * ca,
        cc * sb * ca + sc * sa,
        sc * cb,
        sc * sb * sa + cc * ca,
        sc * sb * ca - cc * sa,
        -sb,
        cb * sa,
        cb * ca,
    ]
    return np.stack(rows, axis=-1).reshape(*degrees.shape[:-1], 3, 3).astype(np.float32)


def angles(rotation: ArrayLike) -> NDArray[np.float32]:
    """Yaw, pitch and roll of rotation matrices: the inverse of `rotation_matrix`.

    Parameters
    ----------
    rotation : array of shape (..., 3, 3)

    Returns
    -------
    float32 array of shape (..., 3)
        Degrees: yaw in [-90, 90], pitch and roll in [-180, 180]. At a yaw of ±90 degrees pitch and roll are one motion
        (gimbal lock): pitch is then 0 and roll has it all.
    """
    R: NDArray[np.float64] = np.asarray(rotation, dtype=np.float64)
    if R.shape[-2:] != (3, 3):
        raise ShapeMismatch(f"rotations must have the shape (..., 3, 3), not {R.shape}.")
    level = np.hypot(R[..., 2, 1], R[..., 2, 2])
    locked = level < 1e-6
    yaw = np.arctan2(R[..., 2, 0], level)
    pitch = np.where(locked, 0.0, np.arctan2(-R[..., 2, 1], R[..., 2, 2]))
    roll = np.where(locked, np.arctan2(-R[..., 0, 1], R[..., 1, 1]), np.arctan2(R[..., 1, 0], R[..., 0, 0]))
    return np.asarray(np.rad2deg(np.stack([yaw, pitch, roll], axis=-1)), dtype=np.float32)
