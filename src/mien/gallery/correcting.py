"""Putting a gallery right: names, merging, splitting, answers about faces; and deleting, completely."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mien.core.errors import UnknownPerson, UsageError
from mien.gallery.base import Base, Who, check_name
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
        person = self.person(who)
        taken = self._find(name)
        if taken is not None and taken.id != person.id:
            hint = f"merge({taken.id!r}, {person.id!r}) makes them one"
            raise UsageError(f"{name[:100]!r} is {taken.id} already: {hint}.")
        check_name(name)
        renamed = replace(person, name=name)
        self.store.apply(Change(people=[renamed], entries=[self._log("rename", [person.id])]))
        return renamed

    def annotate(self, who: Who, note: str) -> Person:
        """Replace the note of somebody: where consent is filed, for example."""
        noted = replace(self.person(who), note=note)
        self.store.apply(Change(people=[noted], entries=[self._log("annotate", [noted.id])]))
        return noted

    def merge(self, who: Who, *others: Who) -> Person:
        """Make one person of several: the first, who gets all faces, and a name if only another had one.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id.
        UsageError
            If there is nobody to merge with.
        """
        person = self.person(who)
        gone = {other.id: other for other in map(self.person, others) if other.id != person.id}
        if not gone:
            raise UsageError(f"say whom to merge {str(person)!r} with.")
        name = person.name or next((other.name for other in gone.values() if other.name), None)
        note = "\n".join(dict.fromkeys(filter(None, [person.note, *(other.note for other in gone.values())])))
        generation = self.store.generation()
        moved = [replace(sample, person=person.id) for sample in self.store.samples(Where(people=list(gone)))]
        merged = replace(person, name=name, note=note)
        entry = self._log("merge", [person.id, *gone], faces=len(moved))
        change = Change(people=[merged], samples=moved, forget_people=list(gone), entries=[entry])
        self.store.apply(change, expect=generation)
        return merged

    def split(self, who: Who, samples: Iterable[Which], *, name: str | None = None) -> Person:
        """Take faces out of a person, as a new person; what stays and what goes will not be grouped together again.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id.
        UsageError
            If the faces are not of that person, or are all the person has.
        """
        person, generation = self.person(who), self.store.generation()
        if name is not None and self._find(name) is not None:
            raise UsageError(f"{name[:100]!r} is somebody here already: move() gives faces to them.")
        own = {sample.id: sample for sample in self.store.samples(Where(people=[person.id]))}
        going = self._chosen(samples)
        if not going or any(sample.id not in own for sample in going):
            raise UsageError(f"name one or more faces of {str(person)!r}: those to take out.")
        staying = [sample for number, sample in own.items() if number not in {one.id for one in going}]
        if not staying:
            raise UsageError(f"these are all faces of {str(person)!r}: rename() gives another name.")
        new = self._new_person(name)
        moved = [replace(sample, person=new.id, confirmed=True) for sample in going]
        # One pair says it for both groups: a person's faces hold together.
        link = _link(staying[0].id, going[0].id, same=False)
        entry = self._log("split", [person.id, new.id], faces=len(moved))
        self.store.apply(Change(people=[new], samples=moved, links=[link], entries=[entry]), expect=generation)
        return new

    def move(self, samples: Iterable[Which], to: Who | None) -> list[Sample]:
        """Say whose faces these are; None: nobody's.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id.
        """
        person = self.person(to) if to is not None else None
        going = self._chosen(samples)
        moved = [replace(one, person=person.id if person else None, confirmed=person is not None) for one in going]
        keys = ([person.id] if person else []) + [sample.face for sample in moved]
        self.store.apply(Change(samples=moved, entries=[self._log("move", keys, faces=len(moved))]))
        return moved

    def link(self, one: Which, other: Which, *, same: bool) -> Link:
        """Say that two faces are of one person, or that they are not: grouping will hold to it.

        Raises
        ------
        UsageError
            If they are one and the same face.
        """
        first, second = self._chosen([one, other])
        if first.id == second.id:
            raise UsageError("a link is between two faces; the same one was given twice.")
        link = _link(first.id, second.id, same=same)
        self.store.apply(Change(links=[link], entries=[self._log("link", [first.face, second.face], same=same)]))
        return link

    def unlink(self, one: Which, other: Which) -> None:
        """Take back what was said about two faces."""
        first, second = self._chosen([one, other])
        link = _link(first.id, second.id, same=True)
        self.store.apply(Change(forget_links=[link], entries=[self._log("unlink", [first.face, second.face])]))

    # -- deleting ----------------------------------------------------------------------------------------------------

    def delete(self, *who: Who) -> int:
        """Delete people with all their faces, and what is left of them in files; return the number of faces.

        When it returns, neither their names nor their vectors nor their crops are in any file of the gallery. Pictures
        that were enrolled are not the gallery's and stay; so do copies that you made with `backup` and `export`.

        Raises
        ------
        UnknownPerson
            If there is nobody of that name or id; nobody is deleted then.
        StorageError
            If the records are deleted, but a reader kept their remains from being erased; the next opening does it.
        """
        people = [self.person(one) for one in who]
        if not people:
            return 0
        return self._delete(people, list(self.store.samples(Where(people=[person.id for person in people]))))

    def delete_faces(self, samples: Iterable[Which]) -> int:
        """Delete faces, and what is left of them in files; people stay, even without faces. Return the number."""
        return self._delete([], self._chosen(samples))

    def _delete(self, people: Sequence[Person], samples: Sequence[Sample]) -> int:
        keys = [*(person.id for person in people), *(sample.face for sample in samples)]
        forgotten = [key for key in self.store.meta() if key.startswith(REVIEW)]
        self.store.apply(
            Change(
                forget_people=[person.id for person in people],
                forget_samples=[sample.id for sample in samples],
                meta=dict.fromkeys(forgotten),
                entries=[self._log("delete", keys, people=len(people), faces=len(samples))],
            )
        )
        self.store.erase()
        return len(samples)

    # -- helpers -----------------------------------------------------------------------------------------------------

    def _chosen(self, samples: Iterable[Which]) -> list[Sample]:
        ids = [one.id if isinstance(one, Sample) else one for one in samples]
        known = {sample.id: sample for sample in self.store.samples(Where(ids=ids))} if ids else {}
        missing = [number for number in ids if number not in known]
        if missing:
            raise UnknownPerson(f"no face here has the id {missing[0]!r}.")
        return [known[number] for number in ids]


def _link(one: int, other: int, *, same: bool) -> Link:
    return Link(min(one, other), max(one, other), same)
