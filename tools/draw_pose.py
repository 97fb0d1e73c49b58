"""Draws docs/images/pose.jpg: a person who does not exist turns the head, and is looked at by mien.

.venv/bin/python tools/draw_pose.py [FILE]

Above, some of the frames with the axes of the head; below, the yaw of the head and the probability that the person
looks at the camera, frame by frame. It takes about four minutes on one core: the direction that turns heads is fitted
first (see make_assets.py).
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from tools.make_assets import PEOPLE, People, fit

from mien.core.faces import Faces
from mien.core.image import Image, save_image
from mien.engine import Engine
from mien.media.provenance import Provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "pose.jpg"
PERSON, FARTHEST, FRAMES, SHOWN = 3, 6.5, 49, 6  # the person's number, in lengths of the direction, and counts
SIDE, CROP, GRAPH = 512, (16, 4, 496, 508), 140  # pixels; left, top, right, bottom
WIDTH = 1200
YAW, ATTENTION, PAPER, INK = (32, 120, 200), (214, 60, 76), (252, 252, 250), (90, 96, 106)

Doubles = NDArray[np.float64]


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    with Engine(threads=1) as engine:
        people, model = People(engine), engine.choose("generate").id
        frames = [fit(people.picture(PERSON, turn), SIDE) for turn in np.linspace(-FARTHEST, FARTHEST, FRAMES)]
        found = [engine.analyze(frame, want={"pose", "attention"}).top(1) for frame in frames]
    shown = [strip(found[i]) for i in np.linspace(0, FRAMES - 1, SHOWN).round().astype(int)]
    left, top, right, bottom = CROP
    size = WIDTH, WIDTH * (bottom - top) // ((right - left) * SHOWN)
    row = np.asarray(Pillow.fromarray(np.concatenate(shown, axis=1)).resize(size, Pillow.Resampling.LANCZOS))
    mark = Provenance.generated(model, seed=PEOPLE[PERSON - 1].seed)
    save_image(np.concatenate([row, graph(found)]), file, quality=80, xmp=mark.to_xmp())


def strip(faces: Faces) -> Image:
    """One frame with the axes, cropped."""
    left, top, right, bottom = CROP
    return faces.draw(fields=["pose"])[top:bottom, left:right]


def graph(found: list[Faces]) -> Image:
    """Yaw and attention over the frames."""
    canvas = Pillow.new("RGB", (WIDTH * 2, GRAPH * 2), PAPER)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(26)
    middle = WIDTH * 2 / SHOWN / 2  # the first and the last frame stand below the first and the last picture
    across = np.linspace(middle, WIDTH * 2 - middle, len(found))
    yaw = np.array([float(faces.pose.yaw[0]) if len(faces) else np.nan for faces in found])
    attention = np.array([float(faces.attention.values[0]) if len(faces) else np.nan for faces in found])
    for height, text in ((0.12, "60 degrees   1"), (0.5, "0"), (0.88, "-60 degrees   0")):
        y = height * GRAPH * 2
        pen.line((0, y, WIDTH * 2, y), fill=(225, 227, 230), width=2)
        pen.text((8, y - 32), text, font=font, fill=INK)
    curve(pen, across, GRAPH * 2 * (0.5 - yaw / 60 * 0.38), YAW)
    curve(pen, across, GRAPH * 2 * (0.88 - attention * 0.76), ATTENTION)
    pen.text((WIDTH * 2 - 300, 8), "yaw", font=font, fill=YAW)
    pen.text((WIDTH * 2 - 220, 8), "attention", font=font, fill=ATTENTION)
    return np.asarray(canvas.resize((WIDTH, GRAPH), Pillow.Resampling.LANCZOS), np.uint8)


def curve(pen: ImageDraw.ImageDraw, across: Doubles, down: Doubles, color: tuple[int, int, int]) -> None:
    """A line through the points that are known."""
    known = np.isfinite(down)
    pen.line(list(zip(across[known].tolist(), down[known].tolist(), strict=True)), fill=color, width=6, joint="curve")


if __name__ == "__main__":
    main()
