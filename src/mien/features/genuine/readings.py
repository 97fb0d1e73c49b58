"""What a sign of forgery looks at and what its number says, in words: a report that a person can weigh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

__all__ = ["LOOKS", "WARNING", "Reading", "read"]

#: Said under every report.
WARNING = (
    "No cue is proof, nor are several: a cue says how rare its value is among real faces. Small, compressed, retouched "
    "and filtered pictures of real people have high ones, and good forgeries have none. Accuse nobody by this."
)

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
        "color": "colour of the inner face against its rim",
        "compression": "how face and surroundings take one more JPEG compression",
        "ghosting": "edges about the outline that show twice, as in morphs",
    }
)

STEPS = (
    (0.5, "as half of real faces have it"),
    (0.95, "as real faces have it, though not most"),
    (1.01, "as fewer than one real face in twenty has it"),
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
    """

    name: str
    value: float
    looks_at: str
    says: str

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        value = None if np.isnan(self.value) else round(self.value, 4)
        return {"name": self.name, "value": value, "looks_at": self.looks_at, "says": self.says}


def read(name: str, value: float) -> Reading:
    """Put a cue into words."""
    says = next((words for limit, words in STEPS if value < limit), "cannot be told of this picture")
    return Reading(name, value, LOOKS.get(name, "a cue of another model"), says)
