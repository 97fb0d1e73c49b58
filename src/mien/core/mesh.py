"""Triangle meshes in the picture: their topology, what of them is seen, and pictures warped over them.

The camera is far away (weak perspective): a point's place in the picture is its x and y, and z, in the same scale,
says which of two points is nearer. (0, 0) is the centre of the first pixel. A triangle faces the camera where its
corners run counter-clockwise as seen, so that its normal, by the right hand rule, points at the camera (z < 0).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.raster import Raster, rasterize
from mien.core.warping import resize

__all__ = ["Topology", "triangle_visibility", "visibility", "warp_mesh"]

Ints: TypeAlias = NDArray[np.int32]
Doubles: TypeAlias = NDArray[np.float64]
VISIBILITY_SIDE = 256  # pixels that a mesh is as large as when its visibility is looked at
SLACK = 0.01  # of a mesh's size: what is nearer by less does not hide


@dataclass(frozen=True, eq=False)
class Topology:
    """How the vertices of a mesh hang together; the same for all faces.

    Parameters
    ----------
    vertices : (V, 3) float32
        Their places at rest.
    triangles : (T, 3) int32
        Vertex numbers, counter-clockwise as seen from outside.
    uv : (V, 2) float32
        Place of each vertex in a texture, in [0, 1]: u to the right, v down.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other, or a triangle names a vertex that is not there.
    """

    vertices: NDArray[np.float32] = field(repr=False)
    triangles: Ints = field(repr=False)
    uv: NDArray[np.float32] = field(repr=False)

    def __post_init__(self) -> None:
        count = len(self.vertices)
        if self.vertices.shape != (count, 3) or self.uv.shape != (count, 2) or self.triangles.shape[1:] != (3,):
            raise ShapeMismatch(
                f"vertices {self.vertices.shape}, triangles {self.triangles.shape} and uv {self.uv.shape} do not fit."
            )
        if self.triangles.size and not 0 <= self.triangles.min() <= self.triangles.max() < count:
            raise ShapeMismatch(f"a triangle has a vertex that is none of {count}.")

    @cached_property
    def edges(self) -> Ints:
        """Pairs of vertices that a triangle's side joins, each once, the lower number first: (E, 2)."""
        return np.unique(np.sort(self._sides, axis=1), axis=0).astype(np.int32)

    @cached_property
    def neighbours(self) -> tuple[Ints, ...]:
        """For each vertex, those that an edge joins it to, in order."""
        both = np.concatenate([self.edges, self.edges[:, ::-1]])
        both = both[np.lexsort((both[:, 1], both[:, 0]))]
        return tuple(np.split(both[:, 1], np.searchsorted(both[:, 0], np.arange(1, len(self.vertices)))))

    @cached_property
    def boundary_loops(self) -> tuple[Ints, ...]:
        """Closed lines of vertices at which the mesh ends, the longest first, along the sides of its triangles.

        Where two loops touch in a vertex, which way each goes on there is open.
        """
        sides = self._sides
        keys = sides.astype(np.int64) @ (len(self.vertices), 1)
        back = sides[:, ::-1].astype(np.int64) @ (len(self.vertices), 1)
        after: dict[int, list[int]] = {}
        for start, end in sides[~np.isin(keys, back)].tolist():
            after.setdefault(start, []).append(end)
        loops = []
        while after:
            loop = [min(after)]
            while ends := after.get(loop[-1]):
                loop.append(ends.pop())
                if not ends:
                    del after[loop[-2]]
            loops.append(np.array(loop[:-1] if loop[-1] == loop[0] else loop, np.int32))
        return tuple(sorted(loops, key=len, reverse=True))

    @cached_property
    def _sides(self) -> Ints:
        """The three sides of each triangle as it runs through them, (3 T, 2)."""
        return self.triangles[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2)

    def without(self, *regions: ArrayLike) -> Topology:
        """The mesh with openings: less the triangles that have all corners in a region's vertices.

        ``topology.without(indices_of("mesh478", "lips_inner"))`` opens the mouth.
        """
        inside = [np.isin(self.triangles, np.asarray(region)).all(axis=1) for region in regions]
        keep = ~np.any(inside, axis=0) if inside else np.ones(len(self.triangles), bool)
        return Topology(self.vertices, self.triangles[keep], self.uv)

    def normals(self, points: ArrayLike | None = None) -> NDArray[np.float32]:
        """Unit normals of the vertices: the means of their triangles' normals, weighted by area.

        Parameters
        ----------
        points : (..., V, 3) array-like, optional
            Where the vertices are; by default at rest.

        Returns
        -------
        (..., V, 3) float32
            NaN where a vertex has no triangle, or only triangles without area.
        """
        points = self._checked(self.vertices if points is None else points)
        a, b, c = np.moveaxis(points[..., self.triangles, :], -2, 0)
        across = np.moveaxis(np.cross(b - a, c - a), -2, 0)
        sums = np.zeros((len(self.vertices), *points.shape[:-2], 3))
        for corner in self.triangles.T:
            np.add.at(sums, corner, across)
        sums = np.moveaxis(sums, 0, -2)
        with np.errstate(invalid="ignore"):
            return np.asarray(sums / np.linalg.norm(sums, axis=-1, keepdims=True), np.float32)

    def _checked(self, points: ArrayLike) -> Doubles:
        array = np.asarray(points, np.float64)
        if array.ndim < 2 or array.shape[-2:] != (len(self.vertices), 3):
            raise ShapeMismatch(f"points have the shape (..., {len(self.vertices)}, 3), not {array.shape}.")
        return array


def visibility(points: ArrayLike, triangles: Ints) -> NDArray[np.float32]:
    """How much of its surroundings each vertex shows to the camera, the mesh itself being all that can hide it.

    Of the triangles at a vertex, the share of their area in the picture that faces the camera and has nothing before
    it, seen on a z-buffer of 256 pixels.

    Parameters
    ----------
    points : (N, V, 3) array-like
        Meshes, in any scale.
    triangles : (T, 3) int32

    Returns
    -------
    (N, V) float32
        In [0, 1]; 0 for a vertex whose triangles stand on edge or that has none, NaN for meshes with NaN.
    """
    areas = _areas_seen(points, triangles)
    sums = np.zeros((2, *np.shape(points)[:2]))
    for kind, row in np.ndindex(sums.shape[:2]):
        for corner in triangles.T:
            sums[kind, row] += np.bincount(corner, areas[kind][row], sums.shape[2])
    return _share(*sums)


def triangle_visibility(points: ArrayLike, triangles: Ints) -> NDArray[np.float32]:
    """Share of each triangle that the camera sees, (N, T) in [0, 1]; otherwise as `visibility`."""
    return _share(*_areas_seen(points, triangles))


def _areas_seen(points: ArrayLike, triangles: Ints) -> tuple[Doubles, Doubles]:
    """Pixels (N, T) of each triangle that are seen, and that it has; NaN for meshes with NaN."""
    meshes = np.asarray(points, np.float64)
    if meshes.ndim != 3 or meshes.shape[2] != 3:
        raise ShapeMismatch(f"meshes have the shape (N, V, 3), not {meshes.shape}.")
    shown, drawn = np.full((2, len(meshes), len(triangles)), np.nan)
    for row in np.flatnonzero(np.isfinite(meshes).all(axis=(1, 2))):
        mesh = meshes[row]
        low, extent = mesh.min(axis=0), max(np.ptp(mesh[:, :2], axis=0).max(initial=0), 1e-12)
        raster = rasterize((mesh - low) * (VISIBILITY_SIDE / extent), triangles, (VISIBILITY_SIDE + 1,) * 2, cull=False)
        shown[row] = np.bincount(raster.shown, minlength=len(triangles)) * raster.facing
        drawn[row] = raster.drawn
    return shown, drawn


def _share(part: Doubles, whole: Doubles) -> NDArray[np.float32]:
    """Their ratio, 0 where there is nothing, NaN where that is."""
    return np.asarray(np.divide(part, whole, out=part * 0, where=whole > 0), np.float32)


def warp_mesh(
    image: NDArray[np.uint8],
    source: ArrayLike,
    target: ArrayLike,
    triangles: Ints,
    size: tuple[int, int],
    *,
    visible_only: bool = False,
) -> tuple[NDArray[np.uint8], NDArray[np.bool_]]:
    """Draw a picture over a mesh: what stands at each triangle's corners in it goes where the triangle is.

    With a face's points as `source` and its place in a texture as `target`, the face is unwrapped; the other way round
    it is wrapped again; between two faces, one is laid over the other.

    Parameters
    ----------
    image : (H, W, C) uint8
        C is 1 to 4.
    source : (V, 2 or 3) array-like
        The vertices' places in `image`; with a z, triangles that face away there are left out.
    target : (V, 2 or 3) array-like
        Their places in the result; z says what is in front, and without it all is as near (the first triangle wins).
    triangles : (T, 3) int32
    size : (height, width)
        Of the result.
    visible_only : bool
        Leave out what cannot be seen in `image`, because another part of the mesh is before it: this needs the z of
        `source`.

    Returns
    -------
    picture : (height, width, C) uint8
        0 where nothing was drawn.
    mask : (height, width) bool
        Where something was.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    UsageError
        If what is hidden is to be left out, and the source has no z; or the size is below 0.
    """
    import cv2

    (source, from_3d), (target, to_3d) = _with_depth("source", source), _with_depth("target", target)
    if image.ndim != 3 or not 1 <= image.shape[2] <= 4 or not image.size or image.dtype != np.uint8:
        raise ShapeMismatch(f"a picture of bytes with the shape (H, W, 1 to 4) is needed, not {image.shape}.")
    if len(source) != len(target):
        raise ShapeMismatch(f"{len(source)} source and {len(target)} target points.")
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < len(source):
        raise ShapeMismatch(f"a triangle has a corner that is none of {len(source)} points.")
    if min(size) < 0:
        raise UsageError(f"a picture has no size of {size}.")
    if visible_only and not from_3d:
        raise UsageError("what the source hides is known only where its points have a z.")
    height, width = size
    picture, mask = np.zeros((height, width, image.shape[2]), np.uint8), np.zeros((height, width), bool)
    known = np.isfinite(np.column_stack([source, target]))[triangles]
    kept = np.asarray(known.all(axis=(1, 2)))
    if from_3d:
        kept &= _areas(source, triangles) > 0
    raster = rasterize(target, triangles[kept], size, cull=to_3d)
    if not raster.shown.size:
        return picture, mask
    image, source = _reduced(image, source, target, triangles[kept])
    places = raster.interpolate(source if visible_only else source[:, :2])  # NaN where nothing is
    seen = raster.triangle >= 0
    if visible_only:
        seen &= ~_behind(places, rasterize(source, triangles, image.shape[:2], cull=False))
    x, y = cv2.split(np.ascontiguousarray(places[..., :2]))
    drawn = cv2.remap(image, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).reshape(*seen.shape, -1)
    np.multiply(drawn, seen[..., None], out=picture[raster.window])
    mask[raster.window] = seen
    return picture, mask


def _with_depth(name: str, points: ArrayLike) -> tuple[Doubles, bool]:
    """Points (V, 3), their z 0 where they have none, and whether they have."""
    array = np.asarray(points, np.float64)
    if array.ndim != 2 or array.shape[1] not in (2, 3):
        raise ShapeMismatch(f"{name} points have the shape (V, 2) or (V, 3), not {array.shape}.")
    deep = array.shape[1] == 3
    return (array if deep else np.column_stack([array, np.zeros(len(array))])), deep


def _areas(points: Doubles, triangles: Ints) -> Doubles:
    """Areas in the picture, above 0 where a triangle faces the camera."""
    a, b, c = np.moveaxis(points[triangles, :2], 1, 0)
    return np.asarray(((c - a)[:, 0] * (b - a)[:, 1] - (c - a)[:, 1] * (b - a)[:, 0]) / 2)


def _reduced(
    image: NDArray[np.uint8], source: Doubles, target: Doubles, triangles: Ints
) -> tuple[NDArray[np.uint8], Doubles]:
    """The picture and the points in it at half the size or less, where it is drawn so small that it would alias."""
    grown = np.abs(_areas(target, triangles)).sum() / max(np.abs(_areas(source, triangles)).sum(), 1e-12)
    factor = int(min(np.sqrt(1 / max(grown, 1e-6)), *image.shape[:2]))
    if factor < 2 or image.shape[2] != 3:
        return image, source
    height, width = image.shape[0] // factor, image.shape[1] // factor
    scale = np.array([width / image.shape[1], height / image.shape[0], 1 / factor])
    edge = np.array([0.5, 0.5, 0])  # places scale about the picture's corner, not about its first pixel's centre
    return resize(image, (height, width)), (source + edge) * scale - edge


def _behind(places: NDArray[Any], front: Raster) -> NDArray[np.bool_]:
    """Which places (h, w, 3) have a nearer part of the mesh before them."""
    import cv2

    (rows, columns), (h, w) = front.window, front.depth.shape
    if not h or not w:
        return np.zeros(places.shape[:2], bool)
    # The farthest of nine pixels, and a slack: a steep surface is not before itself.
    farthest = cv2.dilate(front.depth, np.ones((3, 3), np.uint8))
    with np.errstate(invalid="ignore"):
        x = np.nan_to_num(places[..., 0] - columns.start).round().astype(np.int64)
        y = np.nan_to_num(places[..., 1] - rows.start).round().astype(np.int64)
        nearer = farthest[y.clip(0, h - 1), x.clip(0, w - 1)] < places[..., 2] - SLACK * max(h, w)
    return np.asarray(nearer & (x >= 0) & (x < w) & (y >= 0) & (y < h))
