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
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.geometry import rotation_matrix
from mien.core.mesh import Topology
from mien.core.raster import rasterize
from mien.engine import Engine, default_engine
from mien.location.canonical import CanonicalFace
from mien.location.stabilization import similarities
from mien.media.provenance import Provenance
from mien.swaps.blend.coat import Coat, opened
from mien.swaps.blend.painting import Painted, Painting, as_strength
from mien.swaps.blend.sight import Sight
from mien.swaps.effects import Take
from mien.swaps.look.filter_files import Board, FilterFile, Layer, Paint, read_filter

__all__ = ["Filter"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Window: TypeAlias = tuple[slice, slice]

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
        The name of a filter that comes with the package (`mien.swaps.look.filter_files.filter_names`), or the path of a
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


@dataclass(frozen=True, eq=False)
class _Stage:
    """One face that a filter is put on."""

    sight: Sight
    head: _Head
    coat: Coat

    @cached_property
    def higher(self) -> float:
        """By how many centimetres the hair, or a hat, ends above the average head's top (below 0), or below it."""
        sight, head = self.sight, self.head
        step = max(int(sight.plate.size / 128), 1)
        few = slice(None, None, step), slice(None, None, step)
        tall = np.maximum(sight.region("hair")[few], sight.region("hat")[few]) > 0.5
        y, x = np.nonzero(tall)
        if len(x) < 20:
            return 0.0
        # On the plane in which the top of the head is: a pixel's z there follows from its place.
        up, side = head.rotation[:2, 1] * head.scale, head.rotation[:2, 0] * head.scale
        origin = head.position[:2] + head.scale * head.rotation[:2, 2] * TOP[1]
        axes = np.column_stack([side, up])
        if abs(np.linalg.det(axes)) < 1e-3 * head.scale**2:
            return 0.0
        across, down = np.linalg.solve(axes, (np.stack([x, y]) * float(step)) - origin[:, None])
        middle = down[np.abs(across) < TOP[2]]
        if len(middle) < 20:
            return 0.0
        return float(np.clip(np.percentile(middle, 1) - TOP[0], *TALLER))


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
        """See `mien.swaps.blend.painting.Painter`."""
        if sight.plate.size < SMALLEST:
            return "the face is too small for a filter"
        head = _Head.of(sight.plate.points, self.face)
        if not np.isfinite(head.position).all() or head.scale <= 0:
            return "the head's pose is not known"
        coat = Coat.over(sight.plate.points, self._closed, sight.image.shape[:2])
        stage = _Stage(sight, head, coat)
        light, shading = _light(sight, coat)
        front, alpha = sight.image.astype(np.float32), np.zeros(sight.image.shape[:2], np.float32)
        hidden: dict[tuple[str, ...], Floats] = {}
        for layer in self.file.layers:
            window, rgba = self._drawn(layer, stage)
            if not rgba.size:
                continue
            if layer.behind not in hidden:
                hidden[layer.behind] = _before(layer.behind, sight)
            clear = 1 - _softened(hidden[layer.behind][window], 0.004 * sight.plate.size)
            share = np.asarray(rgba[..., 3] * clear * np.float32(layer.opacity * self.strength), np.float32)
            share[share <= 1 / 512] = 0
            lit = light * shading(window) if isinstance(layer, Paint) else np.full_like(share, light)
            color = rgba[..., :3] * ((1 - layer.shade * (1 - lit)) / np.maximum(rgba[..., 3], 1e-4))[..., None]
            under = front[window]
            blended = _BLENDS[layer.blend](under * np.float32(1 / 255), color.astype(np.float32))
            under += share[..., None] * (blended * np.float32(255) - under)
            np.maximum(alpha[window], share, out=alpha[window])
        if not alpha.any():
            return "nothing of the filter is seen from here"
        return Painted(front, (alpha > 0).astype(np.float32))

    def _drawn(self, layer: Layer, stage: _Stage) -> tuple[Window, Floats]:
        """Colours times alpha, and alpha, of the part of the plate in which a layer is."""
        if isinstance(layer, Board):
            return _board(layer, stage, self.face)
        assert isinstance(layer, Paint)  # noqa: S101 - for the type checker: there are no others
        topology = self._closed if layer.closed else self._open
        sight, points = stage.sight, stage.sight.plate.points
        if layer.lift:
            points = points + (layer.lift * stage.head.scale) * np.nan_to_num(topology.normals(points)).astype(
                np.float64
            )
        worn = Coat.over(points, topology, sight.image.shape[:2])
        rgba = worn.show(layer.picture)[worn.window]
        # Without stairs where the head turns away.
        return worn.window, rgba if layer.lift else _softened(rgba, 0.002 * sight.plate.size)


def _softened(values: Floats, sigma: float) -> Floats:
    import cv2

    return np.asarray(cv2.GaussianBlur(np.ascontiguousarray(values), (0, 0), max(sigma, 0.5)), np.float32)


def _board(layer: Board, stage: _Stage, face: CanonicalFace) -> tuple[Window, Floats]:
    """A board as its part of the plate shows it, less what the face hides of it."""
    import cv2

    sight, head = stage.sight, stage.head
    vertices, triangles, uv = _grid(layer)
    turned = vertices @ rotation_matrix(layer.turn).astype(np.float64).T
    shift, wide = _pinned(layer, sight, head, face)
    if layer.on_top:
        shift += np.array([0, stage.higher, 0])
    places = head.place((turned + layer.at) * (wide, 1, 1) + shift)
    raster = rasterize(places, triangles, sight.image.shape[:2])
    if not raster.shown.size:
        return raster.window, np.zeros((0, 0, 4), np.float32)
    there = np.nan_to_num(raster.interpolate(uv), nan=-1)
    picture = _reduced(layer.picture, layer.size[0] * head.scale)
    x, y = cv2.split(there * np.array(picture.shape[1::-1], np.float32) - np.float32(0.5))
    drawn = np.asarray(cv2.remap(picture, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT), np.float32)
    nearest = _depth_in(raster.window, stage.coat)
    both = np.isfinite(raster.depth) & np.isfinite(nearest)
    far = np.subtract(raster.depth, nearest, out=np.zeros_like(nearest), where=both) / head.scale
    seen = (1 - ((far - SLACK) / 0.25).clip(0, 1)).astype(np.float32)  # centimetres behind the face
    shown = cv2.GaussianBlur(seen, (0, 0), 0.7) * (raster.triangle >= 0)
    return raster.window, drawn * shown[..., None]


def _depth_in(window: Window, coat: Coat) -> Doubles:
    """The depth of the face in a part of the plate, infinite where it is not."""
    out = np.full([part.stop - part.start for part in window], np.inf)
    both = [slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(window, coat.window, strict=True)]
    if all(part.start < part.stop for part in both):
        here, there = (
            tuple(slice(part.start - one.start, part.stop - one.start) for part, one in zip(both, of, strict=True))
            for of in (window, coat.window)
        )
        out[here] = coat.depth[there]
    return out


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
    names = tuple(name for name in behind if name != "hands")
    if not behind:
        return np.zeros(sight.image.shape[:2], np.float32)
    return sight.hidden(names, others="hands" in behind)


def _light(sight: Sight, coat: Coat) -> tuple[float, Callable[[Window], Floats]]:
    """How bright the light in the picture is, and how it lies on the face, about 1, in a part of the plate."""
    import cv2

    height, width = sight.image.shape[:2]
    sigma = max(0.06 * sight.plate.size, 1.0)
    few = max(int(sigma / 3), 1)
    size = max(width // few, 1), max(height // few, 1)
    small = cv2.resize(np.ascontiguousarray(sight.image), size, interpolation=cv2.INTER_AREA)
    grey = np.asarray(cv2.cvtColor(small, cv2.COLOR_RGB2GRAY), np.float32)
    inside = np.asarray(cv2.resize(coat.inside, size, interpolation=cv2.INTER_AREA), np.float32)
    weight = np.maximum(cv2.GaussianBlur(inside, (0, 0), sigma / few), 0.05)
    near = np.asarray(cv2.GaussianBlur(grey * inside, (0, 0), sigma / few) / weight, np.float32)
    face = near[inside > 0.5]
    middle = float(np.median(face)) if len(face) else 128.0
    shading = (near / max(middle, 8)).clip(0.4, 1.4)

    def within(window: Window) -> Floats:
        return np.asarray(cv2.resize(shading, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)[window]

    dim = float(np.percentile(grey, 90)) / 255 / BRIGHT
    return float(np.clip(dim, 0.2, 1)), within


_BLENDS: Mapping[str, Callable[[Floats, Floats], Floats]] = MappingProxyType(
    {
        "normal": lambda under, color: color,  # noqa: ARG005 - all blends take both
        "multiply": lambda under, color: under * color,
        "screen": lambda under, color: 1 - (1 - under) * (1 - color.clip(0, 1)),
    }
)
