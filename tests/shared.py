"""What tests of several rooms share: where real pictures and weights stand, what people marked, runners of models."""

from __future__ import annotations

import functools
import importlib
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.errors import WeightsUnavailable
from mien.core.image import Image, load_image
from mien.models.catalogue import Catalogue
from mien.models.store import Store
from mien.runtime.bundle import Bundle
from mien.runtime.session import SessionOptions

#: Beside the checkout, or nowhere: pictures with ground truth, and the small weights that no package index carries.
SHARED = Path(__file__).resolve().parents[2] / "shared"
DATA = SHARED / "data"
WEIGHTS = SHARED / "weights"

Marks = tuple[NDArray[np.float32], NDArray[np.float64]]


def photo(name: str) -> Image:
    """One of the real pictures."""
    return load_image(DATA / name)


def open_bundle(model: str, **options: Any) -> Bundle:
    """Card and files of a model, to run on one core; the test is skipped where they cannot be had."""
    card = Catalogue.load()[model]
    try:
        files = Store().pull(card)
    except WeightsUnavailable as error:
        pytest.skip(str(error))
    return Bundle(card, files, SessionOptions(**{"threads": 1, "device": "cpu", **options}))


@functools.cache
def runner(model: str, **options: Any) -> Any:
    """The runner of a model, made once."""
    bundle = open_bundle(model, **options)
    module, name = bundle.card.runner.split(":")
    return getattr(importlib.import_module(module), name)(bundle)


@functools.cache
def noses() -> dict[str, NDArray[np.float32]]:
    """The nose of each face (N, 2) by picture of ``detect_noses``; none for the picture without faces."""
    marked = json.loads((DATA / "detect_noses" / "annotations.json").read_text())["noses"]
    here = sorted(path.name for path in (DATA / "detect_noses").glob("*.jpg"))
    return {name: np.array(marked.get(name, []), np.float32).reshape(-1, 2) for name in here}


@functools.cache
def marked_faces() -> dict[str, Marks]:
    """Boxes (N, 4) and 68 points in iBUG order (N, 68, 2) of each face, by picture of ``landmarks68_boxes``."""
    marked: dict[str, Marks] = {}
    for part in ("training", "testing"):
        tree = ET.parse(DATA / "landmarks68_boxes" / f"{part}_with_face_landmarks.xml")
        for image in tree.iter("image"):
            boxes, points = [], []
            for box in image.iter("box"):
                left, top, width, height = (float(box.attrib[key]) for key in ("left", "top", "width", "height"))
                boxes.append((left, top, left + width, top + height))
                at = {int(part.attrib["name"]): (float(part.attrib["x"]), float(part.attrib["y"])) for part in box}
                points.append([at[index] for index in range(68)])
            marked[image.attrib["file"]] = np.array(boxes, np.float32), np.array(points)
    return marked
