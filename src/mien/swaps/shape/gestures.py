"""Expressions as motions of the mesh: which way its points go when somebody smiles, and lids that close by geometry.

The directions were measured on real and on generated faces (``tools/fit_expressions.py``): the mean motion of each
point, in the head's own axes, for each of ARKit's coefficients that the faces at hand show. They are those of an
average face; a person's own smile is none of it. As some of these faces may be used for research only, the table is
taken from an engine (``engine.runner("gesture")``), which refuses it where its licenses forbid such.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.mesh import Topology
from mien.runtime.bundle import Bundle
from mien.swaps.shape.warpfield import follow

__all__ = ["GESTURES", "Gestures", "MeanGestures", "mirrored_points", "shipped_gestures", "write_gestures"]

Doubles = NDArray[np.float64]

STEP = 1e-3  # cm: what the file counts in

#: What each gesture is made of: coefficients where its amount is above 0, and where it is below.
GESTURES: Final[Mapping[str, tuple[Mapping[str, float], Mapping[str, float]]]] = MappingProxyType(
    {
        "smile": (
            {"mouthSmileLeft": 1, "mouthSmileRight": 1, "eyeSquintLeft": 0.25, "eyeSquintRight": 0.25},
            {"mouthSmileLeft": -0.8, "mouthSmileRight": -0.8},
        ),
        "mouth_open": ({"jawOpen": 1}, {"jawOpen": -1}),
        "brows": (
            {"browInnerUp": 0.4, "browOuterUpLeft": 0.4, "browOuterUpRight": 0.4},
            {"browDownLeft": 0.8, "browDownRight": 0.8},
        ),
        "squint": ({"eyeSquintLeft": 1, "eyeSquintRight": 1}, {"eyeSquintLeft": -1, "eyeSquintRight": -1}),
    }
)

# Of the mesh, for each eye: points of the lids that stand above each other, from the outer corner to the inner.
UPPER = np.array([[246, 161, 160, 159, 158, 157, 173], [466, 388, 387, 386, 385, 384, 398]])
LOWER = np.array([[7, 163, 144, 145, 153, 154, 155], [249, 390, 373, 374, 380, 381, 382]])
CORNERS = np.array([[33, 133], [263, 362]])
# The upper lid's skin unfolds: rows above the lashes, and how far each goes with them.
FOLDS = np.array(
    [
        [[247, 30, 29, 27, 28, 56, 190], [467, 260, 259, 257, 258, 286, 414]],
        [[113, 225, 224, 223, 222, 221, 189], [342, 445, 444, 443, 442, 441, 413]],
    ]
)
UNFOLD = (0.5, 0.08)
BROWS = np.array([[46, 53, 52, 65, 55], [276, 283, 282, 295, 285]])  # their lower edges
BAGS = np.array([[110, 24, 23, 22, 26], [339, 254, 253, 252, 256]])  # a second ring below the lower lids
MEET = 0.8  # of the way: how far down the lids meet; the lower one comes up by the rest
WIDEST = 0.35  # of the opening: by how much lids open wider at most
CURTAIN = 1.0  # of the eye's width: as far as the lids' skin follows them
# Rings of the lips from within, each with its points above and, under them, those below; and how far each follows where
# the lips are kept together.
LIPS = np.array(
    [
        [[191, 80, 81, 82, 13, 312, 311, 310, 415], [95, 88, 178, 87, 14, 317, 402, 318, 324]],
        [[183, 42, 41, 38, 12, 268, 271, 272, 407], [96, 89, 179, 86, 15, 316, 403, 319, 325]],
        [[184, 74, 73, 72, 11, 302, 303, 304, 408], [77, 90, 180, 85, 16, 315, 404, 320, 307]],
        [[185, 40, 39, 37, 0, 267, 269, 270, 409], [146, 91, 181, 84, 17, 314, 405, 321, 375]],
    ]
)
FOLLOWS = (1.0, 0.9, 0.7, 0.5)


@dataclass(frozen=True, eq=False)
class Gestures:
    """Motions of the mesh by name.

    Attributes
    ----------
    names : tuple of K str
        ARKit's.
    directions : (K, 468, 3) float64
        Where each point goes from a coefficient of 0 to one of 1: cm, in the head's own axes.
    """

    names: tuple[str, ...]
    directions: Doubles

    def motion(self, amounts: Mapping[str, float]) -> Doubles:
        """Motion (468, 3), in cm, for coefficients by name, all of which are in `names`."""
        out = np.zeros(self.directions.shape[1:])
        for name, amount in amounts.items():
            out += amount * self.directions[self.names.index(name)]
        return out


class MeanGestures:
    """Those that were measured, as an engine gives them.

    Parameters
    ----------
    bundle : Bundle
        Of their card, which has no files.
    """

    def __init__(self, bundle: Bundle) -> None:  # noqa: ARG002 - as every runner is made
        self.gestures = shipped_gestures()


@cache
def shipped_gestures() -> Gestures:
    """Those that were measured: see the module. Edits ask an engine for them, for their terms' sake."""
    data = resources.files("mien.swaps.shape").joinpath("expressions.npz").read_bytes()
    with np.load(io.BytesIO(data), allow_pickle=False) as table:
        return Gestures(tuple(str(name) for name in table["names"]), table["directions"].astype(np.float64) * STEP)


def write_gestures(path: Path, names: Sequence[str], directions: ArrayLike) -> None:
    """Write the table that ships."""
    steps = np.rint(np.asarray(directions) / STEP).astype(np.int16)
    np.savez_compressed(path, names=np.array(names), directions=steps)


def mirrored_points(topology: Topology) -> NDArray[np.intp]:
    """For each vertex of the face, the one that stands opposite."""
    places = topology.vertices.astype(np.float64)
    opposite = places * (-1, 1, 1)
    return np.array([np.argmin(((opposite - place) ** 2).sum(axis=1)) for place in places], np.intp)


def lids(points: Doubles, amount: float) -> Doubles:
    """Motion of a mesh (468, 3), in its unit, whose eyes close (`amount` below 0, -1: wholly) or open (above 0).

    Lids meet, whatever the eye's shape: so this is geometry, and no average.
    """
    out = np.zeros((len(points), 3))
    parts = zip(UPPER, LOWER, CORNERS, BROWS, BAGS, *FOLDS, strict=True)
    for upper, lower, corners, brow, bag, fold, crease in parts:
        across = points[lower] - points[upper]
        if amount < 0:
            down, up = -amount * MEET * across, amount * (1 - MEET) * across
        else:
            down, up = -amount * WIDEST * across, amount * WIDEST / 4 * across
        fixed = np.concatenate([corners, brow, bag])
        known = np.concatenate([upper, lower, fold, crease, fixed])
        values = np.concatenate([down, up, *(share * down for share in UNFOLD), np.zeros((len(fixed), 3))])
        reach = CURTAIN * float(np.linalg.norm(points[corners[0]] - points[corners[1]]))
        moved = follow(points[:, :2], points[known, :2], values, max(reach, 1e-6))
        moved[known] = values
        out += moved
    return out


def kept_together(points: Doubles, motion: Doubles, *, closed: bool) -> Doubles:
    """Motion (468, 3) of a mesh (468, 3), in the head's own axes, that does not let the lips cross.

    Where they are `closed`, it does not part them either.
    """
    out = motion.copy()
    (above, below), y = LIPS[0], 1
    before = points[below, y] - points[above, y]
    after = before + motion[below, y] - motion[above, y]
    excess = after - (before if closed else np.maximum(after, np.minimum(before, 0)))
    for (upper, lower), follows in zip(LIPS, FOLLOWS, strict=True):
        out[upper, y] += follows * excess / 2
        out[lower, y] -= follows * excess / 2
    return out
