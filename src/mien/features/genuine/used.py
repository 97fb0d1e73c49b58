"""Where it is noted that a challenge was answered, so that each is answered once."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from pathlib import Path
from typing import Final, Protocol

from mien.core.errors import StorageError

__all__ = ["KEPT", "Used", "UsedFile", "UsedHere"]

#: Seconds that a nonce is kept beyond its expiry, for clips that are judged later than they came (`now` of
#: `mien.liveness`) and for clocks that are set back: what is forgotten could be answered again.
KEPT: Final = 30 * 86400.0
WAIT: Final = 30.0  # seconds, for others who are noting


class Used(Protocol):
    """Notes nonces; of two who come with one nonce, at the same time too, one is told that it is new."""

    def note(self, nonce: str, expires: float, /) -> bool:
        """Note a nonce, to be kept until long after it expires (seconds since 1970); whether it was new."""
        ...


class UsedHere:
    """Notes in the memory of this process: gone when it ends, and unknown to others. Safe to use from many threads."""

    def __init__(self) -> None:
        self._noted: dict[str, float] = {}
        self._lock = threading.Lock()

    def note(self, nonce: str, expires: float, /) -> bool:
        """See `Used`."""
        oldest = time.time() - KEPT
        with self._lock:
            self._noted = {one: until for one, until in self._noted.items() if until >= oldest}
            new = nonce not in self._noted
            self._noted.setdefault(nonce, expires)
        return new


class UsedFile:
    """Notes in a SQLite file: they outlive the process, and several processes of one machine share them.

    Parameters
    ----------
    path : path
        Of the file; it is made, readable by its owner alone, where there is none.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)

    def note(self, nonce: str, expires: float, /) -> bool:
        """See `Used`.

        Raises
        ------
        StorageError
            If the file cannot be written, or is none of these.
        """
        try:
            # Never opened where it is there: closing any handle of a file drops all locks that this process has on it,
            # those of SQLite in another thread too (its manual, "How to corrupt", 2.2).
            with contextlib.suppress(FileExistsError):
                os.close(os.open(self.path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
            connection = sqlite3.connect(self.path, timeout=WAIT, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise StorageError(f"{self.path}: answered challenges cannot be noted there: {error}.") from error
        try:
            connection.execute("BEGIN IMMEDIATE")  # whoever comes second waits, and then finds the nonce
            connection.execute("CREATE TABLE IF NOT EXISTS used (nonce TEXT PRIMARY KEY, expires REAL NOT NULL)")
            connection.execute("DELETE FROM used WHERE expires < ?", (time.time() - KEPT,))
            added = connection.execute("INSERT OR IGNORE INTO used VALUES (?, ?)", (nonce, float(expires))).rowcount
            connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise StorageError(f"{self.path}: answered challenges cannot be noted there: {error}.") from error
        finally:
            connection.close()
        return added == 1
