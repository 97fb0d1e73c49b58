"""The canonical face: its file, hostile bytes in its place, and fits to meshes of known pose."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mien.core.errors import ModelError, ShapeMismatch
from mien.core.geometry import angles, rotation_matrix
from mien.location.canonical import CanonicalFace
from tests.core.test_protobuf import varint
from tests.location import meshes

ANGLES = st.tuples(st.floats(-80, 80), st.floats(-80, 80), st.floats(-179, 179))


def field(number: int, payload: bytes | int | float) -> bytes:
    if isinstance(payload, bytes):
        return varint(number << 3 | 2) + varint(len(payload)) + payload
    if isinstance(payload, int):
        return varint(number << 3) + varint(payload)
    return varint(number << 3 | 5) + struct.pack("<f", payload)


def message(
    rows: NDArray[np.float64], triangles: list[int], weights: dict[int, float], *, source: int | None = 1
) -> bytes:
    mesh = field(1, 0) + field(2, 0)
    mesh += b"".join(field(3, float(value)) for value in rows.ravel())
    mesh += b"".join(field(4, index) for index in triangles)
    basis = b"".join(field(2, field(1, index) + field(2, weight)) for index, weight in weights.items())
    return field(1, mesh) + basis + (b"" if source is None else field(3, source))


def random_rows(count: int = 6, seed: int = 0) -> NDArray[np.float64]:
    return np.random.default_rng(seed).normal(size=(count, 5)) * 5


def random_face(count: int = 30, seed: int = 0) -> CanonicalFace:
    """A shape without any symmetry, so that a swapped axis or a mirror image cannot hide."""
    rng = np.random.default_rng(seed)
    return CanonicalFace(
        vertices=(rng.normal(size=(count, 3)) * [7, 9, 4]).astype(np.float32),
        uv=rng.random((count, 2)).astype(np.float32),
        triangles=np.zeros((0, 3), np.int32),
        weights=rng.random(count).astype(np.float32),
    )


def posed(face: CanonicalFace, yaw_pitch_roll: NDArray[np.float64], scale: float) -> NDArray[np.float64]:
    rotation = rotation_matrix(yaw_pitch_roll).astype(np.float64)
    return np.asarray(scale * face.vertices @ np.swapaxes(rotation, -1, -2) + [300.0, -40.0, 12.0])


def test_reads_what_was_written() -> None:
    rows = random_rows()
    face = CanonicalFace.from_bytes(message(rows, [0, 1, 2, 3, 4, 5], {1: 0.5, 4: 2.0}))
    np.testing.assert_allclose(face.vertices, rows[:, :3] * [1, -1, -1], rtol=1e-6)
    np.testing.assert_allclose(face.uv, rows[:, 3:], rtol=1e-6)
    assert face.triangles.tolist() == [[0, 1, 2], [3, 4, 5]]
    assert face.weights.tolist() == [0, 0.5, 0, 0, 2.0, 0]


def test_skips_fields_that_it_does_not_know() -> None:
    data = message(random_rows(), [0, 1, 2], {0: 1.0})
    extra = field(9, 7) + field(10, b"later") + varint(11 << 3 | 1) + bytes(8)
    assert CanonicalFace.from_bytes(extra + data + extra).weights[0] == 1


@pytest.mark.parametrize(
    "data",
    [
        b"",
        message(random_rows(), [0, 1, 2], {0: 1.0})[:-1],
        message(random_rows(), [0, 1, 2], {0: 1.0}) * 2,
        message(random_rows(), [0, 1, 6], {0: 1.0}),
        message(random_rows(), [0, 1], {0: 1.0}),
        message(random_rows(), [0, 1, 2], {6: 1.0}),
        message(random_rows(), [0, 1, 2], {0: -1.0}),
        message(random_rows(), [0, 1, 2], {}),
        message(np.full((2, 5), np.nan), [0, 1, 1], {0: 1.0}),
        message(np.zeros((0, 5)), [], {}),
        field(1, 3),
        field(1, field(3, 3)),
        field(1, field(3, 1.0) * 5 + field(4, 1.0) * 3),
        b"\xff" * 64,
        b"\x0b",
        b"\x0a\xff\xff\xff\xff\x0f",
    ],
    ids=[
        *("empty", "cut", "two meshes", "triangle out of range", "half a triangle", "weight out of range"),
        *("negative weight", "no weights", "not finite", "no vertices", "number for a message", "whole for real"),
        *("real for whole", "endless number", "old wire type", "longer than the file"),
    ],
)
def test_refuses_what_is_no_canonical_face(data: bytes) -> None:
    with pytest.raises(ModelError, match=r"malformed: .+\.$"):
        CanonicalFace.from_bytes(data)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        face = CanonicalFace.from_bytes(data)
    except ModelError:
        return
    assert len(face.vertices) == len(face.uv) == len(face.weights)


@given(st.data())
def test_a_changed_byte_is_read_or_refused(data: st.DataObject) -> None:
    whole = bytearray(message(random_rows(), [0, 1, 2, 3, 4, 5], {1: 0.5}))
    whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        face = CanonicalFace.from_bytes(bytes(whole))
    except ModelError:
        return
    assert face.triangles.size == 0 or face.triangles.max() < len(face.vertices)


def test_refuses_large_and_missing_files(tmp_path: Path) -> None:
    large = tmp_path / "large.binarypb"
    large.write_bytes(bytes(2 << 20))
    with pytest.raises(ModelError, match="too large"):
        CanonicalFace.read(large)
    with pytest.raises(ModelError, match="cannot be read"):
        CanonicalFace.read(tmp_path / "none.binarypb")


@given(ANGLES, st.floats(0.01, 1000), st.integers(0, 50))
def test_fit_finds_turn_and_scale(pose: tuple[float, float, float], scale: float, seed: int) -> None:
    face = random_face(seed=seed)
    fit = face.fit(posed(face, np.array([pose]), scale))
    np.testing.assert_allclose(fit.rotation[0], rotation_matrix(pose), atol=1e-4)
    np.testing.assert_allclose(fit.scale, scale, rtol=1e-4)
    assert fit.misfit[0] < 0.05


@given(ANGLES, st.integers(0, 50))
def test_fit_is_never_a_reflection(pose: tuple[float, float, float], seed: int) -> None:
    face = random_face(seed=seed)
    fit = face.fit(posed(face, np.array([pose]), 3.0) * [-1, 1, 1])
    np.testing.assert_allclose(np.linalg.det(fit.rotation), 1, atol=1e-9)
    assert fit.misfit[0] > 0.1


@given(ANGLES, st.integers(0, 50))
def test_fit_of_a_reflection_is_the_best_rotation(pose: tuple[float, float, float], seed: int) -> None:
    """Which axis gives way to a reflection is not free: another one leaves more of the points apart."""
    face = random_face(seed=seed)
    measured = posed(face, np.array([pose]), 3.0)[0] * [-1, 1, 1]
    weights = face.weights / face.weights.sum()
    centred = face.vertices - weights @ face.vertices
    best, _ = Rotation.align_vectors(measured - weights @ measured, centred, weights=weights)
    np.testing.assert_allclose(face.fit(measured[None]).rotation[0], best.as_matrix(), atol=1e-4)


def test_fit_of_many_is_the_fit_of_each() -> None:
    face = random_face()
    poses = np.array([[10.0, 20, 30], [-50, 5, 170], [0, 0, 0]])
    points = posed(face, poses, 5.0)
    together = face.fit(points)
    for row in range(3):
        alone = face.fit(points[row : row + 1])
        np.testing.assert_allclose(alone.rotation[0], together.rotation[row], atol=1e-12)
    assert face.fit(points[:0]).rotation.shape == (0, 3, 3)


def test_fit_without_extent_or_without_numbers() -> None:
    face = random_face()
    points = posed(face, np.zeros((3, 3)), 5.0)
    points[0], points[1] = 7.0, np.nan
    fit = face.fit(points)
    assert fit.scale[0] == 0
    assert fit.misfit[0] == np.inf
    assert np.isnan(fit.rotation[1]).all()
    assert np.isnan(fit.misfit[1])
    np.testing.assert_allclose(fit.scale[2], 5, rtol=1e-5)


def test_fit_needs_all_vertices() -> None:
    with pytest.raises(ShapeMismatch, match="30 or more"):
        random_face().fit(np.zeros((1, 29, 3)))


@pytest.mark.weights
def test_the_real_one() -> None:
    face = CanonicalFace.read(meshes.canonical_path())
    assert face.vertices.shape == (468, 3)
    assert face.triangles.shape == (898, 3)
    assert (face.weights > 0).sum() == 33
    right_eye, left_eye, nose, chin, forehead = face.vertices[[33, 263, 1, 152, 10]]
    assert right_eye[0] < 0 < left_eye[0]  # the subject's right is on the picture's left
    assert forehead[1] < right_eye[1] < nose[1] < chin[1]  # y down
    assert nose[2] < min(right_eye[2], chin[2])  # z away from the camera: the nose is nearest to it
    assert 8 < left_eye[0] - right_eye[0] < 10  # centimetres
    assert face.uv[10, 1] < face.uv[152, 1]  # v down
    assert face.uv[33, 0] < face.uv[263, 0]
    corners = face.vertices[face.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    assert (normals[:, 2] < 0).mean() > 0.9  # out of the head, towards the camera
    turned = posed(face, np.array([[35.0, -20.0, 15.0]]), 11.0)
    np.testing.assert_allclose(angles(face.fit(turned).rotation), [[35, -20, 15]], atol=1e-3)
