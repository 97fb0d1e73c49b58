"""Whom not to hide: faces chosen by who they are. In doubt a face is hidden."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UnknownPerson, UsageError
from mien.core.faces import Faces
from mien.core.image import Image
from mien.engine import Engine
from mien.gallery.people import Gallery
from mien.swaps.choice import Choice, Who

__all__ = ["Sparing", "VideoSparing"]

#: The chance that a stranger passes for anybody in the gallery: of those to be kept visible, and of those to be hidden.
SURE: Final = 1e-3
POSSIBLE: Final = 0.1
_APART: Final = 0.4  # seconds between two looks at one face
_LEAST: Final = 2  # looks at which somebody who stays visible was recognised
_MOST_OF: Final = 0.6  # ... and the part of all looks at the face


@dataclass(frozen=True, eq=False)
class Sparing:
    """Who stays visible.

    Parameters
    ----------
    who : int, str, sequence of int, or None
        Whom to hide: see `mien.swaps.choice.Who`; None and "all": everybody.
    keep, hide : sequences of str
        Names in the gallery: those who stay visible, if they are surely recognised; or those who alone are hidden, if
        they may be meant.
    gallery : Gallery, optional
    engine : Engine

    Raises
    ------
    UsageError
        If more than one of `who`, `keep` and `hide` is given, or names come without a gallery.
    UnknownPerson
        If nobody in the gallery has a name.
    """

    engine: Engine
    who: Who = None
    keep: Sequence[str] = ()
    hide: Sequence[str] = ()
    gallery: Gallery | None = None

    def __post_init__(self) -> None:
        if isinstance(self.keep, str) or isinstance(self.hide, str):
            raise UsageError("keep= and hide= are lists of names.")
        if sum([self.who not in (None, "all"), bool(self.keep), bool(self.hide)]) > 1:
            raise UsageError("who=, keep= and hide= each say who is hidden: give one of them.")
        names = [*self.keep, *self.hide]
        if names and self.gallery is None:
            raise UsageError("keep= and hide= name people of a gallery: give it as gallery=.")
        known = {person.name for person in self.gallery.people()} if names and self.gallery else set()
        for name in names:
            if name not in known:
                raise UnknownPerson(f"nobody in the gallery is called {name!r}.")
        self.choice  # noqa: B018 - it refuses what is no choice

    @property
    def choice(self) -> Choice:
        """Whom to hide, by `who`."""
        return Choice("all" if self.who is None else self.who, self.gallery)

    @property
    def everybody(self) -> bool:
        """Whether nobody stays visible."""
        return self.who in (None, "all") and not self.keep and not self.hide

    @property
    def most(self) -> bool:
        """Whether all are hidden but for some: then what nobody knows is hidden, too."""
        return self.everybody or bool(self.keep)

    def spared(self, image: Image, faces: Faces) -> NDArray[np.bool_]:
        """Which faces of a picture (N,) stay visible."""
        if self.everybody or not len(faces):
            return np.zeros(len(faces), bool)
        if not self.keep and not self.hide:
            known = self.engine.analyze(image, faces=faces, want=self.choice.needs)
            return ~np.isin(np.arange(len(faces)), self.choice.rows(known))
        named = np.asarray(self.recognised(image, faces) == 1, bool)
        return named if self.keep else ~named

    def recognised(self, image: Image, faces: Faces) -> NDArray[np.int8]:
        """Of each face (N,): 1 one of those named, -1 somebody else who is known, 0 nobody."""
        assert self.gallery is not None  # noqa: S101 - for the type checker: names come with a gallery
        known = self.engine.analyze(image, faces=faces, want={"embedding"})
        found = self.gallery.search(known, fpir=SURE if self.keep else POSSIBLE)
        names = set(self.keep) or set(self.hide)
        return np.array(
            [0 if one.person is None else 1 if one.person.name in names else -1 for one in found], np.int8
        ).reshape(len(faces))

    def start(self) -> VideoSparing:
        """Decide on the faces of one video."""
        return VideoSparing(self)


@dataclass(eq=False)
class VideoSparing:
    """Who stays visible in a video: decided for each track, once all of it was seen."""

    sparing: Sparing
    _looks: dict[int, list[int]] = field(default_factory=lambda: defaultdict(list))
    _last: dict[int, float] = field(default_factory=dict)
    _chosen: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._chooser = self.sparing.choice.start()

    def see(self, image: Image, time: float, faces: Faces) -> None:
        """Look at the faces of a frame, with ``track``."""
        ids = faces.track.ids
        if not self.sparing.keep and not self.sparing.hide:
            known = self.sparing.engine.analyze(image, faces=faces, want=self.sparing.choice.needs)
            self._chosen |= {int(one) for one in ids[self._chooser.rows(known)]}
            return
        due = [
            row
            for row, one in enumerate(ids.tolist())
            if faces.track.observed[row] and time - self._last.get(one, -np.inf) >= _APART
        ]
        if not due:
            return
        for row, verdict in zip(due, self.sparing.recognised(image, faces[due]).tolist(), strict=True):
            track = int(ids[row])
            self._last[track] = time
            self._looks[track].append(verdict)

    def spared(self, track: int | None) -> bool:
        """Whether a track stays visible."""
        if self.sparing.everybody:
            return False
        looks = self._looks.get(track, []) if track is not None else []
        if self.sparing.keep:
            sure = looks.count(1)
            return sure >= _LEAST and sure >= _MOST_OF * len(looks) and -1 not in looks
        if self.sparing.hide:
            return 1 not in looks
        return track not in self._chosen
