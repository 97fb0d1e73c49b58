"""Reads what is known of pictures from a CSV file: one row a picture, one column for each thing."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, UsageError
from mien.datasets.readers.files import read_text

__all__ = ["Labels", "read_labels", "yes_or_no"]

LARGEST = 64 << 20  # bytes
FILE, SUBJECT = "file", "subject"
_FLAGS = {"1": True, "true": True, "yes": True, "0": False, "-1": False, "false": False, "no": False}


@dataclass(frozen=True)
class Labels:
    """What is known of N pictures.

    Parameters
    ----------
    pictures : tuple of N paths
    subjects : tuple of N str
        Who is on each; pictures of one subject are not independent. Where the file does not say, each is its own.
    columns : mapping of str to tuple of N str
        Everything else, as it stands in the file; "" where nothing does.
    """

    pictures: tuple[Path, ...]
    subjects: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]

    def column(self, name: str) -> tuple[str, ...]:
        """One column.

        Raises
        ------
        UsageError
            If there is none of that name.
        """
        if name not in self.columns:
            raise UsageError(f"the labels have no column {name!r}; there are {', '.join(self.columns) or 'none'}.")
        return self.columns[name]

    def numbers(self, name: str) -> NDArray[np.float64]:
        """One column as numbers, NaN where it is empty.

        Raises
        ------
        UsageError
            If there is none of that name.
        InputError
            If a cell is no number.
        """
        found = np.full(len(self.pictures), np.nan)
        for row, cell in enumerate(self.column(name)):
            try:
                found[row] = float(cell) if cell else np.nan
            except ValueError:
                raise InputError(f"{name} of {self.pictures[row].name} is no number: {cell[:40]!r}.") from None
        return found


def yes_or_no(cell: str) -> bool | None:
    """Whether a cell such as 1, true or yes says so; None where it says neither that nor its contrary."""
    return _FLAGS.get(cell.lower())


def read_labels(path: str | os.PathLike[str], *, pictures: str | os.PathLike[str] | None = None) -> Labels:
    """Read a CSV file whose first line names the columns: ``file``, perhaps ``subject``, and what is known.

    Parameters
    ----------
    path : path
    pictures : path, optional
        The folder that ``file`` counts from; by default the one that the CSV file is in.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is no such table, or has no row.
    """
    path = Path(path)
    root = Path(pictures) if pictures is not None else path.parent
    rows = _rows(path)
    head, body = rows[0], rows[1:]
    columns = {name: tuple(row[place].strip() for row in body) for place, name in enumerate(head)}
    files = columns.pop(FILE)
    if not all(files):
        raise InputError(f"{path}, row {files.index('') + 2}: no file is named.")
    subjects = columns.pop(SUBJECT, files)
    who = tuple(subject or file for subject, file in zip(subjects, files, strict=True))
    return Labels(tuple(root / file.replace("\\", "/") for file in files), who, columns)


def _rows(path: Path) -> Sequence[Sequence[str]]:
    try:
        rows = [row for row in csv.reader(io.StringIO(read_text(path, limit=LARGEST), newline=""), strict=True) if row]
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file: {error}.") from error
    head = [name.strip() for name in rows[0]] if rows else []
    if FILE not in head:
        raise InputError(f"{path} has no column {FILE} in its first line.")
    if len(set(head)) < len(head):
        raise InputError(f"{path} names a column twice.")
    if len(rows) == 1:
        raise InputError(f"{path} has no row but its first.")
    for number, row in enumerate(rows[1:], 2):
        if len(row) != len(head):
            raise InputError(f"{path}, row {number}: {len(row)} cells for {len(head)} columns.")
    return [head, *rows[1:]]
