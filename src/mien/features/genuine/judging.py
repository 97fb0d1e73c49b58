"""The verb ``forgery``: it gathers what `mien.features.genuine.report` tells."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Vectors
from mien.core.errors import EmbeddingSpaceMismatch, NoFace, UsageError
from mien.core.faces import Face, Faces
from mien.core.image import Image, ImageSource, load_image
from mien.engine import Engine, default_engine
from mien.features.genuine.heat import heat_of
from mien.features.genuine.jitter import STILL, Path, measure
from mien.features.genuine.readings import Reading, read
from mien.features.genuine.report import FaceFindings, ForgeryReport, Likeness
from mien.features.genuine.window import Window, open_window
from mien.media.provenance import provenance
from mien.media.video import VIDEO_SUFFIXES

__all__ = ["Enrolled", "Person", "enroll", "forgery", "judge"]

#: Pictures of a known person, their faces, or embeddings of them.
Enrolled: TypeAlias = "ImageSource | Sequence[ImageSource] | Faces | Vectors"

Floats = NDArray[np.float32]
SHAPE = frozenset({"landmarks", "alignment"})
BRIGHT = 8  # added to colours before logarithms


def forgery(
    source: ImageSource, *, enrolled: Enrolled | None = None, every: int = 10, engine: Engine | None = None
) -> ForgeryReport:
    """Tell what is odd about the faces of a picture or a video.

    Parameters
    ----------
    source : picture or path of a video
        As for `mien.load_image`, or a file that a video player opens.
    enrolled : picture, sequence of pictures, Faces or Vectors, optional
        Of the person that the face is said to be, from a source that you trust: how much it resembles them is told
        beside. One face each; of several the largest counts.
    every : int
        Of a video, cues are judged in every Nth frame.
    engine : Engine, optional
        Default: `mien.default_engine()`.

    Returns
    -------
    ForgeryReport
        Cues with what they say, where, and no verdict; false where there is no face.

    Raises
    ------
    SourceError, ImageError
        If there is no such file, or it cannot be read.
    NoFace
        If the enrolled pictures show no face that can be recognised.
    EmbeddingSpaceMismatch
        If the enrolled vectors are of another model than the engine's.
    UsageError
        If `every` is no whole number of 1 or more.

    Examples
    --------
    >>> report = mien.forgery("clip.mp4", enrolled=["known1.jpg", "known2.jpg"])  # doctest: +SKIP
    >>> print(report)  # doctest: +SKIP
    """
    engine = engine or default_engine()
    person = None if enrolled is None else enroll(enrolled, engine=engine)
    return judge(source, enrolled=person, every=every, engine=engine)


def judge(source: ImageSource, *, enrolled: Person | None, every: int = 10, engine: Engine) -> ForgeryReport:
    """`forgery`, with a person who was enrolled before: for many files."""
    if not isinstance(every, int) or every < 1:
        raise UsageError(f"every is a whole number of frames, 1 or more, not {every!r}.")
    is_file = isinstance(source, str | os.PathLike)
    name = os.fspath(cast("str", source)) if is_file else f"<{type(source).__name__}>"
    moves = is_file and os.path.splitext(name)[1].lower() in VIDEO_SUFFIXES  # noqa: PTH122 - a name may be no path
    found, models = _film(name, enrolled, every, engine) if moves else _picture(load_image(source), enrolled, engine)
    # Read last: a file that is none has been refused by then, with a better word for it.
    mark = provenance(source) if isinstance(source, str | os.PathLike | bytes) else None
    return ForgeryReport(name, found, mark, models)


@dataclass(frozen=True, eq=False)
class Person:
    """The enrolled person: the mean of their embeddings."""

    vector: Floats
    count: int
    space: str

    def likeness(self, vectors: Sequence[Floats]) -> Likeness | None:
        """How much faces resemble them; None where no face has an embedding."""
        known = [vector for vector in vectors if np.isfinite(vector).all()]
        if not known:
            return None
        alike = np.stack(known) @ self.vector
        mean, low, high = (round(float(value), 4) for value in (alike.mean(), alike.min(), alike.max()))
        return Likeness(mean, low, high, self.count, self.space)


def enroll(enrolled: Enrolled, *, engine: Engine) -> Person:
    """Embed the pictures of a person, or take their embeddings; see `forgery`."""
    vectors = enrolled if isinstance(enrolled, Vectors) else _vectors(enrolled, engine)
    rows = np.atleast_2d(vectors.values)
    rows = rows[np.isfinite(rows).all(axis=1)]
    if not len(rows):
        raise NoFace("the enrolled pictures show no face that can be recognised.")
    wanted = engine.choose("embedding").space
    if vectors.space != wanted:
        raise EmbeddingSpaceMismatch(f"the enrolled vectors are of {vectors.space}, the engine's model of {wanted}.")
    mean = rows.mean(axis=0)
    return Person(mean / np.linalg.norm(mean), len(rows), vectors.space)


def _vectors(enrolled: ImageSource | Sequence[ImageSource] | Faces, engine: Engine) -> Vectors:
    if isinstance(enrolled, Faces):
        return enrolled.embedding
    many = isinstance(enrolled, Sequence) and not isinstance(enrolled, str | bytes)
    pictures = cast("Sequence[ImageSource]", enrolled if many else [enrolled])
    found = [engine.analyze(picture, want={"embedding"}) for picture in pictures]
    largest = [faces[[int(faces.heights.argmax())]].embedding for faces in found if len(faces)]
    if not largest:
        raise NoFace("the enrolled pictures show no face that can be recognised.")
    return Vectors.concat(largest)


def _picture(image: Image, person: Person | None, engine: Engine) -> tuple[tuple[FaceFindings, ...], dict[str, str]]:
    want = SHAPE | {"forgery"} | ({"embedding"} if person else set())
    faces = engine.analyze(image, want=want)
    found = []
    for number, face in enumerate(faces):
        likeness = person.likeness([face.embedding.values]) if person else None
        window = _window(image, face)
        found.append(
            FaceFindings(
                number=number,
                box=face.box,
                cues=_readings(face.forgery.names, face.forgery.values),
                reason=face.forgery.reason if bool(face.forgery.abstained) else None,
                frames=1,
                time=None,
                image=image,
                heat=heat_of(window) if window else None,
                likeness=likeness,
            )
        )
    return tuple(found), dict(faces.models)


def _readings(names: Sequence[str], values: Floats) -> tuple[Reading, ...]:
    """Cues in words; none where nothing could be told."""
    if np.isnan(values).all():
        return ()
    return tuple(read(name, float(value)) for name, value in zip(names, values, strict=True))


def _window(image: Image, face: Face) -> Window | None:
    if bool(face.landmarks.abstained):
        return None
    window = open_window(image, face.landmarks.values)
    return window if isinstance(window, Window) else None


# --- video ----------------------------------------------------------------------------------------------------------


def _film(
    name: str, person: Person | None, every: int, engine: Engine
) -> tuple[tuple[FaceFindings, ...], dict[str, str]]:
    followed: dict[int, _Followed] = {}
    models: dict[str, str] = {}
    with engine.track(name, want=SHAPE, smooth=False, keep_images=True) as frames:  # what is smoothed does not flicker
        for item in frames:
            faces = cast("Faces", item.faces)
            judged = item.frame is not None and item.frame % every == 0
            if judged:
                faces = engine.analyze(faces.require_image(), faces=faces, want={"forgery", "embedding"})
                models |= faces.models
            for face in faces:
                if int(face.track.ids) >= 0 and not bool(face.landmarks.abstained):
                    one = followed.setdefault(int(face.track.ids), _Followed())
                    one.see(item.frame or 0, face)
                    if judged:
                        one.judge(item.time or 0.0, face)
    return tuple(one.findings(number, person) for number, one in followed.items() if one.shown), models


@dataclass(eq=False)
class _Followed:
    """What was seen of a tracked face until now."""

    frames: list[int] = field(default_factory=list)
    points: list[Floats] = field(default_factory=list)
    colors: list[NDArray[np.float64]] = field(default_factory=list)
    vectors: list[Floats] = field(default_factory=list)
    cues: list[Floats] = field(default_factory=list)
    worst: float = -1.0
    shown: tuple[float, Face] | None = None  # when, and the face with its frame

    def see(self, frame: int, face: Face) -> None:
        """Take a frame."""
        self.frames.append(frame)
        self.points.append(face.landmarks.values[list(STILL), :2])
        self.colors.append(_color(face))

    def judge(self, time: float, face: Face) -> None:
        """Take a frame whose cues are known."""
        self.vectors.append(face.embedding.values)
        self.cues.append(face.forgery.values)
        odd = float(np.nanmean(face.forgery.values)) if np.isfinite(face.forgery.values).any() else -0.5
        if odd > self.worst:
            self.worst, self.shown = odd, (time, face)

    def findings(self, number: int, person: Person | None) -> FaceFindings:
        """Sum the frames up."""
        time, face = cast("tuple[float, Face]", self.shown)
        image, column = face.faces.require_image(), face.forgery
        table = np.stack(self.cues)
        known = np.isfinite(table).any(axis=0)
        values = np.full(table.shape[1], np.nan, np.float32)
        values[known] = np.nanmedian(table[:, known], axis=0)
        window = _window(image, face)
        return FaceFindings(
            number=number,
            box=face.box,
            cues=_readings(column.names, values),
            reason=None if known.any() else column.reason,
            frames=len(self.cues),
            time=time,
            image=image,
            heat=heat_of(window) if window else None,
            jitter=measure(Path(self.frames, self.points, self.colors, self.vectors)),
            likeness=person.likeness(self.vectors) if person else None,
        )


def _color(face: Face) -> NDArray[np.float64]:
    """Logarithms of the face's mean colour against that of what is around it; of every third pixel of its box."""
    image = face.faces.require_image()
    low, high = face.landmarks.xy.min(axis=0), face.landmarks.xy.max(axis=0)
    size = high - low
    inner, outer = (_mean(image, low + size * cut, high - size * cut) for cut in (0.2, -0.4))
    return np.asarray(np.log(inner + BRIGHT) - np.log(outer + BRIGHT))


def _mean(image: Image, low: Floats, high: Floats) -> NDArray[np.float64]:
    height, width = image.shape[:2]
    (x1, y1), (x2, y2) = np.maximum(low, 0).astype(int), np.minimum(high, (width, height)).astype(int)
    part = image[y1:y2:3, x1:x2:3]
    return np.asarray(part.mean(axis=(0, 1)) if part.size else np.full(3, np.nan))
