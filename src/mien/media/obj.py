"""Wavefront OBJ: text, with its material and its texture in two files beside it (Wavefront, *Object Files*, 1989)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mien.media.marking import mark_image
from mien.media.sinks import begin, write_bytes
from mien.media.surfaces import FLIP, Surface

__all__ = ["write"]


def write(surface: Surface, path: Path, material: Path, texture: Path) -> None:
    """Write three files; see `mien.media.meshes.save_surface`."""
    for file in (path, material, texture):
        begin(file).unlink()  # makes the folder, and fails before there is a file
    # The picture and the material first: where the OBJ is there, all is.
    mark_image(surface.texture, texture, surface.provenance)
    name = "face"
    lines = [f"# {surface.provenance.to_comment()}", f"newmtl {name}", "Ka 1 1 1", "Kd 1 1 1", "Ks 0 0 0", "illum 1"]
    write_bytes(material, "\n".join([*lines, f"map_Kd {texture.name}", ""]).encode())
    write_bytes(path, _text(surface, material.name, name).encode())


def _text(surface: Surface, material: str, name: str) -> str:
    rows = [
        f"# {surface.provenance.to_comment()}",
        "# millimetres; x right as seen from the front, y up, z towards the viewer",
        f"mtllib {material}",
        f"o {name}",
        *("v {:.6g} {:.6g} {:.6g}".format(*row) for row in (surface.vertices * FLIP).tolist()),
        # Textures count v from below here.
        *(
            "vt {:.6g} {:.6g}".format(*row)
            for row in np.column_stack([surface.uv[:, 0], 1 - surface.uv[:, 1]]).tolist()
        ),
        *("vn {:.6g} {:.6g} {:.6g}".format(*row) for row in surface.outward.tolist()),
        f"usemtl {name}",
        *("f " + " ".join(f"{i}/{i}/{i}" for i in row) for row in (surface.triangles + 1).tolist()),
        "",
    ]
    return "\n".join(rows)
