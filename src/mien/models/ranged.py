"""A file on a server that is read like one on this machine."""

from __future__ import annotations

import io
from typing import IO, TYPE_CHECKING

from mien.core.errors import WeightsUnavailable
from mien.models.download import RangesRefused
from mien.models.web import ATTEMPTS, content_range, get, pause, redacted, refuse_unless_ok

if TYPE_CHECKING:
    import httpx2
    from _typeshed import WriteableBuffer

__all__ = ["RangedFile"]

_TAIL = 1 << 16  # a wheel's directory nearly always fits in its last 64 KiB


class RangedFile(io.RawIOBase):
    """A file on a server, read by ranges: enough for `zipfile` to look into a wheel without fetching it.

    What was read is kept, so keep it for directories; a large stretch is better brought to disk with `download` and
    then told with `overlay`.

    Raises
    ------
    RangesRefused
        The server sends whole files only.
    WeightsUnavailable
        The server cannot be reached, or refuses.
    """

    def __init__(self, client: httpx2.Client, url: str) -> None:
        self._client = client
        self._url = url
        self._position = 0
        self._overlays: list[tuple[int, int, IO[bytes]]] = []
        tail, self.size = self._ask(f"bytes=-{_TAIL}")
        self._pieces = [(self.size - len(tail), tail)]

    def _ask(self, byte_range: str) -> tuple[bytes, int]:
        import httpx2

        why = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                pause(attempt)
            try:
                with get(self._client, self._url, byte_range) as response:
                    if response.status_code == 429 or response.status_code >= 500:
                        why = f"the server is busy ({response.status_code})"
                        continue
                    if response.status_code in (200, 416):
                        raise RangesRefused
                    refuse_unless_ok(response, self._url)
                    first, total = content_range(response)
                    if first < 0 or total < 0:
                        raise RangesRefused
                    return b"".join(response.iter_raw()), total
            except httpx2.TransportError as error:
                why = redacted(str(error)).rstrip(".") or type(error).__name__
        raise WeightsUnavailable(f"{redacted(self._url)}: {why}.")

    def overlay(self, start: int, end: int, stream: IO[bytes]) -> None:
        """Read the bytes from `start` to `end` out of a local file from now on."""
        self._overlays.append((start, end, stream))

    def readable(self) -> bool:
        """It can be read."""
        return True

    def seekable(self) -> bool:
        """Any position can be read next."""
        return True

    def tell(self) -> int:
        """Return the present position."""
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Choose the position that is read next."""
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._position, io.SEEK_END: self.size}[whence]
        if base + offset < 0:
            raise OSError("seek before the start of the file")
        self._position = base + offset
        return self._position

    def readinto(self, buffer: WriteableBuffer) -> int:
        """Fill the whole buffer where the file has that much left (`zipfile` counts on it)."""
        view = memoryview(buffer).cast("B")
        done = 0
        while done < len(view) and self._position < self.size:
            piece = self._piece(len(view) - done)
            view[done : done + len(piece)] = piece
            done += len(piece)
            self._position += len(piece)
        return done

    def _piece(self, length: int) -> bytes:
        """Return at least one and at most `length` bytes from the present position."""
        at = self._position
        for start, end, stream in self._overlays:
            if start <= at < end:
                stream.seek(at - start)
                return stream.read(min(length, end - at))
        for start, piece in self._pieces:
            if start <= at < start + len(piece):
                return piece[at - start : at - start + length]
        stop = min(self.size, at + max(length, _TAIL))
        piece, _ = self._ask(f"bytes={at}-{stop - 1}")
        self._pieces.append((at, piece))
        return piece[:length]
