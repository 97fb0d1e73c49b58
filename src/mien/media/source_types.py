"""IPTC's *Digital Source Type*: the words for how a picture was made, and which of them say that it is synthetic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

__all__ = ["SYNTHETIC_TYPES", "VOCABULARY", "foremost"]

VOCABULARY: Final = "http://cv.iptc.org/newscodes/digitalsourcetype/"

#: The source types whose pixels are made, wholly or in part, by an algorithm and not by a camera or a human hand.
SYNTHETIC_TYPES: Final = frozenset(
    {
        "trainedAlgorithmicMedia",
        "compositeWithTrainedAlgorithmicMedia",
        "compositeSynthetic",
        "algorithmicMedia",
        "dataDrivenMedia",
        "virtualRecording",
    }
)


def foremost(types: Iterable[str | None]) -> str | None:
    """The one that counts of several: a synthetic part counts, wherever it is said."""
    known = [kind for kind in types if kind]
    return next((kind for kind in known if kind in SYNTHETIC_TYPES), known[0] if known else None)
