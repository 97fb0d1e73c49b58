"""What the parsing says of the head above the eyes: how much of it is hair, hat, or outside of the picture."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.grids import WARPS
from mien.features.shown.sizes import large_alignment

if TYPE_CHECKING:
    from mien.core.image import Image
    from mien.engine.steps import Batch

__all__ = ["CROWN", "TOP", "Crown", "Zone", "look", "readable"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Zone:
    """A part of the head, upright by the eyes and the mouth, in distances between these.

    Attributes
    ----------
    low, high : float
        Above the eyes.
    side : float
        To either side of the line through eyes and mouth.
    """

    low: float
    high: float
    side: float


TOP = Zone(0.45, 2.0, 0.9)  #: the forehead and what is above it: where hats sit
CROWN = Zone(0.3, 2.2, 1.6)  #: the same with the sides, where hair is


@dataclass(frozen=True, eq=False)
class Crown:
    """The cells of one face's parsing.

    Attributes
    ----------
    shares : dict of str to (h, w) float32
        Probability of each class in each cell.
    points : (h, w, 2) float32
        Where in the picture the cells are.
    inside : (h, w) bool
        Which of them are in the picture.
    above, aside : (h, w) float32
        Where on the head they are, as a `Zone` counts.
    """

    shares: dict[str, Floats]
    points: Floats
    inside: NDArray[np.bool_]
    above: Floats
    aside: Floats

    def within(self, zone: Zone) -> NDArray[np.bool_]:
        """Which cells belong to a part of the head, be they in the picture or not."""
        return (self.above > zone.low) & (self.above < zone.high) & (self.aside < zone.side)

    def seen(self, zone: Zone) -> float:
        """Share of a part of the head that is in the picture."""
        cells = self.within(zone)
        return float(self.inside[cells].mean()) if cells.any() else 0.0

    def share(self, name: str, zone: Zone) -> float:
        """Share of a part of the head that has a class; what is outside of the picture does not."""
        cells = self.within(zone)
        return float(np.where(self.inside, self.shares[name], 0)[cells].mean()) if cells.any() else 0.0


def readable(batch: Batch, *classes: str) -> tuple[str | None, ...]:
    """Why the head of each face cannot be looked at: it was not parsed, has no points, or is tiny. Else None.

    Parameters
    ----------
    batch : Batch
        Faces with ``parse`` and ``alignment``.
    *classes : str
        That the parsing must know.
    """
    parse, points = batch.faces.parse, large_alignment(batch.faces.alignment)
    if missing := [name for name in classes if name not in parse.names]:
        return (f"this parsing does not know {missing[0]}",) * len(parse)
    parsed = parse.reasons_for(np.asarray(parse.abstained), "the face was not parsed")
    placed = points.reasons_for(np.asarray(points.abstained), "no points to align by")
    return tuple(one or other for one, other in zip(parsed, placed, strict=True))


def look(parse: Regions, points: Floats, image: Image) -> Crown:
    """Place the cells of one face's parsing on its head.

    Parameters
    ----------
    parse : Regions
        Of one face.
    points : (5, 2) float32
        Its ``alignment``.
    image : (H, W, 3) uint8
    """
    scores = np.exp(parse.values - parse.values.max(axis=0))
    scores /= scores.sum(axis=0)
    cells = WARPS[parse.warp].points(parse.grids, parse.values.shape[1:])
    size = np.array(image.shape[1::-1])
    eyes, mouth = points[:2].mean(axis=0), points[3:].mean(axis=0)
    unit = max(float(np.linalg.norm(eyes - mouth)), 1.0)
    up = (eyes - mouth) / unit
    away = (cells - eyes) / np.float32(unit)
    return Crown(
        shares=dict(zip(parse.names, scores, strict=True)),
        points=cells,
        inside=np.asarray(((cells >= 0) & (cells <= size - 1)).all(axis=-1)),
        above=np.asarray(away @ up, np.float32),
        aside=np.asarray(np.abs(away @ np.array([-up[1], up[0]])), np.float32),
    )
