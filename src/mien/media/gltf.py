"""Binary glTF 2.0 (Khronos Group, *glTF 2.0 Specification*, 2021): one file with the mesh, its texture and its motion.

A surface becomes a node ``head`` with a mesh; its motion becomes morph targets and an animation of the node's rotation,
translation and weights. Without a motion the node has no transform: the face looks at the viewer, near the origin. With
one, the camera that saw it stands at the origin and looks along -z, as cameras do in glTF.
"""

from __future__ import annotations

import io
import json
import struct
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mien.core.image import Image
from mien.media.sinks import write_bytes
from mien.media.surfaces import FLIP, Motion, Surface
from mien.media.xmp import embed_packet

__all__ = ["quaternions", "write"]

MM: Final = np.float32(0.001)  # metres

_FLOAT, _USHORT, _UINT = 5126, 5123, 5125  # types of components
_VERTICES, _INDICES = 34962, 34963  # what a graphics card is to use a block for
_TYPES: Final = {1: "SCALAR", 2: "VEC2", 3: "VEC3", 4: "VEC4"}
_GLTF, _JSON, _BIN = 0x46546C67, 0x4E4F534A, 0x004E4942  # "glTF", "JSON", "BIN\0"


def quaternions(rotations: NDArray[np.floating[Any]]) -> NDArray[np.float32]:
    """Unit quaternions (T, 4), as x, y, z, w, of rotations (T, 3, 3); each on the side of the one before.

    Of q q^T, which the matrix gives linearly, the largest eigenvector: it has no case distinctions (Bar-Itzhack, *New
    method for extracting the quaternion from a rotation matrix*, Journal of Guidance, Control and Dynamics 2000).
    """
    R = np.asarray(rotations, np.float64)
    K = np.zeros((len(R), 4, 4))
    K[:, :3, :3] = R + np.swapaxes(R, 1, 2)
    trace = np.trace(R, axis1=1, axis2=2)
    K[:, :3, :3] -= trace[:, None, None] * np.eye(3)
    K[:, 3, 3] = trace
    for i, (j, k) in enumerate(((1, 2), (2, 0), (0, 1))):
        K[:, i, 3] = K[:, 3, i] = R[:, k, j] - R[:, j, k]
    q = np.linalg.eigh(K)[1][:, :, -1]
    if len(q):
        q[0] *= np.sign(q[0, 3]) or 1.0
        side = np.where((q[1:] * q[:-1]).sum(axis=1) < 0, -1.0, 1.0)
        q[1:] *= np.cumprod(side)[:, None]
    return q.astype(np.float32)


def write(surface: Surface, path: Path) -> None:
    """Write one file; see `mien.media.meshes.save_surface`."""
    write_bytes(path, _Document(surface).to_bytes())


class _Document:
    """The JSON of a file, and the block of bytes that it describes."""

    def __init__(self, surface: Surface) -> None:
        self._bytes = bytearray()
        self._views: list[dict[str, Any]] = []
        self._accessors: list[dict[str, Any]] = []
        primitive = self._primitive(surface)
        mesh: dict[str, Any] = {"name": "face", "primitives": [primitive]}
        node: dict[str, Any] = {"name": "head", "mesh": 0}
        provenance = surface.provenance
        self.json: dict[str, Any] = {
            "asset": {
                "version": "2.0",
                "generator": provenance.tool or "mien",
                "extras": {**surface.about, "provenance": provenance.to_comment(), "unit": "m"},
            },
            "scene": 0,
            "scenes": [{"nodes": [0]}],
            "nodes": [node],
            "meshes": [mesh],
            **self._looks(surface),
        }
        if surface.motion is not None:
            self.json["animations"] = [self._animate(surface.motion, mesh, node)]
        self.json |= {
            "accessors": self._accessors,
            "bufferViews": self._views,
            "buffers": [{"byteLength": len(self._bytes)}],
        }

    def to_bytes(self) -> bytes:
        """The file."""
        text = json.dumps(self.json, separators=(",", ":"), allow_nan=False).encode()
        text += b" " * (-len(text) % 4)
        chunks = struct.pack("<II", len(text), _JSON) + text + struct.pack("<II", len(self._bytes), _BIN) + self._bytes
        return struct.pack("<III", _GLTF, 2, 12 + len(chunks)) + chunks

    def _view(self, data: bytes, target: int | None = None) -> int:
        """Add bytes; the number of their view. Each begins, and the block ends, at a multiple of four."""
        view = {"buffer": 0, "byteOffset": len(self._bytes), "byteLength": len(data)}
        self._views.append(view if target is None else {**view, "target": target})
        self._bytes += data + bytes(-len(data) % 4)
        return len(self._views) - 1

    def _accessor(
        self, values: NDArray[Any], component: int, *, target: int | None = None, bounds: bool = False
    ) -> int:
        """Add numbers, (N,) or (N, C); the number of their accessor."""
        rows = values.reshape(len(values), -1)
        entry = {
            "bufferView": self._view(np.ascontiguousarray(values).tobytes(), target),
            "componentType": component,
            "count": len(rows),
            "type": _TYPES[rows.shape[1]],
        }
        if bounds:
            entry |= {"min": rows.min(axis=0).tolist(), "max": rows.max(axis=0).tolist()}
        self._accessors.append(entry)
        return len(self._accessors) - 1

    def _floats(self, values: NDArray[Any], *, bounds: bool = False, vertices: bool = False) -> int:
        data = np.asarray(values, "<f4")
        return self._accessor(data, _FLOAT, target=_VERTICES if vertices else None, bounds=bounds)

    def _primitive(self, surface: Surface) -> dict[str, Any]:
        few = len(surface.vertices) < 0xFFFF
        indices = surface.triangles.ravel().astype("<u2" if few else "<u4")
        primitive: dict[str, Any] = {
            "attributes": {
                "POSITION": self._floats(surface.vertices * FLIP * MM, bounds=True, vertices=True),
                "NORMAL": self._floats(surface.outward, vertices=True),
                "TEXCOORD_0": self._floats(surface.uv, vertices=True),
            },
            "indices": self._accessor(indices, _USHORT if few else _UINT, target=_INDICES),
            "material": 0,
        }
        if surface.motion is not None and surface.motion.names:
            primitive["targets"] = [
                {"POSITION": self._floats(target * FLIP * MM, bounds=True, vertices=True)}
                for target in surface.motion.targets
            ]
        return primitive

    def _looks(self, surface: Surface) -> dict[str, Any]:
        """Material, textures and pictures."""
        packet = surface.provenance.to_xmp()
        pictures = [surface.texture] if surface.relief is None else [surface.texture, surface.relief]
        material: dict[str, Any] = {
            "name": "face",
            "doubleSided": True,
            "pbrMetallicRoughness": {"baseColorTexture": {"index": 0}, "metallicFactor": 0.0, "roughnessFactor": 0.9},
        }
        looks: dict[str, Any] = {}
        if surface.relief is None:
            # The light of the picture is in the texture already.
            material["extensions"] = {"KHR_materials_unlit": {}}
            looks["extensionsUsed"] = ["KHR_materials_unlit"]
        else:
            material["normalTexture"] = {"index": 1}
        return looks | {
            "materials": [material],
            "samplers": [{"magFilter": 9729, "minFilter": 9987, "wrapS": 33071, "wrapT": 33071}],
            "textures": [{"sampler": 0, "source": number} for number in range(len(pictures))],
            "images": [
                {"mimeType": "image/png", "bufferView": self._view(_png(picture, packet))} for picture in pictures
            ],
        }

    def _animate(self, motion: Motion, mesh: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
        """Add the motion; the node and the mesh stand as in its first frame."""
        turned = motion.rotations * FLIP[:, None] * FLIP  # in the axes of files, on both sides
        values = {
            "rotation": quaternions(turned),
            "translation": (motion.positions * FLIP * MM).astype(np.float32),
        }
        for name, rows in values.items():
            node[name] = rows[0].tolist()
        if motion.names:
            mesh["weights"] = motion.weights[0].tolist()
            mesh["extras"] = {"targetNames": list(motion.names)}
            values["weights"] = motion.weights.reshape(-1)
        times = self._floats(motion.times, bounds=True)
        samplers, channels = list[dict[str, Any]](), list[dict[str, Any]]()
        for name, rows in values.items():
            channels.append({"sampler": len(samplers), "target": {"node": 0, "path": name}})
            samplers.append({"input": times, "output": self._floats(rows), "interpolation": "LINEAR"})
        return {"name": "clip", "samplers": samplers, "channels": channels}


def _png(picture: Image, packet: bytes) -> bytes:
    from PIL import Image as Pillow

    stream = io.BytesIO()
    Pillow.fromarray(picture).save(stream, "PNG")
    return embed_packet(stream.getvalue(), packet)
