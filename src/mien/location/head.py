"""The head in the camera's space: rotation and position, through a pinhole camera."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Placement
from mien.core.errors import CardError
from mien.core.geometry import angles
from mien.location.canonical import CanonicalFace
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["PinholeHead", "assumed_focal", "place"]

Doubles = NDArray[np.float64]

EYE_CORNERS = [33, 133, 362, 263]  # of the mesh: their middle is the place that a head has
STEPS = 20  # of Gauss and Newton at most; four to eight are the rule
SETTLED, LOOSE = 1e-6, 1e-4  # size of the last step, in radians and parts of the distance: done, and good enough


class PinholeHead:
    """Gives ``head`` to faces that have ``landmarks``: where the head is and which way it is turned, by perspective.

    The canonical face is placed before a pinhole camera so that its rigid points (those that expressions leave in
    place) fall onto the mesh's, and their depths agree with the mesh's, which count less. Gauss and Newton's method,
    from the fit that ``pose`` is made of.

    A picture does not tell how long its lens was. So the distance is that of a head of average size through a camera
    with an assumed angle of view, in a picture that is not cropped: a child is nearer than it says, and with a focal
    length twice as long everything is twice as far. `Placement.focal` tells which was taken.

    Parameters
    ----------
    bundle : Bundle
        Card with the file ``geometry`` and the params

        - ``view``: the assumed angle of view across the picture's diagonal, degrees;
        - ``focal``: the focal length in pixels where it is known, which is then taken for every picture; 0: not known;
        - ``depth``: weight of the mesh's depths against its picture positions.

    Raises
    ------
    CardError
        If the params are not as above.
    """

    def __init__(self, bundle: Bundle) -> None:
        self._canonical = CanonicalFace.read(bundle.path("geometry"))
        params = bundle.card.params
        try:
            self._view, self._focal, self._depth = (float(params[name]) for name in ("view", "focal", "depth"))
        except (KeyError, TypeError, ValueError) as error:
            raise CardError(f"the card of {bundle.card.id} does not describe its camera: {error!r}.") from error
        if not 1 <= self._view <= 170 or self._focal < 0 or self._depth < 0:
            raise CardError(f"the card of {bundle.card.id} has a view of 1 to 170 degrees, and no number below 0.")

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        landmarks = batch.faces.landmarks
        sizes = batch.sizes.astype(np.float64)
        focal = np.full(len(sizes), self._focal) if self._focal else assumed_focal(sizes, self._view)
        values = place(landmarks.values, sizes, focal, self._canonical, depth=self._depth)
        lost = np.isnan(values[:, 0])
        reasons = landmarks.reasons_for(lost, "no place before the camera explains this mesh")
        return {"head": Placement(values, reasons=reasons)}


def assumed_focal(sizes: Doubles, view: float) -> Doubles:
    """Focal length in pixels (N,) of pictures (N, 2), width and height, with an angle of view across the diagonal."""
    return np.asarray(np.hypot(*sizes.T) / 2 / np.tan(np.deg2rad(view) / 2))


def place(
    landmarks: NDArray[np.floating[Any]], sizes: Doubles, focal: Doubles, face: CanonicalFace, *, depth: float = 0.3
) -> NDArray[np.float32]:
    """Place a face before a pinhole camera so that it is seen as meshes say.

    Parameters
    ----------
    landmarks : (N, K, 3) array
        Meshes: pixels, and depths in the same scale; K is at least the number of vertices of `face`.
    sizes : (N, 2) float64
        Width and height of each mesh's picture; the camera looks at its middle.
    focal : (N,) float64
        Focal lengths in pixels.
    face : CanonicalFace
    depth : float
        Weight of depths against picture positions; 0: positions alone.

    Returns
    -------
    (N, 7) float32
        As `Placement` has them; NaN where there is no mesh, or the method does not settle in front of the camera.
    """
    rigid = face.weights > 0
    weights = face.weights[rigid] / face.weights[rigid].sum(dtype=np.float64)
    model = face.vertices[rigid].astype(np.float64)
    middle = weights @ model
    start = face.fit(landmarks)
    good = np.isfinite(start.scale) & (start.scale > 0) & np.isfinite(focal)
    result = np.full((len(landmarks), 7), np.nan, np.float32)
    if not good.any():
        return result
    seen = landmarks[good][:, : len(rigid)][:, rigid].astype(np.float64)
    seen[..., :2] -= (sizes[good, None] - 1) / 2
    seen[..., 2] -= (seen[..., 2] @ weights)[:, None]
    view = _View(model - middle, weights, seen, focal[good], depth)
    rotation, position, settled = view.solve(start.rotation[good], start.scale[good])
    eyes = face.vertices[EYE_CORNERS].mean(axis=0) - middle
    found = np.column_stack([angles(rotation), rotation @ eyes + position, focal[good]])
    found[~(settled & (position[:, 2] > 0))] = np.nan
    result[good] = found
    return result


@dataclass(frozen=True, eq=False)
class _View:
    """Faces to place.

    Attributes
    ----------
    model : (K, 3) float64
        Points of the face about their weighted middle, cm.
    weights : (K,) float64
        Of the points; their sum is 1.
    seen : (N, K, 3) float64
        What is seen of them, in pixels about the camera's axis, with depths about their weighted middle.
    focal : (N,) float64
        Pixels.
    depth : float
        Weight of depths.
    """

    model: Doubles
    weights: Doubles
    seen: Doubles
    focal: Doubles
    depth: float

    def solve(self, rotation: Doubles, scale: Doubles) -> tuple[Doubles, Doubles, NDArray[np.bool_]]:
        """Rotations (N, 3, 3), positions of the model's middle (N, 3), and where the method settled, (N,)."""
        distance = self.focal / scale
        ray = np.einsum("nki,k->ni", self.seen[..., :2], self.weights) / self.focal[:, None]
        position = np.column_stack([ray, np.ones(len(ray))]) * distance[:, None]
        step = np.zeros((len(ray), 6))
        for _ in range(STEPS):
            rest, slope = self._linear(rotation, position)
            normal = np.einsum("nri,nrj->nij", slope, slope)
            # Nonsense may leave a direction undetermined: it must not stop the faces beside it.
            ridge = 1e-12 * (1 + np.trace(normal, axis1=1, axis2=2))
            normal += ridge[:, None, None] * np.eye(6)
            step = -np.linalg.solve(normal, np.einsum("nri,nr->ni", slope, rest)[..., None])[..., 0]
            rotation = _turned(rotation, step[:, :3])
            position = position + step[:, 3:] * position[:, 2:].clip(min=1e-6)
            if np.abs(step).max() < SETTLED:
                break
        return rotation, position, np.abs(step).max(axis=1) < LOOSE

    def _linear(self, rotation: Doubles, position: Doubles) -> tuple[Doubles, Doubles]:
        """What is left to explain (N, 3K), in parts of the distance, and its slope (N, 3K, 6).

        The six are a turn in radians about the camera's axes, and a shift in parts of the distance.
        """
        points = self.model @ np.swapaxes(rotation, 1, 2)  # about the face's middle, in camera axes
        far = position[:, 2, None, None].clip(min=1e-6)
        seen = self.seen / self.focal[:, None, None]
        x, y, z = np.moveaxis((points + position[:, None]) / far, 2, 0)[..., None]
        z = np.where(np.abs(z) < 1e-6, 1e-6, z)
        # A turn w moves a point p about the middle by w x p; a shift d by d times the distance.
        turned = _crosses(-points / far)
        shifted = np.broadcast_to(np.eye(3), turned.shape)
        dx, dy, dz = np.moveaxis(np.concatenate([turned, shifted], axis=3), 2, 0)
        # The mesh's depths are along the ray to the face. A shift leaves them, but they shrink with the distance.
        ray = (position / np.linalg.norm(position, axis=1, keepdims=True))[:, None, :, None]
        depth = points @ ray[:, 0] / far
        dz_seen = np.concatenate([(ray * turned).sum(axis=2), np.zeros_like(turned[:, :, 0, :2]), -depth], axis=2)
        rest = np.concatenate(
            [x / z - seen[..., :1], y / z - seen[..., 1:2], self.depth * (depth - seen[..., 2:])], axis=2
        )
        slope = np.stack([(dx - x / z * dz) / z, (dy - y / z * dz) / z, self.depth * dz_seen], axis=2)
        root = np.sqrt(self.weights)[:, None]
        count = len(points)
        return (rest * root).reshape(count, -1), (slope * root[..., None]).reshape(count, -1, 6)


def _crosses(vectors: Doubles) -> Doubles:
    """Matrices (..., 3, 3) that take the cross product of vectors (..., 3) with another."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    nothing = np.zeros_like(x)
    return np.stack([nothing, -z, y, z, nothing, -x, -y, x, nothing], axis=-1).reshape(*vectors.shape, 3)


def _turned(rotation: Doubles, turn: Doubles) -> Doubles:
    """Rotations (N, 3, 3) turned further about the camera's axes by vectors (N, 3), radians (Rodrigues' formula)."""
    angle = np.linalg.norm(turn, axis=1)[:, None, None]
    cross = _crosses(turn / np.where(angle[..., 0] > 0, angle[..., 0], 1.0))
    return np.asarray((np.eye(3) + np.sin(angle) * cross + (1 - np.cos(angle)) * (cross @ cross)) @ rotation)
