"""Labelled pictures and the pairs to compare: folders of people, and the pair files of LFW and its successors."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import SourceError, UsageError
from mien.media.scan import PICTURE_SUFFIXES

__all__ = ["Pairs"]

Indices = NDArray[np.intp]


@dataclass(frozen=True)
class Pairs:
    """Pictures, and which two of them make each pair.

    Parameters
    ----------
    pictures : tuple of Path
    people : tuple of str
        Who is in each picture.
    first, second : (P,) integers
        The two pictures of each pair.
    """

    pictures: tuple[Path, ...]
    people: tuple[str, ...]
    first: Indices
    second: Indices

    @classmethod
    def of_folder(cls, folder: str | os.PathLike[str]) -> Pairs:
        """All pairs of the pictures in a folder that holds one folder per person.

        Raises
        ------
        SourceError
            If there are not two people with pictures.
        """
        return cls.of_folders([folder])

    @classmethod
    def of_folders(cls, folders: Sequence[str | os.PathLike[str]]) -> Pairs:
        """All pairs of the pictures of several such folders taken together."""
        found = sorted(file for folder in folders for file in Path(folder).glob("*/*") if _is_picture(file))
        people = tuple(file.parent.name for file in found)
        if len(set(people)) < 2:
            raise SourceError(f"{', '.join(map(str, folders))}: no folders of pictures of two people or more.")
        first, second = np.triu_indices(len(found), 1)
        return cls(tuple(found), people, first, second)

    @classmethod
    def of_file(cls, path: str | os.PathLike[str], *, root: str | os.PathLike[str] | None = None) -> Pairs:
        """The pairs of a file in the layout of LFW's ``pairs.txt``.

        Its lines are ``name i j`` (two pictures of one person) or ``name i other j``; a first line of counts is
        skipped. Picture i of a person is ``root/name/name_000i.jpg``.

        Raises
        ------
        SourceError
            If the file cannot be read, or a picture that it names is missing.
        UsageError
            If a line is neither.
        """
        path = Path(path)
        root = Path(root) if root is not None else path.parent
        try:
            lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines()]
        except (OSError, UnicodeDecodeError) as error:
            raise SourceError(f"{path} cannot be read: {error}.") from error
        pictures: dict[Path, tuple[int, str]] = {}

        def place(name: str, number: str) -> int:
            file = root / name / f"{name}_{int(number):04d}.jpg"
            if not file.is_file():
                raise SourceError(f"{path} names {file}, which is not there.")
            return pictures.setdefault(file, (len(pictures), name))[0]

        pairs = []
        for number, words in enumerate(lines, start=1):
            if not words or (number == 1 and all(word.isdigit() for word in words)):
                continue
            if len(words) not in {3, 4} or not (words[1].isdigit() and words[-1].isdigit()):
                raise UsageError(f"{path}, line {number}: 'name i j' or 'name i other j' expected.")
            pairs.append((place(words[0], words[1]), place(words[-2] if len(words) == 4 else words[0], words[-1])))
        first, second = np.asarray(pairs, np.intp).reshape(-1, 2).T
        return cls(tuple(pictures), tuple(name for _, name in pictures.values()), first, second)


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURE_SUFFIXES and file.is_file()
