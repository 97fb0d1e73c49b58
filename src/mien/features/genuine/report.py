"""``mien.forgery``: what is odd about the faces of a picture or a video, cue by cue, and where. Never a verdict.

For each face or tracked person: the cues in words, a heat map, how restless a face is in video, and how much it
resembles a person who is known to be the one. What the file itself says about its making comes with it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.features.genuine.heat import Heat
from mien.features.genuine.jitter import Jitter
from mien.features.genuine.readings import USUAL, WARNING, Reading
from mien.media.provenance import Provenance

__all__ = ["FaceFindings", "ForgeryReport", "Likeness"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Likeness:
    """How much a face resembles the enrolled person.

    A morph of two people resembles each less than they resemble themselves, and somebody whose face was exchanged for
    another's does, too. A deepfake *of* the person is made to resemble them: a high likeness is no sign that anything
    is real. What is usual depends on the embedder and the pictures: see ``mien evaluate morph``.

    Attributes
    ----------
    mean, lowest, highest : float
        Cosines over the frames that were judged.
    pictures : int
        Of the enrolled person.
    space : str
        Of the embeddings.
    """

    mean: float
    lowest: float
    highest: float
    pictures: int
    space: str


@dataclass(frozen=True, eq=False)
class FaceFindings:
    """What is odd about one face, or one tracked person.

    Attributes
    ----------
    number : int
        Of the face in the picture, from 0; or the id of its track.
    box : (4,) float32
        In the picture, or in the frame that is shown.
    cues : tuple of Reading
        In video the median over the judged frames; none where the face is too small.
    reason : str or None
        Why there are none.
    frames : int
        How many were judged: 1 of a picture.
    time : float or None
        Seconds: of the frame that is shown, the one with the highest cues.
    image : (H, W, 3) uint8
        The picture or that frame.
    heat : Heat or None
        Where it is odd.
    jitter : Jitter or None
        In video.
    likeness : Likeness or None
        Where an enrolled person was given.
    """

    number: int
    box: Floats
    cues: tuple[Reading, ...]
    reason: str | None
    frames: int
    time: float | None
    image: Image = field(repr=False)
    heat: Heat | None = field(repr=False)
    jitter: Jitter | None = None
    likeness: Likeness | None = None

    @property
    def where(self) -> Floats | None:
        """How odd each place of the picture is, (H, W) float32 in [0, 1]; None where the face is too small."""
        return None if self.heat is None else self.heat.whole((self.image.shape[0], self.image.shape[1]))

    def draw(self) -> Image:
        """The picture with the heat map over it, (H, W, 3) uint8."""
        return self.image.copy() if self.heat is None else self.heat.draw(self.image)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, without pictures."""
        return {
            "number": self.number,
            "box": np.round(self.box.astype(float), 1).tolist(),
            "frames": self.frames,
            "time": None if self.time is None else round(self.time, 3),
            "cues": [cue.to_dict() for cue in self.cues],
            "reason": self.reason,
            "jitter": self.jitter.to_dict() if self.jitter else None,
            "likeness": asdict(self.likeness) if self.likeness else None,
        }

    def __str__(self) -> str:
        head = f"Face {self.number}" + (f", {self.frames} frames judged" if self.time is not None else "")
        lines = [head] if self.cues else [f"{head}: {self.reason}"]
        for cue in self.cues:
            value = "   -" if np.isnan(cue.value) else f"{cue.value:4.2f}"
            lines.append(
                f"  {cue.name:14}{value}  {cue.says}. {cue.looks_at[:1].upper()}{cue.looks_at[1:]}: {cue.weak}"
            )
        if self.jitter:
            parts = self.jitter.to_dict()
            told = ", ".join(
                f"{name} {parts[name]:.4f}"
                for name in ("shape", "color", "identity", "drift")
                if parts[name] is not None
            )
            lines.append(f"  restlessness  {told or 'too few frames'}; compare with another clip of the same camera")
        if self.likeness:
            one = self.likeness
            mean, low, high = (f"{round(value, 2) + 0.0:.2f}" for value in (one.mean, one.lowest, one.highest))  # no -0
            lines.append(
                f"  likeness      {mean} ({low} to {high}) to the enrolled person, "
                f"of {one.pictures} picture{'' if one.pictures == 1 else 's'}"
            )
        return "\n".join(lines)


@dataclass(frozen=True, eq=False)
class ForgeryReport:
    """What is odd about the faces of a picture or a video; it is false where there is no face.

    It has no verdict, and none can be made of it: see `mien.features.genuine.readings.WARNING`.

    Attributes
    ----------
    source : str
    faces : tuple of FaceFindings
        One for each face, or tracked person; empty where there is none.
    provenance : Provenance or None
        What the file says of its making; None for what is no file.
    models : mapping of str to str
        Which model made what.
    """

    source: str
    faces: tuple[FaceFindings, ...]
    provenance: Provenance | None
    models: dict[str, str]

    def __bool__(self) -> bool:
        return bool(self.faces)

    def __len__(self) -> int:
        return len(self.faces)

    def __iter__(self) -> Iterator[FaceFindings]:
        return iter(self.faces)

    @property
    def warning(self) -> str:
        """What must be said with it."""
        return f"{USUAL} {WARNING}"

    def draw(self) -> Image | None:
        """The picture with the heat maps of all its faces; of a video, the frame of its first person; None without."""
        if not self.faces:
            return None
        drawn = self.faces[0].draw()
        for face in self.faces[1:]:
            if face.image is self.faces[0].image and face.heat:
                drawn = face.heat.draw(drawn)
        return drawn

    def to_dict(self) -> dict[str, Any]:
        """As JSON types, without pictures."""
        mark = self.provenance
        said = None if mark is None else {"synthetic": mark.synthetic, **asdict(mark)}
        faces = [face.to_dict() for face in self.faces]
        return {
            "source": self.source,
            "faces": faces,
            "provenance": said,
            "models": self.models,
            "warning": self.warning,
        }

    def __str__(self) -> str:
        lines = [f"{self.source}: {len(self.faces) or 'no'} face{'' if len(self.faces) == 1 else 's'}"]
        if self.provenance is not None:
            mark = self.provenance
            by = f", by {mark.tool}" if mark.tool else ""
            lines.append(
                f"The file says that it is synthetic ({mark.source_type}{by})."
                if mark.synthetic
                else "The file does not say how it was made, which proves nothing."
            )
        chance = "AUC 0.5 is chance: on small, compressed faces most cues are near it, and some point the wrong way."
        return "\n".join([*lines, *map(str, self.faces), *([chance, USUAL, WARNING] if self.faces else [])])
