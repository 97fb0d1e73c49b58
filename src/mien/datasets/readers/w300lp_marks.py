"""The 68 points of 300W-LP and AFLW2000-3D: in space, so that the jaw is where it is, not where the head ends in view.

They come from a face model fitted to the photo (Zhu et al., CVPR 2016), not from a person's eye.
"""

from __future__ import annotations

import os

import numpy as np

from mien.core.errors import InputError
from mien.datasets.readers.marks import MarkedPicture
from mien.datasets.readers.matlab import read_arrays
from mien.datasets.readers.w300lp import FARTHEST, find_w300lp

__all__ = ["read_w300lp_marks"]


def read_w300lp_marks(folder: str | os.PathLike[str]) -> list[MarkedPicture]:
    """Read the photos of a folder and of those in it; files without ``pt3d_68`` raise.

    These files count the first pixel as 1; here it is 0. Boxes are the extents of the points.

    Raises
    ------
    SourceError
        If there are none.
    InputError
        If a file is not as published.
    """
    marked = []
    for photo in find_w300lp(folder):
        path = photo.picture.with_suffix(".mat")
        points = read_arrays(path, ["pt3d_68"]).get("pt3d_68", np.zeros(0))
        if points.shape not in {(2, 68), (3, 68)} or not (np.abs(points[:2]) < FARTHEST).all():
            raise InputError(f"{path} has no 68 points in pt3d_68.")
        marked.append(MarkedPicture(photo.picture, photo.box[None] - np.float32(1), points[:2].T[None] - 1))
    return marked
