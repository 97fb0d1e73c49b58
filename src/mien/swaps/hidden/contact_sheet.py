"""A contact sheet of the least certain spots of what was anonymized: to be looked at by somebody."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from mien.core.canvas import Canvas
from mien.core.image import Image
from mien.swaps.hidden.spots import Spot

__all__ = ["Sheet", "least_certain"]

_CELL: Final = 220  # pixels of a side
_TEXT: Final = 14
_COLUMNS: Final = 6
_ROOM: Final = 1.3  # of a face's longer side, around it
_GROUND: Final = 24
_ORDER: Final = {"second pass": 0.0, "interpolated": 0.3, "detected": 1.0, "by hand": 2.0}


def least_certain(frames: Sequence[Sequence[Spot]], most: int) -> list[tuple[int, Spot]]:
    """The spots that are most worth a look, one of each track and source, the least certain first.

    What only the second detector saw comes first, then what nobody saw, then the lowest scores.
    """
    best: dict[object, tuple[float, int, Spot]] = {}
    for number, spots in enumerate(frames):
        for row, spot in enumerate(spots):
            doubt = _ORDER[spot.source] + (0.5 if spot.score is None else spot.score)
            key = (spot.track, spot.source) if spot.track is not None else (number, row, spot.source)
            if key not in best or doubt < best[key][0]:
                best[key] = doubt, number, spot
    ordered = sorted(best.values(), key=lambda one: one[:2])
    return [(number, spot) for _, number, spot in ordered[:most]]


@dataclass(eq=False)
class Sheet:
    """Gathers parts of the result, as they are written, and puts them together.

    Parameters
    ----------
    wanted : sequence of (frame, Spot)
        See `least_certain`.
    """

    wanted: Sequence[tuple[int, Spot]]
    _cells: dict[int, Image] = field(default_factory=dict)

    def see(self, frame: int, image: Image) -> None:
        """Take what is wanted of a frame of the result."""
        for number, (where, spot) in enumerate(self.wanted):
            if where == frame:
                self._cells[number] = _cell(image, spot)

    def image(self) -> Image:
        """The sheet, (H, W, 3): one row at least."""
        columns = max(1, min(_COLUMNS, len(self.wanted)))
        rows = max(1, math.ceil(len(self.wanted) / columns))
        high = _CELL + 2 * _TEXT + 8
        sheet = np.full((rows * high, columns * _CELL, 3), _GROUND, np.uint8)
        for number, cell in self._cells.items():
            row, column = divmod(number, columns)
            sheet[row * high : row * high + _CELL, column * _CELL : (column + 1) * _CELL] = cell
        canvas = Canvas(sheet)
        for number, (frame, spot) in enumerate(self.wanted):
            row, column = divmod(number, columns)
            at = column * _CELL + 6.0, row * high + _CELL + 3.0
            canvas.text(
                at, f"{spot.source}{'' if spot.score is None else f' {spot.score:.2f}'}", _TEXT, (230, 230, 230)
            )
            whose = "" if spot.track is None else f", track {spot.track}"
            canvas.text((at[0], at[1] + _TEXT + 2), f"frame {frame}{whose}", _TEXT, (150, 156, 166))
        if not self.wanted:
            canvas.text((6.0, 6.0), "no spots", _TEXT, (230, 230, 230))
        return canvas.image


def _cell(image: Image, spot: Spot) -> Image:
    """A square part of a picture with a spot in its middle, as large as a cell; black beside the picture."""
    import cv2

    centre = (spot.box[:2] + spot.box[2:]) / 2
    scale = _CELL / (spot.side * (1 + 2 * _ROOM))
    matrix = np.array([[scale, 0, _CELL / 2 - scale * centre[0]], [0, scale, _CELL / 2 - scale * centre[1]]])
    return np.asarray(cv2.warpAffine(image, matrix, (_CELL, _CELL), flags=cv2.INTER_LINEAR), np.uint8)
