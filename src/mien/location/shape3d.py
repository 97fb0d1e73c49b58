"""The face in millimetres: the mesh on the skull, with the iris as its ruler.

A picture does not tell how large a head is: a doll near the lens looks like a giant far away. Two things are known of
people. Irises are 11.7 mm wide and differ little from one to the next (standard deviation 0.42 mm: Rüfer, Schröder,
Erb, *White-to-white corneal diameter*, Cornea 2005, on adults; MediaPipe Iris measures distances by them). And heads of
adults have an average size. Both are estimates of one scale with an error of their own, and are weighed by it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Points
from mien.core.errors import CardError
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["IrisShape", "Ruler", "Scales", "iris_diameters"]

Doubles = NDArray[np.float64]

#: For the right and the left eye: the iris's centre (its rim follows), the eye's corners, the middle of both lids.
_EYES = ((468, 33, 133, 159, 145), (473, 263, 362, 386, 374))
_RIM = [1, 2, 3, 4]  # after the centre: one side, top, the other side, bottom
_CORNERS = [33, 263]  # outer ones: how large a stabilized mesh is beside its face in the picture


def iris_diameters(landmarks: NDArray[np.floating[Any]]) -> Doubles:
    """Widths of the irises in pixels, (N, 2): right, left.

    A circle that is seen at a slant is an ellipse whose long axis is its diameter. The four rim points are the ends of
    two of its diameters, which need not be its axes.

    Parameters
    ----------
    landmarks : (N, 478, 2 or 3) array
    """
    rims = np.stack([landmarks[:, [centre + step for step in _RIM], :2] for centre, *_ in _EYES], axis=1)
    a, b = np.moveaxis(np.asarray(rims[:, :, :2] - rims[:, :, 2:], np.float64), 2, 0)
    squares = (a**2 + b**2).sum(axis=-1)
    area = a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0]
    return np.asarray(np.sqrt((squares + np.sqrt((squares**2 - 4 * area**2).clip(min=0))) / 2))


@dataclass(frozen=True, eq=False)
class Scales:
    """How large N faces are.

    Attributes
    ----------
    factor : (N,) float64
        Millimetres of the face for each millimetre of the stabilized mesh, which is as large as the canonical face.
    spread : (N,) float64
        Standard deviation of its logarithm: what is left open, as a part of the face's size.
    trust : (N,) float64
        In [0, 1]: how much of it the irises say; the rest is the average head. 0 where no iris is seen well enough.
    """

    factor: Doubles
    spread: Doubles
    trust: Doubles


@dataclass(frozen=True)
class Ruler:
    """Weighs irises against the average head; the card's ``[params]``.

    Attributes
    ----------
    iris, iris_spread : float
        Mean diameter in mm, and its standard deviation among people as a part of it.
    average, average_spread : float
        Size of an average head in canonical faces, and its standard deviation as a part of it.
    noise : float
        Standard deviation with which the mesh reads an iris that faces the camera, as a part of its diameter.
    slant : float
        How much that grows with what the eye's width loses by being seen at a slant.
    pixels : float
        Standard deviation of a diameter in pixels, which counts where irises are small.
    smallest : float
        Pixels; smaller irises are not read.
    open : float
        Height of the eye's opening in diameters of the iris; irises behind lids that are closer are not read.
    """

    iris: float
    iris_spread: float
    average: float
    average_spread: float
    noise: float
    slant: float
    pixels: float
    smallest: float
    open: float

    def measure(self, landmarks: NDArray[np.floating[Any]], stabilized: NDArray[np.floating[Any]]) -> Scales:
        """Sizes of faces.

        Parameters
        ----------
        landmarks : (N, 478, 3) array
            Meshes in pixels.
        stabilized : (N, 478, 3) array
            The same in cm, on the canonical face.

        Returns
        -------
        Scales
            NaN for faces without a mesh.
        """
        points, laid = np.asarray(landmarks, np.float64), np.asarray(stabilized, np.float64)
        there = np.isfinite(points).all(axis=(1, 2)) & np.isfinite(laid).all(axis=(1, 2))
        diameter, error = self._irises(points)
        with np.errstate(invalid="ignore", divide="ignore"):
            span = [np.linalg.norm(mesh[:, _CORNERS[0]] - mesh[:, _CORNERS[1]], axis=1) for mesh in (points, laid)]
            readings = np.log(self.iris / diameter * (span[0] / (10 * span[1]))[:, None])
        weights = np.where(np.isfinite(readings) & np.isfinite(error), error**-2.0, 0.0)
        total = weights.sum(axis=1)
        share = weights / np.where(total > 0, total, 1.0)[:, None]
        said = (share * np.nan_to_num(readings)).sum(axis=1)
        # The eyes of a face err together, so that two are no better than one; where they disagree, one errs more.
        noise = np.sqrt((share * np.nan_to_num(error, posinf=0.0) ** 2).sum(axis=1))
        apart = np.sqrt((share * (np.nan_to_num(readings) - said[:, None]) ** 2).sum(axis=1))
        iris, average = noise**2 + apart**2 + self.iris_spread**2, self.average_spread**2
        trust = np.where(total > 0, average / (average + iris), 0.0)
        factor = np.exp(trust * said + (1 - trust) * np.log(self.average))
        spread = np.sqrt(average * (1 - trust))
        nothing = np.where(there, 0.0, np.nan)
        return Scales(factor + nothing, spread + nothing, trust + nothing)

    def _irises(self, points: Doubles) -> tuple[Doubles, Doubles]:
        """Diameters in pixels and their errors as parts of them, (N, 2) each; infinite where they cannot be read."""
        diameters = iris_diameters(points)
        errors = np.empty_like(diameters)
        with np.errstate(invalid="ignore", divide="ignore"):
            for side, (_, outer, inner, above, below) in enumerate(_EYES):
                across, lids = points[:, outer] - points[:, inner], points[:, above] - points[:, below]
                facing = np.linalg.norm(across[:, :2], axis=1) / np.linalg.norm(across, axis=1)
                read = diameters[:, side] >= self.smallest
                read &= np.linalg.norm(lids, axis=1) >= self.open * diameters[:, side]
                error = np.hypot(self.noise + self.slant * (1 - facing), self.pixels / diameters[:, side])
                errors[:, side] = np.where(read, error, np.inf)
        return diameters, errors


class IrisShape:
    """Gives ``shape`` to faces that have ``landmarks`` and ``stabilized``: the mesh in millimetres.

    The axes are the head's own (x right, y down, z away, as if it looked into the camera) and the origin is that of
    the canonical face, inside the head: 2.5 cm below the middle between the eyes and 3.3 cm behind it. Expression is
    left in. Perspective is not taken out: see the manual for what that costs.

    Parameters
    ----------
    bundle : Bundle
        A card without files, whose params are those of `Ruler`.

    Raises
    ------
    CardError
        If a param is missing, or not a number above 0.
    """

    def __init__(self, bundle: Bundle) -> None:
        self.ruler = bundle.card.settings(Ruler)
        if not all(isinstance(value, int | float) and value > 0 for value in vars(self.ruler).values()):
            raise CardError(f"the params of {bundle.card.id} are numbers above 0.")

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        landmarks, laid = batch.faces.landmarks, batch.faces.stabilized
        scales = self.ruler.measure(landmarks.values, laid.values)
        values = (10 * scales.factor[:, None, None] * laid.values).astype(np.float32)
        reasons = laid.reasons_for(np.isnan(scales.factor), "the face has no mesh")
        return {"shape": Points(values, layout=landmarks.layout, reasons=reasons)}
