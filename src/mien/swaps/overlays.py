"""``Filter``: things put on a face: glasses, ears, paint, a mask; they turn with the head, and are behind what is.

Each layer is paint on the texture of the face, which follows every expression, or a board in space, which follows the
head. Of a board, what the face has before it is not seen, by depth; of both, what hair or hands have before them. What
such filters do to recognition is measured after OpenFilter (Riccio, Psomas, Galati, Escolano, Hofmann, Oliver, NeurIPS
2022): see ``python -m benchmarks filters``.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.geometry import rotation_matrix
from mien.core.mesh import Topology
from mien.core.raster import rasterize
from mien.engine import Engine, default_engine
from mien.location.canonical import CanonicalFace
from mien.location.stabilization import similarities
from mien.media.provenance import Provenance
from mien.swaps.coat import Coat, opened
from mien.swaps.effects import Take
from mien.swaps.filter_files import Board, FilterFile, Layer, Paint, read_filter
from mien.swaps.painting import Painted, Painting, as_strength
from mien.swaps.sight import Sight

__all__ = ["Filter"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

MARGIN = 0.75  # of the plate: ears stand on the head
ACROSS, DOWN = 16, 4  # cells that a board is cut into, so that it can be bent
SLACK = 0.45  # centimetres by which a face may be before a board and not hide it: faces are not the average one
FITTED = (0.85, 1.2)  # by how much a board gets as wide as its pins
BRIGHT = 0.62  # of white: light that is brighter than this on a picture's brighter parts is not dim
TOP = (-11.0, -0.5, 4.5)  # centimetres: y and z of the average head's top, and how far to its sides hair counts
TALLER = (-4.0, 1.0)
SMALLEST = 16  # pixels of a face


class Filter:
    """Puts a filter on faces: an effect; see `mien.swaps.editor.Editor`.

    Parameters
    ----------
    source : str, path, or FilterFile
        The name of a filter that comes with the package (`mien.swaps.filter_files.filter_names`), or the path of a
        folder or a zip with ``filter.toml``.
    strength : float
        How opaque it is, in [0, 1].
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    UsageError
        If there is no such filter, or its ``filter.toml`` makes no sense.
    SourceError, UnsafeFile
        If it cannot be read, or is not what a filter can be.
    """

    def __init__(
        self, source: str | os.PathLike[str] | FilterFile, *, strength: float = 1.0, engine: Engine | None = None
    ) -> None:
        self._engine = engine or default_engine()
        self._strength = as_strength(strength)
        self._file = source if isinstance(source, FilterFile) else read_filter(source)

    @property
    def needs(self) -> frozenset[str]:
        """See `mien.swaps.effects.Effect`."""
        return frozenset({"landmarks"})

    @property
    def report(self) -> dict[str, Any]:
        """What is done, and by which models."""
        parse = self._engine.choose("parse").id
        return {"filter": self._file.name, "title": self._file.title, "strength": self._strength, "parse": parse}

    def mark(self, source: Provenance) -> Provenance:
        """See `mien.swaps.effects.Effect`."""
        return Provenance.manipulated(source)

    def start(self) -> Take:
        """See `mien.swaps.effects.Effect`."""
        engine = self._engine
        face = CanonicalFace.read(engine.store.fetch(engine.catalogue["visibility"].files["geometry"]))
        return Painting(_Painter(self._file, self._strength, face), engine, margin=MARGIN)


@dataclass(frozen=True, eq=False)
class _Head:
    """Where the average head is in a plate."""

    rotation: Doubles
    scale: float
    position: Doubles

    @classmethod
    def of(cls, points: Doubles, face: CanonicalFace) -> _Head:
        weights = face.weights.astype(np.float64)[None]
        fit = similarities(face.vertices.astype(np.float64), points[None], weights)
        return cls(fit.rotation[0], float(fit.scale[0]), fit.position[0])

    def place(self, points: Doubles) -> Doubles:
        """Centimetres of the head's axes to pixels of the plate."""
        return np.asarray(self.scale * points @ self.rotation.T + self.position)

    def back(self, points: Doubles) -> Doubles:
        """Pixels to centimetres."""
        return np.asarray((points - self.position) @ self.rotation / self.scale)


@dataclass(eq=False)
class _Painter:
    """Lays the layers of a filter over faces."""

    file: FilterFile
    strength: float
    face: CanonicalFace

    @cached_property
    def _closed(self) -> Topology:
        return self.face.topology

    @cached_property
    def _open(self) -> Topology:
        return opened(self.face.topology)

    def paint(self, sight: Sight, time: float | None) -> Painted | str:  # noqa: ARG002 - each frame by itself
        """See `mien.swaps.painting.Painter`."""
        if sight.plate.size < SMALLEST:
            return "the face is too small for a filter"
        head = _Head.of(sight.plate.points, self.face)
        if not np.isfinite(head.position).all() or head.scale <= 0:
            return "the head's pose is not known"
        coat = Coat.over(sight.plate.points, self._closed, sight.image.shape[:2])
        light, shading = _light(sight, coat)
        under = sight.image.astype(np.float32) / np.float32(255)
        front: Floats = under.astype(np.float32)
        alpha: Floats = np.zeros(under.shape[:2], np.float32)
        before = {behind: _before(behind, sight) for behind in {layer.behind for layer in self.file.layers}}
        for layer in self.file.layers:
            rgba = self._drawn(layer, sight, head, coat)
            share = np.asarray(rgba[..., 3] * (layer.opacity * self.strength) * (1 - before[layer.behind]), np.float32)
            shown = share > 1 / 512
            if not shown.any():
                continue
            color = rgba[..., :3] / np.maximum(rgba[..., 3:], 1e-4)
            lit = shading if isinstance(layer, Paint) else np.float32(1)
            dimmed = np.broadcast_to(np.asarray(1 - layer.shade * (1 - light * lit), np.float32), share.shape)
            color = color * dimmed[..., None]
            share = np.asarray(np.where(shown, share, 0), np.float32)
            front = np.asarray(
                front + share[..., None] * (_BLENDS[layer.blend](front, np.asarray(color, np.float32)) - front),
                np.float32,
            )
            alpha = np.asarray(np.maximum(alpha, share), np.float32)
        if not alpha.any():
            return "nothing of the filter is seen from here"
        return Painted((front * 255).astype(np.float32), (alpha > 0).astype(np.float32))

    def _drawn(self, layer: Layer, sight: Sight, head: _Head, coat: Coat) -> Floats:
        if isinstance(layer, Board):
            return _board(layer, sight, head, coat, self.face)
        assert isinstance(layer, Paint)  # noqa: S101 - for the type checker: there are no others
        topology = self._closed if layer.closed else self._open
        points = sight.plate.points
        if layer.lift:
            points = points + (layer.lift * head.scale) * np.nan_to_num(topology.normals(points)).astype(np.float64)
        rgba = Coat.over(points, topology, sight.image.shape[:2]).show(layer.picture)
        return rgba if layer.lift else _soft_outline(rgba, sight)


def _soft_outline(rgba: Floats, sight: Sight) -> Floats:
    """Without stairs where the head turns away."""
    import cv2

    return np.asarray(cv2.GaussianBlur(rgba, (0, 0), max(0.002 * sight.plate.size, 0.5)), np.float32)


def _board(layer: Board, sight: Sight, head: _Head, coat: Coat, face: CanonicalFace) -> Floats:
    """A board as the plate shows it, less what the face hides of it."""
    import cv2

    shape = sight.image.shape[:2]
    out = np.zeros((*shape, 4), np.float32)
    vertices, triangles, uv = _grid(layer)
    turned = vertices @ rotation_matrix(layer.turn).astype(np.float64).T
    shift, wide = _pinned(layer, sight, head, face)
    if layer.on_top:
        shift += np.array([0, _higher(sight, head), 0])
    places = head.place((turned + layer.at) * (wide, 1, 1) + shift)
    raster = rasterize(places, triangles, shape)
    if not raster.shown.size:
        return out
    there = np.nan_to_num(raster.interpolate(uv), nan=-1)
    picture = _reduced(layer.picture, layer.size[0] * head.scale)
    x, y = cv2.split(there * np.array(picture.shape[1::-1], np.float32) - np.float32(0.5))
    drawn = np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), np.float32)
    drawn *= (there[..., 0] >= 0)[..., None]
    out[raster.window] = drawn
    depth = np.full(shape, np.inf)
    depth[raster.window] = raster.depth
    nearest = np.full(shape, np.inf)
    nearest[coat.window] = coat.depth
    both = np.isfinite(depth) & np.isfinite(nearest)
    far = np.subtract(depth, nearest, out=np.zeros(shape), where=both) / head.scale  # centimetres behind the face
    seen = 1 - ((far - SLACK) / 0.25).clip(0, 1)
    return np.asarray(out * cv2.GaussianBlur(seen.astype(np.float32), (0, 0), 0.7)[..., None], np.float32)


def _higher(sight: Sight, head: _Head) -> float:
    """By how many centimetres the top of the hair, or of a hat, is above the average head's (below 0), or below it."""
    tall = np.maximum(sight.region("hair"), sight.region("hat"))[::2, ::2] > 0.5
    y, x = np.nonzero(tall)
    if len(x) < 20:
        return 0.0
    # On the plane in which the top of the head is: a pixel's z there follows from its place.
    up, side = head.rotation[:2, 1] * head.scale, head.rotation[:2, 0] * head.scale
    origin = head.position[:2] + head.scale * head.rotation[:2, 2] * TOP[1]
    axes = np.column_stack([side, up])
    if abs(np.linalg.det(axes)) < 1e-3 * head.scale**2:
        return 0.0
    across, down = np.linalg.solve(axes, (np.stack([x, y]) * 2.0) - origin[:, None])
    middle = down[np.abs(across) < TOP[2]]
    if len(middle) < 20:
        return 0.0
    return float(np.clip(np.percentile(middle, 1) - TOP[0], *TALLER))


def _grid(layer: Board) -> tuple[Doubles, NDArray[np.int32], Floats]:
    """Vertices about the board's middle in centimetres, triangles, and their places in the picture."""
    u, v = np.meshgrid(np.linspace(0, 1, ACROSS + 1), np.linspace(0, 1, DOWN + 1))
    x, y = (u - 0.5) * layer.size[0], (v - 0.5) * layer.size[1]
    z = np.zeros_like(x)
    if layer.bend:
        angle = x / layer.bend
        x, z = layer.bend * np.sin(angle), layer.bend * (1 - np.cos(angle))
    vertices = np.stack([x, y, z], axis=-1).reshape(-1, 3)
    corner = (np.arange(DOWN)[:, None] * (ACROSS + 1) + np.arange(ACROSS)).ravel()
    right, below = corner + 1, corner + ACROSS + 1
    triangles = np.concatenate([np.stack([corner, below, right], 1), np.stack([right, below, below + 1], 1)])
    return vertices, triangles.astype(np.int32), np.stack([u, v], -1).reshape(-1, 2).astype(np.float32)


def _pinned(layer: Board, sight: Sight, head: _Head, face: CanonicalFace) -> tuple[Doubles, float]:
    """How far the pins are from where the average head has them, and how much wider apart."""
    if not layer.pins:
        return np.zeros(3), 1.0
    pins = list(layer.pins)
    average = face.vertices[pins].astype(np.float64)
    own = head.back(sight.plate.points[pins])
    wide = 1.0
    if np.ptp(average[:, 0]) > 2:
        wide = float(np.clip(np.ptp(own[:, 0]) / np.ptp(average[:, 0]), *FITTED))
    shift = own.mean(axis=0) - average.mean(axis=0) * (wide, 1, 1)
    return shift, wide


def _reduced(picture: Floats, wide: float) -> Floats:
    """A picture at about the size in which it is drawn: drawn much smaller, it would flicker."""
    import cv2

    factor = int(picture.shape[1] / max(wide, 1))
    if factor < 2:
        return picture
    size = max(picture.shape[1] // factor, 2), max(picture.shape[0] // factor, 2)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _before(behind: tuple[str, ...], sight: Sight) -> Floats:
    """How much of each pixel is before a layer that is behind these."""
    import cv2

    names = tuple(name for name in behind if name != "hands")
    if not behind:
        return np.zeros(sight.image.shape[:2], np.float32)
    hidden = sight.hidden(names, others="hands" in behind)
    return np.asarray(cv2.GaussianBlur(hidden, (0, 0), max(0.004 * sight.plate.size, 0.5)), np.float32)


def _light(sight: Sight, coat: Coat) -> tuple[float, Floats]:
    """How bright the light in the picture is, and how it lies on the face: (h, w), about 1."""
    import cv2

    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(sight.image), cv2.COLOR_RGB2GRAY), np.float32)
    inside = coat.inside
    sigma = max(0.06 * sight.plate.size, 1.0)
    few = max(int(sigma / 3), 1)
    size = max(grey.shape[1] // few, 1), max(grey.shape[0] // few, 1)
    small, mask = (np.asarray(cv2.resize(one, size, interpolation=cv2.INTER_AREA)) for one in (grey * inside, inside))
    near = cv2.GaussianBlur(small, (0, 0), sigma / few) / np.maximum(cv2.GaussianBlur(mask, (0, 0), sigma / few), 0.05)
    broad = np.asarray(cv2.resize(near, grey.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    middle = float(np.median(broad[inside > 0])) if inside.any() else 128.0
    dim = float(np.percentile(grey, 90)) / 255 / BRIGHT
    return float(np.clip(dim, 0.2, 1)), (broad / max(middle, 8)).clip(0.4, 1.4)


_BLENDS: Mapping[str, Callable[[Floats, Floats], Floats]] = MappingProxyType(
    {
        "normal": lambda under, color: color,  # noqa: ARG005 - all blends take both
        "multiply": lambda under, color: under * color,
        "screen": lambda under, color: 1 - (1 - under) * (1 - color.clip(0, 1)),
    }
)
