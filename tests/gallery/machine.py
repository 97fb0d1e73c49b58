"""A store against a model of it: hypothesis makes up changes, good and bad, and both must say the same."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from mien.core.errors import GalleryChanged, UsageError
from mien.gallery.records import Change, Counts, Entry, Link, Person, Sample, Where
from mien.gallery.store import Store
from tests.gallery.holding import SPACE, TRICKS, unit

WIDTH = 8
VECTORS = unit(64, seed=123, width=WIDTH)

numbers = st.integers(1, 6)
people = st.builds(
    Person,
    id=numbers.map("p{}".format),
    name=st.none() | st.sampled_from(["a", "b", "c", *TRICKS[:4]]),
    note=st.sampled_from(["", "form 7"]),
)
samples = st.builds(
    Sample,
    id=numbers,
    person=st.none() | numbers.map("p{}".format),
    confirmed=st.booleans(),
    source=st.sampled_from(["", "/a/1.jpg", "/a/2.jpg", "/b/%"]),
    quality=st.none() | st.sampled_from([0.0, 0.5, 1.0]),
    taken=st.none() | st.sampled_from([1.0, 2.0, 3.0]),
    words=st.dictionaries(st.sampled_from(["age", "k", '"']), st.sampled_from(["x", "y", 1.0, 2.5]), max_size=2),
    crop=st.sampled_from([None, b"", b"crop", b"other"]),
)
links = st.builds(
    lambda pair, same: Link(min(pair), max(pair), same),
    st.tuples(numbers, numbers).filter(lambda pair: pair[0] != pair[1]),
    st.booleans(),
)


def some(values: st.SearchStrategy[Any], most: int = 3) -> st.SearchStrategy[list[Any]]:
    return st.lists(values, max_size=most)


changes = st.builds(
    Change,
    people=some(people),
    samples=some(samples),
    vectors=st.none()
    | st.lists(st.tuples(numbers, st.integers(0, 63)), max_size=4).map(
        lambda pairs: ([number for number, _ in pairs], VECTORS[[place for _, place in pairs]])
    ),
    space=st.just(SPACE),
    links=some(links, 2),
    forget_people=some(numbers.map("p{}".format), 2),
    forget_samples=some(numbers, 2),
    forget_links=some(links, 1),
    meta=st.dictionaries(st.sampled_from(["m", "n"]), st.none() | st.sampled_from(["1", "2"]), max_size=1),
    looked=some(st.sampled_from(["x", "y", "z"])),
    entries=st.lists(st.builds(Entry, time=st.floats(0, 10), action=st.sampled_from(["add", "go"])), max_size=1),
)
filters = st.builds(
    Where,
    ids=st.none() | some(numbers, 5),
    people=st.none() | st.sampled_from(["anybody", "nobody"]) | some(numbers.map("p{}".format)),
    source=st.none() | st.sampled_from(["", "/a/", "/b/%", "%"]),
    quality=st.none() | st.just(0.5),
    taken=st.none() | st.tuples(st.none() | st.just(2.0), st.none() | st.just(2.5)),
    words=st.dictionaries(st.sampled_from(["age", "k", '"']), st.sampled_from(["x", (0.0, 2.0)]), max_size=1),
)


class Model:
    """What a store should hold, in dictionaries; it knows what is wrong by looking at the outcome."""

    def __init__(self) -> None:
        self.generation = 0
        self.people: dict[str, Person] = {}
        self.samples: dict[int, Sample] = {}
        self.vectors: dict[int, Any] = {}
        self.links: dict[tuple[int, int], Link] = {}
        self.meta: dict[str, str] = {}
        self.entries: list[Entry] = []
        self.looked: set[str] = set()

    def after(self, change: Change) -> Model | None:
        """The model after a change; None where the change is wrong."""
        ids, vectors = change.vectors or ([], [])
        written: list[Sequence[Any]] = [
            [one.id for one in change.people], [one.id for one in change.samples], ids,
            [(one.first, one.second) for one in change.links], [one.name for one in change.people if one.name],
        ]  # fmt: skip
        forgotten = set(change.forget_samples)
        if any(len(set(keys)) < len(keys) for keys in written):
            return None
        if set(written[0]) & set(change.forget_people) or (set(written[1]) | set(ids)) & forgotten:
            return None
        if set(written[3]) & {(one.first, one.second) for one in change.forget_links}:
            return None
        new = Model()
        new.generation = self.generation + 1
        new.people = {key: one for key, one in self.people.items() if key not in change.forget_people}
        new.people |= {one.id: one for one in change.people}
        new.samples = {key: one for key, one in self.samples.items() if key not in forgotten}
        for one in change.samples:
            crop = one.crop if one.crop is not None else getattr(new.samples.get(one.id), "crop", None)
            new.samples[one.id] = replace(one, crop=crop or None)
        new.vectors = {key: one for key, one in self.vectors.items() if key not in forgotten}
        new.vectors |= dict(zip(ids, vectors, strict=True))
        gone = {(one.first, one.second) for one in change.forget_links}
        new.links = {key: one for key, one in self.links.items() if key not in gone and not forgotten & set(key)}
        new.links |= {(one.first, one.second): one for one in change.links}
        new.meta = {key: value for key, value in {**self.meta, **change.meta}.items() if value is not None}
        new.entries = [*self.entries, *change.entries]
        new.looked = self.looked | set(change.looked)
        return new if new.is_sound() else None

    def is_sound(self) -> bool:
        """Whether names are unique, and what is named is there."""
        names = [one.name for one in self.people.values() if one.name is not None]
        ends = {end for key in self.links for end in key}
        owners = {one.person for one in self.samples.values() if one.person is not None}
        return (
            len(set(names)) == len(names)
            and owners <= set(self.people)
            and ends | set(self.vectors) <= set(self.samples)
        )

    def matching(self, where: Where) -> list[int]:
        """Ids of the samples that pass."""

        def passes(one: Sample) -> bool:
            low, high = where.taken or (None, None)
            return all(
                [
                    where.ids is None or one.id in where.ids,
                    where.people is None or _owned(one.person, where.people),
                    where.source is None or one.source.startswith(where.source),
                    where.quality is None or (one.quality is not None and one.quality >= where.quality),
                    low is None or (one.taken is not None and one.taken >= low),
                    high is None or (one.taken is not None and one.taken <= high),
                    *(
                        word == value if isinstance(value, str)
                        else isinstance(word, float) and value[0] <= word <= value[1]
                        for key, value in where.words.items()
                        for word in [one.words.get(key)]
                    ),
                ]
            )  # fmt: skip

        return sorted(one.id for one in self.samples.values() if passes(one))

    def as_far_as_right(self, change: Change) -> Change:
        """As much of a change as can be written."""
        right = Change(space=change.space, meta=change.meta, entries=change.entries, looked=change.looked)
        for name in ("people", "samples", "links", "forget_samples", "forget_people", "forget_links"):
            for one in getattr(change, name):
                more: dict[str, Any] = {name: [*getattr(right, name), one]}
                if self.after(replace(right, **more)):
                    right = replace(right, **more)
        ids, vectors = change.vectors or ([], [])
        for count in range(len(ids), 0, -1):
            some_of_them = replace(right, vectors=(ids[:count], vectors[:count]))
            if self.after(some_of_them):
                return some_of_them
        return right


def _owned(person: str | None, people: Sequence[str]) -> bool:
    if isinstance(people, str):
        return (person is None) == (people == "nobody")
    return person in people


class StoreMachine(RuleBasedStateMachine):
    """Give it `begin`, which opens an empty store, and `again`, which opens the same one once more."""

    begin: Callable[[], Store]
    again: Callable[[Store], Store] = staticmethod(lambda store: store)

    @initialize()
    def open(self) -> None:
        self.store, self.model, self.reserved = type(self).begin(), Model(), 0

    def teardown(self) -> None:
        if hasattr(self, "store"):
            self.store.close()

    @rule(change=changes)
    def apply(self, change: Change) -> None:
        """As hypothesis made it up, which is mostly wrong, and then what is right of it."""
        after = self.model.after(change)
        try:
            self.store.apply(change)
        except UsageError:
            assert after is None, change
            right = self.model.as_far_as_right(change)
            after = self.model.after(right)
            self.store.apply(right)
        assert after is not None, change
        self.model = after

    @rule(change=changes, behind=st.integers(1, 2))
    def apply_too_late(self, change: Change, behind: int) -> None:
        try:
            self.store.apply(change, expect=self.model.generation - behind)
        except (GalleryChanged, UsageError):
            return
        raise AssertionError("an older state was built on")

    @rule(count=st.integers(1, 3))
    def reserve(self, count: int) -> None:
        first = self.store.reserve(count)
        used = max([self.reserved, *self.model.samples, *(int(one[1:]) for one in self.model.people)], default=0)
        assert first > used
        self.reserved = first + count - 1

    @rule()
    def open_again(self) -> None:
        self.store = type(self).again(self.store)

    @rule()
    def erase(self) -> None:
        self.store.erase()

    @rule(where=filters, place=st.integers(0, 63), exact=st.booleans())
    def search(self, where: Where, place: int, exact: bool) -> None:
        expected = self.model.matching(where)
        assert [one.id for one in self.store.samples(where)] == expected
        there = [one for one in expected if one in self.model.vectors]
        ids, scores = self.store.search(VECTORS[[place]], 20, where=where, exact=exact)
        assert sorted(ids[ids >= 0].tolist()) == there
        cosines = np.array([self.model.vectors[one] @ VECTORS[place] for one in ids[ids >= 0].tolist()])
        assert np.allclose(scores[ids >= 0], cosines, atol=5e-3)
        assert (np.diff(scores[ids >= 0]) <= 0).all()

    @invariant()
    def holds_the_same(self) -> None:
        if not hasattr(self, "store"):
            return
        store, model = self.store, self.model
        assert store.generation() == model.generation
        assert store.people() == [model.people[key] for key in sorted(model.people, key=lambda key: int(key[1:]))]
        assert list(store.samples(crops=True)) == [model.samples[key] for key in sorted(model.samples)]
        assert store.links() == [model.links[key] for key in sorted(model.links)]
        assert dict(store.meta()) == model.meta
        assert store.entries() == model.entries[::-1]
        assert store.looked(["x", "y", "z", "never"]) == model.looked
        assert store.counts() == Counts(len(model.people), len(model.samples), len(model.vectors))
        ids = sorted(model.samples)
        expected = [model.vectors.get(one, np.full(WIDTH, np.nan)) for one in ids]
        vectors = store.vectors(ids)
        assert not ids or not model.vectors or np.allclose(vectors, expected, atol=2e-3, equal_nan=True)
