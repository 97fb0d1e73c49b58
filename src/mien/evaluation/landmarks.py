"""How far points are from where people marked them: normalized mean error, its cumulative curve, failures.

The error of a face is the mean distance of its points from their marks, in distances of the outer corners of the eyes
(of the eye centres for five points), and a second time in box sides, which do not shrink as a head turns away
(Bulat & Tzimiropoulos, *How far are we from solving the 2D & 3D face alignment problem?*, 2017). Intervals are over
photos: the faces of one photo share its blur and its light.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.boxes import iou
from mien.core.errors import ShapeMismatch, SourceError, UsageError
from mien.core.faces import Faces
from mien.core.image import load_image
from mien.core.layouts import LAYOUTS
from mien.datasets.readers.dlib_xml import read_dlib_xml
from mien.datasets.readers.marks import MarkedPicture
from mien.datasets.readers.pts import read_pts_folder
from mien.datasets.readers.w300lp_marks import read_w300lp_marks
from mien.engine import Engine, default_engine
from mien.evaluation.intervals import Interval, bootstrap

__all__ = ["POINT_SETS", "LandmarksReport", "PointSet", "evaluate_landmarks", "evaluate_points", "read_marks"]

Doubles = NDArray[np.float64]

FAILED, FAILED_BOX = 0.08, 0.07  # errors at which a face counts as failed and the cumulative curve ends, as is usual
SMALLEST_OVERLAP = 0.3  # of a found box with a marked one, to be its face


@dataclass(frozen=True)
class PointSet:
    """A numbered set that can be measured.

    Parameters
    ----------
    field : str
        What gives it.
    layout : str
        Its regions, or empty.
    eyes : (int, int)
        The points whose distance is the unit.
    """

    field: str
    layout: str
    eyes: tuple[int, int]


#: Sets by their number of points.
POINT_SETS: Final[Mapping[int, PointSet]] = MappingProxyType(
    {
        5: PointSet("alignment", "", (0, 1)),
        68: PointSet("landmarks68", "ibug68", (36, 45)),
        106: PointSet("landmarks106", "insightface106", (35, 93)),
    }
)


@dataclass(frozen=True)
class LandmarksReport:
    """The result of an evaluation; intervals are 95 % over photos.

    Parameters
    ----------
    pictures, faces, found : int
        What was looked at: found are the faces that have points. Errors are means over these; in curves and failures
        the others count as failed.
    points : int
        Of a face.
    nme, nme_interval, nme_median
        Error in distances of the eyes.
    nme_box, nme_box_interval
        Error in box sides (the root of its area).
    auc, failures
        Area under the cumulative curve of `nme` up to 0.08, from 0 to 1, and the share of faces beyond it.
    auc_box, failures_box
        The same of `nme_box` up to 0.07.
    regions : mapping of str to float
        `nme` of each region's points, for sets that have regions.
    """

    pictures: int
    faces: int
    found: int
    points: int
    nme: float
    nme_interval: Interval
    nme_median: float
    nme_box: float
    nme_box_interval: Interval
    auc: float
    failures: float
    auc_box: float
    failures_box: float
    regions: Mapping[str, float]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; None for a number that there is not, because no face was found."""
        return {name: _plain(value) for name, value in asdict(self).items()}


def read_marks(source: str | os.PathLike[str]) -> list[MarkedPicture]:
    """Marked pictures of an imglab XML file, or of a folder of ``.pts`` files or of 300W-LP's ``.mat`` files.

    Raises
    ------
    SourceError, InputError
        If there is nothing to read, or it is neither.
    """
    folder = Path(source)
    if not folder.is_dir():
        return read_dlib_xml(folder)
    if any(folder.rglob("*.pts")):
        return read_pts_folder(folder)
    if any(folder.rglob("*.mat")):
        return read_w300lp_marks(folder)
    raise SourceError(f"{folder} holds neither .pts nor .mat files.")


def evaluate_landmarks(
    source: Sequence[MarkedPicture] | str | os.PathLike[str],
    *,
    given_boxes: bool = False,
    five: bool = False,
    engine: Engine | None = None,
) -> LandmarksReport:
    """Measure the engine's points on marked pictures.

    Parameters
    ----------
    source : sequence of MarkedPicture, or path
        With 5, 68 or 106 points a face; see `read_marks`.
    given_boxes : bool
        Take the faces at the marked boxes. Otherwise the detector finds them; those that it misses count as failures.
    five : bool
        Measure the five points that crops are aligned by instead: of 68 marks, the means of the eyes' lids, the nose
        tip and the corners of the mouth.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Raises
    ------
    SourceError, InputError
        If a file cannot be read.
    UsageError
        If no face is marked, or not all by the same of these sets; if five points are asked for and there are not 68.
    """
    marked = read_marks(source) if isinstance(source, str | os.PathLike) else source
    pictures = [picture for picture in marked if len(picture.boxes)]
    if five:
        pictures = [replace(picture, points=_five_of(picture.points)) for picture in pictures]
    engine = engine or default_engine()
    counts = {picture.points.shape[1] for picture in pictures}
    count = max(counts, default=0)
    if len(counts) != 1 or count not in POINT_SETS:
        sets, these = (", ".join(map(str, some)) for some in (POINT_SETS, sorted(counts) or [0]))
        raise UsageError(f"faces all marked with {sets} points are needed; these have {these}.")
    field, found = POINT_SETS[count].field, []
    for picture in pictures:
        image = load_image(picture.path)
        faces = Faces.from_boxes(picture.boxes) if given_boxes else engine.detect(image)
        described = engine.analyze(image, faces=faces, want={field})
        rows = np.arange(len(faces)) if given_boxes else _matched(picture.boxes, faces.boxes)
        values = getattr(described, field).xy
        found.append(np.full((len(rows), count, 2), np.nan))
        found[-1][rows >= 0] = values[rows[rows >= 0]]
    return evaluate_points(
        np.concatenate(found),
        np.concatenate([picture.points for picture in pictures]),
        np.concatenate([picture.boxes for picture in pictures]),
        np.repeat(np.arange(len(pictures)), [len(picture.boxes) for picture in pictures]),
    )


def evaluate_points(found: ArrayLike, marks: ArrayLike, boxes: ArrayLike, photos: ArrayLike) -> LandmarksReport:
    """Measure points that are there already.

    Parameters
    ----------
    found : (N, K, 2) array-like
        NaN for a face that was not found. K is 5, 68 or 106.
    marks : (N, K, 2) array-like
        NaN for a point that is not marked.
    boxes : (N, 4) array-like
        The marked boxes.
    photos : (N,) integers
        Which photo each face is in.

    Raises
    ------
    ShapeMismatch
        If the arrays do not fit each other.
    UsageError
        If there is no such set, no face, or a face without marks or with its eyes in one place.
    """
    points, truth = np.asarray(found, np.float64), np.asarray(marks, np.float64)
    corners, photo = np.asarray(boxes, np.float64), np.asarray(photos)
    if points.ndim != 3 or truth.shape != points.shape or points.shape[2] != 2:
        raise ShapeMismatch(f"points {points.shape} and marks {truth.shape} do not fit: both are (N, K, 2).")
    if corners.shape != (len(points), 4) or photo.shape != (len(points),):
        raise ShapeMismatch(f"boxes {corners.shape} and photos {photo.shape} of {len(points)} faces do not fit.")
    if points.shape[1] not in POINT_SETS or not len(points):
        raise UsageError(f"faces with {', '.join(map(str, POINT_SETS))} points are needed, not {points.shape[:2]}.")
    kind = POINT_SETS[points.shape[1]]
    first, second = kind.eyes
    eyes = np.linalg.norm(truth[:, first] - truth[:, second], axis=1)
    sides = np.sqrt((corners[:, 2:] - corners[:, :2]).clip(min=0).prod(axis=1))
    if not ((eyes > 0) & (sides > 0)).all():
        raise UsageError("each face needs marks of both eyes in two places, and a box with an area.")
    distances = np.linalg.norm(points - truth, axis=2)
    distances[np.isnan(points).any(axis=(1, 2))] = np.nan  # a face without all its points has none
    by_eyes, by_box = (_means(distances) / unit for unit in (eyes, sides))
    known = ~np.isnan(by_eyes)
    regions = {} if not kind.layout else LAYOUTS[kind.layout].regions
    return LandmarksReport(
        pictures=len(np.unique(photo)),
        faces=len(points),
        found=int(known.sum()),
        points=points.shape[1],
        nme=_mean([by_eyes]),
        nme_interval=bootstrap(_mean, _by_photo(by_eyes, photo)),
        nme_median=float(np.median(by_eyes[known])) if known.any() else np.nan,
        nme_box=_mean([by_box]),
        nme_box_interval=bootstrap(_mean, _by_photo(by_box, photo)),
        auc=_area(by_eyes, FAILED),
        failures=float((~(by_eyes <= FAILED)).mean()),
        auc_box=_area(by_box, FAILED_BOX),
        failures_box=float((~(by_box <= FAILED_BOX)).mean()),
        regions={name: _mean([_means(distances[:, list(numbers)]) / eyes]) for name, numbers in regions.items()},
    )


def _five_of(points: Doubles) -> Doubles:
    """Eye centres, nose tip and mouth corners (N, 5, 2) of iBUG's 68, in the order of ``ALIGNMENT_NAMES``."""
    if points.shape[1] != 68:
        raise UsageError(f"five points are taken from 68 marks a face; these have {points.shape[1]}.")
    # An eye's centre as the aligned crops have it: corners and lids, as the mesh's (`mien.location.mesh478`).
    eyes = [points[:, lids].mean(axis=1) for lids in (slice(36, 42), slice(42, 48))]
    return np.stack([*eyes, points[:, 30], points[:, 48], points[:, 54]], axis=1)


def _plain(value: Any) -> Any:
    """The value with None in place of NaN, inside of tuples and mappings too."""
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    if isinstance(value, tuple):
        return [_plain(part) for part in value]
    return None if isinstance(value, float) and np.isnan(value) else value


def _matched(marked: NDArray[np.float32], found: NDArray[np.float32]) -> NDArray[np.intp]:
    """For each marked box, the found one of which it is the best match and that matches it best; -1 for none."""
    rows = np.full(len(marked), -1)
    if len(marked) and len(found):
        overlaps = iou(marked, found)
        best = overlaps.argmax(axis=1)
        mutual = overlaps.argmax(axis=0)[best] == np.arange(len(marked))
        rows = np.where(mutual & (overlaps.max(axis=1) >= SMALLEST_OVERLAP), best, -1)
    return rows.astype(np.intp)


def _means(distances: Doubles) -> Doubles:
    """Mean over the points that are marked, (N,); NaN where none is, or the face was not found."""
    known = ~np.isnan(distances)
    counts = known.sum(axis=1)
    sums = np.where(known, distances, 0).sum(axis=1)
    return np.asarray(np.divide(sums, counts, out=np.full(len(sums), np.nan), where=counts > 0))


def _mean(parts: Sequence[Doubles]) -> float:
    """Mean of all that is not NaN; NaN if nothing is."""
    errors = np.concatenate(parts)
    known = errors[~np.isnan(errors)]
    return float(known.mean()) if len(known) else np.nan


def _by_photo(errors: Doubles, photos: NDArray[Any]) -> list[Doubles]:
    return [errors[photos == photo] for photo in np.unique(photos)]


def _area(errors: Doubles, end: float) -> float:
    """Area under the share of faces with an error up to x, for x from 0 to `end`, as a part of the largest possible."""
    return float((1 - np.nan_to_num(errors, nan=np.inf) / end).clip(min=0).mean())
