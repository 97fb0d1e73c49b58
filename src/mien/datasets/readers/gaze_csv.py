"""Reads tables of gaze: pictures with a direction, a point on a screen, or a point in the picture that is looked at."""

from __future__ import annotations

import csv
import io
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

from mien.core.errors import InputError
from mien.datasets.readers.files import read_text

__all__ = ["GazeKind", "GazeRow", "GazeTable", "read_gaze_csv"]

GazeKind: TypeAlias = Literal["angles", "vector", "screen", "target"]

#: What a row says, by the columns that it needs; the first that are all there count.
COLUMNS: Final[Mapping[GazeKind, tuple[str, ...]]] = {
    "target": ("x1", "y1", "x2", "y2", "target_x", "target_y"),
    "angles": ("yaw", "pitch"),
    "vector": ("gaze_x", "gaze_y", "gaze_z"),
    "screen": ("x", "y"),
}


@dataclass(frozen=True)
class GazeRow:
    """One line.

    Attributes
    ----------
    picture : Path
    values : tuple of float
        In the order of the kind's columns.
    group : str
        What belongs together: a person, or a way to hold the head; "" without.
    """

    picture: Path
    values: tuple[float, ...]
    group: str


@dataclass(frozen=True)
class GazeTable:
    """A file: what its rows say, and the rows."""

    kind: GazeKind
    rows: tuple[GazeRow, ...]


def read_gaze_csv(path: str | os.PathLike[str]) -> GazeTable:
    """Read a CSV file of gaze.

    Its first line names the columns: ``file`` (a picture, beside the table unless it is a whole path) and

    - ``yaw, pitch``: the direction in degrees, as the field ``gaze`` has it: as seen from the camera;
    - or ``gaze_x, gaze_y, gaze_z``: the direction as a vector in the camera's own axes (x right, y down, z away);
    - or ``x, y``: the point on a screen, in any unit;
    - or ``x1, y1, x2, y2, target_x, target_y``: the box of a face, and the point of the picture that it looks at, px;

    and, if rows are not independent, ``group``: the person, or how the head was held. Others are ignored.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is no such table; the message names the line.
    """
    path = Path(path)
    try:
        lines = csv.DictReader(io.StringIO(read_text(path), newline=""), strict=True)
        names = lines.fieldnames or ()
        kinds = [kind for kind, columns in COLUMNS.items() if {"file", *columns} <= set(names)]
        if not kinds:
            ways = "; ".join(", ".join(columns) for columns in COLUMNS.values())
            raise InputError(f"{path} lacks columns: its first line names file and one of: {ways}.")
        rows = [_row(line, path, kinds[0], lines.line_num) for line in lines]
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file: {error}.") from error
    if not rows:
        raise InputError(f"{path} has no rows.")
    return GazeTable(kinds[0], tuple(rows))


def _row(line: Mapping[str, str | None], path: Path, kind: GazeKind, number: int) -> GazeRow:
    try:
        values = tuple(float(line[name] or "") for name in COLUMNS[kind])
    except ValueError:
        raise InputError(f"{path}, line {number}: {', '.join(COLUMNS[kind])} are numbers.") from None
    if not all(math.isfinite(value) for value in values) or not line["file"]:
        raise InputError(f"{path}, line {number}: a number is not finite, or there is no file.")
    return GazeRow(path.parent / line["file"], values, (line.get("group") or "").strip())
