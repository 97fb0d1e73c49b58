"""Faces hidden behind those of people who do not exist; where that cannot be done well, they are blurred."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Tracks
from mien.core.errors import EditRefused, NoFace, UsageError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.core.region import Region
from mien.engine import Engine
from mien.gallery.people import Gallery
from mien.media.provenance import Provenance
from mien.swaps.doubles import Doubles
from mien.swaps.effects import Shot
from mien.swaps.spots import Spot
from mien.swaps.strength import Likeness, Witness
from mien.swaps.swapper import Swap

__all__ = ["Synthetic"]

PRESENT: Final = 0.5  # presence from which on the mesh lies on a face
KEPT: Final = ("mouth",)  # of the person: eyes and glasses are among what they are recognised by
APART: Final = 0.5  # seconds between two comparisons of a face with itself


@dataclass(eq=False)
class Synthetic:
    """Puts doubles in people's places, in one picture or video after the other.

    Parameters
    ----------
    engine : Engine
    witness : Witness
        Who says whether a face is still like itself: such a one is not shown.
    far_from : Gallery, optional
        Real people whom no double may look like.
    """

    engine: Engine
    witness: Witness
    far_from: Gallery | None = None
    #: Faces that could not be hidden so, with the reason, by track or by number in a picture.
    refused: dict[int, str] = field(default_factory=dict)
    #: How alike faces are to themselves at most.
    likeness: dict[int, Likeness] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._doubles = Doubles(engine=self.engine, far_from=self.far_from)
        self._swap = Swap(self._doubles, keep=KEPT, engine=self.engine)
        self.start()

    def mark(self, source: Provenance) -> Provenance:
        """What is true of a result."""
        models = (self.engine.choose("generate").id, self.engine.choose("landmarks").id)
        return Provenance.manipulated(source, models=models)

    def start(self) -> None:
        """Begin a picture or a video."""
        self._take = self._swap.start()
        self._doubles.begin()
        self._compared: dict[int, float] = {}
        self.refused, self.likeness = {}, {}

    def apply(
        self, image: Image, spots: Sequence[Spot], *, time: float | None, regions: list[Region] | None = None
    ) -> tuple[Image, list[Spot]]:
        """A picture, or the next frame of a video, with doubles; and the spots that are left to be hidden.

        Parameters
        ----------
        image : (H, W, 3) uint8
        spots : sequence of Spot
        time : float or None
            Seconds from a video's start; None: a picture.
        regions : list of Region, optional
            What was changed is added here.
        """
        keys = [row if time is None else -1 if spot.track is None else spot.track for row, spot in enumerate(spots)]
        rows = [row for row, key in enumerate(keys) if key >= 0 and key not in self.refused and not spots[row].method]
        if not rows:
            return image, list(spots)
        faces = self._faces(image, [spots[row] for row in rows], [keys[row] for row in rows])
        done = np.nan_to_num(faces.presence.values) >= PRESENT
        out = image
        while done.any():
            changed = self._changed(image, faces, np.flatnonzero(done), time)
            lost = (
                {int(one["face"]): str(one["reason"]) for one in changed[2]}
                if changed
                else dict.fromkeys(np.flatnonzero(done).tolist(), "no double fits")
            )
            for place, reason in lost.items():
                done[place] = False
                if time is None:
                    self.refused[keys[rows[place]]] = reason
            if changed is None:
                break
            alike = self._too_alike(
                image, changed[0], [spots[row] for row in rows], done, [keys[row] for row in rows], time
            )
            if not alike:
                out = changed[0]
                if regions is not None:
                    regions.append(changed[1])
                break
            for place in alike:
                done[place] = False
                self.refused[keys[rows[place]]] = "its double is too much like it"
        hidden = {rows[place] for place in np.flatnonzero(done).tolist()}
        return out, [spot for row, spot in enumerate(spots) if row not in hidden]

    def _faces(self, image: Image, spots: Sequence[Spot], keys: Sequence[int]) -> Faces:
        size = image.shape[1], image.shape[0]
        faces = Faces.from_boxes([spot.box for spot in spots], image_size=size)
        tracks = Tracks(
            np.array([[key, spot.source == "detected"] for key, spot in zip(keys, spots, strict=True)], np.float32)
        )
        faces = faces.with_columns({"track": tracks})
        return self.engine.analyze(image, faces=faces, want=self._swap.needs)

    def _changed(
        self, image: Image, faces: Faces, rows: NDArray[np.intp], time: float | None
    ) -> tuple[Image, Region, Sequence[dict[str, Any]]] | None:
        """The picture with doubles, where it differs, and who was left out; None where it cannot be had."""
        try:
            changed = self._take.apply(Shot(image=image, faces=faces, rows=rows, time=time))
        except (UsageError, NoFace, EditRefused):
            return None
        return changed.image, changed.mask, changed.report.get("skipped", ())

    def _too_alike(
        self,
        before: Image,
        after: Image,
        spots: Sequence[Spot],
        done: NDArray[np.bool_],
        keys: Sequence[int],
        time: float | None,
    ) -> list[int]:
        """Those whom an embedder would still recognise; of a video's faces, looked at now and then."""
        due = [
            place
            for place in np.flatnonzero(done).tolist()
            if time is None or time - self._compared.get(keys[place], -np.inf) >= APART
        ]
        if not due:
            return []
        found = []
        for place, likeness in zip(due, self.witness.compare(before, after, [spots[p] for p in due]), strict=True):
            self._compared[keys[place]] = time or 0.0
            known = self.likeness.get(keys[place])
            if likeness is not None and likeness.recognised:
                found.append(place)
            elif likeness is not None and (known is None or likeness.margin > known.margin):
                self.likeness[keys[place]] = likeness
        return found
