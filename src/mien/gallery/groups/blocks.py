"""What is settled before faces are grouped: who is together by answers and by whom people are, and who is not.

Answers are kept absolutely. Where they contradict each other (a and b are one person, b and c are, a and c are not),
all "not the same" are kept, the "same" that breaks one is left out, and the contradiction is told.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mien.gallery.records import Link, Person, Sample, number_of

__all__ = ["Blocks", "Conflict", "find_blocks"]

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Conflict:
    """Two faces about which answers contradict each other, and how."""

    first: int
    second: int
    reason: str


@dataclass
class Blocks:
    """Faces that are together from the start.

    Parameters
    ----------
    together : (N,) integers
        The lowest row of each row's block.
    people : dict
        Whose a block is, by its lowest row; blocks that are nobody's are not named.
    merged : dict
        People that answers made one: who is gone, and who has their faces.
    tokens : list of set
        Of each row; rows that share one are never of one person: the picture, or an answer.
    conflicts : list of Conflict
    """

    together: NDArray[np.intp]
    people: dict[int, str] = field(default_factory=dict)
    merged: dict[str, str] = field(default_factory=dict)
    tokens: list[set[object]] = field(default_factory=list)
    conflicts: list[Conflict] = field(default_factory=list)


class _Forest:
    """Sets of rows that are united, each named by its lowest row, with what must not come into it."""

    def __init__(self, count: int) -> None:
        self.parent = list(range(count))
        self.apart: dict[int, set[int]] = defaultdict(set)

    def find(self, row: int) -> int:
        while self.parent[row] != row:
            self.parent[row] = row = self.parent[self.parent[row]]
        return row

    def unite(self, one: int, two: int) -> bool:
        """Whether the two could be united."""
        one, two = sorted((self.find(one), self.find(two)))
        if one == two:
            return True
        if any(self.find(row) == two for row in self.apart[one]) or any(self.find(r) == one for r in self.apart[two]):
            return False
        self.parent[two] = one
        self.apart[one] |= self.apart.pop(two)
        return True


def find_blocks(
    samples: Sequence[Sample],
    vectors: Floats,
    links: Iterable[Link],
    people: Mapping[str, Person],
    *,
    again: bool = False,
) -> Blocks:
    """Put together what is known to be together.

    Parameters
    ----------
    samples : sequence of Sample
    vectors : (N, D) float32
    links : iterable of Link
        Those about other samples are ignored.
    people : mapping of str to Person
        By id.
    again : bool
        Keep together only what a human said: faces that were confirmed, and the faces of people who have a name.
        Else all faces of a person, but of a person whose faces were said to be of two.
    """
    rows = {sample.id: row for row, sample in enumerate(samples)}
    known = [
        (rows[link.first], rows[link.second], link.same) for link in links if {link.first, link.second} <= rows.keys()
    ]
    apart = sorted((a, b) for a, b, same in known if not same)
    forest = _Forest(len(samples))
    tokens: list[set[object]] = [{sample.picture} if sample.picture else set() for sample in samples]
    blocks = Blocks(np.arange(len(samples)), tokens=tokens)
    for a, b in apart:
        link = Link(samples[a].id, samples[b].id, same=False)
        forest.apart[a].add(b)
        forest.apart[b].add(a)
        blocks.tokens[a].add(link)
        blocks.tokens[b].add(link)

    def tell(a: int, b: int, reason: str) -> None:
        blocks.conflicts.append(Conflict(samples[a].id, samples[b].id, reason))

    owners: dict[int, str] = {}
    for person, own in _anchors(samples, vectors, apart, people, again=again).items():
        first = own[0]
        owners[first] = person
        for row in own[1:]:
            if not forest.unite(first, row):
                tell(first, row, f"both were confirmed as faces of {people[person]}, and said to be of two people")
    whose = {forest.find(row): person for row, person in owners.items()}
    for a, b in sorted((a, b) for a, b, same in known if same):
        one, two = whose.get(forest.find(a)), whose.get(forest.find(b))
        if one and two and one != two and people[one].name and people[two].name:
            tell(a, b, f"said to be of one person, but they are faces of {people[one]} and of {people[two]}")
            continue
        if not forest.unite(a, b):
            tell(a, b, "said to be of one person, which contradicts other answers")
            continue
        if one and two and one != two:
            stays, goes = sorted((one, two), key=lambda key: (people[key].name is None, number_of(key)))
            blocks.merged[goes] = stays
            one = stays
        if one or two:
            whose[forest.find(a)] = one or two or ""
    blocks.together = np.array([forest.find(row) for row in range(len(samples))], np.intp)
    blocks.people = {forest.find(row): person for row, person in whose.items() if forest.find(row) == row}
    blocks.merged = {goes: _last(blocks.merged, stays) for goes, stays in blocks.merged.items()}
    return blocks


def _last(merged: Mapping[str, str], person: str) -> str:
    while person in merged:
        person = merged[person]
    return person


def _anchors(
    samples: Sequence[Sample],
    vectors: Floats,
    apart: Sequence[tuple[int, int]],
    people: Mapping[str, Person],
    *,
    again: bool,
) -> dict[str, list[int]]:
    """The rows that are a person's without question."""
    faces: dict[str, list[int]] = defaultdict(list)
    for row, sample in enumerate(samples):
        if sample.person in people:
            faces[str(sample.person)].append(row)
    torn: dict[str, set[int]] = defaultdict(set)
    for a, b in apart:
        if samples[a].person == samples[b].person and samples[a].person in people:
            torn[str(samples[a].person)] |= {a, b}
    anchors = {}
    for person, rows in sorted(faces.items(), key=lambda item: number_of(item[0])):
        confirmed = [row for row in rows if samples[row].confirmed]
        named = people[person].name is not None
        if person in torn:  # those that were confirmed stay, else the one of the faces in question that fits better
            mean = vectors[rows].sum(axis=0)
            anchors[person] = confirmed or [max(sorted(torn[person]), key=lambda row: float(vectors[row] @ mean))]
        elif named or not again:
            anchors[person] = rows
        elif confirmed:
            anchors[person] = confirmed
    return anchors
