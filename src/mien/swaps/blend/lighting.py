"""Light of one face put on another: the ratio of two low orders of spherical harmonics, in linear light.

As in Wen, Liu, Huang, *Face relighting with radiance environment maps* (CVPR 2003): the brightness of skin is fitted by
its normals, once for each picture, and a face is multiplied by the ratio of the two.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core.mesh import Topology
from mien.core.raster import rasterize
from mien.core.shading import fit_light, harmonics
from mien.swaps.blend.facemask import shrunk, smaller, window_of
from mien.swaps.plate import Plate

__all__ = ["brightened", "normal_map", "relit", "to_linear"]

Floats = NDArray[np.float32]
LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)  # of linear sRGB (ITU-R BT.709)
POWER = 2.4  # of sRGB's power law (IEC 61966-2-1)
BLACK = 0.055 * 255  # what is added to its numbers before
SIDE = 64  # pixels of a face's extent that its normals are drawn on: light changes slowly
STRONGEST = 4.0  # times by which a place is made brighter, or darker
DARKEST = 0.12  # of the mean: no place is darker than that by the fitted light
BRIGHT, WHITE = 0.98, 0.85  # so much of the skin is below so much of white
ROOM = 0.1  # of the face's extent around what is compared that is changed as well
HELD = 0.01  # see `fit_light`


def to_linear(image: Floats) -> Floats:
    """Numbers of sRGB 0 to 255 as light in [0, 1]: its power law, without the straight piece next to black."""
    import cv2

    # Of 256 levels the straight piece concerns the ten darkest; without it, light is multiplied by multiplying levels.
    base = (image + np.float32(BLACK)) * np.float32(1 / (255 + BLACK))
    return np.asarray(cv2.pow(np.maximum(base, 0, out=base), POWER), np.float32)


def normal_map(plate: Plate, topology: Topology) -> Floats:
    """Normals of a face in the axes of the camera, all over its plate.

    Returns
    -------
    (h, w, 3) float32
        A smaller plate: about 64 pixels of face; NaN where there is none.
    """
    points, size, _ = smaller(plate, SIDE)
    count = len(topology.vertices)
    raster = rasterize(points[:count], topology.triangles, size)
    out = np.full((*size, 3), np.nan, np.float32)
    out[raster.window] = raster.interpolate(topology.normals(plate.points[:count]))
    return np.asarray(out / np.linalg.norm(out, axis=2, keepdims=True), np.float32)


def relit(front: Floats, back: Floats, normals: Floats, weight: Floats, *, strength: float = 1.0) -> Floats:
    """Give a face the light of another that has the same normals: where it comes from, not how bright it is.

    Parameters
    ----------
    front, back : (h, w, 3) float32
        0 to 255; laid over each other.
    normals : (h', w', 3) float32
        Of the face, all over the plate, in any resolution; NaN where there is none: see `normal_map`.
    weight : (h, w) float32
        Where both are skin, in [0, 1].
    strength : float
        0 leaves the light as it is, 1 changes it in full.

    Returns
    -------
    (h, w, 3) float32
        As bright on the whole as `front`, or darker where it would be beyond white; `front` itself where there is too
        little skin to tell the light by.
    """
    import cv2

    size = normals.shape[0], normals.shape[1]
    model, mine = (to_linear(shrunk(one, size)) for one in (back, front))
    inside = np.asarray(np.isfinite(normals).all(axis=2))
    known = np.where(inside, shrunk(weight, size), 0).astype(np.float32)
    theirs, own = (_shade(np.nan_to_num(normals), level @ LUMINANCE, known) for level in (model, mine))
    if theirs is None or own is None:
        return front
    gain = _spread(_below_white(strength * _ratio(theirs, own, known), mine, known), inside)
    window = window_of(weight, ROOM)
    assert window is not None  # noqa: S101 - for the type checker: there was enough to fit a light to
    out = front.copy()
    whole = np.asarray(cv2.resize(gain, front.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.float32)
    out[window] = brightened(front[window], whole[window])
    return out


def _ratio(theirs: Floats, own: Floats, known: Floats) -> Floats:
    """Logarithm of what light is multiplied by, 0 on the whole."""
    log = np.log(theirs / own)
    limit = np.log(STRONGEST)
    return np.asarray((log - np.average(log, weights=known)).clip(-limit, limit), np.float32)


def _below_white(gain: Floats, light: Floats, known: Floats) -> Floats:
    """A gain lowered so far that nothing gets brighter than white: colours cut off there could not be brought back."""
    bright = (np.log(np.maximum(light.max(axis=2), 1e-3)) + gain)[known > 0.3]
    over = float(np.quantile(bright, BRIGHT)) - np.log(WHITE)
    return np.asarray(gain - max(over, 0), np.float32)


def brightened(image: Floats, gain: Floats) -> Floats:
    """A picture (h, w, 3), 0 to 255, whose light is multiplied by the exponential of `gain` (h, w)."""
    import cv2

    # With a power law, light that is multiplied is the picture's numbers multiplied: see `to_linear`.
    factor = np.asarray(cv2.exp(gain * np.float32(1 / POWER)), np.float32)
    factor = np.asarray(cv2.merge([factor] * 3), np.float32)
    out = np.asarray(cv2.multiply(image + np.float32(BLACK), factor), np.float32)
    out -= np.float32(BLACK)
    return out


def _shade(normals: Floats, level: Floats, known: Floats) -> Floats | None:
    """How bright each normal is by the light that explains what is known, 1 on the whole; None: too little is."""
    light = fit_light(normals, level, known, held=HELD)
    if light is None:
        return None
    shade = harmonics(normals) @ light
    mean = float(np.average(shade, weights=known))
    return np.asarray(np.maximum(shade / max(mean, 1e-6), DARKEST), np.float32)


def _spread(gain: Floats, inside: NDArray[np.bool_]) -> Floats:
    """Smooth, and carried on beyond the face, fading to 0."""
    import cv2

    known = inside.astype(np.float32)
    sigma = max(0.02 * max(gain.shape), 0.8)
    near = cv2.GaussianBlur(known, (0, 0), sigma)
    return np.asarray(cv2.GaussianBlur(gain * known, (0, 0), sigma) / np.maximum(near, 1e-3), np.float32)
