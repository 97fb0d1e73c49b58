"""Fits src/mien/swaps/invented/minors.toml, what the shape of a face says of minors, to crops of UTKFace.

    .venv/bin/python tools/fit_minors.py FOLDER

Ridge regression from the mesh to youth (1 up to ten years, 0 from 26, a ramp between), then a line from youth to log
odds. That line starts at youth 0.15 and climbs by 12 per unit. It was chosen by looking at generated people: two boys,
a youth and a doubtful fourth whom the age model lets pass are out, and four of five others whom it lets pass stay in.
(A linear discriminant of UTKFace would climb by 8, from 0.45.)
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.core.image import load_image
from mien.engine import Engine
from mien.swaps.invented.minors import face_shapes

STEP = 12
PENALTY = 0.1
SLOPE, START = 12.0, 0.15
MARGIN = 60  # pixels mirrored around each crop, which is too tight for a detector
TABLE = Path(__file__).resolve().parents[1] / "src" / "mien" / "swaps" / "minors.toml"

Doubles = NDArray[np.float64]


def main() -> None:
    """Fit, and write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="crops of UTKFace, their ages in their names")
    shapes, ages = measure(parser.parse_args().folder)
    points = shapes[:, ::STEP].reshape(len(shapes), -1)
    youth = np.clip((26 - ages) / 16, 0, 1)
    held_out = cross_validated(points, youth)
    wins = (held_out[ages < 18][:, None] > held_out[ages >= 18]).mean()
    weights, bias = ridge(points, youth)
    TABLE.write_text(table(weights * SLOPE, (bias - START) * SLOPE, len(ages), wins), encoding="utf-8")


def measure(folder: Path) -> tuple[Doubles, Doubles]:
    """Shapes (N, 468, 3) and ages (N,) of the crops."""
    shapes, ages = [], []
    with Engine(threads=1) as engine:
        for file in sorted(folder.glob("*.jpg")):
            crop = np.pad(load_image(file), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="symmetric")
            faces = engine.analyze(crop, want={"landmarks", "pose"}, max_faces=1)
            if len(faces):
                shapes.append(face_shapes(faces.landmarks.values, faces.pose.matrix))
                ages.append(float(file.name.split("_")[0]))
    return np.concatenate(shapes), np.array(ages)


def ridge(points: Doubles, youth: Doubles) -> tuple[Doubles, float]:
    """Weights and bias, the bias not penalised."""
    middle, mean = points.mean(axis=0), youth.mean()
    centred = points - middle
    weights = np.linalg.solve(centred.T @ centred + PENALTY * np.eye(points.shape[1]), centred.T @ (youth - mean))
    return weights, float(mean - middle @ weights)


def cross_validated(points: Doubles, youth: Doubles, parts: int = 10) -> Doubles:
    """What a fit to the other parts says of each face."""
    said = np.empty(len(youth))
    part = np.random.default_rng(0).permutation(len(youth)) % parts
    for k in range(parts):
        weights, bias = ridge(points[part != k], youth[part != k])
        said[part == k] = points[part == k] @ weights + bias
    return said


def table(weights: Doubles, bias: float, faces: int, wins: float) -> str:
    """The file: data and its terms first, then three numbers a point."""
    rows = "\n".join("    " + " ".join(f"{number:.3f}," for number in row) for row in weights.reshape(-1, 3))
    return (
        "# What the shape of a face says of minors: log odds, linear in the mesh. Made by tools/fit_minors.py.\n"
        f"# Minors against adults, ten parts held out in turn: area under the curve {wins:.3f}.\n"
        f'data = "UTKFace, {faces} crops of people of 1 to 96 years"\n'
        'data_terms = "non-commercial"\n'
        f"step = {STEP}  # every twelfth point of the 468: 0, 12, 24 ...\n"
        f"bias = {bias:.4f}\n"
        f"weights = [  # x, y, z of each\n{rows}\n]\n"
    )


if __name__ == "__main__":
    main()
