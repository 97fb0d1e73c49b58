"""What a sign of forgery looks at and what its number says, in words: a report that a person can weigh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["LOOKS", "MEASURED", "USUAL", "WARNING", "Reading", "read"]

#: Said under every report.
WARNING = (
    "No cue is proof, nor are several: a cue says how rare its value is among real faces. Small, compressed, retouched "
    "and filtered pictures of real people have high ones, and good forgeries have none. Accuse nobody by this."
)

#: How usual a high cue is: ``python -m benchmarks.forgery --only photos``, on photos that are not those of the scale.
USUAL = "Of 255 photos of real people, 43 in 100 had at least one cue of 0.95 or more, 18 two, and 5 three."

#: What each cue looks at.
LOOKS: Mapping[str, str] = MappingProxyType(
    {
        "meso4_df": "a small network that learned faces exchanged by the deepfakes of 2018",
        "meso4_f2f": "a small network that learned faces reenacted by Face2Face",
        "inception_df": "a second network that learned deepfakes of 2018",
        "inception_f2f": "a second network that learned Face2Face",
        "boundary": "a step of noise or colour along a line around the face",
        "spectrum": "too little or too much finest detail for the coarser detail there is",
        "checkerboard": "lone frequencies, as networks leave that double the size of their pictures",
        "noise": "noise of the face against its surroundings",
        "color": "colour of the inner face against its rim, which differs more on darker skin",
        "compression": "how face and surroundings take one more JPEG compression",
        "ghosting": "edges about the outline that show twice, as in morphs",
    }
)

#: How weak each is: lowest and highest AUC over five kinds of forgery (generated, pasted, three of morphs), all faces
#: at 112 pixels and JPEG 90, as ``python -m benchmarks.forgery --only matched`` printed them: 0.5 is chance. They are
#: the ends of each row of the second table of docs/forgery.md, and a test holds them against it.
MEASURED: Mapping[str, tuple[float, float]] = MappingProxyType(
    {
        "meso4_df": (0.23, 0.73),
        "meso4_f2f": (0.26, 0.66),
        "inception_df": (0.19, 0.74),
        "inception_f2f": (0.44, 0.68),
        "boundary": (0.53, 0.67),
        "spectrum": (0.24, 0.51),
        "checkerboard": (0.45, 0.55),
        "noise": (0.42, 0.80),
        "color": (0.52, 0.58),
        "compression": (0.44, 0.61),
        "ghosting": (0.42, 0.52),
    }
)

STEPS = (
    (0.5, "no higher than half of real faces have it"),
    (0.95, "as real faces have it, though fewer than half"),
    (1.01, "as few real faces have it: one in twenty where the scale was measured, up to one in eight elsewhere"),
)


@dataclass(frozen=True)
class Reading:
    """One cue of one face.

    Attributes
    ----------
    name : str
    value : float
        In [0, 1], 0.5 in the middle of real faces; NaN where it cannot be told.
    looks_at : str
    says : str
        What the value means.
    weak : str
        What the cue was worth where it was measured.
    """

    name: str
    value: float
    looks_at: str
    says: str
    weak: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        value = None if np.isnan(self.value) else round(self.value, 4)
        return {"name": self.name, "value": value, "looks_at": self.looks_at, "says": self.says, "weak": self.weak}


def read(name: str, value: float) -> Reading:
    """Put a cue into words."""
    steps = STEPS if name in LOOKS else ((np.inf, "on a scale of its own"),)
    says = next((words for limit, words in steps if value < limit), "cannot be told of this picture")
    low, high = MEASURED.get(name, (np.nan, np.nan))
    weak = f"AUC {low:.2f} to {high:.2f} by kind of forgery" if name in MEASURED else "not measured"
    return Reading(name, value, LOOKS.get(name, "a cue of another model"), says, weak)
