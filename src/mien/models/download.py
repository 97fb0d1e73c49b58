"""Downloads that go on where they broke."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from mien.core.errors import StorageError, UnsafeFile, WeightsUnavailable
from mien.models.web import ATTEMPTS, content_range, get, pause, redacted, refuse_unless_ok

if TYPE_CHECKING:
    import httpx2

__all__ = ["RangesRefused", "Report", "download"]

Report = Callable[[int, int], None]
"""Called with the bytes done and the bytes in all (0: not known)."""


class RangesRefused(Exception):
    """The server does not send parts of a file; the caller takes the whole file instead."""


def download(
    client: httpx2.Client,
    url: str,
    part: Path,
    *,
    limit: int,
    report: Report,
    span: tuple[int, int] | None = None,
) -> None:
    """Bring a file, or the bytes ``span[0] <= i < span[1]`` of it, into `part`.

    Bytes that `part` holds already, from an attempt that broke or a process that was killed, are not asked for again
    where the server can send parts. That the file has not changed on the server meanwhile is not checked here: the
    caller knows the hash of what must come out.

    Parameters
    ----------
    limit
        A file of more bytes is refused.
    report
        Called with the bytes done and the bytes in all.

    Raises
    ------
    WeightsUnavailable
        The server has no such file or refuses, or the connection broke `ATTEMPTS` times in a row without bringing a
        byte. `part` is kept.
    UnsafeFile
        More than `limit` bytes. `part` is removed.
    StorageError
        `part` cannot be written. It is removed.
    RangesRefused
        A span was asked for, and the server sends whole files only.
    """
    import httpx2

    failures = 0
    while True:
        before = _size(part)
        try:
            if (why := _append(client, url, part, span, limit, report)) is None:
                return
        except httpx2.TransportError as error:
            why = redacted(str(error)).rstrip(".") or type(error).__name__
        except UnsafeFile:
            part.unlink(missing_ok=True)
            raise
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StorageError(f"cannot write {part}: {error.strerror}.") from error
        failures = 1 if _size(part) > before else failures + 1
        if failures >= ATTEMPTS:
            kept = "; what has arrived is kept, try again" if _size(part) else ""
            raise WeightsUnavailable(f"{redacted(url)}: {why}{kept}.")
        pause(failures)


def _append(
    client: httpx2.Client, url: str, part: Path, span: tuple[int, int] | None, limit: int, report: Report
) -> str | None:
    """Ask once for what `part` lacks; return why something still lacks, or None where nothing does."""
    have = _size(part)
    start, end = span or (0, None)
    if end is not None and have >= end - start:
        return None
    wanted = f"bytes={start + have}-{'' if end is None else end - 1}" if span or have else None
    with get(client, url, wanted) as response:
        status = response.status_code
        if status == 416 and not span:
            # Complete already, or the file on the server has become shorter: the total tells.
            if content_range(response)[1] != have:
                part.unlink()
                return _append(client, url, part, span, limit, report)
            return None
        if status == 206 and content_range(response)[0] != start + have:
            status = 200  # bytes, but not those that were asked for
        if status == 200 and span:
            raise RangesRefused
        if status == 429 or status >= 500:
            return f"the server is busy ({status})"
        refuse_unless_ok(response, url)
        if status == 200:
            have = 0
        length = response.headers.get("Content-Length", "")
        total = end - start if end is not None else have + int(length) if length.isdecimal() else 0
        if max(total, have) > limit:
            raise UnsafeFile(f"{redacted(url)}: {total} bytes, more than the {limit} that it may have.")
        with part.open("ab" if have else "wb") as out:
            for chunk in response.iter_raw():
                have += len(chunk)
                if have > limit:
                    raise UnsafeFile(f"{redacted(url)}: more than the {limit} bytes that it may have.")
                out.write(chunk)
                report(have, max(total, have))
    return "the server sends less than was asked for" if end is not None and have < end - start else None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0
