"""Reads MPIIFaceGaze: people before their laptops, with the place of the face and of what they look at.

Zhang, Sugano, Fritz & Bulling, *It's written all over your face: full-face appearance-based gaze estimation*, CVPR
workshops 2017. Non-commercial; not part of mien.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from mien.core.columns import Directions
from mien.core.errors import InputError, SourceError
from mien.datasets.readers.files import read_text
from mien.datasets.readers.gaze_csv import GazeRow, GazeTable
from mien.location.gaze import view_rotation

__all__ = ["read_mpiifacegaze"]

FIELDS = 28  # a line: picture, 26 numbers, which eye
FACE, TARGET = slice(21, 24), slice(24, 27)  # of a line: the face's centre and the target in camera axes, mm


def read_mpiifacegaze(folder: str | os.PathLike[str]) -> GazeTable:
    """Read the set as it is unpacked: a folder with ``p00/p00.txt`` and so on.

    The gaze is that of the set, from the middle of the face to the target, turned from the camera's axes into those of
    the ray to the face: so no camera needs to be known. Groups are the people.

    Raises
    ------
    SourceError
        If there is no such file.
    InputError
        If a line is not as the set's own readme says.
    """
    folder = Path(folder)
    tables = sorted(folder.glob("p*/p*.txt"))
    if not tables:
        raise SourceError(f"{folder} holds no p00/p00.txt and so on, as MPIIFaceGaze does.")
    pictures, people, numbers = list[Path](), list[str](), list[list[float]]()
    for path in tables:
        for line, words in enumerate(map(str.split, read_text(path).splitlines()), start=1):
            if not words:
                continue
            try:
                values = [float(word) for word in (*words[FACE], *words[TARGET])]
            except ValueError:
                values = []
            if len(words) != FIELDS or not np.isfinite(values).all() or values[:3] == values[3:]:
                raise InputError(f"{path}, line {line}: not a line of MPIIFaceGaze.")
            pictures.append(path.parent / words[0])
            people.append(path.parent.name)
            numbers.append(values)
    if not numbers:
        raise InputError(f"{folder} has no rows.")
    face, target = np.array(numbers).reshape(-1, 2, 3).swapaxes(0, 1)
    seen = np.swapaxes(view_rotation(face), 1, 2) @ (target - face)[..., None]
    angles = Directions.from_vectors(seen[..., 0]).values.tolist()
    rows = (GazeRow(p, tuple(a), who) for p, a, who in zip(pictures, angles, people, strict=True))
    return GazeTable("angles", tuple(rows))
