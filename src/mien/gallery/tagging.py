"""A gallery's names in picture files, and back: face regions that photo programs understand."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.boxes import iou
from mien.core.errors import GalleryChanged, MienError, UnknownPerson, UsageError
from mien.gallery.base import Base, check_name
from mien.gallery.enrolling import Refusal
from mien.gallery.intake import hash_file
from mien.gallery.records import Change, Sample, Where
from mien.media.regions import Region, read_regions, region_name, write_regions
from mien.media.scan import Nothing, find_pictures

__all__ = ["Tagged", "Tagging"]

SAME_FACE = 0.3  # overlap of a region and a face: regions are drawn by hand, with hair or without


@dataclass
class Tagged:
    """What was written to, or read from, picture files.

    Parameters
    ----------
    pictures : int
        Files that were written, or in which a name was found.
    faces : int
        Faces that were named in them.
    people : int
        People who are new to the gallery.
    unmatched : int
        Named regions at which the gallery has no face.
    failures : list of Refusal
        Pictures that could not be read or written.
    """

    pictures: int = 0
    faces: int = 0
    people: int = 0
    unmatched: int = 0
    failures: list[Refusal] = field(default_factory=list)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {**vars(self), "failures": [{"source": one.source, "reason": one.reason} for one in self.failures]}


class Tagging(Base):
    """The verbs that write names to picture files and read them there."""

    def write_regions(
        self,
        source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        *,
        sidecar: bool = True,
        confirmed: bool = False,
    ) -> Tagged:
        """Write who is where into pictures, or into sidecars beside them: regions of the Metadata Working Group and of
        Microsoft. Regions that are there stay, but for those around the faces that are written.

        Names of people are personal data: whoever gets such a file reads them.

        Parameters
        ----------
        source : path, folder, glob pattern, or iterable of them
            Pictures that the gallery has no named face of are left alone.
        sidecar : bool
            Write beside the pictures; else into them (JPEG and PNG), without touching their pixels. The gallery knows
            a picture by its content, and is told of the new one.
        confirmed : bool
            Only names that a human gave or agreed to.
        """  # noqa: D205 - one sentence that is longer than a line
        done = Tagged()
        for path, samples in self._known_pictures(source, done):
            told = [sample for sample in samples if sample.box and (sample.confirmed or not confirmed)]
            owners = {sample.person for sample in told if sample.person}
            names = {person.id: person.name for person in self.store.people(sorted(owners))} if owners else {}
            regions = [
                Region(sample.box, name) for sample in told if sample.box and (name := names.get(sample.person or ""))
            ]
            if not regions:
                continue
            try:
                write_regions(path, regions + _elsewhere(read_regions(path), regions), sidecar=sidecar)
            except MienError as error:
                done.failures.append(Refusal(str(path), str(error)))
                continue
            if not sidecar:
                self._settle(partial(self._written, [sample.id for sample in samples], hash_file(path)))
            done.pictures += 1
            done.faces += len(regions)
        return done

    def _written(self, ids: list[int], content: str) -> tuple[Change, None]:
        samples = self.store.samples(Where(ids=ids))
        return Change(samples=[replace(sample, picture=content) for sample in samples]), None

    def read_regions(self, source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Tagged:
        """Name faces as the regions in their pictures say, which a human gave; new names make new people.

        Add the pictures first. A face that a human already named otherwise stays as it is, and is told of.

        Parameters
        ----------
        source : path, folder, glob pattern, or iterable of them
        """
        done = Tagged()
        for path, samples in self._known_pictures(source, done):
            try:
                regions = [region for region in read_regions(path) if region.name]
            except MienError as error:
                done.failures.append(Refusal(str(path), str(error)))
                continue
            if not regions:
                continue
            pairs = _pairs(regions, samples)
            done.unmatched += len(regions) - len(pairs)
            named = sum(self._name(path, region, sample, done) for region, sample in pairs)
            done.faces += named
            done.pictures += 1
        return done

    def _name(self, path: Path, region: Region, sample: Sample, done: Tagged) -> bool:
        """Give a face the name of its region; False, and the reason among the failures, where that cannot be."""

        def change() -> tuple[Change, bool]:
            check_name(region.name)  # what looks like an id is no name, and shall not be taken for one
            face = next(self.store.samples(Where(ids=[sample.id])), None)
            if face is None:
                raise UnknownPerson(f"the face of {region.name!r} was deleted meanwhile.")
            owner = next(iter(self.store.people([face.person])), None) if face.person else None
            if owner is not None and face.confirmed and region_name(str(owner)) != region.name:
                told = f"the file says {region.name!r} where {str(owner)!r} was confirmed: nothing was changed."
                raise UsageError(told)
            known = owner if owner is not None and region_name(str(owner)) == region.name else self._find(region.name)
            person = known or self._new_person(region.name)
            moved = replace(face, person=person.id, confirmed=True)
            entry = self._log("read regions", [person.id, face.face])
            return Change(people=[] if known else [person], samples=[moved], entries=[entry]), known is None

        try:
            done.people += self._settle(change)
        except (UsageError, GalleryChanged) as error:
            done.failures.append(Refusal(str(path), str(error)))
            return False
        return True

    def _known_pictures(
        self, source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], done: Tagged
    ) -> Iterator[tuple[Path, list[Sample]]]:
        """Pictures that the gallery has faces of, by their content, with these faces."""
        for path in find_pictures(source):
            if isinstance(path, Nothing):
                done.failures.append(Refusal(path.source, str(path.error)))
                continue
            try:
                samples = list(self.store.samples(Where(pictures=[hash_file(path)])))
            except MienError as error:
                done.failures.append(Refusal(str(path), str(error)))
                continue
            if samples:
                yield path, samples


def _elsewhere(there: list[Region], ours: list[Region]) -> list[Region]:
    """Regions around other faces than ours: of people from behind, say, whom somebody named by hand."""
    if not there:
        return []
    overlap = iou(np.array([one.box for one in there], np.float32), np.array([one.box for one in ours], np.float32))
    return [one for one, most in zip(there, overlap.max(axis=1), strict=True) if most < SAME_FACE]


def _pairs(regions: list[Region], samples: list[Sample]) -> list[tuple[Region, Sample]]:
    """Which face each region is drawn around: the greatest overlaps first, each used once."""
    placed = [sample for sample in samples if sample.box]
    if not placed:
        return []
    overlap = iou(
        np.array([region.box for region in regions], np.float32), np.array([s.box for s in placed], np.float32)
    )
    pairs = []
    while overlap.size and overlap.max() >= SAME_FACE:
        row, column = np.unravel_index(int(overlap.argmax()), overlap.shape)
        pairs.append((regions[row], placed[column]))
        overlap[row], overlap[:, column] = 0, 0
    return pairs
