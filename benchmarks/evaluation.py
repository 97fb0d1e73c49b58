"""Identification, wrong pictures, deletion and small faces, as `mien evaluate` measures them, for each embedder.

    python -m benchmarks.evaluation [DATA] [--embedder sface]

DATA (by default ``../shared/data``) holds ``identities`` and ``identities_johns`` (ten people, 105 pictures) and
``age_gender`` (UTKFace: 400 pictures, as strangers). One of the strangers is in the gallery, and is left out. Nothing
here ranks anybody: ten people are too few.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mien.engine import Engine
from mien.evaluation.embedding import crops_of, embed_crops, masked_pictures
from mien.evaluation.identification import evaluate_vectors
from mien.evaluation.membership import evaluate_membership
from mien.evaluation.noise import evaluate_noise
from mien.evaluation.pairs import Pairs
from mien.evaluation.resolution import SIZES, shrunk
from mien.evaluation.verification import embed_pictures, evaluate_pairs
from mien.gallery.store import open_store
from mien.models.catalogue import Catalogue

Floats = NDArray[np.float32]

#: Arnold Schwarzenegger, who is one of the ten people too: the first run found him, with a cosine of 0.81.
KNOWN = "60_0_0_20170111205244694"
SPLITS = 10  # seeds


def identification(people: NDArray[np.str_], gallery: Floats, probes: Floats, strangers: Floats) -> None:
    """Half of each person's pictures enrolled, the others and the strangers searched with."""
    draw = np.random.default_rng(0)
    enrolled = np.zeros(len(people), bool)
    for name in np.unique(people):
        rows = draw.permutation(np.flatnonzero(people == name))
        enrolled[rows[: len(rows) // 2]] = True
    who = [*people[~enrolled].tolist(), *(f"stranger {row}" for row in range(len(strangers)))]
    asked = np.concatenate([probes[~enrolled], strangers])
    for how in ("template", "samples"):
        found = evaluate_vectors(gallery[enrolled], people[enrolled].tolist(), asked, who, how=how)
        points = "  ".join(
            f"{point.fnir:.3f} [{point.interval[0]:.3f}, {point.interval[1]:.3f}]"
            for point in found.points
            if point.fnir is not None
        )
        first = found.ranks[0]
        print(
            f"    {how:8} {found.probes} probes, {found.others} strangers: rank 1 {first.found} of {found.probes}  "
            f"FNIR at FPIR {', '.join(f'{point.fpir:g}' for point in found.points)}: {points}"
        )


def noise(people: NDArray[np.str_], vectors: Floats, strangers: Floats) -> None:
    """Estimates where a known part of the pictures is of strangers, or of others of the ten."""
    for part in (0.0, 0.05, 0.1, 0.2, 0.3):
        found: dict[str, list[float]] = {"strangers": [], "each other": []}
        for seed in range(SPLITS):
            draw = np.random.default_rng(seed)
            wrong = draw.choice(len(vectors), round(part * len(vectors)), replace=False)
            mixed, names = vectors.copy(), people.copy()
            mixed[wrong] = strangers[draw.choice(len(strangers), len(wrong), replace=False)]
            for row in wrong:
                names[row] = draw.choice(np.setdiff1d(people, people[row]))
            found["strangers"].append(evaluate_noise(mixed, people.tolist()).wrong)
            found["each other"].append(evaluate_noise(vectors, names.tolist()).wrong)
        row = "  ".join(f"{name} {np.mean(values):.3f} +- {np.std(values):.3f}" for name, values in found.items())
        print(f"    wrong {part:.2f} of 105, {SPLITS} draws: {row}")


def forgetting(people: NDArray[np.str_], vectors: Floats) -> None:
    """Deletion from stores in memory."""
    runs = [
        evaluate_membership(vectors, people.tolist(), lambda: open_store(":memory:"), seed=s) for s in range(SPLITS)
    ]
    before, after = ([getattr(run, name) for run in runs] for name in ("before", "after"))
    print(
        f"    membership, {SPLITS} draws: AUC {np.mean(before):.3f} before, {np.mean(after):.3f} after; forgotten in "
        f"{sum(run.forgotten for run in runs)}; largest difference {max(run.difference for run in runs):g}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description="Identification, wrong pictures, deletion, small faces.")
    parser.add_argument("data", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--embedder", action="append")
    options = parser.parse_args()
    if not (options.data / "identities").is_dir():
        print(f"skipped: no pictures in {options.data}")
        return
    pairs = Pairs.of_folders([options.data / "identities", options.data / "identities_johns"])
    files = [file for file in sorted((options.data / "age_gender").glob("*.jpg")) if not file.name.startswith(KNOWN)]
    people = np.array(pairs.people)
    with Engine(threads=1) as engine:
        crops = crops_of(pairs.pictures, engine=engine)
        others = crops_of(files, engine=engine)
        masked = list(masked_pictures(pairs.pictures, engine=engine))
    for card in Catalogue.load().giving("embedding"):
        if card.id not in (options.embedder or [card.id]):
            continue
        with Engine(threads=1, models={"embedding": card.id}) as engine:
            vectors, strangers = embed_crops(crops, engine=engine), embed_crops(others, engine=engine)
            strangers = strangers[np.isfinite(strangers).all(axis=1)]
            covered = embed_pictures(masked, engine=engine)
            print(f"\n{card.id}")
            for name, probes in (("clean", vectors), ("masked", covered)):
                print(f"  probes {name} ({int(np.isnan(probes[:, 0]).sum())} of {len(probes)} without a face)")
                identification(people, vectors, probes, strangers)
            noise(people, vectors, strangers)
            forgetting(people, vectors)
            for size in SIZES:
                small = embed_crops(crops, alter=lambda crop, size=size: shrunk(crop, size), engine=engine)  # type: ignore[misc]
                for label, first in (("both", small), ("one", vectors)):
                    found = evaluate_pairs(pairs, first, seconds=small, rates=(1e-2, 1e-3))
                    points = "  ".join(f"{p.tar:.3f} [{p.interval[0]:.3f}, {p.interval[1]:.3f}]" for p in found.points)
                    print(f"    {size:3} px, {label:4} AUC {found.auc:.4f}  TAR at FAR 1e-2, 1e-3  {points}")


if __name__ == "__main__":
    main()
