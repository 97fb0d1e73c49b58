"""Make-up as data: where it lies on the texture of the face, in which colours, and what it makes of a face's own.

All is worked out as differences of colour on the texture, in Oklab and in broad strokes, and added to the picture: so
pores, wrinkles and hairs stay as they are, as do light and shade.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.layouts import indices_of
from mien.core.mesh import Topology, warp_mesh
from mien.swaps.backgrounds.backdrops import parse_color
from mien.swaps.blend.coat import SIDE, ring_layer
from mien.swaps.blend.oklab import to_oklab
from mien.swaps.blend.sight import Sight

__all__ = ["PARTS", "Bare", "Layer", "Shape", "blurred", "check_parts", "mouth_and_eyes", "presets", "shapes"]

Floats = NDArray[np.float32]

PARTS = ("lips", "eyes", "cheeks", "skin", "brows")  #: of the face, that make-up is put on
BROAD = 1 / 90  # of the side: finer than this is skin, and stays
TINT = 0.55  # of a colour's tint that blush of full opacity adds
SHEER = 0.03  # lightness that it takes
EVEN = 1 / 16  # of the side: blotches that a foundation evens out are smaller
EVENED = 0.045  # lightness by which it evens at most


@dataclass(frozen=True)
class Shape:
    """Where make-up lies.

    Attributes
    ----------
    rings : sequence of sequences of int
        Mesh points around areas.
    lines : sequence of sequences of int
        Mesh points along which a brush runs.
    soft, width, wing : float
        Of the edges, of the brush, and by how much lines are drawn out beyond their first point; in parts of the
        texture's side.
    """

    rings: tuple[tuple[int, ...], ...] = ()
    lines: tuple[tuple[int, ...], ...] = ()
    soft: float = 0.0
    width: float = 0.0
    wing: float = 0.0

    def drawn(self, topology: Topology) -> Floats:
        """As a layer of the texture, (SIDE, SIDE) in [0, 1]."""
        import cv2

        if self.rings:
            return ring_layer(topology, self.rings, soft=self.soft)
        fine = 4
        layer = np.zeros((SIDE * fine, SIDE * fine), np.uint8)
        for line in self.lines:
            points = self._winged(topology.uv[list(line)].astype(np.float64)) * (SIDE * fine) - 0.5
            for place, (start, end) in enumerate(itertools.pairwise(points)):
                # The brush is thinner towards the nose, and runs out in the wing.
                share = 1.0 - 0.5 * place / max(len(points) - 2, 1) if place or not self.wing else 0.8
                thick = max(round(self.width * share * SIDE * fine), 1)
                cv2.line(layer, _pixel(start), _pixel(end), (255,), thick, cv2.LINE_AA)
        small = np.asarray(cv2.resize(layer, (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.float32) / np.float32(255)
        return blurred(small, self.soft)

    def _winged(self, points: NDArray[np.float64]) -> NDArray[np.float64]:
        if not self.wing:
            return points
        out = points[0] - points[3]
        tip = points[0] + self.wing * (out / max(float(np.linalg.norm(out)), 1e-9) + (0, -0.55))
        return np.vstack([tip, points])


def _pixel(point: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(point[0])), round(float(point[1]))


@dataclass(frozen=True)
class Layer:
    """One layer of make-up: see ``makeup.toml``."""

    part: str
    shape: str
    how: str
    opacity: float
    color: tuple[int, int, int] = (0, 0, 0)

    def difference(self, bare: Bare, mask: Floats) -> Floats:
        """What it adds to a face's colours on the texture, (SIDE, SIDE, 3) in Oklab."""
        share = (np.float32(self.opacity) * mask)[..., None]
        goal = to_oklab(np.array(self.color, np.uint8))
        return np.asarray(share * _HOW[self.how](bare, goal, mask), np.float32)


@dataclass(frozen=True, eq=False)
class Bare:
    """A face's own colours on the texture.

    Attributes
    ----------
    broad : (SIDE, SIDE, 3) float32
        In broad strokes, in Oklab; where it is not seen, carried in from around.
    seen : (SIDE, SIDE) float32
        How well it is seen.
    """

    broad: Floats
    seen: Floats = field(repr=False)

    @classmethod
    def of(cls, sight: Sight, topology: Topology, *, hidden: Floats, reach: float = BROAD) -> Bare:
        """Take a face's colours from a plate, but for what hides it (h, w)."""
        import cv2

        half = SIDE // 2
        levels = (hidden * np.float32(255)).astype(np.uint8)
        four = np.dstack([sight.image, levels])
        places = topology.uv * np.float32(half) - np.float32(0.5)
        points = sight.plate.points
        drawn, inside = warp_mesh(four, points, places, topology.triangles, (half, half), visible_only=True)
        known = np.where(inside, 1 - drawn[..., 3] / np.float32(255), 0).astype(np.float32)
        facing = -topology.normals(points)[:, 2]
        known *= _on_texture(topology, facing, half).clip(0, 1)
        lab = to_oklab(drawn[..., :3])
        # Colours and how well they are known are averaged alike: what is not seen does not count.
        broad = _filled(lab, known, reach * half)
        size = (SIDE, SIDE)
        return cls(
            np.asarray(cv2.resize(broad, size), np.float32),
            np.asarray(cv2.resize(known, size), np.float32),
        )

    def mixed(self, before: Bare | None, share: float) -> Bare:
        """With that before, of which what is left of the share counts."""
        if before is None:
            return self
        part = np.float32(share)
        return Bare(
            before.broad + part * (self.broad - before.broad),
            before.seen + part * (self.seen - before.seen),
        )


def _filled(values: Floats, known: Floats, sigma: float) -> Floats:
    """Averages of what is known around each place; where nothing is near, from farther away."""
    import cv2

    out = np.zeros_like(values)
    weight = np.zeros_like(known)
    for times in (1.0, 4.0, 16.0):
        near = np.asarray(cv2.GaussianBlur(known, (0, 0), sigma * times), np.float32)
        sums = np.asarray(cv2.GaussianBlur(values * known[..., None], (0, 0), sigma * times), np.float32)
        share = (1 - weight) * (near / 0.3).clip(0, 1)
        out += share[..., None] * sums / np.maximum(near, 1e-5)[..., None]
        weight += share
    if known.any():
        mean = np.average(values, axis=(0, 1), weights=known)
        out += (1 - weight)[..., None] * mean.astype(np.float32)
    return out


def _on_texture(topology: Topology, values: NDArray[Any], side: int) -> Floats:
    """What the vertices have (V,), over the texture."""
    from mien.location.unwrapping import over_texture

    return np.nan_to_num(over_texture(topology, np.nan_to_num(values)[:, None], side)[..., 0])


def blurred(layer: Floats, soft: float) -> Floats:
    """A layer (S, S) or (S, S, C), softened by a width in parts of its side."""
    import cv2

    return layer if soft <= 0 else np.asarray(cv2.GaussianBlur(layer, (0, 0), soft * layer.shape[0]), np.float32)


def _pigment(bare: Bare, goal: Floats, mask: Floats) -> Floats:
    """Covers: the part's middle becomes the colour, its shades stay."""
    sure = bare.broad[mask > 0.5]
    middle = float(np.median(sure[:, 0])) if len(sure) else 0.5
    # Pigment on dark skin is seen darker than on light: it is not opaque, and in the same light.
    light = 0.75 * goal[0] + 0.25 * min(middle, float(goal[0]) + 0.1)
    out = np.empty_like(bare.broad)
    out[..., 0] = light - middle
    out[..., 1:] = goal[1:] - bare.broad[..., 1:]
    return out


def _tint(bare: Bare, goal: Floats, _mask: Floats) -> Floats:
    """Lets the skin through: its own tint, and some of the colour's."""
    out = np.empty_like(bare.broad)
    out[..., 0] = -SHEER
    out[..., 1:] = TINT * goal[1:]
    return out


def _line(bare: Bare, goal: Floats, _mask: Floats) -> Floats:
    """Only ever darkens."""
    out = np.minimum(goal - bare.broad, np.array([0, np.inf, np.inf], np.float32))
    return np.asarray(out, np.float32)


def _even(bare: Bare, _goal: Floats, mask: Floats) -> Floats:
    """Evens out blotches; the large shapes of light and shade stay."""
    weight = (mask * bare.seen)[..., None]
    calm = blurred(bare.broad * weight, EVEN) / np.maximum(blurred(weight[..., 0], EVEN), 1e-3)[..., None]
    out = calm - bare.broad
    out[..., 0] = np.clip(0.6 * out[..., 0], -EVENED, EVENED)
    return np.asarray(out, np.float32)


_HOW = MappingProxyType({"pigment": _pigment, "tint": _tint, "line": _line, "even": _even})


@cache
def _table() -> tuple[Mapping[str, Shape], Mapping[str, tuple[Layer, ...]]]:
    text = resources.files("mien.swaps.look").joinpath("makeup.toml").read_text(encoding="utf-8")
    table = tomllib.loads(text)
    shapes = {
        name: Shape(
            tuple(tuple(ring) for ring in given.get("rings", ())),
            tuple(tuple(line) for line in given.get("lines", ())),
            *(float(given.get(key, 0)) for key in ("soft", "width", "wing")),
        )
        for name, given in table["shapes"].items()
    }
    looks = {
        name: tuple(
            Layer(one["part"], one["shape"], one["how"], one["opacity"], parse_color(one.get("color", "black")))
            for one in layers
        )
        for name, layers in table["presets"].items()
    }
    return MappingProxyType(shapes), MappingProxyType(looks)


def shapes() -> Mapping[str, Shape]:
    """Where make-up can lie, by name."""
    return _table()[0]


def presets() -> Mapping[str, tuple[Layer, ...]]:
    """Layers of make-up, from below, by name."""
    return _table()[1]


def check_parts(parts: Sequence[str]) -> tuple[str, ...]:
    """Parts of the face, each once.

    Raises
    ------
    UsageError
        If there is none, or one is not in `PARTS`.
    """
    given = tuple(dict.fromkeys([parts] if isinstance(parts, str) else parts))
    unknown = [one for one in given if one not in PARTS]
    if unknown or not given:
        raise UsageError(f"make-up goes on {', '.join(PARTS)}, not on {', '.join(map(repr, unknown)) or 'nothing'}.")
    return given


def mouth_and_eyes(topology: Topology) -> Floats:
    """What on the texture is no skin: lips, eyes and brows, (SIDE, SIDE) in [0, 1]."""
    names = ("lips_outer", "right_eye", "left_eye", "right_brow", "left_brow")
    rings = [indices_of("mesh478", name).tolist() for name in names]
    return ring_layer(topology, rings, soft=0.006)
