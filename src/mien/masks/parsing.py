"""Face parsing: what each pixel around a face belongs to."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.errors import CardError, ModelError
from mien.core.faces import ALIGNMENT_NAMES
from mien.core.grids import WARPS
from mien.core.image import Image
from mien.core.parts import CELEBAMASK
from mien.engine import Batch
from mien.masks.belonging import keep_own, settle_sides
from mien.masks.cropping import CROPS, SquareCrop
from mien.masks.widening import framed, leaves, merge
from mien.runtime.bundle import Bundle

__all__ = ["FaceParser"]

Floats = NDArray[np.float32]

AT_ONCE = 8  # crops: as many are in memory, however many faces there are
STRIDE = 4  # pixels of the crop to a cell, at least: finer scores take much room, and say no more
BACKGROUND = "background"
EYES = [ALIGNMENT_NAMES.index(name) for name in ("right_eye", "left_eye")]

#: Where cells lie in a crop, as a and b of: cell = a x pixel + b, by the sides of both. With the first and last cells
#: on the first and last pixels (what exports call align_corners), or each in the middle of its pixels.
CELLS: Mapping[str, Callable[[int, int], tuple[float, float]]] = MappingProxyType(
    {
        "corners": lambda side, count: ((count - 1) / (side - 1), 0.0),
        "middles": lambda side, count: (count / side, count / side / 2 - 0.5),
    }
)


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``.

    Attributes
    ----------
    side : int
        Of the crop in pixels, where the network takes any.
    classes : sequence of str
        Names of the network's channels, one of them "background".
    sizes : mapping
        Models that do the same faster or finer, by the names that a caller asks for.
    crop : str
        How faces are cut out: a name in `mien.masks.cropping.CROPS`.
    context : float
        How many times as wide as the published crop it is.
    cells : str
        Where in a crop the cells of the answer lie: a name in `CELLS`.
    wide_side : int
        Pixels of a second look, where hair leaves the (square) crop; 0: none.
    wide_context : float
        How many times as wide as the crop that look is.
    """

    side: int
    classes: Sequence[str]
    sizes: Mapping[str, str] = field(default_factory=dict)
    crop: str = "ffhq"
    context: float = 1.0
    cells: str = "corners"
    wide_side: int = 0
    wide_context: float = 1.4


class FaceParser:
    """Gives ``parse`` by a network that sorts the pixels of a face's crop into classes.

    Eyes, brows and ears are given to the side of the face that they lie on; cells that are nearer to another face of
    the picture are background. A face that cannot be aligned is cropped by its box; one that is smaller than 8 pixels
    abstains, as does one that lies far outside of its picture.

    Parameters
    ----------
    bundle : Bundle
        Card with the file ``model``, whose first output has the logits (N, K, h, w) of a crop's cells. Its params are
        ``side`` of the crop in pixels, and ``classes``, the network's channels by name and in their order: any, as long
        as one is "background". Others say how crops are cut, and where in them the cells lie.

    Raises
    ------
    CardError
        If the params do not say so.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._id = bundle.card.id
        self._settings = settings = bundle.card.settings(_Settings)
        classes = tuple(settings.classes)
        if settings.crop not in CROPS or settings.cells not in CELLS:
            known = f"crop is one of {', '.join(CROPS)}, and cells of {', '.join(CELLS)}"
            raise CardError(f"the card of {self._id}: of its params, {known}.")
        if len(set(classes)) < len(classes) or BACKGROUND not in classes or len(classes) < 2:
            raise CardError(f"the card of {self._id}: params.classes are different names, one of them {BACKGROUND!r}.")
        rest = tuple(name for name in classes if name != BACKGROUND)
        self._names = CELEBAMASK if set(classes) == set(CELEBAMASK) else (BACKGROUND, *rest)
        self._order = [classes.index(name) for name in self._names]
        self._crop = CROPS[settings.crop]
        picture = bundle.card.files["model"].input
        fixed = picture.size[0] if picture and picture.size else 0
        self._side, self._wide_side = fixed or int(settings.side), settings.wide_side and (fixed or settings.wide_side)
        self._session = bundle.session("model")

    def describe(self, batch: Batch) -> Mapping[str, Regions]:
        """See `mien.engine.Step`."""
        places, reasons = self._crop.places(batch.faces, self._settings.context, batch.sizes)
        seen = np.flatnonzero(np.isfinite(places).all(axis=1))
        # Without any, a look at none: that tells how many cells there would be.
        chunks = [seen[start : start + AT_ONCE] for start in range(0, max(len(seen), 1), AT_ONCE)]
        parts = [self._parse(batch, rows, places[rows]) for rows in chunks]
        values = np.full((len(places), *parts[0][0].shape[1:]), np.nan, np.float32)
        grids = np.full((len(places), 6), np.nan, np.float32)
        for rows, (scores, own) in zip(chunks, parts, strict=True):
            values[rows], grids[rows] = scores, own
        warp = self._crop.warp
        return {"parse": Regions(values, names=self._names, grids=grids, sizes=batch.sizes, warp=warp, reasons=reasons)}

    def _parse(self, batch: Batch, rows: NDArray[np.intp], places: Floats) -> tuple[Floats, Floats]:
        """Scores of some faces, (n, K, h, w), and their grids, (n, 6)."""
        images = [batch.images[place] for place in batch.owner[rows]]
        scores, grids = self._look(images, places, self._side)
        for one, grid, row in zip(scores, grids, rows, strict=True):
            self._tidy(one, grid, row, batch)
        if not self._wide_side or not isinstance(self._crop, SquareCrop):
            return scores, grids
        times, points = self._settings.wide_context, WARPS[self._crop.warp].points
        again = [
            index
            for index, (one, grid, image) in enumerate(zip(scores, grids, images, strict=True))
            if leaves(one, points(grid, one.shape[1:]), image.shape[1::-1], self._names)
        ]
        around = round(scores.shape[-1] * (times - 1) / 2)
        scores, grids = framed(scores, grids, around)
        wide = np.array([self._crop.wider(places[index], times) for index in again], np.float32).reshape(-1, 6)
        looks = self._look([images[index] for index in again], wide, self._wide_side)
        for index, look, grid in zip(again, *looks, strict=True):
            merge(scores[index], grids[index], look, grid, around)
            self._tidy(scores[index], grids[index], rows[index], batch)
        return scores, grids

    def _look(self, images: Sequence[Image], places: Floats, side: int) -> tuple[Floats, Floats]:
        """What the network sees at some places, one for each image: scores (n, K, h, w) and their grids (n, 6)."""
        crops = np.zeros((len(places), side, side, 3), np.uint8)
        for crop, image, place in zip(crops, images, places, strict=True):
            crop[...] = self._crop.cut(image, place, side)
        raw = self._session.run(crops)[0]
        if raw.ndim != 4 or raw.shape[1] != len(self._order):
            classes = f"scores of {len(self._order)} classes, (N, {len(self._order)}, h, w)"
            raise ModelError(f"{self._id}: its card says {classes}; the network gives {raw.shape}.")
        scores, shrunk = _shrunk(raw[:, self._order], side // STRIDE)
        a, b = CELLS[self._settings.cells](side, raw.shape[-1])
        grids = [self._crop.grid(place, side, (a * shrunk, b * shrunk)) for place in places]
        return scores, np.array(grids, np.float32).reshape(-1, 6)

    def _tidy(self, scores: Floats, grid: Floats, row: int, batch: Batch) -> None:
        """Correct the scores (K, h, w) of a face, in place, by what is known about it and the others."""
        points = WARPS[self._crop.warp].points(grid, scores.shape[1:])
        alignment = batch.faces.alignment.values
        if alignment.size:  # else read from JSON in which every face abstained
            settle_sides(scores, points, alignment[row, EYES], self._names)
        others = batch.owner == batch.owner[row]
        others[row] = False
        keep_own(scores, points, batch.faces.boxes[row], batch.faces.boxes[others])


def _shrunk(scores: Floats, most: int) -> tuple[Floats, float]:
    """Scores (n, K, h, w) with at most as many cells a side, and how much smaller: first and last cells stay there."""
    import cv2

    height, width = scores.shape[2:]
    if max(height, width) <= most:
        return scores, 1.0
    times = (max(height, width) - 1) / (most - 1)
    sides = [round((side - 1) / times) + 1 for side in (height, width)]
    m = np.array([(times, 0, 0), (0, times, 0)])
    out = np.empty((*scores.shape[:2], *sides), np.float32)
    flags, border = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, cv2.BORDER_REPLICATE
    for index in np.ndindex(scores.shape[:2]):
        soft = cv2.blur(scores[index], (round(times), round(times)), borderType=cv2.BORDER_REPLICATE)
        cv2.warpAffine(soft, m, (sides[1], sides[0]), dst=out[index], flags=flags, borderMode=border)
    return out, 1 / times
