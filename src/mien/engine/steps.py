"""What a model's runner looks like to the engine: it finds faces, describes them, or follows them in time.

A runner is made with one `mien.runtime.bundle.Bundle`: its card, its verified files, and sessions on them. It is shared
by all threads, so it keeps no state between calls.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column
from mien.core.faces import Faces
from mien.core.image import Image

__all__ = ["Batch", "Detector", "Step", "TemporalStep"]


@dataclass(frozen=True)
class Batch:
    """Faces of several pictures, handed to a step together.

    Parameters
    ----------
    images : sequence of (H, W, 3) uint8
        The pictures.
    owner : (N,) integers
        For each face, the index of its picture.
    faces : Faces
        The faces of all pictures, joined, with the fields that the step needs.
    """

    images: Sequence[Image]
    owner: NDArray[np.intp]
    faces: Faces


class Detector(Protocol):
    """Finds the faces of pictures: what gives the job "detect"."""

    def detect(self, images: Sequence[Image], *, min_score: float | None = None) -> list[Faces]:
        """One result per picture, in order; `min_score` None means the model's own threshold."""
        ...


class Step(Protocol):
    """Computes the fields that its card gives from those that it needs."""

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        """One row per face of the batch, in order."""
        ...


class TemporalStep(Protocol):
    """Follows faces through a stream of frames; what it found is reported when the stream ends."""

    def update(self, time: float, faces: Faces) -> Faces:
        """Take the next frame, `time` seconds from the start; give its faces back, perhaps with more known."""
        ...

    def finish(self) -> Any:
        """End the stream and return what was found in it."""
        ...

    def reset(self) -> None:
        """Forget everything: the next frame is the first of another clip."""
        ...
