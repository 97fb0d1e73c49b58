"""Reads boxes of faces from JSON: COCO's layout, and noses by picture."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np

from mien.core.errors import InputError
from mien.datasets.readers.boxes import BoxedPicture, inside
from mien.datasets.readers.files import read_text

__all__ = ["read_coco", "read_json", "read_noses"]


def read_json(path: str | os.PathLike[str], *, pictures: str | os.PathLike[str] | None = None) -> list[BoxedPicture]:
    """Read whichever of the two layouts a file has; see `read_coco` and `read_noses`."""
    read = read_noses if "noses" in _object(Path(path)) else read_coco
    return read(path, pictures=pictures)


def read_coco(path: str | os.PathLike[str], *, pictures: str | os.PathLike[str] | None = None) -> list[BoxedPicture]:
    """Read boxes in COCO's layout (Lin, Maire, Belongie, et al., *Microsoft COCO*, 2014).

    The category is the one that is called "face", or the only one. Boxes of crowds (``iscrowd``) do not count.

    Parameters
    ----------
    path : path
    pictures : path, optional
        The folder that the names are in; by default the file's own.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is no such file.
    """
    path = Path(path)
    content = _object(path)
    folder = Path(pictures) if pictures is not None else path.parent
    try:
        categories = {_whole(entry["id"]): str(entry["name"]).lower() for entry in content.get("categories", [])}
        faces = [number for number, name in categories.items() if name == "face"] or list(categories)
        if len(faces) > 1:
            raise InputError(f"{path}: none of the {len(faces)} categories is called face.")
        names = {_whole(entry["id"]): str(entry["file_name"]) for entry in content["images"]}
        boxes, counts = defaultdict(list), defaultdict(list)
        for entry in content["annotations"]:
            if faces and _whole(entry.get("category_id", faces[0])) != faces[0]:
                continue
            image = _whole(entry["image_id"])
            if image not in names:
                raise InputError(f"{path}: a box is of the picture {image}, which is not in the list.")
            boxes[image].append(_box(entry["bbox"]))
            counts[image].append(not entry.get("iscrowd", 0))
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} is not in COCO's layout: {error!r:.80}.") from error
    return [
        BoxedPicture(
            inside(folder, name, path),
            np.array(boxes[image], np.float32).reshape(-1, 4),
            {"all": np.array(counts[image], np.bool_)},
        )
        for image, name in names.items()
    ]


def read_noses(path: str | os.PathLike[str], *, pictures: str | os.PathLike[str] | None = None) -> list[BoxedPicture]:
    """Read ``{"noses": {picture: [[x, y], ...]}}``; pictures that are not there are left out.

    Parameters
    ----------
    path, pictures : path
        As for `read_coco`.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is no such file.
    """
    path = Path(path)
    folder = Path(pictures) if pictures is not None else path.parent
    try:
        marked = {
            inside(folder, str(name), path): [_numbers(point, 2) * 2 for point in points]
            for name, points in _object(path)["noses"].items()
        }
    except (AttributeError, KeyError, TypeError, ValueError, OverflowError) as error:
        raise InputError(f"{path} does not give noses by picture: {error!r:.80}.") from error
    return [
        BoxedPicture(file, np.array(points, np.float32).reshape(-1, 4))
        for file, points in marked.items()
        if file.is_file()
    ]


def _object(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(read_text(path))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not JSON: {error!s:.80}.") from error
    if not isinstance(content, dict):
        raise InputError(f"{path} holds no JSON object.")
    return content


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{value!r:.40} is no number of an entry")
    return value


def _box(value: Any) -> tuple[float, ...]:
    x, y, width, height = _numbers(value, 4)
    if min(width, height) < 0:
        raise ValueError(f"a box of {width:g} by {height:g}")
    return x, y, x + width, y + height


def _numbers(value: Any, count: int) -> tuple[float, ...]:
    if not isinstance(value, list) or not all(type(number) in (int, float) for number in value):
        raise TypeError(f"{value!r:.40} are no numbers")
    numbers = tuple(map(float, value))
    if len(numbers) != count or not np.isfinite(numbers).all() or max(map(abs, numbers)) > 1e6:
        raise ValueError(f"{value!r:.40} is no place in a picture")
    return numbers
