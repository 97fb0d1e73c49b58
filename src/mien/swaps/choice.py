"""Whom to change: faces chosen by number, by where they are, or by name."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NoFace, UnknownPerson, UsageError
from mien.core.faces import Faces
from mien.gallery.people import Gallery

__all__ = ["POSITIONS", "Choice", "Chooser", "Who"]

#: Whom: the number of a face in a picture or of a track in a video, or several; "all"; one of `POSITIONS`; a point
#: "@X,Y" in pixels; or a name in the gallery. None: the only face.
Who: TypeAlias = int | str | Sequence[int] | None

Rows: TypeAlias = NDArray[np.intp]
_POINT = re.compile(r"@\s*(\d+(?:\.\d+)?)\s*,\s*(\d+(?:\.\d+)?)\s*")
AGAIN = 12  # frames after which somebody who was not recognised is looked up again


def _largest(faces: Faces) -> int:
    return int(np.argmax(faces.areas))


def _leftmost(faces: Faces) -> int:
    return int(np.argmin(faces.centers[:, 0]))


def _rightmost(faces: Faces) -> int:
    return int(np.argmax(faces.centers[:, 0]))


def _middle(faces: Faces) -> int:
    return int(np.argmin(np.abs(faces.centers - np.array(faces.image_size) / 2).sum(axis=1)))


#: Faces by where they are in the picture.
POSITIONS: Mapping[str, Callable[[Faces], int]] = MappingProxyType(
    {"largest": _largest, "leftmost": _leftmost, "rightmost": _rightmost, "middle": _middle}
)


@dataclass(frozen=True, eq=False)
class Choice:
    """Whom to change, for any number of pictures and videos.

    Parameters
    ----------
    who : int, str, sequence of int, or None
        See `Who`.
    gallery : Gallery, optional
        Whose names `who` may be.

    Raises
    ------
    UsageError
        If `who` is none of these, or a name comes without a gallery.
    UnknownPerson
        If nobody in the gallery has that name.
    """

    who: Who = None
    gallery: Gallery | None = None

    def __post_init__(self) -> None:
        if isinstance(self.who, str):
            if not self._named:
                return
            if self.gallery is None:
                words = ", ".join(("all", *POSITIONS))
                raise UsageError(
                    f"who={self.who!r} is none of {words} or a point @X,Y; to find somebody by name, give a gallery."
                )
            if self.who not in {person.name for person in self.gallery.people()}:
                raise UnknownPerson(f"nobody in the gallery is called {self.who!r}.")
        elif self.who is not None and not all(_is_number(one) for one in self.numbers or [None]):
            raise UsageError(f"who is a number of 0 or more, several, or a word, not {self.who!r}.")

    @property
    def needs(self) -> frozenset[str]:
        """Fields that faces must have to be chosen from."""
        return frozenset({"embedding"}) if self._named else frozenset()

    @property
    def numbers(self) -> tuple[object, ...]:
        """The numbers that it is; none where it is something else."""
        if self.who is None or isinstance(self.who, str):
            return ()
        return tuple(self.who) if isinstance(self.who, Sequence) else (self.who,)

    @property
    def _named(self) -> bool:
        word = self.who
        return isinstance(word, str) and word != "all" and word not in POSITIONS and _POINT.fullmatch(word) is None

    def rows(self, faces: Faces) -> Rows:
        """The chosen ones of a picture.

        Raises
        ------
        NoFace
            If there is none, or the chosen one is not there.
        UsageError
            If there are several and nothing says which, or there is no face with that number.
        """
        if not len(faces):
            raise NoFace("there is no face in the picture.")
        if self.who is None:
            if len(faces) > 1:
                raise UsageError(
                    f"there are {len(faces)} faces: say which with who=, one of 0 to {len(faces) - 1} from the surest "
                    f"on, {', '.join(POSITIONS)}, or all."
                )
            return np.array([0])
        if self.numbers:
            return self._numbered(faces)
        return self._worded(faces)

    def start(self) -> Chooser:
        """Choose among the tracks of a video."""
        return Chooser(self)

    def _numbered(self, faces: Faces) -> Rows:
        rows = np.array(list(dict.fromkeys(self.numbers)), np.intp)
        if (rows >= len(faces)).any():
            there = "one face, number 0" if len(faces) == 1 else f"{len(faces)} faces, numbers 0 to {len(faces) - 1}"
            raise UsageError(f"no face has the number {rows.max()}: there are {there}.")
        return rows

    def _worded(self, faces: Faces) -> Rows:
        """Rows of a picture's faces, of which there is one at least, by a word."""
        word = str(self.who)
        if word == "all":
            return np.arange(len(faces))
        if word in POSITIONS:
            return np.array([POSITIONS[word](faces)])
        if point := _POINT.fullmatch(word):
            x, y = float(point[1]), float(point[2])
            x1, y1, x2, y2 = faces.boxes.T
            hit = np.flatnonzero((x1 <= x) & (x <= x2) & (y1 <= y) & (y <= y2))
            if not len(hit):
                raise NoFace(f"there is no face at {x:g}, {y:g}.")
            return hit[[np.argmin(faces.areas[hit])]]
        rows = self.recognised(faces)
        if not len(rows):
            raise NoFace(f"no face is recognised as {word}.")
        return rows

    def recognised(self, faces: Faces) -> Rows:
        """Rows of the faces that the gallery takes for the person named."""
        assert self.gallery is not None  # noqa: S101 - for the type checker: a name comes with a gallery
        found = self.gallery.search(faces)
        return np.array([row for row, one in enumerate(found) if one.person and one.person.name == self.who], np.intp)


@dataclass(eq=False)
class Chooser:
    """A choice among the tracks of one video: whoever was chosen stays it, wherever they go.

    Positions and points say whom in the first frame that shows somebody there; names are looked up as people appear.
    """

    choice: Choice
    _chosen: set[int] = field(default_factory=set)
    _asked: dict[int, int] = field(default_factory=dict)  # frames since somebody was not recognised

    def rows(self, faces: Faces) -> Rows:
        """The chosen ones of a frame, maybe none; `faces` have ``track``.

        Raises
        ------
        UsageError
            If there are several faces and nothing says which.
        """
        tracks = faces.track.ids
        who = self.choice.who
        if not len(faces):
            return np.array([], np.intp)
        if who == "all":
            return np.arange(len(faces))
        if who is None:
            if len(faces) > 1:
                numbers = ", ".join(str(one) for one in sorted(tracks.tolist()))
                raise UsageError(
                    f"a frame shows {len(faces)} faces: say which with who=, one of the tracks {numbers}, "
                    f"{', '.join(POSITIONS)}, or all."
                )
            return np.array([0])
        if self.choice.numbers:
            return np.flatnonzero(np.isin(tracks, np.array(self.choice.numbers, np.int64)))
        if self.choice.needs:
            self._recognise(faces, tracks)
        elif not self._chosen:
            try:
                self._chosen = {int(one) for one in tracks[self.choice.rows(faces)]}
            except NoFace:  # nobody is at that point yet
                return np.array([], np.intp)
        return np.flatnonzero(np.isin(tracks, list(self._chosen)))

    def _recognise(self, faces: Faces, tracks: NDArray[np.integer]) -> None:
        due = [row for row, one in enumerate(tracks.tolist()) if one not in self._chosen and self._due(one)]
        if due:
            asked = faces[due]
            self._chosen |= {int(one) for one in asked.track.ids[self.choice.recognised(asked)]}

    def _due(self, track: int) -> bool:
        waited = self._asked.get(track, AGAIN) + 1
        self._asked[track] = 0 if waited > AGAIN else waited
        return waited > AGAIN


def _is_number(value: object) -> bool:
    return isinstance(value, int | np.integer) and not isinstance(value, bool) and int(value) >= 0
