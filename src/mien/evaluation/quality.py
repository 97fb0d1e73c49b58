"""How well quality tells which pictures will not be recognised: error versus discard.

The pairs of one person with the poorest pictures are discarded, more and more of them, and the part of the rest that is
not recognised, at a fixed threshold, should fall (Grother, Tabassi, *Performance of biometric quality measures*, 2007;
Schlett, Rathgeb, Tapia, Busch, *Considerations on the evaluation of biometric quality assessment algorithms*, 2024). A
perfect measure discards nothing but what would be missed; one that knows nothing leaves the rate as it is.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from mien.core.errors import NoFace, ShapeMismatch, UsageError
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.engine import Engine
from mien.evaluation.capture import spoil
from mien.evaluation.intervals import ENDS, Interval
from mien.evaluation.pairs import Pairs, read_pairs
from mien.evaluation.scores import check_rates, threshold_at
from mien.location.topology import face_topology

__all__ = ["LIMIT", "SHARES", "Contender", "Discards", "QualityReport", "discard_curve", "evaluate_quality"]

Doubles = NDArray[np.float64]
Floats = NDArray[np.float32]
Indices = NDArray[np.intp]

LIMIT: Final = 0.3  #: up to which share of the pairs the area under the curve goes
SHARES: Final = np.linspace(0, LIMIT, 61)  #: of the pairs, at which curves are told
TOLD: Final = (0.0, 0.05, 0.1, 0.2, 0.3)  #: the shares of which the rate stands in the report
RECOGNIZABILITY: Final = "recognizability"  #: the contender that comes with the embedding


@dataclass(frozen=True, eq=False)
class Discards:
    """What is left of the misses when the poorest pairs are discarded.

    Parameters
    ----------
    fnmr : (K,) float64
        At each of `SHARES`, the part of the remaining pairs that is not recognised.
    area : float
        Under that curve up to `LIMIT`: 0 as of a perfect measure, 1 as of one that knows nothing; NaN where nothing was
        missed, or everything.
    """

    fnmr: Doubles
    area: float


@dataclass(frozen=True)
class Contender:
    """One measure of quality.

    Parameters
    ----------
    model : str
        The card's id, or "recognizability".
    unjudged : int
        Pictures that it abstained from; they count as the poorest.
    area : float
        See `Discards`.
    interval : (low, high)
        95 % over people.
    fnmr : tuple of float
        At the shares `TOLD`.
    curve : tuple of float
        At all `SHARES`.
    """

    model: str
    unjudged: int
    area: float
    interval: Interval
    fnmr: tuple[float, ...]
    curve: tuple[float, ...]


@dataclass(frozen=True)
class QualityReport:
    """Error versus discard of several measures on the same pairs.

    Parameters
    ----------
    embedder : str
    people, pictures, without_face : int
        What was looked at; pictures without a face, or one that cannot be aligned, are in no pair.
    spoiled : int
        Spoiled copies among the pictures.
    genuine, impostor : int
        Pairs of one person, and those of two (of pictures as they are) that the threshold comes from.
    fmr, threshold : float
        The false match rate, and the cosine from which on a pair counts as recognised.
    contenders : tuple of Contender
    """

    embedder: str
    people: int
    pictures: int
    without_face: int
    spoiled: int
    genuine: int
    impostor: int
    fmr: float
    threshold: float
    contenders: tuple[Contender, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def discard_curve(missed: ArrayLike, quality: ArrayLike, weights: ArrayLike | None = None) -> Discards:
    """What discarding the poorest pairs does.

    Parameters
    ----------
    missed : (P,) bool array-like
        Which pairs of one person are not recognised.
    quality : (P,) array-like
        Of the poorer picture of each; NaN is the poorest. Pairs of equal quality go in parts, all alike.
    weights : (P,) array-like, optional
        How much each pair counts, 1 by default.

    Raises
    ------
    ShapeMismatch
        If the arrays differ in length.
    UsageError
        If there are no pairs.
    """
    lost, values = np.asarray(missed, np.float64), np.nan_to_num(np.asarray(quality, np.float64), nan=-np.inf)
    share = np.ones(len(lost)) if weights is None else np.asarray(weights, np.float64)
    if lost.ndim != 1 or values.shape != lost.shape or share.shape != lost.shape:
        raise ShapeMismatch(f"{lost.shape} misses, {values.shape} qualities and {share.shape} weights do not fit.")
    total = share.sum()
    if not total:
        raise UsageError("there are no pairs of one person to discard.")
    order = np.argsort(values, kind="stable")
    ends = np.flatnonzero(np.append(values[order][1:] != values[order][:-1], True)) if len(order) else order
    gone = np.concatenate([[0.0], np.cumsum(share[order])[ends]]) / total
    hit = np.concatenate([[0.0], np.cumsum((share * lost)[order])[ends]]) / total
    first = hit[-1]
    fnmr = (first - np.interp(SHARES, gone, hit)) / (1 - SHARES)
    ideal = np.maximum(first - SHARES, 0) / (1 - SHARES)
    areas = [float(np.trapezoid(line, SHARES)) for line in (fnmr, ideal)]
    useless = first * LIMIT
    return Discards(fnmr, float((areas[0] - areas[1]) / (useless - areas[1])) if 0 < first < 1 else float("nan"))


def evaluate_quality(
    source: Pairs | str | os.PathLike[str],
    engines: Sequence[Engine],
    *,
    pictures: str | os.PathLike[str] | None = None,
    spoiled: int = 0,
    fmr: float = 1e-3,
    resamples: int = 200,
    seed: int = 0,
) -> QualityReport:
    """Measure error versus discard, for the embedder of the first engine.

    Parameters
    ----------
    source : Pairs or path
        What `mien.evaluation.pairs.read_pairs` takes.
    engines : sequence of Engine
        One for each measure: its choice for ``quality`` is one contender. Recognizability is another.
    pictures : path, optional
        The folder of pictures, where the pairs do not lie as their set is published.
    spoiled : int
        Copies of each picture, spoiled by `mien.evaluation.capture`, that are compared with the other picture of each
        pair as it is. For sets of good pictures, of which nothing is missed.
    fmr : float
        False match rate at which pairs count as recognised: of the pairs of two people, as they are.
    resamples, seed : int
        Of the bootstrap over people (the threshold stays), and the seed of the spoiled copies.

    Raises
    ------
    SourceError, InputError
        As `read_pairs`.
    UsageError
        If there are no engines, a number is none, or there are not pairs of both kinds.
    NoFace
        If no picture has a face.
    """
    check_rates([fmr], "false match rates")
    if not engines or spoiled < 0:
        raise UsageError(f"quality is measured with an engine or more, and 0 spoiled copies or more, not {spoiled}.")
    pairs = source if isinstance(source, Pairs) else read_pairs(source, pictures=pictures)
    if pairs.same.all() or not pairs.same.any():
        raise UsageError("pairs of one person and of two are both needed.")
    vectors, qualities = _looked_at(pairs, engines, spoiled, seed)
    known = np.isfinite(vectors[..., 0])
    first, second = pairs.first, pairs.second
    strangers = ~pairs.same & known[0, first] & known[0, second]
    if not strangers.any():
        raise UsageError("no pair of two people has a face in both pictures.")
    threshold = threshold_at(_cosines(vectors[0], first[strangers], vectors[0], second[strangers]), fmr)
    mates = np.flatnonzero(pairs.same)
    # Each picture as it is with the other as it is; and with each spoiled copy of the other, both ways round.
    sides = [(0, first[mates], second[mates])]
    for copy in range(1, spoiled + 1):
        sides += [(copy, first[mates], second[mates]), (copy, second[mates], first[mates])]
    clear = np.concatenate([one for _, one, _ in sides])
    copies, other = np.repeat([copy for copy, _, _ in sides], len(mates)), np.concatenate([o for _, _, o in sides])
    usable = known[0, clear] & known[copies, other]
    clear, copies, other = clear[usable], copies[usable], other[usable]
    if not len(clear):
        raise UsageError("no pair of one person has a face in both pictures.")
    missed = (vectors[0, clear] * vectors[copies, other]).sum(axis=1) < threshold
    owners = np.unique(np.asarray(pairs.people), return_inverse=True)[1][clear]
    contenders = tuple(
        _contender(name, missed, values[0, clear], values[copies, other], owners, int((known & np.isnan(values)).sum()),
                   resamples=resamples, seed=seed)
        for name, values in qualities.items()
    )  # fmt: skip
    return QualityReport(
        embedder=engines[0].choose("embedding").id,
        people=len(np.unique(owners)),
        pictures=known.size,
        without_face=int((~known).sum()),
        spoiled=int(known[1:].size),
        genuine=len(clear),
        impostor=int(strangers.sum()),
        fmr=fmr,
        threshold=threshold,
        contenders=contenders,
    )


def _contender(
    name: str,
    missed: NDArray[np.bool_],
    one: Doubles,
    other: Doubles,
    owners: Indices,
    unjudged: int,
    *,
    resamples: int,
    seed: int,
) -> Contender:
    quality = np.minimum(np.nan_to_num(one, nan=-1.0), np.nan_to_num(other, nan=-1.0))
    found = discard_curve(missed, quality)
    people = np.unique(owners)
    draw, areas = np.random.default_rng(seed), []
    for _ in range(resamples):
        counts = np.bincount(draw.choice(people, len(people)), minlength=people.max() + 1)
        area = discard_curve(missed, quality, counts[owners]).area
        if np.isfinite(area):
            areas.append(area)
    low, high = np.quantile(areas, ENDS).tolist() if areas else (np.nan, np.nan)
    told = tuple(np.interp(TOLD, SHARES, found.fnmr).tolist())
    return Contender(name, unjudged, found.area, (low, high), told, tuple(found.fnmr.tolist()))


def _looked_at(pairs: Pairs, engines: Sequence[Engine], spoiled: int, seed: int) -> tuple[Floats, dict[str, Doubles]]:
    """Vectors (1 + spoiled, N, D) and, by contender, qualities (1 + spoiled, N); NaN where no face was found."""
    engine = engines[0]
    names = [one.choose("quality").id for one in engines]
    needed = {name for one in engines for name in one.choose("quality").needs}
    wanted = {"alignment", "landmarks", "embedding", RECOGNIZABILITY, *needed}
    topology = face_topology(engine=engine) if spoiled else None
    count = len(pairs.pictures)
    qualities = {name: np.full((1 + spoiled, count), np.nan) for name in [*names, RECOGNIZABILITY]}
    vectors: dict[tuple[int, int], Floats] = {}

    def look(copy: int, place: int, image: Image, faces: Faces) -> None:
        if not len(faces) or faces.embedding.abstained[0]:
            return
        vectors[copy, place] = faces.embedding.values[0]
        qualities[RECOGNIZABILITY][copy, place] = faces.recognizability.values[0]
        for name, one in zip(names, engines, strict=True):
            judged = one.analyze(image, faces=faces, want={"quality"})
            qualities[name][copy, place] = judged.quality.values[0]

    for place, picture in enumerate(pairs.pictures):
        image = load_image(picture)
        faces = engine.analyze([image], aligned=True, want=wanted) if pairs.aligned else (
            engine.analyze(image, want=wanted).top(1)
        )  # fmt: skip
        look(0, place, image, faces)
        if topology is None or not len(faces) or faces.landmarks.abstained[0]:
            continue
        for copy in range(1, spoiled + 1):
            poor = spoil(image, faces.landmarks.values[0], topology, seed=zlib.crc32(image.data) + copy + seed)
            found = engine.analyze(poor, want=wanted).top(1)
            if not len(found):  # a face that is followed in a film is looked for where it was
                found = engine.analyze(poor, faces=Faces.from_boxes(faces.boxes), want=wanted)
            look(copy, place, poor, found)
    if not vectors:
        raise NoFace(f"no face in any of {count} pictures.")
    size = len(next(iter(vectors.values())))
    stacked = np.full((1 + spoiled, count, size), np.nan, np.float32)
    for (copy, place), vector in vectors.items():
        stacked[copy, place] = vector
    return stacked, qualities


def _cosines(one: Floats, first: Indices, other: Floats, second: Indices) -> Doubles:
    return np.asarray((one[first] * other[second]).sum(axis=1), np.float64)
