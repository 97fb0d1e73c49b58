"""Draws docs/images/regions.jpg: what operators and edges make of a face's regions.

.venv/bin/python tools/draw_regions.py [FILE]

Nobody in it exists: the picture ships with mien.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

import mien
from mien import assets
from mien.core.image import Image, save_image
from mien.core.region import Region
from mien.media.provenance import Provenance, provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "regions.jpg"
PERSON = assets.PEOPLE[0]
COLOR = (255, 70, 130)
SIDE = 320


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    image = mien.load_image(PERSON)
    m = mien.mask(image, size="fine")
    rows = [
        {
            "m.face": m.face,
            "m.face - m.eyes - m.lips": m.face - m.eyes - m.lips,
            "m.face | m.hair": m.face | m.hair,
            "m.face + m.hair": m.face + m.hair,
        },
        {
            "m.face.feather(25)": m.face.feather(25),
            "m.face.dilate(25)": m.face.dilate(25),
            "m.face.erode(25)": m.face.erode(25),
            "m.hair.outline(6)": m.hair.outline(6),
        },
    ]
    picture = np.concatenate([np.concatenate([tile(image, *one) for one in row.items()], axis=1) for row in rows])
    save_image(picture, file, quality=85, xmp=Provenance.composite(*provenance(PERSON).models).to_xmp())


def tile(image: Image, text: str, region: Region) -> Image:
    """A region in a colour over a picture, small, with a line of text."""
    painted = np.asarray(cv2.resize(region.apply(image, COLOR), (SIDE, SIDE), interpolation=cv2.INTER_AREA), np.uint8)
    painted[-26:] //= 3
    cv2.putText(painted, text, (8, SIDE - 8), cv2.FONT_HERSHEY_SIMPLEX, 0.48, (255, 255, 255), 1, cv2.LINE_AA)
    return painted


if __name__ == "__main__":
    main()
