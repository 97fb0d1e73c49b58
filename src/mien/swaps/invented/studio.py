"""``Studio``: draws people of a generator, looks at them, and says which may be given out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from mien.engine import Engine
from mien.swaps.invented.attributes import ATTRIBUTES
from mien.swaps.invented.checks import CHECKED_FIELDS, Checks
from mien.swaps.invented.directions import Look, Reached, steer

if TYPE_CHECKING:
    from mien.swaps.invented.generator import Generator

__all__ = ["Studio"]

Floats = NDArray[np.float32]


class Studio:
    """A generator with those who look at its pictures.

    Parameters
    ----------
    engine : Engine
    checks : Checks, optional
        What a picture must pass.
    attributes : set of str
        Attributes that are looked at, see `mien.swaps.invented.attributes.ATTRIBUTES`.
    fields : set of str
        Further fields of the faces.
    """

    def __init__(
        self,
        engine: Engine,
        checks: Checks | None = None,
        *,
        attributes: frozenset[str] = frozenset(),
        fields: frozenset[str] = frozenset(),
    ) -> None:
        self._engine, self._checks = engine, checks or Checks()
        self._want = CHECKED_FIELDS.union(fields, *(ATTRIBUTES[name].fields for name in attributes))
        self.generator = cast("Generator", engine.runner("generate"))

    def styles(self, latent: Floats, truncation: float) -> Floats:
        """Styles (R, D) of a latent (D,), the same for all layers."""
        style = self.generator.styles(latent[None], truncation=truncation)
        return np.repeat(style, self.generator.layers, axis=0)

    def look(self, styles: Floats) -> Look:
        """Draw styles (R, D), or (D,) for all layers, and look at the picture."""
        image = self.generator.draw(styles[None])[0]
        found = self._engine.analyze(image, want=self._want, min_score=self._checks.second)
        faces = found.top(len(found), by="score")
        return Look(styles=styles, image=image, faces=faces, refusal=self._checks.refusal(faces))

    def steer(self, start: Look, targets: Mapping[str, float], *, draws: int = 10) -> Reached:
        """Change a person until its attributes have the values asked for: see `invented.directions.steer`."""
        styles = start.styles
        if styles.ndim == 1:
            styles = np.repeat(styles[None], self.generator.layers, axis=0)
        begin = Look(styles=styles, image=start.image, faces=start.faces, refusal=start.refusal)
        return steer(begin, targets, self.look, draws=draws)
