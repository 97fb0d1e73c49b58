"""Who is this: the nearest people of a gallery, and from which score on one of them is meant.

A threshold for a comparison of two faces says little about a search: who compares one face with 10,000 finds a
hundred strangers at a false accept rate of 1 %. A search therefore asks for a *false positive identification rate*
(FPIR): the chance that somebody who is not in the gallery gets any hit in it. It is shared out over all comparisons,
so that the threshold rises as the gallery grows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NotCalibrated
from mien.embeddings.calibration import Calibration, Traits
from mien.gallery.records import ANYTHING, Person, Sample, Where
from mien.gallery.store import Store

__all__ = ["Bar", "Found", "Hit", "answer", "bar", "far_per_comparison", "nearest_people"]

Floats = NDArray[np.float32]
Box = tuple[float, float, float, float]

FIRST_FETCH = 32  # samples looked at for the nearest people; more where a few people have many


@dataclass(frozen=True)
class Hit:
    """Somebody who may be meant.

    Parameters
    ----------
    person : Person or None
        None: a face that belongs to nobody yet.
    sample : Sample
        The nearest of the person's samples.
    score : float
        Its cosine to the probe (or what the search made of it, where it was asked to do more).
    """

    person: Person | None
    sample: Sample
    score: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        person = {"id": self.person.id, "name": self.person.name} if self.person else None
        sample = {"id": self.sample.id, "face": self.sample.face, "source": self.sample.source}
        return {"person": person, "score": round(self.score, 5), "sample": sample}


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
        The kinds of pairs that the face may make with those of the gallery.
    """

    threshold: float | None
    reason: str = ""
    fpir: float | None = None
    far: float | None = None
    compared: int = 0
    extrapolated: bool = False
    calibration: str | None = None
    strata: tuple[str, ...] = ()


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
    bar : Bar
        The threshold, and what it is worth.
    box : (x1, y1, x2, y2) or None
        The face in its picture.
    """

    person: Person | None
    reason: str
    hits: tuple[Hit, ...]
    bar: Bar
    box: Box | None = None

    def __bool__(self) -> bool:
        return self.person is not None

    def __str__(self) -> str:
        return f"{self.person or 'unknown'}: {self.reason}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return {
            "person": {"id": self.person.id, "name": self.person.name} if self.person else None,
            "reason": self.reason,
            "box": list(self.box) if self.box else None,
            "threshold": self.bar.threshold,
            "fpir": self.bar.fpir,
            "far": self.bar.far,
            "compared": self.bar.compared,
            "extrapolated": self.bar.extrapolated,
            "calibration": self.bar.calibration,
            "strata": list(self.bar.strata),
            "hits": [hit.to_dict() for hit in self.hits],
        }


def far_per_comparison(fpir: float, compared: int) -> float:
    """The false accept rate of each of `compared` independent comparisons of which any errs with chance `fpir`.

    Comparisons with one probe are not independent; for any dependence this errs to the safe side (up to the difference
    from Bonferroni's bound, less than `fpir` squared).
    """
    return -math.expm1(math.log1p(-fpir) / max(compared, 1))


def bar(calibration: Calibration | None, fpir: float, compared: int, traits: Traits) -> Bar:
    """The threshold of a search for a face of which `traits` are known."""
    known: dict[str, Any] = {"fpir": fpir, "far": far_per_comparison(fpir, compared), "compared": compared}
    if calibration is None:
        return Bar(
            None, "there is no calibration for these vectors: give a threshold, or calibrate the gallery", **known
        )
    known["calibration"] = calibration.name
    try:
        strata = calibration.strata_of(traits)
        threshold, extrapolated = calibration.threshold(known["far"], strata)
    except NotCalibrated as error:
        return Bar(None, str(error).rstrip("."), **known)
    return Bar(threshold, strata=strata, extrapolated=extrapolated, **known)


def answer(hits: Sequence[Hit], limit: Bar, box: Box | None) -> Found:
    """Who is meant, if anybody."""
    if not hits:
        return Found(None, "there is nobody to compare with.", (), limit, box)
    best = hits[0]
    who = str(best.person) if best.person else f"face {best.sample.face or best.sample.id}, which is nobody's yet"
    if limit.threshold is None:
        reason = f"nearest is {who} with {best.score:.3f}, but no threshold is known: {limit.reason}."
        return Found(None, reason, tuple(hits), limit, box)
    if best.score < limit.threshold:
        reason = f"nearest is {who} with {best.score:.3f}, below {limit.threshold:.3f}."
        return Found(None, reason, tuple(hits), limit, box)
    reason = f"{who} with {best.score:.3f}, which reaches {limit.threshold:.3f}."
    return Found(best.person, reason, tuple(hits), limit, box)


def nearest_people(
    store: Store, queries: Floats, k: int, *, where: Where = ANYTHING, exact: bool = False
) -> list[list[Hit]]:
    """The `k` nearest people of each query, nearest first; of each the nearest sample.

    Parameters
    ----------
    store : Store
    queries : (Q, D) float32
        Of length 1; rows of NaN get no hits.
    k : int
        Faces that belong to nobody count as somebody each.
    where, exact
        See `Store.search`.
    """
    usable = np.flatnonzero(~np.isnan(queries).any(axis=1))
    results: list[list[Hit]] = [[] for _ in range(len(queries))]
    total = store.counts().vectors
    fetch = min(total, max(FIRST_FETCH, 4 * k))
    while fetch and len(usable):
        ids, scores = store.search(queries[usable], fetch, where=where, exact=exact)
        records, people = _records(store, np.unique(ids[ids >= 0]).tolist())
        for row, found, values in zip(usable.tolist(), ids, scores, strict=True):
            results[row] = _group(found, values, records, people, k)
        exhausted = (ids < 0).any(axis=1)
        short = np.array([len(results[row]) < k for row in usable]) & ~exhausted
        if not short.any() or fetch == total:
            break
        usable, fetch = usable[short], min(total, 4 * fetch)
    return results


def _records(store: Store, ids: list[int]) -> tuple[dict[int, Sample], dict[str, Person]]:
    if not ids:
        return {}, {}
    samples = {sample.id: sample for sample in store.samples(Where(ids=ids))}
    owners = sorted({sample.person for sample in samples.values() if sample.person})
    return samples, {person.id: person for person in store.people(owners)} if owners else {}


def _group(
    ids: NDArray[np.int64], scores: Floats, samples: dict[int, Sample], people: dict[str, Person], k: int
) -> list[Hit]:
    best: dict[str | int, Hit] = {}
    for number, score in zip(ids.tolist(), scores.tolist(), strict=True):
        sample = samples.get(number)  # gone meanwhile, where somebody deletes while we search
        if sample is None:
            continue
        best.setdefault(sample.person or number, Hit(people.get(sample.person or ""), sample, score))
        if len(best) == k:
            break
    return list(best.values())
