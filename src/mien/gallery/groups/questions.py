"""What is worth asking: pairs of groups that may be one person, and faces that may be somebody else's.

A question is worth the number of faces that its answer is expected to put right. If groups of n and m faces are one
person, each of the n has missed m faces of theirs and the other way round, which in BCubed counts 2nm / (n + m) faces;
a face in a group that is not its own counts 2. Times the chance that what the program has now is wrong.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from mien.gallery.groups.linkage import Linkage
from mien.gallery.groups.thresholds import Thresholds
from mien.gallery.records import Person, Sample

__all__ = ["Candidate", "Question", "find_questions", "typical"]

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

REACH = 1.0  # how far below the thresholds it is asked, in what they leave in doubt
SURE = 3.0  # log odds at the threshold
LEFT = 0.2  # part of the scatter that is left between groups of many
CANDIDATES = 3
SPARE = 50  # pairs that are looked at for each question that is wanted: some are forbidden, some are skipped
CROWD = 3  # faces of a group from which on each is held against the others


@dataclass(frozen=True)
class Candidate:
    """Somebody whose face it may be: the person, a typical face, and the mean score to theirs."""

    person: Person
    sample: Sample
    score: float


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question about faces.

    Parameters
    ----------
    kind : {"same", "whose"}
        Whether `first` and `second` show one person; or whose face `first` is.
    first, second : Sample
        Typical faces of the two groups; `second` is the first candidate's where the question is whose face it is.
    people : two of Person or None
        Whose they are now.
    faces : (int, int)
        How many faces the answer is about, on each side.
    score : float
        Mean cosine of the two sides.
    chance : float
        That the answer is yes; rough, for ordering only.
    gain : float
        Faces that an answer is expected to put right.
    why : str
        Why it is asked, in one sentence.
    candidates : tuple of Candidate
        Of "whose", the likeliest first.
    """

    kind: Literal["same", "whose"]
    first: Sample
    second: Sample
    people: tuple[Person | None, Person | None]
    faces: tuple[int, int]
    score: float
    chance: float
    gain: float
    why: str
    candidates: tuple[Candidate, ...] = ()

    @property
    def key(self) -> tuple[int, int]:
        """The two faces: the same question has the same key."""
        return min(self.first.id, self.second.id), max(self.first.id, self.second.id)

    def __str__(self) -> str:
        names = [f"face {one.id}" + (f" ({person})" if person else "") for one, person in self._sides()]
        if self.kind == "whose":
            return f"Whose face is {names[0]}: {', '.join(str(one.person) for one in self.candidates)}? {self.why}"
        return f"Are {names[0]} and {names[1]} of one person? {self.why}"

    def _sides(self) -> Iterator[tuple[Sample, Person | None]]:
        yield self.first, self.people[0]
        yield self.second, self.people[1]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "kind": self.kind,
            "first": self.first.id,
            "second": self.second.id,
            "people": [person.id if person else None for person in self.people],
            "faces": list(self.faces),
            "score": self.score,
            "chance": self.chance,
            "gain": self.gain,
            "why": self.why,
            "candidates": [
                {"person": one.person.id, "sample": one.sample.id, "score": one.score} for one in self.candidates
            ],
        }


def typical(rows: NDArray[np.intp], vectors: Floats) -> int:
    """The row that is nearest to the mean of these rows; of equal ones the lowest."""
    own = vectors[rows]
    return int(rows[int(np.argmax(own @ own.sum(axis=0)))])


def find_questions(
    samples: Sequence[Sample],
    vectors: Floats,
    linkage: Linkage,
    thresholds: Thresholds,
    owners: Mapping[int, Person],
    *,
    skip: frozenset[tuple[int, int]] = frozenset(),
    limit: int | None = None,
) -> list[Question]:
    """Questions about a linkage that has settled, those worth most first.

    Parameters
    ----------
    samples, vectors, linkage, thresholds
        As in `mien.gallery.groups.proposing.propose`.
    owners : mapping
        Whose a group is.
    skip : set of (int, int)
        Keys of questions not to ask.
    limit : int, optional
        The most to return.
    """
    most = None if limit is None else SPARE * (limit + len(skip) + 1)
    ranked = sorted(
        [*_between(linkage, thresholds, owners, most), *_within(samples, vectors, linkage, thresholds, owners)],
        key=lambda one: (-one[0], one[2:]),
    )
    order = np.argsort(linkage.labels, kind="stable")
    sorted_labels = linkage.labels[order]
    asked: list[Question] = []
    for gain, chance, group, other, row in ranked:
        if limit is not None and len(asked) >= limit:
            break
        rows = [order[slice(*np.searchsorted(sorted_labels, [one, one + 1]))] for one in (group, other)]
        if row >= 0:
            rows = [np.array([row]), rows[0][rows[0] != row]]
        question = _make(samples, vectors, rows, [owners.get(group), owners.get(other)], gain, chance)
        if question.key not in skip:
            asked.append(question)
    return _with_candidates(asked)


Ranked = tuple[float, float, int, int, int]  # gain, chance, group, other group, the row that is in question or -1


def _chance(margins: NDArray[np.floating], doubt: NDArray[np.floating]) -> Doubles:
    """That two sides are one person: near 1 at the threshold, even half of what is in doubt below it."""
    odds = SURE + 2 * SURE * np.clip(margins / doubt, -20, 20)
    return np.asarray(1 / (1 + np.exp(-odds)), np.float64)


def _between(linkage: Linkage, thresholds: Thresholds, owners: Mapping[int, Person], most: int | None) -> list[Ranked]:
    """Pairs of groups that may be one, those that are worth `most`."""
    sizes = np.bincount(linkage.labels, minlength=len(linkage.labels))
    kinds = thresholds.kinds  # each group's are those of its first face here
    doubts = thresholds.doubt[kinds[linkage.first], kinds[linkage.second]]
    near = np.flatnonzero(linkage.margins > -REACH * doubts)
    first, second = linkage.first[near], linkage.second[near]
    n, m = sizes[first], sizes[second]
    # The larger the smaller group, the less the mean of one person's faces scatters: a miss says more.
    scatter = LEFT + (1 - LEFT) / np.minimum(n, m)
    chances = _chance(linkage.margins[near] / scatter, doubts[near])
    gains = chances * 2 * n * m / (n + m)
    found = []
    for place in np.argsort(-gains, kind="stable")[:most].tolist():
        gain, chance, one, two = float(gains[place]), float(chances[place]), int(first[place]), int(second[place])
        named = one in owners and two in owners and owners[one].name and owners[two].name
        if not named and not linkage.clash(one, two):  # people who have names of their own are two people
            found.append((gain, chance, one, two, -1))
    return found


def _within(
    samples: Sequence[Sample],
    vectors: Floats,
    linkage: Linkage,
    thresholds: Thresholds,
    owners: Mapping[int, Person],
) -> list[Ranked]:
    """Faces that a program gave to somebody whose other faces are not so like it."""
    order = np.argsort(linkage.labels, kind="stable")
    groups, start = np.unique(linkage.labels[order], return_index=True)
    found: list[Ranked] = []
    for group, rows in zip(groups.tolist(), np.split(order, start[1:]), strict=True):
        if group not in owners or len(rows) < CROWD:
            continue
        scores = (vectors[rows] @ vectors[rows].sum(axis=0) - 1) / (len(rows) - 1)
        kinds = thresholds.kinds[rows]
        counts = np.bincount(kinds, minlength=len(thresholds.one))
        one, many, doubt = (  # means over the face's pairs with the others
            (table[kinds] @ counts - table[kinds, kinds]) / (len(rows) - 1)
            for table in (thresholds.one, thresholds.many, thresholds.doubt)
        )
        margins = scores - (many + (one - many) / np.sqrt(len(rows) - 1)) - linkage.raised[group]
        for place in np.flatnonzero(margins < 0).tolist():
            sample = samples[rows[place]]
            if not sample.confirmed and not linkage.is_young(group):
                chance = float(_chance(margins[place], doubt[place]))
                found.append((2 * (1 - chance), chance, group, group, int(rows[place])))
    return found


def _make(
    samples: Sequence[Sample],
    vectors: Floats,
    rows: Sequence[NDArray[np.intp]],
    people: Sequence[Person | None],
    gain: float,
    chance: float,
) -> Question:
    one, two = (typical(side, vectors) for side in rows)
    if people[0] is not None and people[1] is None:  # what is nobody's comes first: it is what is asked about
        one, two, rows, people = two, one, rows[::-1], people[::-1]
    score = float((vectors[rows[0]].sum(axis=0) @ vectors[rows[1]].sum(axis=0)) / (len(rows[0]) * len(rows[1])))
    counts = " and ".join(f"{len(side)} {'face' if len(side) == 1 else 'faces'}" for side in rows)
    return Question(
        kind="same",
        first=samples[one],
        second=samples[two],
        people=(people[0], people[1]),
        faces=(len(rows[0]), len(rows[1])),
        score=score,
        chance=chance,
        gain=gain,
        why=f"{counts} are alike with a mean score of {score:.3f}, which leaves it open.",
    )


def _with_candidates(asked: Sequence[Question]) -> list[Question]:
    """Questions about one group of nobody's faces and several people, as one question."""
    about: dict[int, list[Question]] = defaultdict(list)
    for question in asked:
        about[question.first.id if question.people[0] is None and question.people[1] else -1].append(question)
    merged: list[Question] = []
    done: set[int] = set()
    for question in asked:
        several = about[question.first.id] if question.people[0] is None and question.people[1] else []
        if len(several) < 2:
            merged.append(question)
        elif question.first.id not in done:
            done.add(question.first.id)
            few = several[:CANDIDATES]
            candidates = tuple(Candidate(one.people[1], one.second, one.score) for one in few if one.people[1])
            values = {key: getattr(question, key) for key in question.__dataclass_fields__}
            merged.append(Question(**{**values, "kind": "whose", "candidates": candidates}))
    return merged
