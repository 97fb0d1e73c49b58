"""``Sight``: the regions of one face in a plate, and what stands before it; steady from frame to frame of a video.

Parsing a frame costs more than all else that is done to its face, and its edges flicker. So a video is parsed a few
times a second; in between, the scores are carried along by the motion of the mesh, and each new look is averaged with
the last one, in the face's own grid. What moves by itself, as lips do, is drawn from the mesh instead, frame by frame.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.geometry import compose, invert, similarity
from mien.core.image import Image
from mien.engine import Engine
from mien.masks.refining import refine
from mien.swaps.effects import Shot
from mien.swaps.plate import AROUND, Plate

__all__ = ["Sight", "Watch"]

Floats = NDArray[np.float32]

LOOK = 0.12  # seconds after which a video is parsed again: every fourth frame, or third
GAP = 0.5  # seconds after which a track that comes back is a new one
STEADY = 0.15  # seconds over which looks are averaged
FINE = 512  # pixels of a plate's longer side on which soft edges are found
SPECK = 0.012  # of the mesh's extent, squared: smaller than any hand; shadows and spots are taken for such
BEFORE = ("hair", "hat", "glasses", "clothes", "background")  # of the parsing: what the mesh is not


@dataclass(frozen=True, eq=False)
class Sight:
    """What is known of one face in a shot.

    Attributes
    ----------
    plate : Plate
        With the first 468 points of the mesh.
    points : (478, 3) float64
        All of the mesh, irises included, in pixels of the plate.
    track : int or None
        Of a video: whose this is.
    """

    plate: Plate
    points: NDArray[np.float64]
    track: int | None
    _parse: Regions = field(repr=False)
    _occlusion: Regions = field(repr=False)
    _known: dict[str, Floats] = field(default_factory=dict, repr=False)

    @property
    def image(self) -> Image:
        """The plate's picture, (h, w, 3) uint8."""
        return self.plate.image

    def region(self, name: str) -> Floats:
        """A region of the parsing, (h, w) in [0, 1]; 0 where the face was not parsed."""
        if name not in self._known:
            self._known[name] = self._levels(self._parse, name)
            self._known[name].flags.writeable = False
        return self._known[name]

    def soft(self, name: str) -> Floats:
        """A region with edges that follow those of the picture, strand by strand: (h, w) in [0, 1].

        He, Sun, *Fast guided filter*, 2015, on a plate of a few hundred pixels.
        """
        import cv2

        coarse, (height, width) = self.region(name), self.image.shape[:2]
        scale = min(FINE / max(height, width), 1.0)
        size = max(round(width * scale), 1), max(round(height * scale), 1)
        small = np.asarray(cv2.resize(coarse, size, interpolation=cv2.INTER_AREA), np.float32)
        radius = max(round(0.02 * self.plate.size * scale), 1)
        levels = refine(small, np.ascontiguousarray(self.image), radius=radius, smoothness=4e-4).to_levels()
        return levels.astype(np.float32) / np.float32(255)

    def hidden(self, names: tuple[str, ...] = BEFORE, *, others: bool = True) -> Floats:
        """How much of each pixel something stands before the face, (h, w) in [0, 1].

        Parameters
        ----------
        names : tuple of str
            Regions of the parsing that count.
        others : bool
            Whether anything else does, such as a hand or a cup.
        """
        out = np.zeros(self.image.shape[:2], np.float32)
        if others and not bool(self._occlusion.abstained):
            out = self._levels(self._occlusion, "occluded")
            for name in BEFORE:
                if name not in names:
                    out = np.minimum(out, 1 - self.region(name))
            out = _without_specks(out, SPECK * self.plate.size**2)
        for name in names:
            out = np.maximum(out, self.region(name))
        return out

    def _levels(self, column: Regions, name: str) -> Floats:
        height, width = self.image.shape[:2]
        if bool(column.abstained) or not column.names:
            return np.zeros((height, width), np.float32)
        x, y = self.plate.origin
        levels = column.region(name).levels_in((x, y, x + width, y + height))
        return levels.astype(np.float32) / np.float32(255)


@dataclass(eq=False)
class _Look:
    """When and where a face was last parsed, and what was seen."""

    time: float
    seen: float
    points: NDArray[np.float32]
    columns: tuple[Regions, ...]


@dataclass(eq=False)
class Watch:
    """Sees the faces of a picture, or follows those of a video.

    Parameters
    ----------
    engine : Engine
    margin : float
        Of the plates: see `Plate.around`.
    occlusion : bool
        Whether to look for hands and the like, which costs as much as the parsing.
    """

    engine: Engine
    margin: float = AROUND
    occlusion: bool = True
    _looks: dict[int, _Look] = field(default_factory=dict)

    def see(self, shot: Shot) -> Iterator[tuple[int, Sight | str]]:
        """The faces of a shot that are to be changed: each row with what is seen of it, or why nothing is."""
        rows = [int(row) for row in shot.rows]
        due = [row for row in rows if self._due(shot, row)]
        self._parse(shot, due)
        for row in rows:
            yield row, self._sight(shot, row, fresh=row in due)

    def _key(self, shot: Shot, row: int) -> int:
        return row if shot.time is None else int(shot.faces.track.ids[row])

    def _due(self, shot: Shot, row: int) -> bool:
        if not _has_mesh(shot, row):
            return False
        look = self._looks.get(self._key(shot, row))
        if look is None or shot.time is None or not 0 <= shot.time - look.seen <= GAP:
            self._looks.pop(self._key(shot, row), None)
            return True
        return shot.time - look.time >= LOOK

    def _parse(self, shot: Shot, due: list[int]) -> None:
        if not due:
            return
        want = ("parse", "occlusion") if self.occlusion else ("parse",)
        # A frame's neighbours know nothing of this one's track: only what is there to be parsed goes along.
        asked = shot.faces[due].with_image(shot.image)
        found = self.engine.analyze(shot.image, want=set(want), faces=asked)
        for place, row in enumerate(due):
            columns = tuple(cast("Regions", found.columns[name][place]) for name in want)
            points = np.asarray(shot.faces.landmarks.values[row], np.float32)
            key, time = self._key(shot, row), shot.time or 0.0
            before = self._looks.get(key)
            if before is not None:
                moved = similarity(before.points[None, :, :2], points[:, :2])[0]
                share = 1 - float(np.exp(-(time - before.time) / STEADY))
                columns = tuple(
                    _averaged(_carried(old, moved), new, share)
                    for old, new in zip(before.columns, columns, strict=True)
                )
            self._looks[key] = _Look(time, time, points, columns)

    def _sight(self, shot: Shot, row: int, *, fresh: bool) -> Sight | str:
        look = self._looks.get(self._key(shot, row))
        if look is None or not _has_mesh(shot, row):
            return "the face has no mesh"
        points = np.asarray(shot.faces.landmarks.values[row], np.float64)
        plate = Plate.around(shot.image, points[:468], margin=self.margin)
        if plate is None:
            return "the face is outside of the picture"
        columns = look.columns
        if not fresh:
            moved = similarity(look.points[None, :, :2], points[:, :2].astype(np.float32))[0]
            columns = tuple(_carried(one, moved) for one in columns)
        look.seen = shot.time or 0.0
        track = None if shot.time is None else self._key(shot, row)
        parse, occlusion = columns[0], columns[-1] if self.occlusion else _NOTHING
        return Sight(plate, points - (*plate.origin, 0), track, parse, occlusion)


def _without_specks(mask: Floats, least: float) -> Floats:
    """A mask without its parts that have fewer pixels."""
    import cv2

    found, parts, stats, _ = cv2.connectedComponentsWithStats((mask > 0.25).astype(np.uint8))
    if found == 1:
        return mask
    small = np.asarray(stats)[:, cv2.CC_STAT_AREA] < least
    small[0] = False
    return np.asarray(np.where(small[parts], 0, mask), np.float32) if small.any() else mask


_NOTHING = Regions(np.full((1, 1, 1, 1), np.nan, np.float32), names=("clear",), grids=np.zeros((1, 6), np.float32),
                   sizes=np.zeros((1, 2), np.float32))[0]  # fmt: skip


def _has_mesh(shot: Shot, row: int) -> bool:
    points = shot.faces.landmarks.values
    return bool(points.ndim == 3 and points.shape[1] >= 478 and np.isfinite(points[row]).all())


def _carried(column: Regions, moved: Floats) -> Regions:
    """Scores that moved with their face, by a map (2, 3) of the picture's pixels."""
    if bool(column.abstained) or column.warp != "affine" or not np.isfinite(moved).all():
        return column
    grid = compose(column.grids.reshape(2, 3), invert(moved))
    return replace(column, grids=grid.reshape(6)) if np.isfinite(grid).all() else column


def _averaged(old: Regions, new: Regions, share: float) -> Regions:
    """A new look, of which that share counts, and the old one, in the grid of the new."""
    import cv2

    shape = new.values.shape[-2:]
    unlike = old.names != new.names or {old.warp, new.warp} != {"affine"} or 0 in shape
    if unlike or bool(old.abstained) or bool(new.abstained):
        return new
    m = compose(old.grids.reshape(2, 3), invert(new.grids.reshape(2, 3))).astype(np.float64)
    if not np.isfinite(m).all():
        return new
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    there = [
        cv2.warpAffine(np.ascontiguousarray(one), m, shape[::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE)
        for one in old.values
    ]
    return replace(new, values=(share * new.values + (1 - share) * np.stack(there)).astype(np.float32))
