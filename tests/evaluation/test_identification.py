"""Ranks, open-set search, and what a gallery shows of people who were deleted."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, SourceError, UsageError, WeightsUnavailable
from mien.core.image import save_image
from mien.engine import Engine
from mien.evaluation.galleries import How, fill, search
from mien.evaluation.identification import evaluate_identification, evaluate_vectors, split
from mien.evaluation.membership import evaluate_membership
from mien.evaluation.scores import REJECTED
from mien.evaluation.searches import Searches, match_ranks, open_set
from mien.gallery.store import Store, open_store
from tests.evaluation.recognition import people
from tests.evaluation.test_verification import Colours

# -- measures ----------------------------------------------------------------------------------------------------------


def test_scores_and_ranks_by_hand() -> None:
    scores = np.array([[0.9, 0.5, 0.1], [0.6, 0.6, 0.2], [0.3, 0.4, np.nan], [0.1, 0.2, 0.7]])
    found = Searches.of_scores(scores, np.array([0, 1, 2, 9]))
    assert found.mates.tolist() == [0.9, 0.6, REJECTED]
    assert found.ranks.tolist() == [1, 2, 3], "a tie is no hit"
    assert (found.strangers.tolist(), found.tops.tolist(), found.gallery) == ([9], [0.7], 3)
    ranks = match_ranks(found, (1, 2, 3, 20))
    assert [(point.rank, point.found) for point in ranks] == [(1, 1), (2, 2), (3, 2)], "NaN is never found"


def test_misses_at_a_rate_of_false_hits_by_hand() -> None:
    mates, tops = np.arange(100) / 100, np.arange(1000) / 1000
    found = Searches(5, np.arange(100), mates, np.ones(100, int), np.arange(1000), tops)
    tenth, thousandth, tiny = open_set(found, (0.1, 0.001, 0.0005), resamples=20)
    assert (tenth.false, tenth.fnir) == (100, 0.9), "of strangers 0.900 to 0.999 have a hit; of mates 0.90 to 0.99 stay"
    assert tenth.threshold is not None
    assert 0.899 < tenth.threshold <= 0.9
    assert tenth.interval[0] <= 0.9 <= tenth.interval[1]
    assert tenth.realised[0] < 0.1 < tenth.realised[1]
    assert (thousandth.false, thousandth.fnir) == (1, 1.0)
    assert (tiny.threshold, tiny.fnir) == (None, None)
    assert tiny.reason == "1000 probes of strangers cannot show a rate of 0.0005: 2000 are needed."


def test_the_rate_of_false_hits_has_an_interval_over_strangers() -> None:
    # A hundred pictures of ten strangers, one of whom is like somebody in the gallery.
    who = np.repeat(np.arange(10), 10)
    found = Searches(5, np.arange(4), np.ones(4), np.ones(4, int), who, np.where(who == 0, 0.9, 0.1))
    (point,) = open_set(found, (0.1,))
    assert point.false == 10
    assert point.realised[0] == 0
    assert point.realised[1] >= 0.3


@given(
    st.lists(st.sampled_from([0.1, 0.2, 0.3, REJECTED]), min_size=1, max_size=10),
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 0.4]), min_size=1, max_size=10),
    st.sampled_from([0.1, 0.3, 0.5]),
)
@settings(max_examples=50)
def test_strangers_never_have_more_hits_than_asked(mates: list[float], tops: list[float], rate: float) -> None:
    count = len(mates)
    found = Searches(
        3, np.zeros(count, int), np.array(mates), np.ones(count, int), np.arange(len(tops)), np.array(tops)
    )
    (point,) = open_set(found, (rate,), resamples=3)
    assert point.false <= rate * len(tops)
    assert (point.fnir is None) == (rate * len(tops) < 1)
    if point.fnir is not None:
        assert point.fnir >= np.mean(np.array(mates) == REJECTED)


def test_measures_that_are_wrong() -> None:
    nobody = Searches(3, np.zeros(0, int), np.zeros(0), np.zeros(0, int), np.zeros(1, int), np.zeros(1))
    for measure in (match_ranks, open_set):
        with pytest.raises(UsageError, match="no probe"):
            measure(nobody)
    with pytest.raises(UsageError, match="ranks"):
        match_ranks(nobody, (0,))
    with pytest.raises(UsageError, match="rates"):
        open_set(nobody, (1.0,))
    with pytest.raises(ShapeMismatch):
        Searches.of_scores(np.zeros((2, 3)), np.zeros(3, int))
    with pytest.raises(ShapeMismatch):
        Searches(3, np.zeros(1, int), np.zeros(2), np.zeros(1, int), np.zeros(1, int), np.zeros(1))


# -- galleries ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def parts() -> tuple[NDArray[np.float32], list[str], NDArray[np.float32], list[str]]:
    """Twelve people of whom eight are in the gallery, with two pictures each, and two to search with."""
    vectors, owners = people(12, 4)
    enrolled = [row for row, who in enumerate(owners) if who < "p08" and row % 4 < 2]
    others = [row for row in range(len(owners)) if row not in enrolled and (owners[row] >= "p08" or row % 4 >= 2)]
    return vectors[enrolled], [owners[row] for row in enrolled], vectors[others], [owners[row] for row in others]


@pytest.mark.parametrize("how", ["template", "samples"])
def test_a_store_finds_what_a_comparison_with_all_finds(parts: tuple, how: How) -> None:  # type: ignore[type-arg]
    exact = evaluate_vectors(*parts, how=how, rates=(0.1,))
    store = open_store(":memory:", precision="f32")
    try:
        found = evaluate_vectors(*parts, how=how, rates=(0.1,), store=store)
    finally:
        store.close()
    assert (exact.gallery, exact.samples, exact.people, exact.probes) == (8, 16, 8, 16)
    assert (exact.strangers, exact.others, exact.without_face) == (4, 16, 0)
    assert found.ranks == exact.ranks
    assert found.points[0].fnir == exact.points[0].fnir
    assert found.points[0].threshold == pytest.approx(exact.points[0].threshold, abs=1e-5)
    assert json.loads(json.dumps(exact.to_dict()))["how"] == how


def test_a_template_knows_more_than_the_nearest_sample() -> None:
    vectors, owners = people(60, 8, noise=1.5)
    probes = slice(7, None, 8)
    enrolled = [row for row in range(len(owners)) if row % 8 < 7]
    rates = {
        how: evaluate_vectors(
            vectors[enrolled], [owners[row] for row in enrolled], vectors[probes], owners[probes], how=how, ranks=(1,)
        ).ranks[0]
        for how in cast("tuple[How, ...]", ("template", "samples"))
    }
    assert rates["template"].rate > rates["samples"].rate
    assert rates["template"].interval[0] < rates["template"].rate


def test_pictures_without_a_face_are_never_found(parts: tuple) -> None:  # type: ignore[type-arg]
    gallery, enrolled, probes, owners = (part.copy() for part in parts)
    probes[0] = gallery[-2:] = np.nan
    found = search(gallery, enrolled, probes, owners)
    assert found.mates[0] == REJECTED
    assert (found.mates[found.mated == 7] == REJECTED).all(), "a person without a vector"
    assert evaluate_vectors(gallery, enrolled, probes, owners).without_face == 3


def test_searches_that_are_wrong(parts: tuple) -> None:  # type: ignore[type-arg]
    gallery, enrolled, probes, owners = parts
    with pytest.raises(UsageError, match="how"):
        search(gallery, enrolled, probes, owners, how=cast("How", "all"))
    with pytest.raises(UsageError, match="empty"):
        search(gallery[:0], [], probes, owners)
    with pytest.raises(ShapeMismatch):
        search(gallery, enrolled[1:], probes, owners)


# -- pictures ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Four people of four pictures, and somebody with one."""
    root = tmp_path / "people"
    colours = {
        "Red": (200, 20, 20),
        "Green": (20, 200, 20),
        "Blue": (20, 20, 200),
        "Grey": (99, 99, 99),
        "Pink": (200, 20, 200),
    }
    for name, colour in colours.items():
        (root / name).mkdir(parents=True)
        for number in range(1 if name == "Pink" else 4):
            picture = np.full((112, 112, 3), 8 * number, np.uint8) + np.array(colour, np.uint8)
            save_image(picture, root / name / f"{number}.png")
    return root


def test_who_has_one_picture_is_a_stranger(folder: Path) -> None:
    found = split(folder)
    people_in = {who for who, enrolled in zip(found.people, found.enrolled, strict=True) if enrolled}
    assert people_in == {"Red", "Green", "Blue", "Grey"}
    assert (found.enrolled.sum(), len(found.enrolled)) == (8, 17)
    assert (split(folder, enrol=3).enrolled.sum(), split(folder, enrol=99).enrolled.sum()) == (12, 12)


def test_without_strangers_half_of_the_people_become_some(folder: Path) -> None:
    (folder / "Pink" / "0.png").unlink()
    found = split(folder, seed=3)
    inside = {who for who, enrolled in zip(found.people, found.enrolled, strict=True) if enrolled}
    assert (len(inside), len(found.pictures)) == (2, 16)
    assert split(folder, seed=3).enrolled.tolist() == found.enrolled.tolist()
    others = split(folder, strangers=folder / "Red")
    assert (others.enrolled.sum(), sum(who.startswith("stranger") for who in others.people)) == (8, 4)


def test_probes_of_their_own(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "probes" / "Red").mkdir(parents=True)
    (tmp_path / "probes" / "Nobody").mkdir()
    (folder / "Red" / "0.png").rename(tmp_path / "probes" / "Red" / "0.png")
    (folder / "Pink" / "0.png").rename(tmp_path / "probes" / "Nobody" / "0.png")
    found = evaluate_identification(folder, probes=tmp_path / "probes", engine=Colours().engine, rates=(0.5,))
    assert (found.gallery, found.samples, found.probes, found.others) == (4, 15, 1, 1)
    assert found.ranks[0].found == 1
    assert found.points[0].fnir is None


def test_the_frames_of_a_track_are_one_probe(folder: Path, tmp_path: Path) -> None:
    for name, who in (("t1", "Red"), ("t2", "Red"), ("t1", "Pink")):
        (tmp_path / "clips" / who / name).mkdir(parents=True)
        for file in sorted((folder / who).glob("*.png"))[:2]:
            (tmp_path / "clips" / who / name / file.name).symlink_to(file)
    (folder / "Pink" / "0.png").rename(tmp_path / "pink.png")
    (folder / "Pink").rmdir()
    (tmp_path / "clips" / "Pink" / "t1" / "0.png").unlink()
    (tmp_path / "pink.png").rename(tmp_path / "clips" / "Pink" / "t1" / "0.png")
    found = evaluate_identification(
        folder, probes=tmp_path / "clips", tracks=True, engine=Colours().engine, rates=(0.5,)
    )
    assert (found.gallery, found.probes, found.people, found.others, found.strangers) == (4, 2, 1, 1, 1)
    assert found.ranks[0].rate == 1
    with pytest.raises(UsageError, match="tracks"):
        split(folder, tracks=True)


def test_folders_and_options_that_are_wrong(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError):
        split(tmp_path / "none")
    with pytest.raises(SourceError):
        split(folder, strangers=tmp_path / "none")
    with pytest.raises(UsageError, match="enrol"):
        split(folder, enrol=0)


# -- deletion ----------------------------------------------------------------------------------------------------------


def test_a_store_forgets() -> None:
    vectors, owners = people(30, 4, noise=0.4)
    found = evaluate_membership(vectors, owners, lambda: open_store(":memory:"))
    assert (found.kept, found.deleted, found.outside, found.probes) == (10, 10, 10, 40)
    assert found.before > 0.99
    assert found.after_interval[0] <= 0.5 <= found.after_interval[1]
    assert (found.difference, found.forgotten) == (0, True)


class Hoarder:
    """A store that deletes nothing."""

    def __init__(self) -> None:
        self.store = open_store(":memory:")

    def __getattr__(self, name: str) -> object:
        return getattr(self.store, name)

    def apply(self, change: object) -> None:
        if getattr(change, "forget_people", ()):
            return
        self.store.apply(change)


def test_a_store_that_does_not_forget_is_found_out() -> None:
    vectors, owners = people(30, 4, noise=0.4)
    found = evaluate_membership(vectors, owners, lambda: cast("Store", Hoarder()))
    assert found.after > 0.99
    assert found.difference > 0.1
    assert not found.forgotten


def test_too_few_people_to_forget() -> None:
    with pytest.raises(UsageError, match="three people"):
        evaluate_membership(*people(2, 2), lambda: open_store(":memory:"))
    with pytest.raises(ShapeMismatch):
        evaluate_membership(people(3, 2)[0], ["a"], lambda: open_store(":memory:"))


def test_nothing_is_put_into_a_store_of_nothing() -> None:
    store = open_store(":memory:")
    filled = fill(store, np.full((2, 4), np.nan, np.float32), np.array([0, 1]))
    assert (filled.samples.tolist(), filled.people, store.counts().samples) == ([-1, -1], ("", ""), 0)
    store.close()


# -- real people -------------------------------------------------------------------------------------------------------


@pytest.mark.weights
@pytest.mark.data
def test_ten_people_and_forty_strangers(shared_data: Path, tmp_path: Path) -> None:
    root = tmp_path / "people"
    root.mkdir()
    for name in ("identities", "identities_johns"):
        for person in (shared_data / name).iterdir():
            (root / person.name).symlink_to(person, target_is_directory=True)
    (tmp_path / "strangers").mkdir()
    for picture in sorted((shared_data / "age_gender").glob("[23]*.jpg"))[:40]:
        (tmp_path / "strangers" / picture.name).symlink_to(picture)
    with Engine(threads=1) as engine:
        try:
            engine.preload("detect", "embedding")
        except WeightsUnavailable as error:
            pytest.skip(str(error))
        found = evaluate_identification(root, strangers=tmp_path / "strangers", engine=engine, rates=(0.1, 0.01))
    assert (found.gallery, found.people, found.strangers, found.without_face) == (10, 10, 40, 0)
    assert found.ranks[0].rate == 1
    assert found.points[0].fnir == 0
    assert found.points[1].fnir is None
