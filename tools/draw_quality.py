"""Draws docs/images/quality.png: how each part of quality answers to what it is about, on people who do not exist.

.venv/bin/python -m tools.draw_quality [FILE]
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from matplotlib.figure import Figure

from mien import assets
from mien.core.faces import Faces
from mien.core.image import Image, load_image
from mien.engine import Engine

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "quality.png"
NEEDED = {"alignment", "landmarks", "pose", "blendshapes"}
SIDE = 256  # pixels of the pictures, in which the eyes are about 60 apart
NOISE = np.random.default_rng(0).normal(0, 1, (SIDE, SIDE, 3))


def blurred(image: Image, sigma: float) -> Image:
    """Out of focus."""
    return np.asarray(cv2.GaussianBlur(image, (0, 0), sigma) if sigma else image, np.uint8)


def lit(image: Image, strength: float) -> Image:
    """Light from one side."""
    away = 1 / (1 + np.exp(-(np.arange(image.shape[1]) - image.shape[1] / 2) / 10))
    return np.asarray(image * (1 - strength * away[None, :, None]), np.uint8)


def written(image: Image, quality: float) -> Image:
    """Written as JPEG and read again."""
    return np.asarray(cv2.imdecode(cv2.imencode(".jpg", image, [1, int(quality)])[1], 1), np.uint8)


def noisy(image: Image, sigma: float) -> Image:
    """White noise."""
    return np.clip(image + sigma * NOISE, 0, 255).astype(np.uint8)


def smaller(image: Image, part: float) -> Image:
    """From farther away."""
    return np.asarray(cv2.resize(image, None, fx=part, fy=part, interpolation=cv2.INTER_AREA), np.uint8)


#: Of each part: what is done, in words, how, and how much.
WAYS: dict[str, tuple[str, Callable[[Image, float], Image], list[float]]] = {
    "sharpness": ("blur, pixels", blurred, [0, 0.5, 1, 1.5, 2, 3, 4, 6, 8]),
    "exposure": ("gamma", lambda x, g: (255 * (x / 255) ** g).astype(np.uint8), [0.1, 0.2, 0.5, 1, 2, 3, 4, 6, 8]),
    "contrast": ("contrast left", lambda x, c: (128 + (x - 128.0) * c).astype(np.uint8), [1, 0.7, 0.5, 0.3, 0.1, 0.03]),
    "illumination": ("light taken from one half", lit, [0, 0.2, 0.4, 0.6, 0.8, 0.95]),
    "noise": ("noise, grey levels", noisy, [0, 5, 10, 20, 40, 60, 90]),
    "compression": ("JPEG quality", written, [95, 80, 60, 40, 25, 15, 8, 4]),
    "size": ("part of its size", smaller, [1, 0.7, 0.5, 0.35, 0.25, 0.18]),
}


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    figure = Figure(figsize=(12, 5.4), layout="constrained")
    with Engine(threads=1) as engine:
        people = [cv2.resize(load_image(path), (SIDE, SIDE), interpolation=cv2.INTER_AREA) for path in assets.PEOPLE]
        clear = [engine.analyze(person, want=NEEDED).top(1) for person in people]

        def judged(image: Image, faces: Faces | None, name: str) -> float:
            faces = faces or engine.analyze(image, want=NEEDED).top(1)
            if not len(faces):
                return float("nan")
            found = engine.analyze(image, faces=faces, want={"quality_parts"}).top(1)
            return float(found.quality_parts.named(name)[0])

        for place, (name, (words, spoil, steps)) in enumerate(WAYS.items(), start=1):
            axes = figure.add_subplot(2, 4, place)
            for person, faces in zip(people, clear, strict=True):
                known = None if name == "size" else faces  # the face is where it was
                axes.plot(steps, [judged(spoil(person, step), known, name) for step in steps], marker="o", markersize=3)
            axes.set(title=name, xlabel=words, ylim=(-0.03, 1.03))
            axes.grid(alpha=0.3)
            if steps[0] > steps[-1]:
                axes.invert_xaxis()
        axes = figure.add_subplot(2, 4, 8)
        turns = np.arange(-90, 91)
        axes.plot(turns, np.cos(np.deg2rad(turns)) ** 2)
        axes.set(title="pose", xlabel="yaw or pitch, degrees", ylim=(-0.03, 1.03))
        axes.grid(alpha=0.3)
    figure.savefig(file, dpi=80, metadata={"Software": None})


if __name__ == "__main__":
    main()
