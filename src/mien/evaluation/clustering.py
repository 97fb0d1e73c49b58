"""How well faces are grouped: BCubed, pairs, purity and mutual information, with intervals over people.

- BCubed (Bagga and Baldwin, *Entity-based cross-document coreferencing using the vector space model*, 1998): of each
  face, the part of its group that is of its person (precision), and the part of its person that is in its group
  (recall); their means, and F, the harmonic mean of both. Amigo and others (*A comparison of extrinsic clustering
  evaluation metrics based on formal constraints*, 2009) found it the measure without known faults.
- Pairs: of all pairs that were put together, those of one person (precision); of all pairs of one person, those that
  were put together (recall). A person of 100 faces counts a hundred times as much as one of 10.
- Purity: the part of all faces that are of their group's most frequent person. Groups of one face are pure.
- NMI: mutual information of groups and people, divided by the mean of both entropies. It flatters many small groups.

Intervals are 95 % of a bootstrap that draws people, each with all their faces; what a face's group holds stays. But for
NMI they are no narrower than those of as many independent faces.
"""

from __future__ import annotations

import os
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, SourceError, UsageError
from mien.datasets.readers.pairs import is_picture
from mien.embeddings.calibration import Range, load_calibration
from mien.embeddings.comparison import check_options
from mien.engine import Engine, default_engine
from mien.evaluation.intervals import ENDS, Interval, widen
from mien.gallery.groups.linkage import nearest
from mien.gallery.groups.proposing import NEIGHBOURS, propose
from mien.gallery.groups.thresholds import FAR, Thresholds, rates_for
from mien.gallery.intake import Origin, describe, sightings
from mien.gallery.records import Sample

__all__ = ["ClusteringReport", "Measures", "evaluate_clustering", "measure_groups"]

Doubles = NDArray[np.float64]
Rows = NDArray[np.intp]

MEASURES = (
    "bcubed_precision",
    "bcubed_recall",
    "bcubed_f",
    "pair_precision",
    "pair_recall",
    "pair_f",
    "purity",
    "nmi",
)
AGES: dict[str, Range] = {"adults": (18, 150), "minors": (0, 18), "children under 8": (0, 8)}


@dataclass(frozen=True)
class Measures:
    """How well some faces are grouped; each measure with its interval.

    Parameters
    ----------
    faces, people, groups : int
        Counted among these faces.
    values, intervals : dict
        By name: bcubed_precision, bcubed_recall, bcubed_f, pair_precision, pair_recall, pair_f, purity, nmi. NaN where
        there is nothing to count.
    """

    faces: int
    people: int
    groups: int
    values: dict[str, float]
    intervals: dict[str, Interval]


@dataclass(frozen=True)
class ClusteringReport:
    """The result of an evaluation.

    Parameters
    ----------
    everything : Measures
    strata : dict
        The same of the faces of each kind: their groups are still those of all faces.
    without_face : int
        Pictures in which no face was found; they are not counted.
    """

    everything: Measures
    strata: dict[str, Measures]
    without_face: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def measure_groups(
    groups: Sequence[Hashable],
    people: Sequence[Hashable],
    *,
    strata: Mapping[str, Sequence[bool]] | None = None,
    resamples: int = 200,
    seed: int = 0,
) -> ClusteringReport:
    """Measure groups of faces.

    Parameters
    ----------
    groups : sequence of N
        The group that each face was put into; a face that is in none has one of its own.
    people : sequence of N
        Who it is.
    strata : mapping of name to N bools, optional
        Kinds of faces to measure by themselves.
    resamples, seed : int
        Of the bootstrap over people.

    Raises
    ------
    ShapeMismatch
        If the sequences differ in length.
    UsageError
        If there are no faces.
    """
    if len(groups) != len(people) or any(len(flags) != len(people) for flags in (strata or {}).values()):
        raise ShapeMismatch("groups, people and the flags of strata are one for each face.")
    if not len(people):
        raise UsageError("there are no faces to measure.")
    found, true = _numbered(groups), _numbered(people)
    measure = _Measurer(found, true, resamples, seed)
    chosen = {name: np.array(flags, bool) for name, flags in (strata or {}).items()}
    return ClusteringReport(
        measure(np.ones(len(true), bool)), {name: measure(flags) for name, flags in chosen.items() if flags.any()}
    )


def _numbered(names: Sequence[Hashable]) -> Rows:
    numbers: dict[Hashable, int] = {}
    return np.array([numbers.setdefault(name, len(numbers)) for name in names], np.intp)


class _Measurer:
    """Measures subsets of faces whose groups and people are known."""

    def __init__(self, found: Rows, true: Rows, resamples: int, seed: int) -> None:
        self._found, self._true, self._resamples, self._seed = found, true, resamples, seed
        cells, self._cell = np.unique(np.stack([found, true], axis=1), axis=0, return_inverse=True)
        shared = np.bincount(self._cell)
        best = np.zeros(found.max() + 1, np.intp)
        np.maximum.at(best, cells[:, 0], shared)
        self._in_group, self._in_person = np.bincount(found)[found], np.bincount(true)[true]
        self._shared = shared[self._cell]
        # What the measures are means over: all faces, those that were put together with others, those that should be.
        self._trials = ((self._in_group, 0), (self._in_group, 1), (self._in_person, 1))
        # The first of the persons whom a group has most of: of two equal ones only one is what the group is.
        leading = np.full(found.max() + 1, -1, np.intp)
        for place in np.flatnonzero(shared == best[cells[:, 0]])[::-1].tolist():
            leading[cells[place, 0]] = cells[place, 1]
        self._leads = leading[found] == true

    def __call__(self, chosen: NDArray[np.bool_]) -> Measures:
        people, index = np.unique(self._true[chosen], return_inverse=True)
        values = self._values(chosen, np.ones(int(chosen.sum())))
        draw = np.random.default_rng(self._seed)
        drawn = []
        for _ in range(self._resamples):
            count = np.bincount(draw.integers(len(people), size=len(people)), minlength=len(people))
            drawn.append(self._values(chosen, count[index].astype(np.float64)))
        ends = np.full((2, len(MEASURES)), np.nan)
        table = np.array(drawn).reshape(-1, len(MEASURES))
        for column in range(len(MEASURES)):
            known = table[~np.isnan(table[:, column]), column]
            if len(known):
                ends[:, column] = np.quantile(known, ENDS)
        # Of all but the last, which is no rate: where no person differs, a bootstrap would promise certainty.
        faces, put, due = (int((counts[chosen] > least).sum()) for counts, least in self._trials)
        for column, trials in enumerate((faces, faces, faces, put, due, min(put, due), faces)):
            if not np.isnan(values[column]):
                ends[:, column] = widen((ends[0, column], ends[1, column]), min(values[column], 1.0), trials)
        return Measures(
            int(chosen.sum()),
            len(people),
            len(np.unique(self._found[chosen])),
            dict(zip(MEASURES, values, strict=True)),
            {name: (low, high) for name, (low, high) in zip(MEASURES, ends.T.tolist(), strict=True)},
        )

    def _values(self, chosen: NDArray[np.bool_], weight: Doubles) -> list[float]:
        """The measures of faces that count `weight` times."""
        shared, group, person = (array[chosen] for array in (self._shared, self._in_group, self._in_person))
        total = weight.sum()
        precision, recall = float(weight @ (shared / group) / total), float(weight @ (shared / person) / total)
        # Each face stands for its pairs with the others of its group, and with those of its person.
        right = float(weight @ (shared - 1))
        pair_precision, pair_recall = (
            _ratio(right, float(weight @ (group - 1))),
            _ratio(right, float(weight @ (person - 1))),
        )
        return [
            precision,
            recall,
            _harmonic(precision, recall),
            pair_precision,
            pair_recall,
            _harmonic(pair_precision, pair_recall),
            float(weight @ self._leads[chosen] / total),
            _nmi(self._found[chosen], self._true[chosen], self._cell[chosen], weight),
        ]


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole > 0 else np.nan


def _harmonic(one: float, two: float) -> float:
    return 2 * one * two / (one + two) if one + two > 0 else (0.0 if one + two == 0 else np.nan)


def _nmi(found: Rows, true: Rows, cell: Rows, weight: Doubles) -> float:
    one, two, both = (_entropy(labels, weight) for labels in (found, true, cell))
    mean = (one + two) / 2
    return float((one + two - both) / mean) if mean > 0 else 1.0


def _entropy(labels: Rows, weight: Doubles) -> float:
    parts = np.bincount(labels, weights=weight)
    parts = parts[parts > 0] / weight.sum()
    return float(-(parts @ np.log(parts)))


def evaluate_clustering(
    folder: str | os.PathLike[str],
    *,
    strangers: str | os.PathLike[str] | None = None,
    far: float | None = None,
    far_many: float | None = None,
    ages: Range | None = None,
    engine: Engine | None = None,
) -> ClusteringReport:
    """Group the largest faces of labelled pictures as a gallery would, and measure the groups.

    Parameters
    ----------
    folder : path
        One folder of pictures per person.
    strangers : path, optional
        A folder of pictures of people who are in no other one: one picture of each.
    far, far_many : float, optional
        See `mien.gallery.groups.thresholds.rates_for`.
    ages : (low, high), optional
        How old all people are known to be; else it is estimated.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Returns
    -------
    ClusteringReport
        By stratum: the people (of `folder`) and the strangers; adults, minors, and children under 8 by the middle of
        the years that they may have.

    Raises
    ------
    SourceError
        If there are no pictures.
    UsageError
        If `far` is no rate, or `ages` are no years.
    NotCalibrated
        If there is no calibration of the embedding space.
    """
    check_options(FAR if far is None else far, None, ages)
    engine = engine or default_engine()
    known = sorted(file for file in Path(folder).glob("*/*") if is_picture(file))
    others = sorted(file for file in Path(strangers).rglob("*") if is_picture(file)) if strangers is not None else []
    if not known or (strangers is not None and not others):
        raise SourceError(f"{folder if not known else strangers}: no pictures to group.")
    samples: list[Sample] = []
    rows: list[NDArray[np.float32]] = []
    people: list[str] = []
    stranger: list[bool] = []
    space = ""
    for place, file in enumerate([*known, *others]):
        origin, source = Origin.of(file)
        faces = describe(source, engine).top(1)
        if not len(faces) or bool(faces[0].embedding.abstained):
            continue
        seen = sightings(faces, origin)[0]
        space = faces[0].embedding.space
        samples.append(replace(seen.sample, id=len(samples) + 1, ages=ages or seen.sample.ages))
        rows.append(seen.vector)
        stranger.append(place >= len(known))
        people.append(str(file) if stranger[-1] else file.parent.name)
    if not samples:
        raise SourceError(f"{folder}: no face in any of {len(known) + len(others)} pictures.")
    vectors = np.stack(rows)
    far, far_many = rates_for(len(samples), far, far_many)
    thresholds = Thresholds.of(samples, load_calibration(space, licenses=engine.licenses), far=far, far_many=far_many)
    proposal = propose(samples, vectors, nearest(vectors, NEIGHBOURS), thresholds)
    middle = [sum(sample.ages) / 2 if sample.ages else None for sample in samples]
    strata: dict[str, Sequence[bool]] = {
        "people": [not one for one in stranger],
        "strangers": stranger,
    }
    strata |= {name: [age is not None and low <= age < high for age in middle] for name, (low, high) in AGES.items()}
    report = measure_groups(proposal.labels.tolist(), people, strata=strata)
    return ClusteringReport(report.everything, report.strata, len(known) + len(others) - len(samples))
