"""How restless a tracked face is from frame to frame, beyond the motion of its head: exchanged faces may flicker.

Every frame of an exchanged face is made by itself. Its shape, its colour and whom it resembles then change faster than
a head moves. There are too few open videos to say what is usual: numbers of one clip are to be held against another
clip of the same camera, not against a limit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.geometry import similarity

__all__ = ["Jitter", "Path", "measure"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

#: Points that stand still in a face: corners of the eyes, bridge of the nose, forehead, temples.
STILL = (33, 133, 263, 362, 168, 6, 197, 10, 151, 234, 454, 127, 356)
FEWEST = 10  # frames in a row


@dataclass(frozen=True)
class Jitter:
    """Restlessness of one tracked face; NaN where there are too few frames.

    Attributes
    ----------
    shape : float
        Second differences of the points about the head's own motion, root mean square, in parts of the eyes' distance.
    color : float
        The same of the face's colour against its surroundings', in logarithms.
    identity : float
        1 less the mean cosine of embeddings that follow each other: of judged frames, so that it grows with the time
        between them.
    drift : float
        1 less the lowest cosine of an embedding to the mean of all.
    frames : int
    """

    shape: float
    color: float
    identity: float
    drift: float
    frames: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; None for what is not known."""
        return {k: None if isinstance(v, float) and np.isnan(v) else v for k, v in asdict(self).items()}


@dataclass(frozen=True, eq=False)
class Path:
    """What was seen of a face in each frame.

    Attributes
    ----------
    frames : sequence of T int
        Their numbers.
    points : sequence of T (13, 2) float32
        The mesh at `STILL`.
    colors : sequence of T (3,) float64
        Logarithms of the mean colour of the face against that of its surroundings.
    vectors : sequence of (D,) float32
        Embeddings of some of the frames, in order.
    """

    frames: Sequence[int]
    points: Sequence[Floats]
    colors: Sequence[Doubles]
    vectors: Sequence[Floats]


def measure(path: Path) -> Jitter:
    """Measure the restlessness of a face."""
    shape = color = identity = drift = np.nan
    count = len(path.frames)
    # Of three frames in a row the middle one is held against the mean of its neighbours.
    steps = np.diff(np.asarray(path.frames, np.intp))
    rows = np.flatnonzero((steps[:-1] == 1) & (steps[1:] == 1)) + 1 if count > 2 else np.zeros(0, np.intp)
    if len(rows) >= FEWEST:
        points = np.stack(path.points).astype(np.float64)
        eyes = np.linalg.norm(points[:, 0] - points[:, 2], axis=1)
        first, last = (_laid(points[rows + side], points[rows]) for side in (-1, 1))
        away = points[rows] - (first + last) / 2
        shape = float(np.median(np.sqrt(np.square(away).sum(axis=-1).mean(axis=-1)) / eyes[rows]))
        colors = np.stack(path.colors)
        color = float(np.nanmedian(np.linalg.norm(colors[rows] - (colors[rows - 1] + colors[rows + 1]) / 2, axis=1)))
    vectors = [vector for vector in path.vectors if np.isfinite(vector).all()]
    if len(vectors) >= 2:
        table = np.stack(vectors).astype(np.float64)
        identity = float(1 - (table[1:] * table[:-1]).sum(axis=1).mean())
        mean = table.mean(axis=0)
        drift = float(1 - (table @ (mean / np.linalg.norm(mean))).min())
    return Jitter(shape, color, identity, drift, count)


def _laid(points: Doubles, onto: Doubles) -> Doubles:
    """Points (T, K, 2) turned, scaled and shifted onto others: what is left is not the head's motion in the plane."""
    both = [similarity(own[None], to)[0] for own, to in zip(points, onto, strict=True)]
    maps = np.stack(both).astype(np.float64)
    return np.asarray(points @ np.swapaxes(maps[:, :, :2], 1, 2) + maps[:, None, :, 2])
