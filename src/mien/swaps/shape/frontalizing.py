"""``Frontalize``: a turned head brought to look into the camera, in its picture; by geometry alone.

After Hassner, Harel, Paz, Enbar (*Effective face frontalization in unconstrained images*, CVPR 2015); it stands in for
what TP-GAN (Huang, Zhang, Li, He, ICCV 2017) does with a network. What the picture does not show of the face is the
mirror image of the other half. It is a picture to look at: for recognising people it gains nothing (see the manual).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from mien.core.errors import UsageError
from mien.core.image import Image
from mien.core.region import Region
from mien.engine import Engine, default_engine
from mien.media.provenance import Provenance
from mien.swaps.each import Each
from mien.swaps.effects import Shot
from mien.swaps.shape.cautions import check_human
from mien.swaps.shape.retargeting import NEEDS, Mover, check_whole, seated, turn_by

__all__ = ["FARTHEST", "Frontalize"]

FARTHEST = 35.0  #: degrees of yaw or pitch: of heads turned farther, half of the face would be a guess


@dataclass(frozen=True, kw_only=True, eq=False)
class Frontalize:
    """A head that looks into the camera.

    Parameters
    ----------
    level : bool
        Whether a head that is tilted is brought upright, too.
    engine : Engine, optional
        Where the mesh's triangles come from; by default `mien.default_engine()`.
    """

    level: bool = False
    engine: Engine | None = None

    @property
    def needs(self) -> frozenset[str]:
        """See `mien.swaps.effects.Effect`."""
        return NEEDS

    @property
    def report(self) -> dict[str, Any]:
        """What is done; JSON types."""
        return {"effect": "frontalize", "level": self.level}

    def mark(self, source: Provenance) -> Provenance:
        """See `mien.swaps.effects.Effect`."""
        return Provenance.manipulated(source, models=("facemesh",))

    def start(self) -> Each:
        """See `mien.swaps.effects.Effect`."""
        return Each(partial(self._change, Mover(self.engine or default_engine())))

    def _change(self, mover: Mover, shot: Shot, row: int, picture: Image) -> tuple[Region, dict[str, Any]]:
        seat, pose = seated(shot.faces, row, picture), shot.faces.pose.values[row].astype(np.float64)
        if (far := float(np.abs(pose[:2]).max())) > FARTHEST:
            raise UsageError(f"the head is turned by {far:.0f} degrees: beyond {FARTHEST:.0f} half of it is a guess.")
        check_human(shot, row, mover.engine)
        check_whole(seat, picture)
        turn = turn_by(pose, -pose * (1, 1, float(self.level)))
        done = mover.draw(shot, row, seat, np.zeros(seat.plate.points.shape), turn)
        seat.plate.put(picture, done.image, done.alpha)
        mask = seat.plate.region(done.alpha, (picture.shape[1], picture.shape[0]))
        told = {name: round(float(angle), 1) for name, angle in zip(("yaw", "pitch", "roll"), pose, strict=True)}
        return mask, {"turned_from": told, "guessed": round(done.guessed, 3)}
