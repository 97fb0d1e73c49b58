"""``repaint``: faces stylized, aged, coloured or otherwise redrawn by a network of the user's own.

mien brings no such network. It cuts the face out as the network knows it, and lays what comes back over the picture.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import numpy as np

from mien.core.errors import UsageError
from mien.core.image import Image, ImageSource
from mien.core.region import Region
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.media.provenance import Provenance
from mien.media.video import Video
from mien.swaps.choice import Who
from mien.swaps.each import Each
from mien.swaps.edit import Edit
from mien.swaps.editor import Editor, edited
from mien.swaps.effects import Shot
from mien.swaps.exchange.learned import face_net
from mien.swaps.nets.surroundings import around_face
from mien.swaps.nets.usable import SURFACE, unusable
from mien.swaps.plate import Plate

__all__ = ["Repaint", "Where", "repaint"]

#: What is taken over: the face and what is next to it, or all that the network has drawn.
Where = Literal["face", "crop"]

NEEDS: Final = frozenset({"landmarks", "presence", "alignment"})
MARGIN = {"face": 0.35, "crop": 1.2}  # beside the face, in parts of its extent, that a plate must show


class Repaint:
    """Redraws faces by a network: an effect, see `mien.swaps.effects`.

    Parameters
    ----------
    model : str
        Id of a model that gives the job "repaint": see ``mien models add``.
    strength : float
        0 leaves a face, 1 replaces it by what the network drew.
    where : {"face", "crop"}
        What is taken over.
    numbers : mapping of str to float, optional
        What the network is told beside the face, by the names in its card, such as ``{"age": 0.7}``.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    UsageError
        If an option makes no sense, or the model does not repaint or is told something that it does not take.
    """

    def __init__(
        self,
        *,
        model: str,
        strength: float = 1.0,
        where: Where = "face",
        numbers: Mapping[str, float] | None = None,
        engine: Engine | None = None,
    ) -> None:
        if not isinstance(strength, int | float) or not 0 <= strength <= 1:
            raise UsageError(f"strength is a number from 0 to 1, not {strength!r}.")
        if where not in get_args(Where):
            raise UsageError(f"where is {' or '.join(get_args(Where))}, not {where!r}.")
        self.strength, self.where, self.numbers = float(strength), where, dict(numbers or {})
        self.net, self.engine = face_net(model, "repaint", engine or default_engine())
        if unknown := [name for name in self.numbers if not self.net.takes(name)]:
            known = ", ".join(self.net.convention.numbers) or "no numbers"
            raise UsageError(f"{model} takes no {unknown[0]}; it takes {known}.")

    @property
    def needs(self) -> frozenset[str]:
        """See `Effect`."""
        return NEEDS

    @property
    def report(self) -> Mapping[str, Any]:
        """See `Effect`."""
        told = {"method": "network", "strength": self.strength, "where": self.where, "numbers": self.numbers}
        return {**told, "models": {"repaint": self.net.id}}

    def mark(self, source: Provenance) -> Provenance:
        """See `Effect`."""
        return Provenance.manipulated(source, models=(self.net.id,))

    def start(self) -> Each:
        """See `Effect`; it remembers nothing from frame to frame."""
        return Each(self._change)

    def _change(self, shot: Shot, row: int, picture: Image) -> tuple[Region, Mapping[str, Any]]:
        """See `Each`."""
        plate, reason = None, unusable(shot.faces, row)
        if reason is None:
            plate = Plate.around(picture, shot.faces.landmarks.values[row][:SURFACE], margin=MARGIN[self.where])
        if plate is None:
            raise UsageError(f"a face cannot be redrawn: {reason or 'it is outside of the picture'}.")
        points = shot.faces.alignment.values[row]
        front, share = self.net.redraw(shot.image, points, window=plate.window, extra=self.numbers)
        alpha = share if self.where == "crop" else share * around_face(plate)
        alpha = np.asarray(alpha * np.float32(self.strength), np.float32)
        plate.put(picture, front, alpha)
        return plate.region(alpha, (shot.image.shape[1], shot.image.shape[0])), {}


def repaint(
    target: ImageSource | Video,
    *,
    model: str,
    who: Who = None,
    gallery: Gallery | None = None,
    strength: float = 1.0,
    where: Where = "face",
    numbers: Mapping[str, float] | None = None,
    out: str | os.PathLike[str] | None = None,
    audio: bool = True,
    engine: Engine | None = None,
) -> Edit:
    """Redraw faces by a network of your own: stylized, aged, coloured.

    Parameters
    ----------
    target : picture or video
        As for `mien.load_image` and `mien.open_video`.
    model, strength, where, numbers
        See `Repaint`.
    who, gallery
        Whose faces: see `mien.swaps.choice.Who`. None: the only one.
    out : path, optional
        Where to write; a video needs it.
    audio : bool
        Whether a video keeps its sound.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    NoFace
        If there is no face.
    UsageError
        If an option makes no sense, or a face cannot be redrawn.
    """
    engine = engine or default_engine()
    effect = Repaint(model=model, strength=strength, where=where, numbers=numbers, engine=engine)
    return edited(target, Editor(effect, who=who, gallery=gallery, engine=engine), out=out, audio=audio)
