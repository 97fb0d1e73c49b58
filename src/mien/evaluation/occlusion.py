"""How well is told what stands before faces: things are drawn before clear ones, and asked for.

There is no open set of real hands and masks with their outlines that a package could fetch. So the truth is drawn
(`mien.evaluation.obstacles`, `mien.evaluation.masked`), and the clear picture, and the same one with shadows and
make-up, tell the false alarms. What the parsing takes for hair, hats, clothes or glasses before anything was drawn
counts neither way.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.errors import NoFace
from mien.core.faces import Faces
from mien.core.geometry import compose, invert
from mien.core.image import Image, ImageSource, load_image
from mien.core.warping import warp
from mien.engine import Batch, Engine, default_engine
from mien.evaluation.coverings import COVERINGS
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import bootstrap
from mien.evaluation.masked import MASKS, covering_layer
from mien.evaluation.obstacles import HARMLESS, OBSTACLES, draw_obstacle
from mien.location.canonical import CanonicalFace
from mien.masks.evidence import SIDE, SURFACE, Scene, Template, parsed, set_scene
from mien.masks.occlusion import FLAGS

if TYPE_CHECKING:
    from mien.engine.steps import Step

__all__ = ["KINDS", "OcclusionReport", "Trial", "evaluate_occlusion", "summary", "trials"]

Doubles: TypeAlias = NDArray[np.float64]
Floats: TypeAlias = NDArray[np.float32]

#: What is drawn, by name; "clear" is the picture as it is.
KINDS = ("clear", *OBSTACLES, *COVERINGS)
NATURAL = -1.5  # log odds of the parsing above which something may have stood there before
HALF = 0.5
CLEAR_AT_MOST = 0.05  # of a cell that is drawn over: it is clear
NEEDED = {"landmarks", "alignment", "parse"}


@dataclass(frozen=True, eq=False)
class Trial:
    """One thing before one face, and what was told of it.

    Attributes
    ----------
    person : int
        Number of the picture.
    kind : str
        One of `KINDS`.
    found : bool
        Whether the face was found and told of.
    told, truth : (P,) bool
        The cells of the clear face's grid that count: what is told, and what is so.
    hidden : (T,) float64
        Of the triangles that count, the probability told.
    covered : (T,) bool
        And whether they are.
    flags : (3,) float64
        Told, in the order of `FLAGS`.
    flagged : (3,) bool
        And what is so.
    """

    person: int
    kind: str
    found: bool
    told: NDArray[np.bool_]
    truth: NDArray[np.bool_]
    hidden: Doubles
    covered: NDArray[np.bool_]
    flags: Doubles
    flagged: NDArray[np.bool_]

    @property
    def iou(self) -> float:
        """Intersection over union of told and true cells; NaN where nothing is covered."""
        return float((self.told & self.truth).sum() / (self.told | self.truth).sum()) if self.truth.any() else np.nan

    @property
    def false(self) -> float:
        """Share of the clear cells that are told to be covered."""
        clear = ~self.truth
        return float((self.told & clear).sum() / max(clear.sum(), 1))


@dataclass(frozen=True)
class OcclusionReport:
    """What was measured; every number with its 95 % interval over people.

    Attributes
    ----------
    people, trials, missed : int
        Pictures, things drawn, and how many of these left no face to be told of.
    iou : dict of str to Measured
        Mean intersection over union of told and true cells, by kind and of "all".
    false : dict of str to Measured
        Mean share of the clear part of the face that is told to be covered.
    triangles : dict of str to Measured
        Area under the curve of ``hidden``: how often a covered triangle has more than a clear one, of one kind.
    flags : dict of str to Measured
        Area under the curve of each of ``covered``. A scarf is neither a mask nor none.
    """

    people: int
    trials: int
    missed: int
    iou: Mapping[str, Measured]
    false: Mapping[str, Measured]
    triangles: Mapping[str, Measured]
    flags: Mapping[str, Measured]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_occlusion(
    pictures: Iterable[ImageSource], *, kinds: Sequence[str] = KINDS, seed: int = 0, engine: Engine | None = None
) -> OcclusionReport:
    """Draw things before faces and measure what is told of them.

    Parameters
    ----------
    pictures : iterable of pictures
        One clear face each, of different people.
    kinds : sequence of str
        Of `KINDS`; each is drawn before every face.
    seed : int
        Of what is drawn.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    NoFace
        If no picture has a face with a mesh.
    """
    found = [told for (told,) in trials(pictures, kinds=kinds, seed=seed, engine=engine)]
    if not found:
        raise NoFace("no picture has a face that things could be drawn before.")
    return summary(found)


def trials(
    pictures: Iterable[ImageSource],
    *,
    kinds: Sequence[str] = KINDS,
    seed: int = 0,
    engine: Engine | None = None,
    steps: Sequence[Step] = (),
) -> Iterator[tuple[Trial, ...]]:
    """The trials that `evaluate_occlusion` sums up, one after the other: of each of several steps.

    Parameters
    ----------
    pictures, kinds, seed, engine
        See there.
    steps : sequence of Step
        What gives the fields of occlusion; by default the engine's own.
    """
    engine = engine or default_engine()
    steps = steps or [cast("Step", engine.runner("occlusion"))]
    face = CanonicalFace.read(engine.store.fetch(engine.catalogue["occlusion"].files["geometry"]))
    template, donor = Template(face), None
    for person, source in enumerate(pictures):
        image = load_image(source)
        clear = engine.analyze(image, want=NEEDED).top(1)
        if not len(clear) or bool(clear.landmarks.abstained[0]) or bool(clear.parse.abstained[0]):
            continue
        mesh = clear.landmarks.values[0]
        here = set_scene(image, mesh[:SURFACE], template)
        instead, _ = parsed(clear.parse[0], here.grid)
        before = np.asarray(np.maximum.reduce(instead) > NATURAL)
        for number, kind in enumerate(kinds):
            drawn, cover = _drawn(image, mesh, kind, (seed * 1000 + person) * 100 + number, donor, engine)
            faces = clear if kind == "clear" else _same(engine.analyze(drawn, want=NEEDED), clear)
            batch = Batch([drawn], np.zeros(len(faces), np.intp), faces)
            truth = _Truth(person, kind, here, warp(cover, here.grid, SIDE), before, template)
            yield tuple(truth.judge(faces.with_columns(step.describe(batch))) for step in steps)
        donor = clear[0].crop(margin=0)


def _drawn(
    image: Image, mesh: NDArray[np.float32], kind: str, seed: int, donor: Image | None, engine: Engine
) -> tuple[Image, NDArray[np.float32]]:
    if kind in OBSTACLES:
        return draw_obstacle(image, mesh, kind, seed=seed, donor=donor)
    if kind in COVERINGS:
        return covering_layer(image, mesh, kind=kind, seed=seed, engine=engine)
    return image, np.zeros(image.shape[:2], np.float32)


def _same(found: Faces, clear: Faces) -> Faces:
    """The face that stands where the clear one was: one, or none."""
    if not len(found):
        return found
    far = np.linalg.norm(found.centers - clear.centers[0], axis=1)
    near = int(far.argmin())
    return found[[near]] if far[near] < 0.3 * float(clear.heights[0]) else found[[]]


@dataclass(frozen=True, eq=False)
class _Truth:
    """What stands before a face, in the grid of the clear one."""

    person: int
    kind: str
    here: Scene
    level: Floats  # how much of each cell is covered
    before: NDArray[np.bool_]  # where something may have been from the start
    template: Template

    def judge(self, faces: Faces) -> Trial:
        """What was told of it: `faces` is the one face, or none."""
        here, level, count = self.here, self.level, len(self.template.zones)
        sure = here.inside & ~self.before & ((level > HALF) | (level < CLEAR_AT_MOST))
        truth = level[sure] > HALF
        cells = np.bincount(here.triangle[sure], minlength=count)
        share = np.bincount(here.triangle[sure], level[sure], count) / np.maximum(cells, 1)
        some = (cells > 0) & ((share > 1 - HALF / 2) | (share < CLEAR_AT_MOST))
        flagged = np.array([self.kind in MASKS, self._most("right_eye", "left_eye"), self._most("mouth")])
        found = len(faces) > 0 and not bool(faces.occlusion.abstained[0])
        if not found:
            told, hidden, flags = np.zeros(truth.shape, bool), np.full(some.sum(), np.nan), np.full(len(FLAGS), np.nan)
        else:
            told = _told(faces.occlusion[0], here)[sure]
            hidden, flags = (column.values[0].astype(np.float64) for column in (faces.hidden, faces.covered))
            hidden = hidden[some]
        return Trial(self.person, self.kind, found, told, truth, hidden, share[some] > HALF, flags, flagged)

    def _most(self, *names: str) -> bool:
        """Whether most of some parts is covered."""
        part = self.here.inside & np.any([self.template.parts[name] for name in names], axis=0)[self.here.triangle]
        return bool(part.any()) and float(self.level[part].mean()) > HALF


def _told(column: Regions, here: Scene) -> NDArray[np.bool_]:
    """What a column tells, in the cells of the clear face's grid."""
    import cv2

    odds = column.values[1] - column.values[0]
    way = compose(column.grids.reshape(2, 3), invert(here.grid)).astype(np.float64)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return np.asarray(cv2.warpAffine(odds, way, (SIDE, SIDE), flags=flags, borderValue=-1) > 0)


def summary(found: Sequence[Trial]) -> OcclusionReport:
    """Sum trials up."""
    told = [trial for trial in found if trial.found]
    kinds = list(dict.fromkeys(trial.kind for trial in told))
    covering = [kind for kind in kinds if kind not in {"clear", *HARMLESS}]
    by_kind = {kind: [trial for trial in told if trial.kind == kind] for kind in kinds}
    by_kind["all"] = [trial for trial in told if trial.kind in covering]
    iou = {kind: _mean([(t.person, t.iou) for t in by_kind[kind]]) for kind in [*covering, "all"]}
    false = {kind: _mean([(t.person, t.false) for t in some]) for kind, some in by_kind.items()}
    triangles = {kind: _curve([(t.person, t.hidden, t.covered) for t in by_kind[kind]]) for kind in [*covering, "all"]}
    flags = {}
    for place, name in enumerate(FLAGS):
        some = [t for t in told if np.isfinite(t.flags[place]) and not (name == "mask_worn" and t.kind == "scarf")]
        flags[name] = _curve([(t.person, t.flags[[place]], t.flagged[[place]]) for t in some])
    people = len({trial.person for trial in found})
    return OcclusionReport(people, len(found), len(found) - len(told), iou, false, triangles, flags)


def _mean(values: Sequence[tuple[int, float]]) -> Measured:
    """Mean over trials, its interval over people."""
    people: dict[int, list[float]] = {}
    for person, value in values:
        if np.isfinite(value):
            people.setdefault(person, []).append(value)
    parts = list(people.values())

    def mean(some: Sequence[list[float]]) -> float:
        return float(np.mean([value for part in some for value in part])) if some else np.nan

    return Measured(mean(parts), bootstrap(mean, parts))


def _curve(values: Sequence[tuple[int, Doubles, NDArray[np.bool_]]]) -> Measured:
    """Area under the curve of pooled scores, its interval over people."""
    people: dict[int, list[tuple[Doubles, NDArray[np.bool_]]]] = {}
    for person, scores, truth in values:
        people.setdefault(person, []).append((scores, truth))
    parts = [(np.concatenate([s for s, _ in some]), np.concatenate([t for _, t in some])) for some in people.values()]

    def area(some: Sequence[tuple[Doubles, NDArray[np.bool_]]]) -> float:
        if not some:
            return np.nan
        scores, truth = (np.concatenate(side) for side in zip(*some, strict=True))
        return _area(scores, truth)

    return Measured(area(parts), bootstrap(area, parts, repeats=200))


def _area(scores: Doubles, truth: NDArray[np.bool_]) -> float:
    """How often a true one has more than a false one; ties count half."""
    from scipy.stats import rankdata

    positive = int(truth.sum())
    negative = len(truth) - positive
    if not positive or not negative:
        return np.nan
    return float((rankdata(scores)[truth].sum() - positive * (positive + 1) / 2) / (positive * negative))
