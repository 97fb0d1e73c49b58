"""How a face is hidden: blurred, in blocks, under one colour or under a picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.image import Image
from mien.core.region import Region
from mien.swaps.hidden.spots import Cover, Spot

__all__ = ["FAINTEST", "METHODS", "STRONGEST", "Hider", "Method", "Paint", "cells_of"]

Floats = NDArray[np.float32]

FAINTEST, STRONGEST = 1.0, 10.0
_FINEST: Final = 32.0  # cells that the faintest strength leaves of a face's longer side; two steps more halve them
_PIXELS: Final = 3.0  # of the picture that a cell is at least, of a face however small
_SPREAD: Final = 4  # how much finer than its cells a blur is drawn before it is scaled up


def cells_of(strength: float, side: float) -> float:
    """How many cells a strength leaves of the longer side of a face's box, `side` pixels long."""
    return max(1.0, min(_FINEST * 2 ** (-(strength - FAINTEST) / 2), side / _PIXELS))


@dataclass(frozen=True)
class Paint:
    """What methods may need.

    Attributes
    ----------
    color : (red, green, blue)
        Of "solid".
    picture : (H, W, 3) uint8, optional
        Of "image".
    block : int
        Pixels that a block of "pixelate" has at least; 0: as many as the strength says.
    """

    color: tuple[int, int, int] = (0, 0, 0)
    picture: Image | None = None
    block: int = 0


class Method(Protocol):
    """Makes what is shown instead of a face."""

    def __call__(self, part: Image, cells: tuple[float, float], paint: Paint) -> Image:
        """What is shown instead of a part (h, w, 3) of a picture, of which so many cells (x, y) may be told apart."""
        ...


def _blur(part: Image, cells: tuple[float, float], paint: Paint) -> Image:  # noqa: ARG001 - as all methods
    """Through a pyramid: averages of cells, smoothed, and scaled up twice; as fast as the part is large."""
    import cv2

    small = cv2.GaussianBlur(_averaged(part, cells), (3, 3), 0.8)
    between = small.shape[1] * _SPREAD, small.shape[0] * _SPREAD
    smooth = cv2.resize(small, between, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.resize(smooth, part.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def _pixelate(part: Image, cells: tuple[float, float], paint: Paint) -> Image:
    import cv2

    if paint.block:
        height, width = part.shape[:2]
        cells = min(cells[0], width / paint.block), min(cells[1], height / paint.block)
    return np.asarray(cv2.resize(_averaged(part, cells), part.shape[1::-1], interpolation=cv2.INTER_NEAREST), np.uint8)


def _solid(part: Image, cells: tuple[float, float], paint: Paint) -> Image:  # noqa: ARG001 - as all methods
    return np.broadcast_to(np.array(paint.color, np.uint8), part.shape)


def _picture(part: Image, cells: tuple[float, float], paint: Paint) -> Image:  # noqa: ARG001 - as all methods
    import cv2

    assert paint.picture is not None  # noqa: S101 - for the type checker: a hider asks for it
    return np.asarray(cv2.resize(paint.picture, part.shape[1::-1], interpolation=cv2.INTER_AREA), np.uint8)


def _none(part: Image, cells: tuple[float, float], paint: Paint) -> Image:  # noqa: ARG001 - as all methods
    return part


#: Ways to hide a face, by name.
METHODS: Final[Mapping[str, Method]] = MappingProxyType(
    {"blur": _blur, "pixelate": _pixelate, "solid": _solid, "image": _picture, "none": _none}
)


def _averaged(part: Image, cells: tuple[float, float]) -> Image:
    import cv2

    width, height = (max(1, min(round(count), length)) for count, length in zip(cells, part.shape[1::-1], strict=True))
    return np.asarray(cv2.resize(part, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


@dataclass(frozen=True, eq=False)
class Hider:
    """Hides spots of pictures.

    Parameters
    ----------
    method : str
        One of `METHODS`.
    cover : Cover
        The shape.
    paint : Paint
    strength : float
        1 to 10, of a spot that has none of its own: see `cells_of`.

    Raises
    ------
    UsageError
        If there is no such method or strength, or "image" has no picture.
    """

    method: str = "blur"
    cover: Cover = field(default_factory=Cover)
    paint: Paint = field(default_factory=Paint)
    strength: float = 6.0

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"method is one of {', '.join(METHODS)}, not {self.method!r}.")
        if not FAINTEST <= self.strength <= STRONGEST:
            raise UsageError(f"strength is a number from {FAINTEST:g} to {STRONGEST:g}, not {self.strength!r}.")
        if (self.method == "image") != (self.paint.picture is not None):
            raise UsageError('image= is the picture that method="image" shows: give both, or neither.')

    def hide(
        self,
        image: Image,
        spots: Sequence[Spot],
        *,
        masks: Mapping[int, Region] | None = None,
        regions: list[Region] | None = None,
        in_place: bool = False,
    ) -> Image:
        """A picture with spots hidden; where none is, each pixel keeps its bits.

        Parameters
        ----------
        image : (H, W, 3) uint8
            Not written to, unless `in_place`.
        spots : sequence of Spot
        masks : mapping of int to Region, optional
            By number of a spot: the parts of it that are hidden, instead of its whole shape.
        regions : list of Region, optional
            What was hidden is added here.
        in_place : bool
            Whether the picture itself may be written to, as with a video's frames: its copy takes longer than the blur
            of a face.

        Returns
        -------
        (H, W, 3) uint8
            Another array, or the same where nothing was hidden or it was written to.
        """
        size = image.shape[1], image.shape[0]
        out, is_own = image, in_place and image.flags.writeable
        for number, spot in enumerate(spots):
            area = self.cover.area(spot, size)
            method = METHODS.get(spot.method or self.method, _solid)
            if area is None or method is _none:
                continue
            out = image.copy() if out is image and not is_own else out
            own = masks.get(number) if masks else None
            levels = None if own is None else own.levels_in(area).astype(np.float32)
            alpha = self.cover.alpha(spot, area) if levels is None else levels / np.float32(255)
            self._lay(out, spot, method, area, alpha)
            if regions is not None:
                regions.append(_region(alpha, area, size))
        return out

    def _lay(self, out: Image, spot: Spot, method: Method, area: tuple[int, int, int, int], alpha: Floats) -> None:
        import cv2

        x1, y1, x2, y2 = area
        part = out[y1:y2, x1:x2]
        cells = cells_of(self.strength if spot.strength is None else spot.strength, spot.side)
        cell = max(spot.side / cells, 1e-6)
        front = np.ascontiguousarray(method(part, ((x2 - x1) / cell, (y2 - y1) / cell), self.paint))
        part[...] = cv2.blendLinear(front, np.ascontiguousarray(part), alpha, 1 - alpha)


def _region(alpha: Floats, area: tuple[int, int, int, int], size: tuple[int, int]) -> Region:
    levels = np.ceil(alpha * np.float32(255)).astype(np.uint8)
    return Region.from_mask(levels, origin=area[:2], size=size)
