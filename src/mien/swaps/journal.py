"""``Journal``: what an edit of a video has come to, frame by frame, so that one that was broken off can go on.

Of each frame it keeps the rectangle that was changed, without loss, in one SQLite file: what is in it survives a crash
up to the last second or so. The frames themselves are read again, and the video is written anew from its first frame:
there is never half a video.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from mien.core.errors import StorageError, UsageError
from mien.core.image import Image
from mien.core.region import Region
from mien.swaps.effects import Changed

__all__ = ["Journal"]

_FORMAT = 1
_OFTEN = 10  # frames after which what was done is safe on the disk


class Journal:
    """What was done to the frames of one video; use it in a ``with`` block.

    Parameters
    ----------
    path : path
        Its file; a new one is made, an existing one continued.
    settings : mapping
        What the edit is: source, effect, choice. JSON types.

    Raises
    ------
    UsageError
        If the file is of an edit with other settings, or no such file at all.
    StorageError
        If it cannot be read or written.
    """

    def __init__(self, path: str | os.PathLike[str], settings: Mapping[str, Any]) -> None:
        self.path = Path(path)
        self._pending = 0
        self._open = True
        try:
            self._store = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
            self._store.execute("PRAGMA journal_mode=WAL")
            self._store.execute("PRAGMA synchronous=NORMAL")
            self._begin(json.dumps(settings, sort_keys=True, default=str))
        except sqlite3.DatabaseError as error:
            raise self._failure(error) from error

    def _begin(self, settings: str) -> None:
        kept = self._store.execute("PRAGMA user_version").fetchone()[0]
        tables = self._store.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        if not tables:
            self._store.execute("BEGIN")
            self._store.execute("CREATE TABLE edit (settings TEXT NOT NULL)")
            self._store.execute(
                "CREATE TABLE frames (number INTEGER PRIMARY KEY, x INTEGER NOT NULL, y INTEGER NOT NULL, "
                "pixels BLOB NOT NULL, report TEXT NOT NULL)"
            )
            self._store.execute("INSERT INTO edit VALUES (?)", (settings,))
            self._store.execute(f"PRAGMA user_version={_FORMAT}")
            self._store.execute("COMMIT")
        elif kept != _FORMAT:
            self._store.close()
            raise UsageError(f"{self.path} is no journal of an edit that this version can continue.")
        elif self._store.execute("SELECT settings FROM edit").fetchone() != (settings,):
            self._store.close()
            raise UsageError(f"{self.path} is of another edit: give another name, or delete it.")
        self._store.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def __len__(self) -> int:
        return int(self._store.execute("SELECT count(*) FROM frames").fetchone()[0])

    def get(self, number: int, image: Image) -> Changed | None:
        """A frame as it was changed before; None where it was not.

        Raises
        ------
        StorageError
            If the file is damaged.
        """
        try:
            row = self._store.execute("SELECT x, y, pixels, report FROM frames WHERE number = ?", (number,)).fetchone()
        except sqlite3.DatabaseError as error:
            raise self._failure(error) from error
        if row is None:
            return None
        x, y, pixels, report = row
        size = image.shape[1], image.shape[0]
        if not pixels:
            return Changed(image=image, mask=Region.empty(size), report=json.loads(report))
        patch = self._decoded(pixels)
        height, width = patch.shape[:2]
        if not (0 <= x <= size[0] - width and 0 <= y <= size[1] - height):
            raise StorageError(f"{self.path} is damaged: what it holds of frame {number} is not within the frame.")
        whole = image.copy()
        whole[y : y + height, x : x + width] = patch
        return Changed(
            image=whole, mask=Region.from_box((x, y, x + width, y + height), size), report=json.loads(report)
        )

    def put(self, number: int, done: Changed) -> None:
        """Keep what was done to a frame.

        Raises
        ------
        StorageError
            If the disk is full.
        """
        x1, y1, x2, y2 = done.mask.bbox
        pixels = self._encoded(done.image[y1:y2, x1:x2]) if x2 > x1 and y2 > y1 else b""
        row = (number, x1, y1, pixels, json.dumps(dict(done.report), default=str))
        try:
            self._store.execute("INSERT OR REPLACE INTO frames VALUES (?, ?, ?, ?, ?)", row)
            self._pending += 1
            if self._pending >= _OFTEN:
                self._store.execute("COMMIT")
                self._store.execute("BEGIN")
                self._pending = 0
        except sqlite3.DatabaseError as error:
            raise self._failure(error) from error

    def close(self) -> None:
        """Keep what was put, and close the file."""
        if not self._open:
            return
        self._open = False
        try:
            if self._store.in_transaction:
                self._store.execute("COMMIT")
            self._store.close()
        except sqlite3.DatabaseError as error:
            raise self._failure(error) from error

    def remove(self) -> None:
        """Close and delete the file: what it was for is done."""
        self._open = False
        self._store.close()
        for suffix in ("", "-wal", "-shm"):
            self.path.with_name(self.path.name + suffix).unlink(missing_ok=True)

    def _failure(self, error: sqlite3.DatabaseError) -> StorageError | UsageError:
        if isinstance(error, sqlite3.OperationalError):
            return StorageError(f"cannot use {self.path}: {error}.")
        return UsageError(f"{self.path} is no journal of an edit ({error}).")

    def _decoded(self, pixels: bytes) -> Image:
        import cv2

        patch = cv2.imdecode(np.frombuffer(pixels, np.uint8), cv2.IMREAD_COLOR)
        if patch is None:
            raise StorageError(f"{self.path} is damaged.")
        return np.asarray(cv2.cvtColor(patch, cv2.COLOR_BGR2RGB), np.uint8)

    @staticmethod
    def _encoded(patch: Image) -> bytes:
        import cv2

        done, data = cv2.imencode(".png", cv2.cvtColor(patch, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_PNG_COMPRESSION, 1])
        assert done  # noqa: S101 - a picture of bytes always is one
        return bytes(data)
