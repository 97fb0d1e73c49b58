from __future__ import annotations

import csv
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import CardError, ModelError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import transform
from mien.core.image import Image
from mien.engine import Batch, Engine
from mien.features.shown.glasses import GlassesNet, eye_squares
from mien.features.shown.glasses_edges import BINS, EdgeGlasses, edge_histograms, eye_strips
from mien.models.catalogue import Catalogue
from mien.runtime.bundle import Bundle
from tests.shared import open_bundle, photo

FACE = np.array([[40, 50], [80, 50], [60, 75], [45, 95], [75, 95]], np.float32)


def batch(points: NDArray[np.float32], image: Image) -> Batch:
    size = image.shape[1], image.shape[0]
    boxes = [[0, 0, *size]] * len(points)
    faces = Faces.from_boxes(boxes, keypoints=points, keypoint_names=ALIGNMENT_NAMES, image_size=size)
    return Batch([image], np.zeros(len(points), np.intp), faces.with_alignment())


def edges() -> EdgeGlasses:
    card = Catalogue.load()["glasses-edges"]
    return EdgeGlasses(cast("Bundle", SimpleNamespace(card=card)))


@settings(max_examples=20)
@given(st.floats(-180, 180), st.floats(0.2, 5), st.floats(-50, 50))
def test_squares_turn_grow_and_move_with_the_face(turn: float, scale: float, shift: float) -> None:
    angle = np.deg2rad(turn)
    rotation = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = (FACE @ rotation.T + shift).astype(np.float32)
    straight, turned = (transform(face[None], eye_squares(face[None], 2.4, 0.15, 96)) for face in (FACE, moved))
    np.testing.assert_allclose(turned, straight, atol=0.02)


def test_the_square_of_a_turned_head_does_not_shrink() -> None:
    turned = FACE.copy()
    turned[[0, 3], 0], turned[[1, 4], 0] = 55, 65
    scales = [np.linalg.norm(eye_squares(face[None], 2.4, 0.15, 96)[0, :, :2], axis=1)[0] for face in (FACE, turned)]
    np.testing.assert_allclose(scales[1], scales[0], rtol=0.05)


@pytest.mark.parametrize(("step", "bins"), [((0, 1), {0}), ((1, 0), {BINS // 2})])
def test_edges_count_in_their_direction(step: tuple[int, int], bins: set[int]) -> None:
    ramp = np.add.outer(step[0] * np.arange(48), step[1] * np.arange(96))
    strip = np.repeat((ramp * 2)[..., None], 3, axis=2).astype(np.uint8)
    found = edge_histograms(strip[None]).reshape(4, BINS, -1).sum(axis=(0, 2))
    assert set(np.flatnonzero(found > 0.01 * found.max()).tolist()) == bins


def test_flat_strips_have_no_edges_and_none_is_none() -> None:
    assert not edge_histograms(np.full((2, 48, 96, 3), 90, np.uint8)).any()
    assert edge_histograms(np.empty((0, 48, 96, 3), np.uint8)).shape == (0, 4 * BINS * 5 * 11)


def test_strips_show_the_eyes() -> None:
    image = np.zeros((120, 120, 3), np.uint8)
    image[47:54, 37:84] = 255
    (strip,) = eye_strips(batch(FACE[None], image), FACE[None], np.zeros(1, np.intp))
    rows, columns = np.nonzero(strip[..., 0] > 128)
    assert strip.shape == (48, 96, 3)
    assert columns.mean() == pytest.approx(47.5, abs=1)
    assert 15 < rows.mean() < 30


def test_faces_too_small_and_without_points_abstain() -> None:
    points = np.stack([FACE, FACE / 6, np.full_like(FACE, np.nan)])
    glasses = edges().describe(batch(points, np.full((120, 120, 3), 128, np.uint8)))["glasses"]
    assert glasses.abstained.tolist() == [False, True, True]
    assert glasses.reasons == (
        None,
        "the face is too small: less than 10 pixels between the eyes",
        "no points to align by",
    )


def test_no_face() -> None:
    assert edges().describe(batch(np.empty((0, 5, 2), np.float32), np.zeros((9, 9, 3), np.uint8)))["glasses"].shape == (
        0,
    )


class Net:
    """A network whose log odds of no glasses are given."""

    def __init__(self, answer: Any, size: object = (160, 160)) -> None:
        self._answer = np.asarray(answer, np.float32)
        values = {"width": 4.0, "down": 0.4, "slope": 1.0, "offset": 2.0}
        self.card = SimpleNamespace(
            id="made-up",
            files={"model": SimpleNamespace(input=SimpleNamespace(size=size))},
            settings=lambda cls: cls(**values),
        )

    def session(self, _name: str) -> Net:
        return self

    def run(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32]]:
        assert crops.shape[1:] == (160, 160, 3)
        return (self._answer,)


def test_the_network_says_no_glasses() -> None:
    given = batch(np.stack([FACE, FACE]), np.zeros((120, 120, 3), np.uint8))
    glasses = GlassesNet(cast("Bundle", Net([[2.0], [40.0]]))).describe(given)["glasses"]
    np.testing.assert_allclose(glasses.values, [0.5, 0], atol=1e-6)


def test_other_networks_and_cards_are_refused() -> None:
    given = batch(FACE[None], np.zeros((120, 120, 3), np.uint8))
    with pytest.raises(ModelError, match="one number"):
        GlassesNet(cast("Bundle", Net([[2.0, 1.0]]))).describe(given)
    with pytest.raises(CardError, match="how large"):
        GlassesNet(cast("Bundle", Net([], size="any")))


@pytest.mark.weights
@pytest.mark.data
@pytest.mark.parametrize("model", ["glasses-edges", "glasses"])
def test_real_people(model: str) -> None:
    open_bundle(model)
    marked = Path(__file__).parents[1] / "evaluation" / "attributes_by_eye.csv"
    with marked.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["file"].startswith("ident") and row["glasses"]]
    with Engine(threads=1).with_models(glasses=model) as engine:
        said = [
            float(engine.analyze(photo(row["file"]), want={"glasses"}).top(1).glasses.values[0]) for row in rows[::3]
        ]
    worn = np.array([row["glasses"] == "1" for row in rows[::3]])
    high, low = np.array(said)[worn], np.array(said)[~worn]
    assert (high[:, None] > low).mean() > 0.93
    assert (low < 0.5).mean() > 0.9
