"""Draws docs/images/gaze.jpg: people who do not exist, their eyes painted turned, and what the models say of them.

.venv/bin/python -m tools.draw_gaze [FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image as Pillow

from mien import assets
from mien.core.image import Image, load_image, save_image
from mien.engine import Engine
from mien.evaluation.turned_eyes import turn_eyes
from mien.media.provenance import provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "gaze.jpg"
PERSON = assets.PEOPLE[2]
TURNS = (-20.0, -10.0, 10.0, 20.0)
SIDE = 260


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file, image = parser.parse_args().file, load_image(PERSON)
    with Engine(threads=1) as engine:
        faces = engine.analyze(image, want={"landmarks"}).top(1)
        mesh = faces.landmarks.values[0]
        tiles = [portrait(turn_eyes(image, mesh, (turn, 0.0)), mesh, engine) for turn in TURNS]
    save_image(np.hstack(tiles), file, quality=85, xmp=provenance(PERSON).to_xmp())


def portrait(image: Image, mesh: np.ndarray, engine: Engine) -> Image:
    """The face with its gaze drawn on it, cut out square."""
    faces = engine.analyze(image, want={"gaze"}).top(1)
    drawn = faces.draw(fields=["gaze"])
    low, high = mesh[:, :2].min(axis=0), mesh[:, :2].max(axis=0)
    half = 0.56 * float((high - low).max())
    x, y = ((low + high) / 2).tolist()
    box = [round(v) for v in (x - half, y - half, x + half, y + half)]
    return np.asarray(Pillow.fromarray(drawn).crop(tuple(box)).resize((SIDE, SIDE), Pillow.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
