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
        picture = table[f"picture{owner}"]
        box = rectangle(table["boxes"][row]) if "boxes" in table else largest(detector, picture)
        if box is not None:
            found[row] = [(point.x, point.y) for point in shape(picture, box).parts()]
    np.save(answer, found)


def rectangle(corners: Any) -> Any:
    """The box as dlib has it: with its last pixel."""
    x1, y1, x2, y2 = (round(float(edge)) for edge in corners)
    return dlib.rectangle(x1, y1, x2 - 1, y2 - 1)


def largest(detector: Any, picture: Any) -> Any:
    """The largest face of a picture, or None; small pictures are doubled first."""
    faces = detector(picture, 1 if max(picture.shape) < 400 else 0)
    return max(faces, key=lambda face: face.area(), default=None)


if __name__ == "__main__":
    main(*sys.argv[1:])
