"""What of glasses stands before a face: rims and gloss, while clear lenses show what is behind them.

The parsing calls all of a pair of glasses one part, lenses included. Rims are what is thin and darker or brighter than
its surroundings in that part; brows and eyes behind the lenses, which are so as well, are known by the mesh.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Face
from mien.core.layouts import indices_of
from mien.swaps.blend.facemask import lead_of
from mien.swaps.plate import Plate

__all__ = ["rims"]

Floats = NDArray[np.float32]
Levels = NDArray[np.uint8]

SMALLEST = 0.01  # of the square of the face's extent: what is smaller is no pair of glasses
THIN = 0.06  # of the face's extent: rims are thinner
GROWN = 0.012  # of it, by which the parsing may miss a rim's outer edge
BORDER = 0.035  # of it: so near to the edge of glasses what is dark is a rim, even before a brow
EYE_ROOM = 0.03  # of it, around an eye, within which it is lids and lashes
BROW_ROOM = 0.015
CONTRAST = (0.10, 0.28)  # of the skin's level: what differs by less is a fold, by more a rim
GLOSSY = 2.0  # times as much for what is brighter: skin that shines is as well
TINTED = 0.72  # of the skin's level: what is seen through darker lenses is not to be told, and they are kept whole
EYES = ("right_eye", "left_eye")
BROWS = ("right_brow", "left_brow")


def rims(plate: Plate, face: Face) -> Floats | None:
    """How much of each pixel is a rim or gloss of glasses; all of dark glasses are.

    Parameters
    ----------
    plate : Plate
    face : Face
        With its field ``parse``; its picture is the one that the plate is of.

    Returns
    -------
    (h, w) float32 or None
        In [0, 1]; None where there are no glasses.
    """
    import cv2

    if not face.parse.names or face.parse.abstained:
        return None
    part = (lead_of(face.parse, {"eye_g"}, plate) > 0).astype(np.uint8)
    if np.count_nonzero(part) < SMALLEST * plate.size**2:
        return None
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(plate.image), cv2.COLOR_RGB2GRAY), np.uint8)
    whole = np.asarray(cv2.dilate(part, _disc(GROWN * plate.size)), np.uint8)
    inner = cv2.erode(part, _disc(BORDER * plate.size))
    eyes, brows = (_around(plate, names, room) for names, room in ((EYES, EYE_ROOM), (BROWS, BROW_ROOM)))
    skin = _skin(plate, grey, whole)
    lens = (inner > 0) & (eyes == 0) & (brows == 0)
    if not lens.any() or float(np.median(grey[lens])) < TINTED * skin:
        return _soft(whole.astype(np.float32), plate)
    brush = _disc(THIN * plate.size / 2)
    dark = np.asarray(cv2.morphologyEx(grey, cv2.MORPH_BLACKHAT, brush), np.float32)
    bright = np.asarray(cv2.morphologyEx(grey, cv2.MORPH_TOPHAT, brush), np.float32)
    low, high = CONTRAST
    found = ((np.maximum(dark, bright / GLOSSY) / skin - low) / (high - low)).clip(0, 1)
    found[(whole == 0) | (eyes > 0) | ((brows > 0) & (inner > 0))] = 0
    return _soft(found.astype(np.float32), plate)


def _skin(plate: Plate, grey: Levels, glasses: Levels) -> float:
    """Level of the skin beside the glasses."""
    import cv2

    oval = np.zeros(grey.shape, np.uint8)
    outline = plate.points[indices_of("mesh478", "face_oval"), :2]
    cv2.fillPoly(oval, [outline.round().astype(np.int32)], 1)
    beside = grey[(oval > 0) & (glasses == 0)]
    return max(float(np.median(beside)) if beside.size else 128.0, 8.0)


def _around(plate: Plate, names: tuple[str, ...], room: float) -> Levels:
    """Parts of the mesh and what is near them."""
    import cv2

    mask = np.zeros(plate.image.shape[:2], np.uint8)
    for name in names:
        hull = cv2.convexHull(plate.points[indices_of("mesh478", name), :2].astype(np.float32))
        cv2.fillConvexPoly(mask, np.asarray(hull).round().astype(np.int32), 1)
    return np.asarray(cv2.dilate(mask, _disc(room * plate.size)), np.uint8)


def _soft(found: Floats, plate: Plate) -> Floats:
    import cv2

    grown = cv2.dilate(found, _disc(0.004 * plate.size))
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), max(0.003 * plate.size, 0.5)), np.float32)


def _disc(radius: float) -> Levels:
    import cv2

    side = 2 * max(round(radius), 1) + 1
    return np.asarray(cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)), np.uint8)
