"""Every store behaves alike: what is written is there, what is wrong is refused, and nothing is half-written."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from mien.core.errors import GalleryChanged, MienError, ShapeMismatch, SourceError, UnknownPerson, UsageError
from mien.gallery.records import Change, Counts, Entry, Link, Person, Sample, Where
from mien.gallery.store import Store, open_store
from mien.gallery.stores.limits import LIMITS
from tests.gallery.holding import BEGINNING, FULL, LOOKED, SPACE, TRICKS, WIDTH, contents, unit

NAN = float("nan")


@pytest.fixture
def begun(store: Store) -> Store:
    """A store with something of everything."""
    store.apply(BEGINNING)
    return store


# -- what is written is there ----------------------------------------------------------------------------------------


def test_an_empty_store_answers(store: Store) -> None:
    assert (store.space, store.dimension, store.generation()) == (None, None, 0)
    assert store.counts() == Counts(0, 0, 0)
    assert [store.people(), store.links(), store.entries(), list(store.samples())] == [[], [], [], []]
    assert dict(store.meta()) == {}
    assert store.looked(LOOKED) == set()
    for count in (0, 2):
        ids, scores = store.search(unit(count), 3)
        assert ids.shape == scores.shape == (count, 3)
        assert ids.dtype == np.int64
        assert scores.dtype == np.float32
        assert (ids == -1).all()
        assert np.isnan(scores).all()
    store.erase()
    store.apply(Change())
    assert store.generation() == 1


def test_every_field_comes_back(begun: Store) -> None:
    assert begun.people() == list(BEGINNING.people)
    assert list(begun.samples(crops=True)) == list(BEGINNING.samples)
    assert next(begun.samples()) == replace(FULL, crop=None)
    assert begun.links() == [Link(11, 12, False), Link(11, 14, True)]
    assert begun.entries() == list(BEGINNING.entries)[::-1]
    assert begun.entries(limit=1) == [BEGINNING.entries[1]]
    assert dict(begun.meta()) == BEGINNING.meta
    assert begun.looked(LOOKED) == set(LOOKED)
    assert begun.counts() == Counts(3, 4, 4)
    assert (begun.space, begun.dimension, begun.generation()) == (SPACE, WIDTH, 1)
    assert np.allclose(begun.vectors([14, 11]), unit(4)[[3, 0]], atol=1e-3)


def test_it_is_there_after_opening_again(place: str, begun: Store) -> None:
    if place == ":memory:":
        pytest.skip("what is in memory is gone")
    before = contents(begun)
    begun.close()
    again = open_store(place, create=False)
    assert contents(again) == before
    assert again.search(unit(4)[:1], 1)[0].tolist() == [[11]]
    again.close()


def test_numpy_numbers_are_numbers(store: Store) -> None:
    words: dict[str, Any] = {"age": np.float32(2), "n": 3}
    sample = Sample(
        id=np.int64(5), box=tuple(np.float32([1, 2, 3, 4])), size=(np.int32(3), np.int32(4)), quality=np.float32(0.5),
        ages=(np.float64(1), np.float64(2)), taken=np.float64(3), words=words, confirmed=np.True_,
    )  # fmt: skip
    store.apply(Change(samples=[sample], vectors=(np.array([5]), unit(1).astype(np.float64)), space=SPACE))
    (back,) = store.samples()
    plain = Sample(id=5, box=(1, 2, 3, 4), size=(3, 4), quality=0.5, ages=(1, 2), taken=3, confirmed=True)
    assert back == replace(plain, words={"age": 2.0, "n": 3.0})
    assert [type(one) for one in (back.id, back.confirmed, back.words["n"])] == [int, bool, float]


def test_people_by_id_and_by_name(begun: Store) -> None:
    assert [one.id for one in begun.people(["p3", "p1", "p99", "p1", "", "p", "x1", "p-1", "p" + "9" * 30])] == [
        "p1",
        "p3",
    ]
    assert [one.id for one in begun.people(names=["O'Brien", "nobody"])] == ["p3"]
    assert begun.people([]) == begun.people(names=[]) == []
    begun.apply(Change(people=[Person(id="p10", name="ten")]))
    assert [one.id for one in begun.people()] == ["p1", "p2", "p3", "p10"]  # by number, not by letters


def test_names_may_be_anything(store: Store) -> None:
    people = [Person(id=f"p{number}", name=name, note=name) for number, name in enumerate(TRICKS, 1)]
    samples = [
        Sample(
            id=number, face=name[:200], source=name, picture=name, model=name, words={name: name, "n": float(number)}
        )
        for number, name in enumerate(TRICKS, 1)
    ]
    store.apply(Change(people=people, samples=samples, meta={name: name for name in TRICKS}, looked=TRICKS))
    assert store.people() == people
    assert list(store.samples()) == samples
    assert dict(store.meta()) == {name: name for name in TRICKS}
    assert store.looked(TRICKS) == set(TRICKS)
    for number, name in enumerate(TRICKS, 1):
        assert [one.id for one in store.people(names=[name])] == [f"p{number}"]
        for where in (
            Where(faces=[name]),
            Where(pictures=[name]),
            Where(words={name: name}),
            Where(words={"n": (number,) * 2}),
        ):
            assert [one.id for one in store.samples(where)] == [number], where
        assert number in [one.id for one in store.samples(Where(source=name))]
        assert list(store.samples(Where(people=[name]))) == []


# -- changes ---------------------------------------------------------------------------------------------------------


def test_a_replaced_sample_keeps_its_vector_and_its_crop(begun: Store) -> None:
    begun.apply(Change(samples=[Sample(id=11, person="p2")]))
    (sample,) = begun.samples(Where(ids=[11]), crops=True)
    assert sample == Sample(id=11, person="p2", crop=FULL.crop)
    assert np.isfinite(begun.vectors([11])).all()
    begun.apply(Change(samples=[Sample(id=11, crop=b"new")]))
    assert next(begun.samples(crops=True)).crop == b"new"
    begun.apply(Change(samples=[Sample(id=11, crop=b"")]))
    assert next(begun.samples(crops=True)).crop is None


def test_a_replaced_vector_is_found_where_it_is_now(begun: Store) -> None:
    old, new = unit(1)[0], unit(1, seed=9)[0]
    assert begun.search([old], 1)[0].tolist() == [[11]]
    begun.apply(Change(vectors=([11], [new])))
    assert begun.counts().vectors == 4
    ids, scores = begun.search([new, old], 1)
    assert ids[0] == 11
    assert scores[0] > 0.99
    assert scores[1] < 0.99


def test_names_can_be_swapped_and_taken_over(begun: Store) -> None:
    begun.apply(Change(people=[Person(id="p1", name="O'Brien"), Person(id="p3", name="Ada")]))
    assert [one.name for one in begun.people()] == ["O'Brien", None, "Ada"]
    begun.apply(
        Change(
            forget_people=["p3"],
            samples=[Sample(id=13, person="p4")],
            people=[Person(id="p4", name="Ada"), Person(id="p1", name=None)],
        )
    )
    assert [(one.id, one.name) for one in begun.people()] == [("p1", None), ("p2", None), ("p4", "Ada")]
    assert [one.id for one in begun.samples(Where(people=["p4"]))] == [13]


def test_with_a_sample_goes_all_that_hangs_on_it(begun: Store) -> None:
    begun.apply(Change(forget_samples=[11, 99]))  # what is not there need not be forgotten
    assert [one.id for one in begun.samples()] == [12, 13, 14]
    assert begun.links() == []
    assert begun.counts() == Counts(3, 3, 3)
    assert np.isnan(begun.vectors([11])).all()
    assert 11 not in begun.search(unit(4), 4)[0]
    begun.apply(Change(samples=[Sample(id=11)]))
    assert np.isnan(begun.vectors([11])).all()
    assert next(begun.samples(crops=True)).crop is None


def test_people_leave_when_their_samples_do(begun: Store) -> None:
    with pytest.raises(UsageError, match=r"p1 still has sample 1[14]"):
        begun.apply(Change(forget_people=["p1"], forget_samples=[11]))
    begun.apply(Change(forget_people=["p1", "p77"], forget_samples=[11], samples=[Sample(id=14)]))
    assert [one.id for one in begun.people()] == ["p2", "p3"]
    assert begun.people(names=["Ada"]) == []


def test_links_are_replaced_and_taken_back(begun: Store) -> None:
    begun.apply(Change(links=[Link(11, 14, False)], forget_links=[Link(11, 12, True), Link(12, 13, True)]))
    assert begun.links() == [Link(11, 14, False)]
    assert begun.links([14]) == begun.links([11, 12]) == [Link(11, 14, False)]
    assert begun.links([12]) == begun.links([]) == []


def test_settings_are_written_and_deleted(begun: Store) -> None:
    begun.apply(Change(meta={"salt": None, "crops": "no", "new": "", "never": None}))
    assert dict(begun.meta()) == {"crops": "no", "new": ""}


def test_pictures_that_were_looked_at_are_remembered(begun: Store) -> None:
    begun.apply(Change(looked=["a", LOOKED[0], "a"], forget_samples=[11, 12, 13, 14]))
    assert begun.looked([]) == begun.looked(["A", "", "b"]) == set()
    assert begun.looked(["b", "a", *LOOKED, "a"]) == {"a", *LOOKED}
    begun.erase()
    many = [f"{number:016x}" for number in range(1200)]
    begun.apply(Change(looked=many[::2]))
    assert begun.looked(many) == set(many[::2])


def test_a_change_computed_from_an_older_state_is_refused(begun: Store) -> None:
    begun.apply(Change(meta={"a": "1"}), expect=1)
    before = contents(begun)
    with pytest.raises(GalleryChanged):
        begun.apply(Change(meta={"a": "2"}), expect=1)
    assert contents(begun) == before
    begun.apply(Change(), expect=2)


def test_numbers_are_given_once(begun: Store) -> None:
    first = begun.reserve(3)
    assert first > 14  # ids that were used without asking are not given either
    assert begun.reserve(1) == first + 3
    begun.apply(Change(people=[Person(id=f"p{first + 1000}")]))
    assert begun.reserve(1) > first + 1000
    begun.apply(Change(forget_people=[f"p{first + 1000}"]))
    with ThreadPoolExecutor(4) as pool:
        taken = list(pool.map(lambda _: begun.reserve(2), range(12)))
    assert len({*taken, *(one + 1 for one in taken)}) == 24
    assert min(taken) > first + 1000


# -- what is wrong is refused ----------------------------------------------------------------------------------------

LONG = "x" * 10_000_000
NOTHING: Any = None
WRONG: list[tuple[Change, type[MienError], str]] = [
    (Change(people=[Person(id="p9", name=LONG)]), UsageError, "1,000 characters"),
    (Change(people=[Person(id="p9", note=LONG)]), UsageError, "1,000 characters"),
    (Change(people=[Person(id="p9", name=" ")]), UsageError, "not empty"),
    (Change(people=[Person(id="p9", name="a\0b")]), UsageError, "cannot be stored"),
    (Change(people=[Person(id="p9", name="a\ud800b")]), UsageError, "cannot be stored"),
    (Change(people=[Person(id="p9", name=5)]), UsageError, "is a text"),
    (Change(people=[Person(id="ada")]), UsageError, "no id of a person"),
    (Change(people=[Person(id="p0")]), UsageError, "no id of a person"),
    (Change(people=[Person(id="p9", created=NAN)]), UsageError, "finite"),
    (Change(people=[Person(id="p9"), Person(id="p9")]), UsageError, "twice"),
    (Change(people=[Person(id="p8", name="x"), Person(id="p9", name="x")]), UsageError, "twice"),
    (Change(people=[Person(id="p9", name="Ada")]), UsageError, "'Ada' already: p1"),
    (Change(people=[Person(id="p3", name="Ada")]), UsageError, "'Ada' already: p1"),
    (Change(people=[Person(id="p1")], forget_people=["p1"]), UsageError, "writes and forgets"),
    (Change(samples=[Sample(id=0)]), UsageError, "no id of a sample"),
    (Change(samples=[Sample(id=2**63)]), UsageError, "no id of a sample"),
    (Change(samples=[Sample(id="11")]), UsageError, "no id of a sample"),
    (Change(samples=[Sample(id=9), Sample(id=9)]), UsageError, "twice"),
    (Change(samples=[Sample(id=9)], forget_samples=[9]), UsageError, "writes and forgets"),
    (Change(samples=[Sample(id=9, person="p99")]), UnknownPerson, "'p99'"),
    (Change(samples=[Sample(id=9, person="p2")], forget_people=["p2"]), UnknownPerson, "'p2'"),
    (Change(samples=[Sample(id=9, source=LONG)]), UsageError, "characters"),
    (Change(samples=[Sample(id=9, quality=1.5)]), UsageError, "quality"),
    (Change(samples=[Sample(id=9, quality=NAN)]), UsageError, "quality"),
    (Change(samples=[Sample(id=9, ages=(5, 4))]), UsageError, "ages"),
    (Change(samples=[Sample(id=9, box=(1, 2, 3))]), ShapeMismatch, "box"),
    (Change(samples=[Sample(id=9, box=(1, 2, 3, float("inf")))]), UsageError, "box"),
    (Change(samples=[Sample(id=9, size=(1.5, 2))]), UsageError, "size"),
    (Change(samples=[Sample(id=9, taken=NAN)]), UsageError, "taken"),
    (Change(samples=[Sample(id=9, taken=10**5000)]), UsageError, "taken"),
    (Change(samples=[Sample(id=9, crop=b"x" * 1_000_001)]), UsageError, "1,000,000 bytes"),
    (Change(samples=[Sample(id=9, crop="text")]), UsageError, "bytes"),
    (Change(samples=[Sample(id=9, words={str(n): 1.0 for n in range(101)})]), UsageError, "100 words"),
    (Change(samples=[Sample(id=9, words={"a": LONG})]), UsageError, "characters"),
    (Change(samples=[Sample(id=9, words={"a": NAN})]), UsageError, "word"),
    (Change(samples=[Sample(id=9, words={"a": NOTHING})]), UsageError, "word"),
    (Change(samples=[Sample(id=9, words={"a": True})]), UsageError, "word"),
    (Change(vectors=([11], unit(1) * 1.1)), UsageError, "length 1.1"),
    (Change(vectors=([11], unit(1) * 0)), UsageError, "length 0"),
    (Change(vectors=([11], unit(1) * NAN)), UsageError, "NaN"),
    (Change(vectors=([11], unit(1, width=8))), ShapeMismatch, "have 16 numbers"),
    (Change(vectors=([11], unit(2))), ShapeMismatch, "1 samples"),
    (Change(vectors=([11], unit(1)[0])), ShapeMismatch, "shape"),
    (Change(vectors=([11], unit(1) * 1e30)), UsageError, "infinite"),
    (Change(vectors=([11], cast("Any", [[1.0], [1.0, 2.0]]))), ShapeMismatch, "array of numbers"),
    (Change(vectors=([11, 11], unit(2))), UsageError, "twice"),
    (Change(vectors=([99], unit(1))), UsageError, "no sample 99"),
    (Change(vectors=([11], unit(1)), forget_samples=[11]), UsageError, "writes and forgets"),
    (Change(vectors=([11], unit(1)), space=""), UsageError, "has a name"),
    (Change(links=[Link(11, 99, True)]), UsageError, "no sample 99"),
    (Change(links=[Link(12, 11, True)]), UsageError, "smaller to a larger"),
    (Change(links=[Link(11, 11, True)]), UsageError, "smaller to a larger"),
    (Change(links=[Link(11, 12, True), Link(11, 12, False)]), UsageError, "twice"),
    (Change(links=[Link(11, 13, True)], forget_samples=[13]), UsageError, "no sample 13"),
    (Change(links=[Link(11, 12, True)], forget_links=[Link(11, 12, True)]), UsageError, "writes and forgets"),
    (Change(forget_samples="11"), UsageError, "list"),
    (Change(forget_people=["ada"]), UsageError, "no id of a person"),
    (Change(looked="a"), UsageError, "pictures are a list"),
    (Change(looked=["x" * 201]), UsageError, "200 characters"),
    (Change(looked=[*LOOKED, cast("Any", 1)]), UsageError, "is a text"),
    (Change(meta={"a": LONG + "x"}), UsageError, "characters"),
    (Change(meta={"a": cast("Any", 1)}), UsageError, "is a text"),
    (Change(entries=[Entry(time=1.0, action="a", details={"a": {1, 2}})]), UsageError, "JSON"),
    (Change(entries=[Entry(time=1.0, action="a", details={"a": NAN})]), UsageError, "JSON"),
    (Change(entries=[Entry(time=1.0, action="a", details={"a": LONG})]), UsageError, "characters"),
    (Change(entries=[Entry(time=NAN, action="a")]), UsageError, "time"),
]  # fmt: skip


def test_what_is_wrong_is_refused_and_nothing_is_written(begun: Store) -> None:
    before = contents(begun)
    for change, error, words in WRONG:
        meta: dict[str, Any] = {**change.meta, "b": "x"}
        good = replace(change, people=[Person(id="p50", name="new"), *change.people], meta=meta)
        try:
            begun.apply(good)
        except error as caught:
            message = str(caught)
        else:
            pytest.fail(f"{change} was written".replace(LONG, "..."))
        assert re.search(words, message), message
        assert message.endswith(".")
        assert len(message) < 300, message[:300]
    assert contents(begun) == before
    begun.apply(Change(people=[Person(id="p50", name="new")]))  # and it goes on


def test_the_first_vectors_need_a_space(store: Store) -> None:
    with pytest.raises(UsageError, match="no embedding space yet"):
        store.apply(Change(samples=[Sample(id=1)], vectors=([1], unit(1))))
    assert store.counts() == Counts(0, 0, 0)


QUESTIONS: dict[str, Callable[[Store], Any]] = {
    "k": lambda store: store.search(unit(1), 0),
    "shape": lambda store: store.search(unit(1)[0], 1),
    "width": lambda store: store.search(unit(1, width=8), 1),
    "nan": lambda store: store.search(unit(1) * NAN, 1),
    "length": lambda store: store.search(unit(1) * 2, 1),
    "person": lambda store: list(store.samples(Where(people="p1"))),
    "face": lambda store: list(store.samples(Where(faces="f-14"))),
    "picture": lambda store: store.search(unit(1), 1, where=Where(pictures="cd")),
    "looked": lambda store: store.looked("cd"),
    "nul": lambda store: store.looked(["\0"]),
    "id": lambda store: list(store.samples(Where(ids=cast("Any", ["11"])))),
    "quality": lambda store: list(store.samples(Where(quality=NAN))),
    "word": lambda store: list(store.samples(Where(words={"age": cast("Any", 31.0)}))),
    "range": lambda store: list(store.samples(Where(words={"age": (NAN, 1.0)}))),
    "taken": lambda store: list(store.samples(Where(taken=cast("Any", (1.0,))))),
    "long": lambda store: list(store.samples(Where(source=LONG))),
    "reserve": lambda store: store.reserve(0),
    "space": lambda store: store.use_space("", 4),
    "dimension": lambda store: store.use_space("x", 0),
}


def test_questions_without_sense_are_refused(begun: Store) -> None:
    for name, question in QUESTIONS.items():
        try:
            question(begun)
        except UsageError:
            continue
        pytest.fail(f"{name} was answered")


# -- filters ---------------------------------------------------------------------------------------------------------

FILTERS: list[tuple[Where, list[int]]] = [
    (Where(), [11, 12, 13, 14]),
    (Where(ids=[14, 11, 14, 99, -1]), [11, 14]),
    (Where(ids=cast("Any", np.array([14, 11]))), [11, 14]),
    (Where(ids=[]), []),
    (Where(faces=["f-14", "nothing"]), [14]),
    (Where(faces=[""]), [12, 13]),
    (Where(people=["p1"]), [11, 14]),
    (Where(people=["p3", "p1", "pepe"]), [11, 13, 14]),
    (Where(people=[]), []),
    (Where(people="anybody"), [11, 13, 14]),
    (Where(people="nobody"), [12]),
    (Where(pictures=["ab" * 32]), [11]),
    (Where(source="/photos/"), [11, 13]),
    (Where(source="/photos"), [11, 13, 14]),
    (Where(source="/PHOTOS"), []),
    (Where(source="%"), []),
    (Where(source=""), [11, 12, 13, 14]),
    (Where(quality=0.25), [11, 13]),
    (Where(quality=0.5), [11]),
    (Where(quality=0), [11, 13]),
    (Where(taken=(1.5e9, None)), [11, 13]),
    (Where(taken=(None, 1.5e9)), [11]),
    (Where(taken=(1.6e9, 2e9)), [13]),
    (Where(taken=(None, None)), [11, 12, 13, 14]),
    (Where(words={"event": "wedding"}), [11]),
    (Where(words={"event": "wed"}), []),
    (Where(words={"age": (12, 31.5)}), [11, 13]),
    (Where(words={"age": (float("-inf"), 20.0)}), [13]),
    (Where(words={"age": "31.5"}), []),
    (Where(words={"event": (0, 1)}), []),
    (Where(words={"": ""}), [11]),
    (Where(words={'odd "key".$[0]': "it's"}), [11]),
    (Where(words={"odd": "it's"}), []),
    (Where(words={"event": "wedding", "age": (30, 40)}, people=["p1"], quality=0.5), [11]),
    (Where(words={"event": "party", "age": (30, 40)}), []),
]


def test_filters(begun: Store) -> None:
    queries = unit(4)
    for where, expected in FILTERS:
        assert [one.id for one in begun.samples(where)] == expected, where
        ids, scores = begun.search(queries, 4, where=where)
        assert [sorted(row[row >= 0].tolist()) for row in ids] == [expected] * 4, where
        assert (np.isnan(scores) == (ids < 0)).all()


# -- search ----------------------------------------------------------------------------------------------------------


def test_search_finds_what_a_full_comparison_finds(store: Store) -> None:
    vectors, queries = unit(300), unit(20, seed=1)
    samples = [Sample(id=number, quality=number % 10 / 10) for number in range(1, 301)]
    for start in range(0, 300, 100):
        part = slice(start, start + 100)
        store.apply(Change(samples=samples[part], vectors=(range(start + 1, start + 101), vectors[part]), space=SPACE))
        store.search(queries[:1], 1)  # with an index that grows
    store.apply(Change(forget_samples=range(50, 60)))
    left = np.array([number for number in range(1, 301) if not 50 <= number < 60])
    stored = store.vectors(left.tolist())
    for where, chosen in ((Where(), left > 0), (Where(quality=0.5), left % 10 >= 5)):
        expected = queries @ stored[chosen].T
        order = np.argsort(-expected, axis=1)[:, :7]
        for exact in (True, False):
            ids, scores = store.search(queries, 7, where=where, exact=exact)
            assert (ids == left[chosen][order]).all()
            assert np.allclose(scores, np.take_along_axis(expected, order, axis=1), atol=2e-6)


def test_more_neighbours_than_there_are(begun: Store) -> None:
    ids, scores = begun.search(unit(1), 6, exact=True)
    assert ids[0, 0] == 11
    assert sorted(ids[0, :4].tolist()) == [11, 12, 13, 14]
    assert ids[0, 4:].tolist() == [-1, -1]
    assert (np.diff(scores[0, :4]) <= 0).all()
    assert np.isnan(scores[0, 4:]).all()


def test_vectors_in_the_order_that_was_asked_for(begun: Store) -> None:
    begun.apply(Change(samples=[Sample(id=15)]))
    vectors = begun.vectors([14, 99, 11, 14, 15])
    assert vectors.dtype == np.float32
    assert np.allclose(vectors[[0, 2, 3]], unit(4)[[3, 0, 3]], atol=1e-3)
    assert np.allclose(np.linalg.norm(vectors[[0, 2, 3]], axis=1), 1, atol=1e-6)
    assert np.isnan(vectors[[1, 4]]).all()
    assert begun.vectors([]).shape == (0, WIDTH)


# -- spaces ----------------------------------------------------------------------------------------------------------


def test_two_spaces_until_one_is_chosen(begun: Store) -> None:
    new = unit(3, seed=5, width=8)
    begun.apply(Change(vectors=([11, 12, 13], new), space="toy/2"))
    assert (begun.space, begun.counts().vectors) == (SPACE, 4)
    assert np.allclose(begun.vectors([13, 12], space="toy/2"), new[[2, 1]], atol=1e-3)
    assert np.isnan(begun.vectors([14], space="toy/2")).all()
    assert begun.search(unit(4), 1)[0].ravel().tolist() == [11, 12, 13, 14]
    with pytest.raises(ShapeMismatch):
        begun.use_space("toy/2", 9)
    begun.use_space("toy/2", 8)
    assert (begun.space, begun.dimension, begun.counts().vectors) == ("toy/2", 8, 3)
    assert begun.search(new, 1)[0].ravel().tolist() == [11, 12, 13]
    assert begun.generation() > 2
    begun.apply(Change(vectors=([14], unit(1, seed=6, width=8))))
    assert begun.search(unit(1, seed=6, width=8), 1)[0].tolist() == [[14]]
    begun.apply(Change(vectors=([12], unit(1)), space=SPACE))  # what there was of it is gone
    assert np.isnan(begun.vectors([11], space=SPACE)).all()


def test_a_space_can_be_chosen_before_there_are_vectors(store: Store) -> None:
    store.use_space("toy/3", 4)
    assert (store.space, store.dimension) == ("toy/3", 4)
    with pytest.raises(ShapeMismatch):
        store.apply(Change(samples=[Sample(id=1)], vectors=([1], unit(1))))
    store.apply(Change(samples=[Sample(id=1)], vectors=([1], unit(1, width=4))))
    assert store.search(unit(1, width=4), 1)[0].tolist() == [[1]]


# -- several at once -------------------------------------------------------------------------------------------------


def test_what_another_one_writes_is_seen(place: str, begun: Store) -> None:
    if place == ":memory:" or (place.startswith("qdrant:") and os.sep in place):
        pytest.skip("only one can have it open")
    begun.search(unit(1), 1)
    other = open_store(place)
    new = unit(1, seed=8)
    other.apply(Change(samples=[Sample(id=20)], vectors=([20], new), forget_samples=[11]))
    assert begun.generation() == 2
    assert begun.search(new, 1)[0].tolist() == [[20]]
    assert 11 not in begun.search(unit(4), 9)[0]
    assert begun.reserve(1) != other.reserve(1)
    begun.apply(Change(meta={"mine": "1"}), expect=2)
    with pytest.raises(GalleryChanged):
        other.apply(Change(meta={"theirs": "1"}), expect=2)
    other.close()


def test_threads_share_a_store(begun: Store) -> None:
    def work(number: int) -> None:
        for turn in range(4):
            one = 1000 * number + turn
            begun.apply(Change(samples=[Sample(id=one)], vectors=([one], unit(1, seed=one))))
            assert begun.search(unit(1, seed=one), 1)[0].tolist() == [[one]]
            assert len(list(begun.samples())) >= 5
            assert np.isfinite(begun.vectors([one])).all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(1, 5)))
    assert begun.counts() == Counts(3, 20, 20)
    assert begun.generation() == 17


def test_samples_are_read_while_others_write(store: Store) -> None:
    store.apply(Change(samples=[Sample(id=number) for number in range(1, 1201)]))
    seen = []
    for sample in store.samples():
        seen.append(sample.id)
        if sample.id == 10:
            store.apply(Change(forget_samples=[1100], samples=[Sample(id=5), Sample(id=2000)]))
    assert seen == sorted(set(seen))
    assert set(seen) >= set(range(1, 1201)) - {1100}
    assert 1100 not in seen


# -- places ----------------------------------------------------------------------------------------------------------


def test_nothing_is_made_unless_it_may_be(place: str) -> None:
    if place == ":memory:":
        pytest.skip("memory is always there")
    with pytest.raises(SourceError):
        open_store(place, create=False)


def test_the_precision_is_settled_when_it_begins(place: str, begun: Store) -> None:
    if place == ":memory:":
        pytest.skip("another memory is another gallery")
    begun.close()
    with pytest.raises(UsageError, match="f16"):
        open_store(place, precision="f32")
    with pytest.raises(UsageError, match="f32, f16, i8"):
        open_store(place, precision="f8")
    open_store(place, precision="f16").close()


@pytest.mark.parametrize(("precision", "error"), [("f32", 1e-7), ("f16", 1e-3), ("i8", 2e-2)])
def test_precisions(place: str, precision: Any, error: float) -> None:
    try:
        store = open_store(place, precision=precision)
    except UsageError:
        pytest.skip("this kind of store has no such precision")
    store.apply(BEGINNING)
    vectors = store.vectors([11, 12, 13, 14])
    assert np.abs(vectors - unit(4)).max() <= error
    ids, scores = store.search(unit(4), 1)
    assert ids.ravel().tolist() == [11, 12, 13, 14]
    assert np.allclose(scores[:, 0], (vectors * unit(4)).sum(axis=1), atol=2e-6)
    store.close()


def test_a_copy_made_while_it_is_in_use(begun: Store, tmp_path: Any) -> None:
    target = tmp_path / "copy"
    try:
        begun.backup(target)
    except UsageError:
        pytest.skip("this kind of store has tools of its own")
    before = contents(begun)
    begun.apply(Change(forget_samples=[11]))
    copy = open_store(target, create=False)
    assert contents(copy) == before
    assert copy.search(unit(1), 1)[0].tolist() == [[11]]
    assert copy.reserve(1) >= begun.reserve(1)
    copy.close()
    with pytest.raises(UsageError, match="already"):
        begun.backup(target)


def test_closing_twice_does_nothing(store: Store) -> None:
    store.close()
    store.close()


def test_limits_are_what_the_messages_say() -> None:
    assert (LIMITS["name"], LIMITS["note"], LIMITS["words"], LIMITS["crop"]) == (1_000, 1_000, 100, 1_000_000)
