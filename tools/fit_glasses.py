"""Fit the linear model of `mien.features.shown.glasses_edges` on generated people: writes its table.

    python tools/fit_glasses.py [FOLDER]

The people are those of the seeds 0 to 366; in FOLDER (by default one that is thrown away) their pictures are kept as
NNNN.png. Which of them wear glasses was marked by eye by the authors; those of whom it cannot be said are left out.
Each is seen several times: shifted, scaled, turned, dimmed, and as small as faces in group photos are. Needs
scikit-learn.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

import mien
from mien.core.alignment import usable_alignment
from mien.core.image import Image, load_image
from mien.core.warping import resize
from mien.engine import Batch
from mien.features.shown import glasses_edges

SEEDS = range(367)
# fmt: off
GLASSES = {
    8, 10, 15, 16, 26, 38, 39, 45, 48, 56, 59, 65, 72, 85, 92, 101, 104, 130, 131, 135, 136, 138, 140, 141, 148, 153,
    160, 166, 172, 174, 175, 181, 197, 202, 206, 209, 218, 224, 226, 238, 239, 242, 245, 249, 252, 255, 265, 279, 286,
    289, 292, 296, 304, 309, 311, 312, 314, 316, 319, 324, 327, 333, 334, 335, 343, 344, 351, 359, 360, 365,
}
UNCLEAR = {121, 129, 146, 158, 322, 337, 340}
# fmt: on
LOOKS = 12  # at each person
SIZE = 512  # pixels of a picture
STRENGTH = 0.1  # inverse of the penalty on the weights (C of scikit-learn)


def picture(seed: int, folder: Path, engine: mien.Engine) -> Image:
    """The person of a seed."""
    path = folder / f"{seed:04d}.png"
    if not path.exists():
        import cv2

        small = resize(mien.generate(seed=seed, engine=engine).image, (SIZE, SIZE))
        cv2.imwrite(str(path), small[:, :, ::-1])
    return load_image(path)


def looks(image: Image, engine: mien.Engine, random: np.random.Generator) -> NDArray[np.float32]:
    """Edges of one face, seen several times: (LOOKS, F); none where no face is found."""
    faces = engine.analyze(image, want={"alignment"}).top(1)
    strips = []
    for look in range(LOOKS if len(faces) else 0):
        apart = random.uniform(12, 60) if look else 100.0  # pixels between the eyes
        points = usable_alignment(faces.alignment).values.astype(np.float64)
        scale = min(apart / float(np.linalg.norm(points[0, 0] - points[0, 1])), 1.0)
        side = round(SIZE * scale)
        small = resize(image, (side, side)) if scale < 1 else image
        points *= small.shape[0] / SIZE
        unit = float(np.linalg.norm(points[0, 0] - points[0, 1]))
        points += random.normal(0, 0.03 * unit, points.shape) if look else 0
        dim = random.uniform(0.5, 1.2) if look else 1.0
        shown = np.clip(small.astype(np.float32) * dim, 0, 255).astype(np.uint8)
        batch = Batch([shown], np.zeros(1, np.intp), faces)
        strips.append(glasses_edges.eye_strips(batch, points.astype(np.float32), np.zeros(1, np.intp)))
    both = [s for strip in strips for s in (strip, strip[:, :, ::-1])]
    return glasses_edges.edge_histograms(np.concatenate(both)) if both else np.empty((0, 0), np.float32)


def main(folder: Path) -> None:
    """Fit, and write the table."""
    random = np.random.default_rng(0)
    rows, labels = [], []
    with mien.Engine(threads=1) as engine:
        for seed in SEEDS:
            if seed not in UNCLEAR:
                seen = looks(picture(seed, folder, engine), engine, random)
                rows += [seen] if len(seen) else []
                labels += [seed in GLASSES] * len(seen)
    model = LogisticRegression(C=STRENGTH / LOOKS, max_iter=5000).fit(np.concatenate(rows), labels)
    out = Path(glasses_edges.__file__).with_suffix(".npz")
    np.savez_compressed(out, weights=model.coef_[0].astype(np.float32), offset=np.float32(model.intercept_[0]))
    sys.stdout.write(f"{len(rows)} people, {len(labels)} looks: {out} ({out.stat().st_size} bytes)\n")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as temporary:
            main(Path(temporary))
