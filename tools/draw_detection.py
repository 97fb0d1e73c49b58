"""Draws docs/images/detection.jpg: people who do not exist, of all sizes and turns, before a landscape.

.venv/bin/python tools/draw_detection.py [FILE]

Left, what one look at the picture finds; right, with its tiles and turns.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import cv2
import numpy as np

from mien import assets
from mien.core.image import Image, load_image, save_image
from mien.engine import Engine
from mien.media.provenance import Provenance, provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "detection.jpg"
WIDTH, HEIGHT = 1500, 1900
SHOWN = 560  # pixels of each half
SIZES = np.geomspace(44, 560, 30)  # sides of the portraits; their faces are about 0.6 as high
SEED = 12


def people() -> Image:
    """Round portraits side by side before the landscape, every second one turned by any angle."""
    draw = np.random.default_rng(SEED)
    image = np.asarray(cv2.resize(load_image(assets.LANDSCAPE), (WIDTH, HEIGHT)), np.float32)
    taken: list[tuple[float, float, float]] = []
    for place, side in enumerate(reversed(SIZES.tolist())):
        portrait = load_image(assets.PEOPLE[place % len(assets.PEOPLE)])
        degrees = float(draw.uniform(0, 360)) if place % 2 else 0.0
        for _ in range(3000):
            x, y = (float(draw.uniform(side / 2, edge - side / 2)) for edge in (WIDTH, HEIGHT))
            if all(np.hypot(x - a, y - b) > (side + size) / 2 for a, b, size in taken):
                break
        else:
            continue
        taken.append((x, y, side))
        m = np.asarray(cv2.getRotationMatrix2D((255.5, 255.5), degrees, side / 512), np.float64)
        m[:, 2] += np.array([x, y]) - 255.5
        disc = np.asarray(cv2.circle(np.zeros((512, 512), np.uint8), (256, 256), 250, 255, -1, cv2.LINE_AA), np.uint8)
        share = np.asarray(cv2.warpAffine(disc, m, (WIDTH, HEIGHT), flags=cv2.INTER_AREA), np.float32)[..., None] / 255
        small = cv2.warpAffine(cv2.GaussianBlur(portrait, (0, 0), max(0.4 * 512 / side, 0.1)), m, (WIDTH, HEIGHT))
        image = np.asarray(image * (1 - share) + np.asarray(small, np.float32) * share, np.float32)
    return image.round().astype(np.uint8)


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    picture = people()
    halves = []
    with Engine(threads=1) as engine:
        for faces in (engine.detect(picture, tiles="off"), engine.detect(picture, tiles=320, rotations=True)):
            half = cv2.resize(faces.draw(), (SHOWN, round(SHOWN * HEIGHT / WIDTH)), interpolation=cv2.INTER_AREA)
            halves.append(np.asarray(half, np.uint8))
    mark = provenance(assets.PEOPLE[0])
    assert isinstance(mark, Provenance)  # noqa: S101 - the shipped pictures carry it
    save_image(np.concatenate(halves, axis=1), file, quality=66, xmp=mark.to_xmp())


if __name__ == "__main__":
    main()
