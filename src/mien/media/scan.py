"""Finds the pictures that a path, a folder, a glob or a list of them stands for."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from mien.core.errors import SourceError, UsageError

__all__ = ["PICTURE_SUFFIXES", "Nothing", "find_pictures"]

#: Suffixes taken from folders and globs; a file that is named outright is opened whatever it is called.
PICTURE_SUFFIXES = frozenset(
    {".avif", ".bmp", ".gif", ".heic", ".heif", ".jfif", ".jp2", ".jpe", ".jpeg", ".jpg", ".pgm", ".png", ".ppm"}
    | {".tif", ".tiff", ".webp"}
)


@dataclass(frozen=True)
class Nothing:
    """A place in which no picture was found, and why: it takes the pictures' place, so that the others are read."""

    source: str
    error: SourceError


def find_pictures(
    source: str | os.PathLike[str] | Iterable[str | os.PathLike[str]], *, suffixes: Collection[str] = PICTURE_SUFFIXES
) -> Iterator[Path | Nothing]:
    """Pictures of a source, sorted within each folder, found while they are read: a folder may hold millions.

    Parameters
    ----------
    source : path, glob pattern, or iterable of them
        A folder is walked with its subfolders (links to folders are not followed). ``**`` in a pattern stands for any
        folders.
    suffixes : collection of str
        Those that are taken from folders and globs.

    Yields
    ------
    Path or Nothing
        A file that is named outright is given whether it is there or not: it fails where it is opened. A folder that
        cannot be read, and a folder or pattern without pictures, give `Nothing`.

    Raises
    ------
    UsageError
        If the source is none of these.
    """
    if isinstance(source, str | os.PathLike):
        if not os.fspath(source):
            raise UsageError("an empty path names no picture.")
        yield from _find(Path(source).expanduser(), suffixes)
    elif isinstance(source, Iterable):
        for one in source:
            yield from find_pictures(one, suffixes=suffixes)
    else:
        raise UsageError(f"pictures are found in paths, folders and globs, not in {source!r}.")


def _find(path: Path, suffixes: Collection[str]) -> Iterator[Path | Nothing]:
    # Unlike Path's own, these say no to a name that is too long, which then fails where it is opened.
    if os.path.isdir(path):  # noqa: PTH112
        yield from _some(path, _walk(path, suffixes), f"no pictures in the folder {path}.")
    elif any(sign in str(path) for sign in "*?[") and not os.path.exists(path):  # noqa: PTH110
        yield from _some(path, _glob(path, suffixes), f"no picture matches {path}.")
    else:
        yield path


def _walk(folder: Path, suffixes: Collection[str]) -> Iterator[Path | Nothing]:
    unreadable: list[OSError] = []
    for root, folders, names in os.walk(folder, onerror=unreadable.append):
        folders.sort()
        yield from (Path(root, name) for name in sorted(names) if _is_picture(name, suffixes))
    for error in unreadable:
        reason = SourceError(f"cannot read the folder {error.filename}: {error.strerror}.")
        yield Nothing(str(error.filename), reason)


def _glob(pattern: Path, suffixes: Collection[str]) -> Iterator[Path]:
    anchor = Path(pattern.anchor)  # "" for a relative pattern, "/" or a drive for an absolute one
    # A last part of ** matches folders only; whoever writes it means what is in them.
    last = "/*" if pattern.name == "**" else ""
    matches = anchor.glob(str(pattern.relative_to(anchor)) + last)
    return (path for path in sorted(matches) if _is_picture(path.name, suffixes) and path.is_file())


def _is_picture(name: str, suffixes: Collection[str]) -> bool:
    # Names that begin with a dot are other programs' private files (._IMG_1.jpg is a resource fork, not a picture).
    return not name.startswith(".") and Path(name).suffix.lower() in suffixes


def _some(place: Path, found: Iterator[Path | Nothing], complaint: str) -> Iterator[Path | Nothing]:
    first = next(found, None)
    yield first or Nothing(str(place), SourceError(complaint))
    yield from found
