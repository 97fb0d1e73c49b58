"""Draws docs/images/background.jpg: portraits before a landscape, which is blurred, replaced by a colour, and cut away.

.venv/bin/python tools/draw_background.py [FILE]

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

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "background.jpg"
PEOPLE = (assets.PEOPLE[0], assets.PEOPLE[7])
SIDE = 256
SQUARE = 16  # pixels of the checkerboard behind what is transparent


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    picture = np.concatenate([row(path) for path in PEOPLE])
    mark = Provenance.composed(*(provenance(path) for path in PEOPLE))
    save_image(picture, file, quality=85, xmp=mark.to_xmp())


def row(path: Path) -> Image:
    """A portrait; before the landscape; that out of focus; before a colour; before nothing."""
    out_there = mien.background(path, image=assets.LANDSCAPE).image
    cut = mien.background(path, transparent=True).image
    y, x = np.indices(cut.shape[:2]) // SQUARE
    board = np.where((x + y) % 2, 205, 255).astype(np.uint8)[..., None].repeat(3, axis=2)
    pictures = [
        mien.load_image(path),
        out_there,
        mien.background(out_there, blur=14).image,
        mien.background(path, color="#f2b134").image,
        mien.Region.from_mask(cut[..., 3]).apply(board, cut[..., :3]),
    ]
    return np.concatenate([resize(one, (SIDE, SIDE)) for one in pictures], axis=1)


if __name__ == "__main__":
    main()
