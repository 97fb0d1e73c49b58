"""Hidden faces: whether anybody is still recognised, and what can still be seen of a face.

The attacker of these measures knows where each face was (hidden faces are embedded at the place of the original), has
clear pictures of everybody. Three questions are asked: whether a hidden face reaches the threshold of a false accept
rate with *other* pictures of its person; whether it does with the very picture that it was made of, which is harder to
prevent, and means that an archive gives it away; and whether its person is the nearest of a few known people, which is
the hardest: whoever knows that it must be one of ten needs no threshold.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import MienError, NoFace, NotCalibrated, SourceError
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.engine import Engine, default_engine
from mien.evaluation.gaze import Measured
from mien.evaluation.intervals import bootstrap, widen
from mien.evaluation.swap import choose_judges, head_turn, mean_of, rate_of
from mien.media.scan import PICTURE_SUFFIXES
from mien.swaps.edit import Edit
from mien.swaps.hidden.strength import lowest_threshold

__all__ = ["AnonymizationEvaluation", "Hider", "Reidentified", "evaluate_anonymization"]

Floats = NDArray[np.float32]

#: Hides the faces of a picture.
Hider: TypeAlias = Callable[[Image], Edit]


@dataclass(frozen=True)
class Reidentified:
    """What one embedder makes of hidden faces.

    Attributes
    ----------
    threshold : float
        Cosine that strangers reach at the false accept rate, by the embedder's calibration: the lowest of all kinds of
        people, which is what helps an attacker most.
    before, after : Measured
        Share of the pairs of two pictures of a person that reach it: both clear; one of them hidden. Intervals are over
        people.
    same : Measured
        Share of the pictures that are matched to what they were made of.
    ranked_before, ranked_after : Measured
        Share of the pictures whose nearest other picture is of their person.
    nearest : float
        Highest cosine of a hidden face to a clear picture of its person.
    """

    threshold: float
    before: Measured
    after: Measured
    same: Measured
    ranked_before: Measured
    ranked_after: Measured
    nearest: float


@dataclass(frozen=True)
class AnonymizationEvaluation:
    """What was measured.

    Attributes
    ----------
    people, pictures : int
    far : float
        False accept rate of the thresholds.
    judges : dict of str to Reidentified
        By embedder.
    visible : Measured
        Share of the pictures in which a face is still detected where one was.
    pose : Measured
        Degrees between the heads before and after, where a face is still detected: what is kept.
    failed : dict of str to int
        Reasons of the pictures that could not be hidden.
    """

    people: int
    pictures: int
    far: float
    judges: dict[str, Reidentified]
    visible: Measured
    pose: Measured
    failed: dict[str, int]

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


@dataclass(frozen=True, eq=False)
class _Picture:
    """One clear picture and its hidden one, as every embedder sees them."""

    person: str
    clear: dict[str, Floats]
    hidden: dict[str, Floats]
    visible: bool
    pose: float


def evaluate_anonymization(
    source: str | Path,
    *,
    hider: Hider,
    far: float = 1e-3,
    limit: int = 10,
    judges: Sequence[str] | None = None,
    keep: Callable[[Image, Edit], None] | None = None,
    engine: Engine | None = None,
) -> AnonymizationEvaluation:
    """Hide the people of a folder in memory, and try to recognise them.

    Parameters
    ----------
    source : path
        A folder with a folder of pictures for each person.
    hider : callable
        Hides the faces of a picture.
    far : float
        False accept rate of the thresholds.
    limit : int
        Pictures of each person at most.
    judges : sequence of str, optional
        Embedders that attack; default: all of `mien.evaluation.swap.JUDGES` that can be had, the engine's own among
        them.
    keep : callable, optional
        Is given each picture and what became of it, for a sheet.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Raises
    ------
    SourceError
        If there is no such folder.
    NoFace
        If fewer than two people in it have a picture with a face.
    NotCalibrated
        If an embedder has no calibration for this rate.
    """
    engine = engine or default_engine()
    bench = choose_judges(engine, judges or None)
    if judges is None:
        bench = {engine.choose("embedding").id: engine, **bench}
    bars = {name: _threshold(judge, far) for name, judge in bench.items()}
    failed: dict[str, int] = {}
    pictures: list[_Picture] = []
    for person, path in _files(source, limit):
        try:
            seen = _look(person, load_image(path), hider, bench, engine, keep)
        except MienError as error:
            failed[str(error)] = failed.get(str(error), 0) + 1
            continue
        if seen is not None:
            pictures.append(seen)
    people = sorted({one.person for one in pictures})
    if len(people) < 2:
        raise NoFace(f"{source} shows {len(people)} people: to tell whether somebody is recognised takes two.")
    return AnonymizationEvaluation(
        people=len(people),
        pictures=len(pictures),
        far=far,
        judges={name: _reidentified(name, bars[name], pictures, people) for name in bench},
        visible=rate_of([one.visible for one in pictures]),
        pose=mean_of([one.pose for one in pictures]),
        failed=failed,
    )


def _files(source: str | Path, limit: int) -> Iterator[tuple[str, Path]]:
    root = Path(source)
    if not root.is_dir():
        raise SourceError(f"{source} is no folder of people.")
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURE_SUFFIXES)
        yield from ((folder.name, path) for path in files[:limit])


def _threshold(judge: Engine, far: float) -> float:
    space = judge.choose("embedding").space or ""
    found = lowest_threshold(space, judge, far)
    if found is None:
        raise NotCalibrated(f"nobody measured from which likeness on strangers of {space} pass at a rate of {far:g}.")
    return found


def _look(
    person: str,
    image: Image,
    hider: Hider,
    bench: dict[str, Engine],
    engine: Engine,
    keep: Callable[[Image, Edit], None] | None,
) -> _Picture | None:
    """A picture's largest face, clear and hidden; None where there is none."""
    faces = engine.analyze(image, want={"pose", "alignment"})
    if not len(faces):
        return None
    face = faces[[int(np.argmax(faces.areas))]]
    edit = hider(image)
    if keep is not None:
        keep(image, edit)
    left = engine.analyze(edit.image, want={"pose"})
    same = _where(left, face)
    place = face.only(frozenset({"alignment"}))
    return _Picture(
        person,
        {name: _vector(judge, image, place) for name, judge in bench.items()},
        {name: _vector(judge, edit.image, place) for name, judge in bench.items()},
        same is not None,
        float("nan") if same is None else head_turn(left[[same]], face),
    )


def _vector(judge: Engine, image: Image, place: Faces) -> Floats:
    """What an embedder sees at the place of a face, whatever is there now."""
    vector: Floats = judge.analyze(image, want={"embedding"}, faces=place).embedding.values[0]
    return np.nan_to_num(vector)


def _where(faces: Faces, face: Faces) -> int | None:
    """Which of the faces stands where one was."""
    if not len(faces):
        return None
    x1, y1, x2, y2 = face.boxes[0]
    inside = (faces.centers > (x1, y1)).all(axis=1) & (faces.centers < (x2, y2)).all(axis=1)
    rows = np.flatnonzero(inside & (faces.heights > 0.4 * (y2 - y1)))
    return int(rows[0]) if len(rows) else None


def _reidentified(name: str, bar: float, pictures: Sequence[_Picture], people: Sequence[str]) -> Reidentified:
    owner = np.array([people.index(one.person) for one in pictures])
    clear = np.stack([one.clear[name] for one in pictures])
    hidden = np.stack([one.hidden[name] for one in pictures])
    before, after = clear @ clear.T, hidden @ clear.T
    mine = owner[:, None] == owner[None]
    other = ~np.eye(len(pictures), dtype=bool)
    genuine = mine & other

    def matched(scores: Floats) -> Measured:
        return _by_person([scores[rows][genuine[rows]] >= bar for rows in (owner == who for who in range(len(people)))])

    def ranked(scores: Floats) -> Measured:
        best = np.where(other, scores, -2).argmax(axis=1)
        hits = owner[best] == owner
        return _by_person([hits[owner == who] for who in range(len(people))])

    return Reidentified(
        threshold=bar,
        before=matched(before),
        after=matched(after),
        same=_by_person([np.diag(after)[owner == who] >= bar for who in range(len(people))]),
        ranked_before=ranked(before),
        ranked_after=ranked(after),
        nearest=float(after[mine].max()),
    )


def _by_person(hits: Sequence[NDArray[np.bool_]]) -> Measured:
    """A rate over all, with an interval over people."""
    parts = [one for one in hits if len(one)]
    if not parts:
        return Measured(float("nan"), (float("nan"), float("nan")))
    whole = np.concatenate(parts)
    rate = float(whole.mean())
    interval = bootstrap(lambda drawn: float(np.concatenate(drawn).mean()), parts)
    return Measured(rate, widen(interval, rate, len(parts)))
