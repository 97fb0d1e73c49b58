"""How much of each pixel is a face that may be changed: its outline, less what stands before it.

The mesh says where the face ends; the parsing and the occlusion, where a face has these fields, say what is before it:
hair, glasses, hands. Edges fade inwards, so that nothing beyond the face is touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.faces import Face
from mien.core.geometry import similarity
from mien.core.grids import WARPS
from mien.core.layouts import indices_of
from mien.core.mesh import Topology
from mien.core.parts import REGIONS
from mien.core.raster import rasterize
from mien.swaps.plate import Plate

__all__ = [
    "NEEDS",
    "VIDEO_NEEDS",
    "SteadyMask",
    "face_alpha",
    "lead_of",
    "shrunk",
    "skin_weight",
    "smaller",
    "window_of",
]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Levels = NDArray[np.uint8]

#: Fields that `face_alpha` makes use of in pictures, and the cheaper ones of videos.
NEEDS: Final = frozenset({"landmarks", "parse", "occlusion"})
VIDEO_NEEDS: Final = frozenset({"landmarks", "parse"})

FEATHER = 0.06  # of the face's extent, over which its edge fades
BEFORE = 0.02  # of it, over which it fades towards what stands before it
SIDE = 192  # pixels that a face is outlined on: its edges are softer than one of them
SURE = 4.0  # log odds beyond which a class is sure
DOUBT = 2.0  # log odds of the occlusion that are not believed: it takes folds and stubble for something before them
TELLING = 80.0  # pixels of a face from which the occlusion is believed at all
SPECK = 0.004  # of the square of the face's extent: what is smaller is no hair and no hand
GRAZING = 0.12  # cosine below which a surface is seen too much on edge to be drawn on
#: Parts of a face that are not skin.
FEATURES = ("right_eye", "left_eye", "right_brow", "left_brow", "lips_outer")
BROWS = ("right_brow", "left_brow")
BROW_ROOM = 0.025  # of the face's extent around a brow that is not faded
LASTING = 0.12  # seconds: what a mask of a video says is a mean of about so long
GAP = 0.5  # seconds after which a mask of a video begins anew


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
        Whether glasses stay before it, and with them the eyes that are seen through them.
    feather : float
        In parts of the face's extent.

    Returns
    -------
    (h, w) float32
        In [0, 1].
    """
    return _alpha(_outline(plate, topology), _kept(plate, face, keep_glasses), plate, feather)


@dataclass(eq=False)
class SteadyMask:
    """The mask of one face in a video: what stands before it is a mean over a moment, carried along with the face.

    Parameters are those of `face_alpha`.
    """

    topology: Topology | None = None
    keep_glasses: bool = True
    feather: float = FEATHER

    def __post_init__(self) -> None:
        self._before: tuple[float, Doubles, Floats] | None = None

    def alpha(self, plate: Plate, face: Face | None, time: float) -> Floats:
        """See `face_alpha`; `time` in seconds, later than that of the call before."""
        outline = _outline(plate, self.topology)
        points, size, _ = smaller(plate, SIDE)
        kept = _kept(plate, face, self.keep_glasses)
        if kept is None:
            kept = np.ones(size, np.float32)
        if self._before is not None and 0 < time - self._before[0] < GAP:
            kept = self._mixed(kept, points, time)
        self._before = time, points, kept
        return _alpha(outline, kept, plate, self.feather)

    def _mixed(self, kept: Floats, points: Doubles, time: float) -> Floats:
        import cv2

        assert self._before is not None  # noqa: S101 - for the type checker
        then, old_points, old = self._before
        m = similarity(old_points[None, :468, :2], points[None, :468, :2])[0]
        carried = cv2.warpAffine(old, m, kept.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
        share = np.float32(1 - np.exp(-(time - then) / LASTING))
        return np.asarray(carried + share * (kept - carried), np.float32)


def skin_weight(plate: Plate, alpha: Floats) -> Floats:
    """Where an alpha of `face_alpha` is skin: less eyes, brows and lips.

    Returns
    -------
    (h, w) float32
        In [0, 1]: what colours and light are compared on.
    """
    import cv2

    mask = np.zeros(alpha.shape, np.uint8)
    for name in FEATURES:
        _fill_hull(mask, plate.points[indices_of("mesh478", name), :2])
    side = 2 * max(round(0.02 * plate.size), 1) + 1
    grown = cv2.dilate(mask, np.ones((side, side), np.uint8))
    return np.asarray(cv2.copyTo(alpha, cv2.bitwise_not(grown)), np.float32)


def smaller(plate: Plate, side: float) -> tuple[Doubles, tuple[int, int], float]:
    """The mesh on a smaller plate, whose face has `side` pixels or fewer: points, (height, width), the scale."""
    height, width = plate.image.shape[:2]
    scale = min(side / max(plate.size, 1e-6), 1.0)
    size = max(round(height * scale), 1), max(round(width * scale), 1)
    edge = np.array([0.5, 0.5, 0])  # places scale about the picture's corner, not about its first pixel's centre
    return (plate.points + edge) * (size[1] / width, size[0] / height, scale) - edge, size, scale


def shrunk(values: NDArray[Any], size: tuple[int, int]) -> Floats:
    """A picture (h, w, ...) at a smaller size (height, width), by means of some of its pixels: quick, and no finer."""
    import cv2

    step = max(int(min(values.shape[0] / (2 * size[0]), values.shape[1] / (2 * size[1]))), 1)
    few = np.ascontiguousarray(values[step // 2 :: step, step // 2 :: step], np.float32)
    return np.asarray(cv2.resize(few, size[::-1], interpolation=cv2.INTER_AREA), np.float32)


def window_of(weight: Floats, margin: float = 0.0) -> tuple[slice, slice] | None:
    """Rows and columns of all that is above 0, and around it `margin` parts of their extent; None: there is nothing."""
    seen = weight > 0
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    if not len(rows):
        return None
    more = round(margin * max(rows[-1] - rows[0], columns[-1] - columns[0]))
    top, left = max(int(rows[0]) - more, 0), max(int(columns[0]) - more, 0)
    return slice(top, int(rows[-1]) + 1 + more), slice(left, int(columns[-1]) + 1 + more)


def _outline(plate: Plate, topology: Topology | None) -> Levels:
    """The face at 255, else 0, on a smaller plate."""
    import cv2

    points, size, _ = smaller(plate, SIDE)
    mask = np.zeros(size, np.uint8)
    if topology is None:
        outline = points[indices_of("mesh478", "face_oval"), :2]
        cv2.fillPoly(mask, [(outline * 16).round().astype(np.int32)], 255, shift=4)
        return mask
    mesh = points[: len(topology.vertices)]
    a, b, c = np.moveaxis(mesh[topology.triangles], 1, 0)
    across = np.cross(b - a, c - a)
    facing = -across[:, 2] > GRAZING * np.linalg.norm(across, axis=1)
    raster = rasterize(mesh, topology.triangles[facing], size)
    mask[raster.window] = raster.triangle >= 0
    lines, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    # Filled: within the face, beside the nose, what is seen on edge is face as well.
    cv2.drawContours(mask, lines, -1, 255, cv2.FILLED)
    return np.asarray(cv2.medianBlur(mask, 3), np.uint8)


def _kept(plate: Plate, face: Face | None, keep_glasses: bool) -> Floats | None:
    """How much of each pixel of a smaller plate nothing stands before, by the face's fields; None: it has none."""
    if face is None:
        return None
    leads = []
    fields = face.faces.columns
    if "parse" in fields and _known(face.parse):
        wanted = set(REGIONS["face"]) - ({"eye_g"} if keep_glasses else set())
        leads.append(lead_of(face.parse, wanted, plate))
    if "occlusion" in fields and plate.size >= TELLING and _known(face.occlusion):
        clear = lead_of(face.occlusion, {"clear"}, plate) + np.float32(DOUBT)
        if leads and not keep_glasses:  # which are before the face as well
            np.copyto(clear, SURE, where=lead_of(face.parse, {"eye_g"}, plate) > 0)
        leads.append(clear)
    if not leads:
        return None
    _, size, _ = smaller(plate, SIDE)
    lead = np.minimum(*leads) if len(leads) == 2 else leads[0]
    kept = (shrunk(lead, size) > 0).astype(np.uint8)
    least = SPECK * (plate.size * size[0] / plate.image.shape[0]) ** 2
    before = _without_specks(np.uint8(1) - _without_specks(kept, least), least)
    return np.asarray(1 - before, np.float32)


def _without_specks(mask: Levels, least: float) -> Levels:
    """A mask of 0 and 1 without parts of fewer pixels."""
    import cv2

    _, labels, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    large = stats[:, cv2.CC_STAT_AREA] >= least
    large[0] = False
    return np.asarray(large[labels], np.uint8)


def _known(regions: Regions) -> bool:
    return bool(regions.names) and not bool(regions.abstained)


def lead_of(regions: Regions, wanted: set[str], plate: Plate) -> Floats:
    """(h, w): by how much wanted classes lead at each pixel of a plate, in log odds; below 0 where others do."""
    inside = np.array([name in wanted for name in regions.names])
    scores = np.asarray(regions.values, np.float32)
    if inside.all() or not inside.any():
        return np.full(plate.image.shape[:2], SURE if inside.any() else -SURE, np.float32)
    lead = (scores[inside].max(axis=0) - scores[~inside].max(axis=0)).clip(-SURE, SURE)
    rows, columns = plate.window
    window = columns.start, rows.start, columns.stop, rows.stop
    return WARPS[regions.warp].sample(np.ascontiguousarray(lead), regions.grids, window, SURE if inside[0] else -SURE)


def _alpha(outline: Levels, kept: Floats | None, plate: Plate, feather: float) -> Floats:
    """The outline, fading inwards, less what is not kept, as large as the plate."""
    import cv2

    points, size, scale = smaller(plate, SIDE)
    extent = plate.size * scale
    alpha = _faded(outline, feather * extent)
    brows = np.zeros(size, np.uint8)
    for name in BROWS:
        _fill_hull(brows, points[indices_of("mesh478", name), :2])
    side = 2 * max(round(2 * BROW_ROOM * extent), 1) + 1
    whole = cv2.dilate(brows, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    alpha = np.maximum(alpha, _faded(np.minimum(whole, outline), BROW_ROOM * extent))
    if kept is not None:
        alpha = alpha * _faded_towards(kept, BEFORE * extent)
    if size == plate.image.shape[:2]:
        return np.asarray(alpha, np.float32)
    return np.asarray(cv2.resize(alpha, plate.image.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _faded(mask: Levels, feather: float) -> Floats:
    """A mask that fades from its edge inwards over `feather` pixels; the border of the plate is no edge."""
    import cv2

    depth = cv2.distanceTransform(cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_REPLICATE), cv2.DIST_L2, 5)
    t = ((depth[1:-1, 1:-1] - np.float32(0.5)) * np.float32(1 / max(feather, 1.0))).clip(0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _faded_towards(kept: Floats, feather: float) -> Floats:
    """What is kept, fading inwards: a mean of a moment has soft edges already, which count by half."""
    import cv2

    soft = cv2.GaussianBlur(kept, (0, 0), max(feather / 2, 0.7))
    t = (2 * soft - 1).clip(0, 1)
    return np.asarray(t * t * (3 - 2 * t), np.float32)


def _fill_hull(mask: Levels, points: Doubles) -> None:
    import cv2

    hull = cv2.convexHull(points.astype(np.float32))
    cv2.fillConvexPoly(mask, np.asarray(hull * 8).round().astype(np.int32), 255, shift=3)
