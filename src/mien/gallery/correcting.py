"""Putting a gallery right: names, merging, splitting, answers about faces; and deleting, completely."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mien.core.errors import UnknownPerson, UsageError
from mien.gallery import audit
from mien.gallery.base import SALT, Base, Who, check_name
from mien.gallery.records import Change, Link, Person, Sample, Where

__all__ = ["Correcting"]

REVIEW = "review."  # settings of the review queue begin with this: its history of answers, which names samples

Which = Sample | int


class Correcting(Base):
    """The verbs that correct and delete."""

    def rename(self, who: Who, name: str) -> Person:
        """Give somebody a name, or another one.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id.
        UsageError
            If somebody else has the name: `merge` makes one person of two.
        """
        check_name(name)

        def change() -> tuple[Change, Person]:
            person, taken = self.person(who), self._find(name)
            if taken is not None and taken.id != person.id:
                hint = f"merge({taken.id!r}, {person.id!r}) makes them one"
                raise UsageError(f"{name[:100]!r} is {taken.id} already: {hint}.")
            renamed = replace(person, name=name)
            return Change(people=[renamed], entries=[self._log("rename", [person.id])]), renamed

        return self._settle(change)

    def annotate(self, who: Who, note: str) -> Person:
        """Replace the note of somebody: where consent is filed, for example.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id.
        """

        def change() -> tuple[Change, Person]:
            noted = replace(self.person(who), note=note)
            return Change(people=[noted], entries=[self._log("annotate", [noted.id])]), noted

        return self._settle(change)

    def merge(self, who: Who, *others: Who) -> Person:
        """Make one person of several: the first, who gets all faces, and a name if only another had one.

        Answers that two of the faces are of different people are taken back: this says otherwise.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id.
        UsageError
            If there is nobody to merge with.
        """

        def change() -> tuple[Change, Person]:
            person = self.person(who)
            gone = {other.id: other for other in map(self.person, others) if other.id != person.id}
            if not gone:
                raise UsageError(f"say whom to merge {str(person)!r} with.")
            name = person.name or next((other.name for other in gone.values() if other.name), None)
            note = "\n".join(dict.fromkeys(filter(None, [person.note, *(other.note for other in gone.values())])))
            moved = [replace(sample, person=person.id) for sample in self.store.samples(Where(people=list(gone)))]
            merged = replace(person, name=name, note=note)
            return Change(
                people=[merged],
                samples=moved,
                forget_people=list(gone),
                forget_links=self._disproved(moved, person),
                entries=[self._log("merge", [person.id, *gone], faces=len(moved))],
            ), merged

        return self._settle(change)

    def split(self, who: Who, samples: Which | Iterable[Which], *, name: str | None = None) -> Person:
        """Take faces out of a person, as a new person; what stays and what goes will not be grouped together again.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id.
        UsageError
            If the faces are not of that person, or are all the person has.
        """
        chosen = _ids(samples)

        def change() -> tuple[Change, Person]:
            person = self.person(who)
            if name is not None and self._find(name) is not None:
                raise UsageError(f"{name[:100]!r} is somebody here already: move() gives faces to them.")
            own = {sample.id: sample for sample in self.store.samples(Where(people=[person.id]))}
            going = self._chosen(chosen)
            if not going or any(sample.id not in own for sample in going):
                raise UsageError(f"name one or more faces of {str(person)!r}: those to take out.")
            staying = [number for number in own if number not in {one.id for one in going}]
            if not staying:
                raise UsageError(f"these are all faces of {str(person)!r}: rename() gives another name.")
            new = self._new_person(name)
            moved = [replace(sample, person=new.id, confirmed=True) for sample in going]
            # One pair says it for both groups: a person's faces hold together.
            link = _link(staying[0], going[0].id, same=False)
            entry = self._log("split", [person.id, new.id], faces=len(moved))
            return Change(people=[new], samples=moved, links=[link], entries=[entry]), new

        return self._settle(change)

    def move(self, samples: Which | Iterable[Which], to: Who | None) -> list[Sample]:
        """Say whose faces these are; None: nobody's, and not those people's who had them, whatever is grouped later.

        Answers that one of them and another face of that person are of different people are taken back.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id, or no such face.
        """
        chosen = _ids(samples)

        def change() -> tuple[Change, list[Sample]]:
            person = self.person(to) if to is not None else None
            going = self._chosen(chosen)
            moved = [replace(one, person=person.id if person else None, confirmed=person is not None) for one in going]
            keys = ([person.id] if person else []) + [sample.face for sample in moved]
            return Change(
                samples=moved,
                links=() if person else self._parted(going),
                forget_links=self._disproved(moved, person) if person else (),
                entries=[self._log("move", keys, faces=len(moved))],
            ), moved

        return self._settle(change)

    def link(self, one: Which, other: Which, *, same: bool) -> Link:
        """Say that two faces are of one person, or that they are not: grouping will hold to it.

        Raises
        ------
        UnknownPerson
            If there is no such face.
        UsageError
            If they are one and the same face.
        """
        first, second = self._two(one, other)
        link = _link(first.id, second.id, same=same)
        self.store.apply(Change(links=[link], entries=[self._log("link", [first.face, second.face], same=same)]))
        return link

    def unlink(self, one: Which, other: Which) -> None:
        """Take back what was said about two faces.

        Raises
        ------
        UnknownPerson
            If there is no such face.
        UsageError
            If they are one and the same face.
        """
        first, second = self._two(one, other)
        link = _link(first.id, second.id, same=True)
        self.store.apply(Change(forget_links=[link], entries=[self._log("unlink", [first.face, second.face])]))

    # -- deleting ----------------------------------------------------------------------------------------------------

    def delete(self, *who: Who) -> int:
        """Delete people with all their faces, and what is left of them in files; return the number of faces.

        When it returns, neither their names nor their vectors nor their crops are in any file of the gallery. Pictures
        that were enrolled are not the gallery's and stay; so do copies that you made with `backup` and `export`. `add`
        passes these pictures over from now on, unless it is told to look again.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id; nobody is deleted then.
        StorageError
            If the records are deleted, but a reader kept their remains from being erased; the next opening does it.
        """
        return self._delete(who, ()) if who else 0

    def delete_faces(self, samples: Which | Iterable[Which]) -> int:
        """Delete faces, and what is left of them in files; people stay, even without faces. Return the number.

        Raises
        ------
        UnknownPerson
            If there is no such face; none is deleted then.
        StorageError
            See `delete`.
        """
        chosen = _ids(samples)
        return self._delete((), chosen) if chosen else 0

    def _delete(self, who: Sequence[Who], chosen: Sequence[int]) -> int:
        def change() -> tuple[Change, int]:
            people = {person.id: person for person in map(self.person, who)}
            samples = self._chosen(chosen)
            samples += self.store.samples(Where(people=list(people))) if people else []
            keys = [*people, *(sample.face for sample in samples)]
            meta = self.store.meta()
            forgotten = [key for key in meta if key.startswith(REVIEW)]
            looked = {audit.picture(meta[SALT], sample.picture) for sample in samples if sample.picture}
            return Change(
                forget_people=list(people),
                forget_samples=[sample.id for sample in samples],
                meta=dict.fromkeys(forgotten),
                entries=[self._log("delete", keys, people=len(people), faces=len(samples))],
                looked=sorted(looked),  # so that adding the pictures again does not bring them back
            ), len(samples)

        count = self._settle(change)
        self.store.erase()
        return count

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _parted(self, going: Sequence[Sample]) -> list[Link]:
        """What keeps faces from those whom they leave: of each a link to a face that stays."""
        leaving = {one.id for one in going}
        links = []
        for person in {one.person for one in going if one.person}:
            others = self.store.samples(Where(people=[person]))
            stays = next((sample.id for sample in others if sample.id not in leaving), None)
            links += [_link(one.id, stays, same=False) for one in going if stays and one.person == person]
        return links

    def _chosen(self, ids: Sequence[int]) -> list[Sample]:
        known = {sample.id: sample for sample in self.store.samples(Where(ids=ids))} if ids else {}
        missing = [number for number in ids if number not in known]
        if missing:
            raise UnknownPerson(f"no face here has the id {missing[0]!r}.")
        return [known[number] for number in ids]

    def _two(self, one: Which, other: Which) -> tuple[Sample, Sample]:
        chosen = self._chosen(_ids([one, other]))
        if len(chosen) < 2:
            raise UsageError("a link is between two faces; the same one was given twice.")
        return chosen[0], chosen[1]

    def _disproved(self, moved: Sequence[Sample], person: Person) -> list[Link]:
        """Answers that keep apart what is now said to be of one person."""
        ids = {sample.id for sample in moved}
        apart = [link for link in self.store.links(sorted(ids)) if not link.same] if ids else []
        if not apart:
            return []
        ids |= {sample.id for sample in self.store.samples(Where(people=[person.id]))}
        return [link for link in apart if {link.first, link.second} <= ids]


def _ids(samples: Any) -> list[int]:
    """The ids of faces, each once."""
    several: Any = [samples] if isinstance(samples, Sample | int | np.integer) else samples
    if isinstance(several, str) or not isinstance(several, Iterable):
        raise UsageError(f"faces are samples or their ids; got {type(several).__name__}.")
    return list(dict.fromkeys(one.id if isinstance(one, Sample) else one for one in several))


def _link(one: int, other: int, *, same: bool) -> Link:
    return Link(min(one, other), max(one, other), same)
