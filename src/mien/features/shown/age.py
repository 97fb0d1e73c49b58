"""Apparent age, as a distribution over years."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Distribution
from mien.core.errors import CardError
from mien.engine import Batch
from mien.features.shown.dlib_nets import DlibNet
from mien.runtime.bundle import Bundle

__all__ = ["AgeDlib"]


class AgeDlib:
    """Age of 0 to 80 years by the residual network of the dlib model collection (Cydral Technology, CC0).

    The chip of 64 pixels is aligned as dlib does it, and its mirror image is judged too: the mean of both is closer
    to the truth than either. The network is far too sure of itself: its 80 % interval holds two true ages of five. So
    each year's probability is spread over its neighbours, normally, by as much as the card says; then it holds four.

    The age is an apparent one, and no proof: on 400 crops of UTKFace the mean absolute error is 6 years, people over
    60 are taken for 14 years younger, and every second 13- to 17-year-old for an adult. Blurred faces look young: they
    abstain.

    Parameters
    ----------
    bundle : Bundle
        Card with the files ``model`` and ``manifest``; the latter says which age each class stands for. In its params
        ``spread``, two numbers a, b: the standard deviation at x years is a + b x; and ``detail``, see `DlibNet`.

    Raises
    ------
    CardError
        If card and manifest do not say so.

    References
    ----------
    https://github.com/davisking/dlib-models, ``dnn_age_predictor_v1.dat``
    """

    def __init__(self, bundle: Bundle) -> None:
        try:
            self._net = DlibNet(bundle, "age", detail=float(bundle.card.params["detail"]))
            self._support = tuple(float(age) for age in self._net.entry["age_weights"])
            at_birth, a_year = bundle.card.params["spread"]
        except (KeyError, TypeError, ValueError) as error:
            raise CardError(
                f"the card and manifest of {bundle.card.id} do not describe its ages: {error!r}."
            ) from error
        self._spread = _spread(np.asarray(self._support), at_birth, a_year)

    def describe(self, batch: Batch) -> Mapping[str, Distribution]:
        """Compute ``age``, (N, 81) probabilities; tiny, blurred and unaligned faces abstain, with the reason.

        Parameters
        ----------
        batch : Batch
            Faces with ``alignment``.
        """
        judged, seen, reasons = self._net.judge(batch)
        probabilities = np.full((len(seen), len(self._support)), np.nan, np.float32)
        probabilities[seen] = judged.mean(axis=0) @ self._spread
        return {"age": Distribution(probabilities, support=self._support, reasons=reasons)}


def _spread(years: NDArray[np.float64], at_birth: float, a_year: float) -> NDArray[np.float32]:
    """Normal distributions about each year, as a matrix (from, to); what falls outside goes to the first or last."""
    edges = np.concatenate([[-np.inf], (years[1:] + years[:-1]) / 2, [np.inf]])
    deviations = (edges - years[:, None]) / (at_birth + a_year * years[:, None]) / math.sqrt(2)
    below = 0.5 + 0.5 * np.vectorize(math.erf)(deviations)
    return np.asarray(np.diff(below, axis=1), np.float32)
