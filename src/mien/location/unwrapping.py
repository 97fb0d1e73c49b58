"""A face's texture: unwrapped from the picture, and filled where the picture does not show it.

What the head turns away from the camera is taken from the other half of the face, as bright as its surroundings here;
what neither half shows is blended from around it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import UsageError
from mien.core.image import Image
from mien.core.mesh import Topology, warp_mesh
from mien.core.raster import rasterize

__all__ = ["Texture", "blend", "fill", "mirrored_fill", "over_texture", "unwrap"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

#: Cosines of the angle at which a surface is seen: below the first it is not believed, above the second in full. At
#: 0.15 a pixel of the picture is smeared over six or seven of the texture.
FACING = (0.15, 0.55)
EDGE = 1 / 160  # of the texture's side: so near to what hides, colours are those of something else
SEAM = 1 / 40  # of the side: over such a distance the two halves of a face pass into each other
OUTLINE = 0.03  # of the face's extent in the picture: so near to where it turns away, they may be the background's
SOFT = 1 / 12  # of the side: the light on the two halves is compared over such distances
COARSE = 128  # pixels that this is done on
BRIGHTEST = 3.0  # times by which the other half may be made brighter, or darker


@dataclass(frozen=True, eq=False)
class Texture:
    """The colours of a face on its surface.

    Attributes
    ----------
    image : (S, S, 3) uint8
        RGB.
    seen : (S, S) float32
        How well the picture shows each texel, in [0, 1]: 0 where the colour is a guess.
    """

    image: Image
    seen: Floats


def unwrap(image: Image, points: ArrayLike, topology: Topology, size: int) -> Texture:
    """Take a face's colours from a picture.

    Parameters
    ----------
    image : (H, W, 3) uint8
    points : (V, 3) array-like
        The mesh in the picture: pixels, z away from the camera.
    topology : Topology
    size : int
        Side of the texture.

    Returns
    -------
    Texture
        0 where nothing is seen.
    """
    import cv2

    mesh = np.asarray(points, np.float64)
    target = topology.uv * np.float32(size) - np.float32(0.5)
    picture, seen = warp_mesh(image, mesh, target, topology.triangles, (size, size), visible_only=True)
    over = over_texture(topology, np.column_stack([topology.normals(mesh)[:, 2], mesh[:, :2]]), size)
    facing, place, inside = -np.nan_to_num(over[..., 0]), over[..., 1:], np.isfinite(over[..., 1])
    low, high = FACING
    x = ((facing - low) / (high - low)).clip(0, 1)
    weight = np.where(seen, x * x * (3 - 2 * x), 0.0)
    with np.errstate(invalid="ignore"):
        # A texel outside of the picture was drawn in the colour of its edge.
        out = ((place < 0) | (place > np.array(image.shape[1::-1]) - 1)).any(axis=2)
    weight[out | _near_outline(mesh, topology, image.shape[:2], place)] = 0
    # Only edges within the face: its outer one is no edge of what is hidden.
    open_ = (~inside | (weight > 0)).astype(np.uint8)
    depth = cv2.distanceTransform(np.pad(open_, 1, constant_values=1), cv2.DIST_L2, 3)[1:-1, 1:-1] / size
    weight = weight * ((depth - EDGE) / SEAM).clip(0, 1)
    return Texture(picture, weight.astype(np.float32))


def blend(textures: Sequence[Texture]) -> Texture:
    """One texture of several of the same face, each where it sees best, in the light of the first.

    Raises
    ------
    UsageError
        If there is none.
    """
    if not textures:
        raise UsageError("nothing to blend: no textures were given.")
    first = textures[0]
    if len(textures) == 1:
        return first
    layers = [first.image.astype(np.float32)]
    layers += [_lit_as(other.image.astype(np.float32), other.seen, layers[0], first.seen) for other in textures[1:]]
    # A high power: a mean of two pictures that are not quite laid over each other would be a blur.
    shares = np.stack([texture.seen for texture in textures]) ** 6 + np.float32(1e-9)
    shares /= shares.sum(axis=0)
    image = sum(layer * share[..., None] for layer, share in zip(layers, shares, strict=True))
    return Texture(_bytes(image), np.max([texture.seen for texture in textures], axis=0))


def fill(texture: Texture) -> Texture:
    """Complete a texture; ``seen`` still says what was seen."""
    return Texture(mirrored_fill(texture.image, texture.seen), texture.seen)


def mirrored_fill(image: Image, seen: Floats) -> Image:
    """Complete a picture that is symmetric about its middle column, where it is not seen.

    Parameters
    ----------
    image : (H, W, 3) uint8
    seen : (H, W) float32
        In [0, 1].

    Returns
    -------
    (H, W, 3) uint8
        Where it is seen in full, the picture to the bit.
    """
    own, other = image.astype(np.float32), image[:, ::-1].astype(np.float32)
    mirrored = seen[:, ::-1]
    if (mirrored > seen).any():
        other = _lit_as(other, mirrored, own, seen)
    second = (1 - seen) * mirrored
    known = seen + second
    weighted = own * seen[..., None] + other * second[..., None]
    return _bytes(_spread(weighted.astype(np.float32), known.astype(np.float32)))


def _lit_as(image: Floats, seen: Floats, model: Floats, model_seen: Floats) -> Floats:
    """A picture as bright, and as coloured, as another of the same thing, by broad strokes."""
    import cv2

    both = (np.minimum(seen, model_seen) ** 2).astype(np.float32)
    if both.sum() < 16:
        return image
    ratio = np.log((model + 8) / (image + 8)) * both[..., None]
    mean = ratio.sum(axis=(0, 1)) / both.sum()
    # Broad strokes need few pixels.
    few = (min(COARSE, image.shape[1]), min(COARSE, image.shape[0]))
    coarse, both = (
        np.asarray(cv2.resize(values, few, interpolation=cv2.INTER_AREA), np.float32) for values in (ratio, both)
    )
    # Far from where both are seen the mean holds.
    sigma, prior = SOFT * few[1], np.float32(0.02)
    near = cv2.GaussianBlur(both, (0, 0), sigma)[..., None]
    gain = (cv2.GaussianBlur(coarse, (0, 0), sigma) + prior * mean) / (near + prior)
    limit = np.log(BRIGHTEST)
    gain = np.exp(cv2.resize(gain.clip(-limit, limit).astype(np.float32), image.shape[1::-1]))
    return np.asarray((image + 8) * gain - 8, np.float32)


def _spread(weighted: Floats, known: Floats) -> Floats:
    """Colours (H, W, C) that are multiplied by how well they are known (H, W), made whole.

    Pull and push: halve until all is known, and fill each level from the coarser one (Gortler, Grzeszczuk, Szeliski,
    Cohen, *The lumigraph*, SIGGRAPH 1996).
    """
    import cv2

    height, width = known.shape
    if min(height, width) <= 2 or known.min() >= 1:
        mean = weighted.sum(axis=(0, 1)) / max(float(known.sum()), 1e-6)
        return np.asarray(weighted + (1 - known.clip(0, 1))[..., None] * mean, np.float32)
    half = ((width + 1) // 2, (height + 1) // 2)
    coarse = np.asarray(cv2.resize(known, half, interpolation=cv2.INTER_AREA), np.float32)
    fine = np.asarray(cv2.resize(weighted, half, interpolation=cv2.INTER_AREA), np.float32)
    # What a coarse cell knows of it is known in full: otherwise holes would be filled from far away.
    more = (np.minimum(4 * coarse, 1) / np.maximum(coarse, 1e-6)).astype(np.float32)
    below = _spread(fine * more[..., None], coarse * more)
    up = cv2.resize(below, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(weighted + (1 - known)[..., None] * up, np.float32)


def _near_outline(mesh: Doubles, topology: Topology, size: tuple[int, int], places: Floats) -> NDArray[np.bool_]:
    """Which texels lie, in the picture, so near to an outline of the head that a small error puts them beyond it.

    The end of the mesh is no outline: beyond the chin there is a neck, and hair above the forehead.
    """
    import cv2

    raster = rasterize(mesh, topology.triangles, size)
    if not raster.shown.size:
        return np.zeros(places.shape[:2], bool)
    (rows, columns), (height, width) = raster.window, raster.triangle.shape
    ends = np.isin(topology.triangles, topology.boundary_loops[0]).any(axis=1)
    shown = np.pad((raster.triangle >= 0).astype(np.uint8), 1)
    rim = shown - cv2.erode(shown, np.ones((3, 3), np.uint8))
    edge: NDArray[np.bool_] = np.asarray(np.array(rim[1:-1, 1:-1], bool) & ~np.asarray(ends)[raster.triangle])
    # Where the picture ends, the head does not.
    edge[0] &= rows.start > 0
    edge[-1] &= rows.stop < size[0]
    edge[:, 0] &= columns.start > 0
    edge[:, -1] &= columns.stop < size[1]
    if not edge.any():
        return np.zeros(places.shape[:2], bool)
    distance = cv2.distanceTransform((~edge).astype(np.uint8), cv2.DIST_L2, 3)
    with np.errstate(invalid="ignore"):
        x = np.nan_to_num(places[..., 0] - columns.start).round().astype(np.int64).clip(0, width - 1)
        y = np.nan_to_num(places[..., 1] - rows.start).round().astype(np.int64).clip(0, height - 1)
    return np.asarray(distance[y, x] < OUTLINE * max(np.ptp(mesh[:, :2], axis=0)))


def over_texture(topology: Topology, values: NDArray[Any], size: int) -> Floats:
    """What the vertices have (V, C), all over the texture, (size, size, C); NaN where there is no face."""
    places = np.column_stack([topology.uv * np.float32(size) - np.float32(0.5), np.zeros(len(topology.uv))])
    raster = rasterize(places, topology.triangles, (size, size), cull=False)
    out = np.full((size, size, values.shape[1]), np.nan, np.float32)
    out[raster.window] = raster.interpolate(values)
    return out


def _bytes(values: Any) -> Image:
    return np.asarray((values + np.float32(0.5)).clip(0, 255), np.uint8)
