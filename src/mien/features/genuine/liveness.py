"""Whether a person was before the camera, by one picture: small networks on crops around the face."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Flag
from mien.core.errors import ModelError
from mien.core.warping import warp_batch
from mien.engine import Batch
from mien.runtime.bundle import Bundle

__all__ = ["MiniFASNet", "windows"]

Doubles: TypeAlias = NDArray[np.float64]

SIDE = 80  # pixels of the networks' crops
LIVE = 1  # of their three classes; the two others are attacks


def windows(
    boxes: NDArray[np.floating[Any]], sizes: NDArray[np.floating[Any]], scale: float
) -> tuple[Doubles, Doubles]:
    """Parts of pictures around faces: `scale` times as wide and as high as the boxes, pushed into the picture.

    Where the picture is not large enough for that, the part is as large as the picture permits with the box's
    proportions.

    Parameters
    ----------
    boxes : (N, 4) array
        xyxy in pixels.
    sizes : (N, 2) array
        Width and height of each face's picture.
    scale : float

    Returns
    -------
    windows : (N, 4) float64
        xyxy, whole pixels inside of the picture.
    scales : (N,) float64
        How many times as wide as its box each part is.
    """
    boxes, sizes = np.asarray(boxes, np.float64), np.asarray(sizes, np.float64)
    sides = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    scales = np.minimum(((sizes - 1) / sides).min(axis=1, initial=scale), scale)
    half = sides * scales[:, None] / 2
    middle = (boxes[:, :2] + boxes[:, 2:]) / 2
    middle = np.minimum(np.maximum(middle, half), sizes - 1 - half)
    # The authors' program cuts at whole pixels, the last one included.
    return np.column_stack([np.floor(middle - half + 1e-6), np.floor(middle + half + 1e-6) + 1]), scales


@dataclass(frozen=True)
class _Settings:
    """The card's ``[params]``; what they mean stands there."""

    scales: Mapping[str, float]
    least_scale: float
    least_height: float
    least_colour: float


class MiniFASNet:
    """Gives ``live`` to faces: the mean of one or two networks, each on a crop of its own width (Minivision, 2020).

    The crops are those of the authors' program: as many times the box as the card says, pushed into the picture at its
    edges, squeezed to 80 x 80 pixels, and not normalized. A face abstains where its surroundings are not in the
    picture (there a print or a screen would end), where it is small, and where the picture has no colours.

    The number is the networks' own and not calibrated: it orders faces, and is no probability that holds (see
    ``docs/liveness.md`` for what was measured).

    Parameters
    ----------
    bundle : Bundle
        Card of ``minifasnet`` or of one of its networks.

    References
    ----------
    https://github.com/minivision-ai/Silent-Face-Anti-Spoofing
    """

    def __init__(self, bundle: Bundle) -> None:
        self._settings = bundle.card.settings(_Settings)
        self._nets = [(bundle.session(name), scale) for name, scale in self._settings.scales.items()]

    def everywhere(self) -> MiniFASNet:
        """The same without abstaining on small faces and on those that fill their picture: to measure what it does."""
        other = copy.copy(self)
        vars(other).update(_settings=replace(self._settings, least_scale=0.0, least_height=0.0))
        return other

    def describe(self, batch: Batch) -> Mapping[str, Flag]:
        """See `mien.engine.Step`."""
        settings, sizes = self._settings, batch.sizes
        _, room = windows(batch.faces.boxes, sizes, settings.least_scale)
        heights = batch.faces.heights
        live = np.full(len(heights), np.nan, np.float32)
        judged = (room >= settings.least_scale) & (heights >= settings.least_height)
        rows = np.flatnonzero(judged)
        grey = np.zeros(len(heights), bool)
        if len(rows):
            scores = np.zeros((len(self._nets), len(rows)))
            for place, (net, scale) in enumerate(self._nets):
                crops = _crops(batch, rows, scale)
                (odds,) = net.run(crops)
                if odds.shape[1:] != (3,):
                    raise ModelError(f"the liveness network has three classes, not what this one gives: {odds.shape}.")
                scores[place] = _shares(odds)[:, LIVE]
            live[rows] = scores.mean(axis=0)
            # Of the last crop: more than a wider one shows, none does.
            grey[rows] = np.ptp(crops, axis=3).mean(axis=(1, 2)) < settings.least_colour
            live[grey] = np.nan
        reasons: list[str | None] = [None] * len(heights)
        for row in np.flatnonzero(np.isnan(live)):
            reasons[row] = self._reason(float(heights[row]), float(room[row]))
        return {"live": Flag(live, reasons=tuple(reasons))}

    def _reason(self, height: float, room: float) -> str:
        """Why a face of this height, with a picture of so many widths of it around it, was not judged."""
        settings = self._settings
        if height < settings.least_height:
            return f"the face is {height:.0f} pixels high, and {settings.least_height:.0f} are needed"
        if room < settings.least_scale:
            return (
                f"the face fills the picture: of its surroundings {room:.1f} times its own size is seen, "
                f"and {settings.least_scale:g} times is needed"
            )
        return "the picture has no colours"


def _crops(batch: Batch, rows: NDArray[np.intp], scale: float) -> NDArray[np.uint8]:
    """What a network sees of some faces, (R, 80, 80, 3)."""
    parts, _ = windows(batch.faces.boxes[rows], batch.sizes[rows], scale)
    factors = SIDE / (parts[:, 2:] - parts[:, :2])
    maps = np.zeros((len(rows), 2, 3))
    maps[:, [0, 1], [0, 1]] = factors
    maps[:, :, 2] = factors * (0.5 - parts[:, :2]) - 0.5  # windows count from pixels' edges, maps from their centres
    # One sample a pixel, as the networks were trained: averages would take the dots of prints and screens away.
    return warp_batch(batch.images, batch.owner[rows], maps, SIDE, interpolation="linear")


def _shares(odds: NDArray[np.floating[Any]]) -> Doubles:
    """Softmax of the last axis."""
    raised = np.exp(odds.astype(np.float64) - odds.max(axis=-1, keepdims=True))
    return np.asarray(raised / raised.sum(axis=-1, keepdims=True))
