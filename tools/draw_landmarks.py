"""Draws docs/images/landmarks.jpg: the mesh, 68 and 106 points on a person who does not exist, and the mesh unwrapped.

.venv/bin/python tools/draw_landmarks.py [FILE]
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageDraw

from mien import assets
from mien.core.image import Image, load_image, save_image
from mien.core.layouts import LAYOUTS
from mien.core.mesh import warp_mesh
from mien.engine import Engine
from mien.location.topology import face_topology
from mien.media.provenance import provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "landmarks.jpg"
PERSON, CROP = assets.PEOPLE[0], (96, 72, 424, 504)  # left, top, right, bottom
ZOOM = 3  # drawn so much larger, then averaged down: smooth lines
LINE, POINT = (120, 225, 255), (255, 210, 60)
OPEN = {"jaw", "nose_bridge", "nostrils"}

Doubles = NDArray[np.float64]


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    image, mark = load_image(PERSON), provenance(PERSON)
    with Engine(threads=1) as engine:
        face = engine.analyze(image, want={"landmarks", "landmarks68", "landmarks106"}).top(1)[0]
        topology = face_topology(engine=engine)
    left, top, right, bottom = CROP
    size = (bottom - top, right - left)
    mesh = face.landmarks.values[: len(topology.vertices)]
    texture, _ = warp_mesh(image, mesh, topology.uv * [size[1], size[0]] - 0.5, topology.triangles, size)
    panels = [
        draw(image, [mesh[edge, :2] for edge in topology.edges], face.landmarks.values[468:, :2], width=1),
        draw(image, outlines(face.landmarks68.xy, "ibug68"), face.landmarks68.xy, width=2),
        draw(image, outlines(face.landmarks106.xy, "insightface106"), face.landmarks106.xy, width=2),
        texture,
    ]
    save_image(np.concatenate(panels, axis=1), file, quality=76, xmp=mark.to_xmp())


def outlines(points: NDArray[np.float32], layout: str) -> list[NDArray[np.float32]]:
    """The lines of the regions, closed where they are outlines."""
    lines = []
    for name, numbers in LAYOUTS[layout].regions.items():
        line = points[list(numbers)]
        is_open = name in OPEN or (layout == "ibug68" and name.endswith("brow"))
        lines.append(line if is_open else np.concatenate([line, line[:1]]))
    return lines


def draw(image: Image, lines: list[NDArray[np.float32]], points: NDArray[np.float32], *, width: int) -> Image:
    """The crop with lines and points on it."""
    crop = Pillow.fromarray(image).crop(CROP)
    canvas = crop.resize((crop.width * ZOOM, crop.height * ZOOM), Pillow.Resampling.BICUBIC)
    pen = ImageDraw.Draw(canvas)
    for line in lines:
        pen.line([place(point) for point in line], fill=LINE, width=width)
    for point in points:
        x, y = place(point)
        pen.ellipse((x - 4, y - 4, x + 4, y + 4), fill=POINT)
    return np.asarray(canvas.resize(crop.size, Pillow.Resampling.LANCZOS), np.uint8)


def place(point: NDArray[np.float32]) -> tuple[float, float]:
    """A point of the picture on the canvas."""
    return (float(point[0]) + 0.5 - CROP[0]) * ZOOM, (float(point[1]) + 0.5 - CROP[1]) * ZOOM


if __name__ == "__main__":
    main()
