"""Measures of clusters, against the definitions counted pair by pair."""

from __future__ import annotations

import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.errors import ShapeMismatch, SourceError, UsageError
from mien.evaluation.clustering import evaluate_clustering, measure_groups

labels = st.integers(1, 12).flatmap(
    lambda count: st.tuples(*[st.lists(st.integers(0, 3), min_size=count, max_size=count)] * 2)
)


@settings(max_examples=40)
@given(labels)
def test_measures_are_what_they_say(both: tuple[list[int], list[int]]) -> None:
    groups, people = both
    rows = range(len(groups))
    found = measure_groups(groups, people, resamples=2).everything.values
    precision, recall = 0.0, 0.0
    for a in rows:
        group = [b for b in rows if groups[b] == groups[a]]
        person = [b for b in rows if people[b] == people[a]]
        shared = len(set(group) & set(person))
        precision += shared / len(group) / len(groups)
        recall += shared / len(person) / len(groups)
    assert found["bcubed_precision"] == pytest.approx(precision)
    assert found["bcubed_recall"] == pytest.approx(recall)
    assert found["bcubed_f"] == pytest.approx(2 * precision * recall / (precision + recall))
    pairs = list(itertools.combinations(rows, 2))
    right = sum(groups[a] == groups[b] and people[a] == people[b] for a, b in pairs)
    put, true = (sum(x[a] == x[b] for a, b in pairs) for x in (groups, people))
    assert found["pair_precision"] == pytest.approx(right / put if put else math.nan, nan_ok=True)
    assert found["pair_recall"] == pytest.approx(right / true if true else math.nan, nan_ok=True)
    most = sum(max([people[b] for b in rows if groups[b] == g].count(p) for p in set(people)) for g in set(groups))
    assert found["purity"] == pytest.approx(most / len(groups))
    assert -1e-9 <= found["nmi"] <= 1 + 1e-9


def test_nmi_against_the_reference() -> None:
    groups, people = [0, 0, 1, 1, 2, 2, 2, 3], [0, 0, 0, 1, 1, 1, 1, 2]
    found = measure_groups(groups, people).everything.values["nmi"]
    assert found == pytest.approx(0.6980018100523221)  # sklearn.metrics.normalized_mutual_info_score, 1.9


def test_a_perfect_grouping_and_its_strata() -> None:
    people = ["ada", "ada", "eve", "eve", "rex"]
    report = measure_groups(
        [7, 7, 3, 3, 1], people, strata={"e": [False, False, True, True, False], "none": [False] * 5}
    )
    assert report.everything.values["bcubed_f"] == pytest.approx(1)
    low, high = report.everything.intervals["bcubed_f"]
    assert high == 1
    assert low < 0.7, "five faces prove little"
    assert (report.everything.faces, report.everything.people, report.everything.groups) == (5, 3, 3)
    assert list(report.strata) == ["e"]
    assert report.strata["e"].faces == 2
    assert report.to_dict()["everything"]["people"] == 3


def test_rates_of_few_pairs_are_as_uncertain_as_they_are_few() -> None:
    # A hundred strangers, of whom two were put together.
    report = measure_groups([0, 0, *range(2, 100)], range(100))
    assert report.everything.values["pair_precision"] == 0
    assert report.everything.intervals["pair_precision"][1] > 0.5
    assert report.everything.intervals["bcubed_precision"][0] > 0.9


def test_a_face_of_a_stratum_is_held_against_all() -> None:
    report = measure_groups([0, 0, 0, 0], ["ada", "ada", "ada", "eve"], strata={"eve": [False, False, False, True]})
    assert report.strata["eve"].values["bcubed_precision"] == pytest.approx(0.25)
    assert report.strata["eve"].values["purity"] == 0


def test_bad_input(tmp_path: Path) -> None:
    with pytest.raises(ShapeMismatch):
        measure_groups([1], [1, 2])
    with pytest.raises(UsageError, match="no faces"):
        measure_groups([], [])
    with pytest.raises(SourceError, match="no pictures"):
        evaluate_clustering(tmp_path)


@pytest.mark.data
@pytest.mark.weights
def test_real_people_in_folders(shared_data: Path, tmp_path: Path) -> None:
    for name, count in (("Ariel_Sharon", 3), ("Colin_Powell", 3)):
        (tmp_path / "people" / name).mkdir(parents=True)
        for file in sorted((shared_data / "identities" / name).glob("*.jpg"))[:count]:
            (tmp_path / "people" / name / file.name).symlink_to(file)
    (tmp_path / "others").mkdir()
    for file in sorted((shared_data / "age_gender").glob("*.jpg"))[::100]:
        (tmp_path / "others" / file.name).symlink_to(file)
    report = evaluate_clustering(tmp_path / "people", strangers=tmp_path / "others")
    assert report.strata["people"].values["bcubed_f"] == 1
    assert report.strata["strangers"].faces == 4 - report.without_face
    assert report.everything.values["purity"] == 1
