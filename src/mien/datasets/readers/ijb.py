"""Reads templates and their matches: the CSV files of IJB-A, B and C, and InsightFace's text files of the same.

A template is all that is known of somebody at once: pictures and frames of videos. Klare et al., *Pushing the Frontiers
of Unconstrained Face Detection and Recognition: IARPA Janus Benchmark A*, 2015; Whitelam et al., *IARPA Janus
Benchmark-B*, 2017; Maze et al., *IARPA Janus Benchmark-C*, 2018.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, ShapeMismatch
from mien.datasets.readers.boxes import inside
from mien.datasets.readers.files import read_text
from mien.datasets.readers.pairs import Picture

__all__ = ["Matches", "Templates", "read_matches", "read_templates"]

Indices = NDArray[np.intp]
_FILE = ("FILENAME", "FILE", "MEDIA")  # what the column of files is called in IJB-C, IJB-A, and plain lists
_BOX = ("FACE_X", "FACE_Y", "FACE_WIDTH", "FACE_HEIGHT")
LARGEST_NUMBER = 1e6  # of a box, in pixels
Row = tuple[int, int | None, str, str, list[float]]


@dataclass(frozen=True)
class Templates:
    """Faces, and which template each belongs to.

    Parameters
    ----------
    pictures : tuple of N Path or bytes
        The picture of each face; a picture may stand here several times.
    boxes : (N, 4) float32
        xyxy in pixels of the picture; NaN where the largest face of the picture is meant.
    media : tuple of N str
        What each face is from: frames of one video have one.
    owners : (N,) integers
        The template of each face, from 0.
    ids : tuple of T int
        What each template is called in its file.
    people : tuple of T str or None
        Who each template is; None where the file does not tell.
    """

    pictures: tuple[Picture, ...]
    boxes: NDArray[np.float32]
    media: tuple[str, ...]
    owners: Indices
    ids: tuple[int, ...]
    people: tuple[str | None, ...]

    def __post_init__(self) -> None:
        count = len(self.pictures)
        if self.boxes.shape != (count, 4) or len(self.media) != count or self.owners.shape != (count,):
            raise ShapeMismatch(f"{count} faces, boxes {self.boxes.shape} and owners {self.owners.shape} do not fit.")
        if len(self.people) != len(self.ids) or (
            count and not 0 <= self.owners.min() <= self.owners.max() < len(self.ids)
        ):
            raise ShapeMismatch("each face belongs to a template, and each template has one entry for its person.")


@dataclass(frozen=True)
class Matches:
    """Pairs of templates to compare, as indices (P,), and whether each is of one person (P,)."""

    first: Indices
    second: Indices
    same: NDArray[np.bool_]


def read_templates(
    paths: str | os.PathLike[str] | Sequence[str | os.PathLike[str]],
    *,
    pictures: str | os.PathLike[str] | None = None,
) -> Templates:
    """Read the templates of one file or of several.

    Parameters
    ----------
    paths : path or sequence of paths
        ``.csv``: its first line names the columns, in any case: ``TEMPLATE_ID``, ``SUBJECT_ID``, ``FILENAME`` (or
        ``FILE``, ``MEDIA``) and, if known, ``MEDIA_ID`` and ``FACE_X``, ``FACE_Y``, ``FACE_WIDTH``, ``FACE_HEIGHT``.
        Without ``MEDIA_ID``, ``frames/17_3.png`` is of the video 17. Else text like ``ijbc_face_tid_mid.txt``: a line
        ``1.jpg template media`` for each face.
    pictures : path, optional
        The folder that the names are in; by default that of the first file.

    Raises
    ------
    SourceError
        If a file cannot be read.
    InputError
        If a line is not what should stand there, or one template is of two people.
    """
    files = [Path(path) for path in ([paths] if isinstance(paths, str | os.PathLike) else paths)]
    if not files:
        raise InputError("there is no file of templates.")
    folder = Path(pictures) if pictures is not None else files[0].parent
    index: dict[int, int] = {}
    people: list[str | None] = []
    found: dict[tuple[int, str, str], tuple[Path, list[float], str, int]] = {}
    for path in files:
        rows = _csv_rows(path) if path.suffix.lower() == ".csv" else _text_rows(path)
        for number, (template, person, name, medium, box) in rows:
            owner = index.setdefault(template, len(index))
            who = None if person is None else str(person)
            if owner == len(people):
                people.append(who)
            elif people[owner] != who:
                raise InputError(f"{path}, line {number}: template {template} is of {people[owner]} and of {who}.")
            # A gallery and a list of probes may share templates.
            key = (template, name, repr(box))
            found.setdefault(key, (inside(folder, name, path), box, medium, owner))
    if not found:
        raise InputError(f"{files[0]} lists no templates.")
    paths_, boxes, media, owners = zip(*found.values(), strict=True)
    return Templates(paths_, np.array(boxes, np.float32), media, np.array(owners, np.intp), tuple(index), tuple(people))


def read_matches(path: str | os.PathLike[str], templates: Templates) -> Matches:
    """Read pairs of templates: lines ``7,11`` of IJB's CSV files, or ``7 11 1`` with 1 for one person.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If a line is no such line, or names a template that is not there, or nothing tells who it is.
    """
    path = Path(path)
    text = read_text(path).replace(",", " ")
    try:
        table = (
            np.loadtxt(io.StringIO(text), np.int64, comments=None, ndmin=2) if text.strip() else np.zeros((0, 2), int)
        )
    except (ValueError, OverflowError) as error:
        raise InputError(f"{path} lists no pairs of templates: whole numbers are expected.") from error
    if not len(table) or table.shape[1] not in {2, 3}:
        raise InputError(f"{path} lists no pairs of templates: two or three numbers a line are expected.")
    order = np.argsort(templates.ids)
    ids = np.asarray(templates.ids)[order]
    places = np.searchsorted(ids, table[:, :2]).clip(max=len(ids) - 1)
    if (unknown := ids[places] != table[:, :2]).any():
        raise InputError(f"{path} names template {table[:, :2][unknown][0]}, of which there is no picture.")
    first, second = order[places].T
    if table.shape[1] == 3:
        if not np.isin(table[:, 2], (0, 1)).all():
            raise InputError(f"{path}: the third number of a pair is 1 for one person, else 0.")
        return Matches(first, second, table[:, 2] == 1)
    if None in templates.people:
        raise InputError(f"{path} does not tell which pairs are of one person, nor do the templates.")
    _, who = np.unique(np.asarray(templates.people, str), return_inverse=True)
    return Matches(first, second, np.asarray(who[first] == who[second]))


def _csv_rows(path: Path) -> Iterator[tuple[int, Row]]:
    rows = csv.reader(io.StringIO(read_text(path), newline=""), strict=True)
    try:
        header = [name.strip().upper() for name in next(rows, [])]
        at = {
            name: header.index(name)
            for name in ("TEMPLATE_ID", "SUBJECT_ID", "MEDIA_ID", *_FILE, *_BOX)
            if name in header
        }
        file = next((name for name in _FILE if name in at), None)
        if "TEMPLATE_ID" not in at or "SUBJECT_ID" not in at or file is None:
            raise InputError(f"{path} has no columns TEMPLATE_ID, SUBJECT_ID and FILENAME.")
        for row in rows:
            if not row:
                continue
            where = f"{path}, line {rows.line_num}"
            if len(row) <= max(at.values()):
                raise InputError(f"{where}: fewer columns than the first line names.")
            cells = {name: row[place].strip() for name, place in at.items()}
            medium = f"video {cells['MEDIA_ID']}" if cells.get("MEDIA_ID") else _medium(cells[file])
            yield (
                rows.line_num,
                (
                    _number(cells["TEMPLATE_ID"], where),
                    _number(cells["SUBJECT_ID"], where),
                    cells[file],
                    medium,
                    _box([cells.get(name, "") for name in _BOX], where),
                ),
            )
    except csv.Error as error:
        raise InputError(f"{path} is not a CSV file: {error}.") from error


def _text_rows(path: Path) -> Iterator[tuple[int, Row]]:
    for number, line in enumerate(read_text(path).splitlines(), start=1):
        words = line.split()
        if words and len(words) != 3:
            raise InputError(f"{path}, line {number}: '1.jpg template media' expected.")
        if words:
            where = f"{path}, line {number}"
            medium = str(_number(words[2], where))
            yield number, (_number(words[1], where), None, words[0], medium, [np.nan] * 4)


def _medium(name: str) -> str:
    parts = PurePosixPath(name.replace("\\", "/"))
    return f"video {parts.stem.rpartition('_')[0]}" if "frames" in parts.parts[:-1] and "_" in parts.stem else name


def _number(text: str, where: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= 15):
        raise InputError(f"{where}: {text[:40]!r} is no whole number.")
    return int(text)


def _box(texts: list[str], where: str) -> list[float]:
    if not any(texts):
        return [np.nan] * 4
    try:
        x, y, width, height = map(float, texts)
    except ValueError:
        x = y = width = height = np.nan
    if not (
        abs(x) <= LARGEST_NUMBER
        and abs(y) <= LARGEST_NUMBER
        and 0 < width <= LARGEST_NUMBER
        and 0 < height <= LARGEST_NUMBER
    ):
        raise InputError(f"{where}: x, y, width and height of a face are needed, or nothing.")
    return [x, y, x + width, y + height]
