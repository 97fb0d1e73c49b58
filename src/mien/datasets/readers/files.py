"""Files of annotations, from anywhere: read whole, and only if they are of a sane size."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from mien.core.errors import InputError, SourceError

__all__ = ["read_bytes", "read_text"]

LARGEST_FILE = 512 << 20  # bytes; COCO's own are just below


def read_bytes(path: str | os.PathLike[str], *, limit: int | None = None) -> bytes:
    """The content of a file of annotations.

    Parameters
    ----------
    path : path
    limit : int, optional
        Bytes that it has at most; by default 512 MiB.

    Raises
    ------
    SourceError
        If it cannot be read, or is no regular file: to open a pipe is to wait for its other end.
    InputError
        If it is too large.
    """
    path, limit = Path(path), LARGEST_FILE if limit is None else limit
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode) and not stat.S_ISDIR(status.st_mode):
            raise SourceError(f"{path} is not a regular file.")
        if status.st_size > limit:
            raise InputError(f"{path} is too large for annotations: more than {limit:,} bytes.")
        return path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path} cannot be read: {error.strerror}.") from error
    except ValueError as error:  # a null character
        raise SourceError(f"{str(path)!r} is not a path: {error}.") from error


def read_text(path: str | os.PathLike[str], *, limit: int | None = None) -> str:
    """The text of a file of annotations in UTF-8, without a byte order mark; raises as `read_bytes`, or InputError."""
    try:
        return read_bytes(path, limit=limit).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not text in UTF-8.") from error
