"""``CorrectGaze``: eyes that look elsewhere: irises moved within the lids, which follow a little.

The eyeball turns, and the iris goes with it: so many pixels as the turn asks of a ball of 12 mm (see
`mien.location.gaze`). The white of the eye is squeezed and stretched between the iris and the corners; of the iris,
what was behind a lid is drawn as what stands beside its middle. It stands in for what networks do that were taught gaze
(Ganin, Kononenko, Sungatullina, Lempitsky, *DeepWarp*, ECCV 2016).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.core.image import Image
from mien.core.layouts import indices_of
from mien.core.mesh import Topology
from mien.core.region import Region
from mien.engine import Engine, default_engine
from mien.location.gaze import EYES, Eye, eye_openness, iris_diameters
from mien.location.topology import face_topology
from mien.media.provenance import Provenance
from mien.swaps.each import Each
from mien.swaps.effects import Shot
from mien.swaps.plate import Plate
from mien.swaps.shape.cautions import check_human
from mien.swaps.shape.gestures import lids
from mien.swaps.shape.reshaping import NEAR, SURFACE, Seat, redraw
from mien.swaps.shape.retargeting import NEEDS, seated

__all__ = ["FARTHEST", "Aim", "CorrectGaze", "move_irises"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]
Aim: TypeAlias = Literal["camera"] | tuple[float, float]

FARTHEST: Final = 25.0  #: degrees by which eyes are turned at most
WIDEST: Final = 35.0  #: degrees beside the camera to which they look at most
EYEBALL, IRIS = 12.0, 11.7  # mm: radius and diameter; see `mien.location.gaze`
LEVER = float(np.sqrt(EYEBALL**2 - (IRIS / 2) ** 2))
CLOSED = 0.3  # of the iris' diameter: lids so near show no eye to turn
SMALL = 5.0  # pixels of an iris: a smaller one is no disc to move
GLARE = 0.25  # of the opening: more of it white means a reflection
LIMBUS = 1.12  # radii of the iris that move as one piece
FOLLOW = 0.5  # of the iris' way up or down: how far the upper lid goes with it
RIM = 0.13  # of the iris' diameter: over such a width what is moved begins at the lids
ROOM = 0.35  # of the eye's width: the iris' centre stays within so much from its middle
SIDES = {1: "right_eye", -1: "left_eye"}


@dataclass(frozen=True, kw_only=True, eq=False)
class CorrectGaze:
    """Eyes that look where they are wanted to.

    Parameters
    ----------
    target : "camera" or (yaw, pitch)
        Into the camera; or degrees as `mien.core.fields` has them for gaze: yaw > 0 to the picture's right, pitch > 0
        up, each up to 35.
    lids : bool
        Whether the upper lids follow up and down.
    engine : Engine, optional
        Where the mesh's triangles come from; by default `mien.default_engine()`.

    Raises
    ------
    UsageError
        If there is no such target.
    """

    target: Aim = "camera"
    lids: bool = True
    engine: Engine | None = None

    def __post_init__(self) -> None:
        if self.target == "camera":
            return
        try:
            yaw, pitch = (float(angle) for angle in self.target)
        except (TypeError, ValueError):
            yaw = pitch = np.inf
        if not max(abs(yaw), abs(pitch)) <= WIDEST:
            raise UsageError(
                f'eyes look at "camera", or at a yaw and a pitch of up to {WIDEST:g}, not {self.target!r}.'
            )

    @cached_property
    def _topology(self) -> Topology:
        return face_topology(engine=self.engine)

    @property
    def needs(self) -> frozenset[str]:
        """See `mien.swaps.effects.Effect`."""
        return NEEDS | {"gaze"}

    @property
    def report(self) -> dict[str, Any]:
        """What is done; JSON types."""
        return {"effect": "gaze", "target": self.target if self.target == "camera" else list(self.target)}

    def mark(self, source: Provenance) -> Provenance:
        """See `mien.swaps.effects.Effect`."""
        return Provenance.manipulated(source, models=("facemesh",))

    def start(self) -> Each:
        """See `mien.swaps.effects.Effect`."""
        return Each(self._change)

    def _change(self, shot: Shot, row: int, picture: Image) -> tuple[Region, dict[str, Any]]:
        seat, gaze = seated(shot.faces, row, picture, around=NEAR), shot.faces.gaze
        now = gaze.values[row, :2].astype(np.float64)
        if not np.isfinite(now).all():
            raise UsageError(f"where these eyes look is not known: {gaze[row].reason or 'they are not seen'}.")
        want = np.zeros(2) if self.target == "camera" else np.array(self.target, np.float64)
        if (far := float(np.linalg.norm(want - now))) > FARTHEST:
            raise UsageError(f"the eyes would turn by {far:.0f} degrees; up to {FARTHEST:g} looks like eyes.")
        check_human(shot, row, self.engine or default_engine())
        mesh = shot.faces.landmarks.values[row].astype(np.float64) - (*seat.plate.origin, 0)
        way = (_aside(want) - _aside(now)) * LEVER / IRIS  # in diameters of an iris
        moved, touched = move_irises(seat.plate.image, mesh, {eye.side: way for eye in EYES})
        front, alpha = moved, touched
        own = shot.faces.stabilized.values[row, :SURFACE].astype(np.float64)
        if self.lids and (amount := lid_amount(mesh, float(way[1]))):
            part = Seat(Plate(moved, seat.plate.origin, seat.plate.points), seat.rotation, seat.scale, seat.pivot)
            done = redraw(part, seat.moved(lids(own, amount)), np.eye(3), self._topology)
            front, alpha = done.image.round().clip(0, 255).astype(np.uint8), np.maximum(touched, done.alpha)
        seat.plate.put(picture, front, alpha)
        told = {"gaze_before": [round(float(angle), 1) for angle in now], "turned_by": round(far, 1)}
        return seat.plate.region(alpha, (picture.shape[1], picture.shape[0])), told


def lid_amount(mesh: Doubles, down: float) -> float:
    """By how much lids open (above 0) or close where irises go down by parts of their diameter: see `lids`."""
    opening = float(np.nanmean(eye_openness(mesh[None])))
    if not opening > 0 or abs(down) < 0.02:
        return 0.0
    part = FOLLOW * down / opening
    return float(np.clip(-part / (0.8 if part > 0 else 0.35), -0.5, 0.8))


def _aside(angles: Doubles) -> Doubles:
    """Right and down parts of the unit vector that looks so, from yaw and pitch in degrees."""
    yaw, pitch = np.deg2rad(angles)
    return np.array([np.sin(yaw) * np.cos(pitch), -np.sin(pitch)])


def move_irises(image: Image, mesh: Doubles, ways: dict[int, Doubles]) -> tuple[Image, Floats]:
    """Move irises in a picture of a face.

    Parameters
    ----------
    image : (h, w, 3) uint8
    mesh : (478, 3) float64
        In its pixels.
    ways : mapping of int to (2,) float64
        By the side of the eye (see `mien.location.gaze.Eye`): where its iris goes, right and down, in diameters of it.

    Returns
    -------
    image : (h, w, 3) uint8
    touched : (h, w) float32
        1 where it may differ.

    Raises
    ------
    UsageError
        If no eye is open and large enough, an eye reflects light, or an iris would leave its opening.
    """
    out, touched = image.copy(), np.zeros(image.shape[:2], np.float32)
    openness = eye_openness(mesh[None])[0]
    done = 0
    for eye, opening in zip(EYES, openness, strict=True):
        diameter = float(iris_diameters(mesh[None], eye)[0])
        if not (opening > CLOSED and diameter >= SMALL):
            continue
        _move_iris(out, touched, image, mesh, eye, diameter, ways[eye.side] * diameter)
        done += 1
    if not done:
        raise UsageError("no eye is open and large enough to be turned.")
    return out, touched


def _move_iris(
    out: Image, touched: Floats, image: Image, mesh: Doubles, eye: Eye, diameter: float, way: Doubles
) -> None:
    import cv2

    ring = mesh[indices_of("mesh478", SIDES[eye.side]), :2]
    center, radius = mesh[eye.iris, :2], diameter / 2
    corners = mesh[list(eye.corners), :2]
    width = float(np.linalg.norm(corners[1] - corners[0]))
    if np.linalg.norm(center + way - corners.mean(axis=0)) > ROOM * width:
        raise UsageError("an iris would go behind the corner of its eye: these eyes turn less far.")
    low = np.floor(ring.min(axis=0)).astype(int) - 2
    high = np.ceil(ring.max(axis=0)).astype(int) + 3
    low, high = low.clip(0), np.minimum(high, image.shape[1::-1])
    if (high - low < 4).any():
        return
    opening = np.zeros((high[1] - low[1], high[0] - low[0]), np.uint8)
    cv2.fillPoly(opening, [((ring - low) * 16).round().astype(np.int32)], 255, cv2.LINE_AA, 4)
    window = slice(low[1], high[1]), slice(low[0], high[0])
    part = image[window]
    if (part[opening > 127].min(axis=-1, initial=255) > 245).mean() > GLARE:
        raise UsageError("light is reflected before an eye: there is no iris to move.")
    # Lashes and the shadow of the lids stay where they are.
    depth = cv2.distanceTransform(np.pad((opening > 127).astype(np.uint8), 1), cv2.DIST_L2, 5)[1:-1, 1:-1]
    alpha = (np.asarray(depth, np.float32) / max(RIM * diameter, 1.5)).clip(0, 1)[..., None]
    x, y = _places(opening, center - low, radius, way, width)
    drawn = cv2.remap(part, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE).astype(np.float32)
    out[window] = (part + alpha * (drawn - part) + 0.5).astype(np.uint8)
    touched[window] = np.maximum(touched[window], (alpha[..., 0] > 0).astype(np.float32))


def _places(
    opening: NDArray[np.uint8], center: Doubles, radius: float, way: Doubles, width: float
) -> tuple[Floats, Floats]:
    """From where each pixel of an eye's window takes its colour."""
    y, x = np.mgrid[: opening.shape[0], : opening.shape[1]].astype(np.float64)
    dx, dy = x - center[0] - way[0], y - center[1] - way[1]
    far = np.hypot(dx, dy)
    limbus = LIMBUS * radius
    room = max(0.62 * width - radius, radius)  # over which the white gives way
    share = (1 - (far - limbus) / room).clip(0, 1)
    from_x, from_y = x - share * way[0], y - share * way[1]
    inside = opening > 200
    top, bottom = _span(inside)
    column = from_x.round().astype(int).clip(0, opening.shape[1] - 1)
    behind = (from_y < top[column]) | (from_y > bottom[column])
    # Of the iris, what is as far from its middle at the side: there, no lid hides it.
    iris = behind & (far < limbus)
    aside = center[0] + np.where(dx < 0, -far, far)
    from_y = np.where(iris, center[1] + 0.2 * dy, from_y.clip(top[column], bottom[column]))
    return np.where(iris, aside, from_x).astype(np.float32), from_y.astype(np.float32)


def _span(inside: NDArray[np.bool_]) -> tuple[Doubles, Doubles]:
    """First and last row of each column that is inside; of columns without, those of the nearest that has."""
    has = np.flatnonzero(inside.any(axis=0))
    if not len(has):
        middle = np.full(inside.shape[1], inside.shape[0] / 2)
        return middle, middle
    nearest = has[np.abs(np.arange(inside.shape[1])[:, None] - has).argmin(axis=1)]
    top = inside.argmax(axis=0)[nearest]
    bottom = (len(inside) - 1 - inside[::-1].argmax(axis=0))[nearest]
    slack = np.minimum(2.0, (bottom - top) / 4)
    return np.asarray(top + slack), np.asarray(bottom - slack)
