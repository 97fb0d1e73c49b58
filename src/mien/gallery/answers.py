"""Who is this: the nearest people of a gallery, and from which score on one of them is meant.

A threshold for a comparison of two faces says little about a search: who compares one face with 10,000 finds a
hundred strangers at a false accept rate of 1 %. A search therefore asks for a *false positive identification rate*
(FPIR): the chance that somebody who is not in the gallery gets any hit in it. It is shared out over all comparisons,
so that the threshold rises as the gallery grows; and each comparison is judged by the strata that its own two faces
may belong to, since what is enough for two adults is not for two infants.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NotCalibrated
from mien.embeddings.calibration import ANY, Calibration, Traits
from mien.gallery.records import ANYBODY, ANYTHING, Person, Sample, Where
from mien.gallery.store import Store

__all__ = [
    "Bar",
    "Bars",
    "Found",
    "Hit",
    "OwnBar",
    "answer",
    "far_per_comparison",
    "nearest_people",
    "traits_of_sample",
]

Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]

FIRST_FETCH = 32  # samples looked at for the nearest people; more where a few people have many


@dataclass(frozen=True)
class Bar:
    """The score from which on a hit counts, and what it is worth.

    Parameters
    ----------
    threshold : float or None
        None where no calibration carries the rate.
    reason : str
        Why there is none; "" otherwise.
    fpir, far : float or None
        The rates that it holds: of a whole search, and of one comparison.
    compared : int
        Samples in the gallery.
    extrapolated : bool
        Whether the rate is lower than could be counted, and comes from the fitted tail.
    calibration : str or None
        Name of the table.
    strata : tuple of str
        The kinds of pairs that the two faces may be.
    """

    threshold: float | None
    reason: str = ""
    fpir: float | None = None
    far: float | None = None
    compared: int = 0
    extrapolated: bool = False
    calibration: str | None = None
    strata: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        values = asdict(self) | {"strata": list(self.strata)}
        values["refusal"] = values.pop("reason")
        return values


@dataclass(frozen=True)
class Hit:
    """Somebody who may be meant.

    Parameters
    ----------
    person : Person or None
        None: a face that belongs to nobody yet.
    sample : Sample
        The nearest of the person's samples that reaches its threshold; the nearest, where none does. They differ where
        a picture of somebody's childhood is nearer than one of today, since more is asked of children.
    score : float
        Its cosine to the probe.
    bar : Bar
        The threshold of this comparison, and what it is worth.
    """

    person: Person | None
    sample: Sample
    score: float
    bar: Bar

    @property
    def passes(self) -> bool:
        """Whether the score reaches the threshold."""
        return self.bar.threshold is not None and self.score >= self.bar.threshold

    @property
    def who(self) -> str:
        """The person's name or id; of a face that is nobody's its own."""
        return str(self.person) if self.person else f"face {self.sample.face} (nobody's yet)"

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        person = {"id": self.person.id, "name": self.person.name} if self.person else None
        sample = {"id": self.sample.id, "face": self.sample.face, "source": self.sample.source}
        return {"person": person, "score": round(self.score, 5), **self.bar.to_dict(), "sample": sample}


@dataclass(frozen=True)
class Found:
    """The answer for one face. It is true where somebody of the gallery was recognised.

    Parameters
    ----------
    person : Person or None
        Who it is; None: unknown.
    reason : str
        Why, in one sentence.
    hits : tuple of Hit
        The nearest people, whether they count or not.
    box : (x1, y1, x2, y2) or None
        The face in its picture.
    """

    person: Person | None
    reason: str
    hits: tuple[Hit, ...] = ()
    box: Box | None = None

    def __bool__(self) -> bool:
        return self.person is not None

    @property
    def threshold(self) -> float | None:
        """The threshold of the best hit; None where there is no hit, or no threshold is known."""
        return self.hits[0].bar.threshold if self.hits else None

    def __str__(self) -> str:
        return f"{self.person or 'unknown'}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "person": {"id": self.person.id, "name": self.person.name} if self.person else None,
            "reason": self.reason,
            "box": list(self.box) if self.box else None,
            "hits": [hit.to_dict() for hit in self.hits],
        }


def far_per_comparison(fpir: float, compared: int) -> float:
    """The false accept rate of each of `compared` independent comparisons of which any errs with chance `fpir`.

    Comparisons with one probe are not independent; for any dependence this errs to the safe side (up to the difference
    from Bonferroni's bound, less than `fpir` squared).
    """
    return -math.expm1(math.log1p(-fpir) / max(compared, 1))


class Bars:
    """The thresholds of one search: one for each kind of pair.

    Parameters
    ----------
    calibration : Calibration or None
    fpir : float
        The rate that all comparisons together are to hold.
    compared : int
        How many there are.
    """

    def __init__(self, calibration: Calibration | None, fpir: float, compared: int) -> None:
        self._calibration = calibration
        self._known: dict[str, Any] = {
            "fpir": fpir,
            "far": far_per_comparison(fpir, compared),
            "compared": compared,
            "calibration": calibration.name if calibration else None,
        }
        self._made: dict[tuple[str, ...], Bar] = {}

    def of(self, probe: Traits, sample: Sample) -> Bar:
        """The threshold of a comparison with a sample, for a probe of which this is known."""
        if self._calibration is None:
            return Bar(
                None, "these vectors have no calibration: give a threshold, or calibrate the gallery", **self._known
            )
        try:
            strata = self._calibration.strata_of(probe, traits_of_sample(sample))
            if strata not in self._made:
                threshold, extrapolated = self._calibration.threshold(self._known["far"], strata)
                self._made[strata] = Bar(threshold, strata=strata, extrapolated=extrapolated, **self._known)
        except NotCalibrated as error:
            return Bar(None, str(error).rstrip("."), **self._known)
        return self._made[strata]


class OwnBar:
    """A threshold of the caller's own, the same for all comparisons."""

    def __init__(self, threshold: float, compared: int) -> None:
        self._bar = Bar(threshold, compared=compared)

    def of(self, probe: Traits, sample: Sample) -> Bar:  # noqa: ARG002 - as `Bars`
        """The threshold."""
        return self._bar


def traits_of_sample(sample: Sample) -> Traits:
    """What is known of a face that is kept, for choosing strata."""
    size = (sample.box[3] - sample.box[1],) * 2 if sample.box else ANY.size
    quality = ANY.quality if sample.quality is None else (sample.quality, sample.quality)
    return Traits(sample.ages or ANY.ages, size, quality)


def answer(hits: Sequence[Hit], box: Box | None) -> Found:
    """Who is meant, if anybody: the first hit whose score reaches its threshold."""
    if not hits:
        return Found(None, "there is nobody to compare with.", (), box)
    best = next((hit for hit in hits if hit.passes), None)
    if best is not None:
        whose = "" if best.person else f"nobody's yet, but like {best.who}: "
        return Found(
            best.person, f"{whose}the score {best.score:.3f} reaches {best.bar.threshold:.3f}.", tuple(hits), box
        )
    first = hits[0]
    why = (
        f"below {first.bar.threshold:.3f}."
        if first.bar.threshold is not None
        else f"but no threshold is known: {first.bar.reason}."
    )
    return Found(None, f"nearest is {first.who} with {first.score:.3f}, {why}", tuple(hits), box)


def nearest_people(
    store: Store,
    queries: Floats,
    traits: Sequence[Traits],
    k: int,
    bars: Bars | OwnBar,
    *,
    where: Where = ANYTHING,
    exact: bool = False,
) -> list[list[Hit]]:
    """The `k` nearest people of each query, nearest first; of each the nearest sample that counts, or the nearest.

    Parameters
    ----------
    store : Store
    queries : (Q, D) float32
        Of length 1; rows of NaN get no hits.
    traits : sequence of Traits
        What is known of each query's face.
    k : int
        Faces that belong to nobody count as somebody each.
    bars : Bars or OwnBar
        Judges each comparison.
    where, exact
        See `Store.search`.
    """
    usable = np.flatnonzero(~np.isnan(queries).any(axis=1))
    results: list[list[Hit]] = [[] for _ in range(len(queries))]
    total = store.counts().vectors
    fetch = min(total, max(FIRST_FETCH, 4 * k))
    # Of a million faces, a list of those that are somebody's takes a second: at first they are sorted out here.
    owned = where.people == ANYBODY
    wanted = replace(where, people=None) if owned else where
    while fetch and len(usable):
        ids, scores = store.search(queries[usable], fetch, where=wanted, exact=exact)
        # A record may be gone meanwhile, where somebody deletes while we search.
        records, people = _records(store, np.unique(ids[ids >= 0]).tolist())
        for row, found, values in zip(usable.tolist(), ids, scores, strict=True):
            near = [
                (records[one], score)
                for one, score in zip(found.tolist(), values.tolist(), strict=True)
                if one in records and (records[one].person is not None or not owned)
            ]
            results[row] = _group(near, traits[row], people, k, bars)
        exhausted = (ids < 0).any(axis=1)
        short = np.array([len(results[row]) < k for row in usable]) & ~exhausted
        if not short.any() or fetch == total:
            break
        usable, fetch, wanted = usable[short], min(total, 4 * fetch), where
    return results


def _records(store: Store, ids: list[int]) -> tuple[dict[int, Sample], dict[str, Person]]:
    if not ids:
        return {}, {}
    samples = {sample.id: sample for sample in store.samples(Where(ids=ids))}
    owners = sorted({sample.person for sample in samples.values() if sample.person})
    return samples, {person.id: person for person in store.people(owners)} if owners else {}


def _group(
    near: Sequence[tuple[Sample, float]], probe: Traits, people: Mapping[str, Person], k: int, bars: Bars | OwnBar
) -> list[Hit]:
    """One hit for each of the `k` nearest people, from samples with their scores, nearest first."""
    best: dict[str | int, Hit] = {}
    for sample, score in near:
        key = sample.person or sample.id
        known = best.get(key)
        if (known is None and len(best) == k) or (known is not None and known.passes):
            continue
        hit = Hit(people.get(sample.person or ""), sample, score, bars.of(probe, sample))
        if known is None or hit.passes:
            best[key] = hit
    return list(best.values())
