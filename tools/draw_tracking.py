"""Draws the picture of docs/tracking.md out of clips of people who do not exist: moments of three clips, with ids.

.venv/bin/python -m tools.draw_tracking [FOLDER]
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from tests.clips import Scene, back, crossing, cut

from mien import assets
from mien.core.image import Image, save_image
from mien.engine import Engine
from mien.media.provenance import provenance

FOLDER = Path(__file__).resolve().parents[1] / "docs" / "images"
SIZE = (960, 540)
CELL = (300, 169)
#: Clips, and the frames shown of each.
MOMENTS: Sequence[tuple[Callable[[], Scene], Sequence[int]]] = (
    (crossing, (5, 19, 22, 34)),
    (cut, (40, 51, 98, 110)),
    (back, (20, 70, 140, 180)),
)


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=FOLDER)
    folder = parser.parse_args().folder
    with Engine(threads=1) as engine:
        sheet = np.concatenate([moments(engine, make(), frames) for make, frames in MOMENTS])
    save_image(sheet, folder / "tracking.jpg", quality=80, xmp=provenance(assets.PEOPLE[0]).to_xmp())


def moments(engine: Engine, scene: Scene, frames: Sequence[int]) -> Image:
    """Some frames of a clip, side by side, with what was found drawn on them."""
    with tempfile.TemporaryDirectory() as folder:
        clip = scene.scaled(SIZE).write(Path(folder) / "clip.mp4")
        with engine.track(clip, keep_images=True) as items:
            shown = [item.faces.draw() for item in items if item.frame in frames and item.faces is not None]
    cells = [cv2.resize(image, CELL, interpolation=cv2.INTER_AREA) for image in shown]
    return np.asarray(np.concatenate(cells, axis=1), np.uint8)


if __name__ == "__main__":
    main()
