"""Draws docs/images/editing-look.jpg: people, their hair and lips in other colours, made up, with filters, and drawn.

.venv/bin/python tools/draw_looks.py [FILE]

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
from mien.engine import Engine
from mien.media.provenance import Provenance, provenance
from mien.swaps.editor import Editor
from mien.swaps.effects import Effect
from mien.swaps.look.makeup import Makeup
from mien.swaps.look.overlays import Filter
from mien.swaps.look.recoloring import Recolor
from mien.swaps.look.stylizing import Stylize

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "editing-look.jpg"
PEOPLE = (assets.PEOPLE[1], assets.PEOPLE[5], assets.PEOPLE[2])
SIDE = 200


def effects(engine: Engine) -> tuple[Effect, ...]:
    """What the columns show."""
    return (
        Recolor(hair="#8a2f1c", lips="#b0122f", iris="#3a7fd0", engine=engine),
        Makeup("evening", engine=engine),
        Filter("glasses", engine=engine),
        Filter("dog", engine=engine),
        Stylize("pencil", engine=engine),
        Stylize("cartoon", engine=engine),
    )


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    engine = Engine(threads=1)
    picture = np.concatenate([row(mien.load_image(path), engine) for path in PEOPLE])
    mark = Provenance.manipulated(provenance(PEOPLE[0]))
    save_image(picture, file, quality=82, xmp=mark.to_xmp())


def row(image: Image, engine: Engine) -> Image:
    """One person, as drawn and with each effect."""
    changed = [Editor(one, engine=engine).picture(image, layers=False).image for one in effects(engine)]
    return np.concatenate([resize(one, (SIDE, SIDE)) for one in (image, *changed)], axis=1)


if __name__ == "__main__":
    main()
