"""Finds the pictures that a path, a folder, a glob or a list of them stands for."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from mien.core.errors import SourceError

__all__ = ["PICTURE_SUFFIXES", "find_pictures"]

#: Suffixes taken from folders and globs; a file that is named outright is opened whatever it is called.
PICTURE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm"}
    | {".tif", ".tiff", ".webp"}
)


def find_pictures(source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]]) -> Iterator[Path]:
    """Pictures of a source, sorted within each folder, found while they are read: a folder may hold millions.

    Parameters
    ----------
    source : path, glob pattern, or iterable of them
        A folder is walked with its subfolders (links to folders are not followed). ``**`` in a pattern stands for any
        folders.

    Raises
    ------
    SourceError
        If a folder cannot be read, or a folder or pattern holds no picture.
    """
    if not isinstance(source, str | os.PathLike):
        for one in source:
            yield from find_pictures(one)
        return
    path = Path(source).expanduser()
    if path.is_dir():
        yield from _some(_walk(path), f"no pictures in the folder {path}.")
    elif any(sign in str(path) for sign in "*?[") and not path.exists():
        yield from _some(_glob(path), f"no picture matches {path}.")
    else:
        yield path  # a file that is missing fails where it is opened, so that the others of a list are still read


def _walk(folder: Path) -> Iterator[Path]:
    for root, folders, names in os.walk(folder, onerror=_refuse):
        folders.sort()
        yield from (Path(root, name) for name in sorted(names) if _is_picture(name))


def _glob(pattern: Path) -> Iterator[Path]:
    anchor = Path(pattern.anchor)  # "" for a relative pattern, "/" or a drive for an absolute one
    matches = anchor.glob(str(pattern.relative_to(anchor)))
    return (path for path in sorted(matches) if _is_picture(path.name) and path.is_file())


def _is_picture(name: str) -> bool:
    # Names that begin with a dot are other programs' private files (._IMG_1.jpg is a resource fork, not a picture).
    return not name.startswith(".") and Path(name).suffix.lower() in PICTURE_SUFFIXES


def _refuse(error: OSError) -> None:
    raise SourceError(f"cannot read the folder {error.filename}: {error.strerror}.") from error


def _some(paths: Iterator[Path], complaint: str) -> Iterator[Path]:
    first = next(paths, None)
    if first is None:
        raise SourceError(complaint)
    yield first
    yield from paths
