"""Parsing by geometry: the classes that the mesh knows, where no network parses.

The triangles of the mesh are sorted into classes once, by where they lie in the texture of the canonical face. Over a
face they are drawn with a z-buffer, so that what the head itself hides is not there, nor are closed eyes and a closed
mouth: their triangles have no area, or stand the wrong way round. How much of a cell each class covers is its score,
and edges run between the cells as those of a network do.

Nothing here was fitted to any parsing. The mesh ends below the hairline, and says nothing of hair, ears, glasses, neck
and clothes, nor of a hand before the mouth.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.layouts import indices_of
from mien.core.mesh import Topology
from mien.core.parts import CELEBAMASK
from mien.core.raster import rasterize
from mien.engine import Batch
from mien.location.canonical import CanonicalFace
from mien.runtime.bundle import Bundle

__all__ = ["MESH_CLASSES", "MeshParser", "triangle_classes"]

# Along the sides of triangles, so that its edge is smooth; the region "nose" cuts across some.
_NOSE = (168, 417, 465, 412, 399, 437, 420, 429, 358, 327, 326, 2, 97, 98, 129, 209, 198, 217, 174, 188, 245, 193)
# Which points of the mesh a class lies between; later ones lie within earlier ones.
_OUTLINES: Mapping[str, NDArray[np.intp]] = MappingProxyType(
    {
        "nose": np.array(_NOSE, np.intp),
        "l_eye": indices_of("mesh478", "left_eye"),
        "r_eye": indices_of("mesh478", "right_eye"),
        "l_brow": indices_of("mesh478", "left_brow"),
        "r_brow": indices_of("mesh478", "right_brow"),
        "u_lip": indices_of("mesh478", "lips_outer"),
        "mouth": indices_of("mesh478", "lips_inner"),
    }
)
#: The classes that the mesh has, in CelebAMask-HQ's order.
MESH_CLASSES = tuple(name for name in CELEBAMASK if name in {"background", "skin", *_OUTLINES, "l_lip"})

SAMPLES = 2  # along each side of a cell
MARGIN = 3  # cells around the mesh
SOFTNESS = 0.6  # cells, deviation of the blur that rounds off the stairs of the samples


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``."""

    cells: int
    certainty: float


class MeshParser:
    """Gives ``parse`` to faces that have ``landmarks``: `MESH_CLASSES` on a grid around the mesh.

    Parameters
    ----------
    bundle : Bundle
        Card with the file ``geometry``, MediaPipe's canonical face; in its params ``cells``, how many the grid has
        along a side, and ``certainty``, the log odds of a class that covers a cell.
    """

    def __init__(self, bundle: Bundle) -> None:
        settings = bundle.card.settings(_Settings)
        self._cells, self._certainty = int(settings.cells), float(settings.certainty)
        topology = CanonicalFace.read(bundle.path("geometry")).topology
        self._triangles, self._surface = topology.triangles, len(topology.vertices)
        # One more, for where there is no triangle: what -1 takes.
        self._classes = np.append(triangle_classes(topology), 0).astype(np.uint8)

    def describe(self, batch: Batch) -> Mapping[str, Regions]:
        """See `mien.engine.Step`."""
        landmarks = batch.faces.landmarks
        known = ~landmarks.abstained
        values = np.full((len(landmarks), len(MESH_CLASSES), self._cells, self._cells), np.nan, np.float32)
        grids = np.full((len(landmarks), 6), np.nan, np.float32)
        for row in np.flatnonzero(known):
            values[row], grids[row] = self._parse(landmarks.values[row, : self._surface].astype(np.float64))
        reasons = landmarks.reasons_for(~known, "the face has no mesh")
        return {"parse": Regions(values, names=MESH_CLASSES, grids=grids, sizes=batch.sizes, reasons=reasons)}

    def _parse(self, points: NDArray[np.float64]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Scores (K, h, w) and grid of one mesh (V, 3)."""
        import cv2

        low, high = points.min(axis=0), points.max(axis=0)
        scale = (self._cells - 1 - 2 * MARGIN) / max(float((high - low)[:2].max()), 1e-6)  # cells per pixel
        corner = (self._cells - 1) / 2 - scale * (low + high)[:2] / 2  # the mesh in the middle
        in_cells = points * scale
        in_cells[:, :2] += corner
        fine = in_cells * SAMPLES + (SAMPLES - 1) / 2  # the middle of a cell's samples is the cell
        side = self._cells * SAMPLES
        raster = rasterize(fine, self._triangles, (side, side))
        labels = np.zeros((side, side), np.uint8)
        labels[raster.window] = self._classes[raster.triangle]
        scores = np.empty((len(MESH_CLASSES), self._cells, self._cells), np.float32)
        for place, score in enumerate(scores):
            covered = cv2.resize((labels == place).astype(np.float32), score.shape, interpolation=cv2.INTER_AREA)
            cv2.GaussianBlur(covered, (0, 0), SOFTNESS, dst=score, borderType=cv2.BORDER_REPLICATE)
        grid = np.array([scale, 0, corner[0], 0, scale, corner[1]], np.float32)
        return self._certainty * scores, grid


def triangle_classes(topology: Topology) -> NDArray[np.uint8]:
    """For each triangle of the mesh its class, as a place in `MESH_CLASSES`: (T,) uint8, none of them 0."""
    middles = topology.uv[topology.triangles].mean(axis=1)
    classes = np.full(len(middles), MESH_CLASSES.index("skin"), np.uint8)
    for name, ring in _OUTLINES.items():
        classes[_inside(middles, topology.uv[ring])] = MESH_CLASSES.index(name)
    # The lips part where the line between their corners runs through the mouth.
    right, left = topology.uv[indices_of("mesh478", "lips_inner")[[0, 10]]]
    below = middles[:, 1] > np.interp(middles[:, 0], *np.sort([right, left], axis=0).T)
    classes[below & (classes == MESH_CLASSES.index("u_lip"))] = MESH_CLASSES.index("l_lip")
    return classes


def _inside(points: NDArray[np.float32], ring: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Which points (P, 2) lie in a polygon (E, 2), by the even-odd rule."""
    (x, y), start, end = points.T[:, :, None], ring, np.roll(ring, -1, axis=0)
    crossed = (start[:, 1] > y) != (end[:, 1] > y)
    slope = (end[:, 0] - start[:, 0]) / np.where(end[:, 1] == start[:, 1], np.inf, end[:, 1] - start[:, 1])
    return np.asarray((crossed & (x < start[:, 0] + slope * (y - start[:, 1]))).sum(axis=1) % 2 == 1)
