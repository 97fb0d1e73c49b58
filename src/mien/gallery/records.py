"""What a gallery holds: people, their samples, links between faces, and a log of what was done; and what may change.

A `Person` is somebody, with a name or without one (a cluster that nobody has named yet). A `Sample` is one face that
was seen, with its embedding; it may belong to nobody yet. A `Link` is an answer that somebody gave about two faces. All
that is ever written is a `Change`: it happens as a whole or not at all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["ANYBODY", "ANYTHING", "Change", "Counts", "Entry", "Link", "Person", "Sample", "Where", "Word", "number_of"]

Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]
Word = str | float  #: a stored value that can be searched for

#: In `Where.people`: faces that belong to somebody.
ANYBODY: Literal["anybody"] = "anybody"


@dataclass(frozen=True, kw_only=True)
class Person:
    """Somebody in a gallery.

    Parameters
    ----------
    id : str
        "p" and a number; it stays, and is never given to another.
    name : str or None
        Unique within the gallery; None: nobody has said who it is.
    note : str
        For example where consent to keep the person's data is filed.
    created : float
        When the person was added, seconds since 1970 (UTC).
    """

    id: str
    name: str | None = None
    note: str = ""
    created: float = 0.0

    def __str__(self) -> str:
        return self.name or self.id


def number_of(person: str) -> int:
    """The number in a person's id, which tells who came first; -1, which nobody has, for what is no id."""
    digits = person[1:]
    return int(digits) if person[:1] == "p" and digits.isascii() and digits.isdigit() and len(digits) <= 18 else -1


@dataclass(frozen=True, kw_only=True)
class Sample:
    """One face that a gallery keeps.

    Parameters
    ----------
    id : int
        Positive; it stays, and is never given to another.
    face : str
        Stable name of the face, made of its picture's content and its place there: it survives moving the file.
    person : str or None
        Id of the person; None: not known.
    confirmed : bool
        Whether a human said whose face it is; else a program did.
    source : str
        Where the picture was, as it was given; "" for plain vectors.
    picture : str
        SHA-256 of the picture's bytes, hexadecimal; "" for plain vectors.
    box : (x1, y1, x2, y2) or None
        In pixels of the upright picture.
    size : (width, height)
        Of the upright picture in pixels, (0, 0) where it is not known.
    quality : float or None
        How well the face can be recognised, in [0, 1].
    ages : (low, high) or None
        Years between which the person was when the picture was taken, as estimated or said.
    taken, created : float or None, float
        When the picture was taken and when the sample was added, seconds since 1970 (UTC).
    model : str
        What made the embedding.
    words : mapping of str to str or float
        Whatever else is to be searched by, such as ``{"age": 31.0, "event": "wedding"}``.
    crop : bytes or None
        The aligned face as a JPEG or PNG file, where the gallery keeps crops.
    """

    id: int
    face: str = ""
    person: str | None = None
    confirmed: bool = False
    source: str = ""
    picture: str = ""
    box: Box | None = None
    size: tuple[int, int] = (0, 0)
    quality: float | None = None
    ages: tuple[float, float] | None = None
    taken: float | None = None
    created: float = 0.0
    model: str = ""
    words: Mapping[str, Word] = field(default_factory=lambda: MappingProxyType({}))
    crop: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Link:
    """An answer about two samples, `first` < `second`: that they are of one person, or that they are not."""

    first: int
    second: int
    same: bool


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One line of the audit log. It names nobody: `subjects` are salted hashes of person ids and face names."""

    time: float
    action: str
    subjects: tuple[str, ...] = ()
    details: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Counts:
    """How much a gallery holds; `vectors` counts those of the space in use."""

    people: int
    samples: int
    vectors: int


@dataclass(frozen=True, kw_only=True)
class Where:
    """Which samples are meant: those for which all of this holds.

    Parameters
    ----------
    ids : sequence of int, optional
    faces : sequence of str, optional
        Stable names.
    people : sequence of str, "anybody", "nobody", optional
        Ids of people; those that belong to somebody; those that belong to nobody.
    pictures : sequence of str, optional
        SHA-256 of pictures.
    source : str, optional
        What the source begins with: a folder.
    quality : float, optional
        The least; samples of unknown quality do not pass.
    taken : (from, to), optional
        Seconds since 1970, both included; either may be None.
    words : mapping, optional
        Stored values: a text that is equal, or (low, high) of numbers, both included.
    """

    ids: Sequence[int] | None = None
    faces: Sequence[str] | None = None
    people: Sequence[str] | Literal["anybody", "nobody"] | None = None
    pictures: Sequence[str] | None = None
    source: str | None = None
    quality: float | None = None
    taken: tuple[float | None, float | None] | None = None
    words: Mapping[str, str | tuple[float, float]] = field(default_factory=lambda: MappingProxyType({}))


ANYTHING = Where()


@dataclass(frozen=True, kw_only=True)
class Change:
    """What is written together.

    Parameters
    ----------
    people : sequence of Person
        To add or replace, by id.
    samples : sequence of Sample
        To add or replace, by id. Since most are read without their crops, a crop of None keeps the one that is stored;
        ``b""`` deletes it.
    vectors : (ids, (N, D) float32), optional
        Embeddings of samples, of length 1.
    space : str, optional
        What they are of; by default the space in use. Those of another space are kept beside it, until `use_space`
        chooses one: so all are embedded again while the gallery is in use.
    links : sequence of Link
        To add or replace, by the two samples.
    forget_people, forget_samples : sequence
        Ids to delete. With a sample go its vectors of all spaces, its crop and its links. Samples of a person who is
        deleted are not: delete them too, or give them to somebody in the same change.
    forget_links : sequence of Link
        To take back.
    meta : mapping of str to str or None
        Settings to write; None deletes.
    entries : sequence of Entry
        Lines for the audit log.
    looked : sequence of str
        Pictures that were looked at, also those without a face: what `Store.looked` is to know them by.
    """

    people: Sequence[Person] = ()
    samples: Sequence[Sample] = ()
    vectors: tuple[Sequence[int], Floats] | None = None
    space: str | None = None
    links: Sequence[Link] = ()
    forget_people: Sequence[str] = ()
    forget_samples: Sequence[int] = ()
    forget_links: Sequence[Link] = ()
    meta: Mapping[str, str | None] = field(default_factory=dict)
    entries: Sequence[Entry] = ()
    looked: Sequence[str] = ()
