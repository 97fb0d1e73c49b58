"""Morphs: whether our cues notice them, whether a trusted picture gives them away, and for whom they pass.

Each picture of a person is a document in turn, and the others are what a gate sees. The first ones of two people are
morphed. Three questions are asked, with the measures of ISO/IEC 20059: detection by the document alone (S-MAD, each cue
of ``forgery``), by the document and a trusted picture (D-MAD, by their similarity), and how many morphs are accepted as
*both* their people at a threshold (MMPMR: Scherhag et al., *Biometric Systems under Morphing Attacks*, BIOSIG 2017).
MADation (Caldeira et al., WACV workshops 2025) is a network for the first; its weights are not to be had.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NoFace, SourceError, UsageError
from mien.core.image import Image
from mien.datasets.morph import Part, Portrait, morph, open_portrait
from mien.embeddings.calibration import Traits, load_calibration
from mien.engine import Engine, default_engine
from mien.evaluation.damage import jpeg
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import bootstrap, widen
from mien.evaluation.scores import check_rates
from mien.evaluation.separation import auc, bpcer_at, equal_error, measured
from mien.media.scan import PICTURE_SUFFIXES

__all__ = ["APCER", "MorphCell", "MorphEvaluation", "Passed", "evaluate_morph"]

Floats = NDArray[np.float32]

APCER = (0.01, 0.05, 0.10)  #: rates of morphs that pass, at which refused bona fide documents are counted
DIFFERENTIAL = "likeness"
QUALITY = 90  # of JPEG: documents and morphs are both compressed, so that it tells nothing
ADULT = Traits(ages=(18.0, 150.0))  # whose documents they are
UNLIKE = 0.3  # cosine: people who are more alike are not morphed


@dataclass(frozen=True)
class MorphCell:
    """One detector of morphs.

    Attributes
    ----------
    detector : str
        A cue of ``forgery``; "likeness" is 1 less the similarity to a trusted picture of a person who shows the
        document.
    bona_fide, morphs : int
    auc, d_eer : Measured
    bpcer : dict of float to Measured
        By `APCER`.
    """

    detector: str
    bona_fide: int
    morphs: int
    auc: Measured
    d_eer: Measured
    bpcer: dict[float, Measured]


@dataclass(frozen=True)
class Passed:
    """Whom an embedder lets pass at a threshold.

    Attributes
    ----------
    far, threshold : float
        False accept rate, and the score that has it by the embedder's calibration for adults.
    mmpmr : Measured
        Share of morphs that are accepted as both people, each by the most similar of their other pictures. Intervals
        here are over morphs, which share people: they are too narrow.
    accepted : int
        How many those are.
    one_side : Measured
        Share of the pairs of a morph and one of its people that are accepted.
    genuine : Measured
        Share of bona fide documents that are accepted as their person.
    """

    far: float
    threshold: float
    mmpmr: Measured
    accepted: int
    one_side: Measured
    genuine: Measured


@dataclass(frozen=True)
class MorphEvaluation:
    """What was measured.

    Attributes
    ----------
    people, documents, morphs : int
    part : str
    alpha : float
    cells : tuple of MorphCell
    model : str
        The embedder.
    passed : tuple of Passed
        By false accept rate.
    """

    people: int
    documents: int
    morphs: int
    part: str
    alpha: float
    cells: tuple[MorphCell, ...]
    model: str
    passed: tuple[Passed, ...]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def evaluate_morph(
    source: str | Path,
    *,
    alpha: float = 0.5,
    part: Part = "face",
    rates: Sequence[float] = (1e-2, 1e-3),
    limit: int = 60,
    engine: Engine | None = None,
) -> MorphEvaluation:
    """Morph people of a folder in memory, and measure whether that is noticed.

    Parameters
    ----------
    source : path
        A folder with a folder of pictures for each person, at least two of them with two pictures.
    alpha, part
        See `mien.datasets.morph.morph`.
    rates : sequence of float
        False accept rates of the embedder's thresholds.
    limit : int
        Pairs of people that are morphed at most; the first ones, by name.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    SourceError
        If there is no such folder.
    NoFace
        If fewer than two people have two pictures with a face.
    NotCalibrated
        If the embedder has no calibration, or the engine's licenses do not permit it.
    UsageError
        If an option is out of range.
    """
    check_rates(rates)
    if limit < 1:
        raise UsageError(f"limit is 1 or more, not {limit}.")
    engine = engine or default_engine()
    card = engine.choose("embedding")
    calibration = load_calibration(card.space or "", licenses=engine.licenses)
    strata = calibration.strata_of(ADULT, ADULT)
    thresholds = {far: calibration.threshold(far, strata)[0] for far in rates}
    people = _people(Path(source), engine)
    pairs = [
        (one, other)
        for one, other in combinations(people, 2)
        if float(people[one][0].vector @ people[other][0].vector) < UNLIKE
    ][:limit]
    if not pairs:
        raise NoFace("no two people with two pictures each are unlike enough to be morphed.")
    rows = []
    for name, portraits in people.items():
        for place, portrait in enumerate(portraits):
            cues, vector = _judged(portrait.image, engine)
            rows.append(_Row(cues, _best(vector, portraits[:place] + portraits[place + 1 :]), name))
    made: list[tuple[_Row, ...]] = []
    for one, other in pairs:
        edit = morph(people[one][0], people[other][0], alpha=alpha, part=part, engine=engine)
        cues, vector = _judged(edit.image, engine)
        made.append(tuple(_Row(cues, _best(vector, people[person][1:]), person) for person in (one, other)))
    return MorphEvaluation(
        people=len(people),
        documents=len(rows),
        morphs=len(made),
        part=part,
        alpha=alpha,
        cells=_cells(rows, made),
        model=card.id,
        passed=tuple(_passed(far, threshold, rows, made) for far, threshold in thresholds.items()),
    )


@dataclass(frozen=True, eq=False)
class _Row:
    """A document as one person shows it: its cues by name, and its similarity to what the gate sees of them."""

    cues: dict[str, float]
    likeness: float
    person: str


def _people(folder: Path, engine: Engine) -> dict[str, list[Portrait]]:
    """Portraits of everybody who has two or more."""
    if not folder.is_dir():
        raise SourceError(f"{folder} is no folder.")
    found: dict[str, list[Portrait]] = {}
    for place in sorted(path for path in folder.iterdir() if path.is_dir()):
        files = sorted(path for path in place.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
        portraits = list(_portraits(files, engine))
        if len(portraits) > 1:
            found[place.name] = portraits
    if len(found) < 2:
        raise NoFace(f"{folder} has fewer than two people with two pictures of a face each.")
    return found


def _portraits(files: Sequence[Path], engine: Engine) -> Iterator[Portrait]:
    for file in files:
        try:
            portrait = open_portrait(file, engine=engine)
        except NoFace:
            continue
        if np.isfinite(portrait.vector).all():
            yield portrait


def _judged(image: Image, engine: Engine) -> tuple[dict[str, float], Floats]:
    """Cues and embedding of a document as it is handed in: compressed."""
    faces = engine.analyze(jpeg(image, QUALITY), want={"forgery", "embedding"})
    if not len(faces):
        return {}, np.zeros(0, np.float32)
    largest = faces[int(faces.heights.argmax())]
    cues = largest.forgery
    return dict(zip(cues.names, cues.values.tolist(), strict=True)), largest.embedding.values


def _best(vector: Floats, seen: Sequence[Portrait]) -> float:
    """Highest similarity to the pictures that the gate sees; NaN where the document shows no face."""
    if not vector.size or np.isnan(vector).any():
        return np.nan
    return max(float(vector @ portrait.vector) for portrait in seen)


def _cells(real: Sequence[_Row], made: Sequence[tuple[_Row, ...]]) -> tuple[MorphCell, ...]:
    firsts = [pair[0] for pair in made]
    names = dict.fromkeys(name for row in (*real, *firsts) for name in row.cues)
    cells = [_cell(name, [row.cues.get(name, np.nan) for row in (*real, *firsts)], real, firsts) for name in names]
    sides = [row for pair in made for row in pair]
    cells.append(_cell(DIFFERENTIAL, [1 - row.likeness for row in (*real, *sides)], real, sides))
    return tuple(cells)


def _cell(name: str, values: Sequence[float], real: Sequence[_Row], morphs: Sequence[_Row]) -> MorphCell:
    scores = np.array(values, np.float64)
    attack = np.repeat([False, True], [len(real), len(morphs)])
    groups = [row.person for row in (*real, *morphs)]
    told = partial(measured, scores=scores, positive=attack, groups=groups)
    known = np.isfinite(scores)
    return MorphCell(
        detector=name,
        bona_fide=int((known & ~attack).sum()),
        morphs=int((known & attack).sum()),
        auc=told(auc),
        d_eer=told(equal_error),
        bpcer={rate: told(bpcer_at(rate)) for rate in APCER},
    )


def _passed(far: float, threshold: float, real: Sequence[_Row], made: Sequence[tuple[_Row, ...]]) -> Passed:
    # What shows no face is NaN, which reaches no threshold.
    accepted = np.array([[side.likeness >= threshold for side in pair] for pair in made], np.bool_)
    return Passed(
        far=far,
        threshold=float(threshold),
        mmpmr=_rate(np.asarray(accepted.all(axis=1))),
        accepted=int(accepted.all(axis=1).sum()),
        one_side=_rate(accepted.ravel()),
        genuine=_rate(np.array([row.likeness >= threshold for row in real], np.bool_)),
    )


def _rate(hits: NDArray[np.bool_]) -> Measured:
    values = hits.astype(np.float64)
    rate = float(values.mean())
    return Measured(rate, widen(bootstrap(lambda some: float(np.mean(some)), values.tolist()), rate, len(values)))
