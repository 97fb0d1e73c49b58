"""Draws docs/images/masks.jpg: portraits, their regions, three of them recoloured, and other backgrounds.

.venv/bin/python tools/draw_masks.py [FILE]

Nobody in it exists: the pictures ship with mien.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import mien
from mien import assets
from mien.cli.cuts import SHOWN
from mien.core.image import Image, save_image
from mien.core.warping import resize
from mien.masks.overlay import draw_legend, overlay
from mien.media.provenance import Provenance, provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "masks.jpg"
PEOPLE = (assets.PEOPLE[1], assets.PEOPLE[5])
COLORED = {"hair": (120, 40, 160), "lips": (200, 30, 60), "clothes": (30, 110, 150)}
RAISED = 0.55  # of a colour that is laid over


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
    """A picture; its regions; some of them in other colours; and its person before another background."""
    m = mien.mask(image, size="fine")
    found = {name: region for name in SHOWN if name in m.names and (region := m.region(name))}
    painted = image
    for name, color in COLORED.items():
        light = image.max(axis=2, keepdims=True) / 255
        tinted = (image * (1 - RAISED) + np.array(color) * light * 2 * RAISED).clip(0, 255).astype(np.uint8)
        painted = m.region(name).feather(1.5).apply(painted, tinted)
    replaced = mien.background(image, image=assets.LANDSCAPE).image
    return np.concatenate([image, draw_legend(overlay(image, found), found), painted, replaced], axis=1)


if __name__ == "__main__":
    main()
