"""``repaint``: faces stylized, aged, coloured or otherwise redrawn by a network of the user's own.

mien brings no such network. It cuts the face out as the network knows it, and lays what comes back over the picture.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.image import ImageSource
from mien.core.region import Region
from mien.engine import Engine, default_engine
from mien.gallery.people import Gallery
from mien.media.provenance import Provenance
from mien.media.video import Video
from mien.swaps.choice import Who
from mien.swaps.edit import Edit
from mien.swaps.editor import Editor, edited
from mien.swaps.effects import Changed, Shot
from mien.swaps.learned import face_net
from mien.swaps.plate import Plate, join
from mien.swaps.surroundings import around_face

__all__ = ["Repaint", "Where", "repaint"]

Floats = NDArray[np.float32]

#: What is taken over: the face and what is next to it, or all that the network has drawn.
Where = Literal["face", "crop"]

NEEDS: Final = frozenset({"landmarks", "presence", "alignment"})
SURFACE = 468
LEAST_PRESENCE = 0.5  # of the mesh network: below it, it sees no human face
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

    def start(self) -> Repaint:
        """See `Effect`; it remembers nothing from frame to frame."""
        return self

    def apply(self, shot: Shot) -> Changed:
        """See `mien.swaps.effects.Take`."""
        size = shot.image.shape[1], shot.image.shape[0]
        picture = shot.image.copy()
        masks: list[Region] = []
        skipped: list[dict[str, Any]] = []
        for row in map(int, shot.rows):
            plate, reason = self._plate(shot, row, picture)
            if plate is None:
                if shot.time is None:
                    raise UsageError(f"face {row} cannot be redrawn: {reason}.")
                skipped.append({"face": row, "reason": reason})
                continue
            points = shot.faces.alignment.values[row]
            front, share = self.net.redraw(shot.image, points, window=plate.window, extra=self.numbers)
            alpha = share if self.where == "crop" else share * around_face(plate)
            alpha = np.asarray(alpha * np.float32(self.strength), np.float32)
            plate.put(picture, front, alpha)
            masks.append(plate.region(alpha, size))
        report = {"skipped": skipped} if skipped else {}
        return Changed(image=picture, mask=join(masks, size), report=report)

    def _plate(self, shot: Shot, row: int, picture: NDArray[np.uint8]) -> tuple[Plate | None, str]:
        """The plate around a face; None and why, where there is none."""
        mesh = shot.faces.landmarks.values[row][:SURFACE]
        if not np.isfinite(mesh).all() or not float(shot.faces.presence.values[row]) >= LEAST_PRESENCE:
            return None, "no human face that a mesh can be laid over"
        if not np.isfinite(shot.faces.alignment.values[row]).all():
            return None, "no points to align by"
        return Plate.around(picture, mesh, margin=MARGIN[self.where]), "the face is outside of the picture"


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
