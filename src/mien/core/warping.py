"""Crops of pictures: affine warps that do not alias, one for each face, and whole pictures at another size.

OpenCV is imported when the first crop is made, not with this module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch
from mien.core.geometry import affine_maps, affine_scales

__all__ = ["Border", "Interpolation", "resize", "warp", "warp_batch"]

Border: TypeAlias = Literal["constant", "replicate", "reflect"]
Interpolation: TypeAlias = Literal["area", "linear", "cubic", "nearest"]
T = TypeVar("T", bound=np.generic)

# Samples along each side of a crop's pixel when the picture shrinks. Measured on faces 2 to 20 times larger than their
# crop: the ArcFace embedding then has a cosine of 0.9994 or more to that of the crop averaged over every pixel (0.987
# with one sample), for 0.5 ms.
_WARP_SAMPLES = 3
# The same for whole pictures: 12 megapixels to 640 in 2 ms; a full average takes ten times as long.
_RESIZE_SAMPLES = 2
# OpenCV's warp takes no larger picture; of such a one, it gets the part that the crop shows.
_LONGEST_SIDE = 32_000


def warp(
    image: NDArray[T],
    m: ArrayLike,
    size: int | tuple[int, int],
    *,
    border: Border = "constant",
    value: float = 0,
    interpolation: Interpolation = "area",
) -> NDArray[T]:
    """Cut a crop out of a picture.

    Parameters
    ----------
    image : array of shape (H, W) or (H, W, C), C <= 4
        uint8, uint16, int16, float32 or float64.
    m : array of shape (2, 3)
        Picture to crop. With NaN in it, the crop is `value` throughout.
    size : int or (height, width)
    border : {"constant", "replicate", "reflect"}
        What stands outside of the picture: `value`, its edge pixels, or its mirror image.
    value : float
        Of every channel, for "constant".
    interpolation : {"area", "linear", "cubic", "nearest"}
        "area" is "linear" with up to 3 x 3 samples a pixel where the picture shrinks: a face of 2,000 pixels becomes a
        clean one of 112, not a noisy pick of its pixels. The others take one sample ("nearest" suits label maps).

    Returns
    -------
    array of shape (h, w) or (h, w, C), of the type of `image`
    """
    out = np.empty((*_size(size), *np.shape(image)[2:]), dtype=np.asarray(image).dtype)
    _warp_into(out, image, affine_maps(m), border, value, interpolation)
    return out


def warp_batch(
    images: Sequence[NDArray[np.uint8]],
    owner: ArrayLike,
    m: ArrayLike,
    size: int | tuple[int, int],
    *,
    border: Border = "constant",
    value: float = 0,
    interpolation: Interpolation = "area",
) -> NDArray[np.uint8]:
    """Cut one crop for each face out of the picture that it is in; see `warp`.

    Parameters
    ----------
    images : sequence of uint8 arrays of shape (H, W, 3)
    owner : int array of shape (N,)
        Which picture each face is in.
    m : array of shape (N, 2, 3)
        Picture to crop, one for each face.

    Returns
    -------
    uint8 array of shape (N, h, w, 3)
    """
    m, owner = affine_maps(m), np.asarray(owner, dtype=np.intp)
    if m.ndim != 3 or owner.shape != (len(m),):
        raise ShapeMismatch(
            f"maps of shape {m.shape} and owners of shape {owner.shape} do not fit: (N, 2, 3) and (N,) are needed."
        )
    out = np.empty((len(m), *_size(size), 3), dtype=np.uint8)
    for row, index, matrix in zip(out, owner, m, strict=True):
        _warp_into(row, images[index], matrix, border, value, interpolation)
    return out


def resize(image: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """A whole picture at another size, without aliasing, in the time of its new size rather than of its old one.

    Parameters
    ----------
    image : uint8 array of shape (H, W, 3)
    size : (height, width)
        At least one pixel each; proportions need not be kept.

    Returns
    -------
    uint8 array of shape (height, width, 3)

    Raises
    ------
    ShapeMismatch
        If `image` is not such an array, or is empty.
    """
    import cv2

    if image.ndim != 3 or image.shape[2] != 3 or not image.size:
        raise ShapeMismatch(f"a picture must have the shape (H, W, 3), not {image.shape}.")
    height, width = size
    samples = min(max(round(min(image.shape[0] / height, image.shape[1] / width)), 1), _RESIZE_SAMPLES)
    fine = cv2.resize(image, (width * samples, height * samples), interpolation=cv2.INTER_LINEAR)
    small = fine if samples == 1 else cv2.resize(fine, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small, dtype=np.uint8)


def _size(size: int | tuple[int, int]) -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else size


def _warp_into(
    out: NDArray[Any],
    image: NDArray[Any],
    m: NDArray[np.float64],
    border: Border,
    value: float,
    interpolation: Interpolation,
) -> None:
    import cv2

    if m.shape != (2, 3):
        raise ShapeMismatch(f"one affine map of shape (2, 3) is needed, not {m.shape}.")
    if image.ndim not in (2, 3) or image.shape[2:] != out.shape[2:] or not image.size:
        raise ShapeMismatch(f"a picture of shape {image.shape} cannot be cropped to {out.shape}.")
    scale = float(affine_scales(m))
    if not np.isfinite(m).all() or scale == 0:
        out[...] = value
        return
    if max(image.shape[:2]) > _LONGEST_SIDE:
        x1, y1, x2, y2 = _footprint(m, out.shape, image.shape)
        image = image[y1:y2, x1:x2]
        m = np.column_stack([m[:, :2], m[:, 2] + m[:, :2] @ (x1, y1)])
    samples = min(max(round(1 / scale), 1), _WARP_SAMPLES) if interpolation == "area" else 1
    flags = {
        "area": cv2.INTER_LINEAR,
        "linear": cv2.INTER_LINEAR,
        "cubic": cv2.INTER_CUBIC,
        "nearest": cv2.INTER_NEAREST,
    }
    borders = {"constant": cv2.BORDER_CONSTANT, "replicate": cv2.BORDER_REPLICATE, "reflect": cv2.BORDER_REFLECT_101}
    height, width = out.shape[:2]
    fine = out if samples == 1 else np.empty((height * samples, width * samples, *out.shape[2:]), dtype=out.dtype)
    cv2.warpAffine(
        image,
        # The middle of a pixel's samples is the pixel: hence the shift by (samples - 1) / 2.
        np.column_stack([m[:, :2] * samples, m[:, 2] * samples + (samples - 1) / 2]),
        (width * samples, height * samples),
        dst=fine,
        flags=flags[interpolation],
        borderMode=borders[border],
        borderValue=(value,) * 4,
    )
    if samples > 1:
        cv2.resize(fine, (width, height), dst=out, interpolation=cv2.INTER_AREA)


def _footprint(m: NDArray[np.float64], crop: tuple[int, ...], picture: tuple[int, ...]) -> tuple[int, int, int, int]:
    """Part of the picture that the crop shows, with a margin for the interpolation; never empty."""
    h, w = crop[:2]
    corners = np.array([(-0.5, -0.5), (w - 0.5, -0.5), (-0.5, h - 0.5), (w - 0.5, h - 0.5)])
    seen = (corners - m[:, 2]) @ np.linalg.inv(m[:, :2]).T
    limit = np.array([picture[1], picture[0]])
    low = np.clip(np.floor(seen.min(axis=0)) - 3, 0, limit - 1).astype(int)
    high = np.clip(np.ceil(seen.max(axis=0)) + 4, low + 1, limit).astype(int)
    return int(low[0]), int(low[1]), int(high[0]), int(high[1])
