"""Run by the peer's own Python: ``dlib68.py PREDICTOR JOB.npz ANSWER.npy``; see ``benchmarks/dlib_peer.py``."""

from __future__ import annotations

import sys
from typing import Any

import dlib
import numpy as np


def main(predictor: str, job: str, answer: str) -> None:
    shape, detector, table = dlib.shape_predictor(predictor), dlib.get_frontal_face_detector(), np.load(job)
    owners = table["owner"]
    found = np.full((len(owners), 68, 2), np.nan)
    for row, owner in enumerate(owners):
        picture, given = table[f"picture{owner}"], table["boxes"][row] if "boxes" in table else None
        if given is None or table["find"]:
            # Small pictures are doubled first: its detector sees no faces below 80 pixels.
            faces = detector(picture, 1 if max(picture.shape) < 400 else 0)
            box = max(faces, key=lambda face: score(face, given), default=None)
        else:
            box = rectangle(given)
        if box is not None and (given is None or score(box, given) > 0):
            found[row] = [(point.x, point.y) for point in shape(picture, box).parts()]
    np.save(answer, found)


def rectangle(corners: Any) -> Any:
    """The box as dlib has it: with its last pixel."""
    x1, y1, x2, y2 = (round(float(edge)) for edge in corners)
    return dlib.rectangle(x1, y1, x2 - 1, y2 - 1)


def score(face: Any, near: Any) -> float:
    """What the face that is meant has most of: pixels in common with a box, or pixels at all."""
    return float(face.area() if near is None else face.intersect(rectangle(near)).area())


if __name__ == "__main__":
    main(*sys.argv[1:])
