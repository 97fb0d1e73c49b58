"""Reads InsightFace's packed pairs: ``lfw.bin``, ``agedb_30.bin``, ``cfp_fp.bin`` and their like.

Such a file is a Python pickle of two lists: 2 P encoded pictures, aligned to 112 pixels, and for each of the P pairs
whether it is of one person. A pickle is a program; it is read by `mien.runtime.pickled`, which runs none. Who the
people are is not told.
"""

from __future__ import annotations

import io
import os
from pathlib import Path

import numpy as np

from mien.core.errors import InputError
from mien.datasets.readers.files import read_bytes
from mien.datasets.readers.pairs import Pairs
from mien.runtime.pickled import PickleError, read_pickle

__all__ = ["read_bin"]

LARGEST = 1 << 30  # bytes; those that are published have up to 130 million
FOLDS = 10


def read_bin(path: str | os.PathLike[str]) -> Pairs:
    """Read such a file.

    The pairs are in ten folds, one after the other, as the files are used: where the number of pairs is divisible by
    ten, and folds of more than one pair come of it.

    Raises
    ------
    SourceError
        If the file cannot be read.
    UnsafeFile
        If it asks for anything else than lists of bytes and flags.
    InputError
        If it is no such file, or holds no pairs.
    """
    path = Path(path)
    try:
        content = read_pickle(io.BytesIO(read_bytes(path, limit=LARGEST)), with_bytes=True)
    except PickleError as error:
        raise InputError(f"{path} is no file of packed pairs: {error}.") from error
    match content:
        case ([*pictures], [*flags]) if (
            len(flags) > 0
            and len(pictures) == 2 * len(flags)
            and all(isinstance(picture, bytes) for picture in pictures)
            and all(type(flag) is bool or flag in (0, 1) for flag in flags)
        ):
            pass
        case _:
            raise InputError(f"{path} is no file of packed pairs: two lists are expected, of 2 P pictures and P flags.")
    count = len(flags)
    # Everybody is somebody else from pair to pair, but for the two sides of a pair of one person.
    people = [f"{pair}{'' if same or side == 0 else 'b'}" for pair, same in enumerate(flags) for side in (0, 1)]
    folds = np.arange(count) * FOLDS // count if count % FOLDS == 0 and count > FOLDS else None
    return Pairs(
        tuple(pictures),
        tuple(people),
        np.arange(0, 2 * count, 2),
        np.arange(1, 2 * count, 2),
        folds=folds,
        aligned=True,
        named=False,
    )
