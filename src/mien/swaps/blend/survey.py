"""``Survey``: the regions of one face in a part of a picture, at one scale; each is worked out when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.geometry import compose, invert, transform
from mien.core.image import Image
from mien.masks.refining import refine, shrink
from mien.swaps.plate import Plate

__all__ = ["BEFORE", "Survey"]

Floats = NDArray[np.float32]
Levels = NDArray[np.uint8]

FINE = 512  # pixels of a plate's longer side on which soft edges are found
WORN = ("glasses",)  # lies within the face
RIM = 0.9  # of the face: what ends within this is no hand
SPECK = 0.012  # of the mesh's extent, squared: smaller than any hand; shadows and spots are taken for such
BEFORE = ("hair", "hat", "glasses", "clothes", "background")  #: of the parsing: what the mesh is not


@dataclass(frozen=True, eq=False)
class Survey:
    """What a look at a face saw, as levels of a part of the picture.

    Attributes
    ----------
    image : (h, w, 3) uint8
        The part, perhaps made smaller.
    onto : (2, 3) float32
        The map from pixels of the picture to those of `image`.
    extent : float
        Of the face's mesh, in pixels of `image`.
    """

    image: Image
    onto: Floats
    extent: float
    _plate: Plate = field(repr=False)
    _parse: Regions = field(repr=False)
    _occlusion: Regions = field(repr=False)
    _known: dict[tuple[str, ...], Levels] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, plate: Plate, parse: Regions, occlusion: Regions, *, side: int | None = None) -> Survey:
        """A survey of a plate; with a `side`, of no more pixels than that, and with a picture of its own."""
        height, width = plate.image.shape[:2]
        scale = 1.0 if side is None else min(side / max(height, width), 1.0)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        image = plate.image if side is None else np.array(shrink(np.ascontiguousarray(plate.image), size))
        sx, sy = size[0] / width, size[1] / height
        x, y = plate.origin
        onto = np.array([[sx, 0, (0.5 - x) * sx - 0.5], [0, sy, (0.5 - y) * sy - 0.5]], np.float32)
        return cls(image, onto, plate.size * scale, plate, parse, occlusion)

    @property
    def whole(self) -> bool:
        """Whether its pixels are those of the picture."""
        return self.image.shape == self._plate.image.shape

    def region(self, name: str) -> Levels:
        """A region of the parsing, (h, w); 0 where the face was not parsed."""
        return self._once(("region", name), lambda: self._levels(self._parse, name))

    def soft(self, name: str) -> Levels:
        """A region with edges that follow those of the picture, strand by strand, (h, w).

        He, Sun, *Fast guided filter*, 2015, on a picture of a few hundred pixels.
        """
        return self._once(("soft", name), lambda: self._refined(name))

    def hidden(self, names: tuple[str, ...], *, others: bool) -> Levels:
        """How much of each pixel some regions cover, and, with `others`, whatever else is before the face: (h, w)."""
        return self._once((*names, *(("others",) if others else ())), lambda: self._hidden(names, others=others))

    def _once(self, key: tuple[str, ...], make: Callable[[], Levels]) -> Levels:
        if key not in self._known:
            self._known[key] = make()
            self._known[key].flags.writeable = False
        return self._known[key]

    def _refined(self, name: str) -> Levels:
        import cv2

        height, width = self.image.shape[:2]
        scale = min(FINE / max(height, width), 1.0)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        coarse = self.region(name).astype(np.float32) * np.float32(1 / 255)
        small = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_AREA), np.float32)
        radius = max(round(0.02 * self.extent * scale), 1)
        return refine(small, np.ascontiguousarray(self.image), radius=radius, smoothness=4e-4).to_levels()

    def _hidden(self, names: tuple[str, ...], *, others: bool) -> Levels:
        out = np.zeros(self.image.shape[:2], np.uint8)
        for name in names:
            if name not in WORN:
                out = np.maximum(out, self.region(name))
        if others and not bool(self._occlusion.abstained):
            found = self._levels(self._occlusion, "occluded")
            for name in BEFORE:
                if name not in names:
                    found = np.minimum(found, 255 - self.region(name))
            out = np.maximum(out, found)
        out = _handlike(out, self._middle(), SPECK * self.extent**2)
        for name in names:
            if name in WORN:
                out = np.maximum(out, self.region(name))
        return out

    def _middle(self) -> Levels:
        """The face without its rim, (h, w): 1 or 0."""
        import cv2

        height, width = self.image.shape[:2]
        points = transform(self._plate.points[:, :2] + self._plate.origin, self.onto)
        center = points.mean(axis=0)
        hull = cv2.convexHull((center + RIM * (points - center)).astype(np.float32)).round().astype(np.int32)
        out = np.zeros((height, width), np.uint8)
        cv2.fillConvexPoly(out, hull, (1,))
        return out

    def _levels(self, column: Regions, name: str) -> Levels:
        import cv2

        height, width = self.image.shape[:2]
        if bool(column.abstained) or not column.names:
            return np.zeros((height, width), np.uint8)
        if not self.whole and column.warp == "affine":  # what is drawn smaller costs less
            grid = compose(column.grids.reshape(2, 3), invert(self.onto)).reshape(6)
            there = replace(column, grids=grid, sizes=np.array([width, height], np.float32))
            return there.region(name).to_levels()
        levels = column.region(name).levels_in((*self._plate.origin, *self._end()))
        return levels if self.whole else np.asarray(cv2.resize(levels, (width, height), interpolation=cv2.INTER_AREA))

    def _end(self) -> tuple[int, int]:
        (x, y), (height, width) = self._plate.origin, self._plate.image.shape[:2]
        return x + width, y + height


def _handlike(mask: Levels, middle: Levels, least: float) -> Levels:
    """A mask without its parts that have fewer pixels, or none outside of the face's middle.

    Whatever is before a face comes from beside it; dark spots and moustaches do not, and are taken for such things.
    """
    import cv2

    found, parts, stats, _ = cv2.connectedComponentsWithStats((mask > 63).astype(np.uint8))
    if found == 1:
        return mask
    beside = np.bincount(parts[middle == 0], minlength=found) > 0
    kept = (np.asarray(stats)[:, cv2.CC_STAT_AREA] >= least) & beside
    kept[0] = True
    return mask if kept.all() else np.asarray(np.where(kept[parts], mask, 0), np.uint8)
