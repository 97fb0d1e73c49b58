"""Meshes in files: what is read back is what was written, with left on the left; files are whole or absent."""

from __future__ import annotations

import io
import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from mien.core.errors import ShapeMismatch, StorageError, UsageError
from mien.core.geometry import rotation_matrix
from mien.core.mesh import Topology
from mien.media.gltf import quaternions
from mien.media.meshes import save_surface
from mien.media.provenance import Provenance, provenance
from mien.media.surfaces import Motion, Surface
from mien.media.watermark import embed

MARK = Provenance("algorithmicMedia", "mien 0", ("facemesh",))
SUFFIXES = (".glb", ".obj", ".ply")


def surface(*, motion: bool = False, relief: bool = False) -> Surface:
    """A lopsided patch of 5 vertices: its right half is red, a bump stands on its right."""
    vertices = np.float32([[-40, -30, 0], [40, -30, 0], [40, 50, 0], [-40, 50, 0], [20, 5, -25]])
    triangles = np.int32([[0, 4, 1], [1, 4, 2], [2, 4, 3], [3, 4, 0]])  # as seen, counter-clockwise
    uv = np.float32([[0.01, 0.01], [0.99, 0.01], [0.99, 0.99], [0.01, 0.99], [0.75, 0.45]])
    texture = np.zeros((8, 16, 3), np.uint8)
    texture[:, 8:, 0] = 250
    texture[:4, :, 1] = 99
    normals = Topology(vertices, triangles, uv).normals()
    moves = None
    if motion:
        rng = np.random.default_rng(3)
        turns = rotation_matrix(np.stack([np.linspace(-60, 60, 7), np.zeros(7), np.linspace(170, 190, 7)], axis=1))
        moves = Motion(
            np.float32([0, 0.04, 0.08, 0.5, 1, 2, 3]),
            rng.normal(size=(2, 5, 3)).astype(np.float32),
            ("open", "smile"),
            rng.normal(size=(7, 2)).astype(np.float32),
            turns,
            np.float32([[i, 2 * i, 600] for i in range(7)]),
        )
    picture = np.full((8, 8, 3), (128, 128, 255), np.uint8) if relief else None
    return Surface(vertices, triangles, uv, normals, texture, MARK, relief=picture, motion=moves, about={"face": 3})


class Glb:
    """Reads a file by the letter of the specification, and complains where it is not followed."""

    SIZES: ClassVar = {5123: ("<u2", 2), 5125: ("<u4", 4), 5126: ("<f4", 4)}

    def __init__(self, data: bytes) -> None:
        magic, version, length = struct.unpack_from("<4sII", data)
        assert (magic, version, length) == (b"glTF", 2, len(data))
        size, kind = struct.unpack_from("<I4s", data, 12)
        assert kind == b"JSON" and size % 4 == 0  # noqa: PT018
        self.json: dict[str, Any] = json.loads(data[20 : 20 + size])
        length, kind = struct.unpack_from("<I4s", data, 20 + size)
        assert kind == b"BIN\0" and length % 4 == 0  # noqa: PT018
        self.block = data[28 + size :]
        assert length == len(self.block) == self.json["buffers"][0]["byteLength"]
        ends = 0
        for view in self.json["bufferViews"]:
            assert view["byteOffset"] >= ends and view["byteOffset"] % 4 == 0  # noqa: PT018
            ends = view["byteOffset"] + view["byteLength"]
        assert ends <= length
        for number, accessor in enumerate(self.json["accessors"]):
            values = self.array(number)
            assert np.isfinite(values).all()
            if "min" in accessor:
                rows = values.reshape(len(values), -1)
                assert accessor["min"] == rows.min(axis=0).tolist()
                assert accessor["max"] == rows.max(axis=0).tolist()

    def view(self, number: int) -> bytes:
        view = self.json["bufferViews"][number]
        return self.block[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]

    def array(self, number: int) -> NDArray[Any]:
        accessor = self.json["accessors"][number]
        dtype, size = self.SIZES[accessor["componentType"]]
        width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3, "VEC4": 4}[accessor["type"]]
        data = self.view(accessor["bufferView"])
        assert len(data) == accessor["count"] * width * size
        rows = np.frombuffer(data, dtype)
        return rows if width == 1 else rows.reshape(-1, width)

    def picture(self, number: int) -> NDArray[np.uint8]:
        image = self.json["images"][number]
        assert image["mimeType"] == "image/png"
        return np.asarray(Image.open(io.BytesIO(self.view(image["bufferView"]))))


def read_obj(path: Path) -> dict[str, NDArray[Any]]:
    rows: dict[str, list[Any]] = {"v": [], "vt": [], "vn": [], "f": []}
    for line in path.read_text().splitlines():
        word, *rest = line.split() or [""]
        if word == "f":
            corners = [part.split("/") for part in rest]
            assert all(a == b == c for a, b, c in corners)
            rows[word].append([int(a) - 1 for a, _, _ in corners])
        elif word in rows:
            rows[word].append([float(part) for part in rest])
    return {name: np.array(values) for name, values in rows.items()}


def read_ply(path: Path) -> tuple[NDArray[Any], NDArray[Any]]:
    header, _, body = path.read_bytes().partition(b"end_header\n")
    lines = [line.split() for line in header.decode("ascii").splitlines()]
    assert lines[:2] == [["ply"], ["format", "binary_little_endian", "1.0"]]
    counts = {line[1]: int(line[2]) for line in lines if line[0] == "element"}
    types = {"float": "<f4", "uchar": "u1"}
    dtype = [(line[2], types[line[1]]) for line in lines if line[0] == "property" and line[1] != "list"]
    vertices = np.frombuffer(body, dtype, counts["vertex"])
    faces = np.frombuffer(body, [("n", "u1"), ("at", "<i4", 3)], counts["face"], vertices.nbytes)
    assert vertices.nbytes + faces.nbytes == len(body)
    return vertices, faces


def outside(vertices: NDArray[Any], triangles: NDArray[Any]) -> NDArray[Any]:
    """By the right hand rule: which way each triangle faces along z."""
    a, b, c = np.moveaxis(vertices[triangles].astype(float), 1, 0)
    return np.asarray(np.cross(b - a, c - a)[:, 2])


def test_glb_reads_back_in_metres_with_y_up_and_z_to_the_viewer(tmp_path: Path) -> None:
    made = surface()
    assert save_surface(made, tmp_path / "new" / "a.glb") == [tmp_path / "new" / "a.glb"]
    glb = Glb((tmp_path / "new" / "a.glb").read_bytes())
    (primitive,) = glb.json["meshes"][0]["primitives"]
    place = glb.array(primitive["attributes"]["POSITION"])
    np.testing.assert_allclose(place, made.vertices * (0.001, -0.001, -0.001), rtol=1e-6)
    np.testing.assert_array_equal(glb.array(primitive["attributes"]["TEXCOORD_0"]), made.uv)
    triangles = glb.array(primitive["indices"]).reshape(-1, 3)
    np.testing.assert_array_equal(triangles, made.triangles)
    normals = glb.array(primitive["attributes"]["NORMAL"])
    np.testing.assert_allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-5)
    assert (outside(place, triangles) > 0).all()
    assert (normals[:, 2] > 0).all()
    assert place[4, 0] > 0 and place[4, 2] > 0  # noqa: PT018 - the bump is on the right, before the patch
    np.testing.assert_array_equal(glb.picture(0), made.texture)
    assert glb.json["asset"]["version"] == "2.0"
    assert glb.json["asset"]["extras"]["face"] == 3
    assert "algorithmicMedia" in glb.json["asset"]["extras"]["provenance"]
    assert glb.json["extensionsUsed"] == ["KHR_materials_unlit"]
    assert provenance(glb.view(glb.json["images"][0]["bufferView"])).synthetic


def test_glb_moves(tmp_path: Path) -> None:
    made = surface(motion=True, relief=True)
    motion = made.motion
    assert motion is not None
    save_surface(made, tmp_path / "a.glb")
    glb = Glb((tmp_path / "a.glb").read_bytes())
    mesh, (animation,) = glb.json["meshes"][0], glb.json["animations"]
    assert mesh["extras"]["targetNames"] == ["open", "smile"]
    targets = [glb.array(target["POSITION"]) for target in mesh["primitives"][0]["targets"]]
    np.testing.assert_allclose(targets, motion.targets * (0.001, -0.001, -0.001), rtol=1e-6)
    curves = {}
    for channel in animation["channels"]:
        sampler = animation["samplers"][channel["sampler"]]
        np.testing.assert_array_equal(glb.array(sampler["input"]), motion.times)
        curves[channel["target"]["path"]] = glb.array(sampler["output"])
    np.testing.assert_array_equal(curves["weights"].reshape(7, 2), motion.weights)
    np.testing.assert_allclose(curves["translation"], motion.positions * (0.001, -0.001, -0.001), rtol=1e-6)
    assert ((curves["rotation"][1:] * curves["rotation"][:-1]).sum(axis=1) > 0).all()
    # Where the bump is, in each frame: by the file, and by our own axes flipped.
    x, y, z, w = curves["rotation"].T.astype(float)
    point = targets[0][4] * 0 + glb.array(mesh["primitives"][0]["attributes"]["POSITION"])[4]
    across = np.stack([x, y, z], axis=1)
    turned = point + 2 * w[:, None] * np.cross(across, point) + 2 * np.cross(across, np.cross(across, point))
    flipped = (motion.rotations @ made.vertices[4]) * (0.001, -0.001, -0.001)
    np.testing.assert_allclose(turned, flipped, atol=1e-6)
    assert glb.json["materials"][0]["normalTexture"] == {"index": 1}
    np.testing.assert_array_equal(glb.picture(1), made.relief)


def test_obj_reads_back_with_its_texture_beside_a_photo_of_its_name(tmp_path: Path) -> None:
    made, photo = surface(), tmp_path / "a.png"
    photo.write_bytes(b"what the mesh was made of")
    files = save_surface(made, tmp_path / "a.obj")
    assert [file.name for file in files] == ["a.obj", "a.mtl", "a_texture.png"]
    assert photo.read_bytes() == b"what the mesh was made of"
    assert sorted(tmp_path.iterdir()) == sorted([*files, photo])
    read = read_obj(tmp_path / "a.obj")
    np.testing.assert_allclose(read["v"], made.vertices * (1, -1, -1), rtol=1e-5)
    np.testing.assert_allclose(read["vt"], made.uv * (1, -1) + (0, 1), atol=1e-5)
    np.testing.assert_array_equal(read["f"], made.triangles)
    assert (outside(read["v"], read["f"]) > 0).all()
    assert "mtllib a.mtl" in (tmp_path / "a.obj").read_text()
    assert "map_Kd a_texture.png" in (tmp_path / "a.mtl").read_text()
    np.testing.assert_array_equal(np.asarray(Image.open(files[2])), embed(made.texture, "algorithmicMedia"))
    assert provenance(files[2]).synthetic
    assert "algorithmicMedia" in (tmp_path / "a.obj").read_text().splitlines()[0]


def test_ply_reads_back_with_colours(tmp_path: Path) -> None:
    made = surface()
    save_surface(made, tmp_path / "a.ply")
    vertices, faces = read_ply(tmp_path / "a.ply")
    place = np.stack([vertices[axis] for axis in "xyz"], axis=1)
    np.testing.assert_allclose(place, made.vertices * (1, -1, -1), rtol=1e-6)
    np.testing.assert_array_equal(faces["at"], made.triangles)
    assert (outside(place, faces["at"]) > 0).all()
    assert (vertices["red"] > 0).tolist() == [False, True, True, False, True]
    assert (vertices["green"] > 0).tolist() == [True, True, False, False, True]
    assert b"algorithmicMedia" in (tmp_path / "a.ply").read_bytes()


@given(st.lists(st.tuples(*[st.floats(-180, 180)] * 3), min_size=1, max_size=5))
def test_quaternions_turn_as_their_matrices(turns: list[tuple[float, float, float]]) -> None:
    matrices = rotation_matrix(turns).astype(float)
    x, y, z, w = quaternions(matrices).T.astype(float)
    back = np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w), 2 * (x * y + z * w),
                     1 - 2 * (x * x + z * z), 2 * (y * z - x * w), 2 * (x * z - y * w), 2 * (y * z + x * w),
                     1 - 2 * (x * x + y * y)], axis=1)  # fmt: skip
    np.testing.assert_allclose(back.reshape(-1, 3, 3), matrices, atol=2e-6)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"a{suffix}").mkdir()
    with pytest.raises(StorageError, match="cannot write"):
        save_surface(surface(), tmp_path / f"a{suffix}")
    assert [path.name for path in tmp_path.iterdir()] == [f"a{suffix}"]


def test_what_is_no_surface_is_refused(tmp_path: Path) -> None:
    made = surface(motion=True)
    assert made.motion is not None
    with pytest.raises(UsageError, match=r"written as \.glb, \.obj, \.ply"):
        save_surface(made, tmp_path / "a.stl")
    with pytest.raises(UsageError, match="not finite"):
        replace(made, vertices=made.vertices * np.float32(np.nan))
    with pytest.raises(UsageError, match="whose corners"):
        replace(made, triangles=made.triangles + 9)
    with pytest.raises(ShapeMismatch, match="uv of 5"):
        replace(made, uv=made.uv[:3])
    with pytest.raises(UsageError, match="rising"):
        replace(made.motion, times=made.motion.times[::-1])
    with pytest.raises(ShapeMismatch, match="weights of 7"):
        replace(made.motion, weights=made.motion.weights[:4])
    assert np.isfinite(replace(made, normals=made.normals * np.float32(np.nan)).outward).all()
