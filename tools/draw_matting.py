"""Draws docs/images/matting.jpg: portraits, their alpha, and their people before green and before white.

.venv/bin/python tools/draw_matting.py [FILE]

Nobody in it exists: the pictures ship with mien.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import mien
from mien import assets
from mien.core.image import Image, save_image
from mien.core.warping import resize
from mien.media.provenance import Provenance, provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "matting.jpg"
PEOPLE = (assets.PEOPLE[4], assets.PEOPLE[2])


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    picture = np.concatenate([row(mien.load_image(path)) for path in PEOPLE])
    small = resize(picture, (picture.shape[0] * 3 // 4, picture.shape[1] * 3 // 4))
    mark = Provenance.composite(*provenance(PEOPLE[0]).models)
    save_image(small, file, quality=80, xmp=mark.to_xmp())


def row(image: Image) -> Image:
    """A picture, its alpha, and its person before two colours."""
    m = mien.matte(image)
    alpha = np.repeat(m.alpha.to_levels()[..., None], 3, axis=2)
    return np.concatenate([image, alpha, m.over((0, 170, 80)), m.over((255, 255, 255))], axis=1)


if __name__ == "__main__":
    main()
