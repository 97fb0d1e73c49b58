"""Reads the files of dlib's annotation tool imglab: boxes of faces and named points in them."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn
from xml.parsers import expat

import numpy as np

from mien.core.errors import InputError
from mien.datasets.readers.files import read_bytes
from mien.datasets.readers.marks import MarkedPicture

__all__ = ["read_dlib_xml"]

LARGEST_FILE = 64 << 20  # bytes; 300-W's has 20 MB
MOST_PLACES = 20_000_000  # of points in all


@dataclass
class _Picture:
    file: str
    boxes: list[tuple[float, float, float, float]] = field(default_factory=list)
    parts: list[dict[str, tuple[float, float]]] = field(default_factory=list)


def read_dlib_xml(path: str | os.PathLike[str]) -> list[MarkedPicture]:
    """Read an imglab file.

    Points stand in the order of their names, by number where all are numbers; a point that a face lacks is NaN. Boxes
    marked ``ignore``, and pictures that no other box is in, are left out.

    Parameters
    ----------
    path : path
        The XML file; pictures are found beside it.

    Raises
    ------
    SourceError
        If the file cannot be read.
    InputError
        If it is not such a file, or declares entities: they have no use here but to harm.
    """
    path = Path(path)
    pictures = [picture for picture in _Parser(path).parse(read_bytes(path, limit=LARGEST_FILE)) if picture.boxes]
    names = sorted({name for picture in pictures for parts in picture.parts for name in parts}, key=_order)
    faces = sum(len(picture.boxes) for picture in pictures)
    if len(names) * faces > MOST_PLACES:  # each face gets a place for each name
        raise InputError(f"{path} names {len(names)} different points in {faces} faces, which is too much.")
    return [
        MarkedPicture(
            path=path.parent / picture.file,
            boxes=np.array(picture.boxes, np.float32),
            points=np.array(
                [[parts.get(name, (np.nan, np.nan)) for name in names] for parts in picture.parts], np.float64
            ).reshape(len(picture.boxes), len(names), 2),
        )
        for picture in pictures
    ]


def _order(name: str) -> tuple[int, str]:
    """Numbers by their value, and before words."""
    return (int(name), "") if name.isascii() and name.isdecimal() and len(name) < 9 else (1 << 30, name)


class _Parser:
    """Collects the pictures of one file, element by element; nothing in it is expanded or fetched."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pictures: list[_Picture] = []
        self._inside = False  # a box that counts

    def parse(self, data: bytes) -> list[_Picture]:
        parser = expat.ParserCreate()
        parser.StartDoctypeDeclHandler = self._declared
        parser.StartElementHandler = self._start
        try:
            parser.Parse(data, True)
        except (expat.ExpatError, LookupError, ValueError) as error:  # the last two: an encoding that is none
            raise InputError(f"{self._path} is not XML: {error}.") from error
        return self._pictures

    def _declared(self, *_: object) -> NoReturn:
        raise InputError(f"{self._path} declares a document type: annotations have none.")

    def _start(self, element: str, values: dict[str, str]) -> None:
        if element == "image":
            self._pictures.append(_Picture(self._text(element, values, "file")))
        elif element == "box":
            self._inside = values.get("ignore") != "1"
            if self._inside:
                left, top, width, height = (
                    self._number(element, values, key) for key in ("left", "top", "width", "height")
                )
                if min(width, height) < 0:
                    raise InputError(f"{self._path}: a box of {width:g} by {height:g}.")
                self._picture(element).boxes.append((left, top, left + width, top + height))
                self._pictures[-1].parts.append({})
        elif element == "part" and self._inside:
            place = (self._number(element, values, "x"), self._number(element, values, "y"))
            picture = self._picture(element)
            if not picture.parts:
                raise InputError(f"{self._path}: a <part> outside of a <box>.")
            picture.parts[-1][self._text(element, values, "name")] = place

    def _picture(self, element: str) -> _Picture:
        if not self._pictures:
            raise InputError(f"{self._path}: a <{element}> outside of an <image>.")
        return self._pictures[-1]

    def _text(self, element: str, values: dict[str, str], key: str) -> str:
        if key not in values:
            raise InputError(f"{self._path}: <{element}> without {key}.")
        return values[key]

    def _number(self, element: str, values: dict[str, str], key: str) -> float:
        text = self._text(element, values, key)
        try:
            number = float(text)
        except ValueError:
            number = np.nan
        if not np.isfinite(number) or abs(number) > 1e6:
            raise InputError(f"{self._path}: {key} of a <{element}> is {text[:40]!r}, not a place in a picture.")
        return number
