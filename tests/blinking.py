"""People who do not exist, and blink: the lids of a portrait are drawn down over its eyes by the mesh.

When they blink is known to the frame. The lids are moved by the points of the same mesh that measures them, so that
these clips are easier than filmed ones: they tell who blinked when in a picture of several, not how well lids are seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.core.mesh import warp_mesh
from mien.engine import Engine
from mien.location.topology import face_topology
from tests.curves import Lids

__all__ = ["Blinker", "film_of"]

# The edges of the lids of the right and the left eye, from corner to corner, and the corners.
UPPER = np.array([[246, 161, 160, 159, 158, 157, 173], [466, 388, 387, 386, 385, 384, 398]])
LOWER = np.array([[7, 163, 144, 145, 153, 154, 155], [249, 390, 373, 374, 380, 381, 382]])
CORNERS = (33, 133, 263, 362)


@dataclass(frozen=True, eq=False)
class Blinker:
    """A portrait that can close its eyes.

    Attributes
    ----------
    image : (H, W, 3) uint8
    mesh : (468, 3) float32
        The surface of its face.
    triangles : (T, 3) int32
        Of the surface without the openings of the eyes: so lids that come down cover what is there.
    """

    image: Image
    mesh: NDArray[np.float32]
    triangles: NDArray[np.int32]

    @classmethod
    def of(cls, image: Image, engine: Engine) -> Blinker:
        """The largest face of a picture."""
        topology = face_topology(engine=engine)
        face = engine.analyze(image, want={"landmarks"}).top(1)[0]
        rim = np.isin(topology.triangles, [*UPPER.ravel(), *LOWER.ravel(), *CORNERS]).all(axis=1)
        return cls(image, face.landmarks.values[: len(topology.vertices)], topology.triangles[~rim])

    def shut(self, right: float, left: float) -> Image:
        """The portrait with its eyes closed by these parts: 0 is as they are, 1 closed."""
        if not right and not left:
            return self.image
        moved = self.mesh.copy()
        for upper, lower, part in zip(UPPER, LOWER, (right, left), strict=True):
            moved[upper] += part * (self.mesh[lower] - self.mesh[upper])
        drawn, mask = warp_mesh(self.image, self.mesh, moved, self.triangles, self.image.shape[:2])
        return np.where(mask[..., None], drawn, self.image)


def film_of(people: Sequence[Blinker], motions: Sequence[Sequence[Lids]], times: Sequence[float]) -> list[Image]:
    """Frames of people side by side, who move their lids; portraits have one size."""
    frames = []
    for time in times:
        now = np.array([time])
        row = []
        for person, own in zip(people, motions, strict=True):
            parts = np.zeros(2)
            for motion in own:
                parts = np.maximum(parts, motion.closed(now)[0] * np.array(motion.eyes))
            row.append(person.shut(*parts.tolist()))
        frames.append(np.hstack(row))
    return frames
