"""A folder of compiled networks, shared by processes."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import tempfile
from pathlib import Path
from typing import Any

__all__ = ["CompileCache", "digest"]

_log = logging.getLogger(__name__)
_HASH = hashlib.sha256
_HASH_BYTES = 32
_NAME_LENGTH = 64  # of an entry: a hash as hex
_BYTES_KEPT = 2 << 30  # in all; a network takes up to 290 MB for a shape of its input


def digest(path: Path) -> str:
    """Return the SHA-256 of a file, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, _HASH).hexdigest()


class CompileCache:
    """Entries of bytes under a key of anything that JSON can hold; only ever a help, never a reason to fail.

    When the folder has grown beyond 2 GB, those not used for longest are dropped, such as the networks that another
    version of OpenVINO had compiled.

    An entry is written beside its place and then moved there, so that a reader never meets half of one, and it starts
    with its own hash, so that a damaged one counts as absent. (OpenVINO's own cache writes in place, takes a torn file
    for a good one when the tear is late, and still reads the whole source network on every start.)

    Parameters
    ----------
    folder
        Where the entries lie; made when first written to. None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, key: Any) -> bytes | None:
        """Return an entry, or None if there is none that is whole."""
        if self._folder is None:
            return None
        place = self._place(self._folder, key)
        try:
            content = place.read_bytes()
        except OSError:
            return None
        with contextlib.suppress(OSError):  # a folder that can only be read
            os.utime(place)  # used now
        entry = content[_HASH_BYTES:]
        return entry if _HASH(entry).digest() == content[:_HASH_BYTES] else None

    def put(self, key: Any, entry: bytes) -> None:
        """Keep an entry. A folder that cannot be written to is mentioned in the log, once per entry, and left alone."""
        if self._folder is None:
            return
        place = self._place(self._folder, key)
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(prefix=place.name, suffix=".part", dir=self._folder)
            try:
                with os.fdopen(handle, "wb") as file:
                    file.write(_HASH(entry).digest())
                    file.write(entry)
                Path(name).replace(place)
            except OSError:
                Path(name).unlink(missing_ok=True)
                raise
            self._prune(self._folder, place)
        except OSError as error:
            _log.warning("a compiled network could not be kept in %s: %s", self._folder, error)

    @staticmethod
    def _prune(folder: Path, fresh: Path) -> None:
        """Drop what was not used for longest, but never the fresh entry, until the rest is small enough.

        Processes may do this at once, and others may read what is dropped: to them an entry was there, or it is not.
        """
        found = []
        for path in folder.glob("[0-9a-f]" * _NAME_LENGTH + "*"):  # entries, and parts that a killed process has left
            with contextlib.suppress(OSError):  # another process was faster
                status = path.stat()
                found.append((status.st_mtime_ns, status.st_size, path))
        total = sum(size for _, size, _ in found)
        for _, size, path in sorted(found):
            if total <= _BYTES_KEPT:
                break
            if path != fresh:
                with contextlib.suppress(OSError):
                    path.unlink()
                total -= size

    @staticmethod
    def _place(folder: Path, key: Any) -> Path:
        return folder / _HASH(json.dumps(key).encode()).hexdigest()
