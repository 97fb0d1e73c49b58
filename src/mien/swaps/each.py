"""A take that changes the faces of a shot one after the other, and tells which it left as they were."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

from mien.core.errors import NoFace, UsageError
from mien.core.image import Image
from mien.core.region import Region
from mien.swaps.effects import Changed, Shot
from mien.swaps.plate import join

__all__ = ["Change", "Each"]

#: Changes one face, given by its row, in a picture that may be written to; gives where it may differ, and what to tell.
#: Raises NoFace or UsageError, before it has written anything, where it cannot.
Change: TypeAlias = Callable[[Shot, int, Image], tuple[Region, Mapping[str, Any]]]


@dataclass(frozen=True, eq=False)
class Each:
    """Faces changed one after the other.

    Parameters
    ----------
    change : callable
        See `Change`.
    """

    change: Change

    def apply(self, shot: Shot) -> Changed:
        """See `mien.swaps.effects.Take`: of several faces of a picture, some may be left as they are, but not all.

        Raises
        ------
        NoFace, UsageError
            Where no face of a picture can be changed so.
        """
        picture, size = shot.image.copy(), (shot.image.shape[1], shot.image.shape[0])
        masks: list[Region] = []
        told: list[dict[str, Any]] = []
        skipped: list[dict[str, Any]] = []
        for row in shot.rows.tolist():
            try:
                mask, said = self.change(shot, row, picture)
            except (NoFace, UsageError) as error:
                if shot.time is None and len(shot.rows) == 1:
                    raise
                skipped.append({"face": row, "reason": str(error)})
                continue
            masks.append(mask)
            told.append({"face": row, **said})
        if shot.time is None and skipped and not masks:
            why = skipped[0]["reason"].removesuffix(".")
            raise UsageError(f"none of these {len(skipped)} faces can be changed so: {why}.")
        report = {"faces": told, **({"skipped": skipped} if skipped else {})}
        if not masks:
            return Changed(image=shot.image, mask=Region.empty(size), report=report)
        return Changed(image=picture, mask=join(masks, size), report=report)
