"""How well faces are followed: found and missed, how often an id changes, how the boxes move.

Of each clip, counts are taken; the numbers are made of the counts of all clips together, and their intervals by
drawing *clips* with replacement. Of one clip there is no interval.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.boxes import iou
from mien.core.errors import UsageError
from mien.core.image import Image
from mien.datasets.readers.mot import TrackedBoxes
from mien.evaluation.intervals import Interval, bootstrap
from mien.location.assignment import assign

__all__ = ["ClipCounts", "TrackingReport", "count_clip", "evaluate_tracking", "pixel_motion_error"]

Doubles = NDArray[np.float64]

OVERLAP: Final = 0.5  # intersection over union from which a box is the face
_ALPHAS: Final = np.arange(0.05, 0.99, 0.05)  # overlaps that HOTA is averaged over


@dataclass
class ClipCounts:
    """What is counted in one clip; `+` joins clips.

    Attributes
    ----------
    frames, people : int
        In the ground truth.
    faces, boxes : int
        Of the ground truth that count, and found.
    hits : int
        Faces that were found.
    switches : int
        A person's id changed.
    fragments : int
        A person who was followed was lost, and found again.
    overlap : float
        Sum over hits.
    same : int
        Hits under the best one-to-one mapping of ids to people (Ristani et al., 2016).
    moves, move_error, center_error : int, float
        Hits in two frames on end; sum of how far their centres' motion, and of all hits their centres, are off, in px.
    detected, associated : (19,) arrays
        HOTA's true positives, and their association accuracies summed, by overlap.
    """

    frames: int = 0
    people: int = 0
    faces: int = 0
    boxes: int = 0
    hits: int = 0
    switches: int = 0
    fragments: int = 0
    overlap: float = 0.0
    same: int = 0
    moves: int = 0
    move_error: float = 0.0
    center_error: float = 0.0
    detected: Doubles = field(default_factory=lambda: np.zeros(len(_ALPHAS)))
    associated: Doubles = field(default_factory=lambda: np.zeros(len(_ALPHAS)))

    def __add__(self, other: ClipCounts) -> ClipCounts:
        return ClipCounts(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in fields(self)})

    @property
    def mota(self) -> float:
        """1 less the share of misses, false boxes and switches (Bernardin & Stiefelhagen, 2008): at most 1."""
        errors = (self.faces - self.hits) + (self.boxes - self.hits) + self.switches
        return 1 - errors / self.faces if self.faces else np.nan

    @property
    def motp(self) -> float:
        """Mean overlap of hits."""
        return self.overlap / self.hits if self.hits else np.nan

    @property
    def idf1(self) -> float:
        """Share of faces and boxes on which ids and people agree, each id being one person for the whole clip."""
        return 2 * self.same / (self.faces + self.boxes) if self.faces + self.boxes else np.nan

    @property
    def hota(self) -> float:
        """Geometric mean of detection and association accuracy, over overlaps (Luiten et al., 2021)."""
        found = self.detected / np.maximum(self.faces + self.boxes - self.detected, 1)
        same = self.associated / np.maximum(self.detected, 1)
        return float(np.sqrt(found * same).mean()) if self.faces + self.boxes else np.nan

    @property
    def recall(self) -> float:
        """Share of faces that were found."""
        return self.hits / self.faces if self.faces else np.nan

    @property
    def precision(self) -> float:
        """Share of boxes that are faces."""
        return self.hits / self.boxes if self.boxes else np.nan

    @property
    def center(self) -> float:
        """Mean distance of a hit's centre from the truth, in pixels."""
        return self.center_error / self.hits if self.hits else np.nan

    @property
    def motion(self) -> float:
        """Screen-space motion error: how far, in pixels a frame, centres move otherwise than the truth."""
        return self.move_error / self.moves if self.moves else np.nan


#: What is reported, each with an interval.
MEASURES: Final = ("mota", "idf1", "hota", "motp", "recall", "precision", "center", "motion")


@dataclass(frozen=True)
class TrackingReport:
    """The result of an evaluation.

    Parameters
    ----------
    clips : int
    counts : ClipCounts
        Of all clips together.
    values, intervals : mapping by name
        Of each of `MEASURES`; intervals are 95 % over clips, NaN of one clip.
    """

    clips: int
    counts: ClipCounts
    values: Mapping[str, float]
    intervals: Mapping[str, Interval]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; what is not known is None."""
        counts = {name: value for name, value in asdict(self.counts).items() if np.ndim(value) == 0}
        values = {
            name: {"value": _plain(self.values[name]), "interval": [_plain(end) for end in self.intervals[name]]}
            for name in MEASURES
        }
        return {"clips": self.clips, **counts, **values}


def _plain(value: float) -> float | None:
    return None if np.isnan(value) else float(value)


def evaluate_tracking(clips: Iterable[tuple[TrackedBoxes, TrackedBoxes]], *, seed: int = 0) -> TrackingReport:
    """Measure tracks against ground truth.

    Parameters
    ----------
    clips : iterable of (truth, found)
        Of each clip.
    seed : int
        Of the bootstrap over clips.

    Raises
    ------
    UsageError
        If there is no clip, or no face in any.
    """
    counts = [count_clip(truth, found) for truth, found in clips]
    total = sum(counts, ClipCounts())
    if not total.faces:
        raise UsageError("there is no face in the ground truth to be followed.")
    intervals = {}
    for name in MEASURES:

        def value(parts: Sequence[ClipCounts], name: str = name) -> float:
            return float(getattr(sum(parts, ClipCounts()), name))

        intervals[name] = bootstrap(value, counts, seed=seed) if len(counts) > 1 else (np.nan, np.nan)
    return TrackingReport(len(counts), total, {name: float(getattr(total, name)) for name in MEASURES}, intervals)


def count_clip(truth: TrackedBoxes, found: TrackedBoxes) -> ClipCounts:
    """Count in one clip what CLEAR MOT, IDF1, HOTA and the motion error are made of.

    A person keeps the id that was matched last as long as the boxes overlap by half; the rest is matched anew, frame
    by frame. Boxes on ignored faces of the ground truth count neither way.

    Parameters
    ----------
    truth, found : TrackedBoxes
    """
    frames = _frames(truth, found)
    people = {who: index for index, who in enumerate(sorted({w for f in frames for w in f.people.tolist()}))}
    tracks = {who: index for index, who in enumerate(sorted({w for f in frames for w in f.ids.tolist()}))}
    counts = ClipCounts(frames=len({*truth.frames.tolist()}), people=len(people))
    together = np.zeros((len(people), len(tracks)))
    last: dict[int, int] = {}
    history: defaultdict[int, list[bool]] = defaultdict(list)
    before: dict[int, tuple[int, NDArray[np.float32], NDArray[np.float32]]] = {}
    for frame in frames:
        counts.faces += len(frame.people)
        counts.boxes += len(frame.ids)
        for p, t in zip(*np.nonzero(frame.overlaps >= OVERLAP), strict=True):
            together[people[int(frame.people[p])], tracks[int(frame.ids[t])]] += 1
        pairs = _keep(frame, last)
        now = {}
        for p, t in pairs:
            who, track = int(frame.people[p]), int(frame.ids[t])
            counts.switches += last.get(who, track) != track
            last[who] = track
            counts.hits += 1
            counts.overlap += float(frame.overlaps[p, t])
            true, ours = frame.centers[p], frame.found_centers[t]
            counts.center_error += float(np.linalg.norm(true - ours))
            if who in before and before[who][0] == track:
                counts.moves += 1
                counts.move_error += float(np.linalg.norm((ours - before[who][2]) - (true - before[who][1])))
            now[who] = track, true, ours
        before = now
        for who in frame.people.tolist():
            history[who].append(who in now)
    counts.fragments = sum(_fragments(followed) for followed in history.values())
    counts.same = sum(int(together[p, t]) for p, t in assign(-together))
    _count_hota(frames, people, tracks, counts)
    return counts


@dataclass(frozen=True)
class _Frame:
    people: NDArray[np.intp]
    ids: NDArray[np.intp]
    overlaps: NDArray[np.float32]
    centers: NDArray[np.float32]
    found_centers: NDArray[np.float32]


def _frames(truth: TrackedBoxes, found: TrackedBoxes) -> list[_Frame]:
    """Each frame in which something is, without ignored faces and the boxes on them."""
    ignored = np.zeros(len(truth), bool) if truth.ignored is None else truth.ignored
    frames = []
    for index in sorted({*truth.frames.tolist(), *found.frames.tolist()}):
        ours, theirs = truth.frames == index, found.frames == index
        overlaps = iou(truth.boxes[ours], found.boxes[theirs])
        counted = ~ignored[ours]
        # Which face a box is on is asked of all faces: one on a face that counts is not taken away by another.
        on = {t: p for p, t in assign(np.where(overlaps >= OVERLAP, -overlaps, np.inf))}
        kept = np.array([counted[on[t]] if t in on else True for t in range(int(theirs.sum()))], bool)
        boxes, others = truth.boxes[ours][counted], found.boxes[theirs][kept]
        frames.append(
            _Frame(
                truth.ids[ours][counted],
                found.ids[theirs][kept],
                overlaps[counted][:, kept],
                (boxes[:, :2] + boxes[:, 2:]) / 2,
                (others[:, :2] + others[:, 2:]) / 2,
            )
        )
    return frames


def _keep(frame: _Frame, last: Mapping[int, int]) -> list[tuple[int, int]]:
    """Pairs of a face and a box of a frame: first those of the ids that the people had, then the best of the rest."""
    cost = np.where(frame.overlaps >= OVERLAP, 1.0 - frame.overlaps, np.inf)
    ids = frame.ids.tolist()
    kept: list[tuple[int, int]] = []
    for p, who in enumerate(frame.people.tolist()):
        if who in last and last[who] in ids:
            t = ids.index(last[who])
            if np.isfinite(cost[p, t]):
                kept.append((p, t))
                cost[p], cost[:, t] = np.inf, np.inf
    return kept + assign(cost)


def _fragments(followed: Sequence[bool]) -> int:
    """How often somebody was lost between the first and the last time of being followed."""
    there = np.flatnonzero(followed)
    if not len(there):
        return 0
    between = np.asarray(followed[there[0] : there[-1] + 1], int)
    return int((np.diff(between) == -1).sum())


def _count_hota(frames: Sequence[_Frame], people: Mapping[int, int], tracks: Mapping[int, int], c: ClipCounts) -> None:
    """True positives and association accuracies by overlap, as in the paper's section 4 and its reference code."""
    alike = np.zeros((len(people), len(tracks)))
    times, lengths = np.zeros(len(people)), np.zeros(len(tracks))
    places = []
    for frame in frames:
        p = np.array([people[who] for who in frame.people.tolist()], np.intp)
        t = np.array([tracks[who] for who in frame.ids.tolist()], np.intp)
        places.append((p, t))
        overlaps = frame.overlaps.astype(np.float64)
        either = overlaps.sum(axis=0) + overlaps.sum(axis=1)[:, None] - overlaps
        alike[np.ix_(p, t)] += np.divide(overlaps, either, out=np.zeros_like(overlaps), where=either > 1e-9)
        times[p] += 1
        lengths[t] += 1
    alike /= np.maximum(times[:, None] + lengths - alike, 1e-9)
    matches = np.zeros((len(_ALPHAS), len(people), len(tracks)))
    for frame, (p, t) in zip(frames, places, strict=True):
        for i, j in assign(-alike[np.ix_(p, t)] * frame.overlaps):
            matches[frame.overlaps[i, j] >= _ALPHAS - 1e-9, p[i], t[j]] += 1
    c.detected += matches.sum(axis=(1, 2))
    c.associated += (matches * matches / np.maximum(times[:, None] + lengths - matches, 1)).sum(axis=(1, 2))


def pixel_motion_error(frames: Iterable[tuple[int, Image]], tracks: TrackedBoxes) -> tuple[float, int]:
    """How far boxes move otherwise than the pixels inside them: a motion error without ground truth.

    After the screen-space motion error of Taubner et al. (*FlowFace*, 2024), with boxes for meshes: from one frame to
    the next, the centre of a box should go where dense optical flow (Kroeger et al., *DIS*, 2016) goes at the median
    of the box's inner half.

    Parameters
    ----------
    frames : iterable of (index, (H, W, 3) uint8)
        In order.
    tracks : TrackedBoxes

    Returns
    -------
    error : float
        Mean over all steps, in pixels a frame; NaN without any.
    steps : int
        How many there are.
    """
    import cv2

    flow = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
    errors: list[float] = []
    last: tuple[int, NDArray[Any], dict[int, NDArray[np.float32]]] | None = None
    for index, image in frames:
        grey: NDArray[Any] = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        rows = tracks.frames == index
        boxes = dict(zip(tracks.ids[rows].tolist(), tracks.boxes[rows], strict=True))
        if last is not None and last[0] == index - 1 and last[1].shape == grey.shape:
            both = [who for who in boxes if who in last[2]]
            moves = np.zeros((*grey.shape, 2), np.float32)
            if both:
                flow.calc(last[1], grey, moves)
            for who in both:
                old, new = last[2][who], boxes[who]
                inner = _inner_half(old, grey.shape)
                if not inner:
                    continue
                way = np.median(moves[inner].reshape(-1, 2), axis=0)
                errors.append(float(np.linalg.norm((new[:2] + new[2:] - old[:2] - old[2:]) / 2 - way)))
        last = index, grey, boxes
    return (float(np.mean(errors)) if errors else np.nan), len(errors)


def _inner_half(box: NDArray[np.float32], shape: tuple[int, ...]) -> tuple[slice, slice] | None:
    x1, y1, x2, y2 = box.astype(float)
    columns = slice(max(0, round(x1 + (x2 - x1) / 4)), min(shape[1], round(x2 - (x2 - x1) / 4)))
    rows = slice(max(0, round(y1 + (y2 - y1) / 4)), min(shape[0], round(y2 - (y2 - y1) / 4)))
    return (rows, columns) if rows.start < rows.stop and columns.start < columns.stop else None
