"""Swapped faces: whose they look like to networks that had no part in it, and what of the target was kept.

Pairs are two people of a folder who are not alike. Of each swap it is asked whether the result is nearer to the source
than to the target, whether the source is found among all people by it, how far pose, expression and gaze are off the
target's, whether anything outside of the mask has changed, and whether the seam shows; of a clip, whether it flickers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import LicenseRefused, MienError, NoFace, SourceError, UsageError, WeightsUnavailable
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.engine import Engine, default_engine
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import bootstrap, wilson
from mien.media.scan import find_pictures
from mien.swaps.edit import Edit

__all__ = [
    "JUDGES",
    "Judged",
    "SwapEvaluation",
    "SwapPair",
    "choose_judges",
    "evaluate_swap",
    "flicker",
    "head_turn",
    "mean_of",
    "rate_of",
    "seam",
]

Floats = NDArray[np.float32]

#: Puts the source's face (second) on the target (first).
Swapper: TypeAlias = Callable[[Image, Image], Edit]

#: Embedders that are asked whose face it is: all that can be had but the one that the engine embeds with.
JUDGES = ("sface", "arcface-mbf", "mobilefacenet", "edgeface-s")
UNLIKE = 0.3  # cosine: people who are more alike are not swapped
KEPT = frozenset({"pose", "blendshapes", "gaze"})
BAND = 3  # pixels to each side of where the mask is half


@dataclass(frozen=True)
class Judged:
    """What one embedder says of one swap: cosines.

    Attributes
    ----------
    before : float
        Of source and target.
    to_source, to_target : float
        Of the result.
    rank : int
        How many people of the folder are nearer to the result than the source is, the target among them.
    """

    before: float
    to_source: float
    to_target: float
    rank: int


@dataclass(frozen=True)
class SwapPair:
    """One swap.

    Attributes
    ----------
    target, source : str
        Names of files.
    reason : str or None
        Why there is no swap, or no face in it; all else is empty then.
    judged : dict of str to Judged
        By embedder.
    pose, gaze : float
        Degrees between the target's and the result's.
    expression : float
        Mean difference of the blendshapes, in [0, 1].
    untouched : bool
        Whether all pixels outside of the mask are the target's to the bit.
    seam : float
        See `seam`.
    """

    target: str
    source: str
    reason: str | None = None
    judged: dict[str, Judged] = field(default_factory=dict)
    pose: float = float("nan")
    expression: float = float("nan")
    gaze: float = float("nan")
    untouched: bool = False
    seam: float = float("nan")


@dataclass(frozen=True)
class SwapEvaluation:
    """What was measured; intervals are over pairs, which share people: they are somewhat too narrow.

    Attributes
    ----------
    people : int
    pairs : tuple of SwapPair
    closer : dict of str to Measured
        By embedder: share of the swaps that are nearer to the source than to the target.
    found : dict of str to Measured
        Share whose nearest person of the folder is the source.
    to_source, to_target, before : dict of str to Measured
        Mean cosines.
    pose, expression, gaze, seam : Measured
        Means.
    untouched : float
        Share of the swaps whose pixels outside of the mask are the target's.
    refused : dict of str to int
        Reasons of the pairs that were not swapped.
    """

    people: int
    pairs: tuple[SwapPair, ...]
    closer: dict[str, Measured]
    found: dict[str, Measured]
    to_source: dict[str, Measured]
    to_target: dict[str, Measured]
    before: dict[str, Measured]
    pose: Measured
    expression: Measured
    gaze: Measured
    seam: Measured
    untouched: float
    refused: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_swap(
    source: str | Path,
    *,
    swapper: Swapper,
    limit: int = 200,
    judges: Sequence[str] | None = None,
    keep: Callable[[Image, Image, Edit], None] | None = None,
    engine: Engine | None = None,
) -> SwapEvaluation:
    """Swap people of a folder in memory, and measure what came of it.

    Parameters
    ----------
    source : path
        A folder of portraits, one person in each, another in every one.
    swapper : callable
        Puts the face of its second picture on its first.
    limit : int
        Pairs at most.
    judges : sequence of str, optional
        Embedders to ask; default: those of `JUDGES` that can be had, without the engine's own.
    keep : callable, optional
        Is given target, source and result of each swap, for a sheet.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    SourceError
        If there is no such folder.
    NoFace
        If fewer than two pictures in it show a face.
    UsageError
        If no two people of it are unlike, or no other embedder can be had.
    """
    engine = engine or default_engine()
    bench = choose_judges(engine, judges)
    people = list(_people(source, bench, engine))
    if len(people) < 2:
        raise NoFace(f"{source} shows {len(people)} faces: a swap takes two.")
    chosen = [pair for pair in _pairs(people, bench) if pair[0] is not pair[1]][:limit]
    if not chosen:
        raise UsageError(f"all people of {source} are alike by {', '.join(bench)}: there is nothing to tell apart.")
    pairs = tuple(_swap(target, giver, people, swapper, keep, bench, engine) for target, giver in chosen)
    return _summary(len(people), pairs, tuple(bench))


def choose_judges(engine: Engine, names: Sequence[str] | None = None) -> dict[str, Engine]:
    """Embedders that have no part in an engine's own work, each with an engine that embeds with it.

    Raises
    ------
    UsageError
        If there is none; UnknownModel and the like for names that were asked for.
    """
    bench: dict[str, Engine] = {}
    own = engine.choose("embedding").id
    for name in names or [one for one in JUDGES if one != own]:
        judge = engine.with_models(embedding=name)
        try:
            judge.preload("embedding")
        except (LicenseRefused, WeightsUnavailable):
            if names:
                raise
            continue
        bench[name] = judge
    if not bench:
        raise UsageError(f"no embedder but {own} can be had, and no one is to judge their own work.")
    return bench


def seam(before: Image, after: Image, levels: NDArray[np.uint8]) -> float:
    """How much stronger edges are along a mask's outline than before: 1 is as they were, 2 twice as strong.

    Parameters
    ----------
    before, after : (H, W, 3) uint8
    levels : (H, W) uint8
        The mask.

    Returns
    -------
    float
        Ratio of mean gradients of luma in a band about where the mask is half; NaN where there is no such place.
    """
    import cv2

    half = (levels >= 128).astype(np.uint8)
    disc = np.ones((2 * BAND + 1, 2 * BAND + 1), np.uint8)
    band = cv2.dilate(half, disc) != cv2.erode(half, disc)
    if not band.any() or not half.any():
        return float("nan")

    def edges(image: Image) -> float:
        luma = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 1.0)
        return float(np.hypot(cv2.Sobel(luma, -1, 1, 0), cv2.Sobel(luma, -1, 0, 1))[band].mean())

    return (edges(after) + 1) / (edges(before) + 1)


def flicker(before: Sequence[Image], after: Sequence[Image], masks: Sequence[NDArray[np.uint8]]) -> float:
    """How much more a clip flickers in its masks than it did: 1 is as before.

    Parameters
    ----------
    before, after : sequence of (H, W, 3) uint8
        Frames in order.
    masks : sequence of (H, W) uint8

    Returns
    -------
    float
        Ratio of the mean second differences in time of blurred luma: what goes and comes back from one frame to the
        next, which motion hardly does. NaN of fewer than three frames, or without a mask.
    """
    import cv2

    def luma(image: Image) -> Floats:
        return np.asarray(cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32), (0, 0), 2.0))

    totals = np.zeros(2)
    for i in range(1, len(before) - 1):
        inside = np.minimum.reduce([masks[i - 1], masks[i], masks[i + 1]]) >= 128
        if inside.any():
            for kind, clip in enumerate((before, after)):
                swing = luma(clip[i - 1]) - 2 * luma(clip[i]) + luma(clip[i + 1])
                totals[kind] += np.abs(swing)[inside].mean()
    return float((totals[1] + 1e-3) / (totals[0] + 1e-3)) if totals.any() else float("nan")


# --- one pair ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Person:
    name: str
    image: Image
    faces: Faces
    vectors: dict[str, Floats]


def _people(source: str | Path, bench: dict[str, Engine], engine: Engine) -> Iterator[_Person]:
    if not Path(source).is_dir():
        raise SourceError(f"{source} is no folder of portraits.")
    for path in find_pictures([str(source)]):
        if not isinstance(path, Path):
            continue
        image = load_image(path)
        faces = engine.analyze(image, want=KEPT)
        if len(faces) != 1:
            continue
        yield _Person(path.name, image, faces, _vectors(image, faces, bench))


def _vectors(image: Image, faces: Faces, bench: dict[str, Engine]) -> dict[str, Floats]:
    bare = faces.only(frozenset())
    return {
        name: judge.analyze(image, want={"embedding"}, faces=bare).embedding.values[0] for name, judge in bench.items()
    }


def _pairs(people: Sequence[_Person], bench: dict[str, Engine]) -> Iterator[tuple[_Person, _Person]]:
    """Targets and sources who are not alike to any judge: neighbours first, then those two apart, and so on."""
    for apart in range(1, len(people)):
        for place, target in enumerate(people):
            source = people[(place + apart) % len(people)]
            if all(float(target.vectors[name] @ source.vectors[name]) < UNLIKE for name in bench):
                yield target, source


def _swap(
    target: _Person,
    source: _Person,
    people: Sequence[_Person],
    swapper: Swapper,
    keep: Callable[[Image, Image, Edit], None] | None,
    bench: dict[str, Engine],
    engine: Engine,
) -> SwapPair:
    try:
        edit = swapper(target.image, source.image)
    except MienError as error:
        return SwapPair(target.name, source.name, str(error))
    if keep is not None:
        keep(target.image, source.image, edit)
    found = engine.analyze(edit.image, want=KEPT)
    if not len(found):
        return SwapPair(target.name, source.name, "no face is found in the result.")
    faces = found[[int(np.argmax(found.areas))]]
    vectors = _vectors(edit.image, faces, bench)
    levels = np.asarray(edit.layers["mask"], np.uint8)
    outside = levels == 0
    return SwapPair(
        target.name,
        source.name,
        None,
        {name: _judged(name, vectors[name], target, source, people) for name in bench},
        head_turn(faces, target.faces),
        float(np.nanmean(np.abs(faces.blendshapes.values[0] - target.faces.blendshapes.values[0]))),
        _angle(faces, target.faces),
        bool((edit.image[outside] == target.image[outside]).all()),
        seam(target.image, edit.image, levels),
    )


def _judged(name: str, vector: Floats, target: _Person, source: _Person, people: Sequence[_Person]) -> Judged:
    to_source, to_target = float(vector @ source.vectors[name]), float(vector @ target.vectors[name])
    nearer = sum(float(vector @ one.vectors[name]) > to_source for one in people if one is not source)
    return Judged(float(target.vectors[name] @ source.vectors[name]), to_source, to_target, nearer)


def head_turn(one: Faces, other: Faces) -> float:
    """Degrees of the turn between two heads: the first of each; NaN where one's pose is not known."""
    first, second = (faces.pose.matrix[0].astype(np.float64) for faces in (one, other))
    return float(np.degrees(np.arccos(np.clip((np.trace(first.T @ second) - 1) / 2, -1, 1))))


def _angle(one: Faces, other: Faces) -> float:
    """Degrees between two gazes."""
    first, second = (_direction(faces.gaze.values[0]) for faces in (one, other))
    return float(np.degrees(np.arccos(np.clip(first @ second, -1, 1))))


def _direction(yaw_pitch: Floats) -> NDArray[np.float64]:
    yaw, pitch = np.radians(yaw_pitch[:2].astype(np.float64))
    return np.array([np.sin(yaw) * np.cos(pitch), -np.sin(pitch), -np.cos(yaw) * np.cos(pitch)])


# --- all of them ------------------------------------------------------------------------------------------------------


def _summary(people: int, pairs: tuple[SwapPair, ...], judges: Sequence[str]) -> SwapEvaluation:
    done = [pair for pair in pairs if pair.reason is None]
    refused: dict[str, int] = {}
    for pair in pairs:
        if pair.reason is not None:
            refused[pair.reason] = refused.get(pair.reason, 0) + 1

    def share(test: Callable[[Judged], bool]) -> dict[str, Measured]:
        return {name: rate_of([test(pair.judged[name]) for pair in done]) for name in judges}

    def mean(value: Callable[[Judged], float]) -> dict[str, Measured]:
        return {name: mean_of([value(pair.judged[name]) for pair in done]) for name in judges}

    return SwapEvaluation(
        people=people,
        pairs=pairs,
        closer=share(lambda one: one.to_source > one.to_target),
        found=share(lambda one: one.rank == 0),
        to_source=mean(lambda one: one.to_source),
        to_target=mean(lambda one: one.to_target),
        before=mean(lambda one: one.before),
        pose=mean_of([pair.pose for pair in done]),
        expression=mean_of([pair.expression for pair in done]),
        gaze=mean_of([pair.gaze for pair in done]),
        seam=mean_of([pair.seam for pair in done]),
        untouched=float(np.mean([pair.untouched for pair in done])) if done else float("nan"),
        refused=refused,
    )


def rate_of(hits: Sequence[bool]) -> Measured:
    """A share of independent trials."""
    return Measured(float(np.mean(hits)) if hits else float("nan"), wilson(sum(hits), len(hits)))


def mean_of(values: Sequence[float]) -> Measured:
    """The mean of what is known."""
    known = [value for value in values if np.isfinite(value)]
    middle = float(np.mean(known)) if known else float("nan")
    return Measured(middle, bootstrap(lambda part: float(np.mean(part)), known))
