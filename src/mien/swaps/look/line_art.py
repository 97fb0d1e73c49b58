"""Drawn and painted looks by filters: lines along the flow of a picture, flat colours, washes.

No network: what a hand would draw is where light changes, and what it would leave out is what is fine. Lines are
differences of Gaussians along the flow of edges (Kang, Lee, Chui, *Coherent line drawing*, NPAR 2007), softly cut off
(Winnemöller, Kyprianidis, Olsen, *XDoG: an extended difference-of-Gaussians compendium*, Computers & Graphics 2012).
Flat colours are soft steps of lightness (Winnemöller, Olsen, Gooch, *Real-time video abstraction*, SIGGRAPH 2006), and
washes are means of whichever side of a place varies least (Kuwahara, 1976).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from mien.swaps.blend.oklab import to_oklab

__all__ = ["STYLES", "Subject"]

Floats = NDArray[np.float32]

FINE = 0.0052  # of a face's extent: the width of a line
WIDER = 1.6  # times: the second Gaussian (Winnemöller et al.)
SHARP = 18.0  # how strongly the difference counts
FLOW = 2.2  # line widths over which the flow of edges is averaged
ALONG = 4  # steps to each side along the flow
STEPS = 8  # of lightness in cartoons
TILE = 512  # pixels after which grain repeats
PAPER = (0.965, 0.0, 0.012)  # in Oklab


@dataclass(frozen=True, eq=False)
class Subject:
    """A picture to be drawn.

    Attributes
    ----------
    lab : (h, w, 3) float32
        In Oklab.
    size : float
        Extent of the face in it, in pixels: lines are as wide as suits it.
    skin : float
        Lightness of the face: dark skin is not shade.
    """

    lab: Floats
    size: float
    skin: float

    @property
    def width(self) -> float:
        """Of a line, in pixels."""
        return max(FINE * self.size, 0.7)

    @cached_property
    def flow(self) -> Floats:
        """Unit vectors along edges, (h, w, 2)."""
        import cv2

        light = self.lab[..., 0]
        x, y = (cv2.Sobel(light, cv2.CV_32F, *d, ksize=3) for d in ((1, 0), (0, 1)))
        sigma = FLOW * self.width
        xx, xy, yy = (cv2.GaussianBlur(one, (0, 0), sigma) for one in (x * x, x * y, y * y))
        angle = 0.5 * np.arctan2(2 * xy, xx - yy)  # across the edges
        return np.stack([-np.sin(angle), np.cos(angle)], axis=-1).astype(np.float32)

    @cached_property
    def lines(self) -> Floats:
        """Lines, (h, w): 1 is paper, 0 is ink."""
        along = self._smeared(self.edges, ALONG, max(self.width * 0.6, 1.0))
        return np.asarray(1 + np.tanh(np.minimum(along * SHARP + 0.12, 0) * 2.4), np.float32).clip(0, 1)

    @cached_property
    def edges(self) -> Floats:
        """Of two Gaussians across the flow; what is darker than around it is below 0."""
        light, width = self.lab[..., 0], self.width
        reach = int(np.ceil(2 * WIDER * width))
        across = np.stack([self.flow[..., 1], -self.flow[..., 0]], axis=-1)
        steps = np.unique(np.round(np.linspace(-reach, reach, min(2 * reach + 1, 9)), 2))
        near, far = (np.exp(-(steps**2) / (2 * sigma**2)) for sigma in (width, WIDER * width))
        weights = near / near.sum() - far / far.sum()
        return self._moved(light, across, np.asarray(steps, np.float64), np.asarray(weights, np.float64))

    def _smeared(self, values: Floats, count: int, step: float) -> Floats:
        """Means along the flow."""
        steps = np.arange(-count, count + 1, dtype=np.float64) * step
        weights = np.exp(-0.5 * (steps / (count * step / 2)) ** 2)
        return self._moved(values, self.flow, np.asarray(steps, np.float64), np.asarray(weights / weights.sum()))

    @cached_property
    def _grid(self) -> tuple[Floats, Floats]:
        places = np.indices(self.lab.shape[:2]).astype(np.float32)
        return places[1], places[0]

    def _moved(self, values: Floats, way: Floats, steps: NDArray[np.float64], weights: NDArray[np.float64]) -> Floats:
        """Weighted means of what stands some steps along a way."""
        import cv2

        x, y = self._grid
        out = np.zeros_like(values)
        for step, weight in zip(steps.tolist(), weights.tolist(), strict=True):
            there = x + np.float32(step) * way[..., 0], y + np.float32(step) * way[..., 1]
            out += np.float32(weight) * cv2.remap(values, *there, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return out

    def calm(self, rounds: int, reach: float) -> Floats:
        """Without what is fine, edges kept: bilateral filters, on a smaller picture where it is large."""
        import cv2

        scale = min(1.0, 4.0 / max(reach * self.size, 1e-3))
        height, width = self.lab.shape[:2]
        few = max(round(width * scale), 1), max(round(height * scale), 1)
        small = np.asarray(cv2.resize(self.lab, few, interpolation=cv2.INTER_AREA), np.float32)
        sigma = max(reach * self.size * scale, 1.0)
        for _ in range(rounds):
            small = np.asarray(cv2.bilateralFilter(small, 0 if sigma < 2 else 9, 0.07, sigma), np.float32)
        if scale == 1:
            return small
        return np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC), np.float32)


def _noise(shape: tuple[int, int], grain: float, *, turn: float | None = None, seed: int = 7) -> Floats:
    """Grain of paper, (h, w), mean 0, deviation 1; drawn out in a direction.

    The same for all frames of a video, even where the part that is drawn grows a little: grains come in few sizes.
    """
    size = 2 ** (round(2 * np.log2(max(grain, 0.5))) / 2)
    tile = _tile(size, turn, seed)
    times = -(-shape[0] // TILE), -(-shape[1] // TILE)
    return np.tile(tile, times)[: shape[0], : shape[1]]


@lru_cache(maxsize=16)
def _tile(grain: float, turn: float | None, seed: int) -> Floats:
    """Grain of paper that goes on beyond its edges, (TILE, TILE)."""
    import cv2

    values = np.random.default_rng(seed).standard_normal((TILE, TILE), dtype=np.float32)
    side = max(int(grain * 14) | 1, 5)
    room = 3 * side
    values = np.pad(values, room, mode="wrap")
    soft = cv2.GaussianBlur(values, (0, 0), grain if turn is None else max(grain * 0.5, 0.5))
    if turn is not None:
        kernel = np.zeros((side, side), np.float32)
        dx, dy = np.cos(turn) * side / 2, np.sin(turn) * side / 2
        middle = side // 2
        start, end = ((round(middle + sign * dx), round(middle + sign * dy)) for sign in (-1, 1))  # as pencils go
        cv2.line(kernel, start, end, (1.0,), 1, cv2.LINE_AA)
        soft = cv2.filter2D(soft, -1, kernel)
    soft = soft[room:-room, room:-room]
    tile = np.asarray((soft - soft.mean()) / max(float(soft.std()), 1e-6), np.float32)
    tile.flags.writeable = False
    return tile


def pencil(subject: Subject) -> Floats:
    """Graphite on paper: lines, and hatching where it is dark for this face."""
    import cv2

    light, size = subject.lab[..., 0], subject.size
    broad = cv2.GaussianBlur(light, (0, 0), max(0.035 * size, 1.0))
    # As in the darkroom, light divided by its blurred negative: only changes are left.
    dodge = (light / np.maximum(broad, 0.02)).clip(0, 1.05)
    tone = (light / max(subject.skin, 0.15)).clip(0, 1.15) / 1.15
    grain = max(0.0035 * size, 0.6)
    hatch = _noise(light.shape, grain, turn=-0.9)
    dark = (1 - tone).clip(0, 1) ** np.float32(0.85)
    shade = dark * (0.62 + 0.16 * hatch)
    deep = (dark - 0.45).clip(0, 1) * (0.5 + 0.3 * _noise(light.shape, grain, turn=0.5, seed=11))
    value = 1 - 0.72 * shade.clip(0, 1) - 0.5 * deep.clip(0, 1)
    value = value * (0.35 + 0.65 * dodge.clip(0, 1)) * (0.3 + 0.7 * subject.lines)
    out = np.empty_like(subject.lab)
    out[..., 0] = 0.16 + (PAPER[0] - 0.16) * value.clip(0, 1)
    out[..., 1], out[..., 2] = PAPER[1], PAPER[2]
    return out


def ink(subject: Subject) -> Floats:
    """Black and white: lines, and black where it is dark for this face."""
    import cv2

    light = subject.lab[..., 0]
    soft = cv2.GaussianBlur(light, (0, 0), max(1.2 * subject.width, 0.8))
    level = 0.62 * subject.skin
    solid = 0.5 + 0.5 * np.tanh((soft + 6 * subject.edges - level) * 22)
    value = np.minimum(subject.lines, solid)
    out = np.empty_like(subject.lab)
    out[..., 0] = 0.08 + 0.9 * value
    out[..., 1:] = 0
    return out


def cartoon(subject: Subject) -> Floats:
    """Flat colours with dark lines."""
    flat = subject.calm(3, 0.016)
    light = flat[..., 0]
    step = np.float32(1 / STEPS)
    near = (np.floor(light / step) + np.float32(0.5)) * step
    out = flat.copy()
    out[..., 0] = near + step / 2 * np.tanh(9 * (light - near))
    out[..., 1:] *= 1.25
    ink_ = (0.15 + 0.85 * subject.lines)[..., None]
    return np.asarray(out * np.concatenate([ink_, 0.4 + 0.6 * ink_, 0.4 + 0.6 * ink_], axis=2), np.float32)


def watercolour(subject: Subject) -> Floats:
    """Washes that are darker at their edges, on rough paper."""
    import cv2

    size = subject.size
    wash = _kuwahara(subject.lab, max(0.013 * size, 2.0))
    wash = _kuwahara(wash, max(0.006 * size, 1.0))
    broad = cv2.GaussianBlur(wash, (0, 0), max(0.012 * size, 1.0))
    edge = np.abs(wash[..., 0] - broad[..., 0])
    pigment = _noise(edge.shape, max(0.03 * size, 2.0), seed=5)
    paper = _noise(edge.shape, max(0.0028 * size, 0.6), seed=9)
    out = wash.copy()
    light = 0.13 + 0.87 * wash[..., 0] ** np.float32(0.9)
    thin = (1 - light).clip(0.05, 1)
    out[..., 0] = light - 0.9 * edge.clip(0, 0.12) + thin * (0.035 * pigment + 0.02 * paper)
    out[..., 0] *= 0.78 + 0.22 * subject.lines
    out[..., 1:] *= (1.18 + 0.1 * pigment)[..., None]
    return np.asarray(out, np.float32)


def _kuwahara(lab: Floats, reach: float) -> Floats:
    """Means of the four quarters around each place, those that vary least counting most."""
    import cv2

    side = max(round(reach), 1)
    box = (side + 1, side + 1)
    mean = cv2.blur(lab, box, borderType=cv2.BORDER_REFLECT_101)
    square = cv2.blur(lab[..., 0] ** 2, box, borderType=cv2.BORDER_REFLECT_101)
    spread = (square - mean[..., 0] ** 2).clip(0, None)
    total = np.zeros(lab.shape[:2], np.float32)
    out = np.zeros_like(lab)
    half = side / 2
    for dx, dy in ((-half, -half), (half, -half), (-half, half), (half, half)):
        m = np.array([[1, 0, dx], [0, 1, dy]], np.float64)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        args = (lab.shape[1::-1],)
        there = cv2.warpAffine(mean, m, *args, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        varied = cv2.warpAffine(spread, m, *args, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        weight = 1 / (1e-5 + varied) ** 2
        out += weight[..., None] * there
        total += weight
    return out / total[..., None]


#: Looks by name.
STYLES: Mapping[str, Callable[[Subject], Floats]] = MappingProxyType(
    {"pencil": pencil, "ink": ink, "cartoon": cartoon, "watercolour": watercolour}
)


def subject_of(image: NDArray[np.uint8], size: float, skin: float) -> Subject:
    """A picture (H, W, 3) to be drawn, whose face is of that extent and lightness."""
    return Subject(to_oklab(image), size, skin)
