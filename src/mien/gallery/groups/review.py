"""The review queue: what is sure is labelled, what is not is asked, and each answer settles more than was asked.

After *Active self-paced learning for cost-effective and progressive face identification* (Lin and others, 2018): a
program labels what it is sure of by itself, and asks a human about that from which it will learn most. Here an answer

- joins or separates whole groups of faces, not two faces;
- makes new faces sure: a larger group is compared by means that scatter less, so that it may be held to less;
- makes thresholds stricter where a face was refused though it reached them;
- stays: as a link between two faces it outlives every new grouping and every new embedding.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from mien.core.errors import GalleryChanged, UnknownPerson, UsageError
from mien.embeddings.calibration import Calibration, Range
from mien.gallery import audit
from mien.gallery.groups.clusters import change_of, read
from mien.gallery.groups.history import SALT, take_back, with_history
from mien.gallery.groups.proposing import LEAST, NEIGHBOURS, Proposal, link_up
from mien.gallery.groups.questions import Question, find_questions
from mien.gallery.groups.thresholds import Thresholds, rates_for
from mien.gallery.records import Change, Link, Person, Sample, number_of
from mien.gallery.store import Store

__all__ = ["Answered", "Reply", "Review"]

Reply = Literal["yes", "no", "skip"]


@dataclass(frozen=True)
class Answered:
    """What an answer did.

    Parameters
    ----------
    faces : int
        Faces whose person changed, all in all.
    unasked : int
        Those of them that the question was not about: they became sure.
    people : tuple of str
        Ids of the people that were founded, or got the faces.
    """

    faces: int = 0
    unasked: int = 0
    people: tuple[str, ...] = ()


class Review:
    """Questions about the faces of a store, and what follows from their answers.

    Parameters
    ----------
    store : Store
        After `cluster_store`; what is sure, but not written yet, is written with the first answer.
    calibration : Calibration
        Of the store's embedding space.
    far, far_many, ages
        See `rates_for` and `Thresholds.of`.
    neighbours : int
        How many of each face are looked at.

    Raises
    ------
    UsageError
        If the rates are none.
    """

    def __init__(
        self,
        store: Store,
        *,
        calibration: Calibration,
        far: float | None = None,
        far_many: float | None = None,
        ages: Range | None = None,
        neighbours: int = NEIGHBOURS,
    ) -> None:
        self._store, self._neighbours = store, neighbours
        self._calibration = calibration
        far, far_many = rates_for(store.counts().vectors, far, far_many)
        self._rates: dict[str, Any] = {"far": far, "far_many": far_many, "ages": ages}
        self._skipped: set[tuple[int, int]] = set()
        self._load()

    def _load(self) -> None:
        """Read everything."""
        self._generation = self._store.generation()
        samples, self._vectors, self._edges = read(self._store, again=True, neighbours=self._neighbours)
        self._thresholds = Thresholds.of(samples, self._calibration, **self._rates)
        self._begin(samples)

    def _reread(self) -> None:
        """Read the records anew, which somebody else may have changed; the faces and their neighbours are the same."""
        self._generation = self._store.generation()
        samples = [sample for sample in self._store.samples() if sample.id in self._rows]
        if len(samples) == len(self._rows):
            self._begin(samples)
        else:
            self._load()

    def _begin(self, samples: list[Sample]) -> None:
        self._samples = samples
        self._rows = {sample.id: row for row, sample in enumerate(samples)}
        self._people = {person.id: person for person in self._store.people()}
        _, self._linkage, self._whose = link_up(
            samples,
            self._vectors,
            self._edges,
            self._thresholds,
            links=self._store.links(),
            people=self._people,
            neighbours=self._neighbours,
        )
        self._linkage.settle()

    # -- asking ------------------------------------------------------------------------------------------------------

    def questions(self, limit: int | None = 10) -> list[Question]:
        """What is worth asking, most worth first; those that were skipped are left out.

        Parameters
        ----------
        limit : int, optional
            The most questions; None: all.
        """
        labels = self._linkage.labels
        groups = np.unique(labels[self._linkage.owners[labels] >= 0]).tolist()
        owners = {group: self._people[self._whose[int(self._linkage.owners[group])]] for group in groups}
        return find_questions(
            self._samples,
            self._vectors,
            self._linkage,
            self._thresholds,
            owners,
            skip=frozenset(self._skipped),
            limit=limit,
        )

    def answer(self, question: Question, reply: Reply | Person) -> Answered:
        """Write an answer, and all that follows from it, as one change.

        Parameters
        ----------
        question : Question
        reply : {"yes", "no", "skip"} or Person
            "yes": it is one person (of "whose": the first candidate); "no": it is not (of "whose": none of the
            candidates); "skip": do not ask again in this review; a person: whose face `question.first` is.

        Raises
        ------
        UsageError
            If the reply is none, contradicts another answer, or would make one of two people who both have names.
        UnknownPerson
            If the person, or a face of the question, is not in the store (any more).
        GalleryChanged
            If others change the gallery in this moment; nothing is written.
        """
        if reply == "skip":
            self._skipped.add(question.key)
            return Answered()
        if not isinstance(reply, Person) and reply not in {"yes", "no"}:
            raise UsageError(f'an answer is "yes", "no", "skip" or a person; got {reply!r}.')
        if self._store.generation() != self._generation:
            self._reread()
        for one in (question.first, question.second, *(one.sample for one in question.candidates)):
            if one.id not in self._rows:
                raise UnknownPerson(f"no face here has the id {one.id} any more.")
        if isinstance(reply, Person):
            return self._belongs(question, reply)
        return self._same(question) if reply == "yes" else self._not_same(question)

    def undo(self) -> bool:
        """Take the last answer back, exactly, also one of an earlier review; whether there was one.

        Raises
        ------
        GalleryChanged
            If what the answer changed was changed again by something else; nothing is written.
        """
        done = take_back(self._store)
        if done:
            self._reread()
        return done

    # -- answers -----------------------------------------------------------------------------------------------------

    def _same(self, question: Question) -> Answered:
        asked = self._faces_beside(question.first, question.second)
        merged = self._join(self._rows[question.first.id], self._rows[question.second.id])
        link = _link(question.first, question.second, same=True)
        return self._write("yes", [link], [question.first, question.second], merged, asked=asked)

    def _belongs(self, question: Question, person: Person) -> Answered:
        if person.id not in self._people:
            raise UnknownPerson(f"nobody here has the id {person.id}.")
        row = self._rows[question.first.id]
        groups = self._groups_of(person.id)
        candidate = next((one.sample for one in question.candidates if one.person.id == person.id), None)
        if not groups:  # somebody without faces yet
            self._own(row, person.id)
            return self._write("person", [], [question.first], {}, asked=self._faces_beside(question.first))
        other = candidate or self._samples[groups[0]]
        asked = self._faces_beside(question.first, other)
        merged = self._join(row, self._rows[other.id])
        link = _link(question.first, other, same=True)
        return self._write("person", [link], [question.first, other], merged, asked=asked)

    def _not_same(self, question: Question) -> Answered:
        others = [one.sample for one in question.candidates] or [question.second]
        links = [_link(question.first, other, same=False) for other in others]
        row, other = (self._rows[one.id] for one in (question.first, others[0]))
        if self._linkage.labels[row] == self._linkage.labels[other]:  # the face leaves, and the others stay
            return self._write("no", links, [], {}, asked={question.first.id}, freed=self._samples[row])
        for link in links:
            groups = [int(self._linkage.labels[self._rows[number]]) for number in (link.first, link.second)]
            for group in groups:
                self._linkage.tokens.setdefault(group, set()).add(link)
            margin = float(self._linkage.margin(*(np.array([group]) for group in groups))[0])
            self._linkage.raised[groups] += max(margin, 0.0)
            self._linkage.touch(groups)
        return self._write("no", links, [], {}, asked=set())

    # -- groups ------------------------------------------------------------------------------------------------------

    def _faces_beside(self, *samples: Sample) -> set[int]:
        """Ids of all faces of the groups of these."""
        labels = self._linkage.labels
        groups = [labels[self._rows[sample.id]] for sample in samples]
        return {self._samples[row].id for row in np.flatnonzero(np.isin(labels, groups)).tolist()}

    def _groups_of(self, person: str) -> list[int]:
        numbers = [number for number, owner in self._whose.items() if owner == person]
        labels = self._linkage.labels
        groups: list[int] = np.unique(labels[np.isin(self._linkage.owners[labels], numbers)]).tolist()
        return groups

    def _owner(self, group: int) -> Person | None:
        owner = int(self._linkage.owners[group])
        return self._people[self._whose[owner]] if owner >= 0 else None

    def _own(self, row: int, person: str) -> None:
        number = next((key for key, value in self._whose.items() if value == person), len(self._whose))
        self._whose[number] = person
        self._linkage.owners[self._linkage.labels[row]] = number

    def _join(self, one: int, two: int) -> dict[str, str]:
        """Join the groups of two rows, and to them what then is surely theirs; return who was merged with whom."""
        linkage, merged = self._linkage, dict[str, str]()
        group, other = int(linkage.labels[one]), int(linkage.labels[two])
        refused = linkage.tokens.get(group, set()) & linkage.tokens.get(other, set())
        for token in refused:
            if isinstance(token, Link) and group != other:
                raise UsageError(f"faces {token.first} and {token.second} were said not to be of one person.")
        if group != other and self._both_named(group, other):
            raise UsageError(f"{self._owner(group)} and {self._owner(other)} both have names: merge them.")
        while group != other:
            owners = {person.id: person for person in map(self._owner, (group, other)) if person}
            linkage.join([(group, other)])
            if owners:
                stays, *gone = sorted(owners, key=lambda key: (owners[key].name is None, number_of(key)))
                merged |= dict.fromkeys(gone, stays)
                self._own(one, stays)
            group = other = int(linkage.labels[one])
            other = next(iter(self._sure(group)), group)
        linkage.settle()
        last = int(linkage.labels[one])
        owner = self._owner(last)
        return dict.fromkeys(merged, owner.id) if owner else {}

    def _sure(self, group: int) -> list[int]:
        """Groups that now surely belong to this one, the surest first."""
        linkage = self._linkage
        edges = np.flatnonzero(((linkage.first == group) | (linkage.second == group)) & (linkage.margins > 0))
        edges = edges[np.argsort(-linkage.margins[edges], kind="stable")]
        others = [int(linkage.first[edge] + linkage.second[edge] - group) for edge in edges]
        return [other for other in others if not linkage.clash(group, other) and not self._both_named(group, other)]

    def _both_named(self, one: int, two: int) -> bool:
        mine, other = self._owner(one), self._owner(two)
        return bool(mine and other and mine != other and mine.name and other.name)

    # -- writing -----------------------------------------------------------------------------------------------------

    def _write(
        self,
        reply: str,
        links: Sequence[Link],
        said: Sequence[Sample],
        merged: Mapping[str, str],
        *,
        asked: set[int],
        freed: Sample | None = None,
    ) -> Answered:
        """Write the groups as they are now, the answer, and what takes both back."""
        labels = self._linkage.labels
        sizes = np.bincount(labels, minlength=len(labels))
        people: dict[int, str | None] = dict.fromkeys(np.flatnonzero(sizes >= LEAST).tolist())
        for group in np.unique(labels[self._linkage.owners[labels] >= 0]).tolist():
            people[group] = self._whose[int(self._linkage.owners[group])]
        proposal = Proposal(labels, people, dict(merged), [], self._linkage)
        change, _ = change_of(self._store, self._samples, proposal, self._people)
        change = change or Change()
        samples = {sample.id: sample for sample in change.samples}
        for one in said:
            now = samples.get(one.id, self._samples[self._rows[one.id]])
            samples[one.id] = replace(now, confirmed=now.person is not None)
        if freed is not None:
            samples[freed.id] = replace(freed, person=None, confirmed=False)
        before = [self._samples[self._rows[number]] for number in samples]
        salt = self._store.meta().get(SALT)
        faces = [self._samples[self._rows[number]].face for link in links for number in (link.first, link.second)]
        entries = [audit.entry(salt, "answer", faces, reply=reply, faces=len(samples))] if salt else []
        change = replace(change, samples=list(samples.values()), links=list(links), entries=entries)
        try:
            self._store.apply(with_history(self._store, change, before, self._people), expect=self._generation)
        except GalleryChanged:
            self._reread()
            raise
        self._follow(change, rebuild=freed is not None)
        pairs = zip(before, change.samples, strict=True)
        moved = [new for old, new in pairs if old.person != new.person]
        owners = sorted({one.person for one in moved if one.person}, key=number_of)
        return Answered(len(moved), sum(one.id not in asked for one in moved), tuple(owners))

    def _follow(self, change: Change, *, rebuild: bool) -> None:
        """Know what was written."""
        if rebuild:
            self._reread()
            return
        self._generation = self._store.generation()
        self._people |= {person.id: person for person in change.people}
        for sample in change.samples:
            row = self._rows[sample.id]
            self._samples[row] = sample
            if sample.person is not None and self._linkage.owners[self._linkage.labels[row]] < 0:
                self._own(row, sample.person)
        for gone in change.forget_people:
            self._people.pop(gone)


def _link(one: Sample, other: Sample, *, same: bool) -> Link:
    return Link(min(one.id, other.id), max(one.id, other.id), same)
