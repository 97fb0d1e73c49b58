"""Draws docs/images/forgery.jpg: a person as drawn, with another's face pasted, and morphed; and where each is odd.

.venv/bin/python tools/draw_forgery.py [FILE]

Nobody in it exists: the pictures ship with mien.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np

import mien
from mien import assets
from mien.core.image import Image, save_image
from mien.core.warping import resize
from mien.datasets.morph import morph, open_portrait
from mien.datasets.pasting import paste_face
from mien.media.provenance import Provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "forgery.jpg"
TARGET, SOURCE = 3, 4  # of the shipped people
SIDE = 360  # pixels of each picture


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    one, other = (open_portrait(assets.PEOPLE[number]) for number in (TARGET, SOURCE))
    shown = {
        "as the generator drew him": one.image,
        "another face pasted": paste_face(one, other).image,
        "both, morphed within the face": morph(one, other, part="face").image,
        "both, morphed": morph(one, other).image,
    }
    picture = np.concatenate([column(name, image) for name, image in shown.items()], axis=1)
    mark = replace(Provenance.composed(one.provenance, other.provenance), source_type="compositeSynthetic")
    save_image(picture, file, quality=82, xmp=mark.to_xmp())


def column(name: str, image: Image) -> Image:
    """A picture, where it is odd, and its highest cues."""
    report = mien.forgery(image)
    (face,) = report
    most = sorted(face.cues, key=lambda cue: -np.nan_to_num(cue.value))[:2]
    lines = (name, ", ".join(f"{cue.name} {cue.value:.2f}" for cue in most))
    foot = np.full((48, SIDE, 3), 255, np.uint8)
    for row, line in enumerate(lines):
        cv2.putText(foot, line, (6, 19 + 20 * row), cv2.FONT_HERSHEY_SIMPLEX, 0.48, (40, 40, 40), 1, cv2.LINE_AA)
    return np.concatenate([resize(image, (SIDE, SIDE)), resize(face.draw(), (SIDE, SIDE)), foot])


if __name__ == "__main__":
    main()
