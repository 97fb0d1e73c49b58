"""Synthetic people for the measures of recognition: directions with noise around them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def people(
    count: int, each: int, *, noise: float = 0.5, dimension: int = 32, seed: int = 0
) -> tuple[Floats, list[str]]:
    """Unit vectors (count * each, dimension), and whose each is: "p00" ..."""
    draw = np.random.default_rng(seed)
    centres = draw.normal(size=(count, dimension))
    owners = np.repeat(np.arange(count), each)
    return unit(unit(centres)[owners] + noise * unit(draw.normal(size=(len(owners), dimension)))), [
        f"p{owner:02d}" for owner in owners
    ]


def unit(rows: NDArray[np.floating]) -> Floats:
    """The same directions at length 1."""
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)
