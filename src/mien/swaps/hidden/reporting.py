"""What an anonymization says of itself: what was hidden and why, how sure that is, and what it does not cover."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from mien.swaps.hidden.contact_sheet import least_certain
from mien.swaps.hidden.spots import Spot
from mien.swaps.hidden.strength import BOUND, FAR, HIDES_ALL, Likeness, measured
from mien.swaps.hidden.synthetic import Synthetic

__all__ = ["OUT_OF_SCOPE", "Account", "bound_of"]

#: What anonymize does not look at: each can say who somebody is.
OUT_OF_SCOPE: Final = (
    "voices and what is said",
    "gait, build and gestures",
    "backs of heads, hair",
    "clothes, tattoos, jewellery, badges",
    "names on signs, screens and documents; number plates",
    "reflections and pictures within the picture, unless a face is found there",
    "the place and the time, by what is to be seen",
)
_TOLD: Final = 10  # least certain spots in a report; a redaction file holds all


@dataclass(eq=False)
class Account:
    """Gathers what is to be reported.

    Attributes
    ----------
    settings : mapping
        How it was done.
    frames : sequence of sequences of Spot
        What was hidden, by frame; a picture is one.
    spared : int
        Faces that stay visible because somebody said so.
    second : mapping, optional
        Of the second look.
    checked : set of int
        Frames of the result that both detectors looked at once more.
    late : int
        Faces that they found there, and that are hidden since.
    uncovered : list
        What they found there and stays: frame, box, score. Only redactions that were given leave anything.
    likeness : dict of int to Likeness
        By track, or by number of a face in a picture: what is left of it.
    missing : sequence of str
        Embedders that could not be asked, since their weights cannot be had.
    raised : int
        Faces that had to be hidden more strongly than the others.
    synthetic : Synthetic, optional
        What put generated faces in their place.
    """

    settings: Mapping[str, Any]
    frames: Sequence[Sequence[Spot]] = ()
    spared: int = 0
    second: Mapping[str, Any] | None = None
    checked: set[int] = field(default_factory=set)
    late: int = 0
    uncovered: list[dict[str, Any]] = field(default_factory=list)
    likeness: dict[int, Likeness] = field(default_factory=dict)
    embedders: Sequence[str] = ()
    missing: Sequence[str] = ()
    raised: int = 0
    synthetic: Synthetic | None = None

    def note(self, key: int, found: Likeness | None) -> None:
        """Take how alike a face still is in one picture of it; the greatest likeness counts."""
        known = self.likeness.get(key)
        if found is not None and (known is None or found.margin > known.margin):
            self.likeness[key] = found

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        spots = [spot for row in self.frames for spot in row]
        tracks = {spot.track for spot in spots if spot.track is not None}
        lone = sum(spot.track is None for spot in spots)
        return {
            **self.settings,
            "faces": len(tracks) + lone,
            "spots": dict(Counter(spot.source for spot in spots)),
            "spared": self.spared,
            "least_certain": [told(number, spot) for number, spot in least_certain(self.frames, _TOLD)],
            "second_look": None if self.second is None else dict(self.second),
            "check": {"frames": len(self.checked), "found": self.late, "uncovered": self.uncovered},
            "likeness": self._likeness(),
            **self._doubles(),
            "bound": self._bound(),
            "out_of_scope": list(OUT_OF_SCOPE),
        }

    def _bound(self) -> dict[str, Any]:
        if "regions" in self.settings:
            return {"holds": False, "why": "only parts of faces are hidden: see likeness"}
        return bound_of(str(self.settings["method"]), float(self.settings["strength"]))

    def _doubles(self) -> dict[str, Any]:
        """Faces that have a double, and how alike the nearest is; the others' reasons."""
        if self.synthetic is None:
            return {}
        worst = max(self.synthetic.likeness.values(), key=lambda one: one.margin, default=None)
        reasons = [{"face": key, "reason": reason} for key, reason in sorted(self.synthetic.refused.items())]
        return {
            "doubles": {
                "faces": len(self.synthetic.likeness),
                "worst": None if worst is None else worst.to_dict(),
                "blurred": reasons,
            }
        }

    def _likeness(self) -> dict[str, Any] | None:
        """The worst of all faces: the one that comes nearest to being recognised."""
        if not self.embedders:
            return None
        worst = max(self.likeness.values(), key=lambda one: one.margin, default=None)
        return {
            "embedders": list(self.embedders),
            **({"missing": list(self.missing)} if self.missing else {}),
            "far": FAR,
            "compared": len(self.likeness),
            "raised": self.raised,
            "recognised": sum(one.recognised for one in self.likeness.values()),
            "worst": None if worst is None else worst.to_dict(),
        }


def told(frame: int, spot: Spot) -> dict[str, Any]:
    """A spot in a report."""
    return {
        "frame": frame,
        "box": np.round(spot.box, 1).tolist(),
        "source": spot.source,
        "score": None if spot.score is None else round(spot.score, 3),
        **({} if spot.track is None else {"track": spot.track}),
    }


def bound_of(method: str, strength: float) -> dict[str, Any]:
    """Which rate of re-identification holds of a method and a strength, as it was measured."""
    if method == "synthetic":
        return {"holds": True, "why": "each double was compared with its person, by the embedders named"}
    if method in HIDES_ALL:
        return {"holds": True, "why": "nothing of the face is left within the shape"}
    rows = [row for row in measured() if row.method == method and row.strength <= strength]
    if not rows:
        return {"holds": False, "why": f"{method} was not measured at this strength"}
    near = max(row.strength for row in rows)
    worst = max((row for row in rows if row.strength == near), key=lambda row: row.rate)
    return {
        "holds": worst.rate <= BOUND,
        "far": FAR,
        "embedder": worst.embedder,
        "rate": worst.rate,
        "up_to": worst.high,
        "same_picture": worst.same,
        "hidden_alike": worst.alike,
        "faces": worst.faces,
    }
