"""Small regions from the mesh and from brightness, at the picture's own resolution: teeth, irises, sclera, outlines.

Parsing networks see a face at a few hundred pixels: an iris has a dozen of them, and they know no teeth. The mesh says
where these are, and the picture's pixels which of them it is. A region is empty where the face has no mesh, where the
head itself hides it, where eye or mouth are closed, and where it would be smaller than two pixels. What stands before
the face is not known here: ``m.irises - m.occluded``. Of pupils the mesh knows the middle but not the size: there is no
such region.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Face
from mien.core.layouts import LAYOUTS, indices_of
from mien.core.region import FULL, Region
from mien.location.eyes import EYE_NAMES, openings

__all__ = ["DETAILS"]

Doubles: TypeAlias = NDArray[np.float64]
LEAST_PIXELS = 2.0  # what is smaller cannot be seen
LEAST_VISIBLE = 0.5  # mean visibility of an outline's points from which on it is seen
CLOSED_EYE = 0.1  # distance of the lids in widths of the eye: see `mien.location.eyes.openings`
LEAST_MOUTH = 20.0  # pixels of width: in narrower ones teeth, tongue and lip are one bright spot
CLOSED_MOUTH = 0.03  # distance of the lips in widths of the mouth
LIP_SLACK = 0.04  # widths of the mouth by which the mesh's lips may be off: there the colour decides
LEAST_CONTRAST = 0.22  # of teeth to lips, in the brightness of the skin
LEAST_PART = 0.04  # of the area of all teeth: less is a highlight
SCLERA_CONTRAST = 0.15  # of what is white in the eye to the iris, in the brightness of the skin

# From the top of the forehead over nose and lips to the chin.
_MIDDLE = np.array(
    [10, 151, 9, 8, 168, 6, 197, 195, 5, 4, 1, 19, 94, 2, 164, 0, 11, 12, 13, 14, 15, 16, 17, 18, 200, 199, 175, 152]
)
# From the middle line's top to its bottom along two lines within the outline, over temple and cheekbone: left, right.
_MERIDIANS = (
    np.array([151, 337, 299, 333, 298, 301, 368, 264, 447, 366, 401, 435, 367, 364, 394, 395, 369, 396, 175]),
    np.array([9, 336, 296, 334, 293, 300, 383, 372, 345, 352, 376, 433, 416, 434, 430, 431, 262, 428, 199]),
    np.array([151, 108, 69, 104, 68, 71, 139, 34, 227, 137, 177, 215, 138, 135, 169, 170, 140, 171, 175]),
    np.array([9, 107, 66, 105, 63, 70, 156, 143, 116, 123, 147, 213, 192, 214, 210, 211, 32, 208, 199]),
)
# From the top of the face to between the brows, over a brow and back along the end of the mesh: left, right.
_FOREHEADS = (
    np.array([10, 151, 9, 336, 296, 334, 293, 300, 251, 284, 332, 297, 338]),
    np.array([10, 151, 9, 107, 66, 105, 63, 70, 21, 54, 103, 67, 109]),
)


def _mesh(face: Face) -> Doubles | None:
    """The mesh's points in the picture (478, 2), if the face has any."""
    points = np.asarray(face.landmarks.values[:, :2], np.float64)
    whole = len(points) == LAYOUTS["mesh478"].count  # else read from JSON in which every face abstained
    return points if whole and np.isfinite(points).all() else None


def _nothing(face: Face) -> Region:
    return Region.empty(face.faces.image_size)


def _enclosed(face: Face, ring: NDArray[np.intp]) -> Region:
    """What a line through points of the mesh encloses; nothing where the head hides it, or it is too small."""
    points = _mesh(face)
    if points is None or not face.visibility.values[ring].mean() >= LEAST_VISIBLE:  # NaN is not
        return _nothing(face)
    if np.ptp(points[ring], axis=0).min() < LEAST_PIXELS:
        return _nothing(face)
    return Region.from_polygons([points[ring]], face.faces.image_size)


def _outline(face: Face, name: str) -> Region:
    """What an outline of the mesh encloses."""
    return _enclosed(face, indices_of("mesh478", name))


def _oval(face: Face) -> Region:
    """The whole face: what lies between its outline and its middle line, on both sides.

    The head turned, the outline alone runs through the cheek and cuts off all that is before it: what is seen of the
    face ends at its cheekbone, its nose and its lips.
    """
    points, size = _mesh(face), face.faces.image_size
    if points is None:
        return _nothing(face)
    oval, middle = points[indices_of("mesh478", "face_oval")], points[_MIDDLE]
    half = len(oval) // 2
    left, right = np.concatenate([oval[: half + 1], middle[-2:0:-1]]), np.concatenate([oval[half:], middle[:-1]])
    fronts = [*map(_to_middle, _MERIDIANS), *(indices_of("mesh478", name) for name in ("nose", "lips_outer"))]
    before = Region.union([Region.from_polygons([points[front]], size) for front in fronts], size)
    return (Region.from_polygons([left], size) + Region.from_polygons([right], size)) | before


def _to_middle(line: NDArray[np.intp]) -> NDArray[np.intp]:
    """A line that begins and ends on the middle line, and back along that."""
    first, last = np.flatnonzero(np.isin(_MIDDLE, line[[0, -1]]))
    return np.concatenate([line, _MIDDLE[last - 1 : first : -1]])


def _forehead(face: Face) -> Region:
    """From the brows to the end of the mesh, below the hair; each side by itself, as one may hide the other."""
    left, right = (_enclosed(face, ring) for ring in _FOREHEADS)
    return left + right


# --- eyes -------------------------------------------------------------------------------------------------------------


def _opening(face: Face, side: str) -> Region:
    """An eye between its lids; nothing where it is closed."""
    if _mesh(face) is None or not openings(face.landmarks.values[None])[0][EYE_NAMES.index(side)] > CLOSED_EYE:
        return _nothing(face)  # NaN is not open
    return _outline(face, f"{side}_eye")


def _disc(face: Face, side: str, *, larger: float = 1.0) -> Region:
    """An iris as if there were no lids: the ellipse through its four points, which are opposite in pairs."""
    points = _mesh(face)
    if points is None:
        return _nothing(face)
    edge = points[indices_of("mesh478", f"{side}_iris")]
    across, along = (edge[0] - edge[2]) / 2 * larger, (edge[1] - edge[3]) / 2 * larger
    if 2 * min(np.linalg.norm(across), np.linalg.norm(along)) < LEAST_PIXELS:
        return _nothing(face)
    turn = np.linspace(0, 2 * np.pi, 48, endpoint=False)[:, None]
    ellipse = edge.mean(axis=0) + np.cos(turn) * across + np.sin(turn) * along
    return Region.from_polygons([ellipse], face.faces.image_size)


def _iris(face: Face, side: str) -> Region:
    """An iris with its pupil, as far as the lids show it."""
    return _opening(face, side) & _disc(face, side)


def _sclera(face: Face, side: str) -> Region:
    """The white of an eye: between the lids, beside the iris, and not as dark as that or as lashes."""
    opening, disc = _opening(face, side), _disc(face, side)
    white = opening - _disc(face, side, larger=1.05)
    points, box = _mesh(face), white.bbox
    if points is None or not disc or min(box[2] - box[0], box[3] - box[1]) < LEAST_PIXELS:
        return _nothing(face)
    light = _pixels(face, box).mean(axis=2)
    candidates, iris = white.levels_in(box) > FULL // 2, (opening & disc).levels_in(box) > FULL // 2
    if not candidates.any() or not iris.any():
        return white
    bright, dark = float(np.percentile(light[candidates], 80)), float(np.percentile(light[iris], 30))
    if bright - dark < SCLERA_CONTRAST * _skin_light(face, points):
        return white  # a light iris, or no light: the outlines are all there is
    return white & _above(light, (bright + dark) / 2, (bright - dark) / 6, box, face)


def _both(face: Face, one: Callable[[Face, str], Region]) -> Region:
    return one(face, "left") | one(face, "right")


# --- teeth ------------------------------------------------------------------------------------------------------------


def _teeth(face: Face) -> Region:
    """What is bright and not red between the lips.

    Teeth reflect green as they do red, whatever the colour of the skin; lips, gums and tongue do not, and the inside of
    the mouth is dark. The threshold lies in the middle between the lips of this face and what is brightest inside;
    where that is hardly different, or the mouth is but a few pixels wide, no teeth are seen.
    """
    points, size = _mesh(face), face.faces.image_size
    if points is None or not _outline(face, "lips_outer"):
        return _nothing(face)
    inner, outer = (points[indices_of("mesh478", f"lips_{which}")] for which in ("inner", "outer"))
    width = float(np.linalg.norm(inner[0] - inner[10]))
    gap = float(np.linalg.norm(inner[5] - inner[15]))
    if width < LEAST_MOUTH or gap < max(LEAST_PIXELS, CLOSED_MOUTH * width):
        return _nothing(face)
    mouth = Region.from_polygons([inner], size)
    lips = Region.from_polygons([outer], size) - mouth
    around = mouth.dilate(LIP_SLACK * width) & (mouth | lips)
    box = around.bbox
    if min(box[2] - box[0], box[3] - box[1]) < LEAST_PIXELS:
        return _nothing(face)
    red, green, _ = np.moveaxis(_pixels(face, box, blur=0.01 * width), -1, 0)
    pale = 2 * green - red
    inside, outside = mouth.levels_in(box) > FULL // 2, lips.levels_in(box) > FULL // 2
    if not inside.any() or not outside.any():
        return _nothing(face)
    bright, dull = float(np.percentile(pale[inside], 92)), float(np.median(pale[outside]))
    if bright - dull < LEAST_CONTRAST * _skin_light(face, points):
        return _nothing(face)
    teeth = around & _above(pale, (bright + dull) / 2, (bright - dull) / 12, box, face)
    return _without_highlights(teeth, mouth)


def _without_highlights(teeth: Region, mouth: Region) -> Region:
    """Only the parts that are not far smaller than all together, and not mostly on the lips."""
    least = LEAST_PART * teeth.area
    kept = [part for part in teeth.parts() if part.area >= least and (part & mouth).area >= part.area / 2]
    return Region.union(kept, teeth.size)


# --- pixels -----------------------------------------------------------------------------------------------------------


def _pixels(face: Face, box: tuple[int, int, int, int], *, blur: float = 0.0) -> NDArray[np.float32]:
    """The picture within a box as numbers (h, w, 3), without the noise of single pixels."""
    import cv2

    x1, y1, x2, y2 = box
    part = face.faces.require_image()[y1:y2, x1:x2].astype(np.float32)
    return part if blur < 0.3 else np.asarray(cv2.GaussianBlur(part, (0, 0), blur), np.float32)


def _skin_light(face: Face, points: Doubles) -> float:
    """How bright the skin of the cheeks and the chin is, 0 to 255: the scale of all contrasts."""
    image = face.faces.require_image()
    rings = [indices_of("mesh478", name) for name in ("left_cheek", "right_cheek", "chin")]
    places = np.rint(np.concatenate([[points[ring].mean(axis=0), *points[ring]] for ring in rings])).astype(int)
    x, y = places.T.clip(0, [[image.shape[1] - 1], [image.shape[0] - 1]])
    return max(float(np.median(image[y, x].max(axis=1))), 1.0)


def _above(
    values: NDArray[np.float32], threshold: float, softness: float, box: tuple[int, int, int, int], face: Face
) -> Region:
    """Where values within a box lie above a threshold, softly."""
    levels = 1 / (1 + np.exp(-((values - threshold) / max(softness, 1e-3)).clip(-30, 30)))
    return Region.from_mask(levels, origin=box[:2], size=face.faces.image_size)


#: Regions of a face by name; each needs ``landmarks`` and ``visibility``, and its picture.
DETAILS: Mapping[str, Callable[[Face], Region]] = MappingProxyType(
    {
        "oval": _oval,
        "teeth": _teeth,
        "left_iris": partial(_iris, side="left"),
        "right_iris": partial(_iris, side="right"),
        "irises": partial(_both, one=_iris),
        "left_sclera": partial(_sclera, side="left"),
        "right_sclera": partial(_sclera, side="right"),
        "sclera": partial(_both, one=_sclera),
        "left_cheek": partial(_outline, name="left_cheek"),
        "right_cheek": partial(_outline, name="right_cheek"),
        "forehead": _forehead,
        "chin": partial(_outline, name="chin"),
    }
)
