"""A face drawn anew with its mesh elsewhere: other expression, other pose; what surrounds it follows.

Three layers, from behind: the surroundings, displaced smoothly after the outline of the face; what lies inside of the
lids and lips, which the head carries and they uncover or cover; and the skin, drawn over the mesh with a z-buffer. What
the picture does not show of the skin is taken from the other half of the face (Hassner, Harel, Paz, Enbar, *Effective
face frontalization in unconstrained images*, CVPR 2015). Nothing is learned: teeth and irises that nobody saw are not
there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.core.mesh import Topology, warp_mesh
from mien.core.raster import rasterize
from mien.location.stabilization import similarities
from mien.location.unwrapping import Texture, fill, unwrap
from mien.swaps.plate import Plate
from mien.swaps.shape.insides import LIDS, LIPS, draw_insides, feathered, paint_insides
from mien.swaps.shape.warpfield import displacement, remap

__all__ = ["AROUND", "NEAR", "Redrawn", "Seat", "complete_texture", "redraw"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SURFACE = 468  # points of the mesh before those of the irises
AROUND: Final = 0.75  # of the face's extent: what of the picture takes part in a turn, on each side
NEAR: Final = 0.45  # the same of an expression, which moves little beyond the face's outline
EARS = [234, 454]  # the mesh's points before the ears: a head turns about a place between and behind them
BEHIND = 1.5  # cm from there to the axis
RING = 1.4  # outlines of the face: there the surroundings turn with the head as if they were so deep ...
DEPTH = (0.55, 1.0)  # ... above and below it: parts of the way from the outline to the axis
NEAREST = 1.2  # outlines as seen from the middle: nearer, a place of the ring would be one of the face
DEEP = 0.02  # of the face's extent: the face is not so far beyond its own outline
MENDED = 256  # pixels of the longer side on which surroundings are mended
STILL = 0.4  # of the ring's extent, beyond it: there nothing moves
SOFT = 1 / 70  # of the face's extent: how softly the skin ends in its surroundings
STIRRED = 0.05  # pixels: what moves less has not moved
# Side of the texture that is made where the picture does not show all that is drawn: of these the first that is nearly
# as large as the face.
TEXTURES = (128, 256, 512)
NEARLY = 0.8
HIDDEN = 0.006  # of the drawn skin: less is no reason to make one


@dataclass(frozen=True, eq=False)
class Seat:
    """How a head sits in a plate.

    Attributes
    ----------
    plate : Plate
        Its points are the 468 of the surface.
    rotation : (3, 3) float64
        From the head's axes to those of the picture.
    scale : float
        Pixels per centimetre of the stabilized mesh.
    pivot : (3,) float64
        What the head turns about, in pixels of the plate.
    """

    plate: Plate
    rotation: Doubles
    scale: float
    pivot: Doubles

    @classmethod
    def of(
        cls, image: Image, landmarks: NDArray[Any], stabilized: NDArray[Any], *, around: float = AROUND
    ) -> Seat | None:
        """The seat of a mesh (478, 3) in pixels, which lies (478, 3) so in the head's own axes, in cm.

        The plate goes beyond it by `around` of its extent. None where there is no mesh, or none is in the picture.
        """
        plate = Plate.around(image, np.asarray(landmarks)[:SURFACE], margin=around)
        if plate is None or min(plate.image.shape[:2]) < 2:
            return None
        own = np.asarray(stabilized, np.float64)[:SURFACE]
        fit = similarities(own, plate.points[None], np.ones((1, SURFACE)))
        rotation, scale = fit.rotation[0], float(fit.scale[0])
        return cls(plate, rotation, scale, plate.points[EARS].mean(axis=0) + rotation[:, 2] * BEHIND * scale)

    def moved(self, motion: NDArray[Any]) -> Doubles:
        """Motion (V, 3), in cm of the head's own axes, in pixels of the plate."""
        return np.asarray(self.scale * motion @ self.rotation.T, np.float64)

    def turned(self, points: Doubles, turn: Doubles) -> Doubles:
        """Points (V, 3) of the plate after a turn (3, 3) in the picture's axes about the head's pivot."""
        return np.asarray((points - self.pivot) @ turn.T + self.pivot)


@dataclass(frozen=True, eq=False)
class Redrawn:
    """What became of a plate.

    Attributes
    ----------
    image : (h, w, 3) float32
        0 to 255.
    alpha : (h, w) float32
        1 where anything may have changed, 0 elsewhere.
    skin : (h, w) bool
        Where the face was drawn.
    guessed : float
        Which part of the drawn skin the picture did not show.
    """

    image: Floats
    alpha: Floats
    skin: NDArray[np.bool_]
    guessed: float


def redraw(
    seat: Seat,
    motion: Doubles,
    turn: Doubles,
    topology: Topology,
    *,
    mouth: Image | None = None,
    texture: Texture | None = None,
    make: Callable[[], Texture] | None = None,
) -> Redrawn:
    """Draw a face with another expression and turned.

    Parameters
    ----------
    seat : Seat
    motion : (468, 3) float64
        What the expression adds, in pixels of the plate.
    turn : (3, 3) float64
        In the picture's axes.
    topology : Topology
    mouth : (h, w, 4) uint8, optional
        What to show between lips that part, in place, and where it is known (255): see `mien.swaps.shape.reenacting`.
    texture : Texture, optional
        The face's, complete, where it is at hand: see `complete_texture`.
    make : callable, optional
        Gives the texture where it is not at hand, and needed; by default `complete_texture`.

    Returns
    -------
    Redrawn
    """
    plate, source = seat.plate, seat.plate.points
    rigid, target = seat.turned(source, turn), seat.turned(source + motion, turn)
    field = _surroundings(seat, source, target, turn, topology)
    stirred = np.maximum(np.abs(field[..., 0]), np.abs(field[..., 1])) > STIRRED
    make = make or (lambda: complete_texture(seat, topology))
    skin, known, guessed = _skin(plate.image, source, target, topology, texture, make)
    inner = np.zeros(known.shape, np.uint8)
    paint_insides(inner, target)
    around = plate.image.copy()
    np.copyto(around, remap(plate.image, field), where=stirred[..., None])
    lower = _mended(around, field, source, known | (inner > 0)).astype(np.float32)
    draw_insides(lower, plate.image, source, rigid, target, mouth)
    face = _soft(known, target, max(plate.size * SOFT, 1.0))
    image = lower + face[..., None] * (skin - lower)
    return Redrawn(image, (stirred | known | (inner > 0)).astype(np.float32), known, guessed)


def _surroundings(seat: Seat, source: Doubles, target: Doubles, turn: Doubles, topology: Topology) -> Floats:
    """How what lies around the face moves with it: a field, see `mien.swaps.shape.warpfield`."""
    outline = topology.boundary_loops[0]
    middle = source[outline].mean(axis=0)
    own = (source[outline] - middle) @ seat.rotation
    depth = np.where(own[:, 1] < 0, *DEPTH) * (((seat.pivot - middle) @ seat.rotation)[2] - own[:, 2])
    ring = middle + (own * RING * (1, 1, 0) + np.column_stack([depth * 0, depth * 0, own[:, 2] + depth])) @ (
        seat.rotation.T
    )
    before = np.concatenate([_beyond(source, source[outline], 1.0), _beyond(source, ring, NEAREST)])
    after = np.concatenate([_beyond(target, target[outline], 1.0), _beyond(target, seat.turned(ring, turn), NEAREST)])
    return displacement(before, after, seat.plate.image.shape[:2], still=STILL)


def _mended(around: Image, field: Floats, source: Doubles, face: NDArray[np.bool_]) -> Image:
    """The surroundings without what they show of the face beside its new place, filled from around it."""
    import cv2

    height, width = around.shape[:2]
    factor = min(1.0, MENDED / max(height, width))
    few = (max(round(width * factor), 1), max(round(height * factor), 1))
    scale = np.array(few) / (width, height)
    hull = cv2.convexHull((source[:, :2] * scale).astype(np.float32))
    before = np.zeros(few[::-1], np.uint8)
    cv2.fillConvexPoly(before, hull.round().astype(np.int32), 1)
    extent = float(np.ptp(source[:, :2] * scale, axis=0).max())
    deep = np.asarray(cv2.distanceTransform(before, cv2.DIST_L2, 3), np.float32)
    coarse = np.asarray(cv2.resize(field, few, interpolation=cv2.INTER_LINEAR), np.float32) * scale.astype(np.float32)
    now = cv2.resize(face.astype(np.uint8), few, interpolation=cv2.INTER_LINEAR) > 0
    left = (remap(deep, coarse) > DEEP * extent) & ~now
    if not left.any():
        return around
    side = 2 * round(1.5 * DEEP * extent) + 1
    left = np.asarray(cv2.dilate(left.astype(np.uint8), np.ones((side, side), np.uint8)), bool) & ~now
    small = cv2.resize(around, few, interpolation=cv2.INTER_AREA)
    # Only what is neither face nor left over tells what is there.
    filled = cv2.inpaint(small, (left | now).astype(np.uint8), 3, cv2.INPAINT_TELEA)
    share = cv2.resize(cv2.GaussianBlur(left.astype(np.float32), (0, 0), 1), (width, height))[..., None]
    fill = cv2.resize(filled, (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(around + share * (fill.astype(np.float32) - around) + np.float32(0.5), np.uint8)


def _beyond(mesh: Doubles, points: Doubles, least: float) -> Doubles:
    """Where points (K, 3) are seen, (K, 2): of those that the head hides, the nearest place that shows.

    As seen, a head is convex, or nearly; so they go outwards, until they stand `least` outlines from its middle.
    """
    import cv2

    hull = cv2.convexHull(mesh[:, :2].astype(np.float32)).reshape(-1, 2).astype(np.float64)
    middle = mesh[:, :2].mean(axis=0)
    rays, corners = points[:, :2] - middle, hull - middle
    sides = np.roll(corners, -1, axis=0) - corners
    # The ray t r meets the side c + s d, which goes around the middle, where t = (c x d) / (r x d).
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = (corners[:, 0] * sides[:, 1] - corners[:, 1] * sides[:, 0]) / (
            rays[:, :1] * sides[:, 1] - rays[:, 1:] * sides[:, 0]
        )
    reach = least * np.where(reach > 0, reach, np.inf).min(axis=1)
    farther = np.where(np.isfinite(reach), reach, 1.0).clip(1, 4)
    return np.asarray(middle + rays * farther[:, None])


def complete_texture(seat: Seat, topology: Topology) -> Texture:
    """The colours of a whole face: what the picture does not show is the other half's, or blended from around it."""
    side = next((side for side in TEXTURES if side >= NEARLY * seat.plate.size), TEXTURES[-1])
    return fill(unwrap(seat.plate.image, seat.plate.points, topology, side))


def _skin(
    image: Image,
    source: Doubles,
    target: Doubles,
    topology: Topology,
    texture: Texture | None,
    make: Callable[[], Texture],
) -> tuple[Floats, NDArray[np.bool_], float]:
    """The skin at its new place (h, w, 3), where it is, and which part of it is a guess."""
    skin, size = topology.without(LIPS, *LIDS).triangles, image.shape[:2]
    drawn, seen = warp_mesh(image, source, target, skin, size, visible_only=True)
    whole, raster = np.zeros(size, bool), rasterize(target, skin, size)
    whole[raster.window] = raster.triangle >= 0
    colors = drawn.astype(np.float32)
    if not whole.any() or (texture is None and (whole & ~seen).sum() <= HIDDEN * whole.sum()):
        return colors, seen, 0.0
    complete = texture or make()
    uv = topology.uv * np.float32(len(complete.image)) - np.float32(0.5)
    levels = np.dstack([complete.image, (complete.seen * 255).astype(np.uint8)])
    guess = warp_mesh(levels, uv, target, skin, size)[0].astype(np.float32)
    share = guess[..., 3:] / np.float32(255) * seen[..., None]
    colors = guess[..., :3] + share * (colors - guess[..., :3])
    return colors, whole, float(1 - share[whole].mean())


def _soft(known: NDArray[np.bool_], target: Doubles, width: float) -> Floats:
    """How much of each pixel is skin: it ends softly in the surroundings, and sharply at lids and lips."""
    import cv2

    closed = known.astype(np.uint8)
    paint_insides(closed, target)
    depth = cv2.distanceTransform(np.pad(closed, 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    return np.asarray((depth / width).clip(0, 1) * feathered(known), np.float32)
