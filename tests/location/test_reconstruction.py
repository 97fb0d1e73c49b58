"""Textured faces: colours come back where they were seen, the rest from the other half, motions as they were."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import mien
from mien import assets
from mien.core.columns import Angles, Scores
from mien.core.errors import NoFace, ShapeMismatch, SourceError, StorageError, UsageError
from mien.core.geometry import rotation_matrix
from mien.core.image import save_image
from mien.core.mesh import Topology, warp_mesh
from mien.location.frontal import View, draw_frontal
from mien.location.morphs import by_blendshapes, principal
from mien.location.reconstructing import _around
from mien.location.reconstruction import Reconstruction, fuse, mark_of
from mien.location.relief import relief
from mien.location.unwrapping import Texture, blend, fill, mirrored_fill, over_texture, unwrap
from mien.media.provenance import Provenance
from mien.media.video import open_video

SIDE = 24  # vertices along a side of the dome


def dome() -> Topology:
    """Half a ball of 70 mm that bulges towards the viewer, with enough points for the layout of the mesh."""
    v, u = np.mgrid[0 : 1 : SIDE * 1j, 0 : 1 : SIDE * 1j]
    x, y = (2 * u - 1) * 0.7, (2 * v - 1) * 0.7
    vertices = 70 * np.stack([x, y, -np.sqrt(1 - x**2 - y**2)], axis=-1).reshape(-1, 3)
    first = (np.arange(SIDE - 1)[:, None] * SIDE + np.arange(SIDE - 1)).ravel()
    # Counter-clockwise as seen: down, then right.
    triangles = np.concatenate(
        [np.stack([first, first + SIDE, first + 1], 1), np.stack([first + 1, first + SIDE, first + SIDE + 1], 1)]
    )
    uv = np.stack([0.05 + 0.9 * u, 0.05 + 0.9 * v], axis=-1).reshape(-1, 2)
    return Topology(vertices.astype(np.float32), triangles.astype(np.int32), uv.astype(np.float32))


DOME = dome()


def painted(size: int = 96) -> Any:
    """Smooth colours, another in each corner."""
    v, u = np.mgrid[0:size, 0:size] / size
    return np.stack([60 + 120 * u, 60 + 120 * v, 150 - 60 * u * v], axis=-1).astype(np.uint8)


def photo(yaw: float, texture: Any) -> tuple[Any, Any]:
    """The dome, turned, before a green wall; and its points in the picture."""
    points = 2.0 * DOME.vertices.astype(float) @ rotation_matrix((yaw, 0, 0)).T + [150, 150, 0]
    uv = DOME.uv * len(texture) - 0.5
    image, mask = warp_mesh(texture, uv, points, DOME.triangles, (300, 300))
    return np.where(mask[..., None], image, np.uint8([0, 200, 0])), points


def made(yaw: float = 0.0, texture: Any = None, **changes: Any) -> Reconstruction:
    texture = painted() if texture is None else texture
    image, points = photo(yaw, texture)
    parts: dict[str, Any] = {
        "landmarks": DOME.vertices,
        "topology": DOME,
        "unwrapped": unwrap(image, points, DOME, len(texture)),
        "view": View.of(image, points, DOME.vertices),
        "pose": Angles(np.float32([[yaw, 0, 0]]))[0],
        "blendshapes": Scores(np.float32([[0.5]]), names=("jawOpen",))[0],
        "provenance": mark_of(Provenance()),
    }
    return Reconstruction(**{**parts, **changes})


def test_colours_go_into_the_texture_and_back() -> None:
    texture = painted()
    seen = made(texture=texture).unwrapped
    sure = seen.seen > 0.9
    assert sure.mean() > 0.4
    assert np.abs(seen.image.astype(int) - texture)[sure].mean() < 2


def test_what_is_turned_away_is_not_seen_and_comes_from_the_other_half_in_its_own_light() -> None:
    # The right half is twice as bright, as by a lamp.
    texture = painted()
    lit = texture // 2
    lit[:, 48:] = texture[:, 48:]
    face = made(45.0, lit)
    left, right = face.seen[20:76, 8:30].mean(), face.seen[20:76, 66:88].mean()
    assert min(left, right) < 0.3 < 0.8 < max(left, right)
    assert face.texture.shape == texture.shape
    green = (face.texture[..., 1].astype(int) - face.texture[..., 0] > 100).mean()
    assert green < 0.01  # nothing of the wall
    sure = face.seen >= 1
    np.testing.assert_array_equal(face.texture[sure], face.unwrapped.image[sure])


def test_a_symmetric_picture_fills_itself_and_what_nobody_saw_is_smooth() -> None:
    image = np.full((32, 32, 3), (10, 20, 30), np.uint8)
    image[:, :16] = (200, 150, 100)
    seen = np.zeros((32, 32), np.float32)
    seen[8:24, :16] = 1
    np.testing.assert_allclose(mirrored_fill(image, seen), np.full((32, 32, 3), (200, 150, 100)), atol=1)
    assert mirrored_fill(image, np.zeros((32, 32), np.float32)).shape == image.shape
    np.testing.assert_array_equal(mirrored_fill(image, np.ones((32, 32), np.float32)), image)


def test_textures_are_blended_by_what_each_sees_in_the_light_of_the_first() -> None:
    texture = painted()
    left, right = made(40.0, texture).unwrapped, made(-40.0, np.asarray(texture // 2)).unwrapped
    both = blend([left, right])
    assert (both.seen >= np.maximum(left.seen, right.seen) - 1e-6).all()
    sure = (np.abs(left.seen - right.seen) > 0.5) & (both.seen > 0.9)
    assert np.abs(both.image.astype(int) - texture)[sure].mean() < 12
    assert blend([left]) is left
    with pytest.raises(UsageError, match="no textures"):
        blend([])


def test_a_view_places_points_where_they_were_seen() -> None:
    _, points = photo(30.0, painted())
    view = View.of(np.zeros((300, 300, 3), np.uint8), points, DOME.vertices)
    np.testing.assert_allclose(view.place(DOME.vertices.astype(float)), points, atol=1e-3)
    np.testing.assert_allclose([view.scale, *view.position], [2, 150, 150, 0], atol=1e-4)


def test_a_turned_face_looks_at_the_camera_with_left_on_the_left() -> None:
    for yaw in (-25.0, 0.0, 25.0):
        front = made(yaw).frontal(size=128, background=(255, 0, 255))
        image = front.image.astype(int)
        inside = front.face > 0.99
        assert inside[72, 64]
        assert (image[0, 0] == (255, 0, 255)).all()
        row = np.flatnonzero(inside[72])
        assert image[72, row[-4], 0] - image[72, row[3], 0] > 60  # red grows to the right, as in the texture
        assert front.seen.min() >= 0
        assert front.seen.max() <= 1
    around = made(25.0).frontal(size=128)
    wall = around.image[5, 5].astype(int)
    assert wall[1] - wall[0] > 100  # the wall stands behind


def test_bumps_are_found_where_light_falls_from_a_side(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mien.location.relief.PAINTED", ())  # the dome has no eyes
    size = 128
    normals = np.nan_to_num(over_texture(DOME, DOME.normals(), size))
    v, u = np.mgrid[0:size, 0:size] / size
    slope = 0.3 * np.cos(2 * np.pi * 40 * u) * ((u > 0.3) & (u < 0.7) & (v > 0.3) & (v < 0.7))
    bent = normals + np.stack([slope, 0 * slope, 0 * slope], axis=-1)
    bent /= np.linalg.norm(bent, axis=2, keepdims=True) + 1e-9
    shade = (0.5 + bent @ np.array([0.35, 0.05, -0.15])).clip(0.02, 1)
    image = np.repeat((255 * shade ** (1 / 2.2))[..., None], 3, axis=2).astype(np.uint8)
    found = relief(Texture(image, np.ones((size, size), np.float32)), DOME.vertices, DOME)
    middle = found.tilts[45:83, 45:83, 0]
    assert np.corrcoef(middle.ravel(), slope[45:83, 45:83].ravel())[0, 1] > 0.8
    assert np.abs(found.tilts[45:83, 45:83, 1]).mean() < 0.3 * np.abs(middle).mean()
    assert found.normals.shape == (size, size, 3)
    assert (found.normals[2, 2] == (128, 128, 255)).all()
    nothing = relief(Texture(image, np.zeros((size, size), np.float32)), DOME.vertices, DOME)
    assert not nothing.tilts.any()


@given(st.integers(1, 12), st.integers(0, 3), st.integers(0, 99))
def test_principal_morphs_give_the_frames_back(frames: int, kinds: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    points = rng.normal(size=(1, 9, 3)) * 40 + np.tensordot(
        rng.normal(size=(frames, kinds)), rng.normal(size=(kinds, 9, 3)), 1
    )
    morphs = principal(points, np.zeros((frames, 0)), (), tolerance=1e-6)
    assert len(morphs.names) <= min(kinds, max(frames - 1, 0))
    assert np.abs(morphs.weights).max(initial=0) <= 1 + 1e-9
    np.testing.assert_allclose(morphs.frames(), points, atol=1e-5)
    assert morphs.error <= 1e-6


def test_fewer_morphs_leave_no_more_than_the_tolerance() -> None:
    rng = np.random.default_rng(1)
    points = rng.normal(size=(50, 9, 3)) * np.geomspace(3, 0.01, 50)[:, None, None]
    morphs = principal(points, np.zeros((50, 0)), (), tolerance=0.3)
    assert 0 < len(morphs.names) < 20
    left = np.sqrt(((morphs.frames() - points) ** 2).sum(axis=2).mean())
    assert morphs.error == pytest.approx(left)
    assert left <= 0.3
    assert morphs.names[0] == "motion_01"


def test_blendshape_morphs_are_what_a_face_does_by_its_coefficients() -> None:
    rng = np.random.default_rng(2)
    targets, rest = rng.normal(size=(2, 9, 3)), rng.normal(size=(9, 3)) * 40
    weights = np.column_stack([np.zeros(200), rng.random((200, 2))])
    points = rest + np.tensordot(weights[:, 1:], targets, axes=1)
    morphs = by_blendshapes(points, weights, ("_neutral", "jawOpen", "mouthPucker"))
    assert morphs.names == ("jawOpen", "mouthPucker")
    np.testing.assert_allclose(morphs.targets, targets, atol=0.05)
    np.testing.assert_allclose(morphs.rest, rest, atol=0.05)
    with pytest.raises(ShapeMismatch, match="3 coefficients in 200 frames"):
        by_blendshapes(points, weights[:, :2], ("_neutral", "jawOpen", "mouthPucker"))
    with pytest.raises(UsageError, match="one or more frames"):
        principal(points[:0], weights, ())


def test_faces_of_one_person_are_fused_by_medians() -> None:
    rng = np.random.default_rng(0)
    parts = []
    for size in (0.95, 1.0, 1.05, 1.0, 1.0):
        noisy = (size * (DOME.vertices + rng.normal(scale=2, size=DOME.vertices.shape))).astype(np.float32)
        parts.append(made(10.0, landmarks=noisy))
    one = fuse(parts)
    off = [np.sqrt(((part.landmarks - DOME.vertices) ** 2).sum(axis=1).mean()) for part in (one, *parts)]
    assert off[0] < 0.75 * min(off[1:])
    with pytest.raises(UsageError, match="no faces"):
        fuse([])
    with pytest.raises(UsageError, match="differ in size"):
        fuse(
            [
                parts[0],
                replace(parts[1], unwrapped=Texture(np.zeros((8, 8, 3), np.uint8), np.zeros((8, 8), np.float32))),
            ]
        )


def test_files_are_marked_and_wrong_calls_refused(tmp_path: Path) -> None:
    face = made()
    assert [path.name for path in face.save(tmp_path / "a.obj")] == ["a.obj", "a.mtl", "a_texture.png"]
    face.save_texture(tmp_path / "t.png")
    face.frontal(size=64).save(tmp_path / "f.jpg")
    for name in ("a_texture.png", "t.png", "f.jpg"):
        mark = mien.provenance(tmp_path / name)
        assert mark.source_type == "compositeSynthetic"
        assert mark.synthetic
    assert mark_of(Provenance("trainedAlgorithmicMedia", "x", ("net",))).source_type == "trainedAlgorithmicMedia"
    assert "98 x 98" in repr(face)
    with pytest.raises(UsageError, match="written as"):
        face.save(tmp_path / "a.fbx")
    with pytest.raises(UsageError, match="side of 16"):
        face.frontal(size=2)
    with pytest.raises(UsageError, match="a background is"):
        face.frontal(background=(0, 0, 999))
    with pytest.raises(StorageError):
        face.frontal(size=32).save(tmp_path / "none" / "f.png")
    with pytest.raises(UsageError, match="a texture has"):
        mien.reconstruct("a.jpg", size=5)
    with pytest.raises(UsageError, match="no morphs"):
        mien.reconstruct("a.jpg", morphs="none")


def test_a_face_of_photos_and_made_pictures_is_a_composite_of_all_models() -> None:
    by = [made(provenance=mark_of(Provenance(kind, "x", (net,)))) for kind, net in (
        ("trainedAlgorithmicMedia", "one"), ("trainedAlgorithmicMedia", "two"), (None, "three"))]  # fmt: skip
    assert fuse(by[:2]).provenance.source_type == "trainedAlgorithmicMedia"
    mark = fuse(by).provenance
    assert mark.source_type == "compositeSynthetic"
    assert sorted(mark.models) == ["facemesh", "one", "three", "two"]


def test_the_inside_of_a_mouth_is_the_picture_s_own(monkeypatch: pytest.MonkeyPatch) -> None:
    v, u = np.divmod(np.arange(SIDE * SIDE), SIDE)
    mouth = np.flatnonzero((abs(v - 14) <= 1) & (abs(u - 12) <= 3))
    monkeypatch.setattr("mien.location.frontal.indices_of", lambda *_: mouth)
    image, points = photo(20.0, painted())
    view = View.of(np.full_like(image, 255), points, DOME.vertices)
    texture, seen = np.zeros((96, 96, 3), np.uint8), np.zeros((96, 96), np.float32)
    image, shown, face = draw_frontal(DOME.vertices, DOME, texture, seen, size=128, view=view, background=(0, 0, 9))
    teeth = (image == 255).all(axis=2)
    assert 100 < teeth.sum() < 0.2 * face.sum()
    assert (shown[teeth] == 1).all()
    assert (image[0, 0] == (0, 0, 9)).all()
    assert not shown[(face == 1) & ~teeth].any()


def test_beyond_the_edge_of_a_picture_nothing_is_seen() -> None:
    face = made(20.0)
    view = replace(face.view, image=face.view.image[:, :225].copy())
    front = replace(face, view=view).frontal(size=128)
    assert not front.seen[26, 105:].any()
    assert (front.seen[26, 40:80] == 1).all()
    wall = front.image[26, 105].astype(int)
    assert wall[1] - wall[0] > 60  # filled from what is seen


def test_what_is_kept_of_a_frame_shows_the_face_at_its_points() -> None:
    rows, columns = np.mgrid[:200, :240]
    image = np.stack([columns, rows, rows * 0], axis=-1).astype(np.uint8)
    points = np.array([[20, 70, 5], [50, 70, -5], [35, 90, 0]], np.float32)
    cut, placed = _around(image, points)
    assert cut.size < 0.4 * image.size
    x, y, z = placed.T
    np.testing.assert_array_equal(cut[y.astype(int), x.astype(int), :2], points[:, :2])
    np.testing.assert_array_equal(z, points[:, 2])


def test_a_frontal_without_a_picture_has_only_its_background() -> None:
    image, seen, face = draw_frontal(DOME.vertices, DOME, painted(), np.ones((96, 96), np.float32), size=64)
    assert (image[face == 0] == 127).all()
    assert (seen[face > 0.5] > 0.99).all()
    assert fill(Texture(painted(), np.ones((96, 96), np.float32))).image.shape == (96, 96, 3)


@pytest.mark.weights
def test_a_portrait_becomes_a_face_of_the_size_of_faces() -> None:
    (face,) = mien.reconstruct(assets.PEOPLE[0], size=128)
    width, height, depth = np.ptp(face.vertices, axis=0)
    assert 110 < width < 150
    assert 150 < height < 185
    assert 80 < depth < 115
    assert face.texture.shape == (128, 128, 3)
    assert face.landmarks.shape == (478, 3)
    assert 0.3 < face.seen.mean() < 0.7
    assert face.provenance.models[-1] == "facemesh"
    again = mien.analyze(face.frontal().image, want={"pose"}).top(1)
    assert abs(again.pose.yaw[0]) < 6
    assert mien.reconstruct(assets.LANDSCAPE) == ()


@pytest.mark.weights
def test_several_pictures_of_a_person_give_one_face() -> None:
    (face,) = mien.reconstruct(list(assets.PAIRS[0]), size=64)
    alone = [mien.reconstruct(path, size=64)[0] for path in assets.PAIRS[0]]
    assert face.seen.mean() >= max(one.seen.mean() for one in alone) - 1e-6
    with pytest.raises(NoFace, match=r"landscape\.jpg has no face"):
        mien.reconstruct([assets.PEOPLE[0], assets.LANDSCAPE], size=64)
    with pytest.raises(UsageError, match="the list is empty"):
        mien.reconstruct([])
    with pytest.raises(SourceError):
        mien.reconstruct("nowhere.jpg")


@pytest.mark.data
@pytest.mark.weights
def test_a_clip_becomes_a_face_that_moves(shared_data: Path, tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    for frame in islice(open_video(shared_data / "video" / "single_face.mp4"), 16):
        save_image(frame.image, tmp_path / "frames" / f"{frame.index:03}.bmp")
    (face,) = mien.reconstruct(open_video(tmp_path / "frames", fps=25), size=64)
    motion = face.motion
    assert motion is not None
    assert len(motion.times) == 16
    assert face.error <= 0.2
    assert 300 < motion.positions[:, 2].mean() < 1500
    assert face.track == 1
    face.save(tmp_path / "a.glb")
    # How many morphs the clip needs hangs by a hair, and so does the size of the file; but not what moves in it.
    data = (tmp_path / "a.glb").read_bytes()
    document = json.loads(data[20 : 20 + int.from_bytes(data[12:16], "little")])
    (animation,) = document["animations"]
    paths = {channel["target"]["path"] for channel in animation["channels"]}
    assert {"rotation", "translation"} <= paths
    assert ("weights" in paths) == bool(motion.names)
    assert {document["accessors"][sampler["input"]]["count"] for sampler in animation["samplers"]} == {16}
