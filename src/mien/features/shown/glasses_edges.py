"""Whether glasses are worn, by the edges around the eyes and a linear model of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Flag
from mien.core.warping import warp_batch
from mien.features.shown.glasses import eye_squares
from mien.features.shown.sizes import large_alignment
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["EdgeGlasses", "edge_histograms", "eye_strips"]

Floats = NDArray[np.float32]

SIDE, TOP, BOTTOM = 96, 18, 66  #: pixels of the square around the eyes, and the rows of it that are looked at
WIDTH, DOWN = 2.4, 0.15  #: of the square in distances of the eyes, and how far its middle is below them
CELL, BINS = 8, 8  #: pixels along a side of a cell; directions of edges, over half a turn
FLAT = 4.0  #: added to the energy of a block, so that noise on bare skin makes no edges
MOST = 0.3  #: of a block's energy that counts of one direction (Dalal and Triggs have 0.2)
_TABLE: Final = "glasses_edges.npz"


def eye_strips(batch: Batch, points: Floats, rows: NDArray[np.intp]) -> NDArray[np.uint8]:
    """Crops of the eyes, upright: (M, 48, 96, 3) uint8.

    Parameters
    ----------
    batch : Batch
    points : (M, 5, 2) float32
        The ``alignment`` of some of its faces.
    rows : (M,) integers
        Which faces these are.
    """
    maps = eye_squares(points, WIDTH, DOWN, SIDE)
    return warp_batch(batch.images, batch.owner[rows], maps, SIDE, border="replicate")[:, TOP:BOTTOM]


def edge_histograms(strips: NDArray[np.uint8]) -> Floats:
    """Histograms of oriented gradients.

    Dalal and Triggs, *Histograms of oriented gradients for human detection*, 2005.

    Parameters
    ----------
    strips : (M, h, w, 3) uint8
        Sides are multiples of `CELL`.

    Returns
    -------
    (M, 4 * BINS * (h / CELL - 1) * (w / CELL - 1)) float32
        Each cell counts in up to four blocks of 2 x 2, by the energy of which it is divided.
    """
    grey = np.sqrt(strips.astype(np.float32) @ np.array([0.299, 0.587, 0.114], np.float32))
    down, across = np.gradient(grey, axis=(1, 2))
    place = np.arctan2(down, across) % np.pi * (BINS / np.pi)
    lower = np.floor(place).astype(np.intp)
    part, size = place - lower, np.hypot(down, across)
    count, rows, columns = len(strips), grey.shape[1] // CELL, grey.shape[2] // CELL
    n, y, x = np.ogrid[: grey.shape[0], : grey.shape[1], : grey.shape[2]]
    cell = ((n * rows + y // CELL) * columns + x // CELL) * BINS
    # Each gradient counts for the two directions that it lies between; the last one is next to the first.
    cells = np.zeros(count * rows * columns * BINS)
    for step, weight in ((0, 1 - part), (1, part)):
        where = (cell + (lower + step) % BINS).ravel()
        cells += np.bincount(where, (size * weight).ravel(), minlength=len(cells))
    cells = np.moveaxis(cells.reshape(count, rows, columns, BINS).astype(np.float32), 3, 1)
    energy = np.square(cells).sum(axis=1)
    blocks = np.sqrt(energy[:, :-1, :-1] + energy[:, 1:, :-1] + energy[:, :-1, 1:] + energy[:, 1:, 1:] + FLAT)
    corners = [cells[:, :, y : rows - 1 + y, x : columns - 1 + x] for y in (0, 1) for x in (0, 1)]
    length = BINS * (rows - 1) * (columns - 1)
    normed = [np.minimum(corner / blocks[:, None], MOST).reshape(count, length) for corner in corners]
    return np.asarray(np.concatenate(normed, axis=1), np.float32)


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``."""

    slope: float
    offset: float


class EdgeGlasses:
    """Gives ``glasses`` to faces that have ``alignment``: a logistic model of the edges of the rims.

    Fitted on people who do not exist, of whom the authors marked those with glasses (``tools/fit_glasses.py``); it was
    tried on real ones. Each face and its mirror image are judged, and the mean of both counts. Rimless glasses, heads
    that are turned far, and faces of few pixels are missed more often; sunglasses count as glasses.

    Parameters
    ----------
    bundle : Bundle
        A card without files; what its params mean stands there.
    """

    def __init__(self, bundle: Bundle) -> None:
        from importlib.resources import as_file, files

        self._settings = bundle.card.settings(_Settings)
        with as_file(files(__package__) / _TABLE) as path, np.load(path) as table:
            self._weights = np.asarray(table["weights"], np.float32)
            self._offset = float(table["offset"])

    def describe(self, batch: Batch) -> Mapping[str, Flag]:
        """Compute ``glasses``, (N,); faces that cannot be aligned or are too small abstain with the reason."""
        points, settings = large_alignment(batch.faces.alignment), self._settings
        rows = np.flatnonzero(~points.abstained)
        strips = eye_strips(batch, points.values[rows], rows)
        both = edge_histograms(np.concatenate([strips, strips[:, :, ::-1]])) @ self._weights
        odds = both.reshape(2, -1).mean(axis=0) + self._offset
        values = np.full(len(points), np.nan, np.float32)
        values[rows] = 1 / (1 + np.exp(-(settings.slope * odds + settings.offset)))
        return {"glasses": Flag(values, reasons=points.reasons)}
