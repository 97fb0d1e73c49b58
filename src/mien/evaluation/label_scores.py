"""Label maps held against label maps: IoU, F1, boundaries, rare classes apart, with intervals.

Pixels of all pictures are counted together, class against class, and scores are taken of the sums: that of a class does
not depend on how its pixels lie in pictures. A class that no map has is given no score, neither 0 nor 1. Intervals
are over pictures.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, UsageError
from mien.core.parts import LONG_TAIL
from mien.evaluation.intervals import ENDS, Interval

__all__ = ["TOLERANCE", "ClassRow", "Counts", "ParsingReport", "Score", "compare_labels", "summarize"]

Doubles = NDArray[np.float64]
Whole = NDArray[np.int64]
Labels = NDArray[np.uint8]
Measured: TypeAlias = tuple[Doubles, Doubles]  # what is, and 1,000 draws of it

TOLERANCE = 0.0075  # of a map's diagonal: how far a boundary may be off (Csurka et al., see `compare_labels`)
REPEATS, AT_ONCE = 1000, 100  # draws of an interval


@dataclass(frozen=True, eq=False)
class Counts:
    """What was counted in one picture.

    Parameters
    ----------
    pixels : (K, K) int64
        Pixels by their class in the map (rows) and the one that was found.
    edges : (K, 4) int64
        Of each class's boundary: pixels found, how many of them are near the map's; the map's, and how many of them are
        near those found.
    """

    pixels: Whole
    edges: Whole


def compare_labels(truth: Labels, found: Labels, classes: int, *, tolerance: float = TOLERANCE) -> Counts:
    """Hold the classes of pixels against a map.

    Parameters
    ----------
    truth, found : (H, W) uint8
        Below `classes`.
    classes : int
        Their number K.
    tolerance : float
        How far a boundary may be off, in parts of the diagonal: the measure of Csurka, Larlus & Perronnin, *What is a
        good evaluation measure for semantic segmentation?*, BMVC 2013, and its 0.75 %, which is 5.4 of 512 pixels.
        (There scores of pictures are averaged; here pixels are summed.)

    Raises
    ------
    ShapeMismatch
        If both are not of one size, or a label is `classes` or more.
    """
    if truth.shape != found.shape or truth.ndim != 2:
        raise ShapeMismatch(f"labels are (H, W) of one size, not {truth.shape} and {found.shape}.")
    codes = truth.astype(np.int64) * classes + found
    if truth.size and max(int(truth.max()), int(found.max())) >= classes:
        raise ShapeMismatch(f"labels are below {classes}.")
    pixels = np.bincount(codes.ravel(), minlength=classes * classes).reshape(classes, classes)
    near = tolerance * float(np.hypot(*truth.shape))
    edges = np.zeros((classes, 4), np.int64)
    for place in range(classes):
        if pixels[place].any() or pixels[:, place].any():
            edges[place] = _near(found == place, truth == place, near)
    return Counts(pixels, edges)


def _near(found: NDArray[np.bool_], truth: NDArray[np.bool_], near: float) -> tuple[int, int, int, int]:
    import cv2

    rows, columns = (np.nonzero((found | truth).any(axis=axis))[0] for axis in (1, 0))
    margin = 2  # boundaries lie on the inside, so nothing beyond is asked
    box = tuple(slice(max(int(part[0]) - margin, 0), int(part[-1]) + 1 + margin) for part in (rows, columns))
    lines = [_boundary(part[box]) for part in (found, truth)]
    counts = [int(line.sum()) for line in lines]
    if not all(counts):
        return counts[0], 0, counts[1], 0
    away = [cv2.distanceTransform((~line).view(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE) for line in lines]
    return counts[0], int((away[1][lines[0]] <= near).sum()), counts[1], int((away[0][lines[1]] <= near).sum())


def _boundary(inside: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels with a neighbour outside of it; the picture's border is no boundary."""
    padded = np.pad(inside, 1, mode="edge")
    kept = padded[:-2, 1:-1] & padded[2:, 1:-1] & padded[1:-1, :-2] & padded[1:-1, 2:]
    return np.asarray(inside & ~kept)


# -- scores --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Score:
    """A number and its 95 % interval over pictures; NaN where there is none."""

    value: float
    interval: Interval


@dataclass(frozen=True)
class ClassRow:
    """One class.

    Parameters
    ----------
    name : str
    pictures : int
        Maps that have it.
    share : float
        Of all pixels of the maps.
    iou, f1, boundary : Score
        Intersection over union, F1 (Dice), and F1 of the boundary; NaN of a class that no map has.
    long_tail : bool
        One of those that few pictures have (`mien.core.parts.LONG_TAIL`).
    """

    name: str
    pictures: int
    share: float
    iou: Score
    f1: Score
    boundary: Score
    long_tail: bool


@dataclass(frozen=True)
class ParsingReport:
    """The result of an evaluation.

    Parameters
    ----------
    pictures, missed : int
        Missed are those in which the detector did not find the labelled face: all of such a picture is taken to have
        been called background.
    rows : tuple of ClassRow
    means : mapping of str to Score
        "accuracy" of pixels; "f1", "iou" and "boundary", means over the classes without the background; "iou_all", with
        it; "f1_head" and "f1_tail", without and of the classes of the long tail; "f1_known", without `unknown`. All are
        over the classes that some map has.
    without_missed : mapping of str to Score
        The same of the pictures whose face was found.
    unknown : tuple of str
        Classes of the maps that the model cannot give; they count, with 0.
    """

    pictures: int
    missed: int
    rows: tuple[ClassRow, ...]
    means: Mapping[str, Score]
    without_missed: Mapping[str, Score]
    unknown: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def summarize(
    parts: Sequence[Counts],
    classes: Sequence[str],
    *,
    missed: Sequence[bool] | None = None,
    unknown: Sequence[str] = (),
) -> ParsingReport:
    """Scores of what was counted.

    Parameters
    ----------
    parts : sequence of Counts
        One for each picture.
    classes : sequence of K str
        The first is the background.
    missed : sequence of bool, optional
        Whether the face of each picture was missed; by default none was.
    unknown : sequence of str
        See `ParsingReport`.

    Raises
    ------
    UsageError
        If there is nothing.
    """
    if not parts:
        raise UsageError("there is no picture to evaluate.")
    lost = np.zeros(len(parts), np.bool_) if missed is None else np.asarray(missed, np.bool_)
    pixels = np.stack([part.pixels for part in parts]).astype(np.float64)
    edges = np.stack([part.edges for part in parts]).astype(np.float64)
    total = pixels.sum(axis=0)
    measured = _measure(pixels, edges)
    by_class = {
        kind: [_score(value, draws) for value, draws in zip(measured[kind][0], measured[kind][1].T, strict=True)]
        for kind in ("iou", "f1", "boundary")
    }
    rows = tuple(
        ClassRow(
            name=name,
            pictures=int((pixels[:, place].sum(axis=1) > 0).sum()),
            share=float(total[place].sum() / total.sum()),
            iou=by_class["iou"][place],
            f1=by_class["f1"][place],
            boundary=by_class["boundary"][place],
            long_tail=name in LONG_TAIL,
        )
        for place, name in enumerate(classes)
    )
    seen = measured if not lost.any() else _measure(pixels[~lost], edges[~lost])
    return ParsingReport(
        pictures=len(parts),
        missed=int(lost.sum()),
        rows=rows,
        means=_means(measured, classes, unknown),
        without_missed=_means(seen, classes, unknown),
        unknown=tuple(unknown),
    )


def _means(measured: Mapping[str, Measured], classes: Sequence[str], unknown: Sequence[str]) -> dict[str, Score]:
    tail = np.isin(classes, LONG_TAIL)
    front = np.arange(len(classes)) > 0
    wanted = {
        "f1": ("f1", front),
        "iou": ("iou", front),
        "iou_all": ("iou", front | True),
        "boundary": ("boundary", front),
        "f1_head": ("f1", front & ~tail),
        "f1_tail": ("f1", tail),
        "f1_known": ("f1", front & ~np.isin(classes, unknown)),
    }
    means = {"accuracy": _score(*measured["accuracy"])}
    for name, (kind, taken) in wanted.items():
        means[name] = _score(*(_nanmean(values[..., taken]) for values in measured[kind]))
    return means


def _per_class(pixels: Doubles, edges: Doubles) -> dict[str, Doubles]:
    """Scores (..., K) of summed counts (..., K, K) and (..., K, 4); accuracy (...)."""
    both = np.diagonal(pixels, axis1=-2, axis2=-1)
    truth, found = pixels.sum(axis=-1), pixels.sum(axis=-2)
    absent = truth == 0
    precision, recall = _ratio(edges[..., 1], edges[..., 0]), _ratio(edges[..., 3], edges[..., 2])
    scores = {
        "iou": _ratio(both, truth + found - both),
        "f1": _ratio(2 * both, truth + found),
        # Of a class that fills its maps there is no boundary.
        "boundary": np.where(edges[..., 2] > 0, _ratio(2 * precision * recall, precision + recall), np.nan),
    }
    scores = {name: np.where(absent, np.nan, values) for name, values in scores.items()}
    everything = truth.sum(axis=-1)
    return {**scores, "accuracy": np.where(everything > 0, _ratio(both.sum(axis=-1), everything), np.nan)}


def _measure(pixels: Doubles, edges: Doubles) -> dict[str, Measured]:
    """Scores of all pictures, and of pictures drawn with replacement, as often as there are pictures.

    As `mien.evaluation.intervals.bootstrap`, for many numbers at once.
    """
    count, draws = len(pixels), []
    generator = np.random.default_rng(0)
    for _ in range(REPEATS // AT_ONCE if count else 0):
        drawn = [np.bincount(generator.integers(count, size=count), minlength=count) for _ in range(AT_ONCE)]
        sums = [np.tensordot(np.stack(drawn).astype(np.float64), part, 1) for part in (pixels, edges)]
        draws.append(_per_class(*sums))
    scores = _per_class(pixels.sum(axis=0), edges.sum(axis=0))
    return {
        name: (value, np.concatenate([draw[name] for draw in draws] or [value[None]])) for name, value in scores.items()
    }


def _ratio(part: Doubles, whole: Doubles) -> Doubles:
    """A part of a whole; 0 of nothing."""
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))


def _nanmean(values: Doubles) -> Doubles:
    known = ~np.isnan(values)
    counts = known.sum(axis=-1)
    sums = np.where(known, values, 0).sum(axis=-1)
    return np.asarray(np.divide(sums, counts, out=np.full(sums.shape, np.nan), where=counts > 0))


def _score(value: Any, draws: Doubles) -> Score:
    known = draws[~np.isnan(draws)]
    if np.isnan(value) or not len(known):
        return Score(float("nan"), (float("nan"), float("nan")))
    low, high = np.quantile(known, ENDS).tolist()
    return Score(float(value), (low, high))
