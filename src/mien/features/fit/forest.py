"""Quality as a forest of decision trees sees it in nothing but the mesh: how large the face is, and how it stands.

After Ibrahim, Alawar, Zehi, et al., *A Lightweight Face Quality Assessment Framework to Improve Face Verification
Performance in Real-Time Screening Applications*, 2025: normalized landmarks and a random forest (Breiman, *Random
forests*, 2001). Ours was grown on spoiled pictures of other people (``benchmarks/quality.py``), and ships as arrays.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Scalar
from mien.core.errors import ModelError
from mien.engine import Batch
from mien.features.fit.quality import SMALLEST_EYES, TOO_SMALL
from mien.location.mesh478 import LEFT_EYE, RIGHT_EYE, upright_turns
from mien.runtime.bundle import Bundle

__all__ = ["Forest", "GeometryForest", "geometry_of"]

Floats = NDArray[np.float32]

FILE: Final = "forest.npz"  # beside this module; written by benchmarks/quality.py

# Points all over the face: eyes, brows, nose, mouth, chin, temples, forehead. The subject's right first, then left.
# fmt: off
_POINTS: Final = [
    33, 133, 159, 145, 70, 105, 107, 234, 132, 172, 61, 98, 50,
    263, 362, 386, 374, 300, 334, 336, 454, 361, 397, 291, 327, 280,
    10, 168, 4, 2, 0, 13, 14, 17, 152,
]
# fmt: on


def geometry_of(landmarks: NDArray[np.floating[Any]]) -> Floats:
    """What the forest asks: the logarithm of the eyes' distance, and where 35 points stand in an upright face.

    Parameters
    ----------
    landmarks : (N, 478, 3) array
        In pixels.

    Returns
    -------
    (N, 106) float32
        Log2 of the pixels between the outer corners of the eyes, in three dimensions; then x, y, z of each point, from
        the middle of them, in such distances, upright. NaN for a face without a mesh.
    """
    points = np.asarray(landmarks, np.float64)
    across = np.linalg.norm(points[:, LEFT_EYE] - points[:, RIGHT_EYE], axis=1)
    unit = np.where(across > 0, across, np.nan)
    level = points[:, _POINTS]
    level = level - level.mean(axis=1, keepdims=True)
    level[..., :2] = level[..., :2] @ np.swapaxes(upright_turns(points), 1, 2)
    shape = (level / unit[:, None, None]).reshape(len(points), -1)
    return np.column_stack([np.log2(unit), shape]).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Forest:
    """Trees whose leaves hold a number; what a forest says is the mean of its trees.

    Parameters
    ----------
    feature : (T, M) int16
        What each node asks; -1 at a leaf.
    threshold : (T, M) float32
        Up to which value it goes on to the left.
    left, right : (T, M) int16
        The nodes after it, of the same tree; a leaf's are itself.
    value : (T, M) float32
        Of the leaves.
    depth : () int
        Questions until every leaf is reached.

    Raises
    ------
    ModelError
        If the arrays do not fit each other, or a node leads out of its tree.
    """

    feature: NDArray[np.int16]
    threshold: Floats
    left: NDArray[np.int16]
    right: NDArray[np.int16]
    value: Floats
    depth: int

    def __post_init__(self) -> None:
        arrays = (self.feature, self.threshold, self.left, self.right, self.value)
        shape = self.feature.shape
        if len(shape) != 2 or 0 in shape or any(array.shape != shape for array in arrays):
            raise ModelError(f"the arrays of a forest are (trees, nodes) each, not {[a.shape for a in arrays]}.")
        for way in (self.left, self.right):
            if way.min() < 0 or way.max() >= shape[1]:
                raise ModelError("a node of the forest leads out of its tree.")

    def __call__(self, features: Floats) -> Floats:
        """The forest's number of each row (N, F): (N,); NaN where a feature is NaN.

        Raises
        ------
        ModelError
            If the rows lack a feature that is asked for.
        """
        if features.ndim != 2 or features.shape[1] <= self.feature.max():
            raise ModelError(f"the forest asks feature {self.feature.max()} of rows of shape {features.shape}.")
        trees, rows = np.arange(len(self.feature))[:, None], np.arange(len(features))[None]
        at = np.zeros((len(self.feature), len(features)), np.intp)
        for _ in range(self.depth):  # all trees and all rows take a step; who is at a leaf stays
            asked = self.feature[trees, at]
            goes_left = features[rows, asked] <= self.threshold[trees, at]
            at = np.where(goes_left, self.left[trees, at], self.right[trees, at])
        found = self.value[trees, at].mean(axis=0)
        return np.where(np.isnan(features).any(axis=1), np.float32(np.nan), found).astype(np.float32)

    @classmethod
    def read(cls, file: Traversable | Path) -> Forest:
        """Read the arrays of an ``.npz`` file, without pickles.

        Raises
        ------
        ModelError
            If it is no such file.
        """
        try:
            with file.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
                values = {name.name: stored[name.name] for name in fields(cls)}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise ModelError(f"{file.name} holds no forest: {error}.") from error
        return cls(**{**values, "depth": int(values["depth"])})


class GeometryForest:
    """Gives ``quality`` to faces that have ``landmarks``, without looking at the picture.

    It knows that faces are small, turned away or grimacing, and learns of blur what the mesh makes of it; noise, light
    and compression it does not see.

    Parameters
    ----------
    bundle : Bundle
        Card of ``quality-forest``, without files: the forest ships beside this module.
    """

    def __init__(self, bundle: Bundle) -> None:  # noqa: ARG002 - every step is made with one
        self._forest = Forest.read(resources.files("mien.features.fit") / FILE)

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """Compute ``quality`` (N,); a face without a mesh, or too small to judge, abstains with the reason."""
        landmarks = batch.faces.landmarks
        if not landmarks.values.size:
            lost = np.ones(len(landmarks), bool)
            return {
                "quality": Scalar(
                    np.full(len(landmarks), np.nan), reasons=landmarks.reasons_for(lost, "the face has no mesh")
                )
            }
        features = geometry_of(landmarks.values)
        values = self._forest(features)
        none = landmarks.reasons_for(np.isnan(features[:, 0]), "the face has no mesh")
        small = features[:, 0] < np.log2(SMALLEST_EYES)
        values[small] = np.nan
        return {
            "quality": Scalar(
                values, reasons=tuple(TOO_SMALL if one else why for one, why in zip(small, none, strict=True))
            )
        }
