"""Who is who among faces: a pure function of vectors, records and answers, that `groups.clusters` writes down."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import UsageError
from mien.gallery.groups.blocks import Blocks, Conflict, find_blocks
from mien.gallery.groups.linkage import Edges, Linkage, Times
from mien.gallery.groups.thresholds import Thresholds
from mien.gallery.records import Link, Person, Sample, number_of

__all__ = ["LEAST", "NEIGHBOURS", "Proposal", "link_up", "propose", "times_of"]

Floats = NDArray[np.float32]
Rows = NDArray[np.intp]

NEIGHBOURS = 32
LEAST = 2  # faces that make a person
YEAR = 365.25 * 86400
GROWN = 18.0


@dataclass
class Proposal:
    """Who is who.

    Parameters
    ----------
    labels : (N,) integers
        The group of each row, named by its lowest row.
    people : dict
        Whose a group is, by its name: the id of a person, or None of one to be founded. Other groups are nobody's.
    merged : dict
        People that answers made one: who is gone, and who has their faces.
    conflicts : list of Conflict
        Answers that contradict each other.
    linkage : Linkage
        For what is left undecided.
    """

    labels: Rows
    people: dict[int, str | None]
    merged: dict[str, str]
    conflicts: list[Conflict]
    linkage: Linkage

    def changes(self, samples: Sequence[Sample]) -> Iterator[tuple[int, int]]:
        """Rows whose person changes, and their groups; never those that a human confirmed, but for merged people."""
        for row, sample in enumerate(samples):
            group = int(self.labels[row])
            now = self.people.get(group)
            if sample.person is not None and sample.person == now:
                continue
            if (group in self.people or sample.person is not None) and not self._fixed(sample):
                yield row, group

    def _fixed(self, sample: Sample) -> bool:
        return sample.confirmed and sample.person not in self.merged


def times_of(samples: Sequence[Sample]) -> Times:
    """When faces were taken, and whether the people were young: by the middle of the years that they may have had."""
    taken = [-1 if one.taken is None or one.taken < 0 else math.floor(one.taken / YEAR) for one in samples]
    young = [one.taken is not None and one.ages is not None and sum(one.ages) / 2 < GROWN for one in samples]
    years = np.array(taken, np.intp).reshape(-1)
    flags = np.array(young, bool).reshape(-1)
    if not flags.any():  # then dates decide nothing, and each group has one sum
        years = np.full_like(years, -1)
    return Times(years, flags)


def link_up(
    samples: Sequence[Sample],
    vectors: Floats,
    edges: Edges,
    thresholds: Thresholds,
    *,
    links: Iterable[Link] = (),
    people: Mapping[str, Person] | None = None,
    again: bool = False,
    neighbours: int = NEIGHBOURS,
) -> tuple[Blocks, Linkage, dict[int, str]]:
    """The blocks, the linkage that starts from them, and whose an owner's number is."""
    links = list(links)
    blocks = find_blocks(samples, vectors, links, people or {}, again=again)
    numbers = {person: place for place, person in enumerate(sorted(set(blocks.people.values()), key=number_of))}
    owners = np.full(len(samples), -1, np.intp)
    for row, person in blocks.people.items():
        owners[row] = numbers[person]
    linkage = Linkage(
        vectors,
        edges,
        thresholds,
        times=times_of(samples),
        blocks=blocks.together,
        owners=owners,
        tokens=blocks.tokens,
        neighbours=neighbours,
    )
    tighten(linkage, [one for one in links if not one.same], {sample.id: row for row, sample in enumerate(samples)})
    return blocks, linkage, {number: person for person, number in numbers.items()}


def tighten(linkage: Linkage, refusals: Sequence[Link], rows: Mapping[int, int]) -> None:
    """Raise the thresholds of groups that a face was refused from though it reached them: what is like it waits."""
    pairs = [(rows[one.first], rows[one.second]) for one in refusals if {one.first, one.second} <= rows.keys()]
    if not pairs:
        return
    first, second = linkage.labels[np.array(pairs, np.intp).T]
    kept = first != second
    first, second = first[kept], second[kept]
    margins = linkage.margin(first, second) + np.maximum(linkage.raised[first], linkage.raised[second])
    for group, other, margin in zip(first.tolist(), second.tolist(), margins.tolist(), strict=True):
        for one in (group, other):
            linkage.raised[one] = max(linkage.raised[one], margin)
    linkage.touch({*first.tolist(), *second.tolist()})


def propose(
    samples: Sequence[Sample],
    vectors: Floats,
    edges: Edges,
    thresholds: Thresholds,
    *,
    links: Iterable[Link] = (),
    people: Mapping[str, Person] | None = None,
    again: bool = False,
    least: int = LEAST,
    neighbours: int = NEIGHBOURS,
) -> Proposal:
    """Say who is who; a pure function of what it is given, and deterministic.

    Parameters
    ----------
    samples : sequence of Sample
        In the order of their ids.
    vectors : (N, D) float32
        Theirs, of length 1.
    edges : Edges
        Pairs of rows that are near neighbours (`mien.gallery.groups.linkage.nearest`).
    thresholds : Thresholds
    links : iterable of Link
        Answers.
    people : mapping of str to Person, optional
        Who there is, by id.
    again : bool
        Look at all faces anew but those that a human confirmed, and those of people who have a name. People keep their
        ids where most of their faces are.
    least : int
        Faces that make a new person.
    neighbours : int
        How many of them each row was given.
    """
    if least < 1:
        raise UsageError(f"a person has one face or more, not {least}.")
    people = people or {}
    blocks, linkage, whose = link_up(
        samples, vectors, edges, thresholds, links=links, people=people, again=again, neighbours=neighbours
    )
    linkage.settle()
    labels = linkage.labels
    sizes = np.bincount(labels, minlength=len(samples))
    owned = {int(group): whose[int(linkage.owners[group])] for group in np.unique(labels) if linkage.owners[group] >= 0}
    found: dict[int, str | None] = dict(owned)
    if again:
        found |= _heirs(samples, labels, sizes >= least, set(owned.values()) | blocks.merged.keys(), owned, people)
    for group in np.flatnonzero(sizes >= least).tolist():
        found.setdefault(group, None)
    return Proposal(labels, found, blocks.merged, blocks.conflicts, linkage)


def _heirs(
    samples: Sequence[Sample],
    labels: Rows,
    large: NDArray[np.bool_],
    taken: set[str],
    owned: Mapping[int, str],
    people: Mapping[str, Person],
) -> dict[int, str]:
    """Who of the people without anchor goes on as which group: the one that has most of their faces."""
    shared = Counter(
        (int(group), sample.person)
        for group, sample in zip(labels, samples, strict=True)
        if sample.person in people and sample.person not in taken and int(group) not in owned and large[group]
    )
    heirs: dict[int, str] = {}
    order = sorted(shared.items(), key=lambda item: (-item[1], number_of(str(item[0][1])), item[0][0]))
    for (group, person), _ in order:
        if group not in heirs and person not in heirs.values() and person is not None:
            heirs[group] = person
    return heirs
