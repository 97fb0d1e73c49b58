"""Draws docs/images/editing-shape.jpg: people who do not exist, and with other expressions, pose and gaze.

.venv/bin/python -m tools.draw_editing [FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mien import assets
from mien.core.image import Image, load_image, save_image
from mien.core.warping import resize
from mien.engine import Engine
from mien.media.provenance import Provenance
from mien.swaps.editor import Editor
from mien.swaps.effects import Effect
from mien.swaps.shape.frontalizing import Frontalize
from mien.swaps.shape.gaze_correction import CorrectGaze
from mien.swaps.shape.retargeting import Retarget

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "editing-shape.jpg"
PEOPLE = (assets.PEOPLE[5], assets.PEOPLE[0])
SIDE = 230


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    with Engine(threads=1) as engine:
        calm: list[Effect] = [
            Retarget(smile=0.8, engine=engine),
            Retarget(mouth_open=0.12, engine=engine),
            Retarget(yaw=-12.0, engine=engine),
            Frontalize(engine=engine),
            CorrectGaze(engine=engine),
        ]
        glad: list[Effect] = [
            Retarget(smile=-0.8, engine=engine),
            Retarget(mouth_open=0.3, engine=engine),
            Retarget(pitch=-10.0, engine=engine),
            Retarget(brows=1.0, engine=engine),
            CorrectGaze(target=(-12.0, 0.0), engine=engine),
        ]
        rows = [row(load_image(path), effects, engine) for path, effects in zip(PEOPLE, (calm, glad), strict=True)]
    save_image(np.vstack(rows), file, quality=85, xmp=Provenance.generated("mobilestylegan", "facemesh").to_xmp())


def row(image: Image, effects: list[Effect], engine: Engine) -> Image:
    """A picture, and what effects make of it."""
    edited = [Editor(effect, engine=engine).picture(image, layers=False).image for effect in effects]
    return np.hstack([resize(one, (SIDE, SIDE)) for one in (image, *edited)])


if __name__ == "__main__":
    main()
