"""How well events were found: matched one to one by their overlap in time, person by person.

Each true event belongs to a person of a clip. Ids of tracks are arbitrary, so each true person is first given the track
whose events overlap theirs best. Precision, recall and F1 then count events that overlap by an intersection over union
(IoU) of a threshold or more; average precision ranks them by score, as for temporal actions (Heilbron et al.,
*ActivityNet*, 2015) and for blinks (Zeng et al., *Real-time multi-person eyeblink detection in the wild*, 2023).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.clip import Event, Events
from mien.core.errors import UsageError
from mien.evaluation.intervals import Interval, bootstrap

__all__ = ["EventsReport", "average_precision", "evaluate_events", "match_events", "same_people", "temporal_iou"]

Doubles = NDArray[np.float64]
MOST_PAIRS = 50_000_000  # of a true and a found event of a clip that are compared: 7,000 of each
AP_THRESHOLDS = tuple(np.linspace(0.5, 0.95, 10).round(2).tolist())


@dataclass(frozen=True)
class EventsReport:
    """The result of an evaluation.

    Parameters
    ----------
    kind : str
        Of the events.
    iou : float
        From which two events match.
    clips, people : int
        What was looked at: clips, and in them people with true events.
    truth, found, matched : int
        Events. Found ones that are no true person's are in `found`.
    precision, recall, f1 : float
        NaN where there is nothing to count.
    f1_interval : (low, high)
        95 % over the people, each with their found events; a track that is nobody's is one more. With one person it is
        a point, and says nothing.
    onset_error, offset_error : float
        Mean absolute difference of starts and of ends of matched events, in seconds.
    onset_bias, offset_bias : float
        Mean of found minus true, in seconds: positive is late.
    average_precision : mapping of str to float
        At IoU 0.5, at 0.75, and the mean over 0.5 to 0.95.
    """

    kind: str
    iou: float
    clips: int
    people: int
    truth: int
    found: int
    matched: int
    precision: float
    recall: float
    f1: float
    f1_interval: Interval
    onset_error: float
    offset_error: float
    onset_bias: float
    offset_bias: float
    average_precision: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class _Person:
    """A true person's events and those found of them; one side is empty for people that only one side has."""

    clip: str
    truth: tuple[Event, ...]
    found: tuple[Event, ...]


def evaluate_events(
    truth: Mapping[str, Iterable[Event]],
    found: Mapping[str, Iterable[Event]],
    *,
    kind: str,
    iou: float = 0.5,
    seed: int = 0,
) -> EventsReport:
    """Measure found events against true ones.

    Parameters
    ----------
    truth, found : mapping of str to events
        By clip. A clip that was found nothing in may be missing from `found`, but not from `truth`.
    kind : str
        Which events count.
    iou : float
        From which two events match, above 0.
    seed : int
        Of the bootstrap over people.

    Raises
    ------
    UsageError
        If `found` has clips that `truth` lacks, or there is no clip, or more events in one than can be compared, or the
        threshold is none.
    """
    if not 0 < iou <= 1:
        raise UsageError(f"iou is above 0 and at most 1, not {iou:g}.")
    if unknown := sorted(set(found) - set(truth)):
        raise UsageError(f"nothing is known of the clip {unknown[0]!r}: there is truth of {', '.join(sorted(truth))}.")
    if not truth:
        raise UsageError("there is no clip to evaluate.")
    people: list[_Person] = []
    for clip, events in truth.items():
        people += _people(clip, Events(tuple(events)).of(kind=kind), Events(tuple(found.get(clip, ()))).of(kind=kind))
    pairs = [pair for person in people for pair in match_events(person.truth, person.found, iou=iou)]
    counts = np.array([_counts(person, iou) for person in people]).reshape(-1, 3)
    true, got, matched = counts.sum(axis=0)
    starts = np.array([b.start - a.start for a, b in pairs])
    ends = np.array([b.end - a.end for a, b in pairs])
    precisions = {level: average_precision([(p.truth, p.found) for p in people], iou=level) for level in AP_THRESHOLDS}
    return EventsReport(
        kind=kind,
        iou=iou,
        clips=len(truth),
        people=sum(bool(person.truth) for person in people),
        truth=int(true),
        found=int(got),
        matched=int(matched),
        precision=_ratio(matched, got),
        recall=_ratio(matched, true),
        f1=_ratio(2 * matched, true + got),
        f1_interval=bootstrap(_f1, list(counts), seed=seed),
        onset_error=_mean(np.abs(starts)),
        offset_error=_mean(np.abs(ends)),
        onset_bias=_mean(starts),
        offset_bias=_mean(ends),
        average_precision={
            "0.5": precisions[0.5],
            "0.75": precisions[0.75],
            "0.5:0.95": float(np.mean(list(precisions.values()))),
        },
    )


def temporal_iou(one: Sequence[Event], other: Sequence[Event]) -> Doubles:
    """Overlap in time of events, (N, M): the length of what both have over that of what either has.

    Two events without length that are at the same time overlap by 1.
    """
    a, b = (np.array([(e.start, e.end) for e in events], np.float64).reshape(-1, 2) for events in (one, other))
    both = np.minimum(a[:, None, 1], b[None, :, 1]) - np.maximum(a[:, None, 0], b[None, :, 0])
    either = np.maximum(a[:, None, 1], b[None, :, 1]) - np.minimum(a[:, None, 0], b[None, :, 0])
    overlaps = np.divide(both.clip(0), either, out=np.zeros_like(both), where=either > 0)
    overlaps[either == 0] = 1.0
    return np.asarray(overlaps)


def match_events(truth: Sequence[Event], found: Sequence[Event], *, iou: float) -> list[tuple[Event, Event]]:
    """Pairs of true and found events that overlap enough: as many as can be, and of those the best overlapping."""
    from scipy.optimize import linear_sum_assignment

    overlaps = temporal_iou(truth, found)
    # A pair more is worth more than any better overlap of the others.
    worth = np.where(overlaps >= iou, len(truth) + len(found) + overlaps, 0.0)
    rows, columns = linear_sum_assignment(worth, maximize=True)
    return [(truth[a], found[b]) for a, b in zip(rows, columns, strict=True) if overlaps[a, b] >= iou]


def same_people(truth: Sequence[Event], found: Sequence[Event]) -> dict[int, int]:
    """Which found track each true one is: the assignment whose events overlap most, all together.

    Returns
    -------
    dict of int to int
        True track to found track; those without any overlap are not in it.
    """
    from scipy.optimize import linear_sum_assignment

    one, other = (sorted({event.track_id for event in events}) for events in (truth, found))
    overlap = np.zeros((len(one), len(other)))
    places = np.ix_(*(np.searchsorted(ids, [e.track_id for e in es]) for ids, es in ((one, truth), (other, found))))
    np.add.at(overlap, places, temporal_iou(truth, found))
    rows, columns = linear_sum_assignment(overlap, maximize=True)
    return {one[a]: other[b] for a, b in zip(rows, columns, strict=True) if overlap[a, b] > 0}


def average_precision(people: Sequence[tuple[Sequence[Event], Sequence[Event]]], *, iou: float) -> float:
    """Area under precision over recall, of the found events of all people ranked by score.

    Parameters
    ----------
    people : sequence of (truth, found)
        Events of each person.
    iou : float
        From which a found event is right, if no better scored one has taken the same true event.

    Returns
    -------
    float
        In [0, 1]; NaN without true events. Precision is made to fall with recall first, as in the Pascal VOC challenge.
    """
    total = sum(len(truth) for truth, _ in people)
    if not total:
        return np.nan
    scores, right = [], []
    for truth, found in people:
        overlaps, free = temporal_iou(truth, found), np.ones(len(truth), dtype=bool)
        for column in np.argsort([-event.score for event in found], kind="stable"):
            rest = np.where(free, overlaps[:, column], -1.0)
            best = int(rest.argmax()) if len(rest) else -1
            hit = best >= 0 and rest[best] >= iou
            if hit:
                free[best] = False
            scores.append(found[column].score)
            right.append(hit)
    hits = np.cumsum(np.array(right, np.float64)[np.argsort(-np.array(scores), kind="stable")])
    precision = np.maximum.accumulate((hits / np.arange(1, len(hits) + 1))[::-1])[::-1]
    gained = np.diff(np.concatenate([[0.0], hits]))
    return float((precision * gained).sum() / total)


def _people(clip: str, truth: Events, found: Events) -> list[_Person]:
    """The people of a clip: true ones with what was found of them, then tracks that are nobody's."""
    if len(truth) * len(found) > MOST_PAIRS:
        raise UsageError(f"{clip or 'a clip'} has too many events: {len(truth)} true and {len(found)} found ones.")
    pairs = same_people(truth, found)
    ours, theirs = _by_track(truth), _by_track(found)
    people = [_Person(clip, ours[track], theirs[pairs[track]] if track in pairs else ()) for track in sorted(ours)]
    left = set(theirs) - set(pairs.values())
    return people + [_Person(clip, (), theirs[track]) for track in sorted(left)]


def _by_track(events: Events) -> dict[int, tuple[Event, ...]]:
    tracks: dict[int, list[Event]] = {}
    for event in events:
        tracks.setdefault(event.track_id, []).append(event)
    return {track: tuple(its) for track, its in tracks.items()}


def _counts(person: _Person, iou: float) -> tuple[int, int, int]:
    return len(person.truth), len(person.found), len(match_events(person.truth, person.found, iou=iou))


def _f1(counts: Sequence[NDArray[np.int_]]) -> float:
    true, got, matched = np.sum(counts, axis=0)
    return _ratio(2 * matched, true + got)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else np.nan


def _mean(values: Doubles) -> float:
    return float(values.mean()) if len(values) else np.nan
