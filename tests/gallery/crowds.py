"""Made-up people for tests of clusters: vectors around a direction of each person."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mien.embeddings.calibration import Calibration, Stratum
from mien.gallery.groups.linkage import nearest
from mien.gallery.groups.proposing import Proposal, propose
from mien.gallery.groups.thresholds import Thresholds
from mien.gallery.records import Change, Sample
from mien.gallery.store import Store, open_store

Floats = NDArray[np.float32]

SPACE = "made-up/1"
YEAR = 365.25 * 86400


def unit(vectors: Any) -> Floats:
    values = np.asarray(vectors, np.float32)
    return np.asarray(values / np.linalg.norm(values, axis=-1, keepdims=True), np.float32)


def crowd(sizes: Sequence[int], *, noise: float = 0.5, seed: int = 0, dimension: int = 64) -> tuple[Floats, list[int]]:
    """Faces of people of these numbers of faces, in turn; strangers' cosines have a standard deviation of 1/8."""
    draw = np.random.default_rng(seed)
    means = unit(draw.standard_normal((len(sizes), dimension)))
    who = [person for person, size in enumerate(sizes) for _ in range(size)]
    who = draw.permutation(who).tolist()
    spread = noise * unit(draw.standard_normal((len(who), dimension)))
    return unit(means[who] + spread), who


def calibration() -> Calibration:
    """Adults need 0.5 to 0.6; whoever may be a child 0.8 to 0.9."""
    rates = (0.5, 1e-2, 3e-4, 1e-4, 1e-5)
    strata = (
        Stratum("adult", ((18, 150), (18, 150)), (0, 1e5), 300, 40_000, rates, (0.0, 0.3, 0.5, 0.52, 0.6)),
        Stratum("child", ((0, 18), (0, 150)), (0, 1e5), 300, 40_000, rates, (0.2, 0.6, 0.8, 0.85, 0.9)),
    )
    return Calibration("made-up", SPACE, dt.date(2026, 1, 1), "nobody", "free", strata)


def samples_of(count: int, **values: Any) -> list[Sample]:
    """Faces of adults, each of a picture of its own."""
    known = {"ages": (30.0, 50.0), "box": (0.0, 0.0, 100.0, 100.0)} | values
    return [Sample(id=row + 1, face=f"f{row}", picture=f"{row:064x}", **known) for row in range(count)]


def group(samples: Sequence[Sample], vectors: Floats, **options: Any) -> Proposal:
    """Group them by the calibration of made-up people."""
    thresholds = options.pop("thresholds", None) or Thresholds.of(samples, calibration())
    return propose(samples, vectors, nearest(vectors, 16), thresholds, **options)


def filled(vectors: Floats, **values: Any) -> Store:
    """A store in memory with these faces."""
    store = open_store(":memory:")
    add(store, vectors, **values)
    return store


def add(store: Store, vectors: Floats, **values: Any) -> list[int]:
    """Add faces; their ids."""
    first = store.reserve(len(vectors))
    known = {"ages": (30.0, 50.0), "box": (0.0, 0.0, 100.0, 100.0)} | values
    made = [
        Sample(id=first + row, face=f"f{first + row}", picture=f"{first + row:064x}", **known)
        for row in range(len(vectors))
    ]
    ids = [one.id for one in made]
    store.apply(Change(samples=made, vectors=(ids, vectors), space=SPACE))
    return ids


def owners(store: Store) -> dict[int, str | None]:
    """Whose each face is."""
    return {sample.id: sample.person for sample in store.samples()}
