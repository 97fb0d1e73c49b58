"""The vectors of pictures under test: one face each, as it is, or after its crop was altered."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import NoFace
from mien.core.faces import Faces
from mien.core.image import Image, ImageSource, load_image
from mien.engine import Engine, default_engine

__all__ = ["Alter", "crop_of", "crops_of", "embed_boxes", "embed_crops", "embed_pictures", "masked_pictures"]

Floats = NDArray[np.float32]
Alter: TypeAlias = Callable[[Image], Image]  #: changes an aligned crop, (112, 112, 3) uint8

CROP = 112  # pixels a side


def embed_pictures(
    pictures: Iterable[ImageSource],
    *,
    alter: Alter | None = None,
    aligned: bool = False,
    engine: Engine | None = None,
) -> Floats:
    """The vector of the largest face of each picture, (N, D); NaN where no face was found.

    Parameters
    ----------
    pictures : iterable of path, bytes or array
        See `mien.load_image`.
    alter : callable, optional
        Changes each aligned crop, (112, 112, 3) uint8, before it is embedded.
    aligned : bool
        The pictures are aligned crops already: nothing is detected.
    engine : Engine, optional
        By default `mien.default_engine()`.

    Raises
    ------
    NoFace
        If no picture has a face.
    """
    engine = engine or default_engine()
    if alter is not None or aligned:
        return embed_crops(crops_of(pictures, aligned=aligned, engine=engine), alter=alter, engine=engine)
    return _stack(_vector(engine.analyze(picture, want={"embedding"}).top(1)) for picture in pictures)


def crops_of(
    pictures: Iterable[ImageSource], *, aligned: bool = False, engine: Engine | None = None
) -> list[Image | None]:
    """The aligned crop of the largest face of each picture, (112, 112, 3) uint8; None where there is none.

    With `aligned` the pictures are such crops themselves.
    """
    engine = engine or default_engine()
    if aligned:
        return [load_image(picture) for picture in pictures]
    return [crop_of(engine.analyze(picture, want={"alignment"}).top(1)) for picture in pictures]


def embed_crops(crops: Sequence[Image | None], *, alter: Alter | None = None, engine: Engine | None = None) -> Floats:
    """The vectors (N, D) of aligned crops; NaN where there is none.

    Raises
    ------
    NoFace
        If there is no crop at all.
    """
    engine = engine or default_engine()
    change = alter or (lambda crop: crop)
    return _stack(
        None if crop is None else _vector(engine.analyze([change(crop)], aligned=True, want={"embedding"}))
        for crop in crops
    )


def embed_boxes(pictures: Sequence[ImageSource], boxes: Floats, *, engine: Engine | None = None) -> Floats:
    """The vectors (N, D) of the faces in these boxes; of the largest face where a box is NaN."""
    engine = engine or default_engine()
    rows = []
    for picture, box in zip(pictures, boxes, strict=True):
        given = Faces.from_boxes(box[None]) if np.isfinite(box).all() else None
        faces = engine.analyze(picture, faces=given, want={"embedding"})
        rows.append(_vector(faces.top(1)))
    return _stack(rows)


def masked_pictures(pictures: Iterable[ImageSource], *, seed: int = 0, engine: Engine | None = None) -> Iterator[Image]:
    """The same pictures with a mask painted on the largest face; without a face, as they are.

    Kind, colour and print of each mask are drawn by the seed and the picture's number.
    """
    from mien.evaluation.masked import paint_faces

    engine = engine or default_engine()
    for number, picture in enumerate(pictures):
        image = load_image(picture)
        faces = engine.analyze(image, want={"landmarks"}).top(1)
        yield paint_faces(image, faces, seed=1000 * seed + number, engine=engine) if len(faces) else image


def crop_of(faces: Faces) -> Image | None:
    """The aligned crop of the first of these faces, (112, 112, 3) uint8; None where there is none."""
    if not len(faces) or ("alignment" in faces.columns and faces[0].alignment.abstained):
        return None
    return faces[0].crop(template="arcface112", size=CROP)


def _vector(faces: Faces) -> Floats | None:
    return np.asarray(faces.embedding.values[0], np.float32) if len(faces) else None


def _stack(rows: Iterable[Floats | None]) -> Floats:
    every = list(rows)
    found = [row for row in every if row is not None]
    if not found:
        raise NoFace(f"no face in any of {len(every)} pictures.")
    return np.stack([np.full_like(found[0], np.nan) if row is None else row for row in every])
