"""``Disguise``: a swap that hides who somebody is, rather than shows who somebody else is.

It differs from `exchange.swapper.Swap` in what it takes for more important. The shape of the head is moved beyond the
other's, away from its own. What the parsing takes for something before the face, and is not, would be left as it is: so
nothing is believed to stand before eyes, nose and mouth, and, where more is needed, before the face at all.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Face
from mien.core.layouts import indices_of
from mien.engine import Engine
from mien.swaps.effects import Shot
from mien.swaps.exchange.identity import Casting, Identity
from mien.swaps.exchange.swapper import Swap
from mien.swaps.exchange.swapping import SwapTake
from mien.swaps.plate import Plate

__all__ = ["ATTEMPTS", "Attempt", "Disguise"]

Floats = NDArray[np.float32]

SURFACE: Final = 468  # points of the mesh before those of the irises
#: What somebody is recognised by most, and the part of the face's extent around it.
INNER: Final = ("right_brow", "left_brow", "right_eye", "left_eye", "lips_outer")
AROUND: Final = 0.05


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """How far a disguise goes.

    Attributes
    ----------
    beyond : float
        How far the shape is moved: 1 to the other's; what is more exaggerates how the two differ.
    before : bool
        Whether hair and hands stay before the face's rim.
    keep : tuple of str
        What stays the person's: see `mien.swaps.exchange.swapping.KEEP`.
    """

    beyond: float
    before: bool = False
    keep: tuple[str, ...] = ("mouth",)


#: One after the other, each with another double. The inside of a mouth says little, and a laugh without it looks wrong.
ATTEMPTS: Final = (
    Attempt(beyond=1.6, before=True),
    Attempt(beyond=2.0),
    Attempt(beyond=2.2),
    Attempt(beyond=2.2, keep=()),
)


class Disguise(Swap):
    """Puts doubles in people's places: an effect, see `mien.swaps.effects`.

    Parameters
    ----------
    casting : Casting
        Who is put in whose place.
    attempt : Attempt
        How far it goes.
    engine : Engine
    """

    def __init__(self, casting: Casting, *, attempt: Attempt, engine: Engine) -> None:
        super().__init__(_Beyond(casting, attempt.beyond), keep=attempt.keep, engine=engine)
        self._attempt = attempt

    def start(self) -> SwapTake:
        """See `Effect`."""
        take = _Take(self.casting, self.settings, self.guard, self.engine, self.topology, self.likeness)
        take.before = self._attempt.before
        return take


@dataclass(frozen=True)
class _Beyond:
    """A casting whose people differ more from whom they stand for."""

    casting: Casting
    factor: float

    def identity_for(self, shot: Shot, row: int) -> Identity | None:
        """See `Casting`."""
        identity = self.casting.identity_for(shot, row)
        if identity is None:
            return None
        own = np.asarray(shot.faces.stabilized.values[row][:SURFACE], np.float64)
        return replace(identity, shape=own + self.factor * (identity.shape - own))


class _Take(SwapTake):
    """A swap that believes little of what stands before a face."""

    before = True

    def _before(self, plate: Plate, face: Face, identity: Identity) -> Floats:
        if not self.before:
            return np.zeros(plate.image.shape[:2], np.float32)
        return np.asarray(super()._before(plate, face, identity) * (1 - _inner(plate)), np.float32)


def _inner(plate: Plate) -> Floats:
    """The part of a face from the brows to the lips, (h, w) in [0, 1], with a soft edge."""
    import cv2

    points = np.concatenate([plate.points[indices_of("mesh478", name), :2] for name in INNER])
    mask = np.zeros(plate.image.shape[:2], np.uint8)
    cv2.fillConvexPoly(mask, cv2.convexHull(points.round().astype(np.int32)), 255)
    reach = AROUND * plate.size
    side = 2 * max(round(2 * reach), 1) + 1
    grown = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))
    return np.asarray(cv2.GaussianBlur(grown, (0, 0), max(reach / 2, 0.7)), np.float32) / np.float32(255)
