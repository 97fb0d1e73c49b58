"""Putting faces into a gallery: people by name, and whole libraries of photos."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Vectors
from mien.core.errors import MienError, NoFace, UsageError
from mien.core.faces import Face, Faces
from mien.core.image import ImageSource
from mien.engine.scanning import Item
from mien.gallery.answers import Bars, nearest_people, traits_of_sample
from mien.gallery.base import Base, Who
from mien.gallery.intake import Origin, Sighting, describe, face_names, hash_file, helpful, sightings
from mien.gallery.records import ANYBODY, Change, Person, Sample, Where, Word
from mien.media.scan import Nothing, find_pictures

__all__ = ["Added", "Enrolling", "Enrolment", "Refusal"]

Floats = NDArray[np.float32]
Duplicates = Literal["warn", "refuse", "allow"]

LEAST_QUALITY = 0.2  # recognizability below which no calibration holds, and what a detector took for a face may be none
AT_ONCE = 64  # pictures of a library that are written together
DUPLICATE_FPIR = 1e-2  # somebody who is enrolled is compared with the others at this rate
ODD_ONE = 0.1  # a picture whose similarity to the others of the person is below this part of theirs is told of


@dataclass(frozen=True)
class Refusal:
    """A picture or face that was not taken, and why."""

    source: str
    reason: str

    def __str__(self) -> str:
        return f"{self.source}: {self.reason}" if self.source else self.reason


@dataclass(frozen=True)
class Enrolment:
    """What `Gallery.enroll` did.

    Parameters
    ----------
    person : Person
    samples : tuple of Sample
        Faces that were added.
    refused : tuple of Refusal
        Pictures that were not taken.
    warnings : tuple of str
        What should be looked at: somebody else who looks the same, a picture that does not look like the others.
    """

    person: Person
    samples: tuple[Sample, ...]
    refused: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()

    def __str__(self) -> str:
        first = f"{self.person} ({self.person.id}): {len(self.samples)} faces"
        return "\n".join([first, *(f"not taken: {one}" for one in self.refused), *self.warnings])

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "person": {"id": self.person.id, "name": self.person.name},
            "samples": [sample.id for sample in self.samples],
            "refused": [{"source": one.source, "reason": one.reason} for one in self.refused],
            "warnings": list(self.warnings),
        }


@dataclass
class Added:
    """What `Gallery.add` did, so far.

    Parameters
    ----------
    pictures, faces : int
        Pictures that were read, and new faces in them.
    known : int
        Pictures whose faces the gallery had already.
    poor : int
        Faces that were not taken: below the least quality, or without an embedding.
    failures : list of Refusal
        Pictures that could not be read.
    """

    pictures: int = 0
    faces: int = 0
    known: int = 0
    poor: int = 0
    failures: list[Refusal] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        failures = [{"source": one.source, "reason": one.reason} for one in self.failures]
        return {**vars(self), "failures": failures}


class Enrolling(Base):
    """The verbs that put faces in."""

    def enroll(
        self,
        name: Who,
        pictures: ImageSource | Faces | Face | Sequence[ImageSource | Faces | Face] | None = None,
        *,
        vectors: Vectors | ArrayLike | None = None,
        space: str | None = None,
        min_quality: float = LEAST_QUALITY,
        which: Literal["largest", "only"] = "only",
        duplicates: Duplicates = "warn",
        note: str = "",
        words: Mapping[str, Word] = MappingProxyType({}),
    ) -> Enrolment:
        """Add pictures of somebody; a name that is not there yet makes a new person.

        All of it is written at once. A picture that cannot be used is refused with its reason; if none can be, nothing
        is written.

        Parameters
        ----------
        name : str or Person
            A name, or the id of somebody who is there already.
        pictures : picture, Faces, Face, or sequence of them
            Each is to show one face.
        vectors : (N, D) or (D,) array, or Vectors
            Embeddings of your own instead, by any encoder.
        space : str
            The embedding space of `vectors`, where they do not say so themselves.
        min_quality : float
            The least recognizability in [0, 1]; poorer faces are refused. No table holds for faces below 0.2.
        which : {"only", "largest"}
            What to do with a picture of several faces: refuse it, or take the largest.
        duplicates : {"warn", "refuse", "allow"}
            What to do if somebody else in the gallery looks the same.
        note : str
            Kept with a new person: where consent is filed, for example.
        words : mapping of str to str or float
            Kept with each face, to be searched by.

        Returns
        -------
        Enrolment

        Raises
        ------
        NoFace
            If no picture could be used; the message says why not, of each.
        EmbeddingSpaceMismatch, ShapeMismatch
            If vectors do not fit the gallery.
        UsageError
            If an argument is wrong, or a duplicate was refused.
        """
        if (pictures is None) == (vectors is None):
            raise UsageError("enroll pictures, or vectors: one of the two.")
        if duplicates not in {"warn", "refuse", "allow"} or which not in {"largest", "only"}:
            told = f"got {duplicates!r} and {which!r}"
            raise UsageError(f"duplicates is warn, refuse or allow, and which is largest or only; {told}.")
        key = name.id if isinstance(name, Person) else name
        person = self._find(key) or self._new_person(key, note=note)
        refused: list[Refusal] = []
        if vectors is not None:
            given = self._unit(vectors, space)
            now = time.time()
            seen = [Sighting(Sample(id=0, created=now), row, None) for row in given.values]
            space = given.space
        else:
            self._check_engine()
            seen = [
                one
                for picture in _each(pictures)
                if (one := self._usable(picture, person, which, min_quality, refused)) is not None
            ]
            space = self.engine.choose("embedding").space
        if not seen:
            why = " ".join(map(str, refused)).rstrip(".") or "no picture was given"
            raise NoFace(f"nothing to enroll {str(person)!r} by: {why}.")
        warnings = self._doubts(person, seen, duplicates)
        first = self.store.reserve(len(seen))
        samples = [
            replace(
                one.sample,
                id=first + place,
                face=one.sample.face or f"v{first + place}",
                person=person.id,
                confirmed=True,
                words={**one.sample.words, **words},
            )
            for place, one in enumerate(seen)
        ]
        entry = self._log("enroll", [person.id, *(sample.face for sample in samples)], faces=len(samples))
        self.store.apply(
            Change(
                people=[person],
                samples=samples,
                vectors=([sample.id for sample in samples], np.stack([one.vector for one in seen])),
                space=space,
                entries=[entry],
            )
        )
        return Enrolment(person, tuple(samples), tuple(refused), tuple(warnings))

    def _usable(
        self,
        picture: ImageSource | Faces | Face,
        person: Person,
        which: str,
        min_quality: float,
        refused: list[Refusal],
    ) -> Sighting | None:
        """The face of a picture that is to be enrolled, or None and the reason among the refusals."""
        name = os.fspath(picture) if isinstance(picture, str | os.PathLike) else ""
        try:
            found = self._sightings(picture)
        except MienError as error:
            refused.append(Refusal(name, str(error)))
            return None
        reason = ""
        if not found:
            reason = "no face in it."
        elif len(found) > 1 and which == "only":
            reason = f"{len(found)} faces in it, where one was expected."
        best = max(found, key=lambda one: _area(one.sample), default=None)
        if best is None or reason:
            refused.append(Refusal(name, reason))
            return None
        quality = best.sample.quality
        if best.reason is not None or np.isnan(best.vector).any():
            reason = f"its face has no embedding: {best.reason or 'no reason was given'}."
        elif quality is not None and quality < min_quality:
            reason = f"its face is too poor to be recognised by: {quality:.2f}, where {min_quality:g} is asked for."
        elif best.sample.id and (owner := self._owner(best.sample.id)) and owner.id != person.id:
            reason = f"its face is enrolled as {str(owner)!r} already."
        if reason:
            refused.append(Refusal(name, reason))
            return None
        return best

    def _sightings(self, picture: ImageSource | Faces | Face) -> list[Sighting]:
        if isinstance(picture, Face):
            picture = picture.faces[[picture.row]]
        if isinstance(picture, Faces):
            self._check_space(picture.embedding.space, f"these faces have {picture.embedding.space!r}")
            found = sightings(picture, Origin("", ""), crops=self.keeps_crops and picture.image is not None)
            return [replace(one, sample=replace(one.sample, face="")) for one in found]
        origin, readable = Origin.of(picture)
        faces = describe(readable, self.engine, {"alignment"} if self.keeps_crops else ())
        found = sightings(faces, origin, crops=self.keeps_crops)
        return face_names(found, list(self.store.samples(Where(pictures=[origin.picture]))))

    def _owner(self, sample: int) -> Person | None:
        (known,) = self.store.samples(Where(ids=[sample]))
        return self.store.people([known.person])[0] if known.person else None

    def _doubts(self, person: Person, seen: Sequence[Sighting], duplicates: Duplicates) -> list[str]:
        """Who else looks the same, and which pictures do not look like the others."""
        vectors = np.stack([one.vector for one in seen])
        warnings = []
        if len(seen) > 2:
            alike = np.sort(vectors @ vectors.T, axis=1)[:, :-1]  # without itself
            middle = np.median(alike, axis=1)
            for place in np.flatnonzero(middle < ODD_ONE * np.median(middle)).tolist():
                source = seen[place].sample.source or f"vector {place}"
                warnings.append(f"{source} does not look like the other pictures ({middle[place]:.2f}).")
        if duplicates == "allow" or not self.store.counts().vectors:
            return warnings
        bars = Bars(self._calibration(), DUPLICATE_FPIR, self.store.counts().vectors)
        traits = [traits_of_sample(one.sample) for one in seen]
        others = nearest_people(self.store, vectors, traits, 2, bars, where=Where(people=ANYBODY))
        like = {
            hit.person.id: hit
            for hits in others
            for hit in hits
            if hit.person is not None and hit.person.id != person.id and hit.passes
        }
        for hit in like.values():
            told = f"{str(person)!r} looks like {str(hit.person)!r}, who is here already ({hit.score:.2f})."
            if duplicates == "refuse":
                raise UsageError(told)
            warnings.append(told)
        return warnings

    # -- libraries ---------------------------------------------------------------------------------------------------

    def add(
        self,
        source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        want: Iterable[str] = (),
        min_quality: float = LEAST_QUALITY,
        min_size: float = 0.0,
        progress: Callable[[Added], None] = lambda _: None,
    ) -> Added:
        """Add all faces of many pictures, which belong to nobody yet; `cluster` then groups them.

        Pictures that the gallery knows, by their content, are passed over: calling this again adds what is new, and
        learns where files were moved to. What was added outlives a crash, 64 pictures at a time.

        Parameters
        ----------
        source : path, folder, glob pattern, or iterable of them
        want : iterable of str
            Fields to keep with each face, to search by: ``{"pose"}`` is kept as the words ``pose.yaw`` and so on.
        min_quality, min_size : float
            The least recognizability in [0, 1], and the least height in pixels.
        progress : callable
            Told how far it is, after each picture.

        Raises
        ------
        EmbeddingSpaceMismatch
            If the engine's vectors are of another space.
        UnknownField, ModelError, DeviceUnavailable
            At once, before the first picture.
        """
        self._check_engine()
        words = frozenset(want)
        fields = helpful(self.engine, words | ({"alignment"} if self.keeps_crops else set()))
        done = Added()
        batch: list[Sighting] = []
        origins = _Origins()
        items = self.engine.scan(
            self._new_pictures(source, origins, done, progress),
            want=fields,
            keep_images=self.keeps_crops,
            min_size=min_size,
        )
        for item in items:
            batch += self._seen(item, origins, words, min_quality, done)
            done.pictures += 1
            if done.pictures % AT_ONCE == 0:
                self._write(batch, done)
                batch = []
            progress(done)
        self._write(batch, done)
        return done

    def _new_pictures(
        self,
        source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        origins: _Origins,
        done: Added,
        progress: Callable[[Added], None],
    ) -> Iterator[str]:
        for path in find_pictures(source):
            if isinstance(path, Nothing):
                done.failures.append(Refusal(path.source, str(path.error)))
                continue
            try:
                known = list(self.store.samples(Where(pictures=[origins.hash_of(path)])))
            except MienError as error:
                done.failures.append(Refusal(str(path), str(error)))
                continue
            if not known:
                yield str(path)
                continue
            moved = [replace(sample, source=str(path)) for sample in known if not Path(sample.source).exists()]
            if moved:
                self.store.apply(Change(samples=moved))
            done.known += 1
            progress(done)

    def _seen(
        self, item: Item, origins: _Origins, words: frozenset[str], min_quality: float, done: Added
    ) -> list[Sighting]:
        if item.faces is None:
            reason = item.failure.message if item.failure else "no result."
            done.failures.append(Refusal(item.source, reason))
            return []
        if not len(item.faces):
            return []
        origin = origins.of(item)
        found = sightings(item.faces, origin, crops=self.keeps_crops, words=words)
        good = [
            one
            for one in found
            if one.reason is None and (one.sample.quality is None or one.sample.quality >= min_quality)
        ]
        done.poor += len(found) - len(good)
        return face_names(good, [])

    def _write(self, seen: Sequence[Sighting], done: Added) -> None:
        if not seen:
            return
        first = self.store.reserve(len(seen))
        samples = [replace(one.sample, id=first + place) for place, one in enumerate(seen)]
        vectors = ([sample.id for sample in samples], np.stack([one.vector for one in seen]))
        space = self.engine.choose("embedding").space
        entry = self._log("add", (), faces=len(samples))
        self.store.apply(Change(samples=samples, vectors=vectors, space=space, entries=[entry]))
        done.faces += len(samples)


class _Origins:
    """Hashes of the pictures that are on their way through the engine, so that each file is read for it once."""

    def __init__(self) -> None:
        self._hashes: dict[str, str] = {}
        self._films: dict[str, str] = {}

    def hash_of(self, path: os.PathLike[str]) -> str:
        value = self._hashes[str(path)] = hash_file(path)
        return value

    def of(self, item: Item) -> Origin:
        if item.frame is not None:  # a film is one file with many pictures
            value = self._films.setdefault(item.source, self._hashes.get(item.source, ""))
            return Origin(f"{item.source}#{item.frame}", f"{value}#{item.frame}")
        origin, _ = Origin.of(item.source)
        self._hashes.pop(item.source, None)
        return origin


def _each(pictures: Any) -> list[ImageSource | Faces | Face]:
    if isinstance(pictures, Sequence) and not isinstance(pictures, str | bytes | bytearray | memoryview | Faces):
        return list(pictures)
    return [cast("ImageSource | Faces | Face", pictures)]


def _area(sample: Sample) -> float:
    if sample.box is None:
        return 0.0
    x1, y1, x2, y2 = sample.box
    return (x2 - x1) * (y2 - y1)
