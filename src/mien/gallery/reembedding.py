"""A gallery in another embedding space: its faces are looked at again, by another model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import MienError
from mien.core.faces import Face, Faces
from mien.core.image import Image, load_image
from mien.engine import Engine
from mien.gallery.intake import hash_file
from mien.gallery.records import Change, Sample, Where
from mien.gallery.store import Store

__all__ = ["Reembedding", "embed_again", "look_again"]

Floats = NDArray[np.float32]

AT_ONCE = 256  # samples that are written together


@dataclass(frozen=True)
class Reembedding:
    """What `Gallery.reembed` did.

    Parameters
    ----------
    space : str
        The space that the gallery is in now.
    faces : int
        Faces that were embedded again, those of an earlier, interrupted run included.
    lost : tuple of Sample
        Faces that could not be: they have no crop, and their picture is gone or changed. They were deleted.
    """

    space: str
    faces: int
    lost: tuple[Sample, ...] = ()


def embed_again(store: Store, engine: Engine, space: str, progress: Callable[[int], None]) -> tuple[int, list[Sample]]:
    """Give every sample a vector of `space`, beside the one it has; return how many have one, and those that cannot.

    What is written stays when this is interrupted: the next run goes on from there.
    """
    done, lost = 0, list[Sample]()
    walk = iter(store.samples())
    while batch := list(islice(walk, AT_ONCE)):
        ids = [sample.id for sample in batch]
        missing = [bool(np.isnan(row).any()) for row in store.vectors(ids, space=space)]
        done += missing.count(False)
        todo = [sample for sample, gone in zip(batch, missing, strict=True) if gone]
        found = dict(_look_again(store, todo, engine)) if todo else {}
        if found:
            store.apply(Change(vectors=(list(found), np.stack(list(found.values()))), space=space))
        done += len(found)
        lost += [sample for sample in todo if sample.id not in found]
        progress(len(batch))
    return done, lost


def _look_again(store: Store, samples: Sequence[Sample], engine: Engine) -> Iterator[tuple[int, Floats]]:
    crops = {s.id: s.crop for s in store.samples(Where(ids=[s.id for s in samples]), crops=True) if s.crop}
    for (source, picture), group in groupby(samples, key=lambda sample: (sample.source, sample.picture)):
        faces = list(group)
        rows = _from_picture(source, picture, faces, engine)
        for sample, row in zip(faces, rows, strict=True):
            vector = row if row is not None else _from_crop(crops.get(sample.id), engine)
            if vector is not None:
                yield sample.id, vector


def _from_picture(source: str, picture: str, faces: Sequence[Sample], engine: Engine) -> list[Floats | None]:
    """Vectors of the faces of a picture, if it is still there and the same."""
    nothing: list[Floats | None] = [None] * len(faces)
    places = [sample.box for sample in faces if sample.box is not None]
    if not source or not picture or len(places) < len(faces) or not Path(source).is_file():
        return nothing
    try:
        if hash_file(source) != picture:
            return nothing
        image = load_image(source)
        boxes = Faces.from_boxes(places, image_size=(image.shape[1], image.shape[0]))
        vectors = engine.analyze(image, faces=boxes, want={"embedding"}).embedding.values
    except MienError:
        return nothing
    return [None if np.isnan(row).any() else row for row in vectors]


def look_again(store: Store, samples: Sequence[Sample], engine: Engine) -> list[Face | Image | None]:
    """What is left to look at of each sample: its face in its picture, if that is there and the same, else its crop."""
    crops = {s.id: s.crop for s in store.samples(Where(ids=[s.id for s in samples]), crops=True) if s.crop}
    return [_face_in_picture(sample, engine) or _crop(crops.get(sample.id)) for sample in samples]


def _face_in_picture(sample: Sample, engine: Engine) -> Face | None:
    if not sample.picture or sample.box is None or not Path(sample.source).is_file():
        return None
    try:
        if hash_file(sample.source) != sample.picture:
            return None
        image = load_image(sample.source)
        boxes = Faces.from_boxes([sample.box], image_size=(image.shape[1], image.shape[0]))
        return engine.analyze(image, faces=boxes, want={"alignment"})[0]
    except MienError:
        return None


def _crop(data: bytes | None) -> Image | None:
    try:
        return load_image(data) if data else None
    except MienError:
        return None


def _from_crop(crop: bytes | None, engine: Engine) -> Floats | None:
    if crop is None:
        return None
    try:
        row: Floats = engine.analyze([load_image(crop)], aligned=True, want={"embedding"}).embedding.values[0]
    except MienError:
        return None
    return None if np.isnan(row).any() else row
