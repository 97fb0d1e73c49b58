"""Regions as other tools write them: run lengths, polygons, drawings, grey pictures."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.image import load_levels, save_image
from mien.core.region import Region

__all__ = ["decode_rle", "draw_svg", "encode_rle", "fill_polygons", "read_png", "trace_polygons", "write_png"]

SUBPIXELS = 4  # bits of OpenCV's fixed-point coordinates
MOST_PIXELS = 1 << 30  # of a run-length form that is read: it says its size itself


def encode_rle(region: Region, threshold: float) -> dict[str, Any]:
    """See `Region.to_rle`."""
    mask = region.to_mask(threshold).T.ravel()  # column by column
    edges = np.flatnonzero(np.diff(mask.view(np.int8), prepend=np.int8(0)))
    counts = np.diff(edges, prepend=0, append=mask.size)
    width, height = region.size
    return {"size": [height, width], "counts": _to_text(counts.tolist())}


def decode_rle(rle: Mapping[str, Any]) -> Region:
    """See `Region.from_rle`."""
    try:
        height, width = (int(side) for side in rle["size"])
        given = rle["counts"]
        text = given.decode("ascii") if isinstance(given, bytes) else given
        counts = np.array(_from_text(text) if isinstance(text, str) else list(text), np.int64)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ShapeMismatch(f"this is no run-length form with size and counts: {error!r}.") from error
    fits = min(height, width) >= 0 and height * width <= MOST_PIXELS and counts.ndim == 1
    if not fits or (counts < 0).any() or counts.sum() != height * width:
        raise ShapeMismatch(f"these runs do not fill a picture of {width}x{height}.")
    inside = np.arange(len(counts)) % 2 == 1
    return Region.from_mask(np.repeat(inside, counts).reshape(width, height).T)


def _to_text(counts: list[int]) -> str:
    """COCO's text: differences to the count before the last, five bits a character, the lowest first."""
    letters = []
    for place, count in enumerate(counts):
        left = count - counts[place - 2] if place > 2 else count
        while True:
            low, left = left & 31, left >> 5
            more = left != (-1 if low & 16 else 0)
            letters.append(chr(low + (32 if more else 0) + 48))
            if not more:
                break
    return "".join(letters)


def _from_text(text: str) -> list[int]:
    counts: list[int] = []
    value = shift = 0
    for letter in text:
        bits = ord(letter) - 48
        if not 0 <= bits < 64 or shift > 60:
            raise ValueError(f"{letter!r} is not of such a text")
        value |= (bits & 31) << shift
        shift += 5
        if not bits & 32:
            value -= (1 << shift) if bits & 16 else 0
            counts.append(value + (counts[-2] if len(counts) > 2 else 0))
            value = shift = 0
    if shift:
        raise ValueError("the text ends within a number")
    return counts


def fill_polygons(polygons: Iterable[ArrayLike], size: tuple[int, int]) -> Region:
    """See `Region.from_polygons`."""
    import cv2

    rings = [np.asarray(polygon, np.float64) for polygon in polygons]
    for ring in rings:
        if ring.ndim != 2 or ring.shape[1] != 2 or not (np.abs(ring) < 1e6).all():
            raise ShapeMismatch(f"a polygon is (P, 2) finite points, not of shape {ring.shape}.")
    rings = [ring for ring in rings if len(ring) > 2]
    if not rings:
        return Region.empty(size)
    points = np.concatenate(rings)
    low = np.floor(points.min(axis=0) - 1).clip(0, size).astype(int)
    high = np.ceil(points.max(axis=0) + 2).clip(0, size).astype(int)
    if (high <= low).any():
        return Region.empty(size)
    levels = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    scaled = [np.rint((ring - low) * (1 << SUBPIXELS)).astype(np.int32) for ring in rings]
    cv2.fillPoly(levels, scaled, (255,), lineType=cv2.LINE_AA, shift=SUBPIXELS)
    return Region(levels, (int(low[0]), int(low[1])), size).trimmed()


def trace_polygons(region: Region, tolerance: float) -> list[NDArray[np.float32]]:
    """See `Region.to_polygons`."""
    import cv2

    mask = region.to_mask().view(np.uint8)
    found, _ = cv2.findContours(mask, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    outlines = [cv2.approxPolyDP(outline, tolerance, closed=True)[:, 0] for outline in found]
    return [outline.astype(np.float32) for outline in outlines if len(outline) > 2]


def draw_svg(region: Region, color: str, tolerance: float) -> str:
    """See `Region.to_svg`."""
    from xml.sax.saxutils import quoteattr

    width, height = region.size
    paths = [
        "M" + "L".join(f"{x + 0.5:g},{y + 0.5:g}" for x, y in outline.tolist()) + "Z"
        for outline in trace_polygons(region, tolerance)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}">'
        f'<path fill={quoteattr(color)} fill-rule="evenodd" d="{"".join(paths)}"/></svg>\n'
    )


def write_png(region: Region, path: str | os.PathLike[str]) -> Path:
    """See `Region.to_png`."""
    path = Path(path)
    if path.suffix.lower() != ".png":
        raise UsageError(f"{path} must end in .png.")
    save_image(region.to_levels(), path)
    return path


def read_png(source: str | os.PathLike[str] | bytes) -> Region:
    """See `Region.from_png`."""
    return Region.from_mask(load_levels(source))
