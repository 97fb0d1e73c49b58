"""Regression from few samples: kernels to choose from, chosen by the error on samples that were left out.

Ridge regression on some features and a Gaussian process differ in nothing but their kernel: both predict
k (K + n I)⁻¹ y. So one piece of algebra fits either, and gives the residuals that leaving out any group of samples
would give, without fitting again.

References
----------
Rasmussen & Williams, *Gaussian Processes for Machine Learning*, 2006: chapters 2 and 5.4.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["CANDIDATES", "Fit", "Kernel", "choose", "left_out"]

Doubles = NDArray[np.float64]
LENGTH: Final = 2.0  # of the smooth functions, in deviations of the features
LOOSE: Final = 100.0  # variance of what is hardly penalized: the constant and the slopes of the first two features


@dataclass(frozen=True)
class Kernel:
    """What a regression takes for alike: sums of what the first two features say, the others, squares, and closeness.

    Attributes
    ----------
    others : float
        Variance of the slopes of the features after the second; 0: they do not count.
    squares : float
        Variance of the products of the first two features; 0: none.
    smooth : float
        Variance of a smooth function of all features (Gaussian, of length 2 in their units); 0: none.
    noise : float
        Variance of the noise, in that of the targets.
    """

    others: float = 0.0
    squares: float = 0.0
    smooth: float = 0.0
    noise: float = 0.1

    def __call__(self, one: Doubles, other: Doubles) -> Doubles:
        """Covariances (n, m) of samples (n, k) and (m, k)."""
        flat = one[:, :2] @ other[:, :2].T
        out = LOOSE * (1 + flat) + self.others * (one[:, 2:] @ other[:, 2:].T) + self.squares * flat**2
        if self.smooth:
            apart = ((one[:, None] - other[None]) ** 2).sum(axis=2)
            out = out + self.smooth * np.exp(-0.5 * apart / LENGTH**2)
        return np.asarray(out)


#: Ridge regressions with more and more features, and Gaussian processes; each with little, more and much noise.
CANDIDATES: Final = tuple(
    Kernel(others, squares, smooth, noise)
    for (others, squares, smooth), noise in product(
        [(0, 0, 0), (0.1, 0, 0), (1, 0, 0), (0, 0.1, 0), (0.1, 0.1, 0), (0, 0, 0.3), (0.1, 0, 1.0)], [0.01, 0.1, 0.5]
    )
)


@dataclass(frozen=True, eq=False)
class Fit:
    """A regression that was fitted.

    Attributes
    ----------
    kernel : Kernel
    samples : (n, k) float64
    inverse : (n, n) float64
        (K + noise I)⁻¹.
    weights : (n, t) float64
        That times the targets.
    """

    kernel: Kernel
    samples: Doubles
    inverse: Doubles
    weights: Doubles

    @classmethod
    def of(cls, kernel: Kernel, samples: Doubles, targets: Doubles) -> Fit:
        """Fit targets (n, t) of samples (n, k); both should have means of 0 and deviations of 1."""
        inverse = np.asarray(np.linalg.inv(kernel(samples, samples) + kernel.noise * np.eye(len(samples))), np.float64)
        return cls(kernel, samples, inverse, inverse @ targets)

    @property
    def targets(self) -> Doubles:
        """What it was fitted to, (n, t)."""
        return np.asarray(np.linalg.solve(self.inverse, self.weights))

    def predict(self, samples: Doubles) -> tuple[Doubles, Doubles]:
        """Means (m, t), and variances (m,) of what is not known, without the noise.

        The variances are in units of the targets: the kernel's own are scaled so that the targets are as likely as can
        be (section 5.4.1).
        """
        across = self.kernel(samples, self.samples)
        own = np.array([self.kernel(row[None], row[None])[0, 0] for row in samples]).reshape(len(samples))
        variances = own - np.einsum("ij,jk,ik->i", across, self.inverse, across)
        return across @ self.weights, self._amplitude * variances.clip(0)

    @property
    def usual_variance(self) -> float:
        """Mean of the variances that `predict` would give its own samples, were each left out."""
        return self._amplitude * float((1 / np.diag(self.inverse) - self.kernel.noise).clip(0).mean())

    @property
    def _amplitude(self) -> float:
        return float((self.targets * self.weights).mean())


def left_out(fit: Fit, groups: NDArray[np.intp]) -> Doubles:
    """Residuals (n, t), target less prediction, where each group of samples is predicted by all others."""
    rest = np.empty_like(fit.weights)
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        rest[rows] = np.linalg.solve(fit.inverse[np.ix_(rows, rows)], fit.weights[rows])
    return rest


def choose(
    samples: Doubles, targets: Doubles, groups: NDArray[np.intp], candidates: Sequence[Kernel] = CANDIDATES
) -> Kernel:
    """The kernel with the least mean distance between targets and what is predicted for groups that are left out."""

    def error(kernel: Kernel) -> float:
        return float(np.linalg.norm(left_out(Fit.of(kernel, samples, targets), groups), axis=1).mean())

    return min(candidates, key=error)
