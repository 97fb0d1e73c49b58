"""How well faces are found: average precision, what is missed at which size, and what is no face at all.

The protocol is WIDER FACE's: a detection is right where it overlaps a face by half or more (intersection over union)
and no surer one does; faces that do not count (too small, marked as unclear) make neither a hit nor a mistake. Where
only noses are marked, a detection is right if a nose lies in its box. Intervals are over pictures.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.errors import UsageError
from mien.core.image import load_image
from mien.datasets.readers.boxes import BoxedPicture
from mien.datasets.readers.coco import read_json
from mien.datasets.readers.dlib_xml import read_dlib_xml
from mien.datasets.readers.wider import read_wider, with_levels
from mien.engine import Engine, default_engine
from mien.evaluation.intervals import Interval, bootstrap, wilson
from mien.evaluation.matching import Judged, average_precision, judge
from mien.media.scan import find_pictures

__all__ = [
    "DetectionReport",
    "SizeRow",
    "SubsetReport",
    "evaluate_detection",
    "read_boxes",
]

LEAST_SCORE = 0.05  # of detections that make the curve of precision and recall
SIZES = (("below 16", 0.0, 16.0), ("16 to 32", 16.0, 32.0), ("32 to 96", 32.0, 96.0), ("from 96", 96.0, np.inf))


@dataclass(frozen=True)
class SizeRow:
    """Faces of some heights in pixels: how many there are, how many were found, and the 95 % interval of that rate."""

    heights: str
    faces: int
    found: int
    interval: Interval


@dataclass(frozen=True)
class SubsetReport:
    """The result for the faces that one subset counts.

    Parameters
    ----------
    name : str
        "all", or "easy", "medium", "hard".
    faces : int
    ap, ap_interval
        Area under precision over recall, all points, of detections that score 0.05 or more.
    found, false : int
        Faces found and detections of no face, with the detector's own threshold or the one that was given.
    recall, recall_interval, precision
        The same as parts; precision is NaN where nothing was detected.
    sizes : tuple of SizeRow
        By height; none where noses are marked.
    """

    name: str
    faces: int
    ap: float
    ap_interval: Interval
    found: int
    false: int
    recall: float
    recall_interval: Interval
    precision: float
    sizes: tuple[SizeRow, ...]


@dataclass(frozen=True)
class DetectionReport:
    """The result of an evaluation; see `SubsetReport`.

    Parameters
    ----------
    pictures : int
    subsets : tuple of SubsetReport
    negatives, false_faces : int
        Pictures without any face, and what was taken for one in them.
    false_per_picture, false_interval
        The same as a mean; NaN without such pictures.
    """

    pictures: int
    subsets: tuple[SubsetReport, ...]
    negatives: int
    false_faces: int
    false_per_picture: float
    false_interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def read_boxes(
    source: str | os.PathLike[str],
    *,
    pictures: str | os.PathLike[str] | None = None,
    levels: str | os.PathLike[str] | None = None,
) -> list[BoxedPicture]:
    """Read annotations by the file's kind: WIDER's ``.txt``, COCO's or noses' ``.json``, imglab's ``.xml``.

    Parameters
    ----------
    source : path
    pictures : path, optional
        The folder that the pictures are in, for ``.txt`` and ``.json``.
    levels : path, optional
        Folder of WIDER's ``wider_easy_val.mat`` and so on, for ``.txt``.

    Raises
    ------
    UsageError
        If the file is of another kind, or lists no picture.
    SourceError, InputError
        As the readers do.
    """
    kind = Path(source).suffix.lower()
    if kind not in _READERS:
        raise UsageError(f"{source}: boxes are read from {', '.join(_READERS)}, not from {kind or 'such'} files.")
    if levels is not None and kind != ".txt":
        raise UsageError("easy, medium and hard faces are those of WIDER's .txt file.")
    found = _READERS[kind](source, pictures)
    if not found:
        raise UsageError(f"{source} lists no picture.")
    return found if levels is None else with_levels(found, levels)


def _read_xml(source: str | os.PathLike[str], pictures: str | os.PathLike[str] | None) -> list[BoxedPicture]:
    marked = read_dlib_xml(source)
    folder = Path(pictures) if pictures is not None else None
    return [BoxedPicture(folder / part.path.name if folder else part.path, part.boxes) for part in marked]


_READERS: dict[str, Callable[[str | os.PathLike[str], str | os.PathLike[str] | None], list[BoxedPicture]]] = {
    ".txt": lambda source, pictures: read_wider(source, pictures=pictures),
    ".json": lambda source, pictures: read_json(source, pictures=pictures),
    ".xml": _read_xml,
}


def evaluate_detection(
    source: Sequence[BoxedPicture] | str | os.PathLike[str],
    *,
    negatives: str | os.PathLike[str] | Iterable[str | os.PathLike[str]] = (),
    pictures: str | os.PathLike[str] | None = None,
    levels: str | os.PathLike[str] | None = None,
    engine: Engine | None = None,
    **options: Any,
) -> DetectionReport:
    """Measure the engine's detector.

    Every picture is looked at twice: with the detector's own threshold, and with a low one for the curve.

    Parameters
    ----------
    source : path or sequence of BoxedPicture
        See `read_boxes`.
    negatives : path, folder, glob pattern, or iterable of them
        Pictures without any face, to count what is taken for one.
    pictures, levels : path, optional
        See `read_boxes`.
    engine : Engine, optional
        By default `mien.default_engine()`.
    **options
        Options of `mien.detect`, such as ``tiles=320``.

    Raises
    ------
    SourceError, ImageError
        If a picture cannot be read: nothing is skipped.
    """
    engine = engine or default_engine()
    marked = read_boxes(source, pictures=pictures, levels=levels) if isinstance(source, str | os.PathLike) else source
    if not marked:
        raise UsageError("there is no picture to evaluate.")
    curves: dict[str, list[Judged]] = {}
    points: dict[str, list[Judged]] = {}
    for picture in marked:
        image = load_image(picture.path)
        usual = engine.detect(image, **options)
        every = engine.detect(image, **{**options, "min_score": LEAST_SCORE})
        for name, counts in picture.subsets.items():
            points.setdefault(name, []).append(judge(usual, picture.boxes, counts))
            curves.setdefault(name, []).append(judge(every, picture.boxes, counts))
    # A picture that is not there raises here as everywhere else.
    empty = [len(engine.detect(path, **options)) for path in _paths(negatives)]
    mean = float(np.mean(empty)) if empty else np.nan
    return DetectionReport(
        pictures=len(marked),
        subsets=tuple(_subset(name, curves[name], points[name]) for name in points),
        negatives=len(empty),
        false_faces=sum(empty),
        false_per_picture=mean,
        # Where no picture has one, draws of pictures cannot tell how many others would.
        false_interval=_hull(
            bootstrap(lambda part: float(np.mean(part)), empty), wilson(sum(map(bool, empty)), len(empty))
        )
        if empty
        else (np.nan, np.nan),
    )


def _subset(name: str, curve: Sequence[Judged], point: Sequence[Judged]) -> SubsetReport:
    heights = np.concatenate([part.heights[part.counts] for part in point])
    hits = np.concatenate([part.found[part.counts] for part in point])
    detections = np.concatenate([part.right for part in point])
    faces, found, false = len(hits), int(hits.sum()), int((~detections).sum())
    sizes = tuple(
        SizeRow(label, int(there.sum()), int(hits[there].sum()), wilson(int(hits[there].sum()), int(there.sum())))
        for label, low, high in SIZES
        if (there := (heights >= max(low, 1e-9)) & (heights < high)).any()
    )
    return SubsetReport(
        name=name,
        faces=faces,
        ap=_ap(curve),
        ap_interval=bootstrap(_ap, curve, repeats=300),
        found=found,
        false=false,
        recall=found / faces if faces else float("nan"),
        recall_interval=_hull(bootstrap(_recall, point), wilson(found, faces)),
        precision=found / (found + false) if found + false else float("nan"),
        sizes=sizes,
    )


def _hull(a: Interval, b: Interval) -> Interval:
    """What either interval holds; of NaN and numbers, the numbers."""
    return float(np.fmin(a[0], b[0])), float(np.fmax(a[1], b[1]))


def _ap(parts: Sequence[Judged]) -> float:
    scores, right = (np.concatenate([getattr(part, name) for part in parts]) for name in ("scores", "right"))
    return average_precision(scores, right, sum(int(part.counts.sum()) for part in parts))


def _recall(parts: Sequence[Judged]) -> float:
    total = sum(int(part.counts.sum()) for part in parts)
    return sum(int(part.found[part.counts].sum()) for part in parts) / total if total else float("nan")


def _paths(negatives: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> list[Path]:
    found = []
    for path in find_pictures(negatives):
        if not isinstance(path, Path):
            raise path.error
        found.append(path)
    return found
