"""Signs that a face was exchanged, generated or morphed: networks and traces side by side, on one scale.

A sign's number says where this face stands among real ones: 0.5 is the middle of them, and one real face in twenty has
0.95 or more. It is no probability of a forgery: that depends on how forgeries look, which nobody knows of the next one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.alignment import usable_alignment
from mien.core.columns import Scores
from mien.core.errors import CardError
from mien.engine import Batch
from mien.features.genuine.cues import CUES
from mien.features.genuine.mesonet import NETS, MesoNets
from mien.features.genuine.window import Window, open_window
from mien.runtime.bundle import Bundle

__all__ = ["NAMES", "Forgery", "Level", "raw_cues"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Names of the cues, the networks' first.
NAMES = (*NETS, *CUES)
ODD = np.log(19)  # log odds of 0.95
EPSILON = 1e-6  # of a network's probability


@dataclass(frozen=True)
class Level:
    """Where real faces stand with a cue.

    Attributes
    ----------
    middle : float
        What the cue is measured from; 0 where only its size counts.
    half, odd : float
        How far from there half of the real faces stay, and 19 of 20.
    """

    middle: float
    half: float
    odd: float

    def place(self, values: Doubles) -> Doubles:
        """Cues (N,) on the common scale: 0.5 at `half`, 0.95 at `odd`, rising all the way; NaN stays."""
        away = np.abs(values - self.middle) if self.middle else values
        odds = ODD * (away - self.half) / (self.odd - self.half)
        return np.asarray(1 / (1 + np.exp(-np.clip(odds, -60, 60))))


class Forgery:
    """Gives ``forgery``: MesoNet's four networks and the cues of `mien.features.genuine.cues`.

    Parameters
    ----------
    bundle : Bundle
        Card with the files of `mien.features.genuine.mesonet.NETS`; its params have ``levels``: for each cue its
        `Level`, as three numbers.

    Raises
    ------
    CardError
        If the card has not a level for each cue.
    """

    def __init__(self, bundle: Bundle) -> None:
        levels = bundle.card.params.get("levels")
        try:
            self._levels = [Level(*map(float, levels[name])) for name in NAMES]  # type: ignore[index] # refused below
        except (KeyError, TypeError, ValueError) as error:
            raise CardError(f"the card of {bundle.card.id} has no level of three numbers for each cue.") from error
        if any(not level.odd > level.half for level in self._levels):
            raise CardError(f"the card of {bundle.card.id}: the third number of a level is above its second.")
        self._nets = MesoNets(bundle)

    def describe(self, batch: Batch) -> Mapping[str, Scores]:
        """Compute ``forgery``, (N, 11): one number for each of `NAMES`.

        Parameters
        ----------
        batch : Batch
            Faces with ``landmarks`` and ``alignment``. Cues that a face or its surroundings are too small for are NaN;
            a face without a mesh that is at least 64 pixels wide abstains with the reason.
        """
        raw, reasons = raw_cues(batch, self._nets)
        values = np.stack([level.place(raw[:, place]) for place, level in enumerate(self._levels)], axis=1)
        return {"forgery": Scores(values.astype(np.float32), names=NAMES, reasons=reasons)}


def raw_cues(batch: Batch, nets: MesoNets) -> tuple[Doubles, tuple[str | None, ...]]:
    """What is measured of each face before it is placed among real ones, (N, 11), and why nothing could be.

    Networks are as log odds of a forgery.
    """
    faces = batch.faces
    points = usable_alignment(faces.alignment)
    raw = np.full((len(faces), len(NAMES)), np.nan)
    windows = [
        _window(batch, row) if not faces.landmarks.abstained[row] and not points.abstained[row] else None
        for row in range(len(faces))
    ]
    seen = np.array([isinstance(window, Window) for window in windows], np.bool_)
    if seen.any():
        few = Batch(batch.images, batch.owner[seen], faces[seen])
        chance = np.clip(nets.judge(few, points[seen]).astype(np.float64), EPSILON, 1 - EPSILON)
        raw[seen, : len(NETS)] = np.log(chance / (1 - chance))
    for row, window in enumerate(windows):
        if isinstance(window, Window):
            raw[row, len(NETS) :] = [cue(window) for cue in CUES.values()]
    missing = faces.landmarks.reasons_for(faces.landmarks.abstained, "no mesh of the face")
    apart = points.reasons or (None,) * len(faces)
    told = (
        window if isinstance(window, str) else None if isinstance(window, Window) else (one or other or "no mesh")
        for window, one, other in zip(windows, missing, apart, strict=True)
    )
    return raw, tuple(told)


def _window(batch: Batch, row: int) -> Window | str:
    return open_window(batch.images[batch.owner[row]], batch.faces.landmarks.values[row])
