"""Bytes over HTTP: one client with the user's settings, downloads that go on where they broke, files read by ranges.

The client is ``httpx2``, by way of unearth's ``PyPIClient``: unearth depends on it anyway, it reads ``file:`` indexes,
knows trusted hosts and sends an index's password to that index only. It is imported when first needed.
"""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import IO, TYPE_CHECKING

from mien.core.errors import StorageError, UnsafeFile, UsageError, WeightsUnavailable
from mien.models.pip_settings import PipSettings, read_pip_settings

if TYPE_CHECKING:
    import httpx2
    from _typeshed import WriteableBuffer
    from unearth.fetchers import PyPIClient

__all__ = ["NotThere", "RangedFile", "RangesRefused", "Report", "Web", "download", "redacted"]

ATTEMPTS = 4
_PAUSE = 0.25  # seconds before the first new attempt; doubles with each
_TAIL = 1 << 16  # a wheel's directory nearly always fits in its last 64 KiB

Report = Callable[[int, int], None]


class RangesRefused(Exception):
    """The server does not send parts of a file; the caller takes the whole file instead."""


class NotThere(WeightsUnavailable):
    """The server answered that it has no such file."""


class Web:
    """The network as the user's pip reaches it. Nothing is read or opened before something is asked.

    Parameters
    ----------
    offline
        Refuse every use.
    """

    def __init__(self, *, offline: bool = False) -> None:
        self._offline = offline
        self._stack = ExitStack()

    def __enter__(self) -> Web:
        return self

    def __exit__(self, *exception: object) -> None:
        self._stack.close()

    @cached_property
    def settings(self) -> PipSettings:
        """The settings of the user's pip."""
        return read_pip_settings()

    @cached_property
    def client(self) -> PyPIClient:
        """The HTTP client.

        Raises
        ------
        WeightsUnavailable
            Offline.
        UsageError
            A certificate file that cannot be used.
        """
        if self._offline:
            raise WeightsUnavailable("not in the cache, and offline is set")
        return self._stack.enter_context(_connect(self.settings))


def _connect(settings: PipSettings) -> PyPIClient:
    import ssl

    import httpx2
    from unearth.auth import MultiDomainBasicAuth
    from unearth.fetchers import PyPIClient

    verify: ssl.SSLContext | bool = True
    if settings.cert or settings.client_cert:
        try:
            folder = bool(settings.cert) and Path(str(settings.cert)).is_dir()
            verify = ssl.create_default_context(
                cafile=None if folder else settings.cert, capath=settings.cert if folder else None
            )
            if settings.client_cert:
                verify.load_cert_chain(settings.client_cert)
        except OSError as error:  # ssl.SSLError is one
            raise UsageError(f"pip's certificate setting cannot be used: {error}") from None
    # unearth mounts trusted hosts without a proxy, so the proxied, unchecked transport for them is given here.
    mounts = {}
    if settings.proxy:
        unchecked = httpx2.HTTPTransport(verify=False, proxy=settings.proxy)
        mounts = {f"all://{host}": unchecked for host in settings.trusted_hosts}
    client = PyPIClient(
        trusted_hosts=settings.trusted_hosts,
        verify=verify,
        timeout=settings.timeout,
        proxy=settings.proxy,
        mounts=mounts,
        follow_redirects=True,
    )
    indexes = [url for url in (settings.index_url, *settings.extra_index_urls) if url]
    client.auth = MultiDomainBasicAuth(prompting=False, index_urls=indexes)
    return client


def redacted(text: str) -> str:
    """Return an address or message without user names, passwords and query strings, which may hold tokens."""
    return re.sub(r"\?[^\s'\"]*", "", re.sub(r"//[^/@\s]+@", "//***@", text))


@contextmanager
def _get(client: httpx2.Client, url: str, byte_range: str | None) -> Iterator[httpx2.Response]:
    """Stream a GET, with errors from the server as `WeightsUnavailable` and no passwords in them."""
    import httpx2

    # Offsets must count the file's own bytes, so the server is asked not to compress them in transit.
    headers = {"Accept-Encoding": "identity"} | ({"Range": byte_range} if byte_range else {})
    try:
        with client.stream("GET", url, headers=headers) as response:
            yield response
    except httpx2.TransportError:
        raise
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        raise WeightsUnavailable(f"{redacted(url)}: {redacted(str(error))}") from None


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
    NotThere
        The server has no such file.
    WeightsUnavailable
        The connection broke `ATTEMPTS` times in a row without bringing a byte, or the server refuses. `part` is kept.
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
            if _append(client, url, part, span, limit, report):
                return
            why = "the server is busy"
        except httpx2.TransportError as error:
            why = redacted(str(error)) or type(error).__name__
        except UnsafeFile:
            part.unlink(missing_ok=True)
            raise
        except OSError as error:
            part.unlink(missing_ok=True)
            raise StorageError(f"cannot write {part}: {error.strerror}") from error
        failures = 1 if _size(part) > before else failures + 1
        if failures >= ATTEMPTS:
            raise WeightsUnavailable(f"{redacted(url)}: {why}; what has arrived is kept, try again")
        time.sleep(_PAUSE * 2 ** (failures - 1))


def _append(
    client: httpx2.Client, url: str, part: Path, span: tuple[int, int] | None, limit: int, report: Report
) -> bool:
    """Ask once for what `part` lacks; False where the server says to come back later."""
    have = _size(part)
    start, end = span or (0, None)
    if end is not None and have >= end - start:
        return True
    wanted = f"bytes={start + have}-{'' if end is None else end - 1}" if span or have else None
    with _get(client, url, wanted) as response:
        status = response.status_code
        if status == 416 and not span:
            # Complete already, or the file on the server has become shorter: the total tells.
            if _content_range(response)[1] != have:
                part.unlink()
                return _append(client, url, part, span, limit, report)
            return True
        if status == 206 and _content_range(response)[0] != start + have:
            status = 200  # bytes, but not those that were asked for
        if status == 200 and span:
            raise RangesRefused
        if status == 429 or status >= 500:
            return False
        _refuse_unless_ok(response, url)
        if status == 200:
            have = 0
        length = response.headers.get("Content-Length", "")
        total = end - start if end is not None else have + int(length) if length.isdecimal() else 0
        if max(total, have) > limit:
            raise UnsafeFile(f"{redacted(url)}: {total} bytes, more than the {limit} that it may have")
        with part.open("ab" if have else "wb") as out:
            for chunk in response.iter_raw():
                have += len(chunk)
                if have > limit:
                    raise UnsafeFile(f"{redacted(url)}: more than the {limit} bytes that it may have")
                out.write(chunk)
                report(have, max(total, have))
    return end is None or have >= end - start


def _refuse_unless_ok(response: httpx2.Response, url: str) -> None:
    status = response.status_code
    if status in (404, 410):
        raise NotThere(f"{redacted(url)}: not found ({status})")
    if status not in (200, 206):
        raise WeightsUnavailable(f"{redacted(url)}: the server refuses ({status} {response.reason_phrase})")


def _content_range(response: httpx2.Response) -> tuple[int, int]:
    """Return the first byte and the file's size as the server states them; -1 for what it does not state."""
    match = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+|\*)", response.headers.get("Content-Range", ""))
    first, total = match.groups() if match else (None, None)
    return int(first or -1), int(total) if total and total != "*" else -1


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


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
                time.sleep(_PAUSE * 2 ** (attempt - 1))
            try:
                with _get(self._client, self._url, byte_range) as response:
                    if response.status_code == 429 or response.status_code >= 500:
                        why = f"the server is busy ({response.status_code})"
                        continue
                    if response.status_code in (200, 416):
                        raise RangesRefused
                    _refuse_unless_ok(response, self._url)
                    first, total = _content_range(response)
                    if first < 0 or total < 0:
                        raise RangesRefused
                    return b"".join(response.iter_raw()), total
            except httpx2.TransportError as error:
                why = redacted(str(error)) or type(error).__name__
        raise WeightsUnavailable(f"{redacted(self._url)}: {why}")

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
