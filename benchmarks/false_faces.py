"""Count what detectors take for a face where there is none: textures, things that look like faces, animals.

    python -m benchmarks.false_faces [DATA] [--detector yunet ...] [--save FOLDER]

Textures (noise, clouds, checkers, bricks, wood, dots) and things (plugs, houses, cars, smileys) are drawn here, from
seeds, so that anyone gets the same ones. From DATA come ``landmarks68_boxes/dogs.jpg``, ``detect_noses/017_0.jpg``,
``video_frames`` and ``video/no_face.mp4``, where they are there. Smileys and cartoons are drawings *of* faces: a hit on
one is a matter of taste, so they are counted apart.

Faces in things: Hamilton, Stent, DuTell, et al., *Seeing Faces in Things*, 2024.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

import mien
from mien import assets
from mien.core.image import Image, load_image, save_image
from mien.engine.searching import SearchOptions
from mien.evaluation.intervals import wilson
from mien.models.catalogue import Catalogue

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
SIZE = 640
DRAWS = 10  # of each kind
Draw = Callable[[np.random.Generator], Image]
Color = tuple[int, int, int]


def clouds(draw: np.random.Generator, octaves: int = 6) -> Image:
    """Noise of many sizes, the finer the fainter."""
    total = np.zeros((SIZE, SIZE, 3), np.float32)
    for octave in range(octaves):
        cells = draw.normal(size=(2 ** (octave + 1) + 1,) * 2 + (3,)).astype(np.float32)
        total += cv2.resize(cells, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC) / 2**octave
    low, high = total.min(), total.max()
    return np.asarray((total - low) / (high - low) * 255, np.uint8)


def noise(draw: np.random.Generator) -> Image:
    cell = int(draw.choice([1, 4, 16]))
    small = draw.integers(0, 256, (SIZE // cell, SIZE // cell, 3)).astype(np.uint8)
    return np.asarray(cv2.resize(small, (SIZE, SIZE), interpolation=cv2.INTER_CUBIC), np.uint8)


def checkers(draw: np.random.Generator) -> Image:
    y, x = np.mgrid[:SIZE, :SIZE] // int(draw.integers(6, 80))
    return colored((x + y) % 2 == 0, draw)


def bricks(draw: np.random.Generator) -> Image:
    height = int(draw.integers(12, 60))
    y, x = np.mgrid[:SIZE, :SIZE]
    row = y // height
    joint = (y % height < 3) | ((x + (row % 2) * height) % (2 * height) < 3)
    return colored(joint, draw) // 2 + clouds(draw) // 2


def wood(draw: np.random.Generator) -> Image:
    y, x = np.mgrid[:SIZE, :SIZE].astype(np.float32)
    rings = np.zeros((SIZE, SIZE), np.float32)
    for knot in draw.uniform(0, SIZE, (3, 2)):
        rings += 200 * np.exp(-np.hypot(x - knot[0], (y - knot[1]) / 2) / 60)
    grain = np.sin((x + rings + 8 * np.sin(y / 90)) / float(draw.uniform(3, 12)))
    return np.asarray(np.clip(np.array([150, 105, 65]) + 40 * grain[..., None], 0, 255), np.uint8)


def dots(draw: np.random.Generator) -> Image:
    """Dark dots of one size on something bright, by chance in pairs."""
    image = 128 + clouds(draw) // 2
    for x, y in draw.integers(0, SIZE, (int(draw.integers(20, 120)), 2)).tolist():
        cv2.circle(image, (x, y), int(draw.integers(6, 22)), (30, 30, 30), -1, cv2.LINE_AA)
    return image


def colored(mask: NDArray[np.bool_], draw: np.random.Generator) -> Image:
    one, two = draw.integers(0, 256, (2, 3))
    return np.asarray(np.where(mask[..., None], one, two), np.uint8)


class Canvas:
    """A drawing of something near the middle of a mottled picture; lengths are parts of its size."""

    def __init__(self, draw: np.random.Generator) -> None:
        self.random = draw
        self.picture = Pillow.fromarray(clouds(draw, 4) // 2 + 90)
        self.pen = ImageDraw.Draw(self.picture)
        self.side = float(draw.uniform(0.25, 0.7)) * SIZE
        self.x, self.y = (float(draw.uniform(0, SIZE - self.side)) for _ in range(2))

    def color(self, low: int = 0, high: int = 256) -> Color:
        """Any colour with values in this range."""
        r, g, b = self.random.integers(low, high, 3).tolist()
        return r, g, b

    def box(self, x1: float, y1: float, x2: float, y2: float) -> tuple[float, float, float, float]:
        """Corners in pixels."""
        return (
            self.x + x1 * self.side,
            self.y + y1 * self.side,
            self.x + x2 * self.side,
            self.y + y2 * self.side,
        )

    def done(self) -> Image:
        """The picture, with edges as a lens would draw them."""
        return cv2.GaussianBlur(np.asarray(self.picture), (0, 0), 1.2).astype(np.uint8)


def plug(draw: np.random.Generator) -> Image:
    canvas = Canvas(draw)
    canvas.pen.rounded_rectangle(canvas.box(0, 0, 1, 1), canvas.side / 10, canvas.color(190))
    canvas.pen.ellipse(canvas.box(0.12, 0.12, 0.88, 0.88), canvas.color(150, 230))
    for x in (0.3, 0.6):
        canvas.pen.ellipse(canvas.box(x, 0.42, x + 0.1, 0.52), (20, 20, 20))
    canvas.pen.rounded_rectangle(canvas.box(0.42, 0.66, 0.58, 0.72), 3, (30, 30, 30))
    return canvas.done()


def house(draw: np.random.Generator) -> Image:
    canvas = Canvas(draw)
    left, top, right, bottom = canvas.box(0.1, 0.3, 0.9, 1)
    canvas.pen.rectangle((left, top, right, bottom), canvas.color(110))
    canvas.pen.polygon([(left, top), ((left + right) / 2, top - 0.3 * canvas.side), (right, top)], canvas.color(0, 140))
    for x in (0.22, 0.58):
        canvas.pen.rectangle(canvas.box(x, 0.42, x + 0.2, 0.6), (40, 50, 70), (230, 230, 230), 3)
    canvas.pen.rectangle(canvas.box(0.42, 0.72, 0.58, 1), canvas.color(0, 120))
    return canvas.done()


def car(draw: np.random.Generator) -> Image:
    canvas = Canvas(draw)
    canvas.pen.rounded_rectangle(canvas.box(0.18, 0.1, 0.82, 0.5), canvas.side / 12, (60, 70, 90))
    canvas.pen.rounded_rectangle(canvas.box(0, 0.35, 1, 0.85), canvas.side / 8, canvas.color())
    for x in (0.06, 0.74):
        canvas.pen.ellipse(canvas.box(x, 0.44, x + 0.2, 0.6), (245, 245, 220), (30, 30, 30), 3)
    for line in range(4):
        canvas.pen.rectangle(canvas.box(0.3, 0.62 + line * 0.04, 0.7, 0.635 + line * 0.04), (25, 25, 25))
    return canvas.done()


def smiley(draw: np.random.Generator) -> Image:
    canvas = Canvas(draw)
    canvas.pen.ellipse(canvas.box(0, 0, 1, 1), canvas.color(150), (20, 20, 20), 4)
    for x in (0.27, 0.61):
        canvas.pen.ellipse(canvas.box(x, 0.3, x + 0.12, 0.46), (20, 20, 20))
    canvas.pen.arc(canvas.box(0.22, 0.35, 0.78, 0.8), 20, 160, (20, 20, 20), max(round(canvas.side / 30), 2))
    return canvas.done()


def cartoon(draw: np.random.Generator) -> Image:
    canvas = Canvas(draw)
    canvas.pen.ellipse(canvas.box(0.1, 0, 0.9, 1), canvas.color(140))
    for x in (0.25, 0.55):
        canvas.pen.ellipse(canvas.box(x, 0.35, x + 0.2, 0.47), (250, 250, 250), (20, 20, 20), 2)
        canvas.pen.ellipse(canvas.box(x + 0.06, 0.37, x + 0.14, 0.45), (40, 30, 20))
        canvas.pen.arc(canvas.box(x, 0.26, x + 0.2, 0.4), 200, 340, (40, 30, 20), 4)
    canvas.pen.line([canvas.box(0.5, 0.45, 0, 0)[:2], canvas.box(0.46, 0.62, 0, 0)[:2]], (120, 80, 60), 3)
    canvas.pen.chord(canvas.box(0.35, 0.66, 0.65, 0.84), 0, 180, (170, 50, 50))
    return canvas.done()


KINDS: dict[str, Sequence[Draw]] = {
    "textures": (noise, clouds, checkers, bricks, wood, dots),
    "things": (plug, house, car),
    "drawn faces": (smiley, cartoon),
}


def pictures(data: Path) -> dict[str, list[Image]]:
    """Pictures without a face, by kind."""
    found = {
        kind: [make(np.random.default_rng([seed, place])) for place, make in enumerate(makers) for seed in range(DRAWS)]
        for kind, makers in KINDS.items()
    }
    found["landscapes"] = [load_image(assets.LANDSCAPE)]
    if (nobody := data / "detect_noses" / "017_0.jpg").exists():
        found["landscapes"].append(load_image(nobody))
    if (dogs := data / "landmarks68_boxes" / "dogs.jpg").exists():
        found["dogs"] = [load_image(dogs)]
    frames = [load_image(path) for path in sorted((data / "video_frames").glob("*.jpg"))[::10]]
    video = cv2.VideoCapture(str(data / "video" / "no_face.mp4"))
    while (read := video.read())[0]:
        frames.append(np.ascontiguousarray(read[1][:, :, ::-1], np.uint8))
        for _ in range(9):
            video.grab()
    if frames:
        found["frames"] = frames
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", nargs="?", type=Path, default=DATA)
    parser.add_argument("--detector", nargs="*", help="default: every one in the catalogue, and two together")
    parser.add_argument("--save", type=Path, help="write the pictures with a false face here")
    arguments = parser.parse_args()
    settings: dict[str, SearchOptions] = {
        "": {},
        "check": {"check": True},
        "turned": {"rotations": True},
        "turned, check": {"rotations": True, "check": True},
        "tiles of 320": {"tiles": 320},
    }
    known = [card.id for card in Catalogue.load().giving("detect")]
    kinds = pictures(arguments.data)
    width = max(map(len, settings)) + 28
    print(" " * width + "  ".join(f"{kind} /{len(images)}" for kind, images in kinds.items()) + "  all, a picture")
    for name in arguments.detector or [*known, "yunet+centerface"]:
        with mien.Engine(models={"detect": name}, threads=1) as engine:
            for label, options in settings.items():
                counts = []
                for kind, images in kinds.items():
                    results = [engine.detect(image, **options) for image in images]
                    counts.append([len(faces) for faces in results])
                    if arguments.save:
                        arguments.save.mkdir(parents=True, exist_ok=True)
                        for place, faces in enumerate(results):
                            if len(faces):
                                file = f"{name}-{label or 'plain'}-{kind}-{place}.png".replace(" ", "_")
                                save_image(faces.draw(), arguments.save / file)
                flat = [count for part in counts for count in part]
                low, high = wilson(sum(map(bool, flat)), len(flat))
                row = "  ".join(
                    f"{sum(part):>{len(f'{kind} /{len(part)}')}}" for kind, part in zip(kinds, counts, strict=True)
                )
                print(f"{f'{name} {label}':<{width}}{row}  {sum(flat) / len(flat):.3f}", end="")
                print(f" ({sum(map(bool, flat))} of {len(flat)} pictures: 95 % {low:.3f} to {high:.3f})", flush=True)


if __name__ == "__main__":
    main()
