"""People as painted squares: pictures, an engine that knows them apart, and a calibration of its vectors.

A person is a number from 0 to 255, and so is the variant of a picture of them: red says that there is a face, green
who it is, blue the variant.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.core.columns import Column, Vectors
from mien.core.image import Image, save_image
from mien.embeddings.calibration import Calibration, Stratum
from mien.engine import Batch, Engine
from mien.models.catalogue import Catalogue
from tests.engine import fakes

REDS = (250, 200, 100)  # the fake detector finds one square of each
NOBODY = 255  # a person whose face has no embedding
SPACE, OTHER = "painted/1", "other/1"
SIDE = 32  # of a vector

#: A threshold of 0.5 at a rate of 1e-2, and 0.1 more for each tenth of it.
TABLE = Calibration(
    "painted people",
    SPACE,
    dt.date(2026, 11, 20),
    "squares",
    "free",
    (
        Stratum(
            "anyone",
            ((0, 150), (0, 150)),
            (0, 100_000),
            1000,
            499_500,
            (0.5, 0.1, 1e-2, 1e-3, 1e-4, 1e-5, 1e-6),
            (0.2, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9),
        ),
    ),
)


def vector(person: int, variant: int, space: int = 0) -> NDArray[np.float32]:
    """The embedding of a picture: pictures of one person have cosines of about 0.96, strangers of 0 +- 0.18."""
    own = np.random.default_rng((space, person)).normal(size=SIDE)
    noise = np.random.default_rng((space, person, variant)).normal(size=SIDE)
    value = own / np.linalg.norm(own) + 0.2 * noise / np.linalg.norm(noise)
    unit: NDArray[np.float32] = (value / np.linalg.norm(value)).astype(np.float32)
    return unit


class Embedder(fakes.Runner):
    """Looks at the colour of the square."""

    space, number = SPACE, 0

    def describe(self, batch: Batch) -> Mapping[str, Column]:
        rows = []
        for owner, (x, y) in zip(batch.owner, batch.faces.boxes[:, :2].astype(int), strict=True):
            image = batch.images[owner]
            green, blue = (int(v) for v in image[min(y + 1, len(image) - 1), x + 1, 1:])
            rows.append(np.full(SIDE, np.nan) if green == NOBODY else vector(green, blue, self.number))
        values = np.array(rows, np.float32).reshape(-1, SIDE)
        reasons = tuple("it is nobody's" if np.isnan(row).any() else None for row in values)
        return {"embedding": Vectors(values, space=self.space, reasons=reasons)}


class OtherEmbedder(Embedder):
    """The same in another space."""

    space, number = OTHER, 1


def catalogue() -> Catalogue:
    cards = [card for card in fakes.catalogue() if card.id not in {"embedder", "age"}]
    made = [
        replace(
            fakes.card("painted", "", ("embedding",), ("alignment",)),
            runner="tests.gallery.painted:Embedder",
            space=SPACE,
        ),
        replace(
            fakes.card("other", "", ("embedding",), ("alignment",), priority=20),
            runner="tests.gallery.painted:OtherEmbedder",
            space=OTHER,
        ),
    ]
    return Catalogue([*cards, *made])


def engine(**options: Any) -> Engine:
    return Engine(**{"device": "cpu", "threads": 1, "catalogue": catalogue(), **options})


def picture(*people: tuple[int, int], size: int = 100) -> Image:
    """A dark picture with a square for each (person, variant), side by side; three at most."""
    image = np.full((size, size, 3), 10, np.uint8)
    for place, ((person, variant), red) in enumerate(zip(people, REDS, strict=False)):
        image[20:40, 5 + 30 * place : 25 + 30 * place] = (red, person, variant)
    return image


def save(folder: Path, name: str, *people: tuple[int, int]) -> Path:
    """Write such a picture as a PNG file."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    save_image(picture(*people), path)
    return path


def write_table(config: Path) -> None:
    """Make the table one of the user's."""
    folder = config / "calibration"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "painted-1.toml").write_text(TABLE.to_toml())
