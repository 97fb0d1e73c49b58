"""A second look by another detector: whatever the first has missed is hidden, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from mien.core.boxes import iou
from mien.core.errors import LicenseRefused
from mien.core.faces import Faces
from mien.core.image import Image
from mien.engine import Engine
from mien.engine.searching import Tiles
from mien.models.license import permits
from mien.swaps.hidden.spots import Cover, Spot

__all__ = ["FIRST", "SECOND", "SecondLook", "recall_first"]

#: By detector: the score from which on what the first look finds is hidden. Lower than where a detector is used to
#: show faces: of 43 + 28 marked faces in 19 pictures (landmarks68_boxes, detect_noses), whole and at 0.35 of their
#: size, none is missed from here on, at about one spot in a picture that is no face.
FIRST: Final[Mapping[str, float]] = MappingProxyType(
    {
        "yunet": 0.5, "centerface": 0.4, "retinaface-mnet": 0.4, "scrfd-2.5g": 0.4, "scrfd-500m": 0.4,
        "blazeface-full": 0.3, "blazeface-short": 0.3, "mtcnn": 0.6,
    }
)  # fmt: skip

#: Detectors for the second look, the best first, each with its score: that of the fewest other spots at which none of
#: the faces above was missed. None is of the family of the one before it.
SECOND: Final[Mapping[str, float]] = MappingProxyType(
    {"centerface": 0.3, "retinaface-mnet": 0.3, "scrfd-2.5g": 0.3, "blazeface-full": 0.2}
)
_USUAL: Final = 0.4  # of a detector that is in none of the tables
_SAME: Final = 0.35  # overlap from which two detectors' boxes are of one face
_COVERED: Final = 0.8  # the part of a face that is hidden where it counts as that


def recall_first(engine: Engine) -> float:
    """The score from which on what the engine's own detector finds is hidden."""
    return min(FIRST.get(card.id, _USUAL) for card in engine.team("detect"))


@dataclass(frozen=True, eq=False)
class SecondLook:
    """Looks for faces with another detector than the engine's own.

    Parameters
    ----------
    engine : Engine
        With that detector.
    model : str
        Its id.
    min_score : float
    """

    engine: Engine
    model: str
    min_score: float

    @classmethod
    def beside(cls, engine: Engine) -> SecondLook:
        """The best detector for it that the engine's license policy permits.

        Raises
        ------
        LicenseRefused
            If the policy permits no other than the first.
        """
        first = {card.id for card in engine.team("detect")}
        for model, score in SECOND.items():
            if model not in first and model in engine.catalogue and permits(engine.catalogue[model], engine.licenses):
                return cls(engine.with_models(detect=model), model, score)
        raise LicenseRefused(
            f"licenses={engine.licenses!r} permits no second detector: allow more, or do without by second_look=False."
        )

    def look(self, image: Image, *, turned: bool = True, closely: bool = True, thorough: bool = False) -> list[Spot]:
        """The faces of a picture.

        Parameters
        ----------
        image : (H, W, 3) uint8
        turned : bool
            Whether to look for faces that lie on their side or stand on their head.
        closely : bool
            Whether to look in tiles.
        thorough : bool
            Whether to look in tiles of the turned picture, too.
        """
        tiles: Tiles = "auto" if closely else "off"
        if thorough and turned:
            return _spots(self.engine.detect(image, min_score=self.min_score, tiles="auto", rotations=True))
        found = [self.engine.detect(image, min_score=self.min_score, tiles=tiles)]
        if turned:
            found.append(self.engine.detect(image, min_score=self.min_score, tiles="off", rotations=True))
        return _spots(*found)

    @staticmethod
    def missed(found: Sequence[Spot], spots: Sequence[Spot], cover: Cover, *, kept: Sequence[Spot] = ()) -> list[Spot]:
        """Those that spots do not hide, each once, and that are none of the faces that somebody wants to see."""
        new: list[Spot] = []
        for one in sorted(found, key=lambda spot: -(spot.score or 0)):
            # Who stands close to one that is kept lies in what would be hidden of that one, but is not.
            if any(iou(one.box[None], spot.box[None])[0, 0] >= _SAME for spot in kept):
                continue
            if cover.covered(one.box, [*spots, *new]) < _COVERED:
                new.append(one)
        return new


def _spots(*parts: Faces) -> list[Spot]:
    return [
        Spot(box=np.asarray(box, np.float64), score=float(score), source="second pass")
        for faces in parts
        for box, score in zip(faces.boxes, faces.scores, strict=True)
    ]
