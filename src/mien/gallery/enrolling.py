"""Putting people into a gallery, by name."""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any, Literal, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.columns import Vectors
from mien.core.errors import MienError, NoFace, NotCalibrated, UnknownPerson, UsageError
from mien.core.faces import Face, Faces
from mien.core.image import ImageSource
from mien.gallery.answers import Bars, nearest_people, traits_of_sample
from mien.gallery.base import PERSON_ID, Base, Who
from mien.gallery.intake import Origin, Sighting, describe, face_names, sightings
from mien.gallery.records import ANYBODY, Change, Person, Sample, Where, Word

__all__ = ["LEAST_QUALITY", "Enrolling", "Enrolment", "Refusal", "check_quality"]

Floats = NDArray[np.float32]
Duplicates = Literal["warn", "refuse", "allow"]

LEAST_QUALITY = 0.2  # recognizability below which no calibration holds, and what a detector took for a face may be none
DUPLICATE_FPIR = 1e-2  # somebody who is enrolled is compared with the others at this rate
ODD_ONE = 0.1  # a picture whose similarity to the others of the person is below this part of theirs is told of


def check_quality(least: float) -> None:
    """Refuse a least recognizability that is none.

    Raises
    ------
    UsageError
        If it is.
    """
    if not (isinstance(least, int | float | np.floating) and 0 <= least <= 1):
        raise UsageError(f"min_quality is between 0 and 1; got {least!r}.")


@dataclass(frozen=True)
class Refusal:
    """A picture or face that was not taken, and why."""

    source: str
    reason: str

    def __str__(self) -> str:
        return self.reason if self.source in self.reason else f"{self.source}: {self.reason}"


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


class Enrolling(Base):
    """The verbs that put faces in."""

    def enroll(
        self,
        name: Who,
        pictures: ImageSource | Faces | Face | Iterable[ImageSource | Faces | Face] | None = None,
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
        is written. A face that is given twice, or that the gallery has already and that is nobody's or this person's,
        is kept once.

        Parameters
        ----------
        name : str or Person
            A name, or the id of somebody who is there already.
        pictures : picture, Faces, Face, or iterable of them
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
        UnknownPerson
            If `name` is an id that nobody has.
        NotCalibrated
            If duplicates are to be refused, and nothing tells them.
        UsageError
            If an argument is wrong, or a duplicate was refused.
        GalleryChanged
            If others keep changing the gallery meanwhile; nothing is written.
        """
        if (pictures is None) == (vectors is None):
            raise UsageError("enroll pictures, or vectors: one of the two.")
        if duplicates not in {"warn", "refuse", "allow"} or which not in {"largest", "only"}:
            told = f"got {duplicates!r} and {which!r}"
            raise UsageError(f"duplicates is warn, refuse or allow, and which is largest or only; {told}.")
        if not isinstance(words, Mapping):
            raise UsageError(f"words are a mapping such as {{'event': 'fair'}}; got {type(words).__name__}.")
        check_quality(min_quality)
        key = name.id if isinstance(name, Person) else name
        known = self._find(key)
        if known is None and PERSON_ID.fullmatch(key):
            raise UnknownPerson(f"nobody here has the id {key[:100]!r}; ids are given, not chosen.")
        person = known or self._new_person(key, note=note)
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
            given_none = f"no {'vector' if pictures is None else 'picture'} was given"
            why = " ".join(map(str, refused)).rstrip(".") or given_none
            raise NoFace(f"nothing to enroll {str(person)!r} by: {why}.")
        seen = list({one.sample.face or place: one for place, one in enumerate(seen)}.values())
        warnings = self._doubts(person, seen, duplicates)
        first = self.store.reserve(len(seen))

        def change() -> tuple[Change, tuple[Person, tuple[Sample, ...]]]:
            there = self._find(key)
            if there is None and known is not None:
                raise UnknownPerson(f"{str(known)!r} was deleted or renamed meanwhile.")
            owner = there or person
            samples = self._enrolled(seen, first, owner, words)
            entry = self._log("enroll", [owner.id, *(sample.face for sample in samples)], faces=len(samples))
            return Change(
                people=[] if there else [owner],
                samples=samples,
                vectors=([sample.id for sample in samples], np.stack([one.vector for one in seen])),
                space=space,
                entries=[entry],
            ), (owner, tuple(samples))

        owner, samples = self._settle(change)
        return Enrolment(owner, samples, tuple(refused), tuple(warnings))

    def _enrolled(
        self, seen: Sequence[Sighting], first: int, person: Person, words: Mapping[str, Word]
    ) -> list[Sample]:
        """The samples to write: a face that is kept already stays the sample that it is."""
        numbers = [one.sample.id for one in seen if one.sample.id]
        kept = {sample.id: sample for sample in self.store.samples(Where(ids=numbers))} if numbers else {}
        samples = []
        for place, one in enumerate(seen):
            old = kept.get(one.sample.id)
            if old is not None and old.person not in (None, person.id):
                raise UsageError(f"the face {old.face} was given to somebody else meanwhile.")
            samples.append(
                replace(
                    one.sample,
                    id=old.id if old else first + place,
                    face=one.sample.face or f"v{secrets.token_hex(8)}",
                    person=person.id,
                    confirmed=True,
                    created=old.created if old else one.sample.created,
                    words={**(old.words if old else {}), **one.sample.words, **words},
                )
            )
        return samples

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
            if owner.name is None:
                reason = f"its face is {owner.id}'s already, who has no name: rename() gives one."
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
        owners = [one.person for one in self.store.samples(Where(ids=[sample])) if one.person]
        return next(iter(self.store.people(owners)), None)

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
        near = [hit for hits in others for hit in hits if hit.person is not None and hit.person.id != person.id]
        untold = next((hit.bar.reason for hit in near if hit.bar.threshold is None), None)
        if duplicates == "refuse" and untold is not None:
            raise NotCalibrated(f"whether {str(person)!r} is here already cannot be told: {untold}.")
        for hit in {hit.who: hit for hit in near if hit.passes}.values():
            told = f"{str(person)!r} looks like {hit.who!r}, who is here already ({hit.score:.2f})."
            if duplicates == "refuse":
                raise UsageError(told)
            warnings.append(told)
        return warnings


def _each(pictures: Any) -> list[ImageSource | Faces | Face]:
    several = isinstance(pictures, Sequence | Set | Iterator) and not hasattr(pictures, "read")  # which a file has
    if several and not isinstance(pictures, str | bytes | bytearray | memoryview | Faces):
        return list(pictures)
    return [cast("ImageSource | Faces | Face", pictures)]


def _area(sample: Sample) -> float:
    if sample.box is None:
        return 0.0
    x1, y1, x2, y2 = sample.box
    return (x2 - x1) * (y2 - y1)
