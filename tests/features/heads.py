"""What the tests of hair and headwear share: heads of which picture and parsing are drawn."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Regions
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.image import Image
from mien.core.parts import CELEBAMASK
from mien.engine import Batch

SIDE = 120
#: Eyes 30 below the middle of a picture of 120 pixels, the mouth 24 further down.
FACE = np.array([[48, 66], [72, 66], [60, 78], [50, 90], [70, 90]], np.float32)
SKIN = (224, 172, 140)


def head(
    above: str, colour: tuple[int, int, int], *, line: int = 55, top: int = 10, skin: tuple[int, int, int] = SKIN
) -> tuple[Image, NDArray[np.float32]]:
    """A picture and the scores of its cells: a face, and from rows `top` to `line` something above of one colour."""
    image = np.full((SIDE, SIDE, 3), 128, np.uint8)
    labels = np.full((SIDE, SIDE), CELEBAMASK.index("background"))
    for name, rows, paint in (("skin", slice(line, 105), skin), (above, slice(top, line), colour)):
        image[rows, 20:100] = paint
        labels[rows, 20:100] = CELEBAMASK.index(name)
    scores = np.where(np.arange(len(CELEBAMASK))[:, None, None] == labels[::2, ::2], 6.0, 0.0)
    return image, scores.astype(np.float32)


def batch(
    *heads: tuple[Image, NDArray[np.float32]],
    shift: float = 0.0,
    reasons: tuple[str | None, ...] = (),
    names: tuple[str, ...] = CELEBAMASK,
) -> Batch:
    """These heads, each in a picture of its own, of which the upper `shift` rows are cut off."""
    cut, count = round(shift), len(heads)
    images = [image[cut:] for image, _ in heads]
    points = np.tile(FACE - [0, cut], (count, 1, 1)).astype(np.float32).reshape(count, 5, 2)
    faces = Faces.from_boxes(
        np.tile([20, 20, 100, 110], (count, 1)), keypoints=points, keypoint_names=ALIGNMENT_NAMES
    ).with_alignment()
    parse = Regions(
        np.array([scores for _, scores in heads], np.float32).reshape(count, len(names), SIDE // 2, SIDE // 2),
        names=names,
        grids=np.tile(np.float32([0.5, 0, 0, 0, 0.5, cut / 2]), (count, 1)),
        sizes=np.tile(np.float32([SIDE, SIDE - cut]), (count, 1)),
        reasons=reasons,
    )
    return Batch(images, np.arange(count), faces.with_columns({"parse": parse}))
