"""The heads that decide which expression a face shows, as a table of numbers beside this module.

``python -m benchmarks.expression_fit`` makes the table and says from what.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import IO, Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Scores
from mien.core.errors import ShapeMismatch
from mien.features.shown.fer import FEATURES

__all__ = ["HEADS", "Head", "features", "masked", "read_heads", "softmax"]

Doubles = NDArray[np.float64]

HEADS: Final = ("fused", "mesh", "upper", "lower")
_LEAST = 1e-3  # of a blendshape: its log odds say nothing below
TABLE: Final = "expression.npz"
MASK_TABLE: Final = "expression_masks.npz"  # by ``python -m benchmarks.expression_masks``


@dataclass(frozen=True, eq=False)
class Head:
    """Linear logits of K classes from F features, and how far the features are from those of every class.

    Attributes
    ----------
    weights, bias : (F, K), (K,) float64
    temperature : float64
        By which logits are divided, so that the probabilities are as often right as they say.
    axes, means : (F, D), (K, D) float64
        Directions in which the faces of one class scatter by 1, and where the classes are in them.
    unknown : (4,) float64
        Log odds of "none of these": the first, less the second times the energy of the logits, plus the third times the
        logarithm of the distance. Of the energy no more counts than the fourth: beyond all faces logits grow, too.
    """

    weights: Doubles
    bias: Doubles
    temperature: Doubles
    axes: Doubles
    means: Doubles
    unknown: Doubles

    def logits(self, x: Doubles) -> Doubles:
        """Of features (M, F): (M, K)."""
        return np.asarray(x @ self.weights + self.bias)

    def oddness(self, x: Doubles) -> Doubles:
        """The two signs that a face shows none of the classes, (M, 2).

        The energy of the logits, the logarithm of the sum of their exponentials (Liu, Wang, Owens and Li, *Energy-based
        out-of-distribution detection*, 2020), is low where a face is between the classes. The squared distance of
        Mahalanobis to the nearest class (Lee, Lee, Lee and Shin, *A simple unified framework for detecting
        out-of-distribution samples*, 2018), here as a logarithm, is large where a face is beyond them.
        """
        apart = ((x @ self.axes)[:, None] - self.means) ** 2
        nearest = apart.sum(axis=2).min(axis=1, initial=np.inf)
        return np.column_stack([np.logaddexp.reduce(self.logits(x), axis=1), np.log(nearest.clip(1e-9))])

    def probabilities(self, x: Doubles) -> Doubles:
        """Of the classes and, behind them, of none of these: (M, K + 1), each row with a sum of 1."""
        offset, by_energy, by_distance, most = self.unknown
        energy, distance = self.oddness(x).T
        odds = offset - by_energy * np.minimum(energy, most) + by_distance * distance
        return softmax(self.logits(x) / self.temperature, odds)


def features(network: NDArray[np.floating] | None, blendshapes: Scores) -> Doubles:
    """What heads look at: the network's 128 numbers (zeros without it) and the log odds of 51 blendshapes, (M, 179).

    Raises
    ------
    ShapeMismatch
        If there are not as many blendshapes.
    """
    shapes = blendshapes.values.astype(np.float64)
    if shapes.shape[1] != _SHAPES:
        raise ShapeMismatch(f"the heads of expression know {_SHAPES} blendshapes, not {shapes.shape[1]}.")
    seen = np.zeros((len(shapes), FEATURES)) if network is None else network.astype(np.float64)
    shapes = shapes[:, 1:].clip(_LEAST, 1 - _LEAST)  # the first one means nothing
    return np.hstack([seen, np.log(shapes) - np.log1p(-shapes)])


_SHAPES = 52


def softmax(logits: Doubles, unknown: Doubles) -> Doubles:
    """Probabilities of K classes and, behind them, of none of these, whose log odds are `unknown`: (M, K + 1)."""
    none = 1 / (1 + np.exp(-unknown.clip(-50, 50)))
    shares = np.exp(logits - logits.max(axis=1, keepdims=True, initial=-np.inf))
    return np.column_stack([shares / shares.sum(axis=1, keepdims=True) * (1 - none)[:, None], none])


@cache
def read_heads() -> Mapping[str, Head]:
    """The heads of the table, by name."""
    with resources.files("mien.features.shown").joinpath(TABLE).open("rb") as file:
        return MappingProxyType(_from(file))


def masked(x: Doubles) -> Doubles:
    """How probable it is that a mask hides the mouth, (M,), of features (M, 179).

    The mesh draws a calm mouth on a mask; what the network sees of it is unlike any mouth.
    """
    weights, bias = _read_mask()
    return np.asarray(1 / (1 + np.exp(-(x @ weights + bias).clip(-50, 50))))


@cache
def _read_mask() -> tuple[Doubles, float]:
    place = resources.files("mien.features.shown").joinpath(MASK_TABLE)
    with place.open("rb") as file, np.load(file, allow_pickle=False) as table:
        return table["weights"].astype(np.float64), float(table["bias"])


def _from(file: IO[bytes]) -> dict[str, Head]:
    with np.load(file, allow_pickle=False) as table:
        return {
            head: Head(**{part.name: table[f"{head}.{part.name}"].astype(np.float64) for part in fields(Head)})
            for head in HEADS
        }


def as_table(heads: Mapping[str, Head]) -> dict[str, NDArray[Any]]:
    """The arrays of a table, to be written with ``numpy.savez_compressed``."""
    return {
        f"{name}.{part.name}": np.asarray(getattr(head, part.name), np.float32)
        for name, head in heads.items()
        for part in fields(Head)
    }
