"""What a field says of the one labelled face of each picture."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from mien.core.errors import InputError, UsageError
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.engine import Engine

__all__ = ["look_at", "only_a_face", "require_some"]

SMALL = 100  # pixels: a picture whose sides are less is taken for the crop of one face


def look_at(
    pictures: Iterable[Path], want: set[str], engine: Engine, *, margin: float = 0.0
) -> Iterator[Faces | InputError]:
    """The largest face of each picture, in order: none where none is found; the error of a file that cannot be read.

    Parameters
    ----------
    pictures : iterable of paths
    want : set of str
        Fields.
    engine : Engine
    margin : float
        How far the picture is continued beyond its border, as its mirror image, in parts of its sides: faces that are
        cut as close as UTKFace's are not found otherwise, or badly.

    Raises
    ------
    UsageError
        If the margin is not from 0 to 1.
    """
    if not 0 <= margin <= 1:
        raise UsageError(f"a margin is from 0 to 1, not {margin:g}.")
    for path in pictures:
        try:
            image = load_image(path)
            if margin:
                around = [(round(side * margin),) * 2 for side in image.shape[:2]]
                image = np.pad(image, [*around, (0, 0)], mode="symmetric")
            yield engine.analyze(image, want=want, faces=engine.detect(image).top(1))
        except InputError as error:
            yield error


def only_a_face(image: Image) -> Faces | None:
    """All of a picture (H, W, 3) whose sides are less than `SMALL`, as one face; nothing of a larger one."""
    height, width = image.shape[:2]
    return Faces.from_boxes([[0, 0, width, height]]) if max(height, width) < SMALL else None


def require_some(pictures: int, failed: Sequence[str]) -> None:
    """Refuse to measure on nothing.

    Raises
    ------
    InputError
        If none of the pictures could be read; it names the first with its reason.
    """
    if failed and len(failed) == pictures:
        raise InputError(f"none of {pictures} pictures can be read; {failed[0].removesuffix('.')}.")
