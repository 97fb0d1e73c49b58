"""Reads the pair files of CALFW and CPLFW, LFW with pairs of other ages and of other poses.

Zheng, Deng, Hu, *Cross-Age LFW*, 2017; Zheng, Deng, *Cross-Pose LFW*, 2018.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError
from mien.datasets.readers.files import read_text
from mien.datasets.readers.pairs import Listing, Pairs

__all__ = ["read_calfw"]

LARGEST = 64 << 20  # bytes; the sets' own have 400 thousand
FOLDS = 10
# Fold 1 to 10, or 1, of a pair of one person; 0 of two. Fold 10 comes first, for it begins with a 1.
_LINE = re.compile(r"(?P<file>\S.*\.\w+)\s+(?P<mark>10|[0-9])")
_PERSON = re.compile(r"(?P<name>.+)_\d+\.\w+")
_FOLDERS = ("aligned images", "images")  # what the two sets call the folder of pictures


def read_calfw(path: str | os.PathLike[str], *, pictures: str | os.PathLike[str] | None = None) -> Pairs:
    """Read ``pairs_CALFW.txt`` or ``pairs_CPLFW.txt``.

    A pair is two lines, ``name_0001.jpg mark`` each: 0 for two people, else one person. CALFW's marks are the folds, 1
    to 10, of its pairs of one person; those of two have none, and CPLFW's marks are 0 and 1. Where the file has no
    folds, pairs go into ten equal ones in the order in which they stand, those of one person and those of two apart.

    Parameters
    ----------
    path : path
    pictures : path, optional
        The folder of pictures; by default ``aligned images`` or ``images`` beside the file, else its own.

    Raises
    ------
    SourceError
        If the file cannot be read, or a picture that it names is missing.
    InputError
        If a line is no such line, a pair's marks differ, or they contradict the names.
    """
    path = Path(path)
    beside = [path.parent / name for name in _FOLDERS if (path.parent / name).is_dir()]
    listing = Listing(Path(pictures) if pictures is not None else [*beside, path.parent][0], path)
    lines = [(n, line) for n, line in enumerate(read_text(path, limit=LARGEST).splitlines(), start=1) if line.strip()]
    if len(lines) % 2:
        raise InputError(f"{path} ends in the middle of a pair: each has two lines.")
    rows, marks = [], []
    for (number, one), (_, other) in zip(lines[::2], lines[1::2], strict=True):
        ends = [_LINE.fullmatch(line.strip()) for line in (one, other)]
        names = [end and _PERSON.fullmatch(end["file"]) for end in ends]
        if ends[0] is None or ends[1] is None or names[0] is None or names[1] is None:
            raise InputError(f"{path}, line {number}: two lines of 'name_0001.jpg mark' expected.")
        if ends[0]["mark"] != ends[1]["mark"] or (ends[0]["mark"] != "0") != (names[0]["name"] == names[1]["name"]):
            raise InputError(f"{path}, line {number}: the marks of the pair contradict each other or its names.")
        rows.append(
            (listing.place(ends[0]["file"], names[0]["name"]), listing.place(ends[1]["file"], names[1]["name"]))
        )
        marks.append(int(ends[0]["mark"]))
    return listing.pairs(rows, folds=_folds(np.array(marks, np.intp)).tolist())


def _folds(marks: NDArray[np.intp]) -> NDArray[np.intp]:
    """The fold of each pair, from 0, of its mark."""
    folds = np.zeros(len(marks), np.intp)
    for pairs in (np.flatnonzero(marks == 0), np.flatnonzero(marks)):
        folds[pairs] = np.arange(len(pairs)) * FOLDS // max(len(pairs), 1)
    return np.asarray(np.where(marks > 0, marks - 1, folds) if (marks > 1).any() else folds)
