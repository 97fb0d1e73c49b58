"""``Attribute``: what of a generated person can be asked for by value, and which model reads it off a picture."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from mien.core.errors import UsageError
from mien.core.faces import Face
from mien.core.image import Image
from mien.swaps.invented.appearance import appearance_of, hair_of

__all__ = ["ADULT", "ATTRIBUTES", "HELD", "Attribute", "checked_targets"]

ADULT = 18.0  # years: no younger person can be asked for
#: Attributes that the directions of all others hold still, and that cannot be asked for themselves: the network draws
#: hardly anyone with closed eyes, and its lids hardly move.
HELD = frozenset({"eyes_open"})
ENDS = 0.03  # probabilities nearer to 0 or 1 say no more


@dataclass(frozen=True, kw_only=True)
class Attribute:
    """A value that a face has in its picture, and that can be asked for.

    Attributes
    ----------
    low, high : float
        Between what values it may be asked for.
    near : float
        How near to the value asked for is as good as there.
    unit : str
        Of the value; "" where it has none.
    fields : frozenset of str
        Of the face, that the reading needs.
    read : callable
        Reads the value off a picture (H, W, 3) and the face in it; NaN where it cannot be told.
    layers : (int, int)
        The layers of the generator that it is changed in, from the first up to before the second: coarse ones hold the
        pose and the shape of head and hair, middle ones the features, fine ones the colours.
    probability : bool
        Whether it is the probability of a model, whose log odds change evenly and not itself.
    doc : str
        What it is, in a few words.
    """

    low: float
    high: float
    near: float
    unit: str = ""
    fields: frozenset[str]
    read: Callable[[Image, Face], float]
    layers: tuple[int, int]
    probability: bool = False
    doc: str

    def even(self, value: float) -> float:
        """The value on a scale on which it changes evenly with the generator's styles."""
        if not self.probability:
            return value
        inside = min(max(value, ENDS), 1 - ENDS)
        return float(np.log(inside / (1 - inside)))


def _smile(_: Image, face: Face) -> float:
    return float(face.mouth.named("smile"))


def _mouth_open(_: Image, face: Face) -> float:
    return float(face.mouth.named("open"))


def _eyes(_: Image, face: Face) -> float:
    return float(np.mean(face.eyes.values))


def _tone(image: Image, face: Face) -> float:
    return float(appearance_of(image, face).tone[0])


def _light(image: Image, face: Face) -> float:
    return appearance_of(image, face).light


def _beard(image: Image, face: Face) -> float:
    return appearance_of(image, face).beard


def _hair(part: str) -> Callable[[Image, Face], float]:
    return lambda image, face: float(getattr(hair_of(image, face), part))


_PARSED = frozenset({"parse", "alignment"})
_LANDMARKS = frozenset({"landmarks"})

#: What is looked at, by name; all but `HELD` can be asked for.
ATTRIBUTES: Mapping[str, Attribute] = MappingProxyType(
    {
        "yaw": Attribute(
            low=-45,
            high=45,
            near=1.5,
            unit="degrees",
            fields=frozenset({"pose"}),
            read=lambda _, face: float(face.pose.yaw),
            layers=(0, 8),
            doc="turn of the head, to the picture's right",
        ),
        "pitch": Attribute(
            low=-25,
            high=25,
            near=1.5,
            unit="degrees",
            fields=frozenset({"pose"}),
            read=lambda _, face: float(face.pose.pitch),
            layers=(0, 8),
            doc="how far the head looks up",
        ),
        "smile": Attribute(
            low=0,
            high=1,
            near=0.1,
            fields=frozenset({"mouth"}),
            read=_smile,
            layers=(3, 9),
            probability=True,
            doc="probability that the mouth smiles",
        ),
        "mouth_open": Attribute(
            low=0,
            high=1,
            near=0.1,
            fields=frozenset({"mouth"}),
            read=_mouth_open,
            layers=(3, 9),
            probability=True,
            doc="probability that the mouth is open",
        ),
        "eyes_open": Attribute(
            low=0,
            high=1,
            near=0.1,
            fields=frozenset({"eyes"}),
            read=_eyes,
            layers=(4, 10),
            probability=True,
            doc="probability that the eyes are open",
        ),
        "age": Attribute(
            low=ADULT,
            high=80,
            near=2,
            unit="years",
            fields=frozenset({"age"}),
            read=lambda _, face: float(face.age.mean),
            layers=(2, 11),
            doc="apparent age",
        ),
        "glasses": Attribute(
            low=0,
            high=1,
            near=0.1,
            fields=frozenset({"glasses"}),
            read=lambda _, face: float(face.glasses.values),
            layers=(0, 7),
            probability=True,
            doc="probability that glasses are worn",
        ),
        "masculine": Attribute(
            low=0,
            high=1,
            near=0.1,
            fields=frozenset({"gender"}),
            read=lambda _, face: float(face.gender.named("masculine")),
            layers=(0, 11),
            probability=True,
            doc="probability that most people would call the face masculine",
        ),
        "tone": Attribute(
            low=0.3,
            high=0.95,
            near=0.015,
            fields=_LANDMARKS,
            read=_tone,
            layers=(8, 23),
            doc="lightness of the skin in the picture, in Oklab",
        ),
        "light": Attribute(
            low=-0.4,
            high=0.4,
            near=0.02,
            fields=_LANDMARKS,
            read=_light,
            layers=(6, 23),
            doc="how much lighter the cheek on the picture's right is, in Oklab's lightness",
        ),
        "beard": Attribute(
            low=-0.1,
            high=0.4,
            near=0.02,
            fields=_LANDMARKS,
            read=_beard,
            layers=(0, 14),
            doc="how much darker the skin is where a beard grows, in Oklab's lightness",
        ),
        "hair_length": Attribute(
            low=0,
            high=0.7,
            near=0.03,
            fields=_PARSED,
            read=_hair("length"),
            layers=(0, 9),
            doc="share of what is beside and below the face that is hair",
        ),
        "hair_lightness": Attribute(
            low=0.1,
            high=0.9,
            near=0.03,
            fields=_PARSED,
            read=_hair("lightness"),
            layers=(5, 18),
            doc="lightness of the hair in the picture, in Oklab",
        ),
        "hair_warmth": Attribute(
            low=0,
            high=0.25,
            near=0.015,
            fields=_PARSED,
            read=_hair("warmth"),
            layers=(5, 18),
            doc="how far the hair's colour is from grey to red and yellow, in Oklab",
        ),
    }
)


def checked_targets(targets: Mapping[str, float | None]) -> dict[str, float]:
    """The attributes that are asked for, without those that are None.

    Raises
    ------
    UsageError
        If one is not known or out of its range, or the age is a minor's.
    """
    asked = {name: _number(name, value) for name, value in targets.items() if value is not None}
    for name, value in asked.items():
        if name not in ATTRIBUTES or name in HELD:
            offered = ", ".join(known for known in ATTRIBUTES if known not in HELD)
            raise UsageError(f"no attribute that can be asked for is called {name!r}; there are {offered}.")
        known = ATTRIBUTES[name]
        if name == "age" and value < ADULT:
            raise UsageError(f"people younger than {ADULT:g} are not made: age={value:g} is refused.")
        if not known.low <= value <= known.high:
            raise UsageError(f"{name} must be between {known.low:g} and {known.high:g}, not {value:g}.")
    return asked


def _number(name: str, value: float) -> float:
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be a number, not {value!r}.") from error
