"""Reads ``.pts`` files, one face each, as iBUG publishes 300-W, LFPW, HELEN and AFW."""

from __future__ import annotations

import os
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, SourceError
from mien.datasets.readers.files import read_text
from mien.datasets.readers.marks import MarkedPicture
from mien.media.scan import PICTURE_SUFFIXES

__all__ = ["read_pts", "read_pts_folder"]

LARGEST_FILE = 1 << 20  # bytes; 68 points take 2 KB
_FILE = re.compile(r"\s*version:\s*1\s+n_points:\s*(?P<count>\d{1,5})\s*\{(?P<rows>[^{}]*)\}\s*")


def read_pts(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Read the points of one file.

    These files count the first pixel as 1; here it is 0.

    Returns
    -------
    (K, 2) float64

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is not such a file, or does not have the points that it announces.
    """
    match = _FILE.fullmatch(read_text(path, limit=LARGEST_FILE))
    if not match:
        raise InputError(f"{path} is not a .pts file: 'version: 1', 'n_points: K' and K lines in braces are expected.")
    rows = [line.split() for line in match["rows"].splitlines() if line.strip()]
    try:
        points = np.array([[float(x), float(y)] for x, y in rows], np.float64).reshape(-1, 2)
    except ValueError as error:
        raise InputError(f"{path}: each line in the braces is two numbers.") from error
    if len(points) != int(match["count"]) or not len(points):
        raise InputError(f"{path} announces {match['count']} points and has {len(points)}.")
    if not np.isfinite(points).all() or np.abs(points).max() > 1e6:
        raise InputError(f"{path} has points that are no places in a picture.")
    return points - 1


def read_pts_folder(folder: str | os.PathLike[str]) -> list[MarkedPicture]:
    """Read all ``.pts`` files of a folder and those below it, each with the picture of the same name beside it.

    Boxes are the extents of the points. A file whose picture is not there raises: it would be missed in a result.

    Raises
    ------
    SourceError
        If there are no such files, or a picture is missing.
    InputError
        If a file is none, or the files differ in their number of points.
    """
    folder = Path(folder)
    marked: list[MarkedPicture] = []
    for file in sorted(folder.rglob("*.pts")):
        beside = sorted(other for other in file.parent.glob(f"{_literal(file.stem)}.*") if _is_picture(other))
        if not beside:
            raise SourceError(f"{file} has no picture of the same name beside it.")
        points = read_pts(file)
        if marked and marked[0].points.shape[1] != len(points):
            raise InputError(f"{file} has {len(points)} points, others have {marked[0].points.shape[1]}.")
        box = np.concatenate([points.min(axis=0), points.max(axis=0)])
        marked.append(MarkedPicture(beside[0], box[None].astype(np.float32), points[None]))
    if not marked:
        raise SourceError(f"{folder} holds no .pts files.")
    return marked


def _literal(stem: str) -> str:
    """A name as a pattern that matches it alone."""
    return re.sub(r"([*?[])", r"[\1]", stem)


def _is_picture(file: Path) -> bool:
    return file.suffix.lower() in PICTURE_SUFFIXES
