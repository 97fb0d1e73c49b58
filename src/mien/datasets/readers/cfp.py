"""Reads the protocol folders of CFP: pairs of two frontal faces (FF), or of a frontal one and a profile (FP).

Sengupta, Chen, Castillo, Patel, Chellappa, Jacobs, *Frontal to Profile Face Verification in the Wild*, 2016. The
layout is that of the set's Readme.
"""

from __future__ import annotations

import os
from pathlib import Path, PurePosixPath

from mien.core.errors import InputError, SourceError, UsageError
from mien.datasets.readers.files import read_text
from mien.datasets.readers.pairs import Listing, Pairs

__all__ = ["read_cfp"]

LARGEST = 16 << 20  # bytes
_SIDES = {"FF": "FF", "FP": "FP"}
_LISTS = {"F": "Pair_list_F.txt", "P": "Pair_list_P.txt"}


def read_cfp(folder: str | os.PathLike[str], *, pictures: str | os.PathLike[str] | None = None) -> Pairs:
    """Read ``Protocol/Split/FP`` or ``Protocol/Split/FF``.

    It holds a folder per fold with ``same.txt`` and ``diff.txt``, whose lines are two numbers with a comma: of a
    frontal picture, and of a profile (FP) or frontal one (FF). ``Pair_list_F.txt`` and ``Pair_list_P.txt``, in
    ``Protocol`` or ``Protocol/Split``, tell which picture a number is: ``1 ../Data/Images/001/frontal/01.jpg``.

    Parameters
    ----------
    folder : path
        The one called FP or FF.
    pictures : path, optional
        The folder that holds ``Data``; by default the one that holds ``Protocol``.

    Raises
    ------
    SourceError
        If a file cannot be read, or a picture is missing.
    UsageError
        If the folder is not called FP or FF.
    InputError
        If a line is not what should stand there, or contradicts the folders of the two people.
    """
    folder = Path(folder).absolute()
    if folder.name not in _SIDES:
        raise UsageError(f"{folder}: CFP's pairs are in Protocol/Split/FP and Protocol/Split/FF.")
    root = Path(pictures) if pictures is not None else folder.parents[2]
    listing = Listing(root, folder)
    sides = [_list(folder, side) for side in _SIDES[folder.name]]
    parts = sorted(file.parent for file in folder.glob("*/same.txt"))
    if not parts:
        raise SourceError(f"{folder} holds no folders with same.txt and diff.txt.")
    rows, folds = [], []
    for fold, part in enumerate(parts):
        for name in ("same.txt", "diff.txt"):
            for number, line in _lines(part / name):
                keys = [key.strip() for key in line.split(",")]
                if len(keys) != 2 or keys[0] not in sides[0] or keys[1] not in sides[1]:
                    raise InputError(f"{part / name}, line {number}: the numbers of two pictures expected.")
                names = [side[key] for side, key in zip(sides, keys, strict=True)]
                people = [PurePosixPath(name).parts[-3] for name in names]
                if (people[0] == people[1]) != (name == "same.txt"):
                    raise InputError(f"{part / name}, line {number}: the pair is of {people[0]} and {people[1]}.")
                rows.append((listing.place(names[0], people[0]), listing.place(names[1], people[1])))
                folds.append(fold)
    return listing.pairs(rows, folds=folds)


def _list(folder: Path, side: str) -> dict[str, str]:
    """Pictures by their number, as paths in the folder that holds ``Protocol``."""
    places = [place / _LISTS[side] for place in (folder.parents[1], folder.parent)]
    path = next((place for place in places if place.is_file()), places[0])
    found = {}
    for number, line in _lines(path):
        key, _, name = line.strip().partition(" ")
        # The names lead from Protocol to its neighbour Data.
        name = name.strip().replace("\\", "/").removeprefix("../")
        if not (key.isascii() and key.isdecimal()) or len(PurePosixPath(name).parts) < 3:
            raise InputError(f"{path}, line {number}: '1 ../Data/Images/001/frontal/01.jpg' expected.")
        found[key] = name
    return found


def _lines(path: Path) -> list[tuple[int, str]]:
    lines = read_text(path, limit=LARGEST).splitlines()
    return [(number, line) for number, line in enumerate(lines, start=1) if line.strip()]
