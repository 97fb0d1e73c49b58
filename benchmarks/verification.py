"""Print how well each embedder tells people apart: clean, small and half hidden faces.

    python -m benchmarks.verification [DATA] [--embedder sface] [--rates 1e-2 1e-3]

DATA (by default ``../shared/data``) holds ``identities`` and ``identities_johns``: ten adults, 105 pictures, an easy
set. No rate below 1e-3 can be counted on its 4,960 impostor pairs, and the genuine scores are those of ten people.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from mien.engine import Engine
from mien.evaluation.pairs import Pairs
from mien.evaluation.verification import VerificationReport, evaluate_verification
from mien.models.catalogue import Catalogue

Crop = NDArray[np.uint8]


def small(crop: Crop) -> Crop:
    """A crop as it is where the face is 28 pixels wide in its picture."""
    shrunk = cv2.resize(crop, (28, 28), interpolation=cv2.INTER_AREA)
    return np.asarray(cv2.resize(shrunk, crop.shape[1::-1], interpolation=cv2.INTER_LINEAR), np.uint8)


def masked(crop: Crop) -> Crop:
    """A crop whose lower half, from the middle of the nose down, is grey."""
    out = crop.copy()
    out[66:] = 128
    return out


ALTERATIONS: dict[str, Callable[[Crop], Crop] | None] = {
    "clean": None,
    "28 px": small,
    "lower face grey": masked,
}


def line(found: VerificationReport) -> str:
    """One row of the table."""
    low, high = found.auc_interval
    points = (
        f"{p.tar:.3f} [{p.interval[0]:.3f}, {p.interval[1]:.3f}] ({p.accepted}/{found.genuine})" for p in found.points
    )
    return f"AUC {found.auc:.5f} [{low:.5f}, {high:.5f}]  EER {found.eer:.4f}  TAR " + "  ".join(points)


def main() -> None:
    parser = argparse.ArgumentParser(description="Verification of each embedder on labelled people.")
    parser.add_argument("data", type=Path, nargs="?", default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--embedder", action="append")
    parser.add_argument("--rates", type=float, nargs="+", default=[1e-2, 1e-3])
    options = parser.parse_args()
    sets = {
        "identities": Pairs.of_folder(options.data / "identities"),
        "identities + identities_johns": Pairs.of_folders(
            [options.data / "identities", options.data / "identities_johns"]
        ),
    }
    cards = [card for card in Catalogue.load().giving("embedding") if card.id in (options.embedder or [card.id])]
    print(f"95 % intervals over people; TAR at FAR {', '.join(f'{rate:g}' for rate in options.rates)}")
    for name, pairs in sets.items():
        for label, alter in ALTERATIONS.items():
            for number, card in enumerate(cards):
                with Engine(threads=1, models={"embedding": card.id}) as engine:
                    found = evaluate_verification(pairs, rates=options.rates, alter=alter, engine=engine)
                if number == 0:
                    counts = f"{found.people} people, {found.pictures} pictures ({found.without_face} without face)"
                    print(f"\n{name}, {label}: {counts}, {found.genuine} genuine, {found.impostor:,} impostor pairs")
                print(f"  {card.id:14} {line(found)}")


if __name__ == "__main__":
    main()
