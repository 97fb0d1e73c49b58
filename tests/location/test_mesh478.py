"""The face mesh: its crops without weights, its points on real faces, and boxes that no face is in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from mien.core.errors import CardError, ModelError
from mien.core.faces import ALIGNMENT_NAMES, Faces
from mien.core.geometry import square_crops, transform
from mien.engine.steps import Batch
from mien.location.mesh478 import (
    FaceMesh,
    _corners,
    _eye_turns,
    _squares_around,
    _squares_of,
    alignment_points,
    upright_turns,
)
from mien.models.catalogue import Catalogue
from tests.location import meshes
from tests.location.meshes import described, errors, found, real_test
from tests.location.test_mesh_canonical import message
from tests.shared import DATA, marked_faces, noses, photo, runner


def mesh_like(seed: int, count: int = 1) -> NDArray[np.float32]:
    """Points about as wide and high as a face, its eyes where they belong, the rest anywhere."""
    points = np.random.default_rng(seed).uniform([-50, -60, -20], [50, 60, 20], size=(count, 478, 3))
    points[:, 33, :2], points[:, 263, :2] = (-30, -15), (30, -15)
    return np.asarray(points + np.array([400, 300, 0]), np.float32)


def turn(points: NDArray[np.float32], degrees: float) -> NDArray[np.float32]:
    """Points turned clockwise as seen, about (400, 300)."""
    angle = np.deg2rad(degrees)
    m = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    xy = (points[..., :2] - [400, 300]) @ m.T + [400, 300]
    return np.concatenate([xy, points[..., 2:]], axis=-1).astype(np.float32)


# --- without weights --------------------------------------------------------------------------------------------------


@given(st.integers(0, 30), st.floats(-179, 179))
def test_a_square_holds_the_points_upright(seed: int, degrees: float) -> None:
    points = turn(mesh_like(seed), degrees)
    square = _squares_of(points, 1.5)
    np.testing.assert_allclose((square[0, 3] - degrees + 180) % 360, 180, atol=1e-2)
    crop = transform(points, square_crops(square[:, :2], square[:, 2], square[:, 3], 256))[0, :, :2]
    low, high = crop[:468].min(axis=0), crop[:468].max(axis=0)
    np.testing.assert_allclose((low + high) / 2, 127.5, atol=0.05)  # the middle of 256 pixels
    np.testing.assert_allclose((high - low).max(), 256 / 1.5, rtol=1e-3)
    np.testing.assert_allclose(crop[33, 1], crop[263, 1], atol=0.05)
    assert crop[33, 0] < crop[263, 0]


@given(st.integers(0, 30), st.floats(-179, 179))
def test_upright_turns_level_the_eyes(seed: int, degrees: float) -> None:
    points = turn(mesh_like(seed, count=2), degrees)
    level = points[..., :2] @ np.swapaxes(upright_turns(points), 1, 2)
    np.testing.assert_allclose(level[:, 33, 1], level[:, 263, 1], atol=1e-3)
    assert (level[:, 33, 0] < level[:, 263, 0]).all()
    np.testing.assert_allclose(np.linalg.norm(level, axis=2), np.linalg.norm(points[..., :2], axis=2), rtol=1e-5)


def test_squares_around_boxes() -> None:
    boxes = np.array([[10, 20, 50, 40], [5, 5, 5, 5]], np.float32)
    squares = _squares_around(boxes, np.array([0.0, 90.0]), 1.5)
    assert squares[0].tolist() == [30, 30, 60, 0]
    assert squares[1].tolist() == [5, 5, 1.5, 90]  # an empty box counts as one pixel
    corners = _corners(squares)
    assert sorted(map(tuple, corners[0].round(6).tolist())) == [(0, 0), (0, 60), (60, 0), (60, 60)]
    assert _squares_around(np.zeros((0, 4), np.float32), np.zeros(0), 1.5).shape == (0, 4)


def test_alignment_points_are_the_subjects() -> None:
    points = mesh_like(0, count=3)
    five = alignment_points(points)
    assert five.shape == (3, 5, 2)
    np.testing.assert_allclose(five[:, 3], points[:, 61, :2])
    np.testing.assert_allclose(five[:, 4], points[:, 291, :2])
    np.testing.assert_allclose(five[:, 2], points[:, [1, 4], :2].mean(axis=1), rtol=1e-5)
    assert alignment_points(points[:0]).shape == (0, 5, 2)


# --- a network that knows where it looks ------------------------------------------------------------------------------

SIDE = 250  # of a picture whose red is x and whose green is y, so that a crop tells its place in it
FACE = mesh_like(1)[0] * np.float32([0.5, 0.5, 0.5]) + np.float32([-80, -30, 0])  # about (120, 120), 50 wide


# FACE is its own canonical face, with y up and z towards the camera as in the file.
CANONICAL = message(
    np.concatenate([(FACE[:468] - FACE[:468].mean(axis=0)) * [0.2, -0.2, -0.2], np.zeros((468, 2))], axis=1),
    [0, 1, 2],
    dict.fromkeys(range(468), 1.0),
)


class SeeingNetwork:
    """Finds FACE in each crop, as sure as it stands upright, and counts its looks."""

    def __init__(self, points: NDArray[np.float32] = FACE) -> None:
        self.points = points
        self.looks = 0

    def run(self, crops: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        self.looks += len(crops)
        seen = [self.see(crop) for crop in crops]
        points = np.array([points for points, _ in seen], np.float32).reshape(len(crops), 1, 1, self.points.size)
        logits = np.array([logit for _, logit in seen], np.float32).reshape(len(crops), 1, 1, 1)
        return points, logits, np.zeros((len(crops), 1), np.float32)

    def see(self, crop: NDArray[np.uint8]) -> tuple[NDArray[np.floating[Any]], float]:
        inside = crop[..., 2] > 127
        if inside.sum() < 1000:
            return np.zeros_like(self.points), -20.0
        rows, columns = np.nonzero(inside)
        where = np.stack([columns + 0.5, rows + 0.5, np.ones(len(rows))], axis=1)  # the network counts from the edge
        to_picture, *_ = np.linalg.lstsq(where, crop[inside][:, :2].astype(float), rcond=None)
        a, shift = to_picture[:2].T, to_picture[2]
        xy = (self.points[:, :2] - shift) @ np.linalg.inv(a).T
        scale = np.sqrt(abs(np.linalg.det(a)))
        roll = np.rad2deg(np.arctan2(a[1, 0], a[0, 0]))
        return np.concatenate([xy, self.points[:, 2:] / scale], axis=1), 18.0 - abs(roll) / 5


def picture() -> NDArray[np.uint8]:
    y, x = np.mgrid[:SIDE, :SIDE]
    return np.stack([x, y, np.full_like(x, 255)], axis=2).astype(np.uint8)


def seeing(network: SeeingNetwork, **changes: Any) -> FaceMesh:
    """The step with that network, and a canonical face that fits FACE exactly."""
    card = Catalogue.load()["facemesh"]
    params = {**card.params, **changes}
    bundle = SimpleNamespace(
        card=replace(card, params={name: value for name, value in params.items() if value is not None}),
        session=lambda _: network,
        path=lambda _: SimpleNamespace(stat=lambda: SimpleNamespace(st_size=1), read_bytes=lambda: CANONICAL),
    )
    return FaceMesh(cast("Any", bundle))


def batch(faces: Faces, count: int = 1) -> Batch:
    return Batch([picture()] * count, np.zeros(len(faces), np.intp), faces)


@pytest.mark.parametrize("box", [(90, 85, 150, 155), (70, 60, 170, 180), (105, 100, 140, 140), (60, 90, 130, 170)])
def test_points_come_back_to_the_picture(box: tuple[float, ...]) -> None:
    columns = seeing(SeeingNetwork()).describe(batch(Faces.from_boxes([box])))
    landmarks = columns["landmarks"].values[0]
    np.testing.assert_allclose(landmarks[:, :2], FACE[:, :2], atol=0.1)
    np.testing.assert_allclose(landmarks[:, 2], FACE[:, 2], atol=0.1)
    assert columns["presence"].values[0] > 0.99
    np.testing.assert_allclose(columns["alignment"].values[0], alignment_points(FACE[None])[0], atol=0.1)


def test_looks_once_where_the_crop_was_right_and_again_where_not() -> None:
    square = _squares_of(FACE[None], 1.5 / 1.4)[0]
    middle, half = square[:2], square[2] / 2
    for shift, looks in ((0, 1), (20, 2)):
        network = SeeingNetwork()
        box = [*(middle - half + shift), *(middle + half + shift)]
        seeing(network).describe(batch(Faces.from_boxes([box])))
        assert network.looks == looks


def test_eyes_turn_the_crop() -> None:
    eyes = FACE[None, [33, 263], :2]
    faces = Faces.from_boxes([(85, 80, 155, 160)], keypoints=eyes, keypoint_names=("right_eye", "left_eye"))
    turns, known = _eye_turns(faces)
    np.testing.assert_allclose(turns, 0, atol=1e-3)
    assert known.tolist() == [True]
    upside_down = Faces.from_boxes(faces.boxes, keypoints=eyes[:, ::-1], keypoint_names=("right_eye", "left_eye"))
    np.testing.assert_allclose(np.abs(_eye_turns(upside_down)[0]), 180, atol=1e-3)
    same = Faces.from_boxes(faces.boxes, keypoints=eyes[:, [0, 0]], keypoint_names=("right_eye", "left_eye"))
    assert _eye_turns(same)[1].tolist() == [False]


def test_searches_all_around_only_where_in_doubt() -> None:
    network = SeeingNetwork()
    boxes = Faces.from_boxes([(85, 80, 155, 160)])
    seeing(network, doubt_without_eyes=100.0).describe(batch(boxes))
    assert network.looks >= 12
    certain = SeeingNetwork()
    seeing(certain).describe(batch(boxes))
    assert certain.looks <= 3


def test_a_shape_that_is_no_face_is_absent() -> None:
    """The network is sure, but its points fit no face."""
    rng = np.random.default_rng(2)
    scattered = rng.permutation(FACE)
    scattered[[33, 263]] = FACE[[33, 263]]
    columns = seeing(SeeingNetwork(scattered)).describe(batch(Faces.from_boxes([(85, 80, 155, 160)])))
    assert columns["presence"].values[0] < 0.01
    assert columns["landmarks"].abstained.all()


def test_absent_faces_keep_presence_and_say_why() -> None:
    faces = Faces.from_boxes([(85, 80, 155, 160), (-900, -900, -800, -800)])
    columns = seeing(SeeingNetwork()).describe(batch(faces))
    assert columns["landmarks"].abstained.tolist() == [False, True]
    assert columns["landmarks"].reasons == (None, "the mesh sees no face here: presence 0.00 is below 0.5")
    assert columns["alignment"].abstained.tolist() == [False, True]
    assert np.isfinite(columns["presence"].values).all()


@pytest.mark.parametrize(("score", "aligned"), [(0.9, True), (0.7, False)])
def test_a_sure_detector_aligns_what_the_mesh_does_not_see(score: float, aligned: bool) -> None:
    points = np.arange(10, dtype=np.float32).reshape(1, 5, 2)
    names = ALIGNMENT_NAMES[::-1]
    box = [(-900, -900, -800, -800)]
    faces = Faces.from_boxes(box, scores=[score], keypoints=points, keypoint_names=names)
    columns = seeing(SeeingNetwork()).describe(batch(faces))
    assert columns["landmarks"].abstained.tolist() == [True]
    assert columns["alignment"].abstained.tolist() == [not aligned]
    if aligned:
        np.testing.assert_array_equal(columns["alignment"].values, points[:, ::-1])
        assert columns["alignment"].reasons == ()
    lost = Faces.from_boxes(box, scores=[score], keypoints=points * np.nan, keypoint_names=names)
    assert "sees no face" in (seeing(SeeingNetwork()).describe(batch(lost))["alignment"].reasons[0] or "")


def test_a_card_without_a_param_is_refused() -> None:
    with pytest.raises(CardError, match=r"lacks params\.tolerance"):
        seeing(SeeingNetwork(), tolerance=None)


def test_another_network_is_refused() -> None:
    with pytest.raises(ModelError, match="478 points"):
        seeing(SeeingNetwork(FACE[:468])).describe(batch(Faces.from_boxes([(85, 80, 155, 160)])))


# --- with weights, on real faces --------------------------------------------------------------------------------------


def all_found() -> Mapping[str, Faces]:
    return {file: found(photo(f"landmarks68_boxes/{file}")) for file in marked_faces()}


def _one_mesh(name: str) -> NDArray[np.float32]:
    image = photo(name)
    return np.asarray(described([image], [found(image).top(1)], "facemesh").landmarks.values[0])


@real_test
@pytest.mark.parametrize("eyes", [True, False], ids=["box and eyes", "box alone"])
def test_points_are_where_people_marked_them(eyes: bool) -> None:
    wrong = []
    for file, faces, marks in meshes.at_marks(all_found()):
        image = photo(f"landmarks68_boxes/{file}")
        face = described([image], [faces if eyes else meshes.boxes_only(faces)], "facemesh")
        wrong.append(errors(face.landmarks.values[0], marks).mean())
        assert face.presence.values[0] > 0.9, file
    assert len(wrong) == 43
    assert np.mean(wrong) < 0.048  # measured: 0.044; of the eye distance, 51 points, half of the faces below 45 px
    assert np.max(wrong) < 0.11


@pytest.mark.weights
def test_runs_at_full_precision() -> None:
    """bf16 moves points by up to 2.8 % of the distance of the eyes."""
    assert runner("facemesh")._session.precision == "f32"


@real_test
def test_no_half_pixel_is_lost() -> None:
    """A shift of half a pixel would show in the mean over all points, which the noise of single ones leaves alone."""
    shifts = []
    for file, faces, marks in meshes.at_marks(all_found()):
        face = described([photo(f"landmarks68_boxes/{file}")], [faces], "facemesh")
        shifts.append((face.landmarks.values[0][meshes.INNER_POINTS, 0] - marks[17:, 0]).mean())
    assert abs(np.mean(shifts)) < 0.2  # pixels; only x, where the faces' own symmetry cancels what is marked otherwise


@real_test
def test_z_points_away_from_the_camera() -> None:
    face = described(
        [photo("pose/image00050.jpg")], [found(photo("pose/image00050.jpg"))], "facemesh"
    ).landmarks.values[0]
    nose, *others = face[[1, 10, 152, 33, 263, 127, 356], 2]
    assert all(nose < other for other in others)
    eyes = abs(face[263, 0] - face[33, 0])
    assert 0.2 * eyes < face[[127, 356], 2].mean() - nose < 1.5 * eyes  # the scale of x


@real_test
def test_alone_or_among_others_is_the_same() -> None:
    images = [photo("landmarks68_boxes/2008_002470.jpg"), photo("pose/image00050.jpg")]
    faces = [found(image) for image in images]
    together = described(images, faces)
    rows = [(image, part[[i]]) for image, part in zip(images, faces, strict=True) for i in range(len(part))]
    assert len(rows) == len(together) > 4
    for row, (image, part) in enumerate(rows):
        alone = described([image], [part])
        for name in ("landmarks", "presence", "alignment", "pose", "blendshapes"):
            np.testing.assert_array_equal(getattr(alone, name).values[0], getattr(together, name).values[row])


@real_test
def test_no_faces_give_empty_columns() -> None:
    nobody = described([photo("pose/image00050.jpg")], [Faces.empty()])
    assert nobody.landmarks.shape == (0, 478, 3)
    assert nobody.presence.shape == (0,)
    assert nobody.alignment.shape == (0, 5, 2)
    assert nobody.alignment.names == ALIGNMENT_NAMES
    assert nobody.pose.shape == (0, 3)
    assert nobody.blendshapes.shape == (0, 52)


@real_test
@pytest.mark.parametrize("degrees", [0, 90, 180, 270])
def test_finds_the_face_of_a_photo_on_its_side(degrees: int) -> None:
    """Detectors put the eyes of such faces anywhere; the mesh finds them by itself."""
    image = photo("rotated/rot_0.jpg")
    upright = found(image).top(1)
    wanted = described([image], [upright], "facemesh").landmarks.xy[0]
    turned, boxes, m = meshes.rotated(image, meshes.boxes_only(upright), degrees)
    face = described([turned], [boxes], "facemesh")
    expected = wanted @ m[:, :2].T + m[:, 2]
    eyes = np.linalg.norm(wanted[33] - wanted[263])
    assert np.linalg.norm(face.landmarks.xy[0] - expected, axis=1).mean() < 0.06 * eyes
    assert face.presence.values[0] > 0.9


@real_test
def test_a_mirrored_face_has_its_points_mirrored() -> None:
    image = photo("pose/image00081.jpg")
    faces = found(image).top(1)
    other_image, other_faces = meshes.mirrored(image, faces)
    five = described([image], [faces], "facemesh").alignment.values[0]
    mirror = described([other_image], [other_faces], "facemesh").alignment.values[0]
    swapped = (mirror * [-1, 1] + [image.shape[1] - 1, 0])[[1, 0, 2, 4, 3]]
    eyes = np.linalg.norm(five[0] - five[1])
    assert np.linalg.norm(swapped - five, axis=1).max() < 0.08 * eyes


@real_test
def test_small_faces_keep_their_place() -> None:
    """The same face at 20 pixels: presence says less of it, the points stay about where they were."""
    import cv2

    image = photo("pose/image00050.jpg")
    faces = found(image).top(1)
    wanted = described([image], [faces], "facemesh").landmarks.xy[0]
    scale = 20 / float(faces.widths[0])
    small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA).astype(np.uint8)
    face = described([small], [Faces.from_boxes(faces.boxes * scale)], "facemesh")
    assert face.presence.values[0] > 0.5
    shift = face.landmarks.xy[0] / scale - wanted
    assert np.linalg.norm(shift, axis=1).mean() < 0.15 * np.linalg.norm(wanted[33] - wanted[263])


@real_test
def test_abstains_where_no_face_is() -> None:
    image = photo("video_frames/" + sorted(path.name for path in (DATA / "video_frames").glob("*.jpg"))[0])
    height, width = image.shape[:2]
    sky = np.linspace(40, 220, 200 * 200 * 3, dtype=np.uint8).reshape(200, 200, 3)
    grass = np.array([[0, 0, 60, 60], [width - 80, height - 80, width, height]], np.float32)
    hostile = np.array(
        [
            [10, 10, 11, 11],  # a pixel
            [50, 50, 50, 50],  # nothing
            [-500, -500, -400, -400],  # outside
            [width - 5, height - 5, width + 400, height + 400],  # nearly
            [0, 0, width, 2],  # a line
            [-1e6, -1e6, 1e6, 1e6],  # everything and far more
        ],
        np.float32,
    )
    images = [image, sky, image]
    parts = [Faces.from_boxes(grass), Faces.from_boxes([[20, 20, 180, 180]]), Faces.from_boxes(hostile)]
    faces = described(images, parts)
    assert (faces.presence.values < 0.5).all()
    for column in (faces.landmarks, faces.alignment, faces.pose, faces.blendshapes):
        assert column.abstained.all()
        assert all("presence" in (reason or "") for reason in column.reasons)


@real_test
def test_presence_tells_faces_from_the_detector_s_mistakes() -> None:
    """A bun, a plush toy, blurred foliage. (The dog of dogs.jpg passes: the mesh knows nothing but people.)"""
    kept, rejected, mistakes = 0, 0, 0
    for file, marks in noses().items():
        image = photo(f"detect_noses/{file}")
        faces = found(image, min_score=0.3)
        if not len(faces):
            continue
        near = np.linalg.norm(faces.with_alignment().alignment.values[:, 2, None] - marks[None], axis=2).min(
            axis=1, initial=np.inf
        )
        right = near * 1000 < 45 * image.shape[1]
        present = described([image], [faces], "facemesh").presence.values >= 0.5
        kept += int((right & present).sum())
        rejected += int((~right & ~present).sum())
        mistakes += int((~right).sum())
    assert kept == 28
    assert mistakes >= 5
    assert rejected >= mistakes - 1


@real_test
def test_a_face_cut_by_the_border_keeps_its_points() -> None:
    image = photo("pose/image00050.jpg")
    whole = found(image).top(1)
    wanted = described([image], [whole], "facemesh").landmarks.xy[0]
    cut = np.ascontiguousarray(image[:, : int(whole.centers[0, 0] + whole.widths[0] * 0.3)])
    face = described([cut], [whole], "facemesh")
    assert face.presence.values[0] > 0.5
    inside = wanted[:, 0] < cut.shape[1] - 5
    eyes = np.linalg.norm(wanted[33] - wanted[263])
    assert np.linalg.norm(face.landmarks.xy[0] - wanted, axis=1)[inside].mean() < 0.1 * eyes
