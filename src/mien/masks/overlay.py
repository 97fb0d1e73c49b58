"""Regions in colours on their picture, with a legend and the numbers of faces."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.canvas import Canvas, text_size
from mien.core.palette import region_color

if TYPE_CHECKING:
    from mien.core.image import Image
    from mien.core.region import Region

__all__ = ["draw_legend", "draw_numbers", "overlay"]

PAINT: Final = 0.5  # of the colour, where a region is whole
TEXT: Final = (255, 255, 255)
PANEL: Final = (18, 20, 26)
_ROWS: Final = 256  # painted at a time: bounds the memory


def overlay(image: Image, regions: Mapping[str, Region]) -> Image:
    """A copy of a picture with regions painted on it, each in its colour.

    Parameters
    ----------
    image : (H, W, 3) uint8
    regions : mapping of str to Region
        By name; the smaller lie above the larger.

    Returns
    -------
    (H, W, 3) uint8
    """
    painted = image.copy()
    for name, region in sorted(regions.items(), key=lambda one: -one[1].area):
        _paint(painted, region, region_color(name))
    return painted


def _paint(image: Image, region: Region, color: tuple[int, int, int]) -> None:
    import cv2

    x1, y1, x2, y2 = region.bbox
    flat = np.empty((min(_ROWS, y2 - y1), x2 - x1, 3), np.uint8)
    flat[...] = color
    for top in range(y1, y2, _ROWS):
        end = min(top + _ROWS, y2)
        part = image[top:end, x1:x2]
        share = region.levels_in((x1, top, x2, end)) * np.float32(PAINT / 255)
        part[...] = cv2.blendLinear(flat[: end - top], np.ascontiguousarray(part), share, 1 - share)


def draw_legend(image: Image, regions: Mapping[str, Region]) -> Image:
    """A copy of a picture with the names of regions beside their colours, in the corner where least of them lies.

    Parameters
    ----------
    image : (H, W, 3) uint8
    regions : mapping of str to Region
        By name.

    Returns
    -------
    (H, W, 3) uint8
        The picture as it was, where a legend would take too much of it.
    """
    canvas, names = Canvas(image), list(regions)
    width, height = canvas.size
    size = float(np.clip(max(width, height) * 0.016, 11, 64))
    line = text_size("0", size)[1]
    wide = size * 2.6 + max((text_size(name, size)[0] for name in names), default=0.0)
    tall = line * len(names) + size
    if not names or wide > width * 0.5 or tall > height * 0.8:
        return canvas.image
    near, right, lower = size / 2, width - size / 2 - wide, height - size / 2 - tall
    places = [(near, lower), (right, lower), (near, near), (right, near)]
    left, top = min(places, key=lambda place: _covered(regions, (*place, place[0] + wide, place[1] + tall)))
    canvas.panel((left, top, left + wide, top + tall), size * 0.4, PANEL, 0.72)
    for row, name in enumerate(names):
        y = top + size / 2 + row * line
        corners = [(0.6, 0.15), (1.5, 0.15), (1.5, 1.05), (0.6, 1.05)]
        canvas.polygon([(left + u * size, y + v * size) for u, v in corners], region_color(name))
        canvas.text((left + size * 2, y), name, size, TEXT)
    return canvas.image


def draw_numbers(image: Image, boxes: NDArray[np.floating[Any]], numbers: Sequence[int]) -> Image:
    """A copy of a picture with the number of each face below its chin.

    Parameters
    ----------
    image : (H, W, 3) uint8
    boxes : (N, 4) float
    numbers : N of int

    Returns
    -------
    (H, W, 3) uint8
    """
    canvas = Canvas(image)
    for (x1, _, x2, y2), number in zip(boxes.tolist(), numbers, strict=True):
        size = float(np.clip((x2 - x1) / 8, 9, max(9.0, max(canvas.size) * 0.02)))
        wide, tall = text_size(str(number), size)
        left, top = (x1 + x2 - wide) / 2, min(y2, canvas.size[1] - tall)
        edge = size * 0.3
        canvas.panel((left - edge, top - edge / 2, left + wide + edge, top + tall + edge / 2), edge, PANEL, 0.72)
        canvas.text((left, top), str(number), size, TEXT)
    return canvas.image


def _covered(regions: Mapping[str, Region], box: tuple[float, float, float, float]) -> float:
    """How much of regions a box would hide: their mean levels in it, together."""
    x1, y1, x2, y2 = (round(edge) for edge in box)
    return sum(float(region.levels_in((x1, y1, x2, y2)).mean()) for region in regions.values())
