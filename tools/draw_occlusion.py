"""Draws docs/images/occlusion.jpg: people with things drawn before their faces, and what is told of them.

.venv/bin/python tools/draw_occlusion.py [FILE]

Nobody in it exists: the pictures ship with mien.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

import mien
from mien import assets
from mien.core.image import Image, save_image
from mien.core.warping import resize
from mien.evaluation.masked import covering_layer
from mien.evaluation.obstacles import OBSTACLES, draw_obstacle
from mien.masks.overlay import overlay
from mien.media.provenance import Provenance, provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "occlusion.jpg"
#: What is drawn before whom, by which seed: also a mask and fingers of which only a part is told.
SHOWN = (
    (0, "surgical", 1),
    (1, "sunglasses", 2),
    (2, "cup", 2),
    (3, "scarf", 6),
    (4, "microphone", 5),
    (5, "hand", 1),
)
SIDE = 300  # pixels of each picture


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    picture = np.concatenate([column(*shown) for shown in SHOWN], axis=1)
    mark = Provenance.composite(*provenance(assets.PEOPLE[0]).models)
    save_image(picture, file, quality=80, xmp=mark.to_xmp())


def column(person: int, kind: str, seed: int) -> Image:
    """A person with something drawn before the face; what is told; and how much of it is seen."""
    image = mien.load_image(assets.PEOPLE[person])
    mesh = mien.analyze(image, want={"landmarks"}).landmarks.values[0]
    draw = draw_obstacle if kind in OBSTACLES else covering_layer
    drawn, _ = draw(image, mesh, kind=kind, seed=seed)
    faces = mien.analyze(drawn, want={"occlusion", "visible", "covered"}).top(1)
    told = overlay(drawn, {"occluded": faces.occlusion.region("occluded")})
    flags = [name for name, value in zip(faces.covered.names, faces.covered.values[0], strict=True) if value > 0.5]
    lines = (f"{100 * faces.visible.named('face')[0]:.0f} % visible", ", ".join(flags).replace("_", " "))
    foot = np.full((44, SIDE, 3), 255, np.uint8)
    for row, line in enumerate(lines):
        cv2.putText(foot, line, (6, 17 + 19 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (40, 40, 40), 1, cv2.LINE_AA)
    return np.concatenate([resize(drawn, (SIDE, SIDE)), resize(told, (SIDE, SIDE)), foot])


if __name__ == "__main__":
    main()
