"""From pictures to samples: what a gallery keeps of a face that was seen."""

from __future__ import annotations

import hashlib
import io
import math
import os
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from mien.core.boxes import iou
from mien.core.columns import Column, Labels
from mien.core.errors import LicenseRefused, SourceError, WeightsUnavailable
from mien.core.faces import Face, Faces
from mien.core.image import Image, ImageSource, load_image
from mien.embeddings.comparison import traits_of
from mien.engine import Engine
from mien.gallery.records import Sample, Word
from mien.media.dates import taken_at
from mien.media.provenance import provenance

__all__ = ["CROP_SIDE", "SYNTHETIC", "Origin", "Sighting", "describe", "face_names", "helpful", "sightings"]

Floats = NDArray[np.float32]

CROP_SIDE = 224  # of a crop that is kept: twice what most embedders look at
CROP_QUALITY = 92  # of its JPEG
SAME_FACE = 0.5  # overlap of two boxes in one picture from which on they are one face
HELPFUL = ("age", "recognizability")  # fields that a gallery makes use of where they can be had
SYNTHETIC = "synthetic"  # the word of a sample whose picture is marked as made by a program


@dataclass(frozen=True)
class Origin:
    """The picture that faces were seen in.

    Parameters
    ----------
    source : str
        As it was given; "" where it came from memory.
    picture : str
        SHA-256 of its bytes (of its pixels, where there are no bytes).
    taken : float or None
        When it was taken, seconds since 1970.
    synthetic : bool
        Whether it says of itself that a program made it.
    """

    source: str
    picture: str
    taken: float | None = None
    synthetic: bool = False

    @classmethod
    def of(cls, source: ImageSource) -> tuple[Origin, ImageSource]:
        """Read what a picture says of itself; return that, and what `load_image` is to read.

        Raises
        ------
        SourceError
            If a path cannot be read.
        """
        if isinstance(source, str | os.PathLike):
            path = os.fspath(source)
            return cls.read(path, hash_file(path), path), source
        if isinstance(source, bytes | bytearray | memoryview):
            data = bytes(source)
            return cls.read("", hashlib.sha256(data).hexdigest(), data), data
        if hasattr(source, "read"):
            data = cast("BinaryIO", source).read()
            return cls.read("", hashlib.sha256(data).hexdigest(), data), data
        image = load_image(source)
        return cls("", hashlib.sha256(repr(image.shape).encode() + image.tobytes()).hexdigest()), image

    @classmethod
    def read(cls, source: str, picture: str, data: str | bytes) -> Origin:
        """Read what a file, or its bytes, say of the picture."""
        file = data if isinstance(data, str) else io.BytesIO(data)
        return cls(source, picture, taken_at(data), bool(provenance(file).synthetic))


def hash_file(path: str | os.PathLike[str]) -> str:
    """SHA-256 of a file, hexadecimal.

    Raises
    ------
    SourceError
        If it cannot be read, or its name is no text, so that a gallery could not remember where it was.
    """
    try:
        os.fspath(path).encode()
    except UnicodeEncodeError as error:
        raise SourceError(f"{os.fspath(path)!r} has a name that is not UTF-8: rename it.") from error
    try:
        with Path(path).open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise SourceError(f"{os.fspath(path)!r} cannot be read: {error.strerror or error}.") from error


@dataclass(frozen=True, eq=False)
class Sighting:
    """One face that was seen: what would be kept of it (its id is 0), and its embedding.

    Parameters
    ----------
    sample : Sample
    vector : (D,) float32
        NaN where the embedder abstained.
    reason : str or None
        Why it did.
    """

    sample: Sample
    vector: Floats
    reason: str | None


def helpful(engine: Engine, want: Iterable[str] = ()) -> frozenset[str]:
    """Fields to compute for a gallery: the embedding, what was asked for, and what helps and may be had."""
    fields = {"embedding", *want}
    for name in HELPFUL:
        if engine.catalogue.giving(name):
            try:
                engine.choose(name)
            except LicenseRefused:
                continue
            fields.add(name)
    return frozenset(fields)


def describe(source: ImageSource, engine: Engine, want: Iterable[str] = ()) -> Faces:
    """The faces of a picture with all that a gallery makes use of; the picture is kept."""
    try:
        return engine.analyze(source, want=helpful(engine, want))
    except WeightsUnavailable:  # of what only helps, perhaps; if not, this raises the same again
        return engine.analyze(source, want={"embedding", *want})


def sightings(faces: Faces, origin: Origin, *, crops: bool = False, words: Iterable[str] = ()) -> list[Sighting]:
    """What a gallery would keep of each face.

    Parameters
    ----------
    faces : Faces
        With ``embedding``; ``age`` and ``recognizability`` are made use of.
    origin : Origin
    crops : bool
        Keep each face's aligned crop; the picture must be with the faces.
    words : iterable of str
        Fields to keep as words.
    """
    names = list(words)
    model, now = faces.models.get("embedding", ""), time.time()
    seen = []
    for face in faces:
        embedding = face.embedding
        sample = Sample(
            id=0,
            source=origin.source,
            picture=origin.picture,
            box=cast("tuple[float, float, float, float]", tuple(round(float(v), 2) for v in face.box)),
            size=faces.image_size,
            quality=_quality(face),
            ages=_ages(face),
            taken=origin.taken,
            created=now,
            model=model,
            words=_words(face, names) | ({SYNTHETIC: 1.0} if origin.synthetic else {}),
            crop=_crop(face) if crops else None,
        )
        seen.append(Sighting(sample, embedding.values, embedding.reason if bool(embedding.abstained) else None))
    return seen


def _quality(face: Face) -> float | None:
    if "recognizability" not in face.faces.columns:
        return None
    value = float(cast("Any", face).recognizability.values)
    return None if math.isnan(value) else round(value, 4)


def _ages(face: Face) -> tuple[float, float] | None:
    if "age" not in face.faces.columns or bool(face.age.abstained):
        return None
    low, high = traits_of(face).ages
    return round(low, 1), round(high, 1)


def _words(face: Face, names: Sequence[str]) -> dict[str, Word]:
    found: dict[str, Word] = {}
    for name in names:
        column: Column = face.faces.columns[name][[face.row]]
        if bool(column.abstained[0]):
            continue
        if isinstance(column, Labels):
            found[name] = str(column.labels[0])
        for suffix, values in column.flat().items():
            value = values[0]
            if np.ndim(value) == 0 and not np.isnan(value):
                found[name + suffix] = round(float(value), 4)
    return found


def _crop(face: Face) -> bytes | None:
    from PIL import Image as Pillow

    if "alignment" in face.faces.columns and bool(face.alignment.abstained):
        return None
    stream = io.BytesIO()
    pixels: Image = face.crop(template="arcface112", size=CROP_SIDE)
    Pillow.fromarray(pixels).save(stream, "JPEG", quality=CROP_QUALITY)
    return stream.getvalue()


def face_names(found: Sequence[Sighting], known: Sequence[Sample]) -> list[Sighting]:
    """Give faces of one picture their stable names: one that lies where a known face lies is that face.

    Parameters
    ----------
    found : sequence of Sighting
        Of one picture.
    known : sequence of Sample
        Those that the gallery has of the same picture, wherever its file was then.

    Returns
    -------
    list of Sighting
        In the same order, each sample with its ``face``, and with the ``id`` of the known sample if it is one.
    """
    taken = {sample.face for sample in known}
    places = [sample for sample in known if sample.box is not None]
    free = set(range(len(places)))
    named = []
    for sighting in found:
        sample = sighting.sample
        match = _known_at(sample, places, free)
        if match is not None:
            free.discard(match)
            sample = replace(sample, id=places[match].id, face=places[match].face)
        else:
            picture = sample.picture[:16] + sample.picture[64:]  # a frame has its number behind the hash of its film
            number = next(n for n in range(len(taken) + 1) if f"{picture}-{n}" not in taken)
            sample = replace(sample, face=f"{picture}-{number}")
            taken.add(sample.face)
        named.append(replace(sighting, sample=sample))
    return named


def _known_at(sample: Sample, places: Sequence[Sample], free: set[int]) -> int | None:
    if sample.box is None or not free:
        return None
    rows = sorted(free)
    boxes = np.array([places[row].box for row in rows], np.float32)
    overlap = iou(np.array([sample.box], np.float32), boxes)[0]
    best = int(overlap.argmax())
    return rows[best] if overlap[best] >= SAME_FACE else None
