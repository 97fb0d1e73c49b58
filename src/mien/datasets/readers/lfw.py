"""Reads the pair files of LFW: ``pairs.txt``, ``pairsDevTrain.txt`` and ``pairsDevTest.txt``.

Huang, Ramesh, Berg, Learned-Miller, *Labeled Faces in the Wild*, 2007. The layout is that of the set's README.
"""

from __future__ import annotations

import os
from pathlib import Path

from mien.core.errors import InputError, UsageError
from mien.datasets.readers.files import read_text
from mien.datasets.readers.pairs import Listing, Pairs

__all__ = ["read_lfw"]

LARGEST = 64 << 20  # bytes; LFW's own has 160 thousand


def read_lfw(path: str | os.PathLike[str], *, pictures: str | os.PathLike[str] | None = None) -> Pairs:
    """Read a file of pairs in LFW's layout.

    Its lines are ``name i j`` (two pictures of one person) or ``name i other j``; picture i of a person is
    ``name/name_000i.jpg``. A first line of counts may stand before them: ``folds n`` says that there are so many parts
    of n pairs of one person and n of two, and ``n`` that there is one.

    Parameters
    ----------
    path : path
    pictures : path, optional
        The folder that holds a folder for each person; by default the file's own.

    Returns
    -------
    Pairs
        With folds where the first line tells of two or more.

    Raises
    ------
    SourceError
        If the file cannot be read, or a picture that it names is missing.
    InputError
        If it is no text, or its first line promises other pairs than it has.
    UsageError
        If a line is neither.
    """
    path = Path(path)
    listing = Listing(Path(pictures) if pictures is not None else path.parent, path)
    counts: list[int] = []
    rows: list[tuple[int, int]] = []
    for number, line in enumerate(read_text(path, limit=LARGEST).splitlines(), start=1):
        words = line.split()
        if number == 1 and words and len(words) <= 2 and all(map(_is_number, words)):
            counts = [int(word) for word in words]
        elif words:
            if len(words) not in {3, 4} or not (_is_number(words[1]) and _is_number(words[-1])):
                raise UsageError(f"{path}, line {number}: 'name i j' or 'name i other j' expected.")
            one, other = words[0], words[-2] if len(words) == 4 else words[0]
            rows.append((_place(listing, one, words[1]), _place(listing, other, words[-1])))
    parts, each = ([1, *counts] if len(counts) == 1 else counts) or [1, len(rows)]
    if counts and len(rows) != 2 * parts * each:
        raise InputError(
            f"{path} promises {parts} x {each} pairs of one person and of two, and has {len(rows)} in all."
        )
    folds = [row // (2 * each) for row in range(len(rows))] if parts > 1 else None
    return listing.pairs(rows, folds=folds)


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= 9


def _place(listing: Listing, name: str, number: str) -> int:
    return listing.place(f"{name}/{name}_{int(number):04d}.jpg", name)
