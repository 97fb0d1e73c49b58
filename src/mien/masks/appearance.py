"""How a face would look if nothing stood before it: colours of its skin in one light, fitted to most of its pixels.

The alternation of Li, Morel-Forster, Vetter, Egger and Kortylewski (*Robust model-based face reconstruction through
weakly-supervised outlier segmentation*, CVPR 2023) in small: fit the appearance to what is believed to be the face, ask
which pixels it does not explain, fit again to the others. The shape is the mesh's; the skin has one colour, and the
light on it is a low order of spherical harmonics of the surface's direction (Ramamoorthi and Hanrahan, *An efficient
representation for irradiance environment maps*, 2001), in the logarithm, in which colour and light add up.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Unexplained", "opponents", "unexplained"]

Floats = NDArray[np.float32]

ROUNDS = 4  # of fitting and asking
DARK = 12.0  # grey levels added before the logarithm: below them there is noise
RIDGE = 3e-3  # what a light that comes from one side only costs
LEAST = (0.06, 0.02, 0.02)  # of the spread that residuals are measured by: light, red against green, blue against green
TAIL = 4.0  # squared spreads from which on a pixel is more likely not explained
STEP = 2  # every how many cells are fitted to, in x and y


@dataclass(frozen=True)
class Unexplained:
    """By how much pixels differ from the fitted appearance, in spreads of those that do not.

    Attributes
    ----------
    light : (h, w) float32
        Signed: above 0 where the picture is brighter.
    color : (h, w) float32
        At least 0.
    spread : (3,) float32
        What the residuals were measured by.
    """

    light: Floats
    color: Floats
    spread: Floats


def opponents(crop: NDArray[np.uint8]) -> Floats:
    """Light, red against green and blue against green, as logarithms: (h, w, 3)."""
    logs = np.log(crop.astype(np.float32) + np.float32(DARK))
    red, green, blue = logs[..., 0], logs[..., 1], logs[..., 2]
    return np.stack([(red + green + blue) / 3, red - green, blue - green], axis=-1)


def unexplained(signal: Floats, normals: Floats, skin: NDArray[np.bool_], belief: Floats) -> Unexplained:
    """Fit and ask in turn.

    Parameters
    ----------
    signal : (h, w, 3) float32
        See `opponents`.
    normals : (h, w, 3) float32
        Directions of the surface; anything where there is none.
    skin : (h, w) bool
        Where skin is expected: only this is fitted to.
    belief : (h, w) float32
        How likely each pixel shows the face, in [0, 1], before its colour is looked at.
    """
    terms = _harmonics(normals)
    # What the light is like says little about colours; how bright a pixel is, more: shadows of skin are redder, and
    # cameras bend their curves.
    bright = signal[..., 0] - (np.median(signal[..., 0][skin]) if skin.any() else np.float32(0))
    tints = np.concatenate([terms[..., :4], np.stack([bright, bright**2], axis=-1)], axis=-1)
    some = np.zeros(skin.shape, bool)
    some[::STEP, ::STEP] = skin[::STEP, ::STEP]
    given = belief[some].astype(np.float64)
    weight, y = given, signal[some].astype(np.float64)
    bases = [plane[some].astype(np.float64) for plane in (terms, tints)]
    light, color = (np.zeros((plane.shape[-1], wide)) for plane, wide in ((terms, 1), (tints, 2)))
    spread = np.asarray(LEAST, np.float64)
    for _ in range(ROUNDS):
        light, color = _solve(bases[0], y[:, :1], weight), _solve(bases[1], y[:, 1:], weight)
        rest = y - np.hstack([bases[0] @ light, bases[1] @ color])
        spread = np.maximum(_spread(rest, weight), LEAST)
        weight = given * _trusted((rest / spread) ** 2)
    fitted = np.concatenate([terms @ light.astype(np.float32), tints @ color.astype(np.float32)], axis=-1)
    far = (signal - fitted) / spread.astype(np.float32)
    return Unexplained(far[..., 0], np.linalg.norm(far[..., 1:], axis=-1), spread.astype(np.float32))


def _trusted(squares: NDArray[np.float64]) -> NDArray[np.float64]:
    """How much pixels are trusted whose residuals have these squares (P, 3), in spreads."""
    return np.asarray(1 / (1 + (squares.mean(axis=1) / TAIL) ** 2))


def _solve(x: NDArray[np.float64], y: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted least squares of (P, 3) by (P, B), with a price on all terms but the first."""
    weighted = x * weight[:, None]
    total = max(float(weight.sum()), 1e-6)
    price = RIDGE * total * np.r_[1e-6, np.ones(3), np.full(x.shape[1] - 4, 3.0)]
    return np.asarray(np.linalg.solve(weighted.T @ x + np.diag(price + 1e-9), weighted.T @ y))


def _spread(rest: NDArray[np.float64], weight: NDArray[np.float64]) -> NDArray[np.float64]:
    """Weighted median distance from 0, as the standard deviation of a normal distribution that has it, (3,)."""
    out = np.zeros(3)
    for channel in range(3):
        far = np.abs(rest[:, channel])
        order = np.argsort(far)
        sums = np.cumsum(weight[order])
        if len(sums) and sums[-1] > 0:
            out[channel] = far[order[np.searchsorted(sums, sums[-1] / 2)]]
    return out * 1.4826


def _harmonics(normals: Floats) -> Floats:
    """The nine terms up to the second order, not normalized, (h, w, 9)."""
    x, y, z = np.moveaxis(np.nan_to_num(normals), -1, 0)
    return np.stack([np.ones_like(x), x, y, z + 1, x * y, x * z, y * z, x * x - y * y, z * z - 1], axis=-1)
