"""Action units of the Facial Action Coding System, from the blendshapes and the shape of the mesh.

FACS (Ekman, Friesen and Hager, *Facial Action Coding System*, 2002) numbers what single muscles or groups of them do to
a face. Apple's blend shapes (`ARFaceAnchor.BlendShapeLocation`) describe the same motions for animation; which stands
for which follows from their two descriptions and is listed in `UNITS`.

A number here is a **scaling** of a coefficient or of a distance, from what a face at rest has (0) to the most that
pictures show (1). No human coder's intensities stand behind it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Scores
from mien.core.errors import CardError
from mien.features.shown.fer import Limits, look
from mien.runtime.bundle import Bundle

if TYPE_CHECKING:
    from mien.engine.steps import Batch

__all__ = ["SIDES", "UNITS", "ActionUnits", "Evidence", "Unit", "measure"]

Doubles = NDArray[np.float64]

SIDES: Final = ("right", "left")  #: the subject's; in this order where a unit has two

# Points of the mesh, right and left: outer corners of the eyes, irises, wings of the nose, inner ends of the brows,
# corners of the mouth, upper and lower lip beside the middle. Then the inner edges of the lips in the middle.
_EYES, _IRISES = (33, 263), (468, 473)
_WINGS, _BROWS = (129, 358), (55, 285)
_CORNERS, _UPPER, _LOWER = (61, 291), (37, 267), (84, 314)
_INNER_UPPER, _INNER_LOWER = 13, 14


@dataclass(frozen=True, eq=False)
class Evidence:
    """What units are measured on: N faces.

    Attributes
    ----------
    blendshapes : Scores
        Column of that field.
    stabilized : (N, 478, 3) float
        The mesh in the axes of the head, cm: x right, y down.
    """

    blendshapes: Scores
    stabilized: NDArray[np.floating[Any]]

    def channel(self, name: str) -> Doubles:
        """A blendshape, (N, 1)."""
        place = self.blendshapes.names.index(name)
        return self.blendshapes.values[:, place : place + 1].astype(np.float64)

    def sides(self, name: str) -> Doubles:
        """A blendshape that has two sides, (N, 2)."""
        return np.concatenate([self.channel(f"{name}{side.capitalize()}") for side in SIDES], axis=1)

    def points(self, which: tuple[int, ...]) -> Doubles:
        """Points of the mesh, (N, K, 3)."""
        return self.stabilized[:, list(which)].astype(np.float64)

    def distance(self, one: tuple[int, ...], other: tuple[int, ...]) -> Doubles:
        """Between two rows of points, (N, K) cm."""
        return np.asarray(np.linalg.norm(self.points(one) - self.points(other), axis=2))


Measure = Callable[[Evidence], Doubles]


def _sides(name: str) -> Measure:
    return lambda e: e.sides(name)


def _unsmiling(name: str) -> Measure:
    """The share of a channel that a smile does not explain, which moves it too."""
    return lambda e: e.sides(name) * (1 - e.sides("mouthSmile"))


def _mean(*names: str) -> Measure:
    return lambda e: np.mean([e.channel(name) for name in names], axis=0)


def _nose(e: Evidence) -> Doubles:
    """How short the skin beside the nose is, from its wing to the brow, in widths of the eyes."""
    width = e.distance(_EYES[:1], _EYES[1:])
    length = e.distance(_WINGS, _BROWS)
    return -np.divide(length, width, out=np.full_like(length, np.nan), where=width > 0)


def _drop(e: Evidence) -> Doubles:
    """How far a corner of the mouth hangs below the middle of the lips beside it, cm."""
    lips = (e.points(_UPPER) + e.points(_LOWER)) / 2
    return np.asarray((e.points(_CORNERS) - lips)[:, :, 1])


def _gap(e: Evidence) -> Doubles:
    """How far the lips are apart, cm."""
    return e.distance((_INNER_UPPER,), (_INNER_LOWER,))


@dataclass(frozen=True)
class Unit:
    """One action unit and what it is measured by.

    Attributes
    ----------
    meaning : str
        FACS's words.
    source : str
        What it is measured by, in words.
    measure : callable
        Of `Evidence`: (N, 2) right and left, or (N, 1).
    """

    meaning: str
    source: str
    measure: Measure


#: Every unit that has a counterpart among the blendshapes or in the mesh. Which of them are given is the card's to say.
UNITS: Final[Mapping[str, Unit]] = MappingProxyType(
    {
        "AU1": Unit("inner brow raiser", "browInnerUp", _mean("browInnerUp")),
        "AU2": Unit("outer brow raiser", "browOuterUp", _sides("browOuterUp")),
        "AU4": Unit("brow lowerer", "browDown", _sides("browDown")),
        "AU5": Unit("upper lid raiser", "eyeWide", _sides("eyeWide")),
        "AU6": Unit("cheek raiser", "cheekSquint", _sides("cheekSquint")),
        "AU7": Unit("lid tightener", "eyeSquint, less the share of a smile", _unsmiling("eyeSquint")),
        "AU9": Unit("nose wrinkler", "mesh: wing of the nose to inner brow, in widths of the eyes", _nose),
        "AU10": Unit("upper lip raiser", "mouthUpperUp, less the share of a smile", _unsmiling("mouthUpperUp")),
        "AU12": Unit("lip corner puller", "mouthSmile", _sides("mouthSmile")),
        "AU14": Unit("dimpler", "mouthDimple", _sides("mouthDimple")),
        "AU15": Unit("lip corner depressor", "mesh: corner of the mouth below the middle of the lips", _drop),
        "AU16": Unit("lower lip depressor", "mouthLowerDown", _sides("mouthLowerDown")),
        "AU17": Unit("chin raiser", "mouthShrugLower", _mean("mouthShrugLower")),
        "AU18": Unit("lip pucker", "mouthPucker", _mean("mouthPucker")),
        "AU20": Unit("lip stretcher", "mouthStretch", _sides("mouthStretch")),
        "AU22": Unit("lip funneler", "mouthFunnel", _mean("mouthFunnel")),
        "AU24": Unit("lip pressor", "mouthPress, less the share of a smile", _unsmiling("mouthPress")),
        "AU25": Unit("lips part", "mesh: distance of the lips", _gap),
        "AU26": Unit("jaw drop", "jawOpen", _mean("jawOpen")),
        "AU28": Unit("lip suck", "mouthRollUpper and mouthRollLower", _mean("mouthRollUpper", "mouthRollLower")),
        "AU29": Unit("jaw thrust", "jawForward", _mean("jawForward")),
        "AU30": Unit(
            "jaw sideways",
            "jawRight, jawLeft",
            lambda e: np.concatenate([e.channel("jawRight"), e.channel("jawLeft")], axis=1),
        ),
        "AU34": Unit("puff", "cheekPuff", _mean("cheekPuff")),
        "AU43": Unit("eyes closed (45, a blink, while it lasts)", "eyeBlink", _sides("eyeBlink")),
        "AU61": Unit("eyes turn left", "eyeLookOutLeft, eyeLookInRight", _mean("eyeLookOutLeft", "eyeLookInRight")),
        "AU62": Unit("eyes turn right", "eyeLookOutRight, eyeLookInLeft", _mean("eyeLookOutRight", "eyeLookInLeft")),
        "AU63": Unit("eyes up", "eyeLookUp", _mean("eyeLookUpRight", "eyeLookUpLeft")),
        "AU64": Unit("eyes down", "eyeLookDown", _mean("eyeLookDownRight", "eyeLookDownLeft")),
    }
)


def measure(evidence: Evidence) -> dict[str, Doubles]:
    """All of `UNITS` as they are, unscaled: (N, 2) right and left, or (N, 1), by name."""
    return {name: unit.measure(evidence) for name, unit in UNITS.items()}


class ActionUnits:
    """Gives ``action_units`` to faces that have ``blendshapes`` and ``stabilized``.

    Of a unit with two sides there are three numbers: ``AU12_right``, ``AU12_left``, and ``AU12``, which is the larger
    one, as a one-sided action is an action. Sides are the subject's.

    A face whose eyes are less than ``min_eyes`` pixels apart abstains, and so does a blurred one. In one that is turned
    away by more than ``max_yaw`` the side that the nose hides is missing (NaN), and the number of the whole face is
    that of the other. What a mask or a hand hides the mesh guesses, mostly at rest: ask for ``covered`` where that
    matters.

    Parameters
    ----------
    bundle : Bundle
        Card without files; in its params ``min_eyes``, ``blurred`` (`mien.features.shown.fer.blur` from which on a face
        abstains), ``max_yaw`` (degrees), and ``range``: for each unit that is given, what a face at rest has and what
        counts as full strength.

    Raises
    ------
    CardError
        If the card does not say so, or names a unit that is none of `UNITS`.
    """

    def __init__(self, bundle: Bundle) -> None:
        card = bundle.card
        try:
            self._min_eyes, self._max_yaw = float(card.params["min_eyes"]), float(card.params["max_yaw"])
            self._sharp = Limits(smallest=0, blurred=float(card.params["blurred"]), max_yaw=180, max_pitch=180)
            self._ranges = {name: (float(rest), float(full)) for name, (rest, full) in card.params["range"].items()}
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CardError(
                f"the card of {card.id} does not say how its action units are scaled: {error!r}."
            ) from error
        if not self._ranges:
            raise CardError(f"the card of {card.id} scales no action unit.")
        for name, (rest, full) in self._ranges.items():
            if name not in UNITS or not rest < full:
                raise CardError(f"the card of {card.id} scales {name} from {rest:g} to {full:g}, which cannot be.")

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """See `mien.engine.Step`."""
        faces = batch.faces
        evidence = Evidence(faces.blendshapes, faces.stabilized.values)
        apart, depth = _eyes(faces.landmarks.values)
        limit = np.sin(np.deg2rad(self._max_yaw))
        hidden = np.stack([depth < -limit, depth > limit], axis=1)  # z grows away from the camera
        columns: dict[str, Doubles] = {}
        for name, (rest, full) in self._ranges.items():
            sides = ((UNITS[name].measure(evidence) - rest) / (full - rest)).clip(0, 1)
            if sides.shape[1] == 1:
                columns[name] = sides[:, 0]
                continue
            sides[hidden] = np.nan
            columns[name] = np.fmax(sides[:, 0], sides[:, 1])
            columns |= {f"{name}_{side}": sides[:, place] for place, side in enumerate(SIDES)}
        values = np.stack(list(columns.values()), axis=1).astype(np.float32)
        small = apart < self._min_eyes
        lost = evidence.blendshapes.abstained | np.isnan(apart)
        values[small | lost] = np.nan
        reasons = list(evidence.blendshapes.reasons_for(lost, "the face has no mesh"))
        unclear = look(batch, self._sharp).reasons
        for row in np.flatnonzero(~lost):
            if small[row]:
                reasons[row] = (
                    f"the face is too small: {apart[row]:.0f} pixels between the eyes, {self._min_eyes:g} needed"
                )
            elif unclear[row]:
                values[row], reasons[row] = np.nan, unclear[row]
            elif hidden[row].any():
                reasons[row] = f"the {SIDES[int(hidden[row].argmax())]} side of the face is turned away"
        return {"action_units": Scores(values, names=tuple(columns), reasons=tuple(reasons))}


def _eyes(landmarks: NDArray[np.floating[Any]]) -> tuple[Doubles, Doubles]:
    """Pixels between the irises (N,), and the sine of the angle by which the left eye is farther than the right one."""
    across = landmarks[:, _IRISES[1]].astype(np.float64) - landmarks[:, _IRISES[0]]
    apart = np.linalg.norm(across, axis=1)
    return apart, np.divide(across[:, 2], apart, out=np.zeros_like(apart), where=apart > 0)
