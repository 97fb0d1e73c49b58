"""Labelled pictures and the pairs of them to compare: what the readers of recognition data give."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import ShapeMismatch, SourceError
from mien.datasets.readers.boxes import inside
from mien.media.scan import PICTURE_SUFFIXES

__all__ = ["Listing", "Pairs", "Picture", "is_picture"]

Indices = NDArray[np.intp]
Picture: TypeAlias = Path | bytes  #: a file, or what stands in one

MOST = 5_000_000  # pairs, of 3,000 pictures: more take gigabytes and minutes, and show no more


@dataclass(frozen=True)
class Pairs:
    """Pictures, and which two of them make each pair.

    Parameters
    ----------
    pictures : tuple of Path or bytes
        Files; bytes where a data set packs its pictures into one.
    people : tuple of str
        Who is in each picture.
    first, second : (P,) integers
        The two pictures of each pair.
    folds : (P,) integers, optional
        The part of the protocol that each pair belongs to, from 0; None where the data has no parts.
    aligned : bool
        The pictures are crops aligned to ArcFace's template already: nothing is to be detected.
    named : bool
        False where the data says only which pairs are of one person. `people` then names everybody anew in each pair,
        so that counts and intervals are those of pairs.

    Raises
    ------
    ShapeMismatch
        If the parts do not fit each other.
    """

    pictures: tuple[Picture, ...]
    people: tuple[str, ...]
    first: Indices
    second: Indices
    folds: Indices | None = None
    aligned: bool = False
    named: bool = True

    def __post_init__(self) -> None:
        rows = [self.first, self.second, *([] if self.folds is None else [self.folds])]
        if len(self.people) != len(self.pictures) or any(row.shape != (len(self.first),) for row in rows):
            raise ShapeMismatch("each picture has a person, and each pair two pictures and, if any, one fold.")
        ends = np.concatenate([self.first, self.second])
        if ends.size and not 0 <= ends.min() <= ends.max() < len(self.pictures):
            raise ShapeMismatch(f"pairs are of pictures 0 to {len(self.pictures) - 1}.")

    @property
    def same(self) -> NDArray[np.bool_]:
        """Which pairs are of one person (P,)."""
        _, people = np.unique(self.people, return_inverse=True)
        return np.asarray(people[self.first] == people[self.second])

    @classmethod
    def of_folder(cls, folder: str | os.PathLike[str]) -> Pairs:
        """The pairs of the pictures in a folder that holds one folder per person; see `among`.

        Raises
        ------
        SourceError
            If there are not two people with pictures.
        """
        return cls.of_folders([folder])

    @classmethod
    def of_folders(cls, folders: Sequence[str | os.PathLike[str]]) -> Pairs:
        """The pairs of the pictures of several such folders taken together; see `among`."""
        found = sorted(file for folder in folders for file in Path(folder).glob("*/*") if is_picture(file))
        people = tuple(file.parent.name for file in found)
        if len(set(people)) < 2:
            raise SourceError(f"{', '.join(map(str, folders))}: no folders of pictures of two people or more.")
        return cls.among(tuple(found), people)

    @classmethod
    def among(cls, pictures: Sequence[Picture], people: Sequence[str], *, most: int = MOST, seed: int = 0) -> Pairs:
        """All pairs of labelled pictures.

        Parameters
        ----------
        pictures : sequence of N Path or bytes
        people : sequence of N str
            Who is in each.
        most : int
            Where there are more pairs than that, all pairs of one person and so many of two people, which are drawn.
        seed : int
            Of that draw.
        """
        count = len(pictures)
        if count * (count - 1) // 2 <= most:
            first, second = np.triu_indices(count, 1)
        else:
            _, owners = np.unique(np.asarray(people, str), return_inverse=True)
            first, second = _some(owners, most, np.random.default_rng(seed))
        return cls(tuple(pictures), tuple(people), first, second)


def _some(owners: Indices, most: int, draw: np.random.Generator) -> tuple[Indices, Indices]:
    """All pairs of rows of one owner, and at most so many of two, each pair once."""
    ends = np.cumsum(np.bincount(owners))[:-1]
    groups = np.split(np.argsort(owners, kind="stable"), ends)
    same = np.concatenate([rows[np.stack(np.triu_indices(len(rows), 1))] for rows in groups], axis=1)
    drawn = np.sort(draw.integers(len(owners), size=(2, most)), axis=0)
    numbers = np.unique(drawn[0] * len(owners) + drawn[1])
    others = np.stack(np.divmod(numbers, len(owners)))
    others = others[:, owners[others[0]] != owners[others[1]]]
    first, second = np.concatenate([same, others], axis=1)
    return first, second


def is_picture(file: Path) -> bool:
    """Whether it is a picture by its name, and no hidden file, such as those that macOS leaves beside pictures."""
    return not file.name.startswith(".") and file.suffix.lower() in PICTURE_SUFFIXES and file.is_file()


@dataclass
class Listing:
    """Pictures in the order in which a file first names them; makes `Pairs` of what was noted.

    Parameters
    ----------
    folder : path
        The folder that all of them are in.
    source : path
        The file that names them, for messages.
    """

    folder: Path
    source: Path
    _pictures: dict[Path, tuple[int, str]] = field(default_factory=dict)

    def place(self, name: str, person: str) -> int:
        """The number of a picture, which is somebody's.

        Raises
        ------
        InputError
            If the name leads out of the folder.
        SourceError
            If no such file is there.
        """
        path = inside(self.folder, name, self.source)
        known = self._pictures.get(path)
        if known is not None:
            return known[0]
        try:
            there = path.is_file()
        except OSError:  # a name that is too long, for one
            there = False
        if not there:
            raise SourceError(f"{self.source} names {str(path)[:300]}, which is not there.")
        self._pictures[path] = (len(self._pictures), person)
        return len(self._pictures) - 1

    def pairs(self, rows: Sequence[tuple[int, int]], *, folds: Sequence[int] | None = None) -> Pairs:
        """The pairs of these pictures."""
        first, second = np.asarray(rows, np.intp).reshape(-1, 2).T
        people = tuple(person for _, person in self._pictures.values())
        return Pairs(
            tuple(self._pictures), people, first, second, folds=None if folds is None else np.asarray(folds, np.intp)
        )
