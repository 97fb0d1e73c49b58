"""How much of each pixel is a face that may be changed: its outline, less what stands before it.

The mesh says where the face ends; the parsing and the occlusion, where a face has these fields, say what is before it:
hair, glasses, hands. Edges fade inwards, so that nothing beyond the face is touched.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.faces import Face
from mien.core.layouts import indices_of
from mien.core.mesh import Topology
from mien.core.raster import rasterize
from mien.core.region import Region
from mien.swaps.plate import Plate

__all__ = ["NEEDS", "VIDEO_NEEDS", "face_alpha", "skin_weight", "smaller"]

Floats = NDArray[np.float32]

#: Fields that `face_alpha` makes use of in pictures, and the cheaper ones of videos.
NEEDS: Final = frozenset({"landmarks", "parse", "occlusion"})
VIDEO_NEEDS: Final = frozenset({"landmarks", "parse"})

FEATHER = 0.06  # of the face's extent, over which its edge fades
SIDE = 160  # pixels that a face is outlined on: its edge is softer than one of them
#: Classes of a face that are hair, brows, eyes or lips: what is not to be taken for skin.
FEATURES = ("right_eye", "left_eye", "right_brow", "left_brow", "lips_outer")


def face_alpha(
    plate: Plate,
    face: Face | None = None,
    *,
    topology: Topology | None = None,
    keep_glasses: bool = True,
    feather: float = FEATHER,
) -> Floats:
    """How much of each pixel of a plate is the face.

    Parameters
    ----------
    plate : Plate
    face : Face, optional
        Its fields ``parse`` and ``occlusion`` say what is before it, where they are there; its picture is the one that
        the plate is of.
    topology : Topology, optional
        Of the mesh: the outline is then that of all its triangles, which a turned head needs; else the face oval.
    keep_glasses : bool
        Whether glasses stay before it.
    feather : float
        In parts of the face's extent.

    Returns
    -------
    (h, w) float32
        In [0, 1].
    """
    alpha = _faded(_outline(plate, topology), feather * plate.size, plate)
    blocked = _blocked(plate, face, keep_glasses)
    return alpha if blocked is None else np.asarray(alpha * (1 - blocked), np.float32)


def skin_weight(plate: Plate, alpha: Floats) -> Floats:
    """Where an alpha of `face_alpha` is skin: less eyes, brows and lips.

    Returns
    -------
    (h, w) float32
        In [0, 1]: what colours, light and grain are compared on.
    """
    import cv2

    mask = np.zeros(alpha.shape, np.uint8)
    for name in FEATURES:
        hull = cv2.convexHull(plate.points[indices_of("mesh478", name), :2].astype(np.float32))
        cv2.fillConvexPoly(mask, (hull * 8).round().astype(np.int32), 255, shift=3)
    side = 2 * max(round(0.02 * plate.size), 1) + 1
    grown = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray(alpha * (grown == 0), np.float32)


def smaller(plate: Plate, side: float) -> tuple[NDArray[np.float64], tuple[int, int], float]:
    """The mesh on a smaller plate, whose face has `side` pixels or fewer: points, (height, width), the scale."""
    height, width = plate.image.shape[:2]
    scale = min(side / max(plate.size, 1e-6), 1.0)
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    edge = np.array([0.5, 0.5, 0])  # places scale about the picture's corner, not about its first pixel's centre
    return (plate.points + edge) * (size[1] / width, size[0] / height, scale) - edge, size, scale


def _outline(plate: Plate, topology: Topology | None) -> tuple[NDArray[np.uint8], float]:
    """The face (h, w) at 255, else 0, on a smaller plate, and how many of its pixels a plate's are."""
    import cv2

    points, size, scale = smaller(plate, SIDE)
    mask = np.zeros(size, np.uint8)
    if topology is None:
        outline = points[indices_of("mesh478", "face_oval"), :2]
        cv2.fillPoly(mask, [(outline * 16).round().astype(np.int32)], 255, shift=4)
    else:
        raster = rasterize(points[: len(topology.vertices)], topology.triangles, size)
        mask[raster.window] = np.where(raster.triangle >= 0, np.uint8(255), np.uint8(0))
    return mask, scale


def _faded(outline: tuple[NDArray[np.uint8], float], feather: float, plate: Plate) -> Floats:
    """The outline as large as the plate, fading from its edge inwards over `feather` pixels."""
    import cv2

    mask, scale = outline
    depth = cv2.distanceTransform(np.pad(mask, 1, mode="edge"), cv2.DIST_L2, 5)[1:-1, 1:-1]
    t = ((depth - 0.5) / max(feather * scale, 0.5)).clip(0, 1).astype(np.float32)
    alpha = t * t * (3 - 2 * t)
    if scale == 1:
        return np.asarray(alpha, np.float32)
    return np.asarray(cv2.resize(alpha, plate.image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _blocked(plate: Plate, face: Face | None, keep_glasses: bool) -> Floats | None:
    """How much of each pixel stands before the face, by its fields; None where it has none of them."""
    if face is None:
        return None
    regions: list[Region] = []
    fields = face.faces.columns
    if "parse" in fields and _known(face.parse):
        regions.append(~face.parse.region("face"))
        if keep_glasses and "eye_g" in face.parse.names:
            regions.append(face.parse.region("glasses"))
    if "occlusion" in fields and _known(face.occlusion):
        regions.append(face.occlusion.region("occluded"))
    if not regions:
        return None
    rows, columns = plate.window
    out = np.zeros(plate.image.shape[:2], np.uint8)
    for region in regions:
        np.maximum(out, region.to_levels()[rows, columns], out=out)
    return np.asarray(out, np.float32) / np.float32(255)


def _known(regions: Regions) -> bool:
    return bool(regions.names) and not bool(regions.abstained)
