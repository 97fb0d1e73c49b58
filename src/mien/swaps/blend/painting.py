"""``Painting``: a take that paints faces one by one, each in its plate; what all effects of appearance share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.region import Region
from mien.engine import Engine
from mien.swaps.blend.sight import Sight, Watch
from mien.swaps.effects import Changed, Shot
from mien.swaps.plate import AROUND, Plate, join

__all__ = ["Painted", "Painter", "Painting", "as_strength"]

Floats = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Painted:
    """What became of one face.

    Attributes
    ----------
    front : (h, w, 3) float32
        The plate as it is where `alpha` is 1; 0 to 255.
    alpha : (h, w) float32
        How much of each pixel that is, in [0, 1].
    report : mapping
        What is worth telling of this face, JSON types.
    skipped : tuple of str
        Parts that stayed as they were, and why.
    """

    front: Floats
    alpha: Floats
    report: Mapping[str, Any] = field(default_factory=dict)
    skipped: tuple[str, ...] = ()


class Painter(Protocol):
    """Paints the faces of one picture, or of one video, in order; keeps what it needs of each track."""

    def paint(self, sight: Sight, time: float | None) -> Painted | str:
        """Paint one face; or say why it cannot be."""
        ...


@dataclass(eq=False)
class Painting:
    """A take: sees faces, has them painted, and puts them back.

    Parameters
    ----------
    painter : Painter
    engine : Engine
    margin : float
        Of the plates.
    occlusion : bool
        Whether hands and the like are looked for.
    """

    painter: Painter
    engine: Engine
    margin: float = AROUND
    occlusion: bool = True

    def __post_init__(self) -> None:
        self._watch = Watch(self.engine, margin=self.margin, occlusion=self.occlusion)

    def apply(self, shot: Shot) -> Changed:
        """See `mien.swaps.effects.Take`."""
        size = shot.image.shape[1], shot.image.shape[0]
        picture, masks = shot.image, []
        skipped: list[dict[str, Any]] = []
        told: list[dict[str, Any]] = []
        for row, sight in self._watch.see(shot):
            painted = sight if isinstance(sight, str) else self.painter.paint(sight, shot.time)
            if isinstance(painted, str):
                skipped.append({"face": row, "reason": painted})
                continue
            skipped += [{"face": row, "reason": reason} for reason in painted.skipped]
            if painted.report:
                told.append({"face": row, **painted.report})
            if not painted.alpha.any():
                continue
            assert isinstance(sight, Sight)  # noqa: S101 - for the type checker: it was painted
            if picture is shot.image:
                picture = shot.image.copy()
            plate, front, alpha = _tight(sight.plate, painted)
            plate.put(picture, front, alpha)
            masks.append(plate.region(alpha, size))
        if shot.time is None and not masks and skipped:
            raise UsageError(f"nothing was changed: {'; '.join(dict.fromkeys(str(one['reason']) for one in skipped))}.")
        report = {**({"faces": told} if told else {}), **({"skipped": skipped} if skipped else {})}
        mask = join(masks, size) if masks else Region.empty(size)
        return Changed(image=picture, mask=mask, report=report)


def _tight(plate: Plate, painted: Painted) -> tuple[Plate, Floats, Floats]:
    """The part of a plate that is not as it was, with what was painted there."""
    rows, columns = (np.flatnonzero(painted.alpha.any(axis=axis)) for axis in (1, 0))
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    x, y = plate.origin[0] + int(columns[0]), plate.origin[1] + int(rows[0])
    points = plate.points - (columns[0], rows[0], 0)
    return Plate(plate.image[part], (x, y), points), painted.front[part], painted.alpha[part]


def as_strength(value: float, name: str = "strength") -> float:
    """A share from 0 to 1.

    Raises
    ------
    UsageError
        If it is none.
    """
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise UsageError(f"{name} is a number from 0 to 1, not {value!r}.")
    return float(value)
