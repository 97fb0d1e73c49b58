"""Faces with a mask painted on: what a covered face costs can be measured on any labelled set.

There are few open sets of masked people with their names. So a mask is painted: its flat cloth (`coverings`) is laid
over the person's own mesh of 478 points, hangs from nose and chin as cloth does, takes the light of the picture, goes
on below the chin, and is hidden where the head hides it, in any pose. (Anwar and Raychowdhury, *Masked face recognition
for secure authentication*, 2020, paint flat templates by six points; here the mesh carries them.)

Painted masks are not real ones: they fit too well, and cast nearly no shadow. The pictures are for measuring and are
not to be passed on as photos.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.core.mesh import Topology
from mien.core.raster import rasterize
from mien.engine import Engine, default_engine
from mien.evaluation.coverings import COVERINGS, JAW, Covering, texture, to_texture
from mien.location.canonical import CanonicalFace

__all__ = ["MASKS", "covering_layer", "paint_covering", "paint_faces"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]

#: The coverings that are masks: what is drawn by the seed where none is named.
MASKS = tuple(name for name, covering in COVERINGS.items() if covering.whole)

FINE = 420.0  # pixels that a face is painted high at least, and then shrunk: so that edges are smooth
LARGEST = 1600.0  # pixels that it is painted high at most
BELOW = 1.2, 1.5  # cm: how far below the jaw, and back, a mask goes
OFF = 0.15  # cm: thickness of the cloth
RELAXED = 60  # steps in which the cloth comes to hang
COLORLESS = 4.0  # mean difference of the colours of a pixel below which a picture is black and white
GRAY = np.array([0.299, 0.587, 0.114], np.float32)  # ITU-R BT.601
LIGHT = np.array([-0.25, -0.65, -0.72])  # where the light is, in camera axes: above, a little left, at the camera


def paint_faces(
    image: Image, faces: Faces, *, kind: str | None = None, seed: int = 0, engine: Engine | None = None
) -> Image:
    """Paint a mask on each face of a picture.

    Parameters
    ----------
    image : (H, W, 3) uint8
    faces : Faces
        With the field ``landmarks``; those whose mesh abstained stay as they are.
    kind : str, optional
        A name of `COVERINGS`; by default a mask that the seed chooses for each face.
    seed : int
        Of kind, colour and print.
    engine : Engine, optional
        For the mesh's triangles; by default `mien.default_engine()`.

    Returns
    -------
    (H, W, 3) uint8
        A new picture.

    Raises
    ------
    FieldNotComputed
        If the faces have no landmarks.
    ShapeMismatch, UsageError
        As `paint_covering`.
    """
    for number, mesh in enumerate(faces.landmarks.values):
        if np.isfinite(mesh).all():
            image = paint_covering(image, mesh, kind=kind, seed=seed + number, engine=engine)
    return image.copy()


def paint_covering(
    image: Image, mesh: ArrayLike, *, kind: str | None = None, seed: int = 0, engine: Engine | None = None
) -> Image:
    """Paint a mask, or sunglasses, on one face.

    Parameters
    ----------
    image : (H, W, 3) uint8
        A whole picture, or a crop.
    mesh : (478, 3) array-like
        The face's mesh, in pixels of that picture.
    kind, seed, engine
        See `paint_faces`.

    Returns
    -------
    (H, W, 3) uint8
        A new picture; the same picture, kind and seed give the same one.

    Raises
    ------
    ShapeMismatch
        If the mesh is no such array.
    UsageError
        If there is no such covering.
    """
    return covering_layer(image, mesh, kind=kind, seed=seed, engine=engine)[0]


def covering_layer(
    image: Image, mesh: ArrayLike, *, kind: str | None = None, seed: int = 0, engine: Engine | None = None
) -> tuple[Image, Floats]:
    """As `paint_covering`, and how much of each pixel it covers: (H, W) float32 in [0, 1]."""
    points = np.asarray(mesh, np.float64)
    if points.shape != (478, 3) or not np.isfinite(points).all():
        raise ShapeMismatch(f"a mesh is (478, 3), all finite, not {points.shape}.")
    draw = np.random.default_rng(seed)
    kind = MASKS[draw.integers(len(MASKS))] if kind is None else kind
    if kind not in COVERINGS:
        raise UsageError(f"no covering is called {kind!r}; there are {', '.join(COVERINGS)}.")
    engine = engine or default_engine()
    face = CanonicalFace.read(engine.store.fetch(engine.catalogue["visibility"].files["geometry"]))
    return _Painter(image, points[: len(face.vertices)], face, COVERINGS[kind], draw).paint()


@dataclass
class _Painter:
    """One covering on one face."""

    image: Image
    points: Doubles
    face: CanonicalFace
    covering: Covering
    draw: np.random.Generator

    def __post_init__(self) -> None:
        fit = self.face.fit(self.points[None])
        self.axes, self.unit = fit.rotation[0], float(fit.scale[0])  # face to camera; pixels per cm

    def paint(self) -> tuple[Image, Floats]:
        """Paint, larger than the picture where the face is small, and put it in: the picture, and what is covered."""
        import cv2

        low, high = self.points[:, :2].min(axis=0), self.points[:, :2].max(axis=0)
        extent = float((high - low).max())
        out, covered = self.image.copy(), np.zeros(self.image.shape[:2], np.float32)
        if extent < 4 or self.unit <= 0:
            return out, covered
        limits = np.array(self.image.shape[1::-1])
        first = np.floor(low - 0.35 * extent).clip(0, limits).astype(int)
        last = np.ceil(high + 0.35 * extent).clip(0, limits).astype(int)
        if (last <= first).any():
            return out, covered
        part = self.image[first[1] : last[1], first[0] : last[0]]
        scale = min(max(FINE / extent, 2.0), max(LARGEST / extent, 1.0))
        size = (round(part.shape[0] * scale), round(part.shape[1] * scale))
        # (0, 0) is the middle of the first pixel, at both scales.
        places = np.column_stack([(self.points[:, :2] - first + 0.5) * scale - 0.5, self.points[:, 2] * scale])
        color, cover, shade = self._cloth(places, size, scale)
        small = (part.shape[1], part.shape[0])
        color, shade, cover = (
            np.asarray(cv2.resize(layer, small, interpolation=cv2.INTER_AREA), np.float32)
            for layer in (color * cover[..., None], shade * cover, cover)
        )
        if np.ptp(part, axis=2).mean() < COLORLESS:
            color[:] = (color @ GRAY)[..., None]
        light = self._light(part, extent)
        own = color * light[..., None] + shade[..., None]
        soft = cv2.GaussianBlur(cover, (0, 0), max(0.012 * extent, 0.5))
        ground = part * (1 - 0.22 * np.clip(soft - cover, 0, 1))[..., None]  # the shadow at its edge
        painted = ground * (1 - cover[..., None]) + own
        out[first[1] : last[1], first[0] : last[0]] = np.clip(painted + 0.5, 0, 255).astype(np.uint8)
        covered[first[1] : last[1], first[0] : last[0]] = cover
        return out, covered

    def _cloth(self, points: Doubles, size: tuple[int, int], scale: float) -> tuple[Floats, Floats, Floats]:
        """Colour (h, w, 3), cover (h, w) and what it reflects (h, w), as large as it is painted."""
        import cv2

        unit = self.unit * scale
        uv = self.face.uv.astype(np.float64)
        jaw = np.array(JAW)
        outward = uv[jaw] - (0.5, 0.55)
        under_uv = uv[jaw] + 0.07 * outward / np.linalg.norm(outward, axis=1, keepdims=True)
        flat, opaque = texture(self.covering, uv, under_uv, self.draw)
        # The neck is narrower than the jaw: cloth below it goes inwards too.
        rest = self.face.vertices[jaw].astype(np.float64)
        low = np.clip((rest[:, 1] + 1) / 7, 0, 1)  # 0 at the ears, 1 at the chin
        way = np.column_stack([-0.5 * np.sign(rest[:, 0]) * low, BELOW[0] * low, np.full(len(jaw), BELOW[1])])
        under = points[jaw] + way @ self.axes.T * unit
        worn = points
        if self.covering.whole:
            worn, uv = self._hung(points, uv, opaque)
        worn = worn - OFF * unit * self.axes[:, 2]
        corners = np.concatenate([worn, under])
        topology = Topology(
            np.concatenate([self.face.vertices, np.zeros((len(jaw), 3), np.float32)]),
            np.concatenate([self.face.triangles, _strip(jaw, len(points))]),
            np.concatenate([uv, under_uv]).astype(np.float32),
        )
        normals = np.nan_to_num(topology.normals(corners))
        lit = np.clip(normals @ (LIGHT / np.linalg.norm(LIGHT)), 0, 1)
        raster = rasterize(corners, topology.triangles, size)
        values = np.column_stack([to_texture(topology.uv), 0.72 + 0.34 * lit])
        inside = raster.interpolate(values)
        color, cover, shade = (np.zeros((*size, *rest), np.float32) for rest in ((3,), (), ()))
        if inside.size:
            at = [np.ascontiguousarray(inside[..., axis]) for axis in (0, 1)]
            drawn = cv2.remap(flat, at[0], at[1], cv2.INTER_LINEAR)
            seen = np.nan_to_num(cv2.remap(opaque, at[0], at[1], cv2.INTER_LINEAR)) * (raster.triangle >= 0)
            color[raster.window] = np.nan_to_num(drawn * inside[..., 2:])
            cover[raster.window] = seen
            shade[raster.window] = 60 * self.covering.gloss * np.nan_to_num(inside[..., 2] - 0.8) * seen
        self._cords(corners, color, cover, unit)
        return color, cover, shade

    def _hung(self, points: Doubles, uv: Doubles, opaque: Floats) -> tuple[Doubles, Doubles]:
        """Where the cloth hangs, and its new places in the texture.

        It spans what is hollow and rests on what stands out: towards the camera it is nowhere below skin. Over the
        lips, which may be open, the points are spread evenly, in the texture too: a print is not stretched there.
        """
        places = to_texture(uv).round().astype(int)
        inside = opaque[places[:, 1], places[:, 0]] > 0.5
        inside[list(JAW)] = False
        free = np.flatnonzero(inside)
        neighbours = self.face.topology.neighbours
        pairs = [(place, other) for place, row in enumerate(free) for other in neighbours[row]]
        owner, other = np.array(pairs, np.intp).reshape(-1, 2).T
        counts = np.maximum(np.bincount(owner, minlength=len(free)), 1)[:, None]
        state = np.column_stack([points @ self.axes, uv])  # in the face's own axes: right, down, back
        skin = state[free, 2]
        mouth, spread = np.flatnonzero(_mouth(uv)[free]), np.array([0, 1, 3, 4])
        for _ in range(RELAXED):
            mean = np.column_stack([np.bincount(owner, column[other], len(free)) for column in state.T]) / counts
            state[free, 2] = np.minimum(mean[:, 2], skin)
            state[np.ix_(free[mouth], spread)] = mean[np.ix_(mouth, spread)]
        return state[:, :3] @ self.axes.T, state[:, 3:]

    def _cords(self, points: Doubles, color: Floats, cover: Floats, unit: float) -> None:
        """Cords, or the arms of glasses, from the edge to the ears, where the head does not hide them."""
        import cv2

        mirrored = self._mirrored()
        for side, ear in ((1, 234), (-1, 454)):
            outward = self.axes[:, 0] * -side
            # Hidden, where this side of the head is turned away.
            if outward[2] > 0.35:
                continue
            for vertex, lift in self.covering.loops:
                start = points[vertex if side > 0 else mirrored[vertex]]
                end = points[ear] + unit * self.axes @ np.array([-side * 0.25, 1.8 - lift, 0.9])
                middle = (start + end) / 2 + unit * 0.12 * outward
                step = np.linspace(0, 1, 24)[:, None]
                line = (1 - step) ** 2 * start + 2 * step * (1 - step) * middle + step**2 * end
                layer = np.zeros(cover.shape, np.uint8)
                thick = max(round(unit * (0.14 if self.covering.whole else 0.34)), 1)
                fixed = np.rint(line[:, :2].clip(-1e4, 1e4) * 16).astype(np.int32).reshape(-1, 1, 2)
                cv2.polylines(layer, [fixed], False, 255, thick, cv2.LINE_AA, 4)
                share = (layer / np.float32(255)) * (1 - cover)
                paint = np.float32(225.0 if self.covering.whole else 20.0)
                whole = cover + share
                mix = np.divide(share, whole, out=np.zeros_like(share), where=whole > 0)[..., None]
                color[:] = color * (1 - mix) + paint * mix
                cover[:] = whole

    def _mirrored(self) -> NDArray[np.intp]:
        """For each vertex the one on the other side of the face."""
        twins = self.face.vertices * np.array([-1, 1, 1], np.float32)
        far = np.linalg.norm(self.face.vertices[None] - twins[:, None], axis=2)
        return np.asarray(far.argmin(axis=1), np.intp)

    def _light(self, part: Image, extent: float) -> Floats:
        """How bright the picture is around each pixel (h, w), 1 for a well-lit face; without the face's own marks."""
        import cv2

        around = cv2.GaussianBlur(part.astype(np.float32) @ GRAY, (0, 0), 0.16 * extent)
        return np.asarray(np.clip(0.35 + 0.65 * around / 135, 0.3, 1.12), np.float32)


def _mouth(uv: Doubles) -> NDArray[np.bool_]:
    """Which vertices are of the lips, or between them."""
    import cv2

    outline = uv[indices_of("mesh478", "lips_outer")].astype(np.float32)
    return np.array([cv2.pointPolygonTest(outline, place, False) >= 0 for place in uv.astype(np.float32).tolist()])


def _strip(jaw: NDArray[np.intp], first: int) -> NDArray[np.int32]:
    """Triangles between the jaw and the points below it, which are numbered from `first`; they face outwards."""
    below = first + np.arange(len(jaw))
    upper = np.column_stack([jaw[:-1], below[:-1], jaw[1:]])
    lower = np.column_stack([jaw[1:], below[:-1], below[1:]])
    return np.concatenate([upper, lower]).astype(np.int32)
