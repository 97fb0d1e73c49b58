"""Draws docs/images/shape.jpg: portraits, the mesh in them, their textures, and the faces from the sides and the front.

.venv/bin/python tools/draw_shape.py [FILE]

Nobody in it exists: the pictures ship with mien.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

import mien
from mien import assets
from mien.core.geometry import rotation_matrix
from mien.core.image import Image, save_image
from mien.core.mesh import warp_mesh
from mien.core.warping import resize
from mien.location.reconstruction import Reconstruction
from mien.media.provenance import Provenance, provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "shape.jpg"
PEOPLE = (assets.PEOPLE[4], assets.PEOPLE[5])
SIDE = 300  # pixels of a cell
TURNS = ((-55, 0, 0), (40, -10, 0))


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    mark = Provenance.composite(*provenance(PEOPLE[0]).models)
    save_image(np.concatenate([row(path) for path in PEOPLE]), file, quality=82, xmp=mark.to_xmp())


def row(path: Path) -> Image:
    """A portrait, its texture, its relief, the face from two sides, and turned to the camera."""
    image = mien.load_image(path)
    (face,) = mien.reconstruct(image)
    pictures = [image, face.texture, face.relief.normals]
    cells = [resize(picture, (SIDE, SIDE)) for picture in pictures]
    cells += [turned(face, turn) for turn in TURNS]
    cells.append(resize(face.frontal(size=2 * SIDE).image, (SIDE, SIDE)))
    return np.concatenate(cells, axis=1)


def turned(face: Reconstruction, turn: tuple[int, int, int]) -> Image:
    """The face as it looks from elsewhere, before white."""
    scale = 0.8 * SIDE / float(np.ptp(face.vertices[:, 1]))
    points = (face.vertices - face.vertices.mean(axis=0)) @ rotation_matrix(turn).T * scale + np.array(
        [SIDE / 2] * 2 + [0]
    )
    uv = face.uv * np.float32(len(face.texture)) - np.float32(0.5)
    picture, mask = warp_mesh(face.texture, uv, points, face.triangles, (SIDE, SIDE))
    return np.where(mask[..., None], picture, np.uint8(255))


if __name__ == "__main__":
    main()
