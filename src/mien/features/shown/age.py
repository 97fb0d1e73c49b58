"""Apparent age, as a distribution over years."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from mien.core.columns import Distribution
from mien.core.errors import CardError
from mien.core.geometry import TEMPLATES, similarity
from mien.core.warping import warp_batch

if TYPE_CHECKING:
    from mien.engine import Batch
    from mien.runtime.bundle import Bundle

__all__ = ["AgeDlib"]


class AgeDlib:
    """Age of 0 to 80 years by the residual network of the dlib model collection (Cydral Technology, CC0).

    The chip of 64 pixels is aligned as dlib does it, and its mirror image is judged too: the mean of both is closer
    to the truth than either. The age is an *apparent* one, and a poor witness: on 400 crops of UTKFace its mean
    absolute error is 6 years, and it calls every second 13- to 17-year-old an adult. It is no proof of age.

    Parameters
    ----------
    bundle : Bundle
        Card with the files ``model`` and ``manifest``; the latter says which age each class stands for.

    Raises
    ------
    CardError
        If the manifest does not say so.

    References
    ----------
    https://github.com/davisking/dlib-models, ``dnn_age_predictor_v1.dat``
    """

    def __init__(self, bundle: Bundle) -> None:
        self._session = bundle.session("model")
        try:
            manifest = json.loads(bundle.path("manifest").read_text(encoding="utf-8"))
            self._support = tuple(float(age) for age in manifest["models"]["age"]["age_weights"])
            self._size = int(manifest["models"]["age"]["input"]["shape"][-1])
            padding = float(manifest["preprocessing"]["face_chip_padding"])
        except (KeyError, IndexError, TypeError, ValueError) as error:
            raise CardError(f"the manifest of {bundle.card.id} does not describe its ages: {error!r}.") from error
        self._template = TEMPLATES["dlib"].points_at(self._size, padding)

    def describe(self, batch: Batch) -> Mapping[str, Distribution]:
        """Compute ``age``, (N, 81) probabilities; a face whose alignment abstained abstains too.

        Parameters
        ----------
        batch : Batch
            Faces with ``alignment``.
        """
        alignment = batch.faces.alignment
        crops = warp_batch(batch.images, batch.owner, similarity(alignment.values, self._template), self._size)
        both = np.concatenate([crops, crops[:, :, ::-1]])
        straight, mirrored = np.split(self._session.run(both)[0], 2)
        probabilities = (straight + mirrored) / 2
        probabilities[alignment.abstained] = np.nan
        return {"age": Distribution(probabilities, support=self._support, reasons=alignment.reasons)}
