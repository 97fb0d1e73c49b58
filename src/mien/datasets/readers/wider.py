"""Reads WIDER FACE: its text files of boxes, and the easy, medium and hard faces of its evaluation kit.

Yang, Luo, Loy, Tang, *WIDER FACE: A Face Detection Benchmark*, 2016.
"""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.errors import InputError, SourceError
from mien.datasets.readers.boxes import BoxedPicture, inside
from mien.datasets.readers.files import read_text

__all__ = ["LEVELS", "read_wider", "with_levels"]

LEVELS = ("easy", "medium", "hard")
_NUMBERS = 10  # x, y, width, height, blur, expression, illumination, invalid, occlusion, pose
_INVALID = 7


def read_wider(path: str | os.PathLike[str], *, pictures: str | os.PathLike[str] | None = None) -> list[BoxedPicture]:
    """Read a file such as ``wider_face_val_bbx_gt.txt``.

    Each picture is a line with its name, one with the number of its faces, and one for each face: x, y, width, height
    and, where they are there, six flags. Faces marked invalid, and those without an area, do not count.

    Parameters
    ----------
    path : path
    pictures : path, optional
        The folder that the names are in; by default ``images`` beside the file where there is one, else its own.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If a line is not what should stand there.
    """
    path = Path(path)
    beside = path.parent / "images"
    folder = Path(pictures) if pictures is not None else beside if beside.is_dir() else path.parent
    lines = [line.strip() for line in read_text(path).splitlines()]
    found: list[BoxedPicture] = []
    at = 0
    while at < len(lines):
        if not lines[at]:
            at += 1
            continue
        name, count = lines[at], _count(path, lines, at + 1)
        # A picture without faces has a row of zeros all the same.
        rows = _rows(path, lines, at + 2, max(count, 1))[:count]
        corners, sizes = rows[:, :2], rows[:, 2:4]
        counts = (sizes > 0).all(axis=1) & (rows[:, _INVALID] == 0)
        boxes = np.hstack([corners, corners + sizes.clip(min=0)]).astype(np.float32)
        found.append(BoxedPicture(inside(folder, name, path), boxes, {"all": counts}))
        at += 2 + max(count, 1)
    return found


def with_levels(pictures: list[BoxedPicture], folder: str | os.PathLike[str]) -> list[BoxedPicture]:
    """The same pictures with the faces that the evaluation kit counts as easy, medium and hard.

    Parameters
    ----------
    pictures : list of BoxedPicture
        As `read_wider` gives those of the validation set.
    folder : path
        The kit's ``ground_truth``, with ``wider_easy_val.mat``, ``wider_medium_val.mat`` and ``wider_hard_val.mat``.

    Raises
    ------
    SourceError
        If a file cannot be read.
    InputError
        If a file is no such list, or lists a face that a picture has not.
    """
    levels = {level: _level(Path(folder) / f"wider_{level}_val.mat") for level in LEVELS}
    return [replace(picture, subsets=_subsets(picture, levels)) for picture in pictures]


def _subsets(picture: BoxedPicture, levels: dict[str, dict[str, NDArray[np.intp]]]) -> dict[str, NDArray[np.bool_]]:
    subsets = {}
    for level, listed in levels.items():
        rows = listed.get(f"{picture.path.parent.name}/{picture.path.stem}", np.zeros(0, np.intp))
        if len(rows) and not (rows.min() >= 0 and rows.max() < len(picture.boxes)):
            raise InputError(f"the {level} faces of {picture.path.name} are not those of its {len(picture.boxes)}.")
        subsets[level] = np.isin(np.arange(len(picture.boxes)), rows)
    return subsets


def _level(path: Path) -> dict[str, NDArray[np.intp]]:
    """Rows of the faces that count, from 0, by event and picture."""
    from scipy.io import loadmat
    from scipy.io.matlab import MatReadError

    try:
        content: dict[str, Any] = loadmat(path)
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror or error}.") from error
    except (MatReadError, ValueError, TypeError, NotImplementedError, EOFError) as error:
        raise InputError(f"{path} is not a MATLAB file of the evaluation kit.") from error
    try:
        listed = {}
        for event, files, rows in zip(content["event_list"], content["file_list"], content["gt_list"], strict=True):
            for file, numbers in zip(files[0], rows[0], strict=True):
                key = f"{event[0][0]}/{file[0][0]}"
                listed[key] = np.asarray(numbers[0], np.float64).ravel().astype(np.intp) - 1
    except (KeyError, IndexError, TypeError, ValueError) as error:
        raise InputError(f"{path} does not list faces as the evaluation kit does.") from error
    return listed


def _count(path: Path, lines: list[str], at: int) -> int:
    text = lines[at] if at < len(lines) else ""
    if not text.isdecimal() or len(text) > 6:
        raise InputError(f"{path}: line {at + 1}: {text[:40]!r} is no number of faces.")
    return int(text)


def _rows(path: Path, lines: list[str], at: int, count: int) -> NDArray[np.float64]:
    rows = np.zeros((count, _NUMBERS))
    for row in range(count):
        parts = lines[at + row].split() if at + row < len(lines) else []
        try:
            values = [float(part) for part in parts]
        except ValueError:
            values = []
        if not 4 <= len(values) <= _NUMBERS or not np.isfinite(values).all() or np.abs(values).max() > 1e6:
            raise InputError(f"{path}: line {at + row + 1}: x, y, width and height of a face are needed.")
        rows[row, : len(values)] = values
    return rows
