"""Draws docs/images/swap.jpg: sources, targets, what is drawn on the mesh, and the swapped pictures.

.venv/bin/python tools/draw_swap.py [FILE]

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
from mien.swaps.exchange.swapper import swap

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "swap.jpg"
PAIRS = ((2, 0), (3, 5), (0, 4))  # source and target, by their places among `assets.PEOPLE`
SIDE = 224


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    picture = np.concatenate([row(assets.PEOPLE[source], assets.PEOPLE[target]) for source, target in PAIRS])
    marks = (provenance(assets.PEOPLE[place]) for pair in PAIRS for place in pair)
    save_image(picture, file, quality=85, xmp=Provenance.manipulated(*marks).to_xmp())


def row(source: Path, target: Path) -> Image:
    """The source, the target, the mesh, the source's face on it in the target's light, and the result."""
    edit = swap(target, source=source)
    relit = edit.layers["relit"]
    board = np.full((*relit.shape[:2], 3), 235, np.uint8)
    shown = mien.Region.from_mask(np.ascontiguousarray(relit[..., 3])).apply(board, relit[..., :3])
    pictures = [mien.load_image(source), mien.load_image(target), edit.layers["mesh"], shown, edit.image]
    return np.concatenate([resize(np.ascontiguousarray(one), (SIDE, SIDE)) for one in pictures], axis=1)


if __name__ == "__main__":
    main()
