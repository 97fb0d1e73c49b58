"""How far alphas are from true ones: the five errors of the literature, in the whole picture and in the unknown band.

Sum and mean of absolute differences, mean of squared ones, and the two that people's eyes agree with (Rhemann, Rother,
Wang, Gelautz, Kohli & Rott, *A Perceptually Motivated Online Benchmark for Image Matting*, CVPR 2009): differences of
gradients, and of how pixels hang together with the whole. Intervals are over pictures.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, ShapeMismatch
from mien.core.image import load_image
from mien.core.region import Region
from mien.datasets.readers.mattes import MattedPicture, read_mattes
from mien.engine import Engine, default_engine
from mien.evaluation.intervals import Interval, bootstrap
from mien.masks.matting import matte

__all__ = ["ERRORS", "Failed", "MattingReport", "Measure", "compare_alphas", "evaluate_matting", "unknown_band"]

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

#: The errors by name, and the unit that they are told in, as is usual.
ERRORS: Mapping[str, str] = MappingProxyType(
    {
        "sad": "sum of absolute differences, thousands of pixels",
        "mad": "mean absolute difference, thousandths",
        "mse": "mean squared difference, thousandths",
        "gradient": "squared differences of gradients, summed, thousands",
        "connectivity": "differences of connectivity, summed, thousands",
    }
)
BLUR = 1.4  # pixels: of the Gaussian whose derivatives are the gradients
LEVELS = 10  # thresholds at which it is asked what hangs together
TOLERANCE = 0.15  # of alpha above the level at which a pixel is connected, that is no error
BAND = 0.01  # half width of the unknown band, in parts of the picture's side, around all that is mixed


@dataclass(frozen=True)
class Measure:
    """A mean over pictures, and its 95 % interval over draws of pictures."""

    mean: float
    interval: Interval


@dataclass(frozen=True)
class Failed:
    """A picture that could not be measured, and why."""

    path: str
    reason: str


@dataclass(frozen=True)
class MattingReport:
    """The result of an evaluation.

    Parameters
    ----------
    model : str
        Which model gave the alphas.
    pictures : int
        How many were measured.
    failed : tuple of Failed
        Those that were not.
    whole, unknown : mapping of str to Measure
        Each of `ERRORS`, in all of the picture, and in the band where the true alpha is mixed.
    """

    model: str
    pictures: int
    failed: tuple[Failed, ...]
    whole: Mapping[str, Measure]
    unknown: Mapping[str, Measure]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""

        def plain(measures: Mapping[str, Measure]) -> dict[str, Any]:
            return {name: {"mean": one.mean, "interval": list(one.interval)} for name, one in measures.items()}

        return {
            "model": self.model,
            "pictures": self.pictures,
            "failed": [vars(one) for one in self.failed],
            "whole": plain(self.whole),
            "unknown": plain(self.unknown),
        }


def evaluate_matting(
    source: str | os.PathLike[str] | Sequence[MattedPicture],
    *,
    refine: bool = True,
    engine: Engine | None = None,
) -> MattingReport:
    """Measure `mien.matte` on pictures whose alpha is known.

    Parameters
    ----------
    source : path or sequence of MattedPicture
        A set's folder: see `mien.datasets.readers.mattes`.
    refine : bool
        See `mien.matte`.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    SourceError
        If there is no such set.
    InputError
        If none of its pictures can be measured.
    ModelError, DeviceUnavailable
        If the model cannot be had or run.
    """
    engine = engine or default_engine()
    pairs = read_mattes(source) if isinstance(source, str | os.PathLike) else list(source)
    engine.preload("matte")  # what is missing is heard once, and not for each picture
    failed, whole, unknown = [], [], []
    for pair in pairs:
        try:
            truth, image = pair.read(), load_image(pair.path)
            band = unknown_band(truth, pair.read_trimap())
            found = matte(image, refine=refine, engine=engine).alpha
            everywhere, there = compare_alphas(found, truth, band)
        except (InputError, ShapeMismatch, MemoryError) as error:
            failed.append(Failed(str(pair.path), str(error) or type(error).__name__))
            continue
        whole.append(everywhere)
        unknown.append(there)
    if not whole:
        first = f" {failed[0].reason}" if failed else ""
        raise InputError(f"none of {len(pairs)} pictures could be measured.{first}")
    return MattingReport(engine.choose("matte").id, len(whole), tuple(failed), _means(whole), _means(unknown))


def unknown_band(truth: Region, trimap: Region | None = None) -> Bools:
    """Where alpha is hard: what a trimap leaves open, or a hundredth of the picture's side around all mixed pixels.

    Parameters
    ----------
    truth : Region
        The true alpha.
    trimap : Region, optional

    Returns
    -------
    (H, W) bool

    Raises
    ------
    ShapeMismatch
        If the trimap is of another size.
    """
    import cv2

    if trimap is not None:
        _check_sizes(trimap, truth, "a trimap")
        marks = trimap.to_levels()
        return np.asarray((marks > 0) & (marks < 255))
    levels = truth.to_levels()
    size = max(round(BAND * float(np.sqrt(levels.size))), 1)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * size + 1, 2 * size + 1))
    # Where something is not nothing nearby, and something is not all.
    return np.asarray((cv2.dilate(levels, disc) > 0) & (cv2.erode(levels, disc) < 255))


def compare_alphas(found: Region, truth: Region, unknown: Bools) -> tuple[dict[str, float], dict[str, float]]:
    """The errors of an alpha, in the units of `ERRORS`: in the whole picture, and in its unknown band.

    Raises
    ------
    ShapeMismatch
        If the two are of pictures of different sizes, or the band is.
    """
    _check_sizes(found, truth, "an alpha")
    if unknown.shape != truth.size[::-1]:
        raise ShapeMismatch(f"a band of {unknown.shape} does not fit a picture of {truth.size[::-1]}.")
    a, b = found.to_array(), truth.to_array()
    off = np.abs(a - b)
    maps = {
        "sad": off / 1000,
        "mad": off * 1000,
        "mse": off**2 * 1000,
        "gradient": (_slope(a) - _slope(b)) ** 2 / 1000,
        "connectivity": np.abs(_connectedness(a, b) - _connectedness(b, a)) / 1000,
    }
    everywhere = np.ones_like(unknown)
    return tuple(  # type: ignore[return-value]
        {name: _summed(values[part], mean=name in ("mad", "mse")) for name, values in maps.items()}
        for part in (everywhere, unknown)
    )


def _summed(values: Floats, *, mean: bool) -> float:
    if not values.size:
        return 0.0
    return float(values.mean(dtype=np.float64) if mean else values.sum(dtype=np.float64))


def _slope(alpha: Floats) -> Floats:
    """The length of alpha's gradient, by derivatives of a Gaussian, as filters of unit length."""
    import cv2

    reach = 4  # pixels, where the Gaussian falls below a hundredth
    x = np.arange(-reach, reach + 1, dtype=np.float64)
    bell = np.exp(-(x**2) / (2 * BLUR**2))
    bell, slope = bell / np.linalg.norm(bell), x * bell / np.linalg.norm(x * bell)
    across = cv2.sepFilter2D(alpha, cv2.CV_32F, slope, bell, borderType=cv2.BORDER_REPLICATE)
    down = cv2.sepFilter2D(alpha, cv2.CV_32F, bell, slope, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(np.hypot(across, down), np.float32)


def _connectedness(alpha: Floats, other: Floats) -> Floats:
    """How well each pixel of an alpha hangs together with the largest piece that both share: 1 where it does."""
    import cv2

    connected = np.ones_like(alpha)  # the highest level at which a pixel is still part of that piece
    open_ = np.ones(alpha.shape, bool)
    for level in range(1, LEVELS + 1):
        shared = ((alpha >= level / LEVELS) & (other >= level / LEVELS)).view(np.uint8)
        number, labels, stats, _ = cv2.connectedComponentsWithStats(shared, connectivity=4)
        piece = labels == 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA])) if number > 1 else np.zeros_like(open_)
        left = open_ & ~piece
        connected[left] = (level - 1) / LEVELS
        open_ &= piece
    above = alpha - connected
    return np.asarray(1 - above * (above >= TOLERANCE), np.float32)


def _means(errors: Sequence[Mapping[str, float]]) -> Mapping[str, Measure]:
    def mean(values: Sequence[float]) -> float:
        return float(np.mean(values))

    columns = {name: [one[name] for one in errors] for name in ERRORS}
    return MappingProxyType({name: Measure(mean(c), bootstrap(mean, c)) for name, c in columns.items()})


def _check_sizes(one: Region, truth: Region, what: str) -> None:
    if one.size != truth.size:
        raise ShapeMismatch(f"{what} of {one.size} pixels does not fit a matte of {truth.size}.")
