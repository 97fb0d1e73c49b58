"""Draws docs/images/blinks.jpg: a person who does not exist closes the eyes, and the curve in which blinks are found.

.venv/bin/python -m tools.draw_blinks [FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont
from tests.blinking import Blinker, film_of
from tests.curves import Lids, clock
from tests.media.films import film as write_film

from mien import assets
from mien.core.clip import Event
from mien.core.image import Image, load_image, save_image
from mien.engine import Engine
from mien.location.blink import BlinkSettings, openness
from mien.media.provenance import provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "blinks.jpg"
PERSON = assets.PEOPLE[2]
RATE, SECONDS = 25, 9.0
WIDTH, HEIGHT, ZOOM = 1000, 260, 2  # of the curve; drawn twice as large, then averaged down
MARGIN = (46, 14, 14, 34)  # left, top, right, bottom
MOTIONS = (
    Lids(0.8),
    Lids(2.2, 0.07, 0.03, 0.2),
    Lids(3.4, closing=1.0, hold=0.6, opening=0.8, depth=0.6),  # a squint
    Lids(6.2, 0.1, 0.75, 0.2),
    Lids(8.1, eyes=(1, 0)),
)
RIGHT, LEFT, BLINK, LONG = (214, 96, 60), (40, 110, 190), (255, 226, 160), (255, 200, 190)

Doubles = NDArray[np.float64]


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file, times = parser.parse_args().file, clock(RATE, SECONDS)
    with Engine(threads=1) as engine, TemporaryDirectory() as folder:
        person = Blinker.of(load_image(PERSON), engine)
        frames = film_of([person], [MOTIONS], times.tolist())
        tracking = engine.track(write_film(Path(folder) / "clip.mp4", frames, rate=RATE), want={"blink", "eyes"})
        eyes = np.array([item.faces.eyes.values[0] for item in tracking if item.faces])
        events = list(tracking.events)
    box = np.round(person.mesh[[70, 300, 205, 425], :2]).astype(int)  # brows and cheeks
    left, top, right, bottom = box[:, 0].min() - 24, box[:, 1].min() - 8, box[:, 0].max() + 24, box[:, 1].max()
    moments = [19, 21, 22, 24, 26]
    strip = np.hstack([frames[moment][top:bottom, left:right] for moment in moments])
    height = round(strip.shape[0] * WIDTH / strip.shape[1])
    band = np.asarray(Pillow.fromarray(strip).resize((WIDTH, height), Pillow.Resampling.LANCZOS))
    drawn = plot(times, openness(times, eyes, BlinkSettings()), events)
    save_image(np.vstack([band, drawn]), file, quality=80, xmp=provenance(PERSON).to_xmp())


def plot(times: Doubles, curves: Doubles, events: list[Event]) -> Image:
    """The openness of both eyes over time, with the blinks behind."""
    canvas = Pillow.new("RGB", (WIDTH * ZOOM, HEIGHT * ZOOM), "white")
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(size=13 * ZOOM)
    low, high = -0.1, 1.25

    def at(time: float, value: float) -> tuple[float, float]:
        x = MARGIN[0] + time / SECONDS * (WIDTH - MARGIN[0] - MARGIN[2])
        y = MARGIN[1] + (high - value) / (high - low) * (HEIGHT - MARGIN[1] - MARGIN[3])
        return x * ZOOM, y * ZOOM

    for event in events:
        color = LONG if event.details["long"] else BLINK
        pen.rectangle([*at(event.start, high), *at(event.end, low)], fill=color)
        both = event.details["right"] == event.details["left"]
        word = "long" if event.details["long"] else "blink" if both else "wink"
        pen.text(at((event.start + event.end) / 2, high), word, fill="black", font=font, anchor="ma")
    for value, word in ((0.0, "shut"), (1.0, "open")):
        pen.line([*at(0, value), *at(SECONDS, value)], fill=(200, 200, 200), width=ZOOM)
        pen.text((6 * ZOOM, at(0, value)[1]), word, fill="black", font=font, anchor="lm")
    for second in range(int(SECONDS) + 1):
        x, y = at(second, low)
        pen.text((x, y + 6 * ZOOM), f"{second} s" if second else "0", fill="black", font=font, anchor="ma")
    for side, color in ((0, RIGHT), (1, LEFT)):
        pen.line([at(t, v) for t, v in zip(times, curves[:, side].clip(low, high), strict=False)], fill=color, width=3)
    for place, (word, color) in enumerate({"right eye": RIGHT, "left eye": LEFT}.items()):
        pen.text(((WIDTH - 170 + 85 * place) * ZOOM, (HEIGHT - 2) * ZOOM), word, fill=color, font=font, anchor="lb")
    return np.asarray(canvas.resize((WIDTH, HEIGHT), Pillow.Resampling.LANCZOS))


if __name__ == "__main__":
    main()
