"""Decision trees as arrays, and the geometry that they ask."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mien.core.columns import Points
from mien.core.errors import ModelError
from mien.core.faces import Faces
from mien.engine import Batch
from mien.features.fit.forest import Forest, GeometryForest, geometry_of
from mien.runtime.bundle import Bundle

SHAPE = np.random.default_rng(3).normal(0, 30, (478, 3))


def grow(**changes: Any) -> Forest:
    """Two trees: one asks feature 0, then 1; the other nothing."""
    arrays: dict[str, Any] = {
        "feature": np.array([[0, 1, 0, 0, 0], [0, 0, 0, 0, 0]], np.int16),
        "threshold": np.array([[0, 5, 0, 0, 0], [0, 0, 0, 0, 0]], np.float32),
        "left": np.array([[1, 3, 2, 3, 4], [0, 1, 2, 3, 4]], np.int16),
        "right": np.array([[2, 4, 2, 3, 4], [0, 1, 2, 3, 4]], np.int16),
        "value": np.array([[9, 9, 1.0, 0.2, 0.6], [0.4, 9, 9, 9, 9]], np.float32),
        "depth": 2,
    }
    return Forest(**{**arrays, **changes})


def test_questions_and_the_mean_of_trees() -> None:
    rows = np.array([[1, 0], [0, 5], [-1, 6]], np.float32)
    np.testing.assert_allclose(grow()(rows), [(1.0 + 0.4) / 2, (0.2 + 0.4) / 2, (0.6 + 0.4) / 2])
    assert grow()(rows[:0]).shape == (0,)
    assert np.isnan(grow()(np.array([[np.nan, 1]], np.float32))).all()


def test_forests_that_are_none(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"\(trees, nodes\)"):
        grow(value=np.zeros((2, 4), np.float32))
    with pytest.raises(ModelError, match="out of its tree"):
        grow(left=np.full((2, 5), 5, np.int16))
    with pytest.raises(ModelError, match="asks feature 1"):
        grow()(np.zeros((1, 1), np.float32))
    file = tmp_path / "forest.npz"
    for content in (b"", b"PK\x03\x04 and no more", b"text"):
        file.write_bytes(content)
        with pytest.raises(ModelError, match="holds no forest"):
            Forest.read(file)
    np.savez(file, feature=np.zeros((1, 1), np.int16))
    with pytest.raises(ModelError, match="holds no forest"):
        Forest.read(file)


def test_written_and_read_again(tmp_path: Path) -> None:
    forest = grow()
    np.savez(tmp_path / "f.npz", **vars(forest))
    rows = np.random.default_rng(0).normal(0, 6, (50, 2)).astype(np.float32)
    np.testing.assert_array_equal(Forest.read(tmp_path / "f.npz")(rows), forest(rows))


@settings(max_examples=25, deadline=None)
@given(st.floats(-180, 180), st.floats(0.1, 10), st.floats(-500, 500))
def test_geometry_knows_size_but_neither_place_nor_roll(degrees: float, scale: float, shift: float) -> None:
    turn = np.deg2rad(degrees)
    matrix = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    before, after = geometry_of(np.stack([SHAPE, scale * SHAPE @ matrix.T + shift]))
    np.testing.assert_allclose(after[0] - before[0], np.log2(scale), atol=1e-4)
    np.testing.assert_allclose(after[1:], before[1:], atol=2e-3)


def test_faces_without_a_mesh_and_tiny_ones_abstain() -> None:
    step = GeometryForest(cast("Bundle", None))
    tiny = SHAPE / 100
    points = np.stack([SHAPE, np.full_like(SHAPE, np.nan), tiny])
    column = Points(points, reasons=(None, "too dark", None))
    faces = Faces.from_boxes([[0, 0, 9, 9]] * 3).with_columns({"landmarks": column})
    quality = step.describe(Batch([], np.zeros(3, np.intp), faces))["quality"]
    assert quality.abstained.tolist() == [False, True, True]
    assert quality.reasons == (None, "too dark", "the eyes are less than 4 pixels apart")
    assert 0 <= quality.values[0] <= 1
    assert step.describe(Batch([], np.zeros(0, np.intp), faces[:0]))["quality"].shape == (0,)
