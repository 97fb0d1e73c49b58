"""``Retarget``: another expression and another pose for a face, by moving its mesh, within honest limits.

It moves what the picture shows, and adds nothing: no teeth behind lips that were closed, no wrinkles that a smile would
make. So a little goes a long way, and beyond that it refuses. It stands in for what learned reenactment does with one
picture (Guo et al., *LivePortrait*, 2024), without a network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NoFace, UsageError
from mien.core.faces import Faces
from mien.core.geometry import rotation_matrix
from mien.core.image import Image
from mien.core.mesh import Topology
from mien.core.region import Region
from mien.engine import Engine, default_engine
from mien.location.topology import face_topology
from mien.location.unwrapping import Texture
from mien.media.provenance import Provenance
from mien.swaps.each import Each
from mien.swaps.effects import Shot
from mien.swaps.shape.cautions import Kept, check_guess, check_human, wears_glasses
from mien.swaps.shape.gestures import GESTURES, Gestures, kept_together, lids, shipped_gestures
from mien.swaps.shape.insides import CLOSED, gap
from mien.swaps.shape.reshaping import AROUND, NEAR, SURFACE, Redrawn, Seat, complete_texture, redraw

__all__ = ["LIMITS", "NEEDS", "Mover", "Retarget", "check_whole", "seated", "turn_by"]

Doubles = NDArray[np.float64]

#: What each option of `Retarget` takes, at least and at most.
LIMITS: Final[Mapping[str, tuple[float, float]]] = MappingProxyType(
    {
        "smile": (-1.0, 1.0),
        "mouth_open": (-1.0, 0.5),
        "brows": (-1.0, 1.0),
        "eyes": (-0.6, 1.0),
        "squint": (-1.0, 1.0),
        "yaw": (-15.0, 15.0),
        "pitch": (-15.0, 15.0),
        "roll": (-15.0, 15.0),
    }
)
#: Fields that it takes to seat a head in its plate.
NEEDS: Final = frozenset({"landmarks", "stabilized", "pose"})

POSE = ("yaw", "pitch", "roll")
OPENS = {"jawOpen", "mouthFunnel", "mouthUpperUpLeft", "mouthUpperUpRight", "mouthLowerDownLeft", "mouthLowerDownRight"}
WIDEST = 0.25  # of the mouth's width: farther, lips that were closed would part over teeth that nobody saw
FARTHEST = 40.0  # degrees of yaw or pitch, before and after
# Of the face's extent: what the picture has to show above and beside a face that is turned, and below it. Nearer, what
# lies around the face is torn from its edge.
ROOM, BELOW = 0.1, 0.02
# Of a turn that was drawn, less is measured, as hair and neck follow it less far than a skull would: by so much more is
# drawn. Medians over 13 people who do not exist (benchmarks/editing.py).
GAIN = (1.23, 1.15, 1.02)


@dataclass(frozen=True, kw_only=True, eq=False)
class Retarget:
    """Another expression, another pose.

    Amounts of expression are added to what the face shows: 1 is as much as people do, below 0 is the opposite. Pose is
    added in degrees.

    Parameters
    ----------
    smile : float
        -1 to 1: the corners of the mouth, with cheeks and lids. Lips that are closed stay so.
    mouth_open : float
        -1 to 0.5. Lips that were closed open little, on a dark inside: there are no teeth to show.
    brows : float
        -1 (frown) to 1 (up).
    eyes : float
        -0.6 (nearly closed) to 1 (wide): closed lids need a fold and lashes that the picture does not show.
    squint : float
        -1 to 1: the lower lids.
    blendshapes : mapping of str to float, optional
        Other coefficients by ARKit's names, -1 to 1; `mien.swaps.shape.gestures.shipped_gestures` lists them.
    yaw, pitch, roll : float
        -15 to 15 degrees, added to the head's.
    engine : Engine, optional
        Where the mesh's triangles come from; by default `mien.default_engine()`.

    Raises
    ------
    UsageError
        If an amount is out of its range, there is no such coefficient, or nothing is asked for.
    """

    smile: float = 0.0
    mouth_open: float = 0.0
    brows: float = 0.0
    eyes: float = 0.0
    squint: float = 0.0
    blendshapes: Mapping[str, float] = field(default_factory=dict)
    yaw: float = 0.0
    pitch: float = 0.0
    roll: float = 0.0
    engine: Engine | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in LIMITS.items():
            value = getattr(self, name)
            if not low <= value <= high:
                raise UsageError(f"{name} is between {low:g} and {high:g}, not {value:g}.")
        known = shipped_gestures().names
        for name, value in self.blendshapes.items():
            if name not in known:
                raise UsageError(f"no expression is called {name!r}; there are {', '.join(known)}.")
            if not -1 <= value <= 1:
                raise UsageError(f"{name} is between -1 and 1, not {value:g}.")
        if not self.asked:
            raise UsageError(f"say what to change, one or more of: {', '.join(LIMITS)}, blendshapes.")

    @property
    def asked(self) -> dict[str, float]:
        """What is to change: amounts other than 0 by name."""
        given = {**{name: getattr(self, name) for name in LIMITS}, **self.blendshapes}
        return {name: float(value) for name, value in given.items() if value}

    @property
    def needs(self) -> frozenset[str]:
        """See `mien.swaps.effects.Effect`."""
        return NEEDS

    @property
    def report(self) -> dict[str, Any]:
        """What is done; JSON types."""
        return {"effect": "retarget", **self.asked}

    def mark(self, source: Provenance) -> Provenance:
        """See `mien.swaps.effects.Effect`."""
        return Provenance.manipulated(source, models=("facemesh", "gestures") if self._gestures else ("facemesh",))

    def start(self) -> Each:
        """See `mien.swaps.effects.Effect`.

        Raises
        ------
        LicenseRefused
            If the licenses that the engine permits do not cover the table of expressions: see `shape.gestures`.
        """
        return Each(partial(self._change, Mover(self.engine or default_engine()), self._table))

    @property
    def _gestures(self) -> dict[str, float]:
        """Coefficients of what was measured on faces; turns and lids are geometry."""
        amounts: dict[str, float] = dict(self.blendshapes)
        for name, (more, less) in GESTURES.items():
            amount = getattr(self, name)
            for part, share in (more if amount > 0 else less).items() if amount else ():
                amounts[part] = amounts.get(part, 0.0) + abs(amount) * share
        return amounts

    @property
    def _table(self) -> Gestures | None:
        """What the expressions are; None where none is needed."""
        if not self._gestures:
            return None
        table: Gestures = (self.engine or default_engine()).runner("gesture").gestures
        return table

    def _change(
        self, mover: Mover, table: Gestures | None, shot: Shot, row: int, picture: Image
    ) -> tuple[Region, dict[str, Any]]:
        pose = shot.faces.pose.values[row].astype(np.float64)
        added = np.array([getattr(self, name) for name in POSE])
        if (far := float(np.abs(np.stack([pose, pose + added])[:, :2]).max())) > FARTHEST:
            raise UsageError(f"a head that is turned by {far:.0f} degrees shows too little of its face.")
        seat = seated(shot.faces, row, picture, around=AROUND if added.any() else NEAR)
        check_human(shot, row, mover.engine)
        own = shot.faces.stabilized.values[row, :SURFACE].astype(np.float64)
        motion = seat.moved(self._motion(own, gap(own), table))
        if added.any():
            check_whole(seat, picture)
        done = mover.draw(shot, row, seat, motion, turn_by(pose, added))
        seat.plate.put(picture, done.image, done.alpha)
        mask = seat.plate.region(done.alpha, (picture.shape[1], picture.shape[0]))
        return mask, {"guessed": round(done.guessed, 3)}

    def _motion(self, own: Doubles, opening: float, table: Gestures | None) -> Doubles:
        """What the expression adds to a mesh (468, 3) in the head's own axes, cm."""
        amounts = self._gestures
        motion = lids(own, self.eyes) if table is None else table.motion(amounts) + lids(own, self.eyes)
        opens = any(amounts.get(name, 0) > 0 for name in OPENS)
        motion = kept_together(own, motion, closed=opening <= CLOSED and not opens)
        after = gap(own + motion)
        if opening <= CLOSED and after > WIDEST:
            raise UsageError(
                f"these lips are closed, and would part by {after:.2f} of the mouth's width over teeth that the "
                f"picture does not show; up to {WIDEST:g} a dark mouth will do."
            )
        return motion


class Mover:
    """Draws the faces of a picture, or of one video, elsewhere; of each person it keeps what need not be made anew.

    Parameters
    ----------
    engine : Engine
    """

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self._topology: Topology = face_topology(engine=engine)
        self._textures: Kept[Texture] = Kept()
        self._glasses: Kept[bool] = Kept()

    def draw(self, shot: Shot, row: int, seat: Seat, motion: Doubles, turn: Doubles) -> Redrawn:
        """See `redraw`.

        Raises
        ------
        UsageError
            If it would show too much that the picture does not.
        """

        def texture() -> Texture:
            return self._textures.get(shot, row, lambda: complete_texture(seat, self._topology))

        done = redraw(seat, motion, turn, self._topology, make=texture)
        check_guess(done.guessed, lambda: self._glasses.get(shot, row, lambda: wears_glasses(shot, row, self.engine)))
        return done


def seated(faces: Faces, row: int, picture: Image, *, around: float = AROUND) -> Seat:
    """How a face sits in a picture, of which the plate shows so much `around` it.

    Raises
    ------
    NoFace
        If it has no mesh, or none of it is in the picture.
    """
    mesh = faces.landmarks.values[row]
    seat = Seat.of(picture, mesh, faces.stabilized.values[row], around=around) if np.isfinite(mesh).all() else None
    if seat is None:
        why = faces.landmarks[row].reason or "it is not in the picture"
        raise NoFace(f"face {row} has no mesh to move: {why}.")
    return seat


def check_whole(seat: Seat, picture: Image) -> None:
    """Refuse a face that the picture's edge cuts, or nearly: a turn would bring in what the picture does not have.

    Raises
    ------
    UsageError
        If the picture ends too near.
    """
    places = seat.plate.points[:, :2] + seat.plate.origin
    left, above = places.min(axis=0) / seat.plate.size
    right, below = (np.array(picture.shape[1::-1]) - 1 - places.max(axis=0)) / seat.plate.size
    if min(left, above, right) < ROOM or below < BELOW:
        raise UsageError(
            "the picture's edge cuts off this face, or nearly: turned, it would show what the picture has not."
        )


def turn_by(pose: Doubles, added: Doubles) -> Doubles:
    """The turn (3, 3), in the picture's axes, that adds angles to those of a head, both yaw, pitch, roll in degrees."""
    before, after = rotation_matrix(pose), rotation_matrix(pose + added * GAIN)
    return np.asarray(after @ before.T, np.float64)
