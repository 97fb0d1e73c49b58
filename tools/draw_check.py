"""Draws docs/images/check.jpg: a card that is held against a selfie by mien.

.venv/bin/python tools/draw_check.py [FILE]

The card is a drawing (tests/cards.py), and the person on it and in the selfie does not exist: both pictures ship with
mien. The numbers are those of the record.
"""

from __future__ import annotations

import argparse
import io
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from tests.cards import Photo, photograph

from mien import assets
from mien.core.canvas import Canvas, Color
from mien.core.image import Image, load_image, save_image
from mien.core.warping import resize
from mien.embeddings.checking import check
from mien.embeddings.checks import Check
from mien.engine import Engine
from mien.media.provenance import Provenance, provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "check.jpg"
SIDE, CROP, GAP, TEXT = 560, 200, 16, 400  # pixels
PAPER, INK, FAINT = (252, 252, 250), (40, 44, 52), (120, 126, 136)
PORTRAIT: Color = (36, 160, 84)
GHOST: Color = (222, 142, 24)


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    portrait, selfie = assets.PAIRS[1]
    photo = photograph(load_image(portrait), seed=5, how=Photo(turn=74, width=640))
    with Engine(threads=1) as engine:
        record = check(photo, selfie, ages=(18, 120), keep_crops=True, engine=engine)
    mark = Provenance.composite(*provenance(portrait).models)
    save_image(picture(photo, record), file, quality=80, xmp=mark.to_xmp())


def picture(photo: Image, record: Check) -> Image:
    """The card with what was found, the two faces, and the record in words."""
    sheet = Canvas(np.full((SIDE, SIDE + CROP + TEXT + 3 * GAP, 3), PAPER, np.uint8))
    sheet.image[:, :SIDE] = found(photo, record)
    for place, (side, title) in enumerate(((record.document, "the portrait"), (record.selfie, "the selfie"))):
        top, left = 40 + place * (CROP + 60), SIDE + GAP
        crop = np.asarray(Pillow.open(io.BytesIO(side.crop or b"")))
        sheet.image[top : top + CROP, left : left + CROP] = resize(crop, (CROP, CROP))
        sheet.text((left, top - 28), title, 18, INK)
    for row, (name, value) in enumerate(lines(record)):
        y = 40 + 38 * row
        sheet.text((SIDE + CROP + 2 * GAP, y), name, 17, FAINT)
        sheet.text((SIDE + CROP + 2 * GAP + 130, y), value, 17, INK)
    return sheet.image


def found(photo: Image, record: Check) -> Image:
    """The photo with the boxes of portrait and ghost image."""
    canvas = Canvas(resize(photo, (SIDE, SIDE)))
    scale = SIDE / photo.shape[0]
    boxes = [(record.document.box, PORTRAIT), *((ghost.box, GHOST) for ghost in record.ghosts)]
    for box, color in boxes:
        canvas.rounded([edge * scale for edge in box or ()], 6, color, 4, edge=True)
    return canvas.image


def lines(record: Check) -> list[tuple[str, str]]:
    """What stands beside the faces."""
    match, side = record.match, record.document
    ghosts = [f"{ghost.score:.2f}" for ghost in record.ghosts if ghost.score is not None]
    return [
        ("verdict", record.verdict),
        ("score", f"{match.score:.3f}"),
        ("threshold", f"{match.threshold:.3f} (FAR {match.far:g})"),
        ("calibration", f"{match.calibration}: {', '.join(match.strata)}"),
        ("portrait", f"{side.face_height:.0f} px high, lies at {side.roll:.0f} degrees"),
        ("ghost image", f"score to the portrait {', '.join(ghosts) or 'none seen'}"),
        ("model", str(match.model)),
        ("weights", str(next(iter(record.models["embedding"]["files"].values())))[:16] + "..."),
        ("warnings", "; ".join(record.warnings) or "none"),
    ]


if __name__ == "__main__":
    main()
