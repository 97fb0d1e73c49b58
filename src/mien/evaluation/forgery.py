"""Detectors of forged faces held against real and forged ones, method by method: our cues and anybody's own.

As DeepfakeBench (Yan et al., *DeepfakeBench: A Comprehensive Benchmark of Deepfake Detection*, NeurIPS 2023) has it:
AUC, equal error rate and average precision over frames and over clips. Intervals are over the people or clips that the
files name, never over frames.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Points
from mien.core.errors import NoFace, UsageError
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.core.warping import warp_batch
from mien.datasets.readers.forgeries import ForgerySample, read_forgeries
from mien.engine import Batch, Engine, default_engine
from mien.evaluation.damage import DAMAGES, MATCHED, Damage
from mien.evaluation.gaze import Measured
from mien.evaluation.separation import Measure, auc, average_precision, equal_error, measured
from mien.features.genuine.mesonet import SIZE, meso_crops
from mien.media.video import open_video

__all__ = [
    "Cell",
    "Detector",
    "ForgeryEvaluation",
    "Judged",
    "evaluate_forgery",
    "judge_forgeries",
    "load_detector",
    "stress_forgery",
]

Doubles = NDArray[np.float64]
#: What a detector is: crops (N, 256, 256, 3) uint8 RGB, or Faces with their picture (see `load_detector`), to (N,).
Detector: TypeAlias = Callable[[Any], Any]

EVERY, FRAMES = 10, 24  # of a video: each so-manieth frame is judged, and so many at most
ROOM = 0.75  # around a face that is kept of its picture, in parts of the mesh's size
GRID = 16  # pixels of which such a part begins at a multiple: JPEG's own blocks stay whole
MEASURES: Mapping[str, Measure] = {"auc": auc, "eer": equal_error, "ap": average_precision}


@dataclass(frozen=True, eq=False)
class Judged:
    """Scores of one face in one frame.

    Attributes
    ----------
    sample : ForgerySample
    scores : (K,) float64
        Of each detector, higher = more likely forged; NaN where it abstained.
    """

    sample: ForgerySample
    scores: Doubles


@dataclass(frozen=True)
class Cell:
    """One detector on one method.

    Attributes
    ----------
    method, detector, level : str
        Level is "frame" or "clip"; pictures are clips of one frame.
    real, forged, groups : int
        How many of each were judged, and of how many people or clips.
    auc, eer, ap : Measured
    """

    method: str
    detector: str
    level: str
    real: int
    forged: int
    groups: int
    auc: Measured
    eer: Measured
    ap: Measured


@dataclass(frozen=True)
class ForgeryEvaluation:
    """What was measured.

    Attributes
    ----------
    files, missed : int
        How many there are, and in how many no face was found.
    cells : tuple of Cell
    damage : str
        What both sides went through first.
    """

    files: int
    missed: int
    cells: tuple[Cell, ...]
    damage: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)

    def of(self, method: str, detector: str, level: str = "clip") -> Cell:
        """One cell; UsageError where there is none."""
        for cell in self.cells:
            if (cell.method, cell.detector, cell.level) == (method, detector, level):
                return cell
        raise UsageError(f"nothing was measured of {detector} on {method}, by {level}.")


def load_detector(name: str) -> Detector:
    """A detector of the caller's own, by ``module:callable`` or ``file.py:callable``.

    It takes crops of faces, (N, 256, 256, 3) uint8 RGB, cut as MesoNet's authors cut them, and gives N numbers, higher
    = more likely forged. One with an attribute ``takes = "faces"`` gets a `Faces` with its picture instead.

    Raises
    ------
    UsageError
        If there is no such callable.
    """
    place, _, function = name.rpartition(":")
    try:
        found = getattr(_opened(place), function) if place else None
    except (ImportError, AttributeError, OSError, SyntaxError) as error:
        raise UsageError(f"the detector {name!r} cannot be loaded: {error}.") from error
    if not callable(found) or isinstance(found, type):
        raise UsageError(f"a detector is named module:callable, such as mine:score or mine.py:score; got {name!r}.")
    return cast("Detector", found)


def _opened(place: str) -> ModuleType:
    """A module by its name, or a file: what lies in the folder one works in is no module to an installed command."""
    if not place.endswith(".py"):
        return importlib.import_module(place)
    spec = spec_from_file_location(Path(place).stem, place)
    if spec is None or spec.loader is None:
        raise ImportError(f"no module in {place}")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def evaluate_forgery(
    source: str | Path,
    *,
    detectors: Mapping[str, Detector] | None = None,
    matched: bool = False,
    engine: Engine | None = None,
) -> ForgeryEvaluation:
    """Measure the cues of ``forgery``, and other detectors, on a set of real and forged faces.

    Parameters
    ----------
    source : path
        Of `mien.datasets.readers.forgeries.read_forgeries`.
    detectors : mapping of str to callable, optional
        More detectors by name; see `load_detector`.
    matched : bool
        Bring all faces to 112 pixels and JPEG 90 first, real and forged: without it, a set whose forgeries are of
        another size or compression measures that.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    SourceError
        If there is no such set.
    NoFace
        If no face was found on one of the sides.
    """
    engine = engine or default_engine()
    samples = read_forgeries(Path(source))
    damage = MATCHED if matched else None
    names, judged = judge_forgeries(samples, detectors=detectors, damages=[damage], engine=engine)
    return _summed(samples, names, judged[0], f"being {MATCHED.kind} {MATCHED.level} px" if matched else "")


def stress_forgery(
    source: str | Path,
    *,
    detectors: Mapping[str, Detector] | None = None,
    engine: Engine | None = None,
) -> dict[str, dict[str, ForgeryEvaluation]]:
    """The same after each of `mien.evaluation.damage.DAMAGES`, by kind and level."""
    engine = engine or default_engine()
    samples = read_forgeries(Path(source))
    levels = [level for kind in DAMAGES.values() for level in kind]
    names, judged = judge_forgeries(samples, detectors=detectors, damages=levels, engine=engine)
    found: dict[str, dict[str, ForgeryEvaluation]] = {}
    for damage, part in zip(levels, judged, strict=True):
        summed = _summed(samples, names, part, f"{damage.kind} {damage.level}", only_auc=True)
        found.setdefault(damage.kind, {})[damage.level] = summed
    return found


def judge_forgeries(
    samples: Sequence[ForgerySample],
    *,
    detectors: Mapping[str, Detector] | None = None,
    damages: Sequence[Damage | None] = (None,),
    engine: Engine,
) -> tuple[tuple[str, ...], list[list[Judged]]]:
    """Scores of every judged face after each damage; faces are found before it.

    Returns
    -------
    names : tuple of K str
        Of the cues and detectors.
    judged : list of list of Judged
        One list for each damage.
    """
    step, more = engine.runner("forgery"), dict(detectors or {})
    names: tuple[str, ...] = ()
    found: list[list[Judged]] = [[] for _ in damages]
    for sample in samples:
        for image, faces in _faces(sample, engine):
            for place, damage in enumerate(damages):
                picture, moved = (image, faces) if damage is None else _damaged(image, faces, damage)
                column = step.describe(Batch([picture], np.zeros(1, np.intp), moved))["forgery"]
                names = (*column.names, *more)
                own = [_asked(detector, picture, moved) for detector in more.values()]
                found[place].append(Judged(sample, np.array([*column.values[0], *own], np.float64)))
    if not any(found):
        raise NoFace("no face was found in any of the files.")
    return names, found


def _faces(sample: ForgerySample, engine: Engine) -> Iterator[tuple[Image, Faces]]:
    """The largest face of each judged frame, with what is around it."""
    for image in _frames(sample):
        faces = engine.analyze(image, want={"landmarks", "alignment"})
        if len(faces):
            face = faces[[int(faces.heights.argmax())]]
            if not bool(face.landmarks.abstained[0]):
                yield _cut(image, face)


def _frames(sample: ForgerySample) -> Iterator[Image]:
    if not sample.moves:
        yield load_image(sample.path)
        return
    with open_video(sample.path) as video:
        for frame in video:
            if frame.index % EVERY == 0:
                yield frame.image
            if frame.index >= EVERY * (FRAMES - 1):
                return


def _cut(image: Image, face: Faces) -> tuple[Image, Faces]:
    """The part of the picture that the cues look at: damages need not be done to all of it."""
    points = face.landmarks.xy[0]
    low, high = points.min(axis=0), points.max(axis=0)
    room = ROOM * (high - low)
    x, y = (int(max(edge, 0)) // GRID * GRID for edge in low - room)
    right, lower = (int(edge) for edge in np.minimum(high + room, image.shape[1::-1]))
    return np.ascontiguousarray(image[y:lower, x:right]), _moved(face, 1.0, (x, y), (right - x, lower - y))


def _damaged(image: Image, face: Faces, damage: Damage) -> tuple[Image, Faces]:
    extent = float(np.ptp(face.landmarks.xy[0], axis=0).min())
    spoilt = damage.apply(image, extent)
    factor = spoilt.shape[1] / image.shape[1]
    return spoilt, _moved(face, factor, (0, 0), (spoilt.shape[1], spoilt.shape[0]))


def _moved(face: Faces, factor: float, corner: tuple[int, int], size: tuple[int, int]) -> Faces:
    """The face in a picture that begins at a corner of its own and is `factor` times as large."""
    columns = {}
    for name, column in face.columns.items():
        if isinstance(column, Points):
            values = column.values.copy()
            values[..., :2] = (values[..., :2] - corner + 0.5) * factor - 0.5
            values[..., 2:] *= factor
            columns[name] = replace(column, values=values)
    boxes = (face.boxes - np.array([*corner, *corner], np.float32)) * np.float32(factor)
    keypoints = (face.keypoints - np.array(corner, np.float32)) * np.float32(factor)
    return replace(face, boxes=boxes, keypoints=keypoints, columns=columns, image_size=size, image=None)


def _asked(detector: Detector, image: Image, face: Faces) -> float:
    if getattr(detector, "takes", "crops") == "faces":
        given: Any = face.with_image(image)
    else:
        given = warp_batch([image], [0], meso_crops(face.alignment.values), SIZE, border="reflect")
    answer = detector(given)
    try:
        values = np.asarray(answer, np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise UsageError(f"a detector gives one number a face, not {answer!r}.") from error
    if values.shape != (1,):
        raise UsageError(f"a detector gives one number a face, not {values.shape} for one.")
    return float(values[0])


def _summed(
    samples: Sequence[ForgerySample],
    names: Sequence[str],
    judged: Sequence[Judged],
    damage: str,
    *,
    only_auc: bool = False,
) -> ForgeryEvaluation:
    seen = {one.sample.path for one in judged}
    methods = list(dict.fromkeys(one.sample.method for one in judged if one.sample.forged))
    if not methods or all(one.sample.forged for one in judged):
        raise NoFace("no face was found in the real files, or none in the forged ones.")
    cells = []
    for method in methods:
        own = any(one.sample.method == method and not one.sample.forged for one in judged)
        part = [
            one
            for one in judged
            if one.sample.method == method or (not one.sample.forged and not own and not one.sample.method)
        ]
        clips = _by_clip(part)
        moves = len(clips) < len(part)
        for place, name in enumerate(names):
            for level, rows in (("frame", part), ("clip", clips)) if moves and not only_auc else (("clip", clips),):
                cells.append(_cell(method, name, level, rows, place, only_auc=only_auc))
    return ForgeryEvaluation(len(samples), len(samples) - len(seen), tuple(cells), damage)


def _by_clip(judged: Sequence[Judged]) -> list[Judged]:
    """One score a file: the mean of its frames'."""
    files: dict[Path, list[Judged]] = {}
    for one in judged:
        files.setdefault(one.sample.path, []).append(one)
    return [Judged(some[0].sample, _means(np.stack([one.scores for one in some]))) for some in files.values()]


def _means(table: Doubles) -> Doubles:
    known = np.isfinite(table)
    sums = np.where(known, table, 0).sum(axis=0)
    return np.asarray(np.where(known.any(axis=0), sums / np.maximum(known.sum(axis=0), 1), np.nan))


def _cell(method: str, name: str, level: str, rows: Sequence[Judged], place: int, *, only_auc: bool) -> Cell:
    scores = np.array([one.scores[place] for one in rows])
    forged = np.array([one.sample.forged for one in rows], np.bool_)
    groups = [one.sample.group for one in rows]
    known = np.isfinite(scores)
    nothing = Measured(np.nan, (np.nan, np.nan))
    found = {
        key: nothing if only_auc and key != "auc" else measured(statistic, scores, forged, groups)
        for key, statistic in MEASURES.items()
    }
    count = len({group for group, told in zip(groups, known, strict=True) if told})
    return Cell(method, name, level, int((known & ~forged).sum()), int((known & forged).sum()), count, **found)
