"""How well a face can be recognised, as its embedder sees it.

Faces that nobody could recognise do not scatter: whoever they show, their vectors lie together, and they are short. So
a vector's cosine to the centre of unrecognizable faces (Deng, Liu, Masi, et al., *Harnessing Unrecognizable Faces for
Improving Face Recognition*, WACV 2023) and its length before it is normalized (Meng, Zhao, Huang, Zhou, *MagFace: A
Universal Representation for Face Recognition and Quality Assessment*, CVPR 2021) tell how much of the face was seen, at
no cost.

Both are made one number in [0, 1] by a logistic curve that was fitted, for each embedding space, on pictures spoiled by
low resolution, blur, noise and darkness: the chance that a picture as poor as this one is still taken for the same face
as its unspoiled original at a FAR of 1e-3. Pictures of one person that were taken at different times are recognised
less often than that.
"""

from __future__ import annotations

import datetime as dt
import functools
import json
import tomllib
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import CardError, ShapeMismatch, UsageError
from mien.models.catalogue import user_cards_folder

if TYPE_CHECKING:
    from mien.core.faces import Faces
    from mien.engine import Engine

__all__ = ["Recognizability", "fit_recognizability", "load_recognizability", "steadiness"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

UNRECOGNIZABLE = 0.15  # the part of the spoiled pictures, least like their originals, that the centre is the mean of
RIDGE = 1e-3  # keeps the curve from becoming a step where length and cosine part the pictures perfectly
# Copies that steadiness looks at: mirrored, turned by degrees, shifted by a part of the crop, and scaled.
SHAKES = ((True, 0.0, 0.0, 1.0), (False, 3.0, 0.02, 1.03), (False, -3.0, -0.02, 0.97), (True, 2.0, -0.02, 1.03))


@dataclass(frozen=True, eq=False)
class Recognizability:
    """The curve of one embedding space.

    Parameters
    ----------
    space : str
        The embedding space.
    date : date
        When it was fitted.
    data, data_terms : str
        What on, and the terms of that data.
    pictures : int
        How many spoiled pictures.
    length, cosine, bias : float
        The log odds are ``length * log(|v|) + cosine * cos(v, centre) + bias``.
    centre : (D,) float32
        Of the vectors of unrecognizable faces, of length 1.
    """

    space: str
    date: dt.date
    data: str
    data_terms: str
    pictures: int
    length: float
    cosine: float
    bias: float
    centre: Floats

    def of(self, vectors: ArrayLike) -> Floats:
        """Recognizability of vectors as the network gives them, not normalized: (N, D) to float32 (N,) in [0, 1].

        NaN for vectors without direction.

        Raises
        ------
        ShapeMismatch
            If the vectors are of another dimension.
        """
        values = np.asarray(vectors, np.float64)
        if values.ndim != 2 or values.shape[1] != len(self.centre):
            raise ShapeMismatch(f"vectors of {self.space} are (N, {len(self.centre)}), got {values.shape}.")
        features = _features(values, self.centre)
        return _sigmoid(features @ (self.length, self.cosine) + self.bias).astype(np.float32)

    @classmethod
    def from_toml(cls, text: str, path: str) -> Recognizability:
        """Read a curve.

        Raises
        ------
        CardError
            If it is malformed; the message names the file.
        """
        try:
            values: dict[str, Any] = tomllib.loads(text)
            centre = np.asarray(values.pop("centre"), np.float32)
            if centre.ndim != 1 or not 0.9 < float(np.linalg.norm(centre)) < 1.1:
                raise ValueError("the centre is no direction")
            if not np.isfinite([values[name] for name in ("length", "cosine", "bias")]).all():
                raise ValueError("the curve has numbers that are none")
            return cls(centre=centre, **values)
        except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError) as error:
            raise CardError(f"{path}: not a curve of recognizability: {error!r}.") from error

    def to_toml(self) -> str:
        """Write the curve as TOML that `from_toml` reads back."""
        texts = {"space": self.space, "data": self.data, "data_terms": self.data_terms}
        lines = [f"{key} = {json.dumps(text, ensure_ascii=False)}" for key, text in texts.items()]
        lines += [f"date = {self.date.isoformat()}", f"pictures = {self.pictures}"]
        lines += [f"{key} = {getattr(self, key):.4f}" for key in ("length", "cosine", "bias")]
        lines.append("centre = [" + ", ".join(f"{value:.4f}" for value in self.centre.tolist()) + "]")
        return "\n".join(lines) + "\n"


def _features(vectors: Doubles, centre: Floats) -> Doubles:
    """Logarithm of the length, and cosine to the centre: (N, 2)."""
    lengths = np.linalg.norm(vectors, axis=1)
    lengths = np.where(lengths > 0, lengths, np.nan)
    return np.stack([np.log(lengths), vectors @ centre.astype(np.float64) / lengths], axis=1)


def _sigmoid(odds: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-np.clip(odds, -50, 50))))


# One curve is read for every embedder that is loaded, and parsed only once as long as its text stays the same.
_parse = functools.lru_cache(maxsize=16)(Recognizability.from_toml)


def load_recognizability(space: str) -> Recognizability | None:
    """The curve of an embedding space: the user's own, else the one that ships; None where there is none.

    The user's stand in the folder ``recognizability`` of the configuration folder (``MIEN_CONFIG``).

    Raises
    ------
    CardError
        If it is malformed.
    """
    name = space.replace("/", "-") + ".toml"
    folders: list[Traversable | Path] = [
        user_cards_folder().parent / "recognizability",
        resources.files("mien.models") / "recognizability",
    ]
    for folder in folders:
        file = folder / name
        if file.is_file() and (found := _parse(file.read_text(encoding="utf-8"), str(file))).space == space:
            return found
    return None


def fit_recognizability(
    spoiled: ArrayLike, originals: ArrayLike, threshold: float, *, space: str, data: str, data_terms: str = "unknown"
) -> Recognizability:
    """Fit the curve of an embedding space.

    Parameters
    ----------
    spoiled, originals : (N, D) array-like
        Vectors, as the network gives them, of spoiled pictures and of their unspoiled originals. Pairs of which one has
        no direction (NaN, or zero) do not count.
    threshold : float
        The cosine from which on two pictures count as of one person.
    space, data, data_terms : str
        As in `Recognizability`.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    UsageError
        If fewer than 50 of the spoiled pictures are recognised, or fewer than 50 are not.
    """
    poor, clear = np.asarray(spoiled, np.float64), np.asarray(originals, np.float64)
    if poor.ndim != 2 or poor.shape != clear.shape:
        raise ShapeMismatch(f"spoiled pictures {poor.shape} and originals {clear.shape} are both (N, D).")
    usable = np.isfinite(np.hstack([poor, clear])).all(axis=1) & poor.any(axis=1) & clear.any(axis=1)
    poor, clear = poor[usable], clear[usable]
    poor_unit, clear_unit = (v / np.linalg.norm(v, axis=1, keepdims=True) for v in (poor, clear))
    scores = (poor_unit * clear_unit).sum(axis=1)
    known = scores >= threshold
    if not 50 <= known.sum() <= len(known) - 50:
        raise UsageError(f"50 pictures that are recognised and 50 that are not are needed; {known.sum()} are.")
    middle = poor_unit[scores <= np.quantile(scores, UNRECOGNIZABLE)].mean(axis=0)
    centre = (middle / np.linalg.norm(middle)).astype(np.float32)
    features = _features(poor, centre)
    mean, deviation = features.mean(axis=0), features.std(axis=0)
    design = np.column_stack([(features - mean) / deviation, np.ones(len(features))])
    weights = np.zeros(3)
    for _ in range(50):  # Newton's method on a convex loss
        chance = _sigmoid(design @ weights)
        slope = design.T @ (chance - known) / len(known) + RIDGE * weights
        bend = (design * (chance * (1 - chance))[:, None]).T @ design / len(known) + RIDGE * np.eye(3)
        step = np.linalg.solve(bend, slope)
        weights -= step
        if np.abs(step).max() < 1e-9:
            break
    length, cosine = (weights[:2] / deviation).tolist()
    bias = float(weights[2] - (weights[:2] * mean / deviation).sum())
    today = dt.datetime.now(dt.UTC).date()
    return Recognizability(space, today, data, data_terms, len(known), length, cosine, bias, centre)


def steadiness(faces: Faces, *, engine: Engine | None = None) -> Floats:
    """How little the embedding changes when the crop is mirrored and shaken: a second opinion on recognizability.

    Terhörst, Kolf, Damer, Kirchbuchner, Kuijper, *SER-FIQ: Unsupervised estimation of face image quality based on
    stochastic embedding robustness*, CVPR 2020, take the spread over dropout; networks without dropout are shaken from
    outside. It costs four embeddings a face.

    Parameters
    ----------
    faces : Faces
        With ``embedding``, ``alignment`` (or the detector's five points) and the picture.
    engine : Engine, optional
        The one that made the embeddings; by default `mien.default_engine()`.

    Returns
    -------
    float32 (N,)
        Mean cosine of four shaken copies to the face itself; NaN for a face without embedding.

    Raises
    ------
    FieldNotComputed, ImageNotKept
        If embedding, alignment or picture are missing.
    EmbeddingSpaceMismatch
        If the engine embeds in another space.
    """
    from mien.core.geometry import TEMPLATES, similarity
    from mien.core.warping import warp
    from mien.engine import default_engine

    own, points = faces.embedding, faces.with_alignment().alignment.values
    image, size = faces.require_image(), TEMPLATES["arcface112"].size
    rows = np.flatnonzero(~own.abstained)
    result = np.full(len(faces), np.nan, np.float32)
    if not len(rows):
        return result
    crops = []
    for row in rows:
        for mirrored, degrees, shift, scale in SHAKES:
            target = _shaken(TEMPLATES["arcface112"].points_at(size), size, degrees, shift, scale)
            crop = warp(image, similarity(points[row][None], target)[0], size)
            crops.append(np.ascontiguousarray(crop[:, ::-1]) if mirrored else crop)
    found = (engine or default_engine()).analyze(crops, aligned=True, want={"embedding"}).embedding
    cosines = [own[int(row)] @ found[i * len(SHAKES) + k] for i, row in enumerate(rows) for k in range(len(SHAKES))]
    result[rows] = np.asarray(cosines, np.float32).reshape(len(rows), -1).mean(axis=1)
    return result


def _shaken(points: Floats, size: int, degrees: float, shift: float, scale: float) -> Floats:
    """Points of a crop turned and scaled about its middle, and shifted."""
    turn = np.deg2rad(degrees)
    matrix = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    middle = size / 2
    return np.asarray((points - middle) @ matrix.T + middle + shift * size, np.float32)
