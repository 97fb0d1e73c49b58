"""Made-up meshes whose shape says what a test wants."""

from __future__ import annotations

from importlib import resources

import numpy as np
from numpy.typing import NDArray

from mien.swaps.invented.minors import ChildlikeShape, face_shapes

SHIPPED = ChildlikeShape.from_toml(
    resources.files("mien.swaps.invented").joinpath("minors.toml").read_text(encoding="utf-8")
)


def mesh_that_says(log_odds: float) -> NDArray[np.float32]:
    """Points (478, 3) of which the table that ships says this; NaN gives NaN.

    Those that the table looks at are pushed along their weights, by as much as the log odds ask for.
    """
    rest = np.random.default_rng(0).normal(size=(478, 3))
    along = np.zeros((478, 3))
    along[: 468 : SHIPPED.step] = SHIPPED.weights / np.abs(SHIPPED.weights).max()
    low, high = -200.0, 200.0  # what is said grows with the push
    for _ in range(60):
        middle = (low + high) / 2
        said = SHIPPED.log_odds(face_shapes((rest + middle * along)[None], np.eye(3)[None]))[0]
        low, high = (middle, high) if said < log_odds else (low, middle)
    mesh: NDArray[np.float32] = (64 + 16 * (rest + low * along)).astype(np.float32)
    return mesh if np.isfinite(log_odds) else np.full_like(mesh, np.nan)
