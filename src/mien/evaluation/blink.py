"""How well blinks are found in clips, and open eyes told from closed ones in pictures and frames."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.clip import Events
from mien.core.errors import InputError, UsageError
from mien.core.image import Image, load_image
from mien.datasets.readers.events_csv import read_clip_json
from mien.datasets.readers.files import read_text
from mien.engine import Engine, default_engine
from mien.evaluation.agreement import area_under_curve
from mien.evaluation.events import EventsReport, evaluate_events
from mien.evaluation.intervals import Interval, bootstrap, wilson
from mien.evaluation.portraits import only_a_face
from mien.location.eyes import EYE_NAMES

__all__ = [
    "EyeLabel",
    "EyesReport",
    "evaluate_blinks",
    "evaluate_eyes",
    "find_eyes",
    "read_eye_labels",
    "score_eyes",
]

STATES = ("open", "closed")  #: what counts; any other word ("half") is left out


def evaluate_blinks(
    truth: Mapping[str, Events],
    clips: Mapping[str, str | os.PathLike[str]],
    *,
    iou: float = 0.2,
    engine: Engine | None = None,
) -> EventsReport:
    """Find the blinks of clips and measure them against true ones.

    Parameters
    ----------
    truth : mapping of str to Events
        Of kind "blink", by clip; see `mien.datasets.readers.events_csv`.
    clips : mapping of str to path
        For each clip of the truth, the video, or a JSON file of what was found in it.
    iou : float
        From which overlap in time a blink counts as found. A blink lasts a few frames, and where it ends is a matter of
        taste: 0.2 is what Fogelton and Benesova take (*Eye blink detection based on motion vectors analysis*, 2016),
        0.5 what MPEblink does.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Raises
    ------
    UsageError
        If a clip of the truth is missing.
    SourceError, InputError
        If a file cannot be read.
    """
    if missing := sorted(set(truth) - set(clips)):
        raise UsageError(f"there is truth of {missing[0]!r}, but no such clip.")
    engine = engine or default_engine()
    found = {}
    for name in truth:
        path = Path(clips[name])
        is_json = path.suffix.lower() == ".json"
        found[name] = read_clip_json(path) if is_json else engine.track(path, want={"blink"}).events
    return evaluate_events(truth, found, kind="blink", iou=iou)


@dataclass(frozen=True)
class EyeLabel:
    """How open the eyes of the largest face of a picture, or of a frame of a video, are.

    Parameters
    ----------
    subject : str
        Whose eyes: labels of one person are not independent.
    path : Path
    frame : int or None
        Of a video, from 0.
    states : (str, str)
        Of the right and of the left eye, the subject's: "open", "closed", or another word that does not count.
    """

    subject: str
    path: Path
    frame: int | None
    states: tuple[str, str]


@dataclass(frozen=True)
class EyesReport:
    """How well open eyes are told from closed ones, at a probability of 0.5.

    Parameters
    ----------
    subjects, faces, without_face : int
        What was looked at.
    open, closed : int
        Eyes with an answer, by their label.
    abstained : int
        Labelled eyes of found faces that had none.
    open_right, closed_right : int
        Eyes that were called what they are.
    open_rate, closed_rate : float
        The same as rates.
    open_interval, closed_interval : (low, high)
        95 %: by drawing subjects, and nowhere narrower than Wilson's for as many independent eyes as there are people.
    auc, auc_interval
        The chance that an open eye scores higher than a closed one, over all people; the interval over subjects.
    """

    subjects: int
    faces: int
    without_face: int
    abstained: int
    open: int
    closed: int
    open_right: int
    closed_right: int
    open_rate: float
    closed_rate: float
    open_interval: Interval
    closed_interval: Interval
    auc: float
    auc_interval: Interval

    def to_dict(self) -> dict[str, Any]:
        """As JSON types."""
        return asdict(self)


def read_eye_labels(
    path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None
) -> tuple[EyeLabel, ...]:
    """Read a CSV file with the columns ``subject``, ``file``, ``frame``, ``right`` and ``left``.

    Parameters
    ----------
    path : path
    root : path, optional
        Folder that files are named from; by default the one of the CSV file.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is not such a table; the message names the line.
    """
    path = Path(path)
    root = path.parent if root is None else Path(root)
    labels = []
    try:
        rows = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
        if missing := [
            name for name in ("subject", "file", "frame", *EYE_NAMES) if name not in (rows.fieldnames or ())
        ]:
            raise InputError(f"{path} has no column {missing[0]!r}.")
        for row in rows:
            frame = (row["frame"] or "").strip()
            if not row["file"] or "\0" in row["file"] or not (frame == "" or (frame.isdecimal() and len(frame) < 10)):
                raise InputError(
                    f"{path}, line {rows.line_num}: a file, and the number of a frame or none, are needed."
                )
            right, left = ((row[name] or "").strip().lower() for name in EYE_NAMES)
            labels.append(
                EyeLabel(row["subject"] or "", root / row["file"], int(frame) if frame else None, (right, left))
            )
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file: {error}.") from error
    return tuple(labels)


def evaluate_eyes(labels: Sequence[EyeLabel], *, engine: Engine | None = None, seed: int = 0) -> EyesReport:
    """Measure the engine's ``eyes`` on labelled pictures and frames; in each, the largest face counts.

    Raises
    ------
    UsageError
        If there is no label, or a video has no such frame.
    SourceError, ImageError
        If a file cannot be read.
    """
    return score_eyes(labels, list(find_eyes(labels, engine=engine)), seed=seed)


def find_eyes(labels: Sequence[EyeLabel], *, engine: Engine | None = None) -> Iterator[tuple[float, float] | None]:
    """Probability of open of the right and the left eye of each label, in order; None where no face was found."""
    engine = engine or default_engine()
    answers: dict[int, tuple[float, float] | None] = {}
    videos: dict[Path, dict[int, list[int]]] = {}  # a frame may have several labels
    for place, label in enumerate(labels):
        if label.frame is None:
            answers[place] = _eyes_of(load_image(label.path), engine)
        else:
            videos.setdefault(label.path, {}).setdefault(label.frame, []).append(place)
    for path, wanted in videos.items():
        for number, image in _frames(path, max(wanted)):
            if number in wanted:
                answers |= dict.fromkeys(wanted.pop(number), _eyes_of(image, engine))
        if wanted:
            raise UsageError(f"{path} has no frame {min(wanted)}.")
    return (answers[place] for place in range(len(labels)))


def score_eyes(
    labels: Sequence[EyeLabel], answers: Sequence[tuple[float, float] | None], *, seed: int = 0
) -> EyesReport:
    """Count what `find_eyes` answered against the labels.

    Raises
    ------
    UsageError
        If there is no label, or not one answer for each.
    """
    if not labels or len(labels) != len(answers):
        raise UsageError(f"{len(labels)} labels and {len(answers)} answers: at least one is needed, and one for each.")
    eyes = [
        (label.subject, state == "open", value)
        for label, answer in zip(labels, answers, strict=True)
        for state, value in zip(label.states, answer or (), strict=False)
        if state in STATES
    ]
    known = [eye for eye in eyes if not np.isnan(eye[2])]
    people: dict[str, list[tuple[bool, float]]] = {}
    for subject, is_open, value in known:
        people.setdefault(subject, []).append((is_open, value))
    parts = list(people.values())
    opened, shut = ([value for _, is_open, value in known if is_open == state] for state in (True, False))
    open_right, closed_right = sum(value > 0.5 for value in opened), sum(value <= 0.5 for value in shut)
    return EyesReport(
        subjects=len({label.subject for label in labels}),
        faces=sum(answer is not None for answer in answers),
        without_face=sum(answer is None for answer in answers),
        abstained=len(eyes) - len(known),
        open=len(opened),
        closed=len(shut),
        open_right=open_right,
        closed_right=closed_right,
        open_rate=open_right / len(opened) if opened else np.nan,
        closed_rate=closed_right / len(shut) if shut else np.nan,
        open_interval=_rate_interval(parts, True, seed),
        closed_interval=_rate_interval(parts, False, seed),
        auc=_auc([eye for part in parts for eye in part]),
        auc_interval=bootstrap(lambda drawn: _auc([eye for part in drawn for eye in part]), parts, seed=seed),
    )


def _rate_interval(people: Sequence[list[tuple[bool, float]]], state: bool, seed: int) -> Interval:
    """Of the rate at which eyes of a state are called so, over people who have such eyes."""
    parts = [[(value > 0.5) == state for is_open, value in part if is_open == state] for part in people]
    parts = [part for part in parts if part]
    if not parts:
        return np.nan, np.nan

    def rate(drawn: Sequence[list[bool]]) -> float:
        return sum(map(sum, drawn)) / sum(map(len, drawn))

    low, high = bootstrap(rate, parts, seed=seed)
    least, most = wilson(rate(parts) * len(parts), len(parts))
    return min(low, least), max(high, most)


def _auc(eyes: Sequence[tuple[bool, float]]) -> float:
    """Chance that an open eye scores higher than a closed one; NaN without both."""
    return area_under_curve(*([value for is_open, value in eyes if is_open == state] for state in (True, False)))


def _eyes_of(image: Image, engine: Engine) -> tuple[float, float] | None:
    faces = engine.analyze(image, want={"eyes"}, faces=only_a_face(image)).top(1)
    if not len(faces):
        return None
    right, left = faces.eyes.values[0].tolist()
    return right, left


def _frames(path: Path, last: int) -> Iterator[tuple[int, Image]]:
    """Frames of a video up to number `last`."""
    from mien.media.video import open_video

    with open_video(path) as video:
        for frame in video:
            yield frame.index, frame.image
            if frame.index >= last:
                return
