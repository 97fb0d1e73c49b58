"""What makes one head another's: how the shape of a face differs from another, its expression left out.

Two meshes in their heads' own axes differ by who they are and by what they do. Lids, brows and lips are moved by
expressions, so that of them only the place and the width count, unless both faces do the same; the jaw counts where
both mouths are as far open. What is left moves a target's mesh towards the source's, in whatever it does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.layouts import indices_of
from mien.core.mesh import Topology
from mien.location.blendshapes import BLENDSHAPE_NAMES

__all__ = ["Likeness", "Shift"]

Doubles = NDArray[np.float64]

SURFACE = 468
SMOOTH = 1.0  # how far each point's shift is that of its neighbours: weight of the mesh's Laplacian
REGAINED = 1.2  # times: smoothing, and a mesh network that was taught average faces, make people more alike
FARTHEST = 1.2  # cm that a point may move
#: Differences of expression at which what they move counts by a third.
OPEN, MOUTH = 0.15, 0.4
LEAST = 0.02  # weight that a point has in any frame, so that one is enough
EYES: Final = (("right_eye", (33, 133)), ("left_eye", (362, 263)))
BROWS: Final = ("right_brow", "left_brow")
CHIN = 17  # the middle of the lower lip's lower edge: what is lower moves with the jaw


@dataclass(frozen=True, eq=False)
class Shift:
    """How a shape has to move to be another's.

    Attributes
    ----------
    points : (468, 3) float64
        cm, in the head's axes.
    trust : (468, 1) float64
        How much each says of the two people, rather than of what they do, in (0, 1].
    """

    points: Doubles
    trust: Doubles


class Likeness:
    """Compares shapes.

    Parameters
    ----------
    topology : Topology
        Of the mesh.
    """

    def __init__(self, topology: Topology) -> None:
        count = len(topology.vertices)
        first, second = topology.edges.T
        laplacian = np.zeros((count, count))
        laplacian[first, second] = laplacian[second, first] = -1
        laplacian[np.diag_indices(count)] = -laplacian.sum(axis=1)
        self._smooth: Doubles = np.asarray(np.linalg.inv(np.eye(count) + SMOOTH * laplacian), np.float64)
        self._eyes = [(indices_of("mesh478", name), list(corners)) for name, corners in EYES]
        self._brows = [indices_of("mesh478", name) for name in BROWS]
        self._lips = np.concatenate([indices_of("mesh478", name) for name in ("lips_outer", "lips_inner")])
        self._low = topology.vertices[:, 1] > topology.vertices[CHIN, 1]

    def shift(self, source: Doubles, target: Doubles, source_does: Doubles, target_does: Doubles) -> Shift:
        """What moves a target's shape to a source's.

        Parameters
        ----------
        source, target : (468, 3) float64
            Shapes in their heads' axes, cm.
        source_does, target_does : (52,) float64
            Their blendshapes.
        """
        apart: Doubles = source - target
        trust = np.ones((len(apart), 1))
        does = source_does - target_does
        jaw = float(np.exp(-((does[_JAW] / OPEN) ** 2)))
        lips = float(np.exp(-(does[_LIPS] ** 2).sum() / MOUTH**2))
        trust[self._low] = jaw
        moved = apart.copy()
        for ring, corners in self._eyes:
            moved[ring] = _placed(source, target, corners, ring)
        for brow in self._brows:
            moved[brow] = apart[brow].mean(axis=0)
        place = apart[self._lips].mean(axis=0)
        moved[self._lips] = place + lips * (apart[self._lips] - place)
        length = np.linalg.norm(moved, axis=1, keepdims=True)
        moved *= FARTHEST * np.tanh(length / FARTHEST) / np.maximum(length, 1e-9)
        return Shift(moved, trust.clip(LEAST, 1))

    def settled(self, shift: Doubles, trust: Doubles) -> Doubles:
        """A shift (468, 3) as smooth as the mesh wants it, points of little trust (468, 1) following the others."""
        sure = trust.clip(0, 1)
        known = self._smooth @ (sure * shift)
        weight = self._smooth @ sure
        # Far from all that is known nothing moves.
        return np.asarray(REGAINED * known / np.maximum(weight, 0.3))


def _placed(source: Doubles, target: Doubles, corners: list[int], ring: NDArray[np.intp]) -> Doubles:
    """Shift of an eye's points: its place and its width, but not how far it is open."""
    middle, there = target[corners].mean(axis=0), source[corners].mean(axis=0)
    width, wanted = (float(np.linalg.norm(np.diff(mesh[corners], axis=0))) for mesh in (target, source))
    scale = float(np.clip(wanted / max(width, 1e-6), 0.85, 1.15))
    return np.asarray(there - middle + (scale - 1) * (target[ring] - middle))


_JAW = BLENDSHAPE_NAMES.index("jawOpen")
_LIPS = [place for place, name in enumerate(BLENDSHAPE_NAMES) if name.startswith("mouth")]
