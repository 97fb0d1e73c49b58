"""Putting whole libraries of photos into a gallery: every face once, every picture looked at once."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.errors import MienError
from mien.engine.scanning import Item
from mien.gallery import audit
from mien.gallery.base import SALT, Base
from mien.gallery.enrolling import LEAST_QUALITY, Refusal, check_quality
from mien.gallery.intake import Origin, Sighting, face_names, hash_file, helpful, sightings
from mien.gallery.records import Change, Where
from mien.media.scan import Nothing, find_pictures

__all__ = ["Added", "Adding"]

AT_ONCE = 64  # pictures of a library that are written together


@dataclass
class Added:
    """What `Gallery.add` did, so far.

    Parameters
    ----------
    pictures, faces : int
        Pictures that were read, and new faces in them.
    known : int
        Pictures that were passed over: the gallery has faces of them, or looked at them before, or they came twice.
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


class Adding(Base):
    """The verb that puts libraries in."""

    def add(
        self,
        source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        want: Iterable[str] = (),
        min_quality: float = LEAST_QUALITY,
        min_size: float = 0.0,
        again: bool = False,
        progress: Callable[[Added], None] = lambda _: None,
    ) -> Added:
        """Add all faces of many pictures, which belong to nobody yet; `cluster` then groups them.

        Pictures that the gallery knows, by their content, are passed over: those that it has faces of, and those that
        it looked at before, whether there was no face in them, or none that was taken, or all were deleted since. So
        calling this again adds what is new, and learns where files were moved to. What was added outlives a crash, 64
        pictures at a time.

        Parameters
        ----------
        source : path, folder, glob pattern, or iterable of them
        want : iterable of str
            Fields to keep with each face, to search by: ``{"pose"}`` is kept as the words ``pose.yaw`` and so on.
        min_quality, min_size : float
            The least recognizability in [0, 1], and the least height in pixels.
        again : bool
            Look once more at those that the gallery has no faces of: with another detector, or with lower limits, or
            to have back the faces of people who were deleted.
        progress : callable
            Told how far it is, after each picture.

        Raises
        ------
        EmbeddingSpaceMismatch
            If the engine's vectors are of another space.
        UsageError, UnknownField, ModelError, DeviceUnavailable
            At once, before the first picture.
        StorageError
            If the gallery cannot be read or written any more; what was added so far stays.
        """
        check_quality(min_quality)
        self._check_engine()
        words = frozenset(want)
        fields = helpful(self.engine, words | ({"alignment"} if self.keeps_crops else set()))
        done = Added()
        batch: list[Sighting] = []
        files = _Files(self.store.meta()[SALT])
        items = self.engine.scan(
            self._new_pictures(source, files, done, again=again, progress=progress),
            want=fields,
            keep_images=self.keeps_crops,
            min_size=min_size,
        )
        for item in items:
            batch += self._seen(item, files, words, min_quality, done)
            files.passed(item)
            done.pictures += 1
            if done.pictures % AT_ONCE == 0:
                self._write(batch, files.looked(), done)
                batch = []
            progress(done)
        files.passed(None)
        self._write(batch, files.looked(), done)
        return done

    def _new_pictures(
        self,
        source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        files: _Files,
        done: Added,
        *,
        again: bool,
        progress: Callable[[Added], None],
    ) -> Iterator[str]:
        """Paths of those that are to be looked at, found while the ones before them are."""
        for path in find_pictures(source):
            if isinstance(path, Nothing):
                done.failures.append(Refusal(path.source, str(path.error)))
                continue
            try:
                content = hash_file(path)
            except MienError as error:
                done.failures.append(Refusal(str(path), str(error)))
                continue
            known = list(self.store.samples(Where(pictures=[content])))
            if not known and (again or not self.store.looked([files.key(content)])) and files.begin(path, content):
                yield str(path)
                continue
            if any(not Path(sample.source).exists() for sample in known):
                self._settle(functools.partial(self._moved, content, str(path)))
            done.known += 1
            progress(done)

    def _moved(self, content: str, path: str) -> tuple[Change, None]:
        """Where the faces of a picture are to be found now."""
        known = self.store.samples(Where(pictures=[content]))
        return Change(samples=[replace(one, source=path) for one in known if not Path(one.source).exists()]), None

    def _seen(
        self, item: Item, files: _Files, words: frozenset[str], min_quality: float, done: Added
    ) -> list[Sighting]:
        if item.faces is None:
            reason = item.failure.message if item.failure else "no result."
            done.failures.append(Refusal(item.source, reason))
            return []
        if not len(item.faces):
            return []
        origin = files.origin(item)
        found = sightings(item.faces, origin, crops=self.keeps_crops, words=words)
        good = [
            one
            for one in found
            if one.reason is None and (one.sample.quality is None or one.sample.quality >= min_quality)
        ]
        done.poor += len(found) - len(good)
        # There are known faces only in frames of a film that was broken off before, or is looked at again.
        named = face_names(good, list(self.store.samples(Where(pictures=[origin.picture]))))
        return [one for one in named if not one.sample.id]

    def _write(self, seen: Sequence[Sighting], looked: Sequence[str], done: Added) -> None:
        if not seen:
            if looked:
                self.store.apply(Change(looked=looked))
            return
        first = self.store.reserve(len(seen))
        samples = [replace(one.sample, id=first + place) for place, one in enumerate(seen)]
        vectors = ([sample.id for sample in samples], np.stack([one.vector for one in seen]))
        space = self.engine.choose("embedding").space
        entry = self._log("add", (), faces=len(samples))
        self.store.apply(Change(samples=samples, vectors=vectors, space=space, entries=[entry], looked=looked))
        done.faces += len(samples)


class _Files:
    """Files on their way through the engine and into the store; each is hashed once.

    Parameters
    ----------
    salt : str
        Of the gallery.
    """

    def __init__(self, salt: str) -> None:
        self._salt = salt
        self._contents: dict[str, str] = {}  # SHA-256 of those under way, by path
        self._film = ""  # whose frames are coming
        self._ended: list[str] = []  # that were looked at from beginning to end, and are not written yet

    def key(self, content: str) -> str:
        """What the store knows a picture by that was looked at."""
        return audit.picture(self._salt, content)

    def begin(self, path: os.PathLike[str], content: str) -> bool:
        """Send a file on its way, unless another one of the same content is."""
        if content in self._contents.values():
            return False
        self._contents[str(path)] = content
        return True

    def origin(self, item: Item) -> Origin:
        """Where the faces of an item were seen; a film is one file with many pictures."""
        content = self._contents[item.source]
        if item.frame is not None:
            return Origin(f"{item.source}#{item.frame}", f"{content}#{item.frame}")
        return Origin.read(item.source, content, item.source)

    def passed(self, item: Item | None) -> None:
        """Note how far the engine is; None: at the end. A film was looked at when the next file comes."""
        if self._film and (item is None or item.source != self._film):
            self._ended.append(self._film)
            self._film = ""
        if item is None:
            return
        if item.frame is not None:
            self._film = item.source
        elif item.faces is not None:
            self._ended.append(item.source)
        else:  # it could not be read, or not to its end
            self._film = ""
            self._contents.pop(item.source, None)

    def looked(self) -> list[str]:
        """Keys of the files that were looked at since this was asked last."""
        ended, self._ended = self._ended, []
        return [self.key(self._contents.pop(path)) for path in ended]
