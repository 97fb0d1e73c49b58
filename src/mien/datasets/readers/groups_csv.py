"""Reads which group pictures belong to, from a CSV file."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from mien.core.errors import InputError
from mien.datasets.readers.files import read_text

__all__ = ["groups_of", "read_groups"]

LARGEST = 64 << 20  # bytes


def read_groups(path: str | os.PathLike[str]) -> dict[str, str]:
    """Read a CSV file whose first line names the columns ``file`` and ``group``; others are ignored.

    ``file`` is the end of a picture's path, such as ``Ada/1.jpg``, or of a folder's, such as ``Ada``: all in it are
    meant.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is not such a table, or gives one file two groups.
    """
    path = Path(path)
    found: dict[str, str] = {}
    try:
        rows = csv.DictReader(io.StringIO(read_text(path, limit=LARGEST), newline=""), strict=True)
        if not {"file", "group"} <= set(rows.fieldnames or ()):
            raise InputError(f"{path} has no columns file and group in its first line.")
        for row in rows:
            name, group = ((row[key] or "").strip() for key in ("file", "group"))
            if not name or not group:
                raise InputError(f"{path}, line {rows.line_num}: a file and its group are needed.")
            name = PurePosixPath(name.replace("\\", "/")).as_posix()
            if found.setdefault(name, group) != group:
                raise InputError(f"{path}, line {rows.line_num}: {name[:80]} is in two groups.")
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file: {error}.") from error
    return found


def groups_of(pictures: Sequence[object], groups: dict[str, str]) -> list[str]:
    """The group of each picture; "" where the table has none, and for pictures that are no files.

    Of several rows that fit, the longest counts: a picture's own before its folder's.
    """
    return [_group(picture, groups) if isinstance(picture, Path) else "" for picture in pictures]


def _group(picture: Path, groups: dict[str, str]) -> str:
    for place in (picture, *picture.parents):
        parts = place.parts
        for start in range(len(parts)):
            if (group := groups.get(PurePosixPath(*parts[start:]).as_posix())) is not None:
                return group
    return ""
