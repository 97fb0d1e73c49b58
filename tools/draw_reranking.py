"""Draws docs/images/reranking.jpg: painted masks, and which patches of a masked face go to which of another.

.venv/bin/python tools/draw_reranking.py [FILE]

Nobody in it exists: the pictures ship with mien.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien import assets
from mien.core.canvas import Canvas
from mien.core.faces import Face
from mien.core.image import Image, load_image, save_image
from mien.core.warping import resize
from mien.embeddings.reranking import Patches, match, patches_of, rerank_patches
from mien.engine import Engine
from mien.evaluation.coverings import COVERINGS
from mien.evaluation.masked import paint_covering
from mien.media.provenance import Provenance, provenance

PICTURE = Path(__file__).resolve().parents[1] / "docs" / "images" / "reranking.jpg"
PERSON, AGAIN = assets.PAIRS[0]
STRANGER = assets.PEOPLE[5]
TILE, GAP, CAPTION = 200, 12, 26
SHOWN = 22  # the strongest of the flows


def main() -> None:
    """Draw, and write the file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", type=Path, nargs="?", default=PICTURE)
    file = parser.parse_args().file
    image = load_image(PERSON)
    # Its map has 7 x 7 patches; that of edgeface-s has 3 x 3.
    with Engine(threads=1, models={"embedding": "arcface-mbf"}) as engine:
        mesh = engine.analyze(image, want={"landmarks"}).top(1).landmarks.values[0]
        painted = {kind: paint_covering(image, mesh, kind=kind, seed=4, engine=engine) for kind in COVERINGS}
        sources = (painted["surgical"], AGAIN, STRANGER)
        faces = [engine.analyze(source, want={"alignment", "embedding"}).top(1)[0] for source in sources]
        patches = patches_of(faces, engine=engine)
    masks = np.hstack([resize(picture, (TILE, TILE)) for picture in painted.values()])
    pairs = [drawn(faces[0], faces[other], patches[[0]], patches[[other]]) for other in (1, 2)]
    gap = np.full((len(pairs[0]), masks.shape[1] - sum(pair.shape[1] for pair in pairs), 3), 255, np.uint8)
    matched = np.hstack([pairs[0], gap, pairs[1]])
    mark = Provenance.composite(*provenance(PERSON).models)
    save_image(
        np.vstack([masks, np.full((GAP, masks.shape[1], 3), 255, np.uint8), matched]),
        file,
        quality=82,
        xmp=mark.to_xmp(),
    )


def drawn(probe: Face, other: Face, one: Patches, two: Patches) -> Image:
    """Two aligned crops side by side, and the strongest flows between their patches."""
    side = (len(COVERINGS) * TILE - GAP) // 4
    crops = [resize(face.crop(template="arcface112"), (side, side)) for face in (probe, other)]
    canvas = Canvas(np.hstack(crops))
    plans, cosines = match(one, two)
    plan, alike = plans[0], cosines[0]
    for flow in np.argsort(plan, axis=None)[::-1][:SHOWN]:
        start, end = np.unravel_index(flow, plan.shape)
        points = np.array([middle(int(start), one.grid, side), middle(int(end), two.grid, side)])
        points[1, 0] += side
        strength = float(np.clip((alike[start, end] - 0.2) / 0.7, 0, 1))
        color = (round(235 * (1 - strength)), round(70 + 150 * strength), 70)
        canvas.line(points, color, 0.7 + 45 * float(plan[start, end]), edge=False)
        canvas.dots(points, color, 2.5)
    found = rerank_patches(one, two, [float(probe.embedding @ other.embedding)])
    label = f"cosine {found.cosines[0]:.2f}   transport {found.transported[0]:.2f}"
    caption = Canvas(np.full((CAPTION, 2 * side, 3), 255, np.uint8))
    caption.text((4, 5), label, 14, (30, 30, 30))
    return np.vstack([canvas.image, caption.image])


def middle(patch: int, grid: tuple[int, int], side: int) -> NDArray[np.float64]:
    """Of a patch, in pixels of the crop."""
    row, column = divmod(patch, grid[1])
    return np.array([(column + 0.5) / grid[1], (row + 0.5) / grid[0]]) * side


if __name__ == "__main__":
    main()
