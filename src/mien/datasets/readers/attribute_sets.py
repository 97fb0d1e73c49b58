"""Reads what sets say of faces, by the names of our fields: UTKFace's file names, CelebA's attributes, CSV."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from mien.core.errors import InputError, SourceError
from mien.datasets.readers.files import read_text
from mien.datasets.readers.labels_csv import Labels, read_labels

__all__ = ["CELEBA_COLOURS", "CELEBA_FLAGS", "read_attributes", "read_celeba", "read_utkface"]

_UTKFACE = re.compile(r"(\d{1,3})_([01])_.*\.(?:jpe?g|png)", re.IGNORECASE)
_GENDERS = ("masculine", "feminine")  # UTKFace's 0 and 1

#: Of CelebA's 40 attributes those that are flags here: its name, and (field, what -1 is, what 1 is).
CELEBA_FLAGS: Mapping[str, tuple[str, str, str]] = MappingProxyType(
    {
        "Eyeglasses": ("glasses", "0", "1"),
        "Male": ("gender", "feminine", "masculine"),
        "Mouth_Slightly_Open": ("mouth.open", "0", "1"),
        "Smiling": ("mouth.smile", "0", "1"),
        "Wearing_Hat": ("headwear", "0", "1"),
    }
)
#: Those that are a value of ``hair``. A picture with none of them, or several, has no colour.
CELEBA_COLOURS: Mapping[str, str] = MappingProxyType(
    {"Bald": "none", "Black_Hair": "black", "Blond_Hair": "blond", "Brown_Hair": "brown", "Gray_Hair": "grey"}
)


def read_attributes(source: str | os.PathLike[str], *, pictures: str | os.PathLike[str] | None = None) -> Labels:
    """Read labels in one of the known forms.

    Parameters
    ----------
    source : path
        A folder of pictures that are named as UTKFace's; CelebA's ``list_attr_celeba.txt``; or a CSV file, see
        `mien.datasets.readers.labels_csv.read_labels`.
    pictures : path, optional
        The folder that files count from; by default the one that `source` is in.

    Raises
    ------
    SourceError
        If it cannot be read.
    InputError
        If it is none of these, or is empty.
    """
    path = Path(source)
    if path.is_dir():
        return read_utkface(path)
    if path.suffix.lower() == ".txt":
        return read_celeba(path, pictures=pictures)
    return read_labels(path, pictures=pictures)


def read_utkface(folder: str | os.PathLike[str]) -> Labels:
    """Read ``age`` and ``gender`` from names such as ``26_1_0_2017….jpg``; their third number is left alone.

    Raises
    ------
    SourceError
        If the folder cannot be read.
    InputError
        If no picture is named so.
    """
    try:
        files = sorted(path for path in Path(folder).iterdir() if path.is_file())
    except OSError as error:
        raise SourceError(f"{folder} cannot be read: {error.strerror}.") from error
    named = [(path, match) for path in files if (match := _UTKFACE.fullmatch(path.name))]
    if not named:
        raise InputError(f"{folder} has no picture that is named as UTKFace's, such as 26_1_0_20170103.jpg.")
    return Labels(
        tuple(path for path, _ in named),
        tuple(path.name for path, _ in named),
        {
            "age": tuple(str(int(match[1])) for _, match in named),
            "gender": tuple(_GENDERS[int(match[2])] for _, match in named),
        },
    )


def read_celeba(path: str | os.PathLike[str], *, pictures: str | os.PathLike[str] | None = None) -> Labels:
    """Read CelebA's list of attributes: how many pictures, the names of attributes, and a row of -1 and 1 for each.

    Who is on which picture stands in another file of the set; here each picture is its own subject.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is no such list.
    """
    path = Path(path)
    root = path.parent if pictures is None else Path(pictures)
    lines = [line.split() for line in read_text(path).splitlines()]
    rows = [line for line in lines[2:] if line]
    names = lines[1] if len(lines) > 1 else []
    if not rows or not any(name in names for name in (*CELEBA_FLAGS, *CELEBA_COLOURS)):
        raise InputError(f"{path} is no list of attributes as CelebA's: a count, names, and a row for each picture.")
    for number, row in enumerate(rows, 3):
        if len(row) != len(names) + 1 or not {*row[1:]} <= {"-1", "1"}:
            raise InputError(f"{path}, row {number}: a file and {len(names)} times -1 or 1 are needed.")
    held = {name: [row[place] == "1" for row in rows] for place, name in enumerate(names, 1)}
    columns = {
        field: tuple(yes if one else no for one in held[name])
        for name, (field, no, yes) in CELEBA_FLAGS.items()
        if name in held
    }
    colours = {name: colour for name, colour in CELEBA_COLOURS.items() if name in held}
    if colours:
        said = [[colour for name, colour in colours.items() if held[name][row]] for row in range(len(rows))]
        columns["hair"] = tuple(one[0] if len(one) == 1 else "" for one in said)
    files = tuple(row[0] for row in rows)
    return Labels(tuple(root / file for file in files), files, columns)
