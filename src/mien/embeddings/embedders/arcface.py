"""Embedders that look at a face aligned by five points: the ArcFace family and its many relatives.

Deng, Guo, Xue, Zafeiriou, *ArcFace: Additive angular margin loss for deep face recognition*, CVPR 2019. What differs
between the networks (colour order, mean, size of the vector) stands in their cards.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.core.alignment import usable_alignment
from mien.core.columns import Column, Vectors
from mien.core.errors import CardError
from mien.core.geometry import TEMPLATES, similarity
from mien.core.warping import warp_batch
from mien.engine import Batch
from mien.runtime.bundle import Bundle

__all__ = ["ArcFace"]


class ArcFace:
    """Gives ``embedding``: one L2-normalized vector per face.

    A face whose five points are missing, or whose vector has no direction, abstains with the reason.

    Parameters
    ----------
    bundle : Bundle
        Its card names the embedding space and the picture's size, and may set in ``[params]``:

        - ``template`` (default "arcface112"): where the five points stand in the crop;
        - ``flip`` (default false): average the vectors of the crop and of its mirror image. It doubles the work and
          lifts accuracy little; the vectors stay in the same space.

    Raises
    ------
    CardError
        If the card names no embedding space, no fixed size, or an unknown template.
    """

    def __init__(self, bundle: Bundle) -> None:
        card = bundle.card
        picture = card.files["model"].input
        template = card.params.get("template", "arcface112")
        if not card.space:
            raise CardError(f"the card of {card.id!r} gives embeddings but names no space.")
        if picture is None or picture.size is None or picture.size[0] != picture.size[1]:
            raise CardError(f"the card of {card.id!r} does not give its network one square picture size.")
        if template not in TEMPLATES:
            raise CardError(f"the card of {card.id!r} names an unknown template {template!r}.")
        self._space = card.space
        self._size = picture.size[0]
        self._target = TEMPLATES[template].points_at(self._size)
        self._flip = bool(card.params.get("flip", False))
        self._session = bundle.session("model")

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """Embed every face.

        Parameters
        ----------
        batch : Batch
            Faces with the field ``alignment``.

        Returns
        -------
        mapping
            ``embedding``: Vectors (N, D) in the card's space.
        """
        points = usable_alignment(batch.faces.alignment)
        aligned = ~points.abstained
        maps = similarity(points.values[aligned], self._target)
        found = self._embed(warp_batch(batch.images, batch.owner[aligned], maps, self._size))
        lengths = np.linalg.norm(found, axis=1)
        directed = np.asarray(np.isfinite(lengths) & (lengths > 0))

        values = np.full((len(points), found.shape[1]), np.nan, np.float32)
        values[np.flatnonzero(aligned)[directed]] = found[directed] / lengths[directed, None]
        reasons = points.reasons_for(np.isnan(values[:, 0]), "the network gave a vector without direction")
        return {"embedding": Vectors(values, space=self._space, reasons=reasons)}

    def _embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        (vectors,) = self._session.run(crops)
        if self._flip:
            (mirrored,) = self._session.run(np.ascontiguousarray(crops[:, :, ::-1]))
            vectors = vectors + mirrored
        result: NDArray[np.float32] = vectors
        return result
