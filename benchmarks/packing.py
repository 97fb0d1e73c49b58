"""What is lost where vectors are stored in two bytes a number (f16), or in one (i8).

    python -m benchmarks.packing [DATA] [--embedder sface] [--vectors FOLDER]

On 105 pictures of ten adults, clear and spoiled (`benchmarks.people`): how far scores move, and whose answer changes at
the table's threshold.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.people import DATA, Shots, gather
from mien.embeddings.calibration import load_calibration
from mien.embeddings.packing import Precision, pack, unpack

FAR = 1e-3
PRECISIONS: tuple[Precision, ...] = ("f32", "f16", "i8")


def stored(vectors: NDArray[np.float32], precision: Precision) -> NDArray[np.float32]:
    """Vectors as they come back from storage."""
    return unpack(pack(vectors, precision), precision, vectors.shape[1])


def report(model: str, space: str, adults: Shots) -> None:
    """One row for each precision."""
    every = [adults.vectors(look) for look in ("clear", "small", *adults.spoiled)]
    vectors, people = np.concatenate(every), np.tile(adults.people, len(every))
    found = np.isfinite(vectors[:, 0])
    vectors, people = vectors[found], people[found]
    first, second = np.triu_indices(len(vectors), 1)
    same = people[first] == people[second]
    threshold, _ = load_calibration(space).threshold(FAR, ["adult"])
    exact = np.einsum("nd,nd->n", vectors[first], vectors[second])
    print(f"\n{model}: {len(vectors)} vectors of {vectors.shape[1]} numbers, {same.sum():,} genuine pairs,", end=" ")
    print(f"{(~same).sum():,} impostor pairs, threshold {threshold:.3f}")
    for precision in PRECISIONS:
        again = stored(vectors, precision)
        scores = np.einsum("nd,nd->n", again[first], again[second])
        moved, own = np.abs(scores - exact), 1 - (vectors * again).sum(axis=1)
        accepted, before = scores >= threshold, exact >= threshold
        size = len(pack(vectors[:1], precision)[0])
        print(
            f"  {precision}: {size:5} bytes   1 - cosine to itself up to {own.max():.1e}"
            f"   score moved by {moved.mean():.1e} on average, up to {moved.max():.1e}"
            f"   TAR {accepted[same].mean():.4f}   other answers {np.sum(accepted != before)} of {len(scores):,}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("data", type=Path, nargs="?", default=DATA)
    parser.add_argument("--embedder", action="append")
    parser.add_argument("--vectors", type=Path, help="keep the vectors here, and take them from here")
    options = parser.parse_args()
    for model, space, _, adults in gather(options.data, options.vectors, options.embedder or ()):
        report(model, space, adults)


if __name__ == "__main__":
    main()
