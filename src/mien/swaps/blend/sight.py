"""``Sight``: the regions of one face in a plate, and what stands before it; steady from frame to frame of a video.

Parsing a frame costs more than all else that is done to its face, and its edges flicker. So a video is parsed a few
times a second; in between, what was seen is carried along by the motion of the mesh, and each new look is averaged with
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
from mien.swaps.blend.survey import BEFORE, Survey
from mien.swaps.effects import Shot
from mien.swaps.plate import AROUND, Plate

__all__ = ["Sight", "Watch"]

Floats = NDArray[np.float32]

LOOK = 0.12  # seconds after which a video is parsed again: every fourth frame, or third
GAP = 0.5  # seconds after which a track that comes back is a new one
STEADY = 0.15  # seconds over which looks are averaged
SIDE = 512  # pixels of a plate's longer side that regions have in a video: their edges are no finer


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
    _survey: Survey = field(repr=False)
    _moved: Floats | None = field(default=None, repr=False)  # of the picture's pixels, since the survey
    _known: dict[str, Floats] = field(default_factory=dict, repr=False)

    @property
    def image(self) -> Image:
        """The plate's picture, (h, w, 3) uint8."""
        return self.plate.image

    def region(self, name: str) -> Floats:
        """A region of the parsing, (h, w) in [0, 1]; 0 where the face was not parsed."""
        if name not in self._known:
            self._known[name] = self._placed(self._survey.region(name))
            self._known[name].flags.writeable = False
        return self._known[name]

    def soft(self, name: str) -> Floats:
        """A region with edges that follow those of the picture, strand by strand: (h, w) in [0, 1]."""
        return self._placed(self._survey.soft(name))

    def hidden(self, names: tuple[str, ...] = BEFORE, *, others: bool = True) -> Floats:
        """How much of each pixel something stands before the face, (h, w) in [0, 1].

        Parameters
        ----------
        names : tuple of str
            Regions of the parsing that count.
        others : bool
            Whether anything else does, such as a hand or a cup.
        """
        return self._placed(self._survey.hidden(names, others=others))

    def _placed(self, levels: NDArray[np.uint8]) -> Floats:
        """Levels of the survey where the plate has them now."""
        import cv2

        if not self._survey.whole or self._moved is not None:
            there = invert(self._survey.onto)
            if self._moved is not None:
                there = compose(self._moved, there)
            there[:, 2] -= self.plate.origin
            size = self.image.shape[1], self.image.shape[0]
            levels = np.asarray(
                cv2.warpAffine(levels, there.astype(np.float64), size, borderMode=cv2.BORDER_REPLICATE), np.uint8
            )
        return np.multiply(levels, np.float32(1 / 255), dtype=np.float32)


@dataclass(eq=False)
class _Look:
    """When and where a face was last parsed, and what was seen."""

    time: float
    seen: float
    points: Floats
    columns: tuple[Regions, ...]
    survey: Survey | None = None


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
        track = None if shot.time is None else self._key(shot, row)
        if look.survey is None:
            parse, occlusion = look.columns[0], look.columns[-1] if self.occlusion else _NOTHING
            look.survey = Survey.of(plate, parse, occlusion, side=None if shot.time is None else SIDE)
        moved = None
        if not fresh:
            moved = similarity(look.points[None, :, :2], points[:, :2].astype(np.float32))[0]
            moved = moved if np.isfinite(moved).all() else None
        look.seen = shot.time or 0.0
        return Sight(plate, points - (*plate.origin, 0), track, look.survey, moved)


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
