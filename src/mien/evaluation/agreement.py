"""How well numbers agree with a coder's: ICC(3,1), Pearson's r, concordance, and the mean squared error.

With n faces, x the coder's numbers and y the model's:

- ICC(3,1) of Shrout & Fleiss (*Intraclass correlations: uses in assessing rater reliability*, 1979):
  (MSR - MSE) / (MSR + MSE) for two raters, MSR the mean square between faces and MSE the residual one, of a two-way
  analysis of variance. A constant offset between the raters does not count against it.
- PCC: Pearson's r, cov(x, y) / (s_x s_y). Neither offset nor scale counts.
- CCC of Lin (*A concordance correlation coefficient to evaluate reproducibility*, 1989):
  2 cov(x, y) / (var x + var y + (mean x - mean y)^2), all with n below the line. Both count.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch

__all__ = ["Agreement", "agreement", "area_under_curve", "f1_score"]

Doubles = NDArray[np.float64]


@dataclass(frozen=True)
class Agreement:
    """Measures of two rows of numbers; NaN where one of them does not vary, or there are fewer than two faces."""

    icc: float
    pcc: float
    ccc: float
    mse: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def agreement(truth: ArrayLike, found: ArrayLike) -> Agreement:
    """Measure agreement.

    Parameters
    ----------
    truth, found : (N,) array-like
        In one unit.

    Raises
    ------
    ShapeMismatch
        If there is not one number for each.
    """
    x, y = np.asarray(truth, np.float64), np.asarray(found, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ShapeMismatch(f"one number of each is needed for each face, not {x.shape} and {y.shape}.")
    if len(x) < 2:
        return Agreement(*(np.nan,) * 3, float(np.mean((x - y) ** 2)) if len(x) else np.nan)
    mse = float(np.mean((x - y) ** 2))
    mid_x, mid_y = float(x.mean()), float(y.mean())
    covariance = float(np.mean((x - mid_x) * (y - mid_y)))
    spread = float(x.var() * y.var()) ** 0.5
    whole = float(x.var() + y.var() + (mid_x - mid_y) ** 2)
    # Two raters: between faces is the variance of sums, what is left is that of differences.
    between, residual = float((x + y).var(ddof=1)) / 2, float((x - y).var(ddof=1)) / 2
    return Agreement(
        icc=_ratio(between - residual, between + residual),
        pcc=_ratio(covariance, spread),
        ccc=_ratio(2 * covariance, whole),
        mse=mse,
    )


def area_under_curve(positive: ArrayLike, negative: ArrayLike) -> float:
    """Chance that one of the first scores higher than one of the second, ties half; NaN without both."""
    high, low = np.asarray(positive, np.float64), np.sort(np.asarray(negative, np.float64))
    if not high.size or not low.size:
        return np.nan
    below = np.searchsorted(low, high, side="left") + np.searchsorted(low, high, side="right")
    return float(below.mean() / 2 / low.size)


def f1_score(truth: NDArray[np.bool_], found: NDArray[np.bool_]) -> float:
    """Harmonic mean of precision and recall; NaN where there is nothing of either."""
    return _ratio(2 * float((truth & found).sum()), float(truth.sum() + found.sum()))


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else np.nan
