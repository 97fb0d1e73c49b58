"""Clusters: answers are kept, people stay who they are, new faces move nobody, and what contradicts is told."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import GalleryChanged, UsageError
from mien.gallery.groups.clusters import cluster_store
from mien.gallery.groups.linkage import nearest
from mien.gallery.groups.proposing import propose
from mien.gallery.groups.thresholds import Thresholds
from mien.gallery.records import Change, Link, Person, Sample
from mien.gallery.store import Store, open_store
from tests.gallery.crowds import YEAR, add, calibration, crowd, filled, group, owners, samples_of, unit

SIZES = [5, 4, 3, 2, 1, 1]


def parts(labels: Any) -> set[frozenset[int]]:
    return {
        frozenset(np.flatnonzero(np.asarray(labels) == label).tolist()) for label in set(np.asarray(labels).tolist())
    }


def people_of(store: Store) -> set[frozenset[int]]:
    by: dict[str, set[int]] = {}
    for number, person in owners(store).items():
        if person is not None:
            by.setdefault(person, set()).add(number)
    return {frozenset(numbers) for numbers in by.values()}


def truth(who: list[int], ids: list[int], least: int = 2) -> set[frozenset[int]]:
    sets = [frozenset(number for number, one in zip(ids, who, strict=True) if one == person) for person in set(who)]
    return {one for one in sets if len(one) >= least}


# -- pure --------------------------------------------------------------------------------------------------------------


def test_people_are_found_and_single_faces_found_nobody() -> None:
    vectors, who = crowd(SIZES)
    proposal = group(samples_of(len(who)), vectors)
    assert parts(proposal.labels) == parts(who)
    assert len(proposal.people) == 4
    assert set(proposal.people.values()) == {None}


@pytest.mark.parametrize("count", [0, 1])
def test_no_face_and_one_face(count: int) -> None:
    vectors, _ = crowd([1])
    proposal = group(samples_of(count), vectors[:count])
    assert proposal.people == {}
    assert not proposal.conflicts


def test_a_person_has_a_face() -> None:
    vectors, _ = crowd([2])
    with pytest.raises(UsageError, match="one face or more"):
        group(samples_of(2), vectors, least=0)


pairs = st.tuples(st.integers(0, 9), st.integers(0, 9), st.booleans()).filter(lambda one: one[0] != one[1])


@settings(max_examples=25)
@given(st.lists(pairs, max_size=12), st.lists(st.integers(0, 3), min_size=10, max_size=10), st.integers(0, 3))
def test_answers_are_kept_whatever_the_faces_look_like(
    said: list[tuple[int, int, bool]], pictures: list[int], seed: int
) -> None:
    vectors, _ = crowd([4, 3, 2, 1], seed=seed, dimension=8)
    samples = [replace(one, picture=f"{picture}") for one, picture in zip(samples_of(10), pictures, strict=True)]
    about = {(min(a, b), max(a, b)): same for a, b, same in said}
    given_links = [Link(a + 1, b + 1, same) for (a, b), same in about.items()]
    proposal = group(samples, vectors, links=given_links)
    told = {(one.first - 1, one.second - 1) for one in proposal.conflicts}
    labels = proposal.labels
    joined = set()
    for (a, b), same in about.items():
        if not same:
            assert labels[a] != labels[b]
        elif (a, b) not in told:
            assert labels[a] == labels[b]
            joined |= {a, b}
    for a in range(10):
        for b in range(a):
            if pictures[a] == pictures[b] and labels[a] == labels[b]:  # only where answers say so
                assert {a, b} <= joined
    assert all(about[pair] for pair in told)
    assert bool(told) == bool(told and not all(same for same in about.values()))  # no contradiction without a "not"


def test_a_contradiction_is_told_and_not_the_same_wins() -> None:
    vectors = unit(np.ones((3, 4)))
    proposal = group(samples_of(3), vectors, links=[Link(1, 2, True), Link(2, 3, True), Link(1, 3, False)])
    (conflict,) = proposal.conflicts
    assert (conflict.first, conflict.second) == (2, 3)
    assert "contradicts" in conflict.reason
    assert proposal.labels[0] != proposal.labels[2]


def test_two_faces_of_one_picture_are_one_person_only_if_said() -> None:
    vectors = unit(np.ones((2, 4)))
    mirror = [replace(one, picture="same") for one in samples_of(2)]
    assert len(set(group(mirror, vectors).labels)) == 2
    assert len(set(group(mirror, vectors, links=[Link(1, 2, True)]).labels)) == 1


def test_children_need_higher_scores() -> None:
    vectors, _ = crowd([2], noise=0.7)
    assert 0.5 < float(vectors[0] @ vectors[1]) < 0.85
    assert len(set(group(samples_of(2), vectors).labels)) == 1
    assert len(set(group(samples_of(2, ages=(2.0, 6.0)), vectors).labels)) == 2


def test_two_people_with_names_are_two_people() -> None:
    vectors = unit(np.ones((2, 4)))
    samples = [replace(one, person=f"p{one.id}") for one in samples_of(2)]
    people = {"p1": Person(id="p1", name="ada"), "p2": Person(id="p2", name="eve")}
    proposal = group(samples, vectors, people=people, links=[Link(1, 2, True)])
    assert proposal.people == {0: "p1", 1: "p2"}
    assert "ada and of eve" in proposal.conflicts[0].reason


def test_a_link_makes_two_people_one_and_the_name_stays() -> None:
    vectors, _ = crowd([2, 2])
    samples = [replace(one, person="p8" if one.id < 3 else "p9") for one in samples_of(4)]
    people = {"p8": Person(id="p8"), "p9": Person(id="p9", name="ada")}
    proposal = group(samples, vectors, people=people, links=[Link(1, 3, True)])
    assert proposal.merged == {"p8": "p9"}
    assert set(proposal.people.values()) == {"p9"}


def test_what_is_like_a_refused_face_waits() -> None:
    base = unit([1.0, 0, 0, 0])
    person = np.stack([base] * 5)
    refused, like = unit([0.75, 0.66, 0, 0]), unit([0.74, 0.67, 0.05, 0])
    vectors = np.concatenate([person, refused[None], like[None]])
    samples = [replace(one, person="p1" if one.id <= 5 else None) for one in samples_of(7)]
    people = {"p1": Person(id="p1")}
    thresholds = Thresholds.constant(7, 0.6)
    before = propose(samples, vectors, nearest(vectors, 6), thresholds, people=people)
    assert len(set(before.labels)) == 1
    links = [Link(1, 6, False)]
    after = propose(samples, vectors, nearest(vectors, 6), thresholds, people=people, links=links)
    assert after.labels[6] != after.labels[0]


# -- stores ------------------------------------------------------------------------------------------------------------


def test_a_store_is_grouped_once() -> None:
    vectors, who = crowd(SIZES)
    store = filled(vectors)
    report = cluster_store(store, calibration=calibration())
    assert (report.faces, len(report.founded), report.grouped, report.alone) == (16, 4, 14, 2)
    assert people_of(store) == truth(who, list(owners(store)))
    generation = store.generation()
    again = cluster_store(store, calibration=calibration())
    assert (again.joined, again.founded) == (0, ())
    assert store.generation() == generation  # nothing to say, nothing written
    assert "4 people" in str(report)
    assert report.to_dict()["founded"] == list(report.founded)


def test_an_empty_store() -> None:
    report = cluster_store(open_store(":memory:"), calibration=calibration())
    assert report.faces == 0


@settings(max_examples=5)
@given(st.permutations(range(16)), st.integers(1, 16))
def test_adding_faces_moves_no_other_and_the_order_does_not_matter(order: list[int], portions: int) -> None:
    vectors, who = crowd(SIZES)
    store, ids, true = open_store(":memory:"), list[int](), list[int]()
    for portion in np.array_split(np.array(order), portions):
        before = owners(store)
        ids += add(store, vectors[portion])
        true += [who[row] for row in portion]
        cluster_store(store, calibration=calibration())
        now = owners(store)
        assert all(now[number] == person for number, person in before.items() if person is not None)
    assert people_of(store) == truth(true, ids)


def test_names_and_confirmed_faces_outlive_looking_at_everything_again() -> None:
    vectors, who = crowd([6, 5])
    store = filled(vectors)
    cluster_store(store, calibration=calibration())
    ids = list(owners(store))
    ada, eve = sorted({str(person) for person in owners(store).values()})
    # A human names one, and says that a face of the other is hers.
    moved = next(number for number, person in owners(store).items() if person == eve)
    sample = next(one for one in store.samples() if one.id == moved)
    store.apply(Change(people=[Person(id=ada, name="ada")], samples=[replace(sample, person=ada, confirmed=True)]))
    cluster_store(store, calibration=calibration(), again=True)
    assert owners(store)[moved] == ada
    assert {str(one) for one in store.people()} == {"ada", eve}
    rest = {number for number in ids if number != moved}
    assert {frozenset(one - {moved}) for one in people_of(store)} == {one & rest for one in truth(who, ids)}


def test_looking_at_everything_again_splits_what_a_program_put_together_and_ids_go_to_the_most() -> None:
    vectors, who = crowd([6, 3])
    store = filled(vectors)
    store.reserve(100)
    store.apply(Change(people=[Person(id="p50")], samples=[replace(one, person="p50") for one in store.samples()]))
    report = cluster_store(store, calibration=calibration(), again=True)
    assert len(report.founded) == 1
    ids = list(owners(store))
    assert people_of(store) == truth(who, ids)
    assert sum(person == "p50" for person in owners(store).values()) == 6


def test_a_face_that_was_said_not_to_be_its_persons_leaves() -> None:
    vectors, _ = crowd([5])
    store = filled(vectors)
    cluster_store(store, calibration=calibration())
    ids = list(owners(store))
    store.apply(Change(links=[Link(ids[0], ids[4], False)]))
    cluster_store(store, calibration=calibration())
    assert owners(store)[ids[0]] != owners(store)[ids[4]]


def test_a_growing_child_is_one_person() -> None:
    turn = np.arange(9) * 0.3
    vectors = unit(np.stack([np.cos(turn), np.sin(turn), np.full(9, 0.1)], axis=1))
    store = open_store(":memory:")
    for year, vector in enumerate(vectors):
        add(store, vector[None], ages=(year + 2.0, year + 5.0), taken=(30 + year) * YEAR)
        cluster_store(store, calibration=calibration())
    assert len(set(owners(store).values())) == 1
    assert float(vectors[0] @ vectors[-1]) < 0


def test_a_gallery_that_others_keep_changing(monkeypatch: pytest.MonkeyPatch) -> None:
    store = filled(crowd([3])[0])

    def refuse(*_: Any, **__: Any) -> None:
        raise GalleryChanged("it was changed meanwhile.")

    monkeypatch.setattr(store, "apply", refuse)
    with pytest.raises(GalleryChanged):
        cluster_store(store, calibration=calibration())
    assert set(owners(store).values()) == {None}


# -- real faces --------------------------------------------------------------------------------------------------------


@pytest.mark.data
@pytest.mark.weights
def test_real_people_are_found_among_strangers(shared_data: Path) -> None:
    from mien.embeddings.calibration import load_calibration
    from mien.evaluation.verification import embed_pictures

    folders = [shared_data / "identities" / "Colin_Powell", shared_data / "identities_johns" / "John_Simm"]
    files = [file for folder in folders for file in sorted(folder.glob("*.jpg"))[:4]]
    files += sorted((shared_data / "age_gender").glob("[2-6]?_*.jpg"))[::30]  # strangers, all adults
    vectors = embed_pictures(files)
    samples = [
        Sample(id=row + 1, picture=file.name, ages=(18, 100), quality=0.9, box=(0, 0, 99, 99))
        for row, file in enumerate(files)
    ]
    found = np.isfinite(vectors[:, 0])
    kept, values = [one for one, is_found in zip(samples, found, strict=True) if is_found], vectors[found]
    thresholds = Thresholds.of(kept, load_calibration("edgeface-s/1"))
    proposal = propose(kept, values, nearest(values, 32), thresholds)
    assert parts(proposal.labels[:8]) == {frozenset(range(4)), frozenset(range(4, 8))}
    assert len(proposal.people) == 2
