"""Textured meshes in files: Wavefront OBJ, PLY, and binary glTF with what moves.

glTF is in metres, as it must be; OBJ and PLY know no unit and stay in millimetres. Axes: see `mien.media.surfaces`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

from mien.core.errors import UsageError
from mien.media import gltf, obj, ply
from mien.media.surfaces import Surface

__all__ = ["MESH_SUFFIXES", "files_of", "save_surface"]

_WRITERS: Final[Mapping[str, Callable[..., None]]] = MappingProxyType(
    {".glb": gltf.write, ".obj": obj.write, ".ply": ply.write}
)

#: Formats that meshes are written in.
MESH_SUFFIXES: Final = tuple(_WRITERS)


def files_of(path: str | os.PathLike[str]) -> list[Path]:
    """The files that `save_surface` writes for a path, that path first."""
    target = Path(path)
    if target.suffix.lower() != ".obj":
        return [target]
    # Not by the name alone: a portrait.png may be the photo that the mesh was made of.
    return [target, target.with_suffix(".mtl"), target.with_name(f"{target.stem}_texture.png")]


def save_surface(surface: Surface, path: str | os.PathLike[str]) -> list[Path]:
    """Write a surface; the suffix names the format.

    Parameters
    ----------
    surface : Surface
    path : path
        ``.glb`` (binary glTF 2.0: texture, motion and relief in one file), ``.obj`` (with an ``.mtl`` and a
        ``_texture.png`` beside it) or ``.ply`` (binary; colours at the vertices).

    Returns
    -------
    list of Path
        The files, the one asked for first. Each appears complete or not at all.

    Raises
    ------
    UsageError
        If no format has that suffix.
    StorageError
        If a file cannot be written.
    """
    files = files_of(path)
    if (suffix := files[0].suffix.lower()) not in _WRITERS:
        raise UsageError(f"cannot write {files[0].name}: meshes are written as {', '.join(_WRITERS)}.")
    _WRITERS[suffix](surface, *files)
    return files
