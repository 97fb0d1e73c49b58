"""A person before a screen who does not exist: gaze and head as a model would tell them, and where they truly look.

For checking calibrations, of which there is no open ground truth: the geometry is exact, and what a model gets wrong is
put in by hand. Errors after a calibration of such a person say that the method works, not how well it works on people.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Directions, Placement
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.location.gaze import view_rotation

__all__ = ["SimulatedUser"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class SimulatedUser:
    """Somebody before a screen, and a camera above it.

    Attributes
    ----------
    seed : int
        Of the person: the angle between the line of sight and what a model takes for it, and the size of the head.
    screen : (width, height)
        Centimetres. The camera stands above the middle of its upper edge.
    tilt : float
        Degrees by which the screen leans back from the camera's plane.
    kappa : float
        Deviation, in degrees, of the constant angle by which a model's gaze is beside the true one.
    gain : float
        How far the model's gaze turns while the true one turns by 1, both from where the head points.
    noise : float
        Deviation of the gaze from picture to picture, degrees in each axis.
    moves : (x, y, z)
        Deviation of the head's place, cm.
    turns : float
        Deviation of the head's turn, degrees.
    """

    seed: int
    screen: tuple[float, float] = (34.0, 19.0)
    tilt: float = 5.0
    kappa: float = 4.0
    gain: float = 0.8
    noise: float = 1.5
    moves: tuple[float, float, float] = (4.0, 2.0, 5.0)
    turns: float = 6.0

    def grid(self, across: int, down: int) -> Doubles:
        """Points all over the screen, (across * down, 2) in cm from its upper left corner as the person sees it."""
        x, y = (np.linspace(0.1, 0.9, n) * size for n, size in zip((across, down), self.screen, strict=True))
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)

    def look_at(self, points: ArrayLike, *, seed: int = 0) -> Faces:
        """What a model says of pictures of this person looking at points.

        Parameters
        ----------
        points : (N, 2) array-like
            Centimetres from the screen's upper left corner, x to the person's right, y down.
        seed : int
            Of the head's places and of the noise.

        Returns
        -------
        Faces
            N faces with ``gaze`` and ``head``.
        """
        points = np.asarray(points, np.float64).reshape(-1, 2)
        count = len(points)
        person, draw = np.random.default_rng(self.seed), np.random.default_rng((self.seed, seed))
        beside, size = person.normal(0, self.kappa, 2), person.normal(1, 0.05)
        place = draw.normal(0, 1, (count, 3)) * self.moves + [0, 8, 55]
        turn = draw.normal(0, self.turns, (count, 3)) * [1, 1, 0.3]
        away = self._in_camera(points) - place
        view, head = view_rotation(place), rotation_matrix(turn).astype(np.float64)
        # From the head's own axes to those of the ray, in which `gaze` and `pose` are.
        true = Directions.from_vectors((np.swapaxes(view, 1, 2) @ away[..., None])[..., 0])
        ahead = Directions.from_vectors((np.swapaxes(view, 1, 2) @ -head[:, :, 2:])[..., 0])
        told = ahead.values + self.gain * (true.values - ahead.values) + beside
        told += draw.normal(0, self.noise, (count, 2))
        seen = np.column_stack([turn + draw.normal(0, 1, (count, 3)), place * size, np.full(count, 900.0)])
        return Faces.from_boxes(np.tile([0.0, 0.0, 1.0, 1.0], (count, 1))).with_columns(
            {"gaze": Directions(told.astype(np.float32)), "head": Placement(seen.astype(np.float32))},
            model="simulated",
        )

    def _in_camera(self, points: Doubles) -> Doubles:
        """Points of the screen in camera axes, cm; the person's right is the picture's left."""
        lean = np.deg2rad(self.tilt)
        x, down = self.screen[0] / 2 - points[:, 0], points[:, 1] + 1.0
        return np.stack([x, down * np.cos(lean), -down * np.sin(lean)], axis=1)
