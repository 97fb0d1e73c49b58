"""Colour of the hair as it appears in the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Labels
from mien.core.errors import CardError
from mien.features.shown.crown import CROWN, TOP, Crown, look, readable
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.core.image import Image
    from mien.engine.steps import Batch

__all__ = ["HAIR_NAMES", "HairColour", "median_lab"]

COLOURS: Final = ("black", "brown", "blond", "red", "grey")
HAIR_NAMES: Final = (*COLOURS, "none")  #: the names of ``hair``, in their order
SURE, EDGE = 0.5, 0.3  # probability of a cell that is hair, and of all around it


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``; what they mean stands there."""

    colours: Mapping[str, Sequence[float]]
    scale: float
    bald: float
    step: float
    seen: float
    hat: float
    whole: float
    cells: float
    colourless: float
    trust: float
    sure: float


class HairColour:
    """Gives ``hair`` to faces that have ``parse`` and ``alignment``: a linear model of the median colour in CIELAB.

    It is the colour in the picture. Dim light makes brown hair black and bright light brown hair blond, lamps and dyes
    do what they do; nothing here undoes that, since correcting by the colour of the skin made it worse. Between dark
    brown and black people do not agree either. "none" means that hardly any hair is seen above the eyes.

    The model was fitted on generated people, and was too sure of real ones: so its log odds are multiplied by the
    card's ``trust``, and where the most probable answer stays below ``sure`` there is none.

    Parameters
    ----------
    bundle : Bundle
        A card without files; what its params mean stands there.

    Raises
    ------
    CardError
        If they do not give four numbers for each colour.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.card.settings(_Settings)
        rows = [self._settings.colours.get(name, ()) for name in COLOURS]
        if any(len(row) != 4 for row in rows):
            raise CardError(f"the card of {bundle.card.id} does not give four numbers for each colour.")
        self._model = np.array(rows, np.float64)

    def describe(self, batch: Batch) -> Mapping[str, Labels]:
        """Compute ``hair``, (N, 6).

        Heads that are cut off or covered abstain, as do those with too little hair to tell a colour, or with one that
        may be another, and pictures without any colours.
        """
        parse, alignment = batch.faces.parse, batch.faces.alignment
        reasons = list(readable(batch, "hair", "hat", "skin"))
        values = np.full((len(parse), len(HAIR_NAMES)), np.nan, np.float32)
        for row, reason in enumerate(reasons):
            if reason is None:
                image = batch.images[batch.owner[row]]
                told = self._tell(look(parse[row], alignment.values[row], image), image)
                if isinstance(told, str):
                    reasons[row] = told
                else:
                    values[row] = told
        return {"hair": Labels(values, names=HAIR_NAMES, reasons=tuple(reasons))}

    @property
    def sure(self) -> float:
        """Probability from which an answer is given."""
        return self._settings.sure

    def odds(self, lab: NDArray[np.float64]) -> NDArray[np.float64]:
        """Log odds of the colours (5,), up to a sum, of hair that has this median in CIELAB (3,)."""
        settings = self._settings
        return np.asarray(settings.trust * (self._model @ np.append(lab / settings.scale, 1)))

    def _tell(self, crown: Crown, image: Image) -> NDArray[np.float64] | str:
        """Probabilities of `HAIR_NAMES`, or why there are none."""
        settings = self._settings
        if crown.seen(CROWN) < settings.seen:
            return "the top of the head is outside of the picture"
        if crown.share("hat", TOP) > settings.hat:
            return "something covers the hair"
        none = 1 / (1 + np.exp((crown.share("hair", CROWN) - settings.bald) / settings.step))
        skin = median_lab(crown, image, "skin")
        hair = median_lab(crown, image, "hair", least=int(settings.cells))
        if none > 0.5 and crown.seen(CROWN) < settings.whole:
            return "the top of the head is outside of the picture"
        if none > 0.5:
            colours = np.full(len(COLOURS), 1 / len(COLOURS))
        elif hair is None:
            return "too little hair is seen to tell its colour"
        elif skin is not None and np.hypot(*skin[1:]) < settings.colourless:
            return "the picture has no colours"
        else:
            odds = self.odds(hair)
            colours = np.exp(odds - odds.max())
            colours /= colours.sum()
        values = np.append((1 - none) * colours, none)
        if values.max() < settings.sure:
            first, second = (HAIR_NAMES[place] for place in np.argsort(-values)[:2])
            return f"the colour is not clear: {first} or {second}"
        return values


def median_lab(crown: Crown, image: Image, name: str, *, least: int = 12) -> NDArray[np.float64] | None:
    """Median colour of a class, in CIELAB (D65): L* from 0 to 100, a* and b*; None where it has too few cells.

    Cells at its edge do not count, nor those that hang below the mouth.

    Parameters
    ----------
    crown : Crown
    image : (H, W, 3) uint8
    name : str
        Of the class.
    least : int
        Cells that it has at least.
    """
    import cv2

    share = np.where(crown.inside, crown.shares[name], 0).astype(np.float32)
    around = cv2.erode(share, np.ones((3, 3), np.uint8))
    cells = (share > SURE) & (around > EDGE) & (crown.above > -1.5)
    if int(cells.sum()) < least:
        return None
    x, y = np.rint(crown.points[cells]).astype(np.intp).T
    lab = cv2.cvtColor(image[y, x][None].astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    return np.asarray(np.median(lab[0], axis=0), np.float64)
