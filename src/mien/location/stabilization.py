"""The mesh with the motion of the skull taken out, so that what is left is expression.

A head moves as one piece, a face does not: brows, lids, cheeks and jaw move on the skull. Whoever takes the skull's
motion from all points takes part of each expression for a turn of the head. So points count by how little they move on
the skull: in one picture as the canonical face says, in a clip as the clip itself shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Column, Points
from mien.core.errors import CardError, ShapeMismatch, UsageError
from mien.location.canonical import CanonicalFace
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["Fits", "Stabilized", "Stabilizer", "similarities", "stabilize", "stabilize_each"]

Doubles = NDArray[np.float64]

ROUNDS = 6  # of learning a person's shape and what keeps still
REWEIGHTINGS = 4  # of the points of a frame by how well each fits
STILL = 0.03  # cm: points that move less on the skull than this are told apart by noise alone


class Stabilizer:
    """Gives ``stabilized`` to faces that have ``landmarks``: the mesh in the axes of the canonical face, in cm.

    The canonical face is laid over the mesh by its rigid points, reweighted by how well each fits (Geman and McClure's
    function), so that points which are grossly wrong do not pull.

    One picture cannot tell a person's shape from an expression. Where there is a clip, `stabilize` can, and leaves half
    as much of the skull's motion.

    Parameters
    ----------
    bundle : Bundle
        Card with the file ``geometry`` and ``params.tolerance``, in cm: how far a point may be off and still count by
        a quarter.

    Raises
    ------
    CardError
        If the card has no tolerance above 0.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._canonical = CanonicalFace.read(bundle.path("geometry"))
        tolerance = bundle.card.params.get("tolerance")
        if not isinstance(tolerance, int | float) or not tolerance > 0:
            raise CardError(f"the card of {bundle.card.id} has no params.tolerance above 0.")
        self._tolerance = float(tolerance)

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        landmarks = batch.faces.landmarks
        values = stabilize_each(landmarks.values, self._canonical, tolerance=self._tolerance)
        reasons = landmarks.reasons_for(np.isnan(values[:, 0, 0]), "the face has no mesh")
        return {"stabilized": Points(values, layout=landmarks.layout, reasons=reasons)}


def stabilize_each(landmarks: ArrayLike, face: CanonicalFace, *, tolerance: float = 2.0) -> NDArray[np.float32]:
    """Lay each mesh over the canonical face, by itself.

    Parameters
    ----------
    landmarks : (N, K, 3) array-like
        Meshes of any faces, in any unit.
    face : CanonicalFace
    tolerance : float
        cm by which a point may be off and still count by a quarter.

    Returns
    -------
    (N, K, 3) float32
        In the axes of the canonical face, cm; NaN where there is no mesh, or all of its points are one.

    Raises
    ------
    ShapeMismatch
        If there are fewer points than vertices.
    """
    points = np.asarray(landmarks, np.float64)
    values = np.full(points.shape, np.nan, np.float32)
    seen = face.fit(points).scale > 0
    if seen.any():
        prior = np.broadcast_to(face.weights.astype(np.float64), (int(seen.sum()), len(face.weights)))
        values[seen] = _fit(face.vertices.astype(np.float64), points[seen], prior, tolerance).undo(points[seen])
    return values


@dataclass(frozen=True, eq=False)
class Stabilized:
    """A clip of one face with the skull's motion taken out.

    Attributes
    ----------
    points : (T, K, 3) float64
        The mesh in the axes of the canonical face, cm; NaN in frames without one, or with all of its points in one.
    rotation : (T, 3, 3) float64
        The skull's, from the axes of the face to those of the camera.
    scale : (T,) float64
        Pixels per cm.
    shape : (V, 3) float64
        The person at rest: each point where it mostly is, in cm.
    spread : (V,) float64
        How far each point moves on the skull: root mean square, cm.
    """

    points: Doubles
    rotation: Doubles
    scale: Doubles
    shape: Doubles
    spread: Doubles


def stabilize(
    landmarks: ArrayLike, face: CanonicalFace, *, weights: ArrayLike | None = None, tolerance: float = 0.4
) -> Stabilized:
    """Take the skull's motion out of a clip of one face.

    Alternates between two: each frame is laid over the person's shape by the points that keep still on the skull, and
    the shape is where the points of all frames then mostly are. What keeps still is learned from the clip (points count
    by the inverse of their variance), and within a frame reweighted by how well each point fits. It is a generalized
    Procrustes analysis (Gower, *Psychometrika* 1975) with robust weights (Geman and McClure, 1987).

    Parameters
    ----------
    landmarks : (T, K, 3) array-like
        Meshes of one face in the frames of a clip, in any unit; NaN where there is none.
    face : CanonicalFace
        Gives the first shape, and the axes and size of the result.
    weights : (V,) array-like, optional
        How much each vertex may tell of the skull at most, 0 or more; by default all alike, and irises nothing.
    tolerance : float
        cm, above 0, by which a point may be off in a frame and still count by a quarter.

    Raises
    ------
    ShapeMismatch
        If there are fewer points than vertices, or weights of another number.
    UsageError
        If no frame has a mesh, or the weights or the tolerance are not as above.
    """
    points = np.asarray(landmarks, np.float64)
    count = len(face.vertices)
    if points.ndim != 3 or points.shape[1] < count or points.shape[2] != 3:
        raise ShapeMismatch(f"meshes of shape (T, {count} or more, 3) are needed, not {points.shape}.")
    prior = np.ones(count) if weights is None else np.asarray(weights, np.float64)
    if prior.shape != (count,):
        raise ShapeMismatch(f"{count} weights are needed, not {prior.shape}.")
    if not (np.isfinite(prior) & (prior >= 0)).all() or np.count_nonzero(prior) < 3:
        raise UsageError("weights are 0 or more, and three of them above.")
    if not tolerance > 0:
        raise UsageError(f"a tolerance is above 0 cm, not {tolerance:g}.")
    seen = np.isfinite(points).all(axis=(1, 2)) & (face.fit(points).scale > 0)
    if not seen.any():
        raise UsageError("no frame of this clip has a mesh.")
    frames = points[seen]
    shape, still = face.vertices.astype(np.float64), face.weights.astype(np.float64)
    for _ in range(ROUNDS):
        fit = _fit(shape, frames, np.broadcast_to(still, frames.shape[:1] + still.shape), tolerance)
        laid = fit.undo(frames)[:, :count]
        shape = np.median(laid, axis=0)
        spread = np.sqrt(((laid - shape) ** 2).sum(axis=2).mean(axis=0))
        still = prior / (spread**2 + STILL**2)
        shape = _onto(shape, face)
    fit = _fit(shape, frames, np.broadcast_to(still, frames.shape[:1] + still.shape), tolerance)
    whole = np.full(points.shape, np.nan)
    whole[seen] = fit.undo(frames)
    rotation, scale = np.full((len(points), 3, 3), np.nan), np.full(len(points), np.nan)
    rotation[seen], scale[seen] = fit.rotation, fit.scale
    return Stabilized(whole, rotation, scale, shape, spread)


@dataclass(frozen=True, eq=False)
class Fits:
    """Where a shape lies in N frames: points = scale * shape @ rotation.T + position."""

    rotation: Doubles
    scale: Doubles
    position: Doubles

    def undo(self, points: Doubles) -> Doubles:
        """Points of the frames (N, K, 3) in the axes and the unit of the shape."""
        return np.asarray((points - self.position[:, None]) @ self.rotation / self.scale[:, None, None], np.float64)


def _fit(shape: Doubles, frames: Doubles, prior: Doubles, tolerance: float) -> Fits:
    """Lay a shape (V, 3) over the first V points of frames (N, K, 3) by weights (N, V), reweighted by what is left."""
    measured = frames[:, : len(shape)]
    weights = prior
    for _ in range(REWEIGHTINGS):
        fits = similarities(shape, measured, weights)
        rest = np.linalg.norm(fits.undo(measured) - shape, axis=2)
        weights = prior * (tolerance**2 / (tolerance**2 + rest**2)) ** 2
    return fits


def similarities(shape: Doubles, measured: Doubles, weights: Doubles) -> Fits:
    """Turns, scales and shifts that lay a shape (V, 3) over measured points (N, V, 3) by weights (N, V).

    Least squares: Umeyama, TPAMI 1991.
    """
    share = (weights / weights.sum(axis=1, keepdims=True))[..., None]
    model = shape - (share * shape).sum(axis=1, keepdims=True)
    center = (share * measured).sum(axis=1)
    around = measured - center[:, None]
    left, stretch, right = np.linalg.svd(np.swapaxes(around, 1, 2) @ (share * model))
    sign = np.sign(np.linalg.det(left @ right))
    # Where the closest orthogonal map is a reflection, the closest rotation has the last axis the other way.
    left[:, :, 2] *= sign[:, None]
    stretch[:, 2] *= sign
    rotation = left @ right
    scale = stretch.sum(axis=1) / (share * model**2).sum(axis=(1, 2))
    middle = (share * shape).sum(axis=1)
    position = center - scale[:, None] * np.einsum("nij,nj->ni", rotation, middle)
    return Fits(rotation, scale, position)


def _onto(shape: Doubles, face: CanonicalFace) -> Doubles:
    """The shape in the axes and the size of the canonical face: nothing else fixes them."""
    weights = face.weights.astype(np.float64)[None]
    laid = similarities(face.vertices.astype(np.float64), shape[None], weights).undo(shape[None])
    return np.asarray(laid[0])
