"""How faces are cut out for a network that parses them, and where the cells of its answer then lie.

A *place* is six numbers that say where a face's crop is. Of square crops they are the map from pixels of the picture to
the crop, whose side is 1; of tanh-polar ones a frame (see `mien.core.polar`).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.alignment import usable_alignment
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import TEMPLATES, affine_scales, compose, similarity
from mien.core.image import Image
from mien.core.polar import polar_crop, polar_frames
from mien.core.warping import warp

__all__ = ["CROPS", "Crop", "SquareCrop", "TanhPolarCrop"]

Floats = NDArray[np.float32]
Places: TypeAlias = tuple[Floats, tuple[str | None, ...]]

SMALLEST_BOX = 8.0  # pixels: a smaller face is a few specks
RISE = 0.015  # of a crop's side: as much higher do crops begin than the template, which cuts the hair of many
# The published crop about a detector's box, in roots of the box's area: measured on 145 faces, of which nine in ten lie
# within 8 % of that size.
BOX_SCALE, BOX_RISE = 1.6, 0.085
MOST_MIRRORED = 500  # times that a crop reaches over the picture: it would hold specks, or none of it at all


class Crop(Protocol):
    """A way to cut faces out."""

    @property
    def warp(self) -> str:
        """How its cells and the picture hang together: a name in `mien.core.grids.WARPS`."""
        ...

    def places(self, faces: Faces, context: float, sizes: Floats) -> Places:
        """Where the crop of each face is, (N, 6), NaN where there can be none, and the reasons.

        `sizes` are width and height of the picture of each, (N, 2).
        """
        ...

    def cut(self, image: Image, place: Floats, side: int) -> Image:
        """The crop of one face, (side, side, 3)."""
        ...

    def grid(self, place: Floats, side: int, cells: tuple[float, float]) -> Floats:
        """Where the cells of the network's answer lie, (6,); `cells` are a and b of: cell = a x pixel + b."""
        ...


@dataclass(frozen=True)
class SquareCrop:
    """A square of the picture, which may be turned.

    Parameters
    ----------
    maps : callable
        Faces and context to `Places`.
    """

    maps: Callable[[Faces, float], Places]

    warp: ClassVar[str] = "affine"

    def places(self, faces: Faces, context: float, sizes: Floats) -> Places:
        """See `Crop`."""
        places, reasons = self.maps(faces, context)
        m = places.astype(np.float64).reshape(-1, 2, 3)
        middles = np.einsum("nij,nj->ni", m[:, :, :2], sizes / 2.0) + m[:, :, 2]  # of the pictures, in the crop
        with np.errstate(divide="ignore"):
            mirrored = (np.abs(middles - 0.5).max(axis=1) + 1) / (affine_scales(m) * sizes.min(axis=1))
        lost = mirrored > MOST_MIRRORED
        places[lost] = np.nan
        why = "the face is too large for its picture, or too far from it"
        return places, tuple(why if gone else reason for gone, reason in zip(lost, reasons, strict=True))

    def cut(self, image: Image, place: Floats, side: int) -> Image:
        """See `Crop`; beyond the picture's border it is its mirror image.

        Where the border cuts a face, IoU with marked regions is 0.81 then, and 0.78 with black (16 cut photos of 4
        people, at 384 pixels).
        """
        image, place = _averaged(image, place, side)
        return warp(image, place.reshape(2, 3) * side, side, border="reflect", interpolation="linear")

    def grid(self, place: Floats, side: int, cells: tuple[float, float]) -> Floats:
        """See `Crop`."""
        a, b = cells
        return compose([[a, 0, b], [0, a, b]], place.reshape(2, 3) * side).ravel()

    def wider(self, place: Floats, times: float) -> Floats:
        """The place of a crop about the same middle that is so many times as wide."""
        shift = (1 - 1 / times) / 2
        return compose([[1 / times, 0, shift], [0, 1 / times, shift]], place.reshape(2, 3)).ravel()


def _averaged(image: Image, place: Floats, side: int) -> tuple[Image, Floats]:
    """The part of a picture that a crop shows, as many whole times smaller as its pixels allow, and the place in it.

    Each pixel of the crop is then made of all those that it stands for: one sample of them costs IoU where a picture is
    noisy, and nine cost a quarter of the network's time.
    """
    import cv2

    m = place.reshape(2, 3).astype(np.float64)
    inverse = np.linalg.inv(m[:, :2])
    times = int(np.sqrt(np.abs(np.linalg.det(inverse))) / side)  # pixels of the picture in one of the crop
    corners = (np.array([(0, 0), (1, 0), (0, 1), (1, 1)]) - m[:, 2]) @ inverse.T
    limit = np.array(image.shape[1::-1])
    low = np.clip(np.floor(corners.min(axis=0)) - 2 * times, 0, limit - 1).astype(int)
    high = np.clip(np.ceil(corners.max(axis=0)) + 2 * times, low + 1, limit).astype(int)
    if times < 2 or (high - low).min() < 2 * times:
        return image, place
    size = (high - low) // times
    right, bottom = low + size * times
    small = cv2.resize(image[low[1] : bottom, low[0] : right], size.tolist(), interpolation=cv2.INTER_AREA)
    shift = low + (times - 1) / 2  # where the middle of the first pixel is
    moved = np.column_stack([m[:, :2] * times, m[:, 2] + m[:, :2] @ shift])
    return np.asarray(small, np.uint8), moved.astype(np.float32).ravel()


class TanhPolarCrop:
    """The whole picture in tanh-polar coordinates about the face (see `mien.core.polar`), turned as its eyes are."""

    warp = "tanh-polar"

    def places(self, faces: Faces, context: float, sizes: Floats) -> Places:
        """See `Crop`."""
        del sizes
        boxes = faces.boxes.astype(np.float64)
        middles, halves = (boxes[:, :2] + boxes[:, 2:]) / 2, (boxes[:, 2:] - boxes[:, :2]) / 2 * context
        points = usable_alignment(faces.alignment).values
        across = points[:, ALIGNMENT_NAMES.index("left_eye")] - points[:, ALIGNMENT_NAMES.index("right_eye")]
        turns = np.nan_to_num(np.rad2deg(np.arctan2(across[:, 1], across[:, 0])))
        frames = polar_frames(np.hstack([middles - halves, middles + halves]), turns)
        return _hopeful(faces, frames)

    def cut(self, image: Image, place: Floats, side: int) -> Image:
        """See `Crop`."""
        return polar_crop(image, place, side)

    def grid(self, place: Floats, side: int, cells: tuple[float, float]) -> Floats:
        """See `Crop`; the first and last cells lie on the first and last pixels, whatever is said."""
        del cells
        return np.append(place[:5], np.float32(1 - 1 / side))


def _aligned(faces: Faces, context: float) -> Places:
    """Crops as of FFHQ, `context` times as wide; by the box where a face cannot be aligned."""
    maps, reasons = _boxed(faces, context)
    points = usable_alignment(faces.alignment)
    seen = ~points.abstained
    template = (TEMPLATES["ffhq"].points_at(1) - 0.5) / context + (0.5, 0.5 + RISE)
    maps[seen] = similarity(points.values[seen], template).reshape(-1, 6)
    return maps, tuple(None if known else why for known, why in zip(seen, reasons, strict=True))


def _boxed(faces: Faces, context: float) -> Places:
    """Upright crops about the boxes, as large as aligned ones are about faces that stand upright."""
    boxes = faces.boxes.astype(np.float64)
    extent = np.maximum(boxes[:, 2:] - boxes[:, :2], 1e-3)
    sides = BOX_SCALE * context * np.sqrt(extent.prod(axis=1))
    middles = (boxes[:, :2] + boxes[:, 2:]) / 2 - 0.5 - np.outer(extent[:, 1], (0, BOX_RISE))
    maps = np.zeros((len(faces), 2, 3), np.float32)
    maps[:, 0, 0] = maps[:, 1, 1] = 1 / sides
    maps[:, :, 2] = 0.5 - middles / sides[:, None]
    return _hopeful(faces, maps.reshape(-1, 6))


def _hopeful(faces: Faces, places: Floats) -> Places:
    """The same, but of no face that is too small to show anything."""
    longest = (faces.boxes[:, 2:] - faces.boxes[:, :2]).max(axis=1, initial=0)
    small = ~(longest >= SMALLEST_BOX)
    places[small] = np.nan
    why = f"the face is smaller than {SMALLEST_BOX:g} pixels"
    return places, tuple(why if lost else None for lost in small)


#: Ways to cut faces out, by the name that a card gives.
CROPS: Mapping[str, Crop] = MappingProxyType(
    {"ffhq": SquareCrop(_aligned), "box": SquareCrop(_boxed), "tanh-polar": TanhPolarCrop()}
)
