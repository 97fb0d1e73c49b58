"""Face parsing: what each pixel around a face belongs to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mien.core.alignment import usable_alignment
from mien.core.columns import Regions
from mien.core.geometry import TEMPLATES, compose, similarity
from mien.core.parts import CELEBAMASK
from mien.core.warping import warp_batch
from mien.engine import Batch
from mien.runtime.bundle import Bundle

__all__ = ["FaceParser"]


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``."""

    side: int
    classes: Sequence[str]
    sizes: Mapping[str, str]


class FaceParser:
    """Gives ``parse`` by a network that sorts the pixels of an aligned crop into classes.

    Parameters
    ----------
    bundle : Bundle
        Card with the file ``model``; in its params ``side`` of the crop in pixels and ``classes``, the names of the
        network's channels in their order.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._session = bundle.session("model")
        settings = bundle.card.settings(_Settings)
        self._side = int(settings.side)
        self._order = [list(settings.classes).index(name) for name in CELEBAMASK]
        self._template = TEMPLATES["ffhq"].points_at(self._side)

    def describe(self, batch: Batch) -> Mapping[str, Regions]:
        """See `mien.engine.Step`."""
        points = usable_alignment(batch.faces.alignment)
        seen = np.flatnonzero(~points.abstained)
        cells = self._side // 8
        values = np.full((len(points), len(CELEBAMASK), cells, cells), np.nan, np.float32)
        grids = np.full((len(points), 6), np.nan, np.float32)
        sizes = np.array([batch.images[place].shape[1::-1] for place in batch.owner], np.float32).reshape(-1, 2)
        maps = similarity(points.values[seen], self._template)
        shrink = (cells - 1) / (self._side - 1)  # the first and last cells are the first and last pixels
        for row, crop_map in zip(seen, maps, strict=True):
            crop = warp_batch(batch.images, batch.owner[[row]], crop_map[None], self._side)
            values[row] = self._session.run(crop)[0][0][self._order]
            grids[row] = compose([[shrink, 0, 0], [0, shrink, 0]], crop_map).ravel()
        return {"parse": Regions(values, names=CELEBAMASK, grids=grids, sizes=sizes, reasons=points.reasons)}
