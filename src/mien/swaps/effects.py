"""``Effect``: what is done to faces; the one way in which every edit of faces works, in pictures and in videos.

An effect says which fields of a face it needs, and starts a *take* for each picture and for each video. A take is given
shots, one after the other, and gives back the whole picture, changed only within a mask. Reading, finding and following
faces, choosing among them, writing, sound and marks are not its concern: `mien.swaps.editor` does that for all.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mien.core.faces import Faces
from mien.core.image import Image
from mien.core.region import Region
from mien.media.provenance import Provenance

__all__ = ["Changed", "Effect", "Shot", "Take"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Shot:
    """A picture, or a frame of a video, and whom to change in it.

    Attributes
    ----------
    image : (H, W, 3) uint8
        Not to be written to.
    faces : Faces
        All that are there, with the fields that the effect needs.
    rows : (R,) integers
        Those to be changed.
    time : float or None
        Seconds from the start of a video, whose faces have ``track`` ids; None: a picture.
    layers : bool
        Whether the layers are asked for: they may take time.
    """

    image: Image
    faces: Faces
    rows: NDArray[np.intp]
    time: float | None = None
    layers: bool = False


@dataclass(frozen=True, eq=False, kw_only=True)
class Changed:
    """What became of a shot.

    Attributes
    ----------
    image : (H, W, 3) uint8
        Another array than the shot's, or the same where nothing was changed.
    mask : Region
        Where it may differ: where the mask is 0, each pixel is the shot's to the bit.
    layers : mapping of str to array
        Intermediate pictures and masks (H, W, ...) by name.
    report : mapping
        What is worth telling, JSON types; ``"skipped"`` lists faces left as they were, each with its reason.
    """

    image: Image
    mask: Region
    layers: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    report: Mapping[str, Any] = field(default_factory=dict)


class Take(Protocol):
    """An effect at work on one picture, or on one video, whose shots it sees in order."""

    def apply(self, shot: Shot) -> Changed:
        """Change a shot.

        Raises
        ------
        NoFace, UsageError
            Where a picture's face cannot be changed so. A frame of a video never raises these: its face stays as it is,
            and the report says so.
        """
        ...


class Effect(Protocol):
    """What is done to faces; it serves any number of pictures and videos, in several threads."""

    @property
    def needs(self) -> frozenset[str]:
        """Fields that the faces of a shot must have."""
        ...

    @property
    def report(self) -> Mapping[str, Any]:
        """What is done, and by which models; JSON types."""
        ...

    def mark(self, source: Provenance) -> Provenance:
        """What is true of a result made of a file of which `source` is true."""
        ...

    def start(self) -> Take:
        """Begin a picture or a video."""
        ...
