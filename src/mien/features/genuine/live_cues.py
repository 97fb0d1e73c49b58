"""Signs of a print or a screen before the camera that have a name, each by itself.

All are measured on the picture's own pixels, since what is looked for are traces of another grid of pixels or dots:

``moire``
    Peaks of the brightness's spectrum above the fall that natural pictures have (Garcia & de Queiroz, *Face-spoofing
    2D-detection based on Moire-pattern analysis*, 2015; for the fall: Field, 1987).
``grid``
    The same of the two differences of colour: a screen's stripes and a print's inks are coloured.
``haze``
    How bright the darkest places are: paper and screens throw back the light of the room.
``frame``
    Long straight lines beside the face, above it and below it, as the edges of paper and of devices are.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Scores
from mien.core.image import Image
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["CUE_NAMES", "LiveCues"]

Floats: TypeAlias = NDArray[np.float32]

CUE_NAMES: Final = ("moire", "grid", "haze", "frame")

SIDE: Final = 128  # pixels of the face's middle that are looked at
COARSE: Final = 0.12  # cycles a pixel below which a face itself has strong waves
PEAKS: Final = 4  # values that a peak is the mean of
DARKEST: Final = 0.02  # share of the face that is its darkest places
_GREY: Final = np.array([0.299, 0.587, 0.114], np.float32)
_AROUND: Final = 3.0  # faces, that lines are looked for in
_SCENE: Final = 192  # pixels that these are shrunk to
_LEAN: Final = 20.0  # degrees that a line may be off the upright or the level


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``; what they mean stands there."""

    least_side: float
    moire: tuple[float, float]
    grid: tuple[float, float]
    haze: tuple[float, float]


class LiveCues:
    """Gives ``live_cues`` to faces: four signs by name, see the module.

    Each of the first three is a logistic curve of what was measured, by which the ordinary photographs that it was
    fitted on have 0.05 in the median, and every twentieth more than 0.5. ``frame`` is the share of the four sides on
    which there is a line. All are weak: pictures that were enlarged, or came out of a generator, have grids too.

    Parameters
    ----------
    bundle : Bundle
        Card of ``live-cues``, without files.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.card.settings(_Settings)

    def describe(self, batch: Batch) -> Mapping[str, Scores]:
        """See `mien.engine.Step`."""
        faces, settings = batch.faces, self._settings
        values = np.full((len(faces), len(CUE_NAMES)), np.nan, np.float32)
        reasons: list[str | None] = [None] * len(faces)
        curves = np.array([settings.moire, settings.grid, settings.haze])
        for row, (owner, box) in enumerate(zip(batch.owner, faces.boxes, strict=True)):
            patch = _middle(batch.images[owner], box)
            if min(patch.shape[:2]) < settings.least_side:
                reasons[row] = (
                    f"the face is {min(patch.shape[:2])} pixels wide, and {settings.least_side:.0f} are needed"
                )
                continue
            measured = np.array(_measured(patch))
            values[row, :3] = 1 / (1 + np.exp(-3 * (measured - curves[:, 1]) / (curves[:, 1] - curves[:, 0])))
            values[row, 3] = _sides_with_lines(batch.images[owner], box) / 4
        return {"live_cues": Scores(values, names=CUE_NAMES, reasons=tuple(reasons))}


def _middle(image: Image, box: NDArray[Any]) -> Image:
    """The middle of a face, square and of the picture's own pixels; smaller where the face or the picture is."""
    room = min(float((box[2:] - box[:2]).min()), *image.shape[:2], SIDE)
    side = int(room) // 2 * 2
    x, y = np.rint((box[:2] + box[2:] - side) / 2).astype(int)
    x, y = min(max(x, 0), image.shape[1] - side), min(max(y, 0), image.shape[0] - side)
    return image[y : y + side, x : x + side]


def _measured(patch: Image) -> tuple[float, float, float]:
    """What the first three cues are curves of."""
    import cv2

    colours = patch.astype(np.float32)
    grey = colours @ _GREY
    peaks = _peaks(_power(np.stack([grey, colours[..., 2] - grey, colours[..., 0] - grey])))
    lightness = cv2.cvtColor(colours / 255, cv2.COLOR_RGB2LAB)[..., 0]
    return float(peaks[0]), float(peaks[1:].max()), float(np.quantile(lightness, DARKEST))


def _power(planes: Floats) -> Floats:
    """Power spectra of planes (C, S, S), without leakage from their edges; frequency 0 in the middle."""
    window = np.hanning(planes.shape[1]).astype(np.float32)
    level = planes - planes.mean(axis=(1, 2), keepdims=True)
    waves = np.fft.fft2(level * window[:, None] * window, axes=(1, 2))
    return np.asarray(np.fft.fftshift(np.abs(waves) ** 2, axes=(1, 2)), np.float32)


@functools.cache
def _rings(side: int) -> tuple[NDArray[np.intp], NDArray[np.bool_]]:
    """Of each frequency of a square: its ring's number, and whether a peak there is a sign.

    Where it is not: coarse waves, the two axes, on which edges lie, and the multiples of 1/8, where JPEG's blocks do.
    """
    across = np.fft.fftshift(np.fft.fftfreq(side))
    y, x = np.meshgrid(across, across, indexing="ij")
    radius, near = np.hypot(x, y), 1.5 / side
    block = (np.abs(across * 8 - np.rint(across * 8)) / 8) < near
    axis = np.abs(across) < 2.5 / side
    sign = (radius > COARSE) & (radius < 0.5) & ~(block[:, None] & block) & ~axis[:, None] & ~axis
    return np.rint(radius * side).astype(np.intp), sign


def _peaks(power: Floats) -> Floats:
    """How far the highest peaks stand above their rings, in natural logarithms: (C,)."""
    rings, sign = _rings(power.shape[1])
    counts = np.bincount(rings.ravel())
    found = []
    for plane in np.log(power + 1e-3):
        mean = np.bincount(rings.ravel(), plane.ravel()) / np.maximum(counts, 1)
        above = (plane - mean[rings])[sign]
        found.append(np.partition(above, -PEAKS)[-PEAKS:].mean())
    return np.array(found, np.float32)


def _sides_with_lines(image: Image, box: NDArray[Any]) -> int:
    """On how many of the four sides of a face there is a long straight line, upright or level (Hough, 1962)."""
    import cv2

    middle, half = (box[:2] + box[2:]) / 2, float((box[2:] - box[:2]).max()) * _AROUND / 2
    low = np.floor((middle - half).clip(0)).astype(int)
    high = np.ceil(np.minimum(middle + half, image.shape[1::-1])).astype(int)
    scale = _SCENE / (2 * half)
    part = cv2.cvtColor(np.ascontiguousarray(image[low[1] : high[1], low[0] : high[0]]), cv2.COLOR_RGB2GRAY)
    size = max(int(part.shape[1] * scale), 1), max(int(part.shape[0] * scale), 1)
    small = cv2.resize(part, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    edges = cv2.Canny(cv2.GaussianBlur(small, (0, 0), 1), 40, 100)
    least = 0.8 * _SCENE / _AROUND
    lines = cv2.HoughLinesP(edges, 1, np.pi / 180, 30, minLineLength=least, maxLineGap=4)
    if lines is None:
        return 0
    ends = np.asarray(lines, np.float64).reshape(-1, 2, 2)
    way, at = ends[:, 1] - ends[:, 0], ends.mean(axis=1)
    turn = np.rad2deg(np.arctan2(way[:, 1], way[:, 0])) % 180
    level, upright = np.minimum(turn, 180 - turn) < _LEAN, np.abs(turn - 90) < _LEAN
    (left, top), (right, bottom) = (np.asarray(box, np.float64).reshape(2, 2) - low) * scale
    sides = (
        level & (at[:, 1] < top),
        level & (at[:, 1] > bottom),
        upright & (at[:, 0] < left),
        upright & (at[:, 0] > right),
    )
    return sum(bool(side.any()) for side in sides)
