"""Embedders that look at a face aligned by five points: the ArcFace family and its many relatives.

Deng, Guo, Xue, Zafeiriou, *ArcFace: Additive angular margin loss for deep face recognition*, CVPR 2019. What differs
between the networks (colour order, mean, size of the vector) stands in their cards.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.core.alignment import usable_alignment
from mien.core.columns import Column, Flag, Points, Vectors
from mien.core.errors import CardError, ModelError
from mien.core.geometry import TEMPLATES, similarity
from mien.core.warping import warp_batch
from mien.embeddings.recognizability import load_recognizability
from mien.engine import Batch
from mien.runtime.bundle import Bundle

__all__ = ["ArcFace"]


class ArcFace:
    """Gives ``embedding``, one L2-normalized vector per face, and ``recognizability``, which it shows by the way.

    A face whose five points are missing, or whose vector has no direction, abstains with the reason. So does
    recognizability where nothing was measured for the embedding space (a network of your own).

    Parameters
    ----------
    bundle : Bundle
        Its card names the embedding space and the picture's size, and may set in ``[params]``:

        - ``template`` (default "arcface112"): where the five points stand in the crop;
        - ``flip`` (default false): average the vectors of the crop and of its mirror image. It doubles the work and
          lifts accuracy little; the vectors stay in the same space;
        - ``spatial``: name of the network's last feature map (1, C, h, w), for `feature_maps`.

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
        self._curve = load_recognizability(card.space)
        self._session = bundle.session("model")
        self._bundle = bundle

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """Embed every face.

        Parameters
        ----------
        batch : Batch
            Faces with the field ``alignment``.

        Returns
        -------
        mapping
            ``embedding``: Vectors (N, D) in the card's space. ``recognizability``: Flag (N,).

        Raises
        ------
        ModelError
            If the network gives anything but one vector for each picture.
        """
        points, found = self._measured(batch)
        lengths = np.linalg.norm(found, axis=1, keepdims=True)
        values = np.where(lengths > 0, found / np.where(lengths > 0, lengths, 1), np.float32(np.nan))
        reasons = points.reasons_for(np.isnan(values[:, 0]), "the network gave a vector without direction")
        if self._curve is not None:
            quality, why = self._curve.of(found), reasons
        else:
            quality, unknown = np.full(len(found), np.nan, np.float32), f"not measured for the space {self._space!r}"
            why = tuple(reason or unknown for reason in reasons)
        return {
            "embedding": Vectors(values, space=self._space, reasons=reasons),
            "recognizability": Flag(quality, reasons=why),
        }

    def measure(self, batch: Batch) -> NDArray[np.float32]:
        """The vectors as the network gives them, (N, D): not of length 1; NaN for a face that cannot be aligned."""
        return self._measured(batch)[1]

    def _measured(self, batch: Batch) -> tuple[Points, NDArray[np.float32]]:
        points, crops = self._crops(batch)
        found = self._embed(crops)
        values = np.full((len(points), found.shape[1]), np.nan, np.float32)
        values[~points.abstained] = np.where(np.isfinite(found).all(axis=1, keepdims=True), found, np.float32(np.nan))
        return points, values

    def feature_maps(self, batch: Batch) -> NDArray[np.float32]:
        """What the network saw where, just before it made one vector of it.

        Parameters
        ----------
        batch : Batch
            Faces with the field ``alignment``.

        Returns
        -------
        (N, C, h, w) float32
            NaN for a face that cannot be aligned.

        Raises
        ------
        CardError
            If the card does not name the map (``params.spatial``).
        """
        name = self._bundle.card.params.get("spatial")
        if not name:
            raise CardError(f"the card of {self._bundle.card.id!r} names no feature map (params.spatial).")
        points, crops = self._crops(batch)
        *_, found = self._bundle.session("model", inner=[name]).run(crops)
        if found.ndim != 4:
            raise CardError(f"{name!r} of {self._bundle.card.id!r} is no feature map: its shape is {found.shape}.")
        maps = np.full((len(points), *found.shape[1:]), np.nan, np.float32)
        maps[~points.abstained] = found
        return maps

    def _crops(self, batch: Batch) -> tuple[Points, NDArray[np.uint8]]:
        """The points to align by, and the crops of those faces that have them."""
        points = usable_alignment(batch.faces.alignment)
        aligned = ~points.abstained
        maps = similarity(points.values[aligned], self._target)
        return points, warp_batch(batch.images, batch.owner[aligned], maps, self._size)

    def _embed(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        vectors = self._run(crops)
        if self._flip:
            vectors = (vectors + self._run(np.ascontiguousarray(crops[:, :, ::-1]))) / np.float32(2)
        return vectors

    def _run(self, crops: NDArray[np.uint8]) -> NDArray[np.float32]:
        outputs = self._session.run(crops)
        if len(outputs) != 1 or outputs[0].ndim != 2 or len(outputs[0]) != len(crops):
            shapes = " and ".join(str(output.shape) for output in outputs)
            raise ModelError(
                f"an embedder gives one vector for each picture: of {len(crops)} pictures "
                f"{self._bundle.card.id!r} makes {shapes}."
            )
        vectors: NDArray[np.float32] = outputs[0]
        return vectors
