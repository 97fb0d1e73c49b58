"""``Stylize``: faces, or whole pictures, as if drawn or painted; or in the colours and the texture of another picture.

The networks that packages carry for this load in no open runtime, so VToonify and its kind are for a user's own model
(see `mien.swaps.nets.repainting`); what is here are filters, which need no weights and keep whoever it is.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.image import ImageSource, load_image
from mien.engine import Engine, default_engine
from mien.media.provenance import Provenance
from mien.swaps.blend.oklab import from_oklab, to_oklab
from mien.swaps.blend.painting import Painted, Painting, as_strength
from mien.swaps.blend.sight import Sight
from mien.swaps.edit import Edit
from mien.swaps.effects import Effect, Take
from mien.swaps.look.dyeing import median_color
from mien.swaps.look.line_art import STYLES, subject_of
from mien.swaps.look.style_transfer import Manner
from mien.swaps.nets.repainting import Repaint
from mien.swaps.targets import mark_of

__all__ = ["Area", "Stylize"]

Floats = NDArray[np.float32]
Area: TypeAlias = Literal["picture", "head", "face"]

MARGINS = {"picture": 1e4, "head": 0.9, "face": 0.2}
SETTLE = 0.6  # seconds over which the lightness of a face is averaged
AROUND = 0.06  # of the face's extent: what is drawn beside what is shown
SKIN = 0.7  # lightness, where none is seen


class Stylize:
    """Draws or paints faces, or the picture around them: an effect; see `mien.swaps.editor.Editor`.

    Parameters
    ----------
    style : str, picture, or Edit
        "pencil", "ink", "cartoon" or "watercolour"; the id of a model of yours that gives the job "repaint"; or a
        picture whose colours and texture are taken on, as for `mien.load_image`.
    area : {"picture", "head", "face"}
        What becomes so. A model of yours redraws the face.
    strength : float
        From 0, nothing, to 1.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    UsageError
        If there is no such area.
    ImageError, SourceError
        If it is no style, and no picture that can be read.
    """

    def __init__(
        self,
        style: str | ImageSource | Edit,
        *,
        area: Area = "picture",
        strength: float = 1.0,
        engine: Engine | None = None,
    ) -> None:
        if area not in get_args(Area):
            raise UsageError(f"what is stylized is one of {', '.join(get_args(Area))}, not {area!r}.")
        self._engine = engine or default_engine()
        self._area, self._strength = area, as_strength(strength)
        self._network: Effect | None = None
        self._manner: Manner | None = None
        self._sources: tuple[Provenance, ...] = ()
        self._style = style if isinstance(style, str) and style in STYLES else None
        if self._style is None and isinstance(style, str) and style in self._engine.catalogue:
            self._network = Repaint(model=style, strength=self._strength, engine=self._engine)
        elif self._style is None:
            image = style.image[..., :3] if isinstance(style, Edit) else load_image(style)
            self._manner = Manner.of(image)
            self._sources = (style.provenance if isinstance(style, Edit) else mark_of(style),)

    @property
    def needs(self) -> frozenset[str]:
        """See `mien.swaps.effects.Effect`."""
        return frozenset({"landmarks"}) if self._network is None else self._network.needs

    @property
    def report(self) -> dict[str, Any]:
        """What is done, and by which models."""
        if self._network is not None:
            return dict(self._network.report)
        return {"style": self._style or "reference", "area": self._area, "strength": self._strength}

    def mark(self, source: Provenance) -> Provenance:
        """See `mien.swaps.effects.Effect`."""
        if self._network is not None:
            return self._network.mark(source)
        return Provenance.manipulated(source, *self._sources)

    def start(self) -> Take:
        """See `mien.swaps.effects.Effect`."""
        if self._network is not None:
            return self._network.start()
        painter = _Painter(self._style, self._manner, self._area, self._strength)
        return Painting(painter, self._engine, margin=MARGINS[self._area], occlusion=False)


@dataclass(eq=False)
class _Painter:
    """Stylizes; a whole picture once, however many faces are in it."""

    style: str | None
    manner: Manner | None
    area: Area
    strength: float

    def __post_init__(self) -> None:
        self._done: tuple[float | None] | None = None
        self._skins: dict[int, tuple[float, float]] = {}

    def paint(self, sight: Sight, time: float | None) -> Painted | str:
        """See `mien.swaps.blend.painting.Painter`."""
        shape = sight.image.shape[:2]
        if self.area == "picture":
            if self._done == (time,):
                return Painted(sight.image.astype(np.float32), np.zeros(shape, np.float32))
            self._done = (time,)
            alpha = np.ones(shape, np.float32)
        else:
            alpha = self._part(sight)
            if not alpha.any():
                return f"the {self.area} is not seen"
        size = max(sight.plate.size, 8.0)
        part = _window(alpha, math.ceil(AROUND * size))
        if self.manner is not None:
            lab = self.manner.taken_on(to_oklab(sight.image[part]), sight.track, time)
        else:
            assert self.style is not None  # noqa: S101 - for the type checker: there is one or the other
            lab = STYLES[self.style](subject_of(sight.image[part], size, self._skin(sight, time)))
        front = sight.image.astype(np.float32)
        front[part] = from_oklab(lab)
        return Painted(front, alpha * np.float32(self.strength))

    def _part(self, sight: Sight) -> Floats:
        import cv2

        mask = sight.soft("head") if self.area == "head" else sight.region("face")
        soft = cv2.GaussianBlur(mask, (0, 0), max(0.01 * sight.plate.size, 0.6))
        return np.asarray(np.where(soft > 1 / 255, soft, 0), np.float32)

    def _skin(self, sight: Sight, time: float | None) -> float:
        step = max(int(sight.plate.size / 128), 1)
        few = slice(None, None, step), slice(None, None, step)
        middle = median_color(to_oklab(sight.image[few]), sight.region("skin")[few])
        now = SKIN if middle is None else float(middle[0])
        if time is None or sight.track is None:
            return now
        then, before = self._skins.get(sight.track, (time, now))
        if 0 <= time - then < 2:
            now = before + (1 - float(np.exp(-(time - then) / SETTLE))) * (now - before)
        self._skins[sight.track] = time, now
        return now


def _window(alpha: Floats, room: int) -> tuple[slice, slice]:
    """Rows and columns of what is above 0, and some around it, so that what is drawn does not end there."""
    rows, columns = (np.flatnonzero(alpha.any(axis=axis)) for axis in (1, 0))
    top, left = max(int(rows[0]) - room, 0), max(int(columns[0]) - room, 0)
    return slice(top, int(rows[-1]) + 1 + room), slice(left, int(columns[-1]) + 1 + room)
