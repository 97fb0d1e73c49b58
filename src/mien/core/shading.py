"""Light from all around on a surface without gloss: low orders of spherical harmonics of its normals.

Nine numbers say how bright each normal is, to a few per cent (Ramamoorthi, Hanrahan, *An efficient representation for
irradiance environment maps*, SIGGRAPH 2001). They know no shadow that one part of a face casts on another, nor gloss.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import UsageError

__all__ = ["directional", "fit_light", "harmonics"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

FEWEST = 100  # places that nine numbers are fitted to
MOST = 20000
ROUNDS = 5
#: How much each harmonic is held back where the normals do not tell: all that is seen of a head looks at the camera.
HELD = (0, 1, 1, 1, 3, 3, 3, 3, 3)


def harmonics(normals: ArrayLike) -> Floats:
    """Real spherical harmonics up to the second order, but for their constants, of unit normals (..., 3): (..., 9).

    In this order: 1, x, y, z, xy, xz, yz, x² - y², 3 z² - 1.
    """
    x, y, z = np.moveaxis(np.asarray(normals, np.float32), -1, 0)
    rows = [np.ones_like(x), x, y, z, x * y, x * z, y * z, x * x - y * y, 3 * z * z - 1]
    return np.stack(rows, axis=-1).astype(np.float32)


def fit_light(normals: ArrayLike, level: ArrayLike, weight: ArrayLike, *, held: float = 1e-3) -> Doubles | None:
    """The light that explains brightness best; what it does not explain counts less and less.

    Parameters
    ----------
    normals : (..., 3) array-like
    level : (...) array-like
        Brightness, in linear light.
    weight : (...) array-like
        How much each place counts, in [0, 1]; those at 0.3 or less do not.
    held : float
        How strongly harmonics are held back where the normals do not tell them apart.

    Returns
    -------
    (9,) float64 or None
        Of `harmonics`; None where fewer than 100 places count.
    """
    trusts = np.asarray(weight, np.float64).ravel()
    rows = np.flatnonzero(trusts > 0.3)
    if len(rows) < FEWEST:
        return None
    rows = rows[:: max(len(rows) // MOST, 1)]
    basis = harmonics(np.asarray(normals, np.float32).reshape(-1, 3)[rows]).astype(np.float64)
    seen, known = np.asarray(level, np.float64).ravel()[rows], trusts[rows]
    trust, light = known, np.zeros(9)
    for _ in range(ROUNDS):
        normal = (basis * trust[:, None]).T @ basis + held * trust.sum() * np.diag(HELD)
        light = np.linalg.solve(normal, (basis * trust[:, None]).T @ seen)
        off = np.abs(seen - basis @ light)
        trust = known / (1 + (off / max(1.5 * float(np.median(off)), 1e-4)) ** 2)
    return np.asarray(light)


def directional(direction: ArrayLike) -> Doubles:
    """A far, small lamp: the brightness max(cos, 0) of normals by their angle to it, as `harmonics` tell it.

    Parameters
    ----------
    direction : (3,) array-like
        From the face to the lamp, in the axes of the normals; of any length.

    Returns
    -------
    (9,) float64

    Raises
    ------
    UsageError
        If it has no direction.
    """
    d = np.asarray(direction, np.float64)
    length = np.linalg.norm(d) if d.shape == (3,) else np.nan
    if not 0 < length < np.inf:
        raise UsageError(f"a direction is three numbers that are not all 0, not {direction!r}.")
    x, y, z = d / length
    # max(cos, 0) = 1/4 + cos / 2 + 5/16 (3 cos² - 1) / 2 + ..., and the addition theorem for the last.
    second = [3 * x * y, 3 * x * z, 3 * y * z, 0.75 * (x * x - y * y), 0.25 * (3 * z * z - 1)]
    return np.array([0.25, x / 2, y / 2, z / 2, *(5 / 16 * np.array(second))])
