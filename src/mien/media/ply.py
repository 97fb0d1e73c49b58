"""PLY, the Stanford triangle format: binary, with vertex colours (Turk, *The PLY Polygon File Format*, 1994)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.media.sinks import write_bytes
from mien.media.surfaces import FLIP, Surface

__all__ = ["write"]

#: Properties of a vertex, and how they lie in the file. Names of the colours and of the texture's place are MeshLab's.
_VERTEX = np.dtype(
    [
        *((name, "<f4") for name in ("x", "y", "z", "nx", "ny", "nz", "s", "t")),
        *((name, "u1") for name in ("red", "green", "blue")),
    ]
)
_FACE = np.dtype([("count", "u1"), ("vertices", "<i4", 3)])
_TYPES = {"f": "float", "u": "uchar"}


def write(surface: Surface, path: Path) -> None:
    """Write one file; see `mien.media.meshes.save_surface`."""
    places = np.column_stack([surface.uv[:, 0], 1 - surface.uv[:, 1]])  # v from below, as in OBJ
    vertices = np.empty(len(surface.vertices), _VERTEX)
    values = [*(surface.vertices * FLIP).T, *surface.outward.T, *places.T, *surface.colors().T]
    for name, column in zip(_VERTEX.names or (), values, strict=True):
        vertices[name] = column
    faces = np.empty(len(surface.triangles), _FACE)
    faces["count"], faces["vertices"] = 3, surface.triangles
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment {surface.provenance.to_comment()}",
        "comment millimetres; x right as seen from the front, y up, z towards the viewer",
        f"element vertex {len(vertices)}",
        *(f"property {_TYPES[_VERTEX[name].kind]} {name}" for name in _VERTEX.names or ()),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header\n",
    ]
    write_bytes(path, "\n".join(header).encode("ascii", "replace") + vertices.tobytes() + faces.tobytes())
