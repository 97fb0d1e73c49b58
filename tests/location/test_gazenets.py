"""Gaze networks: crops and signs, mirror and turn, agreement with the geometry, abstention, batches."""

from __future__ import annotations

import functools
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from numpy.typing import NDArray

from mien.core.columns import Angles, Points
from mien.core.errors import CardError
from mien.core.faces import Faces
from mien.engine.steps import Batch
from mien.location.gazenets import IntelGaze, MPIIGaze, XGaze
from tests.location import meshes
from tests.location.eyeballs import apart, meshes_looking
from tests.location.meshes import described, found, real_test
from tests.shared import DATA, photo, runner

NETS = ("intel-gaze", "xgaze-r18", "mpiigaze")
SEEN = ("facemesh", "pose-canonical")


class Recorder:
    """A session that keeps what it was given and answers with zeros."""

    def __init__(self, *inputs: str, outputs: int = 2) -> None:
        self.inputs, self.outputs, self.given = inputs, outputs, list[tuple[NDArray[Any], ...]]()

    def run(self, *inputs: NDArray[Any]) -> tuple[NDArray[np.float32]]:
        self.given.append(inputs)
        out = np.zeros((len(inputs[0]), self.outputs), np.float32)
        out[:, -1] = 0.1
        return (out,)


def stub(kind: type, session: Recorder) -> Any:
    """A network's class without its network."""
    from tests.location.meshes import canonical_path

    card = SimpleNamespace(id="stub", params={"closed": 0.25})
    bundle = SimpleNamespace(card=card, session=lambda _: session, path=lambda _: canonical_path())
    return kind(cast("Any", bundle))


def batch_of(points: NDArray[np.float32], poses: Any, **options: Any) -> Batch:
    faces = Faces.from_boxes(np.tile([0, 0, 10, 10], (len(points), 1))).with_columns(
        {"landmarks": Points(points, **options), "pose": Angles(np.asarray(poses, np.float32).reshape(-1, 3))}
    )
    picture = np.arange(300 * 400 * 3, dtype=np.uint64).reshape(300, 400, 3).astype(np.uint8)
    return Batch([picture], np.zeros(len(points), np.intp), faces)


@pytest.mark.weights
def test_what_intels_network_is_given() -> None:
    session = Recorder("left_eye_image", "right_eye_image", "138", outputs=3)
    poses = [[10, 20, 30]]
    stub(IntelGaze, session).describe(batch_of(meshes_looking([[0, 0]], poses), poses))
    (left, right, head), (mirrored_left, mirrored_right, mirrored_head) = session.given
    assert left.shape == right.shape == (1, 3, 60, 60)
    np.testing.assert_allclose(head, [[10, -20, 0]], atol=1e-5)
    np.testing.assert_array_equal(mirrored_left, right[..., ::-1])
    np.testing.assert_array_equal(mirrored_right, left[..., ::-1])
    np.testing.assert_allclose(mirrored_head, [[-10, -20, 0]], atol=1e-5)


@pytest.mark.weights
def test_mpiigaze_sees_the_right_eye_in_a_mirror() -> None:
    session = Recorder()
    poses = [[15, 5, 0]]
    gaze = stub(MPIIGaze, session).describe(batch_of(meshes_looking([[0, 0]], poses), poses))["gaze"]
    (one, head), (_, other_head) = session.given
    assert one.shape == (1, 1, 36, 60)
    assert one.dtype == np.float32
    assert 0 <= one.min() <= one.max() <= 1
    np.testing.assert_allclose(np.rad2deg(other_head), [[5, -15]], atol=0.3)  # up, and to the picture's left
    np.testing.assert_allclose(head, other_head * [1, -1], atol=1e-6)
    assert abs(gaze.values[0, 0]) < 1e-4  # the same answer for both, one of them mirrored: their yaws cancel


@pytest.mark.weights
def test_xgaze_sees_the_face_and_its_mirror_image() -> None:
    session = Recorder()
    stub(XGaze, session).describe(batch_of(meshes_looking([[0, 0]], [[0, 0, 0]]), [[0, 0, 0]]))
    (one,), (other,) = session.given
    assert one.shape == (1, 224, 224, 3)
    np.testing.assert_array_equal(one, other[:, :, ::-1])


@pytest.mark.weights
@pytest.mark.parametrize("kind", [IntelGaze, XGaze, MPIIGaze])
def test_nobody_and_who_cannot_be_told(kind: type) -> None:
    step = stub(kind, Recorder("left_eye_image", "right_eye_image", "x", outputs=3 if kind is IntelGaze else 2))
    assert step.describe(batch_of(np.zeros((0, 478, 3), np.float32), []))["gaze"].shape == (0, 2)
    points = np.concatenate([meshes_looking([[0, 0]], [[0, 0, 0]], openness=(o, o)) for o in (0.8, 0.8, 0.1, 0.8)])
    points[0] = np.nan
    poses = np.zeros((4, 3))
    poses[1] = np.nan
    gaze = step.describe(batch_of(points, poses, reasons=("no face here", None, None, None)))["gaze"]
    assert gaze.abstained.tolist() == [True, True, True, False]
    assert gaze.reasons == (
        "no face here",
        "the face has no pose",
        "both eyes are closed, or turned too far away",
        None,
    )


def test_a_card_that_says_too_little() -> None:
    card = SimpleNamespace(id="mine", params={})
    with pytest.raises(CardError, match=r"mine lacks params\.closed"):
        IntelGaze(cast("Any", SimpleNamespace(card=card, session=lambda _: Recorder())))


# --- with weights, on real faces --------------------------------------------------------------------------------------


@functools.cache
def portraits() -> list[str]:
    return [str(path.relative_to(DATA)) for path in sorted((DATA / "identities").rglob("*.jpg"))[::2]]


@functools.cache
def of(net: str) -> Faces:
    """The portraits' faces with the gaze of a network, in one batch."""
    images = [photo(name) for name in portraits()]
    return described(images, [found(image).top(1) for image in images], *SEEN, net)


@real_test
@pytest.mark.parametrize("net", NETS)
def test_agrees_with_the_geometry(net: str) -> None:
    ours, theirs = of("iris-geometry").gaze, of(net).gaze
    both = ~ours.abstained & ~theirs.abstained
    assert both.sum() >= 20
    assert np.corrcoef(ours.yaw[both], theirs.yaw[both])[0, 1] > 0.5
    assert np.corrcoef(ours.pitch[both], theirs.pitch[both])[0, 1] > 0.2
    assert np.median(apart(ours.vector[both], theirs.vector[both])) < 15


@real_test
@pytest.mark.parametrize("net", NETS)
def test_a_mirrored_picture_negates_yaw(net: str) -> None:
    images, faces = [], []
    for name in portraits():
        image = photo(name)
        mirror = meshes.mirrored(image, found(image).top(1))
        images.append(mirror[0])
        faces.append(mirror[1])
    mirrored = described(images, faces, *SEEN, net).gaze.values * np.array([-1, 1])
    off = np.abs(mirrored - of(net).gaze.values)
    assert np.nanmedian(off, axis=0).max() < 4


@real_test
@pytest.mark.parametrize("net", NETS)
def test_a_turned_picture_turns_the_gaze(net: str) -> None:
    cos, sin = np.cos(np.deg2rad(60)), np.sin(np.deg2rad(60))
    images, faces = [], []
    for name in portraits():
        image = photo(name)
        turned, face, _ = meshes.rotated(image, found(image).top(1), 60)
        images.append(turned)
        faces.append(face)
    x, y, z = of(net).gaze.vector.T
    expected = np.stack([cos * x - sin * y, sin * x + cos * y, z], axis=1)
    assert np.nanmedian(apart(described(images, faces, *SEEN, net).gaze.vector, expected)) < 4


@real_test
@pytest.mark.parametrize("net", NETS)
def test_one_at_a_time_or_all_together(net: str) -> None:
    image = photo(portraits()[0])
    faces = described([image], [found(image).top(1)], *SEEN)
    alone = runner(net).describe(Batch([image], np.zeros(1, np.intp), faces))["gaze"]
    np.testing.assert_allclose(alone.values[0], of(net).gaze.values[0], atol=0.05)
